/* core.c -- the ground that everything stands on: random numbers, options, texts, files, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <float.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/isa.h"
#include "core/opt.h"
#include "core/rng.h"
#include "core/tensor.h"
#include "core/text.h"
#include "core/threads.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct rn_err err;

/* ---- instruction sets ---- */

static void choose_isa(const char *name, int want)
{
    enum rn_isa isa = RN_ISAS;
    if (name)
        setenv("RN_CPU", name, 1);
    else
        unsetenv("RN_CPU");
    if (want == RN_EXIT_OK) {
        assert_int_equal(rn_isa_choose(&isa, &err), 0);
        assert_true(isa < RN_ISAS);
        if (name && *name)
            assert_string_equal(rn_isa_names[isa], name);
    } else {
        assert_int_equal(rn_isa_choose(&isa, &err), -1);
        assert_int_equal(err.exit, want);
        assert_non_null(strstr(err.text, name));
    }
}

/* The first choice of a process is its choice. */
static void isa_of_the_environment(void **state)
{
    (void)state;
    const char *given = getenv("RN_CPU");
    char *was = given ? strdup(given) : NULL;
    choose_isa("portable", RN_EXIT_OK);
    assert_int_equal(rn_isa_chosen(), RN_ISA_PORTABLE);
    choose_isa(NULL, RN_EXIT_OK);
    choose_isa("", RN_EXIT_OK);
    assert_int_equal(rn_isa_chosen(), RN_ISA_PORTABLE);
    choose_isa("mmx", RN_EXIT_USAGE);
    choose_isa("avx", RN_EXIT_USAGE);
    choose_isa("avx512f", RN_EXIT_USAGE);
    was ? setenv("RN_CPU", was, 1) : unsetenv("RN_CPU");
    free(was);
}

/* ---- random numbers ---- */

/* The vectors that come with Random123. */
static void philox_vectors(void **state)
{
    (void)state;
    static const struct { uint32_t counter[4], key[2], out[4]; } rows[] = {
        { { 0, 0, 0, 0 }, { 0, 0 }, { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8 } },
        { { 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff }, { 0xffffffff, 0xffffffff },
          { 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd } },
        { { 0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344 }, { 0xa4093822, 0x299f31d0 },
          { 0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1 } },
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        uint32_t out[4];
        rn_philox(rows[i].key, rows[i].counter, out);
        assert_memory_equal(out, rows[i].out, sizeof out);
    }
}

static void rng_is_a_function(void **state)
{
    (void)state;
    struct rn_rng a = rn_rng(7, RN_FOR_CROP, 0x123456789abcdef0u, 3), b = a, c;
    for (int i = 0; i < 9; i++)
        assert_int_equal(rn_rng_u64(&a), rn_rng_u64(&b));
    const struct rn_rng others[] = {
        rn_rng(8, RN_FOR_CROP, 0x123456789abcdef0u, 3), rn_rng(7, RN_FOR_SPLIT, 0x123456789abcdef0u, 3),
        rn_rng(7, RN_FOR_CROP, 0x123456789abcdef1u, 3), rn_rng(7, RN_FOR_CROP, 0x923456789abcdef0u, 3),
        rn_rng(7, RN_FOR_CROP, 0x123456789abcdef0u, 4),
    };
    for (size_t i = 0; i < LENGTH(others); i++) {
        a = rn_rng(7, RN_FOR_CROP, 0x123456789abcdef0u, 3);
        c = others[i];
        assert_int_not_equal(rn_rng_u64(&a), rn_rng_u64(&c));
    }
}

static void rng_ranges(void **state)
{
    (void)state;
    enum { N = 20000 };
    struct rn_rng rng = rn_rng(1234, RN_FOR_INIT, 5, 0);
    double sum = 0, squares = 0, normal = 0, normal_squares = 0;
    int counts[7] = { 0 };
    for (int i = 0; i < N; i++) {
        double u = rn_rng_unit(&rng), v = rn_rng_uniform(&rng, -3, 5), g = rn_rng_normal(&rng);
        assert_true(u >= 0 && u < 1);
        assert_true(v >= -3 && v < 5);
        sum += u;
        squares += u * u;
        normal += g;
        normal_squares += g * g;
        counts[rn_rng_below(&rng, 7)]++;
    }
    /* five standard deviations */
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(squares / N - 1.0 / 3) < 5 * sqrt(4.0 / 45 / N));
    assert_true(fabs(normal / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(normal_squares / N - 1) < 5 * sqrt(2.0 / N));
    for (int k = 0; k < 7; k++)
        assert_true(fabs(counts[k] - N / 7.0) < 5 * sqrt(N * 6.0 / 49));
    assert_int_equal(rn_rng_below(&rng, 1), 0);
}

