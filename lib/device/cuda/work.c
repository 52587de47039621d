/* work.c -- what operators start on a GPU, and the memory that they share. */
#include <stdio.h>

#include "core/mem.h"
#include "device/cuda/cuda.h"

int rn_cuda_launch(const struct rn_cuda_part *p, enum rn_cuda_kernel kernel, struct rn_cuda_grid grid, const void *args,
                   struct rn_array shape, struct rn_err *err)
{
#define NAME(file, name) "rn_" #name,
    static const char *const names[] = { RN_CUDA_KERNELS(NAME) };
    if (!grid.x || !grid.y || !grid.z)
        return 0;
    void *list[] = { (void *)(uintptr_t)args };
    dim3 blocks = { (unsigned)grid.x, (unsigned)grid.y, (unsigned)grid.z }, threads = { RN_BLOCK, 1, 1 };
    rn_cuda_starts(p, names[kernel], shape);
    cudaError_t status = p->cuda->api.cudaLaunchKernel((const void *)p->cuda->kernel[kernel], blocks, threads, list, 0,
                                                       p->gpu->stream);
    if (status == cudaSuccess)
        return 0;
    rn_cuda_failed(p->cuda);
    p->cuda->api.cudaGetLastError();
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: kernel %s on (%zu,%zu,%zu,%zu), %zux%zux%zu blocks: %s (%d)",
                   p->gpu->ordinal,
                   names[kernel], shape.n, shape.c, shape.h, shape.w, grid.x, grid.y, grid.z,
                   p->cuda->api.cudaGetErrorString(status), (int)status);
}

int rn_cuda_copy(const struct rn_cuda_part *p, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                 struct rn_err *err)
{
    return bytes ? rn_cuda_check(p, p->cuda->api.cudaMemcpyAsync(to, from, bytes, kind, p->gpu->stream), "a copy", err) : 0;
}

int rn_cuda_idle(const struct rn_cuda_part *p, struct rn_array gradient, unsigned add, struct rn_err *err)
{
    void *at = rn_cuda_at(p, gradient.data);
    if (!at || add)
        return 0;
    size_t bytes = gradient.n * gradient.c * gradient.h * gradient.w * sizeof(float);
    return rn_cuda_check(p, p->cuda->api.cudaMemsetAsync(at, 0, bytes, p->gpu->stream), "zeroing", err);
}

/* What comes later on the stream waits for the other GPU's work so far. */
static int follow(const struct rn_cuda_part *p, struct rn_gpu *other, struct rn_gpu *gpu, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    return rn_cuda_check(p, api->cudaSetDevice(other->ordinal), "choosing it", err) ||
           rn_cuda_check(p, api->cudaEventRecord(other->joined, other->stream), "an event", err) ||
           rn_cuda_check(p, api->cudaSetDevice(gpu->ordinal), "choosing it", err) ||
           rn_cuda_check(p, api->cudaStreamWaitEvent(gpu->stream, other->joined, 0), "an event", err);
}

int rn_cuda_spread(struct rn_device *dev, struct rn_array a, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_gpu *first = &cuda->gpu[0];
    size_t bytes = a.n * a.c * a.h * a.w * sizeof(float);
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        if (p.g == 0)
            continue;
        p.rc = follow(&p, first, p.gpu, err) ||
                       rn_cuda_check(&p, cuda->api.cudaMemcpyPeerAsync(rn_cuda_at(&p, a.data), p.gpu->ordinal, a.data,
                                                                       first->ordinal,
                                                                       bytes, p.gpu->stream), "a copy between GPUs", err) ||
                       follow(&p, p.gpu, first, err) ? -1 : 0;
    }
    return p.rc;
}

/* ---- memory ---- */

static double mib(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void *take(const struct rn_cuda_part *p, size_t bytes, const char *hint, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    void *memory = NULL;
    size_t available = 0, total = 0;
    cudaError_t status = api->cudaMalloc(&memory, bytes);
    if (status == cudaErrorMemoryAllocation && api->cudaMemGetInfo(&available, &total) == cudaSuccess) {
        api->cudaGetLastError();
        rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: out of memory: %.1f MiB wanted, %.1f of %.1f MiB free%s", p->gpu->ordinal,
                mib(bytes), mib(available), mib(total), hint);
        return NULL;
    }
    return rn_cuda_check(p, status, "memory", err) ? NULL : memory;
}

void *rn_cuda_take(const struct rn_cuda_part *p, size_t bytes, struct rn_err *err)
{
    return take(p, bytes, "", err);
}

