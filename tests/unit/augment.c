/* augment.c -- recipes: what is read and refused, who runs, what is drawn (against 20,000 draws of Albumentations where ../shared
 * is, and against their definition), odd pictures. Run in the repository's root. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "augment/node.h"
#include "augment/private.h"
#include "augment/work.h"
#include "core/mem.h"

#define STATS "../shared/golden/augment/stats.json"
#define WHOLE(x) "{\"__version__\": \"1.3.1\", \"transform\": " x "}"
#define CLASS(name) "\"__class_fullname__\": \"" name "\""

static void must(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

/* Of 20,000 draws; fewer under a sanitizer. */
static size_t draws(void)
{
    return getenv("RN_SANITIZED") ? 2000 : 20000;
}

static struct rn_recipe recipe_of(const char *transform)
{
    struct rn_recipe recipe;
    struct rn_err err = { 0 };
    char text[4096];
    snprintf(text, sizeof text, WHOLE("%s"), transform);
    must(rn_recipe_parse(&recipe, rn_text(text), -1, &err), &err);
    return recipe;
}

/* ---- what is read and refused ---- */

static void refused(void **state)
{
    static const struct { const char *json, *says; } cases[] = {
        { "", "not JSON" },
        { "{\"transform\": [}", "line 1: not JSON" },
        { "[1, 2]", "not a pipeline" },
        { "{\"__version__\": \"1.3.1\"}", "no \"transform\"" },
        { "{\"__version__\": \"0.1.12\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 0.1.12" },
        { WHOLE("{\"p\": 1}"), "no __class_fullname__" },
        { WHOLE("{" CLASS("FancyPCA") ", \"p\": 1}"), "unknown transform FancyPCA; there are " },
        { WHOLE("{" CLASS("RandomBrightnesContrast") "}"), "unknown transform RandomBrightnesContrast; did you mean RandomBrightnessContrast? There are " },
        { WHOLE("{" CLASS("oneof") "}"), "did you mean OneOf?" },
        { "{\"__version__\": \"1.4.24\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 1.4.24, whose transforms are others: versions 1.0 to 1.3 are read" },
        { "{\"__version__\": \"1.4.8\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 1.4.8" },
        { "{\"__version__\": \"1.4.03\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 1.4.03" },
        { "{\"__version__\": \"1.4\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 1.4," },
        { "{\"__version__\": \"1.4.0\", \"transform\": {" CLASS("Blur") "}}", "written by Albumentations 1.4.0: since 1.4.0 its Blur is another one" },
        { "{\"__version__\": \"1.4.7\", \"transform\": {" CLASS("Compose") ", \"transforms\": [{" CLASS("Flip") "}, {" CLASS("OneOf") ", \"transforms\": [{"
          CLASS("RandomResizedCrop") ", \"size\": [3, 4]}]}]}}", "written by Albumentations 1.4.7: since 1.4.4 its RandomResizedCrop is another one" },
        { "{\"__version__\": \"1.4.4\", \"transform\": {" CLASS("Sequential") ", \"transforms\": []}}", "since 1.4.4 its Sequential is another one" },
        { "{\"__version__\": \"1.30\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 1.30" },
        { "{\"__version__\": \"2.0.8\", \"transform\": {" CLASS("Flip") "}}", "written by Albumentations 2.0.8" },
        { "{\"__version__\": 1.3, \"transform\": {" CLASS("Flip") "}}", "of no version" },
        { "{\"__version__\": \"1.3.1\", \"transforms\": [], \"transform\": {" CLASS("Flip") "}}", "unknown key transforms; there are __version__, transform" },
        { WHOLE("{" CLASS("Resize") ", \"height\": \"32\", \"width\": 32}"), "Resize: height: \"32\" is a text, not a number" },
        { WHOLE("{" CLASS("CLAHE") ", \"tile_grid_size\": [8.5, 8]}"), "CLAHE: tile_grid_size: 8.5,8 is not whole" },
        { WHOLE("{" CLASS("Rotate") ", \"interpolation\": 5}"), "interpolation: '5' is not a whole number from 0 to 4" },
        { WHOLE("{" CLASS("Rotate") ", \"border_mode\": 7}"), "border_mode: '7' is not a whole number from 0 to 4" },
        { WHOLE("{" CLASS("Rotate") ", \"value\": \"red\"}"), "value: \"red\" is a text, not a number" },
        { WHOLE("{" CLASS("Rotate") ", \"crop_border\": 1}"), "crop_border: neither true nor false" },
        { WHOLE("{" CLASS("MedianBlur") ", \"blur_limit\": [3, 6]}"), "blur_limit: 6 is not odd" },
        { WHOLE("{" CLASS("MotionBlur") ", \"blur_limit\": [4, 7], \"allow_shifted\": false}"), "blur_limit: 4 is not odd" },
        { WHOLE("{" CLASS("Blur") ", \"blur_limit\": [7, 3]}"), "blur_limit: '7,3' is not a pair" },
        { WHOLE("{" CLASS("Blur") ", \"blur_limit\": [3.5, 7]}"), "blur_limit: 3.5,7 is not whole" },
        { WHOLE("{" CLASS("albumentations.augmentations.transforms.ToSepia") "}"), "unknown transform ToSepia" },
        { WHOLE("{" CLASS("mine.Blur") "}"), "unknown transform mine.Blur" },
        { WHOLE("{" CLASS("Rotate") ", \"limits\": 3}"), "Rotate: unknown parameter limits; did you mean limit? There are p, always_apply, limit, interpolation" },
        { WHOLE("{" CLASS("Rotate") ", \"limit\": [1, 2, 3]}"), "limit: '1,2,3' is not a pair" },
        { WHOLE("{" CLASS("Rotate") ", \"limit\": \"all\"}"), "limit: \"all\" is a text, not a number" },
        { WHOLE("{" CLASS("Rotate") ", \"limit\": null}"), "limit: 'null' is not a pair" },
        { WHOLE("{" CLASS("Rotate") ", \"limit\": 90, \"limit\": 80}"), "not JSON" },
        { WHOLE("{" CLASS("Flip") ", \"interpolation\": 1}"), "Flip: unknown parameter interpolation" },
        { WHOLE("{" CLASS("Flip") ", \"p\": 1.5}"), "Flip: p: not a number from 0 to 1" },
        { WHOLE("{" CLASS("Flip") ", \"p\": true}"), "p: not a number" },
        { WHOLE("{" CLASS("Flip") ", \"always_apply\": 1}"), "always_apply: neither true nor false" },
        { WHOLE("{" CLASS("Normalize") ", \"mean\": [0, 0]}"), "Normalize: mean: '0,0' is not 3 numbers" },
        { WHOLE("{" CLASS("RandomCrop") ", \"height\": 3}"), "RandomCrop: width is missing" },
        { WHOLE("{" CLASS("RandomCrop") ", \"height\": 3.5, \"width\": 3}"), "height: '3.5' is not a whole number" },
        { WHOLE("{" CLASS("RandomCrop") ", \"height\": 0, \"width\": 3}"), "height: '0' is not a whole number from 1" },
        { WHOLE("{" CLASS("RandomSizedCrop") ", \"height\": 3, \"width\": 3}"), "min_max_height is missing" },
        { WHOLE("{" CLASS("GaussianBlur") ", \"blur_limit\": [3, 8]}"), "blur_limit: 8 is neither odd nor 0" },
        { WHOLE("{" CLASS("RandomShadow") ", \"num_shadows_lower\": 3}"), "num_shadows_lower is more than num_shadows_upper" },
        { WHOLE("{" CLASS("RandomShadow") ", \"shadow_roi\": [0.5, 0, 0.4, 1]}"), "shadow_roi" },
        { WHOLE("{" CLASS("ElasticTransform") ", \"approximate\": true}"), "approximate: true" },
        { WHOLE("{" CLASS("Compose") ", \"p\": 1}"), "Compose: transforms: not a list" },
        { WHOLE("{" CLASS("Compose") ", \"transforms\": [3]}"), "Compose: Compose[0]: not a transform" },
        { WHOLE("{" CLASS("Compose") ", \"transforms\": [], \"n\": 2}"), "Compose: unknown parameter n" },
        { WHOLE("{" CLASS("OneOf") ", \"transforms\": [{" CLASS("Flip") ", \"p\": 0}]}"), "OneOf: every p in it is 0" },
        { WHOLE("{" CLASS("SomeOf") ", \"transforms\": [{" CLASS("Flip") "}]}"), "SomeOf: n is missing" },
        { WHOLE("{" CLASS("SomeOf") ", \"n\": 2, \"replace\": false, \"transforms\": [{" CLASS("Flip") "}]}"), "only 1 transforms can be chosen" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rn_recipe recipe;
        struct rn_err err = { 0 };
        if (rn_recipe_parse(&recipe, rn_text(cases[i].json), -1, &err) != -1)
            fail_msg("read: %s", cases[i].json);
        if (!strstr(err.text, cases[i].says) || err.exit != RN_EXIT_USAGE || recipe.root)
            fail_msg("%s\n  gave: %s\n  not:  %s", cases[i].json, err.text, cases[i].says);
    }
}

/* Nested deeper than any pipeline: refused without a deep stack. */
static void deep(void **state)
{
    struct rn_buffer text = { 0 };
    struct rn_recipe recipe;
    struct rn_err err = { 0 };
    static const char open[] = "{" CLASS("Compose") ", \"transforms\": [";
    (void)state;
    must(rn_buffer_add(&text, "{\"transform\": ", 14, &err), &err);
    for (int i = 0; i < 200; i++)
        must(rn_buffer_add(&text, open, sizeof open - 1, &err), &err);
    for (int i = 0; i < 200; i++)
        must(rn_buffer_add(&text, "]}", 2, &err), &err);
    must(rn_buffer_add(&text, "}", 1, &err), &err);
    assert_int_equal(rn_recipe_parse(&recipe, (struct rn_text){ text.data, text.length }, -1, &err), -1);
    assert_non_null(strstr(err.text, "nested deeper"));
    rn_buffer_free(&text);
}

/* Every key that A.save writes, long class names, single numbers for pairs. */
static void accepted(void **state)
{
    (void)state;
    struct rn_recipe recipe = recipe_of("{" CLASS("albumentations.core.composition.Compose") ", \"p\": 1.0, \"transforms\": ["
        "{" CLASS("Rotate") ", \"always_apply\": false, \"p\": 1, \"limit\": 30, \"interpolation\": 1, \"border_mode\": 4, \"value\": null, "
        "\"mask_value\": null, \"rotate_method\": \"largest_box\", \"crop_border\": false},"
        "{" CLASS("Blur") ", \"blur_limit\": 9}, {" CLASS("CLAHE") ", \"clip_limit\": 2.5, \"tile_grid_size\": [4, 2]},"
        "{" CLASS("GaussNoise") ", \"var_limit\": 40, \"per_channel\": true, \"mean\": 0},"
        /* values that it writes itself, and that change nothing, or are computed */
        "{" CLASS("Rotate") ", \"limit\": [45, -45], \"mask_value\": 0, \"rotate_method\": \"ellipse\", \"border_mode\": 0, \"value\": 7},"
        "{" CLASS("Normalize") ", \"mean\": 0.5, \"std\": 0.25},"
        "{" CLASS("Blur") ", \"blur_limit\": [4, 8]}],"
        "\"bbox_params\": {\"format\": \"coco\"}, \"keypoint_params\": null, \"additional_targets\": {\"b\": \"image\"}, "
        "\"is_check_shapes\": true}");
    const struct rn_recipe_node *child = recipe.root->child;
    assert_int_equal(recipe.root->children, 7);
    const double *rotate = child[0].options, *blur = child[1].options, *clahe = child[2].options, *noise = child[3].options;
    assert_true(child[0].p == 1 && rotate[0] == -30 && rotate[1] == 30);
    assert_true(child[1].p == 0.5 && blur[0] == 3 && blur[1] == 9);
    assert_true(clahe[0] == 1 && clahe[1] == 2.5 && clahe[2] == 4 && clahe[3] == 2);
    assert_true(noise[0] == 0 && noise[1] == 40);
    const double *reversed = child[4].options, *scalar = child[5].options, *even = child[6].options;
    assert_true(reversed[0] == -45 && reversed[1] == 45);
    for (int i = 0; i < 6; i++)
        assert_true(scalar[i] == (i < 3 ? 0.5 : 0.25));
    assert_true(even[0] == 4 && even[1] == 8);
    assert_true(recipe.floats);
    rn_recipe_free(&recipe);
}

/* A byte order mark is no part of the text; no version is any; of 1.4 what is the same is read. */
static void marked(void **state)
{
    static const char *const later[] = { "{\"__version__\": \"1.4.3\", \"transform\": {" CLASS("Normalize") "}}",
                                         "{\"__version__\": \"1.4.0\", \"transform\": {" CLASS("Sequential") ", \"transforms\": [{" CLASS("GridDropout") "}]}}",
                                         "{\"__version__\": \"1.4.7\", \"transform\": {" CLASS("Compose") ", \"transforms\": [{" CLASS("Rotate") "}]}}" };
    struct rn_recipe recipe;
    struct rn_err err = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        must(rn_recipe_parse(&recipe, rn_text(later[i]), -1, &err), &err);
        rn_recipe_free(&recipe);
    }
    must(rn_recipe_parse(&recipe, rn_text("\xef\xbb\xbf{\"transform\": {" CLASS("Flip") "}}"), -1, &err), &err);
    rn_recipe_free(&recipe);
    must(rn_recipe_parse(&recipe, rn_text("{\"__version__\": \"1.0.3\", \"transform\": {" CLASS("Flip") "}}"), -1, &err), &err);
    rn_recipe_free(&recipe);
}

