/* png_write.c -- a picture as a PNG file, through libvips. */
#include <vips/vips.h>

#include "core/file.h"
#include "image/private.h"

int rn_image_encode_png(struct rn_buffer *bytes, const struct rn_image *x, struct rn_err *err)
{
    size_t row, size, length = 0;
    void *file = NULL;
    if (rn_image_start_vips(err))
        return -1;
    const size_t most = VIPS_MAX_COORD; /* an int in some versions, a function in others */
    if (x->height > most || x->width > most || !rn_mul(x->width, 3, &row) || !rn_mul(row, x->height, &size))
        return rn_fail(err, RN_EXIT_DATA, "a picture of %zux%zu is too large for a PNG file", x->height, x->width);
    VipsImage *image = vips_image_new_from_memory(x->pixels, size, (int)x->width, (int)x->height, 3, VIPS_FORMAT_UCHAR);
    VipsImage *rgb = NULL;
    if (image && vips_copy(image, &rgb, "interpretation", VIPS_INTERPRETATION_sRGB, NULL) == 0 &&
        vips_pngsave_buffer(rgb, &file, &length, "compression", 6, NULL))
        file = NULL;
    int rc = file ? rn_buffer_add(bytes, file, length, err)
             : rn_fail(err, RN_EXIT_SYSTEM, "libvips cannot make a PNG file of %zux%zu", x->height, x->width);
    vips_error_clear();
    g_free(file);
    g_clear_object(&rgb);
    g_clear_object(&image);
    return rc;
}

int rn_image_save_png(const char *path, const struct rn_image *x, struct rn_err *err)
{
    struct rn_buffer bytes = { 0 };
    struct rn_out *out = NULL;
    int rc = rn_image_encode_png(&bytes, x, err) || rn_out_open(&out, path, err) ||
             rn_out_write(out, bytes.data, bytes.length, err) ? -1 : 0;
    rc = rc ? (rn_out_discard(out), -1) : rn_out_commit(out, err);
    rn_buffer_free(&bytes);
    return rc;
}
