/* image.c -- any bytes as a photo: what of it is read by this project's own code, and through libpng and libjpeg (not libvips and
 * its loaders, which have fuzzers of their own). */
#include <stdlib.h>

#include "image/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

static void check_orientation(int orientation)
{
    if (orientation < 0 || orientation > 8)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    const struct rn_decode how = { .max_pixels = 1 << 16, .exif = true };
    struct rn_text text = { (const char *)bytes, length };
    struct rn_image image;
    struct rn_err err = { 0 };
    const char *name = NULL;
    int orientation = 0;
    check_orientation(rn_image_exif_orientation(bytes, length));
    check_orientation(rn_image_xmp_orientation(bytes, length));
    check_orientation(rn_image_tiff_orientation(text));
    switch (rn_image_format_of(text, &name)) {
    case RN_IMAGE_TIFF:
    case RN_IMAGE_HEIC:
    case RN_IMAGE_AVIF:
        return 0;
    case RN_IMAGE_WEBP:
        (void)rn_image_webp_outline(&orientation, text);
        check_orientation(orientation);
        return 0;
    default:
        break;
    }
    if (rn_image_decode(&image, text, &how, &err) == 0) {
        if (!image.pixels || image.height * image.width > how.max_pixels)
            abort();
    } else if (image.pixels || !err.exit || !err.text[0]) {
        abort(); /* refused without a word */
    }
    rn_image_free(&image);
    return 0;
}
