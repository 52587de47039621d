/* pixels.c -- operations on single pixels: tables, crops, turns. */
#include <math.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

double rn_uniform_int(struct rn_rng *rng, double low, double high)
{
    return high <= low ? low : low + (double)rn_rng_below(rng, (uint64_t)(high - low) + 1);
}

int rn_lookup(struct rn_canvas *x, const uint8_t table[3][256], struct rn_err *err)
{
    size_t n = x->height * x->width;
    const uint8_t *from = x->pixels;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < n; i++) {
        y[3 * i] = table[0][from[3 * i]];
        y[3 * i + 1] = table[1][from[3 * i + 1]];
        y[3 * i + 2] = table[2][from[3 * i + 2]];
    }
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

void rn_linear_table(uint8_t table[256], double alpha, double beta)
{
    for (int i = 0; i < 256; i++) {
        float v = (float)i;
        if (alpha != 1)
            v *= (float)alpha;
        if (beta != 0)
            v += (float)beta;
        table[i] = (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
    }
}

RN_PLAIN linear_plain(float *restrict y, const float *restrict x, size_t n, const float alpha[3], const float beta[3], float low,
                      float high)
{
    for (size_t i = 0; i < n; i++)
        for (int c = 0; c < 3; c++) {
            float v = x[3 * i + c] * alpha[c] + beta[c];
            y[3 * i + c] = v < low ? low : v > high ? high : v;
        }
}
RN_WIDE(linear,
        (float *restrict y, const float *restrict x, size_t n, const float alpha[3], const float beta[3], float low, float high),
        (y, x, n, alpha, beta, low, high))

int rn_linear_floats(struct rn_canvas *x, const double alpha[3], const double beta[3], bool clip, struct rn_err *err)
{
    float *y = rn_canvas_next(x, RN_F32, x->height, x->width, err);
    float a[3] = { (float)alpha[0], (float)alpha[1], (float)alpha[2] }, b[3] = { (float)beta[0], (float)beta[1], (float)beta[2] };
    if (!y)
        return -1;
    linear(y, x->pixels, x->height * x->width, a, b, clip ? 0 : -INFINITY, clip ? 1 : INFINITY);
    rn_canvas_turn(x, RN_F32, x->height, x->width);
    return 0;
}

/* ---- crops ---- */

static int too_small(const struct rn_canvas *x, size_t height, size_t width, struct rn_err *err)
{
    return rn_fail(err, RN_EXIT_DATA, "a crop of %zu x %zu is larger than the picture of %zu x %zu (width x height)", width, height,
                   x->width, x->height);
}

int rn_crop(struct rn_canvas *x, struct rn_frame frame, struct rn_err *err)
{
    if (frame.height > x->height || frame.width > x->width || frame.top > x->height - frame.height ||
        frame.left > x->width - frame.width)
        return too_small(x, frame.height, frame.width, err);
    size_t pixel = 3 * rn_type_size(x->type), stride = x->width * pixel, line = frame.width * pixel;
    const char *from = (const char *)x->pixels + frame.top * stride + frame.left * pixel;
    char *y = rn_canvas_next(x, x->type, frame.height, frame.width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < frame.height; i++)
        memcpy(y + i * line, from + i * stride, line);
    rn_canvas_turn(x, x->type, frame.height, frame.width);
    return 0;
}

static size_t place(size_t whole, size_t part, double start)
{
    size_t at = (size_t)((double)(whole - part + 1) * start);
    return at > whole - part ? whole - part : at;
}

int rn_crop_frame(struct rn_frame *frame, const struct rn_canvas *x, size_t height, size_t width, double h_start, double w_start,
                  struct rn_err *err)
{
    if (height > x->height || width > x->width)
        return too_small(x, height, width, err);
    if (height < 1 || width < 1)
        return rn_fail(err, RN_EXIT_DATA, "a crop must have 1 x 1 pixels or more");
    *frame = (struct rn_frame){ place(x->height, height, h_start), place(x->width, width, w_start), height, width };
    return 0;
}

/* ---- bytes and floats ---- */

int rn_to_floats(struct rn_canvas *x, struct rn_err *err)
{
    const uint8_t *from = x->pixels;
    float *y = rn_canvas_next(x, RN_F32, x->height, x->width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < x->height * x->width * 3; i++)
        y[i] = (float)from[i] / 255;
    rn_canvas_turn(x, RN_F32, x->height, x->width);
    return 0;
}

int rn_to_bytes(struct rn_canvas *x, bool wrap, struct rn_err *err)
{
    const float *from = x->pixels;
    uint8_t *y = rn_canvas_next(x, RN_U8, x->height, x->width, err);
    if (!y)
        return -1;
    for (size_t i = 0; i < x->height * x->width * 3; i++) {
        float v = from[i] * 255;
        bool fits = v > (wrap ? -0x1p31f : 0) && v < (wrap ? 0x1p31f : 255);
        y[i] = fits ? (uint8_t)(int32_t)v : !wrap && v > 0 ? 255 : 0;
    }
    rn_canvas_turn(x, RN_U8, x->height, x->width);
    return 0;
}

/* ---- turns ---- */

enum { TILE = 16 };

/* A tile of pixels of `size` bytes: y[i][j] = x[j][i]; strides in bytes, of either sign. */
static inline __attribute__((always_inline)) void tile(char *y, ptrdiff_t y_row, ptrdiff_t y_pixel, const char *x, ptrdiff_t x_row,
                                                       size_t rows, size_t columns, size_t size)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            memcpy(y + (ptrdiff_t)j * y_row + (ptrdiff_t)i * y_pixel, x + (ptrdiff_t)i * x_row + j * size, size);
}

