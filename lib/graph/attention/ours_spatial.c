/* ours_spatial.c -- RecycleNet's spatial gate alone. */
#include "graph/graph.h"

static int after_blocks(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, false, true, RN_COMBINE_SUM);
}

extern const struct rn_attention rn_attention_ours_spatial;
const struct rn_attention rn_attention_ours_spatial = {
    .name = "ours-spatial", .summary = "RecycleNet's spatial gate alone", .after_blocks = after_blocks,
};
