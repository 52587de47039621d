/* blocks.h -- blocks of memory, which all ranks have alike. */
#ifndef RN_DEVICE_RANKS_BLOCKS_H
#define RN_DEVICE_RANKS_BLOCKS_H

#include "device/ranks/ranks.h"

/* The block that this address is in; origin: it is rank 0's address. NULL: none. */
struct rn_ranks_block *rn_ranks_block_of(const struct rn_ranks *r, const void *pointer, bool origin);
/* `at` becomes the block's. */
RN_MUST int rn_ranks_block_add(struct rn_ranks *r, void *at, const void *origin, size_t bytes, struct rn_err *err);
void rn_ranks_block_free(struct rn_ranks *r, struct rn_ranks_block *block);
/* Makes block->leaf. */
RN_MUST int rn_ranks_block_leaves(struct rn_ranks *r, struct rn_ranks_block *block, struct rn_err *err);
void rn_ranks_blocks_free(struct rn_ranks *r);

#endif
