/* file.h -- output that is whole or not there, and input whose every error is seen.
 *
 * A regular file is written without a name (where the file system cannot do that: under a temporary name beside it),
 * flushed to the disk, and takes its name when it is complete, so that not even a killed program leaves a rest behind; anything
 * else (/dev/stdout, /dev/full, a FIFO) is written in place. */
#ifndef RN_CORE_FILE_H
#define RN_CORE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/text.h"

struct rn_out;

/* path NULL or "-": standard output. Errors name the path. */
RN_MUST int rn_out_open(struct rn_out **out, const char *path, struct rn_err *err);
/* Appends to a buffer in memory, which is complete after rn_out_flush; to be freed with rn_out_discard. */
RN_MUST int rn_out_memory(struct rn_out **out, struct rn_buffer *to, struct rn_err *err);
/* -1 with RN_EXIT_USAGE when the output is a terminal: for tools whose output is binary. */
RN_MUST int rn_out_binary(const struct rn_out *out, struct rn_err *err);
RN_MUST int rn_out_write(struct rn_out *out, const void *bytes, size_t length, struct rn_err *err);
RN_MUST int rn_out_printf(struct rn_out *out, struct rn_err *err, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Tables are for programs; on a terminal nothing in them is obeyed by it (RN_ESCAPE_TERMINAL). */
RN_MUST int rn_out_escaped(struct rn_out *out, struct rn_text text, enum rn_escape how, struct rn_err *err);
/* Hands what is buffered to the system. */
RN_MUST int rn_out_flush(struct rn_out *out, struct rn_err *err);
/* Flush, and for a regular file fsync, rename, and fsync of its folder; close, all checked. Where only the last fails, the new file
 * is there, whole. Frees out in any case; NULL is allowed. */
RN_MUST int rn_out_commit(struct rn_out *out, struct rn_err *err);
/* Frees out; nothing appears under the final name. NULL is allowed. */
void rn_out_discard(struct rn_out *out);

/* Reads the whole file. Errors: exit 4 with the path; larger than `limit`: exit 3. "where: what" as always. */
RN_MUST int rn_file_read(struct rn_buffer *buffer, const char *path, size_t limit, struct rn_err *err);

/* An unlinked temporary file in $TMPDIR (or /tmp): its descriptor, or -1. */
RN_MUST int rn_file_scratch(struct rn_err *err);
/* What is left to read of fd, in such a file, which is read from its beginning: its descriptor, or -1. */
RN_MUST int rn_file_keep(int fd, struct rn_err *err);
/* Exactly `length` bytes at `offset`, or -1. */
RN_MUST int rn_file_pread(int fd, void *bytes, size_t length, uint64_t offset, struct rn_err *err);
RN_MUST int rn_file_write(int fd, const void *bytes, size_t length, struct rn_err *err);

/* Makes the folder and its parents; one that is there is fine. */
RN_MUST int rn_file_mkdir(const char *path, struct rn_err *err);

/* A path for a name that comes from outside, NUL-terminated in *path: folder/namesuffix, without the name's "." and empty
 * parts. Errors: exit 3 for a name that leads out of the folder, or to no file in it (with "..", absolute, empty, with a NUL). */
RN_MUST int rn_file_below(struct rn_buffer *path, const char *folder, struct rn_text name, const char *suffix, struct rn_err *err);

/* Writes a whole file folder/name, where name is what rn_file_below put behind "folder/"; the folders on the way are made.
 * Complete or not there; `flush`: on the disk before it has its name. Nothing is written or looked for through a link below the
 * folder: one in the way is an error, one of the file's name is replaced. Errors: exit 3 for what is this name's own fault: too
 * long, a link or file where a folder should be, a folder where the file should be; exit 4 for the rest. */
RN_MUST int rn_file_put(const char *folder, const char *name, const void *bytes, size_t length, bool flush, struct rn_err *err);

#endif