/* ---- who runs ---- */

/* "Flip Blur ": the transforms that ran. */
static void ran(char room[256], const struct rn_trace *trace)
{
    room[0] = '\0';
    for (size_t i = 0; i < trace->steps; i++)
        snprintf(room + strlen(room), 256 - strlen(room), "%s ", trace->step[i].transform->class_name);
}

/* Runs on a small picture, for photo number id. */
static void run_small(const struct rn_recipe *recipe, uint64_t id, struct rn_trace *trace, struct rn_canvas *x)
{
    static const uint8_t pixels[8 * 8 * 3] = { 1, 2, 3, 200, 100, 50 };
    struct rn_err err = { 0 };
    rn_canvas_set(x, RN_U8, pixels, 8, 8);
    must(rn_recipe_run(recipe, x, 1234, 0, id, 1, trace, &err), &err);
}

static void composition(void **state)
{
    static const struct { const char *transform, *all, *some; } cases[] = { /* what runs always; or, in `some`, now and then */
        { "{" CLASS("Compose") ", \"p\": 0, \"transforms\": [{" CLASS("Flip") ", \"p\": 1}, {" CLASS("OneOf") ", \"transforms\": ["
          "{" CLASS("Transpose") ", \"always_apply\": true}]}]}", "Transpose ", NULL },
        { "{" CLASS("Compose") ", \"transforms\": [{" CLASS("Flip") ", \"p\": 0, \"always_apply\": true}, {" CLASS("InvertImg") ", \"p\": 0}]}",
          "Flip ", NULL },
        { "{" CLASS("OneOf") ", \"p\": 1, \"transforms\": [{" CLASS("Flip") ", \"p\": 0.01}]}", "Flip ", NULL },
        { "{" CLASS("OneOf") ", \"p\": 0, \"transforms\": [{" CLASS("Flip") ", \"p\": 1}]}", "", NULL },
        { "{" CLASS("OneOf") ", \"p\": 1, \"transforms\": [{" CLASS("Flip") ", \"p\": 1}, {" CLASS("Transpose") ", \"p\": 0}]}", "Flip ", NULL },
        /* the library forces the first of a Sequential that is chosen, and only that */
        { "{" CLASS("OneOf") ", \"p\": 1, \"transforms\": [{" CLASS("Sequential") ", \"transforms\": [{" CLASS("Flip") ", \"p\": 0}, "
          "{" CLASS("Transpose") ", \"p\": 0}]}]}", "Flip ", NULL },
        /* a Compose that is chosen leaves its children their chance */
        { "{" CLASS("OneOf") ", \"p\": 1, \"transforms\": [{" CLASS("Compose") ", \"p\": 1, \"transforms\": [{" CLASS("Flip") ", \"p\": 0}]}]}", "",
          NULL },
        { "{" CLASS("Sequential") ", \"p\": 0, \"transforms\": [{" CLASS("Flip") ", \"p\": 1}]}", "Flip ", NULL },
        { "{" CLASS("SomeOf") ", \"p\": 1, \"n\": 3, \"replace\": true, \"transforms\": [{" CLASS("Flip") ", \"p\": 1}]}", "Flip Flip Flip ", NULL },
        { "{" CLASS("SomeOf") ", \"n\": 2, \"replace\": false, \"transforms\": [{" CLASS("Flip") ", \"p\": 0.9}, {" CLASS("Transpose") ", \"p\": 0.1}]}",
          "Flip Transpose ", "Transpose Flip " },
        { "{" CLASS("Compose") ", \"transforms\": []}", "", NULL },
    };
    struct rn_trace trace = { 0 };
    struct rn_canvas x = { 0 };
    char room[256];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rn_recipe recipe = recipe_of(cases[i].transform);
        size_t other = 0;
        for (uint64_t id = 0; id < 200; id++) {
            run_small(&recipe, id, &trace, &x);
            ran(room, &trace);
            bool is_other = cases[i].some && !strcmp(room, cases[i].some);
            if (!is_other && strcmp(room, cases[i].all))
                fail_msg("%s\n ran: %s", cases[i].transform, room);
            other += is_other;
        }
        assert_true(cases[i].some ? other > 5 && other < 100 : other == 0);
        rn_recipe_free(&recipe);
    }
    rn_trace_free(&trace);
    rn_canvas_free(&x);
}

