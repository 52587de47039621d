/* private.h -- what transforms share: whole-picture operations, each from the canvas's picture to its next room. Where the
 * arithmetic is said to be OpenCV's, it is so to the last bit for pictures of bytes. */
#ifndef RN_AUGMENT_PRIVATE_H
#define RN_AUGMENT_PRIVATE_H

#include "augment/augment.h"
#include "core/isa.h"

enum {
    RN_SLACK = 256,     /* bytes behind each room that may be read and written */
    RN_KERNEL_MAX = 99, /* largest side of a filter's kernel */
    RN_CORRELATED = 11, /* of rn_correlate's: OpenCV sums larger ones by Fourier transform */
};

/* RN_WIDE(name, parameters, arguments): defines name, which runs the always-inlined name_plain compiled for what rn_isa_chosen
 * says. Integers, and floats that are contracted only where fmaf says so, which a processor without the
 * instruction computes in software: wider instructions change nothing but the time. (No target_clones: its resolvers run
 * before a sanitizer's runtime is ready.) */
#define RN_PLAIN static inline __attribute__((always_inline)) void
#if defined(__x86_64__)
#define RN_AVX2 __attribute__((target("avx2,fma")))
#define RN_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx2,fma")))
#define RN_WIDE(name, parameters, arguments)                                                                                    \
    RN_AVX512 static void name##_avx512 parameters                                                                              \
    {                                                                                                                           \
        name##_plain arguments;                                                                                                 \
    }                                                                                                                           \
    RN_AVX2 static void name##_avx2 parameters                                                                                  \
    {                                                                                                                           \
        name##_plain arguments;                                                                                                 \
    }                                                                                                                           \
    static void name parameters                                                                                                 \
    {                                                                                                                           \
        enum rn_isa isa = rn_isa_chosen();                                                                                      \
        if (isa == RN_ISA_AVX512)                                                                                               \
            name##_avx512 arguments;                                                                                            \
        else if (isa == RN_ISA_AVX2)                                                                                            \
            name##_avx2 arguments;                                                                                              \
        else                                                                                                                    \
            name##_plain arguments;                                                                                             \
    }
#else
#define RN_WIDE(name, parameters, arguments)                                                                                    \
    static void name parameters                                                                                                 \
    {                                                                                                                           \
        name##_plain arguments;                                                                                                 \
    }
#endif

static inline int rn_clip255(int v)
{
    return v < 0 ? 0 : v > 255 ? 255 : v;
}

/* ---- tables and copies: pixels.c ---- */

/* y = table[channel][x] for bytes. */
RN_MUST int rn_lookup(struct rn_canvas *x, const uint8_t table[3][256], struct rn_err *err);
/* trunc(clip(v * alpha + beta)) as a float32 table, as OpenCV's look-up tables are made. */
void rn_linear_table(uint8_t table[256], double alpha, double beta);
/* v * alpha + beta in float32, clipped to [0, 1] where `clip`, for pictures of floats. */
RN_MUST int rn_linear_floats(struct rn_canvas *x, const double alpha[3], const double beta[3], bool clip, struct rn_err *err);

/* alpha v + beta times the largest value, or times the mean of what is brightened (of bytes: of alpha v before it is rounded). */
RN_MUST int rn_brightness_contrast(struct rn_canvas *x, double alpha, double beta, bool by_max, struct rn_err *err);
/* Bytes over 255. Floats times 255, cut off to whole levels; wrap: those that are no bytes keep their last eight bits (numpy's
 * conversion), else they become 0 or 255. */
RN_MUST int rn_to_floats(struct rn_canvas *x, struct rn_err *err);
RN_MUST int rn_to_bytes(struct rn_canvas *x, bool wrap, struct rn_err *err);
/* Of all samples. */
double rn_canvas_mean(const struct rn_canvas *x);

