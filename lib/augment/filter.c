/* filter.c -- filters over small neighbourhoods. Each works on a copy with a border, so that its loops know no edges. */
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

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
RN_WIDE(mean3, (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n),
        (y, sum, x, stride, n))

/* Sums of weights are at most 256, so these fit; kernels are the same from both ends. */
RN_PLAIN sum_rows_plain(uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, const uint16_t *restrict kernel, size_t k,
                        size_t n)
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
RN_WIDE(sum_rows,
        (uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, const uint16_t *restrict kernel, size_t k, size_t n),
        (sum, x, stride, kernel, k, n))

RN_PLAIN sum_columns_plain(uint32_t *restrict total, const uint16_t *restrict sum, const uint16_t *restrict kernel, size_t k,
                           size_t n)
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
RN_WIDE(sum_columns, (uint32_t *restrict total, const uint16_t *restrict sum, const uint16_t *restrict kernel, size_t k, size_t n),
        (total, sum, kernel, k, n))

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
RN_WIDE(take_away, (uint32_t *restrict total, const uint32_t *restrict part, const uint16_t *restrict x, size_t n),
        (total, part, x, n))

/* total[i]: the sum of k numbers of column from i on, three apart, by the binary digits of k; for 7, 15, 31 .. one more, which is
 * taken away again. part: the n + 3 k numbers of column, of which the last three are 0; they are lost. */
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

/* OpenCV's quotients: up to 16 x 16 in whole numbers, halves up; from there on in float32, halves to even, but behind the last
 * eight samples of a row in double. */
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
RN_WIDE(divide, (uint8_t *restrict y, const uint32_t *restrict total, uint32_t delta, uint32_t factor, size_t n),
        (y, total, delta, factor, n))

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
RN_WIDE(smooth3, (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, size_t stride, size_t n),
        (y, sum, x, stride, n))

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

RN_PLAIN mean_taps_plain(uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, const size_t *tap, size_t taps,
                         size_t n)
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
RN_WIDE(mean_taps,
        (uint8_t *restrict y, uint16_t *restrict sum, const uint8_t *restrict x, const size_t *tap, size_t taps, size_t n),
        (y, sum, x, tap, taps, n))

/* Taps in order, each added in one rounding to a float32 sum, which is rounded half to even: OpenCV's filter2D. */
RN_PLAIN weigh_taps_plain(uint8_t *restrict y, float *restrict sum, const uint8_t *restrict x, const size_t *tap,
                          const float *weight, size_t taps, size_t n)
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
RN_WIDE(weigh_taps,
        (uint8_t *restrict y, float *restrict sum, const uint8_t *restrict x, const size_t *tap, const float *weight, size_t taps,
         size_t n),
        (y, sum, x, tap, weight, taps, n))

