/* train.c -- the whole set, shuffled for each epoch. */
#include <stdlib.h>

#include "batch/private.h"

struct training {
    struct rn_photo_work work; /* first */
    struct rn_spool spool;
    struct rn_joined joined;
    struct rn_assembly assembly;
    size_t used;     /* records of an epoch: all, or with drop_last whole batches of them */
    int64_t *counts; /* photos of each class */
    size_t counts_capacity;
    uint64_t listing;
    /* the reading thread's: */
    struct rn_turn *turn; /* of an epoch, where it is balanced; NULL: all entries in their order */
    int64_t epoch;
    size_t next;          /* photo of the epoch */
    bool within;          /* the epoch has begun */
};

static int keep(struct training *t, const struct rn_reader *reader, const struct rn_record *record, struct rn_err *err)
{
    size_t file;
    uint64_t offset, length;
    if (t->spool.fd >= 0)
        return rn_spool_add(&t->spool, record, err);
    rn_reader_span(reader, &file, &offset, &length);
    return rn_spool_note(&t->spool, record, record->error.data ? RN_NIL : record->label, offset, length, err);
}

static int read_segment(struct training *t, struct rn_reader *reader, const struct rn_head *head, const int64_t *map,
                        struct rn_err *err)
{
    struct rn_record record;
    size_t file;
    uint64_t unused;
    int rc;
    rn_reader_span(reader, &file, &unused, &unused);
    if (t->spool.fd < 0 && rn_spool_segment(&t->spool, head, map, file, err))
        return -1;
    while ((rc = rn_reader_record(reader, &record, err)) == 1) {
        if (record.label != RN_NIL) {
            record.label = map[record.label];
            t->counts[record.label] += !record.error.data;
        }
        struct rn_text class_name = record.label == RN_NIL ? (struct rn_text){ 0 } : t->joined.classes.item[record.label];
        if (rn_listing_add(&t->listing, record.id, class_name, err) || keep(t, reader, &record, err))
            return -1;
    }
    return rc;
}

static int read_all(struct training *t, struct rn_reader *reader, const struct rn_batch_plan *plan, struct rn_err *err)
{
    const struct rn_head *head;
    int rc;
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), &head, err)) == 1) {
        int64_t *map = NULL;
        size_t old = t->joined.classes.count;
        if (rn_joined_add(&t->joined, head, &map, err))
            return -1;
        rc = rn_grow(&t->counts, &t->counts_capacity, t->joined.classes.count, sizeof *t->counts, err);
        for (size_t i = old; rc == 0 && i < t->joined.classes.count; i++)
            t->counts[i] = 0;
        rc = rc ? rc : read_segment(t, reader, head, map, err);
        free(map);
        if (rc)
            return -1;
    }
    rn_part_free(&t->joined.part_of); /* an epoch of it is no part of anything */
    return rc || rn_joined_missing(reader, plan, err) ? -1 : rn_spool_finish(&t->spool, &t->joined.classes, err);
}

static int fill_head(struct training *t, const struct rn_batch_plan *plan, struct rn_err *err)
{
    struct rn_head *head = &t->assembly.head;
    size_t classes = t->joined.classes.count;
    int64_t all = (int64_t)t->spool.count, count = plan->drop_last ? all / plan->batch * plan->batch : all;
    if (all && !count)
        return rn_fail(err, RN_EXIT_DATA, "--drop-last leaves nothing: %lld photos are less than one batch of %lld", (long long)all,
                       (long long)plan->batch);
    t->used = (size_t)count;
    if (rn_assembly_inherit(&t->assembly, &t->joined, err) || !(head->class_counts = rn_calloc(classes, sizeof *t->counts, err)))
        return -1;
    for (size_t i = 0; i < classes; i++)
        head->class_counts[i] = t->counts[i];
    head->has_seed = true;
    head->seed = plan->seed;
    head->epochs = plan->epochs;
    head->any_size = plan->growths > 1;
    head->has_listing = true;
    head->listing = t->listing;
    head->batches_per_epoch = count / plan->batch + (count % plan->batch != 0);
    /* an index one behind the last batch is the place of a run that was stopped just before the epoch's end */
    if (plan->index > head->batches_per_epoch)
        return rn_fail(err, RN_EXIT_DATA, "there is no batch %lld: an epoch of these %lld records has %lld", (long long)plan->index,
                       (long long)count, (long long)head->batches_per_epoch);
    int64_t done = plan->index == head->batches_per_epoch ? count : plan->index * plan->batch;
    t->assembly.all = (uint64_t)((plan->epochs - plan->epoch) * count - done);
    return 0;
}

