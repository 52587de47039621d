/* threads.c -- a pool for loops and a line for jobs in order. */
#include "core/threads.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

int rn_threads_default(void)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    int n = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return n > 0 ? n : 1;
}

int rn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument, struct rn_err *err)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc ? rn_fail(err, RN_EXIT_SYSTEM, "cannot start a thread: %s", strerror(rc)) : 0;
}

/* ---- pool ---- */

struct worker {
    struct rn_pool *pool;
    pthread_t thread;
    int index;
};

/* `state` says which loop runs and how many of its iterations nobody has taken yet. What else the loop consists of is
 * written only while none are left and all are finished, so a thread that could take one saw the loop that it belongs to. */
enum { LEFT_BITS = 40 };
#define LEFT(state) ((state) & ((UINT64_C(1) << LEFT_BITS) - 1))

struct rn_pool {
    _Atomic uint64_t state; /* the loop's number and LEFT */
    atomic_size_t n, finished;
    _Atomic(void (*)(void *, size_t, int)) work;
    _Atomic(void *) context;
    int threads, started, patience;
    struct worker *workers; /* threads - 1 of them: the caller is the last */
    pthread_mutex_t lock;   /* for those who sleep, and those who wake them */
    pthread_cond_t wake, done;
    atomic_int sleepers;
    atomic_bool stop, waiting; /* waiting: the caller sleeps */
    bool idle;
};

/* A loop follows the other within microseconds, and a thread that sleeps takes tens to wake: so look some times first. */
enum { PATIENCE = 2000 };

static void pause_briefly(void)
{
#ifdef __x86_64__
    __builtin_ia32_pause();
#endif
}

/* Takes iterations until there are none. */
static void drain(struct rn_pool *pool, int thread)
{
    uint64_t state = atomic_load(&pool->state);
    while (LEFT(state)) {
        void (*work)(void *, size_t, int) = atomic_load(&pool->work);
        void *context = atomic_load(&pool->context);
        size_t n = atomic_load(&pool->n);
        if (!atomic_compare_exchange_weak(&pool->state, &state, state - 1))
            continue;
        work(context, n - (size_t)LEFT(state), thread);
        if (atomic_fetch_add(&pool->finished, 1) + 1 == n && atomic_load(&pool->waiting)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->done);
            pthread_mutex_unlock(&pool->lock);
        }
        state = atomic_load(&pool->state);
    }
}

static void *pool_thread(void *argument)
{
    struct worker *self = argument;
    struct rn_pool *pool = self->pool;
    while (!atomic_load(&pool->stop)) {
        drain(pool, self->index);
        for (int i = 0; i < pool->patience && !LEFT(atomic_load(&pool->state)); i++)
            pause_briefly();
        if (LEFT(atomic_load(&pool->state)))
            continue;
        pthread_mutex_lock(&pool->lock);
        atomic_fetch_add(&pool->sleepers, 1);
        while (!LEFT(atomic_load(&pool->state)) && !atomic_load(&pool->stop))
            pthread_cond_wait(&pool->wake, &pool->lock);
        atomic_fetch_sub(&pool->sleepers, 1);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

int rn_pool_new(struct rn_pool **result, int threads, struct rn_err *err)
{
    *result = NULL;
    struct rn_pool *pool = rn_calloc(1, sizeof *pool, err);
    if (!pool)
        return -1;
    pool->threads = threads > 0 ? threads : 1;
    pool->patience = pool->threads <= rn_threads_default() ? PATIENCE : 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->done, NULL);
    pool->workers = rn_calloc((size_t)pool->threads, sizeof *pool->workers, err);
    for (int i = 0; pool->workers && i < pool->threads - 1; i++) {
        pool->workers[i] = (struct worker){ .pool = pool, .index = i };
        if (rn_thread_start(&pool->workers[i].thread, pool_thread, &pool->workers[i], err))
            break;
        pool->started++;
    }
    if (pool->started != pool->threads - 1 || !pool->workers) {
        rn_pool_free(pool);
        return -1;
    }
    *result = pool;
    return 0;
}

void rn_pool_free(struct rn_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->stop, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->done);
    pthread_mutex_destroy(&pool->lock);
    free(pool->workers);
    free(pool);
}

int rn_pool_threads(const struct rn_pool *pool)
{
    return pool->threads;
}

void rn_pool_idle(struct rn_pool *pool)
{
    pool->idle = true;
}

void rn_pool_for(struct rn_pool *pool, size_t n, void (*work)(void *, size_t, int), void *context)
{
    if (pool->idle)
        return;
    if (n == 1 || pool->threads == 1) {
        for (size_t i = 0; i < n; i++)
            work(context, i, pool->threads - 1);
        return;
    }
    atomic_store(&pool->n, n);
    atomic_store(&pool->work, work);
    atomic_store(&pool->context, context);
    atomic_store(&pool->finished, 0);
    atomic_store(&pool->state, ((atomic_load(&pool->state) >> LEFT_BITS) + 1) << LEFT_BITS | n);
    if (atomic_load(&pool->sleepers)) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    drain(pool, pool->threads - 1);
    for (int i = 0; i < pool->patience && atomic_load(&pool->finished) < n; i++)
        pause_briefly();
    if (atomic_load(&pool->finished) == n)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->waiting, true);
    while (atomic_load(&pool->finished) < n)
        pthread_cond_wait(&pool->done, &pool->lock);
    atomic_store(&pool->waiting, false);
    pthread_mutex_unlock(&pool->lock);
}

