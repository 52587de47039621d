/* outline.c -- walks over the blocks of PNG, WebP and GIF files, and EXIF's orientation. Everything is hostile: each
 * step is checked against what is left. */
#include <string.h>

#include "image/private.h"

struct bytes {
    const uint8_t *at;
    size_t left;
};

static bool take(struct bytes *b, size_t n)
{
    if (n > b->left)
        return false;
    b->at += n;
    b->left -= n;
    return true;
}

static uint32_t big(const uint8_t *at, int n)
{
    uint32_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}

static uint32_t little(const uint8_t *at, int n)
{
    uint32_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

int rn_image_exif_orientation(const uint8_t *data, size_t length)
{
    enum { ORIENTATION = 0x0112, SHORT = 3, ENTRY = 12 };
    if (length < 8 || (memcmp(data, "II*\0", 4) && memcmp(data, "MM\0*", 4)))
        return 1;
    uint32_t (*number)(const uint8_t *, int) = *data == 'I' ? little : big;
    size_t directory = number(data + 4, 4);
    if (directory > length - 2)
        return 1;
    size_t entries = number(data + directory, 2), room = (length - directory - 2) / ENTRY;
    const uint8_t *entry = data + directory + 2;
    for (size_t i = 0; i < entries && i < room; i++, entry += ENTRY) {
        if (number(entry, 2) != ORIENTATION || number(entry + 2, 2) != SHORT)
            continue;
        uint32_t value = number(entry + 8, 2);
        return value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

static bool outline_png(struct rn_image_outline *outline, struct bytes b)
{
    enum { HEAD = 8, AROUND = 12, DEPTH = 8, GREY_ALPHA = 4 }; /* length and type before a chunk's data, CRC after it */
    outline->orientation = 1;
    if (!take(&b, HEAD))
        return false;
    for (bool first = true; b.left >= AROUND; first = false) {
        const uint8_t *data = b.at + 8;
        size_t length = big(b.at, 4);
        if (length > b.left - AROUND || first != !memcmp(b.at + 4, "IHDR", 4) || (first && length != 13))
            return false;
        if (first)
            outline->deep_alpha = data[DEPTH] == 16 && data[DEPTH + 1] == GREY_ALPHA;
        else if (!memcmp(b.at + 4, "eXIf", 4))
            outline->orientation = rn_image_exif_orientation(data, length);
        else if (!memcmp(b.at + 4, "IEND", 4))
            return true;
        (void)take(&b, length + AROUND);
    }
    return false;
}

static bool outline_webp(struct rn_image_outline *outline, struct bytes b)
{
    outline->orientation = 1;
    if (b.left < 12 || little(b.at + 4, 4) < 4 || little(b.at + 4, 4) > b.left - 8)
        return false;
    b.left = little(b.at + 4, 4) + 8;
    for (bool more = take(&b, 12); more && b.left >= 8;) {
        size_t length = little(b.at + 4, 4);
        const uint8_t *data = b.at + 8;
        if (length > b.left - 8)
            return false;
        bool prefixed = length > 6 && !memcmp(data, "Exif\0", 6);
        if (!memcmp(b.at, "EXIF", 4))
            outline->orientation = rn_image_exif_orientation(data + (prefixed ? 6 : 0), length - (prefixed ? 6 : 0));
        more = take(&b, 8 + length + (length & 1));
    }
    return true;
}

/* A run of sub-blocks, each with its length before it, up to the empty one. */
static bool take_blocks(struct bytes *b)
{
    while (b->left) {
        size_t length = *b->at;
        if (!take(b, 1 + length))
            return false;
        if (!length)
            return true;
    }
    return false;
}

static bool take_palette(struct bytes *b, uint8_t flags, struct bytes *palette)
{
    if (!(flags & 0x80))
        return true;
    *palette = (struct bytes){ b->at, (size_t)3 << ((flags & 7) + 1) };
    return take(b, palette->left);
}

static bool outline_gif(struct rn_image_outline *outline, struct bytes b)
{
    enum { EXTENSION = 0x21, CONTROL = 0xf9, FRAME = 0x2c, TRAILER = 0x3b };
    struct bytes palette = { 0 };
    size_t fill = 0;
    bool seen = false;
    outline->orientation = 1;
    if (b.left < 13)
        return false;
    uint8_t flags = b.at[10];
    if (!take(&b, 13) || !take_palette(&b, flags, &palette))
        return false;
    while (b.left) {
        uint8_t kind = *b.at;
        if (kind == TRAILER)
            return seen;
        if (kind == EXTENSION && b.left >= 7) {
            if (!seen && b.at[1] == CONTROL && b.at[2] == 4 && (b.at[3] & 1))
                fill = b.at[6];
            if (!take(&b, 2) || !take_blocks(&b))
                return false;
        } else if (kind == FRAME && b.left >= 10) {
            const uint8_t *frame = b.at;
            struct bytes own = palette;
            if (!take(&b, 10) || !take_palette(&b, frame[9], &own) || !take(&b, 1) || !take_blocks(&b))
                return false;
            if (!seen) {
                outline->left = little(frame + 1, 2);
                outline->top = little(frame + 3, 2);
                outline->width = little(frame + 5, 2);
                outline->height = little(frame + 7, 2);
                if (fill * 3 + 3 <= own.left)
                    memcpy(outline->fill, own.at + fill * 3, 3);
            }
            seen = true;
        } else {
            return false;
        }
    }
    return false;
}

bool rn_image_outline(struct rn_image_outline *outline, enum rn_image_format format, struct rn_text bytes)
{
    struct bytes b = { (const uint8_t *)bytes.data, bytes.length };
    *outline = (struct rn_image_outline){ 0 };
    switch (format) {
    case RN_IMAGE_PNG:
        return outline_png(outline, b);
    case RN_IMAGE_WEBP:
        return outline_webp(outline, b);
    case RN_IMAGE_GIF:
        return outline_gif(outline, b);
    case RN_IMAGE_JPEG:
    case RN_IMAGE_TIFF:
    case RN_IMAGE_NONE:
        break;
    }
    return true;
}