/* What is drawn is a function of seed, id, copy and place; two of one class at two places, or twice in SomeOf, differ. */
static void drawn_by_place(void **state)
{
    struct rn_recipe recipe = recipe_of("{" CLASS("Compose") ", \"transforms\": [{" CLASS("Rotate") ", \"p\": 1}, {" CLASS("Rotate") ", \"p\": 1},"
                                        "{" CLASS("SomeOf") ", \"n\": 2, \"transforms\": [{" CLASS("Rotate") ", \"p\": 1}]}]}");
    struct rn_trace trace = { 0 };
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    double first[4];
    (void)state;
    run_small(&recipe, 5, &trace, &x);
    assert_int_equal(trace.values, 4);
    memcpy(first, trace.value, sizeof first);
    for (int i = 0; i < 4; i++)
        for (int j = 0; j < i; j++)
            assert_true(first[i] != first[j]);
    run_small(&recipe, 6, &trace, &x);
    assert_true(trace.value[0] != first[0]);
    run_small(&recipe, 5, &trace, &x);
    assert_memory_equal(trace.value, first, sizeof first);
    must(rn_recipe_run(&recipe, &x, 1234, 0, 5, 2, &trace, &err), &err);
    assert_true(trace.value[0] != first[0]);
    must(rn_recipe_run(&recipe, &x, 1235, 0, 5, 1, &trace, &err), &err);
    assert_true(trace.value[0] != first[0]);
    must(rn_recipe_run(&recipe, &x, 1234, 1, 5, 1, &trace, &err), &err);
    assert_true(trace.value[0] != first[0]);
    rn_recipe_free(&recipe);
    rn_trace_free(&trace);
    rn_canvas_free(&x);
}

