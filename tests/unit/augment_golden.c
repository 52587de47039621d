/* augment_golden.c -- every transform against pictures that Albumentations 1.3.1 made: a few of our own (tests/fixtures/augment,
 * made by make.py there), and all of ../shared/golden/augment where that is. Run in the repository's root. */
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
#include "core/file.h"
#include "core/mem.h"
#include "image/image.h"

static void must(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

/* ---- parameters ---- */

/* All numbers in value, one after the other. */
static size_t flatten(double *number, size_t at, const json_t *value)
{
    if (json_is_number(value)) {
        assert_true(at < RN_DRAWS);
        number[at++] = json_number_value(value);
    }
    for (size_t i = 0; i < json_array_size(value); i++)
        at = flatten(number, at, json_array_get(value, i));
    return at;
}

static bool is_drawn(const struct rn_augment *t, const char *name)
{
    for (const struct rn_drawn *d = t->drawn; d && d->name; d++)
        if (!strcmp(d->name, name))
            return true;
    return false;
}

static void *make_options(const struct rn_augment *t, const json_t *params)
{
    struct rn_err err = { 0 };
    char text[256];
    double number[RN_DRAWS];
    void *options = rn_calloc(1, t->size, &err);
    assert_non_null(options);
    if (t->size)
        memcpy(options, t->defaults, t->size);
    for (const struct rn_opt *opt = t->options; opt && opt->kind != RN_OPT_END; opt++) {
        const json_t *value = json_object_get(params, !strcmp(opt->name, "tile_grid_size") ? "grid" : opt->name);
        if (!value || is_drawn(t, opt->name))
            continue;
        size_t n = flatten(number, 0, value), length = 0;
        for (size_t i = 0; i < n; i++)
            length += (size_t)snprintf(text + length, sizeof text - length, "%s%.17g", i ? "," : "", number[i]);
        must(rn_opt_set(opt, options, text, &err), &err);
    }
    return options;
}

/* As a recipe's file has them. */
static void *parse_options(const struct rn_augment *t, const json_t *given)
{
    struct rn_recipe recipe;
    struct rn_err err = { 0 };
    json_t *document = json_pack("{s:{s:s}}", "transform", "__class_fullname__", t->class_name);
    assert_int_equal(json_object_update(json_object_get(document, "transform"), (json_t *)given), 0);
    char *text = json_dumps(document, 0);
    must(rn_recipe_parse(&recipe, rn_text(text), -1, &err), &err);
    void *options = rn_calloc(1, t->size, &err);
    assert_non_null(options);
    if (t->size)
        memcpy(options, recipe.root->options, t->size);
    rn_recipe_free(&recipe);
    json_decref(document);
    free(text);
    return options;
}

static size_t make_drawn(double *value, const struct rn_augment *t, const json_t *params)
{
    size_t count = 0;
    for (const struct rn_drawn *d = t->drawn; d && d->name; d++) {
        size_t before = count;
        const json_t *param = json_object_get(params, d->name);
        count = flatten(value, count, param);
        if (!param && (!strcmp(d->name, "random_state") || !strcmp(d->name, "seed")))
            value[count++] = 0;
        if (d->count && count - before != d->count)
            fail_msg("%s: %s has %zu numbers", t->class_name, d->name, count - before);
    }
    return count;
}

/* ---- fields by formula: SPEC.md's 4.18 and 4.24 ---- */

static const struct rn_sampling usual = { RN_LINEAR, RN_REFLECT_101, { 0 } };

static void displace_by_hash(struct rn_canvas *x, const json_t *params)
{
    struct rn_err err = { 0 };
    double alpha = json_number_value(json_object_get(params, "alpha")), sigma = json_number_value(json_object_get(params, "sigma"));
    size_t h = x->height, w = x->width;
    double *dx = rn_calloc(h * w, sizeof *dx, &err), *dy = rn_calloc(h * w, sizeof *dy, &err);
    assert_non_null(dx);
    assert_non_null(dy);
    for (size_t j = 0; j < h; j++)
        for (size_t i = 0; i < w; i++) {
            dx[j * w + i] = 2 * ((double)((73 * i + 151 * j + 31 * i * j) % 1009) / 1009) - 1;
            dy[j * w + i] = 2 * ((double)((97 * i + 61 * j + 17 * i * j + 500) % 1013) / 1013) - 1;
        }
    must(rn_field_smooth(dx, h, w, sigma, sigma, &err), &err);
    must(rn_field_smooth(dy, h, w, sigma, sigma, &err), &err);
    for (size_t i = 0; i < h * w; i++) {
        dx[i] *= alpha;
        dy[i] *= alpha;
    }
    must(rn_displace(x, dx, dy, h, w, &usual, &err), &err);
    free(dx);
    free(dy);
}

static void noise_by_formula(struct rn_canvas *x, const json_t *params)
{
    struct rn_err err = { 0 };
    long mod = (long)json_integer_value(json_object_get(params, "mod"));
    double step = json_number_value(json_object_get(params, "step"));
    size_t n = x->height * x->width * 3;
    int16_t *value = rn_calloc(n, sizeof *value, &err);
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, &err);
    assert_non_null(value);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++) {
        long c = (long)(i % 3), column = (long)(i / 3 % x->width), row = (long)(i / 3 / x->width);
        long k = (7 * column + 13 * row + 5 * c + column * row) % mod - mod / 2;
        value[i] = (int16_t)floor((double)k * step);
    }
    rn_noise_add(y, x->pixels, value, n);
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    free(value);
}

