/* split.c -- tables with given margins, draws, published lists, conditions and slices of rn-pick. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/rng.h"
#include "pick/pick.h"
#include "split/split.h"

enum { GROUPS = 12, PARTS = 10 };

static struct rn_err err;

static void shares(void **state)
{
    (void)state;
    static const struct { const char *text; size_t n, total[3]; } rows[] = {
        { "70/13/17", 2527, { 1768, 328, 431 } }, { "70/13/17", 0, { 0, 0, 0 } },    { "70/13/17", 1, { 0, 0, 1 } },
        { "70/13/17", 10, { 7, 1, 2 } },          { "100/0/0", 7, { 7, 0, 0 } },     { "0/0/100", 7, { 0, 0, 7 } },
        { "33/33/34", 3, { 0, 0, 3 } },           { "1/1/98", 4294967299, { 42949672, 42949672, 4209067955 } },
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        unsigned share[3];
        size_t total[3];
        assert_int_equal(rn_split_parse_shares(share, rows[k].text, &err), 0);
        rn_split_by_shares(total, rows[k].n, share, 3);
        for (int j = 0; j < 3; j++)
            assert_int_equal(total[j], rows[k].total[j]);
    }
    static const char *const bad[] = { "", "70", "70/30", "70/13/18", "70/13/16", "70/13/17/0", "70/13/17 ", " 70/13/17",
                                       "+70/13/17", "70//30", "100/0", "150/-50/0", "70/13/x", "4294967366/13/17", "70.0/13/17" };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        unsigned share[3];
        struct rn_err failed = { 0 };
        assert_int_equal(rn_split_parse_shares(share, bad[k], &failed), -1);
        assert_int_equal(failed.exit, RN_EXIT_USAGE);
    }
}

static void evenly(void **state)
{
    (void)state;
    for (size_t n = 0; n < 40; n++)
        for (size_t parts = 1; parts <= PARTS; parts++) {
            size_t total[PARTS], sum = 0;
            rn_split_evenly(total, n, parts);
            for (size_t j = 0; j < parts; j++) {
                sum += total[j];
                assert_true(total[j] == n / parts || total[j] == n / parts + 1);
            }
            assert_int_equal(sum, n);
        }
}

/* Both margins, and |cell - size * total / n| < 1, in whole numbers. */
static void check_table(const size_t *size, size_t groups, const size_t *total, size_t parts)
{
    size_t cells[GROUPS * PARTS], n = 0;
    assert_int_equal(rn_split_table(cells, size, groups, total, parts, &err), 0);
    for (size_t i = 0; i < groups; i++)
        n += size[i];
    for (size_t i = 0; i < groups; i++) {
        size_t sum = 0;
        for (size_t j = 0; j < parts; j++) {
            int64_t apart = (int64_t)(cells[i * parts + j] * n) - (int64_t)(size[i] * total[j]);
            sum += cells[i * parts + j];
            if (n)
                assert_true(apart < (int64_t)n && apart > -(int64_t)n);
        }
        assert_int_equal(sum, size[i]);
    }
    for (size_t j = 0; j < parts; j++) {
        size_t sum = 0;
        for (size_t i = 0; i < groups; i++)
            sum += cells[i * parts + j];
        assert_int_equal(sum, total[j]);
    }
}

static void tables_of_any_kind(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(1, RN_FOR_SPLIT, 0, 0);
    for (int round = 0; round < 20000; round++) {
        size_t size[GROUPS], total[PARTS] = { 0 }, n = 0;
        size_t groups = 1 + rn_rng_below(&rng, GROUPS), parts = 1 + rn_rng_below(&rng, PARTS);
        uint64_t largest = 1 + rn_rng_below(&rng, round % 3 == 0 ? 4 : round % 3 == 1 ? 30 : 1000);
        for (size_t i = 0; i < groups; i++)
            n += size[i] = rn_rng_below(&rng, largest);
        if (round % 2) {
            rn_split_evenly(total, n, parts);
        } else { /* margins that nobody would ask for */
            size_t left = n;
            for (size_t j = 0; j + 1 < parts; j++)
                left -= total[j] = rn_rng_below(&rng, left + 1);
            total[parts - 1] = left;
        }
        check_table(size, groups, total, parts);
    }
    size_t cells[4], size[2] = { 1, 2 }, total[2] = { 1, 1 };
    assert_int_equal(rn_split_table(cells, size, 2, total, 2, &err), -1);
}

