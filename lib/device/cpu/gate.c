/* gate.c -- a map times a factor for each channel, times a factor for each pixel, and what is made of the two. */
#include "device/check.h"
#include "device/cpu/cpu.h"

struct gate {
    struct rn_cpu *cpu;
    size_t c, map;
    const float *x, *channel, *spatial, *dy;
    float *y, *dx, *dchannel, *dspatial;
    enum rn_combine combine;
    bool add;
};

static struct gate shape(struct rn_device *dev, struct rn_array x, struct rn_array channel, struct rn_array spatial,
                         enum rn_combine combine)
{
    return (struct gate){
        .cpu = rn_cpu(dev), .c = x.c, .map = x.h * x.w, .x = x.data, .channel = channel.data,
        .spatial = spatial.data, .combine = combine };
}

/* ---- forward ---- */

RN_CPU_CLONES static void pixel_forward(float *restrict y, const float *restrict x, const float *restrict channel,
                                        const float *spatial, size_t c, enum rn_combine combine)
{
    if (!channel)
        for (size_t i = 0; i < c; i++)
            y[i] = x[i] * *spatial;
    else if (!spatial)
        for (size_t i = 0; i < c; i++)
            y[i] = x[i] * channel[i];
    else if (combine == RN_COMBINE_SUM)
        for (size_t i = 0; i < c; i++)
            y[i] = x[i] * channel[i] + x[i] * *spatial;
    else if (combine == RN_COMBINE_MUL)
        for (size_t i = 0; i < c; i++)
            y[i] = (x[i] * channel[i]) * (x[i] * *spatial);
    else
        for (size_t i = 0; i < c; i++) {
            float a = x[i] * channel[i], b = x[i] * *spatial;
            y[i] = ((a > b) | (a != a)) ? a : b; /* NaN wins */
        }
}

static void forward_task(void *context, size_t image, int thread)
{
    (void)thread;
    const struct gate *v = context;
    for (size_t i = image * v->map; i < (image + 1) * v->map; i++)
        pixel_forward(v->y + i * v->c, v->x + i * v->c, v->channel ? v->channel + image * v->c : NULL,
                      v->spatial ? v->spatial + i : NULL, v->c, v->combine);
}

int rn_cpu_gate(struct rn_device *dev, const struct rn_gate *op, struct rn_err *err)
{
    if (rn_check_gate(op, err))
        return -1;
    struct gate v = shape(dev, op->x, op->channel, op->spatial, op->combine);
    v.y = op->y.data;
    rn_pool_for(v.cpu->pool, op->x.n, forward_task, &v);
    return 0;
}

/* ---- backward ---- */

/* The gradients of the two gated maps a = x channel and b = x spatial, from that of what was made of them. */
RN_CPU_CLONES static void split(float *restrict da, float *restrict db, const float *restrict dy,
                                const float *restrict x, const float *restrict channel, const float *spatial,
                                size_t c, enum rn_combine combine)
{
    if (!channel || !spatial || combine == RN_COMBINE_SUM)
        for (size_t i = 0; i < c; i++)
            da[i] = db[i] = dy[i];
    else if (combine == RN_COMBINE_MUL)
        for (size_t i = 0; i < c; i++) {
            da[i] = dy[i] * (x[i] * *spatial);
            db[i] = dy[i] * (x[i] * channel[i]);
        }
    else
        for (size_t i = 0; i < c; i++) {
            float a = x[i] * channel[i], b = x[i] * *spatial, half = dy[i] * 0.5f;
            da[i] = a == b ? half : a > b ? dy[i] : 0;
            db[i] = dy[i] - da[i];
        }
}

/* dchannel's sums run over an image's pixels (kept in double), dspatial's over a pixel's channels. */
static void pixel_backward(const struct gate *v, size_t image, size_t pixel, float *da, float *db, double *sums)
{
    size_t c = v->c, at = image * v->map + pixel;
    const float *x = v->x + at * c, *channel = v->channel ? v->channel + image * c : NULL;
    const float *spatial = v->spatial ? v->spatial + at : NULL;
    float *dx = v->dx + at * c;
    double sum = 0;
    split(da, db, v->dy + at * c, x, channel, spatial, c, v->combine);
    for (size_t i = 0; i < c; i++) {
        float value = (channel ? da[i] * channel[i] : 0) + (spatial ? db[i] * *spatial : 0);
        dx[i] = v->add ? dx[i] + value : value;
        sums[i] += (double)da[i] * (double)x[i];
        sum += (double)db[i] * (double)x[i];
    }
    if (spatial)
        v->dspatial[at] = (float)sum;
}

static void backward_task(void *context, size_t image, int thread)
{
    const struct gate *v = context;
    size_t c = v->c;
    double *sums = (double *)(void *)v->cpu->scratch[thread];
    float *da = (float *)(void *)(sums + c), *db = da + c;
    for (size_t i = 0; i < c; i++)
        sums[i] = 0;
    for (size_t pixel = 0; pixel < v->map; pixel++)
        pixel_backward(v, image, pixel, da, db, sums);
    for (size_t i = 0; i < c && v->channel; i++)
        v->dchannel[image * c + i] = (float)sums[i];
}

int rn_cpu_gate_backward(struct rn_device *dev, const struct rn_gate_backward *op, struct rn_err *err)
{
    if (rn_check_gate_backward(op, err))
        return -1;
    struct gate v = shape(dev, op->x, op->channel, op->spatial, op->combine);
    v.dy = op->dy.data;
    v.dx = op->dx.data;
    v.dchannel = op->dchannel.data;
    v.dspatial = op->dspatial.data;
    v.add = op->add & RN_ADD_DX;
    if (rn_cpu_scratch(v.cpu, 4 * v.c, 0, err))
        return -1;
    rn_pool_for(v.cpu->pool, op->x.n, backward_task, &v);
    return 0;
}
