/* split.h -- how many of which class go where, and which ones. Whole numbers only; what comes out depends on the ids and
 * the seed, never on the order of the input. */
#ifndef RN_SPLIT_SPLIT_H
#define RN_SPLIT_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/sets.h"
#include "core/text.h"

/* "70/13/17": three whole numbers that sum to 100. Error: exit 2. */
RN_MUST int rn_split_parse_shares(unsigned share[3], const char *text, struct rn_err *err);
/* totals(parts) of n by shares(parts) in percent, which sum to 100: floor(n * share / 100), the last gets the rest. */
void rn_split_by_shares(size_t *totals, size_t n, const unsigned *share, size_t parts);
/* totals(parts) of n, within one of each other, the larger ones first. */
void rn_split_evenly(size_t *totals, size_t n, size_t parts);

/* cells(groups,parts): how many of each group go to each part. Its margins are exactly size(groups) and total(parts), which
 * have the same sum n, below 2^32; each cell is its quota size * total / n, rounded down or up, up where the remainder is
 * large. Such a table always exists (it is an integral flow near a fractional one). */
RN_MUST int rn_split_table(size_t *cells, const size_t *size, size_t groups, const size_t *total, size_t parts,
                           struct rn_err *err);

/* One that is to be split; group below `groups`. */
struct rn_split_member {
    struct rn_text id;
    size_t group;
    size_t part;   /* the answer */
    uint64_t draw; /* used inside */
};
/* Turns labels (indices of classes, or RN_NIL) that stand in `group` into groups: these are numbered by the classes' names,
 * not as the classes happen to stand, and the unlabelled are the last one: classes->count + 1 groups. */
RN_MUST int rn_split_group(struct rn_split_member *member, size_t members, const struct rn_texts *classes,
                           struct rn_err *err);
/* Fills `part`: within each group the members are ordered by a Philox draw of (seed, id), then by id, and the first cells
 * go to the first part, and so on. */
RN_MUST int rn_split_draw(struct rn_split_member *member, size_t members, size_t groups, const size_t *total, size_t parts,
                          uint64_t seed, struct rn_err *err);
/* The same, but no set is torn apart; copies (copy[i]; NULL: there are none) count nothing and follow their set, in which one is no
 * copy. total sums to the members that are no copies. First the sets that count for two or more, the larger ones (by
 * powers of two) before the smaller ones, then by the draw: each goes where, by chi square, it disturbs the table least. The
 * rest of the table is filled as above; its margins are off by as much as sets do not fit them. */
RN_MUST int rn_split_draw_sets(struct rn_split_member *member, size_t members, size_t groups, const size_t *total, size_t parts,
                               uint64_t seed, struct rn_sets *sets, const bool *copy, struct rn_err *err);

/* The id of the photo that an id is an augmented copy of, as rn-augment makes them: what is left of PHOTO#recipe.copy, of copies
 * of copies too. Any other id is its own photo. */
struct rn_text rn_split_photo(struct rn_text id);
/* Joins copies that rn-augment made with their photo and with each other: those called PHOTO#recipe.copy, and files that it wrote
 * as NAME-recipe-copy.jpg (NAME with its ending where two photos have it without). Such a file's photo is one with NAME in its
 * folder, or else at the same place below its class, or else anywhere in its class; when there is none, the names of the recipes
 * that come with the program are believed. label[i]: a class, or RN_NIL. copy[i] becomes true for all of a set but its photos;
 * where these are not there, but its first id. */
RN_MUST int rn_split_join_copies(struct rn_sets *sets, bool *copy, const struct rn_text *id, const int64_t *label, size_t count,
                                 const struct rn_texts *classes, struct rn_err *err);

/* A published list: lines "NAME NUMBER", the number counting from 1 in the published order of classes. */
struct rn_listed {
    struct rn_text name;  /* a file's name, owned by the set */
    size_t number;        /* of the class, from 0 */
    size_t part;          /* index in the set's parts */
    struct rn_text file;  /* where it is listed, owned by the set */
    size_t line;          /* there, from 1 */
    bool used;
    struct rn_text other; /* a sample of this name has another class: that one (borrowed), or nil */
};
/* Zeroed: empty. */
struct rn_lists {
    struct rn_texts parts; /* names of splits */
    struct rn_texts names, files;
    struct rn_listed *item;
    size_t count, capacity;
};
extern const char *const rn_split_published[]; /* names of classes, in the published order; NULL at the end */
/* Adds a list's lines to the split `part`. A UTF-8 byte order mark and the \r of line ends are no part of names. Errors: exit 3,
 * naming file and line; exit 4. */
RN_MUST int rn_lists_read(struct rn_lists *lists, struct rn_text part, const char *path, struct rn_err *err);
/* After the last list. Error (exit 3): a name that is there twice. */
RN_MUST int rn_lists_ready(struct rn_lists *lists, struct rn_err *err);
/* The split of a sample (its name is what follows the id's last slash; label nil: any class), nil: it is in no list. Error
 * (exit 3): two samples for one listed name. label must live as long as the lists. */
RN_MUST int rn_lists_find(struct rn_lists *lists, struct rn_text id, struct rn_text label, struct rn_text *part,
                          struct rn_err *err);
/* After the last sample. Error (exit 3): a listed name that no sample has, or only one of another class. */
RN_MUST int rn_lists_used_up(const struct rn_lists *lists, struct rn_err *err);
void rn_lists_free(struct rn_lists *lists);

#endif
