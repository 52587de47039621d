/* private.h -- what the files of this room share. */
#ifndef RN_BATCH_PRIVATE_H
#define RN_BATCH_PRIVATE_H

#include "batch/batch.h"
#include "flow/flow.h"

/* ---- photo.c: one record on its way to pixels ---- */

enum rn_photo_state {
    RN_PHOTO_GOOD,   /* pixels are there, or the record is an error record already */
    RN_PHOTO_FAILED, /* this photo's own failure */
    RN_PHOTO_FATAL,  /* a failure of the system, which keep_going does not pass over */
};

/* Where the spool has a record. */
struct rn_batch_entry {
    uint64_t offset, length; /* of its packed bytes */
    uint64_t who;            /* hash of its id */
    uint64_t draw;           /* of the epoch */
    int64_t label;           /* RN_NIL: none, or an error record */
    uint32_t head;           /* which of the spool's heads is its own */
};

struct rn_photo {
    struct rn_record record; /* train: borrows from bytes and arena. eval: from its item */
    struct rn_buffer bytes;
    struct rn_arena *arena;
    uint8_t *pixels;         /* all views, one behind the other */
    struct rn_seen_size { size_t height, width; } view[RN_VIEWS_MAX];
    size_t views;
    enum rn_photo_state state;
    struct rn_err err;
    uint32_t epoch;
    struct rn_batch_entry entry; /* train: where the spool has it */
    uint32_t again;          /* train: how often the epoch has it already */
    size_t size;             /* train: of its pixels */
    struct rn_joined *news;  /* eval: no photo, but a head: the input's segments joined so far, owned */
};

void rn_photo_clear(void *photo); /* a flow's: frees what it holds, and zeroes it */

struct rn_spool;
struct rn_photo_work {
    const struct rn_batch_plan *plan;
    enum rn_mode mode;
    const struct rn_spool *spool; /* train */
};
/* A flow's work, its context one that begins with a struct rn_photo_work, its desk a struct rn_canvas: the photo's pixels, or state
 * and err. And what its threads do when they end. */
int rn_photo_work(void *work, struct rn_item *item, struct rn_err *err);
void rn_photo_leave(void *canvas);

/* ---- views.c: what evaluation sees of a photo ---- */

RN_MUST int rn_views_make(struct rn_photo *photo, const struct rn_image *x, const struct rn_batch_plan *plan, struct rn_err *err);

/* ---- joined.c: the input's segments as one ---- */

struct rn_joined {
    struct rn_texts classes;
    struct rn_history history;
    struct rn_part_of part_of; /* of the last one */
};
/* At the end of the stream: tells the plan what is missing. */
RN_MUST int rn_joined_missing(const struct rn_reader *reader, const struct rn_batch_plan *plan, struct rn_err *err);
/* Adds a segment's; map as of rn_classes_join. */
RN_MUST int rn_joined_add(struct rn_joined *joined, const struct rn_head *head, int64_t **map, struct rn_err *err);
RN_MUST int rn_joined_copy(struct rn_joined *to, const struct rn_joined *from, struct rn_err *err); /* to: empty */
void rn_joined_free(struct rn_joined *joined);

/* ---- assembly.c: photos into the batches of a segment ---- */

struct rn_assembly {
    struct rn_writer *writer;
    const struct rn_batch_plan *plan;
    struct rn_head head;
    bool open;              /* the head is written */
    int64_t index;          /* of the batch that is being filled */
    int64_t members;        /* of it so far, error records too */
    struct rn_failures failed;
    uint64_t done, all;     /* of all segments, for the progress */
    struct rn_texts ids;    /* of its photos */
    int64_t *labels;
    uint8_t *images[RN_VIEWS_MAX];
    struct rn_seen_size view[RN_VIEWS_MAX]; /* of the batch that is being filled */
    size_t labels_capacity, images_capacity[RN_VIEWS_MAX];
    uint8_t *mixed;         /* train, with mixup or cutmix: what becomes of images[0]; and the classes' shares in each */
    float *targets;
    size_t mixed_capacity, targets_capacity;
};
RN_MUST int rn_assembly_init(struct rn_assembly *assembly, struct rn_writer *writer, const struct rn_batch_plan *plan,
                             enum rn_mode mode, struct rn_err *err);
