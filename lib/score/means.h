/* means.h -- means of probabilities by id: of several views of a photo, of several networks. */
#ifndef RN_SCORE_MEANS_H
#define RN_SCORE_MEANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/text.h"

struct rn_mean {
    struct rn_text id; /* owned */
    int64_t label;     /* -1: none */
    size_t count;      /* of rows so far */
    bool failed;       /* one of them was an error record's */
    double *sum;       /* (length), owned; classes behind are 0 */
    size_t length;
};
/* In the order in which their ids came first. Zeroed: empty. */
struct rn_means {
    struct rn_mean *item;
    size_t count, capacity;
    size_t *place; /* by hash of the id: 1 more than the index; 0: free */
    size_t places;
};
/* Adds a row (classes) to its id's; probs NULL: an error record's. *mean lives until the next call. Rows are added in the order of
 * the calls, so that the sum depends on that alone. Errors: exit 3, another label than the id's before, or what is no
 * probability. */
RN_MUST int rn_means_add(struct rn_means *means, struct rn_text id, int64_t label, const double *probs, size_t classes,
                         struct rn_mean **mean, struct rn_err *err);
/* NULL: no row of it has come. */
const struct rn_mean *rn_means_find(const struct rn_means *means, struct rn_text id);
/* The mean of class k so far. */
double rn_mean_probability(const struct rn_mean *mean, size_t k);
void rn_means_free(struct rn_means *means); /* empty again */

#endif
