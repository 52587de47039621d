/* layers.c -- a network's layers, from its graph. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/threads.h"
#include "nn/footprint.h"
#include "nn/rates.h"
#include "nn/teacher.h"
#include "graph/graph.h"
#include "show/show.h"

/* ---- what a node does ---- */

enum { ROOM = 256 };

static const char *then(const struct rn_node *node)
{
    static const char *const activation[] = { [RN_ACT_NONE] = "", [RN_ACT_RELU] = ", relu", [RN_ACT_SIGMOID] = ", sigmoid" };
    return activation[node->activation];
}

/* "3x3/2, padding 1, groups 32" */
static const char *window(const struct rn_window *w, char room[static ROOM])
{
    int at = snprintf(room, ROOM, "%zux%zu/%zu, padding %zu", w->r, w->s, w->stride, w->top);
    if (w->top != w->left || w->bottom != w->top || w->right != w->left)
        at += snprintf(room + at, ROOM - (size_t)at, " %zu %zu %zu", w->left, w->bottom, w->right);
    if (w->dilation > 1)
        at += snprintf(room + at, ROOM - (size_t)at, ", dilation %zu", w->dilation);
    if (w->groups > 1)
        snprintf(room + at, ROOM - (size_t)at, ", groups %zu", w->groups);
    return room;
}

/* In room, or a text of its own. */
static const char *action(const struct rn_graph *g, const struct rn_node *node, char room[static ROOM])
{
    static const char *const combine[] = { [RN_COMBINE_SUM] = "sum", [RN_COMBINE_MUL] = "product", [RN_COMBINE_MAX] = "maximum" };
    char slides[ROOM];
    switch (node->op) {
    case RN_OP_CONV:
        if (g->param[node->weight].dims == 2)
            snprintf(room, ROOM, "linear%s", then(node));
        else if (node->along)
            snprintf(room, ROOM, "conv of %zu along channels%s", node->window.r, then(node));
        else
            snprintf(room, ROOM, "conv %.200s%s", window(&node->window, slides), then(node));
        break;
    case RN_OP_NORM:
        snprintf(room, ROOM, "batch norm%s%s", node->residual == RN_NONE ? "" : " + residual", then(node));
        break;
    case RN_OP_MAX_POOL:
        if (!node->window.r)
            return "maximum over pixels";
        snprintf(room, ROOM, "max pool %.200s", window(&node->window, slides));
        break;
    case RN_OP_CHANNEL_POOL:
        return "maximum and mean over channels";
    case RN_OP_ADD:
        snprintf(room, ROOM, "%s%s", node->residual == RN_NONE ? "as it is" : "sum", then(node));
        break;
    case RN_OP_GLOBAL_AVG_POOL:
        return "mean over pixels";
    case RN_OP_GATE:
        if (node->channel == RN_NONE || node->spatial == RN_NONE)
            return node->channel == RN_NONE ? "gate, spatial" : "gate, channel";
        snprintf(room, ROOM, "gates, %s of channel and spatial", combine[node->combine]);
        break;
    }
    return room;
}

/* ---- its layers ---- */

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

static int layer(struct rn_out *out, const struct rn_graph *g, const struct rn_footprint *f, const struct rn_node *node, bool *done,
                 bool tsv, struct rn_err *err)
{
    char room[ROOM], weights[256] = "", output[64];
    size_t count = 0;
    const int uses[] = { node->weight, node->bias, node->gamma, node->beta };
    for (size_t k = 0; k < sizeof uses / sizeof *uses; k++)
        add_param(g, uses[k], done, &count, weights, sizeof weights);
    struct rn_array y = f->value[node->y];
    uint64_t flop = 2 * rn_footprint_macs(f, g, node);
    size_t bytes = y.c * y.h * y.w * sizeof(float);
    snprintf(output, sizeof output, "%zu,%zu,%zu", y.c, y.h, y.w);
    const char *what = action(g, node, room);
    if (tsv)
        return rn_out_printf(out, err, "%s\t%s\t%s\t%s\t%zu\t%llu\t%zu\n", node->name, what, output, weights, count,
                             (unsigned long long)flop, bytes);
    return rn_out_printf(out, err, "%-30s %-32s %-14s %-24s %9zu %8.2f %8.1f\n", node->name, what, output, weights, count,
                         (double)flop / 1e6, (double)bytes / 1024);
}