void rn_assembly_free(struct rn_assembly *assembly);
/* Classes, history and part of the next segment, signed. */
RN_MUST int rn_assembly_inherit(struct rn_assembly *assembly, const struct rn_joined *joined, struct rn_err *err);
/* The next photo in order; the head is written before the first. */
RN_MUST int rn_assembly_add(struct rn_assembly *assembly, const struct rn_photo *photo, struct rn_err *err);
/* What there is of the batch, though it is not full. */
RN_MUST int rn_assembly_send(struct rn_assembly *assembly, struct rn_err *err);
/* What is left of the last batch, and the tail. */
RN_MUST int rn_assembly_close(struct rn_assembly *assembly, struct rn_err *err);

/* ---- mix.c: photos of a batch mixed with each other ---- */

/* Fills mixed and targets, and makes labels the heavier ones. Exit 3: a photo without a label. */
RN_MUST int rn_assembly_mix(struct rn_assembly *assembly, struct rn_err *err);

/* ---- spool.c: all records in a temporary file or where they lie, and an epoch's order ---- */

struct rn_spool {
    int fd;                          /* of the temporary file; -1: none */
    uint64_t written;
    struct rn_buffer waiting;        /* bytes that are to be written after those */
    struct rn_batch_entry *entry;
    size_t count, capacity;
    struct rn_spooled {
        struct rn_head head;         /* what rn_record_unpack wants: with all classes, or in place its segment's */
        int64_t *map;                /* in place: its classes' indices in the whole */
        int fd;                      /* in place: of its file */
        uint64_t start;              /* ... in which its records' offsets count from here */
    } *heads;
    size_t head_count, head_room;
    struct rn_opened { int fd; uint64_t start; const char *name; } *files; /* in place */
    size_t file_count;
    size_t sorted;                   /* entries that are in the epoch's order already; the others follow them */
    size_t *border;                  /* from sorted on, up to the last of these, all come before what lies behind it; and so on */
    size_t borders, border_room;
};
RN_MUST int rn_spool_open(struct rn_spool *spool, struct rn_err *err);
/* Instead: no copy is made. Exit 2 for a file that is none. */
RN_MUST int rn_spool_in_place(struct rn_spool *spool, char *const *files, size_t count, struct rn_err *err);
/* In place, before a segment's records, which lie in this one of the files. map (head's classes): which they are of the whole. */
RN_MUST int rn_spool_segment(struct rn_spool *spool, const struct rn_head *head, const int64_t *map, size_t file,
                             struct rn_err *err);
/* In place: the record lies there. label: of the whole; RN_NIL of an error record. */
RN_MUST int rn_spool_note(struct rn_spool *spool, const struct rn_record *record, int64_t label, uint64_t offset, uint64_t length,
                          struct rn_err *err);
void rn_spool_close(struct rn_spool *spool);
RN_MUST int rn_spool_add(struct rn_spool *spool, const struct rn_record *record, struct rn_err *err);
/* After the last record; from now on records can be read, by any thread. */
RN_MUST int rn_spool_finish(struct rn_spool *spool, const struct rn_texts *classes, struct rn_err *err);
RN_MUST int rn_spool_read(const struct rn_spool *spool, const struct rn_batch_entry *entry, struct rn_record *record,
                          struct rn_buffer *bytes, struct rn_arena **arena, struct rn_err *err);
/* Whose turn it is in an epoch. */
struct rn_turn {
    const struct rn_batch_entry *entry;
    uint64_t draw;
    uint32_t again; /* the how manieth time, from 0 */
};
/* ---- balance.c ---- */

/* turn (spool->count): the epoch's, balanced; after rn_spool_order and rn_spool_until the end. counts: photos of each of the
 * classes. */
RN_MUST int rn_balance_order(struct rn_turn *turn, const struct rn_spool *spool, const int64_t *counts, size_t classes,
                             enum rn_balance balance, uint64_t seed, uint32_t epoch, struct rn_err *err);

/* The order of an epoch: by its draws, equal ones by id. It is made as far as it is asked for: the first entry is there long before
 * the last one. */
RN_MUST int rn_spool_order(struct rn_spool *spool, uint64_t seed, uint32_t epoch, struct rn_err *err);
/* The first `count` entries are in order, and stay where they are. */
RN_MUST int rn_spool_until(struct rn_spool *spool, size_t count, struct rn_err *err);

#endif
