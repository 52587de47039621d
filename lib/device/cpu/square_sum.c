/* square_sum.c -- the square of a block's Euclidean norm: of each chunk in double, then of the chunks in order. */
#include "device/cpu/cpu.h"

enum { LANES = 8 }; /* sums side by side in a chunk, so that it can be vectorised and has the same bits by every vector length */

struct square_sum {
    const float *x;
    double *sum;
    size_t count;
};

RN_CPU_CLONES static double chunk(const float *x, size_t count)
{
    double sum[LANES] = { 0 }, all = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t l = 0; l < LANES; l++)
            sum[l] += (double)x[i + l] * (double)x[i + l];
    for (size_t l = 0; l < LANES; l++)
        all += sum[l];
    for (; i < count; i++)
        all += (double)x[i] * (double)x[i];
    return all;
}

static void task(void *context, size_t i, int thread)
{
    (void)thread;
    const struct square_sum *s = context;
    size_t from = i * RN_CPU_CHUNK;
    s->sum[i] = chunk(s->x + from, rn_cpu_min(RN_CPU_CHUNK, s->count - from));
}

int rn_cpu_square_sum(struct rn_device *dev, const struct rn_square_sum *op, struct rn_err *err)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    size_t count = op->bytes / sizeof(float), chunks = rn_cpu_blocks(count, RN_CPU_CHUNK);
    if (rn_cpu_scratch(cpu, 0, 2 * chunks, err))
        return -1;
    struct square_sum s = { op->x, (double *)(void *)cpu->shared, count };
    rn_pool_for(cpu->pool, chunks, task, &s);
    *op->sum = 0;
    for (size_t i = 0; i < chunks; i++)
        *op->sum += s.sum[i];
    return 0;
}