struct rn_frame {
    size_t top, left, height, width;
};
RN_MUST int rn_crop(struct rn_canvas *x, struct rn_frame frame, struct rn_err *err); /* exit 3: it does not lie in x */
/* Albumentations' place of a crop: trunc((H - h + 1) * h_start), and the same across. Exit 3: x is smaller. */
RN_MUST int rn_crop_frame(struct rn_frame *frame, const struct rn_canvas *x, size_t height, size_t width, double h_start,
                          double w_start, struct rn_err *err);
/* The eight ways to turn a picture: first transposed, then flipped left-right, then top-bottom. */
RN_MUST int rn_turn(struct rn_canvas *x, bool transpose, bool across, bool down, struct rn_err *err);

/* OpenCV's resize of a part of x. */
RN_MUST int rn_resize(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, int64_t interpolation,
                      struct rn_err *err);

/* The whole picture, resized. Exit 3: to nothing, or to too much. */
RN_MUST int rn_rescale(struct rn_canvas *x, double height, double width, int64_t interpolation, struct rn_err *err);
/* The same with steps in the source that do not follow from the sizes. */
struct rn_steps {
    double down, across;
};
RN_MUST int rn_resize_by(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                         int64_t interpolation, struct rn_err *err);
/* Its parts: nearest, cubic, Lanczos, and area where no side grows; means of `down` x `across` pixels. */
RN_MUST int rn_resize_other(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_steps steps,
                            int64_t interpolation, struct rn_err *err);
RN_MUST int rn_resize_means(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, size_t down, size_t across,
                            struct rn_err *err);

/* ---- between pixels and beyond the edges, numbered as by OpenCV: sample.c ---- */

enum rn_border { RN_CONSTANT, RN_REPLICATE, RN_REFLECT, RN_WRAP, RN_REFLECT_101 };
enum rn_interpolation { RN_NEAREST, RN_LINEAR, RN_CUBIC, RN_AREA, RN_LANCZOS };
struct rn_sampling {
    int64_t interpolation, border;
    double value[3]; /* of a constant border */
};
#define RN_INTERPOLATION(field)                                                                                                 \
    { 0, "interpolation", RN_OPT_INT, field, 0, 4, "0 nearest, 1 bilinear, 2 cubic, 3 area, 4 Lanczos", NULL }
/* Rows of options; names: of border and value. */
#define RN_SAMPLING(type, field, border_name, value_name)                                                                       \
    RN_INTERPOLATION(offsetof(struct type, field.interpolation)),                                                               \
    { 0, border_name, RN_OPT_INT, offsetof(struct type, field.border), 0, 4,                                                    \
      "0 constant, 1 replicate, 2 reflect, 3 wrap, 4 reflect without the edge", NULL },                                         \
    { 0, value_name, RN_OPT_REALS, offsetof(struct type, field.value), -1e9, 1e9, "of a constant border", NULL, RN_FIRST | RN_NULL, NULL, 3 }

/* ---- a size for one side, of which the other follows: max_size.c ---- */

enum { RN_SIZES = 16 };
struct rn_max_size {
    double max_size[RN_SIZES]; /* of these one; 0: no more of them */
    int64_t interpolation;
};
extern const struct rn_opt rn_max_size_options[];
extern const struct rn_drawn rn_max_size_drawn[];
int rn_max_size_check(const void *opts, struct rn_err *err);
size_t rn_max_size_draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng);
/* side: the one, in pixels, that becomes size. */
RN_MUST int rn_max_size_apply(struct rn_canvas *x, const struct rn_max_size *o, double size, size_t side, struct rn_err *err);

/* Which of n pixels lies at i; -1: none, a constant. */
long rn_border_at(long i, long n, int border);
/* A constant's bytes, half to even. */
void rn_constant(uint8_t constant[3], const double value[3]);
/* Weights of the 2, 4 or 8 taps about a place that is x behind a pixel. */
void rn_tap_weights(float *weight, int64_t interpolation, float x);

/* Weights at each 1/32 pixel of `size` x `size` taps, of which the first lies `before` in front: [fy * 32 + fx][size * size]. */
struct rn_taps {
    int size, before, border;
    uint8_t constant[3];
    float value[3];
    float *real;
    int16_t *fixed; /* in 1/32768 */
};
RN_MUST struct rn_taps *rn_taps_new(const struct rn_sampling *how, struct rn_err *err);
void rn_taps_free(struct rn_taps *taps);

