/* layout.c -- where everything lies in the arena. */
#include <limits.h>
#include <stdlib.h>

#include "core/mem.h"
#include "nn/plan.h"
#include "nn/private.h"

/* Shapes of the values from `start` on, which is of h x w: all, for images. */
static int shapes(struct rn_layout *layout, const struct rn_graph *g, int start, enum rn_storage maps, struct rn_err *err)
{
    layout->value[start] = (struct rn_array){ NULL, layout->n, start ? g->value[start].c : 3, layout->h, layout->w, maps };
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        if (node->y <= start)
            continue;
        struct rn_array y = layout->value[node->x];
        y.c = g->value[node->y].c;
        if (!node->window.r && g->value[node->y].pixel)
            y.h = y.w = 1;
        if (node->window.r && !node->along && !rn_window_slide(node->window, &y.h, &y.w))
            return rn_fail(err, RN_EXIT_DATA, "images of %zux%zu are too small for layer %s", layout->h, layout->w, node->name);
        layout->value[node->y] = y;
    }
    layout->value[g->output].storage = RN_FULL; /* logits */
    return 0;
}

int rn_net_check(const struct rn_net *net, size_t n, size_t h, size_t w, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    struct rn_layout layout = { .n = n, .h = h, .w = w };
    if (!(layout.value = rn_calloc(g->values, sizeof *layout.value, err)))
        return -1;
    int rc = shapes(&layout, g, 0, RN_FULL, err);
    for (size_t i = 0; i < g->nodes && rc == 0; i++)
        if (g->node[i].op == RN_OP_NORM)
            rc = rn_norm_check(&g->node[i], layout.value[g->node[i].x], err);
    free(layout.value);
    return rc;
}

int rn_norm_check(const struct rn_node *node, struct rn_array x, struct rn_err *err)
{
    if (x.n * x.h * x.w > 1)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "layer %s (%zu channels) has a 1x1 map and the batch one image: batch norm needs more than "
                                      "one value a channel; use larger batches or images", node->name, x.c);
}

/* All that the arena may hold. Blocks without bytes or without a life take no room. */
struct blocks {
    struct rn_block *value, *grad;              /* by value */
    struct rn_block *weight, *bias, *prepacked; /* by call */
    size_t values, calls, count;
};

static int allocate(struct blocks *b, struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err)
{
    b->values = of->graph->values;
    b->calls = of->program->calls;
    b->count = 2 * b->values + 3 * b->calls;
    free(layout->value);
    if (!(layout->value = rn_calloc(b->count, sizeof *layout->value, err)) ||
        !(b->value = rn_calloc(b->count, sizeof *b->value, err)))
        return -1;
    layout->grad = layout->value + b->values;
    layout->weight = layout->grad + b->values;
    layout->bias = layout->weight + b->calls;
    layout->prepacked = layout->bias + b->calls;
    b->grad = b->value + b->values;
    b->weight = b->grad + b->values;
    b->bias = b->weight + b->calls;
    b->prepacked = b->bias + b->calls;
    for (size_t i = 0; i < b->count; i++)
        b->value[i] = (struct rn_block){ .first = INT_MAX, .last = INT_MIN };
    return 0;
}

static void live(struct rn_block *block, int step)
{
    block->first = step < block->first ? step : block->first;
    block->last = step > block->last ? step : block->last;
}

static int measure(struct blocks *b, const struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err)
{
    const struct rn_device_class *on = of->dev->class;
    for (size_t v = 0; v < b->values; v++) {
        const struct rn_array *a = &layout->value[v];
        if (!a->n) /* before the start */
            continue;
        size_t n = on->share ? on->share(of->dev, a->n, !of->train) : a->n;
        if (!(b->value[v].bytes = b->grad[v].bytes = on->bytes(n, a->c, a->h, a->w, a->storage)))
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a batch of %zu images of %zux%zu", layout->n, layout->h, layout->w);
    }
    return 0;
}

