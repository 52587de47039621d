/* resize.c -- OpenCV's resize. Bilinear (INTER_LINEAR): pixel centres, no antialiasing; 11-bit weights for bytes. The others are in
 * resize_other.c; area is bilinear with weights of its own where the picture grows. */
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "augment/private.h"
#include "core/mem.h"

/* Where a result's pixel lies between two of the source, in float32 as there. */
struct tap {
    int32_t at[2];    /* clamped */
    int32_t fixed[2]; /* weights of both times 2048 */
    float weight;     /* of the second */
};

static int32_t fixed(float weight)
{
    return (int32_t)lrintf(weight * 2048);
}

/* Where area's pixel i lies, as OpenCV has it: mostly on one pixel, and a part of the next one where it ends there. */
static float area_place(long *first, size_t i, double scale)
{
    *first = (long)floor((double)i * scale);
    float f = (float)((double)(i + 1) - (double)(*first + 1) / scale);
    return f <= 0 ? 0 : f - floorf(f);
}

static void make_taps(struct tap *tap, size_t to, size_t from, bool clamp_weights, bool area)
{
    double scale = 1 / ((double)to / (double)from);
    for (size_t i = 0; i < to; i++) {
        float s = (float)(((double)i + 0.5) * scale - 0.5), floor = floorf(s), f = s - floor;
        long first = (long)floor, last = (long)from - 1;
        if (area)
            f = area_place(&first, i, scale);
        if (clamp_weights && (first < 0 || first >= last))
            f = 0;
        tap[i] = (struct tap){ { (int32_t)(first < 0 ? 0 : first > last ? last : first),
                                 (int32_t)(first + 1 < 0 ? 0 : first + 1 > last ? last : first + 1) },
                               { fixed(1 - f), fixed(f) }, f };
    }
}

static void across_plain(int32_t *y, const uint8_t *x, const struct tap *tap, size_t first, size_t width)
{
    for (size_t j = first; j < width; j++) {
        const uint8_t *a = x + tap[j].at[0] * 3, *b = x + tap[j].at[1] * 3;
        for (int c = 0; c < 3; c++)
            y[3 * j + c] = a[c] * tap[j].fixed[0] + b[c] * tap[j].fixed[1];
    }
}

/* Sums of the row x of `from` pixels; one more than 3 width may be written. */
static void across(int32_t *y, const uint8_t *x, const struct tap *tap, size_t width, size_t from)
{
    size_t j = 0;
#if defined(__x86_64__)
    /* r0 r1 g0 g1 b0 b1 from 8 bytes, as long as these lie in the row */
    for (; j < width && (size_t)tap[j].at[0] + 3 <= from; j++) {
        __m128i v = _mm_loadl_epi64((const __m128i *)(x + tap[j].at[0] * 3));
        v = _mm_unpacklo_epi8(v, _mm_setzero_si128());
        v = _mm_unpacklo_epi16(v, _mm_srli_si128(v, 6));
        v = _mm_madd_epi16(v, _mm_set1_epi32(tap[j].fixed[0] | tap[j].fixed[1] << 16));
        _mm_storeu_si128((__m128i *)(y + 3 * j), v);
    }
#endif
    across_plain(y, x, tap, j, width);
}

RN_PLAIN down_plain(uint8_t *restrict y, const int32_t *restrict a, const int32_t *restrict b, int32_t w0, int32_t w1, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((((w0 * (a[i] >> 4)) >> 16) + ((w1 * (b[i] >> 4)) >> 16) + 2) >> 2);
}
RN_WIDE(down, (uint8_t *restrict y, const int32_t *restrict a, const int32_t *restrict b, int32_t w0, int32_t w1, size_t n), (y, a, b, w0, w1, n))

static void across_floats(float *y, const float *x, const struct tap *tap, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++)
            y[3 * j + c] = x[tap[j].at[0] * 3 + c] * (1 - tap[j].weight) + x[tap[j].at[1] * 3 + c] * tap[j].weight;
}

/* The two rows that are needed, each computed once: rows come in order. */
struct rows {
    int32_t index[2];
    void *row[2];
};

