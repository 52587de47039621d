/* calls.h -- what all ranks do at once. */
#ifndef RN_DEVICE_RANKS_CALLS_H
#define RN_DEVICE_RANKS_CALLS_H

#include "device/ranks/ranks.h"

/* Does a call, whose pointers are this rank's; body: what came with it. */
RN_MUST int rn_ranks_do(struct rn_ranks *r, const struct rn_ranks_call *call, const void *body, struct rn_err *err);
/* A rank other than 0 does what rank 0 says until it says no more, and the process ends here, for it is no program of its own.
 * Comes back only where rank 0 is gone. */
RN_MUST int rn_ranks_follow(struct rn_ranks *r, struct rn_err *err);
/* The statistics that norms have moved since a step began: discarded, or as they were. */
void rn_ranks_forget_before(struct rn_ranks *r);
void rn_ranks_bring_back(struct rn_ranks *r);
/* How many images of a batch of n are rank r's. */
size_t rn_ranks_images(const struct rn_ranks *r, size_t rank, size_t n);

#endif
