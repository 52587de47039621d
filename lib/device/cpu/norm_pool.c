/* norm_pool.c -- batch norm, ReLU and max pooling as one. The largest map of a ResNet is between its first norm and its pooling:
 * here it is never in memory. Backward finds a window's largest value anew, by the same arithmetic as forward. */
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

enum { TAPS = 64 };

struct norm_pool {
    size_t n, c, h, w, p, q;
    struct rn_window window;
    const struct kernels *on;
    const float *x, *y, *dy, *mean, *scale, *beta, *slope, *offset;
    float *out;
    double *sums; /* for each image and row of y: two sums of each channel */
};

/* What of x a window sees: where its pixels begin. */
struct window {
    size_t image, h0, h1, taps, at[TAPS];
};

/* The window's part on the map, along one side: [low, high). */
static inline void span(size_t at, size_t length, size_t size, size_t padding, size_t stride, size_t *low, size_t *high)
{
    size_t start = at * stride;
    *low = start < padding ? 0 : start - padding;
    *high = rn_cpu_min(start + length - padding, size);
}

static inline struct window window_at(const struct norm_pool *v, size_t image, size_t p)
{
    struct window w;
    w.image = image;
    w.taps = 0;
    span(p, v->window.r, v->h, v->window.top, v->window.stride, &w.h0, &w.h1);
    return w;
}

static inline void look(const struct norm_pool *v, struct window *w, size_t q)
{
    size_t w0, w1;
    span(q, v->window.s, v->w, v->window.left, v->window.stride, &w0, &w1);
    w->taps = 0;
    for (size_t h = w->h0; h < w->h1; h++)
        for (size_t k = w0; k < w1; k++)
            w->at[w->taps++] = ((w->image * v->h + h) * v->w + k) * v->c;
}

struct kernels {
    void (*forward)(const struct norm_pool *v, size_t image, size_t p);
    void (*gradients)(const struct norm_pool *v, double *sum, double *dot, size_t image, size_t p);
    void (*begin)(const struct norm_pool *v, size_t row);
    void (*give)(const struct norm_pool *v, size_t image, size_t p);
};

#define KERNELS "device/cpu/norm_pool.inc"
#include "device/cpu/variants.h"

static const struct kernels *const kernels[] = RN_CPU_VARIANT_TABLE(kernels);

static struct norm_pool shape(const struct rn_cpu *cpu, struct rn_array y, struct rn_array x, const struct rn_norm *norm,
                              struct rn_window window)
{
    return (struct norm_pool){ .n = x.n, .c = x.c, .h = x.h, .w = x.w, .p = y.h, .q = y.w, .window = window,
                               .on = kernels[cpu->isa], .x = x.data, .mean = norm->mean.data, .beta = norm->beta.data };
}

static int check_taps(struct rn_window window, struct rn_err *err)
{
    return window.r * window.s <= TAPS ? 0
                                       : rn_fail(err, RN_EXIT_SYSTEM, "norm_pool: a window of %zux%zu", window.r, window.s);
}

static void forward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm_pool *v = context;
    v->on->forward(v, task / v->p, task % v->p);
}

int rn_cpu_norm_pool(struct rn_device *dev, const struct rn_norm_pool *op, struct rn_err *err)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    if (rn_check_norm_pool(op, err) || check_taps(op->window, err) || rn_cpu_norm_statistics(cpu, op->x, &op->norm, err) ||
        rn_cpu_scratch(cpu, 0, op->x.c, err))
        return -1;
    struct norm_pool v = shape(cpu, op->y, op->x, &op->norm, op->window);
    rn_cpu_norm_scale(&op->norm, cpu->shared, v.c);
    v.scale = cpu->shared;
    v.out = op->y.data;
    rn_pool_for(cpu->pool, v.n * v.p, forward_task, &v);
    return 0;
}

static void gradient_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm_pool *v = context;
    double *sum = v->sums + task * 2 * v->c;
    memset(sum, 0, 2 * v->c * sizeof *sum);
    v->on->gradients(v, sum, sum + v->c, task / v->p, task % v->p);
}

/* An image: neighbouring windows give to the same pixels. Rows are begun just before they are given to. */
static void spread_task(void *context, size_t image, int thread)
{
    (void)thread;
    const struct norm_pool *v = context;
    size_t begun = 0;
    for (size_t p = 0; p < v->p; p++) {
        for (size_t end = window_at(v, image, p).h1; begun < end; begun++)
            v->on->begin(v, image * v->h + begun);
        v->on->give(v, image, p);
    }
    for (; begun < v->h; begun++)
        v->on->begin(v, image * v->h + begun);
}

int rn_cpu_norm_pool_backward(struct rn_device *dev, const struct rn_norm_pool_backward *op, struct rn_err *err)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    if (rn_check_norm_pool_backward(op, err) || check_taps(op->window, err))
        return -1;
    struct norm_pool v = shape(cpu, op->y, op->x, &op->norm, op->window);
    size_t c = v.c, rows = v.n * v.p, sums;
    if (!rn_mul(2 * rows, c, &sums) || rn_cpu_scratch(cpu, 0, 2 * sums + 3 * c, err))
        return -1;
    v.sums = (double *)(void *)cpu->shared;
    float *scale = (float *)(void *)(v.sums + sums), *slope = scale + c, *offset = slope + c;
    rn_cpu_norm_scale(&op->norm, scale, c);
    v.scale = scale;
    v.y = op->y.data;
    v.dy = op->dy.data;
    rn_pool_for(cpu->pool, rows, gradient_task, &v);
    for (size_t row = 1; row < rows; row++)
        for (size_t i = 0; i < 2 * c; i++)
            v.sums[i] += v.sums[row * 2 * c + i];
    const struct rn_cpu_slopes slopes = { v.sums, v.sums + c, v.n * v.h * v.w, scale, slope, offset, op->dgamma.data,
                                          op->dbeta.data };
    rn_cpu_norm_slopes(&op->norm, &slopes, c, op->add & RN_ADD_DW);
    v.slope = slope;
    v.offset = offset;
    v.out = op->dx.data;
    rn_pool_for(cpu->pool, v.n, spread_task, &v);
    return 0;
}
