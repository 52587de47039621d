/* net.c -- walks the nodes. */
#include "nn/net.h"

#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"
#include "nn/plan.h"
#include "nn/private.h"

const struct rn_graph *rn_net_graph(const struct rn_net *net)
{
    return net->graph;
}

/* ---- parameters ---- */

static struct rn_array param_in(const struct rn_net *net, void *block, int i)
{
    if (i == RN_NONE || !block)
        return (struct rn_array){ 0 };
    const struct rn_param *p = &net->graph->param[i];
    return (struct rn_array){ (char *)block + net->offset[i], p->n, p->c, p->h, p->w };
}

static struct rn_array param_of(const struct rn_net *net, int i)
{
    bool buffer = i != RN_NONE && net->graph->param[i].role == RN_BUFFER;
    return param_in(net, buffer ? net->buffers : net->weights, i);
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
        sizes[p->role] += net->on->bytes(p->n, p->c, p->h, p->w);
    }
    net->weight_bytes = sizes[RN_PARAMETER];
    if (take(net, &net->weights, net->weight_bytes, err) || take(net, &net->buffers, sizes[RN_BUFFER], err))
        return -1;
    if (net->train && (take(net, &net->momentum, net->weight_bytes, err) || take(net, &net->gradients, net->weight_bytes, err)))
        return -1;
    return 0;
}

