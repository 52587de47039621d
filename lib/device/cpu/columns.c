/* columns.c -- any convolution, as matrix products by OpenBLAS: rows of pixels times weights.
 *
 * Of an output pixel, the values under the kernel make one row of a matrix ("columns", after im2col, Chellapilla et al.,
 * "High performance convolutional neural networks for document processing", 2006). A 1x1 kernel of stride 1 needs none
 * of that: x itself is the matrix. Groups of channels are products of their own, each with its part of the pixels' values. */
#include <string.h>

#include "device/cpu/conv.h"

/* How the output is cut into tasks: `images` whole images each (then rows is P), or `rows` rows of one image; `k` output
 * channels. A matrix product packs its whole right side anew, so its left side should have some 200 rows, whose columns
 * should still fit the cache. */
struct cut {
    size_t images, rows, k;
};
enum { PIXELS = 224, COLUMNS = 1 << 20, SHARE_K = 128, DW_TASKS = 16, DW_PARTIAL = 1 << 21, DW_NARROW = 512 };

struct conv {
    struct rn_cpu *cpu;
    size_t n, c, h, w, k, p, q;
    size_t map;  /* P Q */
    size_t own;  /* channels that an output sees: those of its group */
    size_t span; /* taps of a row of the kernel that are neighbours in memory: all, or one */
    size_t taps; /* R S own, the length of a row of columns */
    struct rn_window window;
    bool direct; /* x itself is the matrix */
    struct cut cut;
    size_t image_groups, row_blocks, k_blocks, r_blocks;

    const float *x, *weight, *bias, *residual, *dy;
    float *y, *dx, *dw;
    enum rn_activation activation;
    bool add;
    size_t r_step; /* of the kernel's rows, how many a task of dw takes */
};

static struct conv shape(const struct rn_cpu_conv *conv)
{
    struct conv v = {
        .cpu = conv->cpu, .n = conv->n, .c = conv->c, .h = conv->h, .w = conv->w, .k = conv->k, .p = conv->p, .q = conv->q,
        .map = conv->p * conv->q, .own = conv->c / conv->window.groups, .span = rn_cpu_dense(&conv->window) ? conv->window.s : 1,
        .window = conv->window,
        .x = conv->x, .weight = conv->weight, .bias = conv->bias, .residual = conv->residual, .dy = conv->dy,
        .y = conv->y, .dx = conv->dx, .dw = conv->dw, .activation = conv->activation, .add = conv->add,
    };
    v.taps = v.own * v.window.r * v.window.s;
    v.direct = rn_cpu_pointwise(conv);
    return v;
}

/* Follows from the shape of one image alone, but for how many images there are in all. */
static void cut(struct conv *v, size_t pixels, size_t taps, bool alone)
{
    size_t most = rn_cpu_min(pixels, 1 + COLUMNS / taps);
    v->cut.rows = rn_cpu_min(v->p, 1 + (most - 1) / v->q);
    v->cut.images = v->cut.rows < v->p || alone ? 1 : 1 + (most - 1) / v->map;
    v->cut.k = v->k;
    v->row_blocks = rn_cpu_blocks(v->p, v->cut.rows);
    v->image_groups = rn_cpu_blocks(v->n, v->cut.images);
    v->k_blocks = v->r_blocks = 1;
}

/* Where there are groups, a task's outputs are one's. */
static void take_groups(struct conv *v)
{
    if (v->window.groups > 1)
        v->cut.k = v->k / v->window.groups;
}

/* The channels of x that outputs from k on see begin here. */
static size_t channel(const struct conv *v, size_t k)
{
    return k / (v->k / v->window.groups) * v->own;
}

static size_t cut_pixels(const struct conv *v)
{
    return v->cut.images * v->cut.rows * v->q;
}

/* ---- columns ---- */

/* Of the span of taps from s on, for the output at column q, the part that lies on the map: [low, high),
 * from the returned column. */
