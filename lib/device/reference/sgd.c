/* sgd.c -- PyTorch's SGD: no dampening. */
#include "device/reference/reference.h"

int rn_reference_sgd(struct rn_device *dev, void *w, void *v, const void *g, size_t bytes, struct rn_sgd options,
                     struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *weight = w, *velocity = v;
    const double *gradient = g;
    for (size_t i = 0; i < bytes / sizeof *weight; i++) {
        double step = (options.scale > 0 ? options.scale : 1) * gradient[i] + options.wd * weight[i];
        velocity[i] = options.momentum * velocity[i] + step;
        weight[i] -= options.lr * (options.nesterov ? step + options.momentum * velocity[i] : velocity[i]);
    }
    return 0;
}
