/* graph.h -- a network as a list of nodes, in the order in which they are computed, and the parameters that they use,
 * in the order of PyTorch's state dict. It only describes: no sizes (any input that the windows fit can go through), no memory.
 *
 * Values are numbered; value 0 is the input (N,3,H,W). Each value is made by one node. Parameters are numbered too, and
 * named as PyTorch names them ("layer1.0.conv1.weight"). Builders return the number of what they made; the first error
 * is kept in the graph, later calls do nothing and return 0, and rn_graph_new reports it. */
#ifndef RN_GRAPH_GRAPH_H
#define RN_GRAPH_GRAPH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "device/device.h"
#include "stream/stream.h"

enum { RN_NONE = -1 }; /* no such value, parameter or node */

/* How a parameter starts when a network is trained from scratch. */
enum rn_start {
    RN_START_ZERO,
    RN_START_ONE,
    RN_START_KAIMING, /* normal, variance 2 / (K R S): PyTorch's kaiming_normal_(fan_out, relu) */
    RN_START_UNIFORM, /* +- 1 / sqrt(fan_in): PyTorch's default for linear layers and for biases */
};

struct rn_param {
    char *name;
    enum rn_role role;        /* RN_PARAMETER, or RN_BUFFER for running statistics */
    size_t n, c, h, w;        /* (K,C,R,S); vectors (1,C,1,1) */
    int dims;                 /* as PyTorch shows it: 4, 2 (linear) or 1 */
    enum rn_start start;
    size_t fan_in;
    size_t block;             /* 0: before the blocks; then from 1; what comes after them has a number of its own */
};

/* The operators that nodes are made of: X(NAME, name, what its backward reads of its values; behind an activation its y, too). From
 * this list are made the tables of functions of lib/nn/operators.c (forward_name, backward_name) and of lib/exchange/onnx.c
 * (write_name). */
enum { RN_READS_X = 1, RN_READS_Y = 2, RN_READS_GATES = 4 };
#define RN_OPS(X) \
    X(CONV, conv, RN_READS_X) \
    X(NORM, norm, RN_READS_X) \
    X(MAX_POOL, max_pool, RN_READS_X | RN_READS_Y) \
    X(GLOBAL_AVG_POOL, global_avg_pool, 0) \
    X(CHANNEL_POOL, channel_pool, RN_READS_X | RN_READS_Y) \
    X(GATE, gate, RN_READS_X | RN_READS_GATES) \
    X(ADD, add, 0)
#define RN_OP(op, name, reads) RN_OP_##op,
enum rn_op { RN_OPS(RN_OP) };
#undef RN_OP

struct rn_node {
    enum rn_op op;
    char *name;                    /* of the layer, for messages and lists */
    int x, y;                      /* values: input and output */
    int residual;                  /* NORM, ADD: a value to add, or RN_NONE */
    int channel, spatial;          /* GATE: values, or RN_NONE */
    int weight, bias;              /* CONV: parameters; bias may be RN_NONE. All are RN_NONE where they are not used */
    int gamma, beta, mean, var;    /* NORM: parameters */
    double momentum, eps;          /* NORM */
    struct rn_window window;       /* CONV, MAX_POOL (r 0: the whole map); of others r is 0 */
    bool along;                    /* CONV: slides along the channels of a 1x1 map, as if they were rows of one channel */
    enum rn_activation activation; /* CONV (after the bias), NORM (after the residual; none or RELU), ADD */
    enum rn_combine combine;       /* GATE */
};

struct rn_value {
    size_t c;
    bool pixel; /* a 1x1 map whatever the input's size */
};

struct rn_graph {
    struct rn_node *node;
    struct rn_param *param;
    struct rn_value *value;
    size_t nodes, params, values;
    size_t node_capacity, param_capacity, value_capacity;
    const struct rn_arch *arch;
    int output;              /* the logits (N,classes,1,1) */
    int last_block;          /* the map after the last block, before what an attention module has there */
    const char *last_stage;  /* how people call it: "layer4" */
    size_t block;            /* the one that is being built */
    struct rn_err err;       /* the first error of a builder */
};

struct rn_attention;
/* A family of architectures is one file, lib/graph/arch/NAME.c, that defines rn_arch_NAME. */
struct rn_arch {
    const char *const *member; /* as the user writes them: "resnet18"; NULL at the end */
    /* The last layer's name; and what torchvision's state dicts call it, if that is another. */
    const char *last_layer, *last_layer_alias;
    /* Sets output, last_block and last_stage. */
    void (*build)(struct rn_graph *graph, size_t member, const struct rn_attention *attention, size_t classes);
};
extern const struct rn_arch *const rn_arch_table[]; /* NULL-terminated; made by lib/gen-table */
const struct rn_arch *rn_arch_find(struct rn_text name); /* the family that has such a member; NULL: none */
/* Whether this is the name of the last layer's weight, which has a row for each class. */
bool rn_arch_has_last(const struct rn_arch *arch, struct rn_text param);

