/* comm.c -- the thread that talks to the other ranks: the only file that knows MPI. */
#include "device/ranks/comm.h"

#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <mpi.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/threads.h"
#include "device/ranks/tree.h"

/* What two stages of a sum, and what is not a collective, may not get mixed up with: each has a communicator. */
enum { SHARES, SLICES, SUMS, LETTERS, COMMUNICATORS };
enum { TAG_TELL = 1, TAG_END, TAG_BEAT };
enum { LAST_WORDS = 2 }; /* seconds for letters that are on their way when all is over */

struct job {
    struct job *next;
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

struct letter {
    struct letter *next;
    int to, tag;
    bool sent;
    MPI_Request request;
    size_t length;
    char bytes[];
};

struct beat {
    int exit; /* 0: all is well */
    char text[1024];
};

/* Who a rank is; processes of one host see each other where they have the same space of numbers. */
struct name {
    char host[64];
    pid_t process;
    ino_t space;
};

struct peer {
    char host[64];
    pid_t process; /* 0: not to be seen from here */
    double heard;
    struct beat in, out;
    MPI_Request receive, send;
};

struct rn_ranks_comm {
    size_t rank, size;
    pthread_t thread;
    bool started; /* there is a thread, and MPI */
    pthread_mutex_t lock;
    pthread_cond_t wake, change;
    atomic_bool failed;
    bool ready, stop, ended, over; /* over: the thread is done */
    bool alone;                            /* rank 0 is gone */
    int code;                              /* of the end: rank 0's, or what the others heard */
    struct rn_err err;                     /* failed */
    struct rn_err confession;
    struct job *jobs, **last_job;          /* in the order in which they were asked for */
    struct letter *out, **last_out, *in, **last_in;
    /* the thread's alone */
    MPI_Comm on[COMMUNICATORS];
    struct peer peer[RN_RANKS_MOST];
    struct letter *arriving;
    double looked, beaten;
    unsigned idle;
};

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* ---- failure ---- */

/* Of several the first counts. */
static void fail(struct rn_ranks_comm *comm, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fail(struct rn_ranks_comm *comm, const char *format, ...)
{
    char text[900];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    pthread_mutex_lock(&comm->lock);
    if (!comm->failed)
        rn_fail(&comm->err, RN_EXIT_SYSTEM, "device ranks: %s", text);
    comm->failed = true;
    pthread_cond_broadcast(&comm->change);
    pthread_mutex_unlock(&comm->lock);
}

/* Whether a call to MPI went well. */
static bool good(struct rn_ranks_comm *comm, int status, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (status == MPI_SUCCESS)
        return true;
    MPI_Error_string(status, text, &length);
    fail(comm, "rank %zu of %zu (%s): %s: %s", comm->rank, comm->size, comm->peer[comm->rank].host, what, text);
    return false;
}

static int failure(const struct rn_ranks_comm *comm, struct rn_err *err)
{
    *err = comm->err;
    return -1;
}

/* ---- beginning ---- */

/* Open MPI's own plug-ins want its names global, and we are loaded so that nothing of ours is. */
static void publish(void)
{
    Dl_info info;
    if (dladdr((void *)(uintptr_t)MPI_Init_thread, &info) && info.dli_fname)
        (void)!dlopen(info.dli_fname, RTLD_NOW | RTLD_GLOBAL | RTLD_NOLOAD);
}

static struct name own_name(void)
{
    struct stat space = { 0 };
    struct name name = { .process = getpid() };
    gethostname(name.host, sizeof name.host - 1);
    name.space = stat("/proc/self/ns/pid", &space) ? 0 : space.st_ino;
    return name;
}

static bool meet(struct rn_ranks_comm *comm)
{
    struct name names[RN_RANKS_MOST] = { 0 }, own = own_name();
    if (!good(comm, MPI_Allgather(&own, sizeof own, MPI_BYTE, names, sizeof own, MPI_BYTE, comm->on[SHARES]), "meeting"))
        return false;
    for (size_t r = 0; r < comm->size; r++) {
        struct peer *peer = &comm->peer[r];
        memcpy(peer->host, names[r].host, sizeof peer->host - 1);
        peer->process = own.space && own.space == names[r].space && !strcmp(peer->host, own.host) ? names[r].process : 0;
        peer->heard = seconds();
        peer->send = peer->receive = MPI_REQUEST_NULL;
        if (r != comm->rank &&
            !good(comm, MPI_Irecv(&peer->in, sizeof peer->in, MPI_BYTE, (int)r, TAG_BEAT, comm->on[LETTERS], &peer->receive), "listening"))
            return false;
    }
    return true;
}

static bool begin(struct rn_ranks_comm *comm)
{
    int provided, rank = 0, size = 1;
    publish();
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS) {
        fail(comm, "MPI does not begin");
        return false;
    }
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &rank);
    MPI_Comm_size(MPI_COMM_WORLD, &size);
    comm->rank = (size_t)rank;
    comm->size = (size_t)size;
    if (size > RN_RANKS_MOST) {
        fail(comm, "%d ranks: there may be %d", size, RN_RANKS_MOST);
        return false;
    }
    for (int i = 0; i < COMMUNICATORS; i++) {
        if (!good(comm, MPI_Comm_dup(MPI_COMM_WORLD, &comm->on[i]), "a communicator"))
            return false;
        MPI_Comm_set_errhandler(comm->on[i], MPI_ERRORS_RETURN);
    }
    return meet(comm);
}