/* The greatest remainders alone leave row 2 of this table nowhere to go: cells have to change places. */
static void a_table_that_greed_misses(void **state)
{
    (void)state;
    for (size_t a = 1; a < 8; a++)
        for (size_t b = 1; b < 8; b++)
            for (size_t c = 1; c < 8; c++) {
                size_t size[3] = { a, b, c }, n = a + b + c;
                for (size_t x = 0; x <= n; x++)
                    for (size_t y = 0; x + y <= n; y++)
                        check_table(size, 3, (const size_t[]){ x, y, n - x - y }, 3);
            }
}

/* ---- draws ---- */

enum { MEMBERS = 300, CLASSES = 5 };
static char names[MEMBERS][32];

static void make_members(struct rn_split_member *member)
{
    for (size_t i = 0; i < MEMBERS; i++) {
        snprintf(names[i], sizeof names[i], "folder/%zu.jpg", i);
        member[i] = (struct rn_split_member){ .id = rn_text(names[i]), .group = i * i % CLASSES };
    }
}

static void draws_do_not_depend_on_order(void **state)
{
    (void)state;
    struct rn_split_member a[MEMBERS], b[MEMBERS];
    const size_t total[3] = { 210, 39, 51 };
    struct rn_rng rng = rn_rng(2, RN_FOR_SPLIT, 0, 0);
    size_t sum[3] = { 0 }, changed = 0;
    make_members(a);
    memcpy(b, a, sizeof b);
    for (size_t i = MEMBERS - 1; i > 0; i--) {
        size_t k = rn_rng_below(&rng, i + 1);
        struct rn_split_member swap = b[i];
        b[i] = b[k];
        b[k] = swap;
    }
    assert_int_equal(rn_split_draw(a, MEMBERS, CLASSES, total, 3, 1234, &err), 0);
    assert_int_equal(rn_split_draw(b, MEMBERS, CLASSES, total, 3, 1234, &err), 0);
    for (size_t i = 0; i < MEMBERS; i++) {
        size_t k = 0;
        while (b[k].id.data != a[i].id.data)
            k++;
        assert_int_equal(a[i].part, b[k].part);
        sum[a[i].part]++;
    }
    assert_memory_equal(sum, total, sizeof sum);
    assert_int_equal(rn_split_draw(b, MEMBERS, CLASSES, total, 3, 1235, &err), 0);
    for (size_t i = 0; i < MEMBERS; i++)
        for (size_t k = 0; k < MEMBERS; k++)
            changed += b[k].id.data == a[i].id.data && b[k].part != a[i].part;
    assert_true(changed > MEMBERS / 10);
}

static void groups_go_by_name(void **state)
{
    (void)state;
    struct rn_texts classes = { 0 };
    const char *const class_names[] = { "paper", "glass", "metal" };
    for (int i = 0; i < 3; i++)
        assert_int_equal(rn_texts_add(&classes, rn_text(class_names[i]), &err), 0);
    struct rn_split_member member[] = { { .group = 0 }, { .group = 1 }, { .group = 2 }, { .group = (size_t)RN_NIL } };
    const size_t expected[] = { 2, 0, 1, 3 };
    assert_int_equal(rn_split_group(member, 4, &classes, &err), 0);
    for (int i = 0; i < 4; i++)
        assert_int_equal(member[i].group, expected[i]);
    rn_texts_free(&classes);
}

/* ---- lists ---- */

static int read_list(struct rn_lists *lists, const char *part, const char *text)
{
    char path[] = "/tmp/rn-test-list-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    err = (struct rn_err){ 0 };
    int rc = rn_lists_read(lists, rn_text(part), path, &err);
    unlink(path);
    return rc;
}

static void lists_find_samples(void **state)
{
    (void)state;
    struct rn_lists lists = { 0 };
    struct rn_text part;
    assert_int_equal(read_list(&lists, "train", "a.jpg 1\r\n\n  \na 1 b.jpg\t6\n"), 0);
    assert_int_equal(read_list(&lists, "val", "a.jpg 2"), 0);
    assert_int_equal(rn_lists_ready(&lists, &err), 0);
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("x/y/a.jpg"), RN_TEXT("paper"), &part, &err), 0);
    assert_true(rn_text_is(part, "val"));
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("c.jpg"), RN_TEXT("paper"), &part, &err), 0);
    assert_null(part.data);
    assert_int_equal(rn_lists_used_up(&lists, &err), -1);
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("a.jpg"), RN_TEXT("glass"), &part, &err), 0);
    assert_true(rn_text_is(part, "train"));
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("/a 1 b.jpg"), (struct rn_text){ 0 }, &part, &err), 0);
    assert_true(rn_text_is(part, "train"));
    assert_int_equal(rn_lists_used_up(&lists, &err), 0);
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("z/a.jpg"), RN_TEXT("glass"), &part, &err), -1);
    rn_lists_free(&lists);
}