static void rng_beta(void **state)
{
    (void)state;
    enum { N = 20000 };
    static const double as[] = { 0.001, 0.2, 1, 5, 100 };
    struct rn_rng rng = rn_rng(1234, RN_FOR_MIX, 5, 0);
    for (size_t k = 0; k < sizeof as / sizeof *as; k++) {
        double a = as[k], sum = 0, squares = 0, variance = 1 / (4 * (2 * a + 1));
        for (int i = 0; i < N; i++) {
            double x = rn_rng_beta(&rng, a);
            assert_true(x >= 0 && x <= 1);
            sum += x;
            squares += (x - 0.5) * (x - 0.5);
        }
        assert_true(fabs(sum / N - 0.5) < 5 * sqrt(variance / N));
        assert_true(fabs(squares / N / variance - 1) < 0.1);
    }
}

/* ---- options ---- */

struct opts {
    bool flag;
    int64_t whole;
    double real, pair[2];
    uint64_t seed, many;
    const char *text, *maybe;
    struct rn_texts list;
    int choice;
    int64_t jobs;
};
static const struct rn_opt rows[] = {
    { 'f', "flag", RN_OPT_FLAG, RN_AT(opts, flag), 0, 0, "a flag" },
    { 'w', "whole", RN_OPT_INT, RN_AT(opts, whole), -5, 100, "a whole number" },
    { 'r', "real", RN_OPT_REAL, RN_AT(opts, real), 0, INFINITY, "a number" },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "a seed" },
    { 0, "many", RN_OPT_COUNT, RN_AT(opts, many), 1, 1e12, "a count" },
    { 't', "text", RN_OPT_TEXT, RN_AT(opts, text), 0, 0, "a text" },
    { 0, "maybe", RN_OPT_TEXT, RN_AT(opts, maybe), 0, 0, "a text, or none", NULL, RN_OPT_OPTIONAL },
    { 0, "list", RN_OPT_LIST, RN_AT(opts, list), 0, 0, "texts" },
    { 0, "choice", RN_OPT_CHOICE, RN_AT(opts, choice), 0, 0, "one of three", "eval|train|both" },
    { 0, "pair", RN_OPT_PAIR, RN_AT(opts, pair), -10, 10, "a pair" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 64, "how many at once", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};
static const struct opts usual = { .whole = 16, .real = 0.5, .seed = 1234, .many = 100, .pair = { -1, 1 }, .jobs = 1 };
static const struct rn_tool tool = { .name = "rn-test", .operands = "[FILE]", .summary = "test", .options = rows,
                                     .size = sizeof(struct opts), .defaults = &usual };

/* Parses `line`, cut at the spaces. */
static int parse(const struct rn_tool *what, struct opts *opts, struct rn_args *args, const char *line)
{
    static char words[256], *argv[32];
    int argc = 0;
    snprintf(words, sizeof words, "rn-test %s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    argv[argc] = NULL;
    err = (struct rn_err){ 0 };
    return rn_opt_parse(what, opts, args, argc, argv, &err);
}

static void opt_kinds(void **state)
{
    (void)state;
    struct opts o;
    struct rn_args args;
    assert_int_equal(parse(&tool, &o, &args, ""), RN_OPT_RUN);
    assert_memory_equal(&o, &usual, sizeof o);
    assert_int_equal(args.operands, 0);
    assert_int_equal(parse(&tool, &o, &args,
                           "-f -w -5 a --real=1e3 -s 18446744073709551615 --many 3K -t x=y --maybe --list b --list=a "
                           "--choice=both --pair 2.5 -j7 -q -o out --progress=never - -- -b"), RN_OPT_RUN);
    assert_true(o.flag);
    assert_int_equal(o.whole, -5);
    assert_true(o.real == 1000);
    assert_int_equal(o.seed, UINT64_MAX);
    assert_int_equal(o.many, 3000);
    assert_string_equal(o.text, "x=y");
    assert_string_equal(o.maybe, "");
    assert_int_equal(o.list.count, 2);
    assert_true(rn_text_is(o.list.item[0], "b") && rn_text_is(o.list.item[1], "a"));
    assert_int_equal(o.choice, 2);
    assert_true(o.pair[0] == -2.5 && o.pair[1] == 2.5);
    assert_int_equal(o.jobs, 7);
    assert_true(args.quiet);
    assert_string_equal(args.output, "out");
    assert_int_equal(args.progress, 2);
    assert_int_equal(args.operands, 3);
    assert_string_equal(args.operand[0], "a");
    assert_string_equal(args.operand[1], "-");
    assert_string_equal(args.operand[2], "-b");
    assert_int_equal(args.given, 0x7ff);
    rn_opt_free(&tool, &o);
    assert_int_equal(parse(&tool, &o, &args, "--pair=-2,0.25 --maybe=z --many=1M"), RN_OPT_RUN);
    assert_true(o.pair[0] == -2 && o.pair[1] == 0.25);
    assert_string_equal(o.maybe, "z");
    assert_int_equal(o.many, 1000000);
    assert_int_equal(args.given, 1 << 9 | 1 << 6 | 1 << 4);
}

static void opt_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "--whole=101", "--whole=-6", "--whole=", "--whole=1x", "--whole=99999999999999999999", "--whole=1.5",
        "--real=-1", "--real=nan", "--real=inf", "--real=1e999", "--real=x", "--real=", "--real=1,5",
        "--seed=-1", "--seed=+1", "--seed=18446744073709551616", "--seed=1K", "--seed=",
        "--many=0", "--many=2KK", "--many=K", "--many=99999999999999999G", "--many=1T", "--many=-5",
        "--choice=", "--choice=tra", "--choice=eval|train", "--choice=x",
        "--pair=", "--pair=1,", "--pair=,1", "--pair=2,1", "--pair=11", "--pair=-1", "--pair=nan,nan", "--pair=1,2,3",
        "--pair=0,inf", "--flag=yes", "--nothing", "-x", "-w", "--whole", "--progress=maybe",
    };
    struct opts o;
    struct rn_args args;
    for (size_t i = 0; i < LENGTH(bad); i++) {
        int rc = parse(&tool, &o, &args, bad[i]);
        rn_opt_free(&tool, &o);
        if (rc != -1 || err.exit != RN_EXIT_USAGE || strchr(err.text, '\n') || !*err.text)
            fail_msg("%s: %d, exit %d, '%s'", bad[i], rc, err.exit, err.text);
    }
    const struct rn_opt *whole = &rows[1], *real = &rows[2];
    assert_int_equal(rn_opt_set(whole, &o, " 5", &err), -1);
    assert_int_equal(rn_opt_set(real, &o, "\t1", &err), -1);
}

