/* image.c -- pictures against Pillow's and torchvision's pixels, damaged pictures, and the statistics of the random crop.
 * Run in the repository's root. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/file.h"
#include "image/image.h"
#include "image/private.h"
#include "image/resample.h"

#define FIXTURES "tests/fixtures/images/"
#define GOLDEN "../shared/golden/preprocess/"
#define CASES "../shared/cases/photos/"
#define TRASHNET "../shared/trashnet/dataset-resized/"

static const struct rn_decode plain = { .max_pixels = 100000000 }, upright = { .max_pixels = 100000000, .exif = true };

static struct rn_text text_of(const struct rn_buffer *buffer)
{
    return (struct rn_text){ buffer->data, buffer->length };
}

static struct rn_buffer slurp(const char *path)
{
    struct rn_buffer buffer = { 0 };
    struct rn_err err = { 0 };
    if (rn_file_read(&buffer, path, 1 << 28, &err))
        fail_msg("%s", err.text);
    return buffer;
}

static struct rn_image load(const char *path, const struct rn_decode *how)
{
    struct rn_image image;
    struct rn_err err = { 0 };
    if (rn_image_load(&image, path, how, &err))
        fail_msg("%s", err.text);
    return image;
}

/* Largest and mean difference of n values. */
static int difference(const uint8_t *a, const uint8_t *b, size_t n, double *mean)
{
    int most = 0;
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        int d = abs(a[i] - b[i]);
        most = d > most ? d : most;
        sum += d;
    }
    *mean = sum / (double)n;
    return most;
}

/* ---- decoding ---- */

/* HEIC and AVIF are lossy, and their decoders round in their own ways. */
static int most_allowed(const char *name)
{
    return strstr(name, ".heic") || strstr(name, "avif") ? 4 : 0;
}

static bool has_no_decoder(const char *path)
{
    struct rn_image image;
    struct rn_err err = { 0 };
    bool none = rn_image_load(&image, path, &plain, &err) && strstr(err.text, "cannot decode");
    rn_image_free(&image);
    if (none)
        print_message("# %s\n", err.text);
    return none;
}

static void every_fixture_is_as_pillow_reads_it(void **state)
{
    (void)state;
    FILE *cases = fopen(FIXTURES "cases.txt", "r");
    struct rn_buffer expected = slurp(FIXTURES "expected.rgb");
    char name[100], path[200], how[8];
    size_t width, height, at = 0;
    int n = 0, bad = 0;
    assert_non_null(cases);
    for (; fscanf(cases, "%99s %7s %zu %zu", name, how, &width, &height) == 4; n++) {
        double mean;
        snprintf(path, sizeof path, FIXTURES "%s", name);
        assert_true(at + width * height * 3 <= expected.length);
        if (has_no_decoder(path)) {
            at += width * height * 3;
            continue;
        }
        struct rn_image image = load(path, strcmp(how, "exif") ? &plain : &upright);
        if (image.width != width || image.height != height)
            fail_msg("%s: %zu x %zu, not %zu x %zu", name, image.width, image.height, width, height);
        int most = difference(image.pixels, (uint8_t *)expected.data + at, width * height * 3, &mean);
        if (most > most_allowed(name)) {
            print_error("%s: differs by up to %d, mean %.3f\n", name, most, mean);
            bad++;
        }
        at += width * height * 3;
        rn_image_free(&image);
    }
    fclose(cases);
    assert_int_equal(at, expected.length);
    rn_buffer_free(&expected);
    assert_true(n > 120);
    assert_int_equal(bad, 0);
}

static void every_refusal_names_its_reason(void **state)
{
    (void)state;
    FILE *cases = fopen(FIXTURES "refused.txt", "r");
    char name[100], path[200], reason[100];
    int n = 0, bad = 0;
    assert_non_null(cases);
    for (; fscanf(cases, "%99s %99[^\n]", name, reason) == 2; n++) {
        struct rn_image image;
        struct rn_err err = { 0 };
        snprintf(path, sizeof path, FIXTURES "%s", name);
        if (has_no_decoder(path))
            continue;
        int rc = rn_image_load(&image, path, &plain, &err);
        if (rc == 0 || err.exit != RN_EXIT_DATA || image.pixels || !strstr(err.text, reason)) {
            print_error("%s: %s, not '%s'\n", name, rc ? err.text : "taken", reason);
            bad++;
        }
        rn_image_free(&image);
    }
    fclose(cases);
    assert_true(n > 20);
    assert_int_equal(bad, 0);
}

