/* several.c -- what several GPUs need: NCCL, and sums of gradients by it. */
#include "device/cuda/several.h"
#include "device/cuda/step.h"

static int nccl(struct rn_cuda *cuda, ncclResult_t status, const char *what, struct rn_err *err)
{
    if (status == ncclSuccess)
        return 0;
    const char *more = cuda->api.ncclGetLastError(cuda->gpu[0].comm);
    cuda->failed = true;
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: NCCL: %s of %d GPUs: %s%s%s", what, cuda->gpus,
                   cuda->api.ncclGetErrorString(status), more && *more ? ": " : "", more ? more : "");
}

int rn_cuda_join(struct rn_cuda *cuda, struct rn_err *err)
{
    int ordinals[RN_CUDA_GPUS];
    ncclComm_t comms[RN_CUDA_GPUS] = { 0 };
    if (cuda->gpus == 1)
        return 0;
    for (int g = 0; g < cuda->gpus; g++)
        ordinals[g] = cuda->gpu[g].ordinal;
    int rc = nccl(cuda, cuda->api.ncclCommInitAll(comms, cuda->gpus, ordinals), "joining", err);
    for (int g = 0; g < cuda->gpus; g++)
        cuda->gpu[g].comm = comms[g];
    return rc;
}

void rn_cuda_part_ways(struct rn_cuda *cuda)
{
    for (int g = 0; g < cuda->gpus; g++) {
        ncclComm_t comm = cuda->gpu[g].comm;
        if (comm)
            (cuda->failed ? cuda->api.ncclCommAbort : cuda->api.ncclCommDestroy)(comm);
        cuda->gpu[g].comm = NULL;
    }
}

void rn_cuda_settle(struct rn_cuda *cuda)
{
    struct rn_err ignored;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    for (int g = 0; g < cuda->gpus && cuda->gpu[g].stream && !cuda->failed && rn_cuda_next(&p, &ignored); g++)
        p.rc = rn_cuda_await_sums(&p, &ignored) || rn_cuda_wait(&p, NULL, &ignored) ? -1 : 0;
    if (cuda->failed)
        rn_cuda_part_ways(cuda);
}

int rn_cuda_look_around(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err)) {
        ncclResult_t sums = ncclSuccess;
        cudaError_t status = cuda->api.cudaStreamQuery(p.gpu->stream);
        if (status == cudaErrorNotReady) {
            cuda->api.cudaGetLastError();
            status = cudaSuccess;
        }
        p.rc = rn_cuda_check(&p, status, "its work failed", err) ||
                       nccl(cuda, cuda->api.ncclCommGetAsyncError(p.gpu->comm, &sums), "a look at a sum", err) ||
                       (sums != ncclInProgress && nccl(cuda, sums, "a sum", err)) ? -1 : 0;
    }
    return p.rc;
}

size_t rn_cuda_share(const struct rn_device *dev, size_t n, bool eval)
{
    size_t most = rn_cuda_ceil(n, (size_t)((const struct rn_cuda *)dev)->gpus);
    return eval ? rn_cuda_ceil(most, RN_CUDA_TOGETHER) * RN_CUDA_TOGETHER : most;
}

void rn_cuda_cut_block(struct rn_device *dev, void *memory)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    for (size_t i = 0; i < cuda->blocks; i++)
        cuda->block[i].cut = cuda->block[i].cut || cuda->block[i].at[0] == memory;
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
    if (nccl(cuda, cuda->api.ncclGroupStart(), "a sum", err))
        return -1;
    while (rn_cuda_next(&p, err)) {
        float *at = rn_cuda_at(&p, gradients);
        p.rc = nccl(cuda, cuda->api.ncclAllReduce(at, at, count, ncclFloat, ncclSum, p.gpu->comm, p.gpu->sums), "a sum", err);
    }
    struct rn_err other;
    int ended = nccl(cuda, cuda->api.ncclGroupEnd(), "a sum", p.rc ? &other : err);
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

int rn_cuda_reduce(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->gpus == 1 || !bytes)
        return 0;
    return (cuda->stage == RN_CUDA_RECORDING ? rn_cuda_record_sum : rn_cuda_sum)(cuda, gradients, bytes, err);
}

int rn_cuda_await_sums(const struct rn_cuda_part *p, struct rn_err *err)
{
    if (!p->cuda->summing)
        return 0;
    return rn_cuda_check(p, p->cuda->api.cudaStreamWaitEvent(p->gpu->stream, p->gpu->summed, 0), "an event", err);
}
