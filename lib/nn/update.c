/* update.c -- weights move: along their gradients, each at its own rate, and averages after them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/private.h"

/* ---- rates ---- */

static bool alike(const struct rn_run *run, const struct rn_rate *rate)
{
    return run->lr == rate->lr && run->wd == rate->wd;
}

/* Neighbours with the same rates are one run; frozen ones are in none. */
static int make_runs(struct rn_net *net, const struct rn_rate *rate, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    free(net->run);
    net->runs = 0;
    if (!(net->run = rn_calloc(g->params, sizeof *net->run, err)))
        return -1;
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        struct rn_run *last = net->runs ? &net->run[net->runs - 1] : NULL;
        size_t bytes = net->on->bytes(p->n, p->c, p->h, p->w, RN_FULL);
        if (p->role != RN_PARAMETER || net->frozen[i])
            continue;
        if (last && alike(last, &rate[i]) && last->at + last->bytes == net->offset[i])
            last->bytes += bytes;
        else
            net->run[net->runs++] = (struct rn_run){ net->offset[i], bytes, rate[i].lr, rate[i].wd };
    }
    return 0;
}

static void find_needs(struct rn_net *net)
{
    const struct rn_graph *g = net->graph;
    memset(net->needs, 0, g->values * sizeof *net->needs);
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        const int from[] = { node->x, node->residual, node->channel, node->spatial };
        const int uses[] = { node->weight, node->bias, node->gamma, node->beta };
        for (size_t k = 0; k < 4; k++)
            net->needs[node->y] |= (from[k] != RN_NONE && net->needs[from[k]]) || (uses[k] != RN_NONE && !net->frozen[uses[k]]);
    }
}

int rn_net_rates(struct rn_net *net, const struct rn_rate *rate, struct rn_err *err)
{
    const struct rn_graph *g = net->graph;
    free(net->frozen);
    free(net->needs);
    net->frozen = rn_calloc(2 * g->params, sizeof *net->frozen, err);
    net->needs = net->frozen ? rn_calloc(g->values, sizeof *net->needs, err) : NULL;
    if (!net->needs)
        return -1;
    net->fixed = net->frozen + g->params;
    for (size_t i = 0; i < g->params; i++) {
        net->frozen[i] = g->param[i].role == RN_PARAMETER && rate[i].lr == 0;
        net->fixed[i] = rate[i].fixed;
    }
    find_needs(net);
    return make_runs(net, rate, err);
}

/* Run k; without rates there is one. */
static bool run_at(const struct rn_net *net, size_t k, struct rn_run *run)
{
    *run = (struct rn_run){ 0, net->weight_bytes, 1, 1 };
    if (!net->run)
        return k == 0;
    if (k < net->runs)
        *run = net->run[k];
    return k < net->runs;
}

static char *at(void *block, const struct rn_run *run)
{
    return (char *)block + run->at;
}

/* ---- updates ---- */

int rn_net_update(struct rn_net *net, struct rn_sgd sgd, struct rn_err *err)
{
    struct rn_run run;
    net->stale = true;
    for (size_t k = 0; run_at(net, k, &run); k++) {
        struct rn_sgd own = sgd;
        own.lr *= run.lr;
        own.wd *= run.wd;
        own.w = at(net->weights, &run);
        own.v = at(net->momentum, &run);
        own.g = at(net->gradients, &run);
        own.bytes = run.bytes;
        if (net->on->sgd(net->dev, &own, err))
            return -1;
    }
    return 0;
}

int rn_net_update_adamw(struct rn_net *net, struct rn_adamw adamw, struct rn_err *err)
{
    struct rn_run run;
    net->stale = true;
    for (size_t k = 0; run_at(net, k, &run); k++) {
        struct rn_adamw own = adamw;
        own.lr *= run.lr;
        own.wd *= run.wd;
        own.w = at(net->weights, &run);
        own.m = at(net->momentum, &run);
        own.v = at(net->second, &run);
        own.g = at(net->gradients, &run);
        own.bytes = run.bytes;
        if (net->on->adamw(net->dev, &own, err))
            return -1;
    }
    return 0;
}

void rn_net_accumulate(struct rn_net *net, bool on)
{
    net->accumulate = on;
}

int rn_net_gradient_norm(struct rn_net *net, double *norm, struct rn_err *err)
{
    struct rn_run run, next;
    double sum = 0, part;
    for (size_t k = 0; run_at(net, k, &run); k++) {
        for (; run_at(net, k + 1, &next) && next.at == run.at + run.bytes; k++) /* a device may have to wait for each sum */
            run.bytes += next.bytes;
        if (net->on->square_sum(net->dev, &(struct rn_square_sum){ &part, at(net->gradients, &run), run.bytes }, err))
            return -1;
        sum += part;
    }
    *norm = sqrt(sum);
    return 0;
}

/* ---- averages ---- */

static int take(struct rn_net *net, void **block, size_t bytes, struct rn_err *err)
{
    if (!*block)
        *block = net->on->alloc(net->dev, bytes ? bytes : 64, err);
    return *block ? 0 : -1;
}

int rn_net_room(struct rn_net *net, enum rn_role role, struct rn_err *err)
{
    if (role == RN_SECOND_MOMENT)
        return take(net, &net->second, net->weight_bytes, err);
    if (role == RN_EMA)
        return take(net, &net->average, net->weight_bytes, err) ||
               take(net, &net->average_buffers, net->buffer_bytes, err) ? -1 : 0;
    return 0;
}

bool rn_net_has(const struct rn_net *net, enum rn_role role)
{
    const void *block = role == RN_SECOND_MOMENT ? net->second : role == RN_EMA ? net->average_buffers
                        : role == RN_MOMENTUM ? net->momentum : net->weights;
    return block;
}

int rn_net_average(struct rn_net *net, double share, struct rn_err *err)
{
    const struct rn_lerp weights = { net->average, net->weights, net->weight_bytes, share };
    const struct rn_lerp buffers = { net->average_buffers, net->buffers, net->buffer_bytes, share };
    return net->on->lerp(net->dev, &weights, err) || net->on->lerp(net->dev, &buffers, err) ? -1 : 0;
}

static void swap(void **a, void **b)
{
    void *kept = *a;
    *a = *b;
    *b = kept;
}

void rn_net_swap(struct rn_net *net)
{
    swap(&net->weights, &net->average);
    swap(&net->buffers, &net->average_buffers);
    net->stale = true;
}
