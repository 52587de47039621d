/* bmp.c -- Windows and OS/2 bitmaps: 1, 4, 8, 16, 24 and 32 bits, run lengths, masks; as Pillow shows them. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "image/private.h"

enum { FILE_HEAD = 14, CORE = 12, RAW = 0, RLE8 = 1, RLE4 = 2, MASKS = 3 };

struct bmp {
    size_t width, height;
    bool from_top;
    unsigned bits, compression;
    uint32_t mask[3];            /* red, green, blue; 16 and 32 bits */
    struct rn_bytes palette;     /* up to 8 bits: blue, green, red in `colour` bytes each */
    size_t colour;
    bool grey;                   /* the palette is 0, 1, 2 ... */
    struct rn_bytes pixels;
};

static int damaged(struct rn_err *err, const char *why)
{
    return rn_fail(err, RN_EXIT_DATA, "damaged BMP: %s", why);
}

static int unsupported(struct rn_err *err, const char *what, uint64_t number)
{
    return rn_fail(err, RN_EXIT_DATA, "BMP with %s %llu, which is not supported: convert it to PNG", what,
                   (unsigned long long)number);
}

static int read_size(struct bmp *bmp, const uint8_t *head, size_t head_size, struct rn_err *err)
{
    bool core = head_size == CORE;
    int64_t width = core ? (int64_t)rn_bytes_little(head + 4, 2) : (int32_t)rn_bytes_little(head + 4, 4);
    int64_t height = core ? (int64_t)rn_bytes_little(head + 6, 2) : (int32_t)rn_bytes_little(head + 8, 4);
    if (width < 0)
        return damaged(err, "a negative width");
    bmp->from_top = height < 0;
    bmp->width = (size_t)width;
    bmp->height = (size_t)(height < 0 ? -height : height);
    bmp->bits = (unsigned)rn_bytes_little(head + (core ? 10 : 14), 2);
    bmp->compression = core ? RAW : (unsigned)rn_bytes_little(head + 16, 4);
    return 0;
}

/* The masks stand in the longer headers, or behind the shortest. */
static int read_masks(struct bmp *bmp, struct rn_bytes *rest, const uint8_t *head, size_t head_size, struct rn_err *err)
{
    static const uint32_t five[] = { 0x7c00, 0x3e0, 0x1f }, eight[] = { 0xff0000, 0xff00, 0xff };
    memcpy(bmp->mask, bmp->bits == 16 ? five : eight, sizeof bmp->mask);
    if (bmp->compression != MASKS)
        return 0;
    const uint8_t *masks = head_size >= 52 ? head + 40 : rest->at;
    if (head_size < 52 && !rn_bytes_take(rest, 12))
        return damaged(err, "the file ends before the first pixel");
    uint32_t read[3];
    for (int c = 0; c < 3; c++)
        read[c] = (uint32_t)rn_bytes_little(masks + 4 * c, 4);
    if (bmp->bits != 32 || read[0] || read[1] || read[2]) /* zeros: Pillow's eight bits each */
        memcpy(bmp->mask, read, sizeof read);
    for (int c = 0; c < 3; c++) {
        uint32_t low = bmp->mask[c] ? bmp->mask[c] >> __builtin_ctz(bmp->mask[c]) : 0;
        if (!low || low & (low + 1))
            return damaged(err, "a mask that is no row of bits");
    }
    return 0;
}

static bool is_grey(const struct bmp *bmp)
{
    size_t n = bmp->palette.left / bmp->colour;
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            if (bmp->palette.at[i * bmp->colour + c] != i)
                return false;
    return n > 2;
}

