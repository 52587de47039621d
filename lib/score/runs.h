/* runs.h -- several runs that answered the same photos: how good is such a run, and how sure is that? */
#ifndef RN_SCORE_RUNS_H
#define RN_SCORE_RUNS_H

#include "score/compare.h"

/* Owns acc1. */
struct rn_runs {
    size_t count;
    double *acc1;       /* (count) percent, of the photos that did not fail */
    double mean;        /* percent */
    double deviation;   /* percentage points; of a sample: divided by count - 1 */
    double interval[2]; /* percent: 95 %, of the mean */
};
/* From two runs or more; sorts them by id. The interval is of a two-level bootstrap: RN_RUNS_DRAWS times, as many runs and as many
 * photos are drawn with replacement, the same photos for all runs; it ends at the 2.5th and 97.5th percentile of their accuracy.
 * The same runs, in any order, give the same numbers. Errors: exit 3, naming an id that not all have, or whose labels differ. */
enum { RN_RUNS_DRAWS = 10000 };
RN_MUST int rn_runs_summarise(struct rn_runs *runs, struct rn_answers *run, size_t count, struct rn_err *err);
void rn_runs_free(struct rn_runs *runs);

#endif
