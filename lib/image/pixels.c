/* pixels.c -- a picture's memory, and what all decoders do with pixels. */
#include <stdlib.h>
#include <string.h>

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
    uint8_t *block = how->place ? how->pixels(how->place, pixels * 3, err) : rn_alloc_aligned(pixels, 3, err);
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
