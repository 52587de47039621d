/* jobs.c -- what all ranks do together, asked for in the same order by each: bytes that all get, and sums. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/ranks/private.h"
#include "device/ranks/tree.h"

struct rn_ranks_job {
    struct rn_ranks_job *next;
    enum { SHARE, SUM } kind;
    enum { NEW, FIRST, BETWEEN, SECOND, DONE } stage;
    void *all; /* SHARE */
    size_t each;
    float *total, *part; /* SUM */
    size_t count;
    float *room; /* each rank's slice that is ours, then the whole sum */
    int *lengths; /* slices of the sum: lengths, places; and what we get of each rank */
    MPI_Request request;
};

static bool begin_share(struct rn_ranks_comm *comm, struct rn_ranks_job *job)
{
    return rn_ranks_good(comm, MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, job->all, (int)job->each, MPI_BYTE,
                                              comm->on[RN_RANKS_SHARES], &job->request),
                "a collection");
}

/* Each rank adds its slice of the numbers. */
static bool begin_sum(struct rn_ranks_comm *comm, struct rn_ranks_job *job)
{
    size_t size = comm->size, slice = (job->count + size - 1) / size;
    struct rn_err err;
    job->lengths = rn_calloc(4 * size, sizeof *job->lengths, &err);
    job->room = job->lengths ? rn_alloc_aligned(slice * size + job->count, sizeof *job->room, &err) : NULL;
    if (!job->room) {
        rn_ranks_comm_fail(comm, "%s", err.text);
        return false;
    }
    int *lengths = job->lengths, *places = lengths + size, *in = places + size, *in_places = in + size;
    for (size_t r = 0; r < size; r++) {
        size_t from = r * slice < job->count ? r * slice : job->count, left = job->count - from;
        lengths[r] = (int)(left < slice ? left : slice);
        places[r] = (int)from;
    }
    for (size_t r = 0; r < size; r++) {
        in[r] = lengths[comm->rank];
        in_places[r] = (int)(r * slice);
    }
    return rn_ranks_good(comm, MPI_Ialltoallv(job->part, lengths, places, MPI_FLOAT, job->room, in, in_places, MPI_FLOAT,
                                              comm->on[RN_RANKS_SLICES],
                                     &job->request), "a sum");
}

static bool go_on_with_sum(struct rn_ranks_comm *comm, struct rn_ranks_job *job)
{
    size_t size = comm->size, slice = (job->count + size - 1) / size;
    float *row[RN_RANKS_MOST];
    int *lengths = job->lengths;
    for (size_t r = 0; r < size; r++)
        row[r] = job->room + r * slice;
    rn_ranks_add_floats(row, size, 0, (size_t)lengths[comm->rank]);
    return rn_ranks_good(comm, MPI_Iallgatherv(job->room, lengths[comm->rank], MPI_FLOAT, job->room + slice * size, lengths,
                                               lengths + size, MPI_FLOAT,
                                      comm->on[RN_RANKS_SUMS], &job->request), "a sum");
}

static void end_sum(const struct rn_ranks_comm *comm, struct rn_ranks_job *job)
{
    size_t slice = (job->count + comm->size - 1) / comm->size;
    const float *sum = job->room + slice * comm->size;
    for (size_t i = 0; i < job->count; i++)
        job->total[i] += sum[i];
    memset(job->part, 0, job->count * sizeof *job->part);
    free(job->room);
    free(job->lengths);
}

/* A step further, where it can be done. earlier: all sums before it have begun their second stage, which must be begun in order. */
static bool move(struct rn_ranks_comm *comm, struct rn_ranks_job *job, bool earlier)
{
    int done = 0;
    switch (job->stage) {
    case NEW:
        job->stage = FIRST;
        return (job->kind == SHARE ? begin_share : begin_sum)(comm, job);
    case FIRST:
    case SECOND:
        if (!rn_ranks_good(comm, MPI_Test(&job->request, &done, MPI_STATUS_IGNORE),
                           job->kind == SHARE ? "a collection" : "a sum") || !done)
            return false;
        if (job->kind == SUM && job->stage == SECOND)
            end_sum(comm, job);
        job->stage = job->kind == SUM && job->stage == FIRST ? BETWEEN : DONE;
        return true;
    case BETWEEN:
        if (!earlier)
            return false;
        job->stage = SECOND;
        return go_on_with_sum(comm, job);
    case DONE:
        break;
    }
    return false;
}