/* ---- distributions ---- */

/* Chance of a chi-square so large, by Wilson and Hilferty: whether it is at least 1e-4. */
static bool plausible(double chi, size_t freedom)
{
    double k = (double)freedom, z = (cbrt(chi / k) - (1 - 2 / (9 * k))) / sqrt(2 / (9 * k));
    return z < 3.72;
}

/* Two sets of counts of one distribution? Bins with few are put together. */
static bool agree(const double *a, const double *b, size_t n)
{
    double all_a = 0, all_b = 0, chi = 0, sum_a = 0, sum_b = 0;
    size_t bins = 0;
    for (size_t i = 0; i < n; i++) {
        all_a += a[i];
        all_b += b[i];
    }
    double r = sqrt(all_b / all_a);
    for (size_t i = 0; i < n; i++) {
        sum_a += a[i];
        sum_b += b[i];
        if (sum_a + sum_b < 20 && i + 1 < n)
            continue;
        if (sum_a + sum_b > 0)
            chi += (sum_a * r - sum_b / r) * (sum_a * r - sum_b / r) / (sum_a + sum_b);
        bins++;
        sum_a = sum_b = 0;
    }
    return bins < 2 ? true : plausible(chi, bins - 1);
}

struct numbers {
    double *value;
    size_t count, capacity;
};

static void push(struct numbers *n, double v)
{
    struct rn_err err = { 0 };
    must(rn_grow(&n->value, &n->capacity, n->count + 1, sizeof v, &err), &err);
    n->value[n->count++] = v;
}

/* Against a histogram, or frequencies of numbers, of stats.json. */
static void compare(const char *name, const char *key, const json_t *stat, struct numbers *ours)
{
    json_t *counts = json_object_get(stat, "counts"), *frequency = json_object_get(stat, "frequency"), *value;
    double a[512] = { 0 }, b[512] = { 0 }, n = json_number_value(json_object_get(stat, "n"));
    size_t bins = counts ? json_array_size(counts) : 0;
    double low = json_number_value(json_object_get(stat, "hist_low")), high = json_number_value(json_object_get(stat, "hist_high"));
    const char *text;
    assert_true(bins < 512 && json_object_size(frequency) < 512 && (counts || frequency) && ours->count);
    for (size_t i = 0; i < bins; i++)
        a[i] = json_number_value(json_array_get(counts, i));
    for (size_t i = 0; counts && i < ours->count; i++) {
        double at = floor((ours->value[i] - low) / (high - low) * (double)bins + 1e-9); /* on an edge: above it */
        if (!(at >= 0 && at < (double)bins))
            fail_msg("%s %s: %g is outside of %g..%g", name, key, ours->value[i], low, high);
        b[(size_t)at]++;
    }
    json_object_foreach(frequency, text, value) {
        a[bins] = json_number_value(value) * n;
        for (size_t i = 0; i < ours->count; i++)
            b[bins] += ours->value[i] == strtod(text, NULL);
        bins++;
    }
    double sum = 0;
    for (size_t i = 0; i < bins; i++)
        sum += b[i];
    if (sum != (double)ours->count || !agree(a, b, bins))
        fail_msg("%s %s: another distribution", name, key);
    ours->count = 0;
}

static void set_digit(void *context, int x, int y)
{
    ((char *)context)[3 * y + x] = '1';
}

/* What stats.json calls it, of one application's numbers; NAN: it is not there. */
static double derived(const char *key, const struct rn_augment *t, const double *value, size_t count)
{
    char digits[10] = "000000000";
    size_t at = 0;
    if (!strcmp(key, "y1_on_384"))
        return floor(161 * value[0]);
    if (!strcmp(key, "x1_on_512"))
        return floor(289 * value[1]);
    if (!strcmp(key, "order"))
        return value[0] * 100 + value[1] * 10 + value[2];
    if (!strcmp(key, "polygons"))
        return (double)count / 10;
    if (!strcmp(key, "sigma") && !strcmp(t->class_name, "GaussNoise"))
        return sqrt(value[0]);
    if (!strcmp(key, "kernel_pattern_rowmajor") || !strcmp(key, "taps")) {
        rn_line_draw((int)value[1], (int)value[2], (int)value[3], (int)value[4], set_digit, digits);
        for (int i = 0; i < 9; i++)
            at += digits[i] == '1';
        return key[0] == 't' ? (double)at : strtod(digits, NULL);
    }
    for (const struct rn_drawn *d = t->drawn; d->name; at += d->count, d++)
        if (!strcmp(d->name, key))
            return value[at];
    return NAN;
}

