/* adamw.c -- PyTorch's AdamW, in chunks. What follows from the step is computed once, in double. */
#include <math.h>

#include "device/cpu/cpu.h"

struct adamw {
    float *w, *m, *v;
    const float *g;
    size_t count;
    float scale, keep, beta2, one_less_beta1, one_less_beta2, step, root, eps;
};

RN_CPU_CLONES static void update(const struct adamw *s, size_t from, size_t to)
{
    float *restrict w = s->w, *restrict m = s->m, *restrict v = s->v;
    const float *restrict g = s->g;
    const struct adamw c = *s;
    for (size_t i = from; i < to; i++) {
        float d = c.scale * g[i];
        m[i] += c.one_less_beta1 * (d - m[i]);
        v[i] = c.beta2 * v[i] + c.one_less_beta2 * d * d;
        w[i] = c.keep * w[i] - c.step * m[i] / (__builtin_sqrtf(v[i]) * c.root + c.eps);
    }
}

static void task(void *context, size_t i, int thread)
{
    (void)thread;
    const struct adamw *s = context;
    update(s, i * RN_CPU_CHUNK, rn_cpu_min((i + 1) * RN_CPU_CHUNK, s->count));
}

int rn_cpu_adamw(struct rn_device *dev, const struct rn_adamw *op, struct rn_err *err)
{
    (void)err;
    double first = 1 - pow(op->beta1, (double)op->step), second = 1 - pow(op->beta2, (double)op->step);
    struct adamw s = {
        op->w, op->m, op->v, op->g, op->bytes / sizeof(float),
        .scale = op->scale > 0 ? (float)op->scale : 1, .keep = (float)(1 - op->lr * op->wd),
        .beta2 = (float)op->beta2, .one_less_beta1 = (float)(1 - op->beta1), .one_less_beta2 = (float)(1 - op->beta2),
        .step = (float)(op->lr / first), .root = (float)(1 / sqrt(second)), .eps = (float)op->eps,
    };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(s.count, RN_CPU_CHUNK), task, &s);
    return 0;
}
