/* pack.h -- canonical msgpack appended to a buffer: smallest integers and lengths, float64. */
#ifndef RN_STREAM_PACK_H
#define RN_STREAM_PACK_H

#include <msgpack.h>

#include "core/mem.h"
#include "core/text.h"

/* The first failure stays in rc (and err), and nothing is appended after it: check rc once, at the end. */
struct rn_pack {
    struct rn_buffer *buffer;
    struct rn_err *err;
    int rc;
};

void rn_pack_map(struct rn_pack *pack, size_t pairs);
void rn_pack_array(struct rn_pack *pack, size_t count);
void rn_pack_nil(struct rn_pack *pack);
void rn_pack_bool(struct rn_pack *pack, bool value);
void rn_pack_int(struct rn_pack *pack, int64_t value);
void rn_pack_int_or_nil(struct rn_pack *pack, int64_t value); /* negative: nil */
void rn_pack_uint(struct rn_pack *pack, uint64_t value);
void rn_pack_real(struct rn_pack *pack, double value);
void rn_pack_key(struct rn_pack *pack, const char *key);
void rn_pack_text(struct rn_pack *pack, struct rn_text text); /* str when valid UTF-8, else bin; nil */
void rn_pack_bin(struct rn_pack *pack, struct rn_text bytes);
void rn_pack_bin_header(struct rn_pack *pack, size_t length);
void rn_pack_raw(struct rn_pack *pack, const void *bytes, size_t length);
void rn_pack_object(struct rn_pack *pack, const msgpack_object *object); /* canonical, the order of maps is kept */

/* `pairs` packed pairs in `extra`, less those whose key is in `known` (NULL-terminated): how many are left. */
size_t rn_pack_extra_count(struct rn_text extra, size_t pairs, const char *const *known);
void rn_pack_extra(struct rn_pack *pack, struct rn_text extra, size_t pairs, const char *const *known);
/* Appends those of the pairs in `extra` whose key is not among the *joined pairs that are there, and counts them in *joined. */
void rn_pack_extra_join(struct rn_pack *pack, size_t *joined, struct rn_text extra, size_t pairs);

#endif