static void opt_documents(void **state)
{
    (void)state;
    struct opts o;
    struct rn_args args;
    assert_int_equal(parse(&tool, &o, &args, "--help"), RN_OPT_HELP);
    assert_int_equal(parse(&tool, &o, &args, "-h"), RN_OPT_HELP);
    assert_int_equal(parse(&tool, &o, &args, "-V"), RN_OPT_VERSION);
    assert_int_equal(parse(&tool, &o, &args, "--help-man"), RN_OPT_MAN);
    assert_int_equal(parse(&tool, &o, &args, "--help-completion"), RN_OPT_COMPLETION);
    for (int what = RN_OPT_HELP; what <= RN_OPT_COMPLETION; what++) {
        struct rn_buffer text = { 0 };
        assert_int_equal(rn_opt_document(&tool, (enum rn_opt_result)what, &text, &err), 0);
        assert_int_equal(rn_buffer_add(&text, "", 1, &err), 0);
        if (what == RN_OPT_VERSION)
            assert_non_null(strstr(text.data, "rn-test (recyclenet) " RN_VERSION "\n"));
        for (size_t i = 0; what != RN_OPT_VERSION && i < LENGTH(rows) - 1; i++)
            assert_non_null(strstr(text.data, rows[i].name));
        rn_buffer_free(&text);
    }
}

static void list_is(const struct rn_texts *list, const char *const *expected)
{
    size_t n = 0;
    for (; expected[n]; n++) {
        assert_true(n < list->count);
        assert_string_equal(list->item[n].data, expected[n]);
    }
    assert_int_equal(list->count, n);
}

static void opt_history(void **state)
{
    (void)state;
    struct opts o, back;
    struct rn_args args;
    struct rn_texts list = { 0 }, again = { 0 };
    assert_int_equal(parse(&tool, &o, &args, "-j 8 -w 16 -r 0.1 --pair=-0.2,0.3 --choice train -f --list b --list a --maybe"), 0);
    assert_int_equal(rn_opt_list(&tool, &o, false, &list, &err), 0);
    list_is(&list, (const char *[]){ "--choice=train", "--flag", "--list=a", "--list=b", "--maybe=", "--pair=-0.2,0.3",
                                     "--real=0.1", NULL });
    rn_texts_free(&list);
    assert_int_equal(rn_opt_list(&tool, &o, true, &list, &err), 0);
    list_is(&list, (const char *[]){ "--choice=train", "--flag", "--list=a", "--list=b", "--many=100", "--maybe=",
                                     "--pair=-0.2,0.3", "--real=0.1", "--seed=1234", "--whole=16", NULL });
    back = usual;
    assert_int_equal(rn_opt_apply(&tool, &back, &list, &err), 0);
    assert_true(back.flag && back.choice == 1 && back.real == 0.1 && back.pair[0] == -0.2 && back.pair[1] == 0.3);
    assert_int_equal(back.jobs, 1); /* how, not what */
    assert_int_equal(rn_opt_list(&tool, &back, true, &again, &err), 0);
    assert_int_equal(again.count, list.count);
    for (size_t i = 0; i < list.count; i++)
        assert_true(rn_text_equal(again.item[i], list.item[i]));
    rn_opt_free(&tool, &o);
    rn_opt_free(&tool, &back);
    rn_texts_free(&list);
    rn_texts_free(&again);

    /* no defaults: zeros are the defaults */
    struct rn_tool plain = tool;
    plain.defaults = NULL;
    assert_int_equal(parse(&plain, &o, &args, "-w 3"), 0);
    assert_int_equal(rn_opt_list(&plain, &o, false, &list, &err), 0);
    list_is(&list, (const char *[]){ "--whole=3", NULL });
    rn_texts_free(&list);
}