static void shared_draws(void **state)
{
    static const struct { const char *name, *transform; } cases[] = {
        { "RandomCrop(224,224)", "{" CLASS("RandomCrop") ", \"height\": 224, \"width\": 224}" },
        { "RandomSizedCrop((256,384),224,224)", "{" CLASS("RandomSizedCrop") ", \"min_max_height\": [256, 384], \"height\": 224, \"width\": 224}" },
        { "RandomBrightness(0.2)", "{" CLASS("RandomBrightness") ", \"limit\": 0.2}" },
        { "RandomContrast(0.2)", "{" CLASS("RandomContrast") ", \"limit\": [-0.2, 0.2]}" },
        { "RandomRotate90", "{" CLASS("RandomRotate90") "}" },
        { "Rotate(90)", "{" CLASS("Rotate") ", \"limit\": 90}" },
        { "ShiftScaleRotate(.0625,.1,45)", "{" CLASS("ShiftScaleRotate") ", \"scale_limit\": [-0.09999999999999998, 0.10000000000000009]}" },
        { "Flip", "{" CLASS("Flip") "}" },
        { "Blur((3,3))", "{" CLASS("Blur") ", \"blur_limit\": [3, 3]}" },
        { "Blur(7) library default", "{" CLASS("Blur") "}" },
        { "MedianBlur((3,3))", "{" CLASS("MedianBlur") ", \"blur_limit\": 3}" },
        { "MedianBlur(7) library default", "{" CLASS("MedianBlur") ", \"blur_limit\": 7}" },
        { "GaussianBlur((3,3))", "{" CLASS("GaussianBlur") ", \"blur_limit\": [3, 3], \"sigma_limit\": [0, 0]}" },
        { "GaussianBlur((3,7)) library default", "{" CLASS("GaussianBlur") "}" },
        { "MotionBlur((3,3))", "{" CLASS("MotionBlur") ", \"blur_limit\": [3, 3]}" },
        { "RandomGamma((80,120))", "{" CLASS("RandomGamma") "}" },
        { "OpticalDistortion(.05,.05)", "{" CLASS("OpticalDistortion") "}" },
        { "ElasticTransform()", "{" CLASS("ElasticTransform") "}" },
        { "HueSaturationValue()", "{" CLASS("HueSaturationValue") "}" },
        { "RGBShift()", "{" CLASS("RGBShift") "}" },
        { "ChannelShuffle()", "{" CLASS("ChannelShuffle") "}" },
        { "CLAHE()", "{" CLASS("CLAHE") "}" },
        { "GaussNoise((10,50))", "{" CLASS("GaussNoise") "}" },
        { "RandomShadow() on 512x384", "{" CLASS("RandomShadow") "}" },
    };
    (void)state;
    if (access(STATS, R_OK))
        skip();
    json_t *stats = json_load_file(STATS, 0, NULL), *all = json_object_get(stats, "parameter_draws"), *stat;
    assert_int_equal(json_object_size(all), sizeof cases / sizeof *cases);
    struct numbers numbers = { 0 };
    const struct rn_canvas x = { .type = RN_U8, .height = 384, .width = 512 };
    size_t compared = 0;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rn_recipe recipe = recipe_of(cases[i].transform);
        const struct rn_augment *t = recipe.root->transform;
        const char *key;
        json_object_foreach(json_object_get(all, cases[i].name), key, stat) {
            double value[RN_DRAWS];
            bool corners = !strcmp(key, "x") || !strcmp(key, "y");
            if (!json_object_get(stat, "n") || !strcmp(key, "shadowed_fraction_3000_runs"))
                continue; /* a constant, or a picture's */
            for (uint64_t who = 0; who < draws(); who++) {
                struct rn_rng rng = rn_rng(99, RN_FOR_AUGMENT, who, 0);
                size_t count = t->draw(value, recipe.root->options, &x, &rng);
                for (size_t k = key[0] == 'y'; corners && k < count; k += 2)
                    push(&numbers, value[k]);
                if (!corners)
                    push(&numbers, derived(key, t, value, count));
            }
            compare(cases[i].name, key, stat, &numbers);
            compared++;
        }
        rn_recipe_free(&recipe);
    }
    assert_true(compared >= 40);
    free(numbers.value);
    json_decref(stats);
}

/* Share of the picture that the polygons of RandomShadow cover. */
static void shared_shadows(void **state)
{
    (void)state;
    if (access(STATS, R_OK) || getenv("RN_SANITIZED"))
        skip();
    json_t *stats = json_load_file(STATS, 0, NULL), *all = json_object_get(stats, "parameter_draws");
    struct rn_recipe recipe = recipe_of("{" CLASS("RandomShadow") "}");
    const struct rn_canvas x = { .type = RN_U8, .height = 384, .width = 512 };
    struct numbers numbers = { 0 };
    struct rn_err err = { 0 };
    uint8_t *mask = rn_calloc(384, 512, &err);
    assert_non_null(mask);
    for (uint64_t who = 0; who < 3000; who++) {
        double value[RN_DRAWS];
        struct rn_rng rng = rn_rng(7, RN_FOR_AUGMENT, who, 0);
        size_t count = recipe.root->transform->draw(value, recipe.root->options, &x, &rng), dark = 0;
        memset(mask, 0, 384 * 512);
        for (size_t first = 0; first < count; first += 10) {
            int vertex[10];
            for (int k = 0; k < 10; k++)
                vertex[k] = (int)value[first + k];
            must(rn_polygon_fill(mask, 384, 512, vertex, 5, &err), &err);
        }
        for (size_t k = 0; k < 384 * 512; k++)
            dark += mask[k];
        push(&numbers, (double)dark / (384 * 512));
    }
    compare("RandomShadow", "share", json_object_get(json_object_get(all, "RandomShadow() on 512x384"),
                                                     "shadowed_fraction_3000_runs"), &numbers);
    free(mask);
    free(numbers.value);
    rn_recipe_free(&recipe);
    json_decref(stats);
}

/* How often the library ran it: of 20,000 runs; or by definition, where ../shared is not. */
static double of_library(const json_t *stats, const char *recipe, double chance, int group, const char *name, double defined)
{
    char key[64];
    snprintf(key, sizeof key, "p=%g %s", chance, recipe);
    const json_t *one = json_object_get(json_object_get(stats, "pipelines"), key);
    const json_t *choice = group < 2 ? json_array_get(json_object_get(one, "one_of"), (size_t)group)
                           : json_object_get(one, "optional");
    const json_t *share = json_object_get(choice, name);
    assert_true(share || !stats);
    return 20000 * (share ? json_number_value(share) : defined);
}

