/* tar.h -- tar archives, by libarchive: its reader of tar alone, in any of tar's dialects, perhaps compressed (gzip, bzip2, xz,
 * zstd, lz4); no other format and no other program is asked. What an archive says is believed of no member: names that lead
 * elsewhere, links, devices, sparse files are named as what they are, and sizes are limits before they are memory. */
#ifndef RN_TAR_TAR_H
#define RN_TAR_TAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/file.h"
#include "core/mem.h"
#include "core/text.h"

/* Whether a file's name ends as that of an archive: .tar, .tgz, .tar.gz, .tar.zst ... */
bool rn_tar_is_named(const char *path);

/* ---- reading ---- */

struct rn_tar;
struct rn_member {
    struct rn_text name; /* borrowed until the next one; without "." and empty parts */
    int64_t size;
    const char *why; /* what it is instead of a file of its own below here: "a link"; NULL: such a file */
};
/* fd: borrowed; a regular file's offset moves. name: for messages. */
RN_MUST int rn_tar_open(struct rn_tar **tar, int fd, const char *name, struct rn_err *err);
/* The next member that is no folder: 1, 0 at the archive's end, -1. Exit 3: no archive, damage, an archive that ends without its
 * end, one that grows too much when it is expanded. */
RN_MUST int rn_tar_next(struct rn_tar *tar, struct rn_member *member, struct rn_err *err);
/* The member's bytes, replacing *bytes. Its size is at most what the caller wants to have in memory. */
RN_MUST int rn_tar_read(struct rn_tar *tar, struct rn_buffer *bytes, struct rn_err *err);
void rn_tar_close(struct rn_tar *tar); /* NULL is allowed */

/* ---- writing: equal members are equal bytes ---- */

struct rn_tar_writer;
/* Takes out, even on failure. */
RN_MUST int rn_tar_create(struct rn_tar_writer **writer, struct rn_out *out, struct rn_err *err);
RN_MUST int rn_tar_add(struct rn_tar_writer *writer, struct rn_text name, struct rn_text bytes, struct rn_err *err);
/* What members of such sizes take in the archive. */
uint64_t rn_tar_size(size_t length);
/* Completes archive and file. Frees writer in any case. */
RN_MUST int rn_tar_finish(struct rn_tar_writer *writer, struct rn_err *err);
void rn_tar_discard(struct rn_tar_writer *writer); /* no file appears; NULL is allowed */

#endif
