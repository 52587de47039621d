/* record_pack.c -- a record as canonical bytes. */
#include <assert.h>

#include "stream/codec.h"
#include "stream/numpy.h"
#include "stream/pack.h"

/* In the order of rn_record_keys and rn_error_keys. */
static void pack_id(struct rn_pack *pack, const struct rn_record *record)
{
    rn_pack_key(pack, "id");
    rn_pack_text(pack, record->id);
    rn_pack_key(pack, "label");
    rn_pack_int_or_nil(pack, record->label);
}

static void pack_split(struct rn_pack *pack, const struct rn_record *record)
{
    rn_pack_key(pack, "split");
    rn_pack_text(pack, record->split);
}

static void pack_sample(struct rn_pack *pack, const struct rn_record *record, struct rn_text *big)
{
    pack_id(pack, record);
    pack_split(pack, record);
    if (record->from_path.data) {
        rn_pack_key(pack, "from_path");
        rn_pack_text(pack, record->from_path);
    }
    if (record->data.data) {
        rn_pack_key(pack, "data");
        rn_pack_bin_header(pack, record->data.length);
        *big = record->data;
    } else {
        rn_pack_key(pack, "path");
        rn_pack_text(pack, record->path);
    }
}

static void pack_batch(struct rn_pack *pack, const struct rn_record *record, struct rn_text *big)
{
    rn_pack_key(pack, "epoch");
    rn_pack_int(pack, record->epoch);
    rn_pack_key(pack, "index");
    rn_pack_int(pack, record->index);
    rn_pack_key(pack, "ids");
    rn_pack_array(pack, record->count);
    for (size_t i = 0; i < record->count; i++)
        rn_pack_text(pack, record->ids[i]);
    rn_pack_key(pack, "labels");
    rn_pack_array(pack, record->count);
    for (size_t i = 0; i < record->count; i++)
        rn_pack_int_or_nil(pack, record->labels[i]);
    if (record->targets.data) {
        rn_pack_key(pack, "targets");
        rn_numpy_pack(pack, &record->targets, big);
        rn_pack_raw(pack, big->data, big->length);
    }
    rn_pack_key(pack, record->features ? "features" : "images");
    rn_numpy_pack(pack, &record->tensor, big);
}

static void pack_kind(struct rn_pack *pack, const struct rn_record *record, struct rn_text *big)
{
    switch (record->kind) {
    case RN_SAMPLES:
        pack_sample(pack, record, big);
        break;
    case RN_IMAGES:
        pack_id(pack, record);
        pack_split(pack, record);
        rn_pack_key(pack, "image");
        rn_numpy_pack(pack, &record->tensor, big);
        break;
    case RN_BATCHES:
        pack_batch(pack, record, big);
        break;
    case RN_PREDICTIONS:
        pack_id(pack, record);
        rn_pack_key(pack, "probs");
        rn_numpy_pack(pack, &record->tensor, big);
        break;
    case RN_WEIGHTS:
        rn_pack_key(pack, "name");
        rn_pack_text(pack, record->name);
        rn_pack_key(pack, "role");
        rn_pack_key(pack, rn_role_name(record->role));
        rn_pack_key(pack, "value");
        rn_numpy_pack(pack, &record->tensor, big);
        break;
    case RN_KINDS:
        break;
    }
}

int rn_record_pack_around(const struct rn_record *record, struct rn_buffer *buffer, struct rn_text *big, size_t *hole,
                          struct rn_err *err)
{
    struct rn_pack pack = { buffer, err, 0 };
    const char *const *known = record->error.data ? rn_error_keys : rn_record_keys[record->kind];
    size_t pairs = rn_pack_extra_count(record->extra, record->extras, known);
    *big = (struct rn_text){ 0 };
    for (const char *const *key = known; *key; key++)
        pairs++;
    if (record->error.data) {
        assert(record->kind != RN_WEIGHTS);
        rn_pack_map(&pack, pairs);
        pack_id(&pack, record);
        pack_split(&pack, record);
        rn_pack_key(&pack, "error");
        rn_pack_text(&pack, record->error);
    } else {
        if (record->kind == RN_SAMPLES) /* path or data, not both; from_path may be missing */
            pairs -= record->from_path.data ? 1 : 2;
        if (record->kind == RN_BATCHES) /* images or features, not both; targets may be missing */
            pairs -= (size_t)1 + !record->targets.data;
        rn_pack_map(&pack, pairs);
        pack_kind(&pack, record, big);
    }
    *hole = buffer->length;
    rn_pack_extra(&pack, record->extra, record->extras, known);
    return pack.rc;
}

int rn_record_pack(const struct rn_record *record, struct rn_buffer *buffer, struct rn_err *err)
{
    struct rn_buffer around = { 0 };
    struct rn_text big;
    size_t hole;
    int rc = rn_record_pack_around(record, &around, &big, &hole, err) || rn_buffer_add(buffer, around.data, hole, err) ||
             rn_buffer_add(buffer, big.data, big.length, err) ||
             rn_buffer_add(buffer, around.data + hole, around.length - hole, err) ? -1 : 0;
    rn_buffer_free(&around);
    return rc;
}
