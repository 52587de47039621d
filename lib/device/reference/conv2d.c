/* conv2d.c -- y(n,k,p,q) = sum over c, r, s of x(n, first + c, p stride + r dilation - top, q stride + s dilation - left)
 * w(k,c,r,s), where first is that of k's group of channels. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

struct conv {
    struct rn_array y, x, w, dx, dw, dbias; /* y: dy in backward */
    struct rn_window window;
    struct rn_epilogue epilogue;
};

/* The first channel of x that output k sees. */
static size_t first_of(const struct conv *v, size_t k)
{
    return k / (v->y.c / v->window.groups) * v->w.c;
}

/* ---- forward ---- */

static double output(const struct conv *v, size_t n, size_t k, size_t p, size_t q)
{
    double sum = 0;
    size_t h, w, first = first_of(v, k);
    for (size_t c = 0; c < v->w.c; c++)
        for (size_t r = 0; r < v->window.r; r++)
            for (size_t s = 0; s < v->window.s; s++)
                if (rn_reference_tap(v->x, v->window, p, q, r, s, &h, &w))
                    sum += *rn_reference_at(v->x, n, first + c, h, w) * *rn_reference_at(v->w, k, c, r, s);
    if (v->epilogue.bias.data)
        sum += *rn_reference_of(v->epilogue.bias, k);
    if (v->epilogue.residual.data)
        sum += *rn_reference_at(v->epilogue.residual, n, k, p, q);
    switch (v->epilogue.activation) {
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
    const struct conv *v = context;
    for (size_t p = 0; p < v->y.h; p++)
        for (size_t q = 0; q < v->y.w; q++)
            *rn_reference_at(v->y, i / v->y.c, i % v->y.c, p, q) = output(v, i / v->y.c, i % v->y.c, p, q);
}

int rn_reference_conv2d(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w,
                        struct rn_window window, struct rn_epilogue epilogue, bool eval, struct rn_err *err)
{
    (void)eval;
    if (rn_check_conv2d(y, x, w, window, &epilogue, err))
        return -1;
    struct conv v = { .y = y, .x = x, .w = w, .window = window, .epilogue = epilogue };
    rn_pool_for(rn_reference_pool(dev), y.n * y.c, forward_map, &v);
    return 0;
}

/* ---- backward: what each output took from x and w, it gives back ---- */

static void dx_image(void *context, size_t n, int thread)
{
    (void)thread;
    const struct conv *v = context;
    size_t h, w;
    for (size_t k = 0; k < v->y.c; k++)
        for (size_t p = 0; p < v->y.h; p++)
            for (size_t q = 0; q < v->y.w; q++)
                for (size_t c = 0; c < v->w.c; c++)
                    for (size_t r = 0; r < v->window.r; r++)
                        for (size_t s = 0; s < v->window.s; s++)
                            if (rn_reference_tap(v->x, v->window, p, q, r, s, &h, &w))
                                *rn_reference_at(v->dx, n, first_of(v, k) + c, h, w) +=
                                    *rn_reference_at(v->y, n, k, p, q) * *rn_reference_at(v->w, k, c, r, s);
}

static void dw_channel(void *context, size_t k, int thread)
{
    (void)thread;
    const struct conv *v = context;
    size_t h, w;
    for (size_t n = 0; n < v->y.n; n++)
        for (size_t p = 0; p < v->y.h; p++)
            for (size_t q = 0; q < v->y.w; q++)
                for (size_t c = 0; c < v->w.c; c++)
                    for (size_t r = 0; r < v->window.r; r++)
                        for (size_t s = 0; s < v->window.s; s++)
                            if (rn_reference_tap(v->x, v->window, p, q, r, s, &h, &w))
                                *rn_reference_at(v->dw, k, c, r, s) +=
                                    *rn_reference_at(v->y, n, k, p, q) * *rn_reference_at(v->x, n, first_of(v, k) + c, h, w);
}

static void dbias_channel(void *context, size_t k, int thread)
{
    (void)thread;
    const struct conv *v = context;
    for (size_t n = 0; n < v->y.n; n++)
        for (size_t p = 0; p < v->y.h; p++)
            for (size_t q = 0; q < v->y.w; q++)
                *rn_reference_of(v->dbias, k) += *rn_reference_at(v->y, n, k, p, q);
}

int rn_reference_conv2d_backward(struct rn_device *dev, const struct rn_conv_back *b, struct rn_err *err)
{
    if (rn_check_conv2d_backward(b, err))
        return -1;
    struct conv v = { .y = b->dy, .x = b->x, .w = b->w, .dx = b->dx, .dw = b->dw, .dbias = b->dbias, .window = b->window };
    rn_reference_begin(b->dx, b->add & RN_ADD_DX);
    rn_reference_begin(b->dw, b->add & RN_ADD_DW);
    rn_reference_begin(b->dbias, b->add & RN_ADD_DW);
    if (b->dx.data)
        rn_pool_for(rn_reference_pool(dev), b->x.n, dx_image, &v);
    if (b->dw.data)
        rn_pool_for(rn_reference_pool(dev), b->dy.c, dw_channel, &v);
    if (b->dbias.data)
        rn_pool_for(rn_reference_pool(dev), b->dy.c, dbias_channel, &v);
    return 0;
}
