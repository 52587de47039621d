/* invert_img.c -- 255 - v; 1 - v for floats. */
#include "augment/private.h"

RN_PLAIN invert_plain(uint8_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)(255 - x[i]);
}
RN_WIDE(invert, (uint8_t *restrict y, const uint8_t *restrict x, size_t n), (y, x, n))

static int apply(struct rn_canvas *x, const void *options, const double *value, size_t count, struct rn_err *err)
{
    (void)options, (void)value, (void)count;
    if (x->type == RN_F32)
        return rn_linear_floats(x, (const double[]){ -1, -1, -1 }, (const double[]){ 1, 1, 1 }, false, err);
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y)
        return -1;
    invert(y, x->pixels, x->height * x->width * 3);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

const struct rn_augment rn_augment_invert_img = {
    .class_name = "InvertImg", .p = 0.5, .apply = apply,
};
