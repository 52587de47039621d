/* conv2d.c -- the ways to compute a convolution, and which one computes which. */
#include "device/check.h"
#include "device/cpu/conv.h"

/* The first that takes a layer computes it. The last takes all. */
static const struct rn_cpu_path *const paths[] = { &rn_cpu_winograd, &rn_cpu_narrow, &rn_cpu_direct, &rn_cpu_outer,
                                                   &rn_cpu_columns };
enum { PATHS = sizeof paths / sizeof *paths };

static const struct rn_cpu_path *path_for(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    for (int i = 0; i < PATHS; i++)
        if (paths[i]->takes(conv, pass) && (!conv->cpu->path || conv->cpu->path == paths[i]))
            return paths[i];
    return paths[PATHS - 1];
}

static struct rn_cpu_conv shape(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w,
                                struct rn_window window)
{
    return (struct rn_cpu_conv){
        .cpu = rn_cpu(dev), .n = x.n, .c = x.c, .h = x.h, .w = x.w, .k = y.c, .p = y.h, .q = y.w, .window = window,
        .x = x.data, .weight = w.data,
    };
}

static struct rn_cpu_conv forward_of(struct rn_device *dev, const struct rn_conv2d *op)
{
    struct rn_cpu_conv conv = shape(dev, op->y, op->x, op->w, op->window);
    conv.y = op->y.data;
    conv.bias = op->bias.data;
    conv.residual = op->residual.data;
    conv.activation = op->activation;
    conv.prepacked = op->prepacked;
    conv.eval = op->eval;
    return conv;
}

size_t rn_cpu_prepacked(struct rn_device *dev, const struct rn_conv2d *op)
{
    struct rn_cpu_conv conv = forward_of(dev, op);
    conv.eval = true;
    const struct rn_cpu_path *path = path_for(&conv, RN_CPU_FORWARD);
    return path->prepacked ? path->prepacked(&conv) * sizeof(float) : 0;
}

int rn_cpu_prepack(struct rn_device *dev, void *prepacked, const struct rn_conv2d *op, struct rn_err *err)
{
    struct rn_cpu_conv conv = forward_of(dev, op);
    conv.eval = true;
    return path_for(&conv, RN_CPU_FORWARD)->prepack(&conv, prepacked, err);
}

static void sigmoid_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct rn_cpu_conv *v = context;
    size_t from = task * RN_CPU_CHUNK;
    rn_cpu_sigmoid(v->y + from, rn_cpu_min(RN_CPU_CHUNK, v->n * v->p * v->q * v->k - from));
}

/* The ways leave the sigmoid to us. */
int rn_cpu_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    if (rn_check_conv2d(op, err))
        return -1;
    struct rn_cpu_conv conv = forward_of(dev, op);
    if (path_for(&conv, RN_CPU_FORWARD)->forward(&conv, err))
        return -1;
    if (conv.activation == RN_ACT_SIGMOID)
        rn_pool_for(conv.cpu->pool, rn_cpu_blocks(conv.n * conv.p * conv.q * conv.k, RN_CPU_CHUNK), sigmoid_task, &conv);
    return 0;
}

enum { BIAS_BLOCK = 16 };

static void dbias_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct rn_cpu_conv *v = context;
    size_t k0 = task * BIAS_BLOCK, width = rn_cpu_min(BIAS_BLOCK, v->k - k0);
    double sum[BIAS_BLOCK] = { 0 };
    for (size_t i = 0; i < v->n * v->p * v->q; i++)
        for (size_t k = 0; k < width; k++)
            sum[k] += (double)v->dy[i * v->k + k0 + k];
    for (size_t k = 0; k < width; k++)
        v->dbias[k0 + k] = (float)((v->add ? (double)v->dbias[k0 + k] : 0) + sum[k]);
}

int rn_cpu_conv2d_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    if (rn_check_conv2d_backward(op, err))
        return -1;
    struct rn_cpu_conv conv = shape(dev, op->dy, op->x, op->w, op->window);
    conv.dy = op->dy.data;
    conv.dx = op->dx.data;
    conv.dw = op->dw.data;
    conv.dbias = op->dbias.data;
    conv.add = op->add & RN_ADD_DX;
    if (conv.dx && path_for(&conv, RN_CPU_DX)->dx(&conv, err))
        return -1;
    conv.add = op->add & RN_ADD_DW;
    if (conv.dbias)
        rn_pool_for(conv.cpu->pool, rn_cpu_blocks(conv.k, BIAS_BLOCK), dbias_task, &conv);
    return conv.dw ? path_for(&conv, RN_CPU_DW)->dw(&conv, err) : 0;
}
