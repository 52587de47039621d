/* jpeg.c -- JPEG through libjpeg's own interface: the same pixels as Pillow's, in a third of libvips' time. */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

#include "image/private.h"

/* A progressive file may hold any number of scans over the whole picture; real ones have about ten. */
enum { SCANS_MAX = 200, ROWS = 8 };

struct job {
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf back;
    char reason[JMSG_LENGTH_MAX];
    struct rn_image *image;
    const struct rn_decode *how;
    struct rn_err *err;
    bool refused; /* err is filled already */
    bool several; /* scans */
    bool ended;   /* the file ended before the end of the picture was marked */
};

static _Noreturn void give_up(j_common_ptr jpeg)
{
    struct job *job = jpeg->client_data;
    jpeg->err->format_message(jpeg, job->reason);
    longjmp(job->back, 1);
}

/* Warnings after which libjpeg makes pixels up (grey, or smeared), or which say that pixels are misplaced, are errors. The others
 * concern no pixel: headers' details, and bytes that stand where none is needed. The man page rn(7) lists them. */
static void on_message(j_common_ptr jpeg, int level)
{
    struct job *job = jpeg->client_data;
    if (level >= 0)
        return;
    switch (jpeg->err->msg_code) {
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR:
    case JWRN_NOT_SEQUENTIAL: /* Ss, Se, Ah, Al of a scan header, which nothing but a progressive picture uses */
    case JWRN_EXTRANEOUS_DATA:
        return;
    case JWRN_JPEG_EOF: /* whether pixels are missing is seen later: a scan that ends early has a warning of its own */
        job->ended = true;
        return;
    default:
        give_up(jpeg);
    }
}

static void on_progress(j_common_ptr jpeg)
{
    struct job *job = jpeg->client_data;
    if (((j_decompress_ptr)jpeg)->input_scan_number > SCANS_MAX) {
        snprintf(job->reason, sizeof job->reason, "more than %d scans", SCANS_MAX);
        longjmp(job->back, 1);
    }
}

static void on_output(j_common_ptr jpeg)
{
    (void)jpeg;
}

static bool begins(jpeg_saved_marker_ptr marker, const char *with, size_t length)
{
    return marker->marker == JPEG_APP0 + 1 && marker->data_length >= length && !memcmp(marker->data, with, length);
}

/* EXIF's, of the first block; where it has none, XMP's, of the last: as with Pillow. */
static int orientation(const struct jpeg_decompress_struct *jpeg)
{
    static const char exif[] = "Exif\0", xmp[] = "http://ns.adobe.com/xap/1.0/";
    int of_exif = 0, of_xmp = 0;
    bool seen = false;
    for (jpeg_saved_marker_ptr m = jpeg->marker_list; m; m = m->next) {
        if (begins(m, exif, sizeof exif) && !seen) {
            of_exif = rn_image_exif_orientation(m->data, m->data_length);
            seen = true;
        } else if (begins(m, xmp, sizeof xmp)) {
            of_xmp = rn_image_xmp_orientation(m->data + sizeof xmp, m->data_length - sizeof xmp);
        }
    }
    return of_exif ? of_exif : of_xmp;
}

/* Of a picture in several scans the file's end may lack some: then no coefficient is known to its last bit. */
static bool is_whole(const struct job *job)
{
    const struct jpeg_decompress_struct *jpeg = &job->jpeg;
    for (int c = 0; job->several && c < jpeg->num_components; c++)
        for (int i = 0; i < DCTSIZE2; i++)
            if (jpeg->coef_bits ? jpeg->coef_bits[c][i] != 0 : true)
                return false;
    return true;
}

static void read_rgb(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    while (jpeg->output_scanline < jpeg->output_height) {
        JSAMPROW rows[ROWS];
        JDIMENSION left = jpeg->output_height - jpeg->output_scanline;
        JDIMENSION n = left < ROWS ? left : ROWS;
        for (JDIMENSION i = 0; i < n; i++)
            rows[i] = job->image->pixels + (size_t)(jpeg->output_scanline + i) * job->image->width * 3;
        jpeg_read_scanlines(jpeg, rows, n);
    }
}

/* Four channels are taken as Adobe writes them, inverted, whether or not its marker says so: as Pillow does. */
static void read_cmyk(struct job *job)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    size_t width = job->image->width;
    JSAMPARRAY row = jpeg->mem->alloc_sarray((j_common_ptr)jpeg, JPOOL_IMAGE, (JDIMENSION)(width * 4), 1);
    while (jpeg->output_scanline < jpeg->output_height) {
        uint8_t *rgb = job->image->pixels + (size_t)jpeg->output_scanline * width * 3;
        jpeg_read_scanlines(jpeg, row, 1);
        for (size_t i = 0; i < width * 4; i++)
            row[0][i] = (JSAMPLE)(255 - row[0][i]);
        rn_image_from_cmyk(rgb, row[0], width);
    }
}

/* Comes back by longjmp when libjpeg complains. */
static int decode(struct job *job, struct rn_text bytes)
{
    struct jpeg_decompress_struct *jpeg = &job->jpeg;
    jpeg_create_decompress(jpeg);
    jpeg->progress = &job->progress;
    jpeg_mem_src(jpeg, (const unsigned char *)bytes.data, (unsigned long)bytes.length);
    if (job->how->exif)
        jpeg_save_markers(jpeg, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(jpeg, TRUE);
    if (jpeg->num_components != 1 && jpeg->num_components != 3 && jpeg->num_components != 4)
        return job->refused = true, rn_fail(job->err, RN_EXIT_DATA, "JPEG with %d channels", jpeg->num_components);
    if (rn_image_allocate(job->image, jpeg->image_height, jpeg->image_width, job->how, job->err))
        return job->refused = true, -1;
    int turn = orientation(jpeg);
    job->several = jpeg->progressive_mode || jpeg->comps_in_scan < jpeg->num_components;
    jpeg->out_color_space = jpeg->num_components == 4 ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(jpeg);
    if (jpeg->num_components == 4)
        read_cmyk(job);
    else
        read_rgb(job);
    if (job->ended && !is_whole(job))
        return snprintf(job->reason, sizeof job->reason, "the file ends before its last scan"), -1;
    if (rn_image_turn(job->image, turn, job->err))
        return job->refused = true, -1;
    return 0;
}

int rn_image_decode_jpeg(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct job job = { .image = image, .how = how, .err = err };
    volatile int rc = -1;
    job.jpeg.client_data = &job;
    job.jpeg.err = jpeg_std_error(&job.errors);
    job.errors.error_exit = give_up;
    job.errors.emit_message = on_message;
    job.errors.output_message = on_output;
    job.progress.progress_monitor = on_progress;
    if (!setjmp(job.back))
        rc = decode(&job, bytes);
    jpeg_destroy_decompress(&job.jpeg);
    if (!rc || job.refused)
        return rc;
    switch (job.errors.msg_code) {
    case JERR_OUT_OF_MEMORY:
        return rn_fail(err, RN_EXIT_SYSTEM, "libjpeg: %s", job.reason);
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
    case JERR_CONVERSION_NOTIMPL:
    case JERR_ARITH_NOTIMPL:
    case JERR_NOT_COMPILED:
        return rn_fail(err, RN_EXIT_DATA, "JPEG of a kind that is not supported: %s: convert it to PNG", job.reason);
    default:
        return rn_fail(err, RN_EXIT_DATA, "damaged JPEG: %s", job.reason);
    }
}
