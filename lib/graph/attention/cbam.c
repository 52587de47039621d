/* cbam.c -- the convolutional block attention module (Woo et al., "CBAM", ECCV 2018) in every block: a channel gate from
 * the same two linear layers on the mean and on the maximum of each map, then a spatial gate. */
#include <stdio.h>

#include "graph/graph.h"

static int channel_gate(struct rn_graph *g, const char *block, int x)
{
    char name[96];
    size_t c = rn_graph_channels(g, x);
    snprintf(name, sizeof name, "%s.att.ChannelGate.mlp.1", block);
    struct rn_layer down = rn_layer_linear(g, name, c, c / 16);
    snprintf(name, sizeof name, "%s.att.ChannelGate.mlp.3", block);
    struct rn_layer up = rn_layer_linear(g, name, c / 16, c);
    snprintf(name, sizeof name, "%s.att.ChannelGate", block);
    int mean = rn_add_conv(g, &down, rn_add_global_avg_pool(g, name, x), RN_ACT_RELU);
    mean = rn_add_conv(g, &up, mean, RN_ACT_NONE);
    int most = rn_add_conv(g, &down, rn_add_max_pool(g, name, x, (struct rn_window){ 0 }), RN_ACT_RELU);
    most = rn_add_conv(g, &up, most, RN_ACT_NONE);
    return rn_add_gate(g, name, x, rn_add_sum(g, name, mean, most, RN_ACT_SIGMOID), RN_NONE, RN_COMBINE_SUM);
}

static int spatial_gate(struct rn_graph *g, const char *block, int x)
{
    char name[96];
    snprintf(name, sizeof name, "%s.att.SpatialGate.spatial.conv", block);
    struct rn_layer conv = rn_layer_conv(g, name, 2, 1, (struct rn_window)RN_WINDOW(7, 7, 1, 3), false);
    snprintf(name, sizeof name, "%s.att.SpatialGate.spatial.bn", block);
    struct rn_layer norm = rn_layer_norm(g, name, 1, 0.01, 1e-5);
    snprintf(name, sizeof name, "%s.att.SpatialGate", block);
    int gate = rn_add_conv(g, &conv, rn_add_channel_pool(g, name, x), RN_ACT_NONE);
    gate = rn_add_sum(g, name, rn_add_norm(g, &norm, gate, RN_NONE, RN_ACT_NONE), RN_NONE, RN_ACT_SIGMOID);
    return rn_add_gate(g, name, x, RN_NONE, gate, RN_COMBINE_SUM);
}

static int in_block(struct rn_graph *g, const char *block, int x)
{
    return spatial_gate(g, block, channel_gate(g, block, x));
}

extern const struct rn_attention rn_attention_cbam;
const struct rn_attention rn_attention_cbam = { .name = "cbam", .summary = "CBAM in every block", .in_block = in_block };
