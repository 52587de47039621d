/* head_unpack.c -- a head from its map, in any order of keys. */
#include <stdlib.h>
#include <string.h>

#include "stream/codec.h"
#include "stream/object.h"

enum { LARGEST_SIDE = 1 << 20 };

static struct rn_slot slot_of(const struct rn_slot *slots, const char *key)
{
    while (strcmp(slots->key, key))
        slots++;
    return *slots;
}

static int number_or_nil(const struct rn_slot *slots, const char *key, int64_t low, int64_t high, int64_t *value,
                         struct rn_err *err)
{
    struct rn_slot slot = slot_of(slots, key);
    return rn_slot_nil(&slot) ? 0 : rn_slot_int(&slot, low, high, value, err);
}

static int flag_or_nil(const struct rn_slot *slots, const char *key, bool *value, struct rn_err *err)
{
    struct rn_slot slot = slot_of(slots, key);
    if (rn_slot_nil(&slot))
        return 0;
    if (slot.value->type != MSGPACK_OBJECT_BOOLEAN)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is neither true nor false", key);
    *value = slot.value->via.boolean;
    return 0;
}

static int own_text(struct rn_text *to, const struct rn_slot *slots, const char *key, struct rn_err *err)
{
    struct rn_slot slot = slot_of(slots, key);
    struct rn_text text;
    if (rn_slot_nil(&slot))
        return 0;
    return rn_slot_text(&slot, &text, err) || rn_head_own_text(to, text, err) ? -1 : 0;
}

static int texts(struct rn_texts *list, const struct rn_slot *slot, struct rn_err *err)
{
    const msgpack_object *items;
    size_t count;
    if (rn_slot_array(slot, &items, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++) {
        struct rn_text text;
        struct rn_slot one = { slot->key, &items[i] };
        if (rn_slot_text(&one, &text, err) || rn_texts_add(list, text, err))
            return -1;
    }
    return 0;
}

static int compare(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

static int unpack_classes(struct rn_texts *classes, const struct rn_slot *slot, struct rn_err *err)
{
    char room[256];
    int rc = 0;
    if (texts(classes, slot, err))
        return -1;
    struct rn_text *sorted = rn_calloc(classes->count, sizeof *sorted, err);
    if (!sorted)
        return -1;
    for (size_t i = 0; i < classes->count && rc == 0; i++) {
        sorted[i] = classes->item[i];
        if (!sorted[i].length)
            rc = rn_fail(err, RN_EXIT_DATA, "class %zu has an empty name", i);
    }
    qsort(sorted, classes->count, sizeof *sorted, compare);
    for (size_t i = 1; i < classes->count && rc == 0; i++)
        if (rn_text_equal(sorted[i - 1], sorted[i]))
            rc = rn_fail(err, RN_EXIT_DATA, "the class \"%s\" is there twice", rn_text_show(sorted[i], room));
    free(sorted);
    return rc;
}

static int unpack_step(struct rn_history *history, const msgpack_object *object, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "tool" }, { .key = "version" }, { .key = "args" } };
    struct rn_text tool, version;
    struct rn_step *step;
    if (rn_object_match(object, slots, 3, NULL, NULL, err) || rn_slots_there(slots, 3, err) ||
        rn_slot_text(&slots[0], &tool, err) || rn_slot_text(&slots[1], &version, err) ||
        rn_history_add(history, tool, version, &step, err) || texts(&step->args, &slots[2], err))
        return -1;
    return 0;
}

static int unpack_history(struct rn_history *history, const struct rn_slot *slot, struct rn_err *err)
{
    const msgpack_object *items;
    size_t count;
    if (rn_slot_nil(slot))
        return 0;
    if (rn_slot_array(slot, &items, &count, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        if (unpack_step(history, &items[i], err))
            return rn_fail_at(err, "history, step %zu", i);
    return 0;
}

static int unpack_part(struct rn_part_of *of, const msgpack_object *object, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "first" }, { .key = "count" }, { .key = "part" }, { .key = "of" } };
    struct rn_part part = { 0 };
    if (rn_object_match(object, slots, 4, NULL, NULL, err) || rn_slots_there(slots, 2, err) ||
        rn_slot_int(&slots[0], 0, of->records, &part.first, err) ||
        rn_slot_int(&slots[1], 0, of->records - part.first, &part.count, err))
        return -1;
    if (rn_slot_nil(&slots[2]) && rn_slot_nil(&slots[3]))
        return rn_part_add(of, part, err);
    return rn_slots_there(&slots[2], 2, err) || rn_slot_int(&slots[3], 1, INT64_MAX, &part.of, err) ||
           rn_slot_int(&slots[2], 1, part.of, &part.number, err) || rn_part_add(of, part, err) ? -1 : 0;
}

