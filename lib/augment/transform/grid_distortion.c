/* grid_distortion.c -- columns and rows of a grid become wider and narrower. */
#include <math.h>
#include <stdlib.h>

#include "augment/private.h"
#include "core/mem.h"

struct grid_distortion {
    int64_t num_steps;
    double distort_limit[2];
    struct rn_sampling sampling;
    bool normalized;
};

static const struct rn_opt options[] = {
    { 0, "num_steps", RN_OPT_INT, RN_AT(grid_distortion, num_steps), 1, RN_DRAWS / 2 - 1, "cells across and down", NULL },
    { 0, "distort_limit", RN_OPT_PAIR, RN_AT(grid_distortion, distort_limit), -1e3, 1e3, "range of the change of a cell's side", NULL },
    RN_SAMPLING(grid_distortion, sampling, "border_mode", "value"),
    { 0, "normalized", RN_OPT_FLAG, RN_AT(grid_distortion, normalized), 0, 0, "nothing is moved out of the picture", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "steps", 0, -1e4, 1e4 }, { 0 } }; /* across, then down */

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct grid_distortion *o = opts;
    size_t n = 2 * ((size_t)o->num_steps + 1);
    (void)x;
    for (size_t i = 0; i < n; i++)
        value[i] = 1 + rn_rng_uniform(rng, o->distort_limit[0], o->distort_limit[1]);
    return n;
}

/* Steps whose sum, the last one's being smaller, is the picture's side. */
static void normalize(double *step, size_t steps, double size)
{
    double cell = floor(size / (double)steps), last = fmin(size, (double)(steps + 1) * cell) - (double)steps * cell, sum = 0;
    step[steps] *= last / cell;
    for (size_t i = 0; i <= steps; i++)
        sum += step[i];
    for (size_t i = 0; i <= steps; i++)
        step[i] = step[i] * (size / cell / sum);
}

/* map[0 .. size - 1]: straight within a cell. */
static void make_map(float *map, size_t size, const double *step, size_t steps)
{
    size_t cell = size / steps;
    double from = 0;
    for (size_t k = 0; k <= steps; k++) {
        size_t start = k * cell, end = start + cell > size ? size : start + cell, n = end - start;
        double to = start + cell > size ? (double)size : from + (double)cell * step[k],
               slope = n > 1 ? (to - from) / (double)(n - 1) : 0;
        for (size_t i = 0; i < n; i++)
            map[start + i] = (float)(n > 1 && i == n - 1 ? to : (double)i * slope + from);
        from = to;
    }
}

struct maps {
    const float *x, *y;
    float scale;
};

static void row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct maps *maps = context;
    int32_t down = rn_warp_fixed(maps->y[y], maps->scale);
    for (size_t i = 0; i < n; i++) {
        sx[i] = rn_warp_fixed(maps->x[first + i], maps->scale);
        sy[i] = down;
    }
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct grid_distortion *o = opts;
    size_t steps = (size_t)o->num_steps;
    if (count != 2 * (steps + 1))
        return rn_fail(err, RN_EXIT_DATA, "%zu steps, not %zu", count, 2 * (steps + 1));
    double step[RN_DRAWS], *across = step, *down = step + steps + 1;
    for (size_t i = 0; i < count; i++)
        step[i] = value[i];
    if (o->normalized && (x->width < steps || x->height < steps))
        return rn_fail(err, RN_EXIT_DATA, "a grid of %zu cells is larger than the picture of %zu x %zu (width x height)", steps,
                       x->width, x->height);
    if (o->normalized) {
        normalize(across, steps, (double)x->width);
        normalize(down, steps, (double)x->height);
    }
    float *map = rn_calloc(x->width + x->height, sizeof *map, err);
    if (!map)
        return -1;
    make_map(map, x->width, across, steps);
    make_map(map + x->width, x->height, down, steps);
    struct maps maps = { map, map + x->width, o->sampling.interpolation == RN_NEAREST ? 1 : 32 };
    int rc = rn_warp(x, &o->sampling, x->height, x->width, row, &maps, err);
    free(map);
    return rc;
}

const struct rn_augment rn_augment_grid_distortion = {
    .class_name = "GridDistortion", .until = 4, .p = 0.5, .options = options, .size = sizeof(struct grid_distortion),
    .drawn = drawn, .defaults = &(const struct grid_distortion){ 5, { -0.3, 0.3 }, { RN_LINEAR, RN_REFLECT_101, { 0 } }, false },
    .neutral = "mask_value=*", .draw = draw, .apply = apply,
};
