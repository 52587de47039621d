/* batch_norm.c -- sums over fixed chunks of rows, added in order; then one pass over the map.
 *
 * A chunk fits the cache, so that its variance is that of x - mean, in a second pass over the chunk: the difference of
 * squares loses what a network trains on. Chunks are then put together as by Chan, Golub and LeVeque, "Updating formulae and
 * a pairwise algorithm for computing sample variances", 1979. */
#include <math.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

enum { STREAMED = 6 << 20 }; /* floats: 24 MiB */

struct norm {
    size_t rows, c, chunk, chunks;
    const struct kernels *on;
    const float *x, *y, *dy, *residual;
    float *out, *dresidual;
    const float *scale, *beta, *mean, *slope, *offset; /* of each channel */
    double *sums; /* for each chunk: two sums of each channel */
    float *const *scratch;
    bool relu, add, add_residual;
    bool stream; /* y will be gone from the cache before it is read */
};

struct kernels {
    void (*sums)(double *sum, const float *x, const float *centre, size_t rows, size_t c);
    void (*apply)(const struct norm *v, size_t row, size_t end);
    void (*gradients)(const struct norm *v, double *sum, double *dot, size_t row, size_t end);
    void (*spread)(const struct norm *v, size_t row, size_t end);
};

#define KERNELS "device/cpu/batch_norm.inc"
#include "device/cpu/variants.h"

static const struct kernels *const kernels[] = RN_CPU_VARIANT_TABLE(kernels);

static struct norm over(const struct rn_cpu *cpu, struct rn_array x)
{
    struct norm v = { .rows = x.n * x.h * x.w, .c = x.c, .chunk = rn_cpu_chunk_rows(x.c), .x = x.data, .on = kernels[cpu->isa] };
    v.chunks = rn_cpu_blocks(v.rows, v.chunk);
    return v;
}

static size_t rows_of(const struct norm *v, size_t chunk)
{
    return rn_cpu_min(v->chunk, v->rows - chunk * v->chunk);
}

/* ---- forward ---- */

/* A chunk's sums, and its squares around its own mean, for which the thread has room. */
static void sum_task(void *context, size_t task, int thread)
{
    const struct norm *v = context;
    size_t rows = rows_of(v, task), c = v->c;
    const float *x = v->x + task * v->chunk * c;
    double *sum = v->sums + task * 2 * c, *squares = sum + c;
    float *centre = v->scratch[thread];
    memset(sum, 0, 2 * c * sizeof *sum);
    v->on->sums(sum, x, NULL, rows, c);
    for (size_t i = 0; i < c; i++)
        centre[i] = (float)(sum[i] / (double)rows);
    v->on->sums(squares, x, centre, rows, c);
}

/* mean and var (biased) of all chunks. */
static void combine(const struct norm *v, double *mean, double *var)
{
    size_t c = v->c;
    double count = (double)v->rows;
    memset(mean, 0, c * sizeof *mean);
    memset(var, 0, c * sizeof *var);
    for (size_t chunk = 0; chunk < v->chunks; chunk++)
        for (size_t i = 0; i < c; i++)
            mean[i] += v->sums[chunk * 2 * c + i];
    for (size_t i = 0; i < c; i++)
        mean[i] /= count;
    for (size_t chunk = 0; chunk < v->chunks; chunk++) {
        const double *sum = v->sums + chunk * 2 * c, *squares = sum + c;
        double rows = (double)rows_of(v, chunk);
        for (size_t i = 0; i < c; i++) {
            double centre = (double)(float)(sum[i] / rows), off = centre - mean[i];
            var[i] += squares[i] + off * (2 * (sum[i] - rows * centre) + rows * off);
        }
    }
    for (size_t i = 0; i < c; i++)
        var[i] /= count;
}

static void apply_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    v->on->apply(v, task * v->chunk, task * v->chunk + rows_of(v, task));
}

static void take_running(const struct rn_norm *norm, size_t c)
{
    const float *mean = norm->running_mean.data, *var = norm->running_var.data;
    for (size_t i = 0; i < c; i++) {
        ((float *)norm->mean.data)[i] = mean[i];
        ((float *)norm->inv_std.data)[i] = (float)(1 / sqrt((double)var[i] + norm->eps));
    }
}

int rn_cpu_norm_statistics(struct rn_cpu *cpu, struct rn_array x, const struct rn_norm *norm, struct rn_err *err)
{
    struct norm v = over(cpu, x);
    size_t c = v.c, sums;
    if (norm->fixed) {
        take_running(norm, c);
        return 0;
    }
    if (!rn_mul(2 * v.chunks + 2, c, &sums) || rn_cpu_scratch(cpu, c, 2 * sums, err))
        return -1;
    double *mean = (double *)(void *)cpu->shared, *var = mean + c, count = (double)v.rows, m = norm->momentum;
    float *running_mean = norm->running_mean.data, *running_var = norm->running_var.data;
    v.sums = var + c;
    v.scratch = cpu->scratch;
    rn_pool_for(cpu->pool, v.chunks, sum_task, &v);
    combine(&v, mean, var);
    for (size_t i = 0; i < c; i++) {
        double inv_std = 1 / sqrt(var[i] + norm->eps);
        ((float *)norm->mean.data)[i] = (float)mean[i];
        ((float *)norm->inv_std.data)[i] = (float)inv_std;
        running_mean[i] = (float)((1 - m) * (double)running_mean[i] + m * mean[i]);
        running_var[i] = (float)((1 - m) * (double)running_var[i] + m * var[i] * count / (count - 1));
    }
    return 0;
}