static int unpack_part_of(struct rn_part_of *of, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "set" }, { .key = "records" }, { .key = "parts" } };
    const msgpack_object *items;
    size_t count;
    if (rn_slot_nil(slot))
        return 0;
    if (rn_object_match(slot->value, slots, 3, NULL, NULL, err) || rn_slots_there(slots, 3, err) ||
        rn_slot_u64(&slots[0], &of->set, err) ||
        rn_slot_int(&slots[1], 0, INT64_MAX, &of->records, err) || rn_slot_array(&slots[2], &items, &count, err))
        return rn_fail_at(err, "part_of");
    for (size_t i = 0; i < count; i++)
        if (unpack_part(of, &items[i], err))
            return rn_fail_at(err, "part_of, part %zu", i);
    return count ? 0 : rn_fail(err, RN_EXIT_DATA, "part_of: no parts");
}

static int unpack_input(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "size" }, { .key = "resize" }, { .key = "mean" }, { .key = "std" } };
    struct rn_input *input = &head->input;
    if (rn_slot_nil(slot))
        return 0;
    if (rn_object_match(slot->value, slots, 4, NULL, NULL, err) || rn_slots_there(slots, 4, err) ||
        rn_slot_int(&slots[0], 1, LARGEST_SIDE, &input->size, err) ||
        rn_slot_int(&slots[1], 1, LARGEST_SIDE, &input->resize, err) ||
        rn_slot_reals(&slots[2], input->mean, 3, err) || rn_slot_reals(&slots[3], input->std, 3, err))
        return rn_fail_at(err, "input");
    for (int c = 0; c < 3; c++)
        if (!(input->std[c] > 0))
            return rn_fail(err, RN_EXIT_DATA, "input: \"std\" must be above 0");
    head->has_input = true;
    return 0;
}

static int unpack_mode(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_text mode;
    if (rn_slot_nil(slot))
        return 0;
    if (rn_slot_text(slot, &mode, err))
        return -1;
    if (!rn_text_is(mode, "train") && !rn_text_is(mode, "eval"))
        return rn_fail(err, RN_EXIT_DATA, "\"mode\" is neither train nor eval");
    head->mode = rn_text_is(mode, "train") ? RN_TRAIN : RN_EVAL;
    return 0;
}

static int unpack_listing(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    head->has_listing = !rn_slot_nil(slot);
    return head->has_listing ? rn_slot_u64(slot, &head->listing, err) : 0;
}

/* Of version 3, and of no other. */
static int unpack_features(struct rn_head *head, const struct rn_slot *slot, int64_t version, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "layer" }, { .key = "network" } };
    struct rn_text layer;
    if (rn_slot_nil(slot))
        return version == 3 ? rn_fail(err, RN_EXIT_DATA, "\"features\" is missing") : 0;
    if (version != 3)
        return rn_fail(err, RN_EXIT_DATA, "\"features\" in a stream of version %lld", (long long)version);
    if (rn_object_match(slot->value, slots, 2, NULL, NULL, err) || rn_slots_there(slots, 2, err) ||
        rn_slot_text(&slots[0], &layer, err) ||
        rn_head_own_text(&head->layer, layer, err) || rn_slot_u64(&slots[1], &head->network, err))
        return rn_fail_at(err, "features");
    return 0;
}

static int unpack_seed(struct rn_head *head, const struct rn_slot *slots, struct rn_err *err)
{
    struct rn_slot seed = slot_of(slots, "seed");
    head->has_seed = !rn_slot_nil(&seed);
    return head->has_seed && rn_slot_u64(&seed, &head->seed, err) ? -1 : 0;
}

static int unpack_predictions(struct rn_head *head, const struct rn_slot *slots, struct rn_err *err)
{
    if (!head->classes.count)
        return rn_fail(err, RN_EXIT_DATA, "predictions without classes");
    return number_or_nil(slots, "epoch", 0, UINT32_MAX, &head->epoch, err) || unpack_seed(head, slots, err) ? -1 : 0;
}

