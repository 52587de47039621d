/* resize.c -- OpenCV's resize. Bilinear (INTER_LINEAR): pixel centres, no antialiasing; 11-bit weights for bytes. The others are in
 * resize_other.c; area is bilinear with weights of its own where the picture grows. */
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "augment/private.h"
#include "core/mem.h"

/* Where a result's pixel lies between two of the source, in float32 as there. */
struct tap {
    int32_t at[2];    /* clamped */
    int16_t fixed[2]; /* weights of both times 2048 */
    float weight;     /* of the second */
};

static int16_t fixed(float weight)
{
    return (int16_t)lrintf(weight * 2048);
}

/* Where area's pixel i lies, as OpenCV has it: mostly on one pixel, and a part of the next one where it ends there. */
static float area_place(long *first, size_t i, double scale)
{
    *first = (long)floor((double)i * scale);
    float f = (float)((double)(i + 1) - (double)(*first + 1) / scale);
    return f <= 0 ? 0 : f - floorf(f);
}

static void make_taps(struct tap *tap, size_t to, size_t from, double scale, bool clamp_weights, bool area)
{
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

/* Floats, which OpenCV's builds for x86 leave to IPP: places in double, in one rounding, and so is a + (b - a) f. */
static double exact_place(size_t i, double scale)
{
    return fma((double)i + 0.5, scale, -0.5);
}

static void make_exact_taps(struct tap *tap, size_t to, size_t from, double scale)
{
    for (size_t i = 0; i < to; i++) {
        double s = fmin(fmax(exact_place(i, scale), 0), (double)from - 1), whole = floor(s);
        tap[i] = (struct tap){ { (int32_t)whole, (int32_t)fmin(whole + 1, (double)from - 1) }, { 0, 0 }, (float)(s - whole) };
    }
}

/* Sums of the row x of `from` pixels, of which the columns' rounding needs all but four bits. */
static void across_plain(int16_t *y, const uint8_t *x, const struct tap *tap, size_t first, size_t width)
{
    for (size_t j = first; j < width; j++) {
        const uint8_t *a = x + tap[j].at[0] * 3, *b = x + tap[j].at[1] * 3;
        for (int c = 0; c < 3; c++)
            y[3 * j + c] = (int16_t)((a[c] * tap[j].fixed[0] + b[c] * tap[j].fixed[1]) >> 4);
    }
}

#if defined(__x86_64__)
/* r0 r1 g0 g1 b0 b1 of one result in each half, from 8 bytes, times its weights. */
RN_AVX2 static inline __m256i weigh(const uint8_t *x, const struct tap *low, const struct tap *high)
{
    const __m256i pairs = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    int64_t a, b;
    int32_t v, w;
    memcpy(&a, x + low->at[0] * 3, sizeof a);
    memcpy(&b, x + high->at[0] * 3, sizeof b);
    memcpy(&v, low->fixed, sizeof v);
    memcpy(&w, high->fixed, sizeof w);
    __m256i pixels = _mm256_blend_epi32(_mm256_set1_epi64x(a), _mm256_set1_epi64x(b), 0xf0);
    __m256i weights = _mm256_blend_epi32(_mm256_set1_epi32(v), _mm256_set1_epi32(w), 0xf0);
    return _mm256_srli_epi32(_mm256_madd_epi16(_mm256_shuffle_epi8(pixels, pairs), weights), 4);
}

/* As long as the 8 bytes lie in the row; two more than 3 width may be written. How many results were done. */
RN_AVX2 static size_t across_fours(int16_t *y, const uint8_t *x, const struct tap *tap, size_t width, size_t from)
{
    const __m256i close = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 2, 3, 4, 5, 8, 9, 10, 11, 12, 13, -1, -1, -1, -1));
    size_t j = 0;
    for (; j + 4 <= width && (size_t)tap[j + 3].at[0] + 3 <= from; j += 4) {
        __m256i v = _mm256_packs_epi32(weigh(x, &tap[j], &tap[j + 2]), weigh(x, &tap[j + 1], &tap[j + 3]));
        v = _mm256_shuffle_epi8(v, close);
        _mm_storeu_si128((__m128i *)(y + 3 * j), _mm256_castsi256_si128(v));
        _mm_storeu_si128((__m128i *)(y + 3 * j + 6), _mm256_extracti128_si256(v, 1));
    }
    return j;
}
#endif

static void across(int16_t *y, const uint8_t *x, const struct tap *tap, size_t width, size_t from)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE)
        done = across_fours(y, x, tap, width, from);
#endif
    (void)from;
    across_plain(y, x, tap, done, width);
}

RN_PLAIN down_plain(uint8_t *restrict y, const int16_t *restrict a, const int16_t *restrict b, int16_t w0, int16_t w1, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int16_t v = (int16_t)(a[i] * w0 >> 16), w = (int16_t)(b[i] * w1 >> 16);
        y[i] = (uint8_t)((uint16_t)(v + w + 2) >> 2);
    }
}
RN_WIDE(down, (uint8_t *restrict y, const int16_t *restrict a, const int16_t *restrict b, int16_t w0, int16_t w1, size_t n),
        (y, a, b, w0, w1, n))

RN_PLAIN across_floats_plain(float *restrict y, const float *restrict x, const struct tap *tap, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++) {
            float a = x[tap[j].at[0] * 3 + c], b = x[tap[j].at[1] * 3 + c];
            y[3 * j + c] = fmaf(b - a, tap[j].weight, a);
        }
}
RN_WIDE(across_floats, (float *restrict y, const float *restrict x, const struct tap *tap, size_t width), (y, x, tap, width))

