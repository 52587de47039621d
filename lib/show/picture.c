/* picture.c -- pixels of a record as PNG. Not by lib/image: its libraries take 70 ms to load, which is long for a look. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "core/mem.h"
#include "show/show.h"

/* ---- PNG (W3C Recommendation, 2nd edition): truecolour, no filter; zlib's format (RFC 1950) with stored blocks (RFC 1951) ---- */

enum { STORED = 65535 }; /* bytes of a block, at the most */

static void big_endian(unsigned char room[static 4], uint32_t value)
{
    for (int i = 0; i < 4; i++)
        room[i] = (unsigned char)(value >> (24 - 8 * i));
}

static int chunk(struct rn_out *out, const char *name, const struct rn_buffer *data, struct rn_err *err)
{
    unsigned char length[4], sum[4];
    uLong crc = crc32(0, (const unsigned char *)name, 4);
    if (data->length) /* of NULL it would be 0 */
        crc = crc32_z(crc, (const unsigned char *)data->data, data->length);
    big_endian(length, (uint32_t)data->length);
    big_endian(sum, (uint32_t)crc);
    return rn_out_write(out, length, 4, err) || rn_out_write(out, name, 4, err) ||
           rn_out_write(out, data->data, data->length, err) || rn_out_write(out, sum, 4, err) ? -1 : 0;
}

/* The rows, each after its filter's number. */
static int raw_rows(struct rn_buffer *raw, const uint8_t *pixels, size_t h, size_t w, struct rn_err *err)
{
    for (size_t y = 0; y < h; y++)
        if (rn_buffer_add(raw, "", 1, err) || rn_buffer_add(raw, pixels + y * w * 3, w * 3, err))
            return -1;
    return 0;
}

static int stored(struct rn_buffer *data, const struct rn_buffer *raw, struct rn_err *err)
{
    unsigned char sum[4];
    if (rn_buffer_add(data, "\x78\x01", 2, err))
        return -1;
    for (size_t at = 0; at < raw->length; at += STORED) {
        size_t n = raw->length - at < STORED ? raw->length - at : STORED;
        const unsigned char head[] = { at + n == raw->length, n & 255, (unsigned char)(n >> 8), ~n & 255,
                                       (unsigned char)(~n >> 8 & 255) };
        if (rn_buffer_add(data, head, sizeof head, err) || rn_buffer_add(data, raw->data + at, n, err))
            return -1;
    }
    big_endian(sum, (uint32_t)adler32_z(1, (const unsigned char *)raw->data, raw->length));
    return rn_buffer_add(data, sum, 4, err);
}

int rn_show_write_png(struct rn_out *out, const uint8_t *pixels, size_t h, size_t w, struct rn_err *err)
{
    struct rn_buffer head = { 0 }, raw = { 0 }, data = { 0 }, none = { 0 };
    unsigned char sides[8];
    if (h > INT32_MAX || w > INT32_MAX || h * (3 * w + 1) > INT32_MAX)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %zux%zu is too large for one PNG chunk", h, w);
    big_endian(sides, (uint32_t)w);
    big_endian(sides + 4, (uint32_t)h);
    int rc = rn_buffer_add(&head, sides, 8, err) || rn_buffer_add(&head, "\x08\x02\0\0", 5, err) ||
             raw_rows(&raw, pixels, h, w, err) ||
             stored(&data, &raw, err) || rn_out_write(out, "\x89PNG\r\n\x1a\n", 8, err) || chunk(out, "IHDR", &head, err) ||
             chunk(out, "IDAT", &data, err) || chunk(out, "IEND", &none, err) ? -1 : 0;
    rn_buffer_free(&head);
    rn_buffer_free(&raw);
    rn_buffer_free(&data);
    return rc;
}

/* ---- which pixels ---- */

size_t rn_show_pictures(const struct rn_record *record)
{
    if (record->error.data)
        return 1;
    return record->kind == RN_BATCHES ? record->count : 1;
}

/* Normalised numbers, channel c of pixel p at first + c * plane + p * step, back to bytes. */
static int denormalise(uint8_t *pixels, size_t count, const struct rn_head *head, const struct rn_tensor *tensor, size_t first,
                       size_t plane, size_t step, struct rn_err *err)
{
    if (!head->has_input)
        return rn_fail(err, RN_EXIT_DATA, "the pixels are normalised, and the head does not say how (it has no input)");
    for (size_t p = 0; p < count; p++)
        for (size_t c = 0; c < 3; c++) {
            double x = (rn_tensor_get(tensor, first + c * plane + p * step) * head->input.std[c] + head->input.mean[c]) * 255;
            pixels[p * 3 + c] = x > 0 ? (uint8_t)lrint(fmin(x, 255)) : 0;
        }
    return 0;
}

int rn_show_picture(struct rn_show_picture *picture, const struct rn_head *head, const struct rn_record *record, size_t i,
                    struct rn_err *err)
{
    const struct rn_tensor *tensor = &record->tensor;
    char shown[256];
    *picture = (struct rn_show_picture){ 0 };
    if (record->error.data)
        return rn_fail(err, RN_EXIT_DATA, "an error record stands in the picture's place: %s", rn_text_show(record->error, shown));
    if (record->kind == RN_SAMPLES)
        return rn_fail(err, RN_EXIT_DATA, "samples are not decoded yet: put '| rn-batch' before '| rn-show'");
    if (record->kind != RN_IMAGES && record->kind != RN_BATCHES)
        return rn_fail(err, RN_EXIT_DATA, "%s have no pictures: images and batches have", rn_kind_name(record->kind));
    if (record->features)
        return rn_fail(err, RN_EXIT_DATA, "these batches have features instead of pictures");
    bool batch = record->kind == RN_BATCHES, planes = batch && tensor->type != RN_U8;
    const size_t *side = tensor->shape + batch + planes, count = side[0] * side[1], first = batch ? i * count * 3 : 0;
    *picture = (struct rn_show_picture){ .h = side[0], .w = side[1] };
    if (tensor->type == RN_U8) {
        picture->pixels = (const uint8_t *)tensor->data + first;
        return 0;
    }
    picture->pixels = picture->own = rn_calloc(count, 3, err);
    if (!picture->own || denormalise(picture->own, count, head, tensor, first, planes ? count : 1, planes ? 1 : 3, err)) {
        free(picture->own);
        return -1;
    }
    return 0;
}

int rn_show_png(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, size_t i, struct rn_err *err)
{
    struct rn_show_picture picture;
    if (rn_show_picture(&picture, head, record, i, err))
        return -1;
    int rc = rn_show_write_png(out, picture.pixels, picture.h, picture.w, err);
    free(picture.own);
    return rc;
}
