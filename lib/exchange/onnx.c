/* onnx.c -- a network as an ONNX model (onnx.ai, onnx.proto3; opsets 13 to 21), in evaluation mode.
 *
 * The nodes are the graph's. A linear layer is a 1x1 convolution here too, so every value is (N,C,H,W) until the end:
 * Flatten, Softmax. Batch norms stay as they are; runtimes fold them. Value v of the graph is called "v", parameters have
 * their names. */
#include <stdio.h>

#include "exchange/private.h"

/* Field numbers of onnx.proto3. */
enum { MODEL_IR = 1, MODEL_PRODUCER = 2, MODEL_PRODUCER_VERSION = 3, MODEL_DOC = 6, MODEL_GRAPH = 7, MODEL_OPSET = 8,
       MODEL_METADATA = 14 };
enum { OPSET_DOMAIN = 1, OPSET_VERSION = 2, PROP_KEY = 1, PROP_VALUE = 2 };
enum { GRAPH_NODE = 1, GRAPH_NAME = 2, GRAPH_INITIALIZER = 5, GRAPH_INPUT = 11, GRAPH_OUTPUT = 12 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_NAME = 3, NODE_OP = 4, NODE_ATTRIBUTE = 5 };
enum { ATTR_NAME = 1, ATTR_F = 2, ATTR_I = 3, ATTR_INTS = 8, ATTR_TYPE = 20, TYPE_FLOAT = 1, TYPE_INT = 2, TYPE_INTS = 7 };
enum { TENSOR_DIMS = 1, TENSOR_TYPE = 2, TENSOR_NAME = 8, TENSOR_RAW = 9, ELEMENT_FLOAT = 1, ELEMENT_INT64 = 7 };
enum { VALUE_NAME = 1, VALUE_TYPE = 2, TYPE_TENSOR = 1, TENSOR_ELEMENT = 1, TENSOR_SHAPE = 2, SHAPE_DIM = 1, DIM_VALUE = 1,
       DIM_PARAM = 2 };

/* Since this one, reductions have their axes as an input; before, as an attribute. */
enum { AXES_ARE_INPUT = 18 };

struct writing {
    const struct rn_graph *graph;
    float temperature; /* 0: none */
    int opset;
    bool axes; /* the axes of the reductions are wanted */
    const struct rn_tensors *tensors;
    struct rn_proto out, node, attribute, part; /* the GraphProto; what is being made for it */
    struct rn_err *err;
};

/* ---- nodes ---- */

static void ints(struct writing *w, const char *name, const uint64_t *value, size_t count)
{
    rn_proto_text(&w->attribute, ATTR_NAME, name);
    for (size_t i = 0; i < count; i++)
        rn_proto_int(&w->attribute, ATTR_INTS, value[i]);
    rn_proto_int(&w->attribute, ATTR_TYPE, TYPE_INTS);
    rn_proto_message(&w->node, NODE_ATTRIBUTE, &w->attribute);
}

static void whole(struct writing *w, const char *name, uint64_t value)
{
    rn_proto_text(&w->attribute, ATTR_NAME, name);
    rn_proto_int(&w->attribute, ATTR_I, value);
    rn_proto_int(&w->attribute, ATTR_TYPE, TYPE_INT);
    rn_proto_message(&w->node, NODE_ATTRIBUTE, &w->attribute);
}

static void real(struct writing *w, const char *name, float value)
{
    rn_proto_text(&w->attribute, ATTR_NAME, name);
    rn_proto_float(&w->attribute, ATTR_F, value);
    rn_proto_int(&w->attribute, ATTR_TYPE, TYPE_FLOAT);
    rn_proto_message(&w->node, NODE_ATTRIBUTE, &w->attribute);
}

/* Ends the node whose attributes were set: op(inputs) -> output. inputs: NULL-terminated. The node is called as its
 * output. */
