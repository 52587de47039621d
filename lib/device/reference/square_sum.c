/* square_sum.c -- the square of a block's Euclidean norm. */
#include "device/reference/reference.h"

int rn_reference_square_sum(struct rn_device *dev, double *sum, const void *x, size_t bytes, struct rn_err *err)
{
    (void)dev;
    (void)err;
    const double *value = x;
    *sum = 0;
    for (size_t i = 0; i < bytes / sizeof *value; i++)
        *sum += value[i] * value[i];
    return 0;
}
