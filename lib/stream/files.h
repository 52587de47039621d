/* files.h -- the bytes of files, one file after the other, in one buffer that grows with what has arrived. */
#ifndef RN_STREAM_FILES_H
#define RN_STREAM_FILES_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* Zeroed but for files, count and fd = -1: nothing is open. data[start .. end) has arrived and was not taken. */
struct rn_files {
    char *const *files; /* borrowed; none: standard input */
    size_t count, next;
    int fd;
    const char *name; /* of the open file, for messages */
    uint64_t offset;  /* of data[start] in it */
    char *data;
    size_t start, end, capacity;
    void *lent; /* the block of somebody else's memory that data is, or has outgrown; or NULL */
    const atomic_int *stop; /* or NULL */
};

/* Opens the next file, when the one before was taken whole. 1, 0: there are no more, -1 (exit 4). */
RN_MUST int rn_files_next(struct rn_files *source, struct rn_err *err);
/* Waits for more bytes and appends them. 1, 0: end of the file, -1 (exit 4), or RN_STOPPED. Data may move. missing: so many are
 * known to be wanted, or 0: then not many more are read, which the next owner of data would have to be given. */
RN_MUST int rn_files_fill(struct rn_files *source, size_t missing, struct rn_err *err);
/* At least so much room; what has arrived stays. */
RN_MUST int rn_files_grow(struct rn_files *source, size_t capacity, struct rn_err *err);
void rn_files_take(struct rn_files *source, size_t length);
void rn_files_close(struct rn_files *source);

#endif
