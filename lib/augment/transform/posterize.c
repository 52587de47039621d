/* posterize.c -- only the highest bits of each level are left. */
#include "augment/private.h"

struct posterize {
    double num_bits[6]; /* least and most, for all channels; or for each of them */
};

static const struct rn_opt options[] = {
    { 0, "num_bits", RN_OPT_REALS, RN_AT(posterize, num_bits), -1, 8, "bits: one number, least and most, or three of these", NULL, RN_FEWER | RN_WHOLE, NULL, 6 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "num_bits", 0, 0, 8, 1 }, { 0 } };

static int given(const struct posterize *o)
{
    int n = 0;
    while (n < 6 && o->num_bits[n] >= 0)
        n++;
    return n;
}

static int check(const void *opts, struct rn_err *err)
{
    const struct posterize *o = opts;
    int n = given(o);
    if (n == 0 || n == 4 || n == 5)
        return rn_fail(err, RN_EXIT_USAGE, "num_bits: one number, two, three or three pairs of 0 to 8");
    for (int i = 0; n != 3 && i + 1 < n; i += 2)
        if (o->num_bits[i] > o->num_bits[i + 1])
            return rn_fail(err, RN_EXIT_USAGE, "num_bits: %g,%g falls", o->num_bits[i], o->num_bits[i + 1]);
    return 0;
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const double *bits = ((const struct posterize *)opts)->num_bits;
    int n = given(opts);
    if (n <= 2) {
        value[0] = rn_uniform_int(rng, bits[0], bits[n - 1]);
        return 1;
    }
    for (int c = 0; c < 3; c++)
        value[c] = n == 3 ? rn_uniform_int(rng, 0, bits[c]) : rn_uniform_int(rng, bits[2 * c], bits[2 * c + 1]);
    return 3;
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts;
    uint8_t table[3][256];
    if (count != 1 && count != 3)
        return rn_fail(err, RN_EXIT_DATA, "%zu numbers, not 1 or 3", count);
    for (int c = 0; c < 3; c++)
        for (int i = 0; i < 256; i++)
            table[c][i] = (uint8_t)(i & ~((1 << (8 - (int)value[count == 3 ? c : 0])) - 1));
    return rn_lookup(x, table, err);
}

const struct rn_augment rn_augment_posterize = {
    .class_name = "Posterize", .p = 0.5, .options = options, .size = sizeof(struct posterize), .drawn = drawn,
    .defaults = &(const struct posterize){ { 4, 4, -1, -1, -1, -1 } }, .bytes_only = true, .check = check, .draw = draw,
    .apply = apply,
};
