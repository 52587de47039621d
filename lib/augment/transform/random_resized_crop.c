/* random_resized_crop.c -- a part of random area and shape, scaled to a given size. */
#include <math.h>

#include "augment/private.h"

struct random_resized_crop {
    int64_t height, width, interpolation;
    double scale[2], ratio[2];
};

static const struct rn_opt options[] = {
    { 0, "height", RN_OPT_INT, RN_AT(random_resized_crop, height), 1, 1 << 20, "of the result", NULL },
    { 0, "width", RN_OPT_INT, RN_AT(random_resized_crop, width), 1, 1 << 20, "of the result", NULL },
    { 0, "scale", RN_OPT_PAIR, RN_AT(random_resized_crop, scale), 0, 1e6, "area, as a share of the picture's", NULL },
    { 0, "ratio", RN_OPT_PAIR, RN_AT(random_resized_crop, ratio), 1e-6, 1e6, "width over height", NULL },
    RN_INTERPOLATION(RN_AT(random_resized_crop, interpolation)),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "crop_height", 1, 1, 1 << 20, 1 }, { "crop_width", 1, 1, 1 << 20, 1 }, { "h_start", 1, 0, 1 }, { "w_start", 1, 0, 1 },
    { 0 } };

/* There is no usual size. */
static int check(const void *opts, struct rn_err *err)
{
    const struct random_resized_crop *o = opts;
    return o->height > 0 && o->width > 0 ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s is missing", o->height > 0 ? "width" : "height");
}

/* The crop's corner as the fraction that the library keeps. */
static size_t found(double *value, double h, double w, double top, double left, const struct rn_canvas *x)
{
    value[0] = h;
    value[1] = w;
    value[2] = top / ((double)x->height - h + 1e-10);
    value[3] = left / ((double)x->width - w + 1e-10);
    return 4;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct random_resized_crop *o = opts;
    double height = (double)x->height, width = (double)x->width;
    for (int attempt = 0; attempt < 10; attempt++) {
        double area = rn_rng_uniform(rng, o->scale[0], o->scale[1]) * height * width;
        double ratio = exp(rn_rng_uniform(rng, log(o->ratio[0]), log(o->ratio[1])));
        double w = rint(sqrt(area * ratio)), h = rint(sqrt(area / ratio));
        if (w > 0 && w <= width && h > 0 && h <= height) {
            double top = rn_uniform_int(rng, 0, height - h);
            return found(value, h, w, top, rn_uniform_int(rng, 0, width - w), x);
        }
    }
    double h = height, w = width;
    if (width / height < o->ratio[0])
        h = rint(w / o->ratio[0]);
    else if (width / height > o->ratio[1])
        w = rint(h * o->ratio[1]);
    h = fmax(h, 1);
    w = fmax(w, 1);
    return found(value, h, w, floor((height - h) / 2), floor((width - w) / 2), x);
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct random_resized_crop *o = opts;
    struct rn_frame frame;
    if (rn_crop_frame(&frame, x, (size_t)value[0], (size_t)value[1], value[2], value[3], err))
        return -1;
    return rn_resize(x, frame, (size_t)o->height, (size_t)o->width, o->interpolation, err);
}

const struct rn_augment rn_augment_random_resized_crop = {
    .class_name = "RandomResizedCrop", .until = 4, .p = 1, .options = options, .size = sizeof(struct random_resized_crop),
    .drawn = drawn, .defaults = &(const struct random_resized_crop){ -1, -1, RN_LINEAR, { 0.08, 1 }, { 0.75, 1.3333333333333333 } },
    .check = check, .draw = draw, .apply = apply,
};
