/* private.h -- what the files that know MPI share: comm.c (the thread), beats.c (who is there), letters.c (from rank 0 to the
 * others), jobs.c (what all ranks do together), failure.c. */
#ifndef RN_DEVICE_RANKS_PRIVATE_H
#define RN_DEVICE_RANKS_PRIVATE_H

#include <mpi.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/types.h>

#include "device/ranks/comm.h"

/* What two stages of a sum, and what is not a collective, may not get mixed up with: each has a communicator. */
enum { RN_RANKS_SHARES, RN_RANKS_SLICES, RN_RANKS_SUMS, RN_RANKS_LETTERS, RN_RANKS_BEATS, RN_RANKS_COMMUNICATORS };
enum { RN_RANKS_TAG_TELL = 1, RN_RANKS_TAG_END };

struct rn_ranks_beat {
    int exit; /* 0: all is well */
    char text[1024];
};

struct rn_ranks_peer {
    char host[64];
    pid_t process; /* 0: not to be seen from here */
    double heard;
    struct rn_ranks_beat in, out;
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
    bool alone;                    /* rank 0 is gone */
    int code;                      /* of the end: rank 0's, or what the others heard */
    struct rn_err err;             /* failed */
    struct rn_err confession;
    struct rn_ranks_job *jobs, **last_job; /* in the order in which they were asked for */
    struct rn_ranks_letter *out, **last_out, *in, **last_in;
    /* the thread's alone */
    MPI_Comm on[RN_RANKS_COMMUNICATORS];
    struct rn_ranks_peer peer[RN_RANKS_MOST];
    struct rn_ranks_letter *arriving;
    double looked, beaten;
    bool leaving;     /* all is well, and all is over: nobody is judged any more */
    bool handles_end; /* the program had a handler for SIGTERM at the beginning */
    unsigned idle;
};

/* ---- failure.c ---- */

double rn_ranks_seconds(void); /* of a clock that only goes forward */
/* The run has failed; of several reasons the first counts. */
void rn_ranks_comm_fail(struct rn_ranks_comm *comm, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Whether a call to MPI went well; else the run has failed. */
bool rn_ranks_good(struct rn_ranks_comm *comm, int status, const char *what);
/* Why it has: -1 and err. */
int rn_ranks_failure(const struct rn_ranks_comm *comm, struct rn_err *err);

/* ---- beats.c, letters.c, jobs.c: what the thread calls. true: something has moved ---- */

bool rn_ranks_meet(struct rn_ranks_comm *comm); /* once, before all else; false: it has failed */
void rn_ranks_look_round(struct rn_ranks_comm *comm);
bool rn_ranks_send_letters(struct rn_ranks_comm *comm);
bool rn_ranks_letters_left(struct rn_ranks_comm *comm); /* that have not gone */
bool rn_ranks_receive_letter(struct rn_ranks_comm *comm);
void rn_ranks_letters_free(struct rn_ranks_comm *comm); /* that nobody has listened to */
bool rn_ranks_do_jobs(struct rn_ranks_comm *comm);
/* Whether the first one has not begun yet; the lock is held. */
bool rn_ranks_letter_waits(const struct rn_ranks_comm *comm);
bool rn_ranks_job_waits(const struct rn_ranks_comm *comm);

/* A copy of these bytes is to be sent. */
RN_MUST int rn_ranks_post(struct rn_ranks_comm *comm, int to, int tag, const void *head, size_t head_bytes, const void *body,
                          size_t body_bytes, struct rn_err *err);

#endif
