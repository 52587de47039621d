/* hls.c -- RGB and HLS as OpenCV converts them: through float32; in 8 bits rounded half to even. */
#include <float.h>
#include <math.h>

#include "augment/private.h"

/* Rounds half to even; |v| below 2^22. */
static inline uint8_t nearest(float v)
{
    return (uint8_t)(int32_t)(v + 12582912.0f - 12582912.0f);
}

enum { GROUP = 8 }; /* pixels that OpenCV's AVX2 code has in a register */

struct hls {
    float h, l, s; /* h: 0 .. 360 */
};

/* Behind the whole groups 2 - high - low is computed from the left, and a whole turn is added to a negative hue by itself. */
static inline __attribute__((always_inline)) struct hls hls_of(uint8_t red, uint8_t green, uint8_t blue, bool grouped)
{
    float r = (float)red * (1.0f / 255.0f), g = (float)green * (1.0f / 255.0f), b = (float)blue * (1.0f / 255.0f);
    float high = r > g ? r : g, low = r < g ? r : g;
    high = high > b ? high : b;
    low = low < b ? low : b;
    float d = high - low, sum = high + low, l = sum * 0.5f;
    bool grey = !(d > FLT_EPSILON);
    float rest = grouped ? 2 - sum : 2 - high - low, range = l < 0.5f ? sum : rest, s = d / (grey ? 1 : range),
          scale = 60.0f / (grey ? 1 : d);
    float by_green = fmaf(b - r, scale, 120), by_blue = fmaf(r - g, scale, 240);
    float by_red = grouped ? fmaf(g - b, scale, g < b ? 360 : 0) : (g - b) * scale;
    float h = high == r ? by_red : high == g ? by_green : by_blue;
    h = h < 0 ? h + 360.0f : h;
    return (struct hls){ grey ? 0 : h, l, grey ? 0 : s };
}

/* RN_LANES pixels, in place: r, g, b become h, l, s; the first `grouped` are in whole groups. */
RN_PLAIN to_hls_plain(uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z, int32_t grouped)
{
    for (int32_t i = 0; i < RN_LANES; i++) {
        struct hls v = hls_of(x[i], y[i], z[i], i < grouped);
        x[i] = nearest(v.h * 0.5f);
        y[i] = nearest(v.l * 255.0f);
        z[i] = nearest(v.s * 255.0f);
    }
}
RN_WIDE(to_hls, (uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z, int32_t grouped), (x, y, z, grouped))

RN_PLAIN from_hls_plain(uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z)
{
    for (size_t i = 0; i < RN_LANES; i++) {
        float h = (float)x[i] * (6.0f / 180.0f), l = (float)y[i] * (1.0f / 255.0f), s = (float)z[i] * (1.0f / 255.0f);
        float dark = l * (1 + s), light = l + s - l * s, p2 = l <= 0.5f ? dark : light, p1 = 2 * l - p2;
        int32_t k = (int32_t)h;
        float f = h - (float)k;
        k = k >= 6 ? k - 6 : k;
        float down = p1 + (p2 - p1) * (1 - f), up = p1 + (p2 - p1) * f;
        /* of the four values one, times 1, and the others times 0: compilers make no vectors of a chain of conditions */
        float s0 = (float)(k == 0), s1 = (float)(k == 1), s2 = (float)(k == 2), s3 = (float)(k == 3), s4 = (float)(k == 4),
              s5 = (float)(k == 5);
        float r = p2 * (s0 + s5) + down * s1 + p1 * (s2 + s3) + up * s4;
        float g = p2 * (s1 + s2) + down * s3 + p1 * (s4 + s5) + up * s0;
        float b = p2 * (s3 + s4) + down * s5 + p1 * (s0 + s1) + up * s2;
        x[i] = nearest(r * 255);
        y[i] = nearest(g * 255);
        z[i] = nearest(b * 255);
    }
}
RN_WIDE(from_hls, (uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z), (x, y, z))

