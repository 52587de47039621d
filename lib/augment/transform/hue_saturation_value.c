/* hue_saturation_value.c -- numbers added to hue (half degrees), saturation and value. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct hue_saturation_value {
    double hue_shift_limit[2], sat_shift_limit[2], val_shift_limit[2];
};

static const struct rn_opt options[] = {
    { 0, "hue_shift_limit", RN_OPT_PAIR, RN_AT(hue_saturation_value, hue_shift_limit), -1e4, 1e4, "range of what is added to the hue, in half degrees", NULL },
    { 0, "sat_shift_limit", RN_OPT_PAIR, RN_AT(hue_saturation_value, sat_shift_limit), -1e4, 1e4, "range of what is added to the saturation", NULL },
    { 0, "val_shift_limit", RN_OPT_PAIR, RN_AT(hue_saturation_value, val_shift_limit), -1e4, 1e4, "range of what is added to the value", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "hue_shift", 1, -1e4, 1e4 }, { "sat_shift", 1, -1e4, 1e4 }, { "val_shift", 1, -1e4, 1e4 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct hue_saturation_value *o = opts;
    value[0] = rn_rng_uniform(rng, o->hue_shift_limit[0], o->hue_shift_limit[1]);
    value[1] = rn_rng_uniform(rng, o->sat_shift_limit[0], o->sat_shift_limit[1]);
    value[2] = rn_rng_uniform(rng, o->val_shift_limit[0], o->val_shift_limit[1]);
    return 3;
}

static void make_tables(uint8_t table[3][256], const double *shift)
{
    for (int i = 0; i < 256; i++) {
        double h = fmod(i + shift[0], 180);
        table[0][i] = (uint8_t)(shift[0] == 0 ? i : (int)(h < 0 ? h + 180 : h));
        for (int c = 1; c < 3; c++)
            table[c][i] = (uint8_t)(shift[c] == 0 ? i : (int)fmin(fmax(i + shift[c], 0), 255));
    }
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    uint8_t table[3][256];
    if (value[0] == 0 && value[1] == 0 && value[2] == 0)
        return 0;
    size_t height = x->height, width = x->width;
    uint8_t *y = rn_canvas_next(x, RN_U8, height, width, err);
    if (!y)
        return -1;
    make_tables(table, value);
    for (size_t i = 0; i < height; i++) {
        uint8_t *row = y + i * width * 3;
        rn_rgb_to_hsv(row, (const uint8_t *)x->pixels + i * width * 3, width);
        for (size_t j = 0; j < width * 3; j += 3) {
            row[j] = table[0][row[j]];
            row[j + 1] = table[1][row[j + 1]];
            row[j + 2] = table[2][row[j + 2]];
        }
        rn_hsv_to_rgb(row, row, width);
    }
    rn_canvas_turn(x, RN_U8, height, width);
    return 0;
}

const struct rn_augment rn_augment_hue_saturation_value = {
    .class_name = "HueSaturationValue", .p = 0.5, .options = options, .size = sizeof(struct hue_saturation_value), .drawn = drawn,
    .defaults = &(const struct hue_saturation_value){ { -20, 20 }, { -30, 30 }, { -20, 20 } }, .bytes_only = true,
    .draw = draw, .apply = apply,
};