static int unpack_batches(struct rn_head *head, const struct rn_slot *slots, int64_t version, struct rn_err *err)
{
    struct rn_slot mode = slot_of(slots, "mode"), input = slot_of(slots, "input"),
                   counts = slot_of(slots, "class_counts"), listing = slot_of(slots, "listing"),
                   features = slot_of(slots, "features");
    if (unpack_features(head, &features, version, err) || unpack_mode(head, &mode, err) || unpack_input(head, &input, err) ||
        number_or_nil(slots, "batch", 1, INT32_MAX, &head->batch, err) ||
        number_or_nil(slots, "epoch", 0, UINT32_MAX, &head->epoch, err) ||
        number_or_nil(slots, "epochs", 0, UINT32_MAX, &head->epochs, err) ||
        number_or_nil(slots, "batches_per_epoch", 0, INT64_MAX, &head->batches_per_epoch, err) ||
        unpack_listing(head, &listing, err))
        return -1;
    if (number_or_nil(slots, "views", 2, 1024, &head->views, err) || flag_or_nil(slots, "any_size", &head->any_size, err))
        return -1;
    if (unpack_seed(head, slots, err))
        return -1;
    if (rn_slot_nil(&counts))
        return 0;
    size_t count, capacity = 0;
    if (rn_slot_ints(&counts, 0, INT64_MAX, false, &head->class_counts, &capacity, &count, err))
        return -1;
    if (count != head->classes.count)
        return rn_fail(err, RN_EXIT_DATA, "%zu class_counts for %zu classes", count, head->classes.count);
    return 0;
}

static int unpack_partial(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "loss_sum" }, { .key = "correct" }, { .key = "seen" } };
    if (rn_slot_nil(slot))
        return 0;
    if (rn_object_match(slot->value, slots, 3, NULL, NULL, err) || rn_slots_there(slots, 3, err) ||
        rn_slot_real(&slots[0], &head->loss_sum, err) || rn_slot_int(&slots[1], 0, INT64_MAX, &head->correct, err) ||
        rn_slot_int(&slots[2], 0, INT64_MAX, &head->seen, err))
        return rn_fail_at(err, "partial");
    return 0;
}

static int unpack_trained_on(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "seed" }, { .key = "batch" }, { .key = "epochs" }, { .key = "history" },
                               { .key = "batches_per_epoch" }, { .key = "listing" } };
    if (rn_slot_nil(slot))
        return 0;
    if (rn_object_match(slot->value, slots, 6, NULL, NULL, err) || rn_slots_there(slots, 4, err) ||
        rn_slot_u64(&slots[0], &head->batches_seed, err) ||
        number_or_nil(slots, "batches_per_epoch", 0, INT64_MAX, &head->batches_per_epoch, err) ||
        unpack_listing(head, &slots[5], err) ||
        (!rn_slot_nil(&slots[1]) && rn_slot_int(&slots[1], 1, INT32_MAX, &head->batches_batch, err)) ||
        (!rn_slot_nil(&slots[2]) && rn_slot_int(&slots[2], 0, UINT32_MAX, &head->batches_epochs, err)) ||
        unpack_history(&head->batches_history, &slots[3], err))
        return rn_fail_at(err, "batches");
    head->has_batches = true;
    return 0;
}

static int unpack_state(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "updates" }, { .key = "accumulated" }, { .key = "best" }, { .key = "since_best" },
                               { .key = "plateau" }, { .key = "cuts" }, { .key = "teacher" } };
    struct rn_training_state *state = &head->state;
    if (rn_slot_nil(slot))
        return 0;
    if (rn_object_match(slot->value, slots, 7, NULL, NULL, err) || rn_slots_there(slots, 6, err) ||
        rn_slot_int(&slots[0], 0, INT64_MAX, &state->updates, err) ||
        rn_slot_int(&slots[1], 0, UINT32_MAX, &state->accumulated, err) ||
        (!rn_slot_nil(&slots[2]) && rn_slot_real(&slots[2], &state->best, err)) ||
        rn_slot_int(&slots[3], 0, UINT32_MAX, &state->since_best, err) ||
        rn_slot_int(&slots[4], 0, UINT32_MAX, &state->plateau, err) || rn_slot_int(&slots[5], 0, UINT32_MAX, &state->cuts, err) ||
        (!rn_slot_nil(&slots[6]) && rn_slot_u64(&slots[6], &state->teacher, err)))
        return rn_fail_at(err, "state");
    state->has_best = !rn_slot_nil(&slots[2]);
    state->has_teacher = !rn_slot_nil(&slots[6]);
    head->has_state = true;
    return 0;
}

