/* batch_norm.c -- sums over fixed chunks of rows, in double, added in order; then one pass over the map.
 *
 * The variance is of x - mean, in a second pass: the difference of squares loses what a network trains on. */
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

struct norm {
    size_t rows, c, chunk, chunks;
    const float *x, *y, *dy, *residual;
    float *out, *dresidual;
    const float *scale, *beta, *mean, *inv_std, *slope, *offset; /* of each channel */
    double *sums; /* for each chunk: a sum of each channel, then another */
    const double *centre;
    bool relu, add, add_residual;
};

static struct norm over(struct rn_array x)
{
    struct norm v = { .rows = x.n * x.h * x.w, .c = x.c, .chunk = rn_cpu_chunk_rows(x.c), .x = x.data };
    v.chunks = rn_cpu_blocks(v.rows, v.chunk);
    return v;
}

/* Chunk 0 of sums gets the sum of all: `count` of them in a row. */
static void combine(double *sums, size_t chunks, size_t count)
{
    for (size_t chunk = 1; chunk < chunks; chunk++)
        for (size_t i = 0; i < count; i++)
            sums[i] += sums[chunk * count + i];
}

/* ---- forward ---- */

RN_CPU_CLONES static void sum_rows(double *restrict sum, const float *restrict x, size_t rows, size_t c)
{
    for (size_t i = 0; i < c; i++)
        sum[i] = 0;
    for (size_t row = 0; row < rows; row++, x += c)
        for (size_t i = 0; i < c; i++)
            sum[i] += (double)x[i];
}

RN_CPU_CLONES static void sum_squares(double *restrict sum, const float *restrict x, const double *restrict mean,
                                      size_t rows, size_t c)
{
    for (size_t i = 0; i < c; i++)
        sum[i] = 0;
    for (size_t row = 0; row < rows; row++, x += c)
        for (size_t i = 0; i < c; i++) {
            double d = (double)x[i] - mean[i];
            sum[i] += d * d;
        }
}

static void sum_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    const float *x = v->x + task * v->chunk * v->c;
    size_t rows = rn_cpu_min(v->chunk, v->rows - task * v->chunk);
    if (v->centre)
        sum_squares(v->sums + task * v->c, x, v->centre, rows, v->c);
    else
        sum_rows(v->sums + task * v->c, x, rows, v->c);
}

RN_CPU_CLONES static void apply(const struct norm *v, size_t row, size_t end)
{
    size_t c = v->c;
    const float *restrict scale = v->scale, *restrict mean = v->mean, *restrict beta = v->beta;
    for (; row < end; row++) {
        const float *restrict x = v->x + row * c, *restrict residual = v->residual ? v->residual + row * c : NULL;
        float *restrict y = v->out + row * c;
        if (residual)
            for (size_t i = 0; i < c; i++)
                y[i] = (x[i] - mean[i]) * scale[i] + beta[i] + residual[i];
        else
            for (size_t i = 0; i < c; i++)
                y[i] = (x[i] - mean[i]) * scale[i] + beta[i];
        if (v->relu)
            for (size_t i = 0; i < c; i++)
                y[i] = y[i] < 0 ? 0 : y[i]; /* NaN stays */
    }
}

static void apply_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    apply(v, task * v->chunk, rn_cpu_min((task + 1) * v->chunk, v->rows));
}

int rn_cpu_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                      const struct rn_norm *norm, bool relu, struct rn_err *err)
{
    if (rn_check_batch_norm(y, x, residual, norm, err))
        return -1;
    struct norm v = over(x);
    struct rn_cpu *cpu = rn_cpu(dev);
    size_t c = v.c, sums;
    if (!rn_mul(v.chunks + 1, c, &sums) || rn_cpu_scratch(cpu, 0, 2 * sums + c, err))
        return -1;
    double *mean = (double *)(void *)cpu->shared, count = (double)v.rows;
    float *scale = (float *)(void *)(mean + sums);
    v.sums = mean + c;
    rn_pool_for(cpu->pool, v.chunks, sum_task, &v);
    combine(v.sums, v.chunks, c);
    for (size_t i = 0; i < c; i++)
        mean[i] = v.sums[i] / count;
    v.centre = mean;
    rn_pool_for(cpu->pool, v.chunks, sum_task, &v);
    combine(v.sums, v.chunks, c);
    const float *gamma = norm->gamma.data;
    float *running_mean = norm->running_mean.data, *running_var = norm->running_var.data;
    for (size_t i = 0; i < c; i++) {
        double var = v.sums[i] / count, inv_std = 1 / sqrt(var + norm->eps), m = norm->momentum;
        ((float *)norm->mean.data)[i] = (float)mean[i];
        ((float *)norm->inv_std.data)[i] = (float)inv_std;
        running_mean[i] = (float)((1 - m) * (double)running_mean[i] + m * mean[i]);
        running_var[i] = (float)((1 - m) * (double)running_var[i] + m * var * count / (count - 1));
        scale[i] = (float)((double)gamma[i] * inv_std);
    }
    v.scale = scale;
    v.mean = norm->mean.data;
    v.beta = norm->beta.data;
    v.residual = residual.data;
    v.out = y.data;
    v.relu = relu;
    rn_pool_for(cpu->pool, v.chunks, apply_task, &v);
    return 0;
}

/* ---- backward ---- */

enum { BLOCK = 64 };