static void node(struct writing *w, const char *op, const char *const *input, const char *output)
{
    for (size_t i = 0; input[i]; i++)
        rn_proto_text(&w->node, NODE_INPUT, input[i]);
    rn_proto_text(&w->node, NODE_OUTPUT, output);
    rn_proto_text(&w->node, NODE_NAME, output);
    rn_proto_text(&w->node, NODE_OP, op);
    rn_proto_message(&w->out, GRAPH_NODE, &w->node);
}

struct label {
    char text[48];
};

/* The name of value v, or of a step on the way to it. */
static struct label value(int v, const char *step)
{
    struct label label;
    if (v == 0)
        return (struct label){ "images" };
    snprintf(label.text, sizeof label.text, step ? "%d_%s" : "%d", v, step);
    return label;
}

static void window(struct writing *w, struct rn_window window)
{
    const uint64_t kernel[] = { window.r, window.s }, stride[] = { window.stride, window.stride },
                   pads[] = { window.top, window.left, window.bottom, window.right },
                   dilation[] = { window.dilation, window.dilation };
    ints(w, "kernel_shape", kernel, 2);
    ints(w, "strides", stride, 2);
    ints(w, "pads", pads, 4);
    if (window.dilation != 1)
        ints(w, "dilations", dilation, 2);
    if (window.groups != 1)
        whole(w, "group", window.groups);
}

static const char *activation(enum rn_activation activation)
{
    return activation == RN_ACT_RELU ? "Relu" : activation == RN_ACT_SIGMOID ? "Sigmoid" : NULL;
}

/* Or rows as channels. */
static void channels_as_rows(struct writing *w, const char *x, const char *y)
{
    const uint64_t order[] = { 0, 2, 1, 3 };
    ints(w, "perm", order, 4);
    node(w, "Transpose", (const char *const[]){ x, NULL }, y);
}

static void write_conv(struct writing *w, const struct rn_node *n)
{
    const char *act = activation(n->activation);
    struct label x = value(n->x, NULL), y = value(n->y, NULL), sum = value(n->y, "conv"), out = value(n->y, "rows");
    struct label from = n->along ? value(n->y, "column") : x, to = n->along ? out : y;
    if (n->along)
        channels_as_rows(w, x.text, from.text);
    window(w, n->window);
    node(w, "Conv",
         (const char *const[]){ from.text, w->graph->param[n->weight].name,
                                n->bias == RN_NONE ? NULL : w->graph->param[n->bias].name, NULL },
         act ? sum.text : to.text);
    if (act)
        node(w, act, (const char *const[]){ sum.text, NULL }, to.text);
    if (n->along)
        channels_as_rows(w, to.text, y.text);
}

static void write_norm(struct writing *w, const struct rn_node *n)
{
    const struct rn_param *p = w->graph->param;
    const char *act = activation(n->activation);
    struct label x = value(n->x, NULL), y = value(n->y, NULL), normed = value(n->y, "norm"), sum = value(n->y, "sum");
    struct label residual = value(n->residual, NULL);
    bool adds = n->residual != RN_NONE;
    const char *last = adds ? sum.text : normed.text;
    real(w, "epsilon", (float)n->eps);
    node(w, "BatchNormalization",
         (const char *const[]){ x.text, p[n->gamma].name, p[n->beta].name, p[n->mean].name, p[n->var].name, NULL },
         adds || act ? normed.text : y.text);
    if (adds)
        node(w, "Add", (const char *const[]){ normed.text, residual.text, NULL }, act ? sum.text : y.text);
    if (act)
        node(w, act, (const char *const[]){ last, NULL }, y.text);
}

static void write_gate(struct writing *w, const struct rn_node *n)
{
    static const char *const op[] = { [RN_COMBINE_SUM] = "Add", [RN_COMBINE_MUL] = "Mul", [RN_COMBINE_MAX] = "Max" };
    struct label x = value(n->x, NULL), y = value(n->y, NULL);
    struct label channel = value(n->channel, NULL), spatial = value(n->spatial, NULL);
    struct label by_channel = value(n->y, "channel"), by_pixel = value(n->y, "spatial");
    bool both = n->channel != RN_NONE && n->spatial != RN_NONE;
    if (n->channel != RN_NONE)
        node(w, "Mul", (const char *const[]){ x.text, channel.text, NULL }, both ? by_channel.text : y.text);
    if (n->spatial != RN_NONE)
        node(w, "Mul", (const char *const[]){ x.text, spatial.text, NULL }, both ? by_pixel.text : y.text);
    if (both)
        node(w, op[n->combine], (const char *const[]){ by_channel.text, by_pixel.text, NULL }, y.text);
}

