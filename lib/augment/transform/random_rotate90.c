/* random_rotate90.c -- 0 to 3 quarter turns, counter-clockwise. */
#include "augment/private.h"

static const struct rn_drawn drawn[] = { { "factor", 1, 0, 3, 1 }, { 0 } };

static size_t draw(double *value, const void *options, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)options, (void)x;
    value[0] = rn_uniform_int(rng, 0, 3);
    return 1;
}

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)count;
    bool odd = value[0] == 1 || value[0] == 3;
    return rn_turn(x, odd, value[0] >= 2, value[0] == 1 || value[0] == 2, err);
}

const struct rn_augment rn_augment_random_rotate90 = {
    .class_name = "RandomRotate90", .p = 0.5, .drawn = drawn, .draw = draw, .apply = apply,
};
