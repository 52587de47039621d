/* batch.h -- records of photos into batches: what rn-batch does. This room joins two below it, stream and image.
 *
 * All segments of the input, samples and images, are one set: the union of their classes in order of appearance, and
 * each step of their histories once, in order of appearance. Unknown head keys are not passed on. A batch's index covers
 * a fixed part of the order (but live): what became an error record is missing from its batch and stands, as a record, before it; a
 * batch of which nothing is left is left out. The bytes do not depend on the number of threads. */
#ifndef RN_BATCH_BATCH_H
#define RN_BATCH_BATCH_H

#include "augment/augment.h"
#include "image/image.h"
#include "stream/stream.h"

/* What evaluation sees of a photo: itself; and mirrored; in all eight turns and mirrorings; its corners and middle; at 6/7 and
 * 8/7 of the size, too. */
enum rn_views { RN_VIEWS_ONE, RN_VIEWS_FLIP, RN_VIEWS_DIHEDRAL, RN_VIEWS_FIVE, RN_VIEWS_SCALES };
enum { RN_VIEWS_MAX = 8 };
size_t rn_views_count(enum rn_views views);

/* How often an epoch takes photos of a class with n of the N photos: n times; N / classes times; in proportion to the root of n.
 * Some are taken again then, others left to other epochs; an epoch is no longer or shorter for it. */
enum rn_balance { RN_BALANCE_NONE, RN_BALANCE_CLASS, RN_BALANCE_SQRT };

/* Pictures of `size` from this epoch on. */
struct rn_growth {
    int64_t size, epoch;
};
/* "160:0,224:10" (sizes and epochs that rise from 0), or "224". Error: exit 2. *growth: owned by the caller. */
RN_MUST int rn_growth_parse(struct rn_growth **growth, size_t *count, const char *text, struct rn_err *err);

struct rn_batch_plan {
    struct rn_input input;
    int64_t batch;             /* photos in a batch */
    int64_t epochs;            /* train: how many; and where to begin: */
    int64_t epoch, index;
    bool drop_last;            /* train: a last batch that is not full is left out */
    uint64_t seed;
    bool in_place;             /* train: records stay in the reader's files, and are read again there */
    char *const *files;        /* ... which are these (0: standard input) */
    size_t file_count;
    struct rn_training training; /* train: what is drawn of each photo; zeroed: rn_training_default */
    const struct rn_recipe *augment; /* train: what is done before to each photo, another draw each epoch; NULL: nothing */
    enum rn_balance balance;
    const struct rn_growth *growth;  /* train: (growths), the last one's size is the input's; NULL: all have that */
    size_t growths;
    double mixup, cutmix;      /* train: each batch is mixed with itself, by one of the two; 0: not by that */
    bool whole;                /* eval: nothing is cut off: a batch ends before a photo of another size */
    enum rn_views views;       /* eval: so many records of the same photos stand for a batch, one after the other */
    bool live;                 /* eval: a batch is written `wait` milliseconds after its first photo has come, however few have */
    int64_t wait;
    int jobs;                  /* threads that decode */
    bool keep_going;           /* a photo that fails becomes an error record; otherwise it is the error */
    struct rn_decode decode;
    const struct rn_tool *tool; /* for the history */
    const void *options;
    /* NULL, or called after each photo: how many are done, of how many (0: nobody knows). */
    void (*progress)(void *context, uint64_t done, uint64_t all);
    void *progress_context;
    /* NULL, or called with each line of what is missing of the sets that the segments are parts of, before the first epoch or at
     * the end of the stream (rn_reader_missing). */
    void (*missing)(void *context, const char *line);
    void *missing_context;
};

/* Both read to the end of the reader's stream and write whole segments (the caller closes the writer). *failed: the photos
 * of which they made error records, and why of the first. Errors: those of reader and writer, and without keep_going a photo's
 * own, with its path (or id). They set the reader to refuse repeated ids. */

/* Evaluation: each photo by rn_image_eval, in the order of arrival, each batch written as soon as its photos are there. A
 * segment with a new class, when the head is written already, begins a new segment of batches with index 0, and so does each part
 * of a set: the batches are that part, too. */
RN_MUST int rn_batch_eval(struct rn_reader *reader, struct rn_writer *writer, const struct rn_batch_plan *plan,
                          struct rn_failures *failed, struct rn_err *err);

/* Training: reads everything first, into an unlinked temporary file or (in_place; exit 2 for what is no regular file) to know where
 * it lies, then a segment an epoch from plan->epoch on (its first batch: plan->index), each in its own order, by rn_image_train. An
 * epoch behind the last: one segment without records. class_counts count photos, not the input's error records (these have their
 * places in the order, though). */
RN_MUST int rn_batch_train(struct rn_reader *reader, struct rn_writer *writer, const struct rn_batch_plan *plan,
                           struct rn_failures *failed, struct rn_err *err);

#endif
