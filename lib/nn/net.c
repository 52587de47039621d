/* net.c -- walks the calls. */
#include "nn/net.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "nn/private.h"

const struct rn_graph *rn_net_graph(const struct rn_net *net)
{
    return net->graph;
}

/* ---- parameters ---- */

static struct rn_array param_as(const struct rn_net *net, int i, enum rn_role role)
{
    bool buffer = net->graph->param[i].role == RN_BUFFER;
    switch (role) {
    case RN_MOMENTUM:
        return param_in(net, net->momentum, i);
    case RN_SECOND_MOMENT:
        return param_in(net, net->second, i);
    case RN_GRADIENT:
        return param_in(net, net->gradients, i);
    case RN_EMA:
        return param_in(net, buffer ? net->average_buffers : net->average, i);
    case RN_PARAMETER:
    case RN_BUFFER:
    case RN_ROLES:
        break;
    }
    return param_of(net, i);
}

static int take(struct rn_net *net, void **block, size_t bytes, struct rn_err *err)
{
    *block = net->on->alloc(net->dev, bytes ? bytes : 64, err);
    return *block ? 0 : -1;
}

/* Lays out parameters and running statistics, each in its own block. */
static int place_params(struct rn_net *net, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    size_t sizes[RN_ROLES] = { 0 };
    if (!(net->offset = rn_calloc(g->params, sizeof *net->offset, err)))
        return -1;
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        net->offset[i] = sizes[p->role];
        sizes[p->role] += net->on->bytes(p->n, p->c, p->h, p->w, RN_FULL);
    }
    net->weight_bytes = sizes[RN_PARAMETER];
    net->buffer_bytes = sizes[RN_BUFFER];
    if (take(net, &net->weights, net->weight_bytes, err) || take(net, &net->buffers, sizes[RN_BUFFER], err))
        return -1;
    if (net->train && (take(net, &net->momentum, net->weight_bytes, err) || take(net, &net->gradients, net->weight_bytes, err)))
        return -1;
    return 0;
}

/* Room for each norm's batch statistics. */
static int place_norms(struct rn_net *net, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    size_t bytes = 0;
    if (!net->train)
        return 0;
    if (!(net->saved_mean = rn_calloc(2 * g->nodes, sizeof *net->saved_mean, err)))
        return -1;
    net->saved_inv = net->saved_mean + g->nodes;
    for (size_t i = 0; i < g->nodes; i++)
        if (g->node[i].op == RN_OP_NORM)
            bytes += 2 * net->on->bytes(1, g->value[g->node[i].y].c, 1, 1, RN_FULL);
    if (take(net, &net->saved, bytes, err))
        return -1;
    char *at = net->saved;
    for (size_t i = 0; i < g->nodes; i++) {
        size_t c = g->value[g->node[i].y].c, vector = net->on->bytes(1, c, 1, 1, RN_FULL);
        if (g->node[i].op != RN_OP_NORM)
            continue;
        net->saved_mean[i] = (struct rn_array){ at, 1, c, 1, 1 };
        net->saved_inv[i] = (struct rn_array){ at + vector, 1, c, 1, 1 };
        at += 2 * vector;
    }
    return 0;
}

int rn_net_open(struct rn_net **result, struct rn_device *dev, struct rn_text arch, struct rn_text attention, size_t classes,
                bool train, struct rn_err *err)
{
    *result = NULL;
    struct rn_net *net = rn_calloc(1, sizeof *net, err);
    if (!net)
        return -1;
    net->dev = dev;
    net->on = dev->class;
    net->train = train;
    net->stale = true;
    net->tail = RN_NONE;
    if (rn_graph_new(&net->graph, arch, attention, classes, err) ||
        rn_program_make(&net->program[0], net->on, net->graph, false, err) ||
        (train && rn_program_make(&net->program[1], net->on, net->graph, true, err)) || place_params(net, err) ||
        place_norms(net, err) || !(net->kept = rn_calloc(net->graph->values, sizeof *net->kept, err)) ||
        !(net->written = rn_calloc(net->graph->values + net->graph->params, sizeof *net->written, err))) {
        rn_net_close(net);
        return -1;
    }
    *result = net;
    return 0;
}

