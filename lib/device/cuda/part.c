/* part.c -- one GPU's part of an operator: its images, its addresses, and what to say when something fails. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "device/cuda/cuda.h"

bool rn_cuda_next(struct rn_cuda_part *p, struct rn_err *err)
{
    if (p->rc || p->g + 1 >= p->cuda->gpus)
        return false;
    size_t chunk = rn_cuda_ceil(p->images, (size_t)p->cuda->gpus);
    p->g++;
    p->gpu = &p->cuda->gpu[p->g];
    p->first = rn_cuda_least((size_t)p->g * chunk, p->images);
    p->n = rn_cuda_least(chunk, p->images - p->first);
    p->rc = rn_cuda_check(p, p->cuda->api.cudaSetDevice(p->gpu->ordinal), "choosing it", err);
    return p->rc == 0;
}

struct rn_cuda_block *rn_cuda_block_of(const struct rn_cuda *cuda, int g, const void *pointer)
{
    const char *wanted = pointer;
    for (size_t i = 0; i < cuda->blocks; i++)
        if (wanted >= cuda->block[i].at[g] && wanted < cuda->block[i].at[g] + cuda->block[i].bytes)
            return &cuda->block[i];
    return NULL;
}

void *rn_cuda_at(const struct rn_cuda_part *p, const void *pointer)
{
    const char *wanted = pointer;
    if (p->g == 0 || !pointer)
        return (void *)wanted;
    const struct rn_cuda_block *block = rn_cuda_block_of(p->cuda, 0, pointer);
    return block ? block->at[p->g] + (wanted - block->at[0]) : NULL; /* not ours: the kernel would fail, and say so */
}

/* What was said has been said: standard error is not buffered. */
static void leave(int status, void *unused)
{
    (void)unused;
    fflush(stdout);
    _exit(status);
}

void rn_cuda_failed(struct rn_cuda *cuda)
{
    if (!cuda->failed)
        on_exit(leave, NULL);
    cuda->failed = true;
}

int rn_cuda_check(const struct rn_cuda_part *p, cudaError_t status, const char *what, struct rn_err *err)
{
    if (status == cudaSuccess)
        return 0;
    const struct rn_gpu *gpu = p->gpu;
    char last[256] = "";
    size_t length = 0;
    if (status != cudaErrorMemoryAllocation) /* the GPU itself is well then */
        rn_cuda_failed(p->cuda);
    p->cuda->api.cudaGetLastError();
    for (int i = 0; i < 2 && gpu->started[i].what; i++) { /* work that fails is reported by a later call */
        const struct rn_array *on = &gpu->started[i].shape;
        length += (size_t)snprintf(last + length, sizeof last - length, "%s%s on (%zu,%zu,%zu,%zu)",
                                   i ? ", before that " : "; started last: ", gpu->started[i].what, on->n, on->c, on->h, on->w);
    }
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: %s: %s (%d)%s", gpu->ordinal, what,
                   p->cuda->api.cudaGetErrorString(status), (int)status, last);
}

void rn_cuda_starts(const struct rn_cuda_part *p, const char *what, struct rn_array shape)
{
    p->gpu->started[1] = p->gpu->started[0];
    p->gpu->started[0] = (struct rn_cuda_started){ what, shape };
}

int rn_cuda_check_nccl(struct rn_cuda *cuda, ncclResult_t status, const char *what, struct rn_err *err)
{
    if (status == ncclSuccess)
        return 0;
    const char *more = cuda->api.ncclGetLastError(cuda->gpu[0].comm);
    rn_cuda_failed(cuda);
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: NCCL: %s of %d GPUs: %s%s%s", what, cuda->gpus,
                   cuda->api.ncclGetErrorString(status), more && *more ? ": " : "", more ? more : "");
}
