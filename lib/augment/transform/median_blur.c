/* median_blur.c -- medians of k x k pixels, channel by channel. */
#include "augment/private.h"

struct median_blur {
    double blur_limit[2];
};

static const struct rn_opt options[] = {
    { 0, "blur_limit", RN_OPT_PAIR, RN_AT(median_blur, blur_limit), 1, RN_KERNEL_MAX, "sides of the square", NULL, RN_FROM_3 | RN_ORDERED | RN_WHOLE },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "ksize", 1, 1, RN_KERNEL_MAX, 2 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    return rn_sides_check(((const struct median_blur *)opts)->blur_limit, true, true, err);
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct median_blur *o = opts;
    value[0] = rn_uniform_side(rng, o->blur_limit);
    return 1;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    return rn_median(x, (size_t)value[0], err);
}

const struct rn_augment rn_augment_median_blur = {
    .class_name = "MedianBlur", .until = RN_SINCE_1_4, .p = 0.5, .options = options, .size = sizeof(struct median_blur),
    .drawn = drawn,
    .defaults = &(const struct median_blur){ { 3, 7 } }, .bytes_only = true, .check = check, .draw = draw, .apply = apply,
};
