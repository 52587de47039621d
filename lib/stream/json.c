/* json.c -- heads and records as JSON: packed, unpacked, and walked, so that whatever can be in a stream is shown. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/codec.h"
#include "stream/numpy.h"
#include "stream/object.h"
#include "stream/pack.h"

/* The first failure stays in rc, and nothing is appended after it. */
struct json {
    struct rn_buffer *out;
    bool values; /* of tensors */
    struct rn_err *err;
    int rc;
};

static void text(struct json *json, const char *bytes, size_t length)
{
    if (json->rc == 0)
        json->rc = rn_buffer_add(json->out, bytes, length, json->err);
}

__attribute__((format(printf, 2, 3))) static void print(struct json *json, const char *format, ...)
{
    char room[128];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(room, sizeof room, format, args);
    va_end(args);
    text(json, room, (size_t)length);
}

static void string(struct json *json, struct rn_text value)
{
    if (json->rc == 0)
        json->rc = rn_text_escape(json->out, value, RN_ESCAPE_JSON, json->err);
}

/* %g drops zeros, so the fewest digits that any number needs are a good start. */
static void real(struct json *json, double value, bool narrow)
{
    char room[32];
    if (!isfinite(value)) {
        print(json, "null");
        return;
    }
    if (narrow) {
        print(json, "%s", rn_text_float((float)value, room));
        return;
    }
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(room, sizeof room, "%.*g", digits, value);
        if (strtod(room, NULL) == value)
            break;
    }
    print(json, "%s", room);
}

static void element(struct json *json, const struct rn_tensor *tensor, size_t i)
{
    int64_t whole;
    if (tensor->type == RN_I64) {
        memcpy(&whole, (const char *)tensor->data + i * sizeof whole, sizeof whole);
        print(json, "%lld", (long long)whole);
    } else {
        real(json, rn_tensor_get(tensor, i), true);
    }
}

/* Smallest, largest and mean; null when there is none: no element, or one that is not a number. */
static void range(struct json *json, const struct rn_tensor *tensor, size_t count)
{
    size_t low = 0, high = 0;
    double sum = 0, least = INFINITY, most = -INFINITY;
    bool good = count > 0;
    for (size_t i = 0; i < count && good; i++) {
        double value = rn_tensor_get(tensor, i);
        sum += value;
        good = !isnan(value);
        if (value < least)
            least = value, low = i;
        if (value > most)
            most = value, high = i;
    }
    if (!good) {
        print(json, ",\"min\":null,\"max\":null,\"mean\":null");
        return;
    }
    print(json, ",\"min\":");
    element(json, tensor, low);
    print(json, ",\"max\":");
    element(json, tensor, high);
    print(json, ",\"mean\":");
    real(json, sum / (double)count, false);
}

static void array(struct json *json, const struct rn_numpy *numpy)
{
    struct rn_tensor tensor;
    print(json, "{\"type\":");
    string(json, numpy->type);
    print(json, ",\"shape\":[");
    for (int i = 0; i < numpy->dims; i++)
        print(json, i ? ",%zu" : "%zu", numpy->shape[i]);
    print(json, "]");
    /* a type that only an unknown key can have is named, and that is all */
    if (rn_numpy_tensor(numpy, &tensor)) {
        range(json, &tensor, numpy->count);
        if (json->values)
            print(json, ",\"values\":[");
        for (size_t i = 0; i < numpy->count && json->values && json->rc == 0; i++) {
            text(json, ",", i > 0);
            element(json, &tensor, i);
        }
        text(json, "]", json->values);
    }
    print(json, "}");
}

static void value(struct json *json, const msgpack_object *object, bool bin_is_text);

static void key(struct json *json, const msgpack_object *object)
{
    bool str = object->type == MSGPACK_OBJECT_STR;
    string(json, str ? (struct rn_text){ object->via.str.ptr, object->via.str.size }
                     : (struct rn_text){ object->via.bin.ptr, object->via.bin.size });
    text(json, ":", 1);
}

static void map(struct json *json, const msgpack_object *object, bool bin_is_text)
{
    struct rn_numpy numpy;
    double number;
    if (rn_numpy_parse(&numpy, object)) {
        if (!numpy.scalar)
            array(json, &numpy);
        else if (rn_numpy_real(&numpy, &number))
            real(json, number, numpy.type.data[1] == 'f' && numpy.size < 8);
        else
            print(json, "null");
        return;
    }
    text(json, "{", 1);
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        text(json, ",", i > 0);
        key(json, &object->via.map.ptr[i].key);
        value(json, &object->via.map.ptr[i].val, bin_is_text);
    }
    text(json, "}", 1);
}

