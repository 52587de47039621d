/* batch_norm.cu -- Ioffe and Szegedy, "Batch normalization", ICML 2015: y = gamma (x - mean) / sqrt(var + eps) + beta.
 *
 * Each pass is three kernels: sums of each channel over parts of the rows, the parts' sum (in double), and the map. Forward
 * sums are of x minus the channel's first value, so that a large mean does not eat the variance. */
#include "device/cuda/kernel.h"

struct batch_norm {
    struct map y, x, residual;
    const float *gamma, *beta;
    float *running_mean, *running_var, *mean, *inv_std;
    float *sums; /* (parts, 2, C) */
    unsigned parts;
    int relu;
    double momentum, eps;
};

struct batch_norm_backward {
    struct map dx, dresidual, dy, x, y;
    float *dgamma, *dbeta;
    const float *gamma, *mean, *inv_std;
    float *sums, *means; /* (parts, 2, C); (2, C): of d and of d times the normal */
    unsigned parts;
    int relu, add_dx, add_dresidual, add_dw;
};

#ifdef RN_KERNELS

KERNEL(batch_norm_sums)(const struct batch_norm v)
{
    unsigned c = channel();
    float sum = 0, squares = 0, shift = c < v.x.c ? get(v.x, c) : 0;
    if (c < v.x.c)
        for (each_row(r, rows_of(v.x))) {
            float x = get(v.x, r * v.x.c + c) - shift;
            sum += x;
            squares += x * x;
        }
    sum = sum_rows(sum);
    squares = sum_rows(squares);
    if (row() == 0 && c < v.x.c) {
        v.sums[2 * blockIdx.y * v.x.c + c] = sum;
        v.sums[(2 * blockIdx.y + 1) * v.x.c + c] = squares;
    }
}

/* The two sums of a channel over all parts. */
static __device__ inline void add_parts(const float *sums, unsigned parts, unsigned c, unsigned channels, double *sum, double *other)
{
    double a = 0, b = 0;
    if (c < channels)
        for (unsigned part = row(); part < parts; part += RN_ROWS) {
            a += sums[2 * part * channels + c];
            b += sums[(2 * part + 1) * channels + c];
        }
    *sum = sum_rows_double(a);
    *other = sum_rows_double(b);
}

KERNEL(batch_norm_stats)(const struct batch_norm v)
{
    unsigned c = channel();
    double sum, squares, count = (double)rows_of(v.x);
    add_parts(v.sums, v.parts, c, v.x.c, &sum, &squares);
    if (row() || c >= v.x.c)
        return;
    double mean = get(v.x, c) + sum / count, var = (squares - sum * sum / count) / count;
    var = var < 0 ? 0 : var;
    v.mean[c] = (float)mean;
    v.inv_std[c] = (float)(1 / sqrt(var + v.eps));
    v.running_mean[c] = (float)((1 - v.momentum) * v.running_mean[c] + v.momentum * mean);
    v.running_var[c] = (float)((1 - v.momentum) * v.running_var[c] + v.momentum * var * count / (count - 1));
}

KERNEL(batch_norm)(const struct batch_norm v)
{
    unsigned c = channel();
    if (c >= v.x.c)
        return;
    float mean = v.mean[c], scale = v.gamma[c] * v.inv_std[c], beta = v.beta[c];
    for (each_row(r, rows_of(v.x))) {
        rn_index i = r * v.x.c + c;
        float y = (get(v.x, i) - mean) * scale + beta;
        if (v.residual.at)
            y += get(v.residual, i);
        put(v.y, i, v.relu ? activate(y, 1) : y);
    }
}

/* The gradient before the ReLU. */
static __device__ inline float before_relu(const struct batch_norm_backward *v, rn_index i)
{
    return v->relu && !(get(v->y, i) > 0) ? 0 : get(v->dy, i);
}

KERNEL(batch_norm_backward_sums)(const struct batch_norm_backward v)
{
    unsigned c = channel();
    float sum = 0, dot = 0;
    if (c < v.x.c) {
        float mean = v.mean[c], inv_std = v.inv_std[c];
        for (each_row(r, rows_of(v.x))) {
            float d = before_relu(&v, r * v.x.c + c);
            sum += d;
            dot += d * ((get(v.x, r * v.x.c + c) - mean) * inv_std);
        }
    }
    sum = sum_rows(sum);
    dot = sum_rows(dot);
    if (row() == 0 && c < v.x.c) {
        v.sums[2 * blockIdx.y * v.x.c + c] = sum;
        v.sums[(2 * blockIdx.y + 1) * v.x.c + c] = dot;
    }
}

KERNEL(batch_norm_backward_stats)(const struct batch_norm_backward v)
{
    unsigned c = channel();
    double sum, dot, count = (double)rows_of(v.x);
    add_parts(v.sums, v.parts, c, v.x.c, &sum, &dot);
    if (row() || c >= v.x.c)
        return;
    v.means[c] = (float)(sum / count);
    v.means[v.x.c + c] = (float)(dot / count);
    if (v.dbeta)
        v.dbeta[c] = (float)(v.add_dw ? v.dbeta[c] + sum : sum);
    if (v.dgamma)
        v.dgamma[c] = (float)(v.add_dw ? v.dgamma[c] + dot : dot);
}

