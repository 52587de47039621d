/* exif.c -- how a photo is to be turned, from EXIF and XMP. Everything is hostile: each step is checked against what is left. */
#include <string.h>

#include "image/private.h"

enum { ORIENTATION = 0x0112, XMP = 700 };

static const struct {
    uint8_t size;
    char kind; /* unsigned, signed, a quotient of two such numbers, floating point; 0: no number (Pillow takes BYTE for text) */
} types[] = {
    [1] = { 1 },      [2] = { 1 },       [3] = { 2, 'u' },  [4] = { 4, 'u' },  [5] = { 8, 'q' },  [6] = { 1, 's' }, [7] = { 1 },
    [8] = { 2, 's' }, [9] = { 4, 's' },  [10] = { 8, 'Q' }, [11] = { 4, 'f' }, [12] = { 8, 'f' }, [13] = { 4, 'u' },
    [16] = { 8, 'u' },
};
enum { TYPES = sizeof types / sizeof *types };

bool rn_tiff_open(struct rn_tiff *tiff, const uint8_t *data, size_t length)
{
    *tiff = (struct rn_tiff){ .block = { data, length } };
    if (length < 8 || (memcmp(data, "II", 2) && memcmp(data, "MM", 2)))
        return false;
    tiff->number = *data == 'I' ? rn_bytes_little : rn_bytes_big;
    uint64_t version = tiff->number(data + 2, 2);
    tiff->wide = version == 43;
    if (version != 42 && version != 43 && version != 42 << 8) /* its bytes exchanged: some writers', and Pillow reads it */
        return false;
    size_t offset_at = tiff->wide ? 8 : 4, offset_size = tiff->wide ? 8 : 4, count_size = tiff->wide ? 8 : 2;
    if (length < offset_at + offset_size)
        return false;
    uint64_t directory = tiff->number(data + offset_at, (int)offset_size);
    if (directory > length || length - directory < count_size)
        return false;
    tiff->count = tiff->number(data + directory, (int)count_size);
    tiff->entries = (struct rn_bytes){ data + directory + count_size, length - (size_t)directory - count_size };
    return true;
}

static bool find_values(const struct rn_tiff *tiff, const uint8_t *entry, struct rn_tiff_field *field)
{
    size_t word = tiff->wide ? 8 : 4;
    field->type = (unsigned)tiff->number(entry + 2, 2);
    field->count = tiff->number(entry + 4, (int)word);
    if (field->type >= TYPES || !types[field->type].size || field->count > tiff->block.left / types[field->type].size)
        return false;
    uint64_t size = field->count * types[field->type].size, at = tiff->number(entry + 4 + word, (int)word);
    field->at = entry + 4 + word;
    if (size <= word)
        return true;
    field->at = tiff->block.at + at;
    return at <= tiff->block.left && size <= tiff->block.left - at;
}

bool rn_tiff_find(const struct rn_tiff *tiff, unsigned tag, struct rn_tiff_field *field)
{
    size_t size = tiff->wide ? 20 : 12;
    struct rn_bytes left = tiff->entries;
    for (uint64_t i = 0; i < tiff->count && left.left >= size; i++, rn_bytes_take(&left, size))
        if (tiff->number(left.at, 2) == tag && find_values(tiff, left.at, field) && field->count)
            return true;
    return false;
}

static int64_t integer_at(const struct rn_tiff *tiff, const uint8_t *at, int size, bool is_signed)
{
    int unused = 64 - 8 * size;
    uint64_t value = tiff->number(at, size) << unused;
    return is_signed ? (int64_t)value >> unused : (int64_t)(value >> unused);
}

int64_t rn_tiff_integer(const struct rn_tiff *tiff, unsigned tag, int64_t otherwise)
{
    struct rn_tiff_field field;
    if (!rn_tiff_find(tiff, tag, &field))
        return otherwise;
    char kind = types[field.type].kind;
    return kind == 'u' || kind == 's' ? integer_at(tiff, field.at, types[field.type].size, kind == 's') : otherwise;
}

static double number_in(const struct rn_tiff *tiff, const struct rn_tiff_field *field)
{
    char kind = types[field->type].kind;
    int size = types[field->type].size;
    if (kind == 'u' || kind == 's')
        return (double)integer_at(tiff, field->at, size, kind == 's');
    if (kind == 'q' || kind == 'Q') {
        int64_t below = integer_at(tiff, field->at + 4, 4, kind == 'Q');
        return below ? (double)integer_at(tiff, field->at, 4, kind == 'Q') / (double)below : 0;
    }
    if (kind != 'f')
        return 0;
    uint64_t bits = tiff->number(field->at, size);
    uint32_t low = (uint32_t)bits;
    float single;
    double full;
    memcpy(&single, &low, sizeof single);
    memcpy(&full, &bits, sizeof full);
    return size == 4 ? (double)single : full;
}

static int orientation_in(const struct rn_tiff *tiff)
{
    struct rn_tiff_field field;
    if (!rn_tiff_find(tiff, ORIENTATION, &field))
        return 0;
    double value = number_in(tiff, &field);
    for (int i = 2; i <= 8; i++)
        if (value == i)
            return i;
    return 1;
}

int rn_image_exif_orientation(const uint8_t *data, size_t length)
{
    struct rn_bytes b = { data, length };
    struct rn_tiff tiff;
    for (int i = 0; i < 2 && b.left >= 6 && !memcmp(b.at, "Exif\0", 6); i++)
        (void)rn_bytes_take(&b, 6);
    return rn_tiff_open(&tiff, b.at, b.left) ? orientation_in(&tiff) : 0;
}

int rn_image_xmp_orientation(const uint8_t *data, size_t length)
{
    static const char name[] = "tiff:Orientation";
    const uint8_t *end = data + length, *at = data;
    while ((at = memmem(at, (size_t)(end - at), name, sizeof name - 1))) {
        at += sizeof name - 1;
        const uint8_t *digit = at;
        if (end - at >= 2 && *at == '>')
            digit = at + 1;
        else if (end - at >= 3 && !memcmp(at, "=\"", 2))
            digit = at + 2;
        if (digit != at && *digit >= '0' && *digit <= '9')
            return *digit >= '1' && *digit <= '8' ? *digit - '0' : 1;
    }
    return 0;
}

int rn_image_tiff_orientation(struct rn_text bytes)
{
    struct rn_tiff tiff;
    struct rn_tiff_field xmp;
    if (!rn_tiff_open(&tiff, (const uint8_t *)bytes.data, bytes.length))
        return 0;
    int orientation = orientation_in(&tiff);
    if (!orientation && rn_tiff_find(&tiff, XMP, &xmp) && types[xmp.type].size == 1)
        orientation = rn_image_xmp_orientation(xmp.at, (size_t)xmp.count);
    return orientation;
}
