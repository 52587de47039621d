/* writer.c -- segments, as canonical bytes. */
#include <assert.h>
#include <stdlib.h>

#include <xxhash.h>

#include "core/file.h"
#include "stream/codec.h"
#include "stream/pack.h"

struct rn_writer {
    struct rn_out *out;
    struct rn_buffer buffer; /* of one head or record, without its big block */
    XXH3_state_t *hash;
    uint64_t records;
    enum rn_kind kind;
    int64_t classes;
    bool in_segment;
};

int rn_writer_open(struct rn_writer **result, const char *path, struct rn_err *err)
{
    struct rn_writer *writer = rn_calloc(1, sizeof *writer, err);
    *result = NULL;
    if (!writer)
        return -1;
    if (!(writer->hash = XXH3_createState())) {
        rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    } else if (rn_out_open(&writer->out, path, err) == 0 && rn_out_binary(writer->out, err) == 0) {
        *result = writer;
        return 0;
    }
    rn_writer_discard(writer);
    return -1;
}

static int emit(struct rn_writer *writer, const void *bytes, size_t length, struct rn_err *err)
{
    if (!length)
        return 0;
    XXH3_64bits_update(writer->hash, bytes, length);
    return rn_out_write(writer->out, bytes, length, err);
}

int rn_writer_head(struct rn_writer *writer, const struct rn_head *head, struct rn_err *err)
{
    assert(!writer->in_segment);
    writer->buffer.length = 0;
    writer->records = 0;
    writer->kind = head->kind;
    writer->classes = (int64_t)head->classes.count;
    writer->in_segment = true;
    XXH3_64bits_reset(writer->hash);
    return rn_head_pack(head, &writer->buffer, err) || emit(writer, writer->buffer.data, writer->buffer.length, err) ? -1 : 0;
}

int rn_writer_record(struct rn_writer *writer, const struct rn_record *record, struct rn_err *err)
{
    struct rn_text big;
    size_t hole;
    assert(writer->in_segment && record->kind == writer->kind);
    assert(record->kind == RN_WEIGHTS || record->kind == RN_BATCHES || record->label < writer->classes);
    writer->buffer.length = 0;
    writer->records++;
    if (rn_record_pack_around(record, &writer->buffer, &big, &hole, err) || emit(writer, writer->buffer.data, hole, err) ||
        emit(writer, big.data, big.length, err) ||
        emit(writer, writer->buffer.data + hole, writer->buffer.length - hole, err))
        return -1;
    return 0;
}

int rn_writer_tail(struct rn_writer *writer, struct rn_err *err)
{
    char bytes[8];
    struct rn_pack pack = { &writer->buffer, err, 0 };
    uint64_t hash = XXH3_64bits_digest(writer->hash);
    assert(writer->in_segment);
    writer->in_segment = false;
    writer->buffer.length = 0;
    for (int i = 0; i < 8; i++)
        bytes[i] = (char)(hash >> (56 - 8 * i));
    rn_pack_map(&pack, 3);
    rn_pack_key(&pack, "rn");
    rn_pack_key(&pack, "end");
    rn_pack_key(&pack, "records");
    rn_pack_uint(&pack, writer->records);
    rn_pack_key(&pack, "xxh3");
    rn_pack_bin(&pack, (struct rn_text){ bytes, sizeof bytes });
    return pack.rc ? -1 : rn_out_write(writer->out, writer->buffer.data, writer->buffer.length, err);
}

int rn_writer_flush(struct rn_writer *writer, struct rn_err *err)
{
    return rn_out_flush(writer->out, err);
}

static void free_writer(struct rn_writer *writer)
{
    rn_buffer_free(&writer->buffer);
    XXH3_freeState(writer->hash);
    free(writer);
}

int rn_writer_close(struct rn_writer *writer, struct rn_err *err)
{
    if (!writer)
        return 0;
    assert(!writer->in_segment);
    int rc = rn_out_commit(writer->out, err);
    free_writer(writer);
    return rc;
}

void rn_writer_discard(struct rn_writer *writer)
{
    if (!writer)
        return;
    rn_out_discard(writer->out);
    free_writer(writer);
}
