/* comm.c -- the thread that talks to the other ranks. */
#include "device/ranks/private.h"

#include <dlfcn.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/threads.h"

enum {
    LAST_WORDS = 2, /* seconds for letters that are on their way when all is over */
    FAREWELL = 60,  /* for all ranks to end MPI together, when all is well: the slowest may be slow */
};

/* ---- beginning ---- */

/* Open MPI's own plug-ins want its names global, and we are loaded so that nothing of ours is. */
static void publish(void)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)MPI_Init_thread, &info) && info.dli_fname)
        (void)!dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static bool begin(struct rn_ranks_comm *comm)
{
    int provided, rank = 0, size = 1;
    publish();
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        rn_ranks_comm_fail(comm, "MPI cannot be started: mpirun must be of the MPI that rn-ranks.so was built with");
        return false;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    comm->rank = (size_t)rank;
    comm->size = (size_t)size;
    if (size > RN_RANKS_MOST) {
        rn_ranks_comm_fail(comm, "%d ranks are too many: %d are the most", size, RN_RANKS_MOST);
        return false;
    }
    for (int i = 0; i < RN_RANKS_COMMUNICATORS; i++) {
        if (!rn_ranks_good(comm, MPI_Comm_dup(MPI_COMM_WORLD, &comm->on[i]), "a communicator"))
            return false;
        MPI_Comm_set_errhandler(comm->on[i], MPI_ERRORS_RETURN);
    }
    return rn_ranks_meet(comm);
}

/* ---- the thread ---- */

static void until(struct timespec *when, long nanoseconds)
{
    clock_gettime(CLOCK_MONOTONIC, when);
    when->tv_nsec += nanoseconds;
    when->tv_sec += when->tv_nsec / 1000000000;
    when->tv_nsec %= 1000000000;
}

/* The longer nothing has happened, the longer it may take to be seen; what this process itself asks for is seen at once. */
static void rest(struct rn_ranks_comm *comm)
{
    struct timespec when;
    if (comm->idle++ < 100) {
        sched_yield();
        return;
    }
    until(&when, comm->idle < 3000 ? 30000 : 500000);
    pthread_mutex_lock(&comm->lock);
    bool asked = comm->stop || rn_ranks_letter_waits(comm) || rn_ranks_job_waits(comm);
    if (!asked)
        pthread_cond_timedwait(&comm->wake, &comm->lock, &when);
    pthread_mutex_unlock(&comm->lock);
}

/* Whether all ranks know that all is over. Until then some still judge the others, who may neither be silent nor end MPI, which
 * closes their connections. */
static bool all_leave(struct rn_ranks_comm *comm)
{
    double from = rn_ranks_seconds();
    MPI_Request request;
    int done = 0;
    comm->leaving = true;
    if (MPI_Ibarrier(comm->on[RN_RANKS_SHARES], &request) != MPI_SUCCESS)
        return false;
    while (MPI_Test(&request, &done, MPI_STATUS_IGNORE) == MPI_SUCCESS && !done && rn_ranks_seconds() - from < FAREWELL) {
        rn_ranks_look_round(comm);
        nanosleep(&(struct timespec){ .tv_nsec = 200000 }, NULL);
    }
    return done;
}

/* Letters on their way arrive; then all ranks end MPI together. After a failure it is left as it is, for it might wait for ever. */
static void end(struct rn_ranks_comm *comm)
{
    double from = rn_ranks_seconds();
    bool bad = comm->failed || comm->code;
    while (rn_ranks_letters_left(comm) && rn_ranks_seconds() - from < (bad ? LAST_WORDS : RN_RANKS_PATIENCE) &&
           !(comm->failed && !bad))
        rn_ranks_send_letters(comm);
    if (bad || comm->failed || !all_leave(comm))
        return;
    for (size_t r = 0; r < comm->size; r++)
        if (r != comm->rank) {
            MPI_Cancel(&comm->peer[r].receive);
            MPI_Wait(&comm->peer[r].receive, MPI_STATUS_IGNORE);
        }
    MPI_Finalize();
}

