/* private.h -- what the files of this room share. */
#ifndef RN_IMAGE_PRIVATE_H
#define RN_IMAGE_PRIVATE_H

#include "image/image.h"

enum rn_image_format {
    RN_IMAGE_NONE, RN_IMAGE_JPEG, RN_IMAGE_PNG, RN_IMAGE_WEBP, RN_IMAGE_TIFF, RN_IMAGE_GIF, RN_IMAGE_HEIC, RN_IMAGE_AVIF,
    RN_IMAGE_BMP, RN_IMAGE_PNM, RN_IMAGE_OTHER, /* OTHER: a picture, or what is taken for one, that nothing here reads */
};
/* The format by content. OTHER: its name is put in *name. */
enum rn_image_format rn_image_format_of(struct rn_text bytes, const char **name);

/* What is left of a file. */
struct rn_bytes {
    const uint8_t *at;
    size_t left;
};
static inline bool rn_bytes_take(struct rn_bytes *b, size_t n)
{
    if (n > b->left)
        return false;
    b->at += n;
    b->left -= n;
    return true;
}
static inline uint64_t rn_bytes_big(const uint8_t *at, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value = value << 8 | at[i];
    return value;
}
static inline uint64_t rn_bytes_little(const uint8_t *at, int n)
{
    uint64_t value = 0;
    while (n-- > 0)
        value = value << 8 | at[n];
    return value;
}

/* The first directory of a TIFF or EXIF block (TIFF 6.0; BigTIFF). */
struct rn_tiff {
    struct rn_bytes block, entries; /* whole; what there is of the directory's entries */
    uint64_t (*number)(const uint8_t *, int);
    uint64_t count; /* entries that it says it has */
    bool wide;      /* BigTIFF */
};
struct rn_tiff_field {
    unsigned type;
    uint64_t count;    /* 1 or more */
    const uint8_t *at; /* count values, all of them within the block */
};
bool rn_tiff_open(struct rn_tiff *tiff, const uint8_t *data, size_t length);
/* The first field of that tag that lies within the block and has a value; false: there is none. */
bool rn_tiff_find(const struct rn_tiff *tiff, unsigned tag, struct rn_tiff_field *field);
/* The first of a field's values, if it is an integer; otherwise `otherwise`. */
int64_t rn_tiff_integer(const struct rn_tiff *tiff, unsigned tag, int64_t otherwise);

/* Orientation 1..8; 0: the data hold no such field. A field that holds another number stands for 1. These are the rules
 * of Pillow's exif_transpose, which takes XMP's where EXIF has none. */
int rn_image_exif_orientation(const uint8_t *data, size_t length); /* up to two "Exif\0\0" may stand before the block */
int rn_image_xmp_orientation(const uint8_t *data, size_t length);
/* The same of a whole file. */
int rn_image_tiff_orientation(struct rn_text bytes);
/* The loader stops at the last pixel that it needs, so that only a walk over the chunks notices that the file's end is missing.
 * false: it is. */
bool rn_image_webp_outline(int *orientation, struct rn_text bytes);
RN_MUST int rn_image_png_orientation(int *orientation, struct rn_text bytes, struct rn_err *err);

/* Refuses more pixels than how->max_pixels, and no pixels at all; then allocates. */
RN_MUST int rn_image_allocate(struct rn_image *image, size_t height, size_t width, const struct rn_decode *how, struct rn_err *err);
/* Turns the picture so that one of orientation 1..8 stands upright. */
RN_MUST int rn_image_turn(struct rn_image *image, int orientation, struct rn_err *err);
/* One row of Pillow's CMYK (0: no ink) to RGB. */
void rn_image_from_cmyk(uint8_t *rgb, const uint8_t *cmyk, size_t width);

/* What a row of decoded samples means. */
struct rn_samples {
    size_t bands, used; /* bands of a pixel; those that make its colour: 1, 3, 4 (CMYK) */
    bool wide;          /* 16 bits a band, in the machine's order of bytes */
    bool clip;          /* ... of which Pillow keeps the low byte, 255 at most: its mode I;16. Otherwise the high byte */
};
void rn_image_from_samples(uint8_t *rgb, const uint8_t *row, size_t width, const struct rn_samples *samples);

enum { RN_IMAGE_FILE_MAX = 1 << 30 };
/* The same as rn_image_decode, whatever how->apart says; and by how->apart. */
RN_MUST int rn_image_decode_here(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_decoders_decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
/* From now on this process may do nothing but decode. 0, or the errno of what the system does not give. */
int rn_image_lock(const struct rn_decode *how);

/* Once for all threads: starts libvips, one thread a photo, no cache, and blocks every loader but webp, tiff and heif. */
RN_MUST int rn_image_start_vips(struct rn_err *err);

RN_MUST int rn_image_decode_jpeg(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_png(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_gif(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_bmp(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_pnm(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_tiff(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_tiff_vips(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how,
                                      struct rn_err *err);
RN_MUST int rn_image_decode_webp(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
RN_MUST int rn_image_decode_heif(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);

#endif
