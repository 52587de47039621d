/* conv.c -- how fast are the layers of a ResNet-18 (or the 1x1 ones of a ResNet-50)? GFLOP/s of forward, backward to x and to w.
 * usage: conv [BATCH [THREADS]]. stdout: a line a layer, best of three. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "device/device.h"

struct layer {
    size_t c, map, k, kernel, stride, count; /* count: how often it is in the network */
};

static const struct layer layers[] = {
    { 3, 224, 64, 7, 2, 1 },   { 64, 56, 64, 3, 1, 4 },   { 64, 56, 128, 3, 2, 1 },  { 64, 56, 128, 1, 2, 1 },
    { 128, 28, 128, 3, 1, 3 }, { 128, 28, 256, 3, 2, 1 }, { 128, 28, 256, 1, 2, 1 }, { 256, 14, 256, 3, 1, 3 },
    { 256, 14, 512, 3, 2, 1 }, { 256, 14, 512, 1, 2, 1 }, { 512, 7, 512, 3, 1, 3 },  { 512, 7, 1, 7, 1, 1 },
    { 64, 56, 256, 1, 1, 0 },  { 256, 56, 64, 1, 1, 0 },  { 512, 28, 128, 1, 1, 0 }, { 1024, 14, 256, 1, 1, 0 },
    { 512, 7, 2048, 1, 1, 0 },
};

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(int rc, const struct rn_err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "conv: %s\n", err->text);
    exit(err->exit);
}

static struct rn_array array(struct rn_device *dev, size_t n, size_t c, size_t h, size_t w)
{
    struct rn_err err = { 0 };
    struct rn_array a = { NULL, n, c, h, w };
    a.data = dev->class->alloc(dev, dev->class->bytes(n, c, h, w), &err);
    check(a.data ? 0 : -1, &err);
    check(dev->class->fill(dev, a, 0.25, &err), &err);
    return a;
}

enum { FORWARD, EVAL, DX, DW, WAYS };

static void measure(struct rn_device *dev, const struct layer *l, size_t n, double best[WAYS])
{
    const struct rn_device_class *on = dev->class;
    struct rn_err err = { 0 };
    struct rn_array none = { 0 };
    struct rn_window window = { l->kernel, l->kernel, l->stride, l->kernel / 2 };
    size_t out = (l->map + 2 * window.padding - l->kernel) / l->stride + 1;
    struct rn_array x = array(dev, n, l->c, l->map, l->map), y = array(dev, n, l->k, out, out),
                    dx = array(dev, n, l->c, l->map, l->map);
    struct rn_array w = array(dev, l->k, l->c, l->kernel, l->kernel),
                    dw = array(dev, l->k, l->c, l->kernel, l->kernel);
    for (int way = 0; way < WAYS; way++)
        best[way] = 1e9;
    for (int round = 0; round < (getenv("ROUNDS") ? atoi(getenv("ROUNDS")) : 3); round++)
        for (int way = 0; way < WAYS; way++) {
            if (getenv("WAY") && way != atoi(getenv("WAY"))) continue;
            double start = seconds();
            if (way == FORWARD || way == EVAL)
                check(on->conv2d(dev, y, x, w, window, (struct rn_epilogue){ 0 }, way == EVAL, &err), &err);
            else
                check(on->conv2d_backward(dev, way == DX ? dx : none, way == DW ? dw : none, none, y, x, w, window,
                                          0, &err),
                      &err);
            double took = seconds() - start;
            best[way] = took < best[way] ? took : best[way];
        }
    struct rn_array *all[] = { &x, &y, &dx, &w, &dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        on->free(dev, all[i]->data);
}

int main(int argc, char **argv)
{
    struct rn_err err = { 0 };
    struct rn_device *dev;
    size_t n = argc > 1 ? strtoul(argv[1], NULL, 10) : 16;
    double total[WAYS] = { 0 }, flops = 0;
    check(rn_device_open(&dev, "cpu", argc > 2 ? atoi(argv[2]) : 0, &err), &err);
    printf("GFLOP/s (ms), batch %zu, %s\n%-22s %16s %16s %16s %16s\n", n, dev->class->variant(dev), "layer",
           "forward", "eval", "dx", "dw");
    for (const struct layer *l = layers; l < layers + sizeof layers / sizeof *layers; l++) {
        if (getenv("L") && !((1 << (l - layers)) & strtol(getenv("L"), 0, 0))) continue;
        double best[WAYS], out = (double)((l->map - 1) / l->stride + 1);
        measure(dev, l, n, best);
        double flop = 2. * (double)(n * l->c * l->k * l->kernel * l->kernel) * out * out;
        printf("%4zu %3zu -> %4zu %zux%zu/%zu ", l->c, l->map, l->k, l->kernel, l->kernel, l->stride);
        for (int way = 0; way < WAYS; way++) {
            printf("  %6.1f (%6.1f)", flop / best[way] / 1e9, best[way] * 1e3);
            total[way] += best[way] * (double)l->count;
        }
        printf("\n");
        flops += flop * (double)l->count;
    }
    printf("%-22s", "resnet18");
    for (int way = 0; way < WAYS; way++)
        printf("  %6.1f (%6.1f)", flops / total[way] / 1e9, total[way] * 1e3);
    printf("\n");
    rn_device_close(dev);
    return fflush(stdout) || ferror(stdout) ? 4 : 0;
}
