/* conv2d.c -- y(n,k,p,q) = sum over c, r, s of x(n, first + c, p stride + r dilation - top, q stride + s dilation - left)
 * w(k,c,r,s), where first is that of k's group of channels. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

/* The first channel of x that output k sees. */
static size_t first_of(struct rn_array y, struct rn_array w, struct rn_window window, size_t k)
{
    return k / (y.c / window.groups) * w.c;
}

/* ---- forward ---- */

static double output(const struct rn_conv2d *op, size_t n, size_t k, size_t p, size_t q)
{
    double sum = 0;
    size_t h, w, first = first_of(op->y, op->w, op->window, k);
    for (size_t c = 0; c < op->w.c; c++)
        for (size_t r = 0; r < op->window.r; r++)
            for (size_t s = 0; s < op->window.s; s++)
                if (rn_reference_tap(op->x, op->window, p, q, r, s, &h, &w))
                    sum += *rn_reference_at(op->x, n, first + c, h, w) * *rn_reference_at(op->w, k, c, r, s);
    if (op->bias.data)
        sum += *rn_reference_of(op->bias, k);
    if (op->residual.data)
        sum += *rn_reference_at(op->residual, n, k, p, q);
    switch (op->activation) {
    case RN_ACT_NONE:
        return sum;
    case RN_ACT_RELU:
        return sum < 0 ? 0 : sum; /* NaN stays */
    case RN_ACT_SIGMOID:
        return 1 / (1 + exp(-sum));
    }
    return sum;
}

/* One channel of one image. */
static void forward_map(void *context, size_t i, int thread)
{
    (void)thread;
    const struct rn_conv2d *op = context;
    for (size_t p = 0; p < op->y.h; p++)
        for (size_t q = 0; q < op->y.w; q++)
            *rn_reference_at(op->y, i / op->y.c, i % op->y.c, p, q) = output(op, i / op->y.c, i % op->y.c, p, q);
}

int rn_reference_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    if (rn_check_conv2d(op, err))
        return -1;
    struct rn_conv2d own = *op;
    rn_pool_for(rn_reference_pool(dev), op->y.n * op->y.c, forward_map, &own);
    return 0;
}

/* ---- backward: what each output took from x and w, it gives back ---- */

static void dx_image(void *context, size_t n, int thread)
{
    (void)thread;
    const struct rn_conv2d_backward *op = context;
    size_t h, w;
    for (size_t k = 0; k < op->dy.c; k++) {
        size_t first = first_of(op->dy, op->w, op->window, k);
        for (size_t p = 0; p < op->dy.h; p++)
            for (size_t q = 0; q < op->dy.w; q++)
                for (size_t c = 0; c < op->w.c; c++)
                    for (size_t r = 0; r < op->window.r; r++)
                        for (size_t s = 0; s < op->window.s; s++)
                            if (rn_reference_tap(op->x, op->window, p, q, r, s, &h, &w))
                                *rn_reference_at(op->dx, n, first + c, h, w) +=
                                    *rn_reference_at(op->dy, n, k, p, q) * *rn_reference_at(op->w, k, c, r, s);
    }
}

static void dw_channel(void *context, size_t k, int thread)
{
    (void)thread;
    const struct rn_conv2d_backward *op = context;
    size_t h, w, first = first_of(op->dy, op->w, op->window, k);
    for (size_t n = 0; n < op->dy.n; n++)
        for (size_t p = 0; p < op->dy.h; p++)
            for (size_t q = 0; q < op->dy.w; q++)
                for (size_t c = 0; c < op->w.c; c++)
                    for (size_t r = 0; r < op->window.r; r++)
                        for (size_t s = 0; s < op->window.s; s++)
                            if (rn_reference_tap(op->x, op->window, p, q, r, s, &h, &w))
                                *rn_reference_at(op->dw, k, c, r, s) +=
                                    *rn_reference_at(op->dy, n, k, p, q) * *rn_reference_at(op->x, n, first + c, h, w);
}

static void dbias_channel(void *context, size_t k, int thread)
{
    (void)thread;
    const struct rn_conv2d_backward *op = context;
    for (size_t n = 0; n < op->dy.n; n++)
        for (size_t p = 0; p < op->dy.h; p++)
            for (size_t q = 0; q < op->dy.w; q++)
                *rn_reference_of(op->dbias, k) += *rn_reference_at(op->dy, n, k, p, q);
}

int rn_reference_conv2d_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    if (rn_check_conv2d_backward(op, err))
        return -1;
    struct rn_conv2d_backward own = *op;
    rn_reference_begin(op->dx, op->add & RN_ADD_DX);
    rn_reference_begin(op->dw, op->add & RN_ADD_DW);
    rn_reference_begin(op->dbias, op->add & RN_ADD_DW);
    if (op->dx.data)
        rn_pool_for(rn_reference_pool(dev), op->x.n, dx_image, &own);
    if (op->dw.data)
        rn_pool_for(rn_reference_pool(dev), op->dy.c, dw_channel, &own);
    if (op->dbias.data)
        rn_pool_for(rn_reference_pool(dev), op->dy.c, dbias_channel, &own);
    return 0;
}
