/* image.c -- a photo's bytes, or its file, to pixels: in this process, or apart. */
#include "core/file.h"
#include "image/private.h"

int rn_image_decode(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    return (how->apart && bytes.length ? rn_decoders_decode : rn_image_decode_here)(image, bytes, how, err);
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
