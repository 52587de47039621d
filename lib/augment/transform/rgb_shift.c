/* rgb_shift.c -- a number added to each channel. */
#include "augment/private.h"

struct rgb_shift {
    double r_shift_limit[2], g_shift_limit[2], b_shift_limit[2];
};

static const struct rn_opt options[] = {
    { 0, "r_shift_limit", RN_OPT_PAIR, RN_AT(rgb_shift, r_shift_limit), -1e6, 1e6, "range of what is added to red", NULL },
    { 0, "g_shift_limit", RN_OPT_PAIR, RN_AT(rgb_shift, g_shift_limit), -1e6, 1e6, "range of what is added to green", NULL },
    { 0, "b_shift_limit", RN_OPT_PAIR, RN_AT(rgb_shift, b_shift_limit), -1e6, 1e6, "range of what is added to blue", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "r_shift", 1, -1e6, 1e6 }, { "g_shift", 1, -1e6, 1e6 }, { "b_shift", 1, -1e6, 1e6 },
                                         { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct rgb_shift *o = opts;
    value[0] = rn_rng_uniform(rng, o->r_shift_limit[0], o->r_shift_limit[1]);
    value[1] = rn_rng_uniform(rng, o->g_shift_limit[0], o->g_shift_limit[1]);
    value[2] = rn_rng_uniform(rng, o->b_shift_limit[0], o->b_shift_limit[1]);
    return 3;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    uint8_t table[3][256];
    if (x->type == RN_F32)
        return rn_linear_floats(x, (const double[]){ 1, 1, 1 }, value, true, err);
    for (int c = 0; c < 3; c++)
        rn_linear_table(table[c], 1, value[c]);
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_rgb_shift = {
    .class_name = "RGBShift", .until = 6, .p = 0.5, .options = options, .size = sizeof(struct rgb_shift), .drawn = drawn,
    .defaults = &(const struct rgb_shift){ { -20, 20 }, { -20, 20 }, { -20, 20 } }, .draw = draw, .apply = apply,
};
