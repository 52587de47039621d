/* footprint.c -- a dry walk. */
#include "nn/footprint.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/private.h"

static int step(struct rn_net *net, const struct rn_batch *batch, size_t classes, struct rn_err *err)
{
    struct rn_loss loss;
    int64_t *labels = rn_calloc(batch->n, sizeof *labels, err);
    float *logits = rn_calloc(batch->n, classes * sizeof *logits, err);
    int rc = !labels || !logits ? -1 : 0;
    if (rc == 0 && net->train)
        rc = rn_net_train(net, batch, labels, &(struct rn_loss_options){ 0 }, &loss, logits, err) ||
             rn_net_update(net, (struct rn_sgd){ 0 }, err) ? -1 : 0;
    if (rc == 0)
        rc = rn_net_eval(net, batch, logits, err);
    free(labels);
    free(logits);
    return rc;
}

int rn_footprint(struct rn_footprint *f, const struct rn_graph *graph, struct rn_text arch, struct rn_text attention,
                 size_t classes, size_t n, size_t h, size_t w, enum rn_work work, unsigned roles, int threads, struct rn_err *err)
{
    static const double mean[3] = { 0 }, std[3] = { 1, 1, 1 };
    static const uint8_t none;
    struct rn_device *dev;
    struct rn_net *net = NULL;
    struct rn_batch batch = { .n = n, .h = h, .w = w, .pixels = &none, .mean = mean, .std = std };
    bool train = work != RN_WORK_PREDICT;
    int features = rn_graph_features(graph);
    float *value = NULL;
    *f = (struct rn_footprint){ 0 };
    if (work == RN_WORK_HEAD) {
        if (!(value = rn_calloc(n, graph->value[features].c * sizeof *value, err)))
            return -1;
        batch = (struct rn_batch){ .n = n, .h = 1, .w = 1, .values = value };
    }
    if (rn_device_open_dry(&dev, "cpu", threads, err)) {
        free(value);
        return -1;
    }
    int rc = rn_net_open(&net, dev, arch, attention, classes, train, err);
    for (int role = 0; role < RN_ROLES && rc == 0; role++)
        rc = roles >> role & 1 ? rn_net_room(net, (enum rn_role)role, err) : 0;
    f->network = dev->class->usage(dev).blocks;
    if (rc == 0 && work == RN_WORK_HEAD)
        rn_net_enter(net, features);
    if (rc == 0)
        rn_net_spare(net);
    rc = rc || !(f->value = rn_calloc(graph->values, sizeof *f->value, err)) || step(net, &batch, classes, err) ? -1 : 0;
    if (rc == 0) {
        memcpy(f->value, net->layout[train].value, graph->values * sizeof *f->value);
        struct rn_device_usage usage = dev->class->usage(dev);
        f->activations = usage.blocks - f->network;
        f->scratch = usage.scratch;
        f->network -= usage.discarded;
    }
    rn_net_close(net);
    rn_device_close(dev);
    free(value);
    if (rc)
        rn_footprint_free(f);
    return rc;
}

void rn_footprint_free(struct rn_footprint *f)
{
    free(f->value);
    *f = (struct rn_footprint){ 0 };
}

uint64_t rn_footprint_macs(const struct rn_footprint *f, const struct rn_graph *graph, const struct rn_node *node)
{
    if (node->op != RN_OP_CONV)
        return 0;
    const struct rn_param *p = &graph->param[node->weight];
    struct rn_array y = f->value[node->y];
    return (uint64_t)p->n * p->c * p->h * p->w * y.h * y.w * (node->along ? y.c : 1);
}
