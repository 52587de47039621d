/* layers.c -- a network's layers, from its graph. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/graph.h"
#include "show/show.h"

/* What a node does, in room, which it returns. */
static const char *action(const struct rn_graph *g, const struct rn_node *node, char room[static 128])
{
    static const char *const combine[] = { [RN_COMBINE_SUM] = "sum", [RN_COMBINE_MUL] = "product", [RN_COMBINE_MAX] = "maximum" };
    const struct rn_window *w = &node->window;
    static const char *const activation[] = { [RN_ACT_NONE] = "", [RN_ACT_RELU] = ", relu", [RN_ACT_SIGMOID] = ", sigmoid" };
    const char *then = activation[node->activation];
    switch (node->op) {
    case RN_OP_CONV:
        if (g->param[node->weight].dims == 2)
            snprintf(room, 128, "linear%s", then);
        else
            snprintf(room, 128, "conv %zux%zu/%zu, padding %zu%s", w->r, w->s, w->stride, w->padding, then);
        break;
    case RN_OP_NORM:
        snprintf(room, 128, "batch norm%s%s", node->residual == RN_NONE ? "" : " + residual", then);
        break;
    case RN_OP_MAX_POOL:
        if (w->r)
            snprintf(room, 128, "max pool %zux%zu/%zu, padding %zu", w->r, w->s, w->stride, w->padding);
        else
            snprintf(room, 128, "maximum over pixels");
        break;
    case RN_OP_CHANNEL_POOL:
        snprintf(room, 128, "maximum and mean over channels");
        break;
    case RN_OP_ADD:
        snprintf(room, 128, "%s%s", node->residual == RN_NONE ? "as it is" : "sum", then);
        break;
    case RN_OP_MEAN_POOL:
        snprintf(room, 128, "mean over pixels");
        break;
    case RN_OP_GATE:
        if (node->channel != RN_NONE && node->spatial != RN_NONE)
            snprintf(room, 128, "gates, %s of channel and spatial", combine[node->combine]);
        else
            snprintf(room, 128, "gate, %s", node->channel == RN_NONE ? "spatial" : "channel");
        break;
    }
    return room;
}

/* Appends the parameter's shape, "[64,3,7,7] ", and adds its numbers to *count, when no node before had it. */
static void add_param(const struct rn_graph *g, int i, bool *done, size_t *count, char *shapes, size_t size)
{
    char shape[256];
    if (i == RN_NONE || done[i])
        return;
    const struct rn_param *p = &g->param[i];
    struct rn_tensor tensor = { .dims = p->dims, .shape = { p->dims == 1 ? p->c : p->n, p->c, p->h, p->w } };
    size_t length = strlen(shapes);
    snprintf(shapes + length, size - length, "%s[%s]", length ? " " : "", rn_show_shape(&tensor, shape));
    *count += p->n * p->c * p->h * p->w;
    done[i] = true;
}

static int layer(struct rn_out *out, const struct rn_graph *g, const struct rn_node *node, bool *done, struct rn_err *err)
{
    char what[128], shapes[256] = "";
    size_t count = 0;
    const int conv[] = { node->weight, node->bias }, norm[] = { node->gamma, node->beta };
    for (int k = 0; k < 2; k++)
        if (node->op == RN_OP_CONV || node->op == RN_OP_NORM)
            add_param(g, node->op == RN_OP_CONV ? conv[k] : norm[k], done, &count, shapes, sizeof shapes);
    return rn_out_printf(out, err, "%-32s %-34s %-28s %10zu\n", node->name, action(g, node, what), shapes, count);
}

int rn_show_layers(struct rn_out *out, const struct rn_head *head, size_t classes, struct rn_err *err)
{
    struct rn_graph *g = NULL;
    if (!head->arch.data || !head->attention.data)
        return rn_fail(err, RN_EXIT_DATA, "weights without a network: they were imported without --arch (--json shows them)");
    if (rn_graph_new(&g, head->arch, head->attention, classes, err))
        return err->exit = err->exit == RN_EXIT_USAGE ? RN_EXIT_DATA : err->exit, -1;
    bool *done = rn_calloc(g->params, sizeof *done, err);
    int rc = done ? 0 : -1;
    for (size_t i = 0; i < g->nodes && rc == 0; i++)
        rc = layer(out, g, &g->node[i], done, err);
    if (rc == 0)
        rc = rn_out_printf(out, err, "%zu parameters\n", rn_graph_count(g));
    free(done);
    rn_graph_free(g);
    return rc;
}
