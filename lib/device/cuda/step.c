/* step.c -- a step of training as CUDA graphs.
 *
 * A step is done three ways: the first with a key as it comes, which makes the plans and grows the workspace; the second is
 * recorded, and started as it is recorded; from then on the record is started. What changes from step to step is in memory
 * that the record only points to: the batch, the page with the labels, the weights; the update, which has the learning rate,
 * comes after it. Memory that is given up (a workspace that grows) makes
 * records void.
 *
 * With several GPUs NCCL's sums are no part of a graph: where one thread has several GPUs, starting a graph that holds them may
 * block before the other GPUs' were started (NCCL's user guide, "Using NCCL with CUDA Graphs"). So a record is cut into pieces:
 * a graph for each GPU, then a sum. */
#include "device/cuda/step.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/cuda/several.h"

/* A piece of a record: a graph on each GPU, then these gradients' sum; 0 bytes: no sum. */
struct rn_cuda_piece {
    cudaGraphExec_t exec[RN_CUDA_GPUS];
    void *gradients;
    size_t bytes;
};

static void drop(struct rn_cuda *cuda, struct rn_cuda_record *record)
{
    if (cuda->failed)
        return;
    for (size_t i = 0; i < record->pieces; i++)
        for (int g = 0; g < cuda->gpus; g++)
            if (record->piece[i].exec[g])
                cuda->api.cudaGraphExecDestroy(record->piece[i].exec[g]);
    free(record->piece);
    *record = (struct rn_cuda_record){ 0 };
}

void rn_cuda_abandon(struct rn_cuda *cuda)
{
    if (cuda->stage == RN_CUDA_OUTSIDE)
        return;
    for (int g = 0; g < cuda->gpus && cuda->stage == RN_CUDA_RECORDING && !cuda->failed; g++) {
        cudaGraph_t graph = NULL;
        if (cuda->api.cudaStreamEndCapture(cuda->gpu[g].stream, &graph) == cudaSuccess && graph)
            cuda->api.cudaGraphDestroy(graph);
        cuda->api.cudaGetLastError();
    }
    drop(cuda, cuda->now);
    cuda->steps_begun--;
    cuda->stage = RN_CUDA_OUTSIDE;
}

void rn_cuda_records_free(struct rn_cuda *cuda)
{
    rn_cuda_abandon(cuda);
    for (size_t i = 0; i < sizeof cuda->record / sizeof *cuda->record; i++)
        drop(cuda, &cuda->record[i]);
}

/* The record of this step; without pieces when it is still to be made, of another generation when the step has not been seen,
 * or its memory is gone. */
static struct rn_cuda_record *find(struct rn_cuda *cuda, const struct rn_device_step *step)
{
    const unsigned places = sizeof cuda->record / sizeof *cuda->record;
    struct rn_cuda_record *record = NULL;
    for (unsigned i = 0; i < places && !record; i++)
        if (cuda->record[i].generation && !memcmp(cuda->record[i].key, step->key, sizeof step->key))
            record = &cuda->record[i];
    if (record && record->generation == cuda->generation)
        return record;
    record = record ? record : &cuda->record[cuda->next_record++ % places];
    drop(cuda, record);
    memcpy(record->key, step->key, sizeof record->key);
    return record;
}

/* ---- recording ---- */

static int listen(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        p.rc = rn_cuda_check(&p, cuda->api.cudaStreamBeginCapture(p.gpu->stream, cudaStreamCaptureModeThreadLocal), "recording a step", err);
    return p.rc;
}

static int play(struct rn_cuda *cuda, const struct rn_cuda_piece *piece, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err)) {
        rn_cuda_starts(&p, "a recorded step", cuda->logits);
        p.rc = rn_cuda_check(&p, cuda->api.cudaGraphLaunch(piece->exec[p.g], p.gpu->stream), "starting a step", err);
    }
    return p.rc || (piece->bytes && rn_cuda_sum(cuda, piece->gradients, piece->bytes, err)) ? -1 : 0;
}

