/* several.c -- what several GPUs need: NCCL, and by it sums of gradients and what norms tell each other. */
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
                       (p.g > 0 && rn_cuda_check(&p, p.cuda->api.cudaMemsetAsync(at, 0, bytes, p.gpu->stream), "zeroing", err)) ? -1
                       : 0;
    }
    return p.rc;
}

/* The stream of sums starts when what it takes is there. */
static int await_work(const struct rn_cuda_part *p, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    return rn_cuda_check(p, api->cudaEventRecord(p->gpu->joined, p->gpu->stream), "an event", err) ||
                   rn_cuda_check(p, api->cudaStreamWaitEvent(p->gpu->sums, p->gpu->joined, 0), "an event", err) ? -1 : 0;
}

/* Norms' numbers are not summed by NCCL, but all given to all, since then the order of the sum is ours. */
static ncclResult_t start_part(const struct rn_cuda_part *p, struct rn_cuda_meeting m)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const struct rn_gpu *gpu = p->gpu;
    float *at = m.gradients ? rn_cuda_at(p, m.gradients) : NULL;
    if (at)
        return api->ncclAllReduce(at, at, m.bytes / sizeof *at, ncclFloat, ncclSum, gpu->comm, gpu->sums);
    return api->ncclAllGather(gpu->workspace + (size_t)p->g * m.bytes, gpu->workspace, m.bytes / sizeof(double), ncclDouble,
                              gpu->comm, gpu->sums);
}

/* All GPUs' parts are one group: started one by one, the first would wait for the second for ever. */
static int start(struct rn_cuda *cuda, struct rn_cuda_meeting m, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    if (rn_cuda_check_nccl(cuda, cuda->api.ncclGroupStart(), "a sum", err))
        return -1;
    while (rn_cuda_next(&p, err)) {
        p.rc = rn_cuda_check_nccl(cuda, start_part(&p, m), "a sum", err);
    }
    struct rn_err other;
    int ended = rn_cuda_check_nccl(cuda, cuda->api.ncclGroupEnd(), "a sum", p.rc ? &other : err);
    return p.rc || ended ? -1 : 0;
}

static int await(const struct rn_cuda_part *p, struct rn_err *err)
{
    return rn_cuda_check(p, p->cuda->api.cudaStreamWaitEvent(p->gpu->stream, p->gpu->summed, 0), "an event", err);
}

int rn_cuda_meet(struct rn_cuda *cuda, struct rn_cuda_meeting meeting, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0), q = p;
    if (!meeting.bytes)
        return 0;
    while (rn_cuda_next(&p, err))
        p.rc = await_work(&p, err);
    q.rc = p.rc || start(cuda, meeting, err) ? -1 : 0;
    while (rn_cuda_next(&q, err))
        q.rc = rn_cuda_check(&q, cuda->api.cudaEventRecord(q.gpu->summed, q.gpu->sums), "an event", err) ||
                       (!meeting.gradients && await(&q, err)) ? -1 : 0;
    cuda->summing = cuda->summing || meeting.gradients;
    return q.rc;
}

int rn_cuda_await_sums(const struct rn_cuda_part *p, struct rn_err *err)
{
    return p->cuda->summing ? await(p, err) : 0;
}
