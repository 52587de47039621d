/* clahe.c -- adaptive equalization of the lightness, limited. */
#include <stdlib.h>

#include "augment/private.h"
#include "core/mem.h"

struct clahe {
    double clip_limit[2], tile_grid_size[2];
};

static const struct rn_opt options[] = {
    { 0, "clip_limit", RN_OPT_PAIR, RN_AT(clahe, clip_limit), 0, 1e6, "range of the limit, in mean counts of a level", NULL, RN_FROM_1 },
    { 0, "tile_grid_size", RN_OPT_REALS, RN_AT(clahe, tile_grid_size), 1, 256, "tiles across and down", NULL, RN_WHOLE, NULL, 2 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "clip_limit", 1, 0, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct clahe *o = opts;
    value[0] = rn_rng_uniform(rng, o->clip_limit[0], o->clip_limit[1]);
    return 1;
}

/* Lightness of the picture y, in Lab, is taken out, equalized and put back. */
static int equalize(uint8_t *y, uint8_t *plane, size_t height, size_t width, double clip, const struct clahe *o, struct rn_err *err)
{
    for (size_t i = 0; i < height * width; i++)
        plane[i] = y[3 * i];
    if (rn_clahe(plane, height, width, clip, (size_t)o->tile_grid_size[0], (size_t)o->tile_grid_size[1], err))
        return -1;
    for (size_t i = 0; i < height * width; i++)
        y[3 * i] = plane[i];
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)count;
    size_t height = x->height, width = x->width;
    uint8_t *y = rn_canvas_next(x, RN_U8, height, width, err), *plane = y ? rn_canvas_scratch(x, height * width, err) : NULL;
    struct rn_lab *lab = plane ? rn_lab_new(err) : NULL;
    if (!lab)
        return -1;
    rn_rgb_to_lab(lab, y, x->pixels, height * width);
    int rc = equalize(y, plane, height, width, value[0], opts, err);
    rn_lab_to_rgb(lab, y, y, height * width);
    free(lab);
    if (rc)
        return -1;
    rn_canvas_turn(x, RN_U8, height, width);
    return 0;
}

const struct rn_augment rn_augment_clahe = {
    .class_name = "CLAHE", .p = 0.5, .options = options, .size = sizeof(struct clahe), .drawn = drawn,
    .defaults = &(const struct clahe){ { 1, 4 }, { 8, 8 } }, .bytes_only = true, .draw = draw, .apply = apply,
};
