/* below.c -- files below a folder, whose names come from outside, and where others may have planted links. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"

/* A failure that is the name's own is bad data, so that the next name may go on; others are the system's. */
static int blame(const char *folder, const char *name, struct rn_err *err)
{
    char room[256], below[256];
    int why = errno;
    rn_fail_errno(err, "%s/%s", rn_text_show(rn_text(folder), room), rn_text_show(rn_text(name), below));
    if (why == ENAMETOOLONG || why == ELOOP || why == ENOTDIR || why == EISDIR || why == EINVAL || why == EILSEQ)
        err->exit = RN_EXIT_DATA;
    return -1;
}

/* The folder `name` in `at`, made where there is none; never through a link. -1 and errno; ELOOP: it is a link. */
static int step(int at, const char *name)
{
    struct stat status;
    int how = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, fd = openat(at, name, how);
    if (fd < 0 && errno == ENOENT && (mkdirat(at, name, 0777) == 0 || errno == EEXIST))
        fd = openat(at, name, how);
    if (fd < 0 && errno == ENOTDIR && fstatat(at, name, &status, AT_SYMLINK_NOFOLLOW) == 0)
        errno = S_ISLNK(status.st_mode) ? ELOOP : ENOTDIR;
    return fd;
}

/* The folder that the last part of `name` lies in; *last: that part. name: of rn_file_below, so without "..". */
static int walk(const char *folder, const char *name, const char **last, struct rn_err *err)
{
    char room[256], part[NAME_MAX + 1];
    int at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0 && errno == ENOENT && rn_file_mkdir(folder, err) == 0)
        at = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (at < 0)
        return rn_fail_errno(err, "%s", rn_text_show(rn_text(folder), room));
    for (const char *slash; (slash = strchr(name, '/')); name = slash + 1) {
        size_t length = (size_t)(slash - name);
        snprintf(part, sizeof part, "%.*s", (int)(length < sizeof part ? length : sizeof part - 1), name);
        int next = length < sizeof part ? step(at, part) : (errno = ENAMETOOLONG, -1), why = errno;
        close(at);
        errno = why;
        if ((at = next) < 0)
            return -1;
    }
    *last = name;
    return at;
}

/* A name that nobody can guess. */
static int make_temporary(char temporary[static 40])
{
    unsigned long long number = 0;
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return -1;
    snprintf(temporary, 40, ".rn-%016llx.tmp", number);
    return 0;
}

/* A new file in the folder: without a name, so that a killed program leaves nothing behind, or where that is not to be had with the
 * one in `temporary` (else empty). */
static int create(int at, char temporary[static 40])
{
    temporary[0] = '\0';
    int fd = access("/proc/self/fd", X_OK) ? -1 : openat(at, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (fd >= 0 || make_temporary(temporary))
        return fd;
    fd = openat(at, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        temporary[0] = '\0';
    return fd;
}

/* Gives a file without a name its own, at once, so that no moment leaves another; where something has that one, a name for the
 * moment: only a rename replaces. */
static int name_it(int at, int fd, const char *last, char temporary[static 40])
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (linkat(AT_FDCWD, link, at, last, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    if (make_temporary(temporary) == 0 && linkat(AT_FDCWD, link, at, temporary, AT_SYMLINK_FOLLOW) == 0)
        return 0;
    temporary[0] = '\0';
    return -1;
}

static int put(int at, const char *folder, const char *name, const char *last, const void *bytes, size_t length, bool flush,
               struct rn_err *err)
{
    char temporary[40], room[256];
    struct stat status;
    if (strlen(last) > NAME_MAX)
        return errno = ENAMETOOLONG, blame(folder, name, err);
    if (fstatat(at, last, &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(status.st_mode))
        return errno = EISDIR, blame(folder, name, err);
    int fd = create(at, temporary);
    if (fd < 0)
        return blame(folder, name, err);
    int rc = rn_file_write(fd, bytes, length, err) ? rn_fail_at(err, "%s/%s", folder, rn_text_show(rn_text(name), room)) : 0;
    if (rc == 0 && ((flush && fsync(fd)) || (!temporary[0] && name_it(at, fd, last, temporary))))
        rc = blame(folder, name, err);
    if (close(fd) && rc == 0)
        rc = blame(folder, name, err);
    if (rc == 0 && temporary[0] && renameat(at, temporary, at, last))
        rc = blame(folder, name, err);
    if (rc && temporary[0])
        unlinkat(at, temporary, 0);
    return rc;
}

int rn_file_put(const char *folder, const char *name, const void *bytes, size_t length, bool flush, struct rn_err *err)
{
    const char *last = name;
    err->exit = RN_EXIT_OK;
    int at = walk(folder, name, &last, err);
    if (at < 0)
        return err->exit ? -1 : blame(folder, name, err);
    int rc = put(at, folder, name, last, bytes, length, flush, err);
    close(at);
    return rc;
}
