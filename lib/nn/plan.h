/* plan.h -- memory is planned once from lifetimes: blocks that never live at the same time share the same bytes. */
#ifndef RN_NN_PLAN_H
#define RN_NN_PLAN_H

#include <stddef.h>

#include "core/err.h"

struct rn_block {
    size_t bytes;
    int first, last; /* the steps in which it lives, both included; last < first: never, it gets no room */
    size_t offset;   /* the answer */
};

/* Fills offsets; *total is the bytes of the arena. Largest first, each at the lowest offset that is free for its whole
 * life: not the optimum (which is NP-hard), but close to the bound for networks. */
RN_MUST int rn_plan(struct rn_block *blocks, size_t count, size_t *total, struct rn_err *err);

#endif
