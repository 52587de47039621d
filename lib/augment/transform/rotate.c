/* rotate.c -- turned about its middle; the size stays. */
#include "augment/private.h"

struct rotate {
    double limit[2];
};

static const struct rn_opt options[] = {
    { 0, "limit", RN_OPT_PAIR, RN_AT(rotate, limit), -1e6, 1e6, "range of the angle in degrees, counter-clockwise", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "angle", 1 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct rotate *o = opts;
    value[0] = rn_rng_uniform(rng, o->limit[0], o->limit[1]);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    double m[6];
    rn_rotation(m, x, value[0], 1);
    return rn_warp_affine(x, m, err);
}

const struct rn_augment rn_augment_rotate = {
    .class_name = "Rotate", .p = 0.5, .options = options, .size = sizeof(struct rotate), .drawn = drawn,
    .defaults = &(const struct rotate){ { -90, 90 } },
    .neutral = "interpolation=1 border_mode=4 value=null mask_value=null rotate_method=largest_box crop_border=false",
    .draw = draw, .apply = apply,
};
