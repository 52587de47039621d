/* sgd.c -- PyTorch's SGD: no dampening, no Nesterov. */
#include "device/reference/reference.h"

int rn_reference_sgd(struct rn_device *dev, void *w, void *v, const void *g, size_t bytes, struct rn_sgd options,
                     struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *weight = w, *velocity = v;
    const double *gradient = g;
    for (size_t i = 0; i < bytes / sizeof *weight; i++) {
        double step = gradient[i] + options.wd * weight[i];
        velocity[i] = options.momentum * velocity[i] + step;
        weight[i] -= options.lr * velocity[i];
    }
    return 0;
}
