/* columns.c -- any convolution, as matrix products by OpenBLAS: rows of pixels times weights.
 *
 * Of an output pixel, the values under the kernel make one row of a matrix ("columns", after im2col, Chellapilla et al.,
 * "High performance convolutional neural networks for document processing", 2006). A 1x1 kernel of stride 1 needs none
 * of that: x itself is the matrix. */
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
    size_t taps; /* R S C, the length of a row of columns */
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
        .map = conv->p * conv->q, .taps = conv->c * conv->window.r * conv->window.s, .window = conv->window,
        .x = conv->x, .weight = conv->weight, .bias = conv->bias, .residual = conv->residual, .dy = conv->dy,
        .y = conv->y, .dx = conv->dx, .dw = conv->dw, .activation = conv->activation, .add = conv->add,
    };
    v.direct = v.window.r == 1 && v.window.s == 1 && v.window.stride == 1 && v.window.padding == 0;
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

static size_t cut_pixels(const struct conv *v)
{
    return v->cut.images * v->cut.rows * v->q;
}

/* ---- columns ---- */

/* The part of the kernel's row that lies on the map, for the output at column q: [low, high), from `at` in x's row. */
static inline size_t overlap(const struct conv *v, size_t q, size_t *low, size_t *high)
{
    size_t left = q * v->window.stride, pad = v->window.padding, s = v->window.s;
    *low = left < pad ? rn_cpu_min(pad - left, s) : 0;
    size_t end = v->w + pad > left ? v->w + pad - left : 0;
    *high = rn_cpu_min(s, end);
    if (*high < *low)
        *high = *low;
    return left + *low - pad;
}

/* Rows p0..p1-1 of one image's output, rows r0..r1-1 of the kernel: a row of (r1 - r0) S C floats for each pixel. */
static void im2col(float *col, const float *x, const struct conv *v, size_t p0, size_t p1, size_t r0, size_t r1)
{
    size_t c = v->c, run = v->window.s * c;
    for (size_t p = p0; p < p1; p++)
        for (size_t q = 0; q < v->q; q++) {
            size_t low, high, from = overlap(v, q, &low, &high);
            for (size_t r = r0; r < r1; r++, col += run) {
                size_t row = p * v->window.stride + r; /* in the padded map */
                if (row < v->window.padding || row >= v->h + v->window.padding || low == high) {
                    memset(col, 0, run * sizeof *col);
                    continue;
                }
                const float *at = x + ((row - v->window.padding) * v->w + from) * c;
                if (low)
                    memset(col, 0, low * c * sizeof *col);
                memcpy(col + low * c, at, (high - low) * c * sizeof *col);
                if (high < v->window.s)
                    memset(col + high * c, 0, (v->window.s - high) * c * sizeof *col);
            }
        }
}

/* The adjoint of im2col, for all rows of the kernel: adds to dx. */
RN_CPU_CLONES static void col2im(float *dx, const float *col, const struct conv *v, size_t p0, size_t p1)
{
    size_t c = v->c, run = v->window.s * c;
    for (size_t p = p0; p < p1; p++)
        for (size_t q = 0; q < v->q; q++) {
            size_t low, high, from = overlap(v, q, &low, &high);
            for (size_t r = 0; r < v->window.r; r++, col += run) {
                size_t row = p * v->window.stride + r;
                if (row < v->window.padding || row >= v->h + v->window.padding)
                    continue;
                float *restrict to = dx + ((row - v->window.padding) * v->w + from) * c;
                const float *restrict at = col + low * c;
                for (size_t i = 0; i < (high - low) * c; i++)
                    to[i] += at[i];
            }
        }
}

/* The matrix of rows p0..p1-1 of `images` images from `image` on, and the length of its rows. */
static const float *columns(const struct conv *v, float *scratch, size_t image, size_t images, size_t p0, size_t p1,
                            size_t r0, size_t r1, size_t *ld)
{
    if (v->direct) {
        *ld = v->c;
        return v->x + (image * v->map + p0 * v->q) * v->c;
    }
    *ld = (r1 - r0) * v->window.s * v->c;
    for (size_t i = 0; i < images; i++)
        im2col(scratch + i * (p1 - p0) * v->q * *ld, v->x + (image + i) * v->h * v->w * v->c, v, p0, p1, r0, r1);
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
    const float *col = columns(v, v->cpu->scratch[thread], image, images, p0, p1, 0, v->window.r, &ld);
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
        float *col = v->direct ? v->dx + at * v->c : v->cpu->scratch[thread];
        rn_cpu_gemm(&(struct rn_cpu_gemm){
            .m = images * rows, .n = v->taps, .k = v->k, .a = v->dy + at * v->k, .lda = v->k, .b = v->weight,
            .ldb = v->taps, .c = col, .ldc = v->taps, .beta = v->direct && v->add });
        for (size_t i = 0; i < images && !v->direct; i++)
            col2im(v->dx + (image + i) * size, col + i * rows * v->taps, v, p0, p1);
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
    float *dw = v->dw + (group * v->k + k0) * v->taps + r0 * v->window.s * v->c, beta = v->add;
    for (size_t image = first; image < last; image += v->cut.images)
        for (size_t p0 = 0; p0 < v->p; p0 += v->cut.rows, beta = 1) {
            size_t images = rn_cpu_min(v->cut.images, last - image), p1 = rn_cpu_min(p0 + v->cut.rows, v->p), ld;
            const float *col = columns(v, v->cpu->scratch[thread], image, images, p0, p1, r0, r1, &ld);
            rn_cpu_gemm(&(struct rn_cpu_gemm){
                .m = width, .n = ld, .k = images * (p1 - p0) * v->q,
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
    cut(&v, 2 * PIXELS, v.window.s * v.c, false);
    v.r_step = v.taps <= DW_NARROW ? v.window.r : 1;
    v.image_groups = rn_cpu_min(rn_cpu_min(v.n, DW_TASKS), 1 + DW_PARTIAL / (count + 1));
    if (v.image_groups < DW_TASKS)
        v.cut.k = SHARE_K;
    v.k_blocks = rn_cpu_blocks(v.k, v.cut.k);
    v.r_blocks = rn_cpu_blocks(v.window.r, v.r_step);
    bool partial = v.image_groups > 1, add = v.add;
    size_t columns_size = v.direct ? 0 : cut_pixels(&v) * v.r_step * v.window.s * v.c;
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
