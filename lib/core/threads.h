/* threads.h -- two ways to use cores, neither of which changes a result. */
#ifndef RN_CORE_THREADS_H
#define RN_CORE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

#include "core/err.h"

/* How many cores this process may use (affinity counts). */
int rn_threads_default(void);

/* pthread_create, with all signals blocked in the new thread: they are the main thread's, whose reads they interrupt. */
RN_MUST int rn_thread_start(pthread_t *thread, void *(*run)(void *), void *argument, struct rn_err *err);

/* A pool for loops whose iterations are independent. How the work is cut into iterations must follow from its
 * shape alone, never from the number of threads: then results are equal, bit for bit, for any number. */
struct rn_pool;
RN_MUST int rn_pool_new(struct rn_pool **pool, int threads, struct rn_err *err);
void rn_pool_free(struct rn_pool *pool); /* NULL is allowed */
int rn_pool_threads(const struct rn_pool *pool);
/* Calls work(context, i, thread) for each i below n, on the pool's threads and the caller's, and returns when all
 * are done. `thread` is below rn_pool_threads: an index for scratch memory. Not to be called from within work. */
void rn_pool_for(struct rn_pool *pool, size_t n, void (*work)(void *context, size_t i, int thread), void *context);
void rn_pool_idle(struct rn_pool *pool); /* from now on rn_pool_for calls nothing */

/* A queue of jobs: they are submitted in order by one thread, worked on by `threads` others, and come out in the
 * order of submission to another thread. At most `capacity` jobs are inside: submit waits while it is full. */
struct rn_queue;
RN_MUST int rn_queue_new(struct rn_queue **queue, int threads, size_t capacity, void (*work)(void *context, void *job),
                         void *context, struct rn_err *err);
/* 0, or -1 when the queue was stopped: then the job is still the caller's. */
RN_MUST int rn_queue_submit(struct rn_queue *queue, void *job);
void rn_queue_end(struct rn_queue *queue);   /* the submitter has no more jobs */
void rn_queue_stop(struct rn_queue *queue);  /* the taker wants no more: submit fails, jobs not begun are not worked on */
/* The oldest job when it is done; NULL at the end. After a stop: what is left inside, worked on or not, to be freed. */
void *rn_queue_next(struct rn_queue *queue);
/* The same, but when there is none by `deadline` (of CLOCK_MONOTONIC): NULL and *late. */
void *rn_queue_next_until(struct rn_queue *queue, const struct timespec *deadline, bool *late);
void rn_queue_free(struct rn_queue *queue);  /* after rn_queue_next gave NULL; joins the threads. NULL is allowed */

#endif