static int unpack_checkpoint(struct rn_head *head, const struct rn_slot *slots, struct rn_err *err)
{
    struct rn_slot best = slot_of(slots, "best_acc1"), partial = slot_of(slots, "partial"), batches = slot_of(slots, "batches"),
                   options = slot_of(slots, "options"), state = slot_of(slots, "state");
    if (number_or_nil(slots, "epoch", 0, UINT32_MAX, &head->epoch, err) ||
        number_or_nil(slots, "batch_index", 0, INT64_MAX, &head->batch_index, err) ||
        (!rn_slot_nil(&best) && rn_slot_real(&best, &head->best_acc1, err)) || unpack_partial(head, &partial, err) ||
        unpack_trained_on(head, &batches, err) || (!rn_slot_nil(&options) && texts(&head->options, &options, err)) ||
        own_text(&head->cpu, slots, "RN_CPU", err) || own_text(&head->choices, slots, "choices", err) ||
        unpack_state(head, &state, err))
        return -1;
    if (!rn_slot_nil(&best) && !(head->best_acc1 >= 0 && head->best_acc1 <= 100))
        return rn_fail(err, RN_EXIT_DATA, "\"best_acc1\" is not a percentage");
    return 0;
}

static int unpack_temperature(struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    if (rn_slot_nil(slot))
        return 0;
    if (rn_slot_real(slot, &head->temperature, err))
        return -1;
    if (!(head->temperature >= RN_TEMPERATURE_LEAST && head->temperature <= RN_TEMPERATURE_MOST))
        return rn_fail(err, RN_EXIT_DATA, "\"temperature\" is not a number from %g to %g", RN_TEMPERATURE_LEAST,
                       RN_TEMPERATURE_MOST);
    return 0;
}

static int unpack_weights(struct rn_head *head, const struct rn_slot *slots, struct rn_err *err)
{
    struct rn_slot needed[] = { slot_of(slots, "arch"), slot_of(slots, "attention"), slot_of(slots, "input") };
    if (rn_slots_there(needed, 3, err) || own_text(&head->arch, slots, "arch", err) ||
        own_text(&head->attention, slots, "attention", err) || unpack_input(head, &needed[2], err))
        return -1;
    if (!head->arch.data != !head->attention.data || (head->arch.data && !head->has_input))
        return rn_fail(err, RN_EXIT_DATA, "\"arch\", \"attention\" and \"input\" must be there together, or be nil");
    struct rn_slot temperature = slot_of(slots, "temperature");
    return unpack_temperature(head, &temperature, err) || unpack_checkpoint(head, slots, err) ? -1 : 0;
}

static int unpack_kind(enum rn_kind *kind, const msgpack_object *object, struct rn_err *err)
{
    char room[256];
    struct rn_text name;
    struct rn_slot slot = { "rn", rn_object_find(object, "rn") };
    if (!slot.value)
        return rn_fail(err, RN_EXIT_DATA, "not a head: the key \"rn\" is missing");
    if (rn_slot_text(&slot, &name, err))
        return -1;
    if (rn_text_is(name, "end"))
        return rn_fail(err, RN_EXIT_DATA, "a tail where a head must be");
    for (int k = 0; k < RN_KINDS; k++)
        if (rn_text_is(name, rn_kind_name((enum rn_kind)k)))
            return *kind = (enum rn_kind)k, 0;
    return rn_fail(err, RN_EXIT_DATA, "a stream of an unknown kind: \"%s\"", rn_text_show(name, room));
}

static int unpack(struct rn_head *head, const msgpack_object *object, struct rn_err *err)
{
    struct rn_slot slots[RN_HEAD_KEYS];
    size_t count = 0;
    int64_t version;
    for (; rn_head_keys[head->kind][count]; count++)
        slots[count] = (struct rn_slot){ .key = rn_head_keys[head->kind][count] };
    if (rn_object_match(object, slots, count, &head->extra, &head->extras, err) || rn_slots_there(slots, 3, err) ||
        rn_slot_int(&slots[1], 0, INT64_MAX, &version, err))
        return -1;
    head->soft = head->kind == RN_BATCHES && version == 2;
    if (version != 1 && !head->soft && !(head->kind == RN_BATCHES && version == 3))
        return rn_fail(err, RN_EXIT_DATA, "version %lld of the format is not known here", (long long)version);
    if (unpack_classes(&head->classes, &slots[2], err) || unpack_history(&head->history, &slots[count - 1], err) ||
        unpack_part_of(&head->part_of, &slots[count - 2], err))
        return -1;
    if (head->kind == RN_PREDICTIONS)
        return unpack_predictions(head, slots, err);
    return head->kind == RN_BATCHES ? unpack_batches(head, slots, version, err) : head->kind == RN_WEIGHTS
           ? unpack_weights(head, slots, err) : 0;
}

int rn_head_unpack(struct rn_head *head, const msgpack_object *object, struct rn_err *err)
{
    enum rn_kind kind;
    if (unpack_kind(&kind, object, err))
        return -1;
    rn_head_init(head, kind);
    if (unpack(head, object, err) == 0)
        return 0;
    rn_head_free(head);
    return -1;
}
