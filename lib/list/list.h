/* list.h -- which pictures there are below a folder, or in a list of names, of which class, and of which split.
 *
 * A folder's pictures: regular files, and links to such, whose names have a picture's ending (rn_list_endings), in any case,
 * in byte order of the path below the folder. Names that begin with a dot are passed over, and so are the folders that storage
 * systems keep to themselves (@eaDir, #recycle, $RECYCLE.BIN, System Volume Information ...). Links to folders are followed,
 * but not into a folder that they lie in. A link that leads nowhere counts as a picture: whoever opens it says what is wrong
 * with it. What cannot be a photo here, though its ending is a picture's (a camera's raw file), and a folder that cannot be
 * read, is in the list with an error; what is passed over is counted: no photo is lost in silence. */
#ifndef RN_LIST_LIST_H
#define RN_LIST_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "core/err.h"
#include "core/text.h"

struct rn_picture {
    char *path;                        /* how to open it */
    size_t id;                         /* where in path its id begins */
    size_t class_start, class_length;  /* its class's name in path; length 0: it is in no class's folder */
    const char *split;                 /* train, val or test; NULL: none */
    char *error;                       /* why there will be no photo; NULL: nothing is known against it */
    bool unread;                       /* with an error: no picture, but what could not be looked into */
};

/* FLAT: the first folder below the listed one is the class. SPLITS: the first is the split, in one of its usual names (train
 * training, val valid validation, test testing, in any case), the second the class. AUTO: SPLITS where each picture lies below a
 * folder of such a name and one at least in a folder below that. */
enum rn_list_layout { RN_LAYOUT_AUTO, RN_LAYOUT_FLAT, RN_LAYOUT_SPLITS };

/* Owns the paths and errors. Zeroed: empty. */
struct rn_pictures {
    struct rn_picture *item;
    size_t count, capacity;
    struct rn_passed {
        char what[32]; /* ".txt", "hidden", "@eaDir/" */
        size_t count;
    } passed[64];
    size_t kinds;          /* of them */
    struct rn_texts empty; /* class folders without a picture, as paths */
};
void rn_pictures_free(struct rn_pictures *pictures);

/* Appends the pictures below the folder. whole_id: the id is the path, not what of it is below the folder. *layout: in, what is
 * wanted; out, FLAT or SPLITS. Errors: exit 4, naming the folder, when it cannot be read; exit 3 for SPLITS and a picture below a
 * folder of another name. */
RN_MUST int rn_list_folder(struct rn_pictures *pictures, const char *folder, bool whole_id, enum rn_list_layout *layout,
                           struct rn_err *err);

/* Appends one file, whatever it is called; the id is the path, the class its parent folder's name. Not there, or a folder: exit 4;
 * or, with `forgive`, a picture with an error. A camera's raw file has one in any case. */
RN_MUST int rn_list_file(struct rn_pictures *pictures, const char *path, bool forgive, struct rn_err *err);

/* Appends what could not be looked into, for the reason in errno: a picture with that error, and of no class. */
RN_MUST int rn_list_unread(struct rn_pictures *pictures, const char *path, struct rn_err *err);

/* Whether a path would be listed in a folder, by its name and its folders' names; else it is counted among what is passed over. */
bool rn_list_is_picture(struct rn_pictures *pictures, const char *path);

/* The next name of a list: 1, and NUL-terminated in *line (of getdelim; freed by the caller), or 0 at the end. separator: '\n'
 * (then a \r before it, and a byte order mark before the name, are no part of it) or '\0'; empty names are passed over. */
RN_MUST int rn_list_next(FILE *list, int separator, char **line, size_t *capacity, struct rn_err *err);

void rn_picture_free(struct rn_picture *picture);
struct rn_text rn_picture_id(const struct rn_picture *picture);
struct rn_text rn_picture_class(const struct rn_picture *picture); /* nil: none */

/* Appends the names of the classes that have pictures, in byte order. */
RN_MUST int rn_list_classes(const struct rn_pictures *pictures, struct rn_texts *classes, struct rn_err *err);
/* label[i] = index of picture i's class in classes, or -1. */
RN_MUST int rn_list_labels(const struct rn_pictures *pictures, const struct rn_texts *classes, int64_t *label, struct rn_err *err);

/* ---- archives ---- */

/* A picture in a tar archive: as if it lay in a folder, unless members beside it say more: KEY.cls (the index or the name of its
 * class) and KEY.json (tar/sample.h), where KEY is the name up to the first point of its last part. */
struct rn_packed {
    struct rn_text name;              /* the member's */
    struct rn_text id, class_name;    /* class_name nil: none */
    struct rn_text split;             /* nil: none */
    struct rn_text data;              /* the file's bytes; none in a scan */
    struct rn_text error;             /* why there are none; nil: there are */
    bool told;                        /* what the class is, if any, was said, not guessed by the folder */
};
struct rn_archive {
    int fd; /* borrowed */
    const char *name;
    enum rn_list_layout layout;       /* FLAT or SPLITS */
    const struct rn_texts *classes;   /* by which an index is a name; without any it is a name itself */
    struct rn_pictures *others;       /* counts what is passed over; NULL: nobody does */
};
/* Calls each(context, picture, err) for the pictures in the archive's order; what it is given is borrowed for the call. Errors:
 * those of the archive (tar/tar.h), and those of `each`. */
RN_MUST int rn_archive_read(const struct rn_archive *archive,
                            int (*each)(void *context, const struct rn_packed *picture, struct rn_err *err),
                            void *context, struct rn_err *err);

/* The classes of archives, by a reading of each. Zeroed: none. */
struct rn_archive_scan {
    struct rn_texts flat, splits; /* as with either layout */
    bool any, folders, deep;      /* a picture; all lie in folders named as a split; one in a folder below */
};
RN_MUST int rn_archive_scan(struct rn_archive_scan *scan, const struct rn_archive *archive, struct rn_err *err);
/* The classes in order: by number where all names are numbers, else in byte order; of the layout, which AUTO finds. */
RN_MUST int rn_archive_classes(struct rn_archive_scan *scan, enum rn_list_layout *layout, struct rn_texts *classes,
                               struct rn_err *err);
void rn_archive_scan_free(struct rn_archive_scan *scan);

/* "12 .txt, 3 .mp4, 1 hidden": what was passed over, the most frequent first; appended, nothing when there was nothing. */
RN_MUST int rn_list_passed(struct rn_pictures *pictures, struct rn_buffer *text, struct rn_err *err);

#endif
