/* decode.c -- a file's bytes to RGB: which decoder. */
#include "image/private.h"

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

int rn_image_decode_here(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    *image = (struct rn_image){ 0 };
    int rc = bytes.length ? decode(image, bytes, how, err) : rn_fail(err, RN_EXIT_DATA, "an empty file");
    if (rc)
        rn_image_free(image);
    return rc;
}
