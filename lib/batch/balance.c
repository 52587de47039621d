/* balance.c -- an epoch in which small classes are seen more often, and large ones less. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"
#include "core/rng.h"

/* A class's share that is not whole. */
struct rest {
    double part;
    size_t class;
};

static int larger_rest(const void *a, const void *b)
{
    const struct rest *x = a, *y = b;
    if (x->part != y->part)
        return x->part < y->part ? 1 : -1;
    return x->class < y->class ? -1 : x->class > y->class;
}

/* quota (classes): sums to the photos there are; rounded down, then up where most is missing. Classes without photos get none. */
static int share_out(int64_t *quota, const int64_t *counts, size_t classes, enum rn_balance balance, struct rn_err *err)
{
    struct rest *rest = rn_calloc(classes, sizeof *rest, err);
    double weights = 0;
    int64_t all = 0, given = 0;
    if (!rest)
        return -1;
    for (size_t i = 0; i < classes; i++) {
        all += counts[i];
        weights += !counts[i] ? 0 : balance == RN_BALANCE_SQRT ? sqrt((double)counts[i]) : 1;
    }
    for (size_t i = 0; i < classes; i++) {
        double weight = !counts[i] ? 0 : balance == RN_BALANCE_SQRT ? sqrt((double)counts[i]) : 1;
        double share = weights > 0 ? (double)all * weight / weights : 0;
        quota[i] = (int64_t)share;
        given += quota[i];
        rest[i] = (struct rest){ counts[i] ? share - floor(share) : -1, i };
    }
    qsort(rest, classes, sizeof *rest, larger_rest);
    for (size_t k = 0; given < all; k = (k + 1) % classes)
        if (rest[k].part >= 0) {
            quota[rest[k].class]++;
            given++;
        }
    free(rest);
    return 0;
}

static int by_draw(const void *a, const void *b)
{
    const struct rn_turn *x = a, *y = b;
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    if (x->entry != y->entry)
        return x->entry < y->entry ? -1 : 1; /* they are in order */
    return x->again < y->again ? -1 : x->again > y->again;
}

int rn_balance_order(struct rn_turn *turn, const struct rn_spool *spool, const int64_t *counts, size_t classes,
                     enum rn_balance balance, uint64_t seed, uint32_t epoch, struct rn_err *err)
{
    int64_t *quota = rn_calloc(2 * classes + 1, sizeof *quota, err), *seen = quota + classes;
    size_t turns = 0;
    if (!quota || share_out(quota, counts, classes, balance, err)) {
        free(quota);
        return -1;
    }
    for (size_t i = 0; i < spool->count; i++) {
        const struct rn_batch_entry *entry = &spool->entry[i];
        int64_t times = 1, k = entry->label;
        if (k != RN_NIL)
            times = quota[k] / counts[k] + (seen[k]++ < quota[k] % counts[k]);
        struct rn_rng rng = rn_rng(seed, RN_FOR_ORDER, entry->who, epoch);
        for (int64_t again = 0; again < times; again++)
            turn[turns++] = (struct rn_turn){ entry, rn_rng_u64(&rng), (uint32_t)again };
    }
    if (turns)
        qsort(turn, turns, sizeof *turn, by_draw);
    free(quota);
    return 0;
}
