/* to_gray.c -- the three channels become their grey. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)value, (void)count;
    size_t n = x->height * x->width;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err), *grey = y ? rn_canvas_scratch(x, n, err) : NULL;
    if (!grey)
        return -1;
    rn_grey(grey, x->pixels, n);
    rn_planes_join(y, grey, grey, grey, n);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

const struct rn_augment rn_augment_to_gray = {
    .class_name = "ToGray", .p = 0.5, .bytes_only = true, .apply = apply,
};
