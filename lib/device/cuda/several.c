/* several.c -- what several GPUs need: NCCL, and sums of gradients by it. */
#include "device/cuda/several.h"

int rn_cuda_join(struct rn_cuda *cuda, struct rn_err *err)
{
    int ordinals[RN_CUDA_GPUS];
    ncclComm_t comms[RN_CUDA_GPUS] = { 0 };
    if (cuda->gpus == 1)
        return 0;
    for (int g = 0; g < cuda->gpus; g++)
        ordinals[g] = cuda->gpu[g].ordinal;
    int rc = rn_cuda_check_nccl(cuda, cuda->api.ncclCommInitAll(comms, cuda->gpus, ordinals), "joining", err);
    for (int g = 0; g < cuda->gpus; g++)
        cuda->gpu[g].comm = comms[g];
    return rc;
}

void rn_cuda_part_ways(struct rn_cuda *cuda)
{
    for (int g = 0; g < cuda->gpus; g++) {
        ncclComm_t comm = cuda->gpu[g].comm;
        if (comm)
            cuda->api.ncclCommDestroy(comm);
        cuda->gpu[g].comm = NULL;
    }
}

int rn_cuda_settle(struct rn_cuda *cuda)
{
    struct rn_err ignored;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    for (int g = 0; g < cuda->gpus && cuda->gpu[g].stream && !cuda->failed && rn_cuda_next(&p, &ignored); g++)
        p.rc = rn_cuda_await_sums(&p, &ignored) || rn_cuda_wait(&p, NULL, &ignored) ? -1 : 0;
    return cuda->failed ? -1 : 0;
}

size_t rn_cuda_share(const struct rn_device *dev, size_t n, bool eval)
{
    const struct rn_cuda *cuda = (const struct rn_cuda *)dev;
    size_t most = rn_cuda_ceil(n, (size_t)cuda->gpus);
    return eval ? rn_cuda_ceil(most, cuda->together) * cuda->together : most;
}

void rn_cuda_cut_block(struct rn_device *dev, void *memory)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    for (size_t i = 0; i < cuda->blocks; i++)
        cuda->block[i].cut = cuda->block[i].cut || cuda->block[i].at[0] == memory;
}

int rn_cuda_carry(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    while (rn_cuda_next(&p, err)) {
        void *at = rn_cuda_at(&p, gradients);
        p.rc = rn_cuda_await_sums(&p, err) ||
                       (p.g > 0 && rn_cuda_check(&p, p.cuda->api.cudaMemsetAsync(at, 0, bytes, p.gpu->stream), "zeroing", err)) ? -1 : 0;
    }
    return p.rc;
}

/* The stream of sums starts when the gradients are there. */
static int await_gradients(const struct rn_cuda_part *p, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    return rn_cuda_check(p, api->cudaEventRecord(p->gpu->joined, p->gpu->stream), "an event", err) ||
                   rn_cuda_check(p, api->cudaStreamWaitEvent(p->gpu->sums, p->gpu->joined, 0), "an event", err) ? -1 : 0;
}

/* All GPUs' parts of one sum are one group: started one by one, the first would wait for the second for ever. */
static int start_sum(struct rn_cuda *cuda, void *gradients, size_t count, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    if (rn_cuda_check_nccl(cuda, cuda->api.ncclGroupStart(), "a sum", err))
        return -1;
    while (rn_cuda_next(&p, err)) {
        float *at = rn_cuda_at(&p, gradients);
        ncclResult_t status = cuda->api.ncclAllReduce(at, at, count, ncclFloat, ncclSum, p.gpu->comm, p.gpu->sums);
        p.rc = rn_cuda_check_nccl(cuda, status, "a sum", err);
    }
    struct rn_err other;
    int ended = rn_cuda_check_nccl(cuda, cuda->api.ncclGroupEnd(), "a sum", p.rc ? &other : err);
    return p.rc || ended ? -1 : 0;
}

int rn_cuda_sum(struct rn_cuda *cuda, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        p.rc = await_gradients(&p, err);
    if (p.rc || start_sum(cuda, gradients, bytes / sizeof(float), err))
        return -1;
    p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        p.rc = rn_cuda_check(&p, cuda->api.cudaEventRecord(p.gpu->summed, p.gpu->sums), "an event", err);
    cuda->summing = true;
    return p.rc;
}

int rn_cuda_await_sums(const struct rn_cuda_part *p, struct rn_err *err)
{
    if (!p->cuda->summing)
        return 0;
    return rn_cuda_check(p, p->cuda->api.cudaStreamWaitEvent(p->gpu->stream, p->gpu->summed, 0), "an event", err);
}
