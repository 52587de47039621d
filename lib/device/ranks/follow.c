/* follow.c -- what the ranks other than 0 do. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "device/ranks/blocks.h"
#include "device/ranks/calls.h"

/* Rank 0's address as ours. */
static void find(const struct rn_ranks *r, void **pointer)
{
    const struct rn_ranks_block *block = *pointer ? rn_ranks_block_of(r, *pointer, true) : NULL;
    *pointer = block ? block->at + ((const char *)*pointer - block->origin) : NULL;
}

static void find_all(const struct rn_ranks *r, struct rn_ranks_call *call)
{
    if (call->what == RN_RANKS_DO_alloc)
        return;
    for (size_t i = 0; i < sizeof call->array / sizeof *call->array; i++)
        find(r, &call->array[i].data);
    for (size_t i = 0; i < sizeof call->norm.array / sizeof *call->norm.array; i++)
        find(r, &call->norm.array[i].data);
    for (size_t i = 0; i < sizeof call->memory / sizeof *call->memory; i++)
        find(r, &call->memory[i]);
}

static int follow_call(struct rn_ranks *r, void *bytes, size_t length, struct rn_err *err)
{
    struct rn_ranks_call *call = bytes;
    if (length < sizeof *call || call->what >= RN_RANKS_COUNT || call->number != r->calls)
        return rn_fail(err, RN_EXIT_SYSTEM, "call %llu of rank 0 came damaged, or from another version of the program",
                       (unsigned long long)r->calls);
    r->calls++;
    find_all(r, call);
    return rn_ranks_do(r, call, call + 1, err);
}

int rn_ranks_follow(struct rn_ranks *r, struct rn_err *err)
{
    void *bytes;
    size_t length;
    int code = 0, rc;
    while ((rc = rn_ranks_listen(r->comm, &bytes, &length, &code, err)) == 1) {
        int failed = follow_call(r, bytes, length, err);
        free(bytes);
        if (failed) {
            rn_ranks_confess(r->comm, err);
            rc = -1;
            break;
        }
    }
    if (rc && rn_ranks_await_end(r->comm, &code))
        return -1;
    rn_ranks_comm_close(r->comm, code);
    _exit(code);
}
