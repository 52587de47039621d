/* double-nccl.c -- libnccl.so.2's double: one process, several GPUs, calls in groups. A group must hold one call for each
 * communicator, alike in all that matters; a call outside of a group, or a group that lacks one, would hang: a defect. */
#include <nccl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "double.h"

enum { GPUS = 16, PENDING = 256 };

struct clique {
    int members, alive;
};

struct ncclComm {
    struct clique *clique;
    int rank, gpu;
};

struct call {
    const void *from;
    void *to;
    size_t count, bytes; /* bytes: of a gathering, from each */
    bool gathers;
    ncclComm_t comm;
    cudaStream_t stream;
};

static struct call pending[PENDING];
static int calls, depth;
static bool group_failed; /* a call of the group was refused: its end says so, and nothing is done */

#define MAY_FAIL(error) \
    do { \
        if (double_fails(__func__)) \
            return error; \
    } while (0)

const char *ncclGetErrorString(ncclResult_t result)
{
    return result == ncclUnhandledCudaError ? "unhandled cuda error" : result ? "an error of the double" : "no error";
}

const char *ncclGetLastError(ncclComm_t comm)
{
    (void)comm;
    return "";
}

ncclResult_t ncclGetVersion(int *version)
{
    MAY_FAIL(ncclInternalError);
    *version = NCCL_VERSION_CODE;
    return ncclSuccess;
}

ncclResult_t ncclCommInitAll(ncclComm_t *comm, int count, const int *gpus)
{
    MAY_FAIL(ncclUnhandledCudaError);
    if (!getenv("NCCL_ALGO"))
        double_defect("ncclCommInitAll: NCCL_ALGO is not set: with NVLS the order of sums is nobody's promise");
    struct clique *clique = calloc(1, sizeof *clique);
    clique->members = clique->alive = count;
    for (int i = 0; i < count; i++) {
        comm[i] = calloc(1, sizeof **comm);
        *comm[i] = (struct ncclComm){ clique, i, gpus ? gpus[i] : i };
        double_count(DOUBLE_COMMUNICATOR, 1);
    }
    return ncclSuccess;
}

ncclResult_t ncclCommDestroy(ncclComm_t comm)
{
    if (--comm->clique->alive == 0)
        free(comm->clique);
    free(comm);
    double_count(DOUBLE_COMMUNICATOR, -1);
    return ncclSuccess;
}

/* As users report of the real one, where a GPU is lost. */
ncclResult_t ncclCommAbort(ncclComm_t comm)
{
    double_defect("ncclCommAbort: of GPU %d's communicator: it blocks for ever", comm->gpu);
    return ncclInternalError;
}

/* As the real one, it knows of other machines and of its own threads; that a GPU is lost it does not. */
ncclResult_t ncclCommGetAsyncError(ncclComm_t comm, ncclResult_t *error)
{
    (void)comm;
    MAY_FAIL(ncclInternalError);
    *error = double_fails("a sum") ? ncclRemoteError : ncclSuccess;
    return ncclSuccess;
}

ncclResult_t ncclGroupStart(void); /* nccl.h declares these two without a prototype */
ncclResult_t ncclGroupEnd(void);

ncclResult_t ncclGroupStart(void)
{
    MAY_FAIL(ncclInternalError);
    depth++;
    return ncclSuccess;
}

struct sum {
    float *to[GPUS];
    const float *from[GPUS];
    int members;
    size_t count;
};

static void run_sum(void *args)
{
    const struct sum *s = args;
    for (size_t i = 0; i < s->count; i++) {
        float total = s->from[0][i];
        for (int g = 1; g < s->members; g++)
            total += s->from[g][i];
        for (int g = 0; g < s->members; g++)
            s->to[g][i] = total;
    }
}

/* Each one's bytes, one behind the other, go to all. */
static void run_gather(void *args)
{
    const struct sum *s = args;
    char *all = malloc(s->count * (size_t)s->members);
    for (int g = 0; g < s->members; g++)
        memcpy(all + (size_t)g * s->count, s->from[g], s->count);
    for (int g = 0; g < s->members; g++)
        memcpy(s->to[g], all, s->count * (size_t)s->members);
    free(all);
}

