/* resnet.c -- ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) as torchvision builds it:
 * bottlenecks with the stride in the 3x3 convolution (v1.5). One row an architecture. */
#include <stdio.h>

#include "nn/graph.h"

const struct rn_arch rn_arch_table[] = {
    { "resnet18", false, { 2, 2, 2, 2 } },
    { "resnet34", false, { 3, 4, 6, 3 } },
    { "resnet50", true, { 3, 4, 6, 3 } },
    { "resnet101", true, { 3, 4, 23, 3 } },
    { "resnet152", true, { 3, 8, 36, 3 } },
    { 0 },
};

static const double momentum = 0.1;

/* One residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times as many channels out. */
static int block(struct rn_graph *g, const char *name, int x, size_t width, size_t stride, bool bottleneck,
                 const struct rn_attention *attention)
{
    const size_t kernels[2][3] = { { 3, 3, 0 }, { 1, 3, 1 } };
    size_t count = bottleneck ? 3 : 2, strided = bottleneck ? 1 : 0;
    size_t in = g->err.exit ? 0 : g->value[x].c, out = bottleneck ? 4 * width : width;
    struct rn_layer conv[3], norm[3], down_conv = { 0 }, down_norm = { 0 };
    char part[80];
    for (size_t i = 0, c = in; i < count; i++) {
        size_t k = i == count - 1 ? out : width;
        snprintf(part, sizeof part, "%s.conv%zu", name, i + 1);
        conv[i] = rn_layer_conv(g, part, c, k, kernels[bottleneck][i], false);
        snprintf(part, sizeof part, "%s.bn%zu", name, i + 1);
        norm[i] = rn_layer_norm(g, part, k);
        c = k;
    }
    bool project = stride != 1 || in != out;
    if (project) {
        snprintf(part, sizeof part, "%s.downsample.0", name);
        down_conv = rn_layer_conv(g, part, in, out, 1, false);
        snprintf(part, sizeof part, "%s.downsample.1", name);
        down_norm = rn_layer_norm(g, part, out);
    }

    int y = x;
    for (size_t i = 0; i < count; i++) {
        y = rn_add_conv(g, &conv[i], y, i == strided ? stride : 1, kernels[bottleneck][i] / 2, RN_ACT_NONE);
        if (i < count - 1)
            y = rn_add_norm(g, &norm[i], y, RN_NONE, true, momentum);
    }
    int shortcut = x;
    if (project) {
        shortcut = rn_add_conv(g, &down_conv, x, stride, 0, RN_ACT_NONE);
        shortcut = rn_add_norm(g, &down_norm, shortcut, RN_NONE, false, momentum);
    }
    if (!attention->in_block)
        return rn_add_norm(g, &norm[count - 1], y, shortcut, true, momentum);
    y = rn_add_norm(g, &norm[count - 1], y, RN_NONE, false, momentum);
    y = attention->in_block(g, name, y);
    return rn_add_sum(g, name, y, shortcut, RN_ACT_RELU);
}

int rn_build_resnet(struct rn_graph *g, const struct rn_arch *arch, const struct rn_attention *attention, size_t classes)
{
    struct rn_layer conv1 = rn_layer_conv(g, "conv1", 3, 64, 7, false), bn1 = rn_layer_norm(g, "bn1", 64);
    int x = rn_add_conv(g, &conv1, 0, 2, 3, RN_ACT_NONE);
    x = rn_add_norm(g, &bn1, x, RN_NONE, true, momentum);
    x = rn_add_max_pool(g, "maxpool", x, (struct rn_window){ 3, 3, 2, 1 });
    for (size_t stage = 0, width = 64; stage < 4; stage++, width *= 2) {
        for (size_t i = 0; i < arch->blocks[stage]; i++) {
            char name[32];
            snprintf(name, sizeof name, "layer%zu.%zu", stage + 1, i);
            x = block(g, name, x, width, i == 0 && stage > 0 ? 2 : 1, arch->bottleneck, attention);
        }
    }
    /* The original makes its linear layer before the attention: so stand their parameters in the state dict. */
    struct rn_layer final = rn_layer_linear(g, "final_fc", g->err.exit ? 1 : g->value[x].c, classes);
    if (attention->after_layer4)
        x = attention->after_layer4(g, x);
    x = rn_add_mean_pool(g, "avgpool", x);
    return rn_add_conv(g, &final, x, 1, 0, RN_ACT_NONE);
}
