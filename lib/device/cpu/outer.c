/* outer.c -- the gradient of a convolution's weights, as sums of outer products.
 *
 * Of every output pixel, dy's K channels times the R S C values of x under the kernel. These are copied, some pixels at a time, to
 * rows whose stride is no power of two, where they stay in the cache for all products that they take part in. Of a 1x1 kernel
 * they lie in x as they are wanted. */
#include <string.h>

#include "device/cpu/conv.h"

/* A task sums WIDTH_K output channels times COLUMNS values under the kernel over some images, DEPTH pixels at a time: as many as
 * fit the second cache. ENOUGH tasks for many cores; PARTIAL: at most so many floats of partial sums, or those of one group. */
enum { DEPTH = 256, WIDTH_K = 128, COLUMNS = 256, ENOUGH = 32, PARTIAL = 1 << 21, PAD = 16 };

struct outer {
    const struct rn_cpu_conv *conv;
    const struct rn_cpu_panel *panel;
    size_t run, taps;       /* floats under a row of the kernel, and under all */
    size_t row, plane;      /* of partial sums, in floats: of an output channel, of a group of images */
    size_t k_blocks, column_blocks, groups;
    size_t ld;              /* from pixel to pixel of the right side */
    bool in_place;          /* which is x itself */
    float *partial;
};

static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    return pass == RN_CPU_DW && rn_cpu_dense(&conv->window);
}

static struct outer plan(const struct rn_cpu_conv *conv)
{
    struct outer v = { .conv = conv, .panel = rn_cpu_panel_of(conv), .run = conv->window.s * conv->c };
    size_t unit = v.panel->outer_width;
    v.taps = conv->window.r * v.run;
    v.row = rn_cpu_blocks(v.taps, unit) * unit;
    v.plane = conv->k * v.row;
    v.k_blocks = rn_cpu_blocks(conv->k, WIDTH_K);
    v.column_blocks = rn_cpu_blocks(v.row, COLUMNS);
    v.groups = rn_cpu_min(rn_cpu_min(conv->n, rn_cpu_blocks(ENOUGH, v.k_blocks * v.column_blocks)), 1 + PARTIAL / v.plane);
    v.in_place = rn_cpu_pointwise(conv) && v.row == v.taps;
    v.ld = v.in_place ? conv->c : rn_cpu_min(COLUMNS, v.row) + PAD;
    return v;
}

/* Short runs are most of the first layer's work, too short for a call each. */
static inline void copy(float *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; i + 4 <= n; i += 4)
        memcpy(to + i, from + i, 4 * sizeof *to);
    for (; i < n; i++)
        to[i] = from[i];
}

/* Of the values under row r of the kernel, [begin, end), for columns q0..q1-1 of a row of the output; `row`: of x, NULL outside. */
static void values_of_row(const struct outer *v, float *out, const float *row, size_t q0, size_t q1, size_t begin, size_t end)
{
    const struct rn_cpu_conv *conv = v->conv;
    long map = (long)(conv->w * conv->c), step = (long)(conv->window.stride * conv->c);
    long at = (long)begin - (long)(conv->window.left * conv->c) + (long)q0 * step, size = (long)(end - begin);
    for (size_t q = q0; q < q1; q++, at += step, out += v->ld) {
        if (row && at >= 0 && at + size <= map) {
            copy(out, row + at, (size_t)size);
            continue;
        }
        for (long i = 0; i < size; i++)
            out[i] = row && at + i >= 0 && at + i < map ? row[at + i] : 0;
    }
}

/* The values under the kernel at `count` output pixels, [from, to) of all `taps`. */
static void values(const struct outer *v, float *out, size_t pixel, size_t count, size_t from, size_t to)
{
    const struct rn_cpu_conv *conv = v->conv;
    for (size_t last = pixel + count, width; pixel < last; pixel += width, out += width * v->ld) {
        size_t q = pixel % conv->q, p = pixel / conv->q % conv->p, image = pixel / conv->q / conv->p;
        width = rn_cpu_min(conv->q - q, last - pixel);
        for (size_t at = from, r = from / v->run; at < to; r++) {
            size_t begin = at - r * v->run, end = rn_cpu_min(v->run, to - r * v->run);
            size_t row;
            bool seen = rn_cpu_seen(p, r, conv->window.stride, conv->window.top, conv->h, &row);
            const float *x = seen ? conv->x + (image * conv->h + row) * conv->w * conv->c : NULL;
            values_of_row(v, out + (at - from), x, q, q + width, begin, end);
            at += end - begin;
        }
    }
}

static void product_task(void *context, size_t task, int thread)
{
    const struct outer *v = context;
    const struct rn_cpu_conv *conv = v->conv;
    size_t column = task % v->column_blocks * COLUMNS, columns = rn_cpu_min(COLUMNS, v->row - column);
    size_t k0 = task / v->column_blocks % v->k_blocks * WIDTH_K, width = rn_cpu_min(WIDTH_K, conv->k - k0);
    size_t group = task / v->column_blocks / v->k_blocks, map = conv->p * conv->q;
    size_t first = conv->n * group / v->groups * map, last = conv->n * (group + 1) / v->groups * map;
    float *copied = conv->cpu->scratch[thread];
    for (size_t pixel = first; pixel < last; pixel += DEPTH) {
        size_t count = rn_cpu_min(DEPTH, last - pixel);
        if (!v->in_place)
            values(v, copied, pixel, count, column, rn_cpu_min(column + columns, v->taps));
        v->panel->outer(&(struct rn_cpu_outer_product){
            .a = conv->dy + pixel * conv->k + k0, .lda = conv->k, .b = v->in_place ? conv->x + pixel * conv->c + column : copied,
            .ldb = v->ld, .y = v->partial + group * v->plane + k0 * v->row + column, .ldy = v->row, .k = width, .c = columns,
            .t = count, .add = pixel > first });
    }
}

RN_CPU_CLONES static void sum_row(float *restrict to, const float *restrict from, size_t count, bool add)
{
    for (size_t i = 0; i < count; i++)
        to[i] = add ? to[i] + from[i] : from[i];
}

static void sum_task(void *context, size_t k, int thread)
{
    (void)thread;
    const struct outer *v = context;
    for (size_t group = 0; group < v->groups; group++)
        sum_row(v->conv->dw + k * v->taps, v->partial + group * v->plane + k * v->row, v->taps, group || v->conv->add);
}

static int dw(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct outer v = plan(conv);
    if (rn_cpu_scratch(conv->cpu, v.in_place ? 0 : DEPTH * v.ld, v.groups * v.plane, err))
        return -1;
    v.partial = conv->cpu->shared;
    rn_pool_for(conv->cpu->pool, v.groups * v.k_blocks * v.column_blocks, product_task, &v);
    rn_pool_for(conv->cpu->pool, conv->k, sum_task, &v);
    return 0;
}

const struct rn_cpu_path rn_cpu_outer = { .name = "outer", .takes = takes, .dw = dw };
