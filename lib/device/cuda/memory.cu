/* memory.cu -- memory, and what goes to and fro between the host's and a GPU's. */
#include "device/cuda/kernel.h"

struct image_values {
    float *value; /* (3,256) */
    double mean[3], std[3];
};

struct images {
    struct map y;
    const unsigned char *pixels;
    const float *value;
};

struct fill {
    struct map y;
    float value;
};

#ifdef RN_KERNELS

/* The 256 values of each channel, in double: the same bits as on the CPU device. */
KERNEL(image_values)(const struct image_values v)
{
    for (int c = 0; c < 3; c++)
        v.value[c * RN_BLOCK + threadIdx.x] = (float)((threadIdx.x / 255.0 - v.mean[c]) / v.std[c]);
}

KERNEL(upload_images)(const struct images v)
{
    __shared__ float value[3][RN_BLOCK];
    for (int c = 0; c < 3; c++)
        value[c][threadIdx.x] = v.value[c * RN_BLOCK + threadIdx.x];
    __syncthreads();
    for (each(i, count_of(v.y)))
        put(v.y, i, value[i % 3][v.pixels[i]]);
}

KERNEL(fill)(const struct fill v)
{
    for (each(i, count_of(v.y)))
        put(v.y, i, v.value);
}

#else

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cuda/cuda.h"
#include "device/cuda/several.h"
#include "device/cuda/step.h"

enum { ALIGN = 256 };

size_t rn_cuda_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage)
{
    size_t count;
    if (n > INT32_MAX || c > INT32_MAX || h > INT32_MAX || w > INT32_MAX || !rn_mul(n, c, &count) || !rn_mul(count, h, &count) ||
        !rn_mul(count, w, &count) || !rn_mul(count, storage == RN_BF16 ? 2 : sizeof(float), &count) || count > SIZE_MAX / 2)
        return 0;
    return count ? rn_cuda_ceil(count, ALIGN) * ALIGN : ALIGN;
}

static void give_back(struct rn_cuda *cuda, const struct rn_cuda_block *block)
{
    if (rn_cuda_settle(cuda))
        return;
    for (int g = 0; g < cuda->gpus; g++) {
        cuda->api.cudaSetDevice(cuda->gpu[g].ordinal);
        if (block->at[g])
            cuda->api.cudaFree(block->at[g]);
        if (block->bf16_copy[g])
            cuda->api.cudaFree(block->bf16_copy[g]);
    }
}

void *rn_cuda_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_cuda_block block = { .bytes = bytes };
    if (rn_grow(&cuda->block, &cuda->block_capacity, cuda->blocks + 1, sizeof block, err))
        return NULL;
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        block.at[p.g] = rn_cuda_take(&p, bytes, err);
        p.rc = block.at[p.g] ? rn_cuda_check(&p, cuda->api.cudaMemsetAsync(block.at[p.g], 0, bytes, p.gpu->stream), "zeroing", err)
               : -1;
    }
    if (p.rc) {
        give_back(cuda, &block);
        return NULL;
    }
    cuda->block[cuda->blocks++] = block;
    return block.at[0];
}

void rn_cuda_free(struct rn_device *dev, void *memory)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->failed)
        return;
    rn_cuda_abandon(cuda); /* nothing can be freed while a step is captured */
    for (size_t i = 0; memory && i < cuda->blocks; i++) {
        if (cuda->block[i].at[0] != memory)
            continue;
        give_back(cuda, &cuda->block[i]);
        cuda->block[i] = cuda->block[--cuda->blocks];
        cuda->generation++; /* what comes next may lie at the same address */
        return;
    }
}

/* Kernels have an image a block in the second dimension of their grids. */
enum { IMAGES_MOST = 65535 };

static int check_images(const struct rn_cuda_part *p, struct rn_err *err)
{
    if (p->n <= IMAGES_MOST)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "device cuda:%d: its part of a batch is %zu images: %d at the most (rn-batch -b)",
                   p->gpu->ordinal, p->n, IMAGES_MOST);
}

/* The parts of an array: of its images, or all of it alike. */
static struct rn_cuda_part parts(struct rn_device *dev, struct rn_array a)
{
    const struct rn_cuda_block *block = rn_cuda_block_of(rn_cuda(dev), 0, a.data);
    return rn_cuda_parts(dev, block && block->cut ? a.n : 0);
}

/* From host memory to the next slot, by the side stream, so that it passes by what the GPU is still computing; then the
 * kernel, which takes it from there. The slot's address goes to *far. */
