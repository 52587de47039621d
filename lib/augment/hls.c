/* hls.c -- RGB and HLS in 8 bits, as OpenCV converts them: through float32, rounded half to even. */
#include <float.h>
#include <math.h>

#include "augment/private.h"

/* Rounds half to even; |v| below 2^22. */
static inline uint8_t nearest(float v)
{
    return (uint8_t)(int32_t)(v + 12582912.0f - 12582912.0f);
}

enum { GROUP = 8 }; /* pixels that OpenCV's AVX2 code has in a register */

/* RN_LANES pixels, in place: r, g, b become h, l, s. Behind the first `grouped` 2 - high - low is computed from the left. */
RN_PLAIN to_hls_plain(uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z, int32_t grouped)
{
    for (int32_t i = 0; i < RN_LANES; i++) {
        float r = (float)x[i] * (1.0f / 255.0f), g = (float)y[i] * (1.0f / 255.0f), b = (float)z[i] * (1.0f / 255.0f);
        float high = r > g ? r : g, low = r < g ? r : g;
        high = high > b ? high : b;
        low = low < b ? low : b;
        float d = high - low, sum = high + low, l = sum * 0.5f;
        bool grey = !(d > FLT_EPSILON);
        float rest = i < grouped ? 2 - sum : 2 - high - low, range = l < 0.5f ? sum : rest, s = d / (grey ? 1 : range), scale = 60.0f / (grey ? 1 : d);
        float by_green = fmaf(b - r, scale, 120), by_blue = fmaf(r - g, scale, 240), by_red = (g - b) * scale;
        float h = high == r ? by_red : high == g ? by_green : by_blue;
        h = h < 0 ? h + 360.0f : h;
        x[i] = nearest(grey ? 0 : h * 0.5f);
        y[i] = nearest(l * 255.0f);
        z[i] = nearest(grey ? 0 : s * 255.0f);
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
        float s0 = (float)(k == 0), s1 = (float)(k == 1), s2 = (float)(k == 2), s3 = (float)(k == 3), s4 = (float)(k == 4), s5 = (float)(k == 5);
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
