/* sets.c -- disjoint sets. The smaller index is always the parent, so that a set is called by its smallest member. */
#include "core/sets.h"

#include <stdlib.h>

#include "core/mem.h"

int rn_sets_init(struct rn_sets *sets, size_t n, struct rn_err *err)
{
    if (!(sets->parent = rn_calloc(n, sizeof *sets->parent, err)))
        return -1;
    for (size_t i = 0; i < n; i++)
        sets->parent[i] = i;
    sets->count = n;
    return 0;
}

size_t rn_sets_find(struct rn_sets *sets, size_t i)
{
    while (sets->parent[i] != i)
        i = sets->parent[i] = sets->parent[sets->parent[i]];
    return i;
}

void rn_sets_join(struct rn_sets *sets, size_t i, size_t j)
{
    i = rn_sets_find(sets, i);
    j = rn_sets_find(sets, j);
    sets->parent[i > j ? i : j] = i < j ? i : j;
}

void rn_sets_free(struct rn_sets *sets)
{
    free(sets->parent);
    *sets = (struct rn_sets){ 0 };
}
