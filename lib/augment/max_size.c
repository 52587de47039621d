/* max_size.c -- what SmallestMaxSize and LongestMaxSize share: one side gets a given size, the other follows. */
#include <math.h>

#include "augment/private.h"

const struct rn_opt rn_max_size_options[] = {
    { 0, "max_size", RN_OPT_REALS, RN_AT(rn_max_size, max_size), 0, 1 << 20, "the side, or several to choose from", NULL, RN_FIRST | RN_WHOLE, NULL, RN_SIZES },
    RN_INTERPOLATION(RN_AT(rn_max_size, interpolation)),
    RN_OPT_LAST,
};
const struct rn_drawn rn_max_size_drawn[] = { { "max_size", 1, 1, 1 << 20, 1 }, { 0 } };

int rn_max_size_check(const void *opts, struct rn_err *err)
{
    return ((const struct rn_max_size *)opts)->max_size[0] >= 1 ? 0
           : rn_fail(err, RN_EXIT_USAGE, "max_size: must be 1 pixel or more");
}

size_t rn_max_size_draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct rn_max_size *o = opts;
    int n = 1;
    while (n < RN_SIZES && o->max_size[n] >= 1)
        n++;
    value[0] = o->max_size[n > 1 ? (int)rn_rng_below(rng, (uint64_t)n) : 0];
    return 1;
}

int rn_max_size_apply(struct rn_canvas *x, const struct rn_max_size *o, double size, size_t side, struct rn_err *err)
{
    double scale = size / (double)side;
    return rn_rescale(x, rint((double)x->height * scale), rint((double)x->width * scale), o->interpolation, err);
}
