/* sgd.c -- PyTorch's SGD: no dampening. */
#include "device/reference/reference.h"

int rn_reference_sgd(struct rn_device *dev, const struct rn_sgd *op, struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *weight = op->w, *velocity = op->v;
    const double *gradient = op->g;
    for (size_t i = 0; i < op->bytes / sizeof *weight; i++) {
        double step = (op->scale > 0 ? op->scale : 1) * gradient[i] + op->wd * weight[i];
        velocity[i] = op->momentum * velocity[i] + step;
        weight[i] -= op->lr * (op->nesterov ? step + op->momentum * velocity[i] : velocity[i]);
    }
    return 0;
}
