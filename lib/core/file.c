/* file.c -- whole files. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct rn_out {
    int fd;
    char *path;      /* as given; for messages and the rename */
    char *temporary; /* NULL: written in place */
    bool nameless;   /* the temporary has no name yet */
    bool placed;     /* it never had that name, but has its own */
    bool terminal;
    struct rn_buffer *memory; /* NULL: a file */
    size_t used;
    char buffer[65536];
};

static const char *shown(const char *path, char room[static 256])
{
    return rn_text_show(rn_text(path), room);
}

/* A file that vanishes with its last descriptor, unless give_name comes first. -1 where that is not to be had. */
static int open_nameless(const char *folder)
{
    return access("/proc/self/fd", X_OK) ? -1 : open(folder, O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
}

/* Its own name at once, so that no moment leaves another; where something has that one, the temporary: only a rename replaces. */
static int give_name(struct rn_out *out, struct rn_err *err)
{
    char room[256], link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", out->fd);
    int rc = linkat(AT_FDCWD, link, AT_FDCWD, out->path, AT_SYMLINK_FOLLOW);
    out->placed = rc == 0;
    if (rc && errno == EEXIST) {
        unlink(out->temporary);
        rc = linkat(AT_FDCWD, link, AT_FDCWD, out->temporary, AT_SYMLINK_FOLLOW);
    }
    out->nameless = rc != 0;
    return rc ? rn_fail_errno(err, "%s", shown(out->path, room)) : 0;
}

/* A file that is replaced leaves its mode to the new one. Where that is not to be had, the new one keeps its own. */
static void keep_mode(const struct rn_out *out)
{
    struct stat old;
    if (stat(out->path, &old) == 0 && S_ISREG(old.st_mode))
        (void)fchmod(out->fd, old.st_mode & 0777);
}

/* Opens the temporary beside out->path: the same folder, so that the rename cannot cross file systems. A link is
 * followed first, so that it stays a link. */
static int open_temporary(struct rn_out *out, struct rn_err *err)
{
    char room[256];
    char *target = realpath(out->path, NULL);
    if (target) {
        free(out->path);
        out->path = target;
    }
    size_t length = strlen(out->path) + 32;
    if (!(out->temporary = rn_calloc(length, 1, err)))
        return -1;
    const char *slash = strrchr(out->path, '/');
    int folder = slash ? (int)(slash - out->path) + 1 : 0;
    snprintf(out->temporary, length, "%.*s", folder, out->path);
    out->fd = open_nameless(folder ? out->temporary : ".");
    out->nameless = out->fd >= 0;
    /* 200: the longest file name there can be must still have a temporary one */
    snprintf(out->temporary, length, "%.*s.%.200s.%ld.tmp", folder, out->path, out->path + folder, (long)getpid());
    if (out->nameless)
        return 0;
    unlink(out->temporary);
    out->fd = open(out->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (out->fd < 0) {
        free(out->temporary);
        out->temporary = NULL;
        return rn_fail_errno(err, "%s", shown(out->path, room));
    }
    return 0;
}

int rn_out_open(struct rn_out **result, const char *path, struct rn_err *err)
{
    char room[256];
    struct stat status;
    struct rn_out *out = rn_calloc(1, sizeof *out, err);
    *result = NULL;
    if (!out)
        return -1;
    out->fd = -1;
    bool standard = !path || !strcmp(path, "-");
    out->path = strdup(standard ? "standard output" : path);
    if (!out->path) {
        rn_fail_errno(err, "out of memory");
    } else if (standard) {
        out->fd = STDOUT_FILENO;
        if (fcntl(out->fd, F_GETFD) < 0)
            rn_fail_errno(err, "standard output");
        else
            return out->terminal = isatty(out->fd), *result = out, 0;
    } else if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        out->fd = S_ISDIR(status.st_mode) ? (errno = EISDIR, -1) : open(path, O_WRONLY | O_CLOEXEC);
        if (out->fd < 0)
            rn_fail_errno(err, "%s", shown(path, room));
        else
            return out->terminal = isatty(out->fd), *result = out, 0;
    } else if (open_temporary(out, err) == 0) {
        return *result = out, 0;
    }
    free(out->path);
    free(out);
    return -1;
}

int rn_out_memory(struct rn_out **out, struct rn_buffer *to, struct rn_err *err)
{
    *out = rn_calloc(1, sizeof **out, err);
    if (!*out)
        return -1;
    (*out)->fd = -1;
    (*out)->memory = to;
    return 0;
}

int rn_out_binary(const struct rn_out *out, struct rn_err *err)
{
    if (isatty(out->fd))
        return rn_fail(err, RN_EXIT_USAGE, "%s is a terminal and the stream is binary: look at it with '| rn-show'", out->path);
    return 0;
}

int rn_file_write(int fd, const void *bytes, size_t length, struct rn_err *err)
{
    const char *at = bytes;
    while (length) {
        ssize_t n = write(fd, at, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return rn_fail_errno(err, "cannot write");
        at += n;
        length -= (size_t)n;
    }
    return 0;
}

static int checked_write(struct rn_out *out, const void *bytes, size_t length, struct rn_err *err)
{
    char room[256];
    if (out->memory)
        return rn_buffer_add(out->memory, bytes, length, err);
    return rn_file_write(out->fd, bytes, length, err) ? rn_fail_at(err, "%s", shown(out->path, room)) : 0;
}

int rn_out_flush(struct rn_out *out, struct rn_err *err)
{
    size_t used = out->used;
    out->used = 0;
    return used ? checked_write(out, out->buffer, used, err) : 0;
}

int rn_out_write(struct rn_out *out, const void *bytes, size_t length, struct rn_err *err)
{
    if (length > sizeof out->buffer - out->used) {
        if (rn_out_flush(out, err))
            return -1;
        if (length >= sizeof out->buffer)
            return checked_write(out, bytes, length, err);
    }
    if (length)
        memcpy(out->buffer + out->used, bytes, length);
    out->used += length;
    return 0;
}

int rn_out_printf(struct rn_out *out, struct rn_err *err, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = rn_vformat(&text, err, format, args);
    va_end(args);
    int rc = length < 0 ? -1 : rn_out_write(out, text, (size_t)length, err);
    free(text);
    return rc;
}

int rn_out_escaped(struct rn_out *out, struct rn_text text, enum rn_escape how, struct rn_err *err)
{
    struct rn_buffer buffer = { 0 };
    if (out->terminal && (how == RN_ESCAPE_TSV || how == RN_ESCAPE_CSV))
        how |= RN_ESCAPE_TERMINAL;
    int rc = rn_text_escape(&buffer, text, how, err) || rn_out_write(out, buffer.data, buffer.length, err) ? -1 : 0;
    rn_buffer_free(&buffer);
    return rc;
}

/* The folder that a path's last part lies in: its descriptor, -1 where it may be written to but not read; *rc: -1 and err. */
static int open_folder(const char *path, int *rc, struct rn_err *err)
{
    char room[256];
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0 && errno != EACCES)
        *rc = rn_fail_errno(err, "%s", shown(path, room));
    free(folder);
    return fd;
}

/* The new entry must reach the disk too, or a crash could bring the old file back. File systems that have no such thing (some over
 * a network) say so. */
static int name_for_good(struct rn_out *out, int folder, struct rn_err *err)
{
    char room[256];
    if (!out->placed && rename(out->temporary, out->path))
        return rn_fail_errno(err, "%s", shown(out->path, room));
    if (folder >= 0 && fsync(folder) && errno != EINVAL && errno != ENOTSUP && errno != ENOSYS && errno != EROFS)
        return rn_fail_errno(err, "%s: written, but perhaps not for good: its folder cannot be flushed", shown(out->path, room));
    return 0;
}

int rn_out_commit(struct rn_out *out, struct rn_err *err)
{
    char room[256];
    int folder = -1;
    if (!out)
        return 0;
    int rc = rn_out_flush(out, err);
    if (rc == 0 && out->temporary)
        keep_mode(out);
    if (rc == 0 && out->temporary && fsync(out->fd))
        rc = rn_fail_errno(err, "%s", shown(out->path, room));
    if (rc == 0 && out->temporary)
        folder = open_folder(out->path, &rc, err);
    if (rc == 0 && out->nameless)
        rc = give_name(out, err);
    if (close(out->fd) && rc == 0) {
        rc = rn_fail_errno(err, "%s", shown(out->path, room));
        if (out->placed)
            unlink(out->path);
    }
    out->fd = -1;
    if (rc == 0 && out->temporary)
        rc = name_for_good(out, folder, err);
    if (folder >= 0)
        close(folder);
    if (rc && out->temporary && !out->nameless && !out->placed) /* or it was renamed */
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out);
    return rc;
}

