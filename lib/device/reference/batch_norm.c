/* batch_norm.c -- Ioffe and Szegedy, "Batch normalization", ICML 2015: y = gamma (x - mean) / sqrt(var + eps) + beta. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

struct norm {
    struct rn_array y, x, residual, dx, dresidual, dgamma, dbeta, dy;
    const struct rn_norm *norm;
    bool relu, add_dx;
};

static void forward_channel(void *context, size_t c, int thread)
{
    (void)thread;
    const struct norm *v = context;
    const struct rn_norm *norm = v->norm;
    struct rn_array x = v->x;
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
            if (v->residual.data)
                y += *rn_reference_at(v->residual, n, c, 0, i);
            *rn_reference_at(v->y, n, c, 0, i) = v->relu && y < 0 ? 0 : y;
        }
}

int rn_reference_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                            const struct rn_norm *norm, enum rn_activation activation, struct rn_err *err)
{
    if (rn_check_batch_norm(y, x, residual, norm, activation, err))
        return -1;
    struct norm v = { .y = y, .x = x, .residual = residual, .norm = norm, .relu = activation == RN_ACT_RELU };
    rn_pool_for(rn_reference_pool(dev), x.c, forward_channel, &v);
    return 0;
}

/* The gradient before the ReLU. */
static double before_relu(const struct norm *v, size_t n, size_t c, size_t i)
{
    return v->relu && !(*rn_reference_at(v->y, n, c, 0, i) > 0) ? 0 : *rn_reference_at(v->dy, n, c, 0, i);
}

static void backward_channel(void *context, size_t c, int thread)
{
    (void)thread;
    const struct norm *v = context;
    struct rn_array x = v->x;
    double count = (double)(x.n * x.h * x.w), sum = 0, dot = 0;
    double mean = *rn_reference_of(v->norm->mean, c), inv_std = *rn_reference_of(v->norm->inv_std, c);
    double gamma = *rn_reference_of(v->norm->gamma, c);
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++) {
            sum += before_relu(v, n, c, i);
            dot += before_relu(v, n, c, i) * (*rn_reference_at(x, n, c, 0, i) - mean) * inv_std;
        }
    *rn_reference_of(v->dbeta, c) += sum;
    *rn_reference_of(v->dgamma, c) += dot;
    for (size_t n = 0; n < x.n; n++)
        for (size_t i = 0; i < x.h * x.w; i++) {
            double d = before_relu(v, n, c, i), normal = (*rn_reference_at(x, n, c, 0, i) - mean) * inv_std;
            double *dx = rn_reference_at(v->dx, n, c, 0, i);
            *dx = (v->add_dx ? *dx : 0) + gamma * inv_std * (v->norm->fixed ? d : d - sum / count - normal * dot / count);
            if (v->dresidual.data)
                *rn_reference_at(v->dresidual, n, c, 0, i) += d;
        }
}

int rn_reference_batch_norm_backward(struct rn_device *dev, const struct rn_norm_back *b, struct rn_err *err)
{
    if (rn_check_batch_norm_backward(b, err))
        return -1;
    struct norm v = {
        .y = b->y, .x = b->x, .dx = b->dx, .dresidual = b->dresidual, .dgamma = b->dgamma, .dbeta = b->dbeta, .dy = b->dy,
        .norm = b->norm, .relu = b->activation == RN_ACT_RELU, .add_dx = b->add & RN_ADD_DX };
    rn_reference_begin(b->dresidual, b->add & RN_ADD_RESIDUAL);
    rn_reference_begin(b->dgamma, b->add & RN_ADD_DW);
    rn_reference_begin(b->dbeta, b->add & RN_ADD_DW);
    rn_pool_for(rn_reference_pool(dev), b->x.c, backward_channel, &v);
    return 0;
}
