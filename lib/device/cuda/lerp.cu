/* lerp.cu -- one block moves towards another. */
#include "device/cuda/kernel.h"

struct lerp {
    rn_index count;
    float *y;
    const float *x;
    unsigned short *bf16; /* y's bf16 copy (bf16.cu); optional */
    float share;
};

#ifdef RN_KERNELS

KERNEL(lerp)(const struct lerp s)
{
    for (each(i, s.count)) {
        float y = s.share < 1 ? fmaf(s.share, s.x[i] - s.y[i], s.y[i]) : s.x[i];
        s.y[i] = y;
        if (s.bf16)
            s.bf16[i] = narrow(y);
    }
}

#else

#include "device/cuda/cuda.h"

int rn_cuda_lerp(struct rn_device *dev, const struct rn_lerp *op, struct rn_err *err)
{
    size_t count = op->bytes / sizeof(float);
    struct rn_array block = { op->y, 1, count, 1, 1 };
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        struct lerp s = { count, rn_cuda_at(&p, op->y), rn_cuda_at(&p, op->x), .share = (float)op->share };
        s.bf16 = rn_cuda_bf16_copy_of(&p, s.y);
        p.rc = rn_cuda_launch(&p, RN_CUDA_lerp, rn_cuda_blocks(count), &s, block, err);
    }
    return p.rc;
}

#endif
