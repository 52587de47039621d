/* resnext.c -- ResNeXt (Xie et al., "Aggregated residual transformations for deep neural networks", CVPR 2017) as torchvision
 * builds it: a ResNet whose 3x3 convolutions work on groups of channels. */
#include "graph/graph.h"

static const char *const members[] = { "resnext50_32x4d", "resnext101_32x8d", NULL };
static const struct rn_residual shapes[] = {
    { true, { 3, 4, 6, 3 }, 32, 4 },
    { true, { 3, 4, 23, 3 }, 32, 8 },
};

static void build(struct rn_graph *g, size_t member, const struct rn_attention *attention, size_t classes)
{
    rn_build_residual(g, &shapes[member], attention, classes);
}

extern const struct rn_arch rn_arch_resnext;
const struct rn_arch rn_arch_resnext = { members, "final_fc", "fc", build };
