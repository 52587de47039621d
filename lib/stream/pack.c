/* pack.c -- canonical msgpack, by msgpack-c's packer. */
#include "stream/pack.h"

#include <string.h>

#include "stream/stream.h"
#include "stream/take.h"

static int append(void *context, const char *bytes, size_t length)
{
    struct rn_pack *pack = context;
    if (pack->rc == 0)
        pack->rc = rn_buffer_add(pack->buffer, bytes, length, pack->err);
    return pack->rc;
}

static msgpack_packer *packer(struct rn_pack *pack, msgpack_packer *room)
{
    msgpack_packer_init(room, pack, append);
    return room;
}

/* msgpack's lengths have 32 bits. */
static bool fits(struct rn_pack *pack, size_t length, const char *what)
{
    if (length > UINT32_MAX && pack->rc == 0)
        pack->rc = rn_fail(pack->err, RN_EXIT_DATA, "%s of 4 GiB or more cannot be written: %zu", what, length);
    return length <= UINT32_MAX;
}

void rn_pack_map(struct rn_pack *pack, size_t pairs)
{
    msgpack_packer room;
    if (fits(pack, pairs, "a map"))
        msgpack_pack_map(packer(pack, &room), pairs);
}

void rn_pack_array(struct rn_pack *pack, size_t count)
{
    msgpack_packer room;
    if (fits(pack, count, "an array"))
        msgpack_pack_array(packer(pack, &room), count);
}

void rn_pack_nil(struct rn_pack *pack)
{
    msgpack_packer room;
    msgpack_pack_nil(packer(pack, &room));
}

void rn_pack_bool(struct rn_pack *pack, bool value)
{
    msgpack_packer room;
    value ? msgpack_pack_true(packer(pack, &room)) : msgpack_pack_false(packer(pack, &room));
}

void rn_pack_int(struct rn_pack *pack, int64_t value)
{
    msgpack_packer room;
    msgpack_pack_int64(packer(pack, &room), value);
}

void rn_pack_int_or_nil(struct rn_pack *pack, int64_t value)
{
    value < 0 ? rn_pack_nil(pack) : rn_pack_int(pack, value);
}

void rn_pack_uint(struct rn_pack *pack, uint64_t value)
{
    msgpack_packer room;
    msgpack_pack_uint64(packer(pack, &room), value);
}

/* By hand: some packers write a whole number as an integer, and equal content must be equal bytes everywhere. */
void rn_pack_real(struct rn_pack *pack, double value)
{
    uint64_t bits;
    unsigned char bytes[9] = { 0xcb };
    memcpy(&bits, &value, sizeof bits);
    for (int i = 0; i < 8; i++)
        bytes[1 + i] = (unsigned char)(bits >> (56 - 8 * i));
    rn_pack_raw(pack, bytes, sizeof bytes);
}

static void pack_str(struct rn_pack *pack, struct rn_text text)
{
    msgpack_packer room;
    if (!fits(pack, text.length, "a text"))
        return;
    msgpack_pack_str(packer(pack, &room), text.length);
    rn_pack_raw(pack, text.data, text.length);
}

void rn_pack_key(struct rn_pack *pack, const char *key)
{
    pack_str(pack, rn_text(key));
}

void rn_pack_text(struct rn_pack *pack, struct rn_text text)
{
    if (!text.data)
        rn_pack_nil(pack);
    else if (rn_text_is_utf8(text))
        pack_str(pack, text);
    else
        rn_pack_bin(pack, text);
}

void rn_pack_bin(struct rn_pack *pack, struct rn_text bytes)
{
    rn_pack_bin_header(pack, bytes.length);
    rn_pack_raw(pack, bytes.data, bytes.length);
}

void rn_pack_bin_header(struct rn_pack *pack, size_t length)
{
    msgpack_packer room;
    if (fits(pack, length, "a block"))
        msgpack_pack_bin(packer(pack, &room), length);
}

