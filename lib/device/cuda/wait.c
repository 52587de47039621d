/* wait.c -- waiting for a GPU, and watching the others meanwhile. */
#include <stdlib.h>
#include <time.h>

#include "device/cuda/cuda.h"

/* Have all GPUs and NCCL been well so far? -1: one has not, which *err names. */
static int watch(struct rn_cuda *cuda, struct rn_err *err)
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
                       rn_cuda_check_nccl(cuda, cuda->api.ncclCommGetAsyncError(p.gpu->comm, &sums), "a look at a sum", err) ||
                       (sums != ncclInProgress && rn_cuda_check_nccl(cuda, sums, "a sum", err)) ? -1 : 0;
    }
    return p.rc;
}

enum { PATIENCE = 600 }; /* seconds; no batch takes so long */

static double seconds(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* How long a wait may be, in seconds: RN_CUDA_PATIENCE, if that is a number. */
static double patience(void)
{
    const char *text = getenv("RN_CUDA_PATIENCE");
    double wanted = text ? strtod(text, NULL) : 0;
    return wanted > 0 ? wanted : PATIENCE;
}

static int lose_patience(const struct rn_cuda_part *p, double after, struct rn_err *err)
{
    rn_cuda_failed(p->cuda);
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: its work, or a sum that it waits for, has not ended in %g s "
                   "(RN_CUDA_PATIENCE=SECONDS waits longer)", p->gpu->ordinal, after);
}

/* A GPU that is lost leaves the others waiting for its part of a sum for ever: so with several, all are looked at meanwhile, and
 * nothing is waited for too long. */
int rn_cuda_wait(const struct rn_cuda_part *p, cudaEvent_t event, struct rn_err *err)
{
    static const char failure[] = "its work failed";
    const struct timespec pause = { .tv_nsec = 20000 };
    struct rn_cuda_api *api = &p->cuda->api;
    if (!p->gpu->comm)
        return rn_cuda_check(p, event ? api->cudaEventSynchronize(event) : api->cudaStreamSynchronize(p->gpu->stream), failure,
                             err);
    cudaError_t status;
    double begun = seconds(), most = patience();
    while ((status = event ? api->cudaEventQuery(event) : api->cudaStreamQuery(p->gpu->stream)) == cudaErrorNotReady) {
        api->cudaGetLastError(); /* it would be given to the next call otherwise */
        if (watch(p->cuda, err) || rn_cuda_check(p, api->cudaSetDevice(p->gpu->ordinal), "choosing it", err))
            return -1;
        if (seconds() - begun > most)
            return lose_patience(p, most, err);
        nanosleep(&pause, NULL);
    }
    return rn_cuda_check(p, status, failure, err);
}
