/* flip.c -- top-bottom (d = 0), left-right (1) or both (-1). */
#include "augment/private.h"

static const struct rn_drawn drawn[] = { { "d", 1, -1, 1, 1 }, { 0 } };

static size_t draw(double *value, const void *options, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)options, (void)x;
    value[0] = rn_uniform_int(rng, -1, 1);
    return 1;
}

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)count;
    return rn_turn(x, false, value[0] != 0, value[0] <= 0, err);
}

const struct rn_augment rn_augment_flip = {
    .class_name = "Flip", .p = 0.5, .drawn = drawn, .draw = draw, .apply = apply,
};
