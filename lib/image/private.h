/* private.h -- what the files of this room share. */
#ifndef RN_IMAGE_PRIVATE_H
#define RN_IMAGE_PRIVATE_H

#include "image/image.h"

enum rn_image_format { RN_IMAGE_NONE, RN_IMAGE_JPEG, RN_IMAGE_PNG, RN_IMAGE_WEBP, RN_IMAGE_TIFF, RN_IMAGE_GIF };

/* What a walk over a file's blocks tells before any decoder sees it. Loaders stop at the last pixel that they need,
 * so that only such a walk notices a file whose end is missing. */
struct rn_image_outline {
    int orientation;          /* EXIF's 1..8; 0: the walk does not look for it */
    bool deep_alpha;          /* PNG: 16-bit grey with an alpha channel of its own */
    uint8_t fill[3];          /* GIF: the colour of what the first frame leaves transparent or does not cover */
    size_t top, left, height, width; /* GIF: the first frame */
};

/* false: the file ends too early, or its blocks make no sense. */
bool rn_image_outline(struct rn_image_outline *outline, enum rn_image_format format, struct rn_text bytes);
/* The orientation 1..8 in a TIFF directory of EXIF data; 1 when there is none, or nonsense. */
int rn_image_exif_orientation(const uint8_t *data, size_t length);

/* Refuses more pixels than how->max_pixels, and no pixels at all; then allocates. */
RN_MUST int rn_image_allocate(struct rn_image *image, size_t height, size_t width, const struct rn_decode *how, struct rn_err *err);
/* Turns the picture so that one of orientation 1..8 stands upright. */
RN_MUST int rn_image_turn(struct rn_image *image, int orientation, struct rn_err *err);
/* One row of Pillow's CMYK (0: no ink) to RGB. */
void rn_image_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t width);

/* Once for all threads: starts libvips, one thread a photo, no cache, and blocks every loader but png, webp, tiff and gif (a
 * JPEG goes to libjpeg-turbo). */
RN_MUST int rn_image_start_vips(struct rn_err *err);
RN_MUST int rn_image_decode_jpeg(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_vips(struct rn_image *image, struct rn_text bytes, enum rn_image_format format,
                                 const struct rn_decode *how, struct rn_err *err);

#endif