/* The largest and the mean of the channels, as two channels. */
static void write_channel_pool(struct writing *w, const struct rn_node *n)
{
    static const char *const op[] = { "ReduceMax", "ReduceMean" };
    const uint64_t channels = 1;
    struct label x = value(n->x, NULL), y = value(n->y, NULL), part[] = { value(n->y, "max"), value(n->y, "mean") };
    w->axes = w->opset >= AXES_ARE_INPUT;
    for (size_t i = 0; i < 2; i++) {
        if (!w->axes)
            ints(w, "axes", &channels, 1);
        whole(w, "keepdims", 1);
        node(w, op[i], (const char *const[]){ x.text, w->axes ? "channels" : NULL, NULL }, part[i].text);
    }
    whole(w, "axis", 1);
    node(w, "Concat", (const char *const[]){ part[0].text, part[1].text, NULL }, y.text);
}

static void write_add(struct writing *w, const struct rn_node *n)
{
    const char *act = activation(n->activation);
    struct label x = value(n->x, NULL), y = value(n->y, NULL), sum = value(n->y, "sum"), residual = value(n->residual, NULL);
    bool adds = n->residual != RN_NONE;
    if (adds)
        node(w, "Add", (const char *const[]){ x.text, residual.text, NULL }, act ? sum.text : y.text);
    if (act || !adds)
        node(w, act ? act : "Identity", (const char *const[]){ adds ? sum.text : x.text, NULL }, y.text);
}

/* A pool of one input, by its window or over the whole map. */
static void pool(struct writing *w, const struct rn_node *n, const char *op)
{
    struct label x = value(n->x, NULL), y = value(n->y, NULL);
    if (n->window.r)
        window(w, n->window);
    node(w, op, (const char *const[]){ x.text, NULL }, y.text);
}

static void write_max_pool(struct writing *w, const struct rn_node *n)
{
    pool(w, n, n->window.r ? "MaxPool" : "GlobalMaxPool");
}

static void write_global_avg_pool(struct writing *w, const struct rn_node *n)
{
    pool(w, n, "GlobalAveragePool");
}

static void nodes(struct writing *w)
{
#define WRITE(op, name, reads) [RN_OP_##op] = write_##name,
    static void (*const write[])(struct writing *w, const struct rn_node *n) = { RN_OPS(WRITE) };
    for (size_t i = 0; i < w->graph->nodes; i++)
        write[w->graph->node[i].op](w, &w->graph->node[i]);
    struct label logits = value(w->graph->output, NULL);
    whole(w, "axis", 1);
    node(w, "Flatten", (const char *const[]){ logits.text, NULL }, "logits");
    if (w->temperature > 0)
        node(w, "Div", (const char *const[]){ "logits", "temperature", NULL }, "calibrated");
    whole(w, "axis", 1);
    node(w, "Softmax", (const char *const[]){ w->temperature > 0 ? "calibrated" : "logits", NULL }, "probabilities");
}

/* ---- parameters, input and output ---- */

