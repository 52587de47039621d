/* trial.cu -- do a few images give the same bits by themselves as among many? Of numbers that are the same each time. */
#include "device/cuda/kernel.h"

struct trial_fill {
    struct map x;
    unsigned images; /* after so many the numbers come again */
};

struct trial_differ {
    const void *many, *few;
    rn_index each;   /* numbers of an image */
    unsigned images; /* of the few */
    int bf16;
    float *counts; /* one a block */
};

#ifdef RN_KERNELS

/* In [-1,1), with all bits of a float32's mantissa at work. An image is a row of blocks. */
KERNEL(trial_fill)(const struct trial_fill v)
{
    unsigned size = v.x.h * v.x.w * v.x.c;
    for (each(i, size)) {
        unsigned h = (blockIdx.y % v.images * size + (unsigned)i) * 2654435761u + 40503u;
        h = (h ^ h >> 15) * 2246822519u;
        h = (h ^ h >> 13) * 3266489917u;
        put(v.x, (rn_index)blockIdx.y * size + i, (float)((int)((h ^ h >> 16) >> 8) - 8388608) / 8388608);
    }
}

/* How many numbers differ. */
KERNEL(trial_differ)(const struct trial_differ v)
{
    float count = 0;
    rn_index many = blockIdx.y * v.each, few = blockIdx.y % v.images * v.each;
    for (each(i, v.each)) {
        if (v.bf16)
            count += ((const unsigned short *)v.many)[many + i] != ((const unsigned short *)v.few)[few + i];
        else
            count += ((const unsigned *)v.many)[many + i] != ((const unsigned *)v.few)[few + i];
    }
    sum_lane<1>(&count, 1);
    if (threadIdx.x == 0)
        v.counts[blockIdx.y * gridDim.x + blockIdx.x] = count;
}

#else

#include <string.h>

#include "device/cuda/cuda.h"

enum { BLOCKS = 32 }; /* of an image */

void *rn_cuda_trial(const struct rn_cuda_part *p, size_t bytes, struct rn_err *err)
{
    struct rn_gpu *gpu = p->gpu;
    if (bytes <= gpu->trial_bytes)
        return gpu->trial;
    rn_cuda_trial_free(p);
    if (!(gpu->trial = rn_cuda_take(p, bytes, err)))
        return NULL;
    gpu->trial_bytes = bytes;
    return gpu->trial;
}

void rn_cuda_trial_free(const struct rn_cuda_part *p)
{
    if (p->gpu->trial)
        p->cuda->api.cudaFree(p->gpu->trial);
    p->gpu->trial = NULL;
    p->gpu->trial_bytes = 0;
}

/* A row for each image. */
static struct rn_cuda_grid rows(struct map x)
{
    return (struct rn_cuda_grid){ rn_cuda_least(rn_cuda_ceil((size_t)x.h * x.w * x.c, 8 * RN_BLOCK), BLOCKS), x.n, 1 };
}

static struct rn_array shape_of(struct map x)
{
    return (struct rn_array){ NULL, x.n, x.c, x.h, x.w, RN_FULL };
}

int rn_cuda_trial_fill(const struct rn_cuda_part *p, struct map x, size_t images, struct rn_err *err)
{
    const struct trial_fill v = { x, rn_cuda_dim(images) };
    return rn_cuda_launch(p, RN_CUDA_trial_fill, rows(x), &v, shape_of(x), err);
}

int rn_cuda_trial_same(const struct rn_cuda_part *p, bool *same, struct map many, struct map few, struct rn_err *err)
{
    struct rn_cuda_slot *slot = &p->gpu->slot[++p->gpu->turn % 2];
    struct rn_cuda_grid grid = rows(many);
    size_t blocks = grid.x * grid.y;
    float count;
    if (rn_cuda_slot(p, slot, blocks * sizeof count, true, err))
        return -1;
    const struct trial_differ v = { many.at, few.at, rn_cuda_count(few) / few.n, few.n, many.bf16, (float *)(void *)slot->far };
    if (rn_cuda_launch(p, RN_CUDA_trial_differ, grid, &v, shape_of(many), err) ||
        rn_cuda_copy(p, slot->near, slot->far, blocks * sizeof count, cudaMemcpyDeviceToHost, err) || rn_cuda_wait(p, NULL, err))
        return -1;
    *same = true;
    for (size_t i = 0; i < blocks; i++) {
        memcpy(&count, slot->near + i * sizeof count, sizeof count);
        *same = *same && count == 0;
    }
    return 0;
}

#endif