static void meet(const struct call *group, int members)
{
    bool gathers = group[0].gathers;
    struct sum sum = { .members = members, .count = gathers ? group[0].bytes : group[0].count };
    cudaStream_t streams[GPUS];
    for (int g = 0; g < members; g++) {
        sum.from[group[g].comm->rank] = group[g].from;
        sum.to[group[g].comm->rank] = group[g].to;
        streams[g] = group[g].stream;
    }
    double_enqueue_together(streams, members, gathers ? "ncclAllGather" : "ncclAllReduce", gathers ? run_gather : run_sum, &sum,
                            sizeof sum);
}

static void check_group(const struct call *group, int members)
{
    bool seen[GPUS] = { false };
    for (int g = 0; g < members; g++) {
        const struct call *c = &group[g];
        if (c->comm->clique != group[0].comm->clique || c->count != group[0].count || c->bytes != group[0].bytes ||
            c->gathers != group[0].gathers)
            double_defect("NCCL: the calls of a group differ");
        if (seen[c->comm->rank])
            double_defect("NCCL: a group has two calls of rank %d before one of each", c->comm->rank);
        seen[c->comm->rank] = true;
    }
}

ncclResult_t ncclGroupEnd(void)
{
    bool fails = double_fails(__func__) || group_failed;
    if (depth == 0)
        return ncclInvalidUsage;
    if (--depth)
        return ncclSuccess;
    group_failed = false;
    int members = calls ? pending[0].comm->clique->members : 0;
    if (calls && calls % members && !fails)
        double_defect("NCCL: a group of %d calls for %d communicators would hang", calls, members);
    for (int i = 0; i < calls && !fails; i += members) {
        check_group(pending + i, members);
        meet(pending + i, members);
    }
    calls = 0;
    return fails ? ncclUnhandledCudaError : ncclSuccess;
}

/* What both have in common: the communicator's own stream, in a group, in no graph. */
static void check_call(const char *name, ncclComm_t comm, cudaStream_t stream)
{
    if (!depth && comm->clique->members > 1)
        double_defect("NCCL: %s of one of %d communicators outside of a group would hang", name, comm->clique->members);
    if (double_gpu(stream) != comm->gpu)
        double_defect("NCCL: a stream of GPU %d with the communicator of GPU %d", double_gpu(stream), comm->gpu);
    if (comm->clique->members > 1 && double_captured(stream))
        double_defect("NCCL: a sum of several GPUs of one thread in a graph, whose launch may block before the others'");
    if (calls == PENDING)
        double_defect("NCCL: more than %d calls in a group", PENDING);
}

ncclResult_t ncclAllGather(const void *from, void *to, size_t count, ncclDataType_t type, ncclComm_t comm, cudaStream_t stream)
{
    if (double_fails(__func__)) {
        group_failed = depth > 0;
        return ncclUnhandledCudaError;
    }
    check_call(__func__, comm, stream);
    if (type != ncclFloat64)
        double_defect("NCCL: a gathering of type %d is not modelled", (int)type);
    size_t bytes = count * sizeof(double), all = bytes * (size_t)comm->clique->members;
    const char *place = (const char *)to + (size_t)comm->rank * bytes;
    if (from != place && (const char *)from < (const char *)to + all && (const char *)from + bytes > (const char *)to)
        double_defect("NCCL: ncclAllGather of rank %d from a place of another rank", comm->rank);
    double_need(stream, from, bytes, "ncclAllGather from");
    double_need(stream, to, all, "ncclAllGather to");
    pending[calls++] = (struct call){ from, to, count, bytes, true, comm, stream };
    return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void *from, void *to, size_t count, ncclDataType_t type, ncclRedOp_t op, ncclComm_t comm,
                           cudaStream_t stream)
{
    if (double_fails(__func__)) {
        group_failed = depth > 0;
        return ncclUnhandledCudaError;
    }
    check_call(__func__, comm, stream);
    if (type != ncclFloat32 || op != ncclSum)
        double_defect("NCCL: type %d, operation %d are not modelled", (int)type, (int)op);
    double_need(stream, from, count * sizeof(float), "ncclAllReduce from");
    double_need(stream, to, count * sizeof(float), "ncclAllReduce to");
    pending[calls++] = (struct call){ from, to, count, 0, false, comm, stream };
    return ncclSuccess;
}