static int send(const struct rn_cuda_part *p, const void *from, size_t bytes, void **far, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    struct rn_cuda_slot *slot = &p->gpu->slot[++p->gpu->turn % 2];
    bool pinned = rn_cuda_is_pinned(p->cuda, from, bytes);
    if (rn_cuda_slot(p, slot, bytes, !pinned, err))
        return -1;
    if (!pinned)
        from = memcpy(slot->near, from, bytes);
    *far = slot->far;
    p->gpu->reading = pinned;
    return rn_cuda_check(p, api->cudaMemcpyAsync(slot->far, from, bytes, cudaMemcpyHostToDevice, p->gpu->side), "a copy", err) ||
                   (pinned && rn_cuda_check(p, api->cudaEventRecord(p->gpu->left, p->gpu->side), "an event", err)) ||
                   rn_cuda_check(p, api->cudaEventRecord(slot->arrived, p->gpu->side), "an event", err) ||
                   rn_cuda_check(p, api->cudaStreamWaitEvent(p->gpu->stream, slot->arrived, 0), "an event", err) ? -1 : 0;
}

/* The kernel that takes from the slot has been started. */
static int sent(const struct rn_cuda_part *p, struct rn_err *err)
{
    return rn_cuda_check(p, p->cuda->api.cudaEventRecord(p->gpu->slot[p->gpu->turn % 2].free, p->gpu->stream), "an event", err);
}

int rn_cuda_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err)
{
    struct rn_cuda_part p = parts(dev, y);
    rn_cuda_stale(p.cuda, y.data);
    while (rn_cuda_next(&p, err)) {
        size_t count = rn_cuda_count(rn_cuda_map(&p, y)), first = p.first * y.c * y.h * y.w;
        void *far;
        if (!count || (p.images && (p.rc = check_images(&p, err))))
            continue;
        if ((p.rc = send(&p, x + first, count * sizeof *x, &far, err)))
            continue;
        p.rc = rn_cuda_from_plain(&p, y, far, err) || sent(&p, err) ? -1 : 0;
    }
    return p.rc;
}

/* Of these means and deviations; they are computed when they are others than before. */
static int prepare_values(const struct rn_cuda_part *p, const double mean[3], const double std[3], struct rn_err *err)
{
    struct rn_gpu *gpu = p->gpu;
    struct image_values v = { gpu->value, { mean[0], mean[1], mean[2] }, { std[0], std[1], std[2] } };
    if (gpu->value && !memcmp(gpu->value_mean, v.mean, sizeof v.mean) && !memcmp(gpu->value_std, v.std, sizeof v.std))
        return 0;
    if (!gpu->value && !(gpu->value = v.value = rn_cuda_take(p, sizeof(float) * 3 * RN_BLOCK, err)))
        return -1;
    memcpy(gpu->value_mean, v.mean, sizeof v.mean);
    memcpy(gpu->value_std, v.std, sizeof v.std);
    const struct rn_array all = { gpu->value, 1, 3, 1, RN_BLOCK };
    return rn_cuda_launch(p, RN_CUDA_image_values, (struct rn_cuda_grid){ 1, 1, 1 }, &v, all, err);
}

int rn_cuda_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                          const double std[3], struct rn_err *err)
{
    if (rn_check_images(y, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, y.n);
    while (rn_cuda_next(&p, err)) {
        struct images v = { .y = rn_cuda_cut(&p, y) };
        void *far;
        if (!p.n || (p.rc = check_images(&p, err)) || (p.rc = prepare_values(&p, mean, std, err)))
            continue;
        if ((p.rc = send(&p, pixels + p.first * y.h * y.w * 3, rn_cuda_count(v.y), &far, err)))
            continue;
        v.pixels = far;
        v.value = p.gpu->value;
        p.rc = rn_cuda_launch(&p, RN_CUDA_upload_images, rn_cuda_each(v.y), &v, y, err) || sent(&p, err) ? -1 : 0;
    }
    return p.rc;
}

/* What all GPUs have alike comes from the first. */
int rn_cuda_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err)
{
    struct rn_cuda_part p = parts(dev, x);
    while (rn_cuda_next(&p, err) && (p.images || p.g == 0)) {
        struct rn_cuda_slot *slot = &p.gpu->slot[++p.gpu->turn % 2];
        size_t bytes = rn_cuda_count(rn_cuda_map(&p, x)) * sizeof *y;
        if (!bytes)
            continue;
        if ((p.rc = rn_cuda_await_sums(&p, err) || rn_cuda_slot(&p, slot, bytes, true, err) ? -1 : 0))
            continue;
        p.rc = rn_cuda_to_plain(&p, (float *)(void *)slot->far, x, err) ||
                       rn_cuda_copy(&p, slot->near, slot->far, bytes, cudaMemcpyDeviceToHost, err) ||
                       rn_cuda_wait(&p, NULL, err) ? -1 : 0;
        if (p.rc == 0)
            memcpy(y + p.first * x.c * x.h * x.w, slot->near, bytes);
    }
    return p.rc;
}

int rn_cuda_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err)
{
    struct rn_cuda_part p = parts(dev, y);
    rn_cuda_stale(p.cuda, y.data);
    while (rn_cuda_next(&p, err)) {
        struct fill v = { rn_cuda_map(&p, y), (float)value };
        p.rc = rn_cuda_launch(&p, RN_CUDA_fill, rn_cuda_each(v.y), &v, y, err);
    }
    return p.rc;
}

#endif
