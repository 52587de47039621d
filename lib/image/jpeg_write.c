/* jpeg_write.c -- pixels into a JPEG file. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#include "image/private.h"

struct job {
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    jmp_buf back;
    char reason[JMSG_LENGTH_MAX];
    unsigned char *bytes; /* libjpeg allocates it */
    unsigned long length;
};

static _Noreturn void give_up(j_common_ptr jpeg)
{
    struct job *job = jpeg->client_data;
    jpeg->err->format_message(jpeg, job->reason);
    longjmp(job->back, 1);
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

/* Comes back by longjmp when libjpeg complains. */
static void encode(struct job *job, const struct rn_image *x, int quality)
{
    struct jpeg_compress_struct *jpeg = &job->jpeg;
    jpeg_create_compress(jpeg);
    jpeg_mem_dest(jpeg, &job->bytes, &job->length);
    jpeg->image_width = (JDIMENSION)x->width;
    jpeg->image_height = (JDIMENSION)x->height;
    jpeg->input_components = 3;
    jpeg->in_color_space = JCS_RGB;
    jpeg_set_defaults(jpeg);
    jpeg_set_quality(jpeg, quality, TRUE);
    jpeg_start_compress(jpeg, TRUE);
    while (jpeg->next_scanline < jpeg->image_height) {
        JSAMPROW row = x->pixels + (size_t)jpeg->next_scanline * x->width * 3;
        jpeg_write_scanlines(jpeg, &row, 1);
    }
    jpeg_finish_compress(jpeg);
}

int rn_image_encode_jpeg(struct rn_buffer *out, const struct rn_image *x, int quality, struct rn_err *err)
{
    struct job job = { .length = 0 };
    volatile int rc = -1;
    if (x->width > JPEG_MAX_DIMENSION || x->height > JPEG_MAX_DIMENSION)
        return rn_fail(err, RN_EXIT_DATA, "%zu x %zu pixels are more than a JPEG file holds", x->width, x->height);
    job.jpeg.client_data = &job;
    job.jpeg.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = give_up;
    job.errors.output_message = on_output;
    if (!setjmp(job.back)) {
        encode(&job, x, quality);
        rc = 0;
    }
    jpeg_destroy_compress(&job.jpeg);
    if (rc)
        rn_fail(err, RN_EXIT_SYSTEM, "cannot write a JPEG: %s", job.reason);
    else
        rc = rn_buffer_add(out, job.bytes, job.length, err);
    free(job.bytes);
    return rc;
}