static void transpose(char *y, ptrdiff_t y_row, ptrdiff_t y_pixel, const char *x, size_t height, size_t width, size_t size)
{
    ptrdiff_t x_row = (ptrdiff_t)(width * size);
    for (size_t i = 0; i < height; i += TILE)
        for (size_t j = 0; j < width; j += TILE) {
            size_t rows = height - i < TILE ? height - i : TILE, columns = width - j < TILE ? width - j : TILE;
            char *to = y + (ptrdiff_t)j * y_row + (ptrdiff_t)i * y_pixel;
            const char *from = x + (ptrdiff_t)i * x_row + j * size;
            if (size == 3)
                tile(to, y_row, y_pixel, from, x_row, rows, columns, 3);
            else
                tile(to, y_row, y_pixel, from, x_row, rows, columns, 12);
        }
}

static void mirror_floats(float *y, const float *x, size_t width)
{
    for (size_t j = 0; j < width; j++)
        memcpy(y + (width - 1 - j) * 3, x + j * 3, 3 * sizeof *x);
}

static void copy_row(void *y, const void *x, size_t width, size_t size, bool across)
{
    if (!across)
        memcpy(y, x, width * size);
    else if (size == 3)
        rn_mirror(y, x, width);
    else
        mirror_floats(y, x, width);
}

int rn_turn(struct rn_canvas *x, bool transposed, bool across, bool down, struct rn_err *err)
{
    size_t size = 3 * rn_type_size(x->type);
    size_t height = transposed ? x->width : x->height, width = transposed ? x->height : x->width, stride = width * size;
    const char *from = x->pixels;
    char *y = rn_canvas_next(x, x->type, height, width, err);
    if (!y)
        return -1;
    if (transposed) {
        char *start = y + (down ? (height - 1) * stride : 0) + (across ? (width - 1) * size : 0);
        transpose(start, down ? -(ptrdiff_t)stride : (ptrdiff_t)stride, across ? -(ptrdiff_t)size : (ptrdiff_t)size, from,
                  x->height, x->width, size);
    } else {
        for (size_t i = 0; i < height; i++)
            copy_row(y + i * stride, from + (down ? height - 1 - i : i) * stride, width, size, across);
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

/* ---- brightness and contrast ---- */

double rn_canvas_mean(const struct rn_canvas *x)
{
    size_t n = x->height * x->width * 3;
    const uint8_t *bytes = x->pixels;
    const float *floats = x->pixels;
    uint64_t whole = 0;
    double sum = 0;
    for (size_t i = 0; x->type == RN_U8 && i < n; i++)
        whole += bytes[i];
    for (size_t i = 0; x->type != RN_U8 && i < n; i++)
        sum += (double)floats[i];
    return (x->type == RN_U8 ? (double)whole : sum) / (double)n;
}

int rn_brightness_contrast(struct rn_canvas *x, double alpha, double beta, bool by_max, struct rn_err *err)
{
    uint8_t table[3][256];
    double largest = by_max || beta == 0 ? 1 : alpha * rn_canvas_mean(x);
    if (x->type == RN_F32)
        return rn_linear_floats(x, (const double[]){ alpha, alpha, alpha },
                                (const double[]){ beta * largest, beta * largest, beta * largest }, true, err);
    rn_linear_table(table[0], alpha, by_max ? beta * 255 : beta * largest);
    memcpy(table[1], table[0], sizeof table[0]);
    memcpy(table[2], table[0], sizeof table[0]);
    return rn_lookup(x, table, err);
}

/* ---- sides of kernels ---- */

int rn_sides_check(const double limit[2], bool odd_low, bool odd_high, struct rn_err *err)
{
    for (int i = 0; i < 2; i++)
        if ((i ? odd_high : odd_low) && fmod(limit[i], 2) != 1)
            return rn_fail(err, RN_EXIT_USAGE, "blur_limit: %g is not odd", limit[i]);
    return 0;
}

double rn_uniform_side(struct rn_rng *rng, const double limit[2])
{
    return limit[0] + 2 * rn_uniform_int(rng, 0, floor((limit[1] - limit[0]) / 2));
}