static int read_head(struct bmp *bmp, struct rn_text bytes, struct rn_err *err)
{
    struct rn_bytes rest = { (const uint8_t *)bytes.data, bytes.length };
    const uint8_t *head = rest.at + FILE_HEAD;
    if (rest.left < FILE_HEAD + CORE)
        return damaged(err, "the file ends before the first pixel");
    size_t offset = (size_t)rn_bytes_little(rest.at + 10, 4), head_size = (size_t)rn_bytes_little(head, 4);
    if (head_size != CORE && head_size != 40 && head_size != 52 && head_size != 56 && head_size != 64 && head_size != 108 &&
        head_size != 124)
        return unsupported(err, "a header of size", head_size);
    if (!rn_bytes_take(&rest, FILE_HEAD) || !rn_bytes_take(&rest, head_size))
        return damaged(err, "the file ends before the first pixel");
    if (read_size(bmp, head, head_size, err))
        return -1;
    if (bmp->bits != 1 && bmp->bits != 4 && bmp->bits != 8 && bmp->bits != 16 && bmp->bits != 24 && bmp->bits != 32)
        return unsupported(err, "bits a pixel:", bmp->bits);
    if (bmp->compression > MASKS || (bmp->compression == RLE8 && bmp->bits != 8) || (bmp->compression == RLE4 && bmp->bits != 4) ||
        (bmp->compression == MASKS && bmp->bits < 16))
        return unsupported(err, "compression", bmp->compression);
    if (bmp->bits > 8 && read_masks(bmp, &rest, head, head_size, err))
        return -1;
    if (bmp->bits <= 8) {
        uint64_t colours = head_size == CORE ? 0 : rn_bytes_little(head + 32, 4);
        colours = colours ? colours : 1u << bmp->bits;
        bmp->colour = head_size == CORE ? 3 : 4;
        bmp->palette = rest;
        if (colours > 65536 || !rn_bytes_take(&rest, (size_t)colours * bmp->colour))
            return damaged(err, "a palette that is larger than the file");
        bmp->palette.left = (size_t)colours * bmp->colour;
        bmp->grey = is_grey(bmp);
    }
    bmp->pixels = (struct rn_bytes){ (const uint8_t *)bytes.data, bytes.length };
    size_t begin = (size_t)(rest.at - bmp->pixels.at);
    if (!offset || (offset < begin && bmp->bits <= 8 && offset == FILE_HEAD + head_size)) /* some writers forget the palette */
        offset = begin;
    return rn_bytes_take(&bmp->pixels, offset) ? 0 : damaged(err, "the file ends before the first pixel");
}

/* Beyond the palette is black. But where each index stands for the grey of that number, Pillow takes it for that. */
static void look_up(uint8_t *rgb, const struct bmp *bmp, unsigned index)
{
    const uint8_t *entry = bmp->palette.at + index * bmp->colour;
    bool there = (index + 1) * bmp->colour <= bmp->palette.left;
    for (int c = 0; c < 3; c++)
        rgb[c] = there ? entry[2 - c] : bmp->grey ? (uint8_t)index : 0;
}

static void convert_row(uint8_t *rgb, const uint8_t *row, const struct bmp *bmp)
{
    bool bytes = bmp->bits >= 24 && bmp->mask[0] == 0xff0000 && bmp->mask[1] == 0xff00 && bmp->mask[2] == 0xff;
    for (size_t x = 0; bytes && x < bmp->width; x++, row += bmp->bits / 8)
        for (size_t c = 0; c < 3; c++)
            *rgb++ = row[2 - c];
    if (bytes)
        return;
    for (size_t x = 0; x < bmp->width; x++, rgb += 3) {
        if (bmp->bits <= 8) {
            unsigned each = 8 / bmp->bits, shift = (unsigned)(8 - bmp->bits * (x % each + 1));
            look_up(rgb, bmp, row[x / each] >> shift & ((1u << bmp->bits) - 1));
            continue;
        }
        uint32_t pixel = (uint32_t)rn_bytes_little(row + x * (bmp->bits / 8), (int)bmp->bits / 8);
        for (int c = 0; c < 3; c++) {
            int shift = __builtin_ctz(bmp->mask[c]);
            uint64_t most = bmp->mask[c] >> shift, value = (pixel & bmp->mask[c]) >> shift;
            rgb[c] = (uint8_t)(value * 255 / most);
        }
    }
}

