/* global_avg_pool.c -- the mean of each channel's map. */
#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_global_avg_pool(struct rn_device *dev, const struct rn_global_avg_pool *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x;
    (void)dev;
    if (rn_check_global_avg_pool(op, err))
        return -1;
    for (size_t n = 0; n < x.n; n++)
        for (size_t c = 0; c < x.c; c++) {
            double sum = 0;
            for (size_t h = 0; h < x.h; h++)
                for (size_t w = 0; w < x.w; w++)
                    sum += *rn_reference_at(x, n, c, h, w);
            *rn_reference_at(y, n, c, 0, 0) = sum / (double)(x.h * x.w);
        }
    return 0;
}

int rn_reference_global_avg_pool_backward(struct rn_device *dev, const struct rn_global_avg_pool_backward *op, struct rn_err *err)
{
    struct rn_array dx = op->dx, dy = op->dy;
    (void)dev;
    if (rn_check_global_avg_pool_backward(op, err))
        return -1;
    rn_reference_begin(dx, op->add & RN_ADD_DX);
    for (size_t n = 0; n < dx.n; n++)
        for (size_t c = 0; c < dx.c; c++)
            for (size_t h = 0; h < dx.h; h++)
                for (size_t w = 0; w < dx.w; w++)
                    *rn_reference_at(dx, n, c, h, w) += *rn_reference_at(dy, n, c, 0, 0) / (double)(dx.h * dx.w);
    return 0;
}
