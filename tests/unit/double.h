/* double.h -- the reference device with faster convolutions, for whole networks: im2col and matrix products, in float64 as it. */
#ifndef RN_TESTS_UNIT_DOUBLE_H
#define RN_TESTS_UNIT_DOUBLE_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "device/cpu/cpu.h"
#include "device/reference/reference.h"

/* c(m,n) += a(m,k) b(k,n); a's strides are free, so that it may be transposed. */
RN_CPU_CLONES static void double_multiply(double *c, size_t m, size_t n, size_t k, const double *a, size_t a_row, size_t a_column,
                                          const double *b)
{
    for (size_t i = 0; i < m; i++)
        for (size_t t = 0; t < k; t += 4) { /* four at once: y is read and written less often */
            double *y = c + i * n, x[4];
            const double *row[4];
            for (size_t u = 0; u < 4; u++) {
                x[u] = t + u < k ? a[i * a_row + (t + u) * a_column] : 0;
                row[u] = b + (t + u < k ? t + u : t) * n;
            }
            for (size_t j = 0; j < n; j++)
                y[j] += x[0] * row[0][j] + x[1] * row[1][j] + x[2] * row[2][j] + x[3] * row[3][j];
        }
}

struct double_conv {
    struct rn_array x, y, w, dx, dw;
    struct rn_window window;
    double *columns;
};

/* columns(C R S, P Q) of image i, or their transpose; back: adds columns to dx. */
enum { DOUBLE_COLUMNS, DOUBLE_TRANSPOSED, DOUBLE_BACK };
static void double_gather(const struct double_conv *v, double *columns, size_t i, int how)
{
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w, h, w;
    for (size_t t = 0; t < taps; t++) {
        size_t c = t / (v->w.h * v->w.w), r = t / v->w.w % v->w.h, s = t % v->w.w, at = 0;
        for (size_t p = 0; p < v->y.h; p++)
            for (size_t q = 0; q < v->y.w; q++, at++) {
                bool inside = rn_reference_tap(v->x, v->window, p, q, r, s, &h, &w);
                if (how == DOUBLE_BACK && inside)
                    *rn_reference_at(v->dx, i, c, h, w) += columns[t * places + at];
                else if (how != DOUBLE_BACK)
                    columns[how == DOUBLE_TRANSPOSED ? at * taps + t : t * places + at] = inside
                        ? *rn_reference_at(v->x, i, c, h, w) : 0;
            }
    }
}

static void double_forward_image(void *context, size_t i, int thread)
{
    const struct double_conv *v = context;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w;
    double *columns = v->columns + (size_t)thread * taps * places, *y = rn_reference_at(v->y, i, 0, 0, 0);
    double_gather(v, columns, i, DOUBLE_COLUMNS);
    memset(y, 0, v->y.c * places * sizeof *y);
    double_multiply(y, v->y.c, places, taps, v->w.data, taps, 1, columns);
}

static void double_dx_image(void *context, size_t i, int thread)
{
    const struct double_conv *v = context;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w;
    double *columns = v->columns + (size_t)thread * taps * places;
    memset(columns, 0, taps * places * sizeof *columns);
    double_multiply(columns, taps, places, v->y.c, v->w.data, 1, taps, rn_reference_at(v->y, i, 0, 0, 0));
    double_gather(v, columns, i, DOUBLE_BACK);
}

/* The output channels of one task, for the image whose columns are there. */
enum { DOUBLE_BLOCK = 16 };
struct double_part {
    const struct double_conv *conv;
    size_t image;
};
static void double_dw_block(void *context, size_t block, int thread)
{
    (void)thread;
    const struct double_part *part = context;
    const struct double_conv *v = part->conv;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w, k = block * DOUBLE_BLOCK, left = v->y.c - k;
    size_t count = left < DOUBLE_BLOCK ? left : DOUBLE_BLOCK;
    double_multiply((double *)v->dw.data + k * taps, count, taps, places, rn_reference_at(v->y, part->image, k, 0, 0), places, 1,
                    v->columns);
}

static bool double_plain(struct rn_array y, struct rn_array bias, struct rn_window window)
{
    return window.groups == 1 && y.c > 1 && y.h * y.w > 1 && !bias.data;
}

static double *double_room(struct rn_device *dev, const struct double_conv *v)
{
    size_t each = v->w.c * v->w.h * v->w.w * v->y.h * v->y.w;
    double *columns = malloc((size_t)rn_pool_threads(rn_reference_pool(dev)) * each * sizeof *columns);
    if (!columns)
        abort();
    return columns;
}

static int double_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    if (!double_plain(op->y, op->bias, op->window) || op->residual.data || op->activation != RN_ACT_NONE)
        return rn_device_reference.conv2d(dev, op, err);
    struct double_conv v = { .x = op->x, .y = op->y, .w = op->w, .window = op->window };
    v.columns = double_room(dev, &v);
    rn_pool_for(rn_reference_pool(dev), op->x.n, double_forward_image, &v);
    free(v.columns);
    return 0;
}

static int double_conv2d_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    if (!double_plain(op->dy, op->dbias, op->window))
        return rn_device_reference.conv2d_backward(dev, op, err);
    struct double_conv v = { .x = op->x, .y = op->dy, .w = op->w, .dx = op->dx, .dw = op->dw, .window = op->window };
    v.columns = double_room(dev, &v);
    rn_reference_begin(op->dx, op->add & RN_ADD_DX);
    rn_reference_begin(op->dw, op->add & RN_ADD_DW);
    if (op->dx.data)
        rn_pool_for(rn_reference_pool(dev), op->x.n, double_dx_image, &v);
    for (size_t i = 0; op->dw.data && i < op->x.n; i++) {
        double_gather(&v, v.columns, i, DOUBLE_TRANSPOSED);
        size_t blocks = (op->dy.c + DOUBLE_BLOCK - 1) / DOUBLE_BLOCK;
        rn_pool_for(rn_reference_pool(dev), blocks, double_dw_block, &(struct double_part){ &v, i });
    }
    free(v.columns);
    return 0;
}

/* A device that is open becomes this one; `class` lives as long as it. */
static void double_convolutions(struct rn_device *dev, struct rn_device_class *class)
{
    *class = *dev->class;
    class->conv2d = double_conv2d;
    class->conv2d_backward = double_conv2d_backward;
    dev->class = class;
}

#endif