static inline size_t overlap(const struct conv *v, size_t q, size_t s, size_t *low, size_t *high)
{
    size_t left = q * v->window.stride + s * v->window.dilation, pad = v->window.left;
    *low = left < pad ? rn_cpu_min(pad - left, v->span) : 0;
    size_t end = v->w + pad > left ? v->w + pad - left : 0;
    *high = rn_cpu_min(v->span, end);
    if (*high < *low)
        *high = *low;
    return left + *low - pad;
}

static inline bool row_of(const struct conv *v, size_t p, size_t r, size_t *row)
{
    return rn_cpu_seen(p, r * v->window.dilation, v->window.stride, v->window.top, v->h, row);
}

/* Rows p0..p1-1 of one image's output, rows r0..r1-1 of the kernel: a row of (r1 - r0) S own floats for each pixel. x: from the
 * group's first channel on. */
static void im2col(float *col, const float *x, const struct conv *v, size_t p0, size_t p1, size_t r0, size_t r1)
{
    size_t c = v->own, run = v->span * c, row;
    for (size_t p = p0; p < p1; p++)
        for (size_t q = 0; q < v->q; q++)
            for (size_t r = r0; r < r1; r++)
                for (size_t s = 0; s < v->window.s; s += v->span, col += run) {
                    size_t low, high, from = overlap(v, q, s, &low, &high);
                    if (low == high || !row_of(v, p, r, &row)) {
                        memset(col, 0, run * sizeof *col);
                        continue;
                    }
                    if (low)
                        memset(col, 0, low * c * sizeof *col);
                    memcpy(col + low * c, x + (row * v->w + from) * v->c, (high - low) * c * sizeof *col);
                    if (high < v->span)
                        memset(col + high * c, 0, (v->span - high) * c * sizeof *col);
                }
}

/* The adjoint of im2col, for all rows of the kernel: adds to dx. */
RN_CPU_CLONES static void col2im(float *dx, const float *col, const struct conv *v, size_t p0, size_t p1)
{
    size_t c = v->own, run = v->span * c, row;
    for (size_t p = p0; p < p1; p++)
        for (size_t q = 0; q < v->q; q++)
            for (size_t r = 0; r < v->window.r; r++)
                for (size_t s = 0; s < v->window.s; s += v->span, col += run) {
                    size_t low, high, from = overlap(v, q, s, &low, &high);
                    if (low == high || !row_of(v, p, r, &row))
                        continue;
                    float *restrict to = dx + (row * v->w + from) * v->c;
                    const float *restrict at = col + low * c;
                    for (size_t i = 0; i < (high - low) * c; i++)
                        to[i] += at[i];
                }
}

/* The matrix of rows p0..p1-1 of `images` images from `image` on, for outputs from k on, and the length of its rows. */
static const float *columns(const struct conv *v, float *scratch, size_t image, size_t images, size_t p0, size_t p1,
                            size_t r0, size_t r1, size_t k, size_t *ld)
{
    const float *x = v->x + channel(v, k);
    if (v->direct) {
        *ld = v->c;
        return x + (image * v->map + p0 * v->q) * v->c;
    }
    *ld = (r1 - r0) * v->window.s * v->own;
    for (size_t i = 0; i < images; i++)
        im2col(scratch + i * (p1 - p0) * v->q * *ld, x + (image + i) * v->h * v->w * v->c, v, p0, p1, r0, r1);
    return scratch;
}

/* ---- forward ---- */

RN_CPU_CLONES static void finish(float *restrict y, const float *restrict bias, const float *restrict residual,
                                 size_t rows, size_t width, size_t ld, bool relu)
{
    for (size_t i = 0; i < rows; i++) {
        float *restrict row = y + i * ld;
        if (bias)
            for (size_t k = 0; k < width; k++)
                row[k] += bias[k];
        if (residual)
            for (size_t k = 0; k < width; k++)
                row[k] += residual[i * ld + k];
        if (relu)
            for (size_t k = 0; k < width; k++)
                row[k] = row[k] < 0 ? 0 : row[k]; /* NaN stays */
    }
}

