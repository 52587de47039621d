/* lerp.c -- one block moves towards another, in chunks. */
#include <string.h>

#include "device/cpu/cpu.h"

struct lerp {
    float *y;
    const float *x;
    size_t count;
    float share;
};

RN_CPU_CLONES static void move(const struct lerp *s, size_t from, size_t to)
{
    float *restrict y = s->y, share = s->share;
    const float *restrict x = s->x;
    for (size_t i = from; i < to; i++)
        y[i] += share * (x[i] - y[i]);
}

static void task(void *context, size_t i, int thread)
{
    (void)thread;
    const struct lerp *s = context;
    size_t from = i * RN_CPU_CHUNK, to = rn_cpu_min(from + RN_CPU_CHUNK, s->count);
    if (s->share < 1)
        move(s, from, to);
    else
        memcpy(s->y + from, s->x + from, (to - from) * sizeof *s->y);
}

int rn_cpu_lerp(struct rn_device *dev, const struct rn_lerp *op, struct rn_err *err)
{
    (void)err;
    struct lerp s = { op->y, op->x, op->bytes / sizeof(float), (float)op->share };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(s.count, RN_CPU_CHUNK), task, &s);
    return 0;
}
