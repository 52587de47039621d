/* coarse_dropout.c -- rectangles of one colour, anywhere. */
#include "augment/private.h"

enum { HOLES = RN_DRAWS / 4 };

struct coarse_dropout {
    int64_t max_holes, min_holes;
    double max_height, max_width, min_height, min_width, fill_value[3];
};

static const struct rn_opt options[] = {
    { 0, "max_holes", RN_OPT_INT, RN_AT(coarse_dropout, max_holes), 1, HOLES, "most holes", NULL },
    { 0, "max_height", RN_OPT_REAL, RN_AT(coarse_dropout, max_height), 1e-9, 1 << 20, "most rows of a hole, or below 1 a share of the picture's", NULL },
    { 0, "max_width", RN_OPT_REAL, RN_AT(coarse_dropout, max_width), 1e-9, 1 << 20, "most columns, or a share", NULL },
    { 0, "min_holes", RN_OPT_INT, RN_AT(coarse_dropout, min_holes), 1, HOLES, "fewest holes, null: as many", NULL, RN_NULL },
    { 0, "min_height", RN_OPT_REAL, RN_AT(coarse_dropout, min_height), 1e-9, 1 << 20, "fewest rows, null: as many", NULL, RN_NULL },
    { 0, "min_width", RN_OPT_REAL, RN_AT(coarse_dropout, min_width), 1e-9, 1 << 20, "fewest columns, null: as many", NULL, RN_NULL },
    { 0, "fill_value", RN_OPT_REALS, RN_AT(coarse_dropout, fill_value), 0, 255, "colour of the holes", NULL, RN_SAME, NULL, 3 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "holes", 0, 0, 1 << 20, 1 }, { 0 } };

/* Sides in pixels and sides in shares do not mix. */
static int check(const void *opts, struct rn_err *err)
{
    const struct coarse_dropout *o = opts;
    const double side[4] = { o->max_height, o->max_width, o->min_height, o->min_width };
    for (int i = 1; i < 4; i++)
        if (side[i] > 0 && (side[i] < 1) != (side[0] < 1))
            return rn_fail(err, RN_EXIT_USAGE, "heights and widths: all of them pixels, or all of them shares below 1");
    for (int i = 0; i < 4; i++)
        if (side[i] >= 1 && side[i] != (double)(int64_t)side[i])
            return rn_fail(err, RN_EXIT_USAGE, "%g is neither a whole number of pixels nor a share below 1", side[i]);
    if (o->min_holes > o->max_holes || o->min_height > o->max_height || o->min_width > o->max_width)
        return rn_fail(err, RN_EXIT_USAGE, "%s is more than its max",
                       o->min_holes > o->max_holes ? "min_holes" : o->min_height > o->max_height ? "min_height" : "min_width");
    return 0;
}

static double draw_side(struct rn_rng *rng, double low, double high, size_t whole)
{
    low = low > 0 ? low : high;
    return high < 1 ? (double)(int64_t)((double)whole * rn_rng_uniform(rng, low, high)) : rn_uniform_int(rng, low, high);
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct coarse_dropout *o = opts;
    size_t n = (size_t)rn_uniform_int(rng, (double)(o->min_holes > 0 ? o->min_holes : o->max_holes), (double)o->max_holes);
    for (size_t i = 0; i < n; i++, value += 4) {
        double height = draw_side(rng, o->min_height, o->max_height, x->height),
               width = draw_side(rng, o->min_width, o->max_width, x->width);
        value[1] = rn_uniform_int(rng, 0, (double)x->height - height);
        value[0] = rn_uniform_int(rng, 0, (double)x->width - width);
        value[2] = value[0] + width;
        value[3] = value[1] + height;
    }
    return 4 * n;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    return rn_holes_fill(x, value, count / 4, ((const struct coarse_dropout *)opts)->fill_value, err);
}

const struct rn_augment rn_augment_coarse_dropout = {
    .class_name = "CoarseDropout", .until = 6, .p = 0.5, .options = options, .size = sizeof(struct coarse_dropout), .drawn = drawn,
    .defaults = &(const struct coarse_dropout){ 8, -1, 8, 8, -1, -1, { 0 } }, .neutral = "mask_fill_value=*",
    .check = check, .draw = draw, .apply = apply,
};