static void opt_apply_errors(void **state)
{
    (void)state;
    static const char *const bad[] = { "--nothing=1", "whole=1", "--", "", "--whole=101", "--flag=1", "--whole", "--text",
                                       "--wholes=1" };
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct opts o = usual;
        struct rn_texts list = { 0 };
        assert_int_equal(rn_texts_add(&list, rn_text(bad[i]), &err), 0);
        err = (struct rn_err){ 0 };
        if (rn_opt_apply(&tool, &o, &list, &err) != -1 || err.exit != RN_EXIT_DATA)
            fail_msg("'%s' was taken", bad[i]);
        rn_texts_free(&list);
    }
}

/* ---- texts ---- */

static void text_escapes(void **state)
{
    (void)state;
    static const struct { struct rn_text text; const char *tsv, *csv, *json, *message; } cases[] = {
        { RN_TEXT("plain"), "plain", "plain", "\"plain\"", "plain" },
        { RN_TEXT(""), "", "", "\"\"", "" },
        { RN_TEXT("a\tb\nc\rd\\e"), "a\\tb\\nc\\rd\\\\e", "\"a\tb\nc\rd\\e\"", "\"a\\tb\\nc\\rd\\\\e\"", "a\\x09b\\x0ac\\x0dd\\e" },
        { RN_TEXT("q\"\0\x7f"), "q\"\0\x7f", "\"q\"\"\0\x7f\"", "\"q\\\"\\u0000\\u007f\"", "q\"\\x00\\x7f" },
        { RN_TEXT("\xc3\xa9\xf0\x9f\x8c\x8d"), "\xc3\xa9\xf0\x9f\x8c\x8d", "\xc3\xa9\xf0\x9f\x8c\x8d",
          "\"\xc3\xa9\xf0\x9f\x8c\x8d\"", "\xc3\xa9\xf0\x9f\x8c\x8d" },
        { RN_TEXT("x\xff\xc3y\x80"), "x\xff\xc3y\x80", "x\xff\xc3y\x80", "\"x\\udcff\\udcc3y\\udc80\"", "x\\xff\\xc3y\\x80" },
        { RN_TEXT("\xc2\x9b\xc2\x85\xc2\xa0"), "\xc2\x9b\xc2\x85\xc2\xa0", "\xc2\x9b\xc2\x85\xc2\xa0", "\"\\u009b\\u0085\xc2\xa0\"",
          "\\x9b\\x85\xc2\xa0" },
        { RN_TEXT("a\xe2\x80\xae" "b\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f\xe2\x80\xa8"),
          "a\xe2\x80\xae" "b\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f\xe2\x80\xa8",
          "a\xe2\x80\xae" "b\xe2\x81\xa9\xd8\x9c\xe2\x80\x8f\xe2\x80\xa8",
          "\"a\\u202eb\\u2069\\u061c\\u200f\\u2028\"", "a\\u202eb\\u2069\\u061c\\u200f\\u2028" },
        { RN_TEXT("\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b"), "\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b", "\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b",
          "\"\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b\"", "\xe2\x80\x8d\xe2\x80\xaf\xd8\x9b" }, /* letters and joiners beside them */
        { RN_TEXT("a,b"), "a,b", "\"a,b\"", "\"a,b\"", "a,b" },
        { RN_TEXT("t n r"), "t n r", "t n r", "\"t n r\"", "t n r" },
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        const char *expected[] = { cases[i].tsv, cases[i].csv, cases[i].json, cases[i].message };
        for (int how = RN_ESCAPE_TSV; how <= RN_ESCAPE_MESSAGE; how++) {
            struct rn_buffer out = { 0 };
            assert_int_equal(rn_text_escape(&out, cases[i].text, (enum rn_escape)how, &err), 0);
            bool zero = how <= RN_ESCAPE_CSV && memchr(cases[i].text.data, 0, cases[i].text.length);
            size_t length = zero ? cases[i].text.length + 3 * (how == RN_ESCAPE_CSV) : strlen(expected[how]);
            assert_int_equal(out.length, length);
            if (length)
                assert_memory_equal(out.data, expected[how], length);
            rn_buffer_free(&out);
        }
    }
}

