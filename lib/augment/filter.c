/* filter.c -- filters over small neighbourhoods. Each works on a copy with a border, so that its loops know no edges. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

/* Index i of 0 .. n-1 continued by reflection: 3 2 1 | 0 1 2 3. */
static size_t mirrored(long i, long n)
{
    if (n == 1)
        return 0;
    long period = 2 * (n - 1), at = i % period;
    at = at < 0 ? at + period : at;
    return (size_t)(at < n ? at : period - at);
}

static size_t nearest(long i, long n)
{
    return (size_t)(i < 0 ? 0 : i >= n ? n - 1 : i);
}

void *rn_padded(struct rn_canvas *x, size_t margin, bool replicate, size_t *stride, struct rn_err *err)
{
    size_t (*edge)(long, long) = replicate ? nearest : mirrored;
    size_t pixel = 3 * rn_type_size(x->type), width = x->width + 2 * margin, height = x->height + 2 * margin, line = width * pixel;
    const char *from = x->pixels;
    size_t bytes;
    if (!rn_mul(line, height, &bytes) || bytes > SIZE_MAX - RN_SLACK) {
        rn_fail(err, RN_EXIT_DATA, "a picture of %zu x %zu is too large for a filter", x->width, x->height);
        return NULL;
    }
    char *y = rn_canvas_scratch(x, bytes + RN_SLACK, err);
    if (!y)
        return NULL;
    for (size_t i = 0; i < height; i++) {
        const char *row = from + edge((long)i - (long)margin, (long)x->height) * x->width * pixel;
        char *to = y + i * line;
        memcpy(to + margin * pixel, row, x->width * pixel);
        for (size_t j = 0; j < margin; j++) {
            memcpy(to + j * pixel, row + edge((long)j - (long)margin, (long)x->width) * pixel, pixel);
            memcpy(to + (margin + x->width + j) * pixel, row + edge((long)(x->width + j), (long)x->width) * pixel, pixel);
        }
    }
    *stride = width * 3;
    return y;
}

/* ---- sums of rows ---- */

RN_PLAIN mean3_plain(uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n)
{
    for (size_t i = 0; i < n + 6; i++)
        sum[i] = (uint16_t)(x[i] + x[i + stride] + x[i + 2 * stride]);
    /* (s + 4) / 9 for every s up to 9 * 255 */
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((uint32_t)(uint16_t)(sum[i] + sum[i + 3] + sum[i + 6] + 4) * 7282u >> 16);
}
RN_WIDE(mean3, (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n), (y, sum, x, stride, n))

/* Sums of weights are at most 256, so these fit; kernels are the same from both ends. */
RN_PLAIN sum_rows_plain(uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, const uint16_t *restrict kernel, size_t k, size_t n)
{
    uint16_t middle = kernel[k / 2];
    for (size_t i = 0; i < n; i++)
        sum[i] = (uint16_t)(x[i + k / 2 * stride] * middle);
    for (size_t r = 0; r < k / 2; r++) {
        uint16_t weight = kernel[r];
        for (size_t i = 0; i < n; i++)
            sum[i] = (uint16_t)(sum[i] + (uint16_t)(x[i + r * stride] + x[i + (k - 1 - r) * stride]) * weight);
    }
}
RN_WIDE(sum_rows, (uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, const uint16_t *restrict kernel, size_t k, size_t n),
        (sum, x, stride, kernel, k, n))

RN_PLAIN sum_columns_plain(uint32_t *restrict total, const uint16_t *restrict sum, const uint16_t *restrict kernel, size_t k, size_t n)
{
    uint32_t middle = kernel[k / 2];
    for (size_t i = 0; i < n; i++)
        total[i] = sum[i + k / 2 * 3] * middle;
    for (size_t r = 0; r < k / 2; r++) {
        uint32_t weight = kernel[r];
        for (size_t i = 0; i < n; i++)
            total[i] += ((uint32_t)sum[i + 3 * r] + sum[i + 3 * (k - 1 - r)]) * weight;
    }
}
RN_WIDE(sum_columns, (uint32_t *restrict total, const uint16_t *restrict sum, const uint16_t *restrict kernel, size_t k, size_t n), (total, sum, kernel, k, n))

RN_PLAIN shift_down_plain(uint8_t *restrict y, const uint32_t *restrict total, int shift, size_t n)
{
    uint32_t half = 1u << shift >> 1;
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((total[i] + half) >> shift);
}
RN_WIDE(shift_down, (uint8_t *restrict y, const uint32_t *restrict total, int shift, size_t n), (y, total, shift, n))