/* The pictures that were handed out as read wrongly, where they are; as rn-batch without options prepares them. */
static void the_cases_that_were_read_wrongly(void **state)
{
    (void)state;
    enum { SIZE = 224 };
    static const char *const names[] = {
        "a.jfif", "exif-long.jpg", "g-no-trailer.gif", "is-avif.jpg", "jpg-extraneous-before-eoi.jpg", "png-no-iend.png",
        "png-rawprofile-exif6-ztxt.png", "png-xmp6.png", "sos-ss0se0.jpg", "t-xmp6.tif", "t-ycbcr.tif", "xmp-only6.jpg",
    };
    static uint8_t y[SIZE * SIZE * 3];
    struct rn_image image;
    struct rn_err err = { 0 };
    double mean;
    if (access(CASES "README.md", R_OK)) {
        print_message("skip: no " CASES "\n");
        skip();
    }
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[200], expected[200];
        snprintf(path, sizeof path, CASES "%s", names[i]);
        snprintf(expected, sizeof expected, CASES "expected/%s.png", names[i]);
        if (has_no_decoder(path))
            continue;
        struct rn_image x = load(path, &upright), want = load(expected, &plain);
        assert_true(want.height == SIZE && want.width == SIZE);
        assert_int_equal(rn_image_eval(y, &x, SIZE, 256, &err), 0);
        int most = difference(y, want.pixels, sizeof y, &mean);
        if (most > 6 || !(mean <= 0.6))
            fail_msg("%s: differs by up to %d, mean %.3f", names[i], most, mean);
        rn_image_free(&x);
        rn_image_free(&want);
    }
    assert_int_equal(rn_image_load(&image, CASES "g-lzw-short.gif", &upright, &err), -1);
    assert_non_null(strstr(err.text, "damaged GIF: its LZW data end after 20000 of 66000 pixels"));
    if (rn_image_load(&image, CASES "IMG_1.HEIC", &upright, &err))
        assert_non_null(strstr(err.text, "HEIC"));
    rn_image_free(&image);
}

static void orientation_waits_to_be_asked(void **state)
{
    (void)state;
    struct rn_image asked = load(FIXTURES "exif6.jpg", &upright), not_asked = load(FIXTURES "exif6.jpg", &plain);
    assert_int_equal(asked.width, not_asked.height);
    assert_int_equal(asked.height, not_asked.width);
    for (size_t y = 0; y < asked.height; y++)
        for (size_t x = 0; x < asked.width; x++)
            assert_memory_equal(asked.pixels + (y * asked.width + x) * 3,
                                not_asked.pixels + ((not_asked.height - 1 - x) * not_asked.width + y) * 3, 3);
    rn_image_free(&asked);
    rn_image_free(&not_asked);
}

static void exif_is_read_within_its_bounds(void **state)
{
    (void)state;
    static const uint8_t good[] = "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0";
    assert_int_equal(rn_image_exif_orientation(good, sizeof good - 1), 6);
    for (size_t n = 0; n < sizeof good - 1; n++) {
        uint8_t *cut = malloc(n ? n : 1); /* so that a byte too far is seen by the sanitizer */
        memcpy(cut, good, n);
        int orientation = rn_image_exif_orientation(cut, n);
        assert_int_equal(orientation, n >= 22 ? 6 : 0);
        free(cut);
    }
    for (size_t bit = 0; bit < 8 * (sizeof good - 1); bit++) {
        uint8_t *bent = malloc(sizeof good - 1);
        memcpy(bent, good, sizeof good - 1);
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        int orientation = rn_image_exif_orientation(bent, sizeof good - 1);
        assert_in_range(orientation, 0, 8);
        free(bent);
    }
}