/* Area's, which OpenCV computes itself. */
static void across_products(float *y, const float *x, const struct tap *tap, size_t width)
{
    for (size_t j = 0; j < width; j++)
        for (int c = 0; c < 3; c++)
            y[3 * j + c] = x[tap[j].at[0] * 3 + c] * (1 - tap[j].weight) + x[tap[j].at[1] * 3 + c] * tap[j].weight;
}

static void down_products(float *y, const float *a, const float *b, float w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] * (1 - w) + b[i] * w;
}

RN_PLAIN down_floats_plain(float *restrict y, const float *restrict a, const float *restrict b, float w, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = fmaf(b[i] - a[i], w, a[i]);
}
RN_WIDE(down_floats, (float *restrict y, const float *restrict a, const float *restrict b, float w, size_t n), (y, a, b, w, n))

/* Samples behind the last whole register of four of those that lie between two columns: there a product is rounded by itself. */
struct left_over {
    size_t first, end;
};

static struct left_over find_left_over(size_t to, size_t from, double scale)
{
    size_t first = 0, end = to;
    while (first < to && exact_place(first, scale) < 0)
        first++;
    while (end > first && exact_place(end - 1, scale) >= (double)from - 1)
        end--;
    return (struct left_over){ 3 * first + (end - first) * 3 / 4 * 4, 3 * end };
}

static void down_left_over(float *y, const float *a, const float *b, float w, struct left_over part)
{
    for (size_t i = part.first; i < part.end; i++)
        y[i] = a[i] + (b[i] - a[i]) * w;
}

/* The two rows that are needed, each computed once: rows come in order. */
struct rows {
    int32_t index[2];
    void *row[2];
    bool area;
};

static void scale_rows(struct rows *rows, const struct rn_canvas *x, struct rn_frame part, const struct tap *columns,
                       const struct tap *tap, size_t width)
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
        else if (rows->area)
            across_products(rows->row[k], (const float *)x->pixels + at, columns, width);
        else
            across_floats(rows->row[k], (const float *)x->pixels + at, columns, width);
        rows->index[k] = tap->at[k];
    }
}

static int linear(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, const struct rn_steps *steps, bool area,
                  struct rn_err *err)
{
    bool bytes = x->type == RN_U8;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    char *scratch =
        y ? rn_canvas_scratch(x, (height + width) * sizeof(struct tap) + 2 * (width * 3 + 4) * sizeof(int32_t), err) : NULL;
    if (!scratch)
        return -1;
    struct tap *columns = (struct tap *)scratch, *tap = columns + width;
    struct left_over left_over = find_left_over(width, part.width, steps->across);
    struct rows rows = { { -1, -1 }, { tap + height, (int32_t *)(tap + height) + 3 * width + 4 }, area };
    if (bytes || area) {
        make_taps(columns, width, part.width, steps->across, true, area);
        make_taps(tap, height, part.height, steps->down, false, area);
    } else {
        make_exact_taps(columns, width, part.width, steps->across);
        make_exact_taps(tap, height, part.height, steps->down);
    }
    for (size_t i = 0; i < height; i++) {
        scale_rows(&rows, x, part, columns, &tap[i], width);
        if (bytes)
            down((uint8_t *)y + i * width * 3, rows.row[0], rows.row[1], tap[i].fixed[0], tap[i].fixed[1], width * 3);
        else if (area)
            down_products((float *)(void *)y + i * width * 3, rows.row[0], rows.row[1], tap[i].weight, width * 3);
        else
            down_floats((float *)(void *)y + i * width * 3, rows.row[0], rows.row[1], tap[i].weight, width * 3);
        if (!bytes && !area)
            down_left_over((float *)(void *)y + i * width * 3, rows.row[0], rows.row[1], tap[i].weight, left_over);
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

static bool is_whole(double step, double *nearest)
{
    *nearest = rint(step);
    return fabs(step - *nearest) < 2.220446049250313e-16;
}

int rn_resize_by(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                 int64_t interpolation, struct rn_err *err)
{
    double down, across;
    bool whole_down = is_whole(steps.down, &down), whole = is_whole(steps.across, &across) && whole_down,
         shrinks = steps.down >= 1 && steps.across >= 1;
    if (part.height > x->height || part.width > x->width)
        return rn_crop(x, part, err);
    if (interpolation == RN_LINEAR && whole && down == 2 && across == 2)
        interpolation = RN_AREA;
    if (interpolation == RN_AREA && shrinks && whole)
        return rn_resize_means(x, part, height, width, (size_t)down, (size_t)across, err);
    if (interpolation == RN_LINEAR || (interpolation == RN_AREA && !shrinks))
        return linear(x, part, height, width, &steps, interpolation == RN_AREA, err);
    return rn_resize_other(x, part, height, width, steps, interpolation, err);
}

int rn_resize(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, int64_t interpolation, struct rn_err *err)
{
    struct rn_steps steps = { 1 / ((double)height / (double)part.height), 1 / ((double)width / (double)part.width) };
    if (part.height == height && part.width == width)
        return rn_crop(x, part, err);
    return rn_resize_by(x, part, height, width, steps, interpolation, err);
}

int rn_rescale(struct rn_canvas *x, double height, double width, int64_t interpolation, struct rn_err *err)
{
    if (!(height >= 1 && width >= 1))
        return rn_fail(err, RN_EXIT_DATA, "nothing is left of the picture of %zu x %zu (width x height)", x->width, x->height);
    if (height > 1 << 20 || width > 1 << 20)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %g x %g is too large", width, height);
    return rn_resize(x, (struct rn_frame){ 0, 0, x->height, x->width }, (size_t)height, (size_t)width, interpolation, err);
}
