/* shards.h -- samples into tar archives, as WebDataset's readers take them: one, or shards of a largest size. */
#ifndef RN_PICK_SHARDS_H
#define RN_PICK_SHARDS_H

#include <stdint.h>

#include "core/err.h"
#include "stream/stream.h"
#include "tar/sample.h"

/* Zeroed but for the first two: nothing is open. */
struct rn_shards {
    const char *path; /* NULL: standard output; with a most a pattern of rn_slices_name, whose numbers are from 1 */
    uint64_t most;    /* bytes of a shard, but that it has one sample at least; 0: all go into one */
    struct rn_tar_writer *tar;
    struct rn_tar_members members;
    struct rn_texts classes; /* of all segments, in order of appearance: what their indices count */
    int64_t *map;            /* of the last head's */
    uint64_t number, size;   /* of the shard that is open */
};
RN_MUST int rn_shards_open(struct rn_shards *shards, struct rn_err *err);
/* Before a segment's samples. */
RN_MUST int rn_shards_head(struct rn_shards *shards, const struct rn_head *head, struct rn_err *err);
/* A sample with its data. */
RN_MUST int rn_shards_add(struct rn_shards *shards, const struct rn_head *head, const struct rn_record *record, struct rn_err *err);
/* Completes the shard that is open. */
RN_MUST int rn_shards_close(struct rn_shards *shards, struct rn_err *err);
void rn_shards_free(struct rn_shards *shards); /* no file appears of one that is open */

#endif