/* What an image writer makes of floats. */
static void write_as_bytes(struct rn_canvas *x)
{
    struct rn_err err = { 0 };
    const float *from = x->pixels;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, &err);
    assert_non_null(y);
    for (size_t i = 0; i < x->height * x->width * 3; i++)
        y[i] = (uint8_t)rn_clip255((int)lrintf(from[i]));
    rn_canvas_turn(x, RN_U8, x->height, x->width);
}

/* ---- building blocks ---- */

static void helper(struct rn_canvas *x, const char *name, const json_t *params)
{
    struct rn_err err = { 0 };
    size_t n = x->height * x->width;
    const uint8_t *from = x->pixels;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, &err), *plane = rn_calloc(n, 1, &err);
    struct rn_lab *lab = rn_lab_new(&err);
    double number[RN_DRAWS];
    int vertex[64];
    assert_non_null(y);
    assert_non_null(plane);
    assert_non_null(lab);
    bool is_plane = !strcmp(name, "CLAHE_gray") || !strcmp(name, "fillPoly_mask");
    for (size_t row = 0; row < x->height; row++) {
        const uint8_t *a = from + row * x->width * 3;
        uint8_t *b = y + row * x->width * 3;
        if (!strcmp(name, "RGB2HSV"))
            rn_rgb_to_hsv(b, a, x->width);
        else if (!strcmp(name, "HSV2RGB")) /* these three: of what the first makes of the input */
            rn_rgb_to_hsv(b, a, x->width), rn_hsv_to_rgb(b, b, x->width);
        else if (!strcmp(name, "RGB2HLS"))
            rn_rgb_to_hls(b, a, x->width);
        else if (!strcmp(name, "HLS2RGB"))
            rn_rgb_to_hls(b, a, x->width), rn_hls_to_rgb(b, b, x->width);
        else if (!strcmp(name, "RGB2LAB"))
            rn_rgb_to_lab(lab, b, a, x->width);
        else if (!strcmp(name, "LAB2RGB"))
            rn_rgb_to_lab(lab, b, a, x->width), rn_lab_to_rgb(lab, b, b, x->width);
        else if (!is_plane)
            fail_msg("no such helper: %s", name);
    }
    if (!strcmp(name, "CLAHE_gray")) {
        size_t c = (size_t)json_integer_value(json_object_get(params, "channel"));
        flatten(number, 0, json_object_get(params, "grid"));
        for (size_t i = 0; i < n; i++)
            plane[i] = from[3 * i + c];
        must(rn_clahe(plane, x->height, x->width, json_number_value(json_object_get(params, "clip_limit")), (size_t)number[0],
                      (size_t)number[1], &err), &err);
    } else if (is_plane) {
        const json_t *polygons = json_object_get(params, "polygons");
        for (size_t k = 0; k < json_array_size(polygons); k++) {
            size_t count = flatten(number, 0, json_array_get(polygons, k));
            for (size_t i = 0; i < count && i < 64; i++)
                vertex[i] = (int)number[i];
            must(rn_polygon_fill(plane, x->height, x->width, vertex, count / 2, &err), &err);
        }
        for (size_t i = 0; i < n; i++)
            plane[i] = plane[i] ? 255 : 0;
    }
    for (size_t i = 0; is_plane && i < n; i++)
        y[3 * i] = y[3 * i + 1] = y[3 * i + 2] = plane[i];
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    free(plane);
    free(lab);
}

/* ---- one case ---- */

static void step(struct rn_canvas *x, const char *name, const json_t *params)
{
    struct rn_err err = { 0 };
    double value[RN_DRAWS];
    if (!strcmp(name, "imwrite8")) {
        write_as_bytes(x);
        return;
    }
    if (!strncmp(name, "helper.", 7)) {
        helper(x, name + 7, params);
        return;
    }
    if (!strcmp(name, "GaussNoise")) {
        noise_by_formula(x, params);
        return;
    }
    const struct rn_augment *t = rn_augment_find(name);
    if (!t)
        fail_msg("no transform %s", name);
    const json_t *given = json_object_get(params, "options"), *numbers = json_object_get(params, "drawn");
    void *options = given ? parse_options(t, given) : make_options(t, params);
    size_t count = make_drawn(value, t, numbers ? numbers : params);
    bool elastic = !strcmp(name, "ElasticTransform");
    if (elastic) /* the affine map only; the displacement is the case's own */
        must(rn_opt_set(&t->options[0], options, "0", &err), &err);
    must(t->apply(x, options, value, count, &err), &err);
    if (elastic && !strcmp(json_string_value(json_object_get(params, "field")), "hash"))
        displace_by_hash(x, params);
    free(options);
}