/* Counts of each transform among the runs of the shipped recipes: as defined, and as the library's. */
static void pipelines(void **state)
{
    static const struct {
        const char *name, *library;
        size_t side; /* of the picture */
        const char *one_of[2], *optional;
    } recipes[] = {
        { "basic", "basic", 384, { "RandomCrop CenterCrop RandomSizedCrop" }, "RandomBrightness RandomContrast" },
        { "affine", "affine_transform", 16, { "RandomRotate90 Rotate ShiftScaleRotate", "HorizontalFlip VerticalFlip Flip" }, "Transpose" },
        { "distort", "blur_and_distortion", 16, { "Blur MotionBlur MedianBlur GaussianBlur",
            "RandomGamma OpticalDistortion ElasticTransform HueSaturationValue RGBShift ChannelShuffle CLAHE InvertImg" },
            "GaussNoise RandomShadow" },
    };
    static const double chances[] = { 0.1, 0.3, 0.5 };
    static uint8_t pixels[384 * 384 * 3];
    size_t n = getenv("RN_SANITIZED") ? 300 : 20000;
    json_t *stats = json_load_file(STATS, 0, NULL);
    struct rn_trace trace = { 0 };
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    (void)state;
    for (size_t r = 0; r < 3; r++)
        for (size_t c = 0; c < 3; c++) {
            struct rn_recipe recipe;
            struct rn_buffer path = { 0 };
            double count[100] = { 0 };
            must(rn_recipe_find(&path, recipes[r].name, &err), &err);
            must(rn_recipe_load(&recipe, path.data, chances[c], &err), &err);
            for (uint64_t id = 0; id < n; id++) {
                rn_canvas_set(&x, RN_U8, pixels, recipes[r].side, recipes[r].side);
                must(rn_recipe_run(&recipe, &x, 5, 0, id, 1, &trace, &err), &err);
                for (size_t s = 0; s < trace.steps; s++)
                    for (size_t t = 0; rn_augment_table[t]; t++)
                        count[t] += rn_augment_table[t] == trace.step[s].transform;
            }
            for (int group = 0; group < 3; group++) {
                const char *names = group < 2 ? recipes[r].one_of[group] : recipes[r].optional;
                char list[200], *rest = list;
                double ours[9], theirs[9], sum = 0;
                size_t members = 0;
                snprintf(list, sizeof list, "%s", names ? names : "");
                for (char *name; names && (name = strsep(&rest, " ")); members++) {
                    size_t t = 0;
                    while (rn_augment_table[t] != rn_augment_find(name))
                        t++;
                    sum += ours[members] = count[t];
                    theirs[members] = of_library(stats, recipes[r].library, chances[c], group, name, group < 2 ? 1 : chances[c]);
                }
                for (size_t i = 0; i < members; i++) {
                    double p = group < 2 ? 1 / (double)members : chances[c], sigma = sqrt(p * (1 - p) / (double)n);
                    if (!(fabs(ours[i] / (double)n - p) <= 4.5 * sigma))
                        fail_msg("%s at p = %g: member %zu of '%s' ran %g times of %zu", recipes[r].name, chances[c], i, names,
                                 ours[i], n);
                }
                assert_true(group == 2 || !members || (sum == (double)n && agree(theirs, ours, members)));
                for (size_t i = 0; group == 2 && i < members; i++) /* ran or did not */
                    assert_true(agree((const double[]){ theirs[i], 20000 - theirs[i] },
                                      (const double[]){ ours[i], (double)n - ours[i] }, 2));
            }
            rn_buffer_free(&path);
            rn_recipe_free(&recipe);
        }
    json_decref(stats);
    rn_trace_free(&trace);
    rn_canvas_free(&x);
}

/* ---- noise ---- */

static void noise_of(double variance, int level, double *mean, double *deviation, double *neighbours, double *histogram)
{
    enum { H = 96, W = 128, N = H * W * 3, RUNS = 8 };
    static uint8_t pixels[N];
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    double sum = 0, squares = 0, products = 0;
    memset(pixels, level, N);
    for (uint64_t run = 0; run < RUNS; run++) {
        rn_canvas_set(&x, RN_U8, pixels, H, W);
        must(rn_noise(&x, run * 77 + 1, 0, sqrt(variance), true, &err), &err);
        const uint8_t *y = x.pixels;
        for (size_t i = 0; i < N; i++) {
            double d = (double)y[i] - level, next = i ? (double)y[i - 1] - level : 0;
            sum += d;
            squares += d * d;
            products += (d + 0.5) * (next + 0.5);
            histogram[(int)d + 256]++;
        }
    }
    *mean = sum / (N * RUNS);
    *deviation = sqrt(squares / (N * RUNS) - *mean * *mean);
    *neighbours = products / (N * RUNS) / variance;
    rn_canvas_free(&x);
}

static void noise(void **state)
{
    static const double variances[] = { 10, 30, 50 };
    json_t *stats = json_load_file(STATS, 0, NULL), *all = json_object_get(stats, "GaussNoise");
    (void)state;
    for (size_t i = 0; i < 3; i++)
        for (int level = 3; level <= 128; level += 125) {
            double mean, deviation, neighbours, ours[512] = { 0 }, theirs[512] = { 0 };
            char name[64];
            const char *text;
            json_t *value;
            noise_of(variances[i], level, &mean, &deviation, &neighbours, ours);
            if (level == 128) { /* by definition: truncated, so half a level darker and a little wider */
                assert_true(fabs(mean + 0.5) < 0.06);
                assert_true(fabs(deviation - sqrt(variances[i] + 1.0 / 12)) < 0.03);
                assert_true(fabs(neighbours) < 0.01);
            }
            snprintf(name, sizeof name, "constant %d, 128x96, variance %g", level, variances[i]);
            json_t *frequency = json_object_get(json_object_get(all, name), "difference_frequency");
            double sum = 0, n = 200.0 * 96 * 128 * 3;
            json_object_foreach(frequency, text, value)
                sum += theirs[256 + atoi(text)] = round(json_number_value(value) * n);
            for (int d = 0; frequency && d < 512; d++) /* what they left out is rare */
                if (theirs[d] == 0)
                    ours[d] = 0;
            if (frequency && !(sum > 0.99 * n && agree(theirs, ours, 512)))
                fail_msg("%s: another distribution", name);
        }
    json_decref(stats);
}

