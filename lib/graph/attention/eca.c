/* eca.c -- efficient channel attention (Wang et al., "ECA-Net", CVPR 2020) in every block: a channel's gate follows from the means
 * of the channel and of a few of its neighbours, by one kernel for all. */
#include <math.h>
#include <stdio.h>

#include "graph/graph.h"

/* The paper's equation 12, with gamma 2 and b 1: (log2(C) + 1) / 2, cut to a whole number and made odd. */
static size_t taps(size_t c)
{
    return (size_t)((log2((double)c) + 1) / 2) | 1;
}

static int in_block(struct rn_graph *g, const char *block, int x)
{
    char name[96];
    snprintf(name, sizeof name, "%s.eca.conv", block);
    struct rn_layer conv = rn_layer_conv_along(g, name, taps(rn_graph_channels(g, x)));
    snprintf(name, sizeof name, "%s.eca", block);
    int gate = rn_add_conv(g, &conv, rn_add_global_avg_pool(g, name, x), RN_ACT_SIGMOID);
    return rn_add_gate(g, name, x, gate, RN_NONE, RN_COMBINE_SUM);
}

extern const struct rn_attention rn_attention_eca;
const struct rn_attention rn_attention_eca = { .name = "eca", .summary = "efficient channel attention in every block",
                                               .in_block = in_block };
