/* activation.c -- the sigmoid, and the derivatives of activations. */
#include <math.h>
#include <string.h>

#include "device/check.h"
#include "device/cpu/cpu.h"

void rn_cpu_sigmoid(float *y, size_t count)
{
    for (size_t i = 0; i < count; i++)
        y[i] = (float)(1 / (1 + exp(-(double)y[i])));
}

struct activation {
    float *dx;
    const float *dy, *y;
    size_t count;
    enum rn_activation kind;
};

RN_CPU_CLONES static void backward(const struct activation *a, size_t from, size_t to)
{
    float *dx = a->dx;
    const float *dy = a->dy, *y = a->y;
    switch (a->kind) {
    case RN_ACT_NONE:
        memmove(dx + from, dy + from, (to - from) * sizeof *dx);
        break;
    case RN_ACT_RELU:
        for (size_t i = from; i < to; i++)
            dx[i] = y[i] > 0 ? dy[i] : 0;
        break;
    case RN_ACT_SIGMOID:
        for (size_t i = from; i < to; i++)
            dx[i] = dy[i] * (y[i] * (1 - y[i]));
        break;
    }
}

static void task(void *context, size_t i, int thread)
{
    (void)thread;
    const struct activation *a = context;
    backward(a, i * RN_CPU_CHUNK, rn_cpu_min((i + 1) * RN_CPU_CHUNK, a->count));
}

int rn_cpu_activation_backward(struct rn_device *dev, const struct rn_activation_backward *op, struct rn_err *err)
{
    if (rn_check_activation_backward(op, err))
        return -1;
    struct activation a = { op->dx.data, op->dy.data, op->y.data, rn_cpu_count(op->y), op->activation };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(a.count, RN_CPU_CHUNK), task, &a);
    return 0;
}
