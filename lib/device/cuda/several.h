/* several.h -- several GPUs as one device; see cuda.h for how a batch is cut. */
#ifndef RN_DEVICE_CUDA_SEVERAL_H
#define RN_DEVICE_CUDA_SEVERAL_H

#include "device/cuda/cuda.h"

/* Gradients that are summed over the GPUs, while other work goes on; or, where `gradients` is NULL, what each has in its workspace,
 * `bytes` of it at its own place, and all have then: what comes later waits for it. */
struct rn_cuda_meeting {
    void *gradients;
    size_t bytes; /* 0: there is nothing to do */
};

/* Makes NCCL's communicators; with one GPU there is nothing to do. */
RN_MUST int rn_cuda_join(struct rn_cuda *cuda, struct rn_err *err);
void rn_cuda_part_ways(struct rn_cuda *cuda);
/* Before memory is freed: waits for all work. -1: something has failed, now or before, and nothing may be freed. */
RN_MUST int rn_cuda_settle(struct rn_cuda *cuda);
/* Starts what the GPUs do together, behind what their streams were given. */
RN_MUST int rn_cuda_meet(struct rn_cuda *cuda, struct rn_cuda_meeting meeting, struct rn_err *err);

/* share, cut and carry of struct rn_device_class. */
size_t rn_cuda_share(const struct rn_device *dev, size_t n, bool eval);
void rn_cuda_cut_block(struct rn_device *dev, void *memory);
RN_MUST int rn_cuda_carry(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err);

#endif
