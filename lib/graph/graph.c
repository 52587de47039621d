/* graph.c -- builds lists of nodes. */
#include "graph/graph.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more element; false when the graph already failed or there is no memory. */
static bool room(struct rn_graph *g, void *block, size_t *capacity, size_t count, size_t size)
{
    return !g->err.exit && rn_grow(block, capacity, count + 1, size, &g->err) == 0;
}

static char *copy(struct rn_graph *g, const char *text)
{
    char *name = strdup(text);
    if (!name)
        rn_fail(&g->err, RN_EXIT_SYSTEM, "out of memory");
    return name;
}

static int add_param(struct rn_graph *g, const char *layer, const char *part, struct rn_param param)
{
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer, part);
    if (!room(g, &g->param, &g->param_capacity, g->params, sizeof *g->param))
        return 0;
    param.name = copy(g, name);
    param.block = g->block;
    g->param[g->params] = param;
    return (int)g->params++;
}

static int add_vector(struct rn_graph *g, const char *layer, const char *part, enum rn_role role, size_t c,
                      enum rn_start start, size_t fan_in)
{
    return add_param(g, layer, part, (struct rn_param){ .role = role, .n = 1, .c = c, .h = 1, .w = 1, .dims = 1,
                                                        .start = start, .fan_in = fan_in });
}

static struct rn_layer layer_of(const char *name)
{
    struct rn_layer layer = { RN_NONE, RN_NONE, RN_NONE, RN_NONE, RN_NONE, RN_NONE, .window = RN_WINDOW(1, 1, 1, 0) };
    snprintf(layer.name, sizeof layer.name, "%s", name);
    return layer;
}

void rn_graph_next_block(struct rn_graph *g)
{
    g->block++;
}

struct rn_layer rn_layer_conv(struct rn_graph *g, const char *name, size_t c, size_t k, struct rn_window window, bool bias)
{
    struct rn_layer layer = layer_of(name);
    size_t fan_in = c / window.groups * window.r * window.s;
    layer.window = window;
    layer.weight = add_param(g, name, "weight", (struct rn_param){ .role = RN_PARAMETER, .n = k, .c = c / window.groups,
                                                                   .h = window.r,
                                                                   .w = window.s, .dims = 4, .start = RN_START_KAIMING,
                                                                   .fan_in = fan_in });
    if (bias)
        layer.bias = add_vector(g, name, "bias", RN_PARAMETER, k, RN_START_UNIFORM, fan_in);
    return layer;
}

struct rn_layer rn_layer_conv_along(struct rn_graph *g, const char *name, size_t taps)
{
    struct rn_layer layer = layer_of(name);
    layer.window.r = taps;
    layer.window.top = layer.window.bottom = taps / 2;
    layer.along = true;
    layer.weight = add_param(g, name, "weight", (struct rn_param){ .role = RN_PARAMETER, .n = 1, .c = 1, .h = taps, .w = 1,
                                                                   .dims = 3, .start = RN_START_UNIFORM, .fan_in = taps });
    return layer;
}

struct rn_layer rn_layer_norm(struct rn_graph *g, const char *name, size_t c, double momentum, double eps)
{
    struct rn_layer layer = layer_of(name);
    layer.momentum = momentum;
    layer.eps = eps;
    layer.gamma = add_vector(g, name, "weight", RN_PARAMETER, c, RN_START_ONE, 0);
    layer.beta = add_vector(g, name, "bias", RN_PARAMETER, c, RN_START_ZERO, 0);
    layer.mean = add_vector(g, name, "running_mean", RN_BUFFER, c, RN_START_ZERO, 0);
    layer.var = add_vector(g, name, "running_var", RN_BUFFER, c, RN_START_ONE, 0);
    return layer;
}

struct rn_layer rn_layer_linear(struct rn_graph *g, const char *name, size_t c, size_t k)
{
    struct rn_layer layer = layer_of(name);
    layer.weight = add_param(g, name, "weight", (struct rn_param){ .role = RN_PARAMETER, .n = k, .c = c, .h = 1, .w = 1, .dims = 2,
                                                                   .start = RN_START_UNIFORM, .fan_in = c });
    layer.bias = add_vector(g, name, "bias", RN_PARAMETER, k, RN_START_UNIFORM, c);
    return layer;
}

size_t rn_graph_channels(const struct rn_graph *g, int x)
{
    return g->err.exit ? 1 : g->value[x].c;
}

/* Adds the node, and the value that it makes. */
static int add_node(struct rn_graph *g, const char *name, struct rn_node node, struct rn_value value)
{
    if (!room(g, &g->value, &g->value_capacity, g->values, sizeof *g->value) ||
        !room(g, &g->node, &g->node_capacity, g->nodes, sizeof *g->node))
        return 0;
    node.name = copy(g, name);
    node.y = (int)g->values;
    g->value[g->values++] = value;
    g->node[g->nodes++] = node;
    return node.y;
}

