/* sgd.c -- stochastic gradient descent with momentum, in chunks. The usual case is a loop of its own, which reads nothing more. */
#include "device/cpu/cpu.h"

struct sgd {
    void (*update)(const struct sgd *s, size_t from, size_t to);
    float *w, *v;
    const float *g;
    size_t count;
    float lr, momentum, wd, scale;
};

RN_CPU_CLONES static void update(const struct sgd *s, size_t from, size_t to)
{
    float *restrict w = s->w, *restrict v = s->v, lr = s->lr, momentum = s->momentum, wd = s->wd;
    const float *restrict g = s->g;
    for (size_t i = from; i < to; i++) {
        v[i] = momentum * v[i] + (g[i] + wd * w[i]);
        w[i] -= lr * v[i];
    }
}

RN_CPU_CLONES static void update_scaled(const struct sgd *s, size_t from, size_t to)
{
    float *restrict w = s->w, *restrict v = s->v, lr = s->lr, momentum = s->momentum, wd = s->wd, scale = s->scale;
    const float *restrict g = s->g;
    for (size_t i = from; i < to; i++) {
        v[i] = momentum * v[i] + (scale * g[i] + wd * w[i]);
        w[i] -= lr * v[i];
    }
}

RN_CPU_CLONES static void update_nesterov(const struct sgd *s, size_t from, size_t to)
{
    float *restrict w = s->w, *restrict v = s->v, lr = s->lr, momentum = s->momentum, wd = s->wd, scale = s->scale;
    const float *restrict g = s->g;
    for (size_t i = from; i < to; i++) {
        float step = scale * g[i] + wd * w[i];
        v[i] = momentum * v[i] + step;
        w[i] -= lr * (step + momentum * v[i]);
    }
}

static void task(void *context, size_t i, int thread)
{
    (void)thread;
    const struct sgd *s = context;
    s->update(s, i * RN_CPU_CHUNK, rn_cpu_min((i + 1) * RN_CPU_CHUNK, s->count));
}

int rn_cpu_sgd(struct rn_device *dev, const struct rn_sgd *op, struct rn_err *err)
{
    (void)err;
    struct sgd s = {
        op->nesterov ? update_nesterov : op->scale > 0 ? update_scaled : update,
        op->w, op->v, op->g, op->bytes / sizeof(float), (float)op->lr, (float)op->momentum, (float)op->wd,
        op->scale > 0 ? (float)op->scale : 1,
    };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(s.count, RN_CPU_CHUNK), task, &s);
    return 0;
}
