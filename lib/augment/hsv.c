/* hsv.c -- RGB and HSV in 8 bits, as OpenCV converts them. */
#include "augment/private.h"

enum { LANES = 32 };

/* Rounds half to even; |v| below 2^22. */
static inline float nearest(float v)
{
    return v + 12582912.0f - 12582912.0f;
}

RN_PLAIN to_hsv_plain(uint8_t *y, const uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int32_t r = x[3 * i], g = x[3 * i + 1], b = x[3 * i + 2];
        int32_t high = r > g ? r : g, low = r < g ? r : g;
        high = high > b ? high : b;
        low = low < b ? low : b;
        int32_t d = high - low;
        /* 4096 * 255 / max and 4096 * 180 / (6 d), rounded: what OpenCV has in tables; nothing where d is 0 */
        int32_t s_scale = (int32_t)nearest(1044480.0f / (float)(high ? high : 1));
        int32_t h_scale = (int32_t)nearest(122880.0f / (float)(d ? d : 1));
        int32_t sector = high == r ? g - b : high == g ? b - r + 2 * d : r - g + 4 * d;
        int32_t h = (sector * h_scale + 2048) >> 12;
        y[3 * i] = (uint8_t)(h < 0 ? h + 180 : h);
        y[3 * i + 1] = (uint8_t)((d * s_scale + 2048) >> 12);
        y[3 * i + 2] = (uint8_t)high;
    }
}
RN_WIDE(to_hsv, (uint8_t *y, const uint8_t *x, size_t n), (y, x, n))

void rn_rgb_to_hsv(uint8_t *y, const uint8_t *x, size_t n)
{
    to_hsv(y, x, n);
}

/* Up to LANES pixels; `half` 0 truncates. */
RN_PLAIN from_hsv_plain(uint8_t *y, const uint8_t *x, size_t n, bool truncate)
{
    for (size_t i = 0; i < n; i++) {
        float h = (float)x[3 * i] * (6.0f / 180.0f), s = (float)x[3 * i + 1] * (1.0f / 255.0f), v = (float)x[3 * i + 2] * (1.0f / 255.0f);
        int32_t k = (int32_t)h;
        float f = h - (float)k;
        k = k >= 6 ? k % 6 : k;
        float p = v * (1 - s), q = v * (1 - s * f), t = v * (1 - s * (1 - f));
        float r = k == 0 || k == 5 ? v : k == 1 ? q : k == 4 ? t : p;
        float g = k == 1 || k == 2 ? v : k == 0 ? t : k == 3 ? q : p;
        float b = k == 3 || k == 4 ? v : k == 2 ? t : k == 5 ? q : p;
        r *= 255;
        g *= 255;
        b *= 255;
        y[3 * i] = (uint8_t)(int32_t)(truncate ? r : nearest(r));
        y[3 * i + 1] = (uint8_t)(int32_t)(truncate ? g : nearest(g));
        y[3 * i + 2] = (uint8_t)(int32_t)(truncate ? b : nearest(b));
    }
}
RN_WIDE(from_hsv, (uint8_t *y, const uint8_t *x, size_t n, bool truncate), (y, x, n, truncate))

void rn_hsv_to_rgb(uint8_t *y, const uint8_t *x, size_t n)
{
    size_t whole = n / LANES * LANES;
    from_hsv(y, x, whole, true);
    from_hsv(y + 3 * whole, x + 3 * whole, n - whole, false);
}