void rn_net_close(struct rn_net *net)
{
    if (!net)
        return;
    void *blocks[] = { net->weights, net->momentum, net->gradients, net->buffers, net->saved, net->arena, net->second, net->average,
                       net->average_buffers };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i])
            net->on->free(net->dev, blocks[i]);
    for (int i = 0; i < 2; i++) {
        rn_layout_free(&net->layout[i]);
        rn_program_free(&net->program[i]);
    }
    free(net->saved_mean);
    free(net->offset);
    free(net->written);
    free(net->kept);
    free(net->run);
    free(net->frozen);
    free(net->needs);
    rn_graph_free(net->graph);
    free(net);
}

/* Whether evaluation has made something else of parameter i. */
static bool is_folded(const struct rn_net *net, int i)
{
    const struct rn_program *program = &net->program[false];
    for (const struct rn_call *call = program->call; net->folded && call < program->call + program->calls; call++)
        if (call->with && (i == call->with->beta || i == call->node->weight))
            return true;
    return false;
}

int rn_net_get(struct rn_net *net, size_t i, enum rn_role role, float *value, struct rn_err *err)
{
    if (is_folded(net, (int)i))
        return rn_fail(err, RN_EXIT_SYSTEM, "%s cannot be read any more: evaluation has folded a batch norm into it",
                       net->graph->param[i].name);
    return net->on->download(net->dev, value, param_as(net, (int)i, role), err);
}

int rn_net_set(struct rn_net *net, size_t i, enum rn_role role, const float *value, struct rn_err *err)
{
    if (net->folded)
        return rn_fail(err, RN_EXIT_SYSTEM, "%s cannot be set any more: evaluation has folded batch norms into the weights",
                       net->graph->param[i].name);
    net->stale = true;
    return net->on->upload(net->dev, param_as(net, (int)i, role), value, err);
}

int rn_net_gradient(struct rn_net *net, size_t i, float *value, struct rn_err *err)
{
    return net->on->download(net->dev, value, param_in(net, net->gradients, (int)i), err);
}

int rn_net_start(struct rn_net *net, size_t i, uint64_t seed, struct rn_err *err)
{
    const struct rn_param *p = &net->graph->param[i];
    size_t count = p->n * p->c * p->h * p->w;
    float *value = rn_calloc(count, sizeof *value, err);
    if (!value)
        return -1;
    struct rn_rng rng = rn_rng(seed, RN_FOR_INIT, rn_hash64(rn_text(p->name)), 0);
    double deviation = sqrt(2.0 / (double)(p->n * p->h * p->w)), bound = p->fan_in ? 1 / sqrt((double)p->fan_in) : 0;
    for (size_t k = 0; k < count; k++) {
        switch (p->start) {
        case RN_START_ZERO:
            break;
        case RN_START_ONE:
            value[k] = 1;
            break;
        case RN_START_KAIMING:
            value[k] = (float)(deviation * rn_rng_normal(&rng));
            break;
        case RN_START_UNIFORM:
            value[k] = (float)rn_rng_uniform(&rng, -bound, bound);
            break;
        }
    }
    int rc = rn_net_set(net, i, p->role, value, err);
    free(value);
    return rc;
}

/* ---- the arena ---- */

/* Results do not survive: neither values nor what evaluation made of the weights. */
static int grow_arena(struct rn_net *net, size_t bytes, struct rn_err *err)
{
    if (bytes <= net->arena_bytes)
        return 0;
    if (net->arena)
        net->on->free(net->dev, net->arena);
    net->arena_bytes = 0;
    net->stale = true;
    if (take(net, &net->arena, bytes, err))
        return -1;
    if (net->on->cut)
        net->on->cut(net->dev, net->arena);
    net->arena_bytes = bytes;
    return 0;
}

/* Whether n images of this batch would find room, besides two places of the device's for batches on their way. */
static bool would_fit(struct rn_net *net, const struct rn_layout_of *of, const struct rn_batch *batch, size_t n, size_t room)
{
    struct rn_layout layout = { .n = n, .h = batch->h, .w = batch->w };
    struct rn_err ignored;
    size_t share = net->on->share ? net->on->share(net->dev, n, !of->train) : n;
    bool fits = rn_layout_make(&layout, of, &ignored) == 0 && layout.bytes <= room &&
                2 * net->on->bytes(share, 3, batch->h, batch->w, RN_FULL) <= room - layout.bytes;
    rn_layout_free(&layout);
    return fits;
}