static size_t size_of(const struct rn_batch_plan *plan, int64_t epoch)
{
    int64_t size = plan->input.size;
    for (size_t i = 0; i < plan->growths; i++)
        size = plan->growth[i].epoch <= epoch ? plan->growth[i].size : size;
    return (size_t)size;
}

static int order(struct training *t, const struct rn_batch_plan *plan, uint32_t epoch, struct rn_err *err)
{
    if (rn_spool_order(&t->spool, plan->seed, epoch, err))
        return -1;
    if (plan->balance == RN_BALANCE_NONE)
        return 0;
    if (rn_spool_until(&t->spool, t->spool.count, err))
        return -1;
    if (!t->turn && !(t->turn = rn_calloc(t->spool.count, sizeof *t->turn, err)))
        return -1;
    return rn_balance_order(t->turn, &t->spool, t->counts, t->joined.classes.count, plan->balance, plan->seed, epoch, err);
}

/* An epoch's head, its photos, its tail. The next epoch is put in order while photos of the last one are still worked on. */
static int next_item(void *context, struct rn_item *item, struct rn_err *err)
{
    struct training *t = context;
    const struct rn_batch_plan *plan = t->work.plan;
    struct rn_photo *photo = item->job;
    if (t->epoch == plan->epochs)
        return RN_FLOW_OMIT;
    photo->epoch = (uint32_t)t->epoch;
    if (!t->within) {
        item->event = RN_FLOW_HEAD;
        t->within = true;
        t->next = t->epoch == plan->epoch ? (size_t)(plan->index * plan->batch) : 0;
        return order(t, plan, photo->epoch, err) ? -1 : RN_FLOW_TAKE;
    }
    if (t->next >= t->used) {
        item->event = RN_FLOW_TAIL;
        t->within = false;
        t->epoch++;
        return RN_FLOW_TAKE;
    }
    if (rn_spool_until(&t->spool, t->next + 1, err))
        return -1;
    photo->entry = t->turn ? *t->turn[t->next].entry : t->spool.entry[t->next];
    photo->again = t->turn ? t->turn[t->next].again : 0;
    photo->size = size_of(plan, t->epoch);
    t->next++;
    return RN_FLOW_TAKE;
}

static int take(void *context, struct rn_item *item, struct rn_err *err)
{
    struct training *t = context;
    const struct rn_photo *photo = item->job;
    if (item->event == RN_FLOW_RECORD)
        return rn_assembly_add(&t->assembly, photo, err);
    if (item->event == RN_FLOW_TAIL)
        return rn_assembly_close(&t->assembly, err);
    t->assembly.head.epoch = photo->epoch;
    t->assembly.index = photo->epoch == t->work.plan->epoch ? t->work.plan->index : 0;
    return 0;
}

static int run_epochs(struct training *t, const struct rn_batch_plan *plan, struct rn_err *err)
{
    const struct rn_flow_plan flow = {
        .ahead = (size_t)plan->jobs * 2 + 2, .size = sizeof(struct rn_photo), .context = t, .read = next_item,
        .stage = { { plan->jobs, rn_photo_work } }, .clear = rn_photo_clear, .desk = sizeof(struct rn_canvas),
        .leave = rn_photo_leave,
    };
    t->work = (struct rn_photo_work){ plan, RN_TRAIN, &t->spool };
    t->epoch = plan->epoch;
    return rn_flow_run(&flow, take, err);
}

int rn_batch_train(struct rn_reader *reader, struct rn_writer *writer, const struct rn_batch_plan *plan, struct rn_failures *failed,
                   struct rn_err *err)
{
    struct training t = { .spool.fd = -1 };
    rn_reader_unique(reader);
    rn_reader_join(reader);
    int rc = rn_assembly_init(&t.assembly, writer, plan, RN_TRAIN, err) ||
             (plan->in_place ? rn_spool_in_place(&t.spool, plan->files, plan->file_count, err) : rn_spool_open(&t.spool, err)) ||
             read_all(&t, reader, plan, err) || fill_head(&t, plan, err) ? -1 : 0;
    if (rc == 0 && plan->epoch == plan->epochs) {
        t.assembly.head.epoch = plan->epoch;
        rc = rn_assembly_close(&t.assembly, err);
    } else if (rc == 0) {
        rc = run_epochs(&t, plan, err);
    }
    *failed = t.assembly.failed;
    rn_assembly_free(&t.assembly);
    rn_spool_close(&t.spool);
    rn_joined_free(&t.joined);
    free(t.counts);
    free(t.turn);
    return rc;
}
