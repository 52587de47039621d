/* ours_max.c -- RecycleNet's module with the elementwise maximum of the two gated maps. */
#include "graph/graph.h"

static int after_blocks(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, true, true, RN_COMBINE_MAX);
}

extern const struct rn_attention rn_attention_ours_max;
const struct rn_attention rn_attention_ours_max = {
    .name = "ours-max", .summary = "RecycleNet's module with the elementwise maximum of the two gated maps",
    .after_blocks = after_blocks,
};
