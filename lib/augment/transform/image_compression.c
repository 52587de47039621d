/* image_compression.c -- what a JPEG file leaves of the picture. */
#include "augment/private.h"
#include "image/image.h"

struct image_compression {
    int64_t quality_lower, quality_upper;
};

static const struct rn_opt options[] = {
    { 0, "quality_lower", RN_OPT_INT, RN_AT(image_compression, quality_lower), 0, 100, "lowest quality", NULL },
    { 0, "quality_upper", RN_OPT_INT, RN_AT(image_compression, quality_upper), 0, 100, "highest quality", NULL },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "quality", 1, 0, 100, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct image_compression *o = opts;
    return o->quality_lower <= o->quality_upper ? 0 : rn_fail(err, RN_EXIT_USAGE, "quality_lower is more than quality_upper");
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct image_compression *o = opts;
    value[0] = rn_uniform_int(rng, (double)o->quality_lower, (double)o->quality_upper);
    return 1;
}

static void swap_red_and_blue(uint8_t *y, const uint8_t *x, size_t n)
{
    uint8_t red[RN_LANES], green[RN_LANES], blue[RN_LANES];
    for (size_t i = 0; i < n; i += RN_LANES) {
        size_t lanes = n - i < RN_LANES ? n - i : RN_LANES;
        rn_planes_split(red, green, blue, x + 3 * i, lanes);
        rn_planes_join(y + 3 * i, blue, green, red, lanes);
    }
}

/* OpenCV takes what it is given for blue, green, red. */
static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    (void)opts, (void)count;
    size_t n = x->height * x->width;
    struct rn_buffer file = { 0 };
    struct rn_image image = { rn_canvas_next(x, RN_U8, x->height, x->width, err), x->height, x->width }, decoded = { 0 };
    const struct rn_decode how = { .max_pixels = n };
    if (!image.pixels)
        return -1;
    swap_red_and_blue(image.pixels, x->pixels, n);
    int rc = rn_image_encode_jpeg(&file, &image, value[0] < 1 ? 1 : (int)value[0], err) ||
             rn_image_decode(&decoded, (struct rn_text){ file.data, file.length }, &how, err) ? -1 : 0;
    if (rc == 0) {
        swap_red_and_blue(image.pixels, decoded.pixels, n);
        rn_canvas_turn(x, RN_U8, x->height, x->width);
    }
    rn_image_free(&decoded);
    rn_buffer_free(&file);
    return rc;
}

const struct rn_augment rn_augment_image_compression = {
    .class_name = "ImageCompression", .until = 4, .p = 0.5, .options = options, .size = sizeof(struct image_compression),
    .drawn = drawn, .defaults = &(const struct image_compression){ 99, 100 }, .neutral = "compression_type=0", .bytes_only = true,
    .check = check, .draw = draw, .apply = apply,
};
