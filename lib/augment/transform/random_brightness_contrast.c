/* random_brightness_contrast.c -- alpha v + 255 beta, or alpha (v + the mean times beta). */
#include "augment/private.h"

struct random_brightness_contrast {
    double brightness_limit[2], contrast_limit[2];
    bool brightness_by_max;
};

static const struct rn_opt options[] = {
    { 0, "brightness_limit", RN_OPT_PAIR, RN_AT(random_brightness_contrast, brightness_limit), -1e6, 1e6, "range of the change of brightness, as a share of 255", NULL },
    { 0, "contrast_limit", RN_OPT_PAIR, RN_AT(random_brightness_contrast, contrast_limit), -1e6, 1e6, "range of the change of contrast", NULL },
    { 0, "brightness_by_max", RN_OPT_FLAG, RN_AT(random_brightness_contrast, brightness_by_max), 0, 0, "brightness is a share of 255, not of the picture's mean", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "alpha", 1, -2e6, 2e6 }, { "beta", 1, -2e6, 2e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_brightness_contrast *o = opts;
    value[0] = 1 + rn_rng_uniform(rng, o->contrast_limit[0], o->contrast_limit[1]);
    value[1] = rn_rng_uniform(rng, o->brightness_limit[0], o->brightness_limit[1]);
    return 2;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct random_brightness_contrast *o = opts;
    return rn_brightness_contrast(x, value[0], value[1], o->brightness_by_max, err);
}

const struct rn_augment rn_augment_random_brightness_contrast = {
    .class_name = "RandomBrightnessContrast", .p = 0.5, .options = options, .size = sizeof(struct random_brightness_contrast),
    .drawn = drawn,
    .defaults = &(const struct random_brightness_contrast){ { -0.2, 0.2 }, { -0.2, 0.2 }, true }, .draw = draw, .apply = apply,
};
