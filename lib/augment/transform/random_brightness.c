/* random_brightness.c -- v + 255 beta. */
#include "augment/private.h"

struct random_brightness {
    double limit[2];
};

static const struct rn_opt options[] = {
    { 0, "limit", RN_OPT_PAIR, RN_AT(random_brightness, limit), -1e6, 1e6, "range of the change, as a share of 255", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "beta", 1, -2e6, 2e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_brightness *o = opts;
    value[0] = rn_rng_uniform(rng, o->limit[0], o->limit[1]);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    return rn_brightness_contrast(x, 1, value[0], true, err);
}

const struct rn_augment rn_augment_random_brightness = {
    .class_name = "RandomBrightness", .until = RN_SINCE_1_4, .p = 0.5, .options = options, .size = sizeof(struct random_brightness),
    .drawn = drawn, .defaults = &(const struct random_brightness){ { -0.2, 0.2 } }, .draw = draw, .apply = apply,
};