/* Room for the folded weights of each convolution with a norm, and in train mode for each norm's batch statistics. */
static int place_norms(struct rn_net *net, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    struct rn_array *arrays = rn_calloc(4 * g->nodes, sizeof *arrays, err);
    if (!arrays)
        return -1;
    net->folded_weight = arrays;
    net->folded_bias = arrays + g->nodes;
    net->saved_mean = arrays + 2 * g->nodes;
    net->saved_inv = arrays + 3 * g->nodes;
    for (int pass = 0; pass < 2; pass++) { /* count, then bind */
        size_t folded = 0, saved = 0;
        for (size_t i = 0; i < g->nodes; i++) {
            const struct rn_node *node = &g->node[i];
            if (node->op != RN_OP_NORM)
                continue;
            size_t c = g->value[node->y].c, vector = net->on->bytes(1, c, 1, 1);
            if (pass && net->train) {
                net->saved_mean[i] = (struct rn_array){ (char *)net->saved + saved, 1, c, 1, 1 };
                net->saved_inv[i] = (struct rn_array){ (char *)net->saved + saved + vector, 1, c, 1, 1 };
            }
            saved += 2 * vector;
            if (node->conv == RN_NONE)
                continue;
            const struct rn_param *p = &g->param[g->node[node->conv].weight];
            size_t weight = net->on->bytes(p->n, p->c, p->h, p->w);
            if (pass) {
                net->folded_weight[i] = (struct rn_array){ (char *)net->folded + folded, p->n, p->c, p->h, p->w };
                net->folded_bias[i] = (struct rn_array){ (char *)net->folded + folded + weight, 1, c, 1, 1 };
            }
            folded += weight + vector;
        }
        if (!pass && (take(net, &net->folded, folded, err) || (net->train && take(net, &net->saved, saved, err))))
            return -1;
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
    if (rn_graph_new(&net->graph, arch, attention, classes, err) || place_params(net, err) || place_norms(net, err) ||
        !(net->kept = rn_calloc(net->graph->values, sizeof *net->kept, err)) ||
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
    void *blocks[] = { net->weights, net->momentum, net->gradients, net->buffers, net->folded, net->saved, net->arena };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (blocks[i])
            net->on->free(net->dev, blocks[i]);
    for (int i = 0; i < 2; i++)
        free(net->layout[i].value);
    free(net->folded_weight);
    free(net->offset);
    free(net->written);
    free(net->kept);
    rn_graph_free(net->graph);
    free(net);
}

int rn_net_get(struct rn_net *net, size_t i, enum rn_role role, float *value, struct rn_err *err)
{
    struct rn_array from = role == RN_MOMENTUM ? param_in(net, net->momentum, (int)i) : param_of(net, (int)i);
    return net->on->download(net->dev, value, from, err);
}

int rn_net_set(struct rn_net *net, size_t i, enum rn_role role, const float *value, struct rn_err *err)
{
    net->stale = true;
    struct rn_array to = role == RN_MOMENTUM ? param_in(net, net->momentum, (int)i) : param_of(net, (int)i);
    return net->on->upload(net->dev, to, value, err);
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

/* ---- layout of the arena ---- */

/* Height or width after a window. */
static bool slide(size_t size, size_t kernel, size_t stride, size_t padding, size_t *out)
{
    if (size + 2 * padding < kernel)
        return false;
    *out = (size + 2 * padding - kernel) / stride + 1;
    return true;
}

/* A MAX_POOL's window on this map: the node's own, or all of it. */
static struct rn_window window_on(const struct rn_node *node, struct rn_array x)
{
    return node->window.r || node->op != RN_OP_MAX_POOL ? node->window : (struct rn_window){ x.h, x.w, 1, 0 };
}

/* Shapes of all values for n images of h x w. */
static int shapes(const struct rn_net *net, struct rn_layout *layout, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    layout->value[0] = (struct rn_array){ NULL, layout->n, 3, layout->h, layout->w };
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        struct rn_array y = layout->value[node->x];
        y.c = g->value[node->y].c;
        if (node->op == RN_OP_MEAN_POOL)
            y.h = y.w = 1;
        struct rn_window window = window_on(node, y);
        if ((node->op == RN_OP_CONV || node->op == RN_OP_MAX_POOL) &&
            (!slide(y.h, window.r, window.stride, window.padding, &y.h) || !slide(y.w, window.s, window.stride, window.padding, &y.w)))
            return rn_fail(err, RN_EXIT_DATA, "images of %zux%zu are too small for layer %s", layout->h, layout->w, node->name);
        layout->value[node->y] = y;
    }
    return 0;
}

static void live(struct rn_block *block, int step)
{
    block->first = step < block->first ? step : block->first;
    block->last = step > block->last ? step : block->last;
}

/* Which values are alive in which step: forward node i is step i, the loss is step L, backward of node i is step 2L - i. */
static void lifetimes(const struct rn_net *net, bool train, struct rn_block *value, struct rn_block *grad)
{
    const struct rn_graph *g = net->graph;
    int end = (int)g->nodes;
    live(&value[0], 0);
    live(&value[g->output], end);
    for (int i = 0; i < end; i++) {
        const struct rn_node *node = &g->node[i];
        const int uses[] = { node->x, node->residual, node->channel, node->spatial };
        if (!train && node->norm != RN_NONE) /* computed in the norm's place */
            continue;
        live(&value[node->y], i);
        for (size_t k = 0; k < sizeof uses / sizeof *uses; k++)
            if (uses[k] != RN_NONE)
                live(&value[!train && k == 0 && node->op == RN_OP_NORM && node->conv != RN_NONE ? g->node[node->conv].x : uses[k]], i);
        if (net->kept[node->y] && !train)
            live(&value[node->y], 2 * end);
        if (!train && (net->tail == RN_NONE || node->y <= net->tail))
            continue;
        int back = 2 * end - i;
        live(&grad[node->y], back);
        for (size_t k = 0; k < sizeof uses / sizeof *uses; k++) {
            if (uses[k] == RN_NONE)
                continue;
            live(&value[uses[k]], back);
            if (uses[k] != 0)
                live(&grad[uses[k]], back);
        }
        live(&value[node->y], back);
    }
    if (train || net->tail != RN_NONE)
        live(&grad[g->output], end);
    if (!train && net->tail != RN_NONE) { /* what is to be seen afterwards */
        live(&value[net->tail], 2 * end);
        live(&grad[net->tail], 2 * end);
    }
}

static int make_layout(struct rn_net *net, struct rn_layout *layout, bool train, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    if (!layout->value && !(layout->value = rn_calloc(2 * g->values, sizeof *layout->value, err)))
        return -1;
    layout->grad = layout->value + g->values;
    struct rn_block *blocks = rn_calloc(2 * g->values, sizeof *blocks, err), *grads = blocks + g->values;
    if (!blocks)
        return -1;
    int rc = shapes(net, layout, err);
    for (size_t v = 0; v < g->values && rc == 0; v++) {
        const struct rn_array *a = &layout->value[v];
        size_t bytes = net->on->bytes(a->n, a->c, a->h, a->w);
        blocks[v] = grads[v] = (struct rn_block){ .bytes = bytes, .first = INT_MAX, .last = -1 };
        if (!bytes)
            rc = rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a batch of %zu images of %zux%zu", layout->n, layout->h, layout->w);
    }
    if (rc == 0) {
        lifetimes(net, train, blocks, grads);
        rc = rn_plan(blocks, 2 * g->values, &layout->bytes, err);
    }
    if (rc == 0 && layout->bytes > net->arena_bytes) {
        if (net->arena)
            net->on->free(net->dev, net->arena);
        net->arena_bytes = 0;
        rc = take(net, &net->arena, layout->bytes, err);
        net->arena_bytes = rc ? 0 : layout->bytes;
    }
    for (size_t v = 0; v < g->values && rc == 0; v++) {
        layout->grad[v] = layout->value[v];
        layout->value[v].data = (void *)(uintptr_t)blocks[v].offset;
        layout->grad[v].data = (void *)(uintptr_t)grads[v].offset;
    }
    free(blocks);
    return rc;
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
    if (make_layout(net, layout, train, err)) {
        layout->n = layout->h = layout->w = 0;
        return -1;
    }
    return 0;
}

static int load(struct rn_net *net, const struct rn_layout *layout, const struct rn_batch *batch, struct rn_err *err)
{
    struct rn_array x = bind(net, layout->value[0], batch->n);
    if (batch->pixels)
        return net->on->upload_images(net->dev, x, batch->pixels, batch->mean, batch->std, err);
    return net->on->upload(net->dev, x, batch->values, err);
}

/* ---- forward ---- */

static struct rn_norm norm_of(const struct rn_net *net, size_t i)
{
    const struct rn_node *node = &net->graph->node[i];
    return (struct rn_norm){
        .gamma = param_of(net, node->gamma), .beta = param_of(net, node->beta),
        .running_mean = param_of(net, node->mean), .running_var = param_of(net, node->var),
        .mean = net->saved_mean[i], .inv_std = net->saved_inv[i], .momentum = node->momentum, .eps = 1e-5,
    };
}

static int forward_conv(const struct rn_walk *w, size_t i, struct rn_err *err)
{
    const struct rn_node *node = &w->net->graph->node[i];
    struct rn_epilogue epilogue = { .bias = param_of(w->net, node->bias), .activation = node->activation };
    if (!w->train && node->norm != RN_NONE)
        return 0;
    return w->net->on->conv2d(w->net->dev, value(w, node->y), value(w, node->x), param_of(w->net, node->weight), node->window,
                              epilogue, !w->train, err);
}

static int forward_norm(const struct rn_walk *w, size_t i, struct rn_err *err)
{
    const struct rn_node *node = &w->net->graph->node[i];
    struct rn_norm norm = norm_of(w->net, i);
    struct rn_array x = value(w, node->x);
    if (!w->train) {
        const struct rn_node *conv = &w->net->graph->node[node->conv];
        struct rn_epilogue epilogue = { w->net->folded_bias[i], value(w, node->residual), node->activation };
        return w->net->on->conv2d(w->net->dev, value(w, node->y), value(w, conv->x), w->net->folded_weight[i], conv->window,
                                  epilogue, true, err);
    }
    if (x.n * x.h * x.w < 2)
        return rn_fail(err, RN_EXIT_DATA, "layer %s (%zu channels) has a 1x1 map and the batch one image: batch norm needs more than "
                                          "one value a channel; use larger batches or images", node->name, x.c);
    return w->net->on->batch_norm(w->net->dev, value(w, node->y), x, value(w, node->residual), &norm,
                                  node->activation == RN_ACT_RELU, err);
}

static int forward(const struct rn_walk *w, struct rn_err *err)
{
    const struct rn_graph *g = w->net->graph;
    const struct rn_device_class *on = w->net->on;
    int rc = 0;
    for (size_t i = 0; i < g->nodes && rc == 0; i++) {
        const struct rn_node *node = &g->node[i];
        switch (node->op) {
        case RN_OP_CONV:
            rc = forward_conv(w, i, err);
            break;
        case RN_OP_NORM:
            rc = forward_norm(w, i, err);
            break;
        case RN_OP_MAX_POOL:
            rc = on->max_pool(w->net->dev, value(w, node->y), value(w, node->x), window_on(node, value(w, node->x)), err);
            break;
        case RN_OP_CHANNEL_POOL:
            rc = on->channel_pool(w->net->dev, value(w, node->y), value(w, node->x), err);
            break;
        case RN_OP_ADD:
            rc = on->add(w->net->dev, value(w, node->y), value(w, node->x), value(w, node->residual), node->activation, err);
            break;
        case RN_OP_MEAN_POOL:
            rc = on->mean_pool(w->net->dev, value(w, node->y), value(w, node->x), err);
            break;
        case RN_OP_GATE:
            rc = on->gate(w->net->dev, value(w, node->y), value(w, node->x), value(w, node->channel), value(w, node->spatial),
                          node->combine, err);
            break;
        }
    }
    return rc;
}

static int fold(struct rn_net *net, struct rn_err *err)
{
    for (size_t i = 0; i < net->graph->nodes; i++) {
        const struct rn_node *node = &net->graph->node[i];
        if (node->op != RN_OP_NORM)
            continue;
        struct rn_norm norm = norm_of(net, i);
        struct rn_array weight = param_of(net, net->graph->node[node->conv].weight);
        if (net->on->fold(net->dev, net->folded_weight[i], net->folded_bias[i], weight, &norm, err))
            return -1;
    }
    net->stale = false;
    return 0;
}

int rn_walk_eval(struct rn_walk *w, struct rn_net *net, const struct rn_batch *batch, struct rn_err *err)
{
    struct rn_layout *layout;
    if (fit(net, batch, false, &layout, err) || (net->stale && fold(net, err)) || load(net, layout, batch, err))
        return -1;
    *w = (struct rn_walk){ net, layout, batch->n, false };
    return forward(w, err);
}

int rn_net_eval(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err)
{
    struct rn_walk w;
    if (rn_walk_eval(&w, net, batch, err))
        return -1;
    return net->on->download(net->dev, logits, value(&w, net->graph->output), err);
}

/* ---- backward ---- */

/* The bit `add` when the value's gradient already holds something; notes that it does from now on. */
static unsigned adds(struct rn_net *net, int v, unsigned bit)
{
    if (v == RN_NONE)
        return 0;
    bool was = net->written[v];
    net->written[v] = true;
    return was ? bit : 0;
}

static int backward_node(const struct rn_walk *w, size_t i, struct rn_err *err)
{
    struct rn_net *net = w->net;
    const struct rn_device_class *on = net->on;
    const struct rn_node *node = &net->graph->node[i];
    struct rn_array dy = grad(w, node->y), dx = grad(w, node->x), x = value(w, node->x), y = value(w, node->y);
    unsigned add = adds(net, node->x, RN_ADD_DX);
    void *gradients = w->train ? net->gradients : NULL;
    struct rn_norm norm;
    switch (node->op) {
    case RN_OP_CONV: /* a layer may be used twice */
        add |= adds(net, (int)net->graph->values + node->weight, RN_ADD_DW);
        if (node->activation != RN_ACT_NONE && on->activation_backward(net->dev, dy, dy, y, node->activation, err))
            return -1;
        return on->conv2d_backward(net->dev, dx, param_in(net, gradients, node->weight),
                                   param_in(net, gradients, node->bias), dy, x, param_of(net, node->weight), node->window,
                                   add, err);
    case RN_OP_NORM:
        norm = norm_of(net, i);
        add |= adds(net, node->residual, RN_ADD_RESIDUAL);
        return on->batch_norm_backward(net->dev, dx, grad(w, node->residual), param_in(net, gradients, node->gamma),
                                       param_in(net, gradients, node->beta), dy, x, y, &norm,
                                       node->activation == RN_ACT_RELU, add, err);
    case RN_OP_MAX_POOL:
        return on->max_pool_backward(net->dev, dx, dy, x, y, window_on(node, x), add, err);
    case RN_OP_CHANNEL_POOL:
        return on->channel_pool_backward(net->dev, dx, dy, x, y, add, err);
    case RN_OP_ADD:
        add |= adds(net, node->residual, RN_ADD_RESIDUAL);
        return on->add_backward(net->dev, dx, grad(w, node->residual), dy, y, node->activation, add, err);
    case RN_OP_MEAN_POOL:
        return on->mean_pool_backward(net->dev, dx, dy, add, err);
    case RN_OP_GATE:
        adds(net, node->channel, 0);
        adds(net, node->spatial, 0);
        return on->gate_backward(net->dev, dx, grad(w, node->channel), grad(w, node->spatial), dy, x, value(w, node->channel),
                                 value(w, node->spatial), node->combine, add, err);
    }
    return 0;
}

int rn_walk_backward(const struct rn_walk *w, int first, struct rn_err *err)
{
    const struct rn_graph *g = w->net->graph;
    memset(w->net->written, 0, (g->values + g->params) * sizeof *w->net->written);
    w->net->written[g->output] = true;
    for (size_t i = g->nodes; i-- > 0;)
        if (g->node[i].y > first && backward_node(w, i, err))
            return -1;
    return 0;
}

int rn_net_train(struct rn_net *net, const struct rn_batch *batch, const int64_t *labels, const struct rn_loss_options *options,
                 struct rn_loss *loss, float *logits, struct rn_err *err)
{
    struct rn_layout *layout;
    int output = net->graph->output;
    if (fit(net, batch, true, &layout, err) || load(net, layout, batch, err))
        return -1;
    struct rn_walk w = { net, layout, batch->n, true };
    net->stale = true;
    if (forward(&w, err) || (logits && net->on->download(net->dev, logits, value(&w, output), err)) ||
        net->on->softmax_loss(net->dev, loss, grad(&w, output), value(&w, output), labels, options, err))
        return -1;
    return rn_walk_backward(&w, 0, err);
}

int rn_net_update(struct rn_net *net, struct rn_sgd sgd, struct rn_err *err)
{
    net->stale = true;
    return net->on->sgd(net->dev, net->weights, net->momentum, net->gradients, net->weight_bytes, sgd, err);
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
