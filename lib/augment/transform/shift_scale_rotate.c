/* shift_scale_rotate.c -- turned and scaled about its middle, and moved; the size stays. */
#include "augment/private.h"

struct shift_scale_rotate {
    double shift_limit_x[2], shift_limit_y[2], scale_limit[2], rotate_limit[2];
    struct rn_sampling sampling;
};

static const struct rn_opt options[] = {
    { 0, "shift_limit_x", RN_OPT_PAIR, RN_AT(shift_scale_rotate, shift_limit_x), -1e3, 1e3, "range of the shift, as a share of the width", NULL },
    { 0, "shift_limit_y", RN_OPT_PAIR, RN_AT(shift_scale_rotate, shift_limit_y), -1e3, 1e3, "range of the shift, as a share of the height", NULL },
    { 0, "scale_limit", RN_OPT_PAIR, RN_AT(shift_scale_rotate, scale_limit), -1, 1e3, "range of the change of scale", NULL },
    { 0, "rotate_limit", RN_OPT_PAIR, RN_AT(shift_scale_rotate, rotate_limit), -1e6, 1e6, "range of the angle in degrees", NULL },
    RN_SAMPLING(shift_scale_rotate, sampling, "border_mode", "value"),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "angle", 1, -1e6, 1e6 }, { "scale", 1, 0, 1001 }, { "dx", 1, -1e3, 1e3 },
                                         { "dy", 1, -1e3, 1e3 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct shift_scale_rotate *o = opts;
    value[0] = rn_rng_uniform(rng, o->rotate_limit[0], o->rotate_limit[1]);
    value[1] = rn_rng_uniform(rng, 1 + o->scale_limit[0], 1 + o->scale_limit[1]);
    value[2] = rn_rng_uniform(rng, o->shift_limit_x[0], o->shift_limit_x[1]);
    value[3] = rn_rng_uniform(rng, o->shift_limit_y[0], o->shift_limit_y[1]);
    return 4;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct shift_scale_rotate *o = opts;
    double m[6];
    rn_rotation(m, x, value[0], value[1]);
    m[2] += value[2] * (double)x->width;
    m[5] += value[3] * (double)x->height;
    return rn_warp_affine(x, m, &o->sampling, x->height, x->width, err);
}

const struct rn_augment rn_augment_shift_scale_rotate = {
    .class_name = "ShiftScaleRotate", .until = 4, .p = 0.5, .options = options, .size = sizeof(struct shift_scale_rotate),
    .drawn = drawn,
    .defaults = &(const struct shift_scale_rotate){ { -0.0625, 0.0625 }, { -0.0625, 0.0625 }, { -0.1, 0.1 }, { -45, 45 },
                                                          { RN_LINEAR, RN_REFLECT_101, { 0 } } },
    .neutral = "mask_value=* rotate_method=*",
    .draw = draw, .apply = apply,
};