/* The arena of a batch cannot be had, and the old one is gone: how many of its images would fit? */
static void say_what_fits(struct rn_net *net, const struct rn_layout_of *of, const struct rn_batch *batch, struct rn_err *err)
{
    size_t room = net->on->room ? net->on->room(net->dev) : 0, least = 0, most = batch->n, length = strlen(err->text);
    if (!room || would_fit(net, of, batch, most, room)) /* then there is another reason */
        return;
    while (most - least > 1) {
        size_t n = least + (most - least) / 2;
        *(would_fit(net, of, batch, n, room) ? &least : &most) = n;
    }
    if (least)
        snprintf(err->text + length, sizeof err->text - length, ": batches of %zu image%s (rn-batch -b %zu) would fit", least,
                 least == 1 ? "" : "s", least);
    else
        snprintf(err->text + length, sizeof err->text - length, ": not even one image of %zux%zu would fit", batch->h, batch->w);
}

/* The layout for this batch, made anew where the one that is there does not fit. */
static int fit(struct rn_net *net, const struct rn_batch *batch, bool train, struct rn_layout **result, struct rn_err *err)
{
    struct rn_layout *layout = &net->layout[train];
    *result = layout;
    if (batch->h == layout->h && batch->w == layout->w && batch->n <= layout->n)
        return 0;
    layout->n = batch->n;
    layout->h = batch->h;
    layout->w = batch->w;
    net->stale = true;
    const struct rn_layout_of of = { net->dev, net->graph, &net->program[train], train, net->train, net->kept, net->tail,
                                     net->start };
    int rc = rn_layout_make(layout, &of, err);
    if (rc == 0 && (rc = grow_arena(net, layout->bytes, err)))
        say_what_fits(net, &of, batch, err);
    if (rc)
        layout->n = layout->h = layout->w = 0;
    return rc;
}

static int load(struct rn_net *net, const struct rn_layout *layout, const struct rn_batch *batch, struct rn_err *err)
{
    struct rn_array x = rn_net_bind(net, layout->value[net->start], batch->n);
    if (batch->pixels)
        return net->on->upload_images(net->dev, x, batch->pixels, batch->mean, batch->std, err);
    return net->on->upload(net->dev, x, batch->values, err);
}

/* ---- forward ---- */

static int forward(const struct rn_walk *w, struct rn_err *err)
{
    for (size_t i = 0; i < w->program->calls; i++)
        if (w->program->call[i].y > w->net->start && rn_call_forward(w, &w->program->call[i], err))
            return -1;
    return 0;
}

void rn_net_enter(struct rn_net *net, int value)
{
    net->start = value;
    for (int train = 0; train < 2; train++)
        net->layout[train].n = net->layout[train].h = net->layout[train].w = 0; /* to be laid out anew */
}

/* In the order of the graph, each as float32. */
int rn_net_print(struct rn_net *net, uint64_t *print, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    uint64_t hashes[2] = { 0 };
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        size_t count = p->n * p->c * p->h * p->w;
        float *value = rn_graph_is_last(g, i) ? NULL : rn_calloc(count, sizeof *value, err);
        if (rn_graph_is_last(g, i))
            continue;
        if (!value || rn_net_get(net, i, p->role, value, err)) {
            free(value);
            return -1;
        }
        hashes[1] = rn_hash64((struct rn_text){ (const char *)value, count * sizeof *value });
        hashes[0] = rn_hash64((struct rn_text){ (const char *)hashes, sizeof hashes });
        free(value);
    }
    *print = hashes[0];
    return 0;
}

void rn_net_spare(struct rn_net *net)
{
    net->spare = !net->train;
}

bool rn_net_fits(const struct rn_net *net, const struct rn_batch *batch)
{
    const struct rn_layout *layout = &net->layout[false];
    return !net->spare || !net->folded || (layout->h == batch->h && layout->w == batch->w && layout->n >= batch->n);
}

