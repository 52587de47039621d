/* step.h -- a step of training as CUDA graphs. */
#ifndef RN_DEVICE_CUDA_STEP_H
#define RN_DEVICE_CUDA_STEP_H

#include "device/cuda/cuda.h"

/* begin, commit, end and all_reduce of struct rn_device_class: a sum is started, or captured with the step. */
RN_MUST int rn_cuda_begin(struct rn_device *dev, const struct rn_device_step *step, bool *done, struct rn_err *err);
RN_MUST int rn_cuda_commit(struct rn_device *dev, struct rn_err *err);
RN_MUST int rn_cuda_end(struct rn_device *dev, struct rn_err *err);
RN_MUST int rn_cuda_all_reduce(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err);
/* What each of several GPUs has in its workspace, `bytes` of it at its own place, all have for what comes later. */
RN_MUST int rn_cuda_tell(struct rn_device *dev, size_t bytes, struct rn_err *err);
/* Of a step that has failed between begin and commit, if there is one: its capture ends, and nobody will end it. */
void rn_cuda_abandon(struct rn_cuda *cuda);
void rn_cuda_records_free(struct rn_cuda *cuda);

#endif
