/* dry.c -- the CPU device with its threads idle and its blocks counted. */
#include <stdlib.h>
#include <sys/mman.h>

#include "core/mem.h"
#include "device/cpu/cpu.h"

struct block {
    struct block *next;
    void *memory;
    size_t bytes;
};

struct dry {
    struct rn_device_class class; /* first: the device's class is one of these */
    const struct rn_device_class *wet; /* the one that it had */
    struct block *blocks;
    size_t now, most, discarded;
};

static struct dry *dry_of(const struct rn_device *dev)
{
    return (struct dry *)(uintptr_t)dev->class;
}

static void *reserve(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    struct dry *dry = dry_of(dev);
    struct block *block = rn_calloc(1, sizeof *block, err);
    if (!block)
        return NULL;
    block->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (block->memory == MAP_FAILED) {
        rn_fail_errno(err, "%zu bytes of memory", bytes);
        free(block);
        return NULL;
    }
    block->bytes = bytes;
    block->next = dry->blocks;
    dry->blocks = block;
    dry->now += bytes;
    dry->most = dry->now > dry->most ? dry->now : dry->most;
    return block->memory;
}

static void release(struct rn_device *dev, void *memory)
{
    struct dry *dry = dry_of(dev);
    struct block **at = &dry->blocks, *block;
    while (*at && (*at)->memory != memory)
        at = &(*at)->next;
    if (!(block = *at))
        return;
    *at = block->next;
    dry->now -= block->bytes;
    munmap(block->memory, block->bytes);
    free(block);
}

static void discard(struct rn_device *dev, void *memory, size_t bytes)
{
    (void)memory;
    dry_of(dev)->discarded += bytes;
}

static void close_dry(struct rn_device *dev)
{
    struct dry *dry = dry_of(dev);
    while (dry->blocks)
        release(dev, dry->blocks->memory);
    dev->class = dry->wet;
    dev->class->close(dev);
    free(dry);
}

int rn_cpu_dry(struct rn_device *dev, struct rn_err *err)
{
    struct dry *dry = rn_calloc(1, sizeof *dry, err);
    if (!dry)
        return -1;
    dry->class = *dev->class;
    dry->wet = dev->class;
    dry->class.alloc = reserve;
    dry->class.free = release;
    dry->class.discard = discard;
    dry->class.close = close_dry;
    dev->class = &dry->class;
    rn_pool_idle(rn_cpu(dev)->pool);
    return 0;
}

struct rn_device_usage rn_cpu_usage(struct rn_device *dev)
{
    const struct rn_cpu *cpu = rn_cpu(dev);
    const struct dry *dry = dry_of(dev);
    size_t floats = cpu->shared_capacity;
    for (int i = 0; i < rn_pool_threads(cpu->pool); i++)
        floats += cpu->capacity[i];
    return (struct rn_device_usage){ .blocks = dry->most, .discarded = dry->discarded, .scratch = floats * sizeof(float) };
}
