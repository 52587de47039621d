/* sets.h -- which of n things belong together: sets that are joined (Tarjan, "Efficiency of a good but not linear set union
 * algorithm", JACM 1975). What a set is called does not depend on the order of the joins. */
#ifndef RN_CORE_SETS_H
#define RN_CORE_SETS_H

#include <stddef.h>

#include "core/err.h"

/* Zeroed: none. */
struct rn_sets {
    size_t *parent; /* never larger than the index itself */
    size_t count;
};
/* n sets of one thing each. */
RN_MUST int rn_sets_init(struct rn_sets *sets, size_t n, struct rn_err *err);
/* The smallest index in i's set. */
size_t rn_sets_find(struct rn_sets *sets, size_t i);
void rn_sets_join(struct rn_sets *sets, size_t i, size_t j);
void rn_sets_free(struct rn_sets *sets);

#endif
