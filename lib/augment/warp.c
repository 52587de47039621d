/* warp.c -- bilinear warps with OpenCV's fixed-point coordinates: 1/32 pixel, ten-bit weights, half-up.
 *
 * REFLECT_101 folds coordinates before they are split into pixel and fraction: bilinear interpolation at the folded place
 * has the same four pixels with the same weights, so that no pixel is a special case. */
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

int rn_warp(struct rn_canvas *x, rn_warp_row *row, const void *context, struct rn_err *err)
{
    struct places p;
    size_t height = x->height, width = x->width;
    if ((height < 2 || width < 2) && widen(x, err))
        return -1;
    if (height > 1 << 20 || width > 1 << 20 || x->height * x->width > INT32_MAX)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %zu x %zu is too large to be warped", width, height);
    char *y = rn_canvas_next(x, x->type, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++)
        for (size_t first = 0; first < width; first += CHUNK) {
            size_t count = width - first < CHUNK ? width - first : CHUNK, at = (i * width + first) * 3;
            row(context, i, first, count, p.sx, p.sy);
            split(&p, count, (int32_t)height - 1, (int32_t)width - 1, (int32_t)x->height, (int32_t)x->width);
            if (x->type == RN_U8)
                sample_bytes((uint8_t *)y + at, x, &p, count);
            else
                sample_floats((float *)y + at, x, &p, count);
        }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

/* ---- affine ---- */

struct affine {
    double inverse[6];
    int32_t *dx, *dy; /* (width): rint(a x 1024), rint(d x 1024) */
};

static int32_t fixed(double v)
{
    v = rint(v * 1024);
    return v > 1e9 ? 1000000000 : v < -1e9 ? -1000000000 : (int32_t)v;
}

RN_PLAIN step_plain(int32_t *s, const int32_t *d, int32_t start, size_t n)
{
    for (size_t i = 0; i < n; i++)
        s[i] = (start + d[i]) >> 5;
}
RN_WIDE(step, (int32_t *s, const int32_t *d, int32_t start, size_t n), (s, d, start, n))

static void affine_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct affine *a = context;
    const double *m = a->inverse;
    step(sx, a->dx + first, fixed(m[1] * (double)y + m[2]) + 16, n);
    step(sy, a->dy + first, fixed(m[4] * (double)y + m[5]) + 16, n);
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

int rn_warp_affine(struct rn_canvas *x, const double m[6], struct rn_err *err)
{
    size_t width = x->width;
    struct affine a;
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
    return rn_warp(x, affine_row, &a, err);
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