/* A node that uses nothing but x. */
static struct rn_node node_of(enum rn_op op, int x)
{
    return (struct rn_node){ .op = op, .x = x, .residual = RN_NONE, .channel = RN_NONE, .spatial = RN_NONE, .weight = RN_NONE,
                             .bias = RN_NONE, .gamma = RN_NONE, .beta = RN_NONE, .mean = RN_NONE, .var = RN_NONE };
}

int rn_add_conv(struct rn_graph *g, const struct rn_layer *layer, int x, enum rn_activation activation)
{
    if (g->err.exit)
        return 0;
    const struct rn_param *w = &g->param[layer->weight];
    struct rn_value from = g->value[x];
    if (layer->along ? !from.pixel : from.c != w->c * layer->window.groups || w->n % layer->window.groups) {
        rn_fail(&g->err, RN_EXIT_USAGE, "layer %s: its input's %zu channels do not fit", layer->name, from.c);
        return 0;
    }
    struct rn_node node = node_of(RN_OP_CONV, x);
    node.weight = layer->weight;
    node.bias = layer->bias;
    node.activation = activation;
    node.window = layer->window;
    node.along = layer->along;
    return add_node(g, layer->name, node, (struct rn_value){ layer->along ? from.c : w->n, from.pixel });
}

int rn_add_norm(struct rn_graph *g, const struct rn_layer *layer, int x, int residual, enum rn_activation activation)
{
    if (g->err.exit)
        return 0;
    struct rn_node node = node_of(RN_OP_NORM, x);
    node.residual = residual;
    node.gamma = layer->gamma;
    node.beta = layer->beta;
    node.mean = layer->mean;
    node.var = layer->var;
    node.momentum = layer->momentum;
    node.eps = layer->eps;
    node.activation = activation == RN_ACT_RELU ? RN_ACT_RELU : RN_ACT_NONE;
    int y = add_node(g, layer->name, node, g->value[x]);
    return activation == node.activation ? y : rn_add_sum(g, layer->name, y, RN_NONE, activation);
}

int rn_add_max_pool(struct rn_graph *g, const char *name, int x, struct rn_window window)
{
    struct rn_node node = node_of(RN_OP_MAX_POOL, x);
    node.window = window;
    return g->err.exit ? 0 : add_node(g, name, node, (struct rn_value){ g->value[x].c, g->value[x].pixel || !window.r });
}

int rn_add_global_avg_pool(struct rn_graph *g, const char *name, int x)
{
    return g->err.exit ? 0 : add_node(g, name, node_of(RN_OP_GLOBAL_AVG_POOL, x), (struct rn_value){ g->value[x].c, true });
}

int rn_add_channel_pool(struct rn_graph *g, const char *name, int x)
{
    return g->err.exit ? 0 : add_node(g, name, node_of(RN_OP_CHANNEL_POOL, x), (struct rn_value){ 2, g->value[x].pixel });
}

int rn_add_sum(struct rn_graph *g, const char *name, int a, int b, enum rn_activation activation)
{
    struct rn_node node = node_of(RN_OP_ADD, a);
    node.residual = b;
    node.activation = activation;
    return g->err.exit ? 0 : add_node(g, name, node, g->value[a]);
}

int rn_add_gate(struct rn_graph *g, const char *name, int x, int channel, int spatial, enum rn_combine combine)
{
    struct rn_node node = node_of(RN_OP_GATE, x);
    node.channel = channel;
    node.spatial = spatial;
    node.combine = combine;
    return g->err.exit ? 0 : add_node(g, name, node, g->value[x]);
}

int rn_add_recyclenet_gates(struct rn_graph *g, int x, bool channel, bool spatial, enum rn_combine combine)
{
    size_t c = rn_graph_channels(g, x);
    int by_channel = RN_NONE, by_pixel = RN_NONE;
    if (channel) {
        struct rn_layer down = rn_layer_linear(g, "att.ChannelGate.mlp.0", c, c / 16);
        struct rn_layer up = rn_layer_linear(g, "att.ChannelGate.mlp.2", c / 16, c);
        int mean = rn_add_global_avg_pool(g, "att.ChannelGate.avgpool", x);
        int hidden = rn_add_conv(g, &down, mean, RN_ACT_RELU);
        by_channel = rn_add_conv(g, &up, hidden, RN_ACT_SIGMOID);
    }
    if (spatial) {
        struct rn_layer conv = rn_layer_conv(g, "att.SpatialGate.spatial.0", c, 1, (struct rn_window)RN_WINDOW(7, 7, 1, 3), true);
        by_pixel = rn_add_conv(g, &conv, x, RN_ACT_SIGMOID);
    }
    return rn_add_gate(g, "att", x, by_channel, by_pixel, combine);
}

