/* looks.h -- who scores networks on the same photos again and again chooses the luckiest: a log counts the looks. */
#ifndef RN_SCORE_LOOKS_H
#define RN_SCORE_LOOKS_H

#include <stdint.h>

#include "core/err.h"
#include "core/text.h"

/* Predictions that were scored. */
struct rn_look {
    uint64_t photos;      /* which: the listing of FORMAT.md, of their ids and labels */
    uint64_t predictions; /* which: likewise, of ids and probabilities */
    uint64_t n, errors, right;
    struct rn_text made_by; /* the command that made them; borrowed */
};

/* Appends a line to the log (made with a line of titles where there is none, and locked meanwhile), unless the same predictions of
 * the same photos have one. *count: the lines that the log then has of these photos. time: seconds since 1970.
 * Errors: exit 3: another file than such a log; exit 4. */
RN_MUST int rn_look_log(const char *path, const struct rn_look *look, int64_t time, uint64_t *count, struct rn_err *err);

#endif
