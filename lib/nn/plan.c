/* plan.c -- offsets from lifetimes. */
#include "nn/plan.h"

#include <stdlib.h>

#include "core/mem.h"

static int larger_first(const void *a, const void *b)
{
    const struct rn_block *x = *(struct rn_block *const *)a, *y = *(struct rn_block *const *)b;
    if (x->bytes != y->bytes)
        return x->bytes < y->bytes ? 1 : -1;
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b)
{
    const struct rn_block *x = *(struct rn_block *const *)a, *y = *(struct rn_block *const *)b;
    return (x->offset > y->offset) - (x->offset < y->offset);
}

/* The lowest offset at which `block` fits beside the blocks that live with it, which are sorted by offset. */
static size_t lowest_gap(const struct rn_block *block, struct rn_block *const *neighbours, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (neighbours[i]->offset >= at && neighbours[i]->offset - at >= block->bytes)
            break;
        size_t end = neighbours[i]->offset + neighbours[i]->bytes;
        at = end > at ? end : at;
    }
    return at;
}

int rn_plan(struct rn_block *blocks, size_t count, size_t *total, struct rn_err *err)
{
    struct rn_block **order = rn_calloc(2 * count, sizeof *order, err), **neighbours = order + count;
    if (!order)
        return -1;
    for (size_t i = 0; i < count; i++)
        order[i] = &blocks[i];
    qsort(order, count, sizeof *order, larger_first);
    *total = 0;
    for (size_t i = 0; i < count; i++) {
        struct rn_block *block = order[i];
        size_t n = 0;
        block->offset = 0;
        if (block->last < block->first)
            continue;
        for (size_t k = 0; k < i; k++)
            if (order[k]->last >= order[k]->first && order[k]->first <= block->last && block->first <= order[k]->last)
                neighbours[n++] = order[k];
        qsort(neighbours, n, sizeof *neighbours, by_offset);
        block->offset = lowest_gap(block, neighbours, n);
        if (__builtin_add_overflow(block->offset, block->bytes, &(size_t){ 0 })) {
            free(order);
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: the network needs more than there can be");
        }
        *total = block->offset + block->bytes > *total ? block->offset + block->bytes : *total;
    }
    free(order);
    return 0;
}
