/* no_op.c -- nothing. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)x, (void)options, (void)value, (void)count, (void)err;
    return 0;
}

const struct rn_augment rn_augment_no_op = {
    .class_name = "NoOp", .p = 0.5, .apply = apply,
};
