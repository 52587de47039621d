/* warp.c -- warps with OpenCV's fixed-point coordinates: 1/32 pixel, whole parts in 16 bits, half-up.
 *
 * The usual case, bilinear with REFLECT_101, folds coordinates before they are split into pixel and fraction: bilinear
 * interpolation at the folded place has the same four pixels with the same weights, so that no pixel is a special case. The
 * others look up weights (sample.c), and find each neighbour that lies beyond the edge by itself. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <emmintrin.h>
#endif

#include "augment/private.h"

enum { CHUNK = 256 };

/* What a chunk of a row needs: byte offsets (in pixels) of the first of the four neighbours, and weights. */
struct places {
    int32_t sx[CHUNK], sy[CHUNK];
    int32_t at[CHUNK];                 /* pixel y0 * width + x0 */
    int32_t top[CHUNK], bottom[CHUNK]; /* two 16-bit weights each: of x0 and x0 + 1 */
};

/* Coordinates 0 .. 32 (n - 1) by reflection. */
RN_PLAIN fold_plain(int32_t *s, size_t count, int32_t last)
{
    int32_t low = 0;
    for (size_t i = 0; i < count; i++) {
        int32_t a = s[i] < 0 ? -s[i] : s[i];
        a = a > last ? 2 * last - a : a;
        low = a < low ? a : low;
        s[i] = a;
    }
    for (size_t i = 0; low < 0 && i < count; i++) { /* more than once around */
        int32_t a = last ? abs(s[i]) % (2 * last) : 0;
        s[i] = a > last ? 2 * last - a : a;
    }
}

/* The neighbours of the folded coordinates: at the far edge the pair before it, with all of the weight on its second. */
RN_PLAIN split_plain(struct places *p, size_t count, int32_t last_y, int32_t last_x, int32_t height, int32_t width)
{
    fold_plain(p->sx, count, 32 * last_x);
    fold_plain(p->sy, count, 32 * last_y);
    for (size_t i = 0; i < count; i++) {
        int32_t x = p->sx[i] >> 5, y = p->sy[i] >> 5;
        x = x > width - 2 ? width - 2 : x;
        y = y > height - 2 ? height - 2 : y;
        int32_t fx = p->sx[i] - (x << 5), fy = p->sy[i] - (y << 5), pair = (32 - fx) | fx << 16;
        p->at[i] = y * width + x;
        p->top[i] = pair * (32 - fy);
        p->bottom[i] = pair * fy;
    }
}
RN_WIDE(split, (struct places * p, size_t count, int32_t last_y, int32_t last_x, int32_t height, int32_t width),
        (p, count, last_y, last_x, height, width))

/* One pixel from 6 bytes of each of two rows. */
static inline void blend(uint8_t *y, const uint8_t *a, const uint8_t *b, int32_t top, int32_t bottom)
{
    for (int c = 0; c < 3; c++) {
        int32_t sum = a[c] * (top & 0xffff) + a[c + 3] * (top >> 16) + b[c] * (bottom & 0xffff) + b[c + 3] * (bottom >> 16);
        y[c] = (uint8_t)((sum + 512) >> 10);
    }
}

#if defined(__x86_64__)
/* r0 r1 g0 g1 b0 b1 as 16 bits, from 8 bytes. */
static inline __m128i pairs(const uint8_t *x)
{
    __m128i v = _mm_unpacklo_epi8(_mm_loadl_epi64((const __m128i *)x), _mm_setzero_si128());
    return _mm_unpacklo_epi16(v, _mm_srli_si128(v, 6));
}

/* The same; reads 8 bytes of each row and writes 4. */
static inline void blend_wide(uint8_t *y, const uint8_t *a, const uint8_t *b, int32_t top, int32_t bottom)
{
    __m128i sum = _mm_add_epi32(_mm_madd_epi16(pairs(a), _mm_set1_epi32(top)), _mm_madd_epi16(pairs(b), _mm_set1_epi32(bottom)));
    sum = _mm_srli_epi32(_mm_add_epi32(sum, _mm_set1_epi32(512)), 10);
    sum = _mm_packs_epi32(sum, sum);
    int32_t rgb = _mm_cvtsi128_si32(_mm_packus_epi16(sum, sum));
    memcpy(y, &rgb, sizeof rgb);
}
#else
static inline void blend_wide(uint8_t *y, const uint8_t *a, const uint8_t *b, int32_t top, int32_t bottom)
{
    blend(y, a, b, top, bottom);
}
#endif

