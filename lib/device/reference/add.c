/* add.c -- the sum of two maps, and an activation. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

int rn_reference_add(struct rn_device *dev, const struct rn_add *op, struct rn_err *err)
{
    struct rn_array y = op->y, a = op->a, b = op->b;
    (void)dev;
    if (rn_check_add(op, err))
        return -1;
    for (size_t i = 0; i < rn_reference_count(a); i++) {
        double sum = *rn_reference_of(a, i) + (b.data ? *rn_reference_of(b, i) : 0);
        if (op->activation == RN_ACT_RELU)
            sum = sum < 0 ? 0 : sum;
        else if (op->activation == RN_ACT_SIGMOID)
            sum = 1 / (1 + exp(-sum));
        *rn_reference_of(y, i) = sum;
    }
    return 0;
}

int rn_reference_add_backward(struct rn_device *dev, const struct rn_add_backward *op, struct rn_err *err)
{
    struct rn_array da = op->da, db = op->db, dy = op->dy;
    (void)dev;
    if (rn_check_add_backward(op, err))
        return -1;
    rn_reference_begin(da, op->add & RN_ADD_DX);
    rn_reference_begin(db, op->add & RN_ADD_RESIDUAL);
    for (size_t i = 0; i < rn_reference_count(dy); i++) {
        double d = *rn_reference_of(dy, i), value = op->activation == RN_ACT_NONE ? 0 : *rn_reference_of(op->y, i);
        if (op->activation == RN_ACT_RELU)
            d *= value > 0;
        else if (op->activation == RN_ACT_SIGMOID)
            d *= value * (1 - value);
        *rn_reference_of(da, i) += d;
        if (db.data)
            *rn_reference_of(db, i) += d;
    }
    return 0;
}
