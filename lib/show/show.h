/* show.h -- streams as people and scripts read them. (JSON is in stream/stream.h.) */
#ifndef RN_SHOW_SHOW_H
#define RN_SHOW_SHOW_H

#include <stdbool.h>

#include "core/file.h"
#include "stream/stream.h"

/* For people: lines "# ..." for head and tail, a line a record, its parts separated by tabs, "-" for what is not there.
 * Control characters and bytes that are not UTF-8 are shown as \xHH. */
RN_MUST int rn_show_head(struct rn_out *out, const struct rn_head *head, struct rn_err *err);
RN_MUST int rn_show_record(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err);
RN_MUST int rn_show_tail(struct rn_out *out, uint64_t records, uint64_t xxh3, bool hashed, struct rn_err *err);

/* Those lines in columns, the first `limit` of a segment's records under a line of names; the tail says how many are shown.
 * Cells longer than 60 characters are cut short, the last excepted. Zeroed but for limit: none yet. */
struct rn_columns {
    size_t limit, shown;
    struct rn_buffer lines; /* of rn_show_record, until the columns' widths are known */
    bool printed;
};
RN_MUST int rn_columns_head(struct rn_columns *columns, struct rn_out *out, const struct rn_head *head, struct rn_err *err);
RN_MUST int rn_columns_record(struct rn_columns *columns, struct rn_out *out, const struct rn_head *head,
                              const struct rn_record *record, struct rn_err *err);
RN_MUST int rn_columns_tail(struct rn_columns *columns, struct rn_out *out, uint64_t records, uint64_t xxh3, bool hashed,
                            struct rn_err *err);
void rn_columns_free(struct rn_columns *columns);

/* TSV: a header line when the first segment begins and whenever the columns change, a line a record. The table of
 * predictions is that of rn-predict --tsv. Zeroed: nothing was written. */
struct rn_table {
    bool begun;
    enum rn_kind kind;
    struct rn_texts classes; /* that are columns */
};
RN_MUST int rn_table_head(struct rn_table *table, struct rn_out *out, const struct rn_head *head, struct rn_err *err);
RN_MUST int rn_table_record(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, struct rn_err *err);
void rn_table_free(struct rn_table *table);

/* Predictions for programs, a line each: id, label, the likeliest class and its probability, then the probability of each class or
 * (top) of the likeliest, that many. TSV and CSV: a line of names first; of an error record "error: " and the reason instead of a
 * class. JSON: an object a line, probabilities by the class's name; an error record has the key error. Less likely than `least`:
 * the class is "unsure". Records of predictions with f32 probs, at least one class. */
struct rn_verdicts {
    enum { RN_VERDICTS_TSV, RN_VERDICTS_CSV, RN_VERDICTS_JSON } form;
    size_t top; /* 0: all classes, in the head's order */
    double least;
    struct rn_ranked {
        float chance;
        size_t index;
    } *ranked;
    size_t capacity;
};
RN_MUST int rn_verdicts_head(const struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes, struct rn_err *err);
RN_MUST int rn_verdicts_record(struct rn_verdicts *v, struct rn_out *out, const struct rn_texts *classes,
                               const struct rn_record *record, struct rn_err *err);
void rn_verdicts_free(struct rn_verdicts *v);

/* The key of the tensor in a kind's records; NULL: they have none. */
const char *rn_show_tensor_key(enum rn_kind kind);
/* A tensor as a .npy file, version 1.0 (numpy.lib.format). */
RN_MUST int rn_show_npy(struct rn_out *out, const struct rn_tensor *tensor, struct rn_err *err);

/* How many pictures a record counts for (an error record: the one that is missing), and picture i of them as a PNG file; numbers
 * that are normalised are taken back with the head's mean and deviation. Exit 3: there are no pixels, or no mean and deviation. */
size_t rn_show_pictures(const struct rn_record *record);
struct rn_show_picture {
    const uint8_t *pixels; /* (h,w,3): the record's, or own */
    uint8_t *own;          /* to be freed; NULL: none */
    size_t h, w;
};
RN_MUST int rn_show_picture(struct rn_show_picture *picture, const struct rn_head *head, const struct rn_record *record, size_t i,
                            struct rn_err *err);
/* A PNG file of pixels (h,w,3). Exit 3: too large for one. */
RN_MUST int rn_show_write_png(struct rn_out *out, const uint8_t *pixels, size_t h, size_t w, struct rn_err *err);
RN_MUST int rn_show_png(struct rn_out *out, const struct rn_head *head, const struct rn_record *record, size_t i,
                        struct rn_err *err);

/* Pictures in rows, as one PNG file, in the order in which they come: each in the middle of a cell, all cells as large as the
 * largest picture needs; words: the ids below them, without folders. An error record is an empty cell. Zeroed but for columns and
 * words: none. */
struct rn_sheet {
    size_t columns;
    bool words;
    struct rn_sheet_cell {
        size_t offset, h, w; /* its pixels; h 0: an error record */
        struct rn_text id;   /* owned */
    } *cell;
    size_t count, capacity;
    struct rn_buffer pixels;
};
RN_MUST int rn_sheet_record(struct rn_sheet *sheet, const struct rn_head *head, const struct rn_record *record, struct rn_err *err);
/* Exit 3: there was no picture, or they are too many for one file. */
RN_MUST int rn_sheet_write(const struct rn_sheet *sheet, struct rn_out *out, struct rn_err *err);
void rn_sheet_free(struct rn_sheet *sheet);

/* "shape" of a tensor as "16,224,224,3" in room, which it returns. */
const char *rn_show_shape(const struct rn_tensor *tensor, char room[static 256]);

/* A line for each layer of a network: name, what it does, and of one image its output (channels, height, width); the shapes of
 * its parameters and how many numbers they are; its floating point operations and the bytes of its output. tsv: a table; else
 * aligned, and then lines that begin with "# ": sums, and the peak memory of rn-train and rn-predict with its parts. Of images
 * of the head's size (none: 224). Error (exit 3): the head names no network. */
struct rn_show_layers {
    bool tsv;
    size_t batch;   /* for the memory; 0: the checkpoint's, or 16 */
    size_t program; /* bytes that a tool takes with the CPU device open and nothing else */
    /* rn-train's options, where they are more memory; NULL: the checkpoint's own, or none */
    const char *optimizer, *teacher;
    const double *ema;
};
RN_MUST int rn_show_layers(struct rn_out *out, const struct rn_head *head, size_t classes, const struct rn_show_layers *how,
                           struct rn_err *err);

#endif
