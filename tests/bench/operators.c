/* operators -- how long do the operators between the convolutions of a ResNet-18 take, and how far are they from float64?
 * Rows of bench.tsv: milliseconds for a batch; with --error the largest error of two images against the reference device, as a
 * share of the largest number. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "tests/bench/bench.h"

struct opts {
    int64_t batch, threads, rounds;
    const char *device;
    bool error;
};

static const struct rn_opt options[] = {
    { 'b', "batch", RN_OPT_INT, RN_AT(opts, batch), 1, 4096, "images" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, threads), 0, 1024, "threads; 0: one a core" },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "as in rn-train", "NAME" },
    { 'n', "rounds", RN_OPT_INT, RN_AT(opts, rounds), 1, BENCH_ROUNDS_MOST, "how often" },
    { 'e', "error", RN_OPT_FLAG, RN_AT(opts, error), 0, 0, "compare with float64" },
    RN_OPT_LAST,
};

/* Everything that some operator wants, on one device. x y dx dy r: (N,C,H,W); half, dhalf: max pooling's outputs (N,C,H/2,W/2);
 * vectors (1,C,1,1); pooled, gates: (N,C,1,1); planes: (N,1,H,W); pair: (N,2,H,W). */
enum { X, Y, DX, DY, R, HALF, DHALF, POOLED, DPOOLED, PLANE, DPLANE, PAIR, DPAIR, GAMMA, BETA, DGAMMA, DBETA, MEAN, INV, RUN_MEAN,
       RUN_VAR, ARRAYS };
struct operands {
    struct rn_device *dev;
    const struct rn_device_class *on;
    struct rn_array a[ARRAYS];
    struct rn_norm norm;
    uint8_t *pixels;
};
static const struct rn_window pool = RN_WINDOW(3, 3, 2, 1);
static const struct rn_array none = { 0 };

static int norm_forward(struct operands *o, struct rn_err *err)
{
    return o->on->batch_norm(o->dev, &(struct rn_batch_norm){ o->a[Y], o->a[X], none, o->norm, RN_ACT_RELU }, err);
}
static int norm_back(struct operands *o, struct rn_array dresidual, struct rn_err *err)
{
    return o->on->batch_norm_backward(o->dev, &(struct rn_batch_norm_backward){
        o->a[DX], dresidual, o->a[DGAMMA], o->a[DBETA], o->a[DY], o->a[X], o->a[Y], o->norm, RN_ACT_RELU }, err);
}
static int norm_backward(struct operands *o, struct rn_err *err)
{
    return norm_back(o, none, err);
}
static int residual_forward(struct operands *o, struct rn_err *err)
{
    return o->on->batch_norm(o->dev, &(struct rn_batch_norm){ o->a[Y], o->a[X], o->a[R], o->norm, RN_ACT_RELU }, err);
}
static int residual_backward(struct operands *o, struct rn_err *err)
{
    return norm_back(o, o->a[R], err);
}
static int max_pool(struct operands *o, struct rn_err *err)
{
    return o->on->max_pool(o->dev, &(struct rn_max_pool){ o->a[HALF], o->a[X], pool }, err);
}
static int max_pool_backward(struct operands *o, struct rn_err *err)
{
    return o->on->max_pool_backward(o->dev, &(struct rn_max_pool_backward){ o->a[DX], o->a[DHALF], o->a[X], o->a[HALF], pool },
                                    err);
}
static int global_avg_pool(struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool(o->dev, &(struct rn_global_avg_pool){ o->a[POOLED], o->a[X] }, err);
}
static int global_avg_pool_backward(struct operands *o, struct rn_err *err)
{
    return o->on->global_avg_pool_backward(o->dev, &(struct rn_global_avg_pool_backward){ o->a[DX], o->a[DPOOLED] }, err);
}
static int channel_pool(struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool(o->dev, &(struct rn_channel_pool){ o->a[PAIR], o->a[X] }, err);
}
static int channel_pool_backward(struct operands *o, struct rn_err *err)
{
    return o->on->channel_pool_backward(o->dev, &(struct rn_channel_pool_backward){ o->a[DX], o->a[DPAIR], o->a[X], o->a[PAIR] },
                                        err);
}
static int gate(struct operands *o, struct rn_err *err)
{
    return o->on->gate(o->dev, &(struct rn_gate){ o->a[Y], o->a[X], o->a[POOLED], o->a[PLANE], RN_COMBINE_SUM }, err);
}
static int gate_backward(struct operands *o, struct rn_err *err)
{
    return o->on->gate_backward(o->dev, &(struct rn_gate_backward){
        o->a[DX], o->a[DPOOLED], o->a[DPLANE], o->a[DY], o->a[X], o->a[POOLED], o->a[PLANE], RN_COMBINE_SUM }, err);
}
static int add(struct operands *o, struct rn_err *err)
{
    return o->on->add(o->dev, &(struct rn_add){ o->a[Y], o->a[X], o->a[R], RN_ACT_RELU }, err);
}
static int add_backward(struct operands *o, struct rn_err *err)
{
    return o->on->add_backward(o->dev, &(struct rn_add_backward){ o->a[DX], o->a[R], o->a[DY], o->a[Y], RN_ACT_RELU }, err);
}
static int sgd(struct operands *o, struct rn_err *err)
{
    const struct rn_array *w = &o->a[Y];
    return o->on->sgd(o->dev, &(struct rn_sgd){ w->data, o->a[R].data, o->a[DY].data, o->on->bytes(w->n, w->c, w->h, w->w, RN_FULL),
                                                1e-4, 0.9, 1e-4 }, err);
}
static int upload(struct operands *o, struct rn_err *err)
{
    static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };
    return o->on->upload_images(o->dev, o->a[Y], o->pixels, mean, std, err);
}

