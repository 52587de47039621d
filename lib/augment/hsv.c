/* hsv.c -- RGB and HSV in 8 bits, as OpenCV converts them. */
#include <math.h>

#include "augment/private.h"

enum { GROUP = 32 }; /* pixels that OpenCV's AVX2 code truncates together */

/* Rounds half to even; |v| below 2^22. */
static inline float nearest(float v)
{
    return v + 12582912.0f - 12582912.0f;
}

/* RN_LANES pixels, in place: r, g, b become h, s, v. */
RN_PLAIN to_hsv_plain(uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z)
{
    for (size_t i = 0; i < RN_LANES; i++) {
        int32_t r = x[i], g = y[i], b = z[i];
        int32_t high = r > g ? r : g, low = r < g ? r : g;
        high = high > b ? high : b;
        low = low < b ? low : b;
        int32_t d = high - low;
        /* 4096 * 255 / max and 4096 * 180 / (6 d), rounded: what OpenCV has in tables; they count for nothing where d is 0 */
        int32_t s_scale = (int32_t)nearest(1044480.0f / (float)(high > 1 ? high : 1));
        int32_t h_scale = (int32_t)nearest(122880.0f / (float)(d > 1 ? d : 1));
        int32_t sector = high == r ? g - b : high == g ? b - r + 2 * d : r - g + 4 * d;
        int32_t h = (sector * h_scale + 2048) >> 12;
        x[i] = (uint8_t)(h < 0 ? h + 180 : h);
        y[i] = (uint8_t)((d * s_scale + 2048) >> 12);
        z[i] = (uint8_t)high;
    }
}
RN_WIDE(to_hsv, (uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z), (x, y, z))

/* And back; the first `truncated` are truncated. */
RN_PLAIN from_hsv_plain(uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z, int32_t truncated)
{
    for (int32_t i = 0; i < RN_LANES; i++) {
        float h = (float)x[i] * (6.0f / 180.0f), s = (float)y[i] * (1.0f / 255.0f), v = (float)z[i] * (1.0f / 255.0f);
        int32_t k = (int32_t)h;
        float f = h - (float)k;
        k = k >= 6 ? k - 6 : k;
        float p = v * (1 - s), q = v * fmaf(-s, f, 1), t = v * fmaf(-s, 1 - f, 1);
        /* of the four values one, times 1, and the others times 0: compilers make no vectors of a chain of conditions */
        float s0 = (float)(k == 0), s1 = (float)(k == 1), s2 = (float)(k == 2), s3 = (float)(k == 3), s4 = (float)(k == 4), s5 = (float)(k == 5);
        float r = v * (s0 + s5) + q * s1 + p * (s2 + s3) + t * s4;
        float g = v * (s1 + s2) + q * s3 + p * (s4 + s5) + t * s0;
        float b = v * (s3 + s4) + q * s5 + p * (s0 + s1) + t * s2;
        r *= 255;
        g *= 255;
        b *= 255;
        x[i] = (uint8_t)(int32_t)(i < truncated ? r : nearest(r));
        y[i] = (uint8_t)(int32_t)(i < truncated ? g : nearest(g));
        z[i] = (uint8_t)(int32_t)(i < truncated ? b : nearest(b));
    }
}
RN_WIDE(from_hsv, (uint8_t *restrict x, uint8_t *restrict y, uint8_t *restrict z, int32_t truncated), (x, y, z, truncated))

void rn_rgb_to_hsv(uint8_t *y, const uint8_t *x, size_t n)
{
    uint8_t r[RN_LANES] = { 0 }, g[RN_LANES] = { 0 }, b[RN_LANES] = { 0 };
    for (size_t i = 0; i < n; i += RN_LANES) {
        size_t count = n - i < RN_LANES ? n - i : RN_LANES;
        rn_planes_split(r, g, b, x + 3 * i, count);
        to_hsv(r, g, b);
        rn_planes_join(y + 3 * i, r, g, b, count);
    }
}

void rn_hsv_to_rgb(uint8_t *y, const uint8_t *x, size_t n)
{
    uint8_t h[RN_LANES] = { 0 }, s[RN_LANES] = { 0 }, v[RN_LANES] = { 0 };
    for (size_t i = 0; i < n; i += RN_LANES) {
        size_t count = n - i < RN_LANES ? n - i : RN_LANES;
        rn_planes_split(h, s, v, x + 3 * i, count);
        from_hsv(h, s, v, (int32_t)(count / GROUP * GROUP));
        rn_planes_join(y + 3 * i, h, s, v, count);
    }
}
