/* iso_noise.c -- a camera's noise: of the hue, Gaussian, and of the lightness, Poisson's. The picture goes to HLS in floats and back;
 * the noise follows from the drawn seed. */
#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "augment/private.h"
#include "core/mem.h"

struct iso_noise {
    double color_shift[2], intensity[2];
};

static const struct rn_opt options[] = {
    { 0, "color_shift", RN_OPT_PAIR, RN_AT(iso_noise, color_shift), 0, 1e3, "range of the hue's deviation, as a share of a turn", NULL },
    { 0, "intensity", RN_OPT_PAIR, RN_AT(iso_noise, intensity), 0, 10, "range of the factor of both", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "color_shift", 1 }, { "intensity", 1 }, { "seed", 1 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct iso_noise *o = opts;
    value[0] = rn_rng_uniform(rng, o->color_shift[0], o->color_shift[1]);
    value[1] = rn_rng_uniform(rng, o->intensity[0], o->intensity[1]);
    value[2] = (double)(rn_rng_u64(rng) >> 11);
    return 3;
}

/* ---- HLS of one pixel, in floats: h 0 .. 360 ---- */

static void to_hls(float *hls, const uint8_t *x)
{
    const float one = (float)(1.0 / 255.0);
    float r = (float)x[0] * one, g = (float)x[1] * one, b = (float)x[2] * one;
    float high = fmaxf(fmaxf(r, g), b), low = fminf(fminf(r, g), b), d = high - low, sum = high + low;
    hls[0] = hls[2] = 0;
    hls[1] = sum * 0.5f;
    if (!(d > FLT_EPSILON))
        return;
    float scale = 60.0f / d;
    hls[2] = d / (hls[1] < 0.5f ? sum : 2 - sum);
    hls[0] = high == r ? (g - b) * scale : high == g ? fmaf(b - r, scale, 120) : fmaf(r - g, scale, 240);
    hls[0] += hls[0] < 0 ? 360 : 0;
}

static void from_hls(uint8_t *y, const float *hls)
{
    float h = hls[0] * (1 / 60.0f), l = hls[1], s = hls[2];
    float p2 = l <= 0.5f ? l * (1 + s) : l + s - l * s, p1 = 2 * l - p2;
    int sector = (int)floorf(h);
    float f = h - (float)sector, down = p1 + (p2 - p1) * (1 - f), up = p1 + (p2 - p1) * f;
    const float value[4] = { p2, p1, down, up };
    static const int8_t pick[6][3] = { { 0, 3, 1 }, { 2, 0, 1 }, { 1, 0, 3 }, { 1, 2, 0 }, { 3, 1, 0 }, { 0, 1, 2 } };
    const int8_t *at = pick[(sector % 6 + 6) % 6];
    for (int c = 0; c < 3; c++) {
        float v = value[at[c]] * 255;
        y[c] = (uint8_t)(v > 0 ? v < 255 ? v : 255 : 0);
    }
}

/* ---- Poisson's distribution: the chances of 0, 1, 2 .. summed up ---- */

struct poisson {
    double *below; /* of n + 1 or less: owned */
    size_t n;
};

static int poisson_new(struct poisson *p, double mean, struct rn_err *err)
{
    p->n = (size_t)(mean + 12 * sqrt(mean) + 20);
    double sum = 0;
    if (!(p->below = rn_calloc(p->n, sizeof *p->below, err)))
        return -1;
    for (size_t k = 0; k < p->n; k++)
        p->below[k] = sum += exp((double)k * log(fmax(mean, 1e-300)) - mean - lgamma((double)k + 1));
    return 0;
}

static size_t poisson_draw(const struct poisson *p, double u)
{
    size_t low = 0, high = p->n - 1;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (p->below[middle] <= u)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static double lightness_deviation(const uint8_t *x, size_t n)
{
    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        float hls[3];
        to_hls(hls, x + 3 * i);
        sum += (double)hls[1];
        squares += (double)hls[1] * (double)hls[1];
    }
    double mean = sum / (double)n;
    return sqrt(fmax(squares / (double)n - mean * mean, 0));
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    size_t n = x->height * x->width;
    const uint8_t *from = x->pixels;
    struct rn_rng rng = rn_rng((uint64_t)value[2], RN_FOR_AUGMENT, 0, 0);
    struct poisson poisson;
    double intensity = value[1], turn = value[0] * 360 * intensity;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y || poisson_new(&poisson, lightness_deviation(from, n) * intensity * 255, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        float hls[3];
        to_hls(hls, from + 3 * i);
        float light = (float)((double)poisson_draw(&poisson, rn_rng_unit(&rng)) / 255 * (double)(1 - hls[1]));
        hls[0] = (float)((double)hls[0] + turn * rn_rng_normal(&rng));
        hls[0] += hls[0] < 0 ? 360 : 0;
        hls[0] -= hls[0] > 360 ? 360 : 0;
        hls[1] += light;
        from_hls(y + 3 * i, hls);
    }
    free(poisson.below);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

const struct rn_augment rn_augment_iso_noise = {
    .class_name = "ISONoise", .p = 0.5, .options = options, .size = sizeof(struct iso_noise), .drawn = drawn,
    .defaults = &(const struct iso_noise){ { 0.01, 0.05 }, { 0.1, 0.5 } }, .bytes_only = true, .draw = draw, .apply = apply,
};
