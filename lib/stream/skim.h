/* skim.h -- a first look at the bytes of one msgpack object, before any library allocates for them.
 *
 * Refused: nesting deeper than RN_SKIM_DEPTH, more than RN_SKIM_OBJECTS objects, a count or a length that cannot
 * be true within the limit, extension types, the byte c1. The skim stops where the bytes stop and goes on from
 * there when more have come, so that a large record is looked at once. */
#ifndef RN_STREAM_SKIM_H
#define RN_STREAM_SKIM_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* msgpack-c takes 24 bytes for an object, 48 for a pair of a map. */
enum { RN_SKIM_DEPTH = 8, RN_SKIM_OBJECTS = 16000000 };

struct rn_skim {
    size_t limit;   /* most bytes that the object may have */
    size_t length;  /* bytes looked at; when the object is complete: its length */
    size_t payload; /* bytes of the last str, bin or number that are still to come */
    size_t pending; /* objects that must still follow */
    size_t objects; /* objects seen */
    int depth;      /* arrays and maps that are open ... */
    size_t left[RN_SKIM_DEPTH]; /* ... and the objects still to come in each */
};

struct rn_skim rn_skim_start(size_t limit);

/* bytes[0 .. have) is the object from its first byte on, as far as it is there; `have` never shrinks between calls.
 * 1: complete, skim->length bytes. 0: more bytes are needed. -1: refused (exit 3). */
RN_MUST int rn_skim(struct rn_skim *skim, const void *bytes, size_t have, struct rn_err *err);

#endif
