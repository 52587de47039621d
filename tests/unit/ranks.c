/* ranks.c -- leaves of a batch, and sums over them by a tree: against float64, and the same bits however leaves are shared out. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "device/ranks/tree.c" /* it is a plug-in's */

enum { LEAVES = 8, COUNT = 1000, CHANNELS = 5, MOST = 40 };

static float leaf[LEAVES][COUNT];

static void draw(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(7, RN_FOR_INIT, 1, 0);
    for (size_t l = 0; l < LEAVES; l++)
        for (size_t i = 0; i < COUNT; i++)
            leaf[l][i] = (float)(rn_rng_normal(&rng) * pow(10, (double)(i % 7) - 3));
}

/* The tree over `ranks`, each with its own leaves. */
static void sum(float *total, size_t ranks)
{
    static float room[LEAVES][COUNT];
    float *row[LEAVES], *top[LEAVES];
    size_t own = LEAVES / ranks;
    memcpy(room, leaf, sizeof room);
    for (size_t l = 0; l < LEAVES; l++)
        row[l] = room[l];
    for (size_t r = 0; r < ranks; r++) {
        rn_ranks_add_floats(row + r * own, own, 0, COUNT / 3);
        rn_ranks_add_floats(row + r * own, own, COUNT / 3, COUNT - COUNT / 3);
        top[r] = row[r * own];
    }
    rn_ranks_add_floats(top, ranks, 0, COUNT);
    memcpy(total, top[0], COUNT * sizeof *total);
}

static void test_same_bits(void **state)
{
    float one[COUNT], other[COUNT];
    draw(state);
    sum(one, 1);
    for (size_t ranks = 2; ranks <= LEAVES; ranks *= 2) {
        sum(other, ranks);
        assert_memory_equal(one, other, sizeof one);
    }
}

static void test_near_float64(void **state)
{
    float total[COUNT];
    draw(state);
    sum(total, 2);
    for (size_t i = 0; i < COUNT; i++) {
        double exact = 0, size = 0;
        for (size_t l = 0; l < LEAVES; l++) {
            exact += (double)leaf[l][i];
            size += fabs((double)leaf[l][i]);
        }
        if (!(fabs((double)total[i] - exact) <= 3 * 0x1p-24 * size)) /* three additions deep */
            fail_msg("number %zu is %.9g, not %.9g", i, (double)total[i], exact);
    }
}

static void test_doubles(void **state)
{
    double row[LEAVES][COUNT], two[LEAVES][COUNT];
    draw(state);
    for (size_t l = 0; l < LEAVES; l++)
        for (size_t i = 0; i < COUNT; i++)
            row[l][i] = two[l][i] = (double)leaf[l][i];
    rn_ranks_add_doubles(row[0], LEAVES, COUNT);
    rn_ranks_add_doubles(two[0], LEAVES / 2, COUNT);
    rn_ranks_add_doubles(two[LEAVES / 2], LEAVES / 2, COUNT);
    for (size_t i = 0; i < COUNT; i++)
        assert_true(row[0][i] == two[0][i] + two[LEAVES / 2][i]);
}

/* Statistics of a batch of n rows, with a mean far from 0, from those of its leaves, of which some are empty. */
static void moments(size_t n)
{
    static double row[LEAVES][1 + 2 * CHANNELS];
    memset(row, 0, sizeof row);
    for (size_t l = 0; l < LEAVES; l++) {
        size_t from = rn_ranks_first(n, l, LEAVES), to = rn_ranks_first(n, l + 1, LEAVES);
        row[l][0] = (double)(to - from);
        for (size_t c = 0; c < CHANNELS && to > from; c++) {
            for (size_t i = from; i < to; i++)
                row[l][1 + c] += (1000 + (double)leaf[c][i]) / row[l][0];
            for (size_t i = from; i < to; i++)
                row[l][1 + CHANNELS + c] += pow(1000 + (double)leaf[c][i] - row[l][1 + c], 2);
        }
    }
    rn_ranks_add_moments(row[0], LEAVES, CHANNELS);
    assert_true(row[0][0] == (double)n);
    for (size_t c = 0; c < CHANNELS; c++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < n; i++)
            mean += (1000 + (double)leaf[c][i]) / (double)n;
        for (size_t i = 0; i < n; i++)
            squares += pow(1000 + (double)leaf[c][i] - mean, 2);
        if (!(fabs(row[0][1 + c] - mean) <= 1e-12 * mean) || !(fabs(row[0][1 + CHANNELS + c] - squares) <= 1e-9 * (1 + squares)))
            fail_msg("%zu rows, channel %zu: mean %.17g, not %.17g; squares %.17g, not %.17g", n, c, row[0][1 + c], mean,
                     row[0][1 + CHANNELS + c], squares);
    }
}

static void test_moments(void **state)
{
    draw(state);
    for (size_t n = 1; n <= MOST; n++)
        moments(n);
}

/* Each image is in one leaf; they differ by one image at most; a rank's images are its leaves'. */
static void test_leaves(void **state)
{
    (void)state;
    for (size_t n = 0; n <= MOST; n++) {
        assert_int_equal(rn_ranks_first(n, 0, LEAVES), 0);
        assert_int_equal(rn_ranks_first(n, LEAVES, LEAVES), n);
        for (size_t l = 0; l < LEAVES; l++) {
            size_t images = rn_ranks_first(n, l + 1, LEAVES) - rn_ranks_first(n, l, LEAVES);
            assert_true(images == n / LEAVES || images == n / LEAVES + 1);
            for (size_t ranks = 1; ranks <= LEAVES; ranks *= 2)
                if (l % (LEAVES / ranks) == 0)
                    assert_int_equal(rn_ranks_first(n, l, LEAVES), rn_ranks_first(n, l / (LEAVES / ranks), ranks));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_bits),
        cmocka_unit_test(test_near_float64),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