static void lists_that_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a.jpg", "a.jpg 0", "a.jpg 7", "a.jpg x", "1", " 1", "a.jpg -1", "a.jpg 12", "a.jpg 1.5",
                                       "ok.jpg 1\na.jpg 100000000000000000000000001" };
    struct rn_lists lists = { 0 };
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(read_list(&lists, "train", bad[k]), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
        assert_non_null(strstr(err.text, strchr(bad[k], '\n') ? ": line 2: " : ": line 1: "));
        rn_lists_free(&lists);
    }
    assert_int_equal(read_list(&lists, "train", "a.jpg 1\n"), 0);
    assert_int_equal(read_list(&lists, "test", "a.jpg 1\n"), 0);
    assert_int_equal(rn_lists_ready(&lists, &err), -1);
    rn_lists_free(&lists);
    struct rn_text part;
    assert_int_equal(read_list(&lists, "train", "a.jpg 1\n"), 0);
    assert_int_equal(rn_lists_find(&lists, RN_TEXT("a.jpg"), RN_TEXT("metal"), &part, &err), 0);
    assert_null(part.data);
    assert_int_equal(rn_lists_used_up(&lists, &err), -1);
    assert_non_null(strstr(err.text, "metal"));
    rn_lists_free(&lists);
}

/* ---- rn-pick ---- */

static bool holds(const char *const *conditions, const struct rn_head *head, const struct rn_record *record)
{
    struct rn_conditions c = { 0 };
    for (; *conditions; conditions++)
        assert_int_equal(rn_conditions_add(&c, *conditions, &err), 1);
    assert_int_equal(rn_conditions_check(&c, head, &err), 0);
    bool held = rn_conditions_hold(&c, head, record);
    rn_conditions_free(&c);
    return held;
}

static void conditions(void **state)
{
    (void)state;
    struct rn_head head;
    rn_head_init(&head, RN_SAMPLES);
    assert_int_equal(rn_texts_add(&head.classes, RN_TEXT("glass"), &err), 0);
    assert_int_equal(rn_texts_add(&head.classes, RN_TEXT("metal"), &err), 0);
    const struct rn_record sample = { .kind = RN_SAMPLES, .id = RN_TEXT("a=b"), .label = 1, .split = RN_TEXT("val"),
                                      .path = RN_TEXT("p") };
    const struct rn_record failed = { .kind = RN_SAMPLES, .id = RN_TEXT("x"), .label = RN_NIL, .error = RN_TEXT("broken") };
    static const struct { const char *conditions[4]; bool sample, failed; } rows[] = {
        { { NULL }, true, true },
        { { "label=metal" }, true, false },
        { { "label=" }, false, true },
        { { "label!=" }, true, false },
        { { "label=glass", "label=metal" }, true, false },
        { { "label!=glass", "label!=metal" }, false, true },
        { { "label=metal", "split=train" }, false, false },
        { { "label=metal", "split=train", "split=val" }, true, false },
        { { "id=a=b" }, true, false },
        { { "id!=a=b" }, false, true },
        { { "path=p" }, true, false },
        { { "error=" }, true, false },
        { { "error=broken" }, false, true },
        { { "split=" }, false, true },
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        assert_int_equal(holds(rows[k].conditions, &head, &sample), rows[k].sample);
        assert_int_equal(holds(rows[k].conditions, &head, &failed), rows[k].failed);
    }
    struct rn_conditions c = { 0 };
    assert_int_equal(rn_conditions_add(&c, "./label=x.rn", &err), 0);
    assert_int_equal(rn_conditions_add(&c, "file.rn", &err), 0);
    assert_int_equal(rn_conditions_add(&c, "labell=x", &err), -1);
    assert_int_equal(rn_conditions_add(&c, "epoch=x", &err), -1);
    assert_int_equal(rn_conditions_add(&c, "role=bias", &err), -1);
    assert_int_equal(c.count, 0);
    assert_int_equal(rn_conditions_add(&c, "label=wood", &err), 1);
    assert_int_equal(rn_conditions_check(&c, &head, &err), -1);
    rn_conditions_free(&c);
    rn_head_free(&head);
}

