/* lerp.c -- one block moves towards another. */
#include "device/reference/reference.h"

int rn_reference_lerp(struct rn_device *dev, void *y, const void *x, double share, size_t bytes, struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *to = y;
    const double *from = x;
    for (size_t i = 0; i < bytes / sizeof *to; i++)
        to[i] = share < 1 ? to[i] + share * (from[i] - to[i]) : from[i];
    return 0;
}
