/* fold.c -- batch norm in evaluation is a factor and a constant for each channel: into the weights with them. */
#include <math.h>

#include "device/check.h"
#include "device/cpu/cpu.h"

int rn_cpu_fold(struct rn_device *dev, struct rn_array w2, struct rn_array bias2, struct rn_array w,
                const struct rn_norm *norm, struct rn_err *err)
{
    (void)dev;
    if (rn_check_fold(w2, bias2, w, norm, err))
        return -1;
    const float *gamma = norm->gamma.data, *beta = norm->beta.data, *mean = norm->running_mean.data,
                *var = norm->running_var.data;
    const float *from = w.data;
    float *to = w2.data, *bias = bias2.data;
    size_t taps = w.c * w.h * w.w;
    for (size_t k = 0; k < w.n; k++) {
        double scale = (double)gamma[k] / sqrt((double)var[k] + norm->eps);
        bias[k] = (float)((double)beta[k] - (double)mean[k] * scale);
        for (size_t i = k * taps; i < (k + 1) * taps; i++)
            to[i] = (float)((double)from[i] * scale);
    }
    return 0;
}
