/* vips.c -- PNG, WebP, TIFF and GIF through libvips, to Pillow's convert("RGB").
 *
 * libvips' messages are not passed on: its buffer of them is shared by all threads, so that a photo's message would
 * depend on what another thread met. */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include <vips/vips.h>

#include "image/private.h"

enum { ROWS = 32 };

/* Loaded when the first picture comes that needs it: its hundred libraries take longer than a network's first answer. */
#define FUNCTIONS(X)                                                                                                          \
    X(vips_init) X(vips_error_clear) X(vips_concurrency_set) X(vips_cache_set_max) X(vips_operation_block_set)                \
    X(vips_thread_shutdown) X(vips_pngload_buffer) X(vips_webpload_buffer) X(vips_tiffload_buffer) X(vips_gifload_buffer)     \
    X(vips_region_new) X(vips_region_prepare) X(vips_image_get_orientation) X(g_object_unref) X(g_log_set_default_handler)
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
    static const char *const allowed[] = { "VipsForeignLoadPng", "VipsForeignLoadWebp", "VipsForeignLoadTiff", "VipsForeignLoadNsgif" };
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

static const char *name_of(enum rn_image_format format)
{
    static const char *const names[] = { "", "JPEG", "PNG", "WebP", "TIFF", "GIF" };
    return names[format];
}

/* Reads the header; pixels come when rows are asked for. */
static VipsImage *open_image(struct rn_text bytes, enum rn_image_format format)
{
    VipsImage *image = NULL;
    int (*open)(void *, size_t, VipsImage **, ...) = format == RN_IMAGE_PNG    ? vips.vips_pngload_buffer
                                                     : format == RN_IMAGE_WEBP ? vips.vips_webpload_buffer
                                                     : format == RN_IMAGE_TIFF ? vips.vips_tiffload_buffer
                                                                               : vips.vips_gifload_buffer;
    if (open((void *)bytes.data, bytes.length, &image, "access", VIPS_ACCESS_SEQUENTIAL, "fail_on", VIPS_FAIL_ON_ERROR, NULL))
        return NULL;
    return image;
}

static bool is_supported(const VipsImage *image)
{
    if (image->BandFmt != VIPS_FORMAT_UCHAR && image->BandFmt != VIPS_FORMAT_USHORT)
        return false;
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

/* What a row of libvips' pixels means. */
struct layout {
    size_t bands, used; /* bands of a pixel; those that make its colour: 1, 3, 4 (CMYK) */
    bool wide;          /* 16 bits a band */
    bool clip;          /* ... of which Pillow keeps the low byte, 255 at most: its mode I;16. Otherwise the high byte */
};

static uint8_t narrow(const uint8_t *at, const struct layout *layout)
{
    uint16_t value;
    if (!layout->wide)
        return *at;
    memcpy(&value, at, sizeof value);
    return layout->clip ? (uint8_t)(value < 255 ? value : 255) : (uint8_t)(value >> 8);
}

static void convert_row(uint8_t *rgb, const uint8_t *row, size_t width, const struct layout *layout)
{
    size_t band = layout->wide ? 2 : 1, pixel = layout->bands * band;
    for (size_t x = 0; x < width; x++, row += pixel, rgb += 3) {
        uint8_t colour[4] = { 0 };
        for (size_t c = 0; c < layout->used; c++)
            colour[c] = narrow(row + c * band, layout);
        if (layout->used == 4)
            rn_image_from_cmyk(rgb, colour, 1);
        else
            for (size_t c = 0; c < 3; c++)
                rgb[c] = colour[layout->used == 3 ? c : 0];
    }
}

/* Pillow looks a GIF's transparent index up in the palette like any other, and lays the first frame on a ground of that
 * colour, or of colour 0; libvips makes both transparent black. */
static void fill_row(uint8_t *rgb, const uint8_t *row, size_t y, size_t width, size_t bands, const struct rn_image_outline *gif)
{
    bool has_alpha = bands == 2 || bands == 4, beside = y < gif->top || y - gif->top >= gif->height;
    for (size_t x = 0; x < width; x++)
        if (beside || x < gif->left || x - gif->left >= gif->width || (has_alpha && !row[x * bands + bands - 1]))
            memcpy(rgb + 3 * x, gif->fill, 3);
}

static int convert(struct rn_image *to, VipsImage *from, enum rn_image_format format, const struct rn_image_outline *outline)
{
    bool grey = from->Bands < 3, wide = from->BandFmt == VIPS_FORMAT_USHORT;
    const struct layout layout = {
        .bands = (size_t)from->Bands,
        .used = grey ? 1 : from->Type == VIPS_INTERPRETATION_CMYK ? 4 : 3,
        .wide = wide,
        .clip = wide && grey && !outline->deep_alpha,
    };
    VipsRegion *region = vips.vips_region_new(from);
    bool good = region;
    for (int top = 0; good && top < from->Ysize; top += ROWS) {
        int n = from->Ysize - top < ROWS ? from->Ysize - top : ROWS;
        VipsRect rows = { 0, top, from->Xsize, n };
        good = vips.vips_region_prepare(region, &rows) == 0;
        for (int y = top; good && y < top + n; y++) {
            const uint8_t *row = region->data + (size_t)(y - region->valid.top) * (size_t)region->bpl; /* rows are whole */
            uint8_t *rgb = to->pixels + (size_t)y * to->width * 3;
            convert_row(rgb, row, to->width, &layout);
            if (format == RN_IMAGE_GIF)
                fill_row(rgb, row, (size_t)y, to->width, layout.bands, outline);
        }
    }
    if (region)
        vips.g_object_unref(region);
    return good ? 0 : -1;
}

int rn_image_decode_vips(struct rn_image *image, struct rn_text bytes, enum rn_image_format format,
                         const struct rn_decode *how, struct rn_err *err)
{
    struct rn_image_outline outline;
    if (rn_image_start_vips(err))
        return -1;
    if (!rn_image_outline(&outline, format, bytes))
        return rn_fail(err, RN_EXIT_DATA, "damaged or truncated %s", name_of(format));
    int rc = -1;
    VipsImage *from = open_image(bytes, format);
    if (!from) {
        rn_fail(err, RN_EXIT_DATA, "damaged or truncated %s", name_of(format));
    } else if (!is_supported(from)) {
        rn_fail(err, RN_EXIT_DATA, "%s with pixels of a kind that is not supported", name_of(format));
    } else if (rn_image_allocate(image, (size_t)from->Ysize, (size_t)from->Xsize, how, err) == 0) {
        int turn = outline.orientation ? outline.orientation : vips.vips_image_get_orientation(from);
        rc = convert(image, from, format, &outline);
        if (rc)
            rn_fail(err, RN_EXIT_DATA, "damaged or truncated %s", name_of(format));
        else if (how->exif)
            rc = rn_image_turn(image, turn, err);
    }
    if (from)
        vips.g_object_unref(from);
    vips.vips_error_clear();
    return rc;
}
