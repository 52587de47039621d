/* horizontal_flip.c -- left becomes right. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)value, (void)count;
    return rn_turn(x, false, true, false, err);
}

const struct rn_augment rn_augment_horizontal_flip = {
    .class_name = "HorizontalFlip", .p = 0.5, .apply = apply,
};
