/* ours.c -- RecycleNet's module: the sum of the maps that its channel gate and its spatial gate let through. */
#include "graph/graph.h"

static int after_blocks(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, true, true, RN_COMBINE_SUM);
}

extern const struct rn_attention rn_attention_ours;
const struct rn_attention rn_attention_ours = {
    .name = "ours", .summary = "RecycleNet's module: the sum of the maps that its channel gate and its spatial gate let through",
    .after_blocks = after_blocks,
};