/* ---- warps: warp.c ---- */

/* Source coordinates of n pixels of row y from column `first` on, in 1/32 pixel; for RN_NEAREST in pixels. */
typedef void rn_warp_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy);
/* The result has height x width pixels. */
RN_MUST int rn_warp(struct rn_canvas *x, const struct rn_sampling *how, size_t height, size_t width, rn_warp_row *row,
                    const void *context, struct rn_err *err);
/* The coordinate for a row that comes from a float32 map; scale: 32, for RN_NEAREST 1. What does not fit is the smallest number. */
static inline int32_t rn_warp_fixed(float v, float scale)
{
    v *= scale;
    double d = v >= -2147483648.0f && v < 2147483648.0f ? (double)v : -2147483648.0;
    return (int32_t)(d + 6755399441055744.0 - 6755399441055744.0); /* half to even */
}
/* m: the forward 2x3 matrix, row by row; OpenCV's warpAffine with its 1/1024 pixel steps. */
RN_MUST int rn_warp_affine(struct rn_canvas *x, const double m[6], const struct rn_sampling *how, size_t height, size_t width,
                           struct rn_err *err);
/* The matrix that turns by angle (degrees, counter-clockwise) and scales about the middle (W/2 - 0.5, H/2 - 0.5). */
void rn_rotation(double m[6], const struct rn_canvas *x, double angle, double scale);

/* ---- filters: filter.c. Borders REFLECT_101 ---- */

/* A copy in scratch of the picture with a border `margin` wide. *stride: elements from one row to the next; the result
 * points to the first row of the border. `replicate`: the border repeats the edge instead. */
RN_MUST void *rn_padded(struct rn_canvas *x, size_t margin, bool replicate, size_t *stride, struct rn_err *err);
/* Means of k x k pixels, to the nearest. */
RN_MUST int rn_box_blur(struct rn_canvas *x, size_t k, struct rn_err *err);
/* Separable: kernel weights of sum 2^shift, k of them, both ways; half-up. */
RN_MUST int rn_smooth(struct rn_canvas *x, const uint16_t *kernel, size_t k, int shift, struct rn_err *err);
/* Sums of k x k pixels times weights, kernel not turned, half to even; k at most RN_CORRELATED. */
RN_MUST int rn_correlate(struct rn_canvas *x, const float *kernel, size_t k, struct rn_err *err);
/* Means over the pixels of a k x k mask (0 or 1), half to even; up to RN_CORRELATED with OpenCV's float sums. */
RN_MUST int rn_canvas_masked_mean(struct rn_canvas *x, const uint8_t *mask, size_t k, struct rn_err *err);
/* k odd; borders repeat the edge. */
RN_MUST int rn_median(struct rn_canvas *x, size_t k, struct rn_err *err);

/* ---- holes.c ---- */

/* Rectangles of one colour; each hole: x1, y1 and x2, y2, which lie just behind it. Exit 3: one does not lie in the picture. */
RN_MUST int rn_holes_fill(struct rn_canvas *x, const double *hole, size_t holes, const double colour[3], struct rn_err *err);
/* OpenCV's grey of n pixels. */
void rn_grey(uint8_t *y, const uint8_t *x, size_t n);

/* ---- lines and polygons: line.c ---- */

/* Calls set for each pixel of OpenCV's 8-connected line of one pixel's width. */
void rn_line_draw(int x1, int y1, int x2, int y2, void (*set)(void *context, int x, int y), void *context);
/* Sets mask (height, width) to 1 on the polygon's edges and, by the even-odd rule, inside. vertex: x, y of each. */
RN_MUST int rn_polygon_fill(uint8_t *mask, size_t height, size_t width, const int *vertex, size_t vertices, struct rn_err *err);

/* ---- planes.c: n pixels as three planes, and a row backwards ---- */

