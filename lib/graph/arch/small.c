/* small.c -- the ResNets for small pictures (He et al., "Deep residual learning for image recognition", CVPR 2016, 4.2: 6n + 2
 * layers for the 32 x 32 of CIFAR-10), with a projection where a stage begins (their option B). */
#include "graph/graph.h"

static const char *const members[] = { "resnet20", "resnet32", "resnet44", "resnet56", "resnet110", NULL };
#define SHAPE(n) { .blocks = { n, n, n }, .groups = 1, .width = 64, .narrow = 4, .small = true }
static const struct rn_residual shapes[] = { SHAPE(3), SHAPE(5), SHAPE(7), SHAPE(9), SHAPE(18) };

static void build(struct rn_graph *g, size_t member, const struct rn_attention *attention, size_t classes)
{
    rn_build_residual(g, &shapes[member], attention, classes);
}

extern const struct rn_arch rn_arch_small;
const struct rn_arch rn_arch_small = { members, "final_fc", "fc", build };
