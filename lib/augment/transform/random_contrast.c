/* random_contrast.c -- alpha v, about zero. */
#include "augment/private.h"

struct random_contrast {
    double limit[2];
};

static const struct rn_opt options[] = {
    { 0, "limit", RN_OPT_PAIR, RN_AT(random_contrast, limit), -1e6, 1e6, "range of the change", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "alpha", 1, -2e6, 2e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_contrast *o = opts;
    value[0] = 1 + rn_rng_uniform(rng, o->limit[0], o->limit[1]);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    return rn_brightness_contrast(x, value[0], 0, true, err);
}

const struct rn_augment rn_augment_random_contrast = {
    .class_name = "RandomContrast", .until = RN_SINCE_1_4, .p = 0.5, .options = options, .size = sizeof(struct random_contrast),
    .drawn = drawn, .defaults = &(const struct random_contrast){ { -0.2, 0.2 } }, .draw = draw, .apply = apply,
};
