/* channel_pool.c -- the largest and the mean of a pixel's channels, which lie side by side; the mean summed in double. */
#include "device/check.h"
#include "device/cpu/cpu.h"

struct pool {
    size_t pixels, c, chunk;
    const float *x, *y, *dy;
    float *out;
    bool add;
};

static struct pool over(struct rn_array x)
{
    return (struct pool){ .pixels = x.n * x.h * x.w, .c = x.c, .chunk = rn_cpu_chunk_rows(x.c), .x = x.data };
}

static void run(struct rn_device *dev, struct pool *v, void (*task)(void *, size_t, int))
{
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(v->pixels, v->chunk), task, v);
}

static void forward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct pool *v = context;
    for (size_t i = task * v->chunk, end = rn_cpu_min(i + v->chunk, v->pixels); i < end; i++) {
        const float *x = v->x + i * v->c;
        float most = x[0];
        double sum = 0;
        for (size_t c = 0; c < v->c; c++) {
            most = x[c] > most || x[c] != x[c] ? x[c] : most; /* NaN wins, and stays */
            sum += (double)x[c];
        }
        v->out[2 * i] = most;
        v->out[2 * i + 1] = (float)(sum / (double)v->c);
    }
}

int rn_cpu_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    if (rn_check_channel_pool(op, err))
        return -1;
    struct pool v = over(op->x);
    v.out = op->y.data;
    run(dev, &v, forward_task);
    return 0;
}

static void backward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct pool *v = context;
    for (size_t i = task * v->chunk, end = rn_cpu_min(i + v->chunk, v->pixels); i < end; i++) {
        const float *x = v->x + i * v->c, most = v->y[2 * i], share = v->dy[2 * i + 1] / (float)v->c;
        float *dx = v->out + i * v->c;
        size_t first = 0;
        while (first < v->c - 1 && x[first] != most)
            first++;
        for (size_t c = 0; c < v->c; c++)
            dx[c] = v->add ? dx[c] + share : share;
        dx[first] += v->dy[2 * i];
    }
}

int rn_cpu_channel_pool_backward(struct rn_device *dev, const struct rn_channel_pool_backward *op, struct rn_err *err)
{
    if (rn_check_channel_pool_backward(op, err))
        return -1;
    struct pool v = over(op->x);
    v.y = op->y.data;
    v.dy = op->dy.data;
    v.out = op->dx.data;
    v.add = op->add & RN_ADD_DX;
    run(dev, &v, backward_task);
    return 0;
}
