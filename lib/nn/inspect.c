/* inspect.c -- values of the graph and gradients of its tail, as maps. */
#include "nn/inspect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/private.h"

/* ---- which value ---- */

/* NULL: any layer. "layer1" is not the beginning of "layer10.0". */
static bool within(const struct rn_node *node, const char *layer)
{
    size_t length = layer ? strlen(layer) : 0;
    return !layer || (!strncmp(node->name, layer, length) && (node->name[length] == '.' || !node->name[length]));
}

/* The last node there; of gates alone, a spatial one is preferred. */
static const struct rn_node *last_of(const struct rn_graph *g, const char *layer, bool gates)
{
    const struct rn_node *last = NULL;
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        if (within(node, layer) && (!gates || node->op == RN_OP_GATE))
            last = node;
    }
    return last;
}

static const struct rn_node *maker(const struct rn_graph *g, int v)
{
    for (size_t i = 0; i < g->nodes; i++)
        if (g->node[i].y == v)
            return &g->node[i];
    return NULL;
}

static int keep(struct rn_net *net, int v)
{
    net->kept[v] = true;
    net->layout[0].n = net->layout[0].h = net->layout[0].w = 0; /* to be laid out anew */
    return v;
}

static int open_attention(struct rn_view *view, struct rn_net *net, const char *layer, struct rn_err *err)
{
    const struct rn_node *gate = last_of(net->graph, layer, true);
    if (!gate)
        return rn_fail(err, RN_EXIT_USAGE, "the network has no attention module%s%s", layer ? " in " : "", layer ? layer : "");
    view->layer = gate->name;
    view->value = keep(net, gate->spatial != RN_NONE ? gate->spatial : gate->y);
    view->input = gate->spatial != RN_NONE ? RN_NONE : keep(net, gate->x);
    return 0;
}

int rn_view_open(struct rn_view *view, struct rn_net *net, enum rn_view_kind kind, const char *layer, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    *view = (struct rn_view){ .kind = kind, .value = RN_NONE, .input = RN_NONE };
    if (kind == RN_VIEW_ATTENTION)
        return open_attention(view, net, layer, err);
    bool own = layer && kind == RN_VIEW_FEATURE;
    view->layer = own ? layer : g->last_stage;
    const struct rn_node *node = own ? last_of(g, layer, false) : maker(g, g->last_block);
    if (!node)
        return rn_fail(err, RN_EXIT_USAGE, "the network has no layer '%s'", view->layer);
    const struct rn_call *call = rn_program_of(&net->program[false], node); /* what evaluation computes as one is seen as one */
    if (g->value[call->y].pixel)
        return rn_fail(err, RN_EXIT_USAGE, "layer %s has one number for the whole image, not a map", node->name);
    view->value = keep(net, call->y);
    if (kind == RN_VIEW_GRADCAM)
        net->tail = view->value;
    return 0;
}

int rn_features_open(struct rn_net *net, const char *layer, int *v, const char **name, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    bool head = !strcmp(layer, "head");
    const struct rn_node *node = head ? NULL : last_of(g, layer, false);
    if (!head && (!node || node->y == g->output))
        return rn_fail(err, RN_EXIT_USAGE, node ? "layer '%s' is the last one: rn-predict's own output is what it makes"
                                                : "the network has no layer '%s' (rn-show -l lists them; head: what the last one "
                                                  "reads)", layer);
    *v = keep(net, head ? rn_graph_features(g) : rn_program_of(&net->program[false], node)->y);
    *name = *v == rn_graph_features(g) ? "head" : node->name;
    return 0;
}

int rn_features_read(struct rn_net *net, const struct rn_batch *batch, int v, float **features, size_t *room,
                     struct rn_array *shape,
                  struct rn_err *err)
{
    struct rn_walk w;
    if (rn_walk_eval(&w, net, batch, err))
        return -1;
    *shape = value(&w, v);
    if (rn_grow(features, room, shape->n * shape->c * shape->h * shape->w, sizeof **features, err))
        return -1;
    return net->on->download(net->dev, *features, *shape, err);
}

/* ---- where the map's cells lie ---- */

/* Through windows back to the input: a cell's window is centred at its first pixel's place - padding + dilation (kernel - 1) /
 * 2. */
static void locate(struct rn_maps *maps, const struct rn_graph *g, int v)
{
    double first = 0, pitch = 1;
    for (const struct rn_node *node; (node = maker(g, v)); v = node->x) {
        if (!node->window.r) /* none slides there */
            continue;
        double stride = (double)node->window.stride;
        first = first * stride + ((double)node->window.r - 1) * (double)node->window.dilation / 2 - (double)node->window.top;
        pitch *= stride;
    }
    maps->first = first;
    maps->pitch = pitch;
}