/* All but the network's own operators. */
static int begin_eval(struct rn_walk *w, struct rn_net *net, const struct rn_batch *batch, struct rn_err *err)
{
    struct rn_layout *layout;
    if (!rn_net_fits(net, batch))
        return rn_fail(err, RN_EXIT_SYSTEM, "a network that spares memory takes no larger batches, and no images of another size");
    if (fit(net, batch, false, &layout, err) || (net->stale && rn_net_prepack(net, layout, err)) || load(net, layout, batch, err))
        return -1;
    *w = (struct rn_walk){ net, &net->program[false], layout, batch->n, false };
    return 0;
}

int rn_walk_eval(struct rn_walk *w, struct rn_net *net, const struct rn_batch *batch, struct rn_err *err)
{
    return begin_eval(w, net, batch, err) || forward(w, err) ? -1 : 0;
}

int rn_net_eval_begin(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err)
{
    struct rn_walk w;
    bool done = false;
    if (begin_eval(&w, net, batch, err))
        return -1;
    const struct rn_array output = value(&w, net->graph->output);
    if (!rn_net_async(net))
        return forward(&w, err) || net->on->download(net->dev, logits, output, err) ? -1 : 0;
    const struct rn_device_step step = {
        /* no smoothing's */
        .key = { (uintptr_t)net->arena, w.n, w.layout->n, (uint64_t)w.layout->h << 32 | w.layout->w, UINT64_MAX },
        .n = output.n, .c = output.c, .logits = logits, .output = output };
    if (net->on->begin(net->dev, &step, &done, err) || (!done && forward(&w, err)))
        return -1;
    return done ? 0 : net->on->commit(net->dev, err);
}

int rn_net_eval(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err)
{
    return rn_net_eval_begin(net, batch, logits, err) || rn_net_end(net, err) ? -1 : 0;
}

/* ---- backward ---- */

/* Where the gradients begin that are complete when only the calls before call i are left. */
static size_t complete_from(const struct rn_net *net, size_t i)
{
    size_t from = 0;
    for (const struct rn_call *call = net->program[true].call; i-- > 0; call++) {
        const struct rn_node *node = call->node;
        const int uses[] = { node->weight, node->bias, node->gamma, node->beta };
        for (size_t u = 0; u < sizeof uses / sizeof *uses; u++) {
            if (uses[u] == RN_NONE)
                continue;
            const struct rn_param *p = &net->graph->param[uses[u]];
            size_t end = net->offset[uses[u]] + net->on->bytes(p->n, p->c, p->h, p->w, RN_FULL);
            from = end > from ? end : from;
        }
    }
    return from;
}

enum { BUCKET = 8 << 20 };

/* Devices of several parts sum gradients piece by piece, while backward goes on. *done: what lies behind is summed. */
static int sum_complete(struct rn_net *net, size_t i, size_t *done, struct rn_err *err)
{
    size_t from = complete_from(net, i), bytes = *done - from;
    if (bytes < BUCKET && i)
        return 0;
    *done = from;
    return net->on->all_reduce(net->dev, (char *)net->gradients + from, bytes, err);
}

/* Whether a call's backward has something to do for a parameter. */
static bool wanted(const struct rn_walk *w, const struct rn_call *call)
{
    return !w->train || !w->net->needs || w->net->needs[call->y];
}

int rn_walk_backward(const struct rn_walk *w, int first, struct rn_err *err)
{
    const struct rn_graph *g = w->net->graph;
    size_t done = w->net->weight_bytes;
    memset(w->net->written, 0, g->values * sizeof *w->net->written);
    memset(w->net->written + g->values, w->train && w->net->accumulate, g->params * sizeof *w->net->written);
    w->net->written[g->output] = true;
    for (size_t i = w->program->calls; i-- > 0;) {
        const struct rn_call *call = &w->program->call[i];
        if ((call->y > first && wanted(w, call) && rn_call_backward(w, call, err)) ||
            (w->train && w->net->on->all_reduce && sum_complete(w->net, i, &done, err)))
            return -1;
    }
    return 0;
}

