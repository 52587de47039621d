/* png_text.c -- how a PNG is to be turned: from its eXIf chunk, from the text chunks in which ImageMagick keeps EXIF, and from XMP.
 * Of chunks of one kind the last counts, wherever it stands, as with Pillow. */
#include <stdlib.h>
#include <string.h>

#include <zlib.h>

#include "core/mem.h"
#include "image/private.h"

enum { TEXT_MAX = 1 << 20 }; /* inflated, as Pillow's MAX_TEXT_CHUNK; orientation stands at the beginning */

struct text {
    struct rn_bytes value;
    bool deflated;
};
struct found {
    struct text exif, raw, xmp;
};

static bool is_key(struct rn_bytes key, const char *name)
{
    return key.left == strlen(name) && !memcmp(key.at, name, key.left);
}

/* Splits at the first zero byte. */
static bool split(struct rn_bytes *head, struct rn_bytes *rest)
{
    const uint8_t *zero = rest->left ? memchr(rest->at, 0, rest->left) : NULL;
    if (!zero)
        return false;
    *head = (struct rn_bytes){ rest->at, (size_t)(zero - rest->at) };
    return rn_bytes_take(rest, head->left + 1);
}

static void take_text(struct found *found, const uint8_t *kind, struct rn_bytes data)
{
    struct rn_bytes key, language, translated;
    bool deflated = *kind == 'z', international = *kind == 'i';
    if (!split(&key, &data))
        return;
    struct text *to = is_key(key, "Raw profile type exif") ? &found->raw
                      : is_key(key, "XML:com.adobe.xmp")   ? &found->xmp
                      : is_key(key, "exif") && *kind == 't' ? &found->exif
                                                            : NULL;
    if (!to)
        return;
    if (international) {
        deflated = data.left >= 2 && data.at[0];
        if (data.left < 2 || (deflated && data.at[1]) || !rn_bytes_take(&data, 2))
            return;
        if (!split(&language, &data) || !split(&translated, &data))
            return;
    } else if (deflated && (!data.left || *data.at || !rn_bytes_take(&data, 1))) {
        return;
    }
    *to = (struct text){ data, deflated };
}

static void find(struct found *found, struct rn_bytes b)
{
    enum { AROUND = 12 }; /* length and type before a chunk's data, CRC after it */
    while (b.left >= AROUND) {
        const uint8_t *kind = b.at + 4;
        size_t length = (size_t)rn_bytes_big(b.at, 4);
        if (length > b.left - AROUND || !memcmp(kind, "IEND", 4))
            return;
        struct rn_bytes data = { b.at + 8, length };
        if (!memcmp(kind, "eXIf", 4))
            found->exif = (struct text){ data, false };
        else if (!memcmp(kind, "tEXt", 4) || !memcmp(kind, "zTXt", 4) || !memcmp(kind, "iTXt", 4))
            take_text(found, kind, data);
        (void)rn_bytes_take(&b, length + AROUND);
    }
}

/* The text itself, or what of it fits into `room` of TEXT_MAX bytes; without a byte when zlib cannot read it. */
static int read_text(struct rn_bytes *value, struct text text, uint8_t *room, struct rn_err *err)
{
    z_stream z = { .next_in = (Bytef *)text.value.at, .avail_in = (uInt)text.value.left, .next_out = room, .avail_out = TEXT_MAX };
    *value = text.value;
    if (!text.deflated)
        return 0;
    if (inflateInit(&z) != Z_OK)
        return rn_fail(err, RN_EXIT_SYSTEM, "no memory to inflate the text of a PNG file");
    int rc = inflate(&z, Z_SYNC_FLUSH);
    bool good = rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR;
    *value = (struct rn_bytes){ room, good ? TEXT_MAX - z.avail_out : 0 };
    inflateEnd(&z);
    return rc == Z_MEM_ERROR ? rn_fail(err, RN_EXIT_SYSTEM, "no memory to inflate the text of a PNG file") : 0;
}

static int digit(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Three lines (empty, the kind, the length), then hexadecimal digits. `text` may lie in `room`. */
static int raw_profile_orientation(struct rn_bytes text, uint8_t *room)
{
    size_t n = 0;
    for (int line = 0; line < 3; line++) {
        const uint8_t *newline = text.left ? memchr(text.at, '\n', text.left) : NULL;
        if (!newline || !rn_bytes_take(&text, (size_t)(newline - text.at) + 1))
            return 0;
    }
    for (size_t i = 0; i < text.left && n < TEXT_MAX; i++) {
        int high = digit(text.at[i]), low = i + 1 < text.left ? digit(text.at[i + 1]) : -1;
        if (high < 0)
            continue; /* the ends of lines */
        if (low < 0)
            return 0;
        room[n++] = (uint8_t)(high << 4 | low);
        i++;
    }
    return rn_image_exif_orientation(room, n);
}

static int orientation_of(int *orientation, const struct found *found, uint8_t *room, struct rn_err *err)
{
    struct rn_bytes value;
    if (found->exif.value.at) {
        *orientation = rn_image_exif_orientation(found->exif.value.at, found->exif.value.left);
    } else if (found->raw.value.at) {
        if (read_text(&value, found->raw, room, err))
            return -1;
        *orientation = raw_profile_orientation(value, room);
    }
    if (*orientation || !found->xmp.value.at)
        return 0;
    if (read_text(&value, found->xmp, room, err))
        return -1;
    *orientation = rn_image_xmp_orientation(value.at, value.left);
    return 0;
}

int rn_image_png_orientation(int *orientation, struct rn_text bytes, struct rn_err *err)
{
    struct found found = { 0 };
    struct rn_bytes b = { (const uint8_t *)bytes.data, bytes.length };
    int rc = 0;
    *orientation = 0;
    if (rn_bytes_take(&b, 8))
        find(&found, b);
    if (found.exif.value.at || found.raw.value.at || found.xmp.value.at) {
        uint8_t *room = rn_calloc(TEXT_MAX, 1, err);
        rc = room ? orientation_of(orientation, &found, room, err) : -1;
        free(room);
    }
    return rc;
}
