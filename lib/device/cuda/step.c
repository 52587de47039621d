/* step.c -- a step of training as a CUDA graph.
 *
 * A step is done three ways: the first with a key as it comes, which makes the plans and grows the workspace; the second is
 * recorded, then started; from then on the record is started. What changes from step to step is in memory that the record
 * only points to: the batch, the labels, the weights. Memory that is given up (a workspace that grows) makes records void.
 * With several GPUs nothing is recorded: their sums leave the stream and come back after the step. */
#include "device/cuda/step.h"

#include <string.h>

static void drop(struct rn_cuda *cuda, struct rn_cuda_graph *graph)
{
    if (graph->exec)
        cuda->api.cudaGraphExecDestroy(graph->exec);
    *graph = (struct rn_cuda_graph){ 0 };
}

void rn_cuda_graphs_free(struct rn_cuda *cuda)
{
    cudaGraph_t graph = NULL;
    if (cuda->stage == RN_CUDA_RECORDING && cuda->api.cudaStreamEndCapture(cuda->gpu[0].stream, &graph) == cudaSuccess && graph)
        cuda->api.cudaGraphDestroy(graph);
    cuda->stage = RN_CUDA_OUTSIDE;
    for (size_t i = 0; i < sizeof cuda->graph / sizeof *cuda->graph; i++)
        drop(cuda, &cuda->graph[i]);
}

/* The graph of this step; without exec and of another generation when it has not been seen, or its memory is gone. */
static struct rn_cuda_graph *find(struct rn_cuda *cuda, const struct rn_device_step *step)
{
    const unsigned places = sizeof cuda->graph / sizeof *cuda->graph;
    struct rn_cuda_graph *graph = NULL;
    for (unsigned i = 0; i < places && !graph; i++)
        if (cuda->graph[i].generation && !memcmp(cuda->graph[i].key, step->key, sizeof step->key))
            graph = &cuda->graph[i];
    if (graph && graph->generation == cuda->generation)
        return graph;
    graph = graph ? graph : &cuda->graph[cuda->next_graph++ % places];
    drop(cuda, graph);
    memcpy(graph->key, step->key, sizeof graph->key);
    return graph;
}

static struct rn_cuda_part only(struct rn_cuda *cuda)
{
    return (struct rn_cuda_part){ .cuda = cuda, .gpu = &cuda->gpu[0], .images = cuda->step.n, .n = cuda->step.n };
}

int rn_cuda_begin(struct rn_device *dev, const struct rn_device_step *step, bool *done, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    cuda->step = *step;
    *done = false;
    if (cuda->stage == RN_CUDA_RECORDING) /* the last step failed */
        rn_cuda_graphs_free(cuda);
    if (rn_cuda_freshen(cuda, err)) /* a record does not see to that */
        return -1;
    cuda->stage = RN_CUDA_INSIDE;
    struct rn_cuda_graph *graph = cuda->now = find(cuda, step);
    if (cuda->gpus > 1 || graph->generation != cuda->generation)
        return 0;
    struct rn_cuda_part p = only(cuda);
    if (rn_cuda_check(&p, cuda->api.cudaSetDevice(p.gpu->ordinal), "choosing it", err))
        return -1;
    if (!graph->exec) {
        cuda->stage = RN_CUDA_RECORDING;
        return rn_cuda_check(&p, cuda->api.cudaStreamBeginCapture(p.gpu->stream, cudaStreamCaptureModeThreadLocal), "recording a step", err);
    }
    *done = true;
    cuda->stage = RN_CUDA_OUTSIDE;
    if (rn_cuda_loss_in(cuda, step, err))
        return -1;
    return rn_cuda_check(&p, cuda->api.cudaGraphLaunch(graph->exec, p.gpu->stream), "starting a step", err);
}

static int play(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_part p = only(cuda);
    struct rn_cuda_api *api = &cuda->api;
    cudaGraph_t record = NULL;
    cuda->stage = RN_CUDA_INSIDE;
    if (rn_cuda_check(&p, api->cudaStreamEndCapture(p.gpu->stream, &record), "recording a step", err))
        return -1;
    int rc = cuda->now->generation == cuda->generation ? 0 :
             rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: memory moved while a step was recorded", p.gpu->ordinal);
    rc = rc || rn_cuda_check(&p, api->cudaGraphInstantiate(&cuda->now->exec, record, 0), "recording a step", err) ? -1 : 0;
    api->cudaGraphDestroy(record);
    return rc ? rc : rn_cuda_check(&p, api->cudaGraphLaunch(cuda->now->exec, p.gpu->stream), "starting a step", err);
}

int rn_cuda_commit(struct rn_device *dev, struct rn_err *err)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->stage == RN_CUDA_RECORDING && play(cuda, err))
        return -1;
    cuda->stage = RN_CUDA_OUTSIDE;
    if (!cuda->now->exec) /* as it came: what it needed is there now */
        cuda->now->generation = cuda->generation;
    return 0;
}

int rn_cuda_end(struct rn_device *dev, struct rn_err *err)
{
    return rn_cuda_loss_out(rn_cuda(dev), &rn_cuda(dev)->step, err);
}
