/* gif.c -- the first frame of a GIF (GIF89a), as Pillow shows it. What comes after its last pixel does not count, so that a file
 * that ends there, or is damaged there, is as good as any. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "image/private.h"

enum { CODES = 4096, CODE_BITS = 12, NONE = -1 };

struct frame {
    size_t left, top, width, height;
    bool interlaced;
    struct rn_bytes palette; /* red, green, blue; may be empty */
    uint8_t fill;            /* the index of what the frame does not cover */
};

/* The codes of LZW, from sub-blocks with their length before them. */
struct codes {
    struct rn_bytes *file, block;
    uint32_t bits;
    int count;
};

static int next_code(struct codes *c, int size)
{
    while (c->count < size) {
        if (!c->block.left) {
            size_t length = c->file->left ? *c->file->at : 0;
            if (!length || c->file->left == 1)
                return NONE;
            (void)rn_bytes_take(c->file, 1);
            c->block = (struct rn_bytes){ c->file->at, length < c->file->left ? length : c->file->left };
            (void)rn_bytes_take(c->file, c->block.left);
        }
        c->bits |= (uint32_t)*c->block.at << c->count;
        c->count += 8;
        (void)rn_bytes_take(&c->block, 1);
    }
    int code = (int)(c->bits & ((1u << size) - 1));
    c->bits >>= size;
    c->count -= size;
    return code;
}

/* A code's string: that of the code before it, and one index more. */
struct table {
    uint16_t before[CODES], length[CODES];
    uint8_t first[CODES], last[CODES];
};

static void write_string(uint8_t *to, size_t room, const struct table *table, int code)
{
    for (size_t i = table->length[code]; i-- > 0; code = table->before[code])
        if (i < room)
            to[i] = table->last[code];
}

/* Up to n indices; how many there were. *broken: a code that cannot stand where it does. */
static size_t read_indices(uint8_t *to, size_t n, struct rn_bytes *file, int first_size, struct table *table, bool *broken)
{
    const int clear = 1 << first_size, end = clear + 1;
    struct codes codes = { .file = file };
    int size = first_size + 1, next = end + 1, before = NONE, code;
    size_t done = 0;
    for (int i = 0; i < clear; i++) {
        table->first[i] = table->last[i] = (uint8_t)i;
        table->length[i] = 1;
    }
    while (done < n && (code = next_code(&codes, size)) != NONE && code != end) {
        if (code == clear) {
            size = first_size + 1;
            next = end + 1;
            before = NONE;
            continue;
        }
        bool new = code == next && before != NONE && next < CODES;
        if (code > next || (code == next && !new) || (before == NONE && code >= clear)) {
            *broken = true;
            break;
        }
        if (before != NONE && next < CODES) {
            table->before[next] = (uint16_t)before;
            table->length[next] = (uint16_t)(table->length[before] + 1);
            table->first[next] = table->first[before];
            table->last[next] = table->first[new ? before : code];
            next++;
        }
        write_string(to + done, n - done, table, code);
        done += table->length[code] < n - done ? table->length[code] : n - done;
        if (next == 1 << size && size < CODE_BITS)
            size++;
        before = code;
    }
    return done;
}

static bool take_blocks(struct rn_bytes *b)
{
    while (b->left) {
        size_t length = *b->at;
        if (!rn_bytes_take(b, 1 + length))
            return false;
        if (!length)
            return true;
    }
    return false;
}

static bool take_palette(struct rn_bytes *b, uint8_t flags, struct rn_bytes *palette)
{
    if (!(flags & 0x80))
        return true;
    *palette = (struct rn_bytes){ b->at, (size_t)3 << ((flags & 7) + 1) };
    return rn_bytes_take(b, palette->left);
}