/* What the GPUs' streams were given since listen. All end before one is made ready: that takes memory, which nobody may while
 * another stream is recorded. */
static int take_down(struct rn_cuda *cuda, cudaGraphExec_t exec[RN_CUDA_GPUS], struct rn_err *err)
{
    struct rn_cuda_api *api = &cuda->api;
    cudaGraph_t graph[RN_CUDA_GPUS] = { NULL };
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0), q = p;
    while (rn_cuda_next(&p, err))
        p.rc = rn_cuda_check(&p, api->cudaStreamEndCapture(p.gpu->stream, &graph[p.g]), "recording a step", err);
    q.rc = p.rc;
    while (rn_cuda_next(&q, err))
        q.rc = rn_cuda_check(&q, api->cudaGraphInstantiate(&exec[q.g], graph[q.g], 0), "recording a step", err);
    for (int g = 0; g < cuda->gpus && !cuda->failed; g++)
        if (graph[g])
            api->cudaGraphDestroy(graph[g]);
    return q.rc;
}

/* Ends a piece, and starts it: so far it was only recorded. */
static int end_piece(struct rn_cuda *cuda, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda_record *record = cuda->now;
    if (rn_grow(&record->piece, &record->room, record->pieces + 1, sizeof *record->piece, err))
        return -1;
    struct rn_cuda_piece *piece = &record->piece[record->pieces++];
    *piece = (struct rn_cuda_piece){ .gradients = gradients, .bytes = bytes };
    if (take_down(cuda, piece->exec, err))
        return -1;
    if (record->generation != cuda->generation)
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: memory moved while a step was recorded", cuda->gpu[0].ordinal);
    return play(cuda, piece, err);
}

static int record_sum(struct rn_cuda *cuda, void *gradients, size_t bytes, struct rn_err *err)
{
    return end_piece(cuda, gradients, bytes, err) || listen(cuda, err) ? -1 : 0;
}

int rn_cuda_reduce(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->gpus == 1 || !bytes)
        return 0;
    return (cuda->stage == RN_CUDA_RECORDING ? record_sum : rn_cuda_sum)(cuda, gradients, bytes, err);
}

/* ---- the step ---- */

int rn_cuda_begin(struct rn_device *dev, const struct rn_device_step *step, bool *done, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    struct rn_cuda_part p = rn_cuda_parts(dev, 0);
    cuda->logits = (struct rn_array){ .n = step->n, .c = step->c, .h = 1, .w = 1 };
    *done = false;
    rn_cuda_abandon(cuda); /* the last step, if it failed */
    while (cuda->summing && rn_cuda_next(&p, err)) /* gradients that nobody has used yet are written over */
        p.rc = rn_cuda_await_sums(&p, err);
    if (p.rc || rn_cuda_freshen(cuda, err) || rn_cuda_loss_in(cuda, step, err)) /* a record sees to none of these */
        return -1;
    cuda->summing = false;
    cuda->stage = RN_CUDA_INSIDE;
    struct rn_cuda_record *record = cuda->now = find(cuda, step);
    if (record->generation != cuda->generation)
        return 0;
    if (!record->pieces) {
        cuda->stage = RN_CUDA_RECORDING;
        return listen(cuda, err);
    }
    *done = true;
    cuda->stage = RN_CUDA_OUTSIDE;
    for (size_t i = 0; i < record->pieces; i++)
        if (play(cuda, &record->piece[i], err))
            return -1;
    return rn_cuda_loss_back(cuda, err);
}

int rn_cuda_commit(struct rn_device *dev, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->stage == RN_CUDA_RECORDING && end_piece(cuda, NULL, 0, err))
        return -1;
    cuda->stage = RN_CUDA_OUTSIDE;
    if (!cuda->now->pieces) /* as it came: what it needed is there now */
        cuda->now->generation = cuda->generation;
    return rn_cuda_loss_back(cuda, err);
}

int rn_cuda_end(struct rn_device *dev, struct rn_err *err)
{
    return rn_cuda_loss_out(rn_cuda(dev), err);
}
