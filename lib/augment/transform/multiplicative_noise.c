/* multiplicative_noise.c -- levels times a random number: one for all, for each channel, or for each pixel. Those of pixels follow
 * from the drawn seed. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct multiplicative_noise {
    double multiplier[2];
    bool per_channel, elementwise;
};

static const struct rn_opt options[] = {
    { 0, "multiplier", RN_OPT_PAIR, RN_AT(multiplicative_noise, multiplier), -1e6, 1e6, "range of the factor", NULL, RN_SAME },
    { 0, "per_channel", RN_OPT_FLAG, RN_AT(multiplicative_noise, per_channel), 0, 0, "each channel has its own", NULL },
    { 0, "elementwise", RN_OPT_FLAG, RN_AT(multiplicative_noise, elementwise), 0, 0, "each pixel has its own", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "multiplier", 0 }, { 0 } }; /* elementwise: the seed */

static bool of_pixels(const struct multiplicative_noise *o)
{
    return o->elementwise && o->multiplier[0] != o->multiplier[1];
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct multiplicative_noise *o = opts;
    size_t n = o->per_channel && o->multiplier[0] != o->multiplier[1] ? 3 : 1;
    (void)x;
    if (of_pixels(o)) {
        value[0] = (double)(rn_rng_u64(rng) >> 11);
        return 1;
    }
    for (size_t i = 0; i < n; i++)
        value[i] = rn_rng_uniform(rng, o->multiplier[0], o->multiplier[1]);
    return n;
}

static int multiply_pixels(struct rn_canvas *x, const struct multiplicative_noise *o, uint64_t seed, struct rn_err *err)
{
    struct rn_rng rng = rn_rng(seed, RN_FOR_AUGMENT, 0, 0);
    size_t n = x->height * x->width * 3;
    const uint8_t *bytes = x->pixels;
    const float *floats = x->pixels;
    void *y = rn_canvas_next(x, x->type, x->height, x->width, err);
    if (!y)
        return -1;
    double factor = 1, most = x->type == RN_U8 ? 255 : 1;
    for (size_t i = 0; i < n; i++) {
        if (o->per_channel || i % 3 == 0)
            factor = rn_rng_uniform(&rng, o->multiplier[0], o->multiplier[1]);
        double v = fmin(fmax((x->type == RN_U8 ? bytes[i] : (double)floats[i]) * factor, 0), most);
        if (x->type == RN_U8)
            ((uint8_t *)y)[i] = (uint8_t)v;
        else
            ((float *)y)[i] = (float)v;
    }
    rn_canvas_turn(x, x->type, x->height, x->width);
    return 0;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    uint8_t table[3][256];
    double factor[3];
    if (count != 1 && (count != 3 || of_pixels(opts)))
        return rn_fail(err, RN_EXIT_DATA, "%zu numbers, not 1 or 3", count);
    if (of_pixels(opts))
        return multiply_pixels(x, opts, (uint64_t)fabs(value[0]), err);
    for (size_t c = 0; c < 3; c++)
        factor[c] = value[count == 3 ? c : 0];
    if (x->type == RN_F32)
        return rn_linear_floats(x, factor, (const double[]){ 0, 0, 0 }, true, err);
    /* one number is multiplied in float32, three of them in double */
    for (size_t c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++) {
            float v = count == 3 ? (float)(i * factor[c]) : (float)i * (float)factor[c];
            table[c][i] = (uint8_t)(v > 0 ? v < 255 ? v : 255 : 0);
        }
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_multiplicative_noise = {
    .class_name = "MultiplicativeNoise", .p = 0.5, .options = options, .size = sizeof(struct multiplicative_noise), .drawn = drawn,
    .defaults = &(const struct multiplicative_noise){ { 0.9, 1.1 }, false, false }, .draw = draw, .apply = apply,
};
