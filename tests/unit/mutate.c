/* mutate.c -- what the fuzzers' mutator makes of photos: files that are whole and turned otherwise, by EXIF and by XMP, not rubble
 * that a decoder's first check refuses. Run in the repository's root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/file.h"
#include "tests/fuzz/image.c"

enum { TRIES = 3000 };
static const struct rn_decode plain = { .max_pixels = 1 << 16 }, upright = { .max_pixels = 1 << 16, .exif = true };

static unsigned drawn;

/* In libFuzzer's place, from `drawn` on: a byte is changed, left out or put in. */
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t length, size_t most)
{
    size_t at = fuzz_draw(&drawn, (unsigned)length);
    uint8_t byte = (uint8_t)fuzz_draw(&drawn, 256);
    switch (length ? fuzz_draw(&drawn, 4) : 1) {
    case 0:
        return fuzz_put(bytes, length, most, at, 1, NULL, 0);
    case 1:
        return fuzz_put(bytes, length, most, at, 0, &byte, 1);
    default:
        bytes[at] = byte;
        return length;
    }
}

/* The orientation by which the picture was turned; 0: by none of those there are. */
static int turned(const struct rn_image *as_stored, const struct rn_image *stands)
{
    int found = 0;
    for (int orientation = 1; orientation <= 8 && !found; orientation++) {
        size_t bytes = as_stored->height * as_stored->width * 3;
        struct rn_image image = { malloc(bytes), as_stored->height, as_stored->width, NULL };
        struct rn_err err = { 0 };
        memcpy(image.pixels, as_stored->pixels, bytes);
        assert_int_equal(rn_image_turn(&image, orientation, &err), 0);
        if (image.height == stands->height && image.width == stands->width && !memcmp(image.pixels, stands->pixels, bytes))
            found = orientation;
        rn_image_free(&image);
    }
    return found;
}

/* The same of a file; -1: it is refused. */
static int orientation_of(const uint8_t *bytes, size_t length)
{
    struct rn_text text = { (const char *)bytes, length };
    struct rn_image as_stored = { 0 }, stands = { 0 };
    struct rn_err err = { 0 };
    int rc = rn_image_decode_here(&as_stored, text, &plain, &err) || rn_image_decode_here(&stands, text, &upright, &err);
    int orientation = rc ? -1 : turned(&as_stored, &stands);
    rn_image_free(&as_stored);
    rn_image_free(&stands);
    return orientation;
}

static void assert_mutates(const char *path, int stored, const char *piece, size_t length)
{
    static uint8_t bytes[FUZZ_MOST];
    static struct fuzz_piece pieces[FUZZ_PIECES];
    struct rn_buffer seed = { 0 };
    struct rn_err err = { 0 };
    int whole = 0, longer = 0, shorter = 0, seen[9] = { 0 }, kinds = 0;
    assert_int_equal(rn_file_read(&seed, path, 4096, &err), 0);
    assert_int_equal(orientation_of((uint8_t *)seed.data, seed.length), stored);
    size_t count = fuzz_split(pieces, FUZZ_PIECES, (uint8_t *)seed.data, seed.length), i = 0;
    while (i < count && !(pieces[i].length == length && !memcmp(seed.data + pieces[i].at, piece, strlen(piece))))
        i++;
    if (i == count)
        fail_msg("%s: what says how it is turned is no piece", path);
    drawn = 7;
    for (unsigned draw = 0; draw < TRIES; draw++) {
        memcpy(bytes, seed.data, seed.length);
        size_t n = LLVMFuzzerCustomMutator(bytes, seed.length, 4096, draw * 2654435761u);
        int orientation = n == seed.length && !memcmp(bytes, seed.data, n) ? -1 : orientation_of(bytes, n);
        if (orientation < 0)
            continue;
        whole++;
        seen[orientation]++;
        longer += n > seed.length;
        shorter += n < seed.length;
    }
    for (int k = 2; k <= 8; k++)
        kinds += k != stored && seen[k] > 0;
    if (whole < TRIES / 5 || longer < 20 || shorter < 20 || !seen[1] || kinds < 2)
        fail_msg("%s: of %d changes %d are whole (%d longer, %d shorter); %d are not turned any more, others to %d orientations",
                 path, TRIES, whole, longer, shorter, seen[1], kinds);
    rn_buffer_free(&seed);
}

#define FIXTURE(name) "tests/fixtures/images/" name

static void exif_is_changed_within_whole_files(void **state)
{
    (void)state;
    assert_mutates(FIXTURE("exif6.jpg"), 6, "\x12\x01", 12);
    assert_mutates(FIXTURE("exif8.png"), 8, "\x01\x12", 12);
    assert_mutates(FIXTURE("exif7.tif"), 7, "\x12\x01", 12);
}

static void xmp_is_changed_within_whole_files(void **state)
{
    (void)state;
    assert_mutates(FIXTURE("xmp6-attribute.jpg"), 6, "6", 1);
    assert_mutates(FIXTURE("xmp8-element.jpg"), 8, "8", 1);
    assert_mutates(FIXTURE("xmp6.png"), 6, "6", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exif_is_changed_within_whole_files),
        cmocka_unit_test(xmp_is_changed_within_whole_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
