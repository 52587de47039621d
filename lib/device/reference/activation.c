/* activation.c -- derivatives of ReLU and sigmoid, in terms of their outputs. */
#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_activation_backward(struct rn_device *dev, const struct rn_activation_backward *op, struct rn_err *err)
{
    (void)dev;
    if (rn_check_activation_backward(op, err))
        return -1;
    for (size_t i = 0; i < rn_reference_count(op->y); i++) {
        double value = *rn_reference_of(op->y, i), derivative = 1;
        if (op->activation == RN_ACT_RELU)
            derivative = value > 0;
        else if (op->activation == RN_ACT_SIGMOID)
            derivative = value * (1 - value);
        *rn_reference_of(op->dx, i) = *rn_reference_of(op->dy, i) * derivative;
    }
    return 0;
}