static double limit(const json_t *tolerance, const char *key)
{
    return json_number_value(json_object_get(tolerance, key));
}

/* The expected samples: a picture's, or raw float32. */
static double *expected(const char *folder, const json_t *one, size_t *count)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    struct rn_err err = { 0 };
    struct rn_buffer file = { 0 };
    struct rn_image image = { 0 };
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(one, "expected")));
    bool floats = !strcmp(path + strlen(path) - 4, ".f32");
    if (floats)
        must(rn_file_read(&file, path, 1 << 26, &err), &err);
    else
        must(rn_image_load(&image, path, &how, &err), &err);
    *count = floats ? file.length / 4 : image.height * image.width * 3;
    double *value = rn_calloc(*count, sizeof *value, &err);
    assert_non_null(value);
    for (size_t i = 0; i < *count; i++) {
        float f = 0;
        if (floats)
            memcpy(&f, file.data + 4 * i, 4);
        value[i] = floats ? (double)f : image.pixels[i];
    }
    rn_buffer_free(&file);
    rn_image_free(&image);
    return value;
}

/* Bytes: all of them. Floats: within the case's tolerance; written so that NaN fails. */
static bool agrees(const struct rn_canvas *x, const char *folder, const json_t *one)
{
    const json_t *tolerance = json_object_get(one, "tolerance");
    size_t count, bad = 0, n = x->height * x->width * 3;
    double sum = 0, most = 0, *value = expected(folder, one, &count);
    if (n != count) {
        print_error("%s: %zu samples, not %zu\n", json_string_value(json_object_get(one, "name")), n, count);
        free(value);
        return false;
    }
    for (size_t i = 0; i < n; i += 3) {
        bool outlier = false;
        for (size_t c = 0; c < 3; c++) {
            double v = x->type == RN_U8 ? ((const uint8_t *)x->pixels)[i + c] : (double)((const float *)x->pixels)[i + c];
            double d = fabs(v - value[i + c]);
            outlier = outlier || !(d <= (x->type == RN_U8 ? 0 : limit(tolerance, "max_abs")));
            sum += d;
            most = d > most ? d : most;
        }
        bad += outlier;
    }
    free(value);
    double mean = sum / (double)n;
    if (bad == 0 && mean <= (x->type == RN_U8 ? 0 : limit(tolerance, "mean_abs")))
        return true;
    print_error("%s: max %g, mean %g, %zu outliers\n", json_string_value(json_object_get(one, "name")), most, mean, bad);
    return false;
}

static bool run_case(const char *folder, const json_t *one)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    struct rn_err err = { 0 };
    struct rn_canvas x = { 0 };
    struct rn_image image;
    char path[512];
    const char *name = json_string_value(json_object_get(one, "transform"));
    const json_t *params = json_object_get(one, "params"), *steps = json_object_get(params, "steps");
    snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(one, "input")));
    must(rn_image_load(&image, path, &how, &err), &err);
    rn_canvas_set(&x, RN_U8, image.pixels, image.height, image.width);
    if (!steps)
        step(&x, name, params);
    for (size_t i = 0; i < json_array_size(steps); i++) {
        const json_t *s = json_array_get(steps, i);
        step(&x, json_string_value(json_object_get(s, "transform")), json_object_get(s, "params"));
    }
    bool good = agrees(&x, folder, one);
    rn_canvas_free(&x);
    rn_image_free(&image);
    return good;
}

/* torchvision's cases (tv.) are the image room's. Under a sanitizer: not the wide filters of large pictures. */
static bool is_ours(const json_t *one)
{
    const char *name = json_string_value(json_object_get(one, "transform"));
    bool large = limit(one, "input_width") > 300 && !strcmp(name, "ElasticTransform");
    return strncmp(name, "tv.", 3) != 0 && !(large && getenv("RN_SANITIZED"));
}

static void run_all(const char *folder, size_t at_least)
{
    json_error_t where;
    char path[512];
    size_t bad = 0, ran = 0;
    snprintf(path, sizeof path, "%s/cases.json", folder);
    json_t *cases = json_load_file(path, 0, &where);
    if (!cases)
        fail_msg("%s: %s", path, where.text);
    for (size_t i = 0; i < json_array_size(cases); i++) {
        const json_t *one = json_array_get(cases, i);
        if (!is_ours(one))
            continue;
        bad += !run_case(folder, one);
        ran++;
    }
    json_decref(cases);
    print_message("%zu cases of %s\n", ran, folder);
    assert_true(ran >= at_least);
    assert_int_equal(bad, 0);
}

static void own_cases(void **state)
{
    (void)state;
    run_all("tests/fixtures/augment", 81);
}

static void shared_cases(void **state)
{
    (void)state;
    if (access("../shared/golden/augment/cases.json", R_OK))
        skip();
    run_all("../shared/golden/augment", 230);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(own_cases), cmocka_unit_test(shared_cases) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