/* ---- maps ---- */

void rn_maps_free(struct rn_maps *maps)
{
    free(maps->value);
    free(maps->scratch);
    *maps = (struct rn_maps){ 0 };
}

static size_t largest(const float *x, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

/* y(pixels) = mean over the channels of |x(c,pixels)| */
static void mean_absolute(float *y, const float *x, size_t c, size_t pixels)
{
    for (size_t p = 0; p < pixels; p++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++)
            sum += fabs((double)x[k * pixels + p]);
        y[p] = (float)(sum / (double)c);
    }
}

static void left_of(float *y, const float *after, const float *before, size_t c, size_t pixels)
{
    for (size_t p = 0; p < pixels; p++) {
        double left = 0, all = 0;
        for (size_t k = 0; k < c; k++) {
            left += fabs((double)after[k * pixels + p]);
            all += fabs((double)before[k * pixels + p]);
        }
        y[p] = all == 0 ? 0 : (float)(left / all);
    }
}

static void weighted(float *y, const float *x, const float *gradient, size_t c, size_t pixels)
{
    for (size_t p = 0; p < pixels; p++)
        y[p] = 0;
    for (size_t k = 0; k < c; k++) {
        double weight = 0;
        for (size_t p = 0; p < pixels; p++)
            weight += (double)gradient[k * pixels + p];
        for (size_t p = 0; p < pixels; p++)
            y[p] += (float)(weight / (double)pixels * (double)x[k * pixels + p]);
    }
    for (size_t p = 0; p < pixels; p++)
        y[p] = y[p] < 0 ? 0 : y[p]; /* NaN stays */
}

/* The gradient of each image's logit in the arena; one_hot: scratch of (n, classes) */
static int differentiate(const struct rn_walk *w, const struct rn_view *view, const int64_t *classes, const float *logits,
                         float *one_hot, struct rn_err *err)
{
    size_t count = w->net->graph->value[w->net->graph->output].c;
    memset(one_hot, 0, w->n * count * sizeof *one_hot);
    for (size_t i = 0; i < w->n; i++)
        one_hot[i * count + (classes ? (size_t)classes[i] : largest(logits + i * count, count))] = 1;
    if (w->net->on->upload(w->net->dev, grad(w, w->net->graph->output), one_hot, err))
        return -1;
    return rn_walk_backward(w, view->value, err);
}

int rn_view_maps(const struct rn_view *view, struct rn_net *net, const struct rn_batch *batch, const int64_t *classes,
                 float *logits, struct rn_maps *maps, struct rn_err *err)
{
    const struct rn_device_class *on = net->on;
    struct rn_walk w;
    if (rn_walk_eval(&w, net, batch, err) || on->download(net->dev, logits, value(&w, net->graph->output), err))
        return -1;
    struct rn_array x = value(&w, view->value), other = { 0 };
    size_t pixels = x.h * x.w, image = x.c * pixels, all = x.n * image, output = x.n * net->graph->value[net->graph->output].c;
    if (rn_grow(&maps->value, &maps->capacity, x.n * pixels, sizeof *maps->value, err) ||
        rn_grow(&maps->scratch, &maps->scratch_capacity, 2 * all > output ? 2 * all : output, sizeof *maps->scratch, err))
        return -1;
    if (view->kind == RN_VIEW_GRADCAM) {
        if (differentiate(&w, view, classes, logits, maps->scratch, err))
            return -1;
        other = grad(&w, view->value);
    } else if (view->input != RN_NONE) {
        other = value(&w, view->input);
    }
    if (on->download(net->dev, maps->scratch, x, err) || (other.data && on->download(net->dev, maps->scratch + all, other, err)))
        return -1;
    maps->n = x.n;
    maps->h = x.h;
    maps->w = x.w;
    locate(maps, net->graph, view->value);
    for (size_t i = 0; i < x.n; i++) {
        float *y = maps->value + i * pixels;
        const float *a = maps->scratch + i * image, *b = a + all;
        if (view->kind == RN_VIEW_GRADCAM)
            weighted(y, a, b, x.c, pixels);
        else if (view->input != RN_NONE)
            left_of(y, a, b, x.c, pixels);
        else
            mean_absolute(y, a, x.c, pixels);
    }
    return 0;
}
