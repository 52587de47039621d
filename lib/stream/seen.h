/* seen.h -- a set of ids, known by their hashes: two of a million different ids meet once in 37 million such sets. */
#ifndef RN_STREAM_SEEN_H
#define RN_STREAM_SEEN_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Zeroed: empty. Open addressing; at most three quarters of the places are taken, so a record costs 11 to 22 bytes. */
struct rn_seen {
    uint64_t *place; /* 0: free */
    size_t places, count;
};

/* 1: it was not there and is now; 0: it was there; -1: no memory. */
RN_MUST int rn_seen_add(struct rn_seen *seen, uint64_t hash, struct rn_err *err);
void rn_seen_free(struct rn_seen *seen);

#endif