/* ---- who is there ---- */

static void hear(struct rn_ranks_comm *comm, size_t r)
{
    struct peer *peer = &comm->peer[r];
    int arrived = 0;
    if (!good(comm, MPI_Test(&peer->receive, &arrived, MPI_STATUS_IGNORE), "listening") || !arrived)
        return;
    peer->heard = seconds();
    if (peer->in.exit) {
        peer->in.text[sizeof peer->in.text - 1] = '\0';
        fail(comm, "rank %zu of %zu (%s): %s", r, comm->size, peer->host, peer->in.text);
    }
    (void)!good(comm, MPI_Irecv(&peer->in, sizeof peer->in, MPI_BYTE, (int)r, TAG_BEAT, comm->on[LETTERS], &peer->receive), "listening");
}

static void beat(struct rn_ranks_comm *comm, size_t r, const struct rn_err *confession)
{
    struct peer *peer = &comm->peer[r];
    int gone = 1;
    if (!good(comm, MPI_Test(&peer->send, &gone, MPI_STATUS_IGNORE), "a sign of life") || !gone)
        return;
    peer->out = (struct beat){ .exit = confession->exit };
    snprintf(peer->out.text, sizeof peer->out.text, "%s", confession->text);
    (void)!good(comm, MPI_Isend(&peer->out, sizeof peer->out, MPI_BYTE, (int)r, TAG_BEAT, comm->on[LETTERS], &peer->send), "a sign of life");
}

static void lose(struct rn_ranks_comm *comm, size_t r, const char *how)
{
    comm->alone = comm->alone || r == 0;
    fail(comm, "rank %zu of %zu (%s) %s", r, comm->size, comm->peer[r].host, how);
}

/* Ten times a second. Who was stopped himself has heard nothing, and nobody is to blame. */
static void look_round(struct rn_ranks_comm *comm)
{
    double now = seconds();
    bool slept = comm->looked > 0 && now - comm->looked > 2, due = now - comm->beaten >= 1;
    struct rn_err confession;
    if (now - comm->looked < 0.1)
        return;
    pthread_mutex_lock(&comm->lock);
    confession = comm->confession;
    pthread_mutex_unlock(&comm->lock);
    comm->looked = now;
    if (due)
        comm->beaten = now;
    for (size_t r = 0; r < comm->size; r++) {
        struct peer *peer = &comm->peer[r];
        if (r == comm->rank)
            continue;
        if (slept)
            peer->heard = now;
        hear(comm, r);
        if (due || (confession.exit && r == 0 && !peer->out.exit))
            beat(comm, r, &confession);
        if (now - peer->heard > RN_RANKS_PATIENCE)
            lose(comm, r, "has not been heard of for 10 seconds");
        else if (peer->process && kill(peer->process, 0) && errno == ESRCH)
            lose(comm, r, "has ended");
    }
}

/* ---- letters ---- */

static struct letter *first_letter(struct rn_ranks_comm *comm)
{
    pthread_mutex_lock(&comm->lock);
    struct letter *letter = comm->out;
    pthread_mutex_unlock(&comm->lock);
    return letter;
}

static struct letter *next_letter(struct rn_ranks_comm *comm, const struct letter *letter)
{
    pthread_mutex_lock(&comm->lock);
    struct letter *next = letter->next;
    pthread_mutex_unlock(&comm->lock);
    return next;
}

static bool send_letters(struct rn_ranks_comm *comm)
{
    struct letter *letter = first_letter(comm);
    bool moved = false;
    for (; letter; letter = next_letter(comm, letter)) {
        if (letter->sent)
            continue;
        letter->sent = moved = true;
        if (!good(comm, MPI_Isend(letter->bytes, (int)letter->length, MPI_BYTE, letter->to, letter->tag, comm->on[LETTERS], &letter->request),
                  "a letter"))
            return true;
    }
    for (int done = 1; (letter = first_letter(comm)) && letter->sent && done;) {
        if (!good(comm, MPI_Test(&letter->request, &done, MPI_STATUS_IGNORE), "a letter") || !done)
            break;
        pthread_mutex_lock(&comm->lock);
        comm->out = letter->next;
        comm->last_out = comm->out ? comm->last_out : &comm->out;
        pthread_mutex_unlock(&comm->lock);
        free(letter);
        moved = true;
    }
    return moved;
}