static void slices(void **state)
{
    (void)state;
    for (uint64_t n = 0; n < 30; n++)
        for (uint64_t of = 1; of < 12; of++) {
            uint64_t at = 0, first, end;
            for (uint64_t i = 1; i <= of; i++) {
                rn_part_run(n, i, of, &first, &end);
                assert_int_equal(first, at);
                assert_true(end - first == n / of || end - first == n / of + 1);
                at = end;
            }
            assert_int_equal(at, n);
        }
}

enum { MANY = 600 };

static struct rn_text numbered(char (*room)[32], size_t i, const char *form)
{
    snprintf(room[i], sizeof *room, form, (int)i);
    return rn_text(room[i]);
}

/* Sets of 1 to 9, half of them with members of two classes; every fifth member is a copy. */
static void sets_stay_together(void **state)
{
    (void)state;
    static char room[MANY][32];
    static struct rn_split_member member[MANY], mirrored[MANY];
    static bool copy[MANY], copy_mirrored[MANY];
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rn_sets sets, sets_mirrored;
        size_t photos = 0, total[3], got[3] = { 0 }, begin = 0;
        assert_int_equal(rn_sets_init(&sets, MANY, &err), 0);
        assert_int_equal(rn_sets_init(&sets_mirrored, MANY, &err), 0);
        struct rn_rng rng = rn_rng(seed, RN_FOR_DRAW, 0, 0);
        for (size_t i = 0; i < MANY; i++) {
            if (rn_rng_below(&rng, 5) == 0)
                begin = i;
            if (i - begin < 9) {
                rn_sets_join(&sets, begin, i);
                rn_sets_join(&sets_mirrored, MANY - 1 - i, MANY - 1 - begin);
            }
            copy[i] = i != begin && i - begin < 9 && i % 5 == 0;
            copy_mirrored[MANY - 1 - i] = copy[i];
            photos += !copy[i];
            member[i] = (struct rn_split_member){ .id = numbered(room, i, "photo %d"), .group = (i + begin) % 3 };
            mirrored[MANY - 1 - i] = member[i];
        }
        rn_split_by_shares(total, photos, (const unsigned[]){ 70, 13, 17 }, 3);
        assert_int_equal(rn_split_draw_sets(member, MANY, 3, total, 3, seed, &sets, copy, &err), 0);
        assert_int_equal(rn_split_draw_sets(mirrored, MANY, 3, total, 3, seed, &sets_mirrored, copy_mirrored, &err), 0);
        for (size_t i = 0; i < MANY; i++) {
            assert_int_equal(member[i].part, member[rn_sets_find(&sets, i)].part);
            assert_int_equal(member[i].part, mirrored[MANY - 1 - i].part);
            got[member[i].part] += !copy[i];
        }
        for (int j = 0; j < 3; j++)
            assert_true(llabs((long long)got[j] - (long long)total[j]) <= 9);
        rn_sets_free(&sets);
        rn_sets_free(&sets_mirrored);
    }
}

/* Copies change nothing for photos. */
static void copies_count_nothing(void **state)
{
    (void)state;
    static char room[MANY][32];
    static struct rn_split_member alone[MANY / 2], member[MANY];
    static bool copy[MANY];
    size_t total[4];
    struct rn_sets sets;
    assert_int_equal(rn_sets_init(&sets, MANY, &err), 0);
    for (size_t i = 0; i < MANY; i++) {
        copy[i] = i % 2;
        member[i] = (struct rn_split_member){ .id = numbered(room, i, copy[i] ? "copy %d" : "photo %d"), .group = i / 2 % 5 };
        if (copy[i])
            rn_sets_join(&sets, i - 1, i);
        else
            alone[i / 2] = member[i];
    }
    rn_split_evenly(total, MANY / 2, 4);
    assert_int_equal(rn_split_draw(alone, MANY / 2, 5, total, 4, 7, &err), 0);
    assert_int_equal(rn_split_draw_sets(member, MANY, 5, total, 4, 7, &sets, copy, &err), 0);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(member[i].part, alone[i / 2].part);
    rn_sets_free(&sets);
}

