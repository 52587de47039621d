/* image.c -- any bytes as a photo: what of it is read by this project's own code, and through libpng and libjpeg (not libvips and
 * its loaders, which have fuzzers of their own). */
#include <stdlib.h>

#include "image/private.h"
#include "tests/fuzz/mutate.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

/* ---- what a photo is made of: JPEG's segments, PNG's chunks, the entries of a TIFF's directory; and within those of EXIF its
 * entries and their parts, of XMP its tags and values ---- */

/* The directory's entries, of what begins at `at`, and of each its tag, type, count, and value or place. */
static void entries(struct fuzz_piece *pieces, size_t *count, size_t most, const uint8_t *bytes, size_t at, size_t length)
{
    struct rn_tiff tiff;
    if (!rn_tiff_open(&tiff, bytes + at, length))
        return;
    size_t size = tiff.wide ? 20 : 12, entry = (size_t)(tiff.entries.at - bytes);
    size_t word = tiff.wide ? 8 : 4;
    for (size_t i = 0; *count + 5 <= most && i < tiff.count && at + length - entry >= size; i++, entry += size) {
        pieces[(*count)++] = (struct fuzz_piece){ entry, size, 0, 0 };
        pieces[(*count)++] = (struct fuzz_piece){ entry, 2, 0, 0 };
        pieces[(*count)++] = (struct fuzz_piece){ entry + 2, 2, 0, 0 };
        pieces[(*count)++] = (struct fuzz_piece){ entry + 4, word, 0, 0 };
        pieces[(*count)++] = (struct fuzz_piece){ entry + 4 + word, word, 0, 0 };
    }
}

/* What is between < and >, and between quotation marks. */
static void tags(struct fuzz_piece *pieces, size_t *count, size_t most, const uint8_t *bytes, size_t at, size_t length)
{
    static const char pairs[][2] = { { '<', '>' }, { '>', '<' }, { '"', '"' }, { '\'', '\'' } };
    for (size_t i = at, end = at + length; i < end && *count < most; i++)
        for (size_t k = 0; k < sizeof pairs / sizeof *pairs; k++) {
            const uint8_t *close = bytes[i] == pairs[k][0] ? memchr(bytes + i + 1, pairs[k][1], end - i - 1) : NULL;
            size_t n = close ? (size_t)(close - bytes) - i - 1 : 0;
            if (n && *count < most)
                pieces[(*count)++] = k ? (struct fuzz_piece){ i + 1, n, 0, 0 } : (struct fuzz_piece){ i, n + 2, 0, 0 };
        }
}

/* What lies in a segment or chunk, whose content begins at `at`. */
static void inner(struct fuzz_piece *pieces, size_t *count, size_t most, const uint8_t *bytes, size_t at, size_t length)
{
    bool exif = length > 6 && !memcmp(bytes + at, "Exif\0\0", 6);
    entries(pieces, count, most, bytes, at + (exif ? 6 : 0), length - (exif ? 6 : 0));
    if (length > 20 && memchr(bytes + at, '<', length))
        tags(pieces, count, most, bytes, at, length);
}

static bool marker_at(const uint8_t *bytes, size_t length, size_t at)
{
    return length - at >= 2 && bytes[at] == 0xff && bytes[at + 1] >= 0xc0 && bytes[at + 1] != 0xff;
}

static size_t segments(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0, at = 2;
    while (count < most && length - at >= 4 && bytes[at] == 0xff) {
        size_t n = 2 + (size_t)rn_bytes_big(bytes + at + 2, 2);
        if (n < 4 || n > length - at)
            break;
        pieces[count++] = (struct fuzz_piece){ at, n, 4, 0 };
        if ((bytes[at + 1] & 0xf0) == 0xe0)
            inner(pieces, &count, most, bytes, at + 4, n - 4);
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
        if (bytes[at + 4] & 32) /* not of the pixels */
            inner(pieces, &count, most, bytes, at + 8, n);
        at += n + 12;
    }
    return count;
}

