/* feed -- what does it cost the host to bring a photo to a device? From files of batches (rn-batch -o), through lib/flow, as
 * rn-train and rn-predict do it; and as it is where records are copied from the reader's block, and pixels to the device's slot.
 * Rows, in microseconds a photo: the processor's time of the thread that reads, the call that hands pixels over, and all of it from
 * end to end, with nothing computed. */
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "flow/flow.h"

struct opts {
    int64_t rounds;
    const char *device;
};

static const struct rn_opt options[] = {
    { 'n', "rounds", RN_OPT_INT, RN_AT(opts, rounds), 1, BENCH_ROUNDS_MOST, "times that the files are read" },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "where photos go", "DEVICE" },
    RN_OPT_LAST,
};

struct pass {
    double reading, handing, wall; /* seconds */
    size_t photos;
};

static double cpu_seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Records that `read` is asked about are copied. */
static int take(void *context, struct rn_item *item, struct rn_err *err)
{
    (void)context, (void)item, (void)err;
    return RN_FLOW_TAKE;
}

static int hand_over(struct rn_device *dev, struct rn_array *y, const struct rn_record *record, struct pass *pass,
                     struct rn_err *err)
{
    static const double mean[3] = { 0.5, 0.5, 0.5 }, std[3] = { 0.25, 0.25, 0.25 };
    const struct rn_tensor *t = &record->tensor;
    if (record->error.data || t->type != RN_U8)
        return rn_fail(err, RN_EXIT_DATA, "feed takes batches of pixels alone");
    if (!y->data || y->n < record->count) {
        if (y->data)
            dev->class->free(dev, y->data);
        *y = (struct rn_array){ NULL, record->count, 3, t->shape[1], t->shape[2], RN_FULL };
        if (!(y->data = dev->class->alloc(dev, dev->class->bytes(y->n, 3, y->h, y->w, RN_FULL), err)))
            return -1;
        if (dev->class->cut)
            dev->class->cut(dev, y->data);
    }
    struct rn_array batch = *y;
    batch.n = record->count;
    double begun = bench_now();
    if (dev->class->upload_images(dev, batch, t->data, mean, std, err))
        return -1;
    pass->handing += bench_now() - begun;
    pass->photos += record->count;
    return dev->class->host_wait ? dev->class->host_wait(dev, err) : 0;
}

/* Waits for the device, so that the next call of upload_images need not. */
static int settle(struct rn_device *dev, struct rn_array one, struct rn_err *err)
{
    float number;
    return dev->class->download(dev, &number, one, err);
}

/* alone: the device is waited for behind each batch, which costs it, but not the calls. */
static int go(struct rn_device *dev, const struct rn_args *args, bool copies, bool alone, struct pass *pass, struct rn_err *err)
{
    struct rn_reader *reader;
    struct rn_flow *flow = NULL;
    struct rn_item *item;
    struct rn_array y = { 0 }, one = { NULL, 1, 1, 1, 1, RN_FULL };
    *pass = (struct pass){ 0 };
    if (rn_reader_open(&reader, args->operand, args->operands, err))
        return -1;
    struct rn_flow_plan plan = { .reader = reader, .kinds = RN_KIND_BIT(RN_BATCHES), .ahead = 3, .read = copies ? take : NULL };
    if (!copies)
        rn_flow_lend(&plan, dev);
    double begun = bench_now(), all = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID), ours = cpu_seconds(CLOCK_THREAD_CPUTIME_ID);
    int rc = (one.data = dev->class->alloc(dev, 256, err)) && rn_flow_open(&flow, &plan, err) == 0 ? 1 : -1;
    while (rc == 1 && (rc = rn_flow_next(flow, &item, err)) == 1)
        if (item->event == RN_FLOW_RECORD && (hand_over(dev, &y, &item->record, pass, err) || (alone && settle(dev, one, err))))
            rc = -1;
    if (rc == 0)
        rc = settle(dev, one, err);
    pass->wall = bench_now() - begun;
    pass->reading = cpu_seconds(CLOCK_PROCESS_CPUTIME_ID) - all - (cpu_seconds(CLOCK_THREAD_CPUTIME_ID) - ours);
    rn_flow_close(flow);
    rn_reader_close(reader);
    if (y.data)
        dev->class->free(dev, y.data);
    if (one.data)
        dev->class->free(dev, one.data);
    return rc < 0 ? -1 : 0;
}

static void row(const char *name, double *seconds, size_t rounds)
{
    struct bench_times times = bench_of(seconds, rounds);
    bench_row(name, "us a photo", 1e6 * times.median, (times.most - times.least) / times.median, 0, 0);
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    static const char *const names[2][3] = { { "feed, read", "feed, hand over", "feed, all" },
                                             { "feed with copies, read", "feed with copies, hand over", "feed with copies, all" } };
    static double seconds[2][3][BENCH_ROUNDS_MOST];
    const struct opts *opts = options_;
    struct rn_device *dev;
    int rc = 0;
    if (rn_device_open(&dev, opts->device, 1, err))
        return -1;
    for (int64_t i = 0; i < opts->rounds && rc == 0; i++) /* in turn, so that both see the same machine */
        for (int copies = 0; copies < 2 && rc == 0; copies++) {
            struct pass alone, whole;
            rc = go(dev, args, copies, true, &alone, err) || go(dev, args, copies, false, &whole, err) ? -1 : 0;
            if (rc == 0 && !alone.photos)
                rc = rn_fail(err, RN_EXIT_DATA, "there are no batches");
            const double each[] = { alone.reading, alone.handing, whole.wall };
            for (int k = 0; k < 3 && rc == 0; k++)
                seconds[copies][k][i] = each[k] / (double)alone.photos;
        }
    for (int copies = 0; copies < 2 && rc == 0; copies++)
        for (int k = 0; k < 3; k++)
            row(names[copies][k], seconds[copies][k], (size_t)opts->rounds);
    rn_device_close(dev);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "feed", .operands = "[FILE...]", .summary = "what it costs the host to bring photos to a device", .options = options,
    .size = sizeof(struct opts), .defaults = &(const struct opts){ .rounds = 5, .device = "cpu" }, .run = run,
};
