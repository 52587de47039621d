/* equalize.c -- levels are spread so that each is as frequent as the others: of each channel, or of the luma alone. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"

struct equalize {
    int mode;
    bool by_channels;
};

enum { OPENCV, PILLOW };

static const struct rn_opt options[] = {
    { 0, "mode", RN_OPT_CHOICE, RN_AT(equalize, mode), 0, 0, "as OpenCV or Pillow does it", "cv|pil" },
    { 0, "by_channels", RN_OPT_FLAG, RN_AT(equalize, by_channels), 0, 0, "each channel by itself", NULL },
    RN_OPT_LAST,
};

static void as_opencv(uint8_t table[256], const uint32_t count[256], size_t n)
{
    int i = 0;
    while (!count[i])
        i++;
    uint32_t sum = 0;
    float scale = 255.0f / (float)(n - count[i]);
    memset(table, i, 256);
    if (count[i] == n)
        return;
    memset(table, 0, (size_t)i + 1);
    for (i++; i < 256; i++) {
        sum += count[i];
        table[i] = (uint8_t)rn_clip255((int)lrintf((float)sum * scale));
    }
}

static void as_pillow(uint8_t table[256], const uint32_t count[256], size_t n)
{
    int last = 255, levels = 0;
    while (!count[last])
        last--;
    for (int i = 0; i < 256; i++) {
        table[i] = (uint8_t)i;
        levels += count[i] > 0;
    }
    uint64_t step = (n - count[last]) / 255, sum = step / 2;
    for (int i = 0; levels > 1 && step && i < 256; i++) {
        table[i] = (uint8_t)(sum / step < 255 ? sum / step : 255);
        sum += count[i];
    }
}

static void make_table(uint8_t table[256], const uint8_t *x, size_t n, size_t apart, int mode)
{
    uint32_t count[256] = { 0 };
    for (size_t i = 0; i < n; i++)
        count[x[i * apart]]++;
    if (mode == PILLOW)
        as_pillow(table, count, n);
    else
        as_opencv(table, count, n);
}

/* OpenCV's YCrCb, 14 bits. */
static int32_t rounded(int32_t v)
{
    return (v + (1 << 13)) >> 14;
}

static void to_luma(uint8_t *y, const uint8_t *x, size_t n)
{
    for (size_t i = 0; i < 3 * n; i += 3) {
        int32_t r = x[i], g = x[i + 1], b = x[i + 2], luma = rounded(r * 4899 + g * 9617 + b * 1868);
        y[i] = (uint8_t)luma;
        y[i + 1] = (uint8_t)rn_clip255(rounded((r - luma) * 11682 + (128 << 14)));
        y[i + 2] = (uint8_t)rn_clip255(rounded((b - luma) * 9241 + (128 << 14)));
    }
}

static void from_luma(uint8_t *x, size_t n)
{
    for (size_t i = 0; i < 3 * n; i += 3) {
        int32_t luma = x[i], cr = x[i + 1] - 128, cb = x[i + 2] - 128;
        x[i] = (uint8_t)rn_clip255(luma + rounded(cr * 22987));
        x[i + 1] = (uint8_t)rn_clip255(luma + rounded(cr * -11698 + cb * -5636));
        x[i + 2] = (uint8_t)rn_clip255(luma + rounded(cb * 29049));
    }
}

static int luma_alone(struct rn_canvas *x, int mode, struct rn_err *err)
{
    size_t n = x->height * x->width;
    uint8_t table[256], *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y)
        return -1;
    to_luma(y, x->pixels, n);
    make_table(table, y, n, 3, mode);
    for (size_t i = 0; i < 3 * n; i += 3)
        y[i] = table[y[i]];
    from_luma(y, n);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct equalize *o = opts;
    uint8_t table[3][256];
    (void)value, (void)count;
    if (!o->by_channels)
        return luma_alone(x, o->mode, err);
    for (size_t c = 0; c < 3; c++)
        make_table(table[c], (const uint8_t *)x->pixels + c, x->height * x->width, 3, o->mode);
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_equalize = {
    .class_name = "Equalize", .p = 0.5, .options = options, .size = sizeof(struct equalize),
    .defaults = &(const struct equalize){ OPENCV, true }, .neutral = "mask=null mask_params=*", .bytes_only = true, .apply = apply,
};
