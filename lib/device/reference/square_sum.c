/* square_sum.c -- the square of a block's Euclidean norm. */
#include "device/reference/reference.h"

int rn_reference_square_sum(struct rn_device *dev, const struct rn_square_sum *op, struct rn_err *err)
{
    (void)dev;
    (void)err;
    const double *value = op->x;
    *op->sum = 0;
    for (size_t i = 0; i < op->bytes / sizeof *value; i++)
        *op->sum += value[i] * value[i];
    return 0;
}
