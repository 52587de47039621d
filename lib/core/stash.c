/* stash.c -- bytes put aside. */
#include "core/stash.h"

#include <unistd.h>

#include "core/file.h"

enum { IN_MEMORY = 4 << 20 };

static int write_out(struct rn_stash *stash, struct rn_err *err)
{
    if (!stash->has_file && (stash->fd = rn_file_scratch(err)) < 0)
        return -1;
    stash->has_file = true;
    if (rn_file_write(stash->fd, stash->recent.data, stash->recent.length, err))
        return rn_fail_at(err, "temporary file");
    stash->written += stash->recent.length;
    stash->recent.length = 0;
    return 0;
}

int rn_stash_add(struct rn_stash *stash, struct rn_text bytes, uint64_t *offset, struct rn_err *err)
{
    if (stash->recent.length && bytes.length > IN_MEMORY - stash->recent.length && write_out(stash, err))
        return -1;
    *offset = stash->written + stash->recent.length;
    if (rn_buffer_add(&stash->recent, bytes.data, bytes.length, err))
        return -1;
    return stash->recent.length > IN_MEMORY ? write_out(stash, err) : 0;
}

int rn_stash_read(const struct rn_stash *stash, uint64_t offset, size_t length, struct rn_buffer *room, struct rn_text *bytes,
                  struct rn_err *err)
{
    if (offset >= stash->written) {
        *bytes = (struct rn_text){ stash->recent.data + (offset - stash->written), length };
        return 0;
    }
    if (rn_grow(&room->data, &room->capacity, length + 1, 1, err))
        return -1;
    room->length = length;
    *bytes = (struct rn_text){ room->data, length };
    return rn_file_pread(stash->fd, room->data, length, offset, err) ? rn_fail_at(err, "temporary file") : 0;
}

void rn_stash_free(struct rn_stash *stash)
{
    if (stash->has_file)
        close(stash->fd);
    rn_buffer_free(&stash->recent);
    *stash = (struct rn_stash){ 0 };
}
