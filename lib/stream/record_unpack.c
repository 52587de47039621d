/* record_unpack.c -- a record from its map, in any order of keys. */
#include <stdlib.h>
#include <string.h>

#include "stream/codec.h"
#include "stream/object.h"
#include "stream/skim.h"

static int nil_or_text(const struct rn_slot *slot, struct rn_text *text, struct rn_err *err)
{
    return rn_slot_nil(slot) ? 0 : rn_slot_text(slot, text, err);
}

static int label_of(const struct rn_head *head, const struct rn_slot *slot, int64_t *label, struct rn_err *err)
{
    *label = RN_NIL;
    if (rn_slot_nil(slot))
        return 0;
    return rn_slot_int(slot, 0, (int64_t)head->classes.count - 1, label, err);
}

static int shape_error(const char *key, const struct rn_tensor *tensor, const char *wanted, struct rn_err *err)
{
    char room[256];
    return rn_fail(err, RN_EXIT_DATA, "\"%s\" is %s, not %s", key, rn_tensor_describe(tensor, room), wanted);
}

static bool has_pixels(const struct rn_tensor *tensor)
{
    for (int i = 0; i < tensor->dims; i++)
        if (!tensor->shape[i])
            return false;
    return true;
}

static int unpack_sample(struct rn_record *record, const struct rn_slot *slots, struct rn_err *err)
{
    const struct rn_slot *path = &slots[3], *data = &slots[4], *from_path = &slots[5];
    if (!path->value == !data->value)
        return rn_fail(err, RN_EXIT_DATA, "a sample has \"path\" or \"data\"");
    if (from_path->value && rn_slot_text(from_path, &record->from_path, err))
        return -1;
    if (path->value)
        return rn_slot_text(path, &record->path, err);
    if (data->value->type != MSGPACK_OBJECT_BIN)
        return rn_fail(err, RN_EXIT_DATA, "\"data\" is not bin");
    return rn_slot_text(data, &record->data, err);
}

static int unpack_image(struct rn_record *record, const struct rn_slot *slot, struct rn_err *err)
{
    const struct rn_tensor *t = &record->tensor;
    if (rn_slot_tensor(slot, &record->tensor, err))
        return -1;
    bool good = (t->type == RN_U8 || t->type == RN_F32) && t->dims == 3 && t->shape[2] == 3 && has_pixels(t);
    return good ? 0 : shape_error(slot->key, t, "|u1 or <f4 [H,W,3]", err);
}

static int unpack_ids(struct rn_record *record, struct rn_arena *arena, const struct rn_slot *slot, struct rn_err *err)
{
    const msgpack_object *items;
    if (rn_slot_array(slot, &items, &record->count, err) ||
        rn_grow(&arena->ids, &arena->ids_capacity, record->count + 1, sizeof *arena->ids, err))
        return -1;
    for (size_t i = 0; i < record->count; i++) {
        struct rn_slot one = { slot->key, &items[i] };
        if (rn_slot_text(&one, &arena->ids[i], err))
            return -1;
    }
    record->ids = arena->ids;
    return 0;
}

/* Shares of the classes: none negative, each row of sum 1. */
static int unpack_targets(struct rn_record *record, const struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    struct rn_tensor *t = &record->targets;
    size_t classes = head->classes.count;
    if (!head->soft)
        return slot->value ? rn_fail(err, RN_EXIT_DATA, "\"targets\" in a stream of version 1") : 0;
    if (!slot->value)
        return rn_fail(err, RN_EXIT_DATA, "\"targets\" is missing");
    if (rn_slot_tensor(slot, t, err))
        return -1;
    if (t->type != RN_F32 || t->dims != 2 || t->shape[0] != record->count || t->shape[1] != classes)
        return shape_error(slot->key, t, "<f4 [N,C], a number a class", err);
    for (size_t n = 0; n < record->count; n++) {
        double sum = 0;
        bool good = true;
        for (size_t c = 0; c < classes; c++) {
            double share = rn_tensor_get(t, n * classes + c);
            good = good && share >= 0;
            sum += share;
        }
        if (!good || !(sum > 0.999 && sum < 1.001))
            return rn_fail(err, RN_EXIT_DATA, "\"targets\" of image %zu are not shares that sum to 1", n);
    }
    return 0;
}

