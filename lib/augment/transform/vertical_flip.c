/* vertical_flip.c -- top becomes bottom. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)value, (void)count;
    return rn_turn(x, false, false, true, err);
}

const struct rn_augment rn_augment_vertical_flip = {
    .class_name = "VerticalFlip", .p = 0.5, .apply = apply,
};