static int layers(struct rn_out *out, const struct rn_graph *g, const struct rn_footprint *f, bool tsv, struct rn_err *err)
{
    bool *done = rn_calloc(g->params, sizeof *done, err);
    int rc = !done ? -1
             : tsv ? rn_out_printf(out, err, "layer\twhat\toutput\tweights\tparameters\tflop\tbytes\n")
                   : rn_out_printf(out, err, "%-30s %-32s %-14s %-24s %9s %8s %8s\n", "layer", "what", "output", "weights",
                                   "numbers", "MFLOP", "KiB");
    for (size_t i = 0; i < g->nodes && rc == 0; i++)
        rc = layer(out, g, f, &g->node[i], done, tsv, err);
    free(done);
    return rc;
}

/* What a stream's reader holds for its largest record (stream/files.c): a power of two with room for one more read. */
static size_t reader_room(size_t record)
{
    size_t room = 16;
    while (room < record + (256 << 10))
        room *= 2;
    return room;
}

static size_t largest_tensor(const struct rn_graph *g)
{
    size_t most = 0;
    for (size_t i = 0; i < g->params; i++) {
        size_t count = g->param[i].n * g->param[i].c * g->param[i].h * g->param[i].w;
        most = count > most ? count : most;
    }
    return most * sizeof(float);
}

static int memory(struct rn_out *out, const char *tool, const struct rn_footprint *f, size_t program, size_t streams,
                  struct rn_err *err)
{
    size_t parts[] = { program, f->network, f->activations, f->scratch, streams }, sum = 0;
    int rc = rn_out_printf(out, err, "# %-10s", tool);
    for (size_t i = 0; i < 5; i++) {
        sum += parts[i];
        rc = rc || rn_out_printf(out, err, " %s%7.1f", i ? "+ " : "", (double)parts[i] / 1048576) ? -1 : 0;
    }
    return rc || rn_out_printf(out, err, " = %.1f\n", (double)sum / 1048576) ? -1 : 0;
}

/* Prediction needs most at its work, or before it, while it loads the weights. */
static size_t prediction_streams(const struct rn_footprint *f, const struct rn_graph *g, size_t record)
{
    size_t work = f->network + f->activations + f->scratch, tensor = largest_tensor(g);
    size_t loading = rn_graph_count(g) * sizeof(float) + reader_room(tensor) + tensor;
    return work + record > loading ? record : loading - work;
}

/* What the checkpoint's run had for an option of rn-train: "" where that is not known. */
static const char *had(const struct rn_head *head, const char *option)
{
    const char *value = rn_head_option(head, option);
    return value ? value : "";
}

static bool is_set(const struct rn_head *head, const char *option)
{
    for (size_t i = 0; head->epoch != RN_NIL && i < head->options.count; i++)
        if (!strcmp(head->options.item[i].data, option))
            return true;
    return false;
}

/* What the checkpoint's run trains: not what --freeze and --head keep. */
static int trained(const struct rn_head *head, const struct rn_graph *g, size_t *count, struct rn_err *err)
{
    const char *freeze = had(head, "--freeze=");
    const struct rn_train_options options = { .no_decay = "none", .lr_head = 1, .layer_decay = 1, .freeze = *freeze ? freeze : NULL,
                                              .head = is_set(head, "--head") };
    struct rn_rate *rate;
    *count = rn_graph_count(g);
    if (rn_rates_make(&rate, g, &options, err))
        return -1;
    for (size_t i = 0; rate && i < g->params; i++)
        if (g->param[i].role == RN_PARAMETER && rate[i].lr == 0)
            *count -= g->param[i].n * g->param[i].c * g->param[i].h * g->param[i].w;
    free(rate);
    return 0;
}

/* Averages and second moments are as large as the weights. */
static unsigned roles_of(const struct rn_head *head, const struct rn_show_layers *how)
{
    const char *optimizer = how->optimizer ? how->optimizer : had(head, "--optimizer=");
    double ema = how->ema ? *how->ema : strtod(had(head, "--ema="), NULL);
    return (!strcmp(optimizer, "adamw") ? 1u << RN_SECOND_MOMENT : 0) | (ema > 0 ? 1u << RN_EMA : 0);
}

