/* sgd.cu -- PyTorch's SGD: no dampening. Products are fused where it is written, so that a scale of 1 changes no bit. */
#include "device/cuda/kernel.h"

struct sgd {
    rn_index count;
    float *w, *v;
    const float *g;
    unsigned short *bf16; /* w's bf16 copy (bf16.cu); optional */
    float lr, momentum, wd, scale;
    int nesterov;
};

#ifdef RN_KERNELS

KERNEL(sgd)(const struct sgd s)
{
    for (each(i, s.count)) {
        float step = fmaf(s.wd, s.w[i], s.scale * s.g[i]), v = fmaf(s.momentum, s.v[i], step);
        float w = fmaf(-s.lr, s.nesterov ? fmaf(s.momentum, v, step) : v, s.w[i]);
        s.v[i] = v;
        s.w[i] = w;
        if (s.bf16)
            s.bf16[i] = narrow(w);
    }
}

#else

#include "device/cuda/cuda.h"

int rn_cuda_sgd(struct rn_device *dev, const struct rn_sgd *op, struct rn_err *err)
{
    size_t count = op->bytes / sizeof(float);
    struct rn_array block = { op->w, 1, count, 1, 1 };
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        struct sgd s = {
            count, rn_cuda_at(&p, op->w), rn_cuda_at(&p, op->v), rn_cuda_at(&p, op->g), .lr = (float)op->lr,
            .momentum = (float)op->momentum, .wd = (float)op->wd, .scale = op->scale > 0 ? (float)op->scale : 1,
            .nesterov = op->nesterov };
        s.bf16 = rn_cuda_bf16_copy_of(&p, s.w);
        p.rc = rn_cuda_await_sums(&p, err) || rn_cuda_launch(&p, RN_CUDA_sgd, rn_cuda_blocks(count), &s, block, err) ? -1 : 0;
    }
    p.cuda->summing = false;
    return p.rc;
}

#endif
