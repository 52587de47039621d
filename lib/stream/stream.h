/* stream.h -- rn streams: read and written. The format is in FORMAT.md, beside this file.
 *
 * A stream is one or more segments: a head, records, a tail. The reader refuses (exit 3, naming file, record and
 * byte offset) whatever is damaged: cut, altered, of a wrong shape, too deep, too large. No size that a stream
 * claims is believed before its bytes have arrived. */
#ifndef RN_STREAM_STREAM_H
#define RN_STREAM_STREAM_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"
#include "core/opt.h"
#include "core/tensor.h"
#include "core/text.h"
#include "stream/part.h"

enum rn_kind { RN_SAMPLES, RN_IMAGES, RN_BATCHES, RN_PREDICTIONS, RN_WEIGHTS, RN_KINDS };
const char *rn_kind_name(enum rn_kind kind); /* "samples" */
#define RN_KIND_BIT(kind) (1u << (kind))

/* XXH3-64: the `who` of rn_rng, and of sets of ids. */
uint64_t rn_hash64(struct rn_text bytes);

/* ---- heads ---- */

/* How pixels become numbers: resize the shorter side to `resize` (eval), crop `size` x `size`, then
 * (pixel / 255 - mean) / std for each of R, G, B. */
struct rn_input {
    int64_t size, resize;
    double mean[3], std[3];
};
extern const struct rn_input rn_input_default; /* 224, 256, ImageNet's mean and deviation */
bool rn_input_equal(const struct rn_input *a, const struct rn_input *b, bool with_resize);
/* "size 224, resize 256, mean ..., std ..." in room, which it returns. */
const char *rn_input_describe(const struct rn_input *input, char room[static 256]);

struct rn_step {
    struct rn_text tool, version;
    struct rn_texts args;
};
struct rn_history {
    struct rn_step *step;
    size_t count, capacity;
};

enum rn_mode { RN_EVAL, RN_TRAIN };

#define RN_TEMPERATURE_LEAST 0.01
#define RN_TEMPERATURE_MOST 100.0

enum { RN_NIL = -1 }; /* a label or a number that is nil or absent */

/* What a training run counts besides its place. Zeroed at its start, but for best. */
struct rn_training_state {
    int64_t updates;     /* of the weights */
    int64_t accumulated; /* batches in the gradient that no update has used yet */
    double best;         /* of what --best names, where has_best */
    bool has_best;
    int64_t since_best;  /* whole epochs */
    int64_t plateau;     /* whole epochs since the best or the last cut of the learning rate */
    int64_t cuts;        /* of the learning rate */
    bool has_teacher;
    uint64_t teacher;    /* which predictions taught (nn/teacher.h) */
};

/* Owns everything in it (texts included). Zeroed is valid and freeable; use rn_head_init for a head to be written. */
struct rn_head {
    enum rn_kind kind;
    struct rn_texts classes;
    struct rn_history history;
    struct rn_buffer extra; /* keys that we do not know, as packed pairs; `extras` of them */
    size_t extras;
    struct rn_part_of part_of; /* which part of which set it is; zeroed: nobody knows of one */

    /* batches and weights */
    bool has_input;
    struct rn_input input;
    /* batches: of this segment. predictions: of the train batches that were looked at. weights: with batch_index, the place of the
     * next batch; RN_NIL: no checkpoint */
    int64_t epoch;

    /* batches */
    enum rn_mode mode;
    int64_t batch, epochs; /* RN_NIL: nil */
    /* ... and, of the stream that was trained on, in checkpoints; RN_NIL, false: not known */
    int64_t batches_per_epoch;
    bool has_listing;
    uint64_t listing; /* which photos, of which classes, in whatever order: see rn_listing_add */
    bool has_seed; /* predictions: also */
    uint64_t seed;
    int64_t *class_counts; /* one a class; NULL: nil */
    int64_t views;         /* so many pictures of each id, in as many records; RN_NIL: one */
    bool soft;             /* records have targets */
    bool any_size;         /* pictures may have any height and width, one in a record */
    struct rn_text layer;  /* records have features, what this layer makes of pictures, instead of them; nil: pictures */
    uint64_t network;      /* ... which network's (rn_net_print) */

