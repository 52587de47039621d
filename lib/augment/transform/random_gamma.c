/* random_gamma.c -- v to the power of gamma. */
#include <math.h>

#include "augment/private.h"

struct random_gamma {
    double gamma_limit[2];
};

static const struct rn_opt options[] = {
    { 0, "gamma_limit", RN_OPT_PAIR, RN_AT(random_gamma, gamma_limit), 0, 1e4, "range of gamma in percent", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "gamma", 1, 0, 100 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_gamma *o = opts;
    value[0] = rn_rng_uniform(rng, o->gamma_limit[0], o->gamma_limit[1]) / 100;
    return 1;
}

static int power(struct rn_canvas *x, double gamma, struct rn_err *err)
{
    const float *from = x->pixels;
    float *y = rn_canvas_next(x, RN_F32, x->height, x->width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < x->height * x->width * 3; i++)
        y[i] = powf(from[i], (float)gamma);
    rn_canvas_turn(x, RN_F32, x->height, x->width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    uint8_t table[3][256];
    if (x->type == RN_F32)
        return power(x, value[0], err);
    /* i / 255 as the library's table has it: i times the rounded 1 / 255, so that gamma 1 darkens some levels */
    for (int i = 0; i < 256; i++)
        table[0][i] = table[1][i] = table[2][i] = (uint8_t)rn_clip255((int)(pow(i * (1.0 / 255.0), value[0]) * 255));
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_random_gamma = {
    .class_name = "RandomGamma", .p = 0.5, .options = options, .size = sizeof(struct random_gamma), .drawn = drawn,
    .defaults = &(const struct random_gamma){ { 80, 120 } }, .neutral = "eps=*", .draw = draw, .apply = apply,
};
