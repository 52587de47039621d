/* hls.c -- RGB and HLS in 8 bits, as OpenCV converts them: through float32, rounded half to even. */
#include <float.h>

#include "augment/private.h"

/* Rounds half to even; |v| below 2^22. */
static inline uint8_t nearest(float v)
{
    return (uint8_t)(int32_t)(v + 12582912.0f - 12582912.0f);
}

RN_PLAIN to_hls_plain(uint8_t *y, const uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float r = (float)x[3 * i] * (1.0f / 255.0f), g = (float)x[3 * i + 1] * (1.0f / 255.0f), b = (float)x[3 * i + 2] * (1.0f / 255.0f);
        float high = r > g ? r : g, low = r < g ? r : g;
        high = high > b ? high : b;
        low = low < b ? low : b;
        float d = high - low, sum = high + low, l = sum * 0.5f;
        bool grey = !(d > FLT_EPSILON);
        float s = d / (l < 0.5f ? (grey ? 1 : sum) : (grey ? 1 : 2 - high - low));
        float scale = 60.0f / (grey ? 1 : d);
        float h = high == r ? (g - b) * scale : high == g ? (b - r) * scale + 120.0f : (r - g) * scale + 240.0f;
        h = h < 0 ? h + 360.0f : h;
        y[3 * i] = nearest(grey ? 0 : h * 0.5f);
        y[3 * i + 1] = nearest(l * 255.0f);
        y[3 * i + 2] = nearest(grey ? 0 : s * 255.0f);
    }
}
RN_WIDE(to_hls, (uint8_t *y, const uint8_t *x, size_t n), (y, x, n))

void rn_rgb_to_hls(uint8_t *y, const uint8_t *x, size_t n)
{
    to_hls(y, x, n);
}

RN_PLAIN from_hls_plain(uint8_t *y, const uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        float h = (float)x[3 * i] * (6.0f / 180.0f), l = (float)x[3 * i + 1] * (1.0f / 255.0f), s = (float)x[3 * i + 2] * (1.0f / 255.0f);
        float p2 = l <= 0.5f ? l * (1 + s) : l + s - l * s, p1 = 2 * l - p2;
        int32_t k = (int32_t)h;
        float f = h - (float)k;
        k = k >= 6 ? k % 6 : k;
        float down = p1 + (p2 - p1) * (1 - f), up = p1 + (p2 - p1) * f;
        float r = k == 0 || k == 5 ? p2 : k == 1 ? down : k == 4 ? up : p1;
        float g = k == 1 || k == 2 ? p2 : k == 0 ? up : k == 3 ? down : p1;
        float b = k == 3 || k == 4 ? p2 : k == 2 ? up : k == 5 ? down : p1;
        y[3 * i] = nearest(r * 255);
        y[3 * i + 1] = nearest(g * 255);
        y[3 * i + 2] = nearest(b * 255);
    }
}
RN_WIDE(from_hls, (uint8_t *y, const uint8_t *x, size_t n), (y, x, n))

void rn_hls_to_rgb(uint8_t *y, const uint8_t *x, size_t n)
{
    from_hls(y, x, n);
}
