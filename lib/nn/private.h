/* private.h -- what the files of this room share. */
#ifndef RN_NN_PRIVATE_H
#define RN_NN_PRIVATE_H

#include "nn/net.h"
#include "nn/program.h"

/* One layout of the arena: for a mode, an input size and a largest batch. Arrays hold offsets until they are bound to it. */
struct rn_layout {
    size_t n, h, w; /* n 0: none yet */
    size_t bytes;
    struct rn_array *value, *grad; /* grad: of what has one */
    /* Evaluation, by call: of a network that is trained, weights with the norm folded in (gone once they are prepacked) and what is
     * added; what the device prepacked of the weights (n 0: nothing). */
    struct rn_array *weight, *bias, *prepacked;
};

/* What a layout follows from, besides its n, h and w. */
struct rn_layout_of {
    struct rn_device *dev;
    const struct rn_graph *graph;
    const struct rn_program *program;
    bool train;       /* for training; else for evaluation */
    bool keeps;       /* evaluation: weights keep their place, for they are trained */
    const bool *kept; /* rn_net's */
    int tail, start;
};
/* Allocates nothing but its own tables. */
RN_MUST int rn_layout_make(struct rn_layout *layout, const struct rn_layout_of *of, struct rn_err *err);
void rn_layout_free(struct rn_layout *layout);
/* Whether a batch norm can be trained on this map: exit 3 where it has one value a channel. */
RN_MUST int rn_norm_check(const struct rn_node *node, struct rn_array x, struct rn_err *err);
/* A pool's window on this map: the node's own, or all of it. */
static inline struct rn_window pool_window(const struct rn_node *node, struct rn_array x)
{
    return node->window.r ? node->window : (struct rn_window)RN_WINDOW(x.h, x.w, 1, 0);
}

/* A convolution's input, output or gradient as it sees them. The numbers lie as they are, in every device. */
static inline struct rn_array rn_conv_sees(const struct rn_node *conv, struct rn_array a)
{
    return conv->along ? (struct rn_array){ a.data, a.n, 1, a.c, 1, a.storage } : a;
}

/* A piece of the parameters' block. */
struct rn_run {
    size_t at, bytes;
    double lr, wd;
};

struct rn_net {
    struct rn_device *dev;
    const struct rn_device_class *on;
    struct rn_graph *graph;
    struct rn_program program[2]; /* for evaluation; for training, where it is trained */
    bool train;
    void *weights, *momentum, *gradients; /* the same layout, `weight_bytes` each */
    void *buffers, *saved;                /* running statistics; batch statistics for backward */
    size_t weight_bytes, buffer_bytes;
    void *second, *average, *average_buffers; /* NULL until there is room */
    struct rn_run *run;                   /* of parameters that are updated alike; NULL: all are */
    size_t runs;
    bool *frozen, *fixed;                 /* by parameter; NULL: none */
    bool *needs;                          /* by value: its gradient leads to a parameter's that is not frozen; NULL: all but 0 */
    bool accumulate;
    double observe;                       /* the norms' momentum; 0: their own */
    size_t *offset;                       /* of each parameter in its block */
    struct rn_array *saved_mean, *saved_inv; /* train mode, by node */
    bool folded;                          /* not trained, and evaluated: the weights are evaluation's */
    bool spare;                           /* not trained: what is prepacked is given up */
    bool stale;                           /* what evaluation made of the weights is gone or old */
    void *arena;
    size_t arena_bytes;
    struct rn_layout layout[2]; /* evaluation, training */
    size_t loaded;              /* images of the batch to train on */
    bool *written;           /* backward: whose gradient holds something: of values, then of parameters */
    bool *kept;              /* by value: evaluation leaves it in the arena */
    int start;               /* batches come in as this value: 0, or what rn_net_enter said */
    int tail;                /* evaluation leaves this value and all after it, with room for their gradients; or RN_NONE */
};

/* One batch on its way through the calls. */
struct rn_walk {
    struct rn_net *net;
    const struct rn_program *program;
    const struct rn_layout *layout;
    size_t n;
    bool train;
};

/* Parameter i in a block of all; none where there is no such parameter, or block. */
static inline struct rn_array param_in(const struct rn_net *net, void *block, int i)
{
    if (i == RN_NONE || !block)
        return (struct rn_array){ 0 };
    const struct rn_param *p = &net->graph->param[i];
    return (struct rn_array){ (char *)block + net->offset[i], p->n, p->c, p->h, p->w };
}

static inline struct rn_array param_of(const struct rn_net *net, int i)
{
    bool buffer = i != RN_NONE && net->graph->param[i].role == RN_BUFFER;
    return param_in(net, buffer ? net->buffers : net->weights, i);
}

static inline struct rn_array bind_fixed(const struct rn_net *net, struct rn_array array)
{
    array.data = (char *)net->arena + (uintptr_t)array.data;
    return array;
}

/* A value or gradient of this batch, in the arena. */
static inline struct rn_array rn_net_bind(const struct rn_net *net, struct rn_array array, size_t n)
{
    array.n = n;
    return bind_fixed(net, array);
}

static inline struct rn_array value(const struct rn_walk *w, int v)
{
    return v == RN_NONE ? (struct rn_array){ 0 } : rn_net_bind(w->net, w->layout->value[v], w->n);
}

static inline struct rn_array grad(const struct rn_walk *w, int v)
{
    return v <= w->net->start ? (struct rn_array){ 0 } : rn_net_bind(w->net, w->layout->grad[v], w->n); /* RN_NONE is below all */
}

/* ---- operators.c ---- */

RN_MUST int rn_call_forward(const struct rn_walk *w, const struct rn_call *call, struct rn_err *err);
RN_MUST int rn_call_backward(const struct rn_walk *w, const struct rn_call *call, struct rn_err *err);
/* Folds each convolution's norm into its weights, and has the device prepack them: layer by layer, as rn_layout_make supposes. */
RN_MUST int rn_net_prepack(struct rn_net *net, const struct rn_layout *layout, struct rn_err *err);

/* ---- net.c ---- */

/* rn_net_eval without the download. */
RN_MUST int rn_walk_eval(struct rn_walk *w, struct rn_net *net, const struct rn_batch *batch, struct rn_err *err);
/* Backward through the calls that made the values after `first`, from the gradient of the logits, which the caller has
 * filled. Parameters' gradients are computed in train mode only. */
RN_MUST int rn_walk_backward(const struct rn_walk *w, int first, struct rn_err *err);

#endif