/* Whole parts beyond 16 bits stick to the last one; fractions stay. Larger pictures, which OpenCV does not take, keep theirs. */
RN_PLAIN saturate_plain(int32_t *s, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int32_t whole = s[i] >> 5, fraction = s[i] & 31;
        whole = whole < INT16_MIN ? INT16_MIN : whole > INT16_MAX ? INT16_MAX : whole;
        s[i] = whole * 32 + fraction;
    }
}
RN_WIDE(saturate, (int32_t *s, size_t count), (s, count))

static void sample_bytes(uint8_t *y, const struct rn_canvas *x, const struct places *p, size_t count)
{
    const uint8_t *from = x->pixels;
    size_t stride = x->width * 3, size = x->height * stride;
    for (size_t i = 0; i < count; i++) {
        size_t at = (size_t)p->at[i] * 3;
        if (at + stride + 8 <= size)
            blend_wide(y + 3 * i, from + at, from + at + stride, p->top[i], p->bottom[i]);
        else
            blend(y + 3 * i, from + at, from + at + stride, p->top[i], p->bottom[i]);
    }
}

static void sample_floats(float *y, const struct rn_canvas *x, const struct places *p, size_t count)
{
    size_t stride = x->width * 3;
    for (size_t i = 0; i < count; i++) {
        const float *a = (const float *)x->pixels + (size_t)p->at[i] * 3, *b = a + stride;
        float w[4] = { (float)(p->top[i] & 0xffff), (float)(p->top[i] >> 16), (float)(p->bottom[i] & 0xffff), (float)(p->bottom[i] >> 16) };
        for (int c = 0; c < 3; c++)
            y[3 * i + c] = (a[c] * w[0] + a[c + 3] * w[1] + b[c] * w[2] + b[c + 3] * w[3]) * 0x1p-10f;
    }
}

/* A picture of one row or column has no pairs: it gets a second, equal one. */
static int widen(struct rn_canvas *x, struct rn_err *err)
{
    size_t height = x->height < 2 ? 2 : x->height, width = x->width < 2 ? 2 : x->width, pixel = 3 * rn_type_size(x->type);
    const char *from = x->pixels;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++)
        for (size_t j = 0; j < width; j++)
            memcpy(y + (i * width + j) * pixel, from + ((x->height < 2 ? 0 : i) * x->width + (x->width < 2 ? 0 : j)) * pixel, pixel);
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

/* ---- any interpolation, any border ---- */

static inline bool inside(int32_t x, int32_t size, int32_t last)
{
    return x >= 0 && x <= last - size;
}

/* A pixel from its taps, size x size of them from (x0, y0) on. */
static void gather_bytes(uint8_t *y, const struct rn_canvas *x, const struct rn_taps *taps, const int16_t *weight, int32_t x0, int32_t y0)
{
    int32_t sum[3] = { 1 << 14, 1 << 14, 1 << 14 }, size = taps->size;
    const uint8_t *from = x->pixels;
    for (int32_t r = 0; r < size; r++) {
        long row = rn_border_at(y0 + r, (long)x->height, taps->border);
        for (int32_t c = 0; c < size; c++) {
            long column = rn_border_at(x0 + c, (long)x->width, taps->border);
            const uint8_t *p = row < 0 || column < 0 ? taps->constant : from + ((size_t)row * x->width + (size_t)column) * 3;
            for (int k = 0; k < 3; k++)
                sum[k] += p[k] * weight[r * size + c];
        }
    }
    for (int k = 0; k < 3; k++)
        y[k] = (uint8_t)rn_clip255(sum[k] >> 15);
}

