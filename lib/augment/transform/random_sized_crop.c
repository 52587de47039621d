/* random_sized_crop.c -- a part of random height and fixed shape, anywhere, scaled to a given size. */
#include "augment/private.h"

struct random_sized_crop {
    double min_max_height[2], w2h_ratio;
    int64_t height, width, interpolation;
};

static const struct rn_opt options[] = {
    { 0, "min_max_height", RN_OPT_PAIR, RN_AT(random_sized_crop, min_max_height), 1, 1 << 20, "heights of the part", NULL, RN_ORDERED | RN_WHOLE },
    { 0, "height", RN_OPT_INT, RN_AT(random_sized_crop, height), 1, 1 << 20, "of the result", NULL },
    { 0, "width", RN_OPT_INT, RN_AT(random_sized_crop, width), 1, 1 << 20, "of the result", NULL },
    { 0, "w2h_ratio", RN_OPT_REAL, RN_AT(random_sized_crop, w2h_ratio), 1e-6, 1e6, "the part's width over its height", NULL },
    RN_INTERPOLATION(RN_AT(random_sized_crop, interpolation)),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "crop_height", 1, 1, 1 << 20, 1 }, { "h_start", 1, 0, 1 }, { "w_start", 1, 0, 1 },
                                         { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct random_sized_crop *o = opts;
    const char *missing = o->min_max_height[0] < 1 ? "min_max_height" : o->height < 1 ? "height" : o->width < 1 ? "width" : NULL;
    if (missing)
        return rn_fail(err, RN_EXIT_USAGE, "%s is missing", missing);
    return o->min_max_height[0] * o->w2h_ratio >= 1 ? 0 : rn_fail(err, RN_EXIT_USAGE, "w2h_ratio: parts would have no width");
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct random_sized_crop *o = opts;
    value[0] = rn_uniform_int(rng, (double)(int64_t)o->min_max_height[0], (double)(int64_t)o->min_max_height[1]);
    value[1] = rn_rng_unit(rng);
    value[2] = rn_rng_unit(rng);
    return 3;
}

static void least(size_t size[2], const void *opts)
{
    const struct random_sized_crop *o = opts;
    size[0] = (size_t)o->min_max_height[1];
    size[1] = (size_t)(o->min_max_height[1] * o->w2h_ratio);
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct random_sized_crop *o = opts;
    struct rn_frame frame;
    if (rn_crop_frame(&frame, x, (size_t)value[0], (size_t)(value[0] * o->w2h_ratio), value[1], value[2], err))
        return -1;
    return rn_resize(x, frame, (size_t)o->height, (size_t)o->width, o->interpolation, err);
}

const struct rn_augment rn_augment_random_sized_crop = {
    .class_name = "RandomSizedCrop", .until = 4, .p = 1, .options = options, .size = sizeof(struct random_sized_crop),
    .drawn = drawn, .defaults = &(const struct random_sized_crop){ { 0, 0 }, 1, -1, -1, RN_LINEAR },
    .check = check, .least = least, .draw = draw, .apply = apply,
};
