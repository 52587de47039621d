/* lerp.c -- one block moves towards another. */
#include "device/reference/reference.h"

int rn_reference_lerp(struct rn_device *dev, const struct rn_lerp *op, struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *to = op->y;
    const double *from = op->x;
    for (size_t i = 0; i < op->bytes / sizeof *to; i++)
        to[i] = op->share < 1 ? to[i] + op->share * (from[i] - to[i]) : from[i];
    return 0;
}