static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    if (length > 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        return segments(pieces, most, bytes, length);
    if (length > 8 && !memcmp(bytes, "\x89PNG", 4))
        return chunks(pieces, most, bytes, length);
    entries(pieces, &count, most, bytes, 0, length);
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

/* What lies in a segment has grown or shrunk: its length is as far as the next marker. */
static void mend_segments(uint8_t *bytes, size_t length)
{
    size_t at = 2;
    while (length - at >= 4 && bytes[at] == 0xff && bytes[at + 1] != 0xda) {
        size_t n = 2 + (size_t)rn_bytes_big(bytes + at + 2, 2);
        if (n < 4 || n > length - at || !marker_at(bytes, length, at + n)) {
            for (n = 4; n < length - at && n < 0xffff && !marker_at(bytes, length, at + n); n++) {
            }
            put_big(bytes + at + 2, n - 2, 2);
        }
        at += n;
    }
}

static bool chunk_at(const uint8_t *bytes, size_t length, size_t at)
{
    if (length - at < 12 || rn_bytes_big(bytes + at, 4) > length - at - 12)
        return false;
    for (int i = 4; i < 8; i++)
        if ((bytes[at + (size_t)i] | 32) < 'a' || (bytes[at + (size_t)i] | 32) > 'z')
            return false;
    return true;
}

/* The same for a chunk, and its sum. */
static void mend_chunks(uint8_t *bytes, size_t length)
{
    for (size_t at = 8; length - at >= 12;) {
        size_t n = (size_t)rn_bytes_big(bytes + at, 4);
        if (n > length - at - 12 || (length - at - 12 > n && !chunk_at(bytes, length, at + n + 12))) {
            for (n = 0; n < length - at - 12 && !chunk_at(bytes, length, at + n + 12); n++) {
            }
            put_big(bytes + at, n, 4);
        }
        put_big(bytes + at + 8 + n, crc(bytes + at + 4, n + 4), 4);
        at += n + 12;
    }
}

static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most)
{
    (void)most;
    if (length > 4 && bytes[0] == 0xff && bytes[1] == 0xd8)
        mend_segments(bytes, length);
    else if (length > 8 && !memcmp(bytes, "\x89PNG", 4))
        mend_chunks(bytes, length);
    return length;
}

static const char *fuzz_word(unsigned draw, size_t *length)
{
#define WORD(bytes) { bytes, sizeof bytes - 1 }
    static const struct {
        const char *bytes;
        size_t length;
    } words[] = {
        /* entries: the orientation in both orders, and as what it should not be */
        WORD("\x12\x01\3\0\1\0\0\0\6\0\0\0"), WORD("\1\x12\0\3\0\0\0\1\0\6\0\0"), WORD("\x12\x01\4\0\1\0\0\0\6\0\0\0"),
        WORD("\x12\x01\3\0\xff\xff\xff\xff\x08\0\0\0"), WORD("\1\x12\0\3\0\0\0\2\xff\xff\xff\xff"),
        WORD("\x12\x01\3\0\1\0\0\0\x09\0\0\0"), WORD("\x69\x87\4\0\1\0\0\0\x08\0\0\0"),
        /* of XMP */
        WORD("tiff:Orientation=\"6\""), WORD("<tiff:Orientation>8</tiff:Orientation>"), WORD("<tiff:Orientation>"),
        WORD("tiff:Orientation='99999999999999999999'"), WORD("xmlns:tiff=\"http://ns.adobe.com/tiff/1.0/\""),
        WORD("xmlns:tiff=\"\""), WORD("<!--"), WORD("<![CDATA["), WORD("&#56;"), WORD("<?xpacket end=\"w\"?>"), WORD("<x/>"),
        /* segments: a second frame, lines told late, restarts, Adobe's colours, an empty EXIF and XMP */
        WORD("\xff\xc2\0\x0b\x08\0\x10\0\x10\1\1\x11\0"), WORD("\xff\xdc\0\4\0\x10"), WORD("\xff\xdd\0\4\0\1"), WORD("\xff\xd0"),
        WORD("\xff\xee\0\x0e""Adobe\0\x64\0\0\0\0\2"), WORD("\xff\xe1\0\x08""Exif\0\0"), WORD("\xff\xd9"), WORD("\xff\xd8"),
        WORD("\xff\xe1\0\x1fhttp://ns.adobe.com/xap/1.0/\0"), WORD("\xff\xc4\0\2"), WORD("\xff\xda\0\x08\1\1\0\0\x3f\0"),
        /* chunks, without their sums */
        WORD("\0\0\0\0IEND????"), WORD("\0\0\0\0IDAT????"), WORD("\0\0\0\1tRNS\0????"), WORD("\0\0\0\3PLTE\0\0\0????"),
        WORD("\0\0\0\4gAMA\0\0\0\0????"), WORD("\0\0\0\0eXIf????"), WORD("\0\0\0\x08""acTL\0\0\0\2\0\0\0\0????"),
        WORD("\0\0\0\x16iTXtXML:com.adobe.xmp\0\1\0\0\0????"), WORD("\0\0\0\1sRGB\0????"),
    };
    *length = words[draw % (sizeof words / sizeof *words)].length;
    return words[draw % (sizeof words / sizeof *words)].bytes;
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