static void list(struct json *json, const msgpack_object *object, bool bin_is_text)
{
    text(json, "[", 1);
    for (uint32_t i = 0; i < object->via.array.size; i++) {
        text(json, ",", i > 0);
        value(json, &object->via.array.ptr[i], bin_is_text);
    }
    text(json, "]", 1);
}

static void value(struct json *json, const msgpack_object *object, bool bin_is_text)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        print(json, object->via.boolean ? "true" : "false");
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        print(json, "%llu", (unsigned long long)object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        print(json, "%lld", (long long)object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        real(json, object->via.f64, false);
        break;
    case MSGPACK_OBJECT_STR:
        string(json, (struct rn_text){ object->via.str.ptr, object->via.str.size });
        break;
    case MSGPACK_OBJECT_BIN:
        if (bin_is_text)
            string(json, (struct rn_text){ object->via.bin.ptr, object->via.bin.size });
        else
            print(json, "{\"bytes\":%u}", (unsigned)object->via.bin.size);
        break;
    case MSGPACK_OBJECT_ARRAY:
        list(json, object, bin_is_text);
        break;
    case MSGPACK_OBJECT_MAP:
        map(json, object, bin_is_text);
        break;
    default:
        print(json, "null");
    }
}

/* Names that are not UTF-8 travel as bin; a photo's own bytes and what we do not know are bin too. */
static bool is_text_key(const msgpack_object *name, const char *const *known)
{
    for (; *known; known++)
        if (name->type == MSGPACK_OBJECT_STR && name->via.str.size == strlen(*known) &&
            !memcmp(name->via.str.ptr, *known, name->via.str.size))
            return strcmp(*known, "data") != 0;
    return false;
}

/* The likeliest class by its name, and its probability; not where the stream itself has such a key. */
static void verdict(struct json *json, const struct rn_record *record, const struct rn_texts *classes)
{
    static const char *const ours[] = { "prediction", "confidence", NULL };
    size_t best = 0;
    if (rn_pack_extra_count(record->extra, record->extras, ours) != record->extras)
        return;
    for (size_t i = 1; i < classes->count; i++)
        if (rn_tensor_get(&record->tensor, i) > rn_tensor_get(&record->tensor, best))
            best = i;
    print(json, ",\"prediction\":");
    string(json, classes->item[best]);
    print(json, ",\"confidence\":");
    element(json, &record->tensor, best);
}

/* record: of predictions, or NULL. */
static int show(struct rn_buffer *packed, const char *const *known, bool values, const struct rn_record *record,
                const struct rn_texts *classes, struct rn_buffer *out, struct rn_err *err)
{
    struct rn_arena arena = { 0 };
    struct json json = { out, values, err, rn_arena_unpack(&arena, packed->data, packed->length, err) };
    const msgpack_object_map *top = &arena.unpacked.data.via.map;
    text(&json, "{", 1);
    for (uint32_t i = 0; json.rc == 0 && i < top->size; i++) {
        text(&json, ",", i > 0);
        key(&json, &top->ptr[i].key);
        value(&json, &top->ptr[i].val, is_text_key(&top->ptr[i].key, known));
    }
    if (record)
        verdict(&json, record, classes);
    text(&json, "}", 1);
    rn_arena_clear(&arena);
    return json.rc;
}

int rn_head_json(const struct rn_head *head, struct rn_buffer *out, struct rn_err *err)
{
    struct rn_buffer packed = { 0 };
    int rc = rn_head_pack(head, &packed, err) || show(&packed, rn_head_keys[head->kind], false, NULL, NULL, out, err) ? -1 : 0;
    rn_buffer_free(&packed);
    return rc;
}

int rn_record_json(const struct rn_record *record, const struct rn_texts *classes, bool values, struct rn_buffer *out,
                   struct rn_err *err)
{
    struct rn_buffer packed = { 0 };
    const char *const *known = record->error.data ? rn_error_keys : rn_record_keys[record->kind];
    bool verdicts = record->kind == RN_PREDICTIONS && !record->error.data && classes->count;
    int rc = rn_record_pack(record, &packed, err) ||
             show(&packed, known, values, verdicts ? record : NULL, classes, out, err) ? -1 : 0;
    rn_buffer_free(&packed);
    return rc;
}
