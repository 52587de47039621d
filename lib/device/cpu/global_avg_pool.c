/* global_avg_pool.c -- the mean of each channel's map, summed in double. */
#include "device/check.h"
#include "device/cpu/cpu.h"

enum { BLOCK = 64 }; /* channels whose sums are kept at hand */

struct mean {
    size_t c, map;
    const float *from;
    float *to;
    bool add;
};

RN_CPU_CLONES static void mean_block(float *restrict y, const float *restrict x, size_t width, size_t map, size_t c)
{
    double sum[BLOCK] = { 0 };
    for (size_t pixel = 0; pixel < map; pixel++, x += c)
        for (size_t i = 0; i < width; i++)
            sum[i] += (double)x[i];
    for (size_t i = 0; i < width; i++)
        y[i] = (float)(sum[i] / (double)map);
}

static void forward_task(void *context, size_t image, int thread)
{
    (void)thread;
    const struct mean *v = context;
    for (size_t c = 0; c < v->c; c += BLOCK)
        mean_block(v->to + image * v->c + c, v->from + image * v->map * v->c + c, rn_cpu_min(BLOCK, v->c - c),
                   v->map, v->c);
}

int rn_cpu_global_avg_pool(struct rn_device *dev, const struct rn_global_avg_pool *op, struct rn_err *err)
{
    if (rn_check_global_avg_pool(op, err))
        return -1;
    struct mean v = { op->x.c, op->x.h * op->x.w, op->x.data, op->y.data, false };
    rn_pool_for(rn_cpu(dev)->pool, op->x.n, forward_task, &v);
    return 0;
}

RN_CPU_CLONES static void spread(const struct mean *v, size_t image)
{
    const float *restrict dy = v->from + image * v->c, share = 1 / (float)v->map;
    for (size_t pixel = 0; pixel < v->map; pixel++) {
        float *restrict dx = v->to + (image * v->map + pixel) * v->c;
        if (v->add)
            for (size_t i = 0; i < v->c; i++)
                dx[i] += dy[i] * share;
        else
            for (size_t i = 0; i < v->c; i++)
                dx[i] = dy[i] * share;
    }
}

static void backward_task(void *context, size_t image, int thread)
{
    (void)thread;
    spread(context, image);
}

int rn_cpu_global_avg_pool_backward(struct rn_device *dev, const struct rn_global_avg_pool_backward *op, struct rn_err *err)
{
    if (rn_check_global_avg_pool_backward(op, err))
        return -1;
    struct mean v = { op->dx.c, op->dx.h * op->dx.w, op->dy.data, op->dx.data, op->add & RN_ADD_DX };
    rn_pool_for(rn_cpu(dev)->pool, op->dx.n, backward_task, &v);
    return 0;
}
