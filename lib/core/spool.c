/* spool.c -- bytes put aside. */
#include "core/spool.h"

#include <unistd.h>

#include "core/file.h"

enum { IN_MEMORY = 4 << 20 };

static int write_out(struct rn_spool *spool, struct rn_err *err)
{
    if (!spool->has_file && (spool->fd = rn_file_scratch(err)) < 0)
        return -1;
    spool->has_file = true;
    if (rn_file_write(spool->fd, spool->recent.data, spool->recent.length, err))
        return rn_fail_at(err, "temporary file");
    spool->written += spool->recent.length;
    spool->recent.length = 0;
    return 0;
}

int rn_spool_add(struct rn_spool *spool, struct rn_text bytes, uint64_t *offset, struct rn_err *err)
{
    if (spool->recent.length && bytes.length > IN_MEMORY - spool->recent.length && write_out(spool, err))
        return -1;
    *offset = spool->written + spool->recent.length;
    if (rn_buffer_add(&spool->recent, bytes.data, bytes.length, err))
        return -1;
    return spool->recent.length > IN_MEMORY ? write_out(spool, err) : 0;
}

int rn_spool_read(const struct rn_spool *spool, uint64_t offset, size_t length, struct rn_buffer *room, struct rn_text *bytes,
                  struct rn_err *err)
{
    if (offset >= spool->written) {
        *bytes = (struct rn_text){ spool->recent.data + (offset - spool->written), length };
        return 0;
    }
    if (rn_grow(&room->data, &room->capacity, length + 1, 1, err))
        return -1;
    room->length = length;
    *bytes = (struct rn_text){ room->data, length };
    return rn_file_pread(spool->fd, room->data, length, offset, err) ? rn_fail_at(err, "temporary file") : 0;
}

void rn_spool_free(struct rn_spool *spool)
{
    if (spool->has_file)
        close(spool->fd);
    rn_buffer_free(&spool->recent);
    *spool = (struct rn_spool){ 0 };
}
