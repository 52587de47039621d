/* decode.c -- a file's bytes to RGB: which decoder, and what all of them share. */
#include <stdlib.h>
#include <string.h>

#include "core/file.h"
#include "core/mem.h"
#include "image/private.h"

void rn_image_free(struct rn_image *image)
{
    if (!image->place)
        free(image->pixels);
    *image = (struct rn_image){ 0 };
}

int rn_image_allocate(struct rn_image *image, size_t height, size_t width, const struct rn_decode *how, struct rn_err *err)
{
    size_t pixels;
    if (!height || !width)
        return rn_fail(err, RN_EXIT_DATA, "a picture without pixels");
    if (!rn_mul(height, width, &pixels) || pixels > how->max_pixels)
        return rn_fail(err, RN_EXIT_DATA, "%zu x %zu pixels are more than --max-pixels %llu", width, height,
                       (unsigned long long)how->max_pixels);
    uint8_t *block = how->place ? rn_place_pixels(how->place, pixels * 3, err) : rn_alloc_aligned(pixels, 3, err);
    if (!block)
        return -1;
    *image = (struct rn_image){ block, height, width, how->place };
    return 0;
}

/* Pillow: the ink that is left after black, with its rounding of x / 255. */
static uint8_t ink(unsigned colour, unsigned white)
{
    unsigned product = colour * white + 128;
    return (uint8_t)(white - ((product + (product >> 8)) >> 8));
}

void rn_image_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t width)
{
    for (size_t x = 0; x < width; x++) {
        unsigned white = 255u - cmyk[4 * x + 3];
        for (size_t c = 0; c < 3; c++)
            rgb[3 * x + c] = ink(cmyk[4 * x + c], white);
    }
}

static uint8_t narrow(const uint8_t *at, const struct rn_samples *samples)
{
    uint16_t value;
    if (!samples->wide)
        return *at;
    memcpy(&value, at, sizeof value);
    return samples->clip ? (uint8_t)(value < 255 ? value : 255) : (uint8_t)(value >> 8);
}

void rn_image_from_samples(uint8_t *rgb, const uint8_t *row, size_t width, const struct rn_samples *samples)
{
    size_t band = samples->wide ? 2 : 1, pixel = samples->bands * band;
    for (size_t x = 0; x < width; x++, row += pixel, rgb += 3) {
        uint8_t colour[4] = { 0 };
        for (size_t c = 0; c < samples->used; c++)
            colour[c] = narrow(row + c * band, samples);
        if (samples->used == 4)
            rn_image_from_cmyk(rgb, colour, 1);
        else
            for (size_t c = 0; c < 3; c++)
                rgb[c] = colour[samples->used == 3 ? c : 0];
    }
}

int rn_image_turn(struct rn_image *image, int orientation, struct rn_err *err)
{
    if (orientation < 2 || orientation > 8)
        return 0;
    bool swap = orientation >= 5;
    bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
    bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
    ptrdiff_t row = (ptrdiff_t)image->width * 3, pixel = 3;
    const uint8_t *from = image->pixels;
    if (from_bottom) {
        from += (ptrdiff_t)(image->height - 1) * row;
        row = -row;
    }
    if (from_right) {
        from += (ptrdiff_t)(image->width - 1) * pixel;
        pixel = -pixel;
    }
    size_t height = swap ? image->width : image->height, width = swap ? image->height : image->width;
    uint8_t *turned = rn_alloc_aligned(height * width, 3, err), *to = turned;
    if (!turned)
        return -1;
    for (size_t y = 0; y < height; y++) {
        const uint8_t *at = from + (ptrdiff_t)y * (swap ? pixel : row);
        for (size_t x = 0; x < width; x++, to += 3, at += swap ? row : pixel)
            memcpy(to, at, 3);
    }
    rn_image_free(image);
    *image = (struct rn_image){ .pixels = turned, .height = height, .width = width };
    return 0;
}

static int decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    const char *name = NULL;
    switch (rn_image_format_of(bytes, &name)) {
    case RN_IMAGE_JPEG:
        return rn_image_decode_jpeg(image, bytes, how, err);
    case RN_IMAGE_PNG:
        return rn_image_decode_png(image, bytes, how, err);
    case RN_IMAGE_WEBP:
        return rn_image_decode_webp(image, bytes, how, err);
    case RN_IMAGE_TIFF:
        return rn_image_decode_tiff(image, bytes, how, err);
    case RN_IMAGE_GIF:
        return rn_image_decode_gif(image, bytes, how, err);
    case RN_IMAGE_HEIC:
    case RN_IMAGE_AVIF:
        return rn_image_decode_heif(image, bytes, how, err);
    case RN_IMAGE_BMP:
        return rn_image_decode_bmp(image, bytes, how, err);
    case RN_IMAGE_PNM:
        return rn_image_decode_pnm(image, bytes, how, err);
    case RN_IMAGE_OTHER:
        return rn_fail(err, RN_EXIT_DATA, "%s, which is not read here: convert it to JPEG or PNG", name);
    case RN_IMAGE_NONE:
        break;
    }
    return rn_fail(err, RN_EXIT_DATA, "not a picture of a kind that is known (JPEG, PNG, WebP, TIFF, GIF, HEIC, AVIF, BMP, PNM)");
}

int rn_image_decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    *image = (struct rn_image){ 0 };
    if (!bytes.length)
        return rn_fail(err, RN_EXIT_DATA, "an empty file");
    int rc = how->apart ? rn_decoders_decode(image, bytes, how, err) : decode(image, bytes, how, err);
    if (rc)
        rn_image_free(image);
    return rc;
}

int rn_image_load(struct rn_image *image, const char *path, const struct rn_decode *how, struct rn_err *err)
{
    struct rn_buffer file = { 0 };
    char room[256];
    *image = (struct rn_image){ 0 };
    int rc = rn_file_read(&file, path, RN_IMAGE_FILE_MAX, err);
    if (rc == 0 && (rc = rn_image_decode(image, (struct rn_text){ file.data, file.length }, how, err)))
        rn_fail_at(err, "%s", rn_text_show(rn_text(path), room));
    rn_buffer_free(&file);
    return rc;
}