static void *work(void *argument)
{
    struct rn_ranks_comm *comm = argument;
    prctl(PR_SET_TIMERSLACK, 1000UL);
    bool begun = begin(comm);
    pthread_mutex_lock(&comm->lock);
    comm->ready = true;
    pthread_cond_broadcast(&comm->change);
    while (begun && !comm->stop) {
        pthread_mutex_unlock(&comm->lock);
        bool moved = rn_ranks_send_letters(comm);
        moved = (!comm->failed && rn_ranks_do_jobs(comm)) || moved;
        moved = rn_ranks_receive_letter(comm) || moved;
        rn_ranks_look_round(comm);
        comm->idle = moved ? 0 : comm->idle;
        if (!moved)
            rest(comm);
        pthread_mutex_lock(&comm->lock);
    }
    pthread_mutex_unlock(&comm->lock);
    if (begun)
        end(comm);
    pthread_mutex_lock(&comm->lock);
    comm->over = true;
    pthread_cond_broadcast(&comm->change);
    pthread_mutex_unlock(&comm->lock);
    return NULL;
}

/* ---- what others ask of it ---- */

static bool is_started(void)
{
    static const char *const signs[] = { "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "PMIX_RANK", "MV2_COMM_WORLD_SIZE" };
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (getenv(signs[i]))
            return true;
    return false;
}

int rn_ranks_comm_open(struct rn_ranks_comm **result, struct rn_err *err)
{
    struct rn_ranks_comm *comm = rn_calloc(1, sizeof *comm, err);
    pthread_condattr_t steady;
    *result = comm;
    if (!comm)
        return -1;
    comm->size = 1;
    comm->last_job = &comm->jobs;
    comm->last_out = &comm->out;
    comm->last_in = &comm->in;
    pthread_mutex_init(&comm->lock, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&comm->wake, &steady);
    pthread_cond_init(&comm->change, &steady);
    pthread_condattr_destroy(&steady);
    if (!is_started())
        return 0;
    if (rn_thread_start(&comm->thread, work, comm, err))
        return -1;
    comm->started = true;
    pthread_mutex_lock(&comm->lock);
    while (!comm->ready)
        pthread_cond_wait(&comm->change, &comm->lock);
    int rc = comm->failed ? rn_ranks_failure(comm, err) : 0;
    pthread_mutex_unlock(&comm->lock);
    return rc;
}

size_t rn_ranks_comm_rank(const struct rn_ranks_comm *comm)
{
    return comm->rank;
}

size_t rn_ranks_comm_size(const struct rn_ranks_comm *comm)
{
    return comm->size;
}

void rn_ranks_comm_close(struct rn_ranks_comm *comm, int code)
{
    struct timespec when;
    struct rn_err ignored;
    if (!comm)
        return;
    for (size_t r = 1; comm->started && comm->rank == 0 && r < comm->size; r++)
        (void)!rn_ranks_post(comm, (int)r, RN_RANKS_TAG_END, &code, sizeof code, NULL, 0, &ignored);
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += code || comm->failed ? RN_RANKS_PATIENCE : FAREWELL;
    pthread_mutex_lock(&comm->lock);
    comm->code = comm->rank ? comm->code : code;
    comm->stop = true;
    pthread_cond_signal(&comm->wake);
    while (comm->started && !comm->over && pthread_cond_timedwait(&comm->change, &comm->lock, &when) == 0)
        ;
    bool over = !comm->started || comm->over;
    pthread_mutex_unlock(&comm->lock);
    if (!over) /* it hangs in MPI, and ends with this process */
        return;
    if (comm->started)
        pthread_join(comm->thread, NULL);
    rn_ranks_letters_free(comm);
    free(comm);
}

void rn_ranks_confess(struct rn_ranks_comm *comm, const struct rn_err *err)
{
    pthread_mutex_lock(&comm->lock);
    comm->confession = *err;
    pthread_cond_signal(&comm->wake);
    pthread_mutex_unlock(&comm->lock);
}

int rn_ranks_await_end(struct rn_ranks_comm *comm, int *code)
{
    struct timespec when;
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += RN_RANKS_PATIENCE;
    pthread_mutex_lock(&comm->lock);
    while (!comm->ended && !comm->alone && pthread_cond_timedwait(&comm->change, &comm->lock, &when) == 0)
        ;
    *code = comm->ended ? comm->code : RN_EXIT_SYSTEM;
    int rc = comm->ended ? 0 : -1;
    pthread_mutex_unlock(&comm->lock);
    return rc;
}
