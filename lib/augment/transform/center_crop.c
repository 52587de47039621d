/* center_crop.c -- the middle of the picture. */
#include "augment/private.h"

struct center_crop {
    int64_t height, width;
};

static const struct rn_opt options[] = {
    { 0, "height", RN_OPT_INT, RN_AT(center_crop, height), 1, 1 << 20, "of the result", NULL },
    { 0, "width", RN_OPT_INT, RN_AT(center_crop, width), 1, 1 << 20, "of the result", NULL },
    RN_OPT_LAST,
};

/* There is no usual size. */
static int check(const void *opts, struct rn_err *err)
{
    const struct center_crop *o = opts;
    return o->height > 0 && o->width > 0 ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s is missing", o->height > 0 ? "width" : "height");
}

static void least(size_t size[2], const void *opts)
{
    const struct center_crop *o = opts;
    size[0] = (size_t)o->height;
    size[1] = (size_t)o->width;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)value, (void)count;
    const struct center_crop *o = opts;
    size_t height = (size_t)o->height, width = (size_t)o->width;
    struct rn_frame frame = { x->height < height ? 0 : (x->height - height) / 2, x->width < width ? 0 : (x->width - width) / 2,
                              height, width };
    return rn_crop(x, frame, err);
}

const struct rn_augment rn_augment_center_crop = {
    .class_name = "CenterCrop", .p = 1, .options = options, .size = sizeof(struct center_crop),
    .defaults = &(const struct center_crop){ -1, -1 }, .check = check, .least = least, .apply = apply,
};
