/* part.h -- a stream that is a part of a larger one knows of which, and which part: whoever joins parts can say what is missing.
 *
 * A set is what was cut: so many records, and a print of their ids and classes in their order. A part is a run of its records.
 * Parts of parts are parts of the same set. */
#ifndef RN_STREAM_PART_H
#define RN_STREAM_PART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

struct rn_record;
struct rn_texts;

struct rn_part {
    int64_t number, of;   /* part 3 of 4; 0, 0: it has no number */
    int64_t first, count; /* records of the set, from 0 */
};
/* Zeroed: nobody knows of a set; else there is a part at least. */
struct rn_part_of {
    uint64_t set;    /* its print */
    int64_t records; /* of the set */
    struct rn_part *part;
    size_t parts, room;
};
void rn_part_free(struct rn_part_of *of);
RN_MUST int rn_part_add(struct rn_part_of *of, struct rn_part part, struct rn_err *err);
RN_MUST int rn_part_copy(struct rn_part_of *to, const struct rn_part_of *from, struct rn_err *err); /* to: zeroed before */
bool rn_part_equal(const struct rn_part_of *a, const struct rn_part_of *b);

/* Adds the next record to a print (0 at first): its id (of batches each, of weights its name) and its class's name. */
RN_MUST int rn_part_print(uint64_t *print, const struct rn_record *record, const struct rn_texts *classes, struct rn_err *err);
/* The I-th of N runs of n records: first <= k < end. I counts from 1. They differ in length by at most one. */
void rn_part_run(uint64_t n, uint64_t i, uint64_t of, uint64_t *first, uint64_t *end);
/* Of a segment of `records` records, which are `from`'s, those from first up to end: which part are they? Where the segment has
 * fewer records than its part (they were filtered), in proportion: such parts, too, make the whole when they are all there. An
 * empty segment's part goes to whoever asks for the `last` run. */
RN_MUST int rn_part_slice(struct rn_part_of *to, const struct rn_part_of *from, uint64_t records, uint64_t first, uint64_t end,
                          bool last, struct rn_err *err);

/* ---- joining ---- */

/* The parts of all segments of a stream so far. Zeroed: none. */
struct rn_parts {
    struct rn_part_of *item; /* a set each */
    size_t count, capacity;
    bool others; /* there was a segment of no set */
};
void rn_parts_free(struct rn_parts *parts);
/* A segment's. `strict`: a part that is there already is an error (exit 3); else it is told at the end. */
RN_MUST int rn_parts_add(struct rn_parts *parts, const struct rn_part_of *of, bool strict, struct rn_err *err);
/* What there is to tell when no more come, a line each in `lines`, none when every set is whole: "part 3 of 4 is missing: records
 * 51 to 75 of 100". */
RN_MUST int rn_parts_tell(const struct rn_parts *parts, struct rn_texts *lines, struct rn_err *err);
/* Whether there is one part alone. */
bool rn_parts_alone(const struct rn_parts *parts);
/* What a segment that joins them all is part of: nothing where they are a whole set, or not of one set alone. */
RN_MUST int rn_parts_join(struct rn_part_of *of, const struct rn_parts *parts, struct rn_err *err);

#endif
