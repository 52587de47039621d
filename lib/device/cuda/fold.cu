/* fold.cu -- a convolution and the batch norm after it, in evaluation, as one convolution. */
#include "device/cuda/kernel.h"

struct fold {
    struct map w2;
    float *bias2;
    const float *w, *gamma, *beta, *running_mean, *running_var;
    unsigned size; /* of one output channel's weights */
    float eps;
};

#ifdef RN_KERNELS

/* One block is one output channel. */
KERNEL(fold)(const struct fold v)
{
    unsigned k = blockIdx.x;
    float scale = v.gamma[k] / sqrtf(v.running_var[k] + v.eps);
    if (threadIdx.x == 0)
        v.bias2[k] = v.beta[k] - v.running_mean[k] * scale;
    for (unsigned i = threadIdx.x; i < v.size; i += RN_BLOCK)
        put(v.w2, (rn_index)k * v.size + i, v.w[(rn_index)k * v.size + i] * scale);
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_fold(struct rn_device *dev, const struct rn_fold *op, struct rn_err *err)
{
    const struct rn_norm *norm = &op->norm;
    struct rn_array w = op->w;
    /* Running statistics are the first GPU's: the others moved theirs by their own images. */
    if (rn_check_fold(op, err) || rn_cuda_spread(dev, norm->running_mean, err) || rn_cuda_spread(dev, norm->running_var, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    rn_cuda_stale(p.cuda, op->w2.data);
    while (rn_cuda_next(&p, err)) {
        struct fold v = {
            rn_cuda_whole(&p, op->w2), rn_cuda_at(&p, op->bias2.data), rn_cuda_at(&p, w.data), rn_cuda_at(&p, norm->gamma.data),
            rn_cuda_at(&p, norm->beta.data), rn_cuda_at(&p, norm->running_mean.data), rn_cuda_at(&p, norm->running_var.data),
            rn_cuda_dim(w.c * w.h * w.w), (float)norm->eps };
        p.rc = rn_cuda_launch(&p, RN_CUDA_fold, (struct rn_cuda_grid){ w.n, 1, 1 }, &v, w, err);
    }
    return p.rc;
}

#endif
