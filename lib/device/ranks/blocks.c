/* blocks.c -- blocks of memory, which all ranks have alike. */
#include "device/ranks/blocks.h"

#include <stdlib.h>
#include <string.h>

struct rn_ranks_block *rn_ranks_block_of(const struct rn_ranks *r, const void *pointer, bool origin)
{
    const char *wanted = pointer;
    for (size_t i = 0; i < r->blocks; i++) {
        const char *at = origin ? r->block[i].origin : r->block[i].at;
        if (wanted >= at && wanted < at + r->block[i].bytes)
            return &r->block[i];
    }
    return NULL;
}

int rn_ranks_block_add(struct rn_ranks *r, void *at, const void *origin, size_t bytes, struct rn_err *err)
{
    if (rn_grow(&r->block, &r->block_capacity, r->blocks + 1, sizeof *r->block, err))
        return -1;
    r->block[r->blocks++] = (struct rn_ranks_block){ .at = at, .origin = origin, .bytes = bytes };
    return 0;
}

static void free_leaves(struct rn_ranks *r, struct rn_ranks_block *block)
{
    for (size_t l = 0; block->leaf && l < r->own; l++)
        r->inner->class->free(r->inner, block->leaf[l]);
    free(block->leaf);
}

void rn_ranks_block_free(struct rn_ranks *r, struct rn_ranks_block *block)
{
    free_leaves(r, block);
    r->inner->class->free(r->inner, block->at);
    *block = r->block[--r->blocks];
}

int rn_ranks_block_leaves(struct rn_ranks *r, struct rn_ranks_block *block, struct rn_err *err)
{
    if (block->leaf)
        return 0;
    block->leaf = rn_calloc(r->own, sizeof *block->leaf, err);
    for (size_t l = 0; block->leaf && l < r->own; l++)
        if (!(block->leaf[l] = r->inner->class->alloc(r->inner, block->bytes, err))) {
            free_leaves(r, block);
            block->leaf = NULL;
        }
    return block->leaf ? 0 : -1;
}

void rn_ranks_blocks_free(struct rn_ranks *r)
{
    while (r->blocks)
        rn_ranks_block_free(r, &r->block[0]);
    free(r->block);
}