    /* weights: arch and attention are nil in an import without a network */
    struct rn_text arch, attention; /* NUL-terminated */
    double temperature; /* logits are divided by it before they become probabilities; 0: not calibrated, which is as 1 */
    /* ... and in checkpoints (epoch not RN_NIL) */
    int64_t batch_index;
    double best_acc1; /* percent; -1: none yet */
    double loss_sum;  /* partial: sums over the photos of the broken epoch */
    int64_t correct, seen;
    bool has_batches;               /* of the stream that was trained on: */
    uint64_t batches_seed;
    int64_t batches_batch, batches_epochs;
    struct rn_history batches_history;
    struct rn_texts options; /* of the training: "--lr=0.0002" */
    struct rn_text cpu;      /* RN_CPU; nil: unknown */
    struct rn_text choices;  /* of the device, by trying (rn_device_class.choices), NUL-terminated; nil: none */
    bool has_state;          /* what only some options need: */
    struct rn_training_state state;
};
void rn_head_init(struct rn_head *head, enum rn_kind kind);
void rn_head_free(struct rn_head *head);
/* What the run of a checkpoint had for an option, "--freeze=", which lasts as long as the head; NULL: that is not known. */
const char *rn_head_option(const struct rn_head *head, const char *option);
/* Appends tool, version and the options that say what, to the history; `operands`: operands that are not files (KEY=VALUE
 * of rn-pick), or NULL. */
RN_MUST int rn_head_sign(struct rn_head *head, const struct rn_tool *tool, const void *options,
                         const struct rn_texts *operands, struct rn_err *err);
/* Adds a photo to the listing (0: none), by its id and its class's name (empty: no label). */
RN_MUST int rn_listing_add(uint64_t *listing, struct rn_text id, struct rn_text class_name, struct rn_err *err);
/* Replaces to's classes, history, part and unknown keys by copies of from's. */
RN_MUST int rn_head_inherit(struct rn_head *to, const struct rn_head *from, struct rn_err *err);
/* A copy of the whole head; `to` is zeroed before. */
RN_MUST int rn_head_copy(struct rn_head *to, const struct rn_head *from, struct rn_err *err);
RN_MUST int rn_history_copy(struct rn_history *to, const struct rn_history *from, struct rn_err *err); /* appends */
void rn_history_free(struct rn_history *history);

/* ---- records ---- */

/* RN_EMA: the moving average of a parameter or buffer, which comes after all of those. RN_GRADIENT: of batches that no update has
 * used yet. */
enum rn_role { RN_PARAMETER, RN_BUFFER, RN_MOMENTUM, RN_SECOND_MOMENT, RN_GRADIENT, RN_EMA, RN_ROLES };
const char *rn_role_name(enum rn_role role);

/* One record of any kind. What does not belong to its kind is zero. Everything is borrowed: from the reader, until
 * its next record; or from whoever fills a record to write it. */
struct rn_record {
    enum rn_kind kind;
    struct rn_text id;     /* all but batches and weights */
    int64_t label;         /* index of a class, or RN_NIL */
    struct rn_text split;  /* data NULL: nil */
    struct rn_text error;  /* data not NULL: an error record, and only id, label, split are set besides */
    struct rn_text path;   /* samples: a file ... */
    struct rn_text data;   /* ... or the file's own bytes */
    struct rn_text from_path; /* ... which were this file's: for messages. Its data is NULL when nobody knows */
    struct rn_tensor tensor; /* images `image` u8 or f32 [H,W,3]; batches `images` u8 [N,H,W,3] or f32 [N,3,H,W]; predictions
                                `probs` f32 [C]; weights `value`; an import may hold any type */
    int64_t epoch, index;  /* batches */
    size_t count;          /* batches: N */
    bool features;         /* batches: tensor is `features` f32 [N,C,H,W] */
    struct rn_tensor targets; /* batches of a soft head: f32 [N,C], shares of the classes, each row of sum 1; else data NULL */
    const struct rn_text *ids;
    const int64_t *labels;
    struct rn_text name;   /* weights */
    enum rn_role role;
    struct rn_text extra;  /* unknown keys as packed pairs, `extras` of them: passed on by rn_writer_record */
    size_t extras;
};

