/* vips.c -- WebP, TIFF, HEIC and AVIF through libvips, to Pillow's convert("RGB"). */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <vips/vips.h>

#include "image/private.h"

enum { ROWS = 32 };

/* Loaded when the first picture comes that needs it: its hundred libraries take longer than a network's first answer. */
#define FUNCTIONS(X)                                                                                                          \
    X(vips_init) X(vips_error_clear) X(vips_error_buffer) X(vips_concurrency_set) X(vips_cache_set_max) X(vips_type_find)     \
    X(vips_operation_block_set) X(vips_thread_shutdown) X(vips_webpload_buffer) X(vips_tiffload_buffer)                       \
    X(vips_heifload_buffer) X(vips_region_new) X(vips_region_prepare) X(g_object_unref) X(g_log_set_default_handler)
#define FIELD(function) __typeof__(&function) function;
static struct { FUNCTIONS(FIELD) } vips;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_bool started;
static struct rn_err start_err;

static void be_silent(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer data)
{
    (void)domain, (void)level, (void)message, (void)data;
}

static int load(struct rn_err *err)
{
    void *library = dlopen("libvips.so.42", RTLD_NOW | RTLD_LOCAL), *symbol;
    if (!library)
        library = dlopen("libvips.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return rn_fail(err, RN_EXIT_SYSTEM, "cannot load libvips: %s", dlerror());
#define FIND(function)                                                                                                        \
    if (!(symbol = dlsym(library, #function)))                                                                                \
        return rn_fail(err, RN_EXIT_SYSTEM, "libvips: %s", dlerror());                                                        \
    memcpy(&vips.function, &symbol, sizeof symbol);
    FUNCTIONS(FIND)
    return 0;
}

static void start(void)
{
    static const char *const allowed[] = { "VipsForeignLoadWebp", "VipsForeignLoadTiff", "VipsForeignLoadHeif" };
    if (load(&start_err))
        return;
    vips.g_log_set_default_handler(be_silent, NULL);
    if (vips.vips_init("rn")) {
        vips.vips_error_clear();
        rn_fail(&start_err, RN_EXIT_SYSTEM, "libvips does not start");
        return;
    }
    vips.vips_concurrency_set(1);
    vips.vips_cache_set_max(0);
    vips.vips_operation_block_set("VipsForeignLoad", TRUE);
    for (size_t i = 0; i < sizeof allowed / sizeof *allowed; i++)
        vips.vips_operation_block_set(allowed[i], FALSE);
    started = true;
}

int rn_image_start_vips(struct rn_err *err)
{
    pthread_once(&once, start);
    if (start_err.exit)
        *err = start_err;
    return start_err.exit ? -1 : 0;
}

void rn_image_thread_end(void)
{
    if (started)
        vips.vips_thread_shutdown();
}

/* libvips' buffer of messages is shared by all threads: what a photo's message says must not depend on what another thread met,
 * so that a photo that fails is decoded once more while no other is. */
static pthread_rwlock_t alone = PTHREAD_RWLOCK_WRITER_NONRECURSIVE_INITIALIZER_NP;

struct job {
    struct rn_text bytes;
    int (*open)(void *, size_t, VipsImage **, ...);
    const char *name;
    const struct rn_decode *how;
    bool refused; /* err is filled already */
};

static const char *kind_of_samples(VipsBandFormat format)
{
    switch (format) {
    case VIPS_FORMAT_CHAR:
    case VIPS_FORMAT_SHORT:
    case VIPS_FORMAT_INT:
        return "signed samples";
    case VIPS_FORMAT_UINT:
        return "samples of 32 bits";
    default:
        return "floating-point samples";
    }
}

static bool has_known_colours(const VipsImage *image)
{
    switch (image->Type) {
    case VIPS_INTERPRETATION_B_W:
    case VIPS_INTERPRETATION_GREY16:
    case VIPS_INTERPRETATION_MULTIBAND:
        return image->Bands == 1 || image->Bands == 2;
    case VIPS_INTERPRETATION_sRGB:
    case VIPS_INTERPRETATION_RGB:
    case VIPS_INTERPRETATION_RGB16:
        return image->Bands >= 3;
    case VIPS_INTERPRETATION_CMYK:
        return image->Bands >= 4;
    default:
        return false;
    }
}

static int check_kind(const VipsImage *image, const char *name, struct rn_err *err)
{
    bool is_lab = image->Type == VIPS_INTERPRETATION_LAB || image->Type == VIPS_INTERPRETATION_LABS;
    if (image->BandFmt != VIPS_FORMAT_UCHAR && image->BandFmt != VIPS_FORMAT_USHORT)
        return rn_fail(err, RN_EXIT_DATA, "%s with %s, which are not supported: convert it to PNG", name,
                       kind_of_samples(image->BandFmt));
    if (!has_known_colours(image))
        return rn_fail(err, RN_EXIT_DATA, "%s with colours of a kind that is not supported (%s, %d channels): convert it to PNG",
                       name, is_lab ? "L*a*b*" : "neither grey, RGB nor CMYK", image->Bands);
    return 0;
}

static int convert(struct rn_image *to, VipsImage *from)
{
    bool grey = from->Bands < 3, wide = from->BandFmt == VIPS_FORMAT_USHORT;
    const struct rn_samples samples = {
        .bands = (size_t)from->Bands,
        .used = grey ? 1 : from->Type == VIPS_INTERPRETATION_CMYK ? 4 : 3,
        .wide = wide,
        .clip = wide && grey,
    };
    VipsRegion *region = vips.vips_region_new(from);
    bool good = region;
    for (int top = 0; good && top < from->Ysize; top += ROWS) {
        int n = from->Ysize - top < ROWS ? from->Ysize - top : ROWS;
        VipsRect rows = { 0, top, from->Xsize, n };
        good = vips.vips_region_prepare(region, &rows) == 0;
        for (int y = top; good && y < top + n; y++) {
            const uint8_t *row = region->data + (size_t)(y - region->valid.top) * (size_t)region->bpl; /* rows are whole */
            rn_image_from_samples(to->pixels + (size_t)y * to->width * 3, row, to->width, &samples);
        }
    }
    if (region)
        vips.g_object_unref(region);
    return good ? 0 : -1;
}

static int attempt(struct rn_image *image, struct job *job, struct rn_err *err)
{
    VipsImage *from = NULL;
    int rc = -1;
    /* reads the header; pixels come when rows are asked for */
    if (job->open((void *)job->bytes.data, job->bytes.length, &from, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on",
                  VIPS_FAIL_ON_ERROR, NULL))
        return -1;
    job->refused = true;
    if (check_kind(from, job->name, err) == 0 &&
        rn_image_allocate(image, (size_t)from->Ysize, (size_t)from->Xsize, job->how, err) == 0) {
        rc = convert(image, from);
        job->refused = false;
    }
    vips.g_object_unref(from);
    return rc;
}

/* The first line that speaks of the photo: libheif's loader tries to read beyond the end of any, which leaves a line. What is not
 * text is left out. */
static void first_message(char *to, size_t room)
{
    const char *from = vips.vips_error_buffer();
    while (!strncmp(from, "source: ", 8) && strchr(from, '\n'))
        from = strchr(from, '\n') + 1;
    size_t n = strcspn(from, "\n");
    snprintf(to, room, "%.*s", (int)(n < room ? n : room - 1), n ? from : "libvips cannot read it");
    for (char *c = to; *c; c++)
        *c = *c < ' ' || *c > '~' ? '?' : *c;
}

static int decode(struct rn_image *image, struct job *job, struct rn_err *err)
{
    char reason[200];
    pthread_rwlock_rdlock(&alone);
    int rc = attempt(image, job, err);
    pthread_rwlock_unlock(&alone);
    if (rc == 0 || job->refused)
        return rc;
    rn_image_free(image);
    pthread_rwlock_wrlock(&alone);
    vips.vips_error_clear();
    rc = attempt(image, job, err);
    first_message(reason, sizeof reason);
    vips.vips_error_clear();
    pthread_rwlock_unlock(&alone);
    if (rc == 0 || job->refused)
        return rc;
    return rn_fail(err, RN_EXIT_DATA, "damaged %s: %s", job->name, reason);
}

int rn_image_decode_tiff_vips(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    if (rn_image_start_vips(err))
        return -1;
    struct job job = { .bytes = bytes, .open = vips.vips_tiffload_buffer, .name = "TIFF", .how = how };
    return decode(image, &job, err);
}

bool rn_image_webp_outline(int *orientation, struct rn_text bytes)
{
    struct rn_bytes b = { (const uint8_t *)bytes.data, bytes.length };
    int exif = 0, xmp = 0;
    if (b.left < 12 || rn_bytes_little(b.at + 4, 4) < 4 || rn_bytes_little(b.at + 4, 4) > b.left - 8)
        return false;
    b.left = (size_t)rn_bytes_little(b.at + 4, 4) + 8;
    for (bool more = rn_bytes_take(&b, 12); more && b.left >= 8;) {
        size_t length = (size_t)rn_bytes_little(b.at + 4, 4);
        if (length > b.left - 8)
            return false;
        if (!memcmp(b.at, "EXIF", 4))
            exif = rn_image_exif_orientation(b.at + 8, length);
        else if (!memcmp(b.at, "XMP ", 4))
            xmp = rn_image_xmp_orientation(b.at + 8, length);
        more = rn_bytes_take(&b, 8 + length + (length & 1));
    }
    *orientation = exif ? exif : xmp;
    return true;
}

int rn_image_decode_webp(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    int orientation = 0;
    if (!rn_image_webp_outline(&orientation, bytes))
        return rn_fail(err, RN_EXIT_DATA, "damaged WebP: the file is shorter than it says");
    if (rn_image_start_vips(err))
        return -1;
    struct job job = { .bytes = bytes, .open = vips.vips_webpload_buffer, .name = "WebP", .how = how };
    if (decode(image, &job, err))
        return -1;
    return how->exif ? rn_image_turn(image, orientation, err) : 0;
}

/* Whether libheif, which libvips' loader has loaded, can decode what HEIC or AVIF pictures are made of: it may be linked with the
 * decoder, or find it as a plug-in, or neither. */
static bool has_decoder(bool is_avif)
{
    enum { HEVC = 1, AV1 = 4 };
    int (*have)(int);
    void *library = dlopen("libheif.so.1", RTLD_NOW | RTLD_NOLOAD);
    void *symbol = library ? dlsym(library, "heif_have_decoder_for_format") : NULL;
    if (!symbol)
        return true; /* a libheif by another name: what it says of the picture is passed on */
    memcpy(&have, &symbol, sizeof have);
    bool has = have(is_avif ? AV1 : HEVC);
    dlclose(library);
    return has;
}

int rn_image_decode_heif(struct rn_image *image, struct rn_text bytes, const struct rn_decode *how, struct rn_err *err)
{
    const char *unused;
    bool is_avif = rn_image_format_of(bytes, &unused) == RN_IMAGE_AVIF;
    const char *name = is_avif ? "AVIF" : "HEIC";
    if (rn_image_start_vips(err))
        return -1;
    struct job job = { .bytes = bytes, .open = vips.vips_heifload_buffer, .name = name, .how = how };
    bool has_loader = vips.vips_type_find("VipsOperation", "heifload_buffer");
    if (has_loader && (decode(image, &job, err) == 0))
        return 0; /* libheif has turned it, as the file says outside of EXIF */
    if (has_loader && (job.refused || has_decoder(is_avif)))
        return -1;
    return rn_fail(err, RN_EXIT_DATA,
                   "%s, which the libvips here cannot decode: install %s, or convert the photo ('heif-convert PHOTO PHOTO.jpg')",
                   name, !has_loader ? "libvips with libheif" : is_avif ? "libheif-plugin-dav1d" : "libheif-plugin-libde265");
}
