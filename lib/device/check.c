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

/* More padding than half a window: an output that sees padding only. */
static bool pools(struct rn_array y, struct rn_array x, struct rn_window window)
{
    bool padded = window.top <= window.r / 2 && window.bottom <= window.r / 2 && window.left <= window.s / 2 &&
                  window.right <= window.s / 2;
    return y.data && x.data && y.c == x.c && slides(y, x, window) && padded && window.dilation == 1 && window.groups == 1;
}

/* Parameters and running statistics; and those of the batch. */
static bool evaluates(const struct rn_norm *norm, size_t c)
{
    return vector(norm->gamma, c, false) && vector(norm->beta, c, false) && vector(norm->running_mean, c, false) &&
           vector(norm->running_var, c, false);
}

static bool normalizes(const struct rn_norm *norm, size_t c)
{
    return vector(norm->gamma, c, false) && vector(norm->mean, c, false) && vector(norm->inv_std, c, false);
}

static bool gates(struct rn_array x, struct rn_array channel, struct rn_array spatial)
{
    return x.data && (channel.data || spatial.data) && (!channel.data || is(channel, x.n, x.c, 1, 1)) &&
           (!spatial.data || is(spatial, x.n, 1, x.h, x.w));
}

/* ---- the operators ---- */

int rn_check_conv2d(const struct rn_conv2d *op, struct rn_err *err)
{
    return result(convolves(op->y, op->x, op->w, op->window) && vector(op->bias, op->y.c, true) &&
                      (!op->residual.data || same(op->residual, op->y)),
                  "conv2d", op->x, err);
}

int rn_check_conv2d_backward(const struct rn_conv2d_backward *op, struct rn_err *err)
{
    return result(convolves(op->dy, op->x, op->w, op->window) && vector(op->dbias, op->dy.c, true) &&
                      (!op->dx.data || same(op->dx, op->x)) && (!op->dw.data || same(op->dw, op->w)),
                  "conv2d_backward", op->x, err);
}

int rn_check_activation_backward(const struct rn_activation_backward *op, struct rn_err *err)
{
    return result(op->y.data && same(op->dx, op->y) && same(op->dy, op->y), "activation_backward", op->y, err);
}

int rn_check_add(const struct rn_add *op, struct rn_err *err)
{
    return result(op->a.data && same(op->y, op->a) && (!op->b.data || same(op->b, op->a)), "add", op->a, err);
}

int rn_check_add_backward(const struct rn_add_backward *op, struct rn_err *err)
{
    return result(op->dy.data && same(op->da, op->dy) && (!op->db.data || same(op->db, op->dy)) &&
                      (op->activation == RN_ACT_NONE || same(op->y, op->dy)),
                  "add_backward", op->dy, err);
}

int rn_check_batch_norm(const struct rn_batch_norm *op, struct rn_err *err)
{
    struct rn_array x = op->x;
    return result(x.data && same(op->y, x) && (!op->residual.data || same(op->residual, x)) && evaluates(&op->norm, x.c) &&
                      normalizes(&op->norm, x.c) && op->activation != RN_ACT_SIGMOID,
                  "batch_norm", x, err);
}

int rn_check_batch_norm_backward(const struct rn_batch_norm_backward *op, struct rn_err *err)
{
    struct rn_array x = op->x;
    return result(x.data && same(op->dx, x) && same(op->dy, x) && (op->activation == RN_ACT_NONE || same(op->y, x)) &&
                      (!op->dresidual.data || same(op->dresidual, x)) && vector(op->dgamma, x.c, false) &&
                      vector(op->dbeta, x.c, false) && normalizes(&op->norm, x.c) && op->activation != RN_ACT_SIGMOID,
                  "batch_norm_backward", x, err);
}

int rn_check_fold(const struct rn_fold *op, struct rn_err *err)
{
    return result(op->w.data && same(op->w2, op->w) && vector(op->bias2, op->w.n, false) && evaluates(&op->norm, op->w.n), "fold",
                  op->w, err);
}