/* Pictures, or in version 3 what a layer made of them. */
static int unpack_values(struct rn_record *record, const struct rn_head *head, const struct rn_slot *slots, struct rn_err *err)
{
    const struct rn_tensor *t = &record->tensor;
    const struct rn_slot *images = &slots[5], *features = &slots[6];
    record->features = head->layer.data;
    if ((record->features ? images : features)->value)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" in a stream of %s", record->features ? images->key : features->key,
                       record->features ? "features" : "images");
    if (rn_slots_there(record->features ? features : images, 1, err) ||
        rn_slot_tensor(record->features ? features : images, &record->tensor, err))
        return -1;
    if (record->features)
        return t->type == RN_F32 && t->dims == 4 && has_pixels(t) ? 0 : shape_error(features->key, t, "<f4 [N,C,H,W]", err);
    bool bytes = t->type == RN_U8 && t->dims == 4 && t->shape[3] == 3;
    bool planes = t->type == RN_F32 && t->dims == 4 && t->shape[1] == 3;
    return (bytes || planes) && has_pixels(t) ? 0 : shape_error(images->key, t, "|u1 [N,H,W,3] or <f4 [N,3,H,W]", err);
}

static int unpack_batch(struct rn_record *record, const struct rn_head *head, struct rn_arena *arena,
                        const struct rn_slot *slots, struct rn_err *err)
{
    const struct rn_tensor *t = &record->tensor;
    size_t labels;
    if (rn_slot_int(&slots[0], 0, UINT32_MAX, &record->epoch, err) || rn_slot_int(&slots[1], 0, INT64_MAX, &record->index, err) ||
        unpack_ids(record, arena, &slots[2], err) ||
        rn_slot_ints(&slots[3], 0, (int64_t)head->classes.count - 1, true, &arena->labels, &arena->labels_capacity, &labels, err) ||
        unpack_values(record, head, slots, err))
        return -1;
    record->labels = arena->labels;
    if (record->count != labels || record->count != t->shape[0])
        return rn_fail(err, RN_EXIT_DATA, "%zu ids, %zu labels, %zu images", record->count, labels, t->shape[0]);
    return unpack_targets(record, head, &slots[4], err);
}

static int unpack_prediction(struct rn_record *record, const struct rn_head *head, const struct rn_slot *slot, struct rn_err *err)
{
    char wanted[64];
    const struct rn_tensor *t = &record->tensor;
    if (rn_slot_tensor(slot, &record->tensor, err))
        return -1;
    if (t->type == RN_F32 && t->dims == 1 && t->shape[0] == head->classes.count)
        return 0;
    snprintf(wanted, sizeof wanted, "<f4 [%zu], one a class", head->classes.count);
    return shape_error(slot->key, t, wanted, err);
}

static int unpack_weight(struct rn_record *record, const struct rn_slot *slots, struct rn_err *err)
{
    char room[256];
    struct rn_text role;
    if (rn_slot_text(&slots[0], &record->name, err) || rn_slot_text(&slots[1], &role, err) ||
        rn_slot_tensor(&slots[2], &record->tensor, err))
        return -1;
    for (int i = 0; i < RN_ROLES; i++)
        if (rn_text_is(role, rn_role_name((enum rn_role)i)))
            return record->role = (enum rn_role)i, 0;
    return rn_fail(err, RN_EXIT_DATA, "an unknown role: \"%s\"", rn_text_show(role, room));
}

