/* max_pool.c -- the largest value under a window; its place gets the gradient, the first in row order where there are
 * several. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_max_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_window window,
                          struct rn_err *err)
{
    (void)dev;
    size_t h, w;
    if (rn_check_max_pool(y, x, window, err))
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

static void give(struct rn_array dx, double dy, struct rn_array x, double y, struct rn_window window, size_t n,
                 size_t c, size_t p, size_t q)
{
    size_t h, w;
    for (size_t r = 0; r < window.r; r++)
        for (size_t s = 0; s < window.s; s++)
            if (rn_reference_tap(x, window, p, q, r, s, &h, &w) && *rn_reference_at(x, n, c, h, w) == y) {
                *rn_reference_at(dx, n, c, h, w) += dy;
                return;
            }
}

int rn_reference_max_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x,
                                   struct rn_array y, struct rn_window window, unsigned add, struct rn_err *err)
{
    (void)dev;
    if (rn_check_max_pool(y, x, window, err) || rn_check_max_pool(dy, dx, window, err))
        return -1;
    rn_reference_begin(dx, add & RN_ADD_DX);
    for (size_t n = 0; n < y.n; n++)
        for (size_t c = 0; c < y.c; c++)
            for (size_t p = 0; p < y.h; p++)
                for (size_t q = 0; q < y.w; q++)
                    give(dx, *rn_reference_at(dy, n, c, p, q), x, *rn_reference_at(y, n, c, p, q), window, n, c, p,
                         q);
    return 0;
}
