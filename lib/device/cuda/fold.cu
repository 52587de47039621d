/* fold.cu -- a convolution and the batch norm after it, in evaluation, as one convolution. */
#include "device/cuda/kernel.h"

struct fold {
    struct map w2, bias2, w, gamma, beta, running_mean, running_var;
    float eps;
};

#ifdef RN_KERNELS

/* One block is one output channel. */
KERNEL(fold)(const struct fold v)
{
    unsigned k = blockIdx.x, size = v.w.h * v.w.w * v.w.c;
    float scale = v.gamma.at[k] / sqrtf(v.running_var.at[k] + v.eps);
    if (threadIdx.x == 0)
        v.bias2.at[k] = v.beta.at[k] - v.running_mean.at[k] * scale;
    for (unsigned i = threadIdx.x; i < size; i += RN_BLOCK)
        v.w2.at[(rn_index)k * size + i] = v.w.at[(rn_index)k * size + i] * scale;
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_fold(struct rn_device *dev, struct rn_array w2, struct rn_array bias2, struct rn_array w, const struct rn_norm *norm,
                 struct rn_err *err)
{
    /* Running statistics are the first GPU's: the others moved theirs by their own images. */
    if (rn_check_fold(w2, bias2, w, norm, err) || rn_cuda_spread(dev, norm->running_mean, err) ||
        rn_cuda_spread(dev, norm->running_var, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        struct fold v = {
            rn_cuda_whole(&p, w2), rn_cuda_whole(&p, bias2), rn_cuda_whole(&p, w), rn_cuda_whole(&p, norm->gamma),
            rn_cuda_whole(&p, norm->beta), rn_cuda_whole(&p, norm->running_mean), rn_cuda_whole(&p, norm->running_var),
            (float)norm->eps };
        p.rc = rn_cuda_launch(&p, RN_CUDA_fold, (struct rn_cuda_grid){ w.n, 1, 1 }, &v, w, err);
    }
    return p.rc;
}

#endif