/* Evaluation's weights, made in the steps before 0 and used to the end. Weights that are only prepacked live in one step. */
static void weights(struct blocks *b, struct rn_layout *layout, const struct rn_layout_of *of)
{
    const struct rn_device_class *on = of->dev->class;
    int end = 2 * (int)b->calls;
    for (size_t i = 0; i < b->calls; i++) {
        const struct rn_call *call = &of->program->call[i];
        const struct rn_node *node = call->node;
        if (call->op != RN_OP_CONV || call->y <= of->start)
            continue;
        const struct rn_param *p = &of->graph->param[node->weight];
        struct rn_array weight = { NULL, p->n, p->c, p->h, p->w };
        int step = (int)i - (int)b->calls;
        if (on->prepacked)
            b->prepacked[i].bytes = on->prepacked(of->dev, &(struct rn_conv2d){
                .y = rn_conv_sees(node, layout->value[call->y]), .x = rn_conv_sees(node, layout->value[call->x]), .w = weight,
                .window = node->window, .activation = call->activation });
        if (b->prepacked[i].bytes) {
            layout->prepacked[i].n = 1;
            live(&b->prepacked[i], step);
            live(&b->prepacked[i], end);
        }
        if (!call->with || !of->keeps)
            continue;
        weight.storage = layout->value[call->x].storage;
        layout->weight[i] = weight;
        layout->bias[i] = (struct rn_array){ NULL, 1, p->n, 1, 1 };
        b->weight[i].bytes = on->bytes(p->n, p->c, p->h, p->w, weight.storage);
        b->bias[i].bytes = on->bytes(1, p->n, 1, 1, RN_FULL);
        live(&b->weight[i], step);
        live(&b->weight[i], b->prepacked[i].bytes ? step : end);
        live(&b->bias[i], step);
        live(&b->bias[i], end);
    }
}

/* Which values are alive in which step: forward of call i is step i, the loss is step L, backward of call i is step 2L - i. */
static void lifetimes(struct blocks *b, const struct rn_layout_of *of)
{
    int end = (int)b->calls, output = of->graph->output;
    live(&b->value[of->start], 0);
    live(&b->value[output], end);
    for (int i = 0; i < end; i++) {
        const struct rn_call *call = &of->program->call[i];
        const int uses[] = { call->x, call->residual, call->channel, call->spatial };
        if (call->y <= of->start)
            continue;
        live(&b->value[call->y], i);
        for (size_t k = 0; k < 4; k++)
            if (uses[k] != RN_NONE)
                live(&b->value[uses[k]], i);
        if (of->kept[call->y] && !of->train)
            live(&b->value[call->y], 2 * end);
        if (!of->train && (of->tail == RN_NONE || call->y <= of->tail))
            continue;
        int back = 2 * end - i;
        unsigned reads = rn_call_reads(call);
        live(&b->grad[call->y], back);
        for (size_t k = 0; k < 4; k++) {
            if (uses[k] != RN_NONE && reads & (k == 0 ? RN_READS_X : RN_READS_GATES))
                live(&b->value[uses[k]], back);
            if (uses[k] > of->start)
                live(&b->grad[uses[k]], back);
        }
        if (reads & RN_READS_Y)
            live(&b->value[call->y], back);
    }
    if (of->train || of->tail != RN_NONE)
        live(&b->grad[output], end);
    if (!of->train && of->tail != RN_NONE) { /* what is to be seen afterwards */
        live(&b->value[of->tail], 2 * end);
        live(&b->grad[of->tail], 2 * end);
    }
}

/* A norm's dx goes where its dy was: nobody else reads that, and nobody else adds to this. */
static bool in_place(const struct rn_call *call)
{
    return call->op == RN_OP_NORM && !call->with;
}

static void share(struct blocks *b, const struct rn_program *program)
{
    for (const struct rn_call *call = program->call; call < program->call + program->calls; call++)
        if (in_place(call)) {
            struct rn_block *dx = &b->grad[call->x], *dy = &b->grad[call->y];
            dy->first = dx->first < dy->first ? dx->first : dy->first;
            dy->last = dx->last > dy->last ? dx->last : dy->last;
            dx->first = INT_MAX;
            dx->last = INT_MIN;
        }
}

static void take_offsets(struct rn_layout *layout, const struct blocks *b, const struct rn_program *program)
{
    for (size_t v = 0; v < b->values; v++)
        layout->grad[v] = layout->value[v];
    for (size_t i = 0; i < b->count; i++)
        layout->value[i].data = (void *)(uintptr_t)b->value[i].offset;
    for (const struct rn_call *call = program->call; call < program->call + program->calls; call++)
        if (in_place(call))
            layout->grad[call->x].data = layout->grad[call->y].data;
}

int rn_layout_make(struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err)
{
    struct blocks b = { 0 };
    const struct rn_device_class *on = of->dev->class;
    int rc = allocate(&b, layout, of, err) || shapes(layout, of->graph, of->start, on->maps ? on->maps(of->dev) : RN_FULL, err) ||
             measure(&b, layout, of, err) ? -1 : 0;
    if (rc == 0) {
        lifetimes(&b, of);
        share(&b, of->program);
        if (!of->train)
            weights(&b, layout, of);
        rc = rn_plan(b.value, b.count, &layout->bytes, err);
    }
    if (rc == 0)
        take_offsets(layout, &b, of->program);
    free(b.value);
    return rc;
}

void rn_layout_free(struct rn_layout *layout)
{
    free(layout->value);
    *layout = (struct rn_layout){ 0 };
}
