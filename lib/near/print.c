/* print.c -- a photo's print, and two prints beside each other. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "near/near.h"

enum { GREY = 32, WAVES = 8, HALF = GREY / RN_NEAR_SIDE };

const char *rn_near_turn(int turn)
{
    static const char *const names[RN_NEAR_TURNS] = { "same", "mirrored", "turned 90", "turned 90, mirrored", "turned 180",
                                                      "turned 180, mirrored", "turned 270", "turned 270, mirrored" };
    return names[turn];
}

/* Turn t of a picture shows at (y, x) what the picture has at (*v, *u): first turned counter-clockwise, then mirrored. */
static void source_of(int turn, size_t side, size_t y, size_t x, size_t *v, size_t *u)
{
    size_t last = side - 1;
    if (turn & 1)
        x = last - x;
    switch (turn >> 1) {
    case 0: *v = y; *u = x; break;
    case 1: *v = x; *u = last - y; break;
    case 2: *v = last - y; *u = last - x; break;
    default: *v = last - x; *u = y; break;
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* f(WAVES, WAVES): the lowest waves down and across, without their common factor. */
static void transform(double f[WAVES][WAVES], double grey[GREY][GREY])
{
    double wave[WAVES][GREY], rows[WAVES][GREY];
    for (int k = 0; k < WAVES; k++)
        for (int i = 0; i < GREY; i++)
            wave[k][i] = cos(3.14159265358979323846 * (2 * i + 1) * k / (2 * GREY));
    for (int k = 0; k < WAVES; k++)
        for (int x = 0; x < GREY; x++) {
            rows[k][x] = 0;
            for (int y = 0; y < GREY; y++)
                rows[k][x] += wave[k][y] * grey[y][x];
        }
    for (int k = 0; k < WAVES; k++)
        for (int m = 0; m < WAVES; m++) {
            f[k][m] = 0;
            for (int x = 0; x < GREY; x++)
                f[k][m] += rows[k][x] * wave[m][x];
            f[k][m] = fabs(f[k][m]) < 1 ? 0 : f[k][m]; /* what rounding leaves of a wave that is not there */
        }
}

/* Wave (k, m) of the picture in this turn: an odd wave changes its sign when it is mirrored. */
static double turned(double f[WAVES][WAVES], int turn, int k, int m)
{
    int quarter = turn >> 1;
    double value = quarter & 1 ? f[m][k] : f[k][m];
    bool down = quarter == 1 || quarter == 2, across = (quarter == 2 || quarter == 3) != (turn & 1);
    return (down && k & 1) != (across && m & 1) ? -value : value;
}

static uint64_t hash_of(double f[WAVES][WAVES], int turn)
{
    double value[WAVES * WAVES], sorted[WAVES * WAVES];
    uint64_t hash = 0;
    for (int i = 0; i < WAVES * WAVES; i++)
        value[i] = sorted[i] = turned(f, turn, i / WAVES, i % WAVES);
    qsort(sorted + 1, WAVES * WAVES - 1, sizeof *sorted, ascending);
    for (int i = 1; i < WAVES * WAVES; i++)
        hash |= (uint64_t)(value[i] > sorted[WAVES * WAVES / 2]) << i;
    return hash;
}

int rn_print_make(struct rn_print *print, const struct rn_image *x, struct rn_err *err)
{
    uint8_t small[GREY * GREY * 3];
    double grey[GREY][GREY], f[WAVES][WAVES];
    const struct rn_box all = { 0, 0, x->height, x->width }, small_all = { 0, 0, GREY, GREY };
    if (rn_image_resample(small, x, all, GREY, GREY, small_all, err))
        return -1;
    for (size_t i = 0; i < GREY * GREY; i++)
        grey[i / GREY][i % GREY] = 299 * small[3 * i] + 587 * small[3 * i + 1] + 114 * small[3 * i + 2];
    transform(f, grey);
    for (int turn = 0; turn < RN_NEAR_TURNS; turn++)
        print->hash[turn] = hash_of(f, turn);
    for (size_t i = 0; i < sizeof print->pixels; i++) {
        size_t c = i % 3, px = i / 3 % RN_NEAR_SIDE, py = i / 3 / RN_NEAR_SIDE, sum = HALF * HALF / 2;
        for (size_t k = 0; k < HALF * HALF; k++)
            sum += small[((HALF * py + k / HALF) * GREY + HALF * px + k % HALF) * 3 + c];
        print->pixels[i] = (uint8_t)(sum / (HALF * HALF));
    }
    print->valid = true;
    return 0;
}

int rn_print_distance(const struct rn_print *a, const struct rn_print *b, int *turn)
{
    int least = 64;
    for (int t = 0; t < RN_NEAR_TURNS; t++) {
        int bits = __builtin_popcountll(a->hash[0] ^ b->hash[t]);
        if (bits < least) {
            least = bits;
            *turn = t;
        }
    }
    return least;
}

static int64_t mean_gap(const uint64_t *a, const uint64_t *b)
{
    int64_t gap = 0;
    for (int c = 0; c < 3; c++) {
        int64_t d = llabs((int64_t)a[c] - (int64_t)b[c]);
        gap = d > gap ? d : gap;
    }
    return gap;
}

/* In whole numbers, so that it is the same everywhere: sums over n pixels of products, less the products of sums. */
double rn_print_alike(const struct rn_print *a, const struct rn_print *b, int turn)
{
    const int64_t n = RN_NEAR_SIDE * RN_NEAR_SIDE;
    uint64_t sa[3] = { 0 }, sb[3] = { 0 };
    int64_t aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < (size_t)n; i++) {
        size_t v, u;
        source_of(turn, RN_NEAR_SIDE, i / RN_NEAR_SIDE, i % RN_NEAR_SIDE, &v, &u);
        const uint8_t *p = a->pixels + 3 * i, *q = b->pixels + 3 * (v * RN_NEAR_SIDE + u);
        for (int c = 0; c < 3; c++) {
            sa[c] += p[c];
            sb[c] += q[c];
            aa += p[c] * p[c];
            bb += q[c] * q[c];
            ab += p[c] * q[c];
        }
    }
    aa *= n;
    bb *= n;
    ab *= n;
    for (int c = 0; c < 3; c++) {
        aa -= (int64_t)(sa[c] * sa[c]);
        bb -= (int64_t)(sb[c] * sb[c]);
        ab -= (int64_t)(sa[c] * sb[c]);
    }
    const int64_t flat = 3 * n * n; /* a variance of one level */
    if (aa <= flat && bb <= flat)
        return mean_gap(sa, sb) <= 4 * n ? 1 : 0;
    return aa && bb ? (double)ab / (sqrt((double)aa) * sqrt((double)bb)) : 0;
}
