/* object.c -- maps, numbers, texts. */
#include "stream/object.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stream/numpy.h"

static bool is_text(const msgpack_object *object)
{
    return object->type == MSGPACK_OBJECT_STR || object->type == MSGPACK_OBJECT_BIN;
}

static struct rn_text text_of(const msgpack_object *object)
{
    bool str = object->type == MSGPACK_OBJECT_STR;
    size_t length = str ? object->via.str.size : object->via.bin.size;
    const char *data = str ? object->via.str.ptr : object->via.bin.ptr;
    return (struct rn_text){ length ? data : "", length };
}

static int compare(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

static int check_keys(const msgpack_object_map *map, struct rn_err *err)
{
    char room[256];
    struct rn_text few[32], *keys = map->size > 32 ? rn_calloc(map->size, sizeof *keys, err) : few;
    int rc = 0;
    if (!keys)
        return -1;
    for (uint32_t i = 0; i < map->size && rc == 0; i++) {
        if (!is_text(&map->ptr[i].key))
            rc = rn_fail(err, RN_EXIT_DATA, "a key that is not text");
        else
            keys[i] = text_of(&map->ptr[i].key);
    }
    if (rc == 0)
        qsort(keys, map->size, sizeof *keys, compare);
    for (uint32_t i = 1; i < map->size && rc == 0; i++)
        if (rn_text_equal(keys[i - 1], keys[i]))
            rc = rn_fail(err, RN_EXIT_DATA, "the key \"%s\" is there twice", rn_text_show(keys[i], room));
    if (keys != few)
        free(keys);
    return rc;
}

int rn_object_check(const msgpack_object *object, struct rn_err *err)
{
    if (object->type == MSGPACK_OBJECT_ARRAY) {
        for (uint32_t i = 0; i < object->via.array.size; i++)
            if (rn_object_check(&object->via.array.ptr[i], err))
                return -1;
    } else if (object->type == MSGPACK_OBJECT_MAP) {
        if (check_keys(&object->via.map, err))
            return -1;
        for (uint32_t i = 0; i < object->via.map.size; i++)
            if (rn_object_check(&object->via.map.ptr[i].val, err))
                return -1;
    }
    return 0;
}

const msgpack_object *rn_object_find(const msgpack_object *object, const char *key)
{
    for (uint32_t i = 0; object->type == MSGPACK_OBJECT_MAP && i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        if (pair->key.type == MSGPACK_OBJECT_STR && rn_text_is(text_of(&pair->key), key))
            return &pair->val;
    }
    return NULL;
}

int rn_object_match(const msgpack_object *object, struct rn_slot *slots, size_t count, struct rn_buffer *extra,
                    size_t *extras, struct rn_err *err)
{
    char room[256];
    struct rn_pack pack = { extra, err, 0 };
    if (object->type != MSGPACK_OBJECT_MAP)
        return rn_fail(err, RN_EXIT_DATA, "not a map");
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        const msgpack_object_kv *pair = &object->via.map.ptr[i];
        struct rn_text key = text_of(&pair->key);
        size_t k = 0;
        if (pair->key.type != MSGPACK_OBJECT_STR)
            return rn_fail(err, RN_EXIT_DATA, "the key \"%s\" is bin, not str", rn_text_show(key, room));
        while (k < count && !rn_text_is(key, slots[k].key))
            k++;
        if (k < count) {
            slots[k].value = &pair->val;
        } else if (!extra) {
            return rn_fail(err, RN_EXIT_DATA, "the key \"%s\" does not belong here", rn_text_show(key, room));
        } else {
            rn_pack_object(&pack, &pair->key);
            rn_pack_object(&pack, &pair->val);
            ++*extras;
        }
    }
    return pack.rc;
}

int rn_slots_there(const struct rn_slot *slots, size_t count, struct rn_err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!slots[i].value)
            return rn_fail(err, RN_EXIT_DATA, "the key \"%s\" is missing", slots[i].key);
    return 0;
}

bool rn_slot_nil(const struct rn_slot *slot)
{
    return !slot->value || slot->value->type == MSGPACK_OBJECT_NIL;
}

static bool whole(const msgpack_object *object, int64_t *value)
{
    if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER && object->via.u64 <= INT64_MAX)
        return *value = (int64_t)object->via.u64, true;
    if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        return *value = object->via.i64, true;
    struct rn_numpy numpy;
    return rn_numpy_parse(&numpy, object) && numpy.scalar && rn_numpy_int(&numpy, 0, value);
}

