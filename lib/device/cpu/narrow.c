/* narrow.c -- convolutions to very few outputs, such as a spatial gate: dot products and sums of rows of C channels.
 *
 * Panels would be all but empty, and columns cost more than what is computed with them. */
#include <string.h>

#include "device/cpu/conv.h"

/* Fewer outputs than NARROW; rows of at least ROW floats. LANES sums at once, whatever the processor. */
enum { NARROW = 8, ROW = 16, LANES = 32 };

static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    (void)pass;
    return rn_cpu_dense(&conv->window) && conv->k < NARROW && conv->c >= ROW;
}

/* The adjoint of rn_cpu_seen: the row of the output from which tap r sees row `at` of x; false: none. */
static inline bool seen_from(size_t at, size_t r, size_t stride, size_t pad, size_t map, size_t *row)
{
    *row = (at + pad - r) / stride;
    return at + pad >= r && (at + pad - r) % stride == 0 && *row < map;
}

/* ---- forward ---- */

static inline void dot(float sum[LANES], const float *a, const float *b, size_t n)
{
    size_t i = 0;
    for (; i + LANES <= n; i += LANES)
        for (size_t j = 0; j < LANES; j++)
            sum[j] += a[i + j] * b[i + j];
    for (size_t j = 0; i + j < n; j++)
        sum[j] += a[i + j] * b[i + j];
}

static inline float total(float sum[LANES])
{
    for (size_t half = LANES / 2; half; half /= 2)
        for (size_t j = 0; j < half; j++)
            sum[j] += sum[j + half];
    return sum[0];
}

RN_CPU_CLONES static float output(const struct rn_cpu_conv *v, const float *x, const float *w, size_t p, size_t q)
{
    const struct rn_window *win = &v->window;
    float sum[LANES] = { 0 };
    for (size_t r = 0, row, column; r < win->r; r++)
        for (size_t s = 0; s < win->s && rn_cpu_seen(p, r, win->stride, win->top, v->h, &row); s++)
            if (rn_cpu_seen(q, s, win->stride, win->left, v->w, &column))
                dot(sum, x + (row * v->w + column) * v->c, w + (r * win->s + s) * v->c, v->c);
    return total(sum);
}

static void forward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct rn_cpu_conv *v = context;
    const float *x = v->x + task / v->p * v->h * v->w * v->c;
    for (size_t q = 0; q < v->q; q++)
        for (size_t k = 0; k < v->k; k++) {
            size_t at = (task * v->q + q) * v->k + k;
            float y = output(v, x, v->weight + k * v->window.r * v->window.s * v->c, task % v->p, q);
            if (v->bias)
                y += v->bias[k];
            if (v->residual)
                y += v->residual[at];
            v->y[at] = v->activation == RN_ACT_RELU && y < 0 ? 0 : y; /* NaN stays */
        }
}

static int forward(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    (void)err;
    rn_pool_for(conv->cpu->pool, conv->n * conv->p, forward_task, (void *)conv);
    return 0;
}

/* ---- backward ---- */

RN_CPU_CLONES static void add_row(float *restrict to, const float *restrict row, float times, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += times * row[i];
}

static void dx_pixel(const struct rn_cpu_conv *v, float *to, const float *dy, size_t h, size_t w)
{
    const struct rn_window *win = &v->window;
    if (!v->add)
        memset(to, 0, v->c * sizeof *to);
    for (size_t r = 0, p, q; r < win->r; r++)
        for (size_t s = 0; s < win->s && seen_from(h, r, win->stride, win->top, v->p, &p); s++)
            for (size_t k = 0; k < v->k && seen_from(w, s, win->stride, win->left, v->q, &q); k++)
                add_row(to, v->weight + ((k * win->r + r) * win->s + s) * v->c, dy[(p * v->q + q) * v->k + k], v->c);
}

static void dx_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct rn_cpu_conv *v = context;
    for (size_t w = 0; w < v->w; w++)
        dx_pixel(v, v->dx + (task * v->w + w) * v->c, v->dy + task / v->h * v->p * v->q * v->k, task % v->h, w);
}

static int dx(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    (void)err;
    rn_pool_for(conv->cpu->pool, conv->n * conv->h, dx_task, (void *)conv);
    return 0;
}

/* The C weights of one tap to one output. */
static void dw_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct rn_cpu_conv *v = context;
    const struct rn_window *win = &v->window;
    size_t s = task % win->s, r = task / win->s % win->r, k = task / win->s / win->r, row, column;
    float *to = v->dw + task * v->c;
    if (!v->add)
        memset(to, 0, v->c * sizeof *to);
    for (size_t i = 0; i < v->n * v->p; i++)
        for (size_t q = 0; q < v->q && rn_cpu_seen(i % v->p, r, win->stride, win->top, v->h, &row); q++)
            if (rn_cpu_seen(q, s, win->stride, win->left, v->w, &column))
                add_row(to, v->x + ((i / v->p * v->h + row) * v->w + column) * v->c, v->dy[(i * v->q + q) * v->k + k], v->c);
}

static int dw(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    (void)err;
    rn_pool_for(conv->cpu->pool, conv->k * conv->window.r * conv->window.s, dw_task, (void *)conv);
    return 0;
}

const struct rn_cpu_path rn_cpu_narrow = { .name = "narrow", .takes = takes, .forward = forward, .dx = dx, .dw = dw };