void rn_cpu_norm_scale(const struct rn_norm *norm, float *scale, size_t c)
{
    for (size_t i = 0; i < c; i++)
        scale[i] = (float)((double)((const float *)norm->gamma.data)[i] * (double)((const float *)norm->inv_std.data)[i]);
}

int rn_cpu_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                      const struct rn_norm *norm, bool relu, struct rn_err *err)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    if (rn_check_batch_norm(y, x, residual, norm, err) || rn_cpu_norm_statistics(cpu, x, norm, err) || rn_cpu_scratch(cpu, 0, x.c, err))
        return -1;
    struct norm v = over(cpu, x);
    rn_cpu_norm_scale(norm, cpu->shared, v.c);
    v.scale = cpu->shared;
    v.mean = norm->mean.data;
    v.beta = norm->beta.data;
    v.residual = residual.data;
    v.out = y.data;
    v.relu = relu;
    v.stream = v.rows * v.c > STREAMED && v.c % 16 == 0;
    rn_pool_for(cpu->pool, v.chunks, apply_task, &v);
    return 0;
}

/* ---- backward ---- */

static void gradient_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    double *sum = v->sums + task * 2 * v->c;
    memset(sum, 0, 2 * v->c * sizeof *sum);
    v->on->gradients(v, sum, sum + v->c, task * v->chunk, task * v->chunk + rows_of(v, task));
}

static void spread_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct norm *v = context;
    v->on->spread(v, task * v->chunk, task * v->chunk + rows_of(v, task));
}

void rn_cpu_norm_slopes(const struct rn_norm *norm, const struct rn_cpu_slopes *s, size_t c, bool add)
{
    for (size_t i = 0; i < c; i++) {
        double inv_std = (double)((const float *)norm->inv_std.data)[i], dot = s->dot[i] * inv_std, k = (double)s->scale[i] / (double)s->rows;
        s->slope[i] = norm->fixed ? 0 : (float)(k * inv_std * dot);
        s->offset[i] = norm->fixed ? 0 : (float)(k * s->sum[i]);
        s->dgamma[i] = (float)((add ? (double)s->dgamma[i] : 0) + dot);
        s->dbeta[i] = (float)((add ? (double)s->dbeta[i] : 0) + s->sum[i]);
    }
}

int rn_cpu_batch_norm_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dresidual,
                               struct rn_array dgamma, struct rn_array dbeta, struct rn_array dy, struct rn_array x,
                               struct rn_array y, const struct rn_norm *norm, bool relu, unsigned add,
                               struct rn_err *err)
{
    if (rn_check_batch_norm_backward(dx, dresidual, dgamma, dbeta, dy, x, y, norm, relu, err))
        return -1;
    struct rn_cpu *cpu = rn_cpu(dev);
    struct norm v = over(cpu, x);
    size_t c = v.c, sums;
    if (!rn_mul(2 * v.chunks, c, &sums) || rn_cpu_scratch(cpu, 0, 2 * sums + 3 * c, err))
        return -1;
    v.sums = (double *)(void *)cpu->shared;
    float *scale = (float *)(void *)(v.sums + sums), *slope = scale + c, *offset = slope + c;
    rn_cpu_norm_scale(norm, scale, c);
    v.scale = scale;
    v.mean = norm->mean.data;
    v.beta = norm->beta.data;
    v.dy = dy.data;
    v.y = dresidual.data ? y.data : NULL; /* else it follows from x, which is read anyway */
    v.relu = relu;
    rn_pool_for(cpu->pool, v.chunks, gradient_task, &v);
    for (size_t chunk = 1; chunk < v.chunks; chunk++)
        for (size_t i = 0; i < 2 * c; i++)
            v.sums[i] += v.sums[chunk * 2 * c + i];
    rn_cpu_norm_slopes(norm, &(struct rn_cpu_slopes){ v.sums, v.sums + c, v.rows, scale, slope, offset, dgamma.data, dbeta.data }, c,
                       add & RN_ADD_DW);
    v.slope = slope;
    v.offset = offset;
    v.out = dx.data;
    v.dresidual = dresidual.data;
    v.add = add & RN_ADD_DX;
    v.add_residual = add & RN_ADD_RESIDUAL;
    rn_pool_for(cpu->pool, v.chunks, spread_task, &v);
    return 0;
}
