/* faults.c -- preloaded into a tool: the RN_FAIL-th time that the program itself (with RN_FAIL_ANY=1: the program or a library)
 * asks the system for something, it does not get it; with RN_FAIL_ALL=1 nobody gets any from then on. RN_FAIL=0: all is given.
 * RN_FAULT says what: memory (the default), open, read, write, close, fsync, folder (fsync of one), rename, mmap, thread; or short
 * (a write takes half), interrupted (EINTR of a read or write).
 * RN_FAIL_TOOL=NAME: in that program alone, not in those that start it. RN_FAIL_COUNT=FILE: how often the program asked for each of
 * them is written there at the end.
 * RN_LOG=FILE: what is done to files is appended there, a line each, for tests/tool/power.pl: no fault is needed for that. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static const char *const kinds[] = { "memory", "open", "read", "write", "close", "fsync", "folder", "rename", "mmap", "thread",
                                     "short", "interrupted" };
enum { MEMORY, OPEN, READ, WRITE, CLOSE, FSYNC, FOLDER, RENAME, MMAP, THREAD, SHORT, INTERRUPTED, KINDS };

static atomic_long asked[KINDS];
static atomic_bool out;
static long fail_at = -1;
static bool all, any;
static int fault = MEMORY;
static char *begin, *end; /* the program's own code */
static int journal = -1;

/* The first object is the program. */
static int find_program(struct dl_phdr_info *info, size_t size, void *context)
{
    (void)size, (void)context;
    for (int i = 0; i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            begin = (char *)info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            end = begin + info->dlpi_phdr[i].p_memsz;
        }
    return 1;
}

__attribute__((constructor)) static void prepare(void)
{
    const char *at = getenv("RN_FAIL"), *tool = getenv("RN_FAIL_TOOL"), *what = getenv("RN_FAULT"), *log = getenv("RN_LOG");
    dl_iterate_phdr(find_program, NULL);
    all = getenv("RN_FAIL_ALL");
    any = getenv("RN_FAIL_ANY");
    for (int kind = 0; what && kind < KINDS; kind++)
        if (!strcmp(what, kinds[kind]))
            fault = kind;
    if (log)
        journal = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (!tool || !strcmp(tool, program_invocation_short_name))
        fail_at = at ? atol(at) : 0;
}

__attribute__((destructor)) static void report(void)
{
    long count[KINDS]; /* before this asks, too */
    const char *name = fail_at >= 0 ? getenv("RN_FAIL_COUNT") : NULL;
    for (int kind = 0; kind < KINDS; kind++)
        count[kind] = atomic_load(&asked[kind]);
    FILE *file = name ? fopen(name, "w") : NULL;
    for (int kind = 0; file && kind < KINDS; kind++)
        fprintf(file, "%s %ld\n", kinds[kind], count[kind]);
    if (file)
        fclose(file);
}

static bool fails(int what, void *caller, int why)
{
    bool own = any || ((char *)caller >= begin && (char *)caller < end);
    if (fail_at < 0 || (!own && !out))
        return false;
    bool now = own && atomic_fetch_add(&asked[what], 1) + 1 == fail_at;
    if (what != fault)
        return false;
    if (now && all)
        out = true;
    if (now || out)
        errno = why;
    return now || out;
}
#define FAILS(what, why) fails(what, __builtin_return_address(0), why)
#define REAL(function) static __typeof__(&function) real; real = real ? real : (__typeof__(&function))dlsym(RTLD_NEXT, #function)

