/* cutout.c -- rectangles of one size and colour about random places, cut off at the edges. */
#include "augment/private.h"

struct cutout {
    int64_t num_holes, max_h_size, max_w_size;
    double fill_value[3];
};

static const struct rn_opt options[] = {
    { 0, "num_holes", RN_OPT_INT, RN_AT(cutout, num_holes), 0, RN_DRAWS / 4, "rectangles", NULL },
    { 0, "max_h_size", RN_OPT_INT, RN_AT(cutout, max_h_size), 0, 1 << 20, "their rows", NULL },
    { 0, "max_w_size", RN_OPT_INT, RN_AT(cutout, max_w_size), 0, 1 << 20, "their columns", NULL },
    { 0, "fill_value", RN_OPT_REALS, RN_AT(cutout, fill_value), 0, 255, "their colour", NULL, RN_SAME, NULL, 3 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "holes", 0, 0, 1 << 20, 1 }, { 0 } };

static void place(double *from, double *to, double at, double size, double whole)
{
    double begin = at - (double)((int64_t)size / 2), end;
    begin = begin < 0 ? 0 : begin > whole ? whole : begin;
    end = begin + size;
    *from = begin;
    *to = end > whole ? whole : end;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct cutout *o = opts;
    for (int64_t i = 0; i < o->num_holes; i++, value += 4) {
        place(&value[1], &value[3], rn_uniform_int(rng, 0, (double)x->height), (double)o->max_h_size, (double)x->height);
        place(&value[0], &value[2], rn_uniform_int(rng, 0, (double)x->width), (double)o->max_w_size, (double)x->width);
    }
    return 4 * (size_t)o->num_holes;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    return rn_holes_fill(x, value, count / 4, ((const struct cutout *)opts)->fill_value, err);
}

const struct rn_augment rn_augment_cutout = {
    .class_name = "Cutout", .until = RN_SINCE_1_4, .p = 0.5, .options = options, .size = sizeof(struct cutout), .drawn = drawn,
    .defaults = &(const struct cutout){ 8, 8, 8, { 0 } }, .draw = draw, .apply = apply,
};
