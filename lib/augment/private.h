/* private.h -- what transforms share: whole-picture operations, each from the canvas's picture to its next room. Where the
 * arithmetic is said to be OpenCV's, it is so to the last bit for pictures of bytes. */
#ifndef RN_AUGMENT_PRIVATE_H
#define RN_AUGMENT_PRIVATE_H

#include "augment/augment.h"

enum {
    RN_SLACK = 256,     /* bytes behind each room that may be read and written */
    RN_KERNEL_MAX = 99, /* largest side of a filter's kernel */
};

/* RN_WIDE(name, parameters, arguments): defines name, which runs the always-inlined name_plain compiled for AVX2 where the
 * processor has that. Integers, and floats that are never contracted: wider instructions change nothing but the time. (No
 * target_clones: its resolvers run before a sanitizer's runtime is ready.) */
#define RN_PLAIN static inline __attribute__((always_inline)) void
#if defined(__x86_64__)
#define RN_WIDE(name, parameters, arguments)                                                                                    \
    __attribute__((target("avx2"))) static void name##_avx2 parameters                                                          \
    {                                                                                                                           \
        name##_plain arguments;                                                                                                 \
    }                                                                                                                           \
    static void name parameters                                                                                                 \
    {                                                                                                                           \
        if (__builtin_cpu_supports("avx2"))                                                                                     \
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

/* alpha v + beta times the largest value. */
RN_MUST int rn_brightness_contrast(struct rn_canvas *x, double alpha, double beta, struct rn_err *err);

struct rn_frame {
    size_t top, left, height, width;
};
RN_MUST int rn_crop(struct rn_canvas *x, struct rn_frame frame, struct rn_err *err); /* exit 3: it does not lie in x */
/* Albumentations' place of a crop: trunc((H - h + 1) * h_start), and the same across. Exit 3: x is smaller. */
RN_MUST int rn_crop_frame(struct rn_frame *frame, const struct rn_canvas *x, size_t height, size_t width, double h_start,
                          double w_start, struct rn_err *err);
/* The eight ways to turn a picture: first transposed, then flipped left-right, then top-bottom. */
RN_MUST int rn_turn(struct rn_canvas *x, bool transpose, bool across, bool down, struct rn_err *err);

/* OpenCV's bilinear resize, without antialiasing, of a part of x. */
RN_MUST int rn_resize(struct rn_canvas *x, struct rn_frame part, size_t height, size_t width, struct rn_err *err);

/* ---- warps: warp.c. Bilinear, borders REFLECT_101 ---- */

/* Source coordinates of n pixels of row y from column `first` on, in 1/32 pixel. */
typedef void rn_warp_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy);
RN_MUST int rn_warp(struct rn_canvas *x, rn_warp_row *row, const void *context, struct rn_err *err);
/* m: the forward 2x3 matrix, row by row; OpenCV's warpAffine with its 1/1024 pixel steps. */
RN_MUST int rn_warp_affine(struct rn_canvas *x, const double m[6], struct rn_err *err);
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
/* Means over the pixels of a k x k mask (0 or 1), half to even. */
RN_MUST int rn_mean_of(struct rn_canvas *x, const uint8_t *mask, size_t k, struct rn_err *err);
/* k odd; borders repeat the edge. */
RN_MUST int rn_median(struct rn_canvas *x, size_t k, struct rn_err *err);

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

struct rn_lab; /* its tables */
RN_MUST struct rn_lab *rn_lab_new(struct rn_err *err); /* freed with free() */
void rn_rgb_to_lab(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n);
void rn_lab_to_rgb(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n);

/* OpenCV's CLAHE of one 8-bit plane, in place. */
RN_MUST int rn_clahe(uint8_t *plane, size_t height, size_t width, double clip, size_t across, size_t down, struct rn_err *err);

/* ---- noise and fields: noise.c, field.c ---- */

/* y = clip(x + floor(noise)), noise of the given mean and deviation, independent for each sample: a function of seed and
 * the sample's number. */
RN_MUST int rn_noise(struct rn_canvas *x, uint64_t seed, double mean, double sigma, struct rn_err *err);
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
RN_MUST int rn_displace(struct rn_canvas *x, const double *dx, const double *dy, size_t rows, size_t columns, struct rn_err *err);

/* Uniform whole numbers low..high, both included; also where high < low: then low. */
double rn_draw_int(struct rn_rng *rng, double low, double high);
/* Odd sides of a filter's square, low, low + 2 .. high: exit 2 for others; one of them. */
RN_MUST int rn_check_sides(const double limit[2], struct rn_err *err);
double rn_draw_side(struct rn_rng *rng, const double limit[2]);

#endif