KERNEL(batch_norm_backward)(const struct batch_norm_backward v)
{
    unsigned c = channel();
    if (c >= v.x.c)
        return;
    float mean = v.mean[c], inv_std = v.inv_std[c], scale = v.gamma[c] * inv_std;
    float of_d = v.means[c], of_dot = v.means[v.x.c + c];
    for (each_row(r, rows_of(v.x))) {
        rn_index i = r * v.x.c + c;
        float d = before_relu(&v, i), dx = scale * (d - of_d - (get(v.x, i) - mean) * inv_std * of_dot);
        give(v.dx, i, dx, v.add_dx);
        if (v.dresidual.at)
            give(v.dresidual, i, d, v.add_dresidual);
    }
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                       const struct rn_norm *norm, bool relu, struct rn_err *err)
{
    if (rn_check_batch_norm(y, x, residual, norm, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct batch_norm v = {
            rn_cuda_cut(&p, y), rn_cuda_cut(&p, x), rn_cuda_cut(&p, residual), rn_cuda_at(&p, norm->gamma.data),
            rn_cuda_at(&p, norm->beta.data), rn_cuda_at(&p, norm->running_mean.data), rn_cuda_at(&p, norm->running_var.data),
            rn_cuda_at(&p, norm->mean.data), rn_cuda_at(&p, norm->inv_std.data), .parts = rn_cuda_row_parts(v.x), .relu = relu,
            .momentum = norm->momentum, .eps = norm->eps };
        struct rn_cuda_grid parts = rn_cuda_rows(v.x), channels = { parts.x, 1, 1 }, all = parts;
        parts.y = v.parts;
        if (!v.x.n)
            continue;
        if (p.n * x.h * x.w < 2) {
            p.rc = rn_fail(err, RN_EXIT_DATA, "device cuda:%d: its part of the batch is one image, of a 1x1 map: batch norm needs more "
                                              "than one value a channel; use larger batches or fewer GPUs", p.gpu->ordinal);
            continue;
        }
        if (!(v.sums = rn_cuda_workspace(&p, 2 * sizeof(float) * v.parts * x.c, err)))
            continue;
        p.rc = rn_cuda_launch(&p, RN_CUDA_batch_norm_sums, parts, &v, x, err) ||
                       rn_cuda_launch(&p, RN_CUDA_batch_norm_stats, channels, &v, x, err) ||
                       rn_cuda_launch(&p, RN_CUDA_batch_norm, all, &v, x, err) ? -1 : 0;
    }
    return p.rc;
}

int rn_cuda_batch_norm_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dresidual, struct rn_array dgamma,
                                struct rn_array dbeta, struct rn_array dy, struct rn_array x, struct rn_array y,
                                const struct rn_norm *norm, bool relu, unsigned add, struct rn_err *err)
{
    if (rn_check_batch_norm_backward(dx, dresidual, dgamma, dbeta, dy, x, y, norm, relu, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct batch_norm_backward v = {
            rn_cuda_cut(&p, dx), rn_cuda_cut(&p, dresidual), rn_cuda_cut(&p, dy), rn_cuda_cut(&p, x), rn_cuda_cut(&p, y),
            rn_cuda_at(&p, dgamma.data), rn_cuda_at(&p, dbeta.data), rn_cuda_at(&p, norm->gamma.data),
            rn_cuda_at(&p, norm->mean.data), rn_cuda_at(&p, norm->inv_std.data), .parts = rn_cuda_row_parts(v.x), .relu = relu,
            .add_dx = add & RN_ADD_DX, .add_dresidual = add & RN_ADD_RESIDUAL, .add_dw = add & RN_ADD_DW };
        struct rn_cuda_grid parts = rn_cuda_rows(v.x), channels = { parts.x, 1, 1 }, all = parts;
        parts.y = v.parts;
        if (!v.x.n) {
            p.rc = rn_cuda_idle(&p, dgamma, v.add_dw, err) || rn_cuda_idle(&p, dbeta, v.add_dw, err) ? -1 : 0;
            continue;
        }
        if (!(v.sums = rn_cuda_workspace(&p, 2 * sizeof(float) * ((size_t)v.parts + 1) * x.c, err)))
            continue;
        v.means = v.sums + (size_t)2 * v.parts * x.c;
        p.rc = rn_cuda_launch(&p, RN_CUDA_batch_norm_backward_sums, parts, &v, x, err) ||
                       rn_cuda_launch(&p, RN_CUDA_batch_norm_backward_stats, channels, &v, x, err) ||
                       rn_cuda_launch(&p, RN_CUDA_batch_norm_backward, all, &v, x, err) ? -1 : 0;
    }
    return p.rc;
}

#endif
