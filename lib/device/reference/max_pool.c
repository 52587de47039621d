/* max_pool.c -- the largest value under a window; its place gets the gradient, the first in row order where there are
 * several. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x;
    struct rn_window window = op->window;
    (void)dev;
    size_t h, w;
    if (rn_check_max_pool(op, err))
        return -1;
    for (size_t n = 0; n < y.n; n++)
        for (size_t c = 0; c < y.c; c++)
            for (size_t p = 0; p < y.h; p++)
                for (size_t q = 0; q < y.w; q++) {
                    double best = -INFINITY;
                    for (size_t r = 0; r < window.r; r++)
                        for (size_t s = 0; s < window.s; s++)
                            if (rn_reference_tap(x, window, p, q, r, s, &h, &w)) {
                                double value = *rn_reference_at(x, n, c, h, w);
                                best = value > best || isnan(value) ? value : best;
                            }
                    *rn_reference_at(y, n, c, p, q) = best;
                }
    return 0;
}

/* What output (p, q) of a map gives back. */
static void give(const struct rn_max_pool_backward *op, size_t n, size_t c, size_t p, size_t q)
{
    size_t h, w;
    double dy = *rn_reference_at(op->dy, n, c, p, q), y = *rn_reference_at(op->y, n, c, p, q);
    for (size_t r = 0; r < op->window.r; r++)
        for (size_t s = 0; s < op->window.s; s++)
            if (rn_reference_tap(op->x, op->window, p, q, r, s, &h, &w) && *rn_reference_at(op->x, n, c, h, w) == y) {
                *rn_reference_at(op->dx, n, c, h, w) += dy;
                return;
            }
}

int rn_reference_max_pool_backward(struct rn_device *dev, const struct rn_max_pool_backward *op, struct rn_err *err)
{
    struct rn_array y = op->y;
    (void)dev;
    if (rn_check_max_pool_backward(op, err))
        return -1;
    rn_reference_begin(op->dx, op->add & RN_ADD_DX);
    for (size_t n = 0; n < y.n; n++)
        for (size_t c = 0; c < y.c; c++)
            for (size_t p = 0; p < y.h; p++)
                for (size_t q = 0; q < y.w; q++)
                    give(op, n, c, p, q);
    return 0;
}
