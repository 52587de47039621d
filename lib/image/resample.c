/* resample.c -- Pillow's resize, bit for bit (libImaging/Resample.c): a pass along the rows and one down the columns, each
 * with weights of 22 fractional bits and a result rounded to 8 bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/isa.h"
#include "core/mem.h"
#include "image/resample.h"

static void weights_free(struct rn_weights *w)
{
    free(w->first);
    free(w->count);
    free(w->weight);
}

/* Of `to` results made from `from` sources, those from `start` on, n of them. A triangle as wide as the scale. */
static int weights_make(struct rn_weights *w, size_t from, size_t to, size_t begin, size_t n, struct rn_err *err)
{
    double scale = (double)from / (double)to;
    double support = scale < 1 ? 1 : scale, narrow = 1 / support;
    size_t total;
    w->results = n;
    w->most = (size_t)ceil(support) * 2 + 1;
    if (!rn_mul(n, w->most, &total))
        return rn_fail(err, RN_EXIT_DATA, "a resize from %zu to %zu is too large", from, to);
    double *exact = rn_calloc(w->most, sizeof *exact, err);
    w->first = rn_calloc(n, sizeof *w->first, err);
    w->count = rn_calloc(n, sizeof *w->count, err);
    w->weight = rn_calloc(total, sizeof *w->weight, err);
    if (!exact || !w->first || !w->count || !w->weight) {
        free(exact);
        return -1;
    }
    for (size_t i = 0; i < n; i++) {
        double centre = ((double)(begin + i) + 0.5) * scale, sum = 0;
        double low = centre - support + 0.5, high = centre + support + 0.5;
        size_t first = low > 0 ? (size_t)low : 0, end = (size_t)high < from ? (size_t)high : from, count = end - first;
        for (size_t k = 0; k < count; k++) {
            double distance = fabs(((double)(k + first) - centre + 0.5) * narrow);
            exact[k] = distance < 1 ? 1 - distance : 0;
            sum += exact[k];
        }
        for (size_t k = 0; k < count; k++)
            w->weight[i * w->most + k] = (int32_t)(0.5 + exact[k] / sum * (1 << RN_RESAMPLE_FRACTION));
        w->start = i ? w->start : first;
        w->length = end - w->start;
        w->first[i] = first - w->start;
        w->count[i] = count;
    }
    free(exact);
    return 0;
}

static inline uint8_t round8(int32_t sum)
{
    int32_t value = sum >> RN_RESAMPLE_FRACTION;
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One row. The three channels run in one vector of four, so that one byte beyond the row is read. */
static void row_across(uint8_t *y, const uint8_t *x, const struct rn_weights *w)
{
    typedef uint8_t bytes4 __attribute__((vector_size(4)));
    typedef int32_t ints4 __attribute__((vector_size(16)));
    for (size_t i = 0; i < w->results; i++) {
        const uint8_t *from = x + 3 * w->first[i];
        const int32_t *weight = w->weight + i * w->most;
        ints4 sum = { RN_RESAMPLE_HALF, RN_RESAMPLE_HALF, RN_RESAMPLE_HALF, RN_RESAMPLE_HALF };
        for (size_t k = 0; k < w->count[i]; k++) {
            bytes4 pixel;
            memcpy(&pixel, from + 3 * k, sizeof pixel);
            sum += __builtin_convertvector(pixel, ints4) * weight[k];
        }
        for (size_t c = 0; c < 3; c++)
            y[3 * i + c] = round8(sum[c]);
    }
}

/* y (x.height, w->results, 3). The last row is copied first: nothing may lie beyond it. */
static int across(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err)
{
    size_t last = x.height - 1, row = w->results * 3;
    uint8_t *copy = rn_calloc(x.width * 3 + 1, 1, err);
    if (!copy)
        return -1;
    memcpy(copy, x.pixels + last * x.stride, x.width * 3);
    for (size_t r = 0; r < last; r++)
        row_across(y + r * row, x.pixels + r * x.stride, w);
    row_across(y + last * row, copy, w);
    free(copy);
    return 0;
}

static void add_row(int32_t *restrict sum, const uint8_t *restrict x, int32_t weight, size_t n)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += x[i] * weight;
}

static void round_row(uint8_t *restrict y, const int32_t *restrict sum, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = round8(sum[i]);
}