static void forward_task(void *context, size_t task, int thread)
{
    const struct conv *v = context;
    size_t k0 = task % v->k_blocks * v->cut.k, width = rn_cpu_min(v->cut.k, v->k - k0);
    size_t p0 = task / v->k_blocks % v->row_blocks * v->cut.rows, p1 = rn_cpu_min(p0 + v->cut.rows, v->p);
    size_t image = task / v->k_blocks / v->row_blocks * v->cut.images,
           images = rn_cpu_min(v->cut.images, v->n - image);
    size_t rows = images * (p1 - p0) * v->q, at = (image * v->map + p0 * v->q) * v->k + k0, ld;
    const float *col = columns(v, v->cpu->scratch[thread], image, images, p0, p1, 0, v->window.r, k0, &ld);
    rn_cpu_gemm(&(struct rn_cpu_gemm){
        .m = rows, .n = width, .k = v->taps, .a = col, .lda = ld, .b = v->weight + k0 * v->taps, .ldb = v->taps,
        .b_transposed = true, .c = v->y + at, .ldc = v->k });
    finish(v->y + at, v->bias ? v->bias + k0 : NULL, v->residual ? v->residual + at : NULL, rows, width, v->k,
           v->activation == RN_ACT_RELU);
}

static int forward(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct conv v = shape(conv);
    cut(&v, PIXELS, v.taps, conv->eval);
    if (v.row_blocks == 1) /* one image, several tasks; in training, where there are more images, fewer */
        v.cut.k = conv->eval ? SHARE_K : 2 * SHARE_K;
    take_groups(&v);
    v.k_blocks = rn_cpu_blocks(v.k, v.cut.k);
    if (rn_cpu_scratch(v.cpu, v.direct ? 0 : cut_pixels(&v) * v.taps, 0, err))
        return -1;
    rn_pool_for(v.cpu->pool, v.image_groups * v.row_blocks * v.k_blocks, forward_task, &v);
    return 0;
}

/* ---- backward ---- */

/* All of some images: neighbouring rows of the output add to the same rows of dx. */
static void dx_task(void *context, size_t task, int thread)
{
    const struct conv *v = context;
    size_t image = task * v->cut.images, images = rn_cpu_min(v->cut.images, v->n - image),
           size = v->h * v->w * v->c;
    if (!v->direct && !v->add)
        memset(v->dx + image * size, 0, images * size * sizeof *v->dx);
    for (size_t p0 = 0; p0 < v->p; p0 += v->cut.rows) {
        size_t p1 = rn_cpu_min(p0 + v->cut.rows, v->p), rows = (p1 - p0) * v->q, at = image * v->map + p0 * v->q;
        for (size_t k0 = 0, k = v->k / v->window.groups; k0 < v->k; k0 += k) {
            float *to = v->dx + channel(v, k0), *col = v->direct ? to + at * v->c : v->cpu->scratch[thread];
            rn_cpu_gemm(&(struct rn_cpu_gemm){
                .m = images * rows, .n = v->taps, .k = k, .a = v->dy + at * v->k + k0, .lda = v->k, .b = v->weight + k0 * v->taps,
                .ldb = v->taps, .c = col, .ldc = v->direct ? v->c : v->taps, .beta = v->direct && v->add });
            for (size_t i = 0; i < images && !v->direct; i++)
                col2im(to + (image + i) * size, col + i * rows * v->taps, v, p0, p1);
        }
    }
}

static int dx(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct conv v = shape(conv);
    cut(&v, PIXELS, v.taps, false);
    if (rn_cpu_scratch(v.cpu, v.direct ? 0 : cut_pixels(&v) * v.taps, 0, err))
        return -1;
    rn_pool_for(v.cpu->pool, v.image_groups, dx_task, &v);
    return 0;
}

