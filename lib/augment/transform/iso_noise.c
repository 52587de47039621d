/* iso_noise.c -- a camera's noise: of the hue, Gaussian, and of the lightness, Poisson's. The picture goes to HLS in floats and
 * back; the noise follows from the drawn seed. */
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
static const struct rn_drawn drawn[] = { { "color_shift", 1, 0, 1e3 }, { "intensity", 1, 0, 10 }, RN_SEED, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct iso_noise *o = opts;
    value[0] = rn_rng_uniform(rng, o->color_shift[0], o->color_shift[1]);
    value[1] = rn_rng_uniform(rng, o->intensity[0], o->intensity[1]);
    value[2] = (double)(rn_rng_u64(rng) >> 11);
    return 3;
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

/* ---- the picture, row by row, as planes of floats ---- */

struct rows {
    const uint8_t *from;
    size_t height, width;
    float *h, *l, *s; /* of a row */
};

static void to_hls(const struct rows *x, size_t row)
{
    rn_rgb_to_hls_floats(x->h, x->l, x->s, x->from + row * x->width * 3, x->width);
}

static double lightness_deviation(const struct rows *x)
{
    double sum = 0, squares = 0, n = (double)x->height * (double)x->width;
    for (size_t i = 0; i < x->height; i++) {
        to_hls(x, i);
        for (size_t j = 0; j < x->width; j++) {
            sum += (double)x->l[j];
            squares += (double)x->l[j] * (double)x->l[j];
        }
    }
    return sqrt(fmax(squares / n - sum / n * (sum / n), 0));
}

/* turn: the hue's deviation in degrees. Numbers are added in double and rounded once. */
static void add_noise(const struct rows *x, const struct poisson *poisson, double turn, struct rn_rng *rng)
{
    for (size_t j = 0; j < x->width; j++) {
        double brighter = (double)poisson_draw(poisson, rn_rng_unit(rng)) / 255 * (double)(1 - x->l[j]);
        float h = (float)((double)x->h[j] + turn * rn_rng_normal(rng));
        h += h < 0 ? 360 : 0;
        x->h[j] = h - (h > 360 ? 360 : 0);
        x->l[j] = (float)((double)x->l[j] + brighter);
    }
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    size_t height = x->height, width = x->width;
    struct rn_rng rng = rn_rng((uint64_t)value[2], RN_FOR_AUGMENT, 0, 0);
    struct poisson poisson;
    uint8_t *y = rn_canvas_next(x, RN_U8, height, width, err);
    float *plane = y ? rn_canvas_scratch(x, 3 * width * sizeof *plane, err) : NULL;
    const struct rows rows = { x->pixels, height, width, plane, plane + width, plane + 2 * width };
    if (!plane || poisson_new(&poisson, lightness_deviation(&rows) * value[1] * 255, err))
        return -1;
    for (size_t i = 0; i < height; i++) {
        to_hls(&rows, i);
        add_noise(&rows, &poisson, value[0] * 360 * value[1], &rng);
        rn_hls_floats_to_rgb(y + i * width * 3, rows.h, rows.l, rows.s, width);
    }
    free(poisson.below);
    rn_canvas_turn(x, RN_U8, height, width);
    return 0;
}

const struct rn_augment rn_augment_iso_noise = {
    .class_name = "ISONoise", .until = 1, .p = 0.5, .options = options, .size = sizeof(struct iso_noise), .drawn = drawn,
    .defaults = &(const struct iso_noise){ { 0.01, 0.05 }, { 0.1, 0.5 } }, .bytes_only = true, .draw = draw, .apply = apply,
};