static int not_whole(const char *key, int64_t low, int64_t high, struct rn_err *err)
{
    if (high < low)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" must be nil: there are no classes", key);
    if (high == INT64_MAX)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not a whole number from %lld up", key, (long long)low);
    return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not a whole number from %lld to %lld", key, (long long)low, (long long)high);
}

int rn_slot_int(const struct rn_slot *slot, int64_t low, int64_t high, int64_t *value, struct rn_err *err)
{
    if (!slot->value || !whole(slot->value, value) || *value < low || *value > high)
        return not_whole(slot->key, low, high, err);
    return 0;
}

int rn_slot_u64(const struct rn_slot *slot, uint64_t *value, struct rn_err *err)
{
    int64_t number;
    if (slot->value && slot->value->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        return *value = slot->value->via.u64, 0;
    if (rn_slot_int(slot, 0, INT64_MAX, &number, err))
        return -1;
    *value = (uint64_t)number;
    return 0;
}

static bool real(const msgpack_object *object, double *value)
{
    struct rn_numpy numpy;
    if (object->type == MSGPACK_OBJECT_FLOAT32 || object->type == MSGPACK_OBJECT_FLOAT64)
        *value = object->via.f64;
    else if (object->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        *value = (double)object->via.u64;
    else if (object->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *value = (double)object->via.i64;
    else if (!rn_numpy_parse(&numpy, object) || !numpy.scalar || !rn_numpy_real(&numpy, value))
        return false;
    return isfinite(*value);
}

int rn_slot_real(const struct rn_slot *slot, double *value, struct rn_err *err)
{
    if (!slot->value || !real(slot->value, value))
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not a finite number", slot->key);
    return 0;
}

int rn_slot_reals(const struct rn_slot *slot, double *value, size_t count, struct rn_err *err)
{
    const msgpack_object *items;
    size_t there;
    if (rn_slot_array(slot, &items, &there, err))
        return -1;
    if (there != count)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" holds %zu numbers, not %zu", slot->key, there, count);
    for (size_t i = 0; i < count; i++)
        if (!real(&items[i], &value[i]))
            return rn_fail(err, RN_EXIT_DATA, "\"%s\" holds something that is not a finite number", slot->key);
    return 0;
}

int rn_slot_text(const struct rn_slot *slot, struct rn_text *text, struct rn_err *err)
{
    if (!slot->value || !is_text(slot->value))
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not text", slot->key);
    *text = text_of(slot->value);
    return 0;
}

int rn_slot_array(const struct rn_slot *slot, const msgpack_object **items, size_t *count, struct rn_err *err)
{
    *items = NULL;
    *count = 0;
    if (!slot->value || slot->value->type != MSGPACK_OBJECT_ARRAY)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not an array", slot->key);
    *items = slot->value->via.array.ptr;
    *count = slot->value->via.array.size;
    return 0;
}

int rn_slot_ints(const struct rn_slot *slot, int64_t low, int64_t high, bool or_nil, int64_t **values,
                 size_t *capacity, size_t *count, struct rn_err *err)
{
    struct rn_numpy numpy;
    const msgpack_object *items = NULL;
    if (slot->value && rn_numpy_parse(&numpy, slot->value) && !numpy.scalar && numpy.dims == 1)
        *count = numpy.shape[0];
    else if (rn_slot_array(slot, &items, count, err))
        return -1;
    if (rn_grow(values, capacity, *count + 1, sizeof **values, err))
        return -1;
    for (size_t i = 0; i < *count; i++) {
        int64_t *value = &(*values)[i];
        if (items && or_nil && items[i].type == MSGPACK_OBJECT_NIL)
            *value = -1;
        else if (!(items ? whole(&items[i], value) : rn_numpy_int(&numpy, i, value)) || *value < low || *value > high)
            return not_whole(slot->key, low, high, err);
    }
    return 0;
}

int rn_slot_tensor(const struct rn_slot *slot, struct rn_tensor *tensor, struct rn_err *err)
{
    struct rn_numpy numpy;
    char room[256];
    if (!slot->value || !rn_numpy_parse(&numpy, slot->value) || numpy.scalar)
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" is not a tensor whose shape fits its data", slot->key);
    if (!rn_numpy_tensor(&numpy, tensor))
        return rn_fail(err, RN_EXIT_DATA, "\"%s\" has a type that streams do not hold: %s", slot->key,
                       rn_text_show(numpy.type, room));
    return 0;
}
