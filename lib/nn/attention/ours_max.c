/* ours_max.c -- RecycleNet's module with the elementwise maximum of the two gated maps. */
#include "nn/graph.h"

static int after_layer4(struct rn_graph *graph, int x)
{
    return rn_add_recyclenet_gates(graph, x, true, true, RN_COMBINE_MAX);
}

extern const struct rn_attention rn_attention_ours_max;
const struct rn_attention rn_attention_ours_max = {
    .name = "ours-max", .summary = "RecycleNet's module with the elementwise maximum of the two gated maps", .after_layer4 = after_layer4,
};
