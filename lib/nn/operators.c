/* operators.c -- what each operator asks of the device, forward and backward. */
#include "nn/private.h"

/* A call's arrays of this batch. */
struct operands {
    struct rn_net *net;
    const struct rn_walk *walk;
    const struct rn_call *call;
    const struct rn_device_class *on;
    struct rn_device *dev;
    struct rn_array x, y, residual, channel, spatial;
    struct rn_array dx, dy, dresidual, dchannel, dspatial; /* backward */
    unsigned add;                                          /* ... which of them hold something */
};

/* ---- batch norm ---- */

static struct rn_norm norm_of(const struct rn_net *net, const struct rn_node *node)
{
    size_t i = (size_t)(node - net->graph->node);
    const struct rn_array none = { 0 };
    return (struct rn_norm){
        .gamma = param_of(net, node->gamma), .beta = param_of(net, node->beta),
        .running_mean = param_of(net, node->mean), .running_var = param_of(net, node->var),
        .mean = net->train ? net->saved_mean[i] : none, .inv_std = net->train ? net->saved_inv[i] : none,
        .momentum = net->observe > 0 ? net->observe : node->momentum, .eps = node->eps,
        .fixed = net->fixed && net->fixed[node->gamma],
    };
}

static int forward_norm(const struct operands *o, struct rn_err *err)
{
    struct rn_norm norm = norm_of(o->net, o->call->node);
    if (!norm.fixed && rn_norm_check(o->call->node, o->x, err))
        return -1;
    if (o->call->with)
        return o->on->norm_pool(o->dev, o->y, o->x, &norm, o->call->with->window, err);
    return o->on->batch_norm(o->dev, o->y, o->x, o->residual, &norm, o->call->activation, err);
}

/* A norm is used once: its gradients are there only when they are accumulated. */
static int backward_norm(const struct operands *o, struct rn_err *err)
{
    struct rn_norm norm = norm_of(o->net, o->call->node);
    void *gradients = o->walk->train ? o->net->gradients : NULL;
    const struct rn_norm_back b = {
        o->dx, o->dresidual, param_in(o->net, gradients, o->call->node->gamma), param_in(o->net, gradients, o->call->node->beta),
        o->dy, o->x, o->y, &norm, o->call->activation, o->add | (o->walk->train && o->net->accumulate ? RN_ADD_DW : 0),
    };
    if (o->call->with)
        return o->on->norm_pool_backward(o->dev, &b, o->call->with->window, err);
    return o->on->batch_norm_backward(o->dev, &b, err);
}

/* ---- convolutions ---- */

/* Evaluation: the weights of call i, a convolution's, and what is added. A network that is not trained needs those with a norm in
 * them in no other form: they take the place of the weights and of the norm's beta. */
static struct rn_array eval_weight(const struct rn_net *net, const struct rn_layout *layout, size_t i)
{
    const struct rn_call *call = &net->program[false].call[i];
    return call->with && net->train ? bind_fixed(net, layout->weight[i]) : param_of(net, call->node->weight);
}

static struct rn_array eval_bias(const struct rn_net *net, const struct rn_layout *layout, size_t i)
{
    const struct rn_call *call = &net->program[false].call[i];
    if (!call->with)
        return param_of(net, call->node->bias);
    return net->train ? bind_fixed(net, layout->bias[i]) : param_of(net, call->with->beta);
}

int rn_net_prepack(struct rn_net *net, const struct rn_layout *layout, struct rn_err *err)
{
    const struct rn_program *program = &net->program[false];
    for (size_t step = 0; step < program->calls; step++) {
        size_t i = net->train ? step : program->calls - 1 - step; /* the largest first, while there is room */
        const struct rn_call *call = &program->call[i];
        const struct rn_node *node = call->node;
        if (call->op != RN_OP_CONV || call->y <= net->start)
            continue;
        struct rn_array weight = eval_weight(net, layout, i);
        if (call->with && !net->folded) {
            struct rn_norm norm = norm_of(net, call->with);
            if (net->on->fold(net->dev, weight, eval_bias(net, layout, i), param_of(net, node->weight), &norm, err))
                return -1;
        }
        if (layout->prepacked[i].n &&
            net->on->prepack(net->dev, bind_fixed(net, layout->prepacked[i]).data, rn_conv_sees(node, layout->value[call->y]),
                             rn_conv_sees(node, layout->value[call->x]), weight, node->window, call->activation, err))
            return -1;
        if (layout->prepacked[i].n && net->spare && net->on->discard)
            net->on->discard(net->dev, weight.data, net->on->bytes(weight.n, weight.c, weight.h, weight.w, RN_FULL));
    }
    net->folded = !net->train;
    net->stale = false;
    return 0;
}

static int forward_conv(const struct operands *o, struct rn_err *err)
{
    const struct rn_node *node = o->call->node;
    const struct rn_layout *layout = o->walk->layout;
    bool train = o->walk->train;
    size_t i = (size_t)(o->call - o->walk->program->call);
    struct rn_array weight = train ? param_of(o->net, node->weight) : eval_weight(o->net, layout, i);
    struct rn_array bias = train ? param_of(o->net, node->bias) : eval_bias(o->net, layout, i);
    const void *prepacked = NULL;
    if (!train && layout->prepacked[i].n)
        prepacked = weight.data = bind_fixed(o->net, layout->prepacked[i]).data;
    return o->on->conv2d(o->dev, rn_conv_sees(node, o->y), rn_conv_sees(node, o->x), weight, node->window,
                         (struct rn_epilogue){ bias, o->residual, o->call->activation, prepacked }, !train, err);
}

