/* letters.c -- bytes from rank 0 to the others, in order. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/ranks/private.h"

struct rn_ranks_letter {
    struct rn_ranks_letter *next;
    int to, tag;
    bool sent;
    MPI_Request request;
    size_t length;
    char bytes[];
};

static struct rn_ranks_letter *first_letter(struct rn_ranks_comm *comm)
{
    pthread_mutex_lock(&comm->lock);
    struct rn_ranks_letter *letter = comm->out;
    pthread_mutex_unlock(&comm->lock);
    return letter;
}

static struct rn_ranks_letter *next_letter(struct rn_ranks_comm *comm, const struct rn_ranks_letter *letter)
{
    pthread_mutex_lock(&comm->lock);
    struct rn_ranks_letter *next = letter->next;
    pthread_mutex_unlock(&comm->lock);
    return next;
}

bool rn_ranks_letters_left(struct rn_ranks_comm *comm)
{
    return first_letter(comm);
}

bool rn_ranks_send_letters(struct rn_ranks_comm *comm)
{
    struct rn_ranks_letter *letter = first_letter(comm);
    bool moved = false;
    for (; letter; letter = next_letter(comm, letter)) {
        if (letter->sent)
            continue;
        letter->sent = moved = true;
        if (!rn_ranks_good(comm, MPI_Isend(letter->bytes, (int)letter->length, MPI_BYTE, letter->to, letter->tag,
                                           comm->on[RN_RANKS_LETTERS], &letter->request),
                  "a letter"))
            return true;
    }
    for (int done = 1; (letter = first_letter(comm)) && letter->sent && done;) {
        if (!rn_ranks_good(comm, MPI_Test(&letter->request, &done, MPI_STATUS_IGNORE), "a letter") || !done)
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
    /* any tag: with one after the other, the end might be seen before a letter that was sent earlier */
    if (!rn_ranks_good(comm, MPI_Improbe(0, MPI_ANY_TAG, comm->on[RN_RANKS_LETTERS], &there, &message, &status), "a letter") ||
        !there)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &length);
    struct rn_ranks_letter *letter = rn_alloc_aligned(sizeof *letter + (size_t)length + 1, 1, &err);
    if (!letter) {
        rn_ranks_comm_fail(comm, "%s", err.text);
        return false;
    }
    *letter = (struct rn_ranks_letter){ .length = (size_t)length, .tag = status.MPI_TAG };
    comm->arriving = letter;
    return rn_ranks_good(comm, MPI_Imrecv(letter->bytes, length, MPI_BYTE, &message, &letter->request), "a letter");
}

bool rn_ranks_receive_letter(struct rn_ranks_comm *comm)
{
    int arrived = 0;
    if (comm->rank == 0 || comm->ended || (!comm->arriving && !expect_letter(comm)))
        return false;
    struct rn_ranks_letter *letter = comm->arriving;
    if (!rn_ranks_good(comm, MPI_Test(&letter->request, &arrived, MPI_STATUS_IGNORE), "a letter") || !arrived)
        return false;
    comm->arriving = NULL;
    pthread_mutex_lock(&comm->lock);
    if (letter->tag == RN_RANKS_TAG_END) {
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

bool rn_ranks_letter_waits(const struct rn_ranks_comm *comm)
{
    return comm->out && !comm->out->sent;
}

void rn_ranks_letters_free(struct rn_ranks_comm *comm)
{
    for (struct rn_ranks_letter *letter; (letter = comm->in);) {
        comm->in = letter->next;
        free(letter);
    }
}

/* ---- what others ask ---- */

int rn_ranks_post(struct rn_ranks_comm *comm, int to, int tag, const void *head, size_t head_bytes, const void *body,
                  size_t body_bytes,
                struct rn_err *err)
{
    if (head_bytes > INT_MAX || body_bytes > INT_MAX - head_bytes)
        return rn_fail(err, RN_EXIT_SYSTEM, "device ranks: %zu bytes at once for rank %d: smaller batches (rn-batch -b) want less",
                       body_bytes, to);
    struct rn_ranks_letter *letter = rn_alloc_aligned(sizeof *letter + head_bytes + body_bytes, 1, err);
    if (!letter)
        return -1;
    *letter = (struct rn_ranks_letter){ .to = to, .tag = tag, .length = head_bytes + body_bytes };
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

int rn_ranks_tell(struct rn_ranks_comm *comm, size_t to, const void *head, size_t head_bytes, const void *body, size_t body_bytes,
                  struct rn_err *err)
{
    return comm->failed ? 0 : rn_ranks_post(comm, (int)to, RN_RANKS_TAG_TELL, head, head_bytes, body, body_bytes, err);
}

int rn_ranks_listen(struct rn_ranks_comm *comm, void **bytes, size_t *length, int *code, struct rn_err *err)
{
    int rc = 0;
    pthread_mutex_lock(&comm->lock);
    while (!comm->in && !comm->ended && !comm->failed)
        pthread_cond_wait(&comm->change, &comm->lock);
    struct rn_ranks_letter *letter = comm->in;
    if (comm->failed && !comm->ended) {
        rc = rn_ranks_failure(comm, err);
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
