/* field.c -- smooth random displacements. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

/* Index i of 0 .. n-1 continued by d c b a | a b c d | d c b a. */
static size_t symmetric(long i, long n)
{
    long at = i % (2 * n);
    at = at < 0 ? at + 2 * n : at;
    return (size_t)(at < n ? at : 2 * n - 1 - at);
}

/* Weights -radius .. radius that sum to 1, owned by the caller. */
static double *make_kernel(size_t *radius, double sigma, struct rn_err *err)
{
    *radius = (size_t)(4 * sigma + 0.5);
    double sum = 0, *kernel = rn_calloc(2 * *radius + 1, sizeof *kernel, err);
    if (!kernel)
        return NULL;
    for (size_t i = 0; i <= 2 * *radius; i++) {
        double d = (double)i - (double)*radius;
        kernel[i] = sigma > 0 ? exp(-0.5 * d * d / (sigma * sigma)) : 1;
        sum += kernel[i];
    }
    for (size_t i = 0; i <= 2 * *radius; i++)
        kernel[i] /= sum;
    return kernel;
}

RN_PLAIN smooth_down_plain(double *restrict y, const double *restrict x, size_t height, size_t width, const double *kernel, size_t radius)
{
    for (size_t i = 0; i < height; i++) {
        double *row = y + i * width;
        for (size_t j = 0; j < width; j++)
            row[j] = 0;
        for (size_t k = 0; k <= 2 * radius; k++) {
            const double *from = x + symmetric((long)(i + k) - (long)radius, (long)height) * width;
            double weight = kernel[k];
            for (size_t j = 0; j < width; j++)
                row[j] += from[j] * weight;
        }
    }
}
RN_WIDE(smooth_down, (double *restrict y, const double *restrict x, size_t height, size_t width, const double *kernel, size_t radius),
        (y, x, height, width, kernel, radius))

/* line: one row, continued by radius on both sides. */
RN_PLAIN smooth_across_plain(double *restrict y, const double *restrict line, size_t width, const double *kernel, size_t radius)
{
    for (size_t j = 0; j < width; j++)
        y[j] = 0;
    for (size_t k = 0; k <= 2 * radius; k++) {
        double weight = kernel[k];
        for (size_t j = 0; j < width; j++)
            y[j] += line[j + k] * weight;
    }
}
RN_WIDE(smooth_across, (double *restrict y, const double *restrict line, size_t width, const double *kernel, size_t radius),
        (y, line, width, kernel, radius))

static void extend(double *line, const double *x, size_t width, size_t radius)
{
    for (size_t j = 0; j < width + 2 * radius; j++)
        line[j] = x[symmetric((long)j - (long)radius, (long)width)];
}

int rn_field_smooth(double *field, size_t height, size_t width, double sigma_down, double sigma_across, struct rn_err *err)
{
    size_t down, across;
    double *kernel_down = make_kernel(&down, sigma_down, err), *kernel_across = kernel_down ? make_kernel(&across, sigma_across, err) : NULL;
    double *between = kernel_across ? rn_calloc(height * width, sizeof *between, err) : NULL;
    double *line = between ? rn_calloc(width + 2 * across, sizeof *line, err) : NULL;
    if (line) {
        smooth_down(between, field, height, width, kernel_down, down);
        for (size_t i = 0; i < height; i++) {
            extend(line, between + i * width, width, across);
            smooth_across(field + i * width, line, width, kernel_across, across);
        }
    }
    int rc = line ? 0 : -1;
    free(kernel_down);
    free(kernel_across);
    free(between);
    free(line);
    return rc;
}

enum { FINEST = 8 }; /* cells a sigma, where the grid is coarser than the picture */

/* The noise's mean over a cell has the cell's share of its deviation; the filter shrinks with the grid, and what it leaves varies
 * slowly enough to be interpolated. */
int rn_field_random(struct rn_field *field, size_t height, size_t width, double alpha, double sigma, struct rn_rng *rng, struct rn_err *err)
{
    size_t cell = sigma >= 2 * FINEST ? (size_t)(sigma / FINEST) : 1;
    size_t rows = (height + cell - 1) / cell, columns = (width + cell - 1) / cell, n = rows * columns;
    double down = (double)rows / (double)height, across = (double)columns / (double)width, scale = alpha * sqrt(down * across);
    double *noise = rn_calloc(n, 2 * sizeof *noise, err);
    if (!noise)
        return -1;
    for (size_t i = 0; i < 2 * n; i++)
        noise[i] = scale * rn_rng_uniform(rng, -1, 1);
    if (rn_field_smooth(noise, rows, columns, sigma * down, sigma * across, err) ||
        rn_field_smooth(noise + n, rows, columns, sigma * down, sigma * across, err)) {
        free(noise);
        return -1;
    }
    *field = (struct rn_field){ noise, noise + n, rows, columns };
    return 0;
}

/* ---- displacement ---- */

struct moves {
    const double *dx, *dy;
    size_t rows, columns;
    double down, across; /* cells a pixel */
    float scale;         /* of coordinates */
};

/* Cell and weight of the next one, for pixel i of a row or column; both ends are clamped. */
static size_t cell(size_t i, double scale, size_t cells, double *weight)
{
    double at = fmin(fmax(((double)i + 0.5) * scale - 0.5, 0), (double)cells - 1);
    size_t k = (size_t)at < cells - 1 ? (size_t)at : cells > 1 ? cells - 2 : 0;
    *weight = at - (double)k;
    return k;
}

static void fine_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct moves *f = context;
    for (size_t i = 0; i < n; i++) {
        size_t x = first + i;
        sx[i] = rn_warp_fixed((float)((double)x + f->dx[y * f->columns + x]), f->scale);
        sy[i] = rn_warp_fixed((float)((double)y + f->dy[y * f->columns + x]), f->scale);
    }
}

static double between(const double *d, size_t below, size_t right, double down, double across)
{
    return (d[0] * (1 - across) + d[right] * across) * (1 - down) + (d[below] * (1 - across) + d[below + right] * across) * down;
}

static void coarse_row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct moves *f = context;
    double down, across;
    size_t top = cell(y, f->down, f->rows, &down) * f->columns, below = f->rows > 1 ? f->columns : 0, right = f->columns > 1;
    for (size_t i = 0; i < n; i++) {
        size_t x = first + i, at = top + cell(x, f->across, f->columns, &across);
        sx[i] = rn_warp_fixed((float)((double)x + between(f->dx + at, below, right, down, across)), f->scale);
        sy[i] = rn_warp_fixed((float)((double)y + between(f->dy + at, below, right, down, across)), f->scale);
    }
}

int rn_displace(struct rn_canvas *x, const double *dx, const double *dy, size_t rows, size_t columns, const struct rn_sampling *how,
                struct rn_err *err)
{
    struct moves f = { dx, dy, rows, columns, (double)rows / (double)x->height, (double)columns / (double)x->width,
                       how->interpolation == RN_NEAREST ? 1 : 32 };
    rn_warp_row *row = rows == x->height && columns == x->width ? fine_row : coarse_row;
    double most = 0;
    for (size_t i = 0; i < rows * columns; i++)
        most = fmax(most, fmax(fabs(dx[i]), fabs(dy[i])));
    /* a remap in steps of 1/32 pixel, half to even, moves nothing by that much */
    return most <= 1.0 / 64 ? 0 : rn_warp(x, how, x->height, x->width, row, &f, err);
}