void rn_out_discard(struct rn_out *out)
{
    if (!out)
        return;
    if (out->fd > STDERR_FILENO)
        close(out->fd);
    if (out->temporary && !out->nameless)
        unlink(out->temporary);
    free(out->temporary);
    free(out->path);
    free(out);
}

int rn_file_read(struct rn_buffer *buffer, const char *path, size_t limit, struct rn_err *err)
{
    char room[256];
    struct stat status;
    int rc = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "%s", shown(path, room));
    buffer->length = 0;
    size_t expected = fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && status.st_size > 0 ? (size_t)status.st_size : 0;
    if (expected > limit) {
        rc = rn_fail(err, RN_EXIT_DATA, "%s: larger than %zu bytes", shown(path, room), limit);
        goto out;
    }
    for (;;) {
        size_t wanted = buffer->length < expected ? expected + 1 : buffer->length + 1;
        if ((rc = rn_grow(&buffer->data, &buffer->capacity, wanted > 65536 ? wanted : 65536, 1, err)))
            goto out;
        ssize_t n = read(fd, buffer->data + buffer->length, buffer->capacity - buffer->length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            rc = rn_fail_errno(err, "%s", shown(path, room));
        if (n <= 0)
            goto out;
        buffer->length += (size_t)n;
        if (buffer->length > limit) {
            rc = rn_fail(err, RN_EXIT_DATA, "%s: larger than %zu bytes", shown(path, room), limit);
            goto out;
        }
    }
out:
    close(fd);
    return rc;
}

