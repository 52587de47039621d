/* random_scale.c -- the whole picture, larger or smaller. */
#include "augment/private.h"

struct random_scale {
    double scale_limit[2];
    int64_t interpolation;
};

static const struct rn_opt options[] = {
    { 0, "scale_limit", RN_OPT_PAIR, RN_AT(random_scale, scale_limit), -1, 1e3, "range of the change of scale", NULL },
    RN_INTERPOLATION(RN_AT(random_scale, interpolation)),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "scale", 1, 0, 1001 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_scale *o = opts;
    value[0] = rn_rng_uniform(rng, 1 + o->scale_limit[0], 1 + o->scale_limit[1]);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    return rn_rescale(x, (double)(int64_t)((double)x->height * value[0]), (double)(int64_t)((double)x->width * value[0]),
                      ((const struct random_scale *)opts)->interpolation, err);
}

const struct rn_augment rn_augment_random_scale = {
    .class_name = "RandomScale", .p = 0.5, .options = options, .size = sizeof(struct random_scale), .drawn = drawn,
    .defaults = &(const struct random_scale){ { -0.1, 0.1 }, RN_LINEAR }, .draw = draw, .apply = apply,
};
