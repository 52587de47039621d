/* training.c -- training does not depend on how convolutions are computed: a ResNet-18 from the same seed on the same pictures, by the
 * CPU device and in float64 by im2col and matrix products. The losses of the first steps agree within 1 %, and with RN_FULL=1 (minutes)
 * the mean of 200 steps at 64 pixels within 1 %, of each 50 within 2 % of the first 50's: from a random start every rounding grows, in
 * float32 by plain matrix products as well, until after a dozen steps the losses of single batches differ by a percent and more around
 * the same course. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "device/cpu/cpu.h"
#include "device/reference/reference.h"
#include "nn/net.h"

enum { CLASSES = 6, EARLY = 3, WINDOW = 50 };

static void ok(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

/* ---- the reference device, with faster convolutions ---- */

/* c(m,n) += a(m,k) b(k,n); a's strides are free, so that it may be transposed. */
RN_CPU_CLONES static void multiply(double *c, size_t m, size_t n, size_t k, const double *a, size_t a_row, size_t a_column, const double *b)
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

struct conv {
    struct rn_array x, y, w, dx, dw;
    struct rn_window window;
    double *columns;
};

/* columns(C R S, P Q) of image i, or their transpose; back: adds columns to dx. */
enum { COLUMNS, TRANSPOSED, BACK };
static void gather(const struct conv *v, double *columns, size_t i, int how)
{
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w, h, w;
    for (size_t t = 0; t < taps; t++) {
        size_t c = t / (v->w.h * v->w.w), r = t / v->w.w % v->w.h, s = t % v->w.w, at = 0;
        for (size_t p = 0; p < v->y.h; p++)
            for (size_t q = 0; q < v->y.w; q++, at++) {
                bool inside = rn_reference_tap(v->x, v->window, p, q, r, s, &h, &w);
                if (how == BACK && inside)
                    *rn_reference_at(v->dx, i, c, h, w) += columns[t * places + at];
                else if (how != BACK)
                    columns[how == TRANSPOSED ? at * taps + t : t * places + at] = inside ? *rn_reference_at(v->x, i, c, h, w) : 0;
            }
    }
}

static void forward_image(void *context, size_t i, int thread)
{
    const struct conv *v = context;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w;
    double *columns = v->columns + (size_t)thread * taps * places, *y = rn_reference_at(v->y, i, 0, 0, 0);
    gather(v, columns, i, COLUMNS);
    memset(y, 0, v->y.c * places * sizeof *y);
    multiply(y, v->y.c, places, taps, v->w.data, taps, 1, columns);
}

static void dx_image(void *context, size_t i, int thread)
{
    const struct conv *v = context;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w;
    double *columns = v->columns + (size_t)thread * taps * places;
    memset(columns, 0, taps * places * sizeof *columns);
    multiply(columns, taps, places, v->y.c, v->w.data, 1, taps, rn_reference_at(v->y, i, 0, 0, 0));
    gather(v, columns, i, BACK);
}

/* The output channels of one task, for the image whose columns are there. */
enum { BLOCK = 16 };
struct part {
    const struct conv *conv;
    size_t image;
};
static void dw_block(void *context, size_t block, int thread)
{
    (void)thread;
    const struct part *part = context;
    const struct conv *v = part->conv;
    size_t taps = v->w.c * v->w.h * v->w.w, places = v->y.h * v->y.w, k = block * BLOCK, count = v->y.c - k < BLOCK ? v->y.c - k : BLOCK;
    multiply((double *)v->dw.data + k * taps, count, taps, places, rn_reference_at(v->y, part->image, k, 0, 0), places, 1, v->columns);
}

static bool plain(struct rn_array y, struct rn_epilogue epilogue)
{
    return y.c > 1 && y.h * y.w > 1 && !epilogue.bias.data && !epilogue.residual.data && epilogue.activation == RN_ACT_NONE;
}

static double *room(struct rn_device *dev, const struct conv *v)
{
    size_t each = v->w.c * v->w.h * v->w.w * v->y.h * v->y.w;
    double *columns = malloc((size_t)rn_pool_threads(rn_reference_pool(dev)) * each * sizeof *columns);
    assert_non_null(columns);
    return columns;
}

static int conv2d(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window,
                  struct rn_epilogue epilogue, bool eval, struct rn_err *err)
{
    if (!plain(y, epilogue))
        return rn_device_reference.conv2d(dev, y, x, w, window, epilogue, eval, err);
    struct conv v = { .x = x, .y = y, .w = w, .window = window };
    v.columns = room(dev, &v);
    rn_pool_for(rn_reference_pool(dev), x.n, forward_image, &v);
    free(v.columns);
    return 0;
}

static int conv2d_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dw, struct rn_array dbias, struct rn_array dy,
                           struct rn_array x, struct rn_array w, struct rn_window window, unsigned add, struct rn_err *err)
{
    if (!plain(dy, (struct rn_epilogue){ .bias = dbias }))
        return rn_device_reference.conv2d_backward(dev, dx, dw, dbias, dy, x, w, window, add, err);
    struct conv v = { .x = x, .y = dy, .w = w, .dx = dx, .dw = dw, .window = window };
    v.columns = room(dev, &v);
    rn_reference_begin(dx, add & RN_ADD_DX);
    rn_reference_begin(dw, add & RN_ADD_DW);
    if (dx.data)
        rn_pool_for(rn_reference_pool(dev), x.n, dx_image, &v);
    for (size_t i = 0; dw.data && i < x.n; i++) {
        gather(&v, v.columns, i, TRANSPOSED);
        rn_pool_for(rn_reference_pool(dev), (dy.c + BLOCK - 1) / BLOCK, dw_block, &(struct part){ &v, i });
    }
    free(v.columns);
    return 0;
}