int rn_check_max_pool(const struct rn_max_pool *op, struct rn_err *err)
{
    return result(pools(op->y, op->x, op->window), "max_pool", op->x, err);
}

int rn_check_max_pool_backward(const struct rn_max_pool_backward *op, struct rn_err *err)
{
    return result(pools(op->y, op->x, op->window) && pools(op->dy, op->dx, op->window), "max_pool_backward", op->x, err);
}

int rn_check_norm_pool(const struct rn_norm_pool *op, struct rn_err *err)
{
    size_t c = op->x.c;
    return result(pools(op->y, op->x, op->window) && c % 16 == 0 && evaluates(&op->norm, c) && normalizes(&op->norm, c),
                  "norm_pool", op->x, err);
}

int rn_check_norm_pool_backward(const struct rn_norm_pool_backward *op, struct rn_err *err)
{
    size_t c = op->x.c;
    return result(pools(op->y, op->x, op->window) && pools(op->dy, op->dx, op->window) && c % 16 == 0 &&
                      vector(op->dgamma, c, false) && vector(op->dbeta, c, false) && evaluates(&op->norm, c) &&
                      normalizes(&op->norm, c),
                  "norm_pool_backward", op->x, err);
}

int rn_check_global_avg_pool(const struct rn_global_avg_pool *op, struct rn_err *err)
{
    return result(op->x.data && is(op->y, op->x.n, op->x.c, 1, 1), "global_avg_pool", op->x, err);
}

int rn_check_global_avg_pool_backward(const struct rn_global_avg_pool_backward *op, struct rn_err *err)
{
    return result(op->dx.data && is(op->dy, op->dx.n, op->dx.c, 1, 1), "global_avg_pool_backward", op->dx, err);
}

int rn_check_channel_pool(const struct rn_channel_pool *op, struct rn_err *err)
{
    return result(op->x.data && op->x.c && is(op->y, op->x.n, 2, op->x.h, op->x.w), "channel_pool", op->x, err);
}

int rn_check_channel_pool_backward(const struct rn_channel_pool_backward *op, struct rn_err *err)
{
    struct rn_array x = op->x;
    return result(x.data && x.c && same(op->dx, x) && is(op->y, x.n, 2, x.h, x.w) && same(op->dy, op->y), "channel_pool_backward",
                  x, err);
}

int rn_check_gate(const struct rn_gate *op, struct rn_err *err)
{
    return result(gates(op->x, op->channel, op->spatial) && same(op->y, op->x), "gate", op->x, err);
}

int rn_check_gate_backward(const struct rn_gate_backward *op, struct rn_err *err)
{
    return result(gates(op->x, op->channel, op->spatial) && same(op->dx, op->x) && same(op->dy, op->x) &&
                      (op->channel.data ? same(op->dchannel, op->channel) : !op->dchannel.data) &&
                      (op->spatial.data ? same(op->dspatial, op->spatial) : !op->dspatial.data),
                  "gate_backward", op->x, err);
}

int rn_check_softmax_loss(const struct rn_softmax_loss *op, struct rn_err *err)
{
    struct rn_array logits = op->logits;
    if (result(logits.n && logits.c && is(logits, logits.n, logits.c, 1, 1) &&
                   (!op->dlogits.data || same(op->dlogits, logits)),
               "softmax_loss", logits, err))
        return -1;
    for (size_t i = 0; i < logits.n; i++)
        if (op->labels[i] < 0 || (uint64_t)op->labels[i] >= logits.c)
            return rn_fail(err, RN_EXIT_SYSTEM, "softmax_loss: label %lld of image %zu, with %zu classes",
                           (long long)op->labels[i], i, logits.c);
    return 0;
}

int rn_check_images(struct rn_array y, struct rn_err *err)
{
    return result(y.data && y.c == 3, "upload_images", y, err);
}
