/* to_tensor_v2.c -- the end of a pipeline that feeds PyTorch: only the order of the numbers changes there, and here pictures stay
 * height x width x 3, as whoever reads them wants them. */
#include "augment/private.h"

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)x, (void)options, (void)value, (void)count, (void)err;
    return 0;
}

const struct rn_augment rn_augment_to_tensor_v2 = {
    .class_name = "ToTensorV2", .p = 1, .neutral = "transpose_mask=*", .last = true, .apply = apply,
};
