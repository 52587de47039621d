/* layout.c -- where everything lies in the arena. */
#include <limits.h>
#include <stdlib.h>

#include "core/mem.h"
#include "nn/plan.h"
#include "nn/private.h"

struct rn_window rn_window_on(const struct rn_node *node, struct rn_array x)
{
    return node->window.r || node->op != RN_OP_MAX_POOL ? node->window : (struct rn_window)RN_WINDOW(x.h, x.w, 1, 0);
}

/* Shapes of all values for n images of h x w. */
static int shapes(struct rn_layout *layout, const struct rn_graph *g, enum rn_storage maps, struct rn_err *err)
{
    layout->value[0] = (struct rn_array){ NULL, layout->n, 3, layout->h, layout->w, maps };
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        struct rn_array y = layout->value[node->x];
        y.c = g->value[node->y].c;
        if (node->op == RN_OP_MEAN_POOL)
            y.h = y.w = 1;
        struct rn_window window = rn_window_on(node, y);
        if ((node->op == RN_OP_CONV || node->op == RN_OP_MAX_POOL) && !node->along && !rn_window_slide(window, &y.h, &y.w))
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
    int rc = shapes(&layout, g, RN_FULL, err);
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
    struct rn_block *value, *grad;      /* by value */
    struct rn_block *folded, *prepared; /* by node */
    size_t values, nodes;
};

/* How many nodes read value v. */
static int users(const struct rn_graph *g, int v)
{
    int count = 0;
    for (size_t i = 0; i < g->nodes; i++)
        count += (g->node[i].x == v) + (g->node[i].residual == v) + (g->node[i].channel == v) + (g->node[i].spatial == v);
    return count;
}

int rn_pooled(const struct rn_device *dev, const struct rn_graph *g, size_t i)
{
    const struct rn_node *norm = &g->node[i], *pool = norm + 1;
    bool fits = dev->class->norm_pool && norm->op == RN_OP_NORM && i + 1 < g->nodes && norm->activation == RN_ACT_RELU &&
                norm->residual == RN_NONE && g->value[norm->y].c % 16 == 0;
    return fits && pool->op == RN_OP_MAX_POOL && pool->x == norm->y && pool->window.r && users(g, norm->y) == 1 ? (int)i + 1 : RN_NONE;
}

static void live(struct rn_block *block, int step)
{
    block->first = step < block->first ? step : block->first;
    block->last = step > block->last ? step : block->last;
}

static int measure(struct blocks *b, const struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err)
{
    const struct rn_device_class *on = of->dev->class;
    for (size_t i = 0; i < 2 * (b->values + b->nodes); i++)
        b->value[i] = (struct rn_block){ .first = INT_MAX, .last = INT_MIN };
    for (size_t v = 0; v < b->values; v++) {
        const struct rn_array *a = &layout->value[v];
        size_t n = on->share ? on->share(of->dev, a->n, !of->train) : a->n;
        if (!(b->value[v].bytes = b->grad[v].bytes = on->bytes(n, a->c, a->h, a->w, a->storage)))
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a batch of %zu images of %zux%zu", layout->n, layout->h, layout->w);
    }
    return 0;
}

/* Evaluation's weights, made in the steps before 0 and used to the end. Weights that only lead to prepared ones live in one step. */
static void weights(struct blocks *b, struct rn_layout *layout, const struct rn_layout_of *of)
{
    const struct rn_device_class *on = of->dev->class;
    const struct rn_graph *g = of->graph;
    int end = 2 * (int)g->nodes;
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        if (node->op != RN_OP_CONV)
            continue;
        const struct rn_param *p = &g->param[node->weight];
        const struct rn_node *last = node->norm == RN_NONE ? node : &g->node[node->norm];
        struct rn_array weight = { NULL, p->n, p->c, p->h, p->w }, x = rn_seen_by(node, layout->value[node->x]), y = rn_seen_by(node, layout->value[last->y]);
        int step = (int)i - (int)g->nodes;
        if (on->prepared)
            b->prepared[i].bytes = on->prepared(of->dev, y, x, weight, node->window, last->activation);
        if (b->prepared[i].bytes) {
            layout->prepared[i].n = 1;
            live(&b->prepared[i], step);
            live(&b->prepared[i], end);
        }
        if (node->norm == RN_NONE || !of->keeps)
            continue;
        layout->folded[i] = weight;
        layout->folded[node->norm] = (struct rn_array){ NULL, 1, p->n, 1, 1 };
        b->folded[i].bytes = on->bytes(p->n, p->c, p->h, p->w, RN_FULL);
        b->folded[node->norm].bytes = on->bytes(1, p->n, 1, 1, RN_FULL);
        live(&b->folded[i], step);
        live(&b->folded[i], b->prepared[i].bytes ? step : end);
        live(&b->folded[node->norm], step);
        live(&b->folded[node->norm], end);
    }
}

/* Whether a node's backward reads its input, and its output. */
static bool reads_x(const struct rn_node *node)
{
    return node->op != RN_OP_ADD && node->op != RN_OP_MEAN_POOL;
}

static bool reads_y(const struct rn_node *node)
{
    return node->op == RN_OP_MAX_POOL || node->op == RN_OP_CHANNEL_POOL || node->activation != RN_ACT_NONE;
}

