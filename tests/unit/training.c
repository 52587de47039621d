/* training.c -- training does not depend on how convolutions are computed: a ResNet-18 from the same seed on the same pictures, by
 * the CPU device and in float64 by im2col and matrix products. The losses of the first steps agree within 1 %, and with RN_FULL=1
 * (minutes) the mean of 200 steps at 64 pixels within 1 %, of each 50 within 2 % of the first 50's: from a random start every
 * rounding grows, in float32 by plain matrix products as well, until after a dozen steps the losses of single batches differ by a
 * percent and more around the same course. */
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
#include "nn/net.h"
#include "tests/unit/double.h"

enum { CLASSES = 6, EARLY = 3, WINDOW = 50 };

static void ok(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
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
    struct rn_device *dev[2];
    ok(rn_device_open(&dev[0], "cpu", 2, &err), &err);
    ok(rn_device_open(&dev[1], "reference", 2, &err), &err);
    double_convolutions(dev[1], &class);
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
