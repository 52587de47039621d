/* slices.h -- a stream cut into N equal runs of records: it is read once to count them, then again to write them. */
#ifndef RN_PICK_SLICES_H
#define RN_PICK_SLICES_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "stream/stream.h"

/* What the first reading found. Zeroed: nothing. */
struct rn_slices {
    struct rn_counted {
        struct rn_head head;
        uint64_t records;
    } *segment;
    size_t segments, capacity;
    uint64_t records; /* of all segments */
    uint64_t print;   /* of them (rn_part_print) */
    bool refine;      /* all segments are parts of sets: what is cut is parts of the same */
};
/* Reads the stream to its end. */
RN_MUST int rn_slices_count(struct rn_slices *slices, struct rn_reader *reader, struct rn_err *err);
void rn_slices_free(struct rn_slices *slices);

/* Of slice I of N, and of one segment that begins with the stream's record `before`: which records of the stream (*first <= k <
 * *end, of this segment), and a copy of the segment's head that says which part it is. */
RN_MUST int rn_slices_segment(const struct rn_slices *slices, size_t segment, uint64_t before, uint64_t i, uint64_t of,
                              uint64_t *first, uint64_t *end, struct rn_head *head, struct rn_err *err);

/* The pattern with the number for its one "%d" or "%06d" ("%%" is %), NUL-terminated in *path. Exit 2:
 * there is none, or another. */
RN_MUST int rn_slices_name(struct rn_buffer *path, const char *pattern, uint64_t number, struct rn_err *err);

#endif