/* A separable kernel of whole numbers; the sum is divided by 2^shift. */
static int separable(struct rn_canvas *x, const uint16_t *kernel, size_t k, int shift, struct rn_err *err)
{
    size_t stride, n = x->width * 3, line = n + 3 * (k - 1);
    const uint8_t *from = rn_padded(x, k / 2, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint32_t *total = y ? rn_alloc_aligned(line + n, sizeof *total, err) : NULL;
    if (!total)
        return -1;
    uint16_t *sum = (uint16_t *)(total + n);
    for (size_t i = 0; i < x->height; i++) {
        sum_rows(sum, from + i * stride, stride, kernel, k, line);
        sum_columns(total, sum, kernel, k, n);
        shift_down(y + i * n, total, shift, n);
    }
    free(total);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

static int blur3(struct rn_canvas *x, struct rn_err *err)
{
    size_t stride, n = x->width * 3;
    const uint8_t *from = rn_padded(x, 1, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint16_t *sum = y ? rn_alloc_aligned(n + 6, sizeof *sum, err) : NULL;
    if (!sum)
        return -1;
    for (size_t i = 0; i < x->height; i++)
        mean3(y + i * n, sum, from + i * stride, stride, n);
    free(sum);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

/* ---- means of squares ---- */

/* Columns' sums, of which one row goes and another comes. */
RN_PLAIN slide_plain(uint16_t *restrict sum, const uint8_t *restrict gone, const uint8_t *restrict come, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = (uint16_t)(sum[i] - gone[i] + come[i]);
}
RN_WIDE(slide, (uint16_t *restrict sum, const uint8_t *restrict gone, const uint8_t *restrict come, size_t n), (sum, gone, come, n))

RN_PLAIN widen_plain(uint32_t *restrict y, const uint16_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i];
}
RN_WIDE(widen, (uint32_t *restrict y, const uint16_t *restrict x, size_t n), (y, x, n))

/* total[i] += part[i + at]; then part: sums of twice as many pixels. */
RN_PLAIN add_part_plain(uint32_t *restrict total, const uint32_t *restrict part, size_t n)
{
    for (size_t i = 0; i < n; i++)
        total[i] += part[i];
}
RN_WIDE(add_part, (uint32_t *restrict total, const uint32_t *restrict part, size_t n), (total, part, n))

RN_PLAIN double_part_plain(uint32_t *part, size_t apart, size_t n)
{
    for (size_t i = 0; i < n; i++)
        part[i] += part[i + apart];
}
RN_WIDE(double_part, (uint32_t *part, size_t apart, size_t n), (part, apart, n))

RN_PLAIN take_away_plain(uint32_t *restrict total, const uint32_t *restrict part, const uint16_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        total[i] = part[i] - x[i];
}
RN_WIDE(take_away, (uint32_t *restrict total, const uint32_t *restrict part, const uint16_t *restrict x, size_t n), (total, part, x, n))

/* total[i]: the sum of k numbers of column from i on, three apart, by the binary digits of k; for 7, 15, 31 .. one more, which is taken
 * away again. part: the n + 3 k numbers of column, of which the last three are 0; they are lost. */
static void sum_k(uint32_t *total, uint32_t *part, const uint16_t *column, size_t k, size_t n)
{
    size_t at = 0, left = n + 3 * k;
    if ((k & (k + 1)) == 0) {
        for (size_t pixels = 1; pixels <= k; pixels *= 2) {
            left -= 3 * pixels;
            double_part(part, 3 * pixels, left);
        }
        take_away(total, part, column + 3 * k, n);
        return;
    }
    memset(total, 0, n * sizeof *total);
    for (size_t pixels = 1; pixels <= k; pixels *= 2) {
        if (k & pixels) {
            add_part(total, part + 3 * at, n);
            at += pixels;
        }
        if (2 * pixels > k)
            break;
        left -= 3 * pixels;
        double_part(part, 3 * pixels, left);
    }
}

/* OpenCV's quotients: up to 16 x 16 in whole numbers, halves up; from there on in float32, halves to even, but behind the last eight
 * samples of a row in double. */
struct quotient {
    uint32_t delta, factor; /* factor 0: floats */
    double scale;
};

static struct quotient quotient(size_t k)
{
    uint32_t d = (uint32_t)(k * k);
    double factor = (double)(1 << 23) / d, part = factor - floor(factor);
    struct quotient q = { d / 2 + (part < 0.5), (uint32_t)factor + (part >= 0.5), 1.0 / d };
    if (k > 16)
        q.factor = 0;
    return q;
}

RN_PLAIN divide_plain(uint8_t *restrict y, const uint32_t *restrict total, uint32_t delta, uint32_t factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((total[i] + delta) * factor >> 23);
}
RN_WIDE(divide, (uint8_t *restrict y, const uint32_t *restrict total, uint32_t delta, uint32_t factor, size_t n), (y, total, delta, factor, n))

RN_PLAIN scale_plain(uint8_t *restrict y, const uint32_t *restrict total, float scale, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)(int32_t)((float)(int32_t)total[i] * scale + 12582912.0f - 12582912.0f);
}
RN_WIDE(scale, (uint8_t *restrict y, const uint32_t *restrict total, float scale, size_t n), (y, total, scale, n))

static void put_means(uint8_t *y, const uint32_t *total, const struct quotient *q, size_t n)
{
    size_t wide = n / 8 * 8;
    if (q->factor) {
        divide(y, total, q->delta, q->factor, n);
        return;
    }
    scale(y, total, (float)q->scale, wide);
    for (size_t i = wide; i < n; i++)
        y[i] = (uint8_t)lrint(total[i] * q->scale);
}

static int blur_wide(struct rn_canvas *x, size_t k, struct rn_err *err)
{
    struct quotient q = quotient(k);
    size_t stride, n = x->width * 3, line = n + 3 * (k - 1), all = line + 3;
    const uint8_t *from = rn_padded(x, k / 2, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint32_t *part = y ? rn_alloc_aligned(2 * all + n, sizeof *part, err) : NULL, *total = part + all;
    if (!part)
        return -1;
    uint16_t *column = (uint16_t *)(total + n);
    memset(column, 0, all * sizeof *column);
    for (size_t r = 0; r < k; r++)
        for (size_t i = 0; i < line; i++)
            column[i] = (uint16_t)(column[i] + from[r * stride + i]);
    for (size_t i = 0; i < x->height; i++) {
        if (i > 0)
            slide(column, from + (i - 1) * stride, from + (i + k - 1) * stride, line);
        widen(part, column, all);
        sum_k(total, part, column, k, n);
        put_means(y + i * n, total, &q, n);
    }
    free(part);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

int rn_box_blur(struct rn_canvas *x, size_t k, struct rn_err *err)
{
    return k == 1 ? 0 : k == 3 ? blur3(x, err) : blur_wide(x, k, err);
}

/* ---- smoothing ---- */

RN_PLAIN smooth3_plain(uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n)
{
    for (size_t i = 0; i < n + 6; i++)
        sum[i] = (uint16_t)(x[i] + 2 * x[i + stride] + x[i + 2 * stride]);
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((uint16_t)(sum[i] + 2 * sum[i + 3] + sum[i + 6] + 8) >> 4);
}
RN_WIDE(smooth3, (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n), (y, sum, x, stride, n))

int rn_smooth(struct rn_canvas *x, const uint16_t *kernel, size_t k, int shift, struct rn_err *err)
{
    if (k != 3 || kernel[0] != 1 || kernel[1] != 2)
        return separable(x, kernel, k, 2 * shift, err);
    size_t stride, n = x->width * 3;
    const uint8_t *from = rn_padded(x, 1, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint16_t *sum = y ? rn_alloc_aligned(n + 6, sizeof *sum, err) : NULL;
    if (!sum)
        return -1;
    for (size_t i = 0; i < x->height; i++)
        smooth3(y + i * n, sum, from + i * stride, stride, n);
    free(sum);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

/* ---- means over a mask ---- */

RN_PLAIN mean_taps_plain(uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, const size_t *tap, size_t taps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = x[i + tap[0]];
    for (size_t t = 1; t < taps; t++)
        for (size_t i = 0; i < n; i++)
            sum[i] = (uint16_t)(sum[i] + x[i + tap[t]]);
    float scale = 1 / (float)taps;
    /* adding and taking away 1.5 * 2^23 rounds half to even */
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)(int32_t)((float)(int32_t)sum[i] * scale + 12582912.0f - 12582912.0f);
}
RN_WIDE(mean_taps, (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, const size_t *tap, size_t taps, size_t n), (y, sum, x, tap, taps, n))

/* Taps in order, each added in one rounding to a float32 sum, which is rounded half to even: OpenCV's filter2D. */
RN_PLAIN weigh_taps_plain(uint8_t *restrict y, float *restrict sum, const uint8_t *restrict x, const size_t *tap, const float *weight, size_t taps, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] = 0;
    for (size_t t = 0; t < taps; t++)
        for (size_t i = 0; i < n; i++)
            sum[i] = fmaf((float)x[i + tap[t]], weight[t], sum[i]);
    for (size_t i = 0; i < n; i++) {
        int32_t v = (int32_t)(sum[i] + 12582912.0f - 12582912.0f);
        y[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}
RN_WIDE(weigh_taps, (uint8_t *restrict y, float *restrict sum, const uint8_t *restrict x, const size_t *tap, const float *weight, size_t taps, size_t n),
        (y, sum, x, tap, weight, taps, n))

/* The same of nine taps at once. */
RN_PLAIN weigh_nine_plain(uint8_t *restrict y, const uint8_t *restrict x, const size_t *tap, const float *weight, size_t n)
{
    const uint8_t *a = x + tap[0], *b = x + tap[1], *c = x + tap[2], *d = x + tap[3], *e = x + tap[4], *f = x + tap[5], *g = x + tap[6];
    const uint8_t *h = x + tap[7], *k = x + tap[8];
    for (size_t i = 0; i < n; i++) {
        float sum = fmaf((float)c[i], weight[2], fmaf((float)b[i], weight[1], (float)a[i] * weight[0]));
        sum = fmaf((float)f[i], weight[5], fmaf((float)e[i], weight[4], fmaf((float)d[i], weight[3], sum)));
        sum = fmaf((float)k[i], weight[8], fmaf((float)h[i], weight[7], fmaf((float)g[i], weight[6], sum)));
        int32_t v = (int32_t)(sum + 12582912.0f - 12582912.0f);
        y[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}
RN_WIDE(weigh_nine, (uint8_t *restrict y, const uint8_t *restrict x, const size_t *tap, const float *weight, size_t n), (y, x, tap, weight, n))

int rn_correlate(struct rn_canvas *x, const float *kernel, size_t k, struct rn_err *err)
{
    size_t stride, n = x->width * 3, tap[RN_CORRELATED * RN_CORRELATED], taps = 0;
    float weight[RN_CORRELATED * RN_CORRELATED];
    const uint8_t *from = rn_padded(x, k / 2, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    float *sum = y ? rn_alloc_aligned(n, sizeof *sum, err) : NULL;
    if (!sum)
        return -1;
    for (size_t i = 0; i < k * k; i++)
        if (kernel[i] != 0) {
            weight[taps] = kernel[i];
            tap[taps++] = i / k * stride + i % k * 3;
        }
    for (bool nine = taps <= 9; nine && taps < 9; taps++) { /* a weight of 0 changes no sum */
        tap[taps] = 0;
        weight[taps] = 0;
    }
    for (size_t i = 0; i < x->height; i++) {
        if (taps == 9)
            weigh_nine(y + i * n, from + i * stride, tap, weight, n);
        else
            weigh_taps(y + i * n, sum, from + i * stride, tap, weight, taps, n);
    }
    free(sum);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

/* Two pixels: (a + b) / 2 half to even, without leaving 16 bits. */
RN_PLAIN mean_two_plain(uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint16_t sum = (uint16_t)(a[i] + b[i]);
        y[i] = (uint8_t)((uint16_t)(sum + (sum >> 1 & 1)) >> 1);
    }
}
RN_WIDE(mean_two, (uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, size_t n), (y, a, b, n))

/* Three: to the nearest, there are no ties. */
RN_PLAIN mean_three_plain(uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((uint32_t)(uint16_t)(a[i] + b[i] + c[i] + 1) * 21846u >> 16);
}
RN_WIDE(mean_three, (uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c, size_t n), (y, a, b, c, n))

static size_t count_taps(const uint8_t *mask, size_t k)
{
    size_t taps = 0;
    for (size_t i = 0; i < k * k; i++)
        taps += mask[i] != 0;
    return taps;
}

/* Means that can be ties, of numbers whose reciprocals are rounded: which way a tie goes is the float sum's error. */
static bool has_inexact_ties(size_t taps)
{
    return taps % 2 == 0 && (taps & (taps - 1)) != 0;
}

static int weighted_mean(struct rn_canvas *x, const uint8_t *mask, size_t k, size_t taps, struct rn_err *err)
{
    float kernel[RN_CORRELATED * RN_CORRELATED];
    for (size_t i = 0; i < k * k; i++)
        kernel[i] = mask[i] ? 1 / (float)taps : 0;
    return rn_correlate(x, kernel, k, err);
}

int rn_mean_of(struct rn_canvas *x, const uint8_t *mask, size_t k, struct rn_err *err)
{
    if (k <= RN_CORRELATED && has_inexact_ties(count_taps(mask, k)))
        return weighted_mean(x, mask, k, count_taps(mask, k), err);
    size_t stride, n = x->width * 3, tap[RN_KERNEL_MAX * RN_KERNEL_MAX], taps = 0;
    const uint8_t *from = rn_padded(x, k / 2, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint16_t *sum = y ? rn_alloc_aligned(n, sizeof *sum, err) : NULL;
    if (!sum)
        return -1;
    for (size_t i = 0; i < k * k; i++)
        if (mask[i])
            tap[taps++] = i / k * stride + i % k * 3;
    for (size_t i = 0; i < x->height; i++) {
        const uint8_t *row = from + i * stride;
        if (taps == 2)
            mean_two(y + i * n, row + tap[0], row + tap[1], n);
        else if (taps == 3)
            mean_three(y + i * n, row + tap[0], row + tap[1], row + tap[2], n);
        else
            mean_taps(y + i * n, sum, row, tap, taps, n);
    }
    free(sum);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

/* ---- medians ---- */

#define LOWER(a, b) ((a) < (b) ? (a) : (b))
#define HIGHER(a, b) ((a) > (b) ? (a) : (b))

/* Columns sorted first: the median is that of the largest low, the median middle and the smallest high of three columns. */
RN_PLAIN median3_plain(uint8_t *restrict y, uint8_t *restrict low, uint8_t *restrict middle, uint8_t *restrict high, const uint8_t *restrict x, size_t stride, size_t n)
{
    for (size_t i = 0; i < n + 6; i++) {
        uint8_t a = x[i], b = x[i + stride], c = x[i + 2 * stride];
        uint8_t l = LOWER(a, b), h = HIGHER(a, b), m = LOWER(h, c);
        low[i] = LOWER(l, m);
        middle[i] = HIGHER(l, m);
        high[i] = HIGHER(h, c);
    }
    for (size_t i = 0; i < n; i++) {
        uint8_t a = HIGHER(low[i], low[i + 3]), c = LOWER(high[i], high[i + 3]);
        uint8_t l = LOWER(middle[i], middle[i + 3]), h = HIGHER(middle[i], middle[i + 3]), m = LOWER(h, middle[i + 6]);
        uint8_t b = HIGHER(l, m);
        a = HIGHER(a, low[i + 6]);
        c = LOWER(c, high[i + 6]);
        l = LOWER(a, b);
        h = HIGHER(a, b);
        m = LOWER(h, c);
        y[i] = HIGHER(l, m);
    }
}
RN_WIDE(median3, (uint8_t *restrict y, uint8_t *restrict low, uint8_t *restrict middle, uint8_t *restrict high, const uint8_t *restrict x, size_t stride, size_t n),
        (y, low, middle, high, x, stride, n))

enum { LANES = 64 };

/* The median's bits from the highest down: a bit is set when at most half of the values lie below what that gives. */
RN_PLAIN median_bits_plain(uint8_t *restrict y, const uint8_t *restrict x, size_t stride, size_t k)
{
    uint8_t found[LANES] = { 0 };
    for (int bit = 7; bit >= 0; bit--) {
        uint8_t trial[LANES];
        uint16_t all[LANES] = { 0 };
        for (size_t i = 0; i < LANES; i++)
            trial[i] = (uint8_t)(found[i] | 1u << bit);
        for (size_t r = 0; r < k; r++) {
            uint8_t below[LANES] = { 0 };
            for (size_t c = 0; c < k; c++)
                for (size_t i = 0; i < LANES; i++)
                    below[i] = (uint8_t)(below[i] + (x[r * stride + 3 * c + i] < trial[i]));
            for (size_t i = 0; i < LANES; i++)
                all[i] = (uint16_t)(all[i] + below[i]);
        }
        for (size_t i = 0; i < LANES; i++)
            found[i] = all[i] <= k * k / 2 ? trial[i] : found[i];
    }
    memcpy(y, found, LANES);
}
RN_WIDE(median_bits, (uint8_t *restrict y, const uint8_t *restrict x, size_t stride, size_t k), (y, x, stride, k))

int rn_median(struct rn_canvas *x, size_t k, struct rn_err *err)
{
    size_t stride, n = x->width * 3;
    const uint8_t *from = rn_padded(x, k / 2, true, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint8_t *sorted = y ? rn_alloc_aligned(n + 6, 3, err) : NULL, part[LANES];
    if (!sorted)
        return -1;
    for (size_t i = 0; i < x->height; i++) {
        const uint8_t *row = from + i * stride;
        if (k == 3)
            median3(y + i * n, sorted, sorted + n + 6, sorted + 2 * (n + 6), row, stride, n);
        for (size_t j = 0; k != 3 && j < n; j += LANES) {
            median_bits(part, row + j, stride, k);
            memcpy(y + i * n + j, part, n - j < LANES ? n - j : LANES);
        }
    }
    free(sorted);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}
