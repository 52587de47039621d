/* optical_distortion.c -- a lens's radial distortion. The library measures from (W - 1) / 2 in the result but from W / 2 in the
 * source, so that even k = 0 moves the picture by half a pixel; and it rounds the shift to whole pixels. */
#include <math.h>

#include "augment/private.h"

struct optical_distortion {
    double distort_limit[2], shift_limit[2];
    struct rn_sampling sampling;
};

static const struct rn_opt options[] = {
    { 0, "distort_limit", RN_OPT_PAIR, RN_AT(optical_distortion, distort_limit), -1e3, 1e3, "range of k", NULL },
    { 0, "shift_limit", RN_OPT_PAIR, RN_AT(optical_distortion, shift_limit), -1e5, 1e5, "range of the shift in pixels, rounded", NULL },
    RN_SAMPLING(optical_distortion, sampling, "border_mode", "value"),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "k", 1, -1e3, 1e3 }, { "dx", 1, -1e5, 1e5 }, { "dy", 1, -1e5, 1e5 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct optical_distortion *o = opts;
    value[0] = rn_rng_uniform(rng, o->distort_limit[0], o->distort_limit[1]);
    value[1] = rint(rn_rng_uniform(rng, o->shift_limit[0], o->shift_limit[1])) + 0; /* no -0 */
    value[2] = rint(rn_rng_uniform(rng, o->shift_limit[0], o->shift_limit[1])) + 0;
    return 3;
}

struct lens {
    double k, dx, dy, height, width;
    float scale; /* of coordinates */
};

RN_PLAIN map_plain(const struct lens *lens, size_t y, size_t first, size_t n, int32_t *restrict sx, int32_t *restrict sy)
{
    double v = ((double)y - (lens->height - 1) / 2) / lens->height, k = lens->k, w = lens->width, h = lens->height;
    double middle = (w - 1) / 2, cx = w / 2 + lens->dx, cy = h / 2 + lens->dy;
    int32_t start = (int32_t)first;
    for (int32_t i = 0; i < (int32_t)n; i++) {
        double u = ((double)(start + i) - middle) / w, r2 = u * u + v * v, f = 1 + (k * r2 + k) * r2;
        sx[i] = rn_warp_fixed((float)(w * (u * f) + cx), lens->scale);
        sy[i] = rn_warp_fixed((float)(h * (v * f) + cy), lens->scale);
    }
}
RN_WIDE(map, (const struct lens *lens, size_t y, size_t first, size_t n, int32_t *restrict sx, int32_t *restrict sy),
        (lens, y, first, n, sx, sy))

static void row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    map(context, y, first, n, sx, sy);
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct rn_sampling *how = &((const struct optical_distortion *)opts)->sampling;
    struct lens lens = { (double)(float)value[0], value[1], value[2], (double)x->height, (double)x->width,
                         how->interpolation == RN_NEAREST ? 1 : 32 };
    return rn_warp(x, how, x->height, x->width, row, &lens, err);
}

const struct rn_augment rn_augment_optical_distortion = {
    .class_name = "OpticalDistortion", .p = 0.5, .options = options, .size = sizeof(struct optical_distortion), .drawn = drawn,
    .defaults = &(const struct optical_distortion){ { -0.05, 0.05 }, { -0.05, 0.05 }, { RN_LINEAR, RN_REFLECT_101, { 0 } } },
    .neutral = "mask_value=*",
    .draw = draw, .apply = apply,
};