/* The same of 3 x 3 taps, from three rows of floats; a weight of 0 changes no sum. */
RN_PLAIN weigh_nine_plain(uint8_t *restrict y, const float *restrict a, const float *restrict b, const float *restrict c,
                          const float *restrict w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float sum = fmaf(a[i + 6], w[2], fmaf(a[i + 3], w[1], a[i] * w[0]));
        sum = fmaf(b[i + 6], w[5], fmaf(b[i + 3], w[4], fmaf(b[i], w[3], sum)));
        sum = fmaf(c[i + 6], w[8], fmaf(c[i + 3], w[7], fmaf(c[i], w[6], sum)));
        int32_t v = (int32_t)(sum + 12582912.0f - 12582912.0f);
        y[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}
RN_WIDE(weigh_nine,
        (uint8_t *restrict y, const float *restrict a, const float *restrict b, const float *restrict c, const float *restrict w,
         size_t n),
        (y, a, b, c, w, n))

RN_PLAIN to_real_plain(float *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (float)x[i];
}
RN_WIDE(to_real, (float *restrict y, const uint8_t *restrict x, size_t n), (y, x, n))

static int correlate3(struct rn_canvas *x, const float *kernel, struct rn_err *err)
{
    size_t stride, n = x->width * 3, line = n + 6;
    const uint8_t *from = rn_padded(x, 1, false, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    float *rows = y ? rn_alloc_aligned(3 * line, sizeof *rows, err) : NULL;
    if (!rows)
        return -1;
    to_real(rows, from, line);
    to_real(rows + line, from + stride, line);
    for (size_t i = 0; i < x->height; i++) {
        to_real(rows + (i + 2) % 3 * line, from + (i + 2) * stride, line);
        weigh_nine(y + i * n, rows + i % 3 * line, rows + (i + 1) % 3 * line, rows + (i + 2) % 3 * line, kernel, n);
    }
    free(rows);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

int rn_correlate(struct rn_canvas *x, const float *kernel, size_t k, struct rn_err *err)
{
    if (k == 3)
        return correlate3(x, kernel, err);
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
    for (size_t i = 0; i < x->height; i++)
        weigh_taps(y + i * n, sum, from + i * stride, tap, weight, taps, n);
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
RN_PLAIN mean_three_plain(uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c,
                          size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((uint32_t)(uint16_t)(a[i] + b[i] + c[i] + 1) * 21846u >> 16);
}
RN_WIDE(mean_three,
        (uint8_t *restrict y, const uint8_t *restrict a, const uint8_t *restrict b, const uint8_t *restrict c, size_t n),
        (y, a, b, c, n))

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

int rn_canvas_masked_mean(struct rn_canvas *x, const uint8_t *mask, size_t k, struct rn_err *err)
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
RN_PLAIN median3_plain(uint8_t *restrict y, uint8_t *restrict low, uint8_t *restrict middle, uint8_t *restrict high,
                       const uint8_t *restrict x, size_t stride, size_t n)
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
RN_WIDE(median3,
        (uint8_t *restrict y, uint8_t *restrict low, uint8_t *restrict middle, uint8_t *restrict high, const uint8_t *restrict x,
         size_t stride, size_t n),
        (y, low, middle, high, x, stride, n))

#define IN_ORDER(a, b)                                                                                                          \
    do {                                                                                                                        \
        uint8_t low_ = LOWER(v##a, v##b);                                                                                       \
        v##b = HIGHER(v##a, v##b);                                                                                              \
        v##a = low_;                                                                                                            \
    } while (0)

/* Columns of five, sorted: plane r of n + 12 has the r-th of each. */
RN_PLAIN sort5_plain(uint8_t *restrict sorted, const uint8_t *restrict x, size_t stride, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t v0 = x[i], v1 = x[i + stride], v2 = x[i + 2 * stride], v3 = x[i + 3 * stride], v4 = x[i + 4 * stride];
        IN_ORDER(0, 1);
        IN_ORDER(2, 3);
        IN_ORDER(0, 2);
        IN_ORDER(1, 3);
        IN_ORDER(1, 2);
        IN_ORDER(0, 4);
        IN_ORDER(2, 4);
        IN_ORDER(1, 2);
        IN_ORDER(3, 4);
        sorted[i] = v0;
        sorted[i + n] = v1;
        sorted[i + 2 * n] = v2;
        sorted[i + 3 * n] = v3;
        sorted[i + 4 * n] = v4;
    }
}
RN_WIDE(sort5, (uint8_t *restrict sorted, const uint8_t *restrict x, size_t stride, size_t n), (sorted, x, stride, n))

/* Of five such columns: what is left of Batcher's sorting of 25 where only the middle counts, and the columns are sorted. Right for
 * all 6^5 columns of zeros and ones, and so for all. */
RN_PLAIN median5_plain(uint8_t *restrict y, const uint8_t *restrict sorted, size_t line, size_t n)
{
    const uint8_t *b = sorted + line, *c = b + line, *d = c + line, *e = d + line;
    for (size_t i = 0; i < n; i++) {
        uint8_t v0 = sorted[i], v1 = b[i], v2 = c[i], v3 = d[i], v4 = e[i];
        uint8_t v5 = sorted[i + 3], v6 = b[i + 3], v7 = c[i + 3], v8 = d[i + 3], v9 = e[i + 3];
        uint8_t v10 = sorted[i + 6], v11 = b[i + 6], v12 = c[i + 6], v13 = d[i + 6], v14 = e[i + 6];
        uint8_t v15 = sorted[i + 9], v16 = b[i + 9], v17 = c[i + 9], v18 = d[i + 9], v19 = e[i + 9];
        uint8_t v20 = sorted[i + 12], v21 = b[i + 12], v22 = c[i + 12], v23 = d[i + 12], v24 = e[i + 12];
        IN_ORDER(0, 5); IN_ORDER(10, 15); IN_ORDER(5, 15); IN_ORDER(5, 10); IN_ORDER(0, 20); IN_ORDER(10, 20); IN_ORDER(11, 16);
        IN_ORDER(1, 11); IN_ORDER(6, 16); IN_ORDER(1, 21); IN_ORDER(11, 21); IN_ORDER(6, 11); IN_ORDER(2, 7); IN_ORDER(12, 17);
        IN_ORDER(2, 12); IN_ORDER(7, 12); IN_ORDER(2, 22); IN_ORDER(12, 22); IN_ORDER(17, 22); IN_ORDER(3, 8); IN_ORDER(13, 18);
        IN_ORDER(8, 18); IN_ORDER(8, 13); IN_ORDER(3, 23); IN_ORDER(13, 23); IN_ORDER(14, 19); IN_ORDER(4, 14); IN_ORDER(9, 19);
        IN_ORDER(4, 24); IN_ORDER(14, 24); IN_ORDER(9, 14); IN_ORDER(15, 20); IN_ORDER(11, 16); IN_ORDER(21, 7); IN_ORDER(12, 17);
        IN_ORDER(3, 8); IN_ORDER(13, 4); IN_ORDER(15, 11); IN_ORDER(20, 16); IN_ORDER(21, 12); IN_ORDER(7, 17); IN_ORDER(8, 4);
        IN_ORDER(20, 11); IN_ORDER(7, 12); IN_ORDER(8, 13); IN_ORDER(15, 21); IN_ORDER(20, 7); IN_ORDER(11, 12); IN_ORDER(16, 17);
        IN_ORDER(11, 21); IN_ORDER(16, 7); IN_ORDER(13, 9); IN_ORDER(16, 21); IN_ORDER(7, 12); IN_ORDER(8, 13); IN_ORDER(4, 9);
        IN_ORDER(20, 8); IN_ORDER(11, 13); IN_ORDER(16, 4); IN_ORDER(21, 3); IN_ORDER(7, 8); IN_ORDER(12, 13); IN_ORDER(16, 7);
        IN_ORDER(12, 3); IN_ORDER(7, 12);
        y[i] = v12;
    }
}
RN_WIDE(median5, (uint8_t *restrict y, const uint8_t *restrict sorted, size_t line, size_t n), (y, sorted, line, n))

/* ---- large medians: histograms of columns slide down, and sums of k of them slide across ---- */

enum { LEVELS = 256, PARTS = 16 };

/* Counts of a column: part[i]: of values below 16 i; level[p][i]: of those from 16 p on and below 16 p + i. So a value is taken in
 * by adding a row of `above`, and found by comparing, without a loop. */
struct counts {
    uint8_t part[PARTS], level[PARTS][PARTS];
};
static_assert(RN_KERNEL_MAX <= UINT8_MAX, "a column's counts are bytes");

#define ABOVE(p)                                                                                                                \
    { p < 0, p < 1, p < 2, p < 3, p < 4, p < 5, p < 6, p < 7, p < 8, p < 9, p < 10, p < 11, p < 12, p < 13, p < 14, p < 15 }
static const uint8_t above[PARTS][PARTS] = { ABOVE(0), ABOVE(1), ABOVE(2),  ABOVE(3),  ABOVE(4),  ABOVE(5),  ABOVE(6),  ABOVE(7),
                                             ABOVE(8), ABOVE(9), ABOVE(10), ABOVE(11), ABOVE(12), ABOVE(13), ABOVE(14), ABOVE(15) };

RN_PLAIN take_in(uint8_t *restrict counts, uint8_t v)
{
    for (int i = 0; i < PARTS; i++)
        counts[i] = (uint8_t)(counts[i] + above[v][i]);
}

RN_PLAIN leave_out(uint8_t *restrict counts, uint8_t v)
{
    for (int i = 0; i < PARTS; i++)
        counts[i] = (uint8_t)(counts[i] - above[v][i]);
}

/* One row of the first k, and then the next row. */
static void begin_counts(struct counts *column, const uint8_t *x, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        take_in(column[j].part, x[3 * j] >> 4);
        take_in(column[j].level[x[3 * j] >> 4], x[3 * j] & 15);
    }
}

static void slide_counts(struct counts *column, const uint8_t *gone, const uint8_t *come, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        uint8_t out = gone[3 * j], in = come[3 * j];
        if (out == in)
            continue;
        leave_out(column[j].part, out >> 4);
        leave_out(column[j].level[out >> 4], out & 15);
        take_in(column[j].part, in >> 4);
        take_in(column[j].level[in >> 4], in & 15);
    }
}

/* The square's counts; those of the levels of a part are brought up to date when the median lies in it. */
struct square {
    int16_t part[PARTS], level[PARTS][PARTS];
    size_t fresh[PARTS]; /* the first column that is not in yet; 0: none is */
};

RN_PLAIN add_counts(int16_t *restrict sum, const uint8_t *restrict come)
{
    for (int i = 0; i < PARTS; i++)
        sum[i] = (int16_t)(sum[i] + come[i]);
}

RN_PLAIN slide_sums(int16_t *restrict sum, const uint8_t *restrict come, const uint8_t *restrict gone)
{
    for (int i = 0; i < PARTS; i++)
        sum[i] = (int16_t)(sum[i] + come[i] - gone[i]);
}

RN_PLAIN refresh(struct square *s, const struct counts *column, size_t part, size_t first, size_t k)
{
    int16_t *level = s->level[part];
    size_t j = s->fresh[part];
    if (j <= first + k / 2) { /* from the start is less, or all that there is */
        memset(level, 0, PARTS * sizeof *level);
        for (j = first; j < first + k; j++)
            add_counts(level, column[j].level[part]);
    }
    for (; j < first + k; j++)
        slide_sums(level, column[j].level[part], column[j - k].level[part]);
    s->fresh[part] = first + k;
}

/* The last of sixteen counts, which grow from 0, that is at most `most`. */
static inline __attribute__((always_inline)) size_t find(const int16_t n[PARTS], int16_t most)
{
#if defined(__x86_64__)
    const __m128i *at = (const __m128i *)(const void *)n, limit = _mm_set1_epi16(most);
    __m128i low = _mm_cmpgt_epi16(_mm_loadu_si128(at), limit), high = _mm_cmpgt_epi16(_mm_loadu_si128(at + 1), limit);
    return (size_t)__builtin_ctz((unsigned)_mm_movemask_epi8(_mm_packs_epi16(low, high)) | 1u << PARTS) - 1;
#else
    size_t i = 1;
    while (i < PARTS && n[i] <= most)
        i++;
    return i - 1;
#endif
}

RN_PLAIN median_row_plain(uint8_t *y, const struct counts *column, size_t width, size_t k)
{
    struct square s = { .fresh = { 0 } };
    int16_t half = (int16_t)(k * k / 2);
    for (size_t j = 0; j < k; j++)
        add_counts(s.part, column[j].part);
    for (size_t first = 0; first < width; first++) {
        if (first > 0)
            slide_sums(s.part, column[first + k - 1].part, column[first - 1].part);
        size_t part = find(s.part, half);
        refresh(&s, column, part, first, k);
        y[3 * first] = (uint8_t)(part * PARTS + find(s.level[part], (int16_t)(half - s.part[part])));
    }
}
RN_WIDE(median_row, (uint8_t *y, const struct counts *column, size_t width, size_t k), (y, column, width, k))

static int median_large(struct rn_canvas *x, size_t k, struct rn_err *err)
{
    size_t stride, n = x->width * 3, columns = x->width + k - 1;
    const uint8_t *from = rn_padded(x, k / 2, true, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    struct counts *column = y ? rn_alloc_aligned(columns, sizeof *column, err) : NULL;
    if (!column)
        return -1;
    for (size_t c = 0; c < 3; c++) {
        memset(column, 0, columns * sizeof *column);
        for (size_t r = 0; r < k; r++)
            begin_counts(column, from + r * stride + c, columns);
        for (size_t i = 0; i < x->height; i++) {
            if (i > 0)
                slide_counts(column, from + (i - 1) * stride + c, from + (i + k - 1) * stride + c, columns);
            median_row(y + i * n + c, column, x->width, k);
        }
    }
    free(column);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

int rn_median(struct rn_canvas *x, size_t k, struct rn_err *err)
{
    if (k == 1)
        return 0;
    if (k > 5)
        return median_large(x, k, err);
    size_t stride, n = x->width * 3;
    const uint8_t *from = rn_padded(x, k / 2, true, &stride, err);
    uint8_t *y = from ? rn_canvas_next(x, RN_U8, x->height, x->width, err) : NULL;
    uint8_t *sorted = y ? rn_alloc_aligned(n + 12, 5, err) : NULL;
    if (!sorted)
        return -1;
    for (size_t i = 0; i < x->height; i++) {
        const uint8_t *row = from + i * stride;
        if (k == 3) {
            median3(y + i * n, sorted, sorted + n + 6, sorted + 2 * (n + 6), row, stride, n);
        } else {
            sort5(sorted, row, stride, n + 12);
            median5(y + i * n, sorted, n + 12, n);
        }
    }
    free(sorted);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}
