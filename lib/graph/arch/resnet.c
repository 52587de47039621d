/* resnet.c -- ResNet (He et al., "Deep residual learning for image recognition", CVPR 2016) as torchvision builds it:
 * bottlenecks with the stride in the 3x3 convolution (v1.5). */
#include <stdio.h>

#include "graph/graph.h"

static const double momentum = 0.1, eps = 1e-5;

/* One residual block: two 3x3 convolutions, or 1x1, 3x3, 1x1 with four times as many channels out. */
static int block(struct rn_graph *g, const struct rn_residual *shape, const char *name, int x, size_t planes, size_t stride,
                 const struct rn_attention *attention)
{
    const size_t kernels[2][3] = { { 3, 3, 0 }, { 1, 3, 1 } }, *kernel = kernels[shape->bottleneck];
    size_t count = shape->bottleneck ? 3 : 2, strided = shape->bottleneck ? 1 : 0;
    size_t in = rn_graph_channels(g, x), out = shape->bottleneck ? 4 * planes : planes,
           width = planes * shape->width / 64 * shape->groups;
    struct rn_layer conv[3], norm[3], down_conv = { 0 }, down_norm = { 0 };
    char part[80];
    for (size_t i = 0, c = in; i < count; i++) {
        size_t k = i == count - 1 ? out : width;
        struct rn_window window = RN_WINDOW(kernel[i], kernel[i], i == strided ? stride : 1, kernel[i] / 2);
        window.groups = shape->bottleneck && i == 1 ? shape->groups : 1;
        snprintf(part, sizeof part, "%s.conv%zu", name, i + 1);
        conv[i] = rn_layer_conv(g, part, c, k, window, false);
        snprintf(part, sizeof part, "%s.bn%zu", name, i + 1);
        norm[i] = rn_layer_norm(g, part, k, momentum, eps);
        c = k;
    }
    bool project = stride != 1 || in != out;
    if (project) {
        snprintf(part, sizeof part, "%s.downsample.0", name);
        down_conv = rn_layer_conv(g, part, in, out, (struct rn_window)RN_WINDOW(1, 1, stride, 0), false);
        snprintf(part, sizeof part, "%s.downsample.1", name);
        down_norm = rn_layer_norm(g, part, out, momentum, eps);
    }

    int y = x;
    for (size_t i = 0; i < count; i++) {
        y = rn_add_conv(g, &conv[i], y, RN_ACT_NONE);
        if (i < count - 1)
            y = rn_add_norm(g, &norm[i], y, RN_NONE, RN_ACT_RELU);
    }
    int shortcut = x;
    if (project)
        shortcut = rn_add_norm(g, &down_norm, rn_add_conv(g, &down_conv, x, RN_ACT_NONE), RN_NONE, RN_ACT_NONE);
    if (!attention->in_block)
        return rn_add_norm(g, &norm[count - 1], y, shortcut, RN_ACT_RELU);
    y = rn_add_norm(g, &norm[count - 1], y, RN_NONE, RN_ACT_NONE);
    y = attention->in_block(g, name, y);
    return rn_add_sum(g, name, y, shortcut, RN_ACT_RELU);
}

void rn_build_residual(struct rn_graph *g, const struct rn_residual *shape, const struct rn_attention *attention, size_t classes)
{
    static const struct rn_window first[] = { RN_WINDOW(7, 7, 2, 3), RN_WINDOW(3, 3, 1, 1) };
    size_t planes = 64 / (shape->narrow ? shape->narrow : 1);
    struct rn_layer conv1 = rn_layer_conv(g, "conv1", 3, planes, first[shape->small], false);
    struct rn_layer bn1 = rn_layer_norm(g, "bn1", planes, momentum, eps);
    int x = rn_add_norm(g, &bn1, rn_add_conv(g, &conv1, 0, RN_ACT_NONE), RN_NONE, RN_ACT_RELU);
    if (!shape->small)
        x = rn_add_max_pool(g, "maxpool", x, (struct rn_window)RN_WINDOW(3, 3, 2, 1));
    static const char *const stages[] = { "layer1", "layer2", "layer3", "layer4" };
    for (size_t stage = 0; stage < 4 && shape->blocks[stage]; stage++, planes *= 2) {
        g->last_stage = stages[stage];
        for (size_t i = 0; i < shape->blocks[stage]; i++) {
            char name[32];
            snprintf(name, sizeof name, "%s.%zu", stages[stage], i);
            rn_graph_next_block(g);
            x = block(g, shape, name, x, planes, i == 0 && stage > 0 ? 2 : 1, attention);
        }
    }
    rn_graph_next_block(g);
    g->last_block = x;
    /* The original makes its linear layer before the attention: so stand their parameters in the state dict. */
    struct rn_layer last = rn_layer_linear(g, g->arch->last_layer, rn_graph_channels(g, x), classes);
    if (attention->after_blocks)
        x = attention->after_blocks(g, x);
    x = rn_add_global_avg_pool(g, "avgpool", x);
    g->output = rn_add_conv(g, &last, x, RN_ACT_NONE);
}

static const char *const members[] = { "resnet18", "resnet34", "resnet50", "resnet101", "resnet152", NULL };
static const struct rn_residual shapes[] = {
    { false, { 2, 2, 2, 2 }, 1, 64 },
    { false, { 3, 4, 6, 3 }, 1, 64 },
    { true, { 3, 4, 6, 3 }, 1, 64 },
    { true, { 3, 4, 23, 3 }, 1, 64 },
    { true, { 3, 8, 36, 3 }, 1, 64 },
};

static void build(struct rn_graph *g, size_t member, const struct rn_attention *attention, size_t classes)
{
    rn_build_residual(g, &shapes[member], attention, classes);
}

extern const struct rn_arch rn_arch_resnet;
const struct rn_arch rn_arch_resnet = { members, "final_fc", "fc", build };
