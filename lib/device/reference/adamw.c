/* adamw.c -- PyTorch's AdamW. */
#include <math.h>

#include "device/reference/reference.h"

int rn_reference_adamw(struct rn_device *dev, const struct rn_adamw *op, struct rn_err *err)
{
    (void)dev;
    (void)err;
    double *weight = op->w, *mean = op->m, *square = op->v, first = 1 - pow(op->beta1, (double)op->step),
           second = 1 - pow(op->beta2, (double)op->step);
    const double *gradient = op->g;
    for (size_t i = 0; i < op->bytes / sizeof *weight; i++) {
        double d = (op->scale > 0 ? op->scale : 1) * gradient[i];
        weight[i] -= op->lr * op->wd * weight[i];
        mean[i] = op->beta1 * mean[i] + (1 - op->beta1) * d;
        square[i] = op->beta2 * square[i] + (1 - op->beta2) * d * d;
        weight[i] -= op->lr * (mean[i] / first) / (sqrt(square[i] / second) + op->eps);
    }
    return 0;
}
