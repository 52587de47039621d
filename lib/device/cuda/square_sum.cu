/* square_sum.cu -- the square of a block's Euclidean norm: sums of parts on the GPU, in double, and of these on the host, in
 * order. The caller needs the number: it is waited for. */
#include "device/cuda/kernel.h"

struct square_sum {
    rn_index count;
    const float *x;
    double *sums; /* one a block */
};

#ifdef RN_KERNELS

KERNEL(square_sum)(const struct square_sum v)
{
    double sum = 0;
    for (each(i, v.count))
        sum += (double)v.x[i] * (double)v.x[i];
    sum_lane<1>(&sum, 1);
    if (threadIdx.x == 0)
        v.sums[blockIdx.x] = sum;
}

#else

#include <string.h>

#include "device/cuda/cuda.h"

enum { EACH = 8, MOST = 512 }; /* numbers of a thread; parts */

/* After the sums over GPUs all have the same: the first one's. */
int rn_cuda_square_sum(struct rn_device *dev, const struct rn_square_sum *op, struct rn_err *err)
{
    size_t count = op->bytes / sizeof(float), parts = rn_cuda_least(rn_cuda_ceil(count, EACH * RN_BLOCK), MOST);
    struct rn_array block = { (void *)(uintptr_t)op->x, 1, count, 1, 1 };
    struct rn_cuda_grid grid = { parts, 1, 1 };
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    *op->sum = 0;
    if (!rn_cuda_next(&p, err))
        return -1;
    struct rn_cuda_slot *slot = &p.gpu->slot[++p.gpu->turn % 2];
    if (rn_cuda_slot(&p, slot, parts * sizeof(double), true, err))
        return -1;
    struct square_sum v = { count, op->x, (double *)(void *)slot->far };
    if (rn_cuda_await_sums(&p, err) || rn_cuda_launch(&p, RN_CUDA_square_sum, grid, &v, block, err) ||
        rn_cuda_copy(&p, slot->near, slot->far, parts * sizeof(double), cudaMemcpyDeviceToHost, err) || rn_cuda_wait(&p, NULL, err))
        return -1;
    for (size_t i = 0; i < parts; i++) {
        double part;
        memcpy(&part, slot->near + i * sizeof part, sizeof part);
        *op->sum += part;
    }
    return 0;
}

#endif
