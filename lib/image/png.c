/* png.c -- PNG through libpng. A picture is taken when all of its pixels are there and no checksum says that they are wrong: the
 * end of the file may be missing, and so may the checksum of the pixels, or the one of their chunk be wrong where that one is
 * right. libpng is stricter; it is given such a file once more, mended. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>
#include <zlib.h>

#include "core/mem.h"
#include "image/private.h"

enum { HEAD = 8, IHDR = 25, MENDED_MAX = 1 << 30 };

/* ---- chunks ---- */

struct chunk {
    const uint8_t *kind;
    struct rn_bytes data;
    bool whole, right; /* nothing of it is missing; its checksum holds */
};

/* The next chunk, or what the file still has of it. */
static bool next_chunk(struct rn_bytes *b, struct chunk *chunk)
{
    if (b->left < 8)
        return false;
    size_t length = (size_t)rn_bytes_big(b->at, 4);
    chunk->kind = b->at + 4;
    (void)rn_bytes_take(b, 8);
    chunk->whole = b->left >= 4 && length <= b->left - 4;
    chunk->data = (struct rn_bytes){ b->at, length < b->left ? length : b->left };
    chunk->right = chunk->whole && crc32_z(0, chunk->kind, length + 4) == rn_bytes_big(b->at + length, 4);
    if (!chunk->whole || !rn_bytes_take(b, length + 4))
        b->left = 0;
    return true;
}

static bool is_kind(const struct chunk *chunk, const char *kind)
{
    return !memcmp(chunk->kind, kind, 4);
}

static struct rn_bytes chunks_of(struct rn_text bytes)
{
    return (struct rn_bytes){ (const uint8_t *)bytes.data + HEAD, bytes.length - HEAD };
}

/* The deflated data of all IDAT chunks, inflated: how many bytes; of them up to `size` are put to `to`. *end: zlib's
 * last word: Z_STREAM_END says that their checksum holds. */
static size_t inflate_pixels(uint8_t *to, size_t size, struct rn_text bytes, int *end)
{
    struct rn_bytes b = chunks_of(bytes);
    struct chunk chunk;
    uint8_t room[16384];
    z_stream z = { 0 };
    size_t total = 0;
    if ((*end = inflateInit(&z)) != Z_OK)
        return 0;
    while ((*end == Z_OK || *end == Z_BUF_ERROR) && next_chunk(&b, &chunk)) {
        if (!is_kind(&chunk, "IDAT"))
            continue;
        z.next_in = (Bytef *)chunk.data.at;
        z.avail_in = (uInt)chunk.data.left;
        do {
            z.next_out = room;
            z.avail_out = sizeof room;
            *end = inflate(&z, Z_NO_FLUSH);
            size_t n = sizeof room - z.avail_out;
            if (total < size)
                memcpy(to + total, room, n < size - total ? n : size - total);
            total += n;
        } while (*end == Z_OK && !z.avail_out);
    }
    inflateEnd(&z);
    return total;
}

/* ---- libpng ---- */

struct job {
    struct rn_bytes left; /* to be read */
    png_structp png;
    png_infop info;
    uint8_t *row;    /* one; of an interlaced picture all of them */
    png_bytepp rows; /* interlaced: their beginnings */
    struct rn_image *image;
    const struct rn_decode *how;
    struct rn_err *err;
    size_t deflated; /* how many bytes the pixels are before they are deflated; 0 until the header is read */
    bool refused;    /* err is filled already */
    char reason[200];
};

/* libpng's messages begin with the chunk's name, if they are about one. */
static _Noreturn void on_error(png_structp png, png_const_charp message)
{
    struct job *job = png_get_error_ptr(png);
    snprintf(job->reason, sizeof job->reason, "%s", message);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png, (void)message;
}

static png_voidp allocate(png_structp png, png_alloc_size_t size)
{
    struct job *job = png_get_mem_ptr(png);
    void *block = malloc(size);
    if (!block && !job->refused) {
        job->refused = true;
        rn_fail(job->err, RN_EXIT_SYSTEM, "out of memory: %zu bytes for libpng", (size_t)size);
    }
    return block;
}

static void release(png_structp png, png_voidp block)
{
    (void)png;
    free(block);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    struct job *job = png_get_io_ptr(png);
    if (n > job->left.left)
        png_error(png, job->row ? "the file ends before the last pixel" : "the file ends before the first pixel");
    memcpy(to, job->left.at, n);
    (void)rn_bytes_take(&job->left, n);
}

