/* affine.c -- scaled, sheared, turned and moved about its middle. Albumentations composes scikit-image's matrices; the terms and
 * their order are those of its AffineTransform from 0.19 on. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct affine {
    double scale[4], translate_percent[4], translate_px[4], rotate[2], shear[4]; /* NAN: not given */
    struct rn_sampling sampling;
    bool fit_output, keep_ratio;
};

enum { MOST = 1 << 20, AREA = 1 << 27 }; /* pixels of a result that fit_output wants */

static const struct rn_opt options[] = {
    { 0, "scale", RN_OPT_REALS, RN_AT(affine, scale), 1e-6, 1e6, "range of the factors", NULL, RN_XY | RN_NULL, NULL, 4 },
    { 0, "translate_percent", RN_OPT_REALS, RN_AT(affine, translate_percent), -1e6, 1e6, "range of the shift, as a share of the sides", NULL, RN_XY | RN_FROM_0 | RN_NULL, NULL, 4 },
    { 0, "translate_px", RN_OPT_REALS, RN_AT(affine, translate_px), -MOST, MOST, "range of the shift in whole pixels", NULL, RN_XY | RN_NULL, NULL, 4 },
    { 0, "rotate", RN_OPT_PAIR, RN_AT(affine, rotate), -1e6, 1e6, "range of the angle in degrees", NULL, RN_SAME | RN_NULL },
    { 0, "shear", RN_OPT_REALS, RN_AT(affine, shear), -1e6, 1e6, "range of the shear in degrees", NULL, RN_XY | RN_NULL, NULL, 4 },
    RN_SAMPLING(affine, sampling, "mode", "cval"),
    { 0, "fit_output", RN_OPT_FLAG, RN_AT(affine, fit_output), 0, 0, "the result is as large as what there is to be seen", NULL },
    { 0, "keep_ratio", RN_OPT_FLAG, RN_AT(affine, keep_ratio), 0, 0, "one factor for both directions", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "translate", 2, -1e6, 1e6 }, { "shear", 2, -1e6, 1e6 }, { "scale", 2, 1e-6, 1e6 },
                                         { "rotate", 1, -1e6, 1e6 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct affine *o = opts;
    if (!isnan(o->translate_percent[0]) && !isnan(o->translate_px[0]))
        return rn_fail(err, RN_EXIT_USAGE, "translate_percent and translate_px do not go together");
    for (int i = 0; i < 4; i++)
        if (o->translate_px[i] != rint(o->translate_px[i]) && !isnan(o->translate_px[i]))
            return rn_fail(err, RN_EXIT_USAGE, "translate_px: %g is not whole", o->translate_px[i]);
    if (o->translate_px[0] > o->translate_px[1] || o->translate_px[2] > o->translate_px[3])
        return rn_fail(err, RN_EXIT_USAGE, "translate_px: a range falls");
    if (o->keep_ratio && (o->scale[0] != o->scale[2] || o->scale[1] != o->scale[3]))
        return rn_fail(err, RN_EXIT_USAGE, "keep_ratio wants one range of scale for x and y");
    return 0;
}

/* What is not given is the usual, where nothing is, and no change otherwise. */
static struct affine completed(const struct affine *o)
{
    static const struct affine usual = { { 0.9, 1.1, 0.9, 1.1 }, { -0.1, 0.1, -0.1, 0.1 }, { NAN, NAN, NAN, NAN }, { -15, 15 },
                                         { -10, 10, -10, 10 }, { 0 }, false, false };
    struct affine all = *o;
    bool none = isnan(o->scale[0]) && isnan(o->translate_percent[0]) && isnan(o->translate_px[0]) && isnan(o->rotate[0]) &&
                isnan(o->shear[0]);
    for (int i = 0; i < 4; i++) {
        all.scale[i] = none ? usual.scale[i] : isnan(o->scale[i]) ? 1 : o->scale[i];
        all.shear[i] = none ? usual.shear[i] : isnan(o->shear[i]) ? 0 : o->shear[i];
        all.translate_percent[i] = none ? usual.translate_percent[i] : o->translate_percent[i];
        if (i < 2)
            all.rotate[i] = none ? usual.rotate[i] : isnan(o->rotate[i]) ? 0 : o->rotate[i];
    }
    return all;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct affine o = completed(opts);
    (void)x;
    for (int i = 0; i < 2; i++) {
        const double *percent = o.translate_percent + 2 * i, *pixels = o.translate_px + 2 * i;
        value[i] = !isnan(pixels[0]) ? rn_uniform_int(rng, pixels[0], pixels[1]) : isnan(percent[0]) ? 0
                   : rn_rng_uniform(rng, percent[0], percent[1]);
    }
    for (int i = 0; i < 2; i++)
        value[2 + i] = rn_rng_uniform(rng, o.shear[2 * i], o.shear[2 * i + 1]);
    for (int i = 0; i < 2; i++)
        value[4 + i] = rn_rng_uniform(rng, o.scale[2 * i], o.scale[2 * i + 1]);
    value[6] = rn_rng_uniform(rng, o.rotate[0], o.rotate[1]);
    return 7;
}

/* y = then * first, 3 x 3 each. */
static void multiply(double y[9], const double then[9], const double first[9])
{
    double product[9];
    for (int i = 0; i < 9; i++) {
        const double *row = then + i / 3 * 3, *column = first + i % 3;
        product[i] = row[0] * column[0] + row[1] * column[3] + row[2] * column[6];
    }
    memcpy(y, product, sizeof product);
}

static void append(double m[9], double sx, double sy, double rotation, double shear, double dx, double dy)
{
    double s = sin(rotation), c = cos(rotation), t = tan(shear);
    const double then[9] = { sx * c, -sy * (t * c + s), dx, sx * s, -sy * (t * s - c), dy, 0, 0, 1 };
    multiply(m, then, m);
}

static double radians(double degrees)
{
    return degrees * (M_PI / 180);
}

static void make_matrix(double m[9], const struct rn_canvas *x, const struct affine *o, const double *value)
{
    double cx = (double)x->width / 2 - 0.5, cy = (double)x->height / 2 - 0.5;
    double dx = value[0], dy = value[1], sx = value[4], sy = o->keep_ratio ? sx : value[5];
    if (isnan(o->translate_px[0])) {
        dx *= (double)x->width;
        dy *= (double)x->height;
    }
    memcpy(m, (const double[9]){ 1, 0, -cx, 0, 1, -cy, 0, 0, 1 }, 9 * sizeof *m);
    append(m, 1, 1, -M_PI / 2, 0, 0, 0);
    append(m, 1, 1, 0, radians(-value[3]), 0, 0);
    append(m, 1, 1, M_PI / 2, 0, 0, 0);
    append(m, sx, sy, radians(-value[6]), radians(-value[2]), dx, dy);
    append(m, 1, 1, 0, 0, cx, cy);
}

/* Moves what there is to be seen into view; its size. */
static void fit(double m[9], double *height, double *width)
{
    double right = *width - 1, bottom = *height - 1, low[2] = { INFINITY, INFINITY }, high[2] = { -INFINITY, -INFINITY };
    const double corner[4][2] = { { 0, 0 }, { 0, bottom }, { right, bottom }, { right, 0 } };
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < 2; k++) {
            double at = m[3 * k] * corner[i][0] + m[3 * k + 1] * corner[i][1] + m[3 * k + 2];
            low[k] = fmin(low[k], at);
            high[k] = fmax(high[k], at);
        }
    *width = ceil(high[0] - low[0] + 1);
    *height = ceil(high[1] - low[1] + 1);
    append(m, 1, 1, 0, 0, -low[0], -low[1]);
}

