/* batch_norm.c -- Ioffe and Szegedy, "Batch normalization", ICML 2015: y = gamma (x - mean) / sqrt(var + eps) + beta. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

static void forward_channel(void *context, size_t c, int thread)
{
    (void)thread;
    const struct rn_batch_norm *op = context;
    const struct rn_norm *norm = &op->norm;
    struct rn_array x = op->x;
    double count = (double)(x.n * x.h * x.w), mean = 0, var = 0;
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++)
            mean += *rn_reference_at(x, n, c, 0, i);
    mean /= count;
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++)
            var += pow(*rn_reference_at(x, n, c, 0, i) - mean, 2);
    var /= count;
    if (norm->fixed) {
        mean = *rn_reference_of(norm->running_mean, c);
        var = *rn_reference_of(norm->running_var, c);
    }
    double inv_std = 1 / sqrt(var + norm->eps), gamma = *rn_reference_of(norm->gamma, c),
           beta = *rn_reference_of(norm->beta, c);
    double *running_mean = rn_reference_of(norm->running_mean, c),
           *running_var = rn_reference_of(norm->running_var, c);
    *rn_reference_of(norm->mean, c) = mean;
    *rn_reference_of(norm->inv_std, c) = inv_std;
    double momentum = norm->fixed ? 0 : norm->momentum;
    *running_mean = (1 - momentum) * *running_mean + momentum * mean;
    *running_var = (1 - momentum) * *running_var + momentum * var * count / (count - 1);
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++) {
            double y = gamma * (*rn_reference_at(x, n, c, 0, i) - mean) * inv_std + beta;
            if (op->residual.data)
                y += *rn_reference_at(op->residual, n, c, 0, i);
            *rn_reference_at(op->y, n, c, 0, i) = op->activation == RN_ACT_RELU && y < 0 ? 0 : y;
        }
}

int rn_reference_batch_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    if (rn_check_batch_norm(op, err))
        return -1;
    struct rn_batch_norm own = *op;
    rn_pool_for(rn_reference_pool(dev), op->x.c, forward_channel, &own);
    return 0;
}

/* The gradient before the ReLU. */
static double before_relu(const struct rn_batch_norm_backward *op, size_t n, size_t c, size_t i)
{
    return op->activation == RN_ACT_RELU && !(*rn_reference_at(op->y, n, c, 0, i) > 0) ? 0 : *rn_reference_at(op->dy, n, c, 0, i);
}

static void backward_channel(void *context, size_t c, int thread)
{
    (void)thread;
    const struct rn_batch_norm_backward *op = context;
    struct rn_array x = op->x;
    double count = (double)(x.n * x.h * x.w), sum = 0, dot = 0;
    double mean = *rn_reference_of(op->norm.mean, c), inv_std = *rn_reference_of(op->norm.inv_std, c);
    double gamma = *rn_reference_of(op->norm.gamma, c);
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++) {
            sum += before_relu(op, n, c, i);
            dot += before_relu(op, n, c, i) * (*rn_reference_at(x, n, c, 0, i) - mean) * inv_std;
        }
    *rn_reference_of(op->dbeta, c) += sum;
    *rn_reference_of(op->dgamma, c) += dot;
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++) {
            double d = before_relu(op, n, c, i), normal = (*rn_reference_at(x, n, c, 0, i) - mean) * inv_std;
            double *dx = rn_reference_at(op->dx, n, c, 0, i);
            *dx = (op->add & RN_ADD_DX ? *dx : 0) + gamma * inv_std * (op->norm.fixed ? d : d - sum / count - normal * dot / count);
            if (op->dresidual.data)
                *rn_reference_at(op->dresidual, n, c, 0, i) += d;
        }
}

int rn_reference_batch_norm_backward(struct rn_device *dev, const struct rn_batch_norm_backward *op, struct rn_err *err)
{
    if (rn_check_batch_norm_backward(op, err))
        return -1;
    struct rn_batch_norm_backward own = *op;
    rn_reference_begin(op->dresidual, op->add & RN_ADD_RESIDUAL);
    rn_reference_begin(op->dgamma, op->add & RN_ADD_DW);
    rn_reference_begin(op->dbeta, op->add & RN_ADD_DW);
    rn_pool_for(rn_reference_pool(dev), op->x.c, backward_channel, &own);
    return 0;
}