static struct rn_device *open_double(struct rn_device_class *class)
{
    struct rn_err err = { 0 };
    struct rn_device *dev;
    ok(rn_device_open(&dev, "reference", 2, &err), &err);
    *class = rn_device_reference;
    class->conv2d = conv2d;
    class->conv2d_backward = conv2d_backward;
    dev->class = class;
    return dev;
}

/* ---- training ---- */

/* Stripes of the class's width and slant, of any colour, in noise. */
static void paint(uint8_t *pixels, int64_t *labels, size_t n, size_t size, uint64_t step)
{
    for (size_t i = 0; i < n; i++) {
        struct rn_rng rng = rn_rng(7, RN_FOR_DRAW, step * n + i, 0);
        double colour[3], phase = rn_rng_uniform(&rng, 0, 6.3);
        labels[i] = (int64_t)rn_rng_below(&rng, CLASSES);
        double u = 0.2 + 0.15 * (double)(labels[i] % 3), v = labels[i] < 3 ? 0.1 : 0.5;
        for (int c = 0; c < 3; c++)
            colour[c] = rn_rng_uniform(&rng, 40, 100);
        for (size_t at = 0; at < size * size * 3; at++) {
            double wave = sin(u * (double)(at / 3 % size) + v * (double)(at / 3 / size) + phase);
            pixels[i * size * size * 3 + at] = (uint8_t)(128 + colour[at % 3] * wave + rn_rng_uniform(&rng, -25, 25));
        }
    }
}

static struct rn_net *open_net(struct rn_device *dev)
{
    struct rn_err err = { 0 };
    struct rn_net *net;
    ok(rn_net_open(&net, dev, RN_TEXT("resnet18"), RN_TEXT("ours"), CLASSES, true, &err), &err);
    for (size_t i = 0; i < rn_net_graph(net)->params; i++)
        ok(rn_net_start(net, i, 1234, &err), &err);
    return net;
}

static double train(struct rn_net *net, const struct rn_batch *batch, const int64_t *labels)
{
    struct rn_err err = { 0 };
    struct rn_loss loss;
    ok(rn_net_train(net, batch, labels, &(struct rn_loss_options){ 0 }, &loss, NULL, &err), &err);
    ok(rn_net_update(net, (struct rn_sgd){ .lr = 2e-4, .momentum = 0.9, .wd = 1e-4 }, &err), &err);
    return loss.loss;
}

static void losses_of_fast_and_of_exact_convolutions(void **state)
{
    (void)state;
    static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };
    bool full = getenv("RN_FULL"), sanitized = getenv("RN_SANITIZED");
    size_t n = sanitized ? 2 : full ? 16 : 8, size = sanitized ? 32 : 64, steps = sanitized ? 1 : full ? 200 : 3;
    struct rn_err err = { 0 };
    struct rn_device_class class;
    struct rn_device *dev[2] = { NULL, open_double(&class) };
    ok(rn_device_open(&dev[0], "cpu", 2, &err), &err);
    struct rn_net *net[2] = { open_net(dev[0]), open_net(dev[1]) };
    uint8_t *pixels = calloc(n, size * size * 3);
    int64_t *labels = calloc(n, sizeof *labels);
    assert_true(pixels && labels);
    struct rn_batch batch = { .n = n, .h = size, .w = size, .pixels = pixels, .mean = mean, .std = std };
    double fast = 0, exact = 0, all_fast = 0, all_exact = 0, first = INFINITY;
    size_t count = 0;
    for (size_t step = 0; step < steps; step++) {
        paint(pixels, labels, n, size, step);
        double loss = train(net[0], &batch, labels), loss_exact = train(net[1], &batch, labels);
        fast += loss;
        exact += loss_exact;
        all_fast += loss;
        all_exact += loss_exact;
        count++;
        if (step >= EARLY && (step + 1) % WINDOW)
            continue;
        fast /= (double)count;
        exact /= (double)count;
        print_message("# steps to %zu: %.6f, and %.6f in float64\n", step, fast, exact);
        if (step + 1 == WINDOW)
            first = exact;
        if (!(fabs(fast - exact) <= (step < EARLY ? 0.01 * exact : 0.02 * first)))
            fail_msg("the losses differ");
        if (step + 1 == steps && full && !sanitized && !(exact < 0.9 * first))
            fail_msg("nothing was learned, and nothing is proved");
        count = 0;
        fast = exact = 0;
    }
    if (!(fabs(all_fast - all_exact) <= 0.01 * all_exact))
        fail_msg("the losses of all steps differ: %.4f, and %.4f in float64", all_fast / (double)steps, all_exact / (double)steps);
    for (int i = 0; i < 2; i++) {
        rn_net_close(net[i]);
        rn_device_close(dev[i]);
    }
    free(pixels);
    free(labels);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(losses_of_fast_and_of_exact_convolutions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
