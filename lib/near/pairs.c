/* pairs.c -- every print beside every other. */
#include <stdlib.h>

#include "core/threads.h"
#include "near/near.h"

enum { ROWS = 64 }; /* of a thread's turn: the more, the fewer lists */

struct search {
    const struct rn_prints *prints;
    int distance;
    struct rn_pairs *found; /* one for each turn */
    struct rn_err *err;     /* likewise */
};

static int row(const struct search *s, size_t a, struct rn_pairs *found, struct rn_err *err)
{
    const struct rn_print *item = s->prints->item;
    for (size_t b = a + 1; item[a].valid && b < s->prints->count; b++) {
        int turn = 0, bits = item[b].valid ? rn_print_distance(&item[a], &item[b], &turn) : 64;
        if (bits > s->distance)
            continue;
        double alike = rn_print_alike(&item[a], &item[b], turn);
        if (alike < RN_NEAR_ALIKE)
            continue;
        if (rn_grow(&found->item, &found->capacity, found->count + 1, sizeof *found->item, err))
            return -1;
        found->item[found->count++] = (struct rn_pair){ a, b, bits, turn, alike };
    }
    return 0;
}

static void work(void *context, size_t i, int thread)
{
    struct search *s = context;
    (void)thread;
    for (size_t a = i * ROWS; a < (i + 1) * ROWS && a < s->prints->count; a++)
        if (row(s, a, &s->found[i], &s->err[i]))
            return;
}

int rn_pairs_find(struct rn_pairs *pairs, const struct rn_prints *prints, int distance, int jobs, struct rn_err *err)
{
    size_t turns = (prints->count + ROWS - 1) / ROWS;
    struct rn_pool *pool = NULL;
    struct search s = { prints, distance, rn_calloc(turns, sizeof *s.found, err), rn_calloc(turns, sizeof *s.err, err) };
    int rc = s.found && s.err && rn_pool_new(&pool, jobs, err) == 0 ? 0 : -1;
    if (rc == 0)
        rn_pool_for(pool, turns, work, &s);
    for (size_t i = 0; rc == 0 && i < turns; i++) {
        if (s.err[i].exit) {
            *err = s.err[i];
            rc = -1;
        } else if ((rc = rn_grow(&pairs->item, &pairs->capacity, pairs->count + s.found[i].count, sizeof *pairs->item, err)) == 0) {
            for (size_t k = 0; k < s.found[i].count; k++)
                pairs->item[pairs->count++] = s.found[i].item[k];
        }
    }
    for (size_t i = 0; s.found && i < turns; i++)
        free(s.found[i].item);
    free(s.found);
    free(s.err);
    rn_pool_free(pool);
    return rc;
}

void rn_pairs_free(struct rn_pairs *pairs)
{
    free(pairs->item);
    *pairs = (struct rn_pairs){ 0 };
}
