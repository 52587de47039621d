/* step.c -- a step of training as CUDA graphs.
 *
 * A step is done three ways: the first with a key as it comes, which makes the plans and grows the workspace; the second is
 * captured, and started as it is captured; from then on the capture is launched. What changes from step to step is in memory
 * that the capture only points to: the batch, the page with the labels, the weights; the update, which has the learning rate,
 * comes after it. Memory that is given up (a workspace that grows) makes
 * captures void.
 *
 * With several GPUs NCCL's sums are no part of a graph: where one thread has several GPUs, starting a graph that holds them may
 * block before the other GPUs' were started (NCCL's user guide, "Using NCCL with CUDA Graphs"). So a capture is cut into segments:
 * a graph for each GPU, then a sum, or what norms tell each other. */
#include "device/cuda/step.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/cuda/several.h"

/* A segment of a capture: a graph on each GPU, then what they do together. */
struct rn_cuda_segment {
    cudaGraphExec_t exec[RN_CUDA_GPUS];
    struct rn_cuda_meeting then;
};

static void drop(struct rn_cuda *cuda, struct rn_cuda_capture *capture)
{
    if (cuda->failed)
        return;
    for (size_t i = 0; i < capture->segments; i++)
        for (int g = 0; g < cuda->gpus; g++)
            if (capture->segment[i].exec[g])
                cuda->api.cudaGraphExecDestroy(capture->segment[i].exec[g]);
    free(capture->segment);
    *capture = (struct rn_cuda_capture){ 0 };
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
    for (size_t i = 0; i < sizeof cuda->capture / sizeof *cuda->capture; i++)
        drop(cuda, &cuda->capture[i]);
}

/* The capture of this step; without segments when it is still to be made, of another generation when the step has not been seen,
 * or its memory is gone. */
static struct rn_cuda_capture *find(struct rn_cuda *cuda, const struct rn_device_step *step)
{
    const unsigned places = sizeof cuda->capture / sizeof *cuda->capture;
    struct rn_cuda_capture *capture = NULL;
    for (unsigned i = 0; i < places && !capture; i++)
        if (cuda->capture[i].generation && !memcmp(cuda->capture[i].key, step->key, sizeof step->key))
            capture = &cuda->capture[i];
    if (capture && capture->generation == cuda->generation)
        return capture;
    capture = capture ? capture : &cuda->capture[cuda->next_capture++ % places];
    drop(cuda, capture);
    memcpy(capture->key, step->key, sizeof capture->key);
    return capture;
}

/* ---- capture ---- */

static int listen(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        p.rc = rn_cuda_check(&p, cuda->api.cudaStreamBeginCapture(p.gpu->stream, cudaStreamCaptureModeThreadLocal),
                             "capturing a step", err);
    return p.rc;
}

/* What was to be tried has been. */
static int forget_trials(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        rn_cuda_trial_free(&p);
    return p.rc;
}

static int launch(struct rn_cuda *cuda, const struct rn_cuda_segment *segment, struct rn_err *err)
{
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err)) {
        rn_cuda_starts(&p, "a captured step", cuda->logits);
        p.rc = rn_cuda_check(&p, cuda->api.cudaGraphLaunch(segment->exec[p.g], p.gpu->stream), "starting a step", err);
    }
    return p.rc || rn_cuda_meet(cuda, segment->then, err) ? -1 : 0;
}

/* What the GPUs' streams were given since listen. All end before one is made ready: that takes memory, which nobody may while
 * another stream is captured. */
static int take_down(struct rn_cuda *cuda, cudaGraphExec_t exec[RN_CUDA_GPUS], struct rn_err *err)
{
    struct rn_cuda_api *api = &cuda->api;
    cudaGraph_t graph[RN_CUDA_GPUS] = { NULL };
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0), q = p;
    while (rn_cuda_next(&p, err))
        p.rc = rn_cuda_check(&p, api->cudaStreamEndCapture(p.gpu->stream, &graph[p.g]), "capturing a step", err);
    q.rc = p.rc;
    while (rn_cuda_next(&q, err))
        q.rc = rn_cuda_check(&q, api->cudaGraphInstantiate(&exec[q.g], graph[q.g], 0), "capturing a step", err);
    for (int g = 0; g < cuda->gpus && !cuda->failed; g++)
        if (graph[g])
            api->cudaGraphDestroy(graph[g]);
    return q.rc;
}

/* Ends a segment, and starts it: so far it was only captured. */
static int end_piece(struct rn_cuda *cuda, struct rn_cuda_meeting then, struct rn_err *err)
{
    struct rn_cuda_capture *capture = cuda->now;
    if (rn_grow(&capture->segment, &capture->capacity, capture->segments + 1, sizeof *capture->segment, err))
        return -1;
    struct rn_cuda_segment *segment = &capture->segment[capture->segments++];
    *segment = (struct rn_cuda_segment){ .then = then };
    if (take_down(cuda, segment->exec, err))
        return -1;
    if (capture->generation != cuda->generation)
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: memory moved while a step was captured", cuda->gpu[0].ordinal);
    return launch(cuda, segment, err);
}

static int meet(struct rn_cuda *cuda, struct rn_cuda_meeting meeting, struct rn_err *err)
{
    if (cuda->stage != RN_CUDA_RECORDING)
        return rn_cuda_meet(cuda, meeting, err);
    return end_piece(cuda, meeting, err) || listen(cuda, err) ? -1 : 0;
}

int rn_cuda_all_reduce(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    return cuda->gpus > 1 && bytes ? meet(cuda, (struct rn_cuda_meeting){ gradients, bytes }, err) : 0;
}

int rn_cuda_tell(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    return meet(rn_cuda(dev), (struct rn_cuda_meeting){ NULL, bytes }, err);
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
    if (p.rc || rn_cuda_freshen(cuda, err) || rn_cuda_loss_in(cuda, step, err)) /* a capture sees to none of these */
        return -1;
    cuda->summing = false;
    cuda->stage = RN_CUDA_INSIDE;
    struct rn_cuda_capture *capture = cuda->now = find(cuda, step);
    if (capture->generation != cuda->generation)
        return 0;
    if (!capture->segments) {
        cuda->stage = RN_CUDA_RECORDING;
        return forget_trials(cuda, err) || listen(cuda, err) ? -1 : 0;
    }
    *done = true;
    cuda->stage = RN_CUDA_OUTSIDE;
    for (size_t i = 0; i < capture->segments; i++)
        if (launch(cuda, &capture->segment[i], err))
            return -1;
    return rn_cuda_loss_back(cuda, err);
}

int rn_cuda_commit(struct rn_device *dev, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->stage == RN_CUDA_RECORDING && end_piece(cuda, (struct rn_cuda_meeting){ 0 }, err))
        return -1;
    cuda->stage = RN_CUDA_OUTSIDE;
    if (!cuda->now->segments) /* as it came: what it needed is there now */
        cuda->now->generation = cuda->generation;
    return rn_cuda_loss_back(cuda, err);
}

int rn_cuda_end(struct rn_device *dev, struct rn_err *err)
{
    return rn_cuda_loss_out(rn_cuda(dev), err);
}
