/* stash.h -- bytes put aside and read again: in memory while they are few, then in an unlinked temporary file. */
#ifndef RN_CORE_STASH_H
#define RN_CORE_STASH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

/* Zeroed: empty. */
struct rn_stash {
    struct rn_buffer recent; /* what is not in the file */
    uint64_t written;        /* bytes in the file */
    bool has_file;
    int fd;
};
/* *offset: where the bytes can be read again. */
RN_MUST int rn_stash_add(struct rn_stash *stash, struct rn_text bytes, uint64_t *offset, struct rn_err *err);
/* bytes: borrowed from the stash or from room, until the next call with either. */
RN_MUST int rn_stash_read(const struct rn_stash *stash, uint64_t offset, size_t length, struct rn_buffer *room,
                          struct rn_text *bytes, struct rn_err *err);
void rn_stash_free(struct rn_stash *stash);

#endif
