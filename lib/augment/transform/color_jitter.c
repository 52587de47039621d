/* color_jitter.c -- brightness, contrast, saturation and hue, in a random order, as torchvision defines them. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct color_jitter {
    double brightness[2], contrast[2], saturation[2], hue[2];
};

static const struct rn_opt options[] = {
    { 0, "brightness", RN_OPT_PAIR, RN_AT(color_jitter, brightness), 0, 1e6, "range of the factor", NULL, RN_ABOUT_1 | RN_ORDERED },
    { 0, "contrast", RN_OPT_PAIR, RN_AT(color_jitter, contrast), 0, 1e6, "range of the factor, about the mean of the grey picture", NULL, RN_ABOUT_1 | RN_ORDERED },
    { 0, "saturation", RN_OPT_PAIR, RN_AT(color_jitter, saturation), 0, 1e6, "range of the factor, about the grey picture", NULL, RN_ABOUT_1 | RN_ORDERED },
    { 0, "hue", RN_OPT_PAIR, RN_AT(color_jitter, hue), -0.5, 0.5, "range of the turn of the hue", NULL, RN_ORDERED },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "brightness", 1, 0, 1e6 }, { "contrast", 1, 0, 1e6 }, { "saturation", 1, 0, 1e6 }, { "hue", 1, -0.5, 0.5 },
    { "order", 4, 0, 3, 1 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct color_jitter *o = opts;
    (void)x;
    value[0] = rn_rng_uniform(rng, o->brightness[0], o->brightness[1]);
    value[1] = rn_rng_uniform(rng, o->contrast[0], o->contrast[1]);
    value[2] = rn_rng_uniform(rng, o->saturation[0], o->saturation[1]);
    value[3] = rn_rng_uniform(rng, o->hue[0], o->hue[1]);
    for (int i = 0; i < 4; i++)
        value[4 + i] = i;
    for (int i = 3; i > 0; i--) {
        int j = (int)rn_rng_below(rng, (uint64_t)i + 1);
        double swap = value[4 + i];
        value[4 + i] = value[4 + j];
        value[4 + j] = swap;
    }
    return 8;
}

/* trunc(clip(v * factor + offset)), in double. */
static int scale(struct rn_canvas *x, double factor, double offset, struct rn_err *err)
{
    uint8_t table[3][256];
    for (int i = 0; i < 256; i++)
        table[0][i] = (uint8_t)fmin(fmax(i * factor + offset, 0), 255);
    memcpy(table[1], table[0], sizeof table[0]);
    memcpy(table[2], table[0], sizeof table[0]);
    return rn_lookup(x, table, err);
}

static int contrast(struct rn_canvas *x, double factor, struct rn_err *err)
{
    size_t n = x->height * x->width;
    uint64_t sum = 0;
    uint8_t *grey = rn_canvas_scratch(x, n, err);
    if (!grey)
        return -1;
    rn_grey(grey, x->pixels, n);
    for (size_t i = 0; i < n; i++)
        sum += grey[i];
    double mean = (double)sum / (double)n;
    return factor == 0 ? scale(x, 0, floor(mean + 0.5), err) : scale(x, factor, mean * (1 - factor), err);
}

RN_PLAIN blend_plain(uint8_t *restrict y, const uint8_t *restrict x, const uint8_t *restrict grey, float factor, float rest,
                     size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++) {
            float v = fmaf((float)x[3 * i + c], factor, (float)grey[i] * rest);
            int32_t whole = (int32_t)(v + 12582912.0f - 12582912.0f);
            y[3 * i + c] = (uint8_t)(whole < 0 ? 0 : whole > 255 ? 255 : whole);
        }
}
RN_WIDE(blend, (uint8_t *restrict y, const uint8_t *restrict x, const uint8_t *restrict grey, float factor, float rest, size_t n),
        (y, x, grey, factor, rest, n))

static int saturation(struct rn_canvas *x, double factor, struct rn_err *err)
{
    size_t n = x->height * x->width;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err), *grey = y ? rn_canvas_scratch(x, n, err) : NULL;
    if (!grey)
        return -1;
    rn_grey(grey, x->pixels, n);
    blend(y, x->pixels, grey, (float)factor, (float)(1 - factor), n);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

static int hue(struct rn_canvas *x, double turn, struct rn_err *err)
{
    uint8_t table[256], *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y)
        return -1;
    for (int i = 0; i < 256; i++) {
        double h = fmod(i + 180 * turn, 180);
        table[i] = (uint8_t)(h < 0 ? h + 180 : h);
    }
    for (size_t i = 0; i < x->height; i++) {
        uint8_t *row = y + i * x->width * 3;
        rn_rgb_to_hsv(row, (const uint8_t *)x->pixels + i * x->width * 3, x->width);
        for (size_t j = 0; j < x->width; j++)
            row[3 * j] = table[row[3 * j]];
        rn_hsv_to_rgb(row, row, x->width);
    }
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    for (int i = 0; i < 4; i++) {
        int what = (int)value[4 + i];
        double v = value[what];
        if (v == (what == 3 ? 0 : 1))
            continue;
        if (what == 0 ? scale(x, v, 0, err) : what == 1 ? contrast(x, v, err) : what == 2 ? saturation(x, v, err) : hue(x, v, err))
            return -1;
    }
    return 0;
}

const struct rn_augment rn_augment_color_jitter = {
    .class_name = "ColorJitter", .until = 4, .p = 0.5, .options = options, .size = sizeof(struct color_jitter), .drawn = drawn,
    .defaults = &(const struct color_jitter){ { 0.8, 1.2 }, { 0.8, 1.2 }, { 0.8, 1.2 }, { -0.2, 0.2 } }, .bytes_only = true,
    .draw = draw, .apply = apply,
};