static void text_on_a_terminal_is_not_obeyed(void **state)
{
    (void)state;
    static const struct rn_text text = RN_TEXT("a\t\x1b[31m,\x9b\xc2\x9b\\\xe2\x80\xae\xc3\xa9");
    static const char *const expected[] = { [RN_ESCAPE_TSV] = "a\\t\\x1b[31m,\\x9b\\x9b\\\\\\u202e\xc3\xa9",
                                            [RN_ESCAPE_CSV] = "\"a\\x09\\x1b[31m,\\x9b\\x9b\\\\u202e\xc3\xa9\"" };
    for (int how = RN_ESCAPE_TSV; how <= RN_ESCAPE_CSV; how++) {
        struct rn_buffer out = { 0 };
        assert_int_equal(rn_text_escape(&out, text, how | RN_ESCAPE_TERMINAL, &err), 0);
        assert_int_equal(out.length, strlen(expected[how]));
        assert_memory_equal(out.data, expected[how], out.length);
        rn_buffer_free(&out);
    }
}

static void text_for_xml_is_well_formed(void **state)
{
    (void)state;
    static const struct { struct rn_text text; const char *xml; } cases[] = {
        { RN_TEXT("<a href=\"x\">'&amp;"), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;amp;" },
        { RN_TEXT("a\tb\x01\xff"), "a\\x09b\\x01\\xff" },
        { RN_TEXT("\xef\xbf\xbd\xef\xbf\xbe\xef\xbf\xbf"), "\xef\xbf\xbd\\xfffe\\xffff" },
    };
    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct rn_buffer out = { 0 };
        assert_int_equal(rn_text_escape(&out, cases[i].text, RN_ESCAPE_XML, &err), 0);
        assert_int_equal(out.length, strlen(cases[i].xml));
        assert_memory_equal(out.data, cases[i].xml, out.length);
        rn_buffer_free(&out);
    }
}

static void text_show_is_short_and_whole(void **state)
{
    (void)state;
    char room[256], long_text[300];
    assert_string_equal(rn_text_show((struct rn_text){ 0 }, room), "");
    for (size_t i = 0; i < 300; i += 2)
        memcpy(long_text + i, "\xc3\xa9", 2);
    for (size_t shift = 0; shift < 2; shift++) {
        long_text[0] = 'x';
        rn_text_show((struct rn_text){ long_text + 1 - shift, 299 - shift }, room);
        assert_true(strlen(room) <= 203);
        assert_string_equal(room + strlen(room) - 3, "...");
    }
    for (size_t i = 0; i < 300; i++)
        long_text[i] = i < 61 ? '\n' : 'e';
    rn_text_show((struct rn_text){ long_text, 61 }, room);
    assert_string_equal(room + strlen(room) - 7, "\\x0a...");
    memset(long_text, 'a', 200);
    assert_int_equal(strlen(rn_text_show((struct rn_text){ long_text, 200 }, room)), 200);
}

static void text_numbers(void **state)
{
    (void)state;
    static const struct { double value; const char *text; } cases[] = {
        { 0, "0" }, { -0.1, "-0.1" }, { 2e-4, "0.0002" }, { 1.0 / 3, "0.3333333333333333" }, { 1e100, "1e+100" },
        { 69.60556844547564, "69.60556844547564" }, { 431, "431" }, { 100, "100" },
        { -20, "-20" }, { 1e15, "1e+15" }, { 0.1 + 0.2, "0.30000000000000004" },
    };
    char room[32];
    for (size_t i = 0; i < LENGTH(cases); i++)
        assert_string_equal(rn_text_number(cases[i].value, room), cases[i].text);
}