/* What is done in wide registers is what is defined one by one. */
static void wide(void **state)
{
    const uint32_t key[2] = { 0xdeadbeef, 42 };
    (void)state;
    for (uint32_t first = 0; first < 1000000; first += 99991) {
        uint32_t word[4 * RN_NOISE_BLOCKS], out[4];
        rn_noise_words(word, key, first);
        for (uint32_t i = 0; i < RN_NOISE_BLOCKS; i++) {
            rn_philox(key, (const uint32_t[]){ first + i, 0, 0, 0 }, out);
            for (int w = 0; w < 4; w++)
                assert_int_equal(word[w * RN_NOISE_BLOCKS + i], out[w]);
        }
    }
    for (size_t n = 0; n < 100; n++) {
        uint8_t *x = malloc(3 * n + 1), *y = malloc(3 * n + 1), *plane = malloc(3 * n + 1);
        assert_true(x && y && plane);
        for (size_t i = 0; i < 3 * n; i++)
            x[i] = (uint8_t)(i * 151 + n);
        rn_planes_split(plane, plane + n, plane + 2 * n, x, n);
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(plane[i % 3 * n + i / 3], x[i]);
        rn_planes_join(y, plane, plane + n, plane + 2 * n, n);
        assert_memory_equal(y, x, 3 * n);
        rn_mirror(y, x, n);
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(y[(n - 1 - i / 3) * 3 + i % 3], x[i]);
        free(x);
        free(y);
        free(plane);
    }
}

/* ---- displacements ---- */

static void field_of(size_t height, size_t width, double alpha, double sigma, int runs, double *deviation, double *largest,
                     double *still)
{
    struct rn_err err = { 0 };
    *deviation = *largest = *still = 0;
    for (int run = 0; run < runs; run++) {
        struct rn_rng rng = rn_rng((uint64_t)run, RN_FOR_AUGMENT, 1, 0);
        struct rn_field field;
        double sum = 0, squares = 0, most = 0;
        must(rn_field_random(&field, height, width, alpha, sigma, &rng, &err), &err);
        size_t n = field.rows * field.columns;
        for (size_t i = 0; i < 2 * n; i++) {
            squares += field.dx[i] * field.dx[i];
            most = fmax(most, fabs(field.dx[i]));
        }
        for (int c = 0; c < 2; c++) { /* each direction's deviation about its own mean */
            double part = 0;
            for (size_t i = 0; i < n; i++)
                part += field.dx[(size_t)c * n + i];
            sum += part * part / (double)n;
        }
        *deviation += sqrt((squares - sum) / (2 * (double)n)) / runs;
        *largest += most / runs;
        *still += (most <= 1.0 / 64) / (double)runs;
        free(field.dx);
    }
}

/* Figures of stats.json: 200 runs there; the limits are four standard errors of both. */
static void fields(void **state)
{
    double deviation, largest, still;
    bool few = getenv("RN_SANITIZED");
    (void)state;
    field_of(384, 512, 1, 50, few ? 20 : 200, &deviation, &largest, &still);
    assert_true(fabs(deviation - 0.003666) < (few ? 0.0006 : 0.00017));
    assert_true(few || fabs(largest - 0.012835) < 0.0009);
    assert_true(few || fabs(still - 0.88) < 0.13);
    field_of(192, 256, 120, 6, few ? 2 : 12, &deviation, &largest, &still);
    assert_true(fabs(deviation - 3.3986) < (few ? 0.4 : 0.16));
    assert_true(fabs(largest - 14.718) < (few ? 6 : 2.4));
    assert_true(still == 0);
}

static void still_field(void **state)
{
    static const struct rn_sampling usual = { RN_LINEAR, RN_REFLECT_101, { 0 } };
    static uint8_t pixels[40 * 50 * 3];
    double d[4] = { 0.0156, -0.0156, 0.015625, 0 }, zero[4] = { 0 };
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    (void)state;
    rn_canvas_set(&x, RN_U8, pixels, 40, 50);
    must(rn_displace(&x, d, zero, 2, 2, &usual, &err), &err);
    assert_ptr_equal(x.pixels, pixels); /* too little to move anything */
    d[3] = 0.0157;
    must(rn_displace(&x, d, zero, 2, 2, &usual, &err), &err);
    assert_ptr_not_equal(x.pixels, pixels);
    rn_canvas_free(&x);
}

/* ---- odd pictures ---- */

static const char *minimal(const struct rn_augment *t, char room[256])
{
    bool sized = t->options && !strcmp(t->options[0].name, "height");
    bool range = t->options && !strcmp(t->options[0].name, "min_max_height");
    snprintf(room, 256, "{" CLASS("%s") ", \"p\": 1%s%s}", t->class_name, range ? ", \"min_max_height\": [1, 2]" : "",
             sized || range ? ", \"height\": 2, \"width\": 2" : "");
    return room;
}

/* Every transform on pictures of every small size, bytes and floats: a result, or an error that says why. */
static void odd_pictures(void **state)
{
    static const size_t sizes[][2] = { { 1, 1 }, { 1, 7 }, { 7, 1 }, { 2, 2 }, { 3, 5 }, { 33, 31 } };
    struct rn_canvas x = { 0 };
    struct rn_err err;
    size_t refusals = 0;
    (void)state;
    for (size_t t = 0; rn_augment_table[t]; t++) {
        char room[256];
        struct rn_recipe recipe = recipe_of(minimal(rn_augment_table[t], room));
        for (size_t s = 0; s < 12; s++)
            for (uint64_t id = 0; id < 20; id++) {
                size_t h = sizes[s % 6][0], w = sizes[s % 6][1], n = h * w * 3;
                enum rn_type type = s < 6 ? RN_U8 : RN_F32;
                void *pixels = malloc(n * rn_type_size(type)); /* just as large, so that a sanitizer sees every step beyond */
                assert_non_null(pixels);
                for (size_t i = 0; i < n; i++) {
                    if (type == RN_U8)
                        ((uint8_t *)pixels)[i] = (uint8_t)(i * 37);
                    else
                        ((float *)pixels)[i] = (float)(i % 7) / 6;
                }
                err = (struct rn_err){ 0 };
                rn_canvas_set(&x, type, pixels, h, w);
                if (rn_recipe_run(&recipe, &x, 3, 0, id, 1, NULL, &err)) {
                    bool known = strstr(err.text, "is larger than the picture") ||
                                 strstr(err.text, "nothing is left of the picture") || strstr(err.text, "leaves nothing") ||
                                 strstr(err.text, "takes 8-bit pixels");
                    if (!known || err.exit != RN_EXIT_DATA || !strstr(err.text, rn_augment_table[t]->class_name))
                        fail_msg("%zux%zu: %s", w, h, err.text);
                    refusals++;
                } else {
                    unsigned sum = 0; /* each byte is there to be read */
                    for (size_t i = 0; i < x.height * x.width * 3 * rn_type_size(x.type); i++)
                        sum += ((const uint8_t *)x.pixels)[i];
                    assert_true(sum < UINT32_MAX);
                }
                free(pixels);
            }
        rn_recipe_free(&recipe);
    }
    assert_true(refusals > 100);
    rn_canvas_free(&x);
}