static bool is_frozen(const struct rn_net *net, int i)
{
    return net->frozen && i != RN_NONE && net->frozen[i];
}

/* The bit when the value's, or the parameter's, gradient already holds something; notes that it does from now on. */
static unsigned adds(struct rn_net *net, int v, unsigned bit)
{
    if (v == RN_NONE)
        return 0;
    bool was = net->written[v];
    net->written[v] = true;
    return was ? bit : 0;
}

/* A layer may be used twice. */
static int backward_conv(const struct operands *o, struct rn_err *err)
{
    struct rn_net *net = o->net;
    const struct rn_node *node = o->call->node;
    const struct rn_array none = { 0 };
    struct rn_array dx = o->walk->train && net->needs && !net->needs[o->call->x] ? none : o->dx;
    void *gradients = o->walk->train ? net->gradients : NULL;
    const struct rn_conv_back b = {
        .dx = rn_conv_sees(node, dx), .dw = is_frozen(net, node->weight) ? none : param_in(net, gradients, node->weight),
        .dbias = is_frozen(net, node->bias) ? none : param_in(net, gradients, node->bias),
        .dy = rn_conv_sees(node, o->dy), .x = rn_conv_sees(node, o->x), .w = param_of(net, node->weight), .window = node->window,
        .add = o->add | adds(net, (int)net->graph->values + node->weight, RN_ADD_DW),
    };
    if (o->call->activation != RN_ACT_NONE && o->on->activation_backward(o->dev, o->dy, o->dy, o->y, o->call->activation, err))
        return -1;
    return o->on->conv2d_backward(o->dev, &b, err);
}

/* ---- the others ---- */

static int forward_max_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->max_pool(o->dev, o->y, o->x, pool_window(o->call->node, o->x), err);
}

static int backward_max_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->max_pool_backward(o->dev, o->dx, o->dy, o->x, o->y, pool_window(o->call->node, o->x), o->add, err);
}

static int forward_global_avg_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool(o->dev, o->y, o->x, err);
}

static int backward_global_avg_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool_backward(o->dev, o->dx, o->dy, o->add, err);
}

static int forward_channel_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool(o->dev, o->y, o->x, err);
}

static int backward_channel_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool_backward(o->dev, o->dx, o->dy, o->x, o->y, o->add, err);
}

static int forward_gate(const struct operands *o, struct rn_err *err)
{
    return o->on->gate(o->dev, o->y, o->x, o->channel, o->spatial, o->call->node->combine, err);
}

static int backward_gate(const struct operands *o, struct rn_err *err)
{
    const struct rn_gate_back b = { o->dx, o->dchannel, o->dspatial, o->dy, o->x, o->channel, o->spatial, o->call->node->combine,
                                    o->add };
    return o->on->gate_backward(o->dev, &b, err);
}

static int forward_add(const struct operands *o, struct rn_err *err)
{
    return o->on->add(o->dev, o->y, o->x, o->residual, o->call->activation, err);
}

static int backward_add(const struct operands *o, struct rn_err *err)
{
    return o->on->add_backward(o->dev, o->dx, o->dresidual, o->dy, o->y, o->call->activation, o->add, err);
}

/* ---- all of them ---- */

static struct operands operands_of(const struct rn_walk *w, const struct rn_call *call)
{
    return (struct operands){ .net = w->net, .walk = w, .call = call, .on = w->net->on, .dev = w->net->dev, .x = value(w, call->x),
                              .y = value(w, call->y), .residual = value(w, call->residual), .channel = value(w, call->channel),
                              .spatial = value(w, call->spatial) };
}

int rn_call_forward(const struct rn_walk *w, const struct rn_call *call, struct rn_err *err)
{
#define FORWARD(op, name, reads) [RN_OP_##op] = forward_##name,
    static int (*const forward[])(const struct operands *o, struct rn_err *err) = { RN_OPS(FORWARD) };
    const struct operands o = operands_of(w, call);
    return forward[call->op](&o, err);
}

int rn_call_backward(const struct rn_walk *w, const struct rn_call *call, struct rn_err *err)
{
#define BACKWARD(op, name, reads) [RN_OP_##op] = backward_##name,
    static int (*const backward[])(const struct operands *o, struct rn_err *err) = { RN_OPS(BACKWARD) };
    struct operands o = operands_of(w, call);
    o.dx = grad(w, call->x);
    o.dy = grad(w, call->y);
    o.dresidual = grad(w, call->residual);
    o.dchannel = grad(w, call->channel);
    o.dspatial = grad(w, call->spatial);
    o.add = adds(w->net, call->x, RN_ADD_DX); /* first: it may be the residual, too */
    o.add |= adds(w->net, call->residual, RN_ADD_RESIDUAL);
    adds(w->net, call->channel, 0);
    adds(w->net, call->spatial, 0);
    return backward[call->op](&o, err);
}