enum { RN_LANES = 256 }; /* pixels that colour conversions work on at a time */
void rn_planes_split(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *x, size_t n);
void rn_planes_join(uint8_t *y, const uint8_t *r, const uint8_t *g, const uint8_t *b, size_t n);
void rn_mirror(uint8_t *y, const uint8_t *x, size_t n); /* y must not be x */

/* ---- colours, 8 bit, n pixels of a row: hsv.c, hls.c, lab.c. y may be x ---- */

void rn_rgb_to_hsv(uint8_t *y, const uint8_t *x, size_t n); /* H 0..179 */
/* n: the whole row: groups of 32 pixels are truncated, the rest is rounded, as OpenCV's AVX2 code does. */
void rn_hsv_to_rgb(uint8_t *y, const uint8_t *x, size_t n);
void rn_rgb_to_hls(uint8_t *y, const uint8_t *x, size_t n); /* H 0..180 */
void rn_hls_to_rgb(uint8_t *y, const uint8_t *x, size_t n);
/* The same in floats, as planes, H 0..360; back again cut off to whole levels. */
void rn_rgb_to_hls_floats(float *h, float *l, float *s, const uint8_t *x, size_t n);
void rn_hls_floats_to_rgb(uint8_t *y, const float *h, const float *l, const float *s, size_t n);

struct rn_lab; /* its tables */
RN_MUST struct rn_lab *rn_lab_new(struct rn_err *err); /* freed with free() */
void rn_rgb_to_lab(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n);
void rn_lab_to_rgb(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n);

/* OpenCV's CLAHE of one 8-bit plane, in place. */
RN_MUST int rn_clahe(uint8_t *plane, size_t height, size_t width, double clip, size_t across, size_t down, struct rn_err *err);

/* ---- noise and fields: noise.c, field.c ---- */

/* y = clip(x + floor(noise)), noise of the given mean and deviation, independent for each sample, or one for the
 * three of a pixel: a function of seed and the sample's number. */
RN_MUST int rn_noise(struct rn_canvas *x, uint64_t seed, double mean, double sigma, bool per_channel, struct rn_err *err);
/* rn_philox of the counters first, first + 1 ..: all their first words, then all second ones ...; 4 RN_NOISE_BLOCKS in all. */
enum { RN_NOISE_BLOCKS = 16 };
void rn_noise_words(uint32_t *word, const uint32_t key[2], uint32_t first);
/* y = clip(x + value); |value| at most 1000. */
void rn_noise_add(uint8_t *y, const uint8_t *x, const int16_t *value, size_t n);
/* Filters (height, width) in place with a Gaussian: radius trunc(4 sigma + 0.5), borders half-sample symmetric. */
RN_MUST int rn_field_smooth(double *field, size_t height, size_t width, double sigma_down, double sigma_across, struct rn_err *err);
/* alpha times Gaussian-filtered uniform noise -1 .. 1, independent in dx and dy. With a wide sigma it is made on a coarser grid,
 * with the same statistics. */
struct rn_field {
    double *dx, *dy; /* (rows, columns) each, one block: free(dx) */
    size_t rows, columns;
};
RN_MUST int rn_field_random(struct rn_field *field, size_t height, size_t width, double alpha, double sigma, struct rn_rng *rng,
                            struct rn_err *err);
/* Moves each pixel by (dx, dy), (rows, columns) of them, interpolated where that is coarser than the picture. */
RN_MUST int rn_displace(struct rn_canvas *x, const double *dx, const double *dy, size_t rows, size_t columns,
                        const struct rn_sampling *how, struct rn_err *err);

/* Uniform whole numbers low..high, both included; also where high < low: then low. */
double rn_uniform_int(struct rn_rng *rng, double low, double high);
/* Sides of a filter's square, low, low + 2 .. high: exit 2 where one that must be is not odd; one of them. */
RN_MUST int rn_sides_check(const double limit[2], bool odd_low, bool odd_high, struct rn_err *err);
double rn_uniform_side(struct rn_rng *rng, const double limit[2]);

#endif
