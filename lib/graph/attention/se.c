/* se.c -- squeeze and excitation (Hu et al., "Squeeze-and-excitation networks", CVPR 2018) in every block. */
#include <stdio.h>

#include "graph/graph.h"

static int in_block(struct rn_graph *g, const char *block, int x)
{
    char name[96];
    size_t c = rn_graph_channels(g, x);
    snprintf(name, sizeof name, "%s.att.fc.0", block);
    struct rn_layer down = rn_layer_linear(g, name, c, c / 16);
    snprintf(name, sizeof name, "%s.att.fc.2", block);
    struct rn_layer up = rn_layer_linear(g, name, c / 16, c);
    snprintf(name, sizeof name, "%s.att", block);
    int gate = rn_add_conv(g, &down, rn_add_global_avg_pool(g, name, x), RN_ACT_RELU);
    gate = rn_add_conv(g, &up, gate, RN_ACT_SIGMOID);
    return rn_add_gate(g, name, x, gate, RN_NONE, RN_COMBINE_SUM);
}

extern const struct rn_attention rn_attention_se;
const struct rn_attention rn_attention_se = { .name = "se", .summary = "squeeze and excitation in every block",
                                              .in_block = in_block };
