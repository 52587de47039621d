/* resize.c -- the whole picture, scaled to a given size. */
#include "augment/private.h"

struct resize {
    int64_t height, width, interpolation;
};

static const struct rn_opt options[] = {
    { 0, "height", RN_OPT_INT, RN_AT(resize, height), 1, 1 << 20, "of the result", NULL },
    { 0, "width", RN_OPT_INT, RN_AT(resize, width), 1, 1 << 20, "of the result", NULL },
    RN_INTERPOLATION(RN_AT(resize, interpolation)),
    RN_OPT_LAST,
};

/* There is no usual size. */
static int check(const void *opts, struct rn_err *err)
{
    const struct resize *o = opts;
    return o->height > 0 && o->width > 0 ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s is missing", o->height > 0 ? "width" : "height");
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)value, (void)count;
    const struct resize *o = opts;
    return rn_resize(x, (struct rn_frame){ 0, 0, x->height, x->width }, (size_t)o->height, (size_t)o->width, o->interpolation, err);
}

const struct rn_augment rn_augment_resize = {
    .class_name = "Resize", .p = 1, .options = options, .size = sizeof(struct resize),
    .defaults = &(const struct resize){ -1, -1, RN_LINEAR }, .check = check, .apply = apply,
};