/* d = dy where the ReLU let through, else 0; y NULL: everywhere. Apart from the sums, as compilers then vectorise both. */
static inline void mask(float *restrict d, const float *restrict dy, const float *restrict y, size_t width)
{
    for (size_t i = 0; i < width; i++)
        d[i] = y && !(y[i] > 0) ? 0 : dy[i];
}

/* Sums of d and of d times the normalised x. */
RN_CPU_CLONES static void sum_gradients(double *restrict sum, double *restrict dot, const float *restrict dy,
                                        const float *restrict x, const float *restrict y,
                                        const float *restrict mean, const float *restrict inv_std, size_t rows,
                                        size_t c)
{
    float d[BLOCK];
    for (size_t i = 0; i < c; i++)
        sum[i] = dot[i] = 0;
    for (size_t row = 0; row < rows; row++, dy += c, x += c, y += y ? c : 0)
        for (size_t at = 0; at < c; at += BLOCK) {
            size_t width = rn_cpu_min(BLOCK, c - at);
            mask(d, dy + at, y ? y + at : NULL, width);
            for (size_t i = 0; i < width; i++) {
                sum[at + i] += (double)d[i];
                dot[at + i] += (double)(d[i] * ((x[at + i] - mean[at + i]) * inv_std[at + i]));
            }
        }
}

static void gradient_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    size_t row = task * v->chunk, rows = rn_cpu_min(v->chunk, v->rows - row), at = row * v->c;
    double *sum = v->sums + task * 2 * v->c;
    sum_gradients(sum, sum + v->c, v->dy + at, v->x + at, v->relu ? v->y + at : NULL, v->mean, v->inv_std, rows,
                  v->c);
}

/* dx = scale d - slope (x - mean) - offset. */
RN_CPU_CLONES static void spread(const struct norm *v, size_t row, size_t end)
{
    size_t c = v->c;
    const float *restrict scale = v->scale, *restrict mean = v->mean, *restrict slope = v->slope,
                          *restrict offset = v->offset;
    for (; row < end; row++) {
        const float *restrict x = v->x + row * c, *restrict dy = v->dy + row * c,
                              *restrict y = v->relu ? v->y + row * c : NULL;
        float *restrict dx = v->out + row * c;
        if (v->relu)
            for (size_t i = 0; i < c; i++) {
                float g = dy[i], d = y[i] > 0 ? g : 0,
                      value = scale[i] * d - slope[i] * (x[i] - mean[i]) - offset[i];
                dx[i] = v->add ? dx[i] + value : value;
            }
        else
            for (size_t i = 0; i < c; i++) {
                float value = scale[i] * dy[i] - slope[i] * (x[i] - mean[i]) - offset[i];
                dx[i] = v->add ? dx[i] + value : value;
            }
        float *restrict dresidual = v->dresidual ? v->dresidual + row * c : NULL;
        if (dresidual)
            for (size_t i = 0; i < c; i++) {
                float d = v->relu && !(y[i] > 0) ? 0 : dy[i];
                dresidual[i] = v->add_residual ? dresidual[i] + d : d;
            }
    }
}

static void spread_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    spread(v, task * v->chunk, rn_cpu_min((task + 1) * v->chunk, v->rows));
}

int rn_cpu_batch_norm_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dresidual,
                               struct rn_array dgamma, struct rn_array dbeta, struct rn_array dy, struct rn_array x,
                               struct rn_array y, const struct rn_norm *norm, bool relu, unsigned add,
                               struct rn_err *err)
{
    if (rn_check_batch_norm_backward(dx, dresidual, dgamma, dbeta, dy, x, y, norm, relu, err))
        return -1;
    struct norm v = over(x);
    struct rn_cpu *cpu = rn_cpu(dev);
    size_t c = v.c, sums;
    if (!rn_mul(2 * v.chunks, c, &sums) || rn_cpu_scratch(cpu, 0, 2 * sums + 3 * c, err))
        return -1;
    v.sums = (double *)(void *)cpu->shared;
    v.mean = norm->mean.data;
    v.inv_std = norm->inv_std.data;
    v.dy = dy.data;
    v.y = y.data;
    v.relu = relu;
    rn_pool_for(cpu->pool, v.chunks, gradient_task, &v);
    combine(v.sums, v.chunks, 2 * c);

    const float *gamma = norm->gamma.data;
    float *to_gamma = dgamma.data, *to_beta = dbeta.data, *scale = (float *)(void *)(v.sums + sums),
          *slope = scale + c, *offset = slope + c;
    for (size_t i = 0; i < c; i++) {
        double sum = v.sums[i], dot = v.sums[c + i], inv_std = (double)v.inv_std[i], k = (double)gamma[i] * inv_std;
        scale[i] = (float)k;
        slope[i] = (float)(k * inv_std * dot / (double)v.rows);
        offset[i] = (float)(k * sum / (double)v.rows);
        to_gamma[i] = (float)((add & RN_ADD_DW ? (double)to_gamma[i] : 0) + dot);
        to_beta[i] = (float)((add & RN_ADD_DW ? (double)to_beta[i] : 0) + sum);
    }
    v.scale = scale;
    v.slope = slope;
    v.offset = offset;
    v.out = dx.data;
    v.dresidual = dresidual.data;
    v.add = add & RN_ADD_DX;
    v.add_residual = add & RN_ADD_RESIDUAL;
    rn_pool_for(cpu->pool, v.chunks, spread_task, &v);
    return 0;
}
