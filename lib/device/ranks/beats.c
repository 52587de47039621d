/* beats.c -- which ranks are there: each says so once a second. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "device/ranks/private.h"

/* Who a rank is; processes of one host see each other where they have the same space of numbers. */
struct name {
    char host[64];
    pid_t process;
    ino_t space;
};

static struct name own_name(void)
{
    struct stat space = { 0 };
    struct name name = { .process = getpid() };
    gethostname(name.host, sizeof name.host - 1);
    name.space = stat("/proc/self/ns/pid", &space) ? 0 : space.st_ino;
    return name;
}

bool rn_ranks_meet(struct rn_ranks_comm *comm)
{
    struct name names[RN_RANKS_MOST] = { 0 }, own = own_name();
    struct sigaction handler;
    comm->handles_end = sigaction(SIGTERM, NULL, &handler) == 0 && handler.sa_handler != SIG_DFL && handler.sa_handler != SIG_IGN;
    if (!rn_ranks_good(comm, MPI_Allgather(&own, sizeof own, MPI_BYTE, names, sizeof own, MPI_BYTE, comm->on[RN_RANKS_SHARES]),
                       "meeting"))
        return false;
    for (size_t r = 0; r < comm->size; r++) {
        struct rn_ranks_peer *peer = &comm->peer[r];
        memcpy(peer->host, names[r].host, sizeof peer->host - 1);
        peer->process = own.space && own.space == names[r].space && !strcmp(peer->host, own.host) ? names[r].process : 0;
        peer->heard = rn_ranks_seconds();
        peer->send = peer->receive = MPI_REQUEST_NULL;
        if (r != comm->rank &&
            !rn_ranks_good(comm, MPI_Irecv(&peer->in, sizeof peer->in, MPI_BYTE, (int)r, 0, comm->on[RN_RANKS_BEATS],
                                           &peer->receive), "listening"))
            return false;
    }
    return true;
}

/* Whether a call to MPI that concerns rank r went well; MPICH's fails where a connection was closed. */
static bool reaches(struct rn_ranks_comm *comm, size_t r, int status)
{
    char text[MPI_MAX_ERROR_STRING] = "";
    int class = status, length = 0;
    if (status == MPI_SUCCESS || comm->leaving)
        return status == MPI_SUCCESS;
    MPI_Error_class(status, &class);
    MPI_Error_string(class, text, &length);
    comm->alone = comm->alone || r == 0;
    rn_ranks_comm_fail(comm, "rank %zu of %zu (%s) is not reached any more: %s", r, comm->size, comm->peer[r].host, text);
    return false;
}

static void hear(struct rn_ranks_comm *comm, size_t r)
{
    struct rn_ranks_peer *peer = &comm->peer[r];
    int arrived = 0;
    if (!reaches(comm, r, MPI_Test(&peer->receive, &arrived, MPI_STATUS_IGNORE)) || !arrived)
        return;
    peer->heard = rn_ranks_seconds();
    if (peer->in.exit) {
        peer->in.text[sizeof peer->in.text - 1] = '\0';
        rn_ranks_comm_fail(comm, "rank %zu of %zu (%s): %s", r, comm->size, peer->host, peer->in.text);
    }
    reaches(comm, r, MPI_Irecv(&peer->in, sizeof peer->in, MPI_BYTE, (int)r, 0, comm->on[RN_RANKS_BEATS], &peer->receive));
}

static void beat(struct rn_ranks_comm *comm, size_t r, const struct rn_err *confession)
{
    struct rn_ranks_peer *peer = &comm->peer[r];
    int gone = 1;
    if (!reaches(comm, r, MPI_Test(&peer->send, &gone, MPI_STATUS_IGNORE)) || !gone)
        return;
    peer->out = (struct rn_ranks_beat){ .exit = confession->exit };
    snprintf(peer->out.text, sizeof peer->out.text, "%s", confession->text);
    reaches(comm, r, MPI_Isend(&peer->out, sizeof peer->out, MPI_BYTE, (int)r, 0, comm->on[RN_RANKS_BEATS], &peer->send));
}

/* silent: for so many seconds; 0: its process was seen to have ended */
static void lose(struct rn_ranks_comm *comm, size_t r, int silent)
{
    const char *host = comm->peer[r].host;
    comm->alone = comm->alone || r == 0;
    if (silent)
        rn_ranks_comm_fail(comm, "rank %zu of %zu (%s) has not been heard of for %d seconds", r, comm->size, host, silent);
    else
        rn_ranks_comm_fail(comm, "rank %zu of %zu (%s) has ended", r, comm->size, host);
}

/* mpirun asks all ranks to end some seconds after it has seen one of them go, and kills those that have not some seconds later. So
 * after SIGTERM, whose handler is gone once it has come (SA_RESETHAND), silence means more, and there is less time. */
static int patience(const struct rn_ranks_comm *comm)
{
    struct sigaction now;
    bool asked = comm->handles_end && sigaction(SIGTERM, NULL, &now) == 0 && now.sa_handler == SIG_DFL;
    return asked ? RN_RANKS_LESS_PATIENCE : RN_RANKS_PATIENCE;
}

/* Ten times a second. Who was stopped himself, or held up in MPI, has heard nothing meanwhile: of such a time little counts. */
void rn_ranks_look_round(struct rn_ranks_comm *comm)
{
    double now = rn_ranks_seconds(), gap = comm->looked > 0 ? now - comm->looked : 0, missed = gap > 2 ? gap - 2 : 0;
    bool due = now - comm->beaten >= 1;
    int most = patience(comm);
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
        struct rn_ranks_peer *peer = &comm->peer[r];
        if (r == comm->rank)
            continue;
        peer->heard += missed;
        hear(comm, r);
        if (due || (confession.exit && r == 0 && !peer->out.exit))
            beat(comm, r, &confession);
        if (comm->leaving)
            continue;
        if (now - peer->heard > most)
            lose(comm, r, most);
        else if (peer->process && kill(peer->process, 0) && errno == ESRCH)
            lose(comm, r, 0);
    }
}
