/* global_avg_pool.cu -- the mean of each channel over its map. */
#include "device/cuda/kernel.h"

struct global_avg_pool {
    struct map y, x; /* backward: dy, dx */
    int add;
};

#ifdef RN_KERNELS

/* One block: some channels of one image. */
KERNEL(global_avg_pool)(const struct global_avg_pool v)
{
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w;
    float sum = 0;
    for (unsigned i = row(); c < v.x.c && i < pixels; i += RN_ROWS)
        sum += get(v.x, ((rn_index)n * pixels + i) * v.x.c + c);
    sum = sum_rows(sum);
    if (row() == 0 && c < v.x.c)
        put(v.y, (rn_index)n * v.x.c + c, sum / (float)pixels);
}

KERNEL(global_avg_pool_backward)(const struct global_avg_pool v)
{
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w;
    if (c >= v.x.c)
        return;
    float d = get(v.y, (rn_index)n * v.x.c + c) / (float)pixels;
    for (unsigned i = row(); i < pixels; i += RN_ROWS)
        give(v.x, ((rn_index)n * pixels + i) * v.x.c + c, d, v.add);
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

static int pool(struct rn_device *dev, enum rn_cuda_kernel kernel, struct rn_array y, struct rn_array x, unsigned add,
                struct rn_err *err)
{
    if (rn_check_global_avg_pool(y, x, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct global_avg_pool v = { rn_cuda_cut(&p, y), rn_cuda_cut(&p, x), add & RN_ADD_DX };
        p.rc = rn_cuda_launch(&p, kernel, rn_cuda_images(v.x), &v, x, err);
    }
    return p.rc;
}

int rn_cuda_global_avg_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_err *err)
{
    return pool(dev, RN_CUDA_global_avg_pool, y, x, 0, err);
}

int rn_cuda_global_avg_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, unsigned add,
                                     struct rn_err *err)
{
    return pool(dev, RN_CUDA_global_avg_pool_backward, dy, dx, add, err);
}

#endif
