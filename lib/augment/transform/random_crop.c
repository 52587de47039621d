/* random_crop.c -- a part of the picture of a given size, anywhere. */
#include "augment/private.h"

struct random_crop {
    int64_t height, width;
};

static const struct rn_opt options[] = {
    { 0, "height", RN_OPT_INT, RN_AT(random_crop, height), 1, 1 << 20, "of the result", NULL },
    { 0, "width", RN_OPT_INT, RN_AT(random_crop, width), 1, 1 << 20, "of the result", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "h_start", 1, 0, 1 }, { "w_start", 1, 0, 1 }, { 0 } };

/* There is no usual size. */
static int check(const void *opts, struct rn_err *err)
{
    const struct random_crop *o = opts;
    return o->height > 0 && o->width > 0 ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s is missing", o->height > 0 ? "width" : "height");
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)opts, (void)x;
    value[0] = rn_rng_unit(rng);
    value[1] = rn_rng_unit(rng);
    return 2;
}

static void least(size_t size[2], const void *opts)
{
    const struct random_crop *o = opts;
    size[0] = (size_t)o->height;
    size[1] = (size_t)o->width;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct random_crop *o = opts;
    struct rn_frame frame;
    return rn_crop_frame(&frame, x, (size_t)o->height, (size_t)o->width, value[0], value[1], err) ||
           rn_crop(x, frame, err) ? -1 : 0;
}

const struct rn_augment rn_augment_random_crop = {
    .class_name = "RandomCrop", .p = 1, .options = options, .size = sizeof(struct random_crop), .drawn = drawn,
    .defaults = &(const struct random_crop){ -1, -1 }, .check = check, .least = least, .draw = draw, .apply = apply,
};
