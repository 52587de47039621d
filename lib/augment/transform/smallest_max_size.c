/* smallest_max_size.c -- scaled so that the shorter side has a given size. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    return rn_max_size_apply(x, opts, value[0], x->height < x->width ? x->height : x->width, err);
}

const struct rn_augment rn_augment_smallest_max_size = {
    .class_name = "SmallestMaxSize", .p = 1, .options = rn_max_size_options, .size = sizeof(struct rn_max_size),
    .drawn = rn_max_size_drawn,
    .defaults = &(const struct rn_max_size){ { 1024 }, RN_LINEAR }, .check = rn_max_size_check, .draw = rn_max_size_draw,
    .apply = apply,
};