/* ---- line ---- */

struct slot {
    void *job;
    bool done;
};

struct rn_line {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct slot *slots; /* a ring: job number k is in slot k % capacity */
    size_t capacity;
    size_t taken, begun, submitted; /* job numbers: taken <= begun <= submitted <= taken + capacity */
    bool ended, stopped;
    void (*work)(void *, void *);
    void *context;
    pthread_t *threads;
    int started;
};

static void *line_thread(void *argument)
{
    struct rn_line *line = argument;
    pthread_mutex_lock(&line->lock);
    for (;;) {
        if (line->stopped || (line->ended && line->begun == line->submitted))
            break;
        if (line->begun == line->submitted) {
            pthread_cond_wait(&line->changed, &line->lock);
            continue;
        }
        struct slot *slot = &line->slots[line->begun++ % line->capacity];
        pthread_mutex_unlock(&line->lock);
        line->work(line->context, slot->job);
        pthread_mutex_lock(&line->lock);
        slot->done = true;
        pthread_cond_broadcast(&line->changed);
    }
    pthread_mutex_unlock(&line->lock);
    return NULL;
}

int rn_line_new(struct rn_line **result, int threads, size_t capacity, void (*work)(void *, void *), void *context,
                struct rn_err *err)
{
    *result = NULL;
    struct rn_line *line = rn_calloc(1, sizeof *line, err);
    if (!line)
        return -1;
    pthread_condattr_t monotonic;
    pthread_mutex_init(&line->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&line->changed, &monotonic);
    pthread_condattr_destroy(&monotonic);
    line->capacity = capacity;
    line->work = work;
    line->context = context;
    line->slots = rn_calloc(capacity, sizeof *line->slots, err);
    line->threads = line->slots ? rn_calloc((size_t)threads, sizeof *line->threads, err) : NULL;
    while (line->threads && line->started < threads && rn_thread_start(&line->threads[line->started], line_thread, line, err) == 0)
        line->started++;
    if (line->started < threads) {
        rn_line_stop(line);
        rn_line_free(line);
        return -1;
    }
    *result = line;
    return 0;
}

int rn_line_submit(struct rn_line *line, void *job)
{
    int rc = -1;
    pthread_mutex_lock(&line->lock);
    while (!line->stopped && line->submitted == line->taken + line->capacity)
        pthread_cond_wait(&line->changed, &line->lock);
    if (!line->stopped) {
        line->slots[line->submitted++ % line->capacity] = (struct slot){ job, false };
        pthread_cond_broadcast(&line->changed);
        rc = 0;
    }
    pthread_mutex_unlock(&line->lock);
    return rc;
}

static void set(struct rn_line *line, bool *flag)
{
    pthread_mutex_lock(&line->lock);
    *flag = true;
    pthread_cond_broadcast(&line->changed);
    pthread_mutex_unlock(&line->lock);
}

void rn_line_end(struct rn_line *line)
{
    set(line, &line->ended);
}

void rn_line_stop(struct rn_line *line)
{
    set(line, &line->stopped);
}

void *rn_line_next(struct rn_line *line)
{
    bool late;
    return rn_line_next_until(line, NULL, &late);
}

void *rn_line_next_until(struct rn_line *line, const struct timespec *deadline, bool *late)
{
    void *job = NULL;
    *late = false;
    pthread_mutex_lock(&line->lock);
    for (;;) {
        struct slot *slot = &line->slots[line->taken % line->capacity];
        bool begun = line->taken < line->begun;
        if (line->taken < line->submitted && (slot->done || (line->stopped && !begun))) {
            job = slot->job;
            line->taken++;
            pthread_cond_broadcast(&line->changed);
            break;
        }
        if (line->taken == line->submitted && (line->ended || line->stopped))
            break;
        if (*late)
            break;
        if (!deadline)
            pthread_cond_wait(&line->changed, &line->lock);
        else /* what came in the last moment is taken, too */
            *late = pthread_cond_timedwait(&line->changed, &line->lock, deadline) == ETIMEDOUT;
    }
    *late = *late && !job && !(line->taken == line->submitted && (line->ended || line->stopped));
    pthread_mutex_unlock(&line->lock);
    return job;
}

void rn_line_free(struct rn_line *line)
{
    if (!line)
        return;
    for (int i = 0; i < line->started; i++)
        pthread_join(line->threads[i], NULL);
    pthread_cond_destroy(&line->changed);
    pthread_mutex_destroy(&line->lock);
    free(line->threads);
    free(line->slots);
    free(line);
}