static void xmp_is_read_within_its_bounds(void **state)
{
    (void)state;
    static const char attribute[] = "tiff:Orientation=\"6\"", element[] = "<tiff:Orientation>8</tiff:Orientation>";
    static const char *const none[] = { "", "tiff:Orientation", "tiff:Orientation=6", "tiff:Orientation='6'", "tiff:Orientation>x",
                                        "exif:Orientation=\"6\"" };
    for (size_t n = 0; n < sizeof element; n++) {
        uint8_t *cut = malloc(n ? n : 1);
        memcpy(cut, element, n);
        assert_int_equal(rn_image_xmp_orientation(cut, n), n >= 19 ? 8 : 0);
        free(cut);
    }
    assert_int_equal(rn_image_xmp_orientation((const uint8_t *)attribute, sizeof attribute - 1), 6);
    assert_int_equal(rn_image_xmp_orientation((const uint8_t *)"tiff:Orientation=\"9\"", 20), 1);
    assert_int_equal(rn_image_xmp_orientation((const uint8_t *)"tiff:Orientation= tiff:Orientation>3", 36), 3);
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_int_equal(rn_image_xmp_orientation((const uint8_t *)none[i], strlen(none[i])), 0);
}

/* Also by whom does not ask for EXIF. */
static void heic_is_turned_by_its_own_transformation(void **state)
{
    (void)state;
    static const char *const turned[] = { FIXTURES "turned6.heic", FIXTURES "turned6.avif" };
    for (size_t i = 0; i < 2; i++) {
        if (has_no_decoder(turned[i]))
            continue;
        struct rn_image asked = load(turned[i], &upright), not_asked = load(turned[i], &plain);
        assert_true(asked.width == 12 && asked.height == 16 && not_asked.width == 12 && not_asked.height == 16);
        assert_memory_equal(asked.pixels, not_asked.pixels, 16 * 12 * 3);
        rn_image_free(&asked);
        rn_image_free(&not_asked);
    }
}

