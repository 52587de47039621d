/* score.h -- from predictions to numbers, defined as scikit-learn defines them.
 *
 * A tally takes predictions one by one and keeps sums only, so that its memory does not depend on how many
 * there are; a score is computed from it at the end. C: classes. What would be a division by zero is 0, never
 * NaN. */
#ifndef RN_SCORE_SCORE_H
#define RN_SCORE_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum {
    RN_SCORE_BINS = 15,       /* of the expected calibration error (Guo et al., ICML 2017) */
    RN_SCORE_CLASSES = 10000, /* most of them: the confusion matrix has C * C counts */
};

/* Zeroed: empty. */
struct rn_tally {
    size_t classes, capacity; /* the matrix is (capacity, capacity), of which (classes, classes) is used */
    uint64_t *confusion;  /* rows true, columns predicted */
    uint64_t n, top2;
    double loss; /* sum of -ln p */
    struct {
        uint64_t n, right;
        double confidence; /* sum of the largest probabilities */
    } bin[RN_SCORE_BINS];  /* bin k: confidence in (k/15, (k+1)/15] */
};

/* There are `classes` classes from now on, no fewer than before. Errors: exit 3, more than RN_SCORE_CLASSES. */
RN_MUST int rn_tally_classes(struct rn_tally *tally, size_t classes, struct rn_err *err);
/* One prediction: probs (C), label below C. *right: the largest probability, on a tie the first, is the
 * label's. Errors: exit 3, a probability that is negative or not finite, or a row of zeros; nothing was added
 * then. */
RN_MUST int rn_tally_add(struct rn_tally *tally, const double *probs, size_t label, bool *right,
                         struct rn_err *err);
void rn_tally_free(struct rn_tally *tally);

/* Owns its arrays. */
struct rn_score {
    size_t classes;
    uint64_t n;
    double acc1, acc2;        /* percent; a tie is decided by the order of the classes */
    double acc1_interval[2];  /* percent: Wilson's, 95 % */
    double balanced_accuracy; /* percent: mean recall of the classes that have support */
    double macro_f1;          /* mean over the classes that are true or predicted somewhere */
    double weighted_f1, cohen_kappa, mcc;
    double log_loss; /* natural; rows are divided by their sum, then clipped to double's epsilon */
    double ece;      /* a fraction */
    double *precision, *recall, *f1; /* (C) */
    uint64_t *support;               /* (C) */
};
/* Fills score from what was added. */
RN_MUST int rn_score(struct rn_score *score, const struct rn_tally *tally, struct rn_err *err);
void rn_score_free(struct rn_score *score);

/* An accuracy that somebody else measured, on photos of which nothing else is known. */
struct rn_published {
    double acc1;       /* percent */
    uint64_t n;        /* photos, above 0 */
    double difference; /* ours less theirs, in percentage points */
    double p;          /* two-sided z-test of two proportions: how likely is a difference at least that large if there is none? */
};
/* Fills difference and p. */
void rn_score_published(struct rn_published *published, const struct rn_score *score);

#endif
