/* program.c -- which nodes are computed as one. */
#include "nn/program.h"

#include <stdlib.h>

#include "core/mem.h"

/* ---- rules ---- */

/* The node that alone reads what `node` makes, or NULL. */
static const struct rn_node *only_user(const struct rn_graph *g, const struct rn_node *node)
{
    const struct rn_node *only = NULL;
    for (const struct rn_node *user = g->node; user < g->node + g->nodes; user++) {
        if (user->x != node->y && user->residual != node->y && user->channel != node->y && user->spatial != node->y)
            continue;
        if (only || user->x != node->y || user->residual == node->y)
            return NULL;
        only = user;
    }
    return only;
}

/* Evaluation: y = activation(w' x + b' + residual), where w' and b' have the norm in them. */
static bool folds(const struct rn_device_class *on, const struct rn_graph *g, const struct rn_node *conv,
                  const struct rn_node *norm)
{
    (void)on;
    (void)g;
    return conv->op == RN_OP_CONV && norm->op == RN_OP_NORM && conv->activation == RN_ACT_NONE && conv->bias == RN_NONE;
}

/* Training: the map between the two, a ResNet's largest, is nowhere. */
static bool pools(const struct rn_device_class *on, const struct rn_graph *g, const struct rn_node *norm,
                  const struct rn_node *pool)
{
    return on->norm_pool && norm->op == RN_OP_NORM && pool->op == RN_OP_MAX_POOL && pool->window.r &&
           norm->activation == RN_ACT_RELU && norm->residual == RN_NONE && g->value[norm->y].c % 16 == 0;
}

static const struct {
    bool train;
    bool (*fits)(const struct rn_device_class *on, const struct rn_graph *g, const struct rn_node *node,
                 const struct rn_node *user);
} rules[] = { { false, folds }, { true, pools } };

/* The node that is computed together with this one and after it, or NULL. */
static const struct rn_node *partner(const struct rn_device_class *on, const struct rn_graph *g, bool train,
                                     const struct rn_node *node)
{
    const struct rn_node *user = only_user(g, node);
    for (size_t i = 0; user && i < sizeof rules / sizeof *rules; i++)
        if (rules[i].train == train && rules[i].fits(on, g, node, user))
            return user;
    return NULL;
}

/* ---- the list ---- */

static struct rn_call call_of(const struct rn_node *node, const struct rn_node *with)
{
    const struct rn_node *last = with ? with : node;
    return (struct rn_call){ .op = node->op, .node = node, .with = with, .x = node->x, .y = last->y,
                             .residual = node->op == RN_OP_CONV ? last->residual : node->residual, .channel = node->channel,
                             .spatial = node->spatial, .activation = node->op == RN_OP_CONV ? last->activation : node->activation };
}

/* A pair is called where its second node stands, when what that reads is there. */
int rn_program_make(struct rn_program *program, const struct rn_device_class *on, const struct rn_graph *g, bool train,
                    struct rn_err *err)
{
    const struct rn_node **first = rn_calloc(g->nodes, sizeof *first, err); /* of the pair that the node is the second of */
    *program = (struct rn_program){ 0 };
    int rc = first && (program->call = rn_calloc(g->nodes, sizeof *program->call, err)) ? 0 : -1;
    for (size_t i = 0; i < g->nodes && rc == 0; i++) {
        const struct rn_node *node = &g->node[i], *with = first[i] ? NULL : partner(on, g, train, node);
        if (with)
            first[with - g->node] = node;
        else if (!train && node->op == RN_OP_NORM && !first[i])
            rc = rn_fail(err, RN_EXIT_USAGE, "layer %s: a batch norm is folded into the convolution before it, which must have no "
                                             "bias and no other reader", node->name);
        else
            program->call[program->calls++] = first[i] ? call_of(first[i], node) : call_of(node, NULL);
    }
    free(first);
    if (rc)
        rn_program_free(program);
    return rc;
}

void rn_program_free(struct rn_program *program)
{
    free(program->call);
    *program = (struct rn_program){ 0 };
}

const struct rn_call *rn_program_of(const struct rn_program *program, const struct rn_node *node)
{
    for (const struct rn_call *call = program->call; call < program->call + program->calls; call++)
        if (call->node == node || call->with == node)
            return call;
    return NULL;
}

unsigned rn_call_reads(const struct rn_call *call)
{
#define READS(op, name, reads) [RN_OP_##op] = reads,
    static const unsigned reads[] = { RN_OPS(READS) };
    return reads[call->op] | (call->activation == RN_ACT_NONE ? 0 : RN_READS_Y);
}
