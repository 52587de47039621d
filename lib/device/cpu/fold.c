/* fold.c -- batch norm in evaluation is a factor and a constant for each channel: into the weights with them. */
#include <math.h>

#include "device/check.h"
#include "device/cpu/cpu.h"

RN_CPU_CLONES static void scale_row(float *restrict to, const float *restrict from, double scale, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (float)((double)from[i] * scale);
}

struct fold {
    size_t taps;
    const float *w;
    float *w2, *bias;
    const struct rn_norm *norm;
};

static void channel(void *context, size_t k, int thread)
{
    (void)thread;
    const struct fold *f = context;
    const float *gamma = f->norm->gamma.data, *beta = f->norm->beta.data, *mean = f->norm->running_mean.data,
                *var = f->norm->running_var.data;
    double scale = (double)gamma[k] / sqrt((double)var[k] + f->norm->eps);
    f->bias[k] = (float)((double)beta[k] - (double)mean[k] * scale);
    scale_row(f->w2 + k * f->taps, f->w + k * f->taps, scale, f->taps);
}

int rn_cpu_fold(struct rn_device *dev, const struct rn_fold *op, struct rn_err *err)
{
    if (rn_check_fold(op, err))
        return -1;
    struct fold f = { op->w.c * op->w.h * op->w.w, op->w.data, op->w2.data, op->bias2.data, &op->norm };
    rn_pool_for(rn_cpu(dev)->pool, op->w.n, channel, &f);
    return 0;
}