/* Which values are alive in which step: forward node i is step i, the loss is step L, backward of node i is step 2L - i. */
static void lifetimes(struct blocks *b, const struct rn_layout_of *of)
{
    const struct rn_graph *g = of->graph;
    int end = (int)g->nodes;
    bool train = of->train;
    live(&b->value[0], 0);
    live(&b->value[g->output], end);
    for (int i = 0; i < end; i++) {
        const struct rn_node *node = &g->node[i];
        const int uses[] = { node->x, node->residual, node->channel, node->spatial };
        if (!train && node->norm != RN_NONE) /* computed in the norm's place */
            continue;
        live(&b->value[node->y], i);
        for (size_t k = 0; k < sizeof uses / sizeof *uses; k++)
            if (uses[k] != RN_NONE)
                live(&b->value[!train && k == 0 && node->op == RN_OP_NORM && node->conv != RN_NONE ? g->node[node->conv].x : uses[k]], i);
        if (of->kept[node->y] && !train)
            live(&b->value[node->y], 2 * end);
        if (!train && (of->tail == RN_NONE || node->y <= of->tail))
            continue;
        int back = 2 * end - i;
        live(&b->grad[node->y], back);
        for (size_t k = 0; k < sizeof uses / sizeof *uses; k++) {
            if (uses[k] != RN_NONE && (k == 0 ? reads_x(node) : node->op == RN_OP_GATE))
                live(&b->value[uses[k]], back);
            if (uses[k] != RN_NONE && uses[k] != 0)
                live(&b->grad[uses[k]], back);
        }
        if (reads_y(node))
            live(&b->value[node->y], back);
    }
    if (train || of->tail != RN_NONE)
        live(&b->grad[g->output], end);
    if (!train && of->tail != RN_NONE) { /* what is to be seen afterwards */
        live(&b->value[of->tail], 2 * end);
        live(&b->grad[of->tail], 2 * end);
    }
}

/* A norm that is pooled at once reads the pooled map instead of its own, and the gradient of that. */
static void unite(struct blocks *b, const struct rn_layout_of *of)
{
    const struct rn_graph *g = of->graph;
    for (size_t i = 0; i < g->nodes; i++) {
        int pool = of->train ? rn_pooled(of->dev, g, i) : RN_NONE;
        if (pool == RN_NONE)
            continue;
        int y = g->node[i].y, pooled = g->node[pool].y, back = 2 * (int)g->nodes - (int)i;
        b->value[y].first = b->grad[y].first = INT_MAX;
        b->value[y].last = b->grad[y].last = INT_MIN;
        live(&b->value[pooled], (int)i);
        live(&b->value[pooled], back);
        live(&b->grad[pooled], back);
    }
}

/* A norm's dx goes where its dy was: nobody else reads that, and nobody else adds to this. */
static bool in_place(const struct rn_node *node)
{
    return node->op == RN_OP_NORM && node->conv != RN_NONE;
}

static void share(struct blocks *b, const struct rn_graph *g)
{
    for (size_t i = 0; i < g->nodes; i++)
        if (in_place(&g->node[i])) {
            struct rn_block *dx = &b->grad[g->node[i].x], *dy = &b->grad[g->node[i].y];
            dy->first = dx->first < dy->first ? dx->first : dy->first;
            dy->last = dx->last > dy->last ? dx->last : dy->last;
            dx->first = INT_MAX;
            dx->last = INT_MIN;
        }
}

static void take_offsets(struct rn_layout *layout, const struct blocks *b, const struct rn_graph *g)
{
    for (size_t v = 0; v < b->values; v++) {
        layout->grad[v] = layout->value[v];
        layout->value[v].data = (void *)(uintptr_t)b->value[v].offset;
        layout->grad[v].data = (void *)(uintptr_t)b->grad[v].offset;
    }
    for (size_t i = 0; i < b->nodes; i++) {
        layout->folded[i].data = (void *)(uintptr_t)b->folded[i].offset;
        layout->prepared[i].data = (void *)(uintptr_t)b->prepared[i].offset;
        if (in_place(&g->node[i]))
            layout->grad[g->node[i].x].data = layout->grad[g->node[i].y].data;
    }
}

int rn_layout_make(struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err)
{
    const struct rn_graph *g = of->graph;
    size_t count = 2 * (g->values + g->nodes);
    free(layout->value);
    if (!(layout->value = rn_calloc(count, sizeof *layout->value, err)))
        return -1;
    layout->grad = layout->value + g->values;
    layout->folded = layout->grad + g->values;
    layout->prepared = layout->folded + g->nodes;
    struct blocks b = { .values = g->values, .nodes = g->nodes };
    if (!(b.value = rn_calloc(count, sizeof *b.value, err)))
        return -1;
    b.grad = b.value + g->values;
    b.folded = b.grad + g->values;
    b.prepared = b.folded + g->nodes;
    const struct rn_device_class *on = of->dev->class;
    int rc = shapes(layout, g, on->maps ? on->maps(of->dev) : RN_FULL, err) || measure(&b, layout, of, err) ? -1 : 0;
    if (rc == 0) {
        lifetimes(&b, of);
        unite(&b, of);
        share(&b, g);
        if (!of->train)
            weights(&b, layout, of);
        rc = rn_plan(b.value, count, &layout->bytes, err);
    }
    if (rc == 0)
        take_offsets(layout, &b, g);
    free(b.value);
    return rc;
}

void rn_layout_free(struct rn_layout *layout)
{
    free(layout->value);
    *layout = (struct rn_layout){ 0 };
}
