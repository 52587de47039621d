/* eval.c -- batches as photos arrive: a batch goes out while the next record is still to come. */
#include <stdlib.h>

#include "batch/private.h"

struct eval {
    struct rn_photo_work work; /* first */
    struct rn_assembly assembly;
    struct timespec begun; /* when the first photo of the batch came */
    struct rn_joined joined; /* the reading thread's: the segments so far */
    int64_t *map;
};

/* A head says in order, between the photos, what the segments joined so far are. */
static int read_item(void *context, struct rn_item *item, struct rn_err *err)
{
    struct eval *eval = context;
    struct rn_photo *photo = item->job;
    if (item->event == RN_FLOW_HEAD) {
        if (rn_joined_add(&eval->joined, item->head, &eval->map, err) || !(photo->news = rn_calloc(1, sizeof *photo->news, err)))
            return -1;
        return rn_joined_copy(photo->news, &eval->joined, err) ? -1 : RN_FLOW_TAKE;
    }
    photo->record = item->record;
    if (item->event == RN_FLOW_RECORD && photo->record.label != RN_NIL)
        photo->record.label = eval->map[photo->record.label];
    return RN_FLOW_TAKE;
}

/* Until a head is written the output's can still take in more classes; after that, new ones need a new segment. A part is a segment
 * in any case, though it has no photo. */
static int take_news(struct rn_assembly *assembly, const struct rn_joined *news, struct rn_err *err)
{
    bool begun = assembly->open || assembly->members || assembly->head.part_of.parts;
    bool ends = !rn_part_equal(&assembly->head.part_of, &news->part_of);
    if (assembly->open && !ends && news->classes.count == assembly->head.classes.count)
        return 0;
    if (begun && (ends || assembly->open) && rn_assembly_close(assembly, err))
        return -1;
    if (!assembly->members)
        assembly->index = 0;
    return rn_assembly_inherit(assembly, news, err);
}

static int take(struct eval *eval, const struct rn_item *item, struct rn_err *err)
{
    const struct rn_photo *photo = item->job;
    if (item->event == RN_FLOW_HEAD)
        return take_news(&eval->assembly, photo->news, err);
    if (item->event == RN_FLOW_TAIL)
        return 0;
    if (!eval->assembly.members)
        clock_gettime(CLOCK_MONOTONIC, &eval->begun);
    return rn_assembly_add(&eval->assembly, photo, err);
}

static struct timespec after(struct timespec time, int64_t milliseconds)
{
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += milliseconds % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000)
        return (struct timespec){ time.tv_sec + 1, time.tv_nsec - 1000000000 };
    return time;
}

/* A batch that has begun is sent when its time is over. */
static int next_item(struct eval *eval, struct rn_flow *flow, struct rn_item **item, struct rn_err *err)
{
    struct rn_assembly *assembly = &eval->assembly;
    struct timespec deadline = after(eval->begun, assembly->plan->wait);
    if (!assembly->plan->live || !assembly->members)
        return rn_flow_next(flow, item, err);
    int rc = rn_flow_next_until(flow, &deadline, item, err);
    if (rc != RN_FLOW_LATE)
        return rc;
    return rn_assembly_send(assembly, err) ? -1 : rn_flow_next(flow, item, err);
}

static int run(struct eval *eval, struct rn_reader *reader, struct rn_err *err)
{
    int jobs = eval->work.plan->jobs, rc;
    const struct rn_flow_plan plan = {
        .reader = reader, .kinds = RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), .ahead = (size_t)jobs * 2 + 2,
        .size = sizeof(struct rn_photo), .context = eval, .read = read_item, .stage = { { jobs, rn_photo_work } },
        .clear = rn_photo_clear, .desk = sizeof(struct rn_canvas), .leave = rn_photo_leave,
    };
    struct rn_flow *flow;
    struct rn_item *item;
    if (rn_flow_open(&flow, &plan, err))
        return -1;
    while ((rc = next_item(eval, flow, &item, err)) == 1)
        if (take(eval, item, err)) {
            rc = -1;
            break;
        }
    rn_flow_close(flow);
    return rc || rn_assembly_close(&eval->assembly, err) || rn_joined_missing(reader, eval->work.plan, err) ? -1 : 0;
}

int rn_batch_eval(struct rn_reader *reader, struct rn_writer *writer, const struct rn_batch_plan *plan, struct rn_failures *failed,
                  struct rn_err *err)
{
    struct eval eval = { .work = { plan, RN_EVAL, NULL } };
    rn_reader_unique(reader);
    rn_reader_join(reader);
    int rc = rn_assembly_init(&eval.assembly, writer, plan, RN_EVAL, err) ? -1 : run(&eval, reader, err);
    *failed = eval.assembly.failed;
    rn_assembly_free(&eval.assembly);
    rn_joined_free(&eval.joined);
    free(eval.map);
    return rc;
}
