/* comm.h -- the ranks of a run, and what goes between them.
 *
 * One thread makes all calls to MPI; the others ask it, and wait where they need an answer. It also says each second that its rank
 * is there: a rank that is not heard of for RN_RANKS_PATIENCE seconds (RN_RANKS_LESS_PATIENCE once SIGTERM has come), computing or
 * not, or whose process is seen to have ended, is gone, and with it the run: then all that is asked for fails. A rank that is slow
 * is not.
 *
 * What share_bytes and sum are asked for in the same order by all ranks; tell is rank 0's, listen the others'. */
#ifndef RN_DEVICE_RANKS_COMM_H
#define RN_DEVICE_RANKS_COMM_H

#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

enum { RN_RANKS_PATIENCE = 8, RN_RANKS_LESS_PATIENCE = 4, RN_RANKS_MOST = 64 };

struct rn_ranks_comm;

/* A process that mpirun (or a batch system that does the same) has not started is rank 0 of 1, and MPI is not begun. */
RN_MUST int rn_ranks_comm_open(struct rn_ranks_comm **comm, struct rn_err *err);
/* Rank 0's says to the others that they are done (code 0) or that the run has failed; the others' have heard it. Ends MPI, unless
 * something has failed. */
void rn_ranks_comm_close(struct rn_ranks_comm *comm, int code); /* NULL is allowed */
size_t rn_ranks_comm_rank(const struct rn_ranks_comm *comm);
size_t rn_ranks_comm_size(const struct rn_ranks_comm *comm);

/* Sends a copy of these bytes to rank `to`. Waits for nothing; after a failure nothing is sent. */
RN_MUST int rn_ranks_tell(struct rn_ranks_comm *comm, size_t to, const void *head, size_t head_bytes, const void *body,
                          size_t body_bytes, struct rn_err *err);
/* The next of these: 1, or 0 at the end, with rank 0's *code. *bytes is the caller's, to be freed. */
RN_MUST int rn_ranks_listen(struct rn_ranks_comm *comm, void **bytes, size_t *length, int *code, struct rn_err *err);

/* Slot r of `all`, `each` bytes, is rank r's: ours is filled, and then all are. */
RN_MUST int rn_ranks_share_bytes(struct rn_ranks_comm *comm, void *all, size_t each, struct rn_err *err);
/* Begins to add to `total` the sum of all ranks' `part`, by the tree (tree.h); both stay where they are until settle, and `part` is
 * zero then. */
RN_MUST int rn_ranks_sum(struct rn_ranks_comm *comm, float *total, float *part, size_t count, struct rn_err *err);
RN_MUST int rn_ranks_settle(struct rn_ranks_comm *comm, struct rn_err *err);
/* Something failed on this rank, which cannot go on: rank 0 gets to know. */
void rn_ranks_confess(struct rn_ranks_comm *comm, const struct rn_err *err);
/* After a failure: rank 0 knows of it by now or will soon, and may have a checkpoint to write; before it says that it has ended,
 * mpirun is to see none of the others go. -1: rank 0 is gone itself. */
RN_MUST int rn_ranks_await_end(struct rn_ranks_comm *comm, int *code);

#endif