/* One has begun to arrive, or none. */
static bool expect_letter(struct rn_ranks_comm *comm)
{
    int there = 0, length = 0;
    MPI_Message message;
    MPI_Status status;
    struct rn_err err;
    for (int tag = TAG_TELL; tag <= TAG_END && !there; tag++)
        if (!good(comm, MPI_Improbe(0, tag, comm->on[LETTERS], &there, &message, &status), "a letter"))
            return false;
    if (!there)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &length);
    struct letter *letter = rn_alloc_aligned(sizeof *letter + (size_t)length + 1, 1, &err);
    if (!letter) {
        fail(comm, "%s", err.text);
        return false;
    }
    *letter = (struct letter){ .length = (size_t)length, .tag = status.MPI_TAG };
    comm->arriving = letter;
    return good(comm, MPI_Imrecv(letter->bytes, length, MPI_BYTE, &message, &letter->request), "a letter");
}

static bool receive_letter(struct rn_ranks_comm *comm)
{
    int arrived = 0;
    if (comm->rank == 0 || comm->ended || (!comm->arriving && !expect_letter(comm)))
        return false;
    struct letter *letter = comm->arriving;
    if (!good(comm, MPI_Test(&letter->request, &arrived, MPI_STATUS_IGNORE), "a letter") || !arrived)
        return false;
    comm->arriving = NULL;
    pthread_mutex_lock(&comm->lock);
    if (letter->tag == TAG_END) {
        comm->ended = true;
        memcpy(&comm->code, letter->bytes, sizeof comm->code);
        free(letter);
    } else {
        *comm->last_in = letter;
        comm->last_in = &letter->next;
    }
    pthread_cond_broadcast(&comm->change);
    pthread_mutex_unlock(&comm->lock);
    return true;
}

/* ---- jobs ---- */

static bool begin_share(struct rn_ranks_comm *comm, struct job *job)
{
    return good(comm, MPI_Iallgather(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, job->all, (int)job->each, MPI_BYTE, comm->on[SHARES], &job->request),
                "a collection");
}

