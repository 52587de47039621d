/* elastic_transform.c -- a random affine map, then a smooth random displacement; both follow from the drawn state. With the usual
 * alpha 1 and sigma 50 the displacement is below 1/64 pixel nearly everywhere, where it moves nothing. */
#include <stdlib.h>

#include "augment/private.h"

struct elastic_transform {
    double alpha, sigma, alpha_affine;
    bool same; /* one displacement for both directions */
    struct rn_sampling sampling;
};

static const struct rn_opt options[] = {
    { 0, "alpha", RN_OPT_REAL, RN_AT(elastic_transform, alpha), 0, 1e6, "factor of the displacement", NULL },
    { 0, "sigma", RN_OPT_REAL, RN_AT(elastic_transform, sigma), 0, 1e3, "width of the filter in pixels", NULL },
    { 0, "alpha_affine", RN_OPT_REAL, RN_AT(elastic_transform, alpha_affine), 0, 1e6, "range of the affine map's offsets in pixels", NULL },
    { 0, "same_dxdy", RN_OPT_FLAG, RN_AT(elastic_transform, same), 0, 0, "as far to the right as down", NULL },
    RN_SAMPLING(elastic_transform, sampling, "border_mode", "value"),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "random_state", 1, 0, 1e6, 1 }, { "offsets", 6, -1e6, 1e6 }, { 0 } };

enum { STATES = 10001 };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct elastic_transform *o = opts;
    value[0] = (double)rn_rng_below(rng, STATES);
    struct rn_rng state = rn_rng((uint64_t)value[0], RN_FOR_AUGMENT, 0, 0);
    for (int i = 1; i <= 6; i++)
        value[i] = (double)(float)rn_rng_uniform(&state, -o->alpha_affine, o->alpha_affine);
    return 7;
}

/* The affine map that takes three points to three others. */
static void solve(double m[6], const double from[6], const double to[6])
{
    double ax = from[2] - from[0], ay = from[3] - from[1], bx = from[4] - from[0], by = from[5] - from[1], d = ax * by - ay * bx;
    for (int r = 0; r < 2; r++) {
        double a = to[2 + r] - to[r], b = to[4 + r] - to[r];
        m[3 * r] = d != 0 ? (a * by - b * ay) / d : 0;
        m[3 * r + 1] = d != 0 ? (b * ax - a * bx) / d : 0;
        m[3 * r + 2] = to[r] - m[3 * r] * from[0] - m[3 * r + 1] * from[1];
    }
}

/* The reference points are made as (row, column) and used as (x, y). */
static int warp(struct rn_canvas *x, const double offset[6], const struct rn_sampling *how, struct rn_err *err)
{
    double a = (double)(x->height / 2), b = (double)(x->width / 2), q = (double)((x->height < x->width ? x->height : x->width) / 3);
    double from[6] = { a + q, b + q, a + q, b - q, a - q, b - q }, to[6], m[6];
    for (int i = 0; i < 6; i++)
        to[i] = (double)(float)(from[i] + offset[i]);
    solve(m, from, to);
    return rn_warp_affine(x, m, how, x->height, x->width, err);
}

static int displace(struct rn_canvas *x, const struct elastic_transform *o, double state, struct rn_err *err)
{
    struct rn_rng rng = rn_rng((uint64_t)state, RN_FOR_AUGMENT, 1, 0);
    struct rn_field field;
    if (rn_field_random(&field, x->height, x->width, o->alpha, o->sigma, &rng, err))
        return -1;
    int rc = rn_displace(x, field.dx, o->same ? field.dx : field.dy, field.rows, field.columns, &o->sampling, err);
    free(field.dx);
    return rc;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct elastic_transform *o = opts;
    (void)count;
    return warp(x, value + 1, &o->sampling, err) || (o->alpha > 0 && displace(x, o, value[0], err)) ? -1 : 0;
}

const struct rn_augment rn_augment_elastic_transform = {
    .class_name = "ElasticTransform", .until = 6, .p = 0.5, .options = options, .size = sizeof(struct elastic_transform),
    .drawn = drawn, .defaults = &(const struct elastic_transform){ 1, 50, 50, false, { RN_LINEAR, RN_REFLECT_101, { 0 } } },
    .neutral = "mask_value=* approximate=false",
    .draw = draw, .apply = apply,
};