void *malloc(size_t size) { return FAILS(MEMORY, ENOMEM) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return FAILS(MEMORY, ENOMEM) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return FAILS(MEMORY, ENOMEM) ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { return FAILS(MEMORY, ENOMEM) ? NULL : __libc_memalign(align, size); }

int posix_memalign(void **block, size_t align, size_t size)
{
    if (FAILS(MEMORY, ENOMEM))
        return ENOMEM;
    *block = __libc_memalign(align, size);
    return *block ? 0 : ENOMEM;
}

/* Those that ask for the program, and would hide it. */
char *strdup(const char *text)
{
    size_t length = strlen(text) + 1;
    char *copy = FAILS(MEMORY, ENOMEM) ? NULL : __libc_malloc(length);
    return copy ? memcpy(copy, text, length) : NULL;
}

char *strndup(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    char *copy = FAILS(MEMORY, ENOMEM) ? NULL : __libc_malloc(length + 1);
    if (copy)
        *(char *)mempcpy(copy, text, length) = '\0';
    return copy;
}

/* ---- the journal: "what inode arguments" ---- */

static void note(const char *format, ...)
{
    char line[1024];
    va_list args;
    if (journal < 0)
        return;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    static ssize_t (*real)(int, const void *, size_t);
    real = real ? real : (ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write");
    (void)!real(journal, line, (size_t)n);
}

static unsigned long long inode(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : (unsigned long long)status.st_ino;
}

static bool is_folder(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISDIR(status.st_mode);
}

/* Of which a message is written whole or not at all. */
static bool is_socket(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode);
}

static bool is_file(int fd)
{
    struct stat status;
    return journal >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

/* ---- files ---- */

static int made(int flags, int fd)
{
    if (fd >= 0 && (flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE) && is_file(fd))
        note("create %llu\n", inode(fd));
    return fd;
}

int open(const char *path, int flags, ...)
{
    REAL(open);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
    va_end(args);
    return made(flags, FAILS(OPEN, EMFILE) ? -1 : real(path, flags, mode));
}

int openat(int at, const char *path, int flags, ...)
{
    REAL(openat);
    va_list args;
    va_start(args, flags);
    mode_t mode = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(args, mode_t) : 0;
    va_end(args);
    return made(flags, FAILS(OPEN, EMFILE) ? -1 : real(at, path, flags, mode));
}

ssize_t read(int fd, void *bytes, size_t length)
{
    REAL(read);
    return FAILS(READ, EIO) || FAILS(INTERRUPTED, EINTR) ? -1 : real(fd, bytes, length);
}

ssize_t pread(int fd, void *bytes, size_t length, off_t offset)
{
    REAL(pread);
    return FAILS(READ, EIO) || FAILS(INTERRUPTED, EINTR) ? -1 : real(fd, bytes, length, offset);
}

ssize_t write(int fd, const void *bytes, size_t length)
{
    REAL(write);
    if (FAILS(WRITE, ENOSPC) || FAILS(INTERRUPTED, EINTR))
        return -1;
    off_t at = is_file(fd) ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t n = real(fd, bytes, !is_socket(fd) && FAILS(SHORT, 0) && length > 1 ? length / 2 : length);
    if (n > 0 && is_file(fd))
        note("write %llu %lld %zd\n", inode(fd), (long long)at, n);
    return n;
}

int close(int fd)
{
    REAL(close);
    int rc = real(fd);
    return FAILS(CLOSE, EIO) ? -1 : rc;
}

int fsync(int fd)
{
    REAL(fsync);
    if (FAILS(FSYNC, EIO) || (is_folder(fd) && FAILS(FOLDER, EIO)))
        return -1;
    note("%s %llu\n", is_folder(fd) ? "folder" : "fsync", inode(fd));
    return real(fd);
}

/* The folder in which a path's last part lies. */
static unsigned long long folder_of(const char *path)
{
    struct stat status;
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) + 1 : 1, slash ? path : ".");
    return stat(folder, &status) ? 0 : (unsigned long long)status.st_ino;
}

int rename(const char *from, const char *to)
{
    REAL(rename);
    if (FAILS(RENAME, EIO))
        return -1;
    note("rename %llu %s %s %s\n", folder_of(to), access(to, F_OK) ? "new" : "old", from, to);
    return real(from, to);
}

int renameat(int from_at, const char *from, int to_at, const char *to)
{
    REAL(renameat);
    if (FAILS(RENAME, EIO))
        return -1;
    note("rename %llu %s %s %s\n", inode(to_at), faccessat(to_at, to, F_OK, 0) ? "new" : "old", from, to);
    return real(from_at, from, to_at, to);
}

int linkat(int from_at, const char *from, int to_at, const char *to, int flags)
{
    REAL(linkat);
    struct stat status;
    if (FAILS(RENAME, EIO))
        return -1;
    if (stat(from, &status) == 0)
        note("link %llu %llu %s\n", to_at == AT_FDCWD ? folder_of(to) : inode(to_at), (unsigned long long)status.st_ino, to);
    return real(from_at, from, to_at, to, flags);
}

int unlink(const char *path)
{
    REAL(unlink);
    int rc = real(path);
    if (rc == 0)
        note("unlink %llu %s\n", folder_of(path), path);
    return rc;
}

void *mmap(void *at, size_t length, int protection, int flags, int fd, off_t offset)
{
    REAL(mmap);
    return FAILS(MMAP, ENOMEM) ? MAP_FAILED : real(at, length, protection, flags, fd, offset);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument)
{
    REAL(pthread_create);
    return FAILS(THREAD, EAGAIN) ? EAGAIN : real(thread, attributes, run, argument);
}