static int unpack_kind(struct rn_record *record, const struct rn_head *head, struct rn_arena *arena, const struct rn_slot *slots,
                       struct rn_err *err)
{
    switch (head->kind) {
    case RN_SAMPLES:
        return nil_or_text(&slots[2], &record->split, err) || unpack_sample(record, slots, err) ? -1 : 0;
    case RN_IMAGES:
        return nil_or_text(&slots[2], &record->split, err) || unpack_image(record, &slots[3], err) ? -1 : 0;
    case RN_BATCHES:
        return unpack_batch(record, head, arena, slots, err);
    case RN_PREDICTIONS:
        return unpack_prediction(record, head, &slots[2], err);
    case RN_WEIGHTS:
        return unpack_weight(record, slots, err);
    case RN_KINDS:
        break;
    }
    return -1;
}

int rn_record_decode(struct rn_record *record, const struct rn_head *head, struct rn_arena *arena, struct rn_err *err)
{
    const msgpack_object *object = &arena->unpacked.data;
    struct rn_slot slots[RN_RECORD_KEYS];
    bool is_error = head->kind != RN_WEIGHTS && rn_object_find(object, "error");
    const char *const *keys = is_error ? rn_error_keys : rn_record_keys[head->kind];
    size_t count = 0;
    *record = (struct rn_record){ .kind = head->kind, .label = RN_NIL };
    for (; keys[count]; count++)
        slots[count] = (struct rn_slot){ .key = keys[count] };
    bool is_batch = !is_error && head->kind == RN_BATCHES;
    size_t required = !is_error && head->kind == RN_SAMPLES ? 3 : is_batch ? 4 : count;
    arena->extra.length = 0;
    if (rn_object_match(object, slots, count, &arena->extra, &record->extras, err) || rn_slots_there(slots, required, err))
        return -1;
    if (!strcmp(keys[0], "id")) /* a photo's: its label is next */
        if (rn_slot_text(&slots[0], &record->id, err) || label_of(head, &slots[1], &record->label, err))
            return -1;
    record->extra = (struct rn_text){ arena->extra.data, arena->extra.length };
    if (is_error)
        return nil_or_text(&slots[2], &record->split, err) || rn_slot_text(&slots[3], &record->error, err) ? -1 : 0;
    return unpack_kind(record, head, arena, slots, err);
}

int rn_arena_unpack(struct rn_arena *arena, const void *bytes, size_t length, struct rn_err *err)
{
    size_t offset = 0;
    msgpack_unpack_return rc = msgpack_unpack_next(&arena->unpacked, bytes, length, &offset);
    if (rc == MSGPACK_UNPACK_NOMEM_ERROR)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a record of %zu bytes", length);
    if (rc != MSGPACK_UNPACK_SUCCESS || offset != length)
        return rn_fail(err, RN_EXIT_DATA, "not msgpack");
    return rn_object_check(&arena->unpacked.data, err);
}

void rn_arena_clear(struct rn_arena *arena)
{
    msgpack_unpacked_destroy(&arena->unpacked);
    free(arena->ids);
    free(arena->labels);
    rn_buffer_free(&arena->extra);
    *arena = (struct rn_arena){ 0 };
}

void rn_arena_free(struct rn_arena *arena)
{
    if (arena)
        rn_arena_clear(arena);
    free(arena);
}

int rn_record_unpack(struct rn_record *record, struct rn_text bytes, const struct rn_head *head, struct rn_arena **arena,
                     struct rn_err *err)
{
    struct rn_skim skim = rn_skim_start(SIZE_MAX);
    if (!*arena && !(*arena = rn_calloc(1, sizeof **arena, err)))
        return -1;
    int rc = rn_skim(&skim, bytes.data, bytes.length, err);
    if (rc < 0)
        return -1;
    if (rc == 0 || skim.length != bytes.length)
        return rn_fail(err, RN_EXIT_DATA, "not the bytes of one record");
    return rn_arena_unpack(*arena, bytes.data, bytes.length, err) || rn_record_decode(record, head, *arena, err) ? -1 : 0;
}