static void text_utf8(void **state)
{
    (void)state;
    static const char *const good[] = { "", "a", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
                                        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf" };
    static const char *const bad[] = { "\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc2", "\xc2\x41", "\xe0\x80\x80", "\xe0\x9f\xbf",
                                       "\xe2\x82",
                                       "\xed\xa0\x80", "\xed\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x8f\xbf\xbf", "\xf0\x9f\x8c",
                                       "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xe2\x82\x41", "\xf0\x9f\x41\x80" };
    for (size_t i = 0; i < LENGTH(good); i++)
        if (!rn_text_is_utf8(rn_text(good[i])))
            fail_msg("row %zu of good", i);
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (rn_text_is_utf8(rn_text(bad[i])))
            fail_msg("row %zu of bad", i);
}

static void text_lists(void **state)
{
    (void)state;
    struct rn_texts list = { 0 }, copy = { 0 };
    static const char *const words[] = { "b", "ab", "", "a", "\xff" };
    for (size_t i = 0; i < LENGTH(words); i++)
        assert_int_equal(rn_texts_add(&list, rn_text(words[i]), &err), 0);
    assert_int_equal(rn_texts_find(&list, rn_text("a")), 3);
    assert_int_equal(rn_texts_find(&list, rn_text("c")), -1);
    int64_t index[5];
    static const struct { struct rn_text wanted[5]; int64_t index[5]; } lookups[] = {
        { { RN_TEXT("b"), RN_TEXT("ab"), RN_TEXT(""), RN_TEXT("a"), RN_TEXT("\xff") }, { 0, 1, 2, 3, 4 } },
        { { RN_TEXT("b"), RN_TEXT("a"), RN_TEXT("ab"), RN_TEXT("c"), RN_TEXT("a") }, { 0, 3, 1, -1, 3 } },
        { { { NULL, 0 }, RN_TEXT("\xff"), RN_TEXT("b"), RN_TEXT("abc"), RN_TEXT("") }, { -1, 4, 0, -1, 2 } },
    };
    for (size_t i = 0; i < LENGTH(lookups); i++) {
        const struct rn_texts wanted = { .item = (struct rn_text *)lookups[i].wanted, .count = 5 };
        assert_int_equal(rn_texts_index(&list, &wanted, index, &err), 0);
        assert_memory_equal(index, lookups[i].index, sizeof index);
        assert_int_equal(rn_texts_index(&copy, &wanted, index, &err), 0); /* an empty list */
        assert_int_equal(index[1], -1);
    }
    rn_texts_sort(&list);
    assert_int_equal(rn_texts_copy(&copy, &list, &err), 0);
    list_is(&copy, (const char *[]){ "", "a", "ab", "b", "\xff", NULL });
    rn_texts_free(&list);
    rn_texts_free(&copy);
    assert_true(rn_text_compare(rn_text(NULL), rn_text("")) < 0);
    assert_true(rn_text_compare(rn_text("a"), rn_text("ab")) < 0);
    assert_false(rn_text_equal(rn_text(NULL), rn_text("")));
}

/* ---- tensors, errors, memory ---- */

static void tensors(void **state)
{
    (void)state;
    static const uint16_t halves[] = { 0x0000, 0x8000, 0x3c00, 0xc000, 0x7bff, 0x0001, 0x7c00, 0x3555 };
    static const double values[] = { 0, -0.0, 1, -2, 65504, 0x1p-24, INFINITY, 0.333251953125 };
    struct rn_tensor x = { .type = RN_F16, .dims = 1, .shape = { 8 }, .data = halves };
    for (size_t i = 0; i < 8; i++)
        assert_true(rn_tensor_get(&x, i) == values[i]);
    size_t count;
    char room[256];
    assert_true(rn_tensor_count(&x, &count) && count == 8);
    assert_false(rn_tensor_finite(&x));
    x.shape[0] = 6;
    assert_true(rn_tensor_finite(&x));
    x = (struct rn_tensor){ .type = RN_F32, .dims = 2, .shape = { (size_t)1 << 32, (size_t)1 << 31 } };
    assert_false(rn_tensor_count(&x, &count)); /* the elements fit, the bytes do not */
    x.shape[1] = 3;
    assert_string_equal(rn_tensor_describe(&x, room), "<f4 [4294967296,3]");
}

/* IEEE 754 binary16, by its definition. */
static float by_definition(uint32_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double size = exponent == 31 ? (fraction ? NAN : INFINITY)
                  : exponent     ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return (float)(bits & 0x8000 ? -size : size);
}

static void widened(void **state)
{
    (void)state;
    enum { ALL = 0x10000 };
    static uint16_t bits[ALL];
    static float values[ALL];
    for (uint32_t i = 0; i < ALL; i++)
        bits[i] = (uint16_t)i;
    const struct rn_tensor x = { .type = RN_F16, .dims = 1, .shape = { ALL }, .data = bits };
    rn_tensor_floats(&x, values, ALL);
    for (uint32_t i = 0; i < ALL; i++) {
        float value = by_definition(i);
        if (isnan(value))
            assert_true(isnan(values[i]) && isnan(rn_tensor_get(&x, i)));
        else
            assert_true(values[i] == value && !signbit(values[i]) == !signbit(value) && rn_tensor_get(&x, i) == (double)value);
    }
    const int64_t whole[] = { -3, ((int64_t)1 << 24) + 1 };
    rn_tensor_floats(&(struct rn_tensor){ .type = RN_I64, .dims = 1, .shape = { 2 }, .data = whole }, values, 2);
    assert_true(values[0] == -3 && values[1] == 0x1p24f);
}

/* Every half precision number comes back, and what lies between two goes to the nearer, or to the even one. */
static void halves(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x7c00; bits++) {
        const uint16_t pair[2] = { (uint16_t)bits, (uint16_t)(bits + 1) };
        const struct rn_tensor x = { .type = RN_F16, .dims = 1, .shape = { 2 }, .data = pair };
        float low = (float)rn_tensor_get(&x, 0), high = bits + 1 < 0x7c00 ? (float)rn_tensor_get(&x, 1) : 65536,
              middle = (low + high) / 2;
        assert_int_equal(rn_half(low), bits);
        assert_int_equal(rn_half(-low), bits | 0x8000);
        assert_int_equal(rn_half(middle), bits + (bits & 1));
        assert_int_equal(rn_half(nextafterf(middle, 0)), bits);
        assert_int_equal(rn_half(nextafterf(middle, INFINITY)), bits + 1);
    }
    assert_int_equal(rn_half(INFINITY), 0x7c00);
    assert_int_equal(rn_half(-INFINITY), 0xfc00);
    assert_int_equal(rn_half(-FLT_MAX), 0xfc00);
    assert_int_equal(rn_half(FLT_MIN), 0);
    assert_true((rn_half(NAN) & 0x7c00) == 0x7c00 && rn_half(NAN) & 0x3ff);
}