void rn_rgb_to_hls(uint8_t *y, const uint8_t *x, size_t n)
{
    uint8_t r[RN_LANES] = { 0 }, g[RN_LANES] = { 0 }, b[RN_LANES] = { 0 };
    for (size_t i = 0; i < n; i += RN_LANES) {
        size_t count = n - i < RN_LANES ? n - i : RN_LANES;
        rn_planes_split(r, g, b, x + 3 * i, count);
        to_hls(r, g, b, (int32_t)(count / GROUP * GROUP));
        rn_planes_join(y + 3 * i, r, g, b, count);
    }
}

void rn_hls_to_rgb(uint8_t *y, const uint8_t *x, size_t n)
{
    uint8_t h[RN_LANES] = { 0 }, l[RN_LANES] = { 0 }, s[RN_LANES] = { 0 };
    for (size_t i = 0; i < n; i += RN_LANES) {
        size_t count = n - i < RN_LANES ? n - i : RN_LANES;
        rn_planes_split(h, l, s, x + 3 * i, count);
        from_hls(h, l, s);
        rn_planes_join(y + 3 * i, h, l, s, count);
    }
}

/* ---- in floats ---- */

RN_PLAIN to_floats_plain(float *restrict h, float *restrict l, float *restrict s, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct hls v = hls_of(x[3 * i], x[3 * i + 1], x[3 * i + 2], i < n / GROUP * GROUP);
        h[i] = v.h;
        l[i] = v.l;
        s[i] = v.s;
    }
}
RN_WIDE(to_floats, (float *restrict h, float *restrict l, float *restrict s, const uint8_t *restrict x, size_t n), (h, l, s, x, n))

void rn_rgb_to_hls_floats(float *h, float *l, float *s, const uint8_t *x, size_t n)
{
    to_floats(h, l, s, x, n);
}

/* Cut off to a whole level; what is above 255 begins again at 0, as in numpy's conversion. |v| is below 2^20. */
static inline uint8_t level(float v)
{
    return (uint8_t)(int32_t)(v * 255);
}

/* The largest and the least of the three, and the two between them, go to the channels by the hue's sixth. */
static inline __attribute__((always_inline)) void put_levels(uint8_t *y, float sixth, float most, float least,
                                                                float falling, float rising)
{
    y[0] = level(sixth < 1 ? most : sixth < 2 ? falling : sixth < 4 ? least : sixth < 5 ? rising : most);
    y[1] = level(sixth < 1 ? rising : sixth < 3 ? most : sixth < 4 ? falling : least);
    y[2] = level(sixth < 2 ? least : sixth < 3 ? rising : sixth < 5 ? most : falling);
}

/* Whole groups. */
RN_PLAIN from_floats_plain(uint8_t *restrict y, const float *restrict h, const float *restrict l, const float *restrict s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float by = l[i] <= 0.5f ? l[i] * s[i] : s[i] - l[i] * s[i], turn = h[i] * (6.0f / 360.0f), whole = truncf(turn);
        float twice = (turn - whole) + (turn - whole), most = l[i] + by, least = l[i] - by;
        put_levels(y + 3 * i, whole - 6 * truncf(turn * (1 / 6.0f)), most, least, fmaf(-by, twice, most), fmaf(by, twice, least));
    }
}
RN_WIDE(from_floats, (uint8_t *restrict y, const float *restrict h, const float *restrict l, const float *restrict s, size_t n),
        (y, h, l, s, n))

/* What is left of a row. */
static void from_floats_one(uint8_t *y, float h, float l, float s)
{
    float most = l <= 0.5f ? l * (1 + s) : fmaf(-l, s, l + s), least = 2 * l - most, turn = fmodf(h * (6.0f / 360.0f), 6);
    turn += turn < 0 ? 6 : 0;
    turn = turn < 6 ? turn : 0;
    float sixth = floorf(turn), part = turn - sixth;
    put_levels(y, sixth, most, least, fmaf(most - least, 1 - part, least), fmaf(most - least, part, least));
}

void rn_hls_floats_to_rgb(uint8_t *y, const float *h, const float *l, const float *s, size_t n)
{
    size_t grouped = n / GROUP * GROUP;
    from_floats(y, h, l, s, grouped);
    for (size_t i = grouped; i < n; i++)
        from_floats_one(y + 3 * i, h[i], l[i], s[i]);
}