static uint8_t *row_at(const struct rn_image *image, const struct bmp *bmp, size_t y)
{
    return image->pixels + (bmp->from_top ? y : image->height - 1 - y) * image->width * 3;
}

static int read_rows(struct rn_image *image, struct bmp *bmp, struct rn_err *err)
{
    size_t stride = (bmp->width * bmp->bits + 31) / 32 * 4, row = (bmp->width * bmp->bits + 7) / 8;
    for (size_t y = 0; y < bmp->height; y++) {
        if (bmp->pixels.left < row)
            return rn_fail(err, RN_EXIT_DATA, "damaged BMP: the file ends after %zu of %zu rows", y, bmp->height);
        convert_row(row_at(image, bmp, y), bmp->pixels.at, bmp);
        if (!rn_bytes_take(&bmp->pixels, stride))
            bmp->pixels.left = 0; /* the last row's padding */
    }
    return 0;
}

/* Runs of one index (of two by turns, with 4 bits), or of indices that stand there. */
static void put_run(uint8_t *index, size_t room, size_t n, const uint8_t *from, bool each, bool four)
{
    for (size_t i = 0; i < n && i < room; i++) {
        unsigned byte = from[!each ? 0 : four ? i / 2 : i];
        index[i] = (uint8_t)(!four ? byte : i % 2 ? byte & 15 : byte >> 4);
    }
}

/* What no run covers is index 0. */
static int read_runs(uint8_t *index, struct bmp *bmp, struct rn_err *err)
{
    struct rn_bytes *b = &bmp->pixels;
    size_t x = 0, y = 0, n;
    bool four = bmp->compression == RLE4;
    while (b->left >= 2) {
        const uint8_t *at = b->at;
        (void)rn_bytes_take(b, 2);
        size_t room = y < bmp->height && x < bmp->width ? bmp->width - x : 0;
        uint8_t *to = room ? index + y * bmp->width + x : NULL;
        if (at[0]) {
            put_run(to, room, at[0], at + 1, false, four);
            x += at[0];
        } else if (at[1] == 0) {
            x = 0;
            y++;
        } else if (at[1] == 1) {
            break;
        } else if (at[1] == 2) {
            if (!rn_bytes_take(b, 2))
                break;
            x += at[2];
            y += at[3];
        } else {
            n = four ? ((size_t)at[1] + 1) / 2 : at[1];
            if (!rn_bytes_take(b, n))
                break;
            put_run(to, room, at[1], at + 2, true, four);
            (void)rn_bytes_take(b, n & 1);
            x += at[1];
        }
        if (y > bmp->height)
            return damaged(err, "runs beyond the last row");
    }
    return y + 1 >= bmp->height && (x >= bmp->width || y >= bmp->height)
               ? 0
               : rn_fail(err, RN_EXIT_DATA, "damaged BMP: its runs end after %zu of %zu rows", y, bmp->height);
}

static int decode_runs(struct rn_image *image, struct bmp *bmp, struct rn_err *err)
{
    uint8_t *index = rn_calloc(bmp->height, bmp->width, err);
    int rc = index ? read_runs(index, bmp, err) : -1;
    for (size_t y = 0; rc == 0 && y < bmp->height; y++)
        for (size_t x = 0; x < bmp->width; x++)
            look_up(row_at(image, bmp, y) + 3 * x, bmp, index[y * bmp->width + x]);
    free(index);
    return rc;
}

int rn_image_decode_bmp(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct bmp bmp = { 0 };
    if (read_head(&bmp, bytes, err) || rn_image_allocate(image, bmp.height, bmp.width, how, err))
        return -1;
    return bmp.compression == RLE8 || bmp.compression == RLE4 ? decode_runs(image, &bmp, err) : read_rows(image, &bmp, err);
}