static void memory_is_checked(void **state)
{
    (void)state;
    char *block = NULL;
    size_t capacity = 0;
    assert_int_equal(rn_grow(&block, &capacity, SIZE_MAX / 4, 8, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_null(block);
    assert_null(rn_alloc_aligned(SIZE_MAX / 2, 4, &err));
    assert_int_equal(rn_grow(&block, &capacity, 17, 1, &err), 0);
    assert_int_equal(capacity, 32);
    free(block);
    void *aligned = rn_alloc_aligned(3, 5, &err);
    assert_non_null(aligned);
    assert_int_equal((uintptr_t)aligned % 64, 0);
    free(aligned);
}

static void errors_read_where_what(void **state)
{
    (void)state;
    errno = ENOENT;
    assert_int_equal(rn_fail_errno(&err, "a.rn"), -1);
    assert_int_equal(rn_fail_at(&err, "run %d", 7), -1);
    assert_string_equal(err.text, "run 7: a.rn: No such file or directory");
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    char big[3000];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    assert_int_equal(rn_fail(&err, RN_EXIT_DATA, "%s", big), -1);
    assert_int_equal(rn_fail_at(&err, "%s", big), -1);
    assert_int_equal(strlen(err.text), sizeof err.text - 1);
}

/* ---- files ---- */

static char folder[64];

static int make_folder(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/rn-core.XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); /* fails, and with it the group, when a test left something behind */
}

static const char *in_folder(const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void put(const char *path, const char *bytes)
{
    struct rn_out *out;
    assert_int_equal(rn_out_open(&out, path, &err), 0);
    assert_int_equal(rn_out_printf(out, &err, "%s", bytes), 0);
    assert_int_equal(rn_out_commit(out, &err), 0);
}

static void file_holds(const char *path, const char *bytes)
{
    struct rn_buffer buffer = { 0 };
    assert_int_equal(rn_file_read(&buffer, path, 1000, &err), 0);
    assert_int_equal(buffer.length, strlen(bytes));
    assert_memory_equal(buffer.data, bytes, buffer.length);
    rn_buffer_free(&buffer);
}

static void out_appears_whole(void **state)
{
    (void)state;
    struct rn_out *out;
    char big[100000];
    memset(big, 'b', sizeof big);
    const char *path = in_folder("out");
    assert_int_equal(rn_out_open(&out, path, &err), 0);
    assert_int_equal(rn_out_write(out, "half", 4, &err), 0);
    assert_int_equal(rn_out_write(out, big, sizeof big, &err), 0);
    assert_int_equal(rn_out_flush(out, &err), 0);
    assert_int_equal(access(path, F_OK), -1); /* nothing under the final name yet */
    rn_out_discard(out);
    assert_int_equal(access(path, F_OK), -1);
    put(path, "first");
    file_holds(path, "first");
    assert_int_equal(rn_out_open(&out, path, &err), 0);
    assert_int_equal(rn_out_write(out, "second", 6, &err), 0);
    rn_out_discard(out);
    file_holds(path, "first");
    put(path, "");
    file_holds(path, "");
    unlink(path);
    rn_out_discard(NULL);
    assert_int_equal(rn_out_commit(NULL, &err), 0);
}

/* A commit that fails (a folder has taken the name) leaves no temporary file either: remove_folder would tell. */
static void out_commit_fails_clean(void **state)
{
    (void)state;
    struct rn_out *out;
    const char *path = in_folder("taken");
    assert_int_equal(rn_out_open(&out, path, &err), 0);
    assert_int_equal(rn_out_write(out, "x", 1, &err), 0);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(rn_out_commit(out, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "taken: "));
    assert_int_equal(rn_out_open(&out, path, &err), -1); /* a folder is no file */
    assert_non_null(strstr(err.text, "Is a directory"));
    rmdir(path);
    assert_int_equal(rn_out_open(&out, in_folder("no/such"), &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
}

static void out_keeps_links_and_long_names(void **state)
{
    (void)state;
    char target[128], name[256], link_text[128] = "";
    snprintf(target, sizeof target, "%s/target", folder);
    put(target, "old");
    assert_int_equal(symlink("target", in_folder("link")), 0);
    put(in_folder("link"), "new");
    assert_int_equal(readlink(in_folder("link"), link_text, sizeof link_text - 1), 6);
    file_holds(target, "new");
    unlink(in_folder("link"));
    unlink(target);
    memset(name, 'n', 255);
    name[255] = '\0';
    put(in_folder(name), "long");
    file_holds(in_folder(name), "long");
    unlink(in_folder(name));
}

static void out_full_device(void **state)
{
    (void)state;
    struct rn_out *out;
    assert_int_equal(rn_out_open(&out, "/dev/full", &err), 0);
    assert_int_equal(rn_out_write(out, "x", 1, &err), 0);
    assert_int_equal(rn_out_commit(out, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_string_equal(err.text, "/dev/full: cannot write: No space left on device");
    assert_int_equal(access("/dev/full", F_OK), 0);
}

static void file_read_and_scratch(void **state)
{
    (void)state;
    struct rn_buffer buffer = { 0 };
    char bytes[8];
    assert_int_equal(rn_file_read(&buffer, in_folder("none"), 10, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    put(in_folder("ten"), "0123456789");
    assert_int_equal(rn_file_read(&buffer, in_folder("ten"), 10, &err), 0);
    assert_int_equal(buffer.length, 10);
    assert_int_equal(rn_file_read(&buffer, in_folder("ten"), 9, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_int_equal(rn_file_read(&buffer, "/dev/zero", 100, &err), -1); /* a size nobody knows beforehand */
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_int_equal(rn_file_read(&buffer, folder, 10, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    unlink(in_folder("ten"));
    rn_buffer_free(&buffer);

    int fd = rn_file_scratch(&err);
    assert_true(fd >= 0);
    assert_int_equal(rn_file_write(fd, "abcdef", 6, &err), 0);
    assert_int_equal(rn_file_pread(fd, bytes, 3, 2, &err), 0);
    assert_memory_equal(bytes, "cde", 3);
    assert_int_equal(rn_file_pread(fd, bytes, 3, 4, &err), -1);
    close(fd);
}

static void folders(void **state)
{
    (void)state;
    assert_int_equal(rn_file_mkdir(in_folder("a/b//c/"), &err), 0);
    assert_int_equal(rn_file_mkdir(in_folder("a/b"), &err), 0);
    assert_int_equal(rn_file_mkdir("/", &err), 0);
    assert_int_equal(rn_file_mkdir("", &err), -1);
    put(in_folder("a/file"), "");
    assert_int_equal(rn_file_mkdir(in_folder("a/file/d"), &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "Not a directory"));
    unlink(in_folder("a/file"));
    rmdir(in_folder("a/b/c"));
    rmdir(in_folder("a/b"));
    rmdir(in_folder("a"));
}

/* ---- threads ---- */

struct sums {
    size_t n;
    int threads;
    unsigned *done;  /* per iteration */
    size_t *scratch; /* per thread */
};

static void count_iteration(void *context, size_t i, int thread)
{
    struct sums *sums = context;
    if (thread < 0 || thread >= sums->threads || i >= sums->n)
        abort();
    sums->done[i]++;
    sums->scratch[thread] += i;
}

static void pool_does_each_once(void **state)
{
    (void)state;
    static const int threads[] = { 1, 2, 3, 8 };
    static const size_t sizes[] = { 0, 1, 2, 7, 1000 };
    for (size_t t = 0; t < LENGTH(threads); t++) {
        struct rn_pool *pool;
        assert_int_equal(rn_pool_new(&pool, threads[t], &err), 0);
        assert_int_equal(rn_pool_threads(pool), threads[t]);
        for (int round = 0; round < 20; round++) {
            size_t n = sizes[round % 5], total = 0;
            unsigned done[1000] = { 0 };
            size_t scratch[8] = { 0 };
            rn_pool_for(pool, n, count_iteration, &(struct sums){ n, threads[t], done, scratch });
            for (size_t i = 0; i < 1000; i++)
                assert_int_equal(done[i], i < n);
            for (size_t i = 0; i < 8; i++)
                total += scratch[i];
            assert_int_equal(total, n ? n * (n - 1) / 2 : 0);
        }
        rn_pool_free(pool);
    }
    rn_pool_free(NULL);
    assert_true(rn_threads_default() >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(isa_of_the_environment), cmocka_unit_test(philox_vectors), cmocka_unit_test(rng_is_a_function),
            cmocka_unit_test(rng_ranges), cmocka_unit_test(rng_beta),
        cmocka_unit_test(opt_kinds), cmocka_unit_test(opt_errors), cmocka_unit_test(opt_documents),
        cmocka_unit_test(opt_history), cmocka_unit_test(opt_apply_errors),
        cmocka_unit_test(text_escapes), cmocka_unit_test(text_on_a_terminal_is_not_obeyed),
        cmocka_unit_test(text_for_xml_is_well_formed),
        cmocka_unit_test(text_show_is_short_and_whole), cmocka_unit_test(text_numbers), cmocka_unit_test(text_utf8),
        cmocka_unit_test(text_lists), cmocka_unit_test(tensors), cmocka_unit_test(widened),
        cmocka_unit_test(halves), cmocka_unit_test(memory_is_checked),
        cmocka_unit_test(errors_read_where_what), cmocka_unit_test(out_appears_whole),
        cmocka_unit_test(out_commit_fails_clean), cmocka_unit_test(out_keeps_links_and_long_names),
        cmocka_unit_test(out_full_device), cmocka_unit_test(file_read_and_scratch), cmocka_unit_test(folders),
        cmocka_unit_test(pool_does_each_once),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
