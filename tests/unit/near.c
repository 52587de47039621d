/* near.c -- prints of photos: the same in every turn, another for another photo, any number of threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/rng.h"
#include "core/threads.h"
#include "near/near.h"

static struct rn_err err;

/* Blots of colour, a function of seed. */
static struct rn_image drawn(size_t height, size_t width, uint64_t seed)
{
    struct rn_image x = { malloc(height * width * 3), height, width };
    struct rn_rng rng = rn_rng(seed, RN_FOR_DRAW, 0, 0);
    double place[8][3];
    for (int k = 0; k < 8; k++)
        for (int c = 0; c < 3; c++)
            place[k][c] = rn_rng_unit(&rng);
    for (size_t i = 0; i < height * width; i++) {
        double v = (double)(i / width) / (double)height, u = (double)(i % width) / (double)width, sum[3] = { 20, 20, 20 };
        for (int k = 0; k < 8; k++) {
            double d = (v - place[k][0]) * (v - place[k][0]) + (u - place[k][1]) * (u - place[k][1]);
            sum[k % 3] += 200 * place[k][2] / (1 + 60 * d);
        }
        for (int c = 0; c < 3; c++)
            x.pixels[3 * i + c] = (uint8_t)(sum[c] > 255 ? 255 : sum[c]);
    }
    return x;
}

static struct rn_image turned(const struct rn_image *x)
{
    struct rn_image y = { malloc(x->height * x->width * 3), x->width, x->height };
    for (size_t i = 0; i < y.height; i++) /* counter-clockwise */
        for (size_t j = 0; j < y.width; j++)
            memcpy(y.pixels + (i * y.width + j) * 3, x->pixels + (j * x->width + x->width - 1 - i) * 3, 3);
    return y;
}

static struct rn_image mirrored(const struct rn_image *x)
{
    struct rn_image y = { malloc(x->height * x->width * 3), x->height, x->width };
    for (size_t i = 0; i < y.height; i++)
        for (size_t j = 0; j < y.width; j++)
            memcpy(y.pixels + (i * y.width + j) * 3, x->pixels + (i * x->width + x->width - 1 - j) * 3, 3);
    return y;
}

static struct rn_print print_of(struct rn_image x)
{
    struct rn_print print;
    assert_int_equal(rn_print_make(&print, &x, &err), 0);
    free(x.pixels);
    return print;
}

static void a_print_knows_its_turns(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 30; seed++) {
        struct rn_image x = drawn(48, 64, seed);
        struct rn_print print;
        assert_int_equal(rn_print_make(&print, &x, &err), 0);
        for (int turn = 0; turn < RN_NEAR_TURNS; turn++) {
            struct rn_image copy = { malloc(x.height * x.width * 3), x.height, x.width }, next;
            memcpy(copy.pixels, x.pixels, x.height * x.width * 3);
            for (int k = 0; k < turn / 2 + turn % 2; k++) {
                next = k < turn / 2 ? turned(&copy) : mirrored(&copy);
                free(copy.pixels);
                copy = next;
            }
            struct rn_print other = print_of(copy);
            int found;
            assert_in_range(__builtin_popcountll(print.hash[turn] ^ other.hash[0]), 0, 2);
            assert_in_range(rn_print_distance(&other, &print, &found), 0, 2);
            assert_true(rn_print_alike(&other, &print, turn) > 0.999);
        }
        free(x.pixels);
    }
}

static void other_photos_are_not_near(void **state)
{
    (void)state;
    enum { PHOTOS = 60 };
    static struct rn_print print[PHOTOS];
    int turn;
    for (uint64_t seed = 0; seed < PHOTOS; seed++)
        print[seed] = print_of(drawn(40, 60, seed));
    for (int i = 0; i < PHOTOS; i++)
        for (int j = 0; j < i; j++)
            assert_false(rn_print_distance(&print[i], &print[j], &turn) <= RN_NEAR_DISTANCE &&
                         rn_print_alike(&print[i], &print[j], turn) >= RN_NEAR_ALIKE);
}

static struct rn_print plain(uint8_t r, uint8_t g, uint8_t b)
{
    struct rn_image x = { malloc(20 * 20 * 3), 20, 20 };
    for (size_t i = 0; i < 400; i++)
        memcpy(x.pixels + 3 * i, (const uint8_t[]){ r, g, b }, 3);
    return print_of(x);
}

static void blank_pictures_are_near_by_their_colour(void **state)
{
    (void)state;
    struct rn_print white = plain(255, 255, 255), paper = plain(253, 254, 255), blue = plain(0, 0, 200);
    struct rn_print photo = print_of(drawn(20, 20, 1));
    int turn;
    assert_int_equal(rn_print_distance(&white, &blue, &turn), 0);
    assert_true(rn_print_alike(&white, &paper, turn) == 1);
    assert_true(rn_print_alike(&white, &blue, turn) == 0);
    assert_true(fabs(rn_print_alike(&white, &photo, 0)) < 0.5);
}

static void pairs_do_not_depend_on_threads(void **state)
{
    (void)state;
    enum { PHOTOS = 150 };
    static struct rn_print print[PHOTOS];
    const struct rn_prints prints = { .item = print, .count = PHOTOS };
    struct rn_pairs one = { 0 }, four = { 0 };
    for (size_t i = 0; i < PHOTOS; i++)
        print[i] = print_of(drawn(40, 60, i % 70));
    print[3].valid = false;
    assert_int_equal(rn_pairs_find(&one, &prints, RN_NEAR_DISTANCE, 1, &err), 0);
    assert_int_equal(rn_pairs_find(&four, &prints, RN_NEAR_DISTANCE, 4, &err), 0);
    assert_int_equal(one.count, 60 + 3 * 10 - 2);
    assert_int_equal(four.count, one.count);
    for (size_t k = 0; k < one.count; k++) {
        assert_int_equal(one.item[k].a, four.item[k].a);
        assert_int_equal(one.item[k].b, four.item[k].b);
        assert_int_equal(one.item[k].a % 70, one.item[k].b % 70);
    }
    rn_pairs_free(&one);
    rn_pairs_free(&four);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_print_knows_its_turns), cmocka_unit_test(other_photos_are_not_near),
        cmocka_unit_test(blank_pictures_are_near_by_their_colour), cmocka_unit_test(pairs_do_not_depend_on_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
