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

int rn_cpu_adamw(struct rn_device *dev, void *w, void *m, void *v, const void *g, size_t bytes, struct rn_adamw options,
                 struct rn_err *err)
{
    (void)err;
    double first = 1 - pow(options.beta1, (double)options.step), second = 1 - pow(options.beta2, (double)options.step);
    struct adamw s = {
        w, m, v, g, bytes / sizeof(float),
        .scale = options.scale > 0 ? (float)options.scale : 1, .keep = (float)(1 - options.lr * options.wd),
        .beta2 = (float)options.beta2, .one_less_beta1 = (float)(1 - options.beta1), .one_less_beta2 = (float)(1 - options.beta2),
        .step = (float)(options.lr / first), .root = (float)(1 / sqrt(second)), .eps = (float)options.eps,
    };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(s.count, RN_CPU_CHUNK), task, &s);
    return 0;
}
