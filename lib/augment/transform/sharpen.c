/* sharpen.c -- a mixture of the picture and of its edges. */
#include "augment/private.h"

struct sharpen {
    double alpha[2], lightness[2];
};

static const struct rn_opt options[] = {
    { 0, "alpha", RN_OPT_PAIR, RN_AT(sharpen, alpha), 0, 1, "range of the edges' share", NULL, RN_FROM_0 | RN_ORDERED },
    { 0, "lightness", RN_OPT_PAIR, RN_AT(sharpen, lightness), 0, 1e6, "range of the light among the edges", NULL, RN_FROM_0 | RN_ORDERED },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "alpha", 1, 0, 1 }, { "lightness", 1, 0, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct sharpen *o = opts;
    value[0] = rn_rng_uniform(rng, o->alpha[0], o->alpha[1]);
    value[1] = rn_rng_uniform(rng, o->lightness[0], o->lightness[1]);
    return 2;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    float kernel[9], share = (float)value[0];
    for (int i = 0; i < 9; i++)
        kernel[i] = (i == 4 ? (float)(1 - value[0]) : 0) + share * (i == 4 ? (float)(8 + value[1]) : -1);
    return rn_correlate(x, kernel, 3, err);
}

const struct rn_augment rn_augment_sharpen = {
    .class_name = "Sharpen", .p = 0.5, .options = options, .size = sizeof(struct sharpen), .drawn = drawn,
    .defaults = &(const struct sharpen){ { 0.2, 0.5 }, { 0.5, 1 } }, .bytes_only = true, .draw = draw, .apply = apply,
};
