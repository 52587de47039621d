/* smallest_max_size.c -- scaled so that the shorter side has a given size. */
#include <math.h>

#include "augment/private.h"

enum { SIZES = 16 };

struct smallest_max_size {
    double max_size[SIZES]; /* of these one; 0: no more of them */
    int64_t interpolation;
};

static const struct rn_opt options[] = {
    { 0, "max_size", RN_OPT_REALS, RN_AT(smallest_max_size, max_size), 0, 1 << 20, "the shorter side, or several to choose from", NULL, RN_FIRST | RN_WHOLE, NULL, SIZES },
    RN_INTERPOLATION(RN_AT(smallest_max_size, interpolation)),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "max_size", 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    return ((const struct smallest_max_size *)opts)->max_size[0] >= 1 ? 0 : rn_fail(err, RN_EXIT_USAGE, "max_size: 0 is no size");
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct smallest_max_size *o = opts;
    int n = 1;
    while (n < SIZES && o->max_size[n] >= 1)
        n++;
    value[0] = o->max_size[n > 1 ? (int)rn_rng_below(rng, (uint64_t)n) : 0];
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    double scale = value[0] / (double)(x->height < x->width ? x->height : x->width);
    return rn_rescale(x, rint((double)x->height * scale), rint((double)x->width * scale),
                      ((const struct smallest_max_size *)opts)->interpolation, err);
}

const struct rn_augment rn_augment_smallest_max_size = {
    .class_name = "SmallestMaxSize", .p = 1, .options = options, .size = sizeof(struct smallest_max_size), .drawn = drawn,
    .defaults = &(const struct smallest_max_size){ { 1024 }, RN_LINEAR }, .check = check, .draw = draw, .apply = apply,
};
