/* head.c -- heads in memory. */
#include <stdlib.h>
#include <string.h>

#include "stream/codec.h"
#include "stream/pack.h"

void rn_head_init(struct rn_head *head, enum rn_kind kind)
{
    *head = (struct rn_head){ .kind = kind, .epoch = RN_NIL, .batch = RN_NIL, .epochs = RN_NIL, .batches_per_epoch = RN_NIL,
                              .views = RN_NIL, .best_acc1 = -1, .batches_batch = RN_NIL, .batches_epochs = RN_NIL };
}

void rn_head_free(struct rn_head *head)
{
    rn_texts_free(&head->classes);
    rn_history_free(&head->history);
    rn_buffer_free(&head->extra);
    rn_part_free(&head->part_of);
    free(head->class_counts);
    free((char *)head->layer.data);
    free((char *)head->arch.data);
    free((char *)head->attention.data);
    rn_history_free(&head->batches_history);
    rn_texts_free(&head->options);
    free((char *)head->cpu.data);
    free((char *)head->choices.data);
    *head = (struct rn_head){ 0 };
}

int rn_head_own_text(struct rn_text *to, struct rn_text from, struct rn_err *err)
{
    *to = (struct rn_text){ 0 };
    if (!from.data)
        return 0;
    char *copy = rn_calloc(from.length + 1, 1, err);
    if (!copy)
        return -1;
    if (from.length)
        memcpy(copy, from.data, from.length);
    *to = (struct rn_text){ copy, from.length };
    return 0;
}

/* One more step, empty; what is filled in later is freed with the history. */
static struct rn_step *add_step(struct rn_history *history, struct rn_err *err)
{
    if (rn_grow(&history->step, &history->capacity, history->count + 1, sizeof *history->step, err))
        return NULL;
    struct rn_step *step = &history->step[history->count++];
    *step = (struct rn_step){ 0 };
    return step;
}

int rn_history_add(struct rn_history *history, struct rn_text tool, struct rn_text version, struct rn_step **step,
                   struct rn_err *err)
{
    *step = add_step(history, err);
    return !*step || rn_head_own_text(&(*step)->tool, tool, err) || rn_head_own_text(&(*step)->version, version, err) ? -1 : 0;
}

int rn_history_copy(struct rn_history *to, const struct rn_history *from, struct rn_err *err)
{
    for (size_t i = 0; i < from->count; i++) {
        struct rn_step *step;
        if (rn_history_add(to, from->step[i].tool, from->step[i].version, &step, err) ||
            rn_texts_copy(&step->args, &from->step[i].args, err))
            return -1;
    }
    return 0;
}

void rn_history_free(struct rn_history *history)
{
    for (size_t i = 0; i < history->count; i++) {
        free((char *)history->step[i].tool.data);
        free((char *)history->step[i].version.data);
        rn_texts_free(&history->step[i].args);
    }
    free(history->step);
    *history = (struct rn_history){ 0 };
}

int rn_head_sign(struct rn_head *head, const struct rn_tool *tool, const void *options, const struct rn_texts *operands,
                 struct rn_err *err)
{
    struct rn_step *step;
    if (rn_history_add(&head->history, rn_text(tool->name), rn_text(RN_VERSION), &step, err) ||
        rn_opt_list(tool, options, false, &step->args, err) || (operands && rn_texts_copy(&step->args, operands, err)))
        return -1;
    rn_texts_sort(&step->args);
    return 0;
}

/* A sum, so that the order does not matter. */
int rn_listing_add(uint64_t *listing, struct rn_text id, struct rn_text class_name, struct rn_err *err)
{
    struct rn_buffer photo = { 0 };
    int rc = rn_buffer_add(&photo, id.data, id.length, err) || rn_buffer_add(&photo, "", 1, err) ||
             rn_buffer_add(&photo, class_name.data, class_name.length, err) ? -1 : 0;
    if (rc == 0)
        *listing += rn_hash64((struct rn_text){ photo.data, photo.length });
    rn_buffer_free(&photo);
    return rc;
}

