/* decoder.c -- preloaded into a tool: what a JPEG file of RN_AT bytes makes libjpeg do, as RN_DOES says:
 *   abort, segv, trap, exit, kill   the process ends so
 *   once                            it is killed the first time, and never again
 *   escape                          all is tried that a decoder may not do; what succeeds is said on standard error
 * RN_NONE=seccomp, memfd: the system does not give that. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <jpeglib.h>
#include <seccomp.h>

static atomic_int *times; /* of all processes */

__attribute__((constructor)) static void prepare(void)
{
    times = mmap(NULL, sizeof *times, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static int lacks(const char *what)
{
    const char *none = getenv("RN_NONE");
    return none && !strcmp(none, what);
}

int seccomp_load(const scmp_filter_ctx filter)
{
    int (*real)(const scmp_filter_ctx) = (int (*)(const scmp_filter_ctx))dlsym(RTLD_NEXT, "seccomp_load");
    return lacks("seccomp") ? -EPERM : real(filter);
}

int memfd_create(const char *name, unsigned flags)
{
    int (*real)(const char *, unsigned) = (int (*)(const char *, unsigned))dlsym(RTLD_NEXT, "memfd_create");
    return lacks("memfd") ? (errno = ENOSYS, -1) : real(name, flags);
}

static void said(const char *what, int worked)
{
    if (worked)
        fprintf(stderr, "it could %s\n", what);
}

static void escape(void)
{
    char *const argv[] = { "true", NULL };
    int fd = open("escaped", O_WRONLY | O_CREAT, 0666);
    said("make a file", fd >= 0);
    said("open a file to write it", open("in", O_RDWR) >= 0);
    said("truncate a file", truncate("in", 1) == 0);
    said("open a socket", socket(AF_INET, SOCK_STREAM, 0) >= 0);
    said("remove a file", unlink("in") == 0);
    said("rename a file", rename("in", "away") == 0);
    said("make a folder", mkdir("made", 0777) == 0);
    said("change what others may do", chmod("in", 0600) == 0);
    said("signal who started it", kill(getppid(), 0) == 0);
    int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    said("have 64 GiB", mmap(NULL, (size_t)64 << 30, PROT_READ | PROT_WRITE, how, -1, 0) != MAP_FAILED);
    pid_t child = fork();
    said("fork", child >= 0);
    if (child == 0) {
        execv("/bin/true", argv);
        _exit(1);
    }
    int status = 1;
    said("run a program", child > 0 ? waitpid(child, &status, 0) == child && status == 0 : (execv("/bin/true", argv), 0));
}

int jpeg_read_header(j_decompress_ptr jpeg, boolean require)
{
    int (*real)(j_decompress_ptr, boolean) = (int (*)(j_decompress_ptr, boolean))dlsym(RTLD_NEXT, "jpeg_read_header");
    const char *at = getenv("RN_AT"), *does = getenv("RN_DOES");
    if (at && does && jpeg->src->bytes_in_buffer == strtoul(at, NULL, 10)) {
        int before = atomic_fetch_add(times, 1);
        if (!strcmp(does, "abort"))
            abort();
        if (!strcmp(does, "segv"))
            *(volatile int *)1 = 1;
        if (!strcmp(does, "trap"))
            raise(SIGTRAP);
        if (!strcmp(does, "exit"))
            exit(0);
        if (!strcmp(does, "kill") || (!strcmp(does, "once") && !before))
            raise(SIGKILL);
        if (!strcmp(does, "escape"))
            escape();
    }
    return real(jpeg, require);
}
