#include "regions.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, ALIGN = 256, BEHIND = 0xa5, FILLED = 32 << 20 };

struct allocation {
    struct ptx_region region; /* first: a struct ptx_region * is one of these */
    char *map;
    size_t map_bytes; /* without the page behind */
    int gpu;
    struct allocation *next; /* of those that were freed */
};

/* In a program with the address sanitizer: what lies behind an allocation is poisoned. */
void __asan_poison_memory_region(const volatile void *memory, size_t bytes) __attribute__((weak));
void __asan_unpoison_memory_region(const volatile void *memory, size_t bytes) __attribute__((weak));

static struct allocation **allocation, *freed;
static int allocations, room;
static int depth;

static size_t up(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

/* RN_DOUBLE_GUARD=0: the host may touch it. For large networks, where it takes most of the time. */
static bool guarded(void)
{
    const char *guard = getenv("RN_DOUBLE_GUARD");
    return !guard || strcmp(guard, "0") != 0;
}

static void protect(int how)
{
    if (!guarded())
        return;
    for (int i = 0; i < allocations; i++)
        mprotect(allocation[i]->map, allocation[i]->map_bytes, how);
}

void regions_open(void)
{
    if (!depth++)
        protect(PROT_READ | PROT_WRITE);
}

void regions_close(void)
{
    if (!--depth)
        protect(PROT_NONE);
}

/* Pages of 0xff come from one file that every allocation maps privately, so that those nobody writes to cost nothing. */
static bool map_filled(char *map, size_t bytes)
{
    static int file = -1;
    if (file < 0) {
        char *page = malloc(FILLED);
        file = memfd_create("filled", MFD_CLOEXEC);
        memset(page, 0xff, FILLED);
        bool written = file >= 0 && write(file, page, FILLED) == FILLED;
        free(page);
        if (!written)
            return false;
    }
    for (size_t at = 0; at < bytes; at += FILLED) {
        size_t piece = bytes - at < FILLED ? bytes - at : FILLED;
        if (mmap(map + at, piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, file, 0) == MAP_FAILED)
            return false;
    }
    return true;
}

void *region_alloc(int gpu, size_t bytes)
{
    size_t used = up(bytes ? bytes : 1, ALIGN), map_bytes = up(used, PAGE);
    if (allocations == room) {
        room = room ? 2 * room : 64;
        if (!(allocation = realloc(allocation, (size_t)room * sizeof *allocation)))
            abort();
    }
    struct allocation *a = calloc(1, sizeof *a);
    char *map = mmap(NULL, map_bytes + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!a || map == MAP_FAILED || !map_filled(map, map_bytes)) {
        free(a);
        return NULL;
    }
    char *base = map + map_bytes - used;
    memset(base + bytes, BEHIND, used - bytes);
    if (__asan_poison_memory_region)
        __asan_poison_memory_region(base + bytes, used - bytes);
    *a = (struct allocation){ { .base = (uintptr_t)base, .bytes = bytes }, map, map_bytes, gpu, NULL };
    if (!depth && guarded())
        mprotect(map, map_bytes, PROT_NONE);
    allocation[allocations++] = a;
    return base;
}

int region_free(void *memory)
{
    int i = 0, rc = 0;
    while (i < allocations && allocation[i]->region.base != (uintptr_t)memory)
        i++;
    if (i == allocations)
        return -1;
    struct allocation *a = allocation[i];
    const unsigned char *end = (unsigned char *)a->map + a->map_bytes;
    mprotect(a->map, a->map_bytes, PROT_READ);
    if (__asan_unpoison_memory_region)
        __asan_unpoison_memory_region(a->map, a->map_bytes);
    for (const unsigned char *c = (unsigned char *)memory + a->region.bytes; c < end; c++)
        rc = *c == BEHIND ? rc : -2;
    /* the place is never given again: who still uses it is met, wherever the next allocation comes to lie */
    if (mmap(a->map, a->map_bytes + PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED)
        abort();
    ptx_forget(&a->region);
    a->region.bytes = 0; /* kept: instructions may remember it */
    a->next = freed;
    freed = a;
    allocation[i] = allocation[--allocations];
    return rc;
}

struct ptx_region *region_find(void *of, uintptr_t address)
{
    struct ptx_region *best = NULL;
    for (int i = 0; i < allocations; i++) {
        struct ptx_region *r = &allocation[i]->region;
        if (r->base <= address && (!best || r->base > best->base) && (!of || *(int *)of == allocation[i]->gpu))
            best = r;
    }
    return best;
}

static const struct allocation *holder(const void *memory)
{
    const struct ptx_region *r = region_find(NULL, (uintptr_t)memory);
    return r && (uintptr_t)memory - r->base < r->bytes ? (const struct allocation *)r : NULL;
}

int region_gpu(const void *memory)
{
    const struct allocation *a = holder(memory);
    return a ? a->gpu : -1;
}

bool region_holds(const void *memory, size_t bytes)
{
    const struct allocation *a = holder(memory);
    return a && bytes <= a->region.bytes - ((uintptr_t)memory - a->region.base);
}

size_t regions_bytes(int gpu)
{
    size_t sum = 0;
    for (int i = 0; i < allocations; i++)
        sum += allocation[i]->gpu == gpu ? allocation[i]->region.bytes : 0;
    return sum;
}

int regions_count(void)
{
    return allocations;
}
