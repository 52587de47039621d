/* conv -- how fast are the convolutions of a ResNet-18 (and the 1x1 ones of a ResNet-50), and how far from float64?
 * Rows of bench.tsv: for each layer its forward pass, in training and in evaluation, its gradients to x and to w; with --error the
 * largest error of one image against the reference device, as a share of the largest number. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/threads.h"
#include "tests/bench/bench.h"

struct opts {
    int64_t batch, threads, rounds;
    const char *device, *layer;
    bool error;
};

static const struct rn_opt options[] = {
    { 'b', "batch", RN_OPT_INT, RN_AT(opts, batch), 1, 4096, "images" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, threads), 0, 1024, "threads; 0: one a core" },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "as in rn-train", "NAME" },
    { 'n', "rounds", RN_OPT_INT, RN_AT(opts, rounds), 1, BENCH_ROUNDS_MOST, "how often" },
    { 'l', "layer", RN_OPT_TEXT, RN_AT(opts, layer), 0, 0, "only layers whose names have this in them", "TEXT" },
    { 'e', "error", RN_OPT_FLAG, RN_AT(opts, error), 0, 0, "compare with float64 (half a minute)" },
    RN_OPT_LAST,
};

static const struct layer {
    size_t c, map, k, kernel, stride, count; /* count: how often it is in a ResNet-18 */
} layers[] = {
    { 3, 224, 64, 7, 2, 1 },   { 64, 56, 64, 3, 1, 4 },   { 64, 56, 128, 3, 2, 1 },  { 64, 56, 128, 1, 2, 1 },
    { 128, 28, 128, 3, 1, 3 }, { 128, 28, 256, 3, 2, 1 }, { 128, 28, 256, 1, 2, 1 }, { 256, 14, 256, 3, 1, 3 },
    { 256, 14, 512, 3, 2, 1 }, { 256, 14, 512, 1, 2, 1 }, { 512, 7, 512, 3, 1, 3 },  { 512, 7, 1, 7, 1, 1 },
    { 64, 56, 256, 1, 1, 0 },  { 256, 56, 64, 1, 1, 0 },  { 512, 28, 128, 1, 1, 0 }, { 1024, 14, 256, 1, 1, 0 },
    { 512, 7, 2048, 1, 1, 0 },
};

enum way { FORWARD, EVAL, DX, DW, WAYS };
static const char *const ways[WAYS] = { "forward", "eval", "dx", "dw" };

/* One layer on one device. */
struct conv {
    struct rn_device *dev;
    struct rn_array x, y, dx, dy, w, dw;
    void *prepacked; /* what evaluation makes of w; or NULL */
    struct rn_window window;
    enum way way;
};

static int run_way(void *context, struct rn_err *err)
{
    const struct conv *v = context;
    const struct rn_array none = { 0 };
    const struct rn_conv2d forward = { .y = v->y, .x = v->x, .w = v->w, .window = v->window, .eval = v->way == EVAL,
                                       .prepacked = v->way == EVAL ? v->prepacked : NULL };
    if (v->way == FORWARD || v->way == EVAL)
        return v->dev->class->conv2d(v->dev, &forward, err);
    return v->dev->class->conv2d_backward(v->dev, &(struct rn_conv2d_backward){
        v->way == DX ? v->dx : none, v->way == DW ? v->dw : none, none, v->dy, v->x, v->w, v->window }, err);
}

/* An array on the device; `n` times the one image of `values` (NULL: zeros). */
static int put(struct rn_device *dev, struct rn_array *a, const float *values, size_t n, size_t c, size_t h, size_t w,
               struct rn_err *err)
{
    size_t one = c * h * w;
    *a = (struct rn_array){ dev->class->alloc(dev, dev->class->bytes(n, c, h, w, RN_FULL), err), n, c, h, w };
    float *all = a->data && values ? rn_calloc(n, one * sizeof *all, err) : NULL;
    if (!a->data || (values && !all))
        return -1;
    for (size_t i = 0; all && i < n; i++)
        memcpy(all + i * one, values, one * sizeof *all);
    int rc = all ? dev->class->upload(dev, *a, all, err) : 0;
    free(all);
    return rc;
}

struct numbers {
    float *x, *dy, *w;
};

/* As prediction does, once for all batches. */
static int prepack(struct conv *v, struct rn_err *err)
{
    const struct rn_device_class *on = v->dev->class;
    const struct rn_conv2d op = { .y = v->y, .x = v->x, .w = v->w, .window = v->window };
    size_t bytes = on->prepacked ? on->prepacked(v->dev, &op) : 0;
    if (!bytes)
        return 0;
    if (!(v->prepacked = on->alloc(v->dev, bytes, err)))
        return -1;
    return on->prepack(v->dev, v->prepacked, &op, err);
}

static int open_conv(struct conv *v, struct rn_device *dev, const struct layer *l, size_t n, const struct numbers *from,
                     struct rn_err *err)
{
    size_t r = l->kernel, out = (l->map - 1) / l->stride + 1;
    *v = (struct conv){ .dev = dev, .window = RN_WINDOW(r, r, l->stride, r / 2) };
    if (put(dev, &v->x, from->x, n, l->c, l->map, l->map, err) || put(dev, &v->dx, NULL, n, l->c, l->map, l->map, err) ||
        put(dev, &v->y, NULL, n, l->k, out, out, err) || put(dev, &v->dy, from->dy, n, l->k, out, out, err) ||
        put(dev, &v->dw, NULL, l->k, l->c, r, r, err))
        return -1;
    v->w = v->dw;
    v->w.data = dev->class->alloc(dev, dev->class->bytes(l->k, l->c, r, r, RN_FULL), err);
    return v->w.data && dev->class->upload(dev, v->w, from->w, err) == 0 ? prepack(v, err) : -1;
}

