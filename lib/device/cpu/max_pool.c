/* max_pool.c -- a row of the output at a time; of a pixel's channels all at once. */
#include <math.h>
#include <string.h>

#include "device/check.h"
#include "device/cpu/cpu.h"

struct pool {
    struct rn_cpu *cpu;
    size_t n, c, h, w, p, q;
    struct rn_window window;
    const float *x, *y, *dy;
    float *out;
    bool add;
};

static struct pool shape(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_window window)
{
    return (struct pool){
        .cpu = rn_cpu(dev), .n = x.n, .c = x.c, .h = x.h, .w = x.w, .p = y.h, .q = y.w, .window = window,
        .x = x.data };
}

/* The window's part on the map, along one side: [low, high). */
static inline void span(size_t at, size_t length, size_t size, size_t padding, size_t stride, size_t *low, size_t *high)
{
    size_t start = at * stride;
    *low = start < padding ? 0 : start - padding;
    *high = rn_cpu_min(start + length - padding, size);
}

RN_CPU_CLONES static void row_max(const struct pool *v, size_t image, size_t p)
{
    size_t c = v->c, h0, h1, w0, w1;
    span(p, v->window.r, v->h, v->window.top, v->window.stride, &h0, &h1);
    for (size_t q = 0; q < v->q; q++) {
        float *restrict y = v->out + ((image * v->p + p) * v->q + q) * c;
        span(q, v->window.s, v->w, v->window.left, v->window.stride, &w0, &w1);
        for (size_t i = 0; i < c; i++)
            y[i] = -INFINITY;
        for (size_t h = h0; h < h1; h++)
            for (size_t w = w0; w < w1; w++) {
                const float *restrict x = v->x + ((image * v->h + h) * v->w + w) * c;
                for (size_t i = 0; i < c; i++)
                    y[i] = ((x[i] > y[i]) | (x[i] != x[i])) ? x[i] : y[i]; /* NaN wins, and stays */
            }
    }
}

static void forward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct pool *v = context;
    row_max(v, task / v->p, task % v->p);
}

int rn_cpu_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    if (rn_check_max_pool(op, err))
        return -1;
    struct pool v = shape(dev, op->y, op->x, op->window);
    v.out = op->y.data;
    rn_pool_for(v.cpu->pool, v.n * v.p, forward_task, &v);
    return 0;
}

/* left: what is still to be given away of each channel's dy; zero once the first maximum has it. */
RN_CPU_CLONES static void give(const struct pool *v, size_t image, float *restrict left)
{
    size_t c = v->c, h0, h1, w0, w1;
    for (size_t p = 0; p < v->p; p++) {
        span(p, v->window.r, v->h, v->window.top, v->window.stride, &h0, &h1);
        for (size_t q = 0; q < v->q; q++) {
            size_t at = ((image * v->p + p) * v->q + q) * c;
            const float *restrict y = v->y + at;
            span(q, v->window.s, v->w, v->window.left, v->window.stride, &w0, &w1);
            memcpy(left, v->dy + at, c * sizeof *left);
            for (size_t h = h0; h < h1; h++)
                for (size_t w = w0; w < w1; w++) {
                    size_t from = ((image * v->h + h) * v->w + w) * c;
                    const float *restrict x = v->x + from;
                    float *restrict dx = v->out + from;
                    for (size_t i = 0; i < c; i++) {
                        float gift = x[i] == y[i] ? left[i] : 0;
                        dx[i] += gift;
                        left[i] = x[i] == y[i] ? 0 : left[i];
                    }
                }
        }
    }
}

static void backward_task(void *context, size_t image, int thread)
{
    const struct pool *v = context;
    size_t size = v->h * v->w * v->c;
    if (!v->add)
        memset(v->out + image * size, 0, size * sizeof *v->out);
    give(v, image, v->cpu->scratch[thread]);
}

int rn_cpu_max_pool_backward(struct rn_device *dev, const struct rn_max_pool_backward *op, struct rn_err *err)
{
    if (rn_check_max_pool_backward(op, err))
        return -1;
    struct pool v = shape(dev, op->y, op->x, op->window);
    v.y = op->y.data;
    v.dy = op->dy.data;
    v.out = op->dx.data;
    v.add = op->add & RN_ADD_DX;
    if (rn_cpu_scratch(v.cpu, v.c, 0, err))
        return -1;
    rn_pool_for(v.cpu->pool, v.n, backward_task, &v);
    return 0;
}
