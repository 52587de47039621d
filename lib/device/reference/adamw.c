/* adamw.c -- PyTorch's AdamW. */
#include <math.h>

#include "device/reference/reference.h"

int rn_reference_adamw(struct rn_device *dev, void *w, void *m, void *v, const void *g, size_t bytes, struct rn_adamw options,
                       struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *weight = w, *mean = m, *square = v, first = 1 - pow(options.beta1, (double)options.step),
           second = 1 - pow(options.beta2, (double)options.step);
    const double *gradient = g;
    for (size_t i = 0; i < bytes / sizeof *weight; i++) {
        double d = (options.scale > 0 ? options.scale : 1) * gradient[i];
        weight[i] -= options.lr * options.wd * weight[i];
        mean[i] = options.beta1 * mean[i] + (1 - options.beta1) * d;
        square[i] = options.beta2 * square[i] + (1 - options.beta2) * d * d;
        weight[i] -= options.lr * (mean[i] / first) / (sqrt(square[i] / second) + options.eps);
    }
    return 0;
}
