/* rotate.c -- turned about its middle; the size stays. */
#include <math.h>

#include "augment/private.h"

struct rotate {
    double limit[2];
    struct rn_sampling sampling;
    bool crop_border;
};

static const struct rn_opt options[] = {
    { 0, "limit", RN_OPT_PAIR, RN_AT(rotate, limit), -1e6, 1e6, "range of the angle in degrees, counter-clockwise", NULL },
    RN_SAMPLING(rotate, sampling, "border_mode", "value"),
    { 0, "crop_border", RN_OPT_FLAG, RN_AT(rotate, crop_border), 0, 0, "cut to the largest part without borders", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "angle", 1, -1e6, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct rotate *o = opts;
    value[0] = rn_rng_uniform(rng, o->limit[0], o->limit[1]);
    return 1;
}

/* The largest upright rectangle in one of such sides that is turned by angle, as its corners in the picture. */
static struct rn_frame largest_part(double height, double width, double angle)
{
    double radians = angle * (M_PI / 180), s = fabs(sin(radians)), c = fabs(cos(radians)), h, w;
    bool wide = width >= height;
    double longer = wide ? width : height, shorter = wide ? height : width;
    if (shorter <= 2 * s * c * longer || fabs(s - c) < 1e-10) { /* two corners touch the longer side */
        double x = 0.5 * shorter;
        w = wide ? x / s : x / c;
        h = wide ? x / c : x / s;
    } else {
        double cos2 = c * c - s * s;
        w = (width * c - height * s) / cos2;
        h = (height * c - width * s) / cos2;
    }
    size_t left = (size_t)fmax(0, width / 2 - w / 2), right = (size_t)fmin(width, width / 2 + w / 2);
    size_t top = (size_t)fmax(0, height / 2 - h / 2), bottom = (size_t)fmin(height, height / 2 + h / 2);
    return (struct rn_frame){ top, left, bottom - top, right - left };
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    const struct rotate *o = opts;
    double m[6];
    rn_rotation(m, x, value[0], 1);
    struct rn_frame part = largest_part((double)x->height, (double)x->width, value[0]);
    if (rn_warp_affine(x, m, &o->sampling, x->height, x->width, err))
        return -1;
    if (!o->crop_border)
        return 0;
    return part.height && part.width ? rn_crop(x, part, err)
           : rn_fail(err, RN_EXIT_DATA, "crop_border leaves nothing of the picture");
}

const struct rn_augment rn_augment_rotate = {
    .class_name = "Rotate", .p = 0.5, .options = options, .size = sizeof(struct rotate), .drawn = drawn,
    .defaults = &(const struct rotate){ { -90, 90 }, { RN_LINEAR, RN_REFLECT_101, { 0 } }, false },
    .neutral = "mask_value=* rotate_method=*",
    .draw = draw, .apply = apply,
};