static int initializer(struct writing *w, const struct rn_param *p)
{
    const struct rn_named *item = rn_tensors_find(w->tensors, p->name);
    const size_t vector[4] = { p->c }, full[4] = { p->n, p->c, p->h, p->w }, *shape = p->dims == 1 ? vector : full;
    size_t count;
    char shown[256];
    if (!item)
        return rn_fail(w->err, RN_EXIT_DATA, "'%s' is missing", p->name);
    if (item->tensor.type != RN_F32 || item->tensor.dims != p->dims || !rn_tensor_count(&item->tensor, &count) ||
        memcmp(item->tensor.shape, shape, (size_t)p->dims * sizeof *shape))
        return rn_fail(w->err, RN_EXIT_DATA, "'%s' has the wrong shape or type: %s", p->name,
                       rn_tensor_describe(&item->tensor, shown));
    for (int i = 0; i < (p->dims == 1 ? 1 : 4); i++)
        rn_proto_int(&w->node, TENSOR_DIMS, shape[i]);
    rn_proto_int(&w->node, TENSOR_TYPE, ELEMENT_FLOAT);
    rn_proto_text(&w->node, TENSOR_NAME, p->name);
    rn_proto_bytes(&w->node, TENSOR_RAW, item->tensor.data, count * sizeof(float));
    rn_proto_message(&w->out, GRAPH_INITIALIZER, &w->node);
    return 0;
}

/* The reductions' axes: the channels. */
static void axes(struct writing *w)
{
    char axis[8];
    rn_put_le(axis, 1, sizeof axis);
    rn_proto_int(&w->node, TENSOR_DIMS, 1);
    rn_proto_int(&w->node, TENSOR_TYPE, ELEMENT_INT64);
    rn_proto_text(&w->node, TENSOR_NAME, "channels");
    rn_proto_bytes(&w->node, TENSOR_RAW, axis, sizeof axis);
    rn_proto_message(&w->out, GRAPH_INITIALIZER, &w->node);
}

/* A scalar: no dimensions. */
static void temperature(struct writing *w)
{
    rn_proto_int(&w->node, TENSOR_TYPE, ELEMENT_FLOAT);
    rn_proto_text(&w->node, TENSOR_NAME, "temperature");
    rn_proto_bytes(&w->node, TENSOR_RAW, &w->temperature, sizeof w->temperature);
    rn_proto_message(&w->out, GRAPH_INITIALIZER, &w->node);
}

/* A float tensor; a dimension has a name where it is free, else it is `size`. */
static void describe(struct writing *w, unsigned field, const char *name, const char *const *dim, size_t dims, size_t size)
{
    for (size_t i = 0; i < dims; i++) {
        if (dim[i])
            rn_proto_text(&w->part, DIM_PARAM, dim[i]);
        else
            rn_proto_int(&w->part, DIM_VALUE, size);
        rn_proto_message(&w->attribute, SHAPE_DIM, &w->part);
    }
    rn_proto_int(&w->part, TENSOR_ELEMENT, ELEMENT_FLOAT);
    rn_proto_message(&w->part, TENSOR_SHAPE, &w->attribute);
    rn_proto_message(&w->attribute, TYPE_TENSOR, &w->part);
    rn_proto_text(&w->node, VALUE_NAME, name);
    rn_proto_message(&w->node, VALUE_TYPE, &w->attribute);
    rn_proto_message(&w->out, field, &w->node);
}

static int make_graph(struct writing *w)
{
    const struct rn_graph *g = w->graph;
    nodes(w);
    rn_proto_text(&w->out, GRAPH_NAME, "recyclenet");
    for (size_t i = 0; i < g->params; i++)
        if (initializer(w, &g->param[i]))
            return -1;
    if (w->axes)
        axes(w);
    if (w->temperature > 0)
        temperature(w);
    describe(w, GRAPH_INPUT, "images", (const char *const[]){ "N", NULL, "H", "W" }, 4, 3);
    describe(w, GRAPH_OUTPUT, "probabilities", (const char *const[]){ "N", NULL }, 2, g->value[g->output].c);
    return w->out.rc | w->node.rc | w->attribute.rc | w->part.rc ? -1 : 0;
}

/* ---- the model ---- */

/* An entry of the model's metadata. */
static int metadata(void *context, const char *key, struct rn_text value)
{
    struct rn_proto *model = context, entry = { .err = model->err };
    rn_proto_text(&entry, PROP_KEY, key);
    rn_proto_bytes(&entry, PROP_VALUE, value.data, value.length);
    rn_proto_message(model, MODEL_METADATA, &entry);
    rn_proto_free(&entry);
    return model->rc;
}

