/* image.h -- photos into pixels: decoding (JPEG and PNG by libjpeg and libpng, GIF, BMP and Netpbm's formats here, of libvips only
 * the loaders of WebP, TIFF, HEIC and AVIF), Pillow's resize, and the two preparations of image classifiers (evaluation and
 * training).
 *
 * Pixels are 8-bit RGB, rows from the top, three bytes a pixel, no padding between rows. */
#ifndef RN_IMAGE_IMAGE_H
#define RN_IMAGE_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/rng.h"
#include "core/text.h"

struct rn_place;
struct rn_image {
    uint8_t *pixels; /* owned: rn_image_free. Zeroed struct: none */
    size_t height, width;
    const struct rn_place *place; /* within a decoder: whose memory the pixels are in, and stay */
};
void rn_image_free(struct rn_image *image);

void rn_image_thread_end(void); /* each thread that decoded, before it ends */

struct rn_decoders;
struct rn_decode {
    uint64_t max_pixels; /* more, by the header alone, is refused before any pixel is decoded */
    bool exif;           /* turn the picture as its EXIF orientation says, or XMP's where it has none. HEIC and AVIF are turned
                          * always, and only as their own transformation says */
    struct rn_decoders *apart; /* NULL: in this process */
    struct rn_place *place;    /* within a decoder; otherwise NULL */
    uint8_t *(*pixels)(struct rn_place *place, size_t bytes, struct rn_err *err); /* memory there; NULL and err: there is none */
};

/* Processes that decode, `count` at once, and may do nothing else: no network, no other programs, no files written, memory up to a
 * limit that follows from max_pixels. A photo that ends one costs that photo: exit 3. To be called while the process has one
 * thread; then `apart` of how is theirs. Where the system does not give processes or shared memory, *decoders is NULL and `why`
 * says so; where it gives them but no lock (seccomp), `why` says that; otherwise it is empty. Errors: exit 4, no memory. */
RN_MUST int rn_decoders_start(struct rn_decoders **decoders, int count, const struct rn_decode *how, char why[static 128],
                              struct rn_err *err);
void rn_decoders_end(struct rn_decoders *decoders); /* when no thread decodes any more. NULL is allowed */

/* Decodes a whole file's bytes by their content, whatever its name. To RGB by the rules of Pillow's convert("RGB"): grey is
 * copied to the three channels, alpha is dropped (not blended), a palette is looked up, CMYK as Pillow multiplies it out,
 * 16-bit grey is clipped or shifted as Pillow does; no colour management. Animated: the first frame. Damage that concerns no pixel
 * is passed over (rn(7) says what), other damage refused.
 * Errors: exit 3 and the reason, in one sentence (not a picture, what is damaged, too many pixels, what is not supported, how to
 * convert it); exit 4: no memory, a library that does not start. */
RN_MUST int rn_image_decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err);
/* The same from a file: a missing file is exit 4. Larger than 1 GiB: exit 3. */
RN_MUST int rn_image_load(struct rn_image *image, const char *path, const struct rn_decode *how, struct rn_err *err);

struct rn_box {
    size_t top, left, height, width;
};

/* Appends x as a JPEG file: 4:2:0, quality 1 to 100. Exit 3: larger than a JPEG can be. */
RN_MUST int rn_image_encode_jpeg(struct rn_buffer *out, const struct rn_image *x, int quality, struct rn_err *err);

/* Appends a PNG file, 8-bit RGB: equal pixels give equal bytes with the same libraries. */
RN_MUST int rn_image_encode_png(struct rn_buffer *bytes, const struct rn_image *x, struct rn_err *err);
/* The same into a file, whole or not at all (core/file.h). */
RN_MUST int rn_image_save_png(const char *path, const struct rn_image *x, struct rn_err *err);

/* Pillow's bilinear, antialiased resize (ImagingResample: a triangle filter as wide as the scale, 22-bit fixed-point weights,
 * along the rows first, or down the columns where Pillow 13 does that; 8 bits between the passes; agrees with Pillow 13 in
 * every pixel): the part `crop` of x, as if it were a picture
 * of its own, scaled to (height, width); of that result the part `window` is computed and written to y
 * (window.height, window.width, 3). crop must lie in x, window in (height, width). */
RN_MUST int rn_image_resample(uint8_t *y, const struct rn_image *x, struct rn_box crop, size_t height, size_t width,
                              struct rn_box window, struct rn_err *err);

/* torchvision's Resize(resize) of the shorter side and CenterCrop(size), black where the picture is smaller; y is
 * (size, size, 3). */
RN_MUST int rn_image_eval(uint8_t *y, const struct rn_image *x, size_t size, size_t resize, struct rn_err *err);

/* (height, width) of a picture of x's shape whose shorter side is `resize`, as torchvision's Resize has it. */
void rn_image_scaled(size_t *height, size_t *width, const struct rn_image *x, size_t resize);

/* What training draws of a photo, in this order: torchvision's RandomResizedCrop, ten tries, then the central crop; each flip with
 * a chance of one half; one of the four quarter turns; and, with the chance `erase`, torchvision's RandomErasing of 2 to 33 % of
 * the area (ratio 0.3 to 3.3, ten tries), filled with one colour. */
struct rn_training {
    double scale[2], ratio[2]; /* of the crop's area to the photo's; of its width to its height */
    bool across, down;         /* flips: left to right; top to bottom */
    bool quarters;
    double erase;
    uint8_t fill[3];
};
extern const struct rn_training rn_training_default; /* scale 0.08 to 1, ratio 3/4 to 4/3, RandomHorizontalFlip */
/* rng is consumed; y is (size, size, 3). */
RN_MUST int rn_image_train_by(uint8_t *y, const struct rn_image *x, size_t size, const struct rn_training *how, struct rn_rng *rng,
                              struct rn_err *err);
/* The same by rn_training_default. */
RN_MUST int rn_image_train(uint8_t *y, const struct rn_image *x, size_t size, struct rn_rng *rng, struct rn_err *err);
struct rn_box rn_image_random_crop(size_t height, size_t width, struct rn_rng *rng);

/* Other work on bytes from outside, in a process as locked in as one that decodes: it may read files, and write to what was open;
 * its standard output is copied to out. work's result (0 or more), or -1 and its error, or exit 3 when it died. Before the first
 * thread.
 * *locked: 0, or the errno of what the system does not give: then it was not locked in. */
struct rn_out;
RN_MUST int rn_image_apart(struct rn_out *out, int (*work)(void *context, struct rn_err *err), void *context, int *locked,
                           struct rn_err *err);

#endif
