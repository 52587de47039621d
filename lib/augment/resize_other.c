/* resize_other.c -- OpenCV's resize by the nearest pixel, by cubic and Lanczos' weights, and by area. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "augment/private.h"
#include "core/mem.h"

enum { MOST = 8 }; /* taps */

static const char *part_of(const struct rn_canvas *x, struct rn_frame part, size_t row)
{
    size_t pixel = 3 * rn_type_size(x->type);
    return (const char *)x->pixels + ((part.top + row) * x->width + part.left) * pixel;
}

/* ---- a row of 32-bit numbers, so that a pixel and the sample behind it are a register ---- */

enum { BEHIND = 4 }; /* of that row and of those that come of it: samples that may be read and written */
typedef int32_t four_ints __attribute__((vector_size(16), aligned(4), may_alias));
typedef float four_floats __attribute__((vector_size(16), aligned(4), may_alias));

RN_PLAIN to_floats_plain(float *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
}
RN_WIDE(to_floats, (float *restrict y, const uint8_t *restrict x, size_t n), (y, x, n))

RN_PLAIN to_ints_plain(int32_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
}
RN_WIDE(to_ints, (int32_t *restrict y, const uint8_t *restrict x, size_t n), (y, x, n))

/* ---- the nearest ---- */

static size_t nearest_of(size_t i, double step, size_t from)
{
    size_t at = (size_t)floor((double)i * step);
    return at < from ? at : from - 1;
}

/* at: bytes. Four are moved for three, but of the last one, behind which the picture may end. */
static void nearest_row(uint8_t *y, const uint8_t *x, const size_t *at, size_t width)
{
    for (size_t j = 0; j + 1 < width; j++)
        memcpy(y + 3 * j, x + at[j], at[j] < at[width - 1] ? 4 : 3);
    memcpy(y + 3 * (width - 1), x + at[width - 1], 3);
}

static int nearest(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                   struct rn_err *err)
{
    size_t pixel = 3 * rn_type_size(x->type);
    char *y = rn_canvas_next(x, x->type, height, width, err);
    size_t *at = y ? rn_canvas_scratch(x, width * sizeof *at, err) : NULL;
    if (!at)
        return -1;
    for (size_t j = 0; j < width; j++)
        at[j] = nearest_of(j, steps.across, part.width) * pixel;
    for (size_t i = 0, last = 0; i < height; i++) {
        size_t row = nearest_of(i, steps.down, part.height), line = width * pixel;
        const char *from = part_of(x, part, row);
        char *to = y + i * line;
        if (i > 0 && row == last)
            memcpy(to, to - line, line);
        else if (pixel == 3)
            nearest_row((uint8_t *)to, (const uint8_t *)from, at, width);
        else
            for (size_t j = 0; j < width; j++)
                memcpy(to + j * pixel, from + at[j], pixel);
        last = row;
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

/* ---- cubic, Lanczos ----
 *
 * OpenCV's builds for x86 leave cubic of pictures of 4 x 4 and more to IPP, whose float32 sums are not rounded in between; in which
 * order it adds, and where it rounds once for a product and a sum, decides ties. The others have whole numbers of 1/2048. */

/* Taps of one result: source pixels, clamped, and weights, of bytes in 1/2048. */
struct taps {
    int32_t at[MOST];
    float real[MOST], fixed[MOST];
};

static void exact_cubic(float weight[4], double x)
{
    x = (double)(1 + (float)x) - 1; /* what is left of it in float32 next to 1 */
    const double a = -0.75, w[3] = { ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a,
                                     ((a + 2) * x - (a + 3)) * x * x + 1, ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1 };
    for (int k = 0; k < 3; k++)
        weight[k] = (float)w[k];
    weight[3] = (float)(1 - w[0] - w[1] - w[2]);
}

static void make_exact_taps(struct taps *taps, size_t to, size_t from, double step)
{
    for (size_t i = 0; i < to; i++) {
        double place = fma((double)i + 0.5, step, -0.5), whole = floor(place);
        exact_cubic(taps[i].real, place - whole);
        for (int k = 0; k < 4; k++)
            taps[i].at[k] = (int32_t)rn_border_at((long)whole + k - 1, (long)from, RN_REPLICATE);
    }
}

static void make_taps(struct taps *taps, size_t to, size_t from, double step, int64_t interpolation, int size)
{
    for (size_t i = 0; i < to; i++) {
        float place = (float)(((double)i + 0.5) * step - 0.5), whole = floorf(place);
        rn_tap_weights(taps[i].real, interpolation, place - whole);
        for (int k = 0; k < size; k++) {
            taps[i].fixed[k] = rintf(taps[i].real[k] * 2048);
            taps[i].at[k] = (int32_t)rn_border_at((long)whole + k - size / 2 + 1, (long)from, RN_REPLICATE);
        }
    }
}

/* x: the row as whole numbers, y: 3 width and one more. */
RN_PLAIN across_ints_plain(int32_t *restrict y, const int32_t *restrict x, const struct taps *taps, int size, size_t width)
{
    for (size_t j = 0; j < width; j++) {
        four_ints sum = { 0 };
        for (int k = 0; k < size; k++)
            sum += *(const four_ints *)(x + taps[j].at[k] * 3) * (int32_t)taps[j].fixed[k];
        *(four_ints *)(y + 3 * j) = sum;
    }
}
RN_WIDE(across_ints, (int32_t *restrict y, const int32_t *restrict x, const struct taps *taps, int size, size_t width),
        (y, x, taps, size, width))

static void across_floats(float *y, const float *x, const struct taps *taps, int size, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++) {
            float sum = 0;
            for (int k = 0; k < size; k++)
                sum += x[taps[j].at[k] * 3 + c] * taps[j].real[k];
            y[3 * j + c] = sum;
        }
}

/* x: the row as floats, y: 3 width and one more. */
static void across_exact_plain(float *y, const float *x, const struct taps *taps, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++) {
            float sum = 0;
            for (int k = 0; k < 4; k++)
                sum = fmaf(x[taps[j].at[k] * 3 + c], taps[j].real[k], sum);
            y[3 * j + c] = sum;
        }
}

