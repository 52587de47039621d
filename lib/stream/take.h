/* take.h -- packed values, taken one after the other from the front of a text: a record's unknown keys without msgpack-c.
 *
 * What is there is whole and well formed, as a record's are. Where the next value is something else, nothing is taken: false. */
#ifndef RN_STREAM_TAKE_H
#define RN_STREAM_TAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "core/text.h"

struct rn_text rn_take(struct rn_text *packed); /* whatever it is, still packed */
bool rn_take_array(struct rn_text *packed, size_t *count);
bool rn_take_map(struct rn_text *packed, size_t *pairs);
bool rn_take_text(struct rn_text *packed, struct rn_text *text); /* str or bin; borrowed, data never NULL */
bool rn_take_real(struct rn_text *packed, double *value);        /* or a whole number */
/* The value of a key in a packed map; false: no map, or it has no such key. */
bool rn_take_key(struct rn_text map, const char *key, struct rn_text *value);

#endif