/* Up to the first frame's pixels. NULL, or why there is none. */
static const char *find_frame(struct frame *frame, struct rn_bytes *b)
{
    enum { EXTENSION = 0x21, CONTROL = 0xf9, FRAME = 0x2c, TRAILER = 0x3b };
    static const char *const ends = "the file ends before the first pixel";
    uint8_t flags = b->left >= 13 ? b->at[10] : 0;
    if (!rn_bytes_take(b, 13) || !take_palette(b, flags, &frame->palette))
        return ends;
    while (b->left) {
        const uint8_t *at = b->at;
        if (*at == TRAILER)
            return "there is no picture in it";
        if (*at == FRAME) {
            if (!rn_bytes_take(b, 10) || !take_palette(b, at[9], &frame->palette) || !b->left)
                return ends;
            frame->left = (size_t)rn_bytes_little(at + 1, 2);
            frame->top = (size_t)rn_bytes_little(at + 3, 2);
            frame->width = (size_t)rn_bytes_little(at + 5, 2);
            frame->height = (size_t)rn_bytes_little(at + 7, 2);
            frame->interlaced = at[9] & 0x40;
            return NULL;
        }
        if (*at == EXTENSION) {
            if (b->left >= 7 && at[1] == CONTROL && at[2] >= 4 && (at[3] & 1))
                frame->fill = at[6];
            if (!rn_bytes_take(b, 2) || !take_blocks(b))
                return ends;
        } else {
            (void)rn_bytes_take(b, 1); /* stray bytes, which Pillow and browsers pass over */
        }
    }
    return ends;
}

/* Beyond the palette is black. But a palette that gives each index the grey of that number is none, as with Pillow: without one
 * an index is a grey. */
static void colours(uint8_t rgb[256][3], const struct rn_bytes *palette)
{
    size_t n = palette->left / 3, greys = 0;
    while (greys < 3 * n && palette->at[greys] == greys / 3)
        greys++;
    for (size_t i = 0; i < 256; i++)
        if (i < n)
            memcpy(rgb[i], palette->at + 3 * i, 3);
        else
            memset(rgb[i], greys == 3 * n ? (int)i : 0, 3);
}

/* The row in which the frame's n-th row of pixels belongs. */
static size_t row_of(const struct frame *frame, size_t n)
{
    static const struct { size_t from, step; } passes[] = { { 0, 8 }, { 4, 8 }, { 2, 4 }, { 1, 2 } };
    for (size_t i = 0; frame->interlaced && i < 4; i++) {
        size_t rows = frame->height > passes[i].from ? (frame->height - passes[i].from - 1) / passes[i].step + 1 : 0;
        if (n < rows)
            return passes[i].from + n * passes[i].step;
        n -= rows;
    }
    return n;
}

static void paint(struct rn_image *image, const struct frame *frame, const uint8_t *index)
{
    uint8_t rgb[256][3];
    colours(rgb, &frame->palette);
    for (size_t i = 0; i < image->height * image->width; i++)
        memcpy(image->pixels + 3 * i, rgb[frame->fill], 3);
    for (size_t n = 0; n < frame->height; n++) {
        uint8_t *row = image->pixels + ((frame->top + row_of(frame, n)) * image->width + frame->left) * 3;
        for (size_t x = 0; x < frame->width; x++)
            memcpy(row + 3 * x, rgb[*index++], 3);
    }
}

static int decode_frame(struct rn_image *image, const struct frame *frame, struct rn_bytes *b, struct rn_err *err)
{
    bool broken = false;
    int first_size = *b->at, rc = -1;
    size_t n = frame->width * frame->height;
    if (!n)
        return rn_fail(err, RN_EXIT_DATA, "a picture without pixels");
    if (first_size > 8)
        return rn_fail(err, RN_EXIT_DATA, "damaged GIF: codes of %d bits, 8 are the most", first_size);
    (void)rn_bytes_take(b, 1);
    uint8_t *index = rn_calloc(n, 1, err);
    struct table *table = index ? rn_calloc(1, sizeof *table, err) : NULL;
    if (table) {
        size_t done = read_indices(index, n, b, first_size, table, &broken);
        if (done == n) {
            paint(image, frame, index);
            rc = 0;
        } else {
            rn_fail(err, RN_EXIT_DATA, "damaged GIF: %s after %zu of %zu pixels",
                    broken ? "a code that cannot be" : b->left ? "its LZW data end" : "the file ends", done, n);
        }
    }
    free(index);
    free(table);
    return rc;
}

int rn_image_decode_gif(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct rn_bytes b = { (const uint8_t *)bytes.data, bytes.length };
    struct frame frame = { 0 };
    const char *why = find_frame(&frame, &b);
    if (why)
        return rn_fail(err, RN_EXIT_DATA, "damaged GIF: %s", why);
    const uint8_t *screen = (const uint8_t *)bytes.data + 6;
    size_t width = (size_t)rn_bytes_little(screen, 2), height = (size_t)rn_bytes_little(screen + 2, 2);
    width = frame.left + frame.width > width ? frame.left + frame.width : width;
    height = frame.top + frame.height > height ? frame.top + frame.height : height;
    if (rn_image_allocate(image, height, width, how, err))
        return -1;
    return decode_frame(image, &frame, &b, err);
}