/* Everything but the graph, which is the last field. */
static int make_model(struct rn_proto *model, const struct rn_head *head, int version, struct rn_err *err)
{
    static const char doc[] =
        "images: RGB, float32 (N,3,H,W), (pixel / 255 - mean) / std for each channel, with mean and std of the metadata. "
        "The shorter side is scaled to resize, size x size is cut out of the middle. "
        "probabilities: float32 (N,classes), in the order of the metadata's classes.";
    struct rn_proto opset = { .err = err };
    rn_proto_int(model, MODEL_IR, version < 15 ? 7 : version < 19 ? 8 : version < 21 ? 9 : 10);
    rn_proto_text(model, MODEL_PRODUCER, "recyclenet");
    rn_proto_text(model, MODEL_PRODUCER_VERSION, RN_VERSION);
    rn_proto_text(model, MODEL_DOC, doc);
    rn_proto_text(&opset, OPSET_DOMAIN, "");
    rn_proto_int(&opset, OPSET_VERSION, (uint64_t)version);
    rn_proto_message(model, MODEL_OPSET, &opset);
    rn_proto_free(&opset);
    return rn_about_write(head, metadata, model, err) || model->rc ? -1 : 0;
}

static int open_graph(struct rn_graph **graph, const struct rn_head *head, const struct rn_tensors *tensors, struct rn_err *err)
{
    char shown[256], name[128];
    if (!head->arch.data || !head->attention.data || !head->has_input)
        return rn_fail(err, RN_EXIT_DATA, "the file names no network (rn-import --arch does): it cannot be an ONNX model");
    const struct rn_arch *arch = rn_arch_find(head->arch);
    if (!arch)
        return rn_fail(err, RN_EXIT_DATA, "no architecture is called '%s' (rn-train --help lists them)",
                       rn_text_show(head->arch, shown));
    snprintf(name, sizeof name, "%s.weight", arch->last_layer);
    const struct rn_named *last = rn_tensors_find(tensors, name);
    if (!last || last->tensor.dims != 2)
        return rn_fail(err, RN_EXIT_DATA, "'%s' is missing", name);
    if (head->classes.count && head->classes.count != last->tensor.shape[0])
        return rn_fail(err, RN_EXIT_DATA, "%zu classes, but the last layer has %zu", head->classes.count, last->tensor.shape[0]);
    if (rn_graph_new(graph, head->arch, head->attention, last->tensor.shape[0], err)) {
        err->exit = err->exit == RN_EXIT_USAGE ? RN_EXIT_DATA : err->exit;
        return -1;
    }
    return 0;
}

int rn_onnx_write(const struct rn_head *head, const struct rn_tensors *tensors, int opset, struct rn_out *out, struct rn_err *err)
{
    struct rn_graph *graph = NULL;
    if (open_graph(&graph, head, tensors, err))
        return -1;
    struct writing w = { .graph = graph, .temperature = (float)head->temperature, .opset = opset, .tensors = tensors,
                         .out.err = err, .node.err = err, .attribute.err = err, .part.err = err, .err = err };
    struct rn_proto model = { .err = err };
    int rc = rn_tensors_finite(tensors, err) || make_graph(&w) || make_model(&model, head, opset, err) ? -1 : 0;
    rn_proto_header(&model, MODEL_GRAPH, w.out.buffer.length);
    if (rc == 0 && (model.rc || w.out.buffer.length > INT32_MAX - model.buffer.length))
        rc = model.rc ? -1 : rn_fail(err, RN_EXIT_DATA, "the ONNX model would have 2 GiB or more, which the format does not allow");
    if (rc == 0)
        rc = rn_out_write(out, model.buffer.data, model.buffer.length, err) ||
             rn_out_write(out, w.out.buffer.data, w.out.buffer.length, err) ? -1 : 0;
    rn_proto_free(&w.out);
    rn_proto_free(&w.node);
    rn_proto_free(&w.attribute);
    rn_proto_free(&w.part);
    rn_proto_free(&model);
    rn_graph_free(graph);
    return rc;
}