#if defined(__x86_64__)
RN_AVX2 static inline __m128 add_tap(__m128 sum, const float *x, const struct taps *taps, int k)
{
    return _mm_fmadd_ps(_mm_loadu_ps(x), _mm_set1_ps(taps->real[k]), sum);
}

/* Taps are neighbours, but at the edges. */
RN_AVX2 static void across_exact_fours(float *y, const float *x, const struct taps *taps, size_t width)
{
    for (const struct taps *end = taps + width; taps < end; taps++, y += 3) {
        const int32_t *at = taps->at;
        const float *first = x + at[0] * 3;
        __m128 sum = add_tap(_mm_setzero_ps(), first, taps, 0);
        if (__builtin_expect(at[3] == at[0] + 3, 1)) {
            sum = add_tap(add_tap(add_tap(sum, first + 3, taps, 1), first + 6, taps, 2), first + 9, taps, 3);
        } else {
            for (int k = 1; k < 4; k++)
                sum = add_tap(sum, x + at[k] * 3, taps, k);
        }
        _mm_storeu_ps(y, sum);
    }
}
#endif

static void across_exact(float *y, const float *x, const struct taps *taps, size_t width)
{
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE) {
        across_exact_fours(y, x, taps, width);
        return;
    }
#endif
    across_exact_plain(y, x, taps, width);
}

RN_PLAIN across_exact_floats_plain(float *restrict y, const float *restrict x, const struct taps *taps, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++) {
            const int32_t *at = taps[j].at;
            const float *w = taps[j].real, *v = x + c;
            y[3 * j + c] = fmaf(v[at[0] * 3], w[0], v[at[3] * 3] * w[3]) + fmaf(v[at[1] * 3], w[1], v[at[2] * 3] * w[2]);
        }
}
RN_WIDE(across_exact_floats, (float *restrict y, const float *restrict x, const struct taps *taps, size_t width),
        (y, x, taps, width))