/* In pairs: what a backward pass reads, the forward pass before it has written. */
static const struct row {
    const char *name;
    size_t c, map;
    int (*work)(struct operands *o, struct rn_err *err);
    int result; /* the array that is compared */
} rows[] = {
    { "upload images", 3, 224, upload, Y },
    { "batch norm, relu 64@112/forward", 64, 112, norm_forward, Y },
    { "batch norm, relu 64@112/backward", 64, 112, norm_backward, DX },
    { "batch norm, residual, relu 64@56/forward", 64, 56, residual_forward, Y },
    { "batch norm, residual, relu 64@56/backward", 64, 56, residual_backward, DX },
    { "batch norm, residual, relu 512@7/forward", 512, 7, residual_forward, Y },
    { "batch norm, residual, relu 512@7/backward", 512, 7, residual_backward, DX },
    { "max pool 64@112/forward", 64, 112, max_pool, HALF },
    { "max pool 64@112/backward", 64, 112, max_pool_backward, DX },
    { "mean pool 512@7/forward", 512, 7, global_avg_pool, POOLED },
    { "mean pool 512@7/backward", 512, 7, global_avg_pool_backward, DX },
    { "channel pool 64@56/forward", 64, 56, channel_pool, PAIR },
    { "channel pool 64@56/backward", 64, 56, channel_pool_backward, DX },
    { "gate 512@7/forward", 512, 7, gate, Y },
    { "gate 512@7/backward", 512, 7, gate_backward, DX },
    { "add, relu 64@56/forward", 64, 56, add, Y },
    { "add, relu 64@56/backward", 64, 56, add_backward, DX },
    { "sgd, numbers of 16 times 64@112", 64, 112, sgd, Y },
};

static int put(struct operands *o, int which, size_t n, size_t c, size_t h, size_t w, struct rn_err *err)
{
    struct rn_array *a = &o->a[which];
    size_t one = c * h * w;
    bool positive = which == RUN_VAR || which == INV || which == POOLED || which == PLANE;
    *a = (struct rn_array){ o->on->alloc(o->dev, o->on->bytes(n, c, h, w, RN_FULL), err), n, c, h, w };
    float *values = a->data ? rn_calloc(n, one * sizeof *values, err) : NULL;
    if (!values)
        return -1;
    bench_fill(values, one, (uint64_t)which, 1, 0);
    for (size_t i = 0; i < one && positive; i++)
        values[i] = fabsf(values[i]) + 0.1f;
    for (size_t i = one; i < n * one; i++) /* each image a little different */
        values[i] = values[i - one] * 0.99f;
    int rc = o->on->upload(o->dev, *a, values, err);
    free(values);
    return rc;
}

