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

int rn_cpu_fold(struct rn_device *dev, struct rn_array w2, struct rn_array bias2, struct rn_array w,
                const struct rn_norm *norm, struct rn_err *err)
{
    if (rn_check_fold(w2, bias2, w, norm, err))
        return -1;
    struct fold f = { w.c * w.h * w.w, w.data, w2.data, bias2.data, norm };
    rn_pool_for(rn_cpu(dev)->pool, w.n, channel, &f);
    return 0;
}
