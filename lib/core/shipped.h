/* shipped.h -- files that come with the program and are called by name: recipes, networks. They lie in a folder of the program's
 * data: where it is installed ../share/recyclenet, in a build the link share, relative to its own file. */
#ifndef RN_CORE_SHIPPED_H
#define RN_CORE_SHIPPED_H

#include "core/err.h"
#include "core/mem.h"

struct rn_shipped {
    const char *what;   /* "recipe": for messages */
    const char *folder; /* "recipes" */
    const char *ending; /* ".json" */
};

/* *path: folder/NAMEending, NUL-terminated. Exit 2: there is none (the message names those that there are). */
RN_MUST int rn_shipped_find(struct rn_buffer *path, const struct rn_shipped *kind, const char *name, struct rn_err *err);

/* *path: the file that is meant where a network is asked for, NUL-terminated. A name with a slash or a point, -, or that of a file
 * that is there, is that file; another is a network's that comes with the program, models/NAME.rn. Exit 4: it is neither. */
RN_MUST int rn_shipped_model(struct rn_buffer *path, const char *name, struct rn_err *err);
/* *name: the network that is meant where none is named (what the file models/default says), or its file, where something else of
 * that name is there. Exit 2: none came with the program. */
RN_MUST int rn_shipped_default(struct rn_buffer *name, struct rn_err *err);

#endif
