/* codec.h -- heads and records to and from msgpack; what reader and writer stand on. */
#ifndef RN_STREAM_CODEC_H
#define RN_STREAM_CODEC_H

#include <msgpack.h>

#include "stream/stream.h"

/* A NUL-terminated copy, freed with free(); nil stays nil. */
RN_MUST int rn_head_own_text(struct rn_text *to, struct rn_text from, struct rn_err *err);
/* Appends a step, to whose args the caller may add. */
RN_MUST int rn_history_add(struct rn_history *history, struct rn_text tool, struct rn_text version, struct rn_step **step,
                           struct rn_err *err);

enum { RN_HEAD_KEYS = 24, RN_RECORD_KEYS = 8 }; /* room for the keys of any kind, and a NULL */

/* The keys of a kind's heads, in the order in which they are written (history comes last), then NULL. */
extern const char *const rn_head_keys[RN_KINDS][RN_HEAD_KEYS];
/* The same for its records; all of them are required but for a sample's path and data, of which it has one. */
extern const char *const rn_record_keys[RN_KINDS][RN_RECORD_KEYS];
extern const char *const rn_error_keys[];

RN_MUST int rn_head_pack(const struct rn_head *head, struct rn_buffer *buffer, struct rn_err *err);
/* From a checked object. On success head was initialised and filled; on failure it is freed. */
RN_MUST int rn_head_unpack(struct rn_head *head, const msgpack_object *object, struct rn_err *err);

/* Appends the record without its one big block (pixels, weights, a file's bytes), which belongs at buffer->data + hole.
 * hole counts from the start of the buffer; big->data NULL: there is none. */
RN_MUST int rn_record_pack_around(const struct rn_record *record, struct rn_buffer *buffer, struct rn_text *big,
                                  size_t *hole, struct rn_err *err);

/* Memory that a record borrows from, besides the bytes that it was unpacked from. Zeroed: empty. */
struct rn_arena {
    msgpack_unpacked unpacked;
    struct rn_text *ids;
    int64_t *labels;
    size_t ids_capacity, labels_capacity;
    struct rn_buffer extra;
};
/* One whole object that rn_skim has passed, with all keys checked. It lives until the next call with this arena. */
RN_MUST int rn_arena_unpack(struct rn_arena *arena, const void *bytes, size_t length, struct rn_err *err);
void rn_arena_clear(struct rn_arena *arena); /* frees what it holds */

/* A record of the head's stream from the object that was unpacked into the arena. */
RN_MUST int rn_record_decode(struct rn_record *record, const struct rn_head *head, struct rn_arena *arena, struct rn_err *err);

#endif
