/* random_shadow.c -- polygons in which the lightness is halved. The whole picture goes to HLS and back, which changes pixels
 * outside of them a little, too. */
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

struct random_shadow {
    double shadow_roi[4];
    int64_t num_shadows_lower, num_shadows_upper, shadow_dimension;
};

static const struct rn_opt options[] = {
    { 0, "shadow_roi", RN_OPT_REALS, RN_AT(random_shadow, shadow_roi), 0, 1, "left, top, right, bottom of where corners may be", NULL, 0, NULL, 4 },
    { 0, "num_shadows_lower", RN_OPT_INT, RN_AT(random_shadow, num_shadows_lower), 0, 16, "fewest polygons", NULL },
    { 0, "num_shadows_upper", RN_OPT_INT, RN_AT(random_shadow, num_shadows_upper), 0, 16, "most polygons", NULL },
    { 0, "shadow_dimension", RN_OPT_INT, RN_AT(random_shadow, shadow_dimension), 3, 16, "corners of a polygon", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "polygons", 0, 0, 1 << 20, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct random_shadow *o = opts;
    if (o->shadow_roi[0] > o->shadow_roi[2] || o->shadow_roi[1] > o->shadow_roi[3])
        return rn_fail(err, RN_EXIT_USAGE, "shadow_roi: left,top lies behind right,bottom");
    if (o->num_shadows_lower > o->num_shadows_upper)
        return rn_fail(err, RN_EXIT_USAGE, "num_shadows_lower is more than num_shadows_upper");
    return 0;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct random_shadow *o = opts;
    double left = (double)(size_t)(o->shadow_roi[0] * (double)x->width),
           right = (double)(size_t)(o->shadow_roi[2] * (double)x->width);
    double top = (double)(size_t)(o->shadow_roi[1] * (double)x->height),
           bottom = (double)(size_t)(o->shadow_roi[3] * (double)x->height);
    double shadows = rn_uniform_int(rng, (double)o->num_shadows_lower, (double)o->num_shadows_upper);
    size_t n = (size_t)shadows * (size_t)o->shadow_dimension;
    for (size_t i = 0; i < n; i++) {
        value[2 * i] = rn_uniform_int(rng, left, right);
        value[2 * i + 1] = rn_uniform_int(rng, top, bottom);
    }
    return 2 * n;
}

/* Polygons one after the other, all of the same number of corners. */
static int fill(uint8_t *mask, const struct rn_canvas *x, const double *value, size_t count, size_t corners, struct rn_err *err)
{
    int vertex[32];
    memset(mask, 0, x->height * x->width);
    for (size_t first = 0; first + 2 * corners <= count; first += 2 * corners) {
        for (size_t i = 0; i < 2 * corners; i++)
            vertex[i] = (int)value[first + i];
        if (rn_polygon_fill(mask, x->height, x->width, vertex, corners, err))
            return -1;
    }
    return 0;
}

RN_PLAIN darken_plain(uint8_t *restrict hls, const uint8_t *restrict mask, size_t n)
{
    for (size_t i = 0; i < n; i++)
        hls[3 * i + 1] = (uint8_t)(hls[3 * i + 1] >> mask[i]);
}
RN_WIDE(darken, (uint8_t *restrict hls, const uint8_t *restrict mask, size_t n), (hls, mask, n))

static int shade(struct rn_canvas *x, const uint8_t *mask, struct rn_err *err)
{
    size_t height = x->height, width = x->width;
    uint8_t *y = rn_canvas_next(x, RN_U8, height, width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < height; i++) {
        uint8_t *row = y + i * width * 3;
        rn_rgb_to_hls(row, (const uint8_t *)x->pixels + i * width * 3, width);
        darken(row, mask + i * width, width);
        rn_hls_to_rgb(row, row, width);
    }
    rn_canvas_turn(x, RN_U8, height, width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct random_shadow *o = opts;
    bool floats = x->type == RN_F32;
    uint8_t *mask = rn_canvas_scratch(x, x->height * x->width, err);
    if (!mask || fill(mask, x, value, count, (size_t)o->shadow_dimension, err) || (floats && rn_to_bytes(x, true, err)) ||
        shade(x, mask, err))
        return -1;
    return floats ? rn_to_floats(x, err) : 0;
}

const struct rn_augment rn_augment_random_shadow = {
    .class_name = "RandomShadow", .until = 4, .p = 0.5, .options = options, .size = sizeof(struct random_shadow), .drawn = drawn,
    .defaults = &(const struct random_shadow){ { 0, 0.5, 1, 1 }, 1, 2, 5 }, .check = check, .draw = draw, .apply = apply,
};
