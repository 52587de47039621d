/* grid_dropout.c -- a rectangle of one colour in each cell of a grid. */
#include <stdlib.h>

#include "augment/private.h"
#include "core/mem.h"

struct grid_dropout {
    double ratio, fill_value[3];
    int64_t unit_size_min, unit_size_max, holes_number_x, holes_number_y, shift_x, shift_y;
    bool random_offset;
};

static const struct rn_opt options[] = {
    { 0, "ratio", RN_OPT_REAL, RN_AT(grid_dropout, ratio), 1e-9, 1, "the holes' sides, as a share of the cells'", NULL },
    { 0, "unit_size_min", RN_OPT_INT, RN_AT(grid_dropout, unit_size_min), 2, 1 << 20, "least side of square cells", NULL, RN_NULL },
    { 0, "unit_size_max", RN_OPT_INT, RN_AT(grid_dropout, unit_size_max), 2, 1 << 20, "largest side", NULL, RN_NULL },
    { 0, "holes_number_x", RN_OPT_INT, RN_AT(grid_dropout, holes_number_x), 1, 1 << 20, "cells across, where no side is given", NULL, RN_NULL },
    { 0, "holes_number_y", RN_OPT_INT, RN_AT(grid_dropout, holes_number_y), 1, 1 << 20, "cells down", NULL, RN_NULL },
    { 0, "shift_x", RN_OPT_INT, RN_AT(grid_dropout, shift_x), -(1 << 20), 1 << 20, "where the first hole begins", NULL, RN_NULL },
    { 0, "shift_y", RN_OPT_INT, RN_AT(grid_dropout, shift_y), -(1 << 20), 1 << 20, "where the first hole begins", NULL, RN_NULL },
    { 0, "random_offset", RN_OPT_FLAG, RN_AT(grid_dropout, random_offset), 0, 0, "it begins anywhere in its cell", NULL },
    { 0, "fill_value", RN_OPT_REALS, RN_AT(grid_dropout, fill_value), 0, 255, "colour of the holes", NULL, RN_SAME, NULL, 3 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "unit_width", 1, 1, 1 << 20, 1 }, { "unit_height", 1, 1, 1 << 20, 1 }, { "shift_x", 1, 0, 1 << 20, 1 },
    { "shift_y", 1, 0, 1 << 20, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct grid_dropout *o = opts;
    bool both = o->unit_size_min > 0 && o->unit_size_max > 0;
    return !both || o->unit_size_min <= o->unit_size_max ? 0
           : rn_fail(err, RN_EXIT_USAGE, "unit_size_min is more than unit_size_max");
}

static double hole_side(double unit, double ratio)
{
    double side = (double)(int64_t)(unit * ratio);
    side = side < 1 ? 1 : side;
    return side > unit - 1 ? unit - 1 : side;
}

static double shift(int64_t given, double room)
{
    return given < 0 ? 0 : (double)given > room ? room : (double)given;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct grid_dropout *o = opts;
    int64_t height = (int64_t)x->height, width = (int64_t)x->width;
    if (o->unit_size_min > 0 && o->unit_size_max > 0) {
        value[0] = value[1] = rn_uniform_int(rng, (double)o->unit_size_min, (double)o->unit_size_max + 1);
    } else {
        int64_t across = o->holes_number_x > 0 ? width / o->holes_number_x : width / 10 > 2 ? width / 10 : 2;
        int64_t down = o->holes_number_y > 0 ? height / o->holes_number_y : across < height ? across : height;
        value[0] = (double)across;
        value[1] = (double)(o->holes_number_y <= 0 && down < 2 ? 2 : down);
    }
    double room_x = value[0] - hole_side(value[0], o->ratio), room_y = value[1] - hole_side(value[1], o->ratio);
    value[2] = o->random_offset ? rn_uniform_int(rng, 0, room_x) : shift(o->shift_x, room_x);
    value[3] = o->random_offset ? rn_uniform_int(rng, 0, room_y) : shift(o->shift_y, room_y);
    return 4;
}

static int fits(const struct rn_canvas *x, const struct grid_dropout *o, struct rn_err *err)
{
    size_t shorter = x->height < x->width ? x->height : x->width;
    if (o->unit_size_min > 0 && o->unit_size_max > 0)
        return (size_t)o->unit_size_max <= shorter ? 0
               : rn_fail(err, RN_EXIT_DATA, "a cell of %lld is larger than the picture of %zu x %zu (width x height)",
                         (long long)o->unit_size_max, x->width, x->height);
    if (o->holes_number_x > (int64_t)x->width / 2 || o->holes_number_y > (int64_t)x->height / 2)
        return rn_fail(err, RN_EXIT_DATA, "a grid of so many cells is larger than the picture of %zu x %zu (width x height)",
                       x->width, x->height);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct grid_dropout *o = opts;
    (void)count;
    if (fits(x, o, err))
        return -1;
    double width = (double)x->width, height = (double)x->height;
    size_t across = x->width / (size_t)value[0] + 1, down = x->height / (size_t)value[1] + 1;
    double *hole = rn_calloc(across * down, 4 * sizeof *hole, err);
    if (!hole)
        return -1;
    for (size_t i = 0; i < across * down; i++) {
        double left = value[2] + value[0] * (double)(i % across), top = value[3] + value[1] * (double)(i / across);
        double right = (left < width ? left : width) + hole_side(value[0], o->ratio),
               bottom = (top < height ? top : height) + hole_side(value[1], o->ratio);
        hole[4 * i] = left < width ? left : width;
        hole[4 * i + 1] = top < height ? top : height;
        hole[4 * i + 2] = right < width ? right : width;
        hole[4 * i + 3] = bottom < height ? bottom : height;
    }
    int rc = rn_holes_fill(x, hole, across * down, o->fill_value, err);
    free(hole);
    return rc;
}

const struct rn_augment rn_augment_grid_dropout = {
    .class_name = "GridDropout", .until = 1, .p = 0.5, .options = options, .size = sizeof(struct grid_dropout), .drawn = drawn,
    .defaults = &(const struct grid_dropout){ 0.5, { 0 }, -1, -1, -1, -1, 0, 0, false }, .neutral = "mask_fill_value=*",
    .check = check, .draw = draw, .apply = apply,
};
