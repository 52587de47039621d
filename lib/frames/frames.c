/* frames.c -- where one JPEG ends and the next begins. */
#include "frames/frames.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHUNK = 1 << 16 };

struct rn_frames {
    int fd;
    const char *name;
    unsigned char *data; /* begins with the frame that is being walked */
    size_t length, capacity;
    size_t taken;        /* bytes of the frame that was given out last */
    uint64_t offset, number;
};

int rn_frames_open(struct rn_frames **frames, int fd, const char *name, struct rn_err *err)
{
    *frames = rn_calloc(1, sizeof **frames, err);
    if (!*frames)
        return -1;
    (*frames)->fd = fd;
    (*frames)->name = name;
    return 0;
}

void rn_frames_close(struct rn_frames *frames)
{
    if (frames)
        free(frames->data);
    free(frames);
}

static int damaged(const struct rn_frames *frames, size_t at, const char *what, struct rn_err *err)
{
    char room[256];
    return rn_fail(err, RN_EXIT_DATA, "%s: frame %llu (byte %llu): %s", rn_text_show(rn_text(frames->name), room),
                   (unsigned long long)frames->number, (unsigned long long)(frames->offset + at), what);
}

/* Appends what is there to be read: 1, or 0 at the end of the file. */
static int fill(struct rn_frames *frames, struct rn_err *err)
{
    char room[256];
    if (rn_grow(&frames->data, &frames->capacity, frames->length + CHUNK, 1, err))
        return -1;
    for (;;) {
        ssize_t n = read(frames->fd, frames->data + frames->length, CHUNK); /* no more, for it is moved when a frame ends */
        if (n >= 0) {
            frames->length += (size_t)n;
            return n > 0;
        }
        if (errno != EINTR)
            return rn_fail_errno(err, "%s", rn_text_show(rn_text(frames->name), room));
    }
}

/* The first `length` bytes of the frame are here, or -1. */
static int need(struct rn_frames *frames, size_t length, struct rn_err *err)
{
    if (length > RN_FRAME_MAX)
        return damaged(frames, 0, "it is longer than 64 MiB", err);
    while (frames->length < length) {
        int rc = fill(frames, err);
        if (rc < 0)
            return -1;
        if (rc == 0)
            return damaged(frames, 0, "the input ends within it", err);
    }
    return 0;
}

/* From *at to the next marker that ends entropy-coded data: FF 00 is a byte of the data, D0 to D7 restart it. */
static int skip_scan(struct rn_frames *frames, size_t *at, struct rn_err *err)
{
    for (;; ++*at) {
        const unsigned char *ff = NULL;
        while (!ff) {
            if (need(frames, *at + 2, err))
                return -1;
            ff = memchr(frames->data + *at, 0xff, frames->length - 1 - *at);
            *at = ff ? (size_t)(ff - frames->data) : frames->length - 1;
        }
        unsigned char code = frames->data[*at + 1];
        if (code == 0xff) /* fill byte */
            continue;
        if (code != 0x00 && (code < 0xd0 || code > 0xd7))
            return 0;
    }
}

/* The marker at *at, after which *at is what follows it; its code, or -1. */
static int take_marker(struct rn_frames *frames, size_t *at, struct rn_err *err)
{
    if (need(frames, *at + 2, err))
        return -1;
    size_t begin = *at;
    while (frames->data[*at] == 0xff && frames->data[*at + 1] == 0xff)
        if (need(frames, ++*at + 2, err))
            return -1;
    if (frames->data[*at] != 0xff || frames->data[*at + 1] < 0xc0)
        return damaged(frames, begin, "there is no marker where one must be", err);
    *at += 2;
    return frames->data[*at - 1];
}

/* The length of the frame that begins at data, all of which is then there; 0 at the end of the file. */
static int walk(struct rn_frames *frames, size_t *length, struct rn_err *err)
{
    enum { SOI = 0xd8, EOI = 0xd9, SOS = 0xda, RST0 = 0xd0, RST7 = 0xd7 };
    int rc = frames->length ? 1 : fill(frames, err);
    if (rc <= 0)
        return rc;
    if (frames->data[0] != 0xff)
        return damaged(frames, 0, "no JPEG begins here", err);
    if (need(frames, 2, err))
        return -1;
    if (frames->data[1] != SOI)
        return damaged(frames, 0, "no JPEG begins here", err);
    for (size_t at = 2;;) {
        size_t begin = at;
        int code = take_marker(frames, &at, err);
        if (code < 0)
            return -1;
        if (code == EOI) {
            *length = at;
            return 1;
        }
        if (code >= RST0 && code <= SOI)
            return damaged(frames, begin, "a marker that must not be here", err);
        if (need(frames, at + 2, err))
            return -1;
        size_t segment = (size_t)frames->data[at] << 8 | frames->data[at + 1];
        if (segment < 2)
            return damaged(frames, begin, "a segment that is shorter than its length", err);
        at += segment;
        if (need(frames, at, err) || (code == SOS && skip_scan(frames, &at, err)))
            return -1;
    }
}

int rn_frames_next(struct rn_frames *frames, struct rn_text *jpeg, struct rn_err *err)
{
    if (frames->taken)
        memmove(frames->data, frames->data + frames->taken, frames->length - frames->taken);
    frames->length -= frames->taken;
    frames->offset += frames->taken;
    frames->taken = 0;
    frames->number++;
    int rc = walk(frames, &frames->taken, err);
    if (rc == 1)
        *jpeg = (struct rn_text){ (const char *)frames->data, frames->taken };
    return rc;
}
