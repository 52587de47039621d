/* flow.h -- a stream, or what a function makes, read, worked on and taken at once: one thread reads, others work, the caller's
 * takes what is done, in order.
 *
 * What goes through are items: a segment's head, its records, its tail. An item that is ready is handed on at once, whatever is
 * behind it. No more than `ahead` items are read before they are taken, in as many blocks of memory and one, which are used again
 * and again. An error, of the stream or of an item, comes when all items before it have been taken, and of several the first in
 * the order of the stream comes, for any number of threads; of what is behind it nothing is begun any more. */
#ifndef RN_FLOW_FLOW_H
#define RN_FLOW_FLOW_H

#include <stdatomic.h>
#include <time.h>

#include "device/device.h"
#include "stream/stream.h"

enum rn_flow_event { RN_FLOW_HEAD, RN_FLOW_RECORD, RN_FLOW_TAIL };

struct rn_item {
    enum rn_flow_event event;
    const struct rn_head *head; /* of its segment: until the tail's item was taken and the next one asked for */
    struct rn_record record;    /* RN_FLOW_RECORD: it borrows from the item */
    void *job;                  /* plan->size bytes for the user, zeroed or as `clear` left them */
    void *desk;                 /* while it is worked on: plan->desk bytes of the thread that does it, zeroed at first */
    struct rn_buffer bytes;     /* the flow's own: of the record, */
    struct rn_berth berth;      /* ... and what it was read into, if it is large */
    bool exchanged;             /* ... which the record still uses */
    struct rn_head *owned;      /* ... and of a tail: the segment's head */
};

/* What `read` says of a record: leave it out, take it, take it and call me again with the same record in another item. */
enum { RN_FLOW_OMIT, RN_FLOW_TAKE, RN_FLOW_AGAIN };
enum { RN_FLOW_STAGES = 2, RN_FLOW_HALVES = 2 };

struct rn_flow_plan {
    struct rn_reader *reader; /* borrowed; not to be used until rn_flow_close. NULL: `read` makes the items */
    unsigned kinds;           /* of segments, as of rn_reader_head */
    size_t ahead;             /* items; at least 1 */
    size_t size;              /* of a job */
    void *context;            /* of the functions */
    /* Called in the order of the stream, in the reading thread. A head's and a tail's item is taken in any case. -1: the stream
     * ends here with this error. NULL: every record is taken. Without a reader it fills items, records unless it says otherwise,
     * and omits one where there are no more. */
    int (*read)(void *context, struct rn_item *item, struct rn_err *err);
    /* One after the other. In a stage of one thread items come in order, in one of several at once. -1: this item's error. */
    struct rn_flow_stage {
        int threads; /* 0: there is no such stage */
        int (*work)(void *context, struct rn_item *item, struct rn_err *err);
        /* NULL; or, in a stage of one thread, the second half of an item, which is done then: before it the next item's work is
         * called, if that item is there already, so that RN_FLOW_HALVES of them may be under way. */
        int (*finish)(void *context, struct rn_item *item, struct rn_err *err);
    } stage[RN_FLOW_STAGES];
    void (*clear)(void *job); /* frees what the job holds; NULL: nothing. When the item was taken, or at the end */
    size_t desk;
    void (*leave)(void *desk); /* each working thread calls it when it ends; NULL: nothing */
    const atomic_int *stop;   /* NULL, or: while it is not 0 (a signal's handler sets it), a wait for input is given up */
    /* Large records are read into memory that this makes, if it is not NULL, but for the first ones, which are copied there: of
     * at least so many bytes, or NULL: there is no more of it. Both are called by the first stage's thread (it has one), or
     * without a stage by the thread that takes, and by rn_flow_close, after which the reader can only be closed. */
    void *(*lend)(void *lender, size_t bytes);
    void (*take_back)(void *lender, void *memory);
    void *lender;
};
/* The plan's memory is the device's own of the host, where it has such. */
void rn_flow_lend(struct rn_flow_plan *plan, struct rn_device *dev);

struct rn_flow;
/* Copies the plan, and begins. */
RN_MUST int rn_flow_open(struct rn_flow **flow, const struct rn_flow_plan *plan, struct rn_err *err);
/* The next item, which is the caller's until the next call: 1; 0 at the stream's end, -1, or RN_STOPPED. */
RN_MUST int rn_flow_next(struct rn_flow *flow, struct rn_item **item, struct rn_err *err);
/* The same; RN_FLOW_LATE when there is none by `deadline` (of CLOCK_MONOTONIC). */
enum { RN_FLOW_LATE = 3 };
RN_MUST int rn_flow_next_until(struct rn_flow *flow, const struct timespec *deadline, struct rn_item **item, struct rn_err *err);
/* At any time: what is being worked on is ended, the rest dropped. NULL is allowed. */
void rn_flow_close(struct rn_flow *flow);
/* All of it: take gets each item, and the plan's context. */
RN_MUST int rn_flow_run(const struct rn_flow_plan *plan, int (*take)(void *context, struct rn_item *item, struct rn_err *err),
                        struct rn_err *err);

#endif