static int train(const struct rn_walk *w, const struct rn_device_step *step, float *logits, struct rn_err *err)
{
    struct rn_net *net = w->net;
    int output = net->graph->output;
    const struct rn_softmax_loss loss = { .dlogits = grad(w, output), .logits = value(w, output), .loss = step->loss,
                                          .labels = step->labels, .options = step->options };
    if (forward(w, err) || (logits && net->on->download(net->dev, logits, loss.logits, err)) ||
        net->on->softmax_loss(net->dev, &loss, err) ||
        (net->accumulate && net->on->carry && net->on->carry(net->dev, net->gradients, net->weight_bytes, err)))
        return -1;
    return rn_walk_backward(w, net->start, err);
}

int rn_net_observe(struct rn_net *net, const struct rn_batch *batch, double momentum, struct rn_err *err)
{
    if (rn_net_load(net, batch, err))
        return -1;
    const struct rn_walk w = { net, &net->program[true], &net->layout[true], net->loaded, true };
    net->observe = momentum;
    net->stale = true;
    int rc = forward(&w, err);
    net->observe = 0;
    return rc;
}

bool rn_net_async(const struct rn_net *net)
{
    return net->on->begin;
}

int rn_net_load(struct rn_net *net, const struct rn_batch *batch, struct rn_err *err)
{
    struct rn_layout *layout;
    net->loaded = batch->n;
    return fit(net, batch, true, &layout, err) || load(net, layout, batch, err) ? -1 : 0;
}

int rn_net_loaded(struct rn_net *net, struct rn_err *err)
{
    return net->on->host_wait ? net->on->host_wait(net->dev, err) : 0;
}

/* The step; async: the device may go on with it when we are back. */
static int begin(struct rn_net *net, bool async, float *logits, const int64_t *labels, const struct rn_loss_options *options,
                 struct rn_loss *loss, struct rn_err *err)
{
    const struct rn_layout *layout = &net->layout[true];
    const struct rn_walk w = { net, &net->program[true], layout, net->loaded, true };
    uint64_t smoothing;
    memcpy(&smoothing, &options->smoothing, sizeof smoothing);
    const struct rn_device_step step = {
        .key = { (uintptr_t)net->arena, w.n,
                 layout->n << 3 | (unsigned)!options->targets << 2 | (unsigned)!options->teacher << 1 | net->accumulate,
                 (uint64_t)layout->h << 32 | layout->w,
                 smoothing << 1 | !options->class_weights },
        .loss = loss, .n = w.n, .c = layout->value[net->graph->output].c, .labels = labels, .options = options };
    bool done = false;
    net->stale = true;
    if ((async && net->on->begin(net->dev, &step, &done, err)) || (!done && train(&w, &step, logits, err)))
        return -1;
    return async && !done ? net->on->commit(net->dev, err) : 0;
}

int rn_net_begin(struct rn_net *net, const int64_t *labels, const struct rn_loss_options *options, struct rn_loss *loss,
                 struct rn_err *err)
{
    return begin(net, rn_net_async(net), NULL, labels, options, loss, err);
}

int rn_net_end(struct rn_net *net, struct rn_err *err)
{
    return rn_net_async(net) ? net->on->end(net->dev, err) : 0;
}

int rn_net_train(struct rn_net *net, const struct rn_batch *batch, const int64_t *labels, const struct rn_loss_options *options,
                 struct rn_loss *loss, float *logits, struct rn_err *err)
{
    bool async = rn_net_async(net) && !logits; /* a download waits for the device */
    if (rn_net_load(net, batch, err) || begin(net, async, logits, labels, options, loss, err))
        return -1;
    return async ? rn_net_end(net, err) : 0;
}

void rn_softmax(float *probs, const float *logits, size_t classes)
{
    double largest = -INFINITY, sum = 0;
    for (size_t i = 0; i < classes; i++)
        largest = (double)logits[i] > largest ? (double)logits[i] : largest;
    for (size_t i = 0; i < classes; i++)
        sum += exp((double)logits[i] - largest);
    for (size_t i = 0; i < classes; i++)
        probs[i] = (float)(exp((double)logits[i] - largest) / sum);
}
