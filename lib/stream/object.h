/* object.h -- what msgpack-c unpacked, taken apart: maps by their keys, values with their ranges.
 *
 * Errors are exit 3 and name the key. */
#ifndef RN_STREAM_OBJECT_H
#define RN_STREAM_OBJECT_H

#include <msgpack.h>

#include "core/mem.h"
#include "core/tensor.h"
#include "core/text.h"

/* A key that we look for; value NULL: it is not in the map. */
struct rn_slot {
    const char *key;
    const msgpack_object *value;
};

/* Every key of every map within is a str or bin, and in its map once. */
RN_MUST int rn_object_check(const msgpack_object *object, struct rn_err *err);
/* The value of a str key, NULL when it is not there or object is no map. */
const msgpack_object *rn_object_find(const msgpack_object *object, const char *key);
/* Fills the slots' values from a checked map whose keys are str. Keys without a slot are appended to *extra as packed
 * pairs, counted in *extras; with extra NULL they are errors. */
RN_MUST int rn_object_match(const msgpack_object *object, struct rn_slot *slots, size_t count, struct rn_buffer *extra,
                            size_t *extras, struct rn_err *err);

RN_MUST int rn_slots_there(const struct rn_slot *slots, size_t count, struct rn_err *err); /* all of them */
bool rn_slot_nil(const struct rn_slot *slot);                                             /* absent or nil */
/* Whole numbers in low..high; numpy's scalars count. */
RN_MUST int rn_slot_int(const struct rn_slot *slot, int64_t low, int64_t high, int64_t *value, struct rn_err *err);
RN_MUST int rn_slot_u64(const struct rn_slot *slot, uint64_t *value, struct rn_err *err);
/* Finite; integers and numpy's scalars count. */
RN_MUST int rn_slot_real(const struct rn_slot *slot, double *value, struct rn_err *err);
RN_MUST int rn_slot_reals(const struct rn_slot *slot, double *value, size_t count, struct rn_err *err);
/* str or bin; borrowed, data never NULL. */
RN_MUST int rn_slot_text(const struct rn_slot *slot, struct rn_text *text, struct rn_err *err);
RN_MUST int rn_slot_array(const struct rn_slot *slot, const msgpack_object **items, size_t *count, struct rn_err *err);
/* An array of whole numbers (or, with or_nil, nil, which gives -1), or numpy's array of them. *values grows as needed. */
RN_MUST int rn_slot_ints(const struct rn_slot *slot, int64_t low, int64_t high, bool or_nil, int64_t **values,
                         size_t *capacity, size_t *count, struct rn_err *err);
/* data points into the bytes that were unpacked; its length fits type and shape. */
RN_MUST int rn_slot_tensor(const struct rn_slot *slot, struct rn_tensor *tensor, struct rn_err *err);

#endif