int rn_head_inherit(struct rn_head *to, const struct rn_head *from, struct rn_err *err)
{
    rn_texts_free(&to->classes);
    rn_history_free(&to->history);
    rn_part_free(&to->part_of);
    to->extra.length = 0;
    to->extras = from->extras;
    return rn_part_copy(&to->part_of, &from->part_of, err) || rn_texts_copy(&to->classes, &from->classes, err) ||
           rn_history_copy(&to->history, &from->history, err) ||
           rn_buffer_add(&to->extra, from->extra.data, from->extra.length, err) ? -1 : 0;
}

static int copy_counts(struct rn_head *to, const struct rn_head *from, struct rn_err *err)
{
    if (!from->class_counts)
        return 0;
    if (!(to->class_counts = rn_calloc(from->classes.count, sizeof *to->class_counts, err)))
        return -1;
    memcpy(to->class_counts, from->class_counts, from->classes.count * sizeof *to->class_counts);
    return 0;
}

const char *rn_head_option(const struct rn_head *head, const char *option)
{
    size_t length = strlen(option);
    for (size_t i = 0; head->epoch != RN_NIL && i < head->options.count; i++)
        if (!strncmp(head->options.item[i].data, option, length))
            return head->options.item[i].data + length;
    return NULL;
}

int rn_head_copy(struct rn_head *to, const struct rn_head *from, struct rn_err *err)
{
    *to = *from;
    to->classes = to->options = (struct rn_texts){ 0 };
    to->history = to->batches_history = (struct rn_history){ 0 };
    to->extra = (struct rn_buffer){ 0 };
    to->part_of = (struct rn_part_of){ 0 };
    to->class_counts = NULL;
    to->arch = to->attention = to->cpu = to->choices = to->layer = (struct rn_text){ 0 };
    if (rn_head_inherit(to, from, err) || copy_counts(to, from, err) || rn_head_own_text(&to->arch, from->arch, err) ||
        rn_head_own_text(&to->layer, from->layer, err) || rn_head_own_text(&to->attention, from->attention, err) ||
        rn_head_own_text(&to->cpu, from->cpu, err) ||
        rn_head_own_text(&to->choices, from->choices, err) ||
        rn_history_copy(&to->batches_history, &from->batches_history, err) || rn_texts_copy(&to->options, &from->options, err)) {
        rn_head_free(to);
        return -1;
    }
    return 0;
}

int rn_classes_join(struct rn_texts *classes, const struct rn_head *head, int64_t **map, struct rn_err *err)
{
    int64_t *joined = rn_calloc(head->classes.count, sizeof *joined, err);
    if (!joined)
        return -1;
    int rc = rn_texts_index(classes, &head->classes, joined, err);
    for (size_t i = 0; rc == 0 && i < head->classes.count; i++) {
        if (joined[i] >= 0)
            continue;
        joined[i] = (int64_t)classes->count;
        rc = rn_texts_add(classes, head->classes.item[i], err);
    }
    if (rc) {
        free(joined);
        return -1;
    }
    free(*map);
    *map = joined;
    return 0;
}

static bool same_step(const struct rn_step *a, const struct rn_step *b)
{
    if (!rn_text_equal(a->tool, b->tool) || !rn_text_equal(a->version, b->version) || a->args.count != b->args.count)
        return false;
    for (size_t i = 0; i < a->args.count; i++)
        if (!rn_text_equal(a->args.item[i], b->args.item[i]))
            return false;
    return true;
}

int rn_history_join(struct rn_history *to, const struct rn_history *from, struct rn_err *err)
{
    size_t old = to->count; /* a history that has the same step twice keeps both */
    for (size_t i = 0; i < from->count; i++) {
        const struct rn_history one = { .step = &from->step[i], .count = 1 };
        size_t k = 0;
        while (k < old && !same_step(&to->step[k], one.step))
            k++;
        if (k == old && rn_history_copy(to, &one, err))
            return -1;
    }
    return 0;
}

int rn_head_join(struct rn_head *to, const struct rn_head *from, int64_t **map, struct rn_err *err)
{
    struct rn_pack pack = { &to->extra, err, 0 };
    rn_pack_extra_join(&pack, &to->extras, (struct rn_text){ from->extra.data, from->extra.length }, from->extras);
    if (pack.rc || rn_history_join(&to->history, &from->history, err))
        return -1;
    return rn_classes_join(&to->classes, from, map, err);
}
