/* tiff.c -- TIFF: libvips decodes it, but for YCbCr that is not JPEG's, which it takes for RGB: that goes to libtiff's own
 * conversion, as Pillow does it (chroma of less resolution, the file's coefficients, black and white). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include <tiffio.h>

#include "core/mem.h"
#include "image/private.h"

#define FUNCTIONS(X) \
    X(TIFFClientOpen) X(TIFFClose) X(TIFFRGBAImageOK) X(TIFFRGBAImageBegin) X(TIFFRGBAImageGet) X(TIFFRGBAImageEnd)
#define FIELD(function) __typeof__(&function) function;
static struct { FUNCTIONS(FIELD) } tiff;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct rn_err start_err;

static int load(struct rn_err *err)
{
    void *library = dlopen("libtiff.so.6", RTLD_NOW | RTLD_LOCAL), *symbol;
    if (!library)
        library = dlopen("libtiff.so.5", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return rn_fail(err, RN_EXIT_SYSTEM, "cannot load libtiff: %s", dlerror());
#define FIND(function)                                                                                                        \
    if (!(symbol = dlsym(library, #function)))                                                                                \
        return rn_fail(err, RN_EXIT_SYSTEM, "libtiff: %s", dlerror());                                                        \
    memcpy(&tiff.function, &symbol, sizeof symbol);
    FUNCTIONS(FIND)
    return 0;
}

static void start(void)
{
    (void)load(&start_err);
}

/* ---- a file in memory ---- */

struct file {
    struct rn_text bytes;
    uint64_t at;
};

static tmsize_t on_read(thandle_t handle, void *to, tmsize_t n)
{
    struct file *file = handle;
    uint64_t left = file->at < file->bytes.length ? file->bytes.length - file->at : 0;
    size_t there = (uint64_t)n < left ? (size_t)n : (size_t)left;
    memcpy(to, file->bytes.data + (there ? file->at : 0), there);
    file->at += there;
    return (tmsize_t)there;
}

static tmsize_t on_write(thandle_t handle, void *from, tmsize_t n)
{
    (void)handle, (void)from, (void)n;
    return 0;
}

static toff_t on_seek(thandle_t handle, toff_t at, int whence)
{
    struct file *file = handle;
    file->at = at + (whence == SEEK_CUR ? file->at : whence == SEEK_END ? file->bytes.length : 0);
    return file->at;
}

static toff_t on_size(thandle_t handle)
{
    return ((struct file *)handle)->bytes.length;
}

static int on_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

/* ---- YCbCr ---- */

static int read_pixels(struct rn_image *image, TIFFRGBAImage *from, const struct rn_decode *how, struct rn_err *err)
{
    if (rn_image_allocate(image, from->height, from->width, how, err))
        return -1;
    size_t pixels = image->height * image->width;
    uint32_t *raster = rn_alloc_aligned(pixels, sizeof *raster, err);
    if (!raster)
        return -1;
    from->req_orientation = from->orientation; /* the rows as they lie in the file */
    int rc = tiff.TIFFRGBAImageGet(from, raster, from->width, from->height)
                 ? 0
                 : rn_fail(err, RN_EXIT_DATA, "damaged TIFF: its YCbCr pixels end early, or cannot be decoded");
    for (size_t i = 0; rc == 0 && i < pixels; i++) {
        image->pixels[3 * i] = (uint8_t)TIFFGetR(raster[i]);
        image->pixels[3 * i + 1] = (uint8_t)TIFFGetG(raster[i]);
        image->pixels[3 * i + 2] = (uint8_t)TIFFGetB(raster[i]);
    }
    free(raster);
    return rc;
}

static int decode_ycbcr(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct file file = { bytes, 0 };
    char reason[1024] = "";
    TIFFRGBAImage rgba;
    int rc = -1;
    if (rn_image_start_vips(err)) /* which silences libtiff */
        return -1;
    pthread_once(&once, start);
    if (start_err.exit)
        return *err = start_err, -1;
    TIFF *from = tiff.TIFFClientOpen("memory", "rm", &file, on_read, on_write, on_seek, on_close, on_size, NULL, NULL);
    if (!from)
        return rn_fail(err, RN_EXIT_DATA, "damaged TIFF: its directory cannot be read");
    if (!tiff.TIFFRGBAImageOK(from, reason) || !tiff.TIFFRGBAImageBegin(&rgba, from, 1, reason)) {
        rn_fail(err, RN_EXIT_DATA, "TIFF with YCbCr pixels of a kind that is not supported (%.200s): convert it to PNG", reason);
    } else {
        rc = read_pixels(image, &rgba, how, err);
        tiff.TIFFRGBAImageEnd(&rgba);
    }
    tiff.TIFFClose(from);
    return rc;
}

int rn_image_decode_tiff(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    struct rn_tiff directory;
    if (!rn_tiff_open(&directory, (const uint8_t *)bytes.data, bytes.length))
        return rn_fail(err, RN_EXIT_DATA, "damaged TIFF: the file ends before its directory");
    int64_t photometric = rn_tiff_integer(&directory, TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB);
    if (photometric < PHOTOMETRIC_MINISWHITE || photometric > PHOTOMETRIC_CIELAB || photometric == PHOTOMETRIC_MASK)
        return rn_fail(err, RN_EXIT_DATA, "TIFF of photometric interpretation %lld, which is not supported: convert it to PNG",
                       (long long)photometric); /* of a raw photo libvips would show the mosaic */
    bool converted = rn_tiff_integer(&directory, TIFFTAG_COMPRESSION, COMPRESSION_NONE) == COMPRESSION_JPEG &&
                     rn_tiff_integer(&directory, TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) == PLANARCONFIG_CONTIG;
    int rc = photometric == PHOTOMETRIC_YCBCR && !converted ? decode_ycbcr(image, bytes, how, err)
                                                             : rn_image_decode_tiff_vips(image, bytes, how, err);
    if (rc)
        return -1;
    return how->exif ? rn_image_turn(image, rn_image_tiff_orientation(bytes), err) : 0;
}
