/* runs.c -- mean, deviation, bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993). */
#include "score/runs.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/rng.h"

static int same_photos(struct rn_answers *run, size_t count, struct rn_err *err)
{
    struct rn_comparison unused;
    for (size_t r = 1; r < count; r++)
        if (rn_answers_compare(&unused, &run[0], &run[r], err))
            return rn_fail_at(err, "runs 1 and %zu", r + 1);
    return 0;
}

static double accuracy(const struct rn_answers *run)
{
    size_t right = 0, answered = 0;
    for (size_t i = 0; i < run->count; i++) {
        answered += !run->item[i].failed;
        right += !run->item[i].failed && run->item[i].right;
    }
    return answered ? 100 * (double)right / (double)answered : 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int rank(const struct rn_answer *answer)
{
    return answer->failed ? 2 : answer->right;
}

/* An order of runs that does not depend on the one that they came in. */
static int by_answers(const void *a, const void *b)
{
    const struct rn_answers *x = a, *y = b;
    for (size_t i = 0; i < x->count; i++) {
        int mine = rank(&x->item[i]), other = rank(&y->item[i]);
        if (mine != other)
            return mine - other;
    }
    return 0;
}

/* One draw: runs, then photos; how many of each is in times. */
static double draw(const struct rn_answers *run, size_t count, uint32_t number, size_t *times, struct rn_rng *rng)
{
    size_t photos = run[0].count, right = 0, answered = 0;
    *rng = rn_rng(0, RN_FOR_BOOTSTRAP, 0, number);
    memset(times, 0, (count + photos) * sizeof *times);
    for (size_t r = 0; r < count; r++)
        times[rn_rng_below(rng, count)]++;
    for (size_t i = 0; i < photos; i++)
        times[count + rn_rng_below(rng, photos)]++;
    for (size_t r = 0; r < count; r++)
        for (size_t i = 0; i < photos && times[r]; i++) {
            const struct rn_answer *answer = &run[r].item[i];
            size_t weight = answer->failed ? 0 : times[r] * times[count + i];
            answered += weight;
            right += answer->right ? weight : 0;
        }
    return answered ? 100 * (double)right / (double)answered : 0;
}

/* Between the two values that are next to it. */
static double percentile(const double *sorted, size_t n, double share)
{
    double at = share * (double)(n - 1), below = floor(at);
    size_t i = (size_t)below;
    return i + 1 < n ? sorted[i] + (at - below) * (sorted[i + 1] - sorted[i]) : sorted[i];
}

static int bootstrap(struct rn_runs *runs, const struct rn_answers *run, struct rn_err *err)
{
    struct rn_rng rng;
    size_t *times = rn_calloc(runs->count + run[0].count, sizeof *times, err);
    double *value = times ? rn_calloc(RN_RUNS_DRAWS, sizeof *value, err) : NULL;
    for (uint32_t i = 0; i < RN_RUNS_DRAWS && value; i++)
        value[i] = draw(run, runs->count, i, times, &rng);
    if (value) {
        qsort(value, RN_RUNS_DRAWS, sizeof *value, by_size);
        runs->interval[0] = percentile(value, RN_RUNS_DRAWS, 0.025);
        runs->interval[1] = percentile(value, RN_RUNS_DRAWS, 0.975);
    }
    int rc = value ? 0 : -1;
    free(times);
    free(value);
    return rc;
}

int rn_runs_summarise(struct rn_runs *runs, struct rn_answers *run, size_t count, struct rn_err *err)
{
    double squares = 0;
    *runs = (struct rn_runs){ .count = count };
    if (same_photos(run, count, err) || !(runs->acc1 = rn_calloc(count, sizeof *runs->acc1, err)))
        return -1;
    for (size_t r = 0; r < count; r++)
        runs->mean += (runs->acc1[r] = accuracy(&run[r])) / (double)count;
    for (size_t r = 0; r < count; r++)
        squares += (runs->acc1[r] - runs->mean) * (runs->acc1[r] - runs->mean);
    runs->deviation = sqrt(squares / (double)(count - 1));
    qsort(run, count, sizeof *run, by_answers);
    return bootstrap(runs, run, err);
}

void rn_runs_free(struct rn_runs *runs)
{
    free(runs->acc1);
    *runs = (struct rn_runs){ 0 };
}