static void copies_find_their_photo(void **state)
{
    (void)state;
    /* of the same set when the digit is the same; '*': a copy */
    static const struct { const char *id, *set; int64_t label; } rows[] = {
        { "glass/a.jpg", "0", 0 },
        { "glass/a.jpg#basic.1", "0*", 0 },
        { "glass/a.jpg#my-own.12", "0*", 0 },
        { "glass/a.jpg#basic.1#affine.2", "0*", 0 },
        { "glass/a-basic-1.jpg", "0*", 0 },
        { "glass/a-basic-1-affine-2.jpg", "0*", 0 },
        { "glass/a-my-own-3.jpg", "0*", 0 },
        { "there/glass/a-distort-7.jpg", "0*", 0 },
        { "metal/a-basic-1.jpg", "1", 1 }, /* its photo is not there: the first of its copies stands for it */
        { "metal/a-basic-2.jpg", "1*", 1 },
        { "metal/a-affine-1.png", "1*", 1 },
        { "metal/a.jpg#basic.3", "1*", 1 },
        { "metal/b-left-1.jpg", "2", 1 }, /* a name like any other: no b is there, and no such recipe is known */
        { "metal/b-left-2.jpg", "3", 1 },
        { "metal/c-basic-01.jpg", "4", 1 },
        { "metal/c-basic-0.jpg", "5", 1 },
        { "metal/c#1.jpg", "6", 1 },
        { "metal/c#.1", "7", 1 },
        { "metal/-basic-1.jpg", "8", 1 },
        { "d/deep/x.jpg", "9", RN_NIL },
        { "e/x-basic-1.jpg", "9*", RN_NIL },
        { "basic-1.jpg", "A", RN_NIL },
        { "1", "B", RN_NIL },
        { "glass/t.png", "C", 0 }, /* two photos of one name: the file of the second has its ending, too */
        { "glass/t.jpg", "D", 0 },
        { "glass/t.png-basic-1.jpg", "C*", 0 },
        { "there/glass/t.png-my-own-2.jpg", "C*", 0 },
    };
    enum { ROWS = sizeof rows / sizeof *rows };
    struct rn_texts classes = { 0 };
    struct rn_text id[ROWS];
    int64_t label[ROWS];
    bool copy[ROWS];
    assert_int_equal(rn_texts_add(&classes, rn_text("glass"), &err) || rn_texts_add(&classes, rn_text("metal"), &err), 0);
    for (size_t from = 0; from < ROWS; from++) { /* in any order */
        struct rn_sets sets;
        assert_int_equal(rn_sets_init(&sets, ROWS, &err), 0);
        for (size_t i = 0; i < ROWS; i++) {
            id[i] = rn_text(rows[(i + from) % ROWS].id);
            label[i] = rows[(i + from) % ROWS].label;
        }
        assert_int_equal(rn_split_join_copies(&sets, copy, id, label, ROWS, &classes, &err), 0);
        for (size_t i = 0; i < ROWS; i++) {
            const char *set = rows[(i + from) % ROWS].set;
            if (copy[i] != (set[1] == '*') && *set != '1')
                fail_msg("%s: %s a copy", id[i].data, copy[i] ? "taken for" : "not seen as");
            for (size_t j = 0; j < i; j++)
                if ((rn_sets_find(&sets, i) == rn_sets_find(&sets, j)) != (*set == *rows[(j + from) % ROWS].set))
                    fail_msg("%s and %s", id[i].data, id[j].data);
        }
        rn_sets_free(&sets);
    }
    rn_texts_free(&classes);
    assert_true(rn_text_is(rn_split_photo(rn_text("a/b.jpg#basic.1#my.own.22")), "a/b.jpg"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares), cmocka_unit_test(evenly), cmocka_unit_test(tables_of_any_kind),
        cmocka_unit_test(a_table_that_greed_misses), cmocka_unit_test(draws_do_not_depend_on_order),
        cmocka_unit_test(groups_go_by_name), cmocka_unit_test(lists_find_samples), cmocka_unit_test(lists_that_are_refused),
        cmocka_unit_test(conditions), cmocka_unit_test(slices),
        cmocka_unit_test(sets_stay_together), cmocka_unit_test(copies_count_nothing), cmocka_unit_test(copies_find_their_photo),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
