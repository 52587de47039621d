/* ours_mul.c -- RecycleNet's module with the product of the two gated maps. */
#include "graph/graph.h"

static int after_blocks(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, true, true, RN_COMBINE_MUL);
}

extern const struct rn_attention rn_attention_ours_mul;
const struct rn_attention rn_attention_ours_mul = {
    .name = "ours-mul", .summary = "RecycleNet's module with the product of the two gated maps", .after_blocks = after_blocks,
};
