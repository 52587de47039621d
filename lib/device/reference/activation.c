/* activation.c -- derivatives of ReLU and sigmoid, in terms of their outputs. */
#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_activation_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy,
                                     struct rn_array y, enum rn_activation activation, struct rn_err *err)
{
    (void)dev;
    if (rn_check_activation(dx, dy, y, err))
        return -1;
    for (size_t i = 0; i < rn_reference_count(y); i++) {
        double value = *rn_reference_of(y, i), derivative = 1;
        if (activation == RN_ACT_RELU)
            derivative = value > 0;
        else if (activation == RN_ACT_SIGMOID)
            derivative = value * (1 - value);
        *rn_reference_of(dx, i) = *rn_reference_of(dy, i) * derivative;
    }
    return 0;
}
