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
        return o->on->norm_pool(o->dev, &(struct rn_norm_pool){
            .y = o->y, .x = o->x, .norm = norm, .window = o->call->with->window }, err);
    return o->on->batch_norm(o->dev, &(struct rn_batch_norm){
        .y = o->y, .x = o->x, .residual = o->residual, .norm = norm, .activation = o->call->activation }, err);
}

/* A norm is used once: its gradients are there only when they are accumulated. */
static int backward_norm(const struct operands *o, struct rn_err *err)
{
    const struct rn_node *node = o->call->node;
    struct rn_norm norm = norm_of(o->net, node);
    void *gradients = o->walk->train ? o->net->gradients : NULL;
    struct rn_array dgamma = param_in(o->net, gradients, node->gamma), dbeta = param_in(o->net, gradients, node->beta);
    unsigned add = o->add | (o->walk->train && o->net->accumulate ? RN_ADD_DW : 0);
    if (o->call->with)
        return o->on->norm_pool_backward(o->dev, &(struct rn_norm_pool_backward){
            .dx = o->dx, .dgamma = dgamma, .dbeta = dbeta, .dy = o->dy, .x = o->x, .y = o->y, .norm = norm,
            .window = o->call->with->window, .add = add }, err);
    return o->on->batch_norm_backward(o->dev, &(struct rn_batch_norm_backward){
        .dx = o->dx, .dresidual = o->dresidual, .dgamma = dgamma, .dbeta = dbeta, .dy = o->dy, .x = o->x, .y = o->y, .norm = norm,
        .activation = o->call->activation, .add = add }, err);
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
        const struct rn_conv2d conv = { .y = rn_conv_sees(node, layout->value[call->y]),
                                        .x = rn_conv_sees(node, layout->value[call->x]), .w = weight, .window = node->window,
                                        .activation = call->activation };
        if (call->with && !net->folded &&
            net->on->fold(net->dev, &(struct rn_fold){ .w2 = weight, .bias2 = eval_bias(net, layout, i),
                                                       .w = param_of(net, node->weight), .norm = norm_of(net, call->with) }, err))
            return -1;
        if (layout->prepacked[i].n && net->on->prepack(net->dev, bind_fixed(net, layout->prepacked[i]).data, &conv, err))
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
    struct rn_conv2d conv = {
        .y = rn_conv_sees(node, o->y), .x = rn_conv_sees(node, o->x),
        .w = train ? param_of(o->net, node->weight) : eval_weight(o->net, layout, i),
        .bias = train ? param_of(o->net, node->bias) : eval_bias(o->net, layout, i), .residual = o->residual,
        .window = node->window, .activation = o->call->activation, .eval = !train,
    };
    if (!train && layout->prepacked[i].n)
        conv.prepacked = conv.w.data = bind_fixed(o->net, layout->prepacked[i]).data;
    return o->on->conv2d(o->dev, &conv, err);
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
    const struct rn_conv2d_backward conv = {
        .dx = rn_conv_sees(node, dx), .dw = is_frozen(net, node->weight) ? none : param_in(net, gradients, node->weight),
        .dbias = is_frozen(net, node->bias) ? none : param_in(net, gradients, node->bias),
        .dy = rn_conv_sees(node, o->dy), .x = rn_conv_sees(node, o->x), .w = param_of(net, node->weight), .window = node->window,
        .add = o->add | adds(net, (int)net->graph->values + node->weight, RN_ADD_DW),
    };
    const struct rn_activation_backward activation = { .dx = o->dy, .dy = o->dy, .y = o->y, .activation = o->call->activation };
    if (activation.activation != RN_ACT_NONE && o->on->activation_backward(o->dev, &activation, err))
        return -1;
    return o->on->conv2d_backward(o->dev, &conv, err);
}

/* ---- the others ---- */

static int forward_max_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->max_pool(o->dev, &(struct rn_max_pool){ .y = o->y, .x = o->x, .window = pool_window(o->call->node, o->x) }, err);
}

static int backward_max_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->max_pool_backward(o->dev, &(struct rn_max_pool_backward){
        .dx = o->dx, .dy = o->dy, .x = o->x, .y = o->y, .window = pool_window(o->call->node, o->x), .add = o->add }, err);
}

static int forward_global_avg_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool(o->dev, &(struct rn_global_avg_pool){ .y = o->y, .x = o->x }, err);
}

static int backward_global_avg_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool_backward(o->dev, &(struct rn_global_avg_pool_backward){
        .dx = o->dx, .dy = o->dy, .add = o->add }, err);
}

static int forward_channel_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool(o->dev, &(struct rn_channel_pool){ .y = o->y, .x = o->x }, err);
}

static int backward_channel_pool(const struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool_backward(o->dev, &(struct rn_channel_pool_backward){
        .dx = o->dx, .dy = o->dy, .x = o->x, .y = o->y, .add = o->add }, err);
}

static int forward_gate(const struct operands *o, struct rn_err *err)
{
    return o->on->gate(o->dev, &(struct rn_gate){
        .y = o->y, .x = o->x, .channel = o->channel, .spatial = o->spatial, .combine = o->call->node->combine }, err);
}

static int backward_gate(const struct operands *o, struct rn_err *err)
{
    return o->on->gate_backward(o->dev, &(struct rn_gate_backward){
        .dx = o->dx, .dchannel = o->dchannel, .dspatial = o->dspatial, .dy = o->dy, .x = o->x, .channel = o->channel,
        .spatial = o->spatial, .combine = o->call->node->combine, .add = o->add }, err);
}

static int forward_add(const struct operands *o, struct rn_err *err)
{
    return o->on->add(o->dev, &(struct rn_add){ .y = o->y, .a = o->x, .b = o->residual, .activation = o->call->activation }, err);
}

static int backward_add(const struct operands *o, struct rn_err *err)
{
    return o->on->add_backward(o->dev, &(struct rn_add_backward){
        .da = o->dx, .db = o->dresidual, .dy = o->dy, .y = o->y, .activation = o->call->activation, .add = o->add }, err);
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