/* Of the rows with their filter bytes. */
static size_t deflated_length(const struct job *job)
{
    size_t bits = (size_t)png_get_bit_depth(job->png, job->info) * png_get_channels(job->png, job->info), total = 0;
    size_t width = job->image->width, height = job->image->height;
    if (png_get_interlace_type(job->png, job->info) == PNG_INTERLACE_NONE)
        return (1 + (width * bits + 7) / 8) * height;
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++) {
        size_t columns = PNG_PASS_COLS(width, pass), rows = PNG_PASS_ROWS(height, pass);
        total += columns ? (1 + (columns * bits + 7) / 8) * rows : 0;
    }
    return total;
}

static void read_rows(struct job *job, const struct rn_samples *samples, size_t stride)
{
    struct rn_image *image = job->image;
    if (job->rows) {
        for (size_t y = 0; y < image->height; y++)
            job->rows[y] = job->row + y * stride;
        png_read_image(job->png, job->rows);
    }
    for (size_t y = 0; y < image->height; y++) {
        if (!job->rows)
            png_read_row(job->png, job->row, NULL);
        rn_image_from_samples(image->pixels + y * image->width * 3, job->rows ? job->rows[y] : job->row, image->width, samples);
    }
}

static void prepare_reading(struct job *job)
{
    /* Which no pixel of ours depends on; some writers get them wrong. */
    static const char others[] = "iCCP\0zTXt\0iTXt\0tEXt\0eXIf\0sPLT\0hIST\0tRNS\0gAMA\0cHRM\0sRGB\0pHYs\0tIME\0bKGD\0sBIT\0"
                                 "oFFs\0pCAL\0sCAL";
    png_set_read_fn(job->png, job, on_read);
    png_set_benign_errors(job->png, 1);
    png_set_crc_action(job->png, PNG_CRC_QUIET_USE, PNG_CRC_QUIET_USE); /* they have been looked at */
    png_set_user_limits(job->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);    /* how->max_pixels is the limit */
    png_set_keep_unknown_chunks(job->png, PNG_HANDLE_CHUNK_NEVER, (png_const_bytep)others, sizeof others / 5);
}

/* Comes back by longjmp when libpng complains. */
static int decode(struct job *job)
{
    prepare_reading(job);
    png_read_info(job->png, job->info);
    size_t height = png_get_image_height(job->png, job->info), width = png_get_image_width(job->png, job->info);
    unsigned depth = png_get_bit_depth(job->png, job->info), kind = png_get_color_type(job->png, job->info);
    bool interlaced = png_get_interlace_type(job->png, job->info) != PNG_INTERLACE_NONE;
    if (rn_image_allocate(job->image, height, width, job->how, job->err))
        return job->refused = true, -1;
    job->deflated = deflated_length(job);
    if (kind == PNG_COLOR_TYPE_PALETTE)
        png_set_palette_to_rgb(job->png);
    else if (depth < 8)
        png_set_expand_gray_1_2_4_to_8(job->png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (depth == 16)
        png_set_swap(job->png);
#endif
    if (interlaced)
        png_set_interlace_handling(job->png);
    png_read_update_info(job->png, job->info);
    size_t bands = png_get_channels(job->png, job->info);
    struct rn_samples samples = { bands, bands < 3 ? 1 : 3, .wide = depth == 16, .clip = kind == PNG_COLOR_TYPE_GRAY };
    size_t stride = png_get_rowbytes(job->png, job->info);
    if (!(job->row = rn_alloc_aligned(interlaced ? height : 1, stride, job->err)) ||
        (interlaced && !(job->rows = rn_calloc(height, sizeof *job->rows, job->err))))
        return job->refused = true, -1;
    read_rows(job, &samples, stride);
    return 0;
}

/* By libpng, which heeds no CRC. */
static int run(struct job *job, struct rn_text bytes)
{
    volatile int rc = -1;
    job->left = (struct rn_bytes){ (const uint8_t *)bytes.data, bytes.length };
    job->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, job, on_error, on_warning, job, allocate, release);
    job->info = job->png ? png_create_info_struct(job->png) : NULL;
    if (job->info && !setjmp(png_jmpbuf(job->png)))
        rc = decode(job);
    else if (!job->info && !job->refused)
        job->refused = true, rn_fail(job->err, RN_EXIT_SYSTEM, "libpng does not start");
    png_destroy_read_struct(&job->png, &job->info, NULL);
    free(job->row);
    free(job->rows);
    job->row = NULL;
    job->rows = NULL;
    if (rc)
        rn_image_free(job->image);
    return rc;
}

/* ---- what is wrong, and may be mended ---- */