RN_PLAIN down_exact_floats_plain(float *restrict y, const float *restrict a, const float *restrict b, const float *restrict c,
                                 const float *restrict d, const float *restrict weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf(a[i], weight[0], b[i] * weight[1]) + fmaf(c[i], weight[2], d[i] * weight[3]);
}
RN_WIDE(down_exact_floats,
        (float *restrict y, const float *restrict a, const float *restrict b, const float *restrict c, const float *restrict d,
         const float *restrict weight, size_t n),
        (y, a, b, c, d, weight, n))

RN_PLAIN down_exact_plain(uint8_t *restrict y, const float *restrict a, const float *restrict b, const float *restrict c,
                          const float *restrict d, const float *restrict weight, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = fmaf(a[i], weight[0], b[i] * weight[1]) + fmaf(c[i], weight[2], d[i] * weight[3]);
        int32_t v = (int32_t)(sum + 12582912.0f - 12582912.0f);
        y[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}
RN_WIDE(down_exact,
        (uint8_t *restrict y, const float *restrict a, const float *restrict b, const float *restrict c, const float *restrict d,
         const float *restrict weight, size_t n),
        (y, a, b, c, d, weight, n))

/* Four rows in float32, from the last to the first, half to even: OpenCV's way with whole registers of eight samples. */
static void down_four(uint8_t *y, const int32_t *const row[4], const float *weight, size_t n)
{
    float w[4];
    for (int k = 0; k < 4; k++)
        w[k] = weight[k] * 0x1p-22f;
    for (size_t i = 0; i < n; i++) {
        float sum = (float)row[3][i] * w[3];
        for (int k = 2; k >= 0; k--)
            sum = (float)row[k][i] * w[k] + sum;
        y[i] = (uint8_t)rn_clip255((int)lrintf(sum));
    }
}

RN_PLAIN down_eight_plain(uint8_t *restrict y, const int32_t *const row[MOST], const int32_t weight[MOST], size_t n)
{
    const int32_t *a = row[0], *b = row[1], *c = row[2], *d = row[3], *e = row[4], *f = row[5], *g = row[6], *h = row[7];
    const int32_t w[MOST] = { weight[0], weight[1], weight[2], weight[3], weight[4], weight[5], weight[6], weight[7] };
    for (size_t i = 0; i < n; i++) {
        int32_t sum = a[i] * w[0] + b[i] * w[1] + c[i] * w[2] + d[i] * w[3] + e[i] * w[4] + f[i] * w[5] + g[i] * w[6] + h[i] * w[7];
        sum = (sum + (1 << 21)) >> 22;
        y[i] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
    }
}
RN_WIDE(down_eight, (uint8_t *restrict y, const int32_t *const row[MOST], const int32_t weight[MOST], size_t n),
        (y, row, weight, n))

static void down_bytes(uint8_t *y, const int32_t *const row[MOST], const float *weight, int size, size_t n)
{
    int32_t whole[MOST];
    for (int k = 0; k < size; k++)
        whole[k] = (int32_t)weight[k];
    if (size == MOST) {
        down_eight(y, row, whole, n);
        return;
    }
    size_t wide = size == 4 ? n / 8 * 8 : 0;
    down_four(y, row, weight, wide);
    for (size_t i = wide; i < n; i++) {
        int32_t sum = 1 << 21;
        for (int k = 0; k < size; k++)
            sum += row[k][i] * whole[k];
        y[i] = (uint8_t)rn_clip255(sum >> 22);
    }
}

/* Whole registers of four samples from the last row to the first, the rest from the first to the last, as there. */
static void down_floats(float *y, const float *const row[MOST], const float *weight, int size, size_t n)
{
    size_t wide = n / 4 * 4;
    for (size_t i = 0; i < wide; i++) {
        float sum = row[size - 1][i] * weight[size - 1];
        for (int k = size - 2; k >= 0; k--)
            sum = row[k][i] * weight[k] + sum;
        y[i] = sum;
    }
    for (size_t i = wide; i < n; i++) {
        float sum = row[0][i] * weight[0];
        for (int k = 1; k < size; k++)
            sum += row[k][i] * weight[k];
        y[i] = sum;
    }
}

/* How it is done, and a ring of rows that are scaled across, each once: those of one result are at most `size`, and come in order.
 */
struct weighing {
    const struct rn_canvas *x;
    struct rn_frame part;
    size_t n, width; /* n: samples of a row */
    int size;
    bool exact;
    size_t inner, left_over, beside; /* of exact: samples, see find_spans */
    const struct taps *columns, *rows;
    int32_t index[MOST];
    char *block; /* MOST rows, and one of the source as numbers of 32 bits */
};

/* Columns whose four pixels all lie in the picture: whole registers of four of their samples are summed in one way, what is left of
 * them in another, and the columns beside them in a third one. */
static void find_spans(struct weighing *w, double step)
{
    size_t first = 0, end = w->width;
    double last = (double)w->part.width - 2;
    while (first < end && fma((double)first + 0.5, step, -0.5) < 1)
        first++;
    while (end > first && fma((double)end - 0.5, step, -0.5) >= last)
        end--;
    w->inner = 3 * first;
    w->left_over = 3 * first + 3 * (end - first) / 4 * 4;
    w->beside = 3 * end;
}

/* Floats beside the whole registers. */
static void put_rest(float *y, const struct weighing *w, const float *const row[4], const float *weight)
{
    const float *a = row[0], *b = row[1], *c = row[2], *d = row[3];
    for (size_t i = w->left_over; i < w->beside; i++)
        y[i] = (a[i] * weight[0] + b[i] * weight[1]) + (c[i] * weight[2] + d[i] * weight[3]);
    for (size_t i = 0; i < w->n; i++) {
        if (i == w->inner)
            i = w->beside;
        if (i < w->n)
            y[i] = fmaf(d[i], weight[3], fmaf(c[i], weight[2], fmaf(a[i], weight[0], b[i] * weight[1])));
    }
}

static const void *scaled_row(struct weighing *w, int32_t index)
{
    int at = index % MOST;
    size_t line = (w->n + BEHIND) * sizeof(int32_t), samples = w->part.width * 3;
    void *row = w->block + (size_t)at * line, *wide = w->block + MOST * line;
    const void *from = part_of(w->x, w->part, (size_t)index);
    if (w->index[at] == index)
        return row;
    w->index[at] = index;
    if (w->exact && w->x->type == RN_U8) {
        to_floats(wide, from, samples);
        across_exact(row, wide, w->columns, w->width);
    } else if (w->exact) {
        across_exact_floats(row, from, w->columns, w->width);
    } else if (w->x->type == RN_U8) {
        to_ints(wide, from, samples);
        across_ints(row, wide, w->columns, w->size, w->width);
    } else {
        across_floats(row, from, w->columns, w->size, w->width);
    }
    return row;
}

static void put_weighted(void *y, struct weighing *w, size_t i)
{
    const struct taps *taps = &w->rows[i];
    const void *row[MOST];
    for (int k = 0; k < w->size; k++)
        row[k] = scaled_row(w, taps->at[k]);
    void *to = (char *)y + i * w->n * rn_type_size(w->x->type);
    if (w->exact && w->x->type != RN_U8)
        down_exact_floats(to, row[0], row[1], row[2], row[3], taps->real, w->n);
    else if (w->exact)
        down_exact(to, row[0], row[1], row[2], row[3], taps->real, w->n);
    else if (w->x->type == RN_U8)
        down_bytes((uint8_t *)y + i * w->n, (const int32_t *const *)row, taps->fixed, w->size, w->n);
    else
        down_floats((float *)y + i * w->n, (const float *const *)row, taps->real, w->size, w->n);
    if (w->exact && w->x->type != RN_U8)
        put_rest(to, w, (const float *const *)row, taps->real);
}

static int weighted(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                    int64_t interpolation, struct rn_err *err)
{
    struct weighing w = { .x = x, .part = part, .n = width * 3, .width = width, .size = interpolation == RN_CUBIC ? 4 : 8 };
    struct taps *columns = rn_calloc(width + height, sizeof *columns, err), *rows = columns + width;
    w.block = columns ? rn_calloc((w.n + BEHIND) * MOST + part.width * 3 + BEHIND, sizeof(int32_t), err) : NULL;
    void *y = w.block ? rn_canvas_next(x, x->type, height, width, err) : NULL;
    if (!y) {
        free(w.block);
        free(columns);
        return -1;
    }
    memset(w.index, 0xff, sizeof w.index);
    w.exact = interpolation == RN_CUBIC && part.height >= 4 && part.width >= 4;
    w.columns = columns;
    w.rows = rows;
    if (w.exact) {
        make_exact_taps(columns, width, part.width, steps.across);
        make_exact_taps(rows, height, part.height, steps.down);
        find_spans(&w, steps.across);
    } else {
        make_taps(columns, width, part.width, steps.across, interpolation, w.size);
        make_taps(rows, height, part.height, steps.down, interpolation, w.size);
    }
    for (size_t i = 0; i < height; i++)
        put_weighted(y, &w, i);
    rn_canvas_turn(x, x->type, height, width);
    free(w.block);
    free(columns);
    return 0;
}

/* ---- area ---- */

/* Source pixel `from` counts for result `to` with this weight. */
struct share {
    size_t from, to;
    float weight;
};

/* Up to from + 2 to of them; how many. */
static size_t make_shares(struct share *share, size_t to, size_t from, double step)
{
    size_t n = 0;
    for (size_t i = 0; i < to; i++) {
        double begin = (double)i * step, end = begin + step, cell = fmin(step, (double)from - begin);
        long last = (long)fmin(floor(end), (double)from - 1), first = (long)fmin(ceil(begin), (double)last);
        if ((double)first - begin > 1e-3)
            share[n++] = (struct share){ (size_t)first - 1, i, (float)(((double)first - begin) / cell) };
        for (long k = first; k < last; k++)
            share[n++] = (struct share){ (size_t)k, i, (float)(1 / cell) };
        if (end - (double)last > 1e-3)
            share[n++] = (struct share){ (size_t)last, i, (float)(fmin(fmin(end - (double)last, 1), cell) / cell) };
    }
    return n;
}

/* Sums of a row's floats, and the one behind them; share: those of all results, in their order. */
RN_PLAIN sum_shares_plain(float *restrict line, const float *restrict x, const struct share *share, size_t n)
{
    for (size_t k = 0; k < n;) {
        four_floats sum = { 0 };
        size_t to = share[k].to;
        for (; k < n && share[k].to == to; k++)
            sum += *(const four_floats *)(x + 3 * share[k].from) * share[k].weight;
        *(four_floats *)(line + 3 * to) = sum;
    }
}
RN_WIDE(sum_shares, (float *restrict line, const float *restrict x, const struct share *share, size_t n), (line, x, share, n))

RN_PLAIN weigh_line_plain(float *restrict sum, const float *restrict line, float weight, bool fresh, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = (fresh ? 0 : sum[i]) + weight * line[i];
}
RN_WIDE(weigh_line, (float *restrict sum, const float *restrict line, float weight, bool fresh, size_t n),
        (sum, line, weight, fresh, n))

/* Half to even. */
RN_PLAIN round_line_plain(uint8_t *restrict y, const float *restrict sum, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t v = (int32_t)(sum[i] + 12582912.0f - 12582912.0f);
        y[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}
RN_WIDE(round_line, (uint8_t *restrict y, const float *restrict sum, size_t n), (y, sum, n))

static void put_row(void *y, enum rn_type type, size_t row, const float *sum, size_t n)
{
    if (type == RN_U8)
        round_line((uint8_t *)y + row * n, sum, n);
    else
        memcpy((float *)y + row * n, sum, n * sizeof *sum);
}

/* Rows' sums, in float32, in the order of the source. */
static void add_shares(void *y, const struct rn_canvas *x, struct rn_frame part, size_t width, const struct share *down,
                       size_t downs, const struct share *across, size_t acrosses, float *sum)
{
    size_t n = width * 3, samples = part.width * 3;
    float *line = sum + n, *wide = line + n + BEHIND;
    for (size_t k = 0; k < downs; k++) {
        bool fresh = k == 0 || down[k].to != down[k - 1].to;
        if (fresh && k > 0)
            put_row(y, x->type, down[k - 1].to, sum, n);
        const void *from = part_of(x, part, down[k].from);
        if (x->type == RN_U8)
            to_floats(wide, from, samples);
        else
            memcpy(wide, from, samples * sizeof *wide);
        sum_shares(line, wide, across, acrosses);
        weigh_line(sum, line, down[k].weight, fresh, n);
    }
    put_row(y, x->type, down[downs - 1].to, sum, n);
}

static int area(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps, struct rn_err *err)
{
    size_t n = width * 3, columns = part.width + 2 * width, rows = part.height + 2 * height;
    void *y = rn_canvas_next(x, x->type, height, width, err);
    size_t shares = (columns + rows) * sizeof(struct share), sums = (2 * n + 3 * part.width + 2 * BEHIND) * sizeof(float);
    char *scratch = y ? rn_canvas_scratch(x, shares + sums, err) : NULL;
    if (!scratch)
        return -1;
    struct share *across = (struct share *)(void *)scratch, *down = across + columns;
    float *sum = (float *)(down + rows);
    size_t downs = make_shares(down, height, part.height, steps.down),
           acrosses = make_shares(across, width, part.width, steps.across);
    add_shares(y, x, part, width, down, downs, across, acrosses, sum);
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

int rn_resize_other(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                    int64_t interpolation, struct rn_err *err)
{
    if (interpolation == RN_NEAREST)
        return nearest(x, part, height, width, steps, err);
    return interpolation == RN_AREA ? area(x, part, height, width, steps, err)
                                    : weighted(x, part, height, width, steps, interpolation, err);
}

/* ---- means of whole numbers of pixels ---- */

/* The mean of a block of bytes, tall x wide of which lie in the picture: two by two in whole numbers, else in float32. */
static uint8_t mean_of_bytes(const uint8_t *x, size_t stride, size_t tall, size_t wide, size_t all, float scale)
{
    uint32_t sum = 0;
    for (size_t r = 0; r < tall; r++)
        for (size_t k = 0; k < wide; k++)
            sum += x[r * stride + 3 * k];
    if (tall * wide < all)
        return (uint8_t)lrintf((float)sum / (float)(tall * wide));
    return (uint8_t)(all == 4 && tall == 2 ? (sum + 2) >> 2 : (uint32_t)lrintf((float)sum * scale));
}

/* Floats in fours, as there. */
static float mean_of_floats(const float *x, size_t stride, size_t tall, size_t wide, size_t all, float scale)
{
    float sum = 0, four = 0;
    size_t n = tall * wide, fours = n < all ? 0 : n / 4 * 4;
    for (size_t i = 0; i < n; i++) {
        float v = x[i / wide * stride + i % wide * 3];
        four = i % 4 == 0 ? v : four + v;
        if (i >= fours)
            sum += v;
        else if (i % 4 == 3)
            sum += four;
    }
    return n < all ? sum / (float)n : sum * scale;
}

static void means_row(void *y, const struct rn_canvas *x, const void *from, size_t width, size_t from_width, size_t tall,
                      size_t down, size_t across)
{
    size_t stride = x->width * 3, all = down * across;
    float scale = 1 / (float)all;
    for (size_t j = 0; j < width; j++) {
        size_t left = j * across, wide = left >= from_width ? 0 : from_width - left < across ? from_width - left : across;
        for (size_t c = 0; c < 3; c++) {
            if (x->type == RN_U8)
                ((uint8_t *)y)[3 * j + c] =
                    wide ? mean_of_bytes((const uint8_t *)from + 3 * left + c, stride, tall, wide, all, scale) : 0;
            else
                ((float *)y)[3 * j + c] =
                    wide ? mean_of_floats((const float *)from + 3 * left + c, stride, tall, wide, all, scale) : 0;
        }
    }
}

int rn_resize_means(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, size_t down, size_t across,
                    struct rn_err *err)
{
    size_t line = width * 3 * rn_type_size(x->type);
    char *y = rn_canvas_next(x, x->type, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++) {
        size_t top = i * down, tall = top >= part.height ? 0 : part.height - top < down ? part.height - top : down;
        if (tall)
            means_row(y + i * line, x, part_of(x, part, top), width, part.width, tall, down, across);
        else
            memset(y + i * line, 0, line);
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}
