/* prints.c -- the prints of many photos, decoded by several threads. */
#include <stdlib.h>

#include "near/near.h"
#include "source/source.h"

struct job {
    struct rn_print print;
    struct rn_err err;
};
struct work {
    const struct rn_prints_plan *plan;
    struct rn_prints *prints;
};

static int look(struct rn_print *print, const struct rn_record *record, const struct rn_decode *decode, struct rn_err *err)
{
    char room[256];
    struct rn_image image;
    const struct rn_tensor *t = &record->tensor;
    if (record->kind == RN_IMAGES) {
        if (t->type != RN_U8)
            return rn_fail(err, RN_EXIT_DATA, "%s: a picture of floats, normalised already: 8-bit pixels are compared",
                           rn_text_show(record->id, room));
        image = (struct rn_image){ (uint8_t *)t->data, t->shape[0], t->shape[1] };
        return rn_print_make(print, &image, err);
    }
    if (rn_source_decode(&image, record, decode, err))
        return -1;
    int rc = rn_print_make(print, &image, err);
    rn_image_free(&image);
    return rc;
}

/* A job holds nothing, so nothing else clears it. */
static int work(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct work *w = context;
    struct job *job = item->job;
    (void)err; /* what becomes of a photo's error is the taker's to say */
    *job = (struct job){ 0 };
    if (item->event != RN_FLOW_RECORD)
        return 0;
    job->print.valid = !item->record.error.data && look(&job->print, &item->record, &w->plan->decode, &job->err) == 0;
    return 0;
}

static void leave(void *nothing)
{
    (void)nothing;
    rn_image_thread_end();
}

static int take(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct work *w = context;
    struct rn_prints *prints = w->prints;
    const struct job *job = item->job;
    if (item->event != RN_FLOW_RECORD)
        return 0;
    bool failed = !job->print.valid && !item->record.error.data;
    if (failed && !w->plan->keep_going)
        return *err = job->err, -1;
    prints->failed += failed;
    if (rn_grow(&prints->item, &prints->capacity, prints->count + 1, sizeof *prints->item, err))
        return -1;
    prints->item[prints->count++] = job->print;
    return 0;
}

/* The plan's reader has its own context. */
static int read_item(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct work *w = context;
    return w->plan->read(w->plan->context, item, err);
}

int rn_prints_make(struct rn_prints *prints, const struct rn_prints_plan *plan, struct rn_err *err)
{
    struct work w = { plan, prints };
    const struct rn_flow_plan flow = {
        .reader = plan->reader, .kinds = RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), .ahead = (size_t)plan->jobs * 2 + 2,
        .size = sizeof(struct job), .context = &w, .read = read_item, .stage = { { plan->jobs, work } }, .leave = leave,
    };
    return rn_flow_run(&flow, take, err);
}

void rn_prints_free(struct rn_prints *prints)
{
    free(prints->item);
    *prints = (struct rn_prints){ 0 };
}