static bool changes_nothing(const double m[9])
{
    for (int i = 0; i < 9; i++)
        if (!(fabs(m[i] - (i % 4 == 0)) <= 1e-8 + (i % 4 == 0 ? 1e-5 : 0)))
            return false;
    return true;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct affine *o = opts;
    double m[9], height = (double)x->height, width = (double)x->width;
    (void)count;
    make_matrix(m, x, o, value);
    if (o->fit_output)
        fit(m, &height, &width);
    if (changes_nothing(m))
        return 0;
    if (!(height >= 1 && width >= 1 && height <= MOST && width <= MOST && height * width < (double)AREA))
        return rn_fail(err, RN_EXIT_DATA, "fit_output: a picture of %g x %g is too large", width, height);
    return rn_warp_affine(x, m, &o->sampling, (size_t)height, (size_t)width, err);
}

#define NOT_GIVEN { NAN, NAN, NAN, NAN }
const struct rn_augment rn_augment_affine = {
    .class_name = "Affine", .p = 0.5, .options = options, .size = sizeof(struct affine), .drawn = drawn,
    .defaults = &(const struct affine){ NOT_GIVEN, NOT_GIVEN, NOT_GIVEN, { NAN, NAN }, NOT_GIVEN, { RN_LINEAR, RN_CONSTANT, { 0 } },
                                        false, false },
    .neutral = "mask_interpolation=* cval_mask=* rotate_method=*", .check = check, .draw = draw, .apply = apply,
};
