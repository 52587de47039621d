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

void rn_cpu_norm_take_running(const struct rn_norm *norm, size_t c)
{
    const float *mean = norm->running_mean.data, *var = norm->running_var.data;
    for (size_t i = 0; i < c; i++) {
        ((float *)norm->mean.data)[i] = mean[i];
        ((float *)norm->inv_std.data)[i] = (float)(1 / sqrt((double)var[i] + norm->eps));
    }
}

/* Sums and squares of all chunks, in v.sums; mean and var have room before them. */
static int take_sums(struct rn_cpu *cpu, struct norm *v, double **mean, double **var, struct rn_err *err)
{
    size_t sums;
    if (!rn_mul(2 * v->chunks + 2, v->c, &sums) || rn_cpu_scratch(cpu, v->c, 2 * sums, err))
        return -1;
    *mean = (double *)(void *)cpu->shared;
    *var = *mean + v->c;
    v->sums = *var + v->c;
    v->scratch = cpu->scratch;
    rn_pool_for(cpu->pool, v->chunks, sum_task, v);
    combine(v, *mean, *var);
    return 0;
}

int rn_cpu_norm_moments(struct rn_cpu *cpu, struct rn_array x, double *mean, double *var, struct rn_err *err)
{
    struct norm v = over(cpu, x);
    double *own_mean, *own_var;
    if (take_sums(cpu, &v, &own_mean, &own_var, err))
        return -1;
    memcpy(mean, own_mean, v.c * sizeof *mean);
    memcpy(var, own_var, v.c * sizeof *var);
    return 0;
}

void rn_cpu_norm_settle(const struct rn_norm *norm, size_t c, size_t rows, const double *mean, const double *var)
{
    double count = (double)rows, m = norm->momentum;
    float *running_mean = norm->running_mean.data, *running_var = norm->running_var.data;
    for (size_t i = 0; i < c; i++) {
        double inv_std = 1 / sqrt(var[i] + norm->eps);
        ((float *)norm->mean.data)[i] = (float)mean[i];
        ((float *)norm->inv_std.data)[i] = (float)inv_std;
        if (running_mean) {
            running_mean[i] = (float)((1 - m) * (double)running_mean[i] + m * mean[i]);
            running_var[i] = (float)((1 - m) * (double)running_var[i] + m * var[i] * count / (count - 1));
        }
    }
}

int rn_cpu_norm_statistics(struct rn_cpu *cpu, struct rn_array x, const struct rn_norm *norm, struct rn_err *err)
{
    struct norm v = over(cpu, x);
    double *mean, *var;
    if (norm->fixed) {
        rn_cpu_norm_take_running(norm, v.c);
        return 0;
    }
    if (take_sums(cpu, &v, &mean, &var, err))
        return -1;
    rn_cpu_norm_settle(norm, v.c, v.rows, mean, var);
    return 0;
}

void rn_cpu_norm_scale(const struct rn_norm *norm, float *scale, size_t c)
{
    for (size_t i = 0; i < c; i++)
        scale[i] = (float)((double)((const float *)norm->gamma.data)[i] * (double)((const float *)norm->inv_std.data)[i]);
}

int rn_cpu_norm_apply(struct rn_cpu *cpu, const struct rn_batch_norm *op, struct rn_err *err)
{
    if (rn_cpu_scratch(cpu, 0, op->x.c, err))
        return -1;
    struct norm v = over(cpu, op->x);
    rn_cpu_norm_scale(&op->norm, cpu->shared, v.c);
    v.scale = cpu->shared;
    v.mean = op->norm.mean.data;
    v.beta = op->norm.beta.data;
    v.residual = op->residual.data;
    v.out = op->y.data;
    v.relu = op->activation == RN_ACT_RELU;
    v.stream = v.rows * v.c > STREAMED && v.c % 16 == 0;
    rn_pool_for(cpu->pool, v.chunks, apply_task, &v);
    return 0;
}

