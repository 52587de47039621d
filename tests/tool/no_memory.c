/* no_memory.c -- preloaded into a tool: the RN_FAIL-th time that the program itself asks for memory (with RN_FAIL_ANY=1: the program
 * or a library) it gets none; with RN_FAIL_ALL=1 nobody gets any from then on. RN_FAIL=0: all is given. RN_FAIL_COUNT=FILE: how often
 * it asked is written there at the end. */
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__libc_malloc(size_t);
void *__libc_calloc(size_t, size_t);
void *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t);

static atomic_long asked;
static atomic_bool out;
static long fail_at = -1;
static bool all, any;
static char *begin, *end; /* the program's own code */

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
    const char *at = getenv("RN_FAIL");
    dl_iterate_phdr(find_program, NULL);
    all = getenv("RN_FAIL_ALL");
    any = getenv("RN_FAIL_ANY");
    fail_at = at ? atol(at) : 0;
}

__attribute__((destructor)) static void report(void)
{
    char text[32];
    const char *file = getenv("RN_FAIL_COUNT");
    int fd = file ? open(file, O_WRONLY | O_CREAT | O_TRUNC, 0666) : -1;
    if (fd >= 0 && write(fd, text, (size_t)snprintf(text, sizeof text, "%ld\n", atomic_load(&asked))) > 0)
        close(fd);
}

static bool fails(void *caller)
{
    bool own = any || ((char *)caller >= begin && (char *)caller < end);
    if (fail_at < 0 || (!own && !out))
        return false;
    bool now = own && atomic_fetch_add(&asked, 1) + 1 == fail_at;
    if (now && all)
        out = true;
    if (now || out)
        errno = ENOMEM;
    return now || out;
}

void *malloc(size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_realloc(old, size); }
void *aligned_alloc(size_t align, size_t size) { return fails(__builtin_return_address(0)) ? NULL : __libc_memalign(align, size); }

int posix_memalign(void **block, size_t align, size_t size)
{
    if (fails(__builtin_return_address(0)))
        return ENOMEM;
    *block = __libc_memalign(align, size);
    return *block ? 0 : ENOMEM;
}

/* Those that ask for the program, and would hide it. */
char *strdup(const char *text)
{
    size_t length = strlen(text) + 1;
    char *copy = fails(__builtin_return_address(0)) ? NULL : __libc_malloc(length);
    return copy ? memcpy(copy, text, length) : NULL;
}

char *strndup(const char *text, size_t most)
{
    size_t length = strnlen(text, most);
    char *copy = fails(__builtin_return_address(0)) ? NULL : __libc_malloc(length + 1);
    if (copy)
        *(char *)mempcpy(copy, text, length) = '\0';
    return copy;
}
