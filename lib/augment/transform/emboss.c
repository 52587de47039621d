/* emboss.c -- a mixture of the picture and of its slopes down to the right. */
#include "augment/private.h"

struct emboss {
    double alpha[2], strength[2];
};

static const struct rn_opt options[] = {
    { 0, "alpha", RN_OPT_PAIR, RN_AT(emboss, alpha), 0, 1, "range of the slopes' share", NULL, RN_FROM_0 | RN_ORDERED },
    { 0, "strength", RN_OPT_PAIR, RN_AT(emboss, strength), 0, 1e6, "range of their strength", NULL, RN_FROM_0 | RN_ORDERED },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "alpha", 1, 0, 1 }, { "strength", 1, 0, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct emboss *o = opts;
    value[0] = rn_rng_uniform(rng, o->alpha[0], o->alpha[1]);
    value[1] = rn_rng_uniform(rng, o->strength[0], o->strength[1]);
    return 2;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    double s = value[1];
    const float slope[9] = { (float)(-1 - s), (float)-s, 0, (float)-s, 1, (float)s, 0, (float)s, (float)(1 + s) };
    float kernel[9];
    for (int i = 0; i < 9; i++)
        kernel[i] = (i == 4 ? (float)(1 - value[0]) : 0) + (float)value[0] * slope[i];
    return rn_correlate(x, kernel, 3, err);
}

const struct rn_augment rn_augment_emboss = {
    .class_name = "Emboss", .p = 0.5, .options = options, .size = sizeof(struct emboss), .drawn = drawn,
    .defaults = &(const struct emboss){ { 0.2, 0.5 }, { 0.2, 0.7 } }, .bytes_only = true, .draw = draw, .apply = apply,
};
