/* normalize.c -- (v / 255 - mean) / std of each channel: bytes become floats. */
#include "augment/private.h"

struct normalize {
    double mean[3], std[3], max_pixel_value;
};

static const struct rn_opt options[] = {
    { 0, "mean", RN_OPT_REALS, RN_AT(normalize, mean), -1e6, 1e6, "of each channel, as a share of the largest value", NULL, RN_SAME, NULL, 3 },
    { 0, "std", RN_OPT_REALS, RN_AT(normalize, std), 1e-6, 1e6, "deviation of each channel", NULL, RN_SAME, NULL, 3 },
    { 0, "max_pixel_value", RN_OPT_REAL, RN_AT(normalize, max_pixel_value), 1e-6, 1e9, "the largest value", NULL },
    RN_OPT_LAST,
};

RN_PLAIN bytes_plain(float *restrict y, const uint8_t *restrict x, size_t n, const float mean[3], const float scale[3])
{
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            y[3 * i + c] = ((float)x[3 * i + c] - mean[c]) * scale[c];
}
RN_WIDE(bytes, (float *restrict y, const uint8_t *restrict x, size_t n, const float mean[3], const float scale[3]),
        (y, x, n, mean, scale))

static void floats(float *y, const float *x, size_t n, const float mean[3], const float scale[3])
{
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++)
            y[3 * i + c] = (x[3 * i + c] - mean[c]) * scale[c];
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)value, (void)count;
    const struct normalize *o = opts;
    float mean[3], scale[3];
    for (int c = 0; c < 3; c++) {
        mean[c] = (float)o->mean[c] * (float)o->max_pixel_value;
        scale[c] = 1 / ((float)o->std[c] * (float)o->max_pixel_value);
    }
    float *y = rn_canvas_next(x, RN_F32, x->height, x->width, err);
    if (!y)
        return -1;
    if (x->type == RN_U8)
        bytes(y, x->pixels, x->height * x->width, mean, scale);
    else
        floats(y, x->pixels, x->height * x->width, mean, scale);
    rn_canvas_turn(x, RN_F32, x->height, x->width);
    return 0;
}

const struct rn_augment rn_augment_normalize = {
    .class_name = "Normalize", .until = 4, .p = 1, .options = options, .size = sizeof(struct normalize),
    .defaults = &(const struct normalize){ { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 }, 255 },
    .to_floats = true, .apply = apply,
};