bool rn_ranks_do_jobs(struct rn_ranks_comm *comm)
{
    bool moved = false, earlier = true, done = false;
    pthread_mutex_lock(&comm->lock);
    for (struct rn_ranks_job *job = comm->jobs; job && !comm->failed; job = job->next) {
        pthread_mutex_unlock(&comm->lock);
        moved = move(comm, job, earlier) || moved;
        earlier = earlier && (job->kind == SHARE || job->stage >= SECOND);
        done = done || job->stage == DONE;
        pthread_mutex_lock(&comm->lock);
    }
    pthread_mutex_unlock(&comm->lock);
    if (!done)
        return moved;
    pthread_mutex_lock(&comm->lock);
    for (struct rn_ranks_job **at = &comm->jobs, *job; (job = *at);) {
        if (job->stage != DONE) {
            at = &job->next;
            continue;
        }
        *at = job->next;
        if (job->kind == SUM)
            free(job);
        else
            job->next = job; /* its owner waits for this */
    }
    comm->last_job = &comm->jobs;
    while (*comm->last_job)
        comm->last_job = &(*comm->last_job)->next;
    pthread_cond_broadcast(&comm->change);
    pthread_mutex_unlock(&comm->lock);
    return moved;
}

bool rn_ranks_job_waits(const struct rn_ranks_comm *comm)
{
    return comm->jobs && !comm->failed && comm->jobs->stage == NEW;
}

/* ---- what others ask ---- */

/* After a failure nobody looks at jobs any more, and those that are there may be gone. */
static void add_job(struct rn_ranks_comm *comm, struct rn_ranks_job *job)
{
    if (comm->failed || comm->ended)
        return;
    *comm->last_job = job;
    comm->last_job = &job->next;
    pthread_cond_signal(&comm->wake);
}

static int over(const struct rn_ranks_comm *comm, struct rn_err *err)
{
    return comm->failed ? rn_ranks_failure(comm, err) : rn_fail(err, RN_EXIT_SYSTEM, "device ranks: rank 0 has ended the run");
}

int rn_ranks_share_bytes(struct rn_ranks_comm *comm, void *all, size_t each, struct rn_err *err)
{
    struct rn_ranks_job job = { .kind = SHARE, .all = all, .each = each };
    if (comm->size == 1 || !each)
        return 0;
    if (each > INT_MAX)
        return rn_fail(err, RN_EXIT_SYSTEM, "device ranks: %zu bytes at once: smaller batches (rn-batch -b) want less", each);
    pthread_mutex_lock(&comm->lock);
    add_job(comm, &job);
    while (job.next != &job && !comm->failed && !comm->ended)
        pthread_cond_wait(&comm->change, &comm->lock);
    int rc = job.next == &job ? 0 : over(comm, err);
    pthread_mutex_unlock(&comm->lock);
    return rc;
}

int rn_ranks_sum(struct rn_ranks_comm *comm, float *total, float *part, size_t count, struct rn_err *err)
{
    struct rn_ranks_job *job = rn_calloc(1, sizeof *job, err);
    if (!job)
        return -1;
    *job = (struct rn_ranks_job){ .kind = SUM, .total = total, .part = part, .count = count };
    pthread_mutex_lock(&comm->lock);
    add_job(comm, job);
    pthread_mutex_unlock(&comm->lock);
    return 0;
}

int rn_ranks_settle(struct rn_ranks_comm *comm, struct rn_err *err)
{
    pthread_mutex_lock(&comm->lock);
    while (comm->jobs && !comm->failed && !comm->ended)
        pthread_cond_wait(&comm->change, &comm->lock);
    int rc = comm->failed || comm->ended ? over(comm, err) : 0;
    pthread_mutex_unlock(&comm->lock);
    return rc;
}
