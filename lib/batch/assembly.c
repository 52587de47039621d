/* assembly.c -- photos into batches, batches into a segment. */
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"

int rn_assembly_init(struct rn_assembly *assembly, struct rn_writer *writer, const struct rn_batch_plan *plan, enum rn_mode mode,
                     struct rn_err *err)
{
    *assembly = (struct rn_assembly){ .writer = writer, .plan = plan };
    struct rn_head *head = &assembly->head;
    rn_head_init(head, RN_BATCHES);
    head->has_input = true;
    head->input = plan->input;
    head->mode = mode;
    head->batch = plan->batch;
    head->epoch = 0;
    if (mode == RN_EVAL && plan->views != RN_VIEWS_ONE)
        head->views = (int64_t)rn_views_count(plan->views);
    head->soft = mode == RN_TRAIN && (plan->mixup > 0 || plan->cutmix > 0);
    head->any_size = mode == RN_EVAL && (plan->whole || plan->views == RN_VIEWS_SCALES);
    if (rn_grow(&assembly->labels, &assembly->labels_capacity, 1, sizeof *assembly->labels, err))
        return -1;
    return 0;
}

void rn_assembly_free(struct rn_assembly *assembly)
{
    rn_head_free(&assembly->head);
    rn_texts_free(&assembly->ids);
    free(assembly->labels);
    for (size_t v = 0; v < RN_VIEWS_MAX; v++)
        free(assembly->images[v]);
    free(assembly->mixed);
    free(assembly->targets);
}

int rn_assembly_inherit(struct rn_assembly *assembly, const struct rn_joined *joined, struct rn_err *err)
{
    struct rn_head *head = &assembly->head;
    rn_texts_free(&head->classes);
    rn_history_free(&head->history);
    rn_part_free(&head->part_of);
    if (rn_part_copy(&head->part_of, &joined->part_of, err) || rn_texts_copy(&head->classes, &joined->classes, err) ||
        rn_history_copy(&head->history, &joined->history, err))
        return -1;
    return rn_head_sign(head, assembly->plan->tool, assembly->plan->options, NULL, err);
}

static int open_segment(struct rn_assembly *assembly, struct rn_err *err)
{
    if (assembly->open)
        return 0;
    assembly->open = true;
    return rn_writer_head(assembly->writer, &assembly->head, err);
}

static int write_record(struct rn_assembly *assembly, const struct rn_record *record, struct rn_err *err)
{
    if (open_segment(assembly, err) || rn_writer_record(assembly->writer, record, err))
        return -1;
    return rn_writer_flush(assembly->writer, err);
}

static int finish_batch(struct rn_assembly *assembly, struct rn_err *err)
{
    size_t count = assembly->ids.count;
    size_t views = rn_views_count(assembly->head.mode == RN_EVAL ? assembly->plan->views : RN_VIEWS_ONE);
    bool soft = count && assembly->head.soft;
    if (soft && rn_assembly_mix(assembly, err))
        return -1;
    for (size_t v = 0; v < views; v++) {
        struct rn_record record = {
            .kind = RN_BATCHES, .epoch = assembly->head.epoch, .index = assembly->index, .count = count,
            .ids = assembly->ids.item, .labels = assembly->labels,
            .tensor = { RN_U8, 4, { count, assembly->view[v].height, assembly->view[v].width, 3 }, assembly->images[v] },
        };
        if (soft) {
            record.tensor.data = assembly->mixed;
            record.targets = (struct rn_tensor){ RN_F32, 2, { count, assembly->head.classes.count }, assembly->targets };
        }
        if (count && write_record(assembly, &record, err))
            return -1;
        assembly->index++;
    }
    rn_texts_free(&assembly->ids);
    assembly->members = 0;
    return 0;
}

static bool has_other_size(const struct rn_assembly *assembly, const struct rn_photo *photo)
{
    for (size_t v = 0; assembly->ids.count && v < photo->views; v++)
        if (photo->view[v].height != assembly->view[v].height || photo->view[v].width != assembly->view[v].width)
            return true;
    return false;
}

/* Into as many blocks as there are views. */
static int add_pixels(struct rn_assembly *assembly, const struct rn_photo *photo, struct rn_err *err)
{
    if (has_other_size(assembly, photo) && finish_batch(assembly, err))
        return -1;
    size_t count = assembly->ids.count;
    const uint8_t *from = photo->pixels;
    if (rn_grow(&assembly->labels, &assembly->labels_capacity, count + 1, sizeof *assembly->labels, err))
        return -1;
    for (size_t v = 0; v < photo->views; v++) {
        size_t one = photo->view[v].height * photo->view[v].width * 3, all;
        if (!rn_mul(count + 1, one, &all))
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a batch of %zu photos", count + 1);
        if (rn_grow(&assembly->images[v], &assembly->images_capacity[v], all, 1, err))
            return -1;
        memcpy(assembly->images[v] + count * one, from, one);
        assembly->view[v] = photo->view[v];
        from += one;
    }
    assembly->labels[count] = photo->record.label;
    return rn_texts_add(&assembly->ids, photo->record.id, err);
}

/* An error record of the input, or the one that a failed photo becomes. */
static int add_error(struct rn_assembly *assembly, const struct rn_photo *photo, struct rn_err *err)
{
    const struct rn_record *from = &photo->record;
    struct rn_record record = { .kind = RN_BATCHES, .id = from->id, .label = from->label, .split = from->split,
                                .error = from->error };
    if (from->error.data) {
        record.extra = from->extra;
        record.extras = from->extras;
    } else {
        record.error = rn_text(photo->err.text);
        rn_failures_add(&assembly->failed, photo->err.text);
    }
    return write_record(assembly, &record, err);
}

int rn_assembly_add(struct rn_assembly *assembly, const struct rn_photo *photo, struct rn_err *err)
{
    bool passed = photo->state == RN_PHOTO_GOOD || (photo->state == RN_PHOTO_FAILED && assembly->plan->keep_going);
    if (!passed)
        return *err = photo->err, -1;
    bool good = photo->state == RN_PHOTO_GOOD && !photo->record.error.data;
    if (good ? add_pixels(assembly, photo, err) : add_error(assembly, photo, err))
        return -1;
    assembly->done++;
    if (assembly->plan->progress)
        assembly->plan->progress(assembly->plan->progress_context, assembly->done, assembly->all);
    return ++assembly->members == assembly->plan->batch ? finish_batch(assembly, err) : 0;
}

int rn_assembly_send(struct rn_assembly *assembly, struct rn_err *err)
{
    return assembly->members ? finish_batch(assembly, err) : 0;
}

int rn_assembly_close(struct rn_assembly *assembly, struct rn_err *err)
{
    if (rn_assembly_send(assembly, err) || open_segment(assembly, err) || rn_writer_tail(assembly->writer, err))
        return -1;
    assembly->open = false;
    return rn_writer_flush(assembly->writer, err);
}
