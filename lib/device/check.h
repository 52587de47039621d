/* check.h -- do the shapes of an operator's arrays fit? For the devices: each operator asks first.
 *
 * Each returns 0, or -1 with exit 4 and the operator's name; arguments are those of struct rn_device_class. An array
 * whose data is NULL is not looked at; that every required array has data is checked too. */
#ifndef RN_DEVICE_CHECK_H
#define RN_DEVICE_CHECK_H

#include "device/device.h"

RN_MUST int rn_check_conv2d(struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window,
                            const struct rn_epilogue *epilogue, struct rn_err *err);
RN_MUST int rn_check_conv2d_backward(const struct rn_conv_back *b, struct rn_err *err);
RN_MUST int rn_check_activation(struct rn_array dx, struct rn_array dy, struct rn_array y, struct rn_err *err);
RN_MUST int rn_check_add(struct rn_array y, struct rn_array a, struct rn_array b, struct rn_err *err);
RN_MUST int rn_check_add_backward(struct rn_array da, struct rn_array db, struct rn_array dy, struct rn_array y,
                                  enum rn_activation activation, struct rn_err *err);
RN_MUST int rn_check_batch_norm(struct rn_array y, struct rn_array x, struct rn_array residual, const struct rn_norm *norm,
                                enum rn_activation activation, struct rn_err *err);
RN_MUST int rn_check_batch_norm_backward(const struct rn_norm_back *b, struct rn_err *err);
RN_MUST int rn_check_fold(struct rn_array w2, struct rn_array bias2, struct rn_array w, const struct rn_norm *norm,
                          struct rn_err *err);
/* Also for max_pool_backward, once with (y, x) and once with (dy, dx). */
RN_MUST int rn_check_max_pool(struct rn_array y, struct rn_array x, struct rn_window window, struct rn_err *err);
RN_MUST int rn_check_global_avg_pool(struct rn_array y, struct rn_array x, struct rn_err *err);
/* Also for channel_pool_backward, once with (y, x) and once with (dy, dx). */
RN_MUST int rn_check_channel_pool(struct rn_array y, struct rn_array x, struct rn_err *err);
RN_MUST int rn_check_gate(struct rn_array y, struct rn_array x, struct rn_array channel, struct rn_array spatial,
                          struct rn_err *err);
RN_MUST int rn_check_gate_backward(const struct rn_gate_back *b, struct rn_err *err);
/* Labels too: each in 0..C-1. */
RN_MUST int rn_check_loss(struct rn_array dlogits, struct rn_array logits, const int64_t *labels,
                          struct rn_err *err);
RN_MUST int rn_check_images(struct rn_array y, struct rn_err *err);

#endif
