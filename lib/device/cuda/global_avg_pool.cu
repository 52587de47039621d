/* global_avg_pool.cu -- the mean of each channel over its map. */
#include "device/cuda/kernel.h"

struct global_avg_pool {
    struct map y, x; /* backward: dy, dx */
    int add;
};

#ifdef RN_KERNELS

/* One block: some channels of one image. */
template <class K> static __device__ inline void means(const struct global_avg_pool &v)
{
    unsigned c = channel() * K::WIDTH, n = blockIdx.y, pixels = v.x.h * v.x.w;
    float sum[K::WIDTH] = { 0 }, x[K::WIDTH];
    for (unsigned i = row(); c < v.x.c && i < pixels; i += RN_ROWS) {
        K::load(x, v.x, ((rn_index)n * pixels + i) * v.x.c + c);
        for (int k = 0; k < K::WIDTH; k++)
            sum[k] += x[k];
    }
    for (int k = 0; k < K::WIDTH; k++)
        sum[k] = sum_rows(sum[k]) / (float)pixels;
    if (row() == 0 && c < v.x.c)
        K::store(v.y, (rn_index)n * v.x.c + c, sum);
}

KERNEL(global_avg_pool)(const struct global_avg_pool v)
{
    means<struct one>(v);
}

KERNEL(global_avg_pool_wide)(const struct global_avg_pool v)
{
    v.x.bf16 ? means<struct four_bf16>(v) : means<struct four_full>(v);
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

/* wide: a kernel for four channels at once, where there is one. */
static int pool(struct rn_device *dev, enum rn_cuda_kernel kernel, enum rn_cuda_kernel wide, struct rn_array y, struct rn_array x,
                unsigned add, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct global_avg_pool v = { rn_cuda_cut(&p, y), rn_cuda_cut(&p, x), add & RN_ADD_DX };
        bool four = wide != kernel && rn_cuda_wide(v.x, v.x) && rn_cuda_wide(v.x, v.y);
        struct rn_cuda_grid grid = rn_cuda_images(v.x);
        grid.x = four ? rn_cuda_ceil(x.c / 4, RN_LANES) : grid.x;
        p.rc = rn_cuda_launch(&p, four ? wide : kernel, grid, &v, x, err);
    }
    return p.rc;
}

int rn_cuda_global_avg_pool(struct rn_device *dev, const struct rn_global_avg_pool *op, struct rn_err *err)
{
    if (rn_check_global_avg_pool(op, err))
        return -1;
    return pool(dev, RN_CUDA_global_avg_pool, RN_CUDA_global_avg_pool_wide, op->y, op->x, 0, err);
}

int rn_cuda_global_avg_pool_backward(struct rn_device *dev, const struct rn_global_avg_pool_backward *op, struct rn_err *err)
{
    if (rn_check_global_avg_pool_backward(op, err))
        return -1;
    return pool(dev, RN_CUDA_global_avg_pool_backward, RN_CUDA_global_avg_pool_backward, op->dy, op->dx, op->add, err);
}

#endif
