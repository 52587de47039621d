/* gauss_noise.c -- independent Gaussian noise on every sample; its field follows from the drawn seed. */
#include <math.h>

#include "augment/private.h"

struct gauss_noise {
    double var_limit[2], mean;
    bool per_channel;
};

static const struct rn_opt options[] = {
    { 0, "var_limit", RN_OPT_PAIR, RN_AT(gauss_noise, var_limit), 0, 1e9, "range of the variance", NULL, RN_FROM_0 },
    { 0, "mean", RN_OPT_REAL, RN_AT(gauss_noise, mean), -1e6, 1e6, "of the noise", NULL },
    { 0, "per_channel", RN_OPT_FLAG, RN_AT(gauss_noise, per_channel), 0, 0, "each channel has noise of its own", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "variance", 1, 0, 1e9 }, RN_SEED, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct gauss_noise *o = opts;
    value[0] = rn_rng_uniform(rng, o->var_limit[0], o->var_limit[1]);
    value[1] = (double)(rn_rng_u64(rng) >> 11); /* 53 bits: a whole number that a double holds */
    return 2;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct gauss_noise *o = opts;
    return rn_noise(x, (uint64_t)value[1], o->mean, sqrt(value[0]), o->per_channel, err);
}

const struct rn_augment rn_augment_gauss_noise = {
    .class_name = "GaussNoise", .p = 0.5, .options = options, .size = sizeof(struct gauss_noise), .drawn = drawn,
    .defaults = &(const struct gauss_noise){ { 10, 50 }, 0, true }, .draw = draw, .apply = apply,
};
