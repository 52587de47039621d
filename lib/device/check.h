/* check.h -- do the shapes of an operator's arrays fit? For the devices: each operator asks first.
 *
 * Each returns 0, or -1 with exit 4 and the operator's name. An array whose data is NULL is not looked at; that every required
 * array has data is checked too; of softmax_loss, that each label is in 0..C-1. */
#ifndef RN_DEVICE_CHECK_H
#define RN_DEVICE_CHECK_H

#include "device/device.h"

#define RN_CHECK(name) RN_MUST int rn_check_##name(const struct rn_##name *op, struct rn_err *err);
RN_MAP_OPERATORS(RN_CHECK)
RN_FUSED_OPERATORS(RN_CHECK)
#undef RN_CHECK

RN_MUST int rn_check_images(struct rn_array y, struct rn_err *err);

#endif