static void scale_rows(struct rows *rows, const struct rn_canvas *x, struct rn_frame part, const struct tap *columns, const struct tap *tap,
                       size_t width)
{
    if (rows->index[1] == tap->at[0] && rows->index[0] != tap->at[0]) {
        void *swap = rows->row[0];
        rows->row[0] = rows->row[1];
        rows->row[1] = swap;
        rows->index[0] = rows->index[1];
        rows->index[1] = -1;
    }
    for (int k = 0; k < 2; k++) {
        if (rows->index[k] == tap->at[k])
            continue;
        size_t at = ((part.top + (size_t)tap->at[k]) * x->width + part.left) * 3;
        if (x->type == RN_U8)
            across(rows->row[k], (const uint8_t *)x->pixels + at, columns, width, part.width);
        else
            across_floats(rows->row[k], (const float *)x->pixels + at, columns, width);
        rows->index[k] = tap->at[k];
    }
}

static void mean_of_four(uint8_t *y, const uint8_t *x, size_t stride, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (size_t c = 0; c < 3; c++) {
            const uint8_t *p = x + 6 * j + c;
            y[3 * j + c] = (uint8_t)((p[0] + p[3] + p[stride] + p[stride + 3] + 2) >> 2);
        }
}

static int halve(struct rn_canvas *x, struct rn_frame part, struct rn_err *err)
{
    size_t height = part.height / 2, width = part.width / 2, stride = x->width * 3;
    uint8_t *y = rn_canvas_next(x, RN_U8, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++)
        mean_of_four(y + i * width * 3, (const uint8_t *)x->pixels + (part.top + 2 * i) * stride + part.left * 3, stride, width);
    rn_canvas_turn(x, RN_U8, height, width);
    return 0;
}

static int linear(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, bool area, struct rn_err *err)
{
    bool bytes = x->type == RN_U8;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    char *scratch = y ? rn_canvas_scratch(x, (height + width) * sizeof(struct tap) + 2 * (width * 3 + 4) * sizeof(int32_t), err) : NULL;
    if (!scratch)
        return -1;
    struct tap *columns = (struct tap *)scratch, *tap = columns + width;
    struct rows rows = { { -1, -1 }, { tap + height, (int32_t *)(tap + height) + 3 * width + 4 } };
    make_taps(columns, width, part.width, true, area);
    make_taps(tap, height, part.height, false, area);
    for (size_t i = 0; i < height; i++) {
        scale_rows(&rows, x, part, columns, &tap[i], width);
        float w = tap[i].weight;
        if (bytes) {
            down((uint8_t *)y + i * width * 3, rows.row[0], rows.row[1], tap[i].fixed[0], tap[i].fixed[1], width * 3);
            continue;
        }
        const float *a = rows.row[0], *b = rows.row[1];
        for (size_t j = 0; j < width * 3; j++)
            ((float *)y)[i * width * 3 + j] = a[j] * (1 - w) + b[j] * w;
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

int rn_resize(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, int64_t interpolation, struct rn_err *err)
{
    bool smooth = interpolation == RN_LINEAR || interpolation == RN_AREA;
    bool shrinks = part.height >= height && part.width >= width;
    if (part.height == height && part.width == width)
        return rn_crop(x, part, err);
    if (smooth && x->type == RN_U8 && part.height == 2 * height && part.width == 2 * width)
        return halve(x, part, err);
    if (!smooth || (interpolation == RN_AREA && shrinks))
        return rn_resize_other(x, part, height, width, interpolation, err);
    return linear(x, part, height, width, interpolation == RN_AREA, err);
}

int rn_rescale(struct rn_canvas *x, double height, double width, int64_t interpolation, struct rn_err *err)
{
    if (!(height >= 1 && width >= 1))
        return rn_fail(err, RN_EXIT_DATA, "nothing is left of the picture of %zu x %zu (width x height)", x->width, x->height);
    if (height > 1 << 20 || width > 1 << 20)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %g x %g is too large", width, height);
    return rn_resize(x, (struct rn_frame){ 0, 0, x->height, x->width }, (size_t)height, (size_t)width, interpolation, err);
}
