/* failure.c -- a run that has failed, and why. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "device/ranks/private.h"

double rn_ranks_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

void rn_ranks_comm_fail(struct rn_ranks_comm *comm, const char *format, ...)
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

bool rn_ranks_good(struct rn_ranks_comm *comm, int status, const char *what)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int length = 0;
    if (status == MPI_SUCCESS)
        return true;
    MPI_Error_string(status, text, &length);
    rn_ranks_comm_fail(comm, "rank %zu of %zu (%s): %s: %s", comm->rank, comm->size, comm->peer[comm->rank].host, what, text);
    return false;
}

int rn_ranks_failure(const struct rn_ranks_comm *comm, struct rn_err *err)
{
    *err = comm->err;
    return -1;
}
