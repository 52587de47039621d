/* replay.h -- what rn-augment --explain wrote, done again: the same transforms with the same numbers, on
 * the same photo or another. */
#ifndef RN_AUGMENT_REPLAY_H
#define RN_AUGMENT_REPLAY_H

#include "augment/augment.h"

struct rn_replay; /* some 30 bytes a record, and its key "augment" */
/* Reads a stream of images or samples. Errors: exit 3, no record has the key; those of the reader. */
RN_MUST int rn_replay_open(struct rn_replay **replay, const char *path, struct rn_err *err);
void rn_replay_close(struct rn_replay *replay); /* NULL is allowed */
/* Does to the canvas what the record of this id (ID#recipe.copy) says was done. trace as of rn_recipe_run. Exit 3: there is no such
 * record; it is an error record, whose text is the error; what it says does not fit the recipe or the picture. */
RN_MUST int rn_replay_run(const struct rn_replay *replay, const struct rn_recipe *recipe, struct rn_canvas *canvas,
                          struct rn_text id, struct rn_trace *trace, struct rn_err *err);

#endif