/* ---- reader ---- */

struct rn_reader;
/* Reads the files one after the other as one stream; no files, or "-": standard input. `files` is borrowed.
 * Errors: exit 4 for a file that cannot be opened (each is opened when its turn comes; the first at once). */
RN_MUST int rn_reader_open(struct rn_reader **reader, char *const *files, size_t count, struct rn_err *err);
void rn_reader_close(struct rn_reader *reader); /* NULL is allowed */
/* Gives up the room for records; the record read last is gone, the head stays. */
void rn_reader_shrink(struct rn_reader *reader);
/* Repeated ids of samples, images and predictions are damage from now on (16 bytes of memory a record). */
void rn_reader_unique(struct rn_reader *reader);
/* The segments are joined: a part of a set that is there twice is damage from now on. */
void rn_reader_join(struct rn_reader *reader);
/* At the end of the stream: what is missing of the sets that its segments are parts of, a line each (rn_parts_tell), and, unless
 * NULL, what a segment that joins them all is part of (zeroed before; rn_parts_join). `alone`: to be one
 * part is nothing to tell. */
RN_MUST int rn_reader_missing(const struct rn_reader *reader, bool alone, struct rn_texts *lines, struct rn_part_of *of,
                              struct rn_err *err);
/* While *stop is not 0 (a signal handler or another thread may set it), a read that waits gives up: rn_reader_head and
 * rn_reader_record return RN_STOPPED. */
enum { RN_STOPPED = 2 };
void rn_reader_stop_on(struct rn_reader *reader, const atomic_int *stop);

/* The next segment's head: 1, or 0 at the end of the stream, or -1. A kind that is not in `kinds` (bits) is an error that
 * names both. Records of the segment before that were not read are read and checked first. The head belongs to the
 * reader and lives until the next call of rn_reader_head or rn_reader_close. */
RN_MUST int rn_reader_head(struct rn_reader *reader, unsigned kinds, const struct rn_head **head, struct rn_err *err);
/* The next record of the segment: 1, or 0 at its tail (count and hash have been checked), or -1. */
RN_MUST int rn_reader_record(struct rn_reader *reader, struct rn_record *record, struct rn_err *err);
/* A block of memory that a record is read into, and stays in. Zeroed: none. */
struct rn_berth {
    char *data;
    size_t capacity;
    /* a block of somebody else's memory, not to be freed here: it is data, or became too small, and data is from malloc */
    void *lent;
};
/* So that a large record need not be copied: the block that it lies in becomes *bytes, with its texts that are not in arrays,
 * and its tensor; the reader goes on in what *bytes was. 1; 0: it is small, and all is as it was; -1. */
RN_MUST int rn_reader_exchange(struct rn_reader *reader, struct rn_berth *bytes, struct rn_err *err);
/* The reader's own block, too. It can only be closed then. */
void rn_reader_leave(struct rn_reader *reader, struct rn_berth *bytes);
/* For messages: "FILE: record 12 (byte 3456)" of the record read last, in room. Byte offsets count from the start of FILE. */
const char *rn_reader_where(const struct rn_reader *reader, char room[static 512]);
/* Where the record read last lies: in which of the files (0: the first, or standard input), and its bytes there. */
void rn_reader_span(const struct rn_reader *reader, size_t *file, uint64_t *offset, uint64_t *length);
/* After rn_reader_record gave 0: the tail's count and hash (*hashed false when the writer left it out). */
void rn_reader_tail(const struct rn_reader *reader, uint64_t *records, uint64_t *xxh3, bool *hashed);