static void close_conv(struct conv *v)
{
    struct rn_array *all[] = { &v->x, &v->y, &v->dx, &v->dy, &v->w, &v->dw };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i]->data)
            v->dev->class->free(v->dev, all[i]->data);
    if (v->prepacked)
        v->dev->class->free(v->dev, v->prepacked);
}

static struct rn_array result(const struct conv *v)
{
    return v->way == DX ? v->dx : v->way == DW ? v->dw : v->y;
}

static int report_error(struct rn_device *dev, struct rn_device *reference, const struct layer *l, const struct numbers *from,
                        const char *name, struct rn_err *err)
{
    struct conv a, b = { 0 };
    int rc = open_conv(&a, dev, l, 1, from, err) || open_conv(&b, reference, l, 1, from, err) ? -1 : 0;
    for (enum way way = FORWARD; way < WAYS && rc == 0; way++) {
        double share;
        char row[96];
        a.way = b.way = way;
        snprintf(row, sizeof row, "error/%s/%s", name, ways[way]);
        if ((way != EVAL && run_way(&b, err)) || run_way(&a, err) ||
            bench_difference(&share, dev, result(&a), reference, result(&b), err))
            rc = -1;
        else
            bench_row(row, "of largest", share, 0, 0, 0);
    }
    close_conv(&a);
    if (b.dev)
        close_conv(&b);
    return rc;
}

static int measure_layer(struct rn_device *dev, const struct opts *o, const struct layer *l, const struct numbers *from,
                         const char *name, double total[WAYS], double flops[WAYS], struct rn_err *err)
{
    struct conv v;
    double out = (double)((l->map - 1) / l->stride + 1);
    double flop = 2. * (double)o->batch * (double)(l->c * l->k * l->kernel * l->kernel) * out * out;
    double peak = bench_peak(dev->class->variant(dev), o->threads ? (int)o->threads : rn_threads_default());
    int rc = open_conv(&v, dev, l, (size_t)o->batch, from, err);
    for (v.way = FORWARD; v.way < WAYS && rc == 0; v.way++) {
        struct bench_times times;
        char row[96];
        snprintf(row, sizeof row, "%s/%s", name, ways[v.way]);
        if ((rc = bench_measure(&times, (size_t)o->rounds, run_way, &v, err)) == 0) {
            bench_row_ms(row, times, flop, peak);
            total[v.way] += l->c == 3 && v.way == DX ? 0 : times.median * (double)l->count; /* photos need no gradient */
        }
    }
    for (enum way way = FORWARD; way < WAYS; way++)
        flops[way] += l->c == 3 && way == DX ? 0 : flop * (double)l->count;
    close_conv(&v);
    return rc;
}

static int each_layer(struct rn_device *dev, struct rn_device *reference, const struct opts *o, struct rn_err *err)
{
    double total[WAYS] = { 0 }, flops[WAYS] = { 0 };
    int rc = 0;
    for (const struct layer *l = layers; l < layers + sizeof layers / sizeof *layers && rc == 0; l++) {
        size_t r = l->kernel, out = (l->map - 1) / l->stride + 1, nx = l->c * l->map * l->map, ny = l->k * out * out,
               nw = l->k * l->c * r * r;
        char name[64];
        snprintf(name, sizeof name, "conv %zux%zu/%zu %zu@%zu->%zu", r, r, l->stride, l->c, l->map, l->k);
        if (o->layer && !strstr(name, o->layer))
            continue;
        struct numbers from = { .x = rn_calloc(nx + ny + nw, sizeof(float), err) };
        if (!from.x)
            return -1;
        from.dy = from.x + nx;
        from.w = from.dy + ny;
        bench_fill(from.x, nx, 1, 1, l->c > 3);
        bench_fill(from.dy, ny, 2, 1, 0);
        bench_fill(from.w, nw, 3, sqrt(2. / (double)(l->c * r * r)), 0);
        rc = reference ? report_error(dev, reference, l, &from, name, err)
             : measure_layer(dev, o, l, &from, name, total, flops, err);
        free(from.x);
    }
    double peak = bench_peak(dev->class->variant(dev), o->threads ? (int)o->threads : rn_threads_default());
    for (int way = 0; way < WAYS && rc == 0 && !reference && !o->layer; way++) {
        char row[64];
        snprintf(row, sizeof row, "all convolutions of resnet18/%s", ways[way]);
        bench_row(row, "ms", total[way] * 1e3, 0, flops[way] / total[way] * 1e-9, peak);
    }
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *o = options_;
    struct rn_device *dev, *reference = NULL;
    (void)args;
    if (rn_device_open(&dev, o->device, (int)o->threads, err))
        return -1;
    int rc = o->error ? rn_device_open(&reference, "reference", (int)o->threads, err) : 0;
    rc = rc || each_layer(dev, reference, o, err) ? -1 : RN_EXIT_OK;
    rn_device_close(reference);
    rn_device_close(dev);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "conv", .operands = "", .summary = "time the convolutions of ResNets", .options = options, .size = sizeof(struct opts),
    .defaults = &(const struct opts){ .device = "cpu", .batch = 16, .rounds = 5 }, .run = run,
};