static void refused(const char *bytes, size_t length, const struct rn_decode *how, const char *why)
{
    struct rn_image image;
    struct rn_err err = { 0 };
    assert_int_equal(rn_image_decode(&image, (struct rn_text){ bytes, length }, how, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_null(image.pixels);
    if (!strstr(err.text, why))
        fail_msg("'%s' does not say '%s'", err.text, why);
}

static void other_formats_are_refused_by_name(void **state)
{
    (void)state;
    static const char *const unknown[] = { "<?xml version=\"1.0\"?><svg/>", "\xb6\xa6\xf2\x08", "push graphic-context",
                                           "\xff\xd8", "II", "GIF88a", "RIFF\x04\0\0\0WAVE", "text", "P8 1 1", "P", "B" };
    static const struct {
        const char *bytes;
        size_t length;
        const char *why;
    } named[] = {
#define NAMED(bytes, why) { bytes, sizeof bytes - 1, why }
        NAMED("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\"/>", "an SVG drawing, which is not read here: convert it to"),
        NAMED("%PDF-1.4\n", "a PDF file"), NAMED("#?RADIANCE\n", "a Radiance picture"), NAMED("8BPS\0\1", "a Photoshop file"),
        NAMED("P7\nWIDTH 1\n", "a PAM picture"), NAMED("\xff\x0a\x01\x02", "a JPEG XL picture"),
        NAMED("\0\0\0\x18" "ftypisom" "\0\0\2\0" "isommp42", "a video"), NAMED("\0\0\0\x18" "ftypcrx ", "Canon"),
        NAMED("BM\x3a", "damaged BMP"), NAMED("P6\n1 1\n255\nab", "damaged PNM: the file ends after 0 of 1 rows"),
        NAMED("\0\0\0\x18" "ftypavif" "\0\0\0\0" "avif", "AVIF"), NAMED("\0\0\0\x18" "ftypmif1" "\0\0\0\0" "mif1heic", "HEIC"),
        NAMED("", "an empty file"),
#undef NAMED
    };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        refused(unknown[i], strlen(unknown[i]), &plain,
                "not a picture of a kind that is known (JPEG, PNG, WebP, TIFF, GIF, HEIC, AVIF, BMP, PNM)");
    for (size_t i = 0; i < sizeof named / sizeof *named; i++)
        refused(named[i].bytes, named[i].length, &plain, named[i].why);
}

static void a_bomb_is_refused_by_its_header(void **state)
{
    (void)state;
    struct rn_image image;
    struct rn_err err = { 0 };
    struct rn_buffer png = slurp(FIXTURES "rgb.png"), jpeg = slurp(FIXTURES "rgb.jpg");
    memcpy(png.data + 16, "\0\1\x86\xa0\0\1\x86\xa0", 8); /* 100000 x 100000 */
    memcpy(png.data + 29, "\x27\x30\x9c\x9f", 4);         /* the chunk's CRC */
    clock_t begin = clock();
    refused(png.data, png.length, &plain, "100000 x 100000 pixels are more than --max-pixels 100000000");
    assert_true((double)(clock() - begin) / CLOCKS_PER_SEC < 0.5);
    refused(jpeg.data, jpeg.length, &(struct rn_decode){ .max_pixels = 16 * 12 - 1 },
            "16 x 12 pixels are more than --max-pixels 191");
    assert_int_equal(rn_image_decode(&image, text_of(&jpeg), &(struct rn_decode){ .max_pixels = 16 * 12 }, &err), 0);
    rn_image_free(&image);
    rn_buffer_free(&png);
    rn_buffer_free(&jpeg);
}

static void the_limit_holds_for_every_format(void **state)
{
    (void)state;
    static const char *const files[] = { "rgb.jpg", "rgb.png", "lossy.webp", "rgb.tif", "ycbcr-deflate.tif", "palette.gif",
                                         "rgb.bmp", "run-lengths-8.bmp", "rgb.ppm", "plain.pgm", "photo.heic", "photo.avif" };
    const struct rn_decode how = { .max_pixels = 191 };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[200];
        snprintf(path, sizeof path, FIXTURES "%s", files[i]);
        struct rn_buffer file = slurp(path);
        if (!has_no_decoder(path))
            refused(file.data, file.length, &how, "16 x 12 pixels are more than --max-pixels 191");
        rn_buffer_free(&file);
    }
}

static const char *const small[] = {
    "rgb.jpg", "progressive.jpg", "cmyk.jpg", "rgb.png", "palette-transparent.png", "interlaced.png", "lossless.webp",
    "lossy.webp", "animated.webp", "transparent.gif", "animated.gif", "rgb.tif", "lzw.tif", "deflate.tif", "jpeg.tif",
    "xmp6-attribute.jpg", "raw-profile6-deflated.png", "xmp8-deflated.png", "xmp6.webp", "xmp6.tif", "ycbcr-subsampled.tif",
    "all-codes.gif", "palette.bmp", "masks.bmp", "run-lengths-8.bmp", "run-lengths-4.bmp", "rgb.ppm", "plain.pbm",
    "bilevel.pbm", "turned6.heic", "turned6.avif",
};
enum { SMALL = sizeof small / sizeof *small };

/* From a block of its exact size, so that the sanitizer sees a byte too far; without pixels when it is refused. */
static struct rn_image decode_copy(const char *bytes, size_t length)
{
    struct rn_image image;
    struct rn_err err = { 0 };
    char *copy = malloc(length ? length : 1);
    memcpy(copy, bytes, length);
    int rc = rn_image_decode(&image, (struct rn_text){ copy, length }, &upright, &err);
    assert_true(rc == 0 || (err.exit == RN_EXIT_DATA && !image.pixels));
    free(copy);
    return image;
}

/* A cut file is refused; but of what lacks no pixel all are taken. Cuts of 5 bytes, in the last 40 of 1. */
static void a_cut_file_gives_all_pixels_or_none(void **state)
{
    (void)state;
    int bad = 0;
    for (size_t i = 0; i < SMALL; i++) {
        char path[200];
        snprintf(path, sizeof path, FIXTURES "%s", small[i]);
        if (has_no_decoder(path))
            continue;
        struct rn_buffer file = slurp(path);
        struct rn_image whole = load(path, &upright);
        size_t step = file.length / 300 + 5;
        for (size_t n = 0; n < file.length; n += n + 40 < file.length ? step : 1) {
            struct rn_image cut = decode_copy(file.data, n);
            size_t size = whole.height * whole.width * 3;
            if (cut.pixels && (cut.height != whole.height || cut.width != whole.width || memcmp(cut.pixels, whole.pixels, size))) {
                print_error("%s: other pixels with %zu of %zu bytes\n", small[i], n, file.length);
                bad++;
            }
            rn_image_free(&cut);
        }
        rn_image_free(&whole);
        rn_buffer_free(&file);
    }
    assert_int_equal(bad, 0);
}

static void bits_that_flip_crash_nothing(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(1, RN_FOR_SPLIT, 2, 3);
    for (size_t i = 0; i < SMALL; i++) {
        char path[200];
        snprintf(path, sizeof path, FIXTURES "%s", small[i]);
        struct rn_buffer file = slurp(path);
        for (int round = 0; round < 150; round++) {
            uint64_t bits[3];
            for (int k = 0; k < 3; k++) {
                bits[k] = rn_rng_below(&rng, file.length * 8);
                file.data[bits[k] / 8] ^= (char)(1 << bits[k] % 8);
            }
            struct rn_image image = decode_copy(file.data, file.length);
            rn_image_free(&image);
            for (int k = 0; k < 3; k++)
                file.data[bits[k] / 8] ^= (char)(1 << bits[k] % 8);
        }
        rn_buffer_free(&file);
    }
}

static void a_file_that_is_not_there(void **state)
{
    (void)state;
    struct rn_image image;
    struct rn_err err = { 0 };
    assert_int_equal(rn_image_load(&image, FIXTURES "none.jpg", &plain, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_int_equal(rn_image_load(&image, FIXTURES, &plain, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_int_equal(rn_image_load(&image, FIXTURES "cases.txt", &plain, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_non_null(strstr(err.text, FIXTURES "cases.txt: not a picture"));
}

/* ---- resize, crops ---- */

/* The plain meaning of the filter, in double: within one level of the fixed-point passes. */
static double triangle(const struct rn_image *x, size_t to_height, size_t to_width, size_t row, size_t column, size_t c)
{
    double sy = (double)x->height / (double)to_height, sx = (double)x->width / (double)to_width, sum = 0, weights = 0;
    double wide_y = fmax(sy, 1), wide_x = fmax(sx, 1), cy = ((double)row + .5) * sy, cx = ((double)column + .5) * sx;
    for (size_t i = 0; i < x->height; i++)
        for (size_t j = 0; j < x->width; j++) {
            double wy = 1 - fabs((double)i + .5 - cy) / wide_y, wx = 1 - fabs((double)j + .5 - cx) / wide_x;
            if (wy > 0 && wx > 0) {
                sum += wy * wx * x->pixels[(i * x->width + j) * 3 + c];
                weights += wy * wx;
            }
        }
    return sum / weights;
}

static void resample_is_a_triangle(void **state)
{
    (void)state;
    static const size_t sizes[][2] = { { 5, 7 }, { 12, 16 }, { 24, 40 }, { 1, 1 }, { 3, 50 }, { 30, 2 } };
    struct rn_image x = load(FIXTURES "rgba.png", &plain);
    struct rn_err err = { 0 };
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        size_t h = sizes[i][0], w = sizes[i][1];
        uint8_t *y = malloc(h * w * 3);
        assert_int_equal(rn_image_resample(y, &x, (struct rn_box){ 0, 0, x.height, x.width }, h, w, (struct rn_box){ 0, 0, h, w },
                                           &err), 0);
        for (size_t k = 0; k < h * w * 3; k++) {
            double exact = triangle(&x, h, w, k / 3 / w, k / 3 % w, k % 3);
            if (!(fabs(exact - y[k]) <= 1.01))
                fail_msg("%zu x %zu: value %zu is %d, not %.3f", h, w, k, y[k], exact);
        }
        free(y);
    }
    rn_image_free(&x);
}

static void resample_is_pillows(void **state)
{
    (void)state;
    FILE *cases = fopen(FIXTURES "resized.txt", "r");
    struct rn_buffer expected = slurp(FIXTURES "resized.rgb");
    struct rn_image x = load(FIXTURES "rgba.png", &plain);
    struct rn_err err = { 0 };
    struct rn_box crop;
    size_t width, height, at = 0;
    assert_non_null(cases);
    while (fscanf(cases, "%zu %zu %zu %zu %zu %zu", &crop.left, &crop.top, &crop.width, &crop.height, &width, &height) == 6) {
        size_t n = width * height * 3;
        uint8_t *y = malloc(n);
        assert_true(at + n <= expected.length);
        assert_int_equal(rn_image_resample(y, &x, crop, height, width, (struct rn_box){ 0, 0, height, width }, &err), 0);
        assert_memory_equal(y, expected.data + at, n);
        at += n;
        free(y);
    }
    assert_true(at > 0);
    assert_int_equal(at, expected.length);
    fclose(cases);
    rn_image_free(&x);
    rn_buffer_free(&expected);
}

static void a_window_is_a_part_of_the_whole(void **state)
{
    (void)state;
    struct rn_image x = load(FIXTURES "rgba.png", &plain);
    struct rn_err err = { 0 };
    struct rn_box crop = { 2, 3, 9, 11 }, all = { 0, 0, 20, 30 }, window = { 4, 7, 13, 5 };
    uint8_t whole[20 * 30 * 3], part[13 * 5 * 3 + 1];
    part[13 * 5 * 3] = 0xa5;
    assert_int_equal(rn_image_resample(whole, &x, crop, 20, 30, all, &err), 0);
    assert_int_equal(rn_image_resample(part, &x, crop, 20, 30, window, &err), 0);
    for (size_t r = 0; r < 13; r++)
        assert_memory_equal(part + r * 5 * 3, whole + ((r + 4) * 30 + 7) * 3, 5 * 3);
    assert_int_equal(part[13 * 5 * 3], 0xa5);
    assert_int_equal(rn_image_resample(part, &x, (struct rn_box){ 2, 3, 11, 11 }, 20, 30, window, &err), -1);
    assert_int_equal(rn_image_resample(part, &x, crop, 16, 30, window, &err), -1);
    rn_image_free(&x);
}

/* Both versions of the passes, upright and mirrored, on sizes that fit no vector; nothing is read or written beyond. */
static void versions_of_the_passes_agree(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(3, RN_FOR_CROP, 0, 0);
    for (int round = 0; round < 300; round++) {
        size_t height = 1 + rn_rng_below(&rng, 60), width = 11 + rn_rng_below(&rng, 80), h = 1 + rn_rng_below(&rng, 50),
               w = 11 + rn_rng_below(&rng, 60);
        struct rn_box crop = { .height = 1 + rn_rng_below(&rng, (uint64_t)height),
                               .width = 11 + rn_rng_below(&rng, (uint64_t)width - 10) };
        crop.top = rn_rng_below(&rng, height - crop.height + 1);
        crop.left = rn_rng_below(&rng, width - crop.width + 1);
        struct rn_box window = { .height = 1 + rn_rng_below(&rng, (uint64_t)h),
                                 .width = 11 + rn_rng_below(&rng, (uint64_t)w - 10) };
        window.top = rn_rng_below(&rng, h - window.height + 1);
        window.left = rn_rng_below(&rng, w - window.width + 1);
        struct rn_image x = { malloc(height * width * 3), height, width };
        size_t size = window.height * window.width * 3;
        uint8_t *y[3] = { malloc(size + 1), malloc(size + 1), malloc(size + 1) };
        struct rn_err err = { 0 };
        for (size_t i = 0; i < height * width * 3; i++)
            x.pixels[i] = round % 5 ? (uint8_t)rn_rng_u32(&rng) : 255;
        y[0][size] = y[1][size] = y[2][size] = 77;
        assert_int_equal(rn_image_resample_by(&rn_passes_plain, y[0], &x, crop, h, w, window, false, &err), 0);
        assert_int_equal(rn_image_resample(y[1], &x, crop, h, w, window, &err), 0);
        assert_int_equal(rn_image_resample_by(NULL, y[2], &x, crop, h, w, window, true, &err), 0);
        assert_memory_equal(y[0], y[1], size + 1);
        for (size_t r = 0; r < window.height; r++)
            for (size_t i = 0; i < window.width; i++)
                assert_memory_equal(y[0] + (r * window.width + i) * 3, y[2] + (r * window.width + window.width - 1 - i) * 3, 3);
        assert_int_equal(y[2][size], 77);
        for (int i = 0; i < 3; i++)
            free(y[i]);
        free(x.pixels);
    }
}

static void a_small_picture_is_padded(void **state)
{
    (void)state;
    uint8_t pixel[3] = { 10, 20, 30 }, y[8 * 8 * 3];
    struct rn_image x = { pixel, 1, 1 };
    struct rn_err err = { 0 };
    assert_int_equal(rn_image_eval(y, &x, 8, 3, &err), 0);
    for (size_t i = 0; i < 64; i++) {
        bool in = i / 8 >= 2 && i / 8 < 5 && i % 8 >= 2 && i % 8 < 5;
        assert_memory_equal(y + 3 * i, in ? pixel : (uint8_t[3]){ 0 }, 3);
    }
    struct rn_rng rng = rn_rng(1, RN_FOR_CROP, 2, 3);
    assert_int_equal(rn_image_train(y, &x, 8, &rng, &err), 0);
    for (size_t i = 0; i < 64; i++)
        assert_memory_equal(y + 3 * i, pixel, 3);
}

static void random_crops_are_distributed_as_torchvisions(void **state)
{
    (void)state;
    enum { N = 20000, H = 384, W = 512 };
    double area = 0, log_ratio = 0, top = 0, left = 0;
    for (uint32_t i = 0; i < N; i++) {
        struct rn_rng rng = rn_rng(1234, RN_FOR_CROP, i, 0);
        struct rn_box box = rn_image_random_crop(H, W, &rng);
        assert_true(box.height >= 1 && box.width >= 1 && box.top + box.height <= H && box.left + box.width <= W);
        double share = (double)(box.height * box.width) / (H * W), ratio = (double)box.width / (double)box.height;
        assert_true(share > 0.079 && share <= 1 && ratio > 0.73 && ratio < 1.36);
        area += share / N;
        log_ratio += log(ratio) / N;
        if (box.height < H)
            top += (double)box.top / (double)(H - box.height) / N;
        left += box.width < W ? (double)box.left / (double)(W - box.width) / N : 0.5 / N;
    }
    /* 200,000 draws of the same rule with Python's random: area 0.4331, log ratio 0.0307, top 0.498, left 0.499 */
    assert_true(fabs(area - 0.4331) < 0.006);
    assert_true(fabs(log_ratio - 0.0307) < 0.005);
    assert_true(fabs(top - 0.5) < 0.01);
    assert_true(fabs(left - 0.5) < 0.01);
}

static void narrow_pictures_fall_back_to_the_centre(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(1, RN_FOR_CROP, 1, 0);
    struct rn_box wide = rn_image_random_crop(10, 1000, &rng), tall = rn_image_random_crop(1000, 10, &rng),
                  one = rn_image_random_crop(1, 1, &rng);
    assert_true(wide.height == 10 && wide.width == 13 && wide.top == 0 && wide.left == 493);
    assert_true(tall.height == 13 && tall.width == 10 && tall.top == 493 && tall.left == 0);
    assert_true(one.height == 1 && one.width == 1 && one.top == 0 && one.left == 0);
}

/* ---- golden ---- */

static struct rn_box crop_of(json_t *c)
{
    json_t *crop = json_object_get(c, "crop");
    struct rn_box box = { 0 };
    box.top = (size_t)json_integer_value(json_object_get(crop, "top"));
    box.left = (size_t)json_integer_value(json_object_get(crop, "left"));
    box.height = (size_t)json_integer_value(json_object_get(crop, "height"));
    box.width = (size_t)json_integer_value(json_object_get(crop, "width"));
    return box;
}

static void flip_rows(uint8_t *y, size_t size)
{
    for (size_t r = 0; r < size; r++)
        for (size_t x = 0; x < size / 2; x++)
            for (size_t c = 0; c < 3; c++) {
                uint8_t *a = y + (r * size + x) * 3 + c, *b = y + (r * size + size - 1 - x) * 3 + c, t = *a;
                *a = *b;
                *b = t;
            }
}

static void one_golden_case(json_t *c, int *worst)
{
    enum { SIZE = 224 };
    static uint8_t y[SIZE * SIZE * 3];
    char source[300], expected[300];
    struct rn_err err = { 0 };
    double mean;
    bool jpeg = !strcmp(json_string_value(json_object_get(c, "from")), "trashnet");
    snprintf(source, sizeof source, "%s%s", jpeg ? TRASHNET : GOLDEN, json_string_value(json_object_get(c, "source")));
    snprintf(expected, sizeof expected, GOLDEN "%s", json_string_value(json_object_get(c, "expected")));
    struct rn_image x = load(source, &plain), want = load(expected, &plain);
    assert_true(want.height == SIZE && want.width == SIZE);
    if (!strcmp(json_string_value(json_object_get(c, "op")), "crop_then_resize_224"))
        assert_int_equal(rn_image_resample(y, &x, crop_of(c), SIZE, SIZE, (struct rn_box){ 0, 0, SIZE, SIZE }, &err), 0);
    else
        assert_int_equal(rn_image_eval(y, &x, SIZE, 256, &err), 0);
    if (json_is_true(json_object_get(c, "hflip")))
        flip_rows(y, SIZE);
    int most = difference(y, want.pixels, sizeof y, &mean);
    *worst = most > *worst ? most : *worst;
    if (most > (jpeg ? 4 : 1) || !(mean <= (jpeg ? 0.5 : 1)))
        fail_msg("%s: differs by up to %d, mean %.3f", expected, most, mean);
    rn_image_free(&x);
    rn_image_free(&want);
}

static void golden_cases(void **state)
{
    (void)state;
    json_error_t error;
    int worst = 0;
    if (access(GOLDEN "cases.json", R_OK)) {
        print_message("skip: no " GOLDEN "\n");
        skip();
    }
    json_t *root = json_load_file(GOLDEN "cases.json", 0, &error), *cases = json_object_get(root, "cases");
    assert_true(json_array_size(cases) > 0);
    for (size_t i = 0; i < json_array_size(cases); i++)
        one_golden_case(json_array_get(cases, i), &worst);
    print_message("%zu golden cases: at most %d levels off\n", json_array_size(cases), worst);
    json_decref(root);
}

static size_t size_in(json_t *object, const char *key)
{
    return (size_t)json_integer_value(json_object_get(object, key));
}

/* Resize, CenterCrop and RandomResizedCrop (its box given) of torchvision, in the folder of the augmentations. */
static void torchvisions_transforms(void **state)
{
    (void)state;
    json_error_t error;
    size_t tried = 0, i;
    json_t *root = json_load_file("../shared/golden/augment/cases.json", 0, &error), *c;
    if (!root) {
        print_message("skip: no ../shared/golden/augment\n");
        skip();
    }
    json_array_foreach(json_is_array(root) ? root : json_object_get(root, "cases"), i, c)
    {
        const char *transform = json_string_value(json_object_get(c, "transform")), *folder = "../shared/golden/augment";
        bool resize = !strcmp(transform, "tv.Resize"), centre = !strcmp(transform, "tv.CenterCrop");
        if (!resize && !centre && strcmp(transform, "tv.RandomResizedCrop") != 0)
            continue;
        char path[512];
        json_t *params = json_object_get(c, "params");
        snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(c, "input")));
        struct rn_image x = load(path, &plain);
        snprintf(path, sizeof path, "%s/%s", folder, json_string_value(json_object_get(c, "expected")));
        struct rn_image want = load(path, &plain);
        size_t n = want.height * want.width * 3, shorter = x.height < x.width ? x.height : x.width;
        uint8_t *y = malloc(n);
        struct rn_err err = { 0 };
        struct rn_box box = { 0, 0, x.height, x.width }, whole = { 0, 0, want.height, want.width };
        if (!resize && !centre)
            box = (struct rn_box){ size_in(params, "i"), size_in(params, "j"), size_in(params, "h"), size_in(params, "w") };
        int rc = centre ? rn_image_eval(y, &x, size_in(params, "size"), shorter, &err)
                        : rn_image_resample(y, &x, box, want.height, want.width, whole, &err);
        if (rc || memcmp(y, want.pixels, n) != 0)
            fail_msg("%s: %s", json_string_value(json_object_get(c, "name")), rc ? err.text : "differs");
        tried++;
        free(y);
        rn_image_free(&x);
        rn_image_free(&want);
    }
    assert_true(tried > 0);
    json_decref(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fixture_is_as_pillow_reads_it),
        cmocka_unit_test(orientation_waits_to_be_asked),
        cmocka_unit_test(exif_is_read_within_its_bounds),
        cmocka_unit_test(xmp_is_read_within_its_bounds),
        cmocka_unit_test(heic_is_turned_by_its_own_transformation),
        cmocka_unit_test(every_refusal_names_its_reason),
        cmocka_unit_test(the_cases_that_were_read_wrongly),
        cmocka_unit_test(other_formats_are_refused_by_name),
        cmocka_unit_test(a_bomb_is_refused_by_its_header),
        cmocka_unit_test(the_limit_holds_for_every_format),
        cmocka_unit_test(a_cut_file_gives_all_pixels_or_none),
        cmocka_unit_test(bits_that_flip_crash_nothing),
        cmocka_unit_test(a_file_that_is_not_there),
        cmocka_unit_test(resample_is_a_triangle),
        cmocka_unit_test(resample_is_pillows),
        cmocka_unit_test(a_window_is_a_part_of_the_whole),
        cmocka_unit_test(versions_of_the_passes_agree),
        cmocka_unit_test(a_small_picture_is_padded),
        cmocka_unit_test(random_crops_are_distributed_as_torchvisions),
        cmocka_unit_test(narrow_pictures_fall_back_to_the_centre),
        cmocka_unit_test(golden_cases),
        cmocka_unit_test(torchvisions_transforms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