/* y (w->results, x.width, 3) */
static int down(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err)
{
    size_t n = x.width * 3;
    int32_t *sum = rn_alloc_aligned(n, sizeof *sum, err);
    if (!sum)
        return -1;
    for (size_t r = 0; r < w->results; r++) {
        for (size_t i = 0; i < n; i++)
            sum[i] = RN_RESAMPLE_HALF;
        for (size_t k = 0; k < w->count[r]; k++)
            add_row(sum, x.pixels + (w->first[r] + k) * x.stride, w->weight[r * w->most + k], n);
        round_row(y + r * n, sum, n);
    }
    free(sum);
    return 0;
}

const struct rn_passes rn_passes_plain = { across, down };

/* Views as narrow as these are read by bytes; nothing is to be gained there. */
static const struct rn_passes *suits(struct rn_region x, const struct rn_weights *h)
{
#ifdef __x86_64__
    if (rn_isa_chosen() != RN_ISA_PORTABLE && x.width * 3 >= 32 && h->results * 3 >= 32)
        return &rn_passes_avx2;
#endif
    (void)x;
    (void)h;
    return &rn_passes_plain;
}

static int run_passes(const struct rn_passes *by, uint8_t *y, uint8_t *between, struct rn_region x, const struct rn_weights *h,
                      const struct rn_weights *v, bool down_first, struct rn_err *err)
{
    struct rn_region then = { between, h->results * 3, v->length, h->results };
    if (!down_first)
        return by->across(between, x, h, err) || by->down(y, then, v, err) ? -1 : 0;
    then = (struct rn_region){ between, h->length * 3, v->results, h->length };
    return by->down(between, x, v, err) || by->across(y, then, h, err) ? -1 : 0;
}

/* The last result first. */
static void turn_round(struct rn_weights *w)
{
    for (size_t a = 0, b = w->results - 1; a < b; a++, b--) {
        size_t first = w->first[a], count = w->count[a];
        w->first[a] = w->first[b];
        w->count[a] = w->count[b];
        w->first[b] = first;
        w->count[b] = count;
        for (size_t k = 0; k < w->most; k++) {
            int32_t weight = w->weight[a * w->most + k];
            w->weight[a * w->most + k] = w->weight[b * w->most + k];
            w->weight[b * w->most + k] = weight;
        }
    }
}

static bool lies_in(struct rn_box box, size_t height, size_t width)
{
    return box.height && box.width && box.top <= height && box.height <= height - box.top && box.left <= width &&
           box.width <= width - box.left;
}

/* Pillow since version 13: down first where that shrinks the picture much more. */
static bool goes_down_first(struct rn_box crop, size_t height, size_t width)
{
    return height < crop.height && (width >= crop.width || crop.height - height > 2 * (crop.width - width));
}

int rn_image_resample_by(const struct rn_passes *passes, uint8_t *y, const struct rn_image *x, struct rn_box crop, size_t height,
                         size_t width, struct rn_box window, bool mirror, struct rn_err *err)
{
    struct rn_weights h = { 0 }, v = { 0 };
    uint8_t *between = NULL;
    size_t pixels;
    int rc = -1;
    if (!lies_in(crop, x->height, x->width) || !lies_in(window, height, width))
        return rn_fail(err, RN_EXIT_DATA, "a crop outside of its picture");
    if (weights_make(&h, crop.width, width, window.left, window.width, err) ||
        weights_make(&v, crop.height, height, window.top, window.height, err))
        goto out;
    if (mirror)
        turn_round(&h);
    size_t stride = x->width * 3;
    struct rn_region from = { x->pixels + (crop.top + v.start) * stride + (crop.left + h.start) * 3, stride, v.length, h.length };
    bool down_first = goes_down_first(crop, height, width);
    if (!rn_mul(down_first ? v.results : v.length, down_first ? h.length : h.results, &pixels)) {
        rn_fail(err, RN_EXIT_DATA, "a resize to %zu x %zu is too large", width, height);
        goto out;
    }
    if ((between = rn_alloc_aligned(pixels, 3, err)))
        rc = run_passes(passes ? passes : suits(from, &h), y, between, from, &h, &v, down_first, err);
out:
    weights_free(&h);
    weights_free(&v);
    free(between);
    return rc;
}

int rn_image_resample(uint8_t *y, const struct rn_image *x, struct rn_box crop, size_t height, size_t width, struct rn_box window,
                      struct rn_err *err)
{
    return rn_image_resample_by(NULL, y, x, crop, height, width, window, false, err);
}
