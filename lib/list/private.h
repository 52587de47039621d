/* private.h -- what the files of this room share. */
#ifndef RN_LIST_PRIVATE_H
#define RN_LIST_PRIVATE_H

#include "list/list.h"

/* ---- endings.c ---- */

struct rn_ending {
    const char *ending; /* ".jpg" */
    const char *advice; /* what to do, because nobody here reads such files; NULL: the decoder knows */
};
const struct rn_ending *rn_ending_of(const char *name); /* NULL: it is no picture's */
/* "path: DNG: ...", to be freed; NULL: no memory. */
char *rn_ending_error(const struct rn_ending *ending, const char *path, struct rn_err *err);

bool rn_list_is_junk(const char *folder);
/* Counts what is passed over: as `what`; a file by its ending; a folder by its name, or (NULL) as a link in a circle. */
void rn_list_pass(struct rn_pictures *pictures, const char *what);
void rn_list_pass_file(struct rn_pictures *pictures, const char *name, bool regular);
void rn_list_pass_folder(struct rn_pictures *pictures, const char *name);

/* ---- layout.c ---- */

/* train, val or test, of a folder's name; NULL: none of them. */
const char *rn_list_split_of(struct rn_text folder);
/* Pictures from `first` on, of one listed folder and with the first folder below it as class: *layout as of rn_list_folder. */
RN_MUST int rn_list_split(struct rn_pictures *pictures, size_t first, enum rn_list_layout *layout, struct rn_err *err);

#endif
