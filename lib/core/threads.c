/* threads.c -- threads that signals leave alone, and a pool for loops. */
#include "core/threads.h"

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
