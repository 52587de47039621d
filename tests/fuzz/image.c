/* image.c -- any bytes as a photo: what of it is read by this project's own code, and through libpng and libjpeg (not libvips and
 * its loaders, which have fuzzers of their own). */
#include <stdlib.h>

#include "image/private.h"
#include "tests/fuzz/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* ---- what a photo is made of: JPEG's segments, PNG's chunks, the entries of a TIFF's or EXIF's directory ---- */

static size_t segments(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0, at = 2;
    while (count < most && length - at >= 4 && bytes[at] == 0xff) {
        size_t n = 2 + (size_t)rn_bytes_big(bytes + at + 2, 2);
        if (n < 4 || n > length - at)
            break;
        pieces[count++] = (struct fuzz_piece){ at, n, 4, 0 };
        at += n;
        if (bytes[at - n + 1] != 0xda)
            continue;
        size_t scan = at; /* the coded pixels end before the next marker */
        while (length - at >= 2 && !(bytes[at] == 0xff && bytes[at + 1] && (bytes[at + 1] & 0xf8) != 0xd0))
            at++;
        if (count < most && at > scan)
            pieces[count++] = (struct fuzz_piece){ scan, at - scan, 0, 0 };
    }
    return count;
}

static size_t chunks(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    for (size_t at = 8; count < most && length - at >= 12;) {
        size_t n = (size_t)rn_bytes_big(bytes + at, 4);
        if (n > length - at - 12)
            break;
        pieces[count++] = (struct fuzz_piece){ at, n + 12, 8, 4 };
        at += n + 12;
    }
    return count;
}

static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    struct rn_tiff tiff;
    if (length > 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        return segments(pieces, most, bytes, length);
    if (length > 8 && !memcmp(bytes, "\x89PNG", 4))
        return chunks(pieces, most, bytes, length);
    if (!rn_tiff_open(&tiff, bytes, length))
        return 0;
    size_t size = tiff.wide ? 20 : 12, at = (size_t)(tiff.entries.at - bytes);
    for (; count < most && count < tiff.count && length - at >= size; at += size)
        pieces[count++] = (struct fuzz_piece){ at, size, 0, 0 };
    return count;
}

/* zlib's, of PNG */
static uint32_t crc(const uint8_t *bytes, size_t length)
{
    uint32_t sum = ~0u;
    for (size_t i = 0; i < length; i++) {
        sum ^= bytes[i];
        for (int k = 0; k < 8; k++)
            sum = sum >> 1 ^ (sum & 1 ? 0xedb88320 : 0);
    }
    return ~sum;
}

static void put_big(uint8_t *to, uint64_t value, int n)
{
    while (n--) {
        to[n] = (uint8_t)value;
        value >>= 8;
    }
}

static size_t fuzz_wrap(uint8_t *to, const uint8_t *was, const struct fuzz_piece *piece, const uint8_t *inside, size_t n)
{
    memcpy(to, was, piece->inside);
    memcpy(to + piece->inside, inside, n);
    if (piece->inside == 4)
        put_big(to + 2, n + 2, 2);
    if (piece->inside != 8)
        return piece->inside + n;
    put_big(to, n, 4);
    put_big(to + 8 + n, crc(to + 4, n + 4), 4);
    return n + 12;
}

static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most)
{
    (void)bytes, (void)most;
    return length;
}

static const char *fuzz_word(unsigned draw, size_t *length)
{
    (void)draw, (void)length;
    return NULL;
}

/* ---- the fuzzer ---- */

static void check_orientation(int orientation)
{
    if (orientation < 0 || orientation > 8)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const struct rn_decode how = { .max_pixels = 1 << 16, .exif = true };
    struct rn_text text = { (const char *)bytes, length };
    struct rn_image image;
    struct rn_err err = { 0 };
    const char *name = NULL;
    int orientation = 0;
    check_orientation(rn_image_exif_orientation(bytes, length));
    check_orientation(rn_image_xmp_orientation(bytes, length));
    check_orientation(rn_image_tiff_orientation(text));
    switch (rn_image_format_of(text, &name)) {
    case RN_IMAGE_TIFF:
    case RN_IMAGE_HEIC:
    case RN_IMAGE_AVIF:
        return 0;
    case RN_IMAGE_WEBP:
        (void)rn_image_webp_outline(&orientation, text);
        check_orientation(orientation);
        return 0;
    default:
        break;
    }
    if (rn_image_decode(&image, text, &how, &err) == 0) {
        if (!image.pixels || image.height * image.width > how.max_pixels)
            abort();
    } else if (image.pixels || !err.exit || !err.text[0]) {
        abort(); /* refused without a word */
    }
    rn_image_free(&image);
    return 0;
}
