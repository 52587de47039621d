/* ours_channel.c -- RecycleNet's channel gate alone. */
#include "graph/graph.h"

static int after_blocks(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, true, false, RN_COMBINE_SUM);
}

extern const struct rn_attention rn_attention_ours_channel;
const struct rn_attention rn_attention_ours_channel = {
    .name = "ours-channel", .summary = "RecycleNet's channel gate alone", .after_blocks = after_blocks,
};