static int add_chunk(struct rn_buffer *to, const char *kind, struct rn_bytes data, struct rn_err *err)
{
    uint8_t length[4] = { (uint8_t)(data.left >> 24), (uint8_t)(data.left >> 16), (uint8_t)(data.left >> 8), (uint8_t)data.left };
    return rn_buffer_add(to, length, 4, err) || rn_buffer_add(to, kind, 4, err) || rn_buffer_add(to, data.at, data.left, err) ||
                   rn_buffer_add(to, "\0\0\0\0", 4, err) /* run() heeds no CRC */
               ? -1
               : 0;
}

/* The header, the palette, and the pixels as they were before they were deflated. */
static int mend(struct rn_buffer *to, struct rn_text bytes, struct rn_bytes pixels, struct rn_err *err)
{
    struct rn_bytes b = chunks_of(bytes);
    struct chunk chunk;
    uLongf size = compressBound(pixels.left);
    uint8_t *stored = rn_alloc_aligned(size, 1, err);
    int rc = stored ? rn_buffer_add(to, bytes.data, HEAD + IHDR, err) : -1;
    while (rc == 0 && next_chunk(&b, &chunk) && !is_kind(&chunk, "IDAT"))
        if (is_kind(&chunk, "PLTE"))
            rc = add_chunk(to, "PLTE", chunk.data, err);
    if (rc == 0 && compress2(stored, &size, pixels.at, pixels.left, Z_NO_COMPRESSION) != Z_OK)
        rc = rn_fail(err, RN_EXIT_SYSTEM, "out of memory: zlib needs more");
    if (rc == 0)
        rc = add_chunk(to, "IDAT", (struct rn_bytes){ stored, size }, err);
    if (rc == 0)
        rc = add_chunk(to, "IEND", (struct rn_bytes){ 0 }, err);
    free(stored);
    return rc;
}

static int no_memory(struct job *job)
{
    job->refused = true;
    return rn_fail(job->err, RN_EXIT_SYSTEM, "out of memory: zlib needs more");
}

/* After libpng gave up on a file of which no pixel need be missing. 1: they are not all there. */
static int run_mended(struct job *job, struct rn_text bytes, bool checksum)
{
    int end, rc = 1;
    if (!job->deflated || job->deflated > MENDED_MAX)
        return 1;
    uint8_t *pixels = rn_alloc_aligned(job->deflated, 1, job->err);
    struct rn_buffer mended = { 0 };
    if (!pixels)
        return job->refused = true, -1;
    bool all = inflate_pixels(pixels, job->deflated, bytes, &end) >= job->deflated;
    if (end == Z_MEM_ERROR)
        rc = no_memory(job);
    if (all && (end == Z_STREAM_END || (!checksum && (end == Z_OK || end == Z_BUF_ERROR)))) {
        rc = mend(&mended, bytes, (struct rn_bytes){ pixels, job->deflated }, job->err);
        if (rc)
            job->refused = true;
        else
            rc = run(job, (struct rn_text){ mended.data, mended.length }) ? -1 : 0;
    }
    rn_buffer_free(&mended);
    free(pixels);
    return rc;
}

/* The chunks without which there is no picture; *checksum: that of an IDAT is wrong. */
static int check_chunks(bool *checksum, struct rn_text bytes, struct rn_err *err)
{
    struct rn_bytes b = chunks_of(bytes);
    struct chunk chunk;
    while (next_chunk(&b, &chunk) && chunk.whole && !is_kind(&chunk, "IEND")) {
        if (!chunk.right && (is_kind(&chunk, "IHDR") || is_kind(&chunk, "PLTE")))
            return rn_fail(err, RN_EXIT_DATA, "damaged PNG: the CRC of %.4s is wrong", (const char *)chunk.kind);
        *checksum = *checksum || (!chunk.right && is_kind(&chunk, "IDAT"));
    }
    return 0;
}

int rn_image_decode_png(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct job job = { .image = image, .how = how, .err = err };
    bool checksum = false;
    int orientation = 0, end = Z_OK;
    if (check_chunks(&checksum, bytes, err))
        return -1;
    int rc = run(&job, bytes);
    if (rc && !job.refused)
        rc = run_mended(&job, bytes, checksum);
    else if (rc == 0 && checksum && (inflate_pixels(NULL, 0, bytes, &end), end == Z_MEM_ERROR))
        rc = no_memory(&job);
    else if (rc == 0 && checksum && end != Z_STREAM_END)
        rc = snprintf(job.reason, sizeof job.reason, "its pixels are not those of their checksum");
    if (rc && job.refused)
        return -1;
    if (rc)
        return rn_fail(err, RN_EXIT_DATA, "damaged PNG: %s%s", job.reason, checksum ? " (and the CRC of IDAT is wrong)" : "");
    if (!how->exif)
        return 0;
    return rn_image_png_orientation(&orientation, bytes, err) || rn_image_turn(image, orientation, err) ? -1 : 0;
}
