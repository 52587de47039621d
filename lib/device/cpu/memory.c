/* memory.c -- memory, and the way between (N,C,H,W) outside and (N,H,W,C) here. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

size_t rn_cpu_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage)
{
    (void)storage; /* there is one */
    size_t count;
    if (!rn_mul(n, c, &count) || !rn_mul(count, h, &count) || !rn_mul(count, w, &count) ||
        !rn_mul(count, sizeof(float), &count) || count > SIZE_MAX / 2)
        return 0;
    return count ? rn_cpu_blocks(count, 64) * 64 : 64;
}

/* Before the memory of a block, which is aligned to 64 as this is. */
struct block {
    void *start;
    size_t bytes; /* 0: from malloc */
    char fill[64 - sizeof(void *) - sizeof(size_t)];
};

/* A sanitizer looks after what malloc gave. */
#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
enum { HUGE_PAGE = 2 << 20, MAPPED = INT_MAX };
#else
enum { HUGE_PAGE = 2 << 20, MAPPED = HUGE_PAGE };
#endif

/* Pages of 2 MiB where the system has them: a network goes through all of its memory in each step. They are zero, and cost
 * nothing before they are touched. */
static struct block *map(size_t bytes)
{
    char *start = mmap(NULL, bytes + HUGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (start == MAP_FAILED)
        return NULL;
    char *at = start + (HUGE_PAGE - (uintptr_t)start % HUGE_PAGE) % HUGE_PAGE;
    madvise(at, bytes, MADV_HUGEPAGE);
    *(struct block *)(void *)at = (struct block){ .start = start, .bytes = bytes + HUGE_PAGE };
    return (struct block *)(void *)at;
}

void *rn_cpu_block(size_t bytes, struct rn_err *err)
{
    struct block *block = NULL;
    size_t all = bytes + sizeof *block;
    if (bytes > SIZE_MAX / 2)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu bytes", bytes), NULL;
    if (all < MAPPED)
        block = rn_alloc_aligned(all, 1, err);
    else if (!(block = map(all)))
        rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu bytes", bytes);
    if (!block)
        return NULL;
    if (all < MAPPED)
        memset(block, 0, all);
    return block + 1;
}

void rn_cpu_block_free(void *memory)
{
    struct block *block = memory ? (struct block *)memory - 1 : NULL;
    if (block && block->bytes)
        munmap(block->start, block->bytes);
    else
        free(block);
}

void *rn_cpu_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    (void)dev;
    return rn_cpu_block(bytes, err);
}

void rn_cpu_free(struct rn_device *dev, void *memory)
{
    (void)dev;
    rn_cpu_block_free(memory);
}

/* Whole pages, which are this array's alone. */
void rn_cpu_discard(struct rn_device *dev, void *memory, size_t bytes)
{
    (void)dev;
    size_t page = (size_t)sysconf(_SC_PAGESIZE), ahead = (page - (uintptr_t)memory % page) % page;
    if (bytes > ahead)
        madvise((char *)memory + ahead, (bytes - ahead) / page * page, MADV_DONTNEED);
}

static int grow(float **block, size_t *capacity, size_t count, struct rn_err *err)
{
    if (count <= *capacity)
        return 0;
    rn_cpu_block_free(*block);
    *capacity = 0;
    size_t bytes;
    *block = rn_mul(count, sizeof **block, &bytes) ? rn_cpu_block(bytes, err) : NULL;
    if (!*block)
        return err->exit ? -1 : rn_fail(err, RN_EXIT_SYSTEM, "out of memory: scratch of %zu numbers", count);
    *capacity = count;
    return 0;
}

int rn_cpu_scratch(struct rn_cpu *cpu, size_t each, size_t shared, struct rn_err *err)
{
    for (int i = 0; i < rn_pool_threads(cpu->pool); i++)
        if (grow(&cpu->scratch[i], &cpu->capacity[i], each, err))
            return -1;
    return grow(&cpu->shared, &cpu->shared_capacity, shared, err);
}

struct transfer {
    struct rn_array array;
    const float *from;
    float *to;
};

static void upload_image(void *context, size_t i, int thread)
{
    (void)thread;
    const struct transfer *t = context;
    size_t c = t->array.c, map = t->array.h * t->array.w;
    const float *from = t->from + i * c * map;
    float *to = t->to + i * c * map;
    if (map < c) /* weights: writes side by side */
        for (size_t pixel = 0; pixel < map; pixel++)
            for (size_t channel = 0; channel < c; channel++)
                to[pixel * c + channel] = from[channel * map + pixel];
    else
        for (size_t channel = 0; channel < c; channel++)
            for (size_t pixel = 0; pixel < map; pixel++)
                to[pixel * c + channel] = from[channel * map + pixel];
}

static void download_image(void *context, size_t i, int thread)
{
    (void)thread;
    const struct transfer *t = context;
    size_t c = t->array.c, map = t->array.h * t->array.w;
    const float *from = t->from + i * c * map;
    float *to = t->to + i * c * map;
    for (size_t channel = 0; channel < c; channel++)
        for (size_t pixel = 0; pixel < map; pixel++)
            to[channel * map + pixel] = from[pixel * c + channel];
}

int rn_cpu_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err)
{
    (void)err;
    struct transfer transfer = { y, x, y.data };
    rn_pool_for(rn_cpu(dev)->pool, y.n, upload_image, &transfer);
    return 0;
}

int rn_cpu_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err)
{
    (void)err;
    struct transfer transfer = { x, x.data, y };
    rn_pool_for(rn_cpu(dev)->pool, x.n, download_image, &transfer);
    return 0;
}

struct images {
    const uint8_t *pixels;
    float *y;
    size_t map;
    float value[3][256];
};

static void upload_pixels(void *context, size_t i, int thread)
{
    (void)thread;
    const struct images *t = context;
    const uint8_t *from = t->pixels + i * t->map * 3;
    float *to = t->y + i * t->map * 3;
    for (size_t j = 0; j < t->map * 3; j += 3)
        for (size_t c = 0; c < 3; c++)
            to[j + c] = t->value[c][from[j + c]];
}

int rn_cpu_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                         const double std[3], struct rn_err *err)
{
    if (rn_check_images(y, err))
        return -1;
    struct images images = { .pixels = pixels, .y = y.data, .map = y.h * y.w };
    for (int c = 0; c < 3; c++)
        for (int value = 0; value < 256; value++)
            images.value[c][value] = (float)((value / 255.0 - mean[c]) / std[c]);
    rn_pool_for(rn_cpu(dev)->pool, y.n, upload_pixels, &images);
    return 0;
}

int rn_cpu_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err)
{
    (void)dev;
    (void)err;
    float *to = y.data;
    for (size_t i = 0; i < rn_cpu_count(y); i++)
        to[i] = (float)value;
    return 0;
}