/* An attention module is one file, lib/graph/attention/NAME.c, that defines rn_attention_NAME. */
struct rn_attention {
    const char *name; /* as the user writes it: "ours-mul" */
    const char *summary;
    /* Each may be NULL: nothing there. It returns the value that goes on. */
    int (*after_blocks)(struct rn_graph *graph, int x);
    int (*in_block)(struct rn_graph *graph, const char *block, int x); /* after a block's last norm, before the shortcut is added */
};
extern const struct rn_attention *const rn_attention_table[]; /* NULL-terminated; made by lib/gen-table */
const struct rn_attention *rn_attention_find(struct rn_text name);
/* Name i of the tables, NULL at the end: for option tables. */
const char *rn_arch_name(size_t i);
const char *rn_attention_name(size_t i);

/* Such an architecture with an attention module and a linear layer for `classes` classes. Errors: exit 2 for a name that there is
 * not. */
RN_MUST int rn_graph_new(struct rn_graph **graph, struct rn_text arch, struct rn_text attention, size_t classes,
                         struct rn_err *err);
void rn_graph_free(struct rn_graph *graph); /* NULL is allowed */
size_t rn_graph_count(const struct rn_graph *graph); /* trained numbers: what papers call the number of parameters */
/* Parameter i is one of the last layer, which other classes make another. */
bool rn_graph_is_last(const struct rn_graph *graph, size_t i);
/* The value that the last layer reads. */
int rn_graph_features(const struct rn_graph *graph);
/* Its name in torchvision's state dicts, in room, or NULL where that is its own. */
const char *rn_graph_alias(const struct rn_graph *graph, size_t i, char room[static 128]);
/* The parameter that has this name (or alias), or RN_NONE. */
int rn_graph_find(const struct rn_graph *graph, struct rn_text name, bool or_alias);

/* ---- for builders (lib/graph/arch, lib/graph/attention) ---- */

/* Parameters that are made from now on belong to the next block, or to what comes after the last. */
void rn_graph_next_block(struct rn_graph *graph);

/* The parameters of a layer, to be used by a node now or later: their order is the state dict's. As PyTorch's Conv2d, Linear,
 * BatchNorm2d; `along`: a Conv1d of one channel, for rn_node.along. */
struct rn_layer {
    int weight, bias, gamma, beta, mean, var;
    struct rn_window window;
    double momentum, eps;
    bool along;
    char name[64];
};
struct rn_layer rn_layer_conv(struct rn_graph *g, const char *name, size_t c, size_t k, struct rn_window window, bool bias);
struct rn_layer rn_layer_conv_along(struct rn_graph *g, const char *name, size_t taps); /* odd; as many channels out as in */
struct rn_layer rn_layer_norm(struct rn_graph *g, const char *name, size_t c, double momentum, double eps);
struct rn_layer rn_layer_linear(struct rn_graph *g, const char *name, size_t c, size_t k);

size_t rn_graph_channels(const struct rn_graph *g, int x); /* of value x */
int rn_add_conv(struct rn_graph *g, const struct rn_layer *layer, int x, enum rn_activation activation);
int rn_add_norm(struct rn_graph *g, const struct rn_layer *layer, int x, int residual, enum rn_activation activation);
int rn_add_max_pool(struct rn_graph *g, const char *name, int x, struct rn_window window); /* window.r 0: the whole map */
int rn_add_channel_pool(struct rn_graph *g, const char *name, int x);
int rn_add_sum(struct rn_graph *g, const char *name, int a, int b, enum rn_activation activation); /* b may be RN_NONE */
int rn_add_global_avg_pool(struct rn_graph *g, const char *name, int x);
int rn_add_gate(struct rn_graph *g, const char *name, int x, int channel, int spatial, enum rn_combine combine);

/* RecycleNet's own attention: ChannelGate, SpatialGate or both, combined. */
int rn_add_recyclenet_gates(struct rn_graph *g, int x, bool channel, bool spatial, enum rn_combine combine);

/* lib/graph/arch/resnet.c: a network of residual blocks as torchvision's ResNet class builds it. blocks: of each stage, 0 after the
 * last. width: of a group of the first stage's 3x3 convolutions (of all, where groups is 1: 64; in "32x4d": 4). */
struct rn_residual {
    bool bottleneck;
    size_t blocks[4], groups, width;
    size_t narrow; /* channels are divided by this; 0: by 1 */
    bool small;    /* for small pictures: it begins with a 3x3 convolution of stride 1, and has no pooling after it */
};
void rn_build_residual(struct rn_graph *g, const struct rn_residual *shape, const struct rn_attention *attention, size_t classes);

#endif