static void gather_floats(float *y, const struct rn_canvas *x, const struct rn_taps *taps, const float *weight, int32_t x0, int32_t y0)
{
    float sum[3] = { 0, 0, 0 };
    int32_t size = taps->size;
    const float *from = x->pixels;
    for (int32_t r = 0; r < size; r++) {
        long row = rn_border_at(y0 + r, (long)x->height, taps->border);
        for (int32_t c = 0; c < size; c++) {
            long column = rn_border_at(x0 + c, (long)x->width, taps->border);
            const float *p = row < 0 || column < 0 ? taps->value : from + ((size_t)row * x->width + (size_t)column) * 3;
            for (int k = 0; k < 3; k++)
                sum[k] += p[k] * weight[r * size + c];
        }
    }
    memcpy(y, sum, sizeof sum);
}

static void sample_taps(void *y, const struct rn_canvas *x, const struct rn_taps *taps, const struct places *p, size_t count)
{
    int32_t height = (int32_t)x->height, width = (int32_t)x->width, size = taps->size;
    size_t stride = x->width * 3, bytes = x->height * stride;
    for (size_t i = 0; i < count; i++) {
        int32_t x0 = (p->sx[i] >> 5) - taps->before, y0 = (p->sy[i] >> 5) - taps->before, fx = p->sx[i] & 31, fy = p->sy[i] & 31;
        size_t weights = (size_t)(fy * 32 + fx) * (size_t)(size * size);
        if (x->type == RN_F32) {
            gather_floats((float *)y + 3 * i, x, taps, taps->real + weights, x0, y0);
            continue;
        }
        uint8_t *to = (uint8_t *)y + 3 * i;
        size_t at = ((size_t)y0 * x->width + (size_t)x0) * 3;
        if (size == 2 && inside(x0, 2, width) && inside(y0, 2, height) && at + stride + 8 <= bytes) {
            int32_t pair = (32 - fx) | fx << 16;
            const uint8_t *a = (const uint8_t *)x->pixels + at;
            blend_wide(to, a, a + stride, pair * (32 - fy), pair * fy);
        } else {
            gather_bytes(to, x, taps, taps->fixed + weights, x0, y0);
        }
    }
}

/* Whole pixels in 1/32. */
static void scale(int32_t *s, size_t count)
{
    const int32_t most = 1 << 25;
    for (size_t i = 0; i < count; i++)
        s[i] = (s[i] < -most ? -most : s[i] > most ? most : s[i]) * 32;
}

