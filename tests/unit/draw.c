/* draw.c -- colours, text, maps over photos, whole panels, and PNG files read back. */
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

#include "core/file.h"
#include "draw/panel.h"

static const struct rn_colour white = { 255, 255, 255 }, black = { 0, 0, 0 };

static struct rn_image canvas_of(size_t h, size_t w)
{
    struct rn_image canvas;
    struct rn_err err = { 0 };
    if (rn_draw_canvas(&canvas, h, w, white, &err))
        fail_msg("%s", err.text);
    return canvas;
}

static const uint8_t *at(const struct rn_image *canvas, size_t y, size_t x)
{
    return canvas->pixels + (y * canvas->width + x) * 3;
}

static bool is(const uint8_t *rgb, struct rn_colour c)
{
    return rgb[0] == c.r && rgb[1] == c.g && rgb[2] == c.b;
}

static bool same(struct rn_colour a, struct rn_colour b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

/* CIE L*, 0 to 100, of an sRGB colour. */
static double lightness(struct rn_colour c)
{
    const double share[3] = { c.r / 255.0, c.g / 255.0, c.b / 255.0 }, weight[3] = { 0.2126, 0.7152, 0.0722 };
    double y = 0;
    for (int i = 0; i < 3; i++)
        y += weight[i] * (share[i] <= 0.04045 ? share[i] / 12.92 : pow((share[i] + 0.055) / 1.055, 2.4));
    return y > 216.0 / 24389 ? 116 * cbrt(y) - 16 : y * 24389 / 27;
}

/* Lightness always grows, from each sixteenth to the next by half to one and a half of the mean (the map is even in
 * CAM02-UCS, whose lightness differs from L* where it is dark). */
static void heat_is_uniform(void **state)
{
    (void)state;
    double before = lightness(rn_draw_heat(0)), all = lightness(rn_draw_heat(1)) - before;
    assert_true(before < 2 && all > 90);
    for (int i = 1; i <= 64; i++) {
        double now = lightness(rn_draw_heat(i / 64.0));
        assert_true(now > before);
        before = now;
    }
    for (int i = 0; i < 16; i++) {
        double step = lightness(rn_draw_heat((i + 1) / 16.0)) - lightness(rn_draw_heat(i / 16.0));
        if (!(step > 0.5 * all / 16 && step < 1.5 * all / 16))
            fail_msg("step %d: %g of %g", i, step, all / 16);
    }
    /* matplotlib's table, in places: #000004, #57106e, #bc3754, #f98e09, #fcffa4 */
    static const uint8_t published[5][3] = { { 0, 0, 4 }, { 0x57, 0x10, 0x6e }, { 0xbc, 0x37, 0x54 }, { 0xf9, 0x8e, 0x09 },
                                             { 0xfc, 0xff, 0xa4 } };
    for (int i = 0; i < 5; i++) {
        struct rn_colour c = rn_draw_heat(i / 4.0);
        const int difference[3] = { abs(c.r - published[i][0]), abs(c.g - published[i][1]), abs(c.b - published[i][2]) };
        for (int k = 0; k < 3; k++)
            assert_true(difference[k] <= 8);
    }
    assert_true(same(rn_draw_heat(-3), rn_draw_heat(0)) && same(rn_draw_heat(7), rn_draw_heat(1)) &&
                same(rn_draw_heat((double)NAN), rn_draw_heat(0)));
}

static void blending(void **state)
{
    (void)state;
    const struct rn_colour a = { 10, 200, 0 }, b = { 20, 100, 255 };
    assert_true(same(rn_draw_blend(a, b, 0), a) && same(rn_draw_blend(a, b, 1), b));
    assert_true(same(rn_draw_blend(a, b, 0.5), (struct rn_colour){ 15, 150, 128 }));
    assert_true(same(rn_draw_blend(a, a, 0.3), a));
}

/* The dots of a text: how many, and their box. */
struct dots {
    size_t count, top, bottom, left, right;
};

static struct dots dots_of(const struct rn_image *canvas)
{
    struct dots d = { 0, SIZE_MAX, 0, SIZE_MAX, 0 };
    for (size_t y = 0; y < canvas->height; y++)
        for (size_t x = 0; x < canvas->width; x++) {
            if (is(at(canvas, y, x), white))
                continue;
            assert_true(is(at(canvas, y, x), black));
            d.count++;
            d.top = y < d.top ? y : d.top;
            d.bottom = y > d.bottom ? y : d.bottom;
            d.left = x < d.left ? x : d.left;
            d.right = x > d.right ? x : d.right;
        }
    return d;
}

static struct dots dots_in(const char *text, size_t width, size_t scale)
{
    struct rn_image canvas = canvas_of(60, 200);
    rn_draw_text(&canvas, 10, 20, width, scale, black, rn_text(text));
    struct dots d = dots_of(&canvas);
    rn_image_free(&canvas);
    return d;
}

/* Every printable character has a shape of its own within its 5x9 dots. */
static void glyphs(void **state)
{
    (void)state;
    struct rn_image shape[95];
    for (int i = 0; i < 95; i++) {
        const char text[2] = { (char)(' ' + i), '\0' };
        shape[i] = canvas_of(12, 8);
        rn_draw_text(&shape[i], 1, 1, 8, 1, black, rn_text(text));
        struct dots d = dots_of(&shape[i]);
        assert_true(i == 0 ? d.count == 0 : d.count >= 3 && d.top >= 1 && d.bottom <= 9 && d.left >= 1 && d.right <= 5);
        for (int k = 0; k < i; k++)
            if (!memcmp(shape[i].pixels, shape[k].pixels, 12 * 8 * 3))
                fail_msg("'%c' looks like '%c'", ' ' + i, ' ' + k);
    }
    for (int i = 0; i < 95; i++)
        rn_image_free(&shape[i]);
}

static void text_extents(void **state)
{
    (void)state;
    assert_int_equal(rn_draw_text_width(rn_text(""), 3), 0);
    assert_int_equal(rn_draw_text_width(rn_text("H"), 1), 5);
    assert_int_equal(rn_draw_text_width(rn_text("HHH"), 2), 34);
    assert_int_equal(rn_draw_text_width(rn_text("h\xc3\xa9l"), 1), 17); /* a letter of two bytes is one character */
    struct dots one = dots_in("H", 100, 1), big = dots_in("H", 100, 3), three = dots_in("HHH", 100, 2);
    assert_true(one.top == 10 && one.bottom == 16 && one.left == 20 && one.right == 24);
    assert_true(big.count == 9 * one.count && big.bottom == 10 + 20 && big.right == 20 + 14);
    assert_true(three.right == 20 + 33 && three.count == 12 * one.count);
    assert_int_equal(dots_in("p", 100, 1).bottom, 18);
    assert_int_equal(dots_in("\x01\xff", 100, 1).count, 2 * dots_in("?", 100, 1).count);
    /* what does not fit ends in two dots, and never leaves its room */
    struct dots cut = dots_in("HHHHHHHHHH", 40, 1), fits = dots_in("HHHHHH", 40, 1);
    assert_true(cut.right < 60 && fits.right < 60 && fits.count == 6 * one.count);
    assert_int_equal(cut.count, 4 * one.count + 2 * dots_in(".", 9, 1).count);
    assert_int_equal(dots_in("HH", 3, 1).count, 0);
    assert_true(dots_in("HHHHHH", 1000, 9).right <= 199); /* the canvas ends */
}

/* Cells lie where first and pitch say; between them the map is linear, outside constant. */
static void maps(void **state)
{
    (void)state;
    const float value[] = { 0, 1, 1, 0, 1, 1 };
    struct rn_image canvas = canvas_of(40, 50);
    struct rn_draw_map map = { value, 2, 3, 4, 16, 0, 1 };
    struct rn_box box = { 2, 3, 32, 40 };
    rn_draw_map(&canvas, box, &map, 1);
    assert_true(is(at(&canvas, 1, 10), white) && is(at(&canvas, 10, 2), white) && is(at(&canvas, 34, 10), white) &&
                is(at(&canvas, 10, 43), white));
    assert_true(is(at(&canvas, 20, 3), rn_draw_heat(0)) && is(at(&canvas, 20, 3 + 4), rn_draw_heat(0)));
    assert_true(is(at(&canvas, 20, 3 + 12), rn_draw_heat(0.5)) && is(at(&canvas, 20, 3 + 20), rn_draw_heat(1)) &&
                is(at(&canvas, 20, 42), rn_draw_heat(1)));
    rn_draw_fill(&canvas, (struct rn_box){ 0, 0, 40, 50 }, white);
    rn_draw_map(&canvas, box, &map, 0.25);
    assert_true(is(at(&canvas, 20, 3), rn_draw_blend(white, rn_draw_heat(0), 0.25)));
    rn_draw_map(&canvas, (struct rn_box){ 30, 45, 100, 100 }, &map, 1); /* beyond the canvas */
    map.high = 0; /* no range: the lowest colour */
    rn_draw_map(&canvas, box, &map, 1);
    assert_true(is(at(&canvas, 20, 40), rn_draw_heat(0)));
    rn_draw_range(&map);
    assert_true(map.low == 0 && map.high == 1);
    const float holes[] = { NAN, NAN, NAN, NAN, NAN, NAN };
    map.value = holes;
    rn_draw_range(&map);
    rn_draw_map(&canvas, box, &map, 1);
    assert_true(is(at(&canvas, 20, 40), rn_draw_heat(0)));
    rn_draw_scale(&canvas, (struct rn_box){ 0, 5, 2, 20 });
    assert_true(is(at(&canvas, 0, 5), rn_draw_heat(0)) && is(at(&canvas, 1, 24), rn_draw_heat(1)));
    rn_image_free(&canvas);
}

static struct rn_image read_back(const char *path)
{
    struct rn_image image;
    struct rn_err err = { 0 };
    if (rn_image_load(&image, path, &(struct rn_decode){ .max_pixels = 10000000 }, &err))
        fail_msg("%s", err.text);
    return image;
}

/* Panels of one size, side by side; small photos are enlarged; a file of them gives the same pixels again. */
static void panels(void **state)
{
    (void)state;
    struct rn_err err = { 0 };
    uint8_t pixels[2 * 4 * 3];
    const float value[] = { 0, 3 };
    char path[] = "/tmp/rn-draw-XXXXXX";
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(10 * i);
    struct rn_draw_panel panel[2] = {
        { .pixels = pixels, .h = 2, .w = 4, .title = RN_TEXT("photo") },
        { .pixels = pixels, .h = 2, .w = 4, .map = { value, 1, 2, 0, 3, 0, 3 }, .alpha = 1,
          .title = RN_TEXT("a title that is far too long for so narrow a place, in any size of letters, however small they are"),
          .verdict = RN_TEXT("can 99.0%"), .note = RN_TEXT("Grad-CAM: can") } };
    struct rn_image canvas;
    assert_int_equal(rn_draw_panels(&canvas, panel, 2, &err), 0);
    size_t zoom = 112, left = 10 + 4 * zoom + 10, top = 10 + 18 + 6;
    assert_int_equal(canvas.width, left + 4 * zoom + 10);
    assert_true(is(at(&canvas, top, 10), (struct rn_colour){ 0, 10, 20 }) &&
                is(at(&canvas, top + zoom - 1, 10 + zoom - 1), (struct rn_colour){ 0, 10, 20 }));
    assert_true(is(at(&canvas, top + zoom, 10), (struct rn_colour){ 120, 130, 140 }));
    assert_true(is(at(&canvas, top + zoom, left), rn_draw_heat(0)) &&
                is(at(&canvas, top + zoom, left + 4 * zoom - 1), rn_draw_heat(1)));
    for (size_t y = 0; y < canvas.height; y++) /* margins are free */
        assert_true(is(at(&canvas, y, left - 1), white) && is(at(&canvas, y, canvas.width - 1), white));

    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    assert_int_equal(rn_image_save_png(path, &canvas, &err), 0);
    struct rn_image back = read_back(path);
    assert_true(back.height == canvas.height && back.width == canvas.width);
    assert_memory_equal(back.pixels, canvas.pixels, canvas.height * canvas.width * 3);
    rn_image_free(&back);
    rn_image_free(&canvas);
    unlink(path);
    assert_int_equal(rn_image_save_png("/nowhere/at/all.png", &(struct rn_image){ pixels, 2, 4 }, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    panel[0].w = SIZE_MAX / 2;
    assert_int_equal(rn_draw_panels(&canvas, panel, 2, &err), -1);
}

/* Names from outside, below a folder. */
static void names(void **state)
{
    (void)state;
    static const struct { const char *name; size_t length; const char *path; } rows[] = {
        { "a.jpg", 5, "a.jpg.png" },  { "x/y/a.jpg", 9, "x/y/a.jpg.png" }, { "./x//./b", 8, "x/b.png" }, { "..b/...", 7, "..b/....png" },
        { "../a", 4, NULL },          { "x/../../a", 9, NULL },            { "x/..", 4, NULL },         { "/etc/a", 6, NULL },
        { "", 0, NULL },              { ".", 1, NULL },                    { "x/", 2, NULL },           { "x/.", 3, NULL },
        { "a\0b", 3, NULL },          { "..", 2, NULL },                   { "./", 2, NULL },
    };
    char folder[] = "/tmp/rn-draw-XXXXXX", command[64], whole[256];
    struct rn_buffer path = { 0 };
    struct rn_err err = { 0 };
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        int rc = rn_file_below(&path, folder, (struct rn_text){ rows[i].name, rows[i].length }, ".png", &err);
        if (rc != (rows[i].path ? 0 : -1))
            fail_msg("'%s': %d", rows[i].name, rc);
        snprintf(whole, sizeof whole, "%s/%s", folder, rows[i].path ? rows[i].path : "");
        if (rows[i].path) {
            assert_string_equal(path.data, whole);
            assert_int_equal(rn_file_put(folder, path.data + strlen(folder) + 1, "x", 1, i % 2, &err), 0);
            assert_int_equal(access(whole, R_OK), 0);
        } else
            assert_int_equal(err.exit, RN_EXIT_DATA);
    }
    snprintf(whole, sizeof whole, "%s/x/y", folder);
    assert_int_equal(access(whole, X_OK), 0);
    rn_buffer_free(&path);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heat_is_uniform), cmocka_unit_test(blending), cmocka_unit_test(glyphs), cmocka_unit_test(text_extents),
        cmocka_unit_test(maps),            cmocka_unit_test(panels),   cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
