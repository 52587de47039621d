/* numpy.c -- numpy's types, little-endian. */
#include "stream/numpy.h"

#include <string.h>

#include "core/mem.h"

enum { ND, TYPE, KIND, SHAPE, DATA, KEYS };
static const char *const keys[KEYS] = { "nd", "type", "kind", "shape", "data" };

static struct rn_text text_of(const msgpack_object *object)
{
    if (object->type == MSGPACK_OBJECT_STR)
        return (struct rn_text){ object->via.str.ptr, object->via.str.size };
    if (object->type == MSGPACK_OBJECT_BIN)
        return (struct rn_text){ object->via.bin.ptr, object->via.bin.size };
    return (struct rn_text){ 0 };
}

/* "<f4", "|u1", "<i8" ...: the bytes of one element; 0: a type that is not ours to know. */
static size_t size_of(struct rn_text type)
{
    if (type.length != 3 || !memchr("<|", type.data[0], 2) || !memchr("iuf", type.data[1], 3) || !memchr("1248", type.data[2], 4))
        return 0;
    size_t size = (size_t)(type.data[2] - '0');
    return type.data[1] == 'f' && size == 1 ? 0 : size;
}

static bool shape_of(struct rn_numpy *numpy, const msgpack_object *shape)
{
    if (shape->type != MSGPACK_OBJECT_ARRAY || shape->via.array.size > RN_DIMS)
        return false;
    numpy->dims = (int)shape->via.array.size;
    for (int i = 0; i < numpy->dims; i++) {
        const msgpack_object *side = &shape->via.array.ptr[i];
        if (side->type != MSGPACK_OBJECT_POSITIVE_INTEGER || side->via.u64 > SIZE_MAX)
            return false;
        numpy->shape[i] = (size_t)side->via.u64;
        if (!rn_mul(numpy->count, numpy->shape[i], &numpy->count))
            return false;
    }
    return true;
}

bool rn_numpy_parse(struct rn_numpy *numpy, const msgpack_object *object)
{
    const msgpack_object *value[KEYS] = { 0 };
    *numpy = (struct rn_numpy){ .count = 1 };
    if (object->type != MSGPACK_OBJECT_MAP)
        return false;
    for (uint32_t i = 0; i < object->via.map.size; i++) {
        struct rn_text key = text_of(&object->via.map.ptr[i].key);
        int k = 0;
        while (k < KEYS && !rn_text_is(key, keys[k]))
            k++;
        if (k == KEYS)
            return false;
        value[k] = &object->via.map.ptr[i].val;
    }
    if (!value[ND] || value[ND]->type != MSGPACK_OBJECT_BOOLEAN || !value[TYPE] || !value[DATA] ||
        value[DATA]->type != MSGPACK_OBJECT_BIN)
        return false;
    numpy->scalar = !value[ND]->via.boolean;
    numpy->type = text_of(value[TYPE]);
    numpy->data = text_of(value[DATA]);
    if (numpy->scalar ? value[SHAPE] || value[KIND] : !value[SHAPE] || !shape_of(numpy, value[SHAPE]))
        return false;
    if (value[KIND] && (text_of(value[KIND]).length ||
                        (value[KIND]->type != MSGPACK_OBJECT_BIN && value[KIND]->type != MSGPACK_OBJECT_STR)))
        return false;
    size_t bytes;
    return numpy->type.data && (numpy->size = size_of(numpy->type)) && rn_mul(numpy->count, numpy->size, &bytes) &&
           bytes == numpy->data.length;
}

bool rn_numpy_int(const struct rn_numpy *numpy, size_t i, int64_t *value)
{
    const unsigned char *at = (const unsigned char *)numpy->data.data + i * numpy->size;
    uint64_t bits = 0;
    if (numpy->type.data[1] == 'f')
        return false;
    for (size_t k = numpy->size; k-- > 0;)
        bits = bits << 8 | at[k];
    bool is_signed = numpy->type.data[1] == 'i';
    if (is_signed && numpy->size < 8 && bits >> (8 * numpy->size - 1))
        bits |= UINT64_MAX << 8 * numpy->size;
    if (!is_signed && bits > INT64_MAX)
        return false;
    memcpy(value, &bits, sizeof bits);
    return true;
}

bool rn_numpy_real(const struct rn_numpy *numpy, double *value)
{
    int64_t number;
    struct rn_tensor tensor;
    if (numpy->type.data[1] != 'f')
        return rn_numpy_int(numpy, 0, &number) ? (*value = (double)number, true) : false;
    if (numpy->size == sizeof *value)
        return memcpy(value, numpy->data.data, sizeof *value), true;
    return rn_numpy_tensor(numpy, &tensor) ? (*value = rn_tensor_get(&tensor, 0), true) : false;
}

bool rn_numpy_tensor(const struct rn_numpy *numpy, struct rn_tensor *tensor)
{
    *tensor = (struct rn_tensor){ .dims = numpy->dims, .data = numpy->data.data };
    memcpy(tensor->shape, numpy->shape, sizeof tensor->shape);
    for (int type = 0; type < RN_TYPES; type++)
        if (rn_text_is(numpy->type, rn_type_name((enum rn_type)type)))
            return tensor->type = (enum rn_type)type, true;
    return false;
}

static void pack_key(struct rn_pack *pack, int key)
{
    rn_pack_bin(pack, rn_text(keys[key]));
}

void rn_numpy_pack(struct rn_pack *pack, const struct rn_tensor *tensor, struct rn_text *data)
{
    size_t count;
    if (!rn_tensor_count(tensor, &count) && pack->rc == 0)
        pack->rc = rn_fail(pack->err, RN_EXIT_DATA, "a tensor whose shape overflows");
    if (pack->rc)
        return;
    *data = (struct rn_text){ tensor->data, count * rn_type_size(tensor->type) };
    rn_pack_map(pack, KEYS);
    pack_key(pack, ND);
    rn_pack_bool(pack, true);
    pack_key(pack, TYPE);
    rn_pack_key(pack, rn_type_name(tensor->type));
    pack_key(pack, KIND);
    rn_pack_bin(pack, RN_TEXT(""));
    pack_key(pack, SHAPE);
    rn_pack_array(pack, (size_t)tensor->dims);
    for (int i = 0; i < tensor->dims; i++)
        rn_pack_uint(pack, tensor->shape[i]);
    pack_key(pack, DATA);
    rn_pack_bin_header(pack, data->length);
}