int rn_cpu_batch_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    if (rn_check_batch_norm(op, err) || rn_cpu_norm_statistics(cpu, op->x, &op->norm, err))
        return -1;
    return rn_cpu_norm_apply(cpu, op, err);
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
        double inv_std = (double)((const float *)norm->inv_std.data)[i], dot = s->dot[i] * inv_std,
               k = (double)s->scale[i] / (double)s->rows;
        s->slope[i] = norm->fixed ? 0 : (float)(k * inv_std * dot);
        s->offset[i] = norm->fixed ? 0 : (float)(k * s->sum[i]);
        s->dgamma[i] = (float)((add ? (double)s->dgamma[i] : 0) + dot);
        s->dbeta[i] = (float)((add ? (double)s->dbeta[i] : 0) + s->sum[i]);
    }
}

/* What both passes of backward read. */
static struct norm back_over(const struct rn_cpu *cpu, const struct rn_batch_norm_backward *op, float *scale)
{
    struct norm v = over(cpu, op->x);
    rn_cpu_norm_scale(&op->norm, scale, v.c);
    v.scale = scale;
    v.mean = op->norm.mean.data;
    v.beta = op->norm.beta.data;
    v.dy = op->dy.data;
    v.y = op->dresidual.data ? op->y.data : NULL; /* else it follows from x, which is read anyway */
    v.relu = op->activation == RN_ACT_RELU;
    return v;
}

int rn_cpu_norm_sums(struct rn_cpu *cpu, const struct rn_batch_norm_backward *op, double **sums, struct rn_err *err)
{
    size_t c = op->x.c, chunks = over(cpu, op->x).chunks, all;
    if (!rn_mul(2 * chunks + 2, c, &all) || rn_cpu_scratch(cpu, 0, 2 * all + 3 * c, err))
        return -1;
    double *shared = (double *)(void *)cpu->shared;
    struct norm v = back_over(cpu, op, (float *)(void *)(shared + all));
    v.sums = shared;
    if (!chunks)
        memset(shared, 0, 2 * c * sizeof *shared);
    rn_pool_for(cpu->pool, v.chunks, gradient_task, &v);
    for (size_t chunk = 1; chunk < v.chunks; chunk++)
        for (size_t i = 0; i < 2 * c; i++)
            v.sums[i] += v.sums[chunk * 2 * c + i];
    *sums = shared;
    return 0;
}

int rn_cpu_norm_spread(struct rn_cpu *cpu, const struct rn_batch_norm_backward *op, const double *sums, size_t rows,
                       struct rn_err *err)
{
    size_t c = op->x.c;
    if (rn_cpu_scratch(cpu, 0, 7 * c, err)) /* as much as rn_cpu_norm_sums had: its sums, of 4 c, stay */
        return -1;
    float *scale = cpu->shared + 4 * c, *slope = scale + c, *offset = slope + c;
    struct norm v = back_over(cpu, op, scale);
    const struct rn_cpu_slopes slopes = { sums, sums + c, rows, scale, slope, offset, op->dgamma.data, op->dbeta.data };
    rn_cpu_norm_slopes(&op->norm, &slopes, c, op->add & RN_ADD_DW);
    v.slope = slope;
    v.offset = offset;
    v.out = op->dx.data;
    v.dresidual = op->dresidual.data;
    v.add = op->add & RN_ADD_DX;
    v.add_residual = op->add & RN_ADD_RESIDUAL;
    rn_pool_for(cpu->pool, v.chunks, spread_task, &v);
    return 0;
}

int rn_cpu_batch_norm_backward(struct rn_device *dev, const struct rn_batch_norm_backward *op, struct rn_err *err)
{
    double *sums;
    if (rn_check_batch_norm_backward(op, err) || rn_cpu_norm_sums(rn_cpu(dev), op, &sums, err))
        return -1;
    return rn_cpu_norm_spread(rn_cpu(dev), op, sums, op->x.n * op->x.h * op->x.w, err);
}