int rn_file_scratch(struct rn_err *err)
{
    char path[4096];
    const char *folder = getenv("TMPDIR");
    if (!folder || !*folder)
        folder = "/tmp";
    if (snprintf(path, sizeof path, "%s/rn.XXXXXX", folder) >= (int)sizeof path)
        return rn_fail(err, RN_EXIT_SYSTEM, "TMPDIR is too long");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "%s", path);
    unlink(path);
    return fd;
}

int rn_file_keep(int fd, struct rn_err *err)
{
    char bytes[65536];
    ssize_t n;
    int kept = rn_file_scratch(err), rc = kept < 0 ? -1 : 0;
    while (rc == 0 && (n = read(fd, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno != EINTR)
            rc = rn_fail_errno(err, "cannot read");
        else if (n > 0 && rn_file_write(kept, bytes, (size_t)n, err))
            rc = rn_fail_at(err, "the temporary file");
    }
    if (rc == 0 && lseek(kept, 0, SEEK_SET) < 0)
        rc = rn_fail_errno(err, "the temporary file");
    if (rc && kept >= 0)
        close(kept);
    return rc ? -1 : kept;
}

int rn_file_pread(int fd, void *bytes, size_t length, uint64_t offset, struct rn_err *err)
{
    char *at = bytes;
    while (length) {
        ssize_t n = pread(fd, at, length, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n ? rn_fail_errno(err, "cannot read")
                   : rn_fail(err, RN_EXIT_SYSTEM, "cannot read: the file has become shorter: nobody may write to it meanwhile");
        at += n;
        offset += (uint64_t)n;
        length -= (size_t)n;
    }
    return 0;
}

int rn_file_mkdir(const char *path, struct rn_err *err)
{
    char room[256];
    int rc = 0;
    if (!*path)
        return rn_fail(err, RN_EXIT_SYSTEM, "the name of a folder is empty");
    char *copy = strdup(path);
    if (!copy)
        return rn_fail_errno(err, "out of memory");
    for (char *at = copy + 1; rc == 0; at++) {
        char c = *at;
        if (c != '/' && c)
            continue;
        *at = '\0';
        struct stat status;
        if (mkdir(copy, 0777) && (errno != EEXIST || stat(copy, &status) || (!S_ISDIR(status.st_mode) && (errno = ENOTDIR))))
            rc = rn_fail_errno(err, "%s", shown(copy, room));
        *at = c;
        if (!c)
            break;
    }
    free(copy);
    return rc;
}

/* Appends the name's parts, each after a slash; false when it leads out, or nowhere. */
static bool add_parts(struct rn_buffer *path, struct rn_text name, struct rn_err *err)
{
    const char *end = name.data + name.length;
    bool last = false; /* the last part is a file's name */
    for (const char *part = name.data; part < end;) {
        const char *slash = memchr(part, '/', (size_t)(end - part));
        size_t length = (size_t)((slash ? slash : end) - part);
        if (length == 2 && !memcmp(part, "..", 2))
            return false;
        last = length && !(length == 1 && *part == '.');
        if (last && (rn_buffer_add(path, "/", 1, err) || rn_buffer_add(path, part, length, err)))
            return false;
        part += length + (slash != NULL);
        last = last && !slash;
    }
    return last;
}

int rn_file_below(struct rn_buffer *path, const char *folder, struct rn_text name, const char *suffix, struct rn_err *err)
{
    char room[256];
    path->length = 0;
    err->exit = RN_EXIT_OK; /* of memory it would be filled */
    if (rn_buffer_add(path, folder, strlen(folder), err))
        return -1;
    if (!name.length || *name.data == '/' || memchr(name.data, '\0', name.length) || !add_parts(path, name, err))
        return err->exit ? -1 : rn_fail(err, RN_EXIT_DATA, "'%s' is no name of a file below %s", rn_text_show(name, room), folder);
    return rn_buffer_add(path, suffix, strlen(suffix) + 1, err);
}