void rn_pack_raw(struct rn_pack *pack, const void *bytes, size_t length)
{
    append(pack, bytes, length);
}

/* Not by msgpack_pack_object: reals must come out as in rn_pack_real. */
void rn_pack_object(struct rn_pack *pack, const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        rn_pack_bool(pack, object->via.boolean);
        break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        rn_pack_uint(pack, object->via.u64);
        break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        rn_pack_int(pack, object->via.i64);
        break;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        rn_pack_real(pack, object->via.f64);
        break;
    case MSGPACK_OBJECT_STR:
        pack_str(pack, (struct rn_text){ object->via.str.ptr, object->via.str.size });
        break;
    case MSGPACK_OBJECT_BIN:
        rn_pack_bin(pack, (struct rn_text){ object->via.bin.ptr, object->via.bin.size });
        break;
    case MSGPACK_OBJECT_ARRAY:
        rn_pack_array(pack, object->via.array.size);
        for (uint32_t i = 0; i < object->via.array.size; i++)
            rn_pack_object(pack, &object->via.array.ptr[i]);
        break;
    case MSGPACK_OBJECT_MAP:
        rn_pack_map(pack, object->via.map.size);
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            rn_pack_object(pack, &object->via.map.ptr[i].key);
            rn_pack_object(pack, &object->via.map.ptr[i].val);
        }
        break;
    default:
        rn_pack_nil(pack);
    }
}

/* Whether the packed key is one of the names, none of which has more than 31 bytes. */
static bool is_known(struct rn_text key, const char *const *known)
{
    for (; *known; known++)
        if (key.length == 1 + strlen(*known) && !memcmp(key.data + 1, *known, key.length - 1))
            return true;
    return false;
}

size_t rn_pack_extra_count(struct rn_text extra, size_t pairs, const char *const *known)
{
    size_t count = 0;
    for (size_t i = 0; i < pairs; i++) {
        count += !is_known(rn_take(&extra), known);
        rn_take(&extra);
    }
    return count;
}

void rn_pack_extra(struct rn_pack *pack, struct rn_text extra, size_t pairs, const char *const *known)
{
    for (size_t i = 0; i < pairs; i++) {
        struct rn_text key = rn_take(&extra), value = rn_take(&extra);
        if (!is_known(key, known)) {
            rn_pack_raw(pack, key.data, key.length);
            rn_pack_raw(pack, value.data, value.length);
        }
    }
}

static bool has_key(struct rn_text extra, size_t pairs, struct rn_text key)
{
    for (size_t i = 0; i < pairs; i++) {
        if (rn_text_equal(rn_take(&extra), key))
            return true;
        rn_take(&extra);
    }
    return false;
}

void rn_pack_extra_join(struct rn_pack *pack, size_t *joined, struct rn_text extra, size_t pairs)
{
    for (size_t i = 0; i < pairs && pack->rc == 0; i++) {
        struct rn_text key = rn_take(&extra), value = rn_take(&extra);
        if (has_key((struct rn_text){ pack->buffer->data, pack->buffer->length }, *joined, key))
            continue;
        rn_pack_raw(pack, key.data, key.length);
        rn_pack_raw(pack, value.data, value.length);
        ++*joined;
    }
}

struct rn_text rn_record_field(const struct rn_record *record, const char *key)
{
    size_t length = strlen(key), header = length < 32 ? 1 : length < 256 ? 2 : 3; /* of a str */
    struct rn_text extra = record->extra;
    for (size_t i = 0; i < record->extras; i++) {
        struct rn_text name = rn_take(&extra), value = rn_take(&extra);
        if (name.length != header + length || memcmp(name.data + header, key, length))
            continue;
        return value.length == 1 && (unsigned char)*value.data == 0xc0 ? (struct rn_text){ 0 } : value;
    }
    return (struct rn_text){ 0 };
}
