/* solarize.c -- levels from a threshold on are inverted. */
#include "augment/private.h"

struct solarize {
    double threshold[2];
};

static const struct rn_opt options[] = {
    { 0, "threshold", RN_OPT_PAIR, RN_AT(solarize, threshold), -1e6, 1e6, "range of the first level that is inverted", NULL, RN_SAME },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "threshold", 1, -1e6, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct solarize *o = opts;
    value[0] = rn_rng_uniform(rng, o->threshold[0], o->threshold[1]);
    return 1;
}

static int floats(struct rn_canvas *x, float threshold, struct rn_err *err)
{
    const float *from = x->pixels;
    float *y = rn_canvas_next(x, RN_F32, x->height, x->width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < x->height * x->width * 3; i++)
        y[i] = from[i] >= threshold ? 1 - from[i] : from[i];
    rn_canvas_turn(x, RN_F32, x->height, x->width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    uint8_t table[3][256];
    if (x->type == RN_F32)
        return floats(x, (float)value[0], err);
    for (int i = 0; i < 256; i++)
        table[0][i] = table[1][i] = table[2][i] = (uint8_t)(i < value[0] ? i : 255 - i);
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_solarize = {
    .class_name = "Solarize", .p = 0.5, .options = options, .size = sizeof(struct solarize), .drawn = drawn,
    .defaults = &(const struct solarize){ { 128, 128 } }, .draw = draw, .apply = apply,
};
