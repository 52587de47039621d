/* compare.h -- two programs answered the same questions: is one of them better, or only luckier? */
#ifndef RN_SCORE_COMPARE_H
#define RN_SCORE_COMPARE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/text.h"

struct rn_answer {
    char *id; /* owned; id_length bytes */
    size_t id_length;
    size_t label; /* of a failed answer: not looked at */
    bool right, failed;
};

/* Zeroed: empty. */
struct rn_answers {
    struct rn_answer *item;
    size_t count, capacity;
};
/* answer.id is ignored and replaced by a copy of `id`. */
RN_MUST int rn_answers_add(struct rn_answers *answers, struct rn_text id, struct rn_answer answer,
                           struct rn_err *err);
void rn_answers_free(struct rn_answers *answers);

struct rn_comparison {
    uint64_t pairs; /* answered by both */
    uint64_t b, c;  /* right only in the first; right only in the second */
    double p;       /* McNemar's exact test, two-sided */
    double acc1;    /* percent, of the second: filled by who knows it */
};
/* Sorts both by id and compares them pair by pair, leaving out the pairs of which one failed. Ids are taken to
 * be unique. Errors: exit 3, naming an id that only one of them has, or whose labels differ. */
RN_MUST int rn_answers_compare(struct rn_comparison *comparison, struct rn_answers *first,
                               struct rn_answers *second, struct rn_err *err);

/* McNemar's exact test: how likely is a split of the discordant pairs at least as uneven as b : c, if each side
 * were as likely as the other? 1 when there are none. */
double rn_mcnemar(uint64_t b, uint64_t c);

#endif
