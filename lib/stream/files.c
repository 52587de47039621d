/* files.c -- files and pipes. */
#include "stream/files.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/text.h"
#include "stream/stream.h"

enum { READ_SIZE = 256 << 10, LARGE = 64 << 10, BEHIND = 4 << 10, PIPE_SIZE = 1 << 20, STOP_CHECK_MS = 200 };

static void close_file(struct rn_files *source)
{
    if (source->fd > STDERR_FILENO)
        close(source->fd);
    source->fd = -1;
}

int rn_files_next(struct rn_files *source, struct rn_err *err)
{
    char room[256];
    if (source->next == (source->count ? source->count : 1))
        return 0;
    close_file(source);
    const char *path = source->count ? source->files[source->next] : "-";
    bool standard = !strcmp(path, "-");
    source->name = standard ? "standard input" : path;
    source->fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (source->fd < 0)
        return rn_fail_errno(err, "%s", rn_text_show(rn_text(path), room));
    if (standard && isatty(source->fd))
        return rn_fail(err, RN_EXIT_USAGE, "standard input is a terminal: give a file or a pipe");
    /* Both only make it faster; a file or an old kernel may refuse either. */
    fcntl(source->fd, F_SETPIPE_SZ, PIPE_SIZE);
    posix_fadvise(source->fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    source->next++;
    source->offset = 0;
    return 1;
}

int rn_files_grow(struct rn_files *source, size_t capacity, struct rn_err *err)
{
    char *larger = NULL;
    size_t room = 0;
    if (capacity <= source->capacity)
        return 0;
    if (!source->lent || source->data != source->lent)
        return rn_grow(&source->data, &source->capacity, capacity, 1, err);
    if (rn_grow(&larger, &room, capacity, 1, err))
        return -1;
    memcpy(larger, source->data, source->end);
    source->data = larger;
    source->capacity = room;
    return 0;
}

static int make_room(struct rn_files *source, struct rn_err *err)
{
    size_t here = source->end - source->start;
    if (source->start && (!here || source->capacity - source->end < READ_SIZE)) {
        memmove(source->data, source->data + source->start, here);
        source->start = 0;
        source->end = here;
    }
    if (source->capacity - source->end >= READ_SIZE)
        return 0;
    return rn_files_grow(source, source->end + READ_SIZE, err);
}

/* 1 when read would not wait, or RN_STOPPED. With a stop flag a wait is short: a signal that comes just before it
 * would not end it. */
static int wait_for_bytes(const struct rn_files *source)
{
    struct pollfd poller = { .fd = source->fd, .events = POLLIN };
    for (;;) {
        int timeout = !source->stop ? -1 : *source->stop ? 0 : STOP_CHECK_MS;
        int n = poll(&poller, 1, timeout);
        if (n > 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return 1;
        if (source->stop && *source->stop)
            return RN_STOPPED;
    }
}

int rn_files_fill(struct rn_files *source, size_t missing, struct rn_err *err)
{
    char room[256];
    size_t most = missing > LARGE ? missing + BEHIND : READ_SIZE;
    if (make_room(source, err))
        return -1;
    for (;;) {
        if (source->stop && wait_for_bytes(source) == RN_STOPPED)
            return RN_STOPPED;
        size_t here = source->capacity - source->end;
        ssize_t n = read(source->fd, source->data + source->end, here < most ? here : most);
        if (n >= 0) {
            source->end += (size_t)n;
            return n > 0;
        }
        if (errno == EAGAIN)
            wait_for_bytes(source);
        else if (errno != EINTR)
            return rn_fail_errno(err, "%s", rn_text_show(rn_text(source->name), room));
    }
}

void rn_files_take(struct rn_files *source, size_t length)
{
    source->start += length;
    source->offset += length;
}

void rn_files_close(struct rn_files *source)
{
    close_file(source);
    if (source->data != source->lent)
        free(source->data);
    *source = (struct rn_files){ .fd = -1 };
}