/* ---- the whole ---- */

/* The family, and which of its members. */
static const struct rn_arch *find_member(struct rn_text name, size_t *member)
{
    for (const struct rn_arch *const *arch = rn_arch_table; *arch; arch++)
        for (*member = 0; (*arch)->member[*member]; ++*member)
            if (rn_text_is(name, (*arch)->member[*member]))
                return *arch;
    return NULL;
}

const struct rn_arch *rn_arch_find(struct rn_text name)
{
    size_t member;
    return find_member(name, &member);
}

const struct rn_attention *rn_attention_find(struct rn_text name)
{
    for (size_t i = 0; rn_attention_table[i]; i++)
        if (rn_text_is(name, rn_attention_table[i]->name))
            return rn_attention_table[i];
    return NULL;
}

const char *rn_arch_name(size_t i)
{
    for (const struct rn_arch *const *arch = rn_arch_table; *arch; arch++)
        for (const char *const *name = (*arch)->member; *name; name++)
            if (i-- == 0)
                return *name;
    return NULL;
}

const char *rn_attention_name(size_t i)
{
    return rn_attention_table[i] ? rn_attention_table[i]->name : NULL;
}

int rn_graph_new(struct rn_graph **graph, struct rn_text arch_name, struct rn_text attention_name, size_t classes,
                 struct rn_err *err)
{
    char shown[256];
    size_t member;
    const struct rn_arch *arch = find_member(arch_name, &member);
    const struct rn_attention *attention = rn_attention_find(attention_name);
    *graph = NULL;
    if (!arch)
        return rn_fail(err, RN_EXIT_USAGE, "no architecture is called '%s' (rn-train --help lists them)",
                       rn_text_show(arch_name, shown));
    if (!attention)
        return rn_fail(err, RN_EXIT_USAGE, "no attention module is called '%s' (rn-train --help lists them)",
                       rn_text_show(attention_name, shown));
    if (classes < 1 || classes > 65536)
        return rn_fail(err, RN_EXIT_DATA, "a network for %zu classes: it must be 1 to 65536", classes);
    struct rn_graph *g = rn_calloc(1, sizeof *g, err);
    if (!g)
        return -1;
    if (room(g, &g->value, &g->value_capacity, 0, sizeof *g->value)) {
        g->value[g->values++] = (struct rn_value){ 3, false };
        g->arch = arch;
        arch->build(g, member, attention, classes);
    }
    if (g->err.exit) {
        *err = g->err;
        rn_graph_free(g);
        return -1;
    }
    *graph = g;
    return 0;
}

void rn_graph_free(struct rn_graph *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->nodes; i++)
        free(g->node[i].name);
    for (size_t i = 0; i < g->params; i++)
        free(g->param[i].name);
    free(g->node);
    free(g->param);
    free(g->value);
    free(g);
}

size_t rn_graph_count(const struct rn_graph *g)
{
    size_t count = 0;
    for (size_t i = 0; i < g->params; i++)
        if (g->param[i].role == RN_PARAMETER)
            count += g->param[i].n * g->param[i].c * g->param[i].h * g->param[i].w;
    return count;
}

/* What follows the layer's name and a dot, or NULL: not of this layer. */
static const char *part_of(const char *param, const char *layer)
{
    size_t length = strlen(layer);
    return !strncmp(param, layer, length) && param[length] == '.' ? param + length + 1 : NULL;
}

bool rn_arch_has_last(const struct rn_arch *arch, struct rn_text param)
{
    char name[128];
    snprintf(name, sizeof name, "%s.weight", arch->last_layer);
    return rn_text_is(param, name);
}

bool rn_graph_is_last(const struct rn_graph *g, size_t i)
{
    return part_of(g->param[i].name, g->arch->last_layer);
}

int rn_graph_features(const struct rn_graph *g)
{
    for (size_t i = g->nodes; i-- > 0;)
        if (g->node[i].y == g->output)
            return g->node[i].x;
    return RN_NONE;
}

const char *rn_graph_alias(const struct rn_graph *g, size_t i, char room[static 128])
{
    const char *part = part_of(g->param[i].name, g->arch->last_layer);
    if (!part || !g->arch->last_layer_alias)
        return NULL;
    snprintf(room, 128, "%s.%s", g->arch->last_layer_alias, part);
    return room;
}

int rn_graph_find(const struct rn_graph *g, struct rn_text name, bool or_alias)
{
    char room[128];
    for (size_t i = 0; i < g->params; i++) {
        const char *alias = or_alias ? rn_graph_alias(g, i, room) : NULL;
        if (rn_text_is(name, g->param[i].name) || (alias && rn_text_is(name, alias)))
            return (int)i;
    }
    return RN_NONE;
}