/* ---- numbers that come from a file ---- */

/* One number that may be in a file: an end of the range, something between, or what is in no file of ours but fits. */
static double any_number(const struct rn_drawn *drawn, struct rn_rng *rng)
{
    bool bounded = drawn->low < drawn->high;
    double low = bounded ? drawn->low : -0x1p53, high = bounded ? drawn->high : 0x1p53, v;
    switch (rn_rng_below(rng, 5)) {
    case 0: v = low; break;
    case 1: v = strcmp(drawn->name, "scale") ? high : fmin(high, 3); break; /* a thousandfold picture takes its time */
    case 2: v = fmin(fmax(rn_rng_normal(rng) * 3, low), high); break;
    default: v = fmin(fmax(rn_rng_normal(rng) * 30, low), high);
    }
    v = drawn->step ? rint(v) : v;
    return drawn->step == 2 && v != 0 && fmod(v, 2) == 0 ? v - 1 : v;
}

static size_t any_numbers(double *value, const struct rn_augment *t, struct rn_rng *rng)
{
    size_t count = 0;
    for (const struct rn_drawn *d = t->drawn; d && d->name; d++)
        for (size_t i = 0, n = d->count ? d->count : rn_rng_below(rng, 14); i < n; i++)
            value[count++] = any_number(d, rng);
    return count;
}

/* Whatever --replay lets through: a result, or an error. The sanitizers see what `apply` would do with it. */
static void replayed_numbers(void **state)
{
    struct rn_rng rng = rn_rng(5, RN_FOR_AUGMENT, 0, 0);
    struct rn_canvas x = { 0 };
    size_t refusals = 0, results = 0;
    (void)state;
    for (size_t t = 0; rn_augment_table[t]; t++) {
        char room[256];
        struct rn_recipe recipe = recipe_of(minimal(rn_augment_table[t], room));
        for (int run = 0; run < 60; run++) {
            size_t h = run % 2 ? 9 : 33, w = run % 3 ? 14 : 40, n = h * w * 3;
            double value[RN_DRAWS], *exact;
            size_t count = any_numbers(value, rn_augment_table[t], &rng);
            uint8_t *pixels = malloc(n);
            struct rn_err err = { 0 };
            assert_non_null(pixels);
            assert_non_null(exact = malloc((count + !count) * sizeof *exact));
            memcpy(exact, value, count * sizeof *exact);
            for (size_t i = 0; i < n; i++)
                pixels[i] = (uint8_t)(i * 37);
            rn_canvas_set(&x, RN_U8, pixels, h, w);
            int rc = rn_recipe_node_apply(recipe.root, &x, exact, count, NULL, &err);
            if (rc && err.exit != RN_EXIT_DATA)
                fail_msg("%s", err.text);
            refusals += rc != 0;
            results += rc == 0;
            free(exact);
            free(pixels);
        }
        rn_recipe_free(&recipe);
    }
    assert_true(results > 1000 && refusals > 100);
    rn_canvas_free(&x);
}

/* ---- names of files ---- */

static void stems(void **state)
{
    static const struct { const char *id, *class_name, *stem; } cases[] = { /* stem NULL: refused */
        { "glass/glass1.jpg", "glass", "glass/glass1" },
        { "glass/sub/glass1.jpg", "glass", "glass/sub/glass1" },
        { "photos/glass/glass1.jpg", "glass", "glass/glass1" },
        { "glass1.jpg", "glass", "glass/glass1" },
        { "glass/no-ending", "glass", "glass/no-ending" },
        { "glass/a.b.png", "glass", "glass/a.b" },
        { "glass/x.jpg#affine.1", "glass", "glass/x.jpg#affine" },
        { "sub/x.jpg", NULL, "sub/x" },
        { "x.jpg", NULL, "x" },
        { "/tmp/x.jpg", NULL, "x" },
        { "../x.jpg", NULL, "x" },
        { "glass/../../etc/x.jpg", "glass", "glass/x" },
        { "glass/.x.jpg", "glass", NULL },
        { "glass/..", "glass", NULL },
        { "glass/", "glass", NULL },
        { "", "glass", NULL },
        { "x.jpg", "..", NULL },
        { "x.jpg", "a/b", NULL },
        { "x.jpg", ".hidden", NULL },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rn_buffer stem = { 0 };
        struct rn_err err = { 0 };
        int rc = rn_augment_stem(&stem, rn_text(cases[i].id), rn_text(cases[i].class_name), &err);
        bool good = cases[i].stem ? rc == 0 && rn_text_is((struct rn_text){ stem.data, stem.length }, cases[i].stem)
                                  : rc == -1 && err.exit == RN_EXIT_DATA;
        if (!good)
            fail_msg("%s: '%.*s', %s", cases[i].id, (int)stem.length, stem.data ? stem.data : "", err.text);
        rn_buffer_free(&stem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refused), cmocka_unit_test(deep), cmocka_unit_test(accepted), cmocka_unit_test(marked),
            cmocka_unit_test(composition),
        cmocka_unit_test(drawn_by_place), cmocka_unit_test(shared_draws), cmocka_unit_test(shared_shadows),
        cmocka_unit_test(pipelines),
        cmocka_unit_test(noise), cmocka_unit_test(wide), cmocka_unit_test(fields), cmocka_unit_test(still_field),
        cmocka_unit_test(odd_pictures), cmocka_unit_test(replayed_numbers), cmocka_unit_test(stems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
