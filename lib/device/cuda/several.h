/* several.h -- several GPUs as one device; see cuda.h for how a batch is cut. */
#ifndef RN_DEVICE_CUDA_SEVERAL_H
#define RN_DEVICE_CUDA_SEVERAL_H

#include "device/cuda/cuda.h"

/* Makes NCCL's communicators; with one GPU there is nothing to do. */
RN_MUST int rn_cuda_join(struct rn_cuda *cuda, struct rn_err *err);
void rn_cuda_part_ways(struct rn_cuda *cuda);
/* Before memory is freed: waits for all work. -1: something has failed, now or before, and nothing may be freed. */
RN_MUST int rn_cuda_settle(struct rn_cuda *cuda);
/* Starts the sum over the GPUs, behind what their streams were given. */
RN_MUST int rn_cuda_sum(struct rn_cuda *cuda, void *gradients, size_t bytes, struct rn_err *err);

/* share, cut and carry of struct rn_device_class. */
size_t rn_cuda_share(const struct rn_device *dev, size_t n, bool eval);
void rn_cuda_cut_block(struct rn_device *dev, void *memory);
RN_MUST int rn_cuda_carry(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err);

#endif
