/* channel_pool.c -- the largest and the mean of the channels at each pixel. */
#include "device/check.h"
#include "device/reference/reference.h"

/* The first of the largest channels; a NaN is larger than any number. */
static size_t largest(struct rn_array x, size_t n, size_t h, size_t w)
{
    size_t best = 0;
    for (size_t c = 1; c < x.c; c++) {
        double value = *rn_reference_at(x, n, c, h, w), most = *rn_reference_at(x, n, best, h, w);
        if (value > most || (value != value && most == most))
            best = c;
    }
    return best;
}

int rn_reference_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x;
    (void)dev;
    if (rn_check_channel_pool(op, err))
        return -1;
    for (size_t n = 0; n < x.n; n++)
        for (size_t h = 0; h < x.h; h++)
            for (size_t w = 0; w < x.w; w++) {
                double sum = 0;
                for (size_t c = 0; c < x.c; c++)
                    sum += *rn_reference_at(x, n, c, h, w);
                *rn_reference_at(y, n, 0, h, w) = *rn_reference_at(x, n, largest(x, n, h, w), h, w);
                *rn_reference_at(y, n, 1, h, w) = sum / (double)x.c;
            }
    return 0;
}

int rn_reference_channel_pool_backward(struct rn_device *dev, const struct rn_channel_pool_backward *op, struct rn_err *err)
{
    struct rn_array dx = op->dx, dy = op->dy, x = op->x;
    (void)dev;
    if (rn_check_channel_pool_backward(op, err))
        return -1;
    rn_reference_begin(dx, op->add & RN_ADD_DX);
    for (size_t n = 0; n < x.n; n++)
        for (size_t h = 0; h < x.h; h++)
            for (size_t w = 0; w < x.w; w++) {
                *rn_reference_at(dx, n, largest(x, n, h, w), h, w) += *rn_reference_at(dy, n, 0, h, w);
                for (size_t c = 0; c < x.c; c++)
                    *rn_reference_at(dx, n, c, h, w) += *rn_reference_at(dy, n, 1, h, w) / (double)x.c;
            }
    return 0;
}