/* Each rank adds its slice of the numbers. */
static bool begin_sum(struct rn_ranks_comm *comm, struct job *job)
{
    size_t size = comm->size, slice = (job->count + size - 1) / size;
    struct rn_err err;
    job->lengths = rn_calloc(4 * size, sizeof *job->lengths, &err);
    job->room = job->lengths ? rn_alloc_aligned(slice * size + job->count, sizeof *job->room, &err) : NULL;
    if (!job->room) {
        fail(comm, "%s", err.text);
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
    return good(comm, MPI_Ialltoallv(job->part, lengths, places, MPI_FLOAT, job->room, in, in_places, MPI_FLOAT, comm->on[SLICES],
                                     &job->request), "a sum");
}

static bool go_on_with_sum(struct rn_ranks_comm *comm, struct job *job)
{
    size_t size = comm->size, slice = (job->count + size - 1) / size;
    float *row[RN_RANKS_MOST];
    int *lengths = job->lengths;
    for (size_t r = 0; r < size; r++)
        row[r] = job->room + r * slice;
    rn_ranks_add_floats(row, size, 0, (size_t)lengths[comm->rank]);
    return good(comm, MPI_Iallgatherv(job->room, lengths[comm->rank], MPI_FLOAT, job->room + slice * size, lengths, lengths + size, MPI_FLOAT,
                                      comm->on[SUMS], &job->request), "a sum");
}

static void end_sum(const struct rn_ranks_comm *comm, struct job *job)
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
static bool move(struct rn_ranks_comm *comm, struct job *job, bool earlier)
{
    int done = 0;
    switch (job->stage) {
    case NEW:
        job->stage = FIRST;
        return (job->kind == SHARE ? begin_share : begin_sum)(comm, job);
    case FIRST:
    case SECOND:
        if (!good(comm, MPI_Test(&job->request, &done, MPI_STATUS_IGNORE), job->kind == SHARE ? "a collection" : "a sum") || !done)
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

static bool do_jobs(struct rn_ranks_comm *comm)
{
    bool moved = false, earlier = true, done = false;
    pthread_mutex_lock(&comm->lock);
    for (struct job *job = comm->jobs; job && !comm->failed; job = job->next) {
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
    for (struct job **at = &comm->jobs, *job; (job = *at);) {
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
    bool asked = comm->stop || (comm->out && !comm->out->sent) || (comm->jobs && !comm->failed && comm->jobs->stage == NEW);
    if (!asked)
        pthread_cond_timedwait(&comm->wake, &comm->lock, &when);
    pthread_mutex_unlock(&comm->lock);
}

/* Letters on their way arrive; then all ranks end MPI together. After a failure it is left as it is, for it might wait for ever. */
static void end(struct rn_ranks_comm *comm)
{
    double from = seconds();
    bool bad = comm->failed || comm->code;
    while (first_letter(comm) && seconds() - from < (bad ? LAST_WORDS : RN_RANKS_PATIENCE) && !(comm->failed && !bad))
        send_letters(comm);
    if (bad || comm->failed)
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
        bool moved = send_letters(comm);
        moved = (!comm->failed && do_jobs(comm)) || moved;
        moved = receive_letter(comm) || moved;
        look_round(comm);
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
    int rc = comm->failed ? failure(comm, err) : 0;
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

static int post(struct rn_ranks_comm *comm, int to, int tag, const void *head, size_t head_bytes, const void *body, size_t body_bytes,
                struct rn_err *err)
{
    if (head_bytes > INT_MAX || body_bytes > INT_MAX - head_bytes)
        return rn_fail(err, RN_EXIT_SYSTEM, "device ranks: %zu bytes at once for rank %d: smaller batches (rn-batch -b) want less", body_bytes,
                       to);
    struct letter *letter = rn_alloc_aligned(sizeof *letter + head_bytes + body_bytes, 1, err);
    if (!letter)
        return -1;
    *letter = (struct letter){ .to = to, .tag = tag, .length = head_bytes + body_bytes };
    memcpy(letter->bytes, head, head_bytes);
    if (body_bytes)
        memcpy(letter->bytes + head_bytes, body, body_bytes);
    pthread_mutex_lock(&comm->lock);
    *comm->last_out = letter;
    comm->last_out = &letter->next;
    pthread_cond_signal(&comm->wake);
    pthread_mutex_unlock(&comm->lock);
    return 0;
}

void rn_ranks_comm_close(struct rn_ranks_comm *comm, int code)
{
    struct timespec when;
    struct rn_err ignored;
    if (!comm)
        return;
    for (size_t r = 1; comm->started && comm->rank == 0 && r < comm->size; r++)
        (void)!post(comm, (int)r, TAG_END, &code, sizeof code, NULL, 0, &ignored);
    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_sec += RN_RANKS_PATIENCE;
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
    for (struct letter *letter; (letter = comm->in);) {
        comm->in = letter->next;
        free(letter);
    }
    free(comm);
}

int rn_ranks_tell(struct rn_ranks_comm *comm, size_t to, const void *head, size_t head_bytes, const void *body, size_t body_bytes,
                  struct rn_err *err)
{
    return comm->failed ? 0 : post(comm, (int)to, TAG_TELL, head, head_bytes, body, body_bytes, err);
}

int rn_ranks_listen(struct rn_ranks_comm *comm, void **bytes, size_t *length, int *code, struct rn_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&comm->lock);
    while (!comm->in && !comm->ended && !comm->failed)
        pthread_cond_wait(&comm->change, &comm->lock);
    struct letter *letter = comm->in;
    if (comm->failed && !comm->ended) {
        rc = failure(comm, err);
    } else if (letter) {
        comm->in = letter->next;
        comm->last_in = comm->in ? comm->last_in : &comm->in;
        *length = letter->length;
        memmove(letter, letter->bytes, letter->length); /* the block begins with them, and is freed as one */
        *bytes = letter;
        rc = 1;
    } else {
        *code = comm->code;
    }
    pthread_mutex_unlock(&comm->lock);
    return rc;
}

/* After a failure nobody looks at jobs any more, and those that are there may be gone. */
static void add_job(struct rn_ranks_comm *comm, struct job *job)
{
    if (comm->failed || comm->ended)
        return;
    *comm->last_job = job;
    comm->last_job = &job->next;
    pthread_cond_signal(&comm->wake);
}

static int over(const struct rn_ranks_comm *comm, struct rn_err *err)
{
    return comm->failed ? failure(comm, err) : rn_fail(err, RN_EXIT_SYSTEM, "device ranks: rank 0 has ended the run");
}

int rn_ranks_share_bytes(struct rn_ranks_comm *comm, void *all, size_t each, struct rn_err *err)
{
    struct job job = { .kind = SHARE, .all = all, .each = each };
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
    struct job *job = rn_calloc(1, sizeof *job, err);
    if (!job)
        return -1;
    *job = (struct job){ .kind = SUM, .total = total, .part = part, .count = count };
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
