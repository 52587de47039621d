/* threads.c -- a pool for loops and a line for jobs in order. */
#include "core/threads.h"

#include <sched.h>
#include <signal.h>
#include <stdbool.h>
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

struct rn_pool {
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    int threads, started;
    struct worker *workers; /* threads - 1 of them: the caller is the last */
    bool stop;
    unsigned long round;    /* number of the loop that runs */
    size_t n, next, running;
    void (*work)(void *, size_t, int);
    void *context;
};

/* Takes iterations until there are none; the lock is held on entry and exit. */
static void drain(struct rn_pool *pool, int thread)
{
    while (pool->next < pool->n) {
        size_t i = pool->next++;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        pool->work(pool->context, i, thread);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    if (!pool->running)
        pthread_cond_signal(&pool->done);
}

static void *pool_thread(void *argument)
{
    struct worker *self = argument;
    struct rn_pool *pool = self->pool;
    unsigned long seen = 0;
    pthread_mutex_lock(&pool->lock);
    while (!pool->stop) {
        if (pool->round == seen) {
            pthread_cond_wait(&pool->wake, &pool->lock);
            continue;
        }
        seen = pool->round;
        drain(pool, self->index);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int rn_pool_new(struct rn_pool **result, int threads, struct rn_err *err)
{
    *result = NULL;
    struct rn_pool *pool = rn_calloc(1, sizeof *pool, err);
    if (!pool)
        return -1;
    pool->threads = threads > 0 ? threads : 1;
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
    pool->stop = true;
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

void rn_pool_for(struct rn_pool *pool, size_t n, void (*work)(void *, size_t, int), void *context)
{
    if (n == 1 || pool->threads == 1) {
        for (size_t i = 0; i < n; i++)
            work(context, i, pool->threads - 1);
        return;
    }
    pthread_mutex_lock(&pool->lock);
    pool->n = n;
    pool->next = 0;
    pool->work = work;
    pool->context = context;
    pool->round++;
    pthread_cond_broadcast(&pool->wake);
    drain(pool, pool->threads - 1);
    while (pool->running)
        pthread_cond_wait(&pool->done, &pool->lock);
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
    pthread_mutex_init(&line->lock, NULL);
    pthread_cond_init(&line->changed, NULL);
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
    void *job = NULL;
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
        pthread_cond_wait(&line->changed, &line->lock);
    }
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