/* A teacher's bytes: of the file that is named, or as large as the checkpoint's run has photos. */
static int teacher_bytes(const struct rn_head *head, const struct rn_show_layers *how, size_t *bytes, struct rn_err *err)
{
    struct rn_teacher *teacher;
    *bytes = 0;
    if (how->teacher) {
        if (rn_teacher_open(&teacher, how->teacher, &head->classes, err))
            return -1;
        *bytes = rn_teacher_bytes(rn_teacher_photos(teacher), head->classes.count);
        rn_teacher_close(teacher);
    } else if (*had(head, "--teacher=") && head->batches_per_epoch > 0 && head->batches_batch > 0) {
        size_t photos;
        if (!rn_mul((size_t)head->batches_per_epoch, (size_t)head->batches_batch, &photos))
            return rn_fail(err, RN_EXIT_DATA, "a run of more photos than there can be");
        *bytes = rn_teacher_bytes(photos, head->classes.count);
    }
    return 0;
}

/* Two lines: training keeps the largest tensor while it writes a checkpoint. */
static int memories(struct rn_out *out, const struct rn_head *head, const struct rn_graph *g, const struct rn_footprint *predict,
                    size_t batch, size_t side, const struct rn_show_layers *how, size_t teacher, struct rn_err *err)
{
    size_t program = how->program;
    struct rn_footprint train;
    struct rn_err why = { 0 };
    bool on_features = is_set(head, "--head");
    size_t record = reader_room(batch * side * side * 3), tensor = largest_tensor(g);
    size_t learnt = on_features ? reader_room(batch * g->value[rn_graph_features(g)].c * sizeof(float)) : record;
    if (rn_out_printf(out, err, "# peak memory with -d cpu, threads %d, batch %zu, in MiB: program + network + activations + "
                                "scratch + streams\n",
                      rn_threads_default(), batch))
        return -1;
    if (rn_footprint(&train, g, head->arch, head->attention, g->value[g->output].c, batch, side, side,
                     on_features ? RN_WORK_HEAD : RN_WORK_TRAIN, roles_of(head, how), 0, &why)) {
        if (why.exit == RN_EXIT_SYSTEM)
            return *err = why, -1;
        if (rn_out_printf(out, err, "# rn-train   cannot: %s\n", why.text))
            return -1;
    } else {
        int rc = memory(out, "rn-train", &train, program, learnt + tensor + teacher, err);
        rn_footprint_free(&train);
        if (rc)
            return -1;
    }
    return memory(out, "rn-predict", predict, program, prediction_streams(predict, g, record), err);
}

static int totals(struct rn_out *out, const struct rn_head *head, const struct rn_graph *g, const struct rn_footprint *f,
                  size_t batch, size_t side, const struct rn_show_layers *how, size_t teacher, struct rn_err *err)
{
    uint64_t macs = 0;
    size_t count, all = rn_graph_count(g);
    char some[64] = "";
    for (size_t i = 0; i < g->nodes; i++)
        macs += rn_footprint_macs(f, g, &g->node[i]);
    if (trained(head, g, &count, err))
        return -1;
    if (count != all)
        snprintf(some, sizeof some, ", of which its run trains %zu", count);
    if (rn_out_printf(out, err, "# %zu parameters%s\n# %.2f GFLOP an image of %zux%zu: two for each multiply-add of convolutions "
                                "and linear layers\n",
                      all, some, 2e-9 * (double)macs, side, side))
        return -1;
    return memories(out, head, g, f, batch, side, how, teacher, err);
}

int rn_show_layers(struct rn_out *out, const struct rn_head *head, size_t classes, const struct rn_show_layers *how,
                   struct rn_err *err)
{
    struct rn_graph *g = NULL;
    struct rn_footprint f = { 0 };
    size_t teacher;
    if (!head->arch.data || !head->attention.data)
        return rn_fail(err, RN_EXIT_DATA, "weights without a network: they were imported without --arch (--json shows them)");
    if (teacher_bytes(head, how, &teacher, err))
        return -1;
    if (rn_graph_new(&g, head->arch, head->attention, classes, err))
        return err->exit = err->exit == RN_EXIT_USAGE ? RN_EXIT_DATA : err->exit, -1;
    size_t side = head->has_input ? (size_t)head->input.size : 224;
    size_t batch = how->batch ? how->batch : head->epoch != RN_NIL && head->has_batches ? (size_t)head->batches_batch : 16;
    int rc = rn_footprint(&f, g, head->arch, head->attention, classes, batch, side, side, RN_WORK_PREDICT, 0, 0, err) ||
             layers(out, g, &f, how->tsv, err) || (!how->tsv && totals(out, head, g, &f, batch, side, how, teacher, err)) ? -1 : 0;
    rn_footprint_free(&f);
    rn_graph_free(g);
    return rc;
}
