/* list.h -- which pictures there are below a folder, or in a list of names, and of which class.
 *
 * A folder's pictures: regular files, and links to such, whose names end in .jpg .jpeg .png .webp .tif .tiff or .gif, in
 * any case, in byte order of the path below the folder. Names that begin with a dot are passed over. Links to folders
 * are followed, but not into a folder that they lie in. A link that leads nowhere counts as a picture: whoever opens
 * it says what is wrong with it, so that no photo is lost in silence. */
#ifndef RN_LIST_LIST_H
#define RN_LIST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/err.h"
#include "core/text.h"

struct rn_picture {
    char *path;                        /* how to open it */
    size_t id;                         /* where in path its id begins */
    size_t class_start, class_length;  /* its class's name in path; length 0: it is in no class's folder */
};
/* Owns the paths. Zeroed: empty. */
struct rn_pictures {
    struct rn_picture *item;
    size_t count, capacity;
};
void rn_pictures_free(struct rn_pictures *pictures);

/* Appends the pictures below the folder; the class is the first folder's name below it. whole_id: the id is the path, not
 * what of it is below the folder. Errors: exit 4, naming what could not be read. */
RN_MUST int rn_list_folder(struct rn_pictures *pictures, const char *folder, bool whole_id, struct rn_err *err);

/* Appends the files that a list names, in its order, whatever they are called; the id is the path, the class its parent
 * folder's name. separator: '\n' or '\0'; empty names are passed over. `name` is the list's, for messages. Errors: exit 4
 * for a file that is not there or is a folder. */
RN_MUST int rn_list_named(struct rn_pictures *pictures, FILE *list, int separator, const char *name, struct rn_err *err);

struct rn_text rn_picture_id(const struct rn_picture *picture);
struct rn_text rn_picture_class(const struct rn_picture *picture); /* nil: none */

/* Appends the names of the classes that have pictures, in byte order. */
RN_MUST int rn_list_classes(const struct rn_pictures *pictures, struct rn_texts *classes, struct rn_err *err);

#endif
