/* downscale.c -- made smaller and larger again; through floats, unless both ways take the nearest pixel. */
#include <math.h>

#include "augment/private.h"

struct downscale {
    double scale_min, scale_max, interpolation[2]; /* down, up */
};

static const struct rn_opt options[] = {
    { 0, "scale_min", RN_OPT_REAL, RN_AT(downscale, scale_min), 1e-6, 1 - 1e-9, "least scale", NULL },
    { 0, "scale_max", RN_OPT_REAL, RN_AT(downscale, scale_max), 1e-6, 1 - 1e-9, "largest scale", NULL },
    { 0, "interpolation", RN_OPT_REALS, RN_AT(downscale, interpolation), 0, 4, "0 to 4, or downscale and upscale of these", NULL, RN_DOWN_UP | RN_SAME | RN_WHOLE | RN_NULL, NULL, 2 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "scale", 1, 1e-6, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct downscale *o = opts;
    return o->scale_min <= o->scale_max ? 0 : rn_fail(err, RN_EXIT_USAGE, "scale_min is more than scale_max");
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct downscale *o = opts;
    value[0] = rn_rng_uniform(rng, o->scale_min, o->scale_max);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct downscale *o = opts;
    (void)count;
    int64_t down = (int64_t)o->interpolation[0], up = (int64_t)o->interpolation[1];
    bool through_floats = x->type == RN_U8 && (down != RN_NEAREST || up != RN_NEAREST);
    size_t height = x->height, width = x->width;
    double rows = rint((double)height * value[0]), columns = rint((double)width * value[0]);
    if (!(rows >= 1 && columns >= 1))
        return rn_fail(err, RN_EXIT_DATA, "nothing is left of the picture of %zu x %zu (width x height)", width, height);
    if (through_floats && rn_to_floats(x, err))
        return -1;
    struct rn_steps steps = { 1 / value[0], 1 / value[0] };
    if (rn_resize_by(x, (struct rn_frame){ 0, 0, height, width }, (size_t)rows, (size_t)columns, steps, down, err) ||
        rn_resize(x, (struct rn_frame){ 0, 0, x->height, x->width }, height, width, up, err))
        return -1;
    return through_floats ? rn_to_bytes(x, false, err) : 0;
}

const struct rn_augment rn_augment_downscale = {
    .class_name = "Downscale", .until = 6, .p = 0.5, .options = options, .size = sizeof(struct downscale), .drawn = drawn,
    .defaults = &(const struct downscale){ 0.25, 0.25, { RN_NEAREST, RN_NEAREST } }, .check = check, .draw = draw, .apply = apply,
};