static int open_operands(struct operands *o, struct rn_device *dev, size_t n, size_t c, size_t map, struct rn_err *err)
{
    *o = (struct operands){ .dev = dev, .on = dev->class };
    int rc = (o->pixels = rn_calloc(n, map * map * 3, err)) ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < n * map * map * 3; i++)
        o->pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int i = 0; i < ARRAYS && rc == 0; i++)
        rc = i <= R       ? put(o, i, n, c, map, map, err)
             : i <= DHALF ? put(o, i, n, c, (map + 1) / 2, (map + 1) / 2, err)
             : i <= DPOOLED ? put(o, i, n, c, 1, 1, err)
             : i <= DPLANE  ? put(o, i, n, 1, map, map, err)
             : i <= DPAIR   ? put(o, i, n, 2, map, map, err)
                            : put(o, i, 1, c, 1, 1, err);
    o->norm = (struct rn_norm){ o->a[GAMMA], o->a[BETA], o->a[RUN_MEAN], o->a[RUN_VAR], o->a[MEAN], o->a[INV], 0.1, 1e-5 };
    return rc;
}

static void close_operands(struct operands *o)
{
    for (int i = 0; i < ARRAYS && o->dev; i++)
        if (o->a[i].data)
            o->on->free(o->dev, o->a[i].data);
    free(o->pixels);
}

struct call {
    struct operands *o;
    const struct row *row;
};

static int run_row(void *context, struct rn_err *err)
{
    const struct call *call = context;
    return call->row->work(call->o, err);
}

static int time_rows(struct rn_device *dev, const struct opts *opts, struct rn_err *err)
{
    int rc = 0;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows && rc == 0; row++) {
        struct operands o;
        struct bench_times times;
        rc = open_operands(&o, dev, (size_t)opts->batch, row->c, row->map, err);
        if (rc == 0 && (rc = bench_measure(&times, (size_t)opts->rounds, run_row, &(struct call){ &o, row }, err)) == 0)
            bench_row_ms(row->name, times, 0, 0);
        close_operands(&o);
    }
    return rc;
}

/* The last operator of a pair follows the first on the same operands. */
static int compare_rows(struct rn_device *dev, struct rn_device *reference, struct rn_err *err)
{
    struct operands ours = { 0 }, theirs = { 0 };
    int rc = 0;
    for (const struct row *row = rows; row < rows + sizeof rows / sizeof *rows && rc == 0; row++) {
        char name[96];
        double share;
        if (!strstr(row->name, "/backward")) {
            close_operands(&ours);
            close_operands(&theirs);
            rc = open_operands(&ours, dev, 2, row->c, row->map, err) ||
                 open_operands(&theirs, reference, 2, row->c, row->map, err) ? -1 : 0;
        }
        snprintf(name, sizeof name, "error/%s", row->name);
        if (rc || row->work(&ours, err) || row->work(&theirs, err) ||
            bench_difference(&share, dev, ours.a[row->result], reference, theirs.a[row->result], err))
            rc = -1;
        else
            bench_row(name, "of largest", share, 0, 0, 0);
    }
    close_operands(&ours);
    close_operands(&theirs);
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct rn_device *dev, *reference = NULL;
    (void)args;
    if (rn_device_open(&dev, opts->device, (int)opts->threads, err))
        return -1;
    int rc = opts->error && rn_device_open(&reference, "reference", (int)opts->threads, err) ? -1 : 0;
    if (rc == 0)
        rc = reference ? compare_rows(dev, reference, err) : time_rows(dev, opts, err);
    rn_device_close(reference);
    rn_device_close(dev);
    return rc ? -1 : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "operators", .operands = "", .summary = "time the operators of ResNets", .options = options,
    .size = sizeof(struct opts), .defaults = &(const struct opts){ .device = "cpu", .batch = 16, .rounds = 5 }, .run = run,
};
