/* threads.h -- cores for loops; no result depends on how many. */
#ifndef RN_CORE_THREADS_H
#define RN_CORE_THREADS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

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

#endif