size_t rn_cuda_room(const struct rn_device *dev)
{
    const struct rn_cuda *cuda = (const struct rn_cuda *)dev;
    size_t least = SIZE_MAX;
    for (int g = 0; g < cuda->gpus; g++) {
        size_t available = 0, total = 0;
        if (cuda->api.cudaSetDevice(cuda->gpu[g].ordinal) != cudaSuccess ||
            cuda->api.cudaMemGetInfo(&available, &total) != cudaSuccess) {
            cuda->api.cudaGetLastError();
            return 0;
        }
        size_t most = rn_cuda_least(RN_CUDA_WORKSPACE, total / 8); /* on a small card an engine that wants less would be taken */
        size_t work = most - rn_cuda_least(most, cuda->gpu[g].workspace_bytes);
        for (size_t i = 0; i < cuda->blocks; i++) /* bf16 copies that are still to be made */
            work += cuda->bf16 && !cuda->block[i].cut && !cuda->block[i].bf16_copy[g] ? cuda->block[i].bytes / 2 : 0;
        least = rn_cuda_least(least, available - rn_cuda_least(available, work));
    }
    return least ? least : 1;
}

/* Of what grows with the batch, besides its maps (for those lib/nn says how many images would fit). */
static const char smaller[] = ": smaller batches (rn-batch -b) want less";

void *rn_cuda_workspace(struct rn_cuda_part *p, size_t bytes, struct rn_err *err)
{
    struct rn_gpu *gpu = p->gpu;
    if (bytes <= gpu->workspace_bytes)
        return gpu->workspace;
    p->rc = -1;
    if (rn_cuda_wait(p, NULL, err))
        return NULL;
    if (gpu->workspace && rn_cuda_check(p, p->cuda->api.cudaFree(gpu->workspace), "memory", err))
        return NULL;
    gpu->workspace_bytes = 0;
    p->cuda->generation++;
    if (!(gpu->workspace = take(p, bytes, smaller, err)))
        return NULL;
    gpu->workspace_bytes = bytes;
    p->rc = 0;
    return gpu->workspace;
}

void rn_cuda_slot_free(const struct rn_cuda *cuda, struct rn_cuda_slot *slot)
{
    if (slot->far)
        cuda->api.cudaFree(slot->far);
    if (slot->near)
        cuda->api.cudaFreeHost(slot->near);
    if (slot->arrived)
        cuda->api.cudaEventDestroy(slot->arrived);
    if (slot->free)
        cuda->api.cudaEventDestroy(slot->free);
    *slot = (struct rn_cuda_slot){ 0 };
}

int rn_cuda_slot(const struct rn_cuda_part *p, struct rn_cuda_slot *slot, size_t bytes, bool near_too, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    void *near = NULL;
    if (slot->free && rn_cuda_wait(p, slot->free, err))
        return -1;
    if (bytes <= slot->bytes && (!near_too || bytes <= slot->near_bytes))
        return 0;
    rn_cuda_slot_free(p->cuda, slot);
    if (rn_cuda_check(p, api->cudaEventCreateWithFlags(&slot->arrived, cudaEventDisableTiming), "an event", err) ||
        rn_cuda_check(p, api->cudaEventCreateWithFlags(&slot->free, cudaEventDisableTiming | cudaEventBlockingSync), "an event",
                      err) ||
        (near_too && rn_cuda_check(p, api->cudaMallocHost(&near, bytes), "pinned memory", err)))
        return -1;
    slot->near = near;
    slot->near_bytes = near_too ? bytes : 0;
    if (!(slot->far = take(p, bytes, smaller, err)))
        return -1;
    slot->bytes = bytes;
    return 0;
}

/* ---- memory of the host ---- */

void *rn_cuda_host_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    void *memory = NULL;
    if (rn_grow(&cuda->pinned, &cuda->pinned_room, cuda->pinned_blocks + 1, sizeof *cuda->pinned, err) || !rn_cuda_next(&p, err) ||
        rn_cuda_check(&p, cuda->api.cudaMallocHost(&memory, bytes), "pinned memory", err))
        return NULL;
    cuda->pinned[cuda->pinned_blocks++] = (struct rn_cuda_pinned){ memory, bytes };
    return memory;
}

void rn_cuda_host_free(struct rn_device *dev, void *memory)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_err ignored;
    if (cuda->failed || rn_cuda_host_wait(dev, &ignored))
        return;
    for (size_t i = 0; i < cuda->pinned_blocks; i++)
        if (cuda->pinned[i].at == memory) {
            cuda->api.cudaFreeHost(memory);
            cuda->pinned[i] = cuda->pinned[--cuda->pinned_blocks];
            return;
        }
}

int rn_cuda_host_wait(struct rn_device *dev, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        p.rc = p.gpu->reading ? rn_cuda_wait(&p, p.gpu->left, err) : 0;
        p.gpu->reading = false;
    }
    return p.rc;
}

bool rn_cuda_is_pinned(const struct rn_cuda *cuda, const void *from, size_t bytes)
{
    for (size_t i = 0; i < cuda->pinned_blocks; i++) {
        const char *at = cuda->pinned[i].at, *wanted = from;
        if (wanted >= at && wanted < at + cuda->pinned[i].bytes)
            return bytes <= (size_t)(at + cuda->pinned[i].bytes - wanted);
    }
    return false;
}
