/* adamw.cu -- PyTorch's AdamW. What follows from the step is computed once, in double. */
#include "device/cuda/kernel.h"

struct adamw {
    rn_index count;
    float *w, *m, *v;
    const float *g;
    unsigned short *bf16; /* w's bf16 copy (bf16.cu); optional */
    float scale, keep, beta2, one_less_beta1, one_less_beta2, step, root, eps;
};

#ifdef RN_KERNELS

KERNEL(adamw)(const struct adamw s)
{
    for (each(i, s.count)) {
        float d = s.scale * s.g[i];
        float m = fmaf(s.one_less_beta1, d - s.m[i], s.m[i]), v = fmaf(s.beta2, s.v[i], s.one_less_beta2 * d * d);
        float w = s.keep * s.w[i] - s.step * m / fmaf(sqrtf(v), s.root, s.eps);
        s.m[i] = m;
        s.v[i] = v;
        s.w[i] = w;
        if (s.bf16)
            s.bf16[i] = narrow(w);
    }
}

#else

#include <math.h>

#include "device/cuda/cuda.h"

int rn_cuda_adamw(struct rn_device *dev, const struct rn_adamw *op, struct rn_err *err)
{
    double first = 1 - pow(op->beta1, (double)op->step), second = 1 - pow(op->beta2, (double)op->step);
    size_t count = op->bytes / sizeof(float);
    struct rn_array block = { op->w, 1, count, 1, 1 };
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        struct adamw s = {
            count, rn_cuda_at(&p, op->w), rn_cuda_at(&p, op->m), rn_cuda_at(&p, op->v), rn_cuda_at(&p, op->g),
            .scale = op->scale > 0 ? (float)op->scale : 1, .keep = (float)(1 - op->lr * op->wd),
            .beta2 = (float)op->beta2, .one_less_beta1 = (float)(1 - op->beta1), .one_less_beta2 = (float)(1 - op->beta2),
            .step = (float)(op->lr / first), .root = (float)(1 / sqrt(second)), .eps = (float)op->eps };
        s.bf16 = rn_cuda_bf16_copy_of(&p, s.w);
        p.rc = rn_cuda_await_sums(&p, err) || rn_cuda_launch(&p, RN_CUDA_adamw, rn_cuda_blocks(count), &s, block, err) ? -1 : 0;
    }
    p.cuda->summing = false;
    return p.rc;
}

#endif