/* ---- writer ---- */

struct rn_writer;
/* path NULL or "-": standard output; a terminal is refused (exit 2). Files appear when complete (core/file.h). */
RN_MUST int rn_writer_open(struct rn_writer **writer, const char *path, struct rn_err *err);
/* Canonical bytes: see FORMAT.md. A head, its records, its tail; then another head or close. */
RN_MUST int rn_writer_head(struct rn_writer *writer, const struct rn_head *head, struct rn_err *err);
RN_MUST int rn_writer_record(struct rn_writer *writer, const struct rn_record *record, struct rn_err *err);
RN_MUST int rn_writer_tail(struct rn_writer *writer, struct rn_err *err);
RN_MUST int rn_writer_flush(struct rn_writer *writer, struct rn_err *err);
/* Completes the file. Frees writer in any case; NULL is allowed. */
RN_MUST int rn_writer_close(struct rn_writer *writer, struct rn_err *err);
/* Frees writer without completing: no tail was written, no file appears. NULL is allowed. */
void rn_writer_discard(struct rn_writer *writer);

/* ---- one record as bytes, for spools ---- */

/* The canonical bytes of the record, appended to buffer. */
RN_MUST int rn_record_pack(const struct rn_record *record, struct rn_buffer *buffer, struct rn_err *err);
/* The record in bytes that rn_record_pack made; it borrows from bytes and from *arena, which the caller frees with
 * rn_arena_free when done with the record (one arena may be used again and again; NULL at first). */
struct rn_arena;
RN_MUST int rn_record_unpack(struct rn_record *record, struct rn_text bytes, const struct rn_head *head,
                             struct rn_arena **arena, struct rn_err *err);
void rn_arena_free(struct rn_arena *arena);
/* A copy of a record that borrows from bytes (empty at first, then used again) instead of the reader. */
RN_MUST int rn_record_copy(struct rn_record *to, const struct rn_record *from, struct rn_buffer *bytes, struct rn_err *err);

/* The packed value of a key that we do not know, borrowed from the record; nil (data NULL) where it is absent or nil. Equal
 * values are equal bytes. */
struct rn_text rn_record_field(const struct rn_record *record, const char *key);

/* ---- joining ---- */

/* For tools that join all segments into one: adds head's classes to `classes` (union, in order of appearance) and
 * replaces *map (NULL at first; freed with free()) by a block: (*map)[i] = index in classes of head's class i. */
RN_MUST int rn_classes_join(struct rn_texts *classes, const struct rn_head *head, int64_t **map, struct rn_err *err);
/* Appends those steps of `from` that are not in `to`. */
RN_MUST int rn_history_join(struct rn_history *to, const struct rn_history *from, struct rn_err *err);
/* Classes, history and unknown keys (of two that are the same the first stays). */
RN_MUST int rn_head_join(struct rn_head *to, const struct rn_head *from, int64_t **map, struct rn_err *err);

/* ---- as JSON ---- */

/* Head and record as one JSON object each, appended: the keys of the stream in canonical order, unknown ones too. Tensors
 * are {"type", "shape", "min", "max", "mean"}, and "values" where asked for; other bytes {"bytes": N}; numbers have as few
 * digits as read back the same; what is not finite is null. A prediction has at its end "prediction", the likeliest of `classes`
 * (its head's), and "confidence". */
RN_MUST int rn_head_json(const struct rn_head *head, struct rn_buffer *out, struct rn_err *err);
RN_MUST int rn_record_json(const struct rn_record *record, const struct rn_texts *classes, bool values, struct rn_buffer *out,
                           struct rn_err *err);

#endif