static int warp_taps(struct rn_canvas *x, const struct rn_sampling *how, size_t height, size_t width, rn_warp_row *row,
                     const void *context, struct rn_err *err)
{
    struct places p;
    size_t pixel = 3 * rn_type_size(x->type);
    bool nearest = how->interpolation == RN_NEAREST, large = x->height > INT16_MAX || x->width > INT16_MAX;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    struct rn_taps *taps = y ? rn_taps_new(how, err) : NULL;
    if (!taps)
        return -1;
    for (size_t i = 0; i < height; i++)
        for (size_t first = 0; first < width; first += CHUNK) {
            size_t count = width - first < CHUNK ? width - first : CHUNK;
            row(context, i, first, count, p.sx, p.sy);
            if (nearest)
                scale(p.sx, count), scale(p.sy, count);
            if (!large)
                saturate(p.sx, count), saturate(p.sy, count);
            sample_taps(y + (i * width + first) * pixel, x, taps, &p, count);
        }
    rn_taps_free(taps);
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

/* ---- the usual case ---- */

static int warp_folded(struct rn_canvas *x, size_t height, size_t width, rn_warp_row *row, const void *context, struct rn_err *err)
{
    struct places p;
    size_t last_height = x->height - 1, last_width = x->width - 1;
    if ((x->height < 2 || x->width < 2) && widen(x, err))
        return -1;
    size_t from_height = x->height, from_width = x->width;
    bool large = from_height > INT16_MAX || from_width > INT16_MAX;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++)
        for (size_t first = 0; first < width; first += CHUNK) {
            size_t count = width - first < CHUNK ? width - first : CHUNK, at = (i * width + first) * 3;
            row(context, i, first, count, p.sx, p.sy);
            if (!large)
                saturate(p.sx, count), saturate(p.sy, count);
            split(&p, count, (int32_t)last_height, (int32_t)last_width, (int32_t)from_height, (int32_t)from_width);
            if (x->type == RN_U8)
                sample_bytes((uint8_t *)y + at, x, &p, count);
            else
                sample_floats((float *)y + at, x, &p, count);
        }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

int rn_warp(struct rn_canvas *x, const struct rn_sampling *how, size_t height, size_t width, rn_warp_row *row, const void *context,
            struct rn_err *err)
{
    if (x->height > 1 << 20 || x->width > 1 << 20 || height > 1 << 20 || width > 1 << 20 || x->height * x->width > INT32_MAX)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %zu x %zu is too large to be warped", x->width, x->height);
    bool linear = how->interpolation == RN_LINEAR || how->interpolation == RN_AREA;
    if (linear && how->border == RN_REFLECT_101)
        return warp_folded(x, height, width, row, context, err);
    return warp_taps(x, how, height, width, row, context, err);
}

/* ---- affine ---- */

struct affine {
    double inverse[6];
    int32_t *dx, *dy; /* (width): rint(a x 1024), rint(d x 1024) */
    int shift;        /* from 1/1024 to what the warp wants: 1/32, or whole pixels */
};

/* What does not fit in 32 bits is the smallest number, as in the processor's conversion; sums wrap around. */
static int32_t fixed(double v)
{
    v = rint(v * 1024);
    return v >= INT32_MIN && v <= INT32_MAX ? (int32_t)v : INT32_MIN;
}

RN_PLAIN step_plain(int32_t *s, const int32_t *d, int32_t start, int shift, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s[i] = (int32_t)((uint32_t)start + (uint32_t)d[i]) >> shift;
}
RN_WIDE(step, (int32_t *s, const int32_t *d, int32_t start, int shift, size_t n), (s, d, start, shift, n))

static void affine_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct affine *a = context;
    const double *m = a->inverse;
    uint32_t half = 1u << (a->shift - 1);
    step(sx, a->dx + first, (int32_t)((uint32_t)fixed(m[1] * (double)y + m[2]) + half), a->shift, n);
    step(sy, a->dy + first, (int32_t)((uint32_t)fixed(m[4] * (double)y + m[5]) + half), a->shift, n);
}

/* In the order of OpenCV's warpAffine, for equal roundings. A matrix that cannot be inverted gives zeros. */
static void invert(double inverse[6], const double m[6])
{
    double d = m[0] * m[4] - m[1] * m[3];
    d = d != 0 ? 1 / d : 0;
    inverse[0] = m[4] * d;
    inverse[1] = m[1] * -d;
    inverse[3] = m[3] * -d;
    inverse[4] = m[0] * d;
    inverse[2] = -inverse[0] * m[2] - inverse[1] * m[5];
    inverse[5] = -inverse[3] * m[2] - inverse[4] * m[5];
}

int rn_warp_affine(struct rn_canvas *x, const double m[6], const struct rn_sampling *how, size_t height, size_t width, struct rn_err *err)
{
    struct affine a = { .shift = how->interpolation == RN_NEAREST ? 10 : 5 };
    int32_t *d = rn_canvas_scratch(x, width * 2 * sizeof *d, err);
    if (!d)
        return -1;
    invert(a.inverse, m);
    a.dx = d;
    a.dy = d + width;
    for (size_t i = 0; i < width; i++) {
        a.dx[i] = fixed(a.inverse[0] * (double)i);
        a.dy[i] = fixed(a.inverse[3] * (double)i);
    }
    return rn_warp(x, how, height, width, affine_row, &a, err);
}

void rn_rotation(double m[6], const struct rn_canvas *x, double angle, double scale)
{
    double radians = angle * (3.1415926535897932384626433832795 / 180), a = scale * cos(radians), b = scale * sin(radians);
    double cx = (double)x->width / 2 - 0.5, cy = (double)x->height / 2 - 0.5;
    m[0] = a;
    m[1] = b;
    m[2] = (1 - a) * cx - b * cy;
    m[3] = -b;
    m[4] = a;
    m[5] = b * cx + (1 - a) * cy;
}
