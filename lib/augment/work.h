/* work.h -- records of photos into augmented ones: what rn-augment does.
 *
 * One output segment for each of the input, of images; or, with `folder`, of samples whose files it has written there. Records
 * come out in the order of the input: the original first (`keep`), then recipe by recipe, copy by copy (from 1), with the id
 * ID#recipe.copy and the photo's label, split and unknown keys. The bytes do not depend on the number of threads. */
#ifndef RN_AUGMENT_WORK_H
#define RN_AUGMENT_WORK_H

#include "augment/augment.h"
#include "augment/replay.h"
#include "image/image.h"
#include "stream/stream.h"

struct rn_augment_plan {
    const struct rn_recipe *recipe; /* (recipes); their names differ */
    size_t recipes;
    int64_t copies;             /* of each */
    uint64_t seed;
    int jobs;                   /* threads */
    bool keep;                  /* originals, too: decoded, or (with folder) as they are */
    bool keep_going;            /* what fails becomes an error record; otherwise it is the error */
    bool explain;               /* a key "augment" in each record: an array of {"transform": class, "at": which of the recipe's,
                                   drawn parameters ...} */
    const struct rn_replay *replay; /* NULL, or what was drawn; then the seed counts for nothing */
    const char *folder;         /* NULL, or where FOLDER/class/name-recipe-copy.jpg are written; what is there with the same bytes
                                   stays; one whose name no file can have (rn_file_put) becomes an error record in any case */
    int quality;                /* of JPEG; 0: PNG, name-recipe-copy.png */
    const struct rn_texts *split; /* photos of these splits, and of none, are augmented; the others are left out, or kept as they
                                     are. NULL: all */
    bool check_first;           /* the first photo must be as large as every recipe may want it: else exit 3, or a note */
    struct rn_decode decode;
    const struct rn_tool *tool; /* for the history */
    const void *options;
    void (*progress)(void *context, uint64_t photos); /* NULL, or called after each photo */
    void *progress_context;
};

/* Error records that were made; how many photos of other splits, files that were there already, and files of other bytes that
 * were replaced. */
struct rn_augment_done {
    struct rn_failures failed;
    uint64_t other_splits, there, replaced;
};
/* Reads to the end of the stream. Sets the reader to refuse repeated ids. */
RN_MUST int rn_augment_all(struct rn_reader *reader, struct rn_writer *writer, const struct rn_augment_plan *plan,
                           struct rn_augment_done *done, struct rn_err *err);

/* The file, below a folder, that a photo is written to, less its end "-recipe-copy.jpg": class/name, or name where there is no
 * class (nil). The name is the id without ending, and without the class in front of it; of an id that is not a path below the
 * class only the last part. Exit 3: a class or name that cannot be a file's there. */
RN_MUST int rn_augment_stem(struct rn_buffer *stem, struct rn_text id, struct rn_text class_name, struct rn_err *err);

#endif
