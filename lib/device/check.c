/* check.c -- shapes that do not fit are found before anything is computed. */
#include "device/check.h"

#include <limits.h>

static bool is(struct rn_array a, size_t n, size_t c, size_t h, size_t w)
{
    return a.data && a.n == n && a.c == c && a.h == h && a.w == w;
}

static bool same(struct rn_array a, struct rn_array b)
{
    return is(a, b.n, b.c, b.h, b.w);
}

/* A vector of c channels, or, when `optional`, none. */
static bool vector(struct rn_array a, size_t c, bool optional)
{
    return a.data ? is(a, 1, c, 1, 1) : optional;
}

static int result(bool fits, const char *name, struct rn_array x, struct rn_err *err)
{
    if (fits)
        return 0;
    return rn_fail(err, RN_EXIT_SYSTEM, "%s: shapes do not fit, with an input of (%zu,%zu,%zu,%zu)", name, x.n, x.c,
                   x.h, x.w);
}

/* y's map is what a window gives on x's. */
static bool slides(struct rn_array y, struct rn_array x, struct rn_window window)
{
    const size_t all[] = { window.r, window.s, window.stride, window.dilation, window.groups, window.top, window.left,
                           window.bottom, window.right };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i] > INT_MAX || (i < 5 && !all[i]))
            return false;
    return rn_window_slide(window, &x.h, &x.w) && y.n == x.n && y.h == x.h && y.w == x.w;
}

/* The sides of every matrix that a convolution is made of fit an int, as BLAS wants them. */
static bool convolves(struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window)
{
    return y.data && x.data && slides(y, x, window) && y.c % window.groups == 0 && x.c % window.groups == 0 &&
           is(w, y.c, x.c / window.groups, window.r, window.s) && w.n <= INT_MAX && w.c <= INT_MAX / window.r / window.s &&
           y.w <= INT_MAX / 2;
}

int rn_check_conv2d(struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window,
                    const struct rn_epilogue *epilogue, struct rn_err *err)
{
    return result(convolves(y, x, w, window) && vector(epilogue->bias, y.c, true) &&
                      (!epilogue->residual.data || same(epilogue->residual, y)),
                  "conv2d", x, err);
}

int rn_check_conv2d_backward(const struct rn_conv_back *b, struct rn_err *err)
{
    return result(convolves(b->dy, b->x, b->w, b->window) && vector(b->dbias, b->dy.c, true) &&
                      (!b->dx.data || same(b->dx, b->x)) && (!b->dw.data || same(b->dw, b->w)),
                  "conv2d_backward", b->x, err);
}

int rn_check_activation(struct rn_array dx, struct rn_array dy, struct rn_array y, struct rn_err *err)
{
    return result(y.data && same(dx, y) && same(dy, y), "activation_backward", y, err);
}

int rn_check_add(struct rn_array y, struct rn_array a, struct rn_array b, struct rn_err *err)
{
    return result(a.data && same(y, a) && (!b.data || same(b, a)), "add", a, err);
}

int rn_check_add_backward(struct rn_array da, struct rn_array db, struct rn_array dy, struct rn_array y,
                          enum rn_activation activation, struct rn_err *err)
{
    return result(dy.data && same(da, dy) && (!db.data || same(db, dy)) &&
                      (activation == RN_ACT_NONE || same(y, dy)),
                  "add_backward", dy, err);
}

static bool norm_fits(const struct rn_norm *norm, size_t c, bool running)
{
    return vector(norm->gamma, c, false) &&
           (running ? vector(norm->beta, c, false) && vector(norm->running_mean, c, false) &&
                          vector(norm->running_var, c, false)
                    : vector(norm->mean, c, false) && vector(norm->inv_std, c, false));
}

int rn_check_batch_norm(struct rn_array y, struct rn_array x, struct rn_array residual, const struct rn_norm *norm,
                        enum rn_activation activation, struct rn_err *err)
{
    return result(x.data && same(y, x) && (!residual.data || same(residual, x)) && norm_fits(norm, x.c, true) &&
                      norm_fits(norm, x.c, false) && activation != RN_ACT_SIGMOID,
                  "batch_norm", x, err);
}

int rn_check_batch_norm_backward(const struct rn_norm_back *b, struct rn_err *err)
{
    struct rn_array x = b->x;
    return result(x.data && same(b->dx, x) && same(b->dy, x) && (b->activation == RN_ACT_NONE || same(b->y, x)) &&
                      (!b->dresidual.data || same(b->dresidual, x)) && vector(b->dgamma, x.c, false) &&
                      vector(b->dbeta, x.c, false) && norm_fits(b->norm, x.c, false) && b->activation != RN_ACT_SIGMOID,
                  "batch_norm_backward", x, err);
}

int rn_check_fold(struct rn_array w2, struct rn_array bias2, struct rn_array w, const struct rn_norm *norm,
                  struct rn_err *err)
{
    return result(w.data && same(w2, w) && vector(bias2, w.n, false) && norm_fits(norm, w.n, true), "fold", w, err);
}

int rn_check_max_pool(struct rn_array y, struct rn_array x, struct rn_window window, struct rn_err *err)
{
    /* More padding than half a window: an output that sees padding only. */
    bool padded = window.top <= window.r / 2 && window.bottom <= window.r / 2 && window.left <= window.s / 2 &&
                  window.right <= window.s / 2;
    return result(y.data && x.data && y.c == x.c && slides(y, x, window) && padded && window.dilation == 1 && window.groups == 1,
                  "max_pool", x, err);
}

int rn_check_global_avg_pool(struct rn_array y, struct rn_array x, struct rn_err *err)
{
    return result(x.data && is(y, x.n, x.c, 1, 1), "global_avg_pool", x, err);
}

int rn_check_channel_pool(struct rn_array y, struct rn_array x, struct rn_err *err)
{
    return result(x.data && x.c && is(y, x.n, 2, x.h, x.w), "channel_pool", x, err);
}

int rn_check_gate(struct rn_array y, struct rn_array x, struct rn_array channel, struct rn_array spatial,
                  struct rn_err *err)
{
    return result(x.data && same(y, x) && (channel.data || spatial.data) &&
                      (!channel.data || is(channel, x.n, x.c, 1, 1)) &&
                      (!spatial.data || is(spatial, x.n, 1, x.h, x.w)),
                  "gate", x, err);
}

int rn_check_gate_backward(const struct rn_gate_back *b, struct rn_err *err)
{
    return result(rn_check_gate(b->dx, b->x, b->channel, b->spatial, err) == 0 && same(b->dy, b->x) &&
                      (b->channel.data ? same(b->dchannel, b->channel) : !b->dchannel.data) &&
                      (b->spatial.data ? same(b->dspatial, b->spatial) : !b->dspatial.data),
                  "gate_backward", b->x, err);
}

int rn_check_loss(struct rn_array dlogits, struct rn_array logits, const int64_t *labels, struct rn_err *err)
{
    if (result(logits.n && logits.c && is(logits, logits.n, logits.c, 1, 1) &&
                   (!dlogits.data || same(dlogits, logits)),
               "softmax_loss", logits, err))
        return -1;
    for (size_t i = 0; i < logits.n; i++)
        if (labels[i] < 0 || (uint64_t)labels[i] >= logits.c)
            return rn_fail(err, RN_EXIT_SYSTEM, "softmax_loss: label %lld of image %zu, with %zu classes",
                           (long long)labels[i], i, logits.c);
    return 0;
}

int rn_check_images(struct rn_array y, struct rn_err *err)
{
    return result(y.data && y.c == 3, "upload_images", y, err);
}
