/* sample.c -- weights between pixels and places beyond the edges, as OpenCV's warps have them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

enum { STEPS = 32, MOST = 8 }; /* fractions of a pixel; taps across */

long rn_border_at(long i, long n, int border)
{
    if (i >= 0 && i < n)
        return i;
    if (border == RN_CONSTANT)
        return -1;
    if (border == RN_REPLICATE)
        return i < 0 ? 0 : n - 1;
    if (border == RN_WRAP)
        return (i % n + n) % n;
    if (n == 1)
        return 0;
    long once = border == RN_REFLECT_101, period = 2 * (n - once), at = (i % period + period) % period;
    return at < n ? at : period - 1 + once - at;
}

/* Keys' cubic with a = -0.75. */
static void cubic(float *weight, float x)
{
    const float a = -0.75f;
    weight[0] = ((a * (x + 1) - 5 * a) * (x + 1) + 8 * a) * (x + 1) - 4 * a;
    weight[1] = ((a + 2) * x - (a + 3)) * x * x + 1;
    weight[2] = ((a + 2) * (1 - x) - (a + 3)) * (1 - x) * (1 - x) + 1;
    weight[3] = 1.0f - weight[0] - weight[1] - weight[2];
}

/* Lanczos' window of four pixels to each side; sines of all taps follow from that of the first, in eighths of a turn. */
static void lanczos(float *weight, float x)
{
    static const double h = 0.70710678118654752440084436210485;
    static const double turn[8][2] = { { 1, 0 }, { -h, -h }, { 0, 1 }, { h, -h }, { -1, 0 }, { h, h }, { 0, -1 }, { -h, h } };
    double first = -(double)(x + 3) * M_PI * 0.25, s = sin(first), c = cos(first);
    float sum = 0;
    for (int i = 0; i < 8; i++) {
        float distance = x + 3 - (float)i;
        double y = -(double)distance * M_PI * 0.25;
        weight[i] = fabsf(distance) >= 1e-6f ? (float)((turn[i][0] * s + turn[i][1] * c) / (y * y)) : 1e30f; /* a whole place: all of it */
        sum += weight[i];
    }
    sum = 1 / sum;
    for (int i = 0; i < 8; i++)
        weight[i] *= sum;
}

void rn_tap_weights(float *weight, int64_t interpolation, float x)
{
    if (interpolation == RN_CUBIC) {
        cubic(weight, x);
    } else if (interpolation == RN_LANCZOS) {
        lanczos(weight, x);
    } else {
        weight[0] = 1 - x;
        weight[1] = x;
    }
}

/* Products in 1/32768. What rounding leaves goes to one of four taps: the largest, or the smallest. */
static void make_fixed(int16_t *fixed, const float *real, int size)
{
    int sum = 0, half = size / 2, low = half * size + half, high = low;
    for (int i = 0; i < size * size; i++) {
        long v = lrintf(real[i] * 32768);
        fixed[i] = (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
        sum += fixed[i];
    }
    for (int r = half; size > 2 && r < half + 2; r++)
        for (int c = half; c < half + 2; c++) {
            int at = r * size + c;
            if (fixed[at] < fixed[low])
                low = at;
            else if (fixed[at] > fixed[high])
                high = at;
        }
    int *at = sum < 32768 ? &high : &low;
    if (size > 2)
        fixed[*at] = (int16_t)(fixed[*at] - (sum - 32768));
}

static void make_weights(struct rn_taps *taps, int64_t interpolation)
{
    float line[STEPS][MOST];
    int size = taps->size;
    for (int i = 0; i < STEPS; i++)
        rn_tap_weights(line[i], interpolation, (float)i / STEPS);
    for (int i = 0; i < STEPS * STEPS; i++) {
        float *real = taps->real + i * size * size;
        for (int k = 0; k < size * size; k++)
            real[k] = line[i / STEPS][k / size] * line[i % STEPS][k % size];
        make_fixed(taps->fixed + i * size * size, real, size);
    }
}

struct rn_taps *rn_taps_new(const struct rn_sampling *how, struct rn_err *err)
{
    int size = how->interpolation == RN_CUBIC ? 4 : how->interpolation == RN_LANCZOS ? 8 : how->interpolation == RN_NEAREST ? 1 : 2;
    size_t n = (size_t)(STEPS * STEPS * size * size);
    struct rn_taps *taps = rn_calloc(1, sizeof *taps + n * (sizeof(float) + sizeof(int16_t)), err);
    if (!taps)
        return NULL;
    taps->size = size;
    taps->before = size > 2 ? size / 2 - 1 : 0;
    taps->border = (int)how->border;
    taps->real = (float *)(taps + 1);
    taps->fixed = (int16_t *)(taps->real + n);
    rn_constant(taps->constant, how->value);
    for (int c = 0; c < 3; c++)
        taps->value[c] = (float)how->value[c];
    if (size > 1) {
        make_weights(taps, how->interpolation);
    } else {
        taps->real[0] = 1;
        taps->fixed[0] = INT16_MAX;
    }
    return taps;
}

void rn_taps_free(struct rn_taps *taps)
{
    free(taps);
}

void rn_constant(uint8_t constant[3], const double value[3])
{
    for (int c = 0; c < 3; c++)
        constant[c] = (uint8_t)(value[c] > 0 ? value[c] < 255 ? lrint(value[c]) : 255 : 0);
}