/* One partial sum: some images, some output channels, some rows of the kernel. */
static void dw_task(void *context, size_t task, int thread)
{
    const struct conv *v = context;
    size_t r0 = task % v->r_blocks * v->r_step, r1 = rn_cpu_min(r0 + v->r_step, v->window.r);
    size_t k0 = task / v->r_blocks % v->k_blocks * v->cut.k, width = rn_cpu_min(v->cut.k, v->k - k0);
    size_t group = task / v->r_blocks / v->k_blocks;
    size_t first = v->n * group / v->image_groups, last = v->n * (group + 1) / v->image_groups;
    float *dw = v->dw + (group * v->k + k0) * v->taps + r0 * v->window.s * v->own, beta = v->add;
    for (size_t image = first; image < last; image += v->cut.images)
        for (size_t p0 = 0; p0 < v->p; p0 += v->cut.rows, beta = 1) {
            size_t images = rn_cpu_min(v->cut.images, last - image), p1 = rn_cpu_min(p0 + v->cut.rows, v->p), ld;
            const float *col = columns(v, v->cpu->scratch[thread], image, images, p0, p1, r0, r1, k0, &ld);
            rn_cpu_gemm(&(struct rn_cpu_gemm){
                .m = width, .n = (r1 - r0) * v->window.s * v->own, .k = images * (p1 - p0) * v->q,
                .a = v->dy + (image * v->map + p0 * v->q) * v->k + k0, .lda = v->k, .a_transposed = true, .b = col,
                .ldb = ld, .c = dw, .ldc = v->taps, .beta = beta });
        }
}

struct sum {
    float *to;
    const float *from;
    size_t count, partials;
    bool add;
};

RN_CPU_CLONES static void sum_range(const struct sum *sum, size_t from, size_t to)
{
    float *restrict y = sum->to;
    const float *restrict x = sum->from;
    for (size_t j = 0; j < sum->partials; j++, x += sum->count)
        if (j || sum->add)
            for (size_t i = from; i < to; i++)
                y[i] += x[i];
        else
            for (size_t i = from; i < to; i++)
                y[i] = x[i];
}

static void sum_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct sum *sum = context;
    sum_range(sum, task * RN_CPU_CHUNK, rn_cpu_min((task + 1) * RN_CPU_CHUNK, sum->count));
}

static int dw(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct conv v = shape(conv);
    size_t count = v.k * v.taps;
    cut(&v, 2 * PIXELS, v.window.s * v.own, false);
    v.r_step = v.taps <= DW_NARROW ? v.window.r : 1;
    v.image_groups = rn_cpu_min(rn_cpu_min(v.n, DW_TASKS), 1 + DW_PARTIAL / (count + 1));
    if (v.image_groups < DW_TASKS)
        v.cut.k = SHARE_K;
    take_groups(&v);
    v.k_blocks = rn_cpu_blocks(v.k, v.cut.k);
    v.r_blocks = rn_cpu_blocks(v.window.r, v.r_step);
    bool partial = v.image_groups > 1, add = v.add;
    size_t columns_size = v.direct ? 0 : cut_pixels(&v) * v.r_step * v.window.s * v.own;
    if (rn_cpu_scratch(v.cpu, columns_size, partial ? v.image_groups * count : 0, err))
        return -1;
    struct sum sum = { v.dw, v.cpu->shared, count, v.image_groups, add };
    if (partial) {
        v.dw = v.cpu->shared;
        v.add = false;
    }
    rn_pool_for(v.cpu->pool, v.image_groups * v.k_blocks * v.r_blocks, dw_task, &v);
    if (partial)
        rn_pool_for(v.cpu->pool, rn_cpu_blocks(count, RN_CPU_CHUNK), sum_task, &sum);
    return 0;
}

static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    (void)conv;
    (void)pass;
    return true;
}

const struct rn_cpu_path rn_cpu_columns = { .name = "columns", .takes = takes, .forward = forward, .dx = dx, .dw = dw };
