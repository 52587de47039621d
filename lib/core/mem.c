/* mem.c -- checked allocation. */
#include "core/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct rn_err *err, size_t count, size_t size)
{
    return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu times %zu bytes", count, size);
}

void *rn_calloc(size_t count, size_t size, struct rn_err *err)
{
    void *block = calloc(count ? count : 1, size ? size : 1);
    if (!block)
        no_memory(err, count, size);
    return block;
}

void *rn_alloc_aligned(size_t count, size_t size, struct rn_err *err)
{
    size_t bytes;
    void *block = NULL;
    if (!rn_mul(count, size, &bytes) || bytes > SIZE_MAX - 64 || posix_memalign(&block, 64, bytes ? bytes : 64)) {
        no_memory(err, count, size);
        return NULL;
    }
    return block;
}

static _Thread_local size_t missed; /* bytes that rn_watched_malloc could not get */

void *rn_watched_malloc(size_t size)
{
    void *block = malloc(size ? size : 1);
    if (!block)
        missed = size ? size : 1;
    return block;
}

int rn_watched_check(struct rn_err *err)
{
    size_t size = missed;
    missed = 0;
    return size ? no_memory(err, 1, size) : 0;
}

int rn_grow(void *block, size_t *capacity, size_t count, size_t size, struct rn_err *err)
{
    void *old, *new;
    size_t bytes, room = *capacity ? *capacity : 16;
    if (count <= *capacity)
        return 0;
    while (room < count)
        if (!rn_mul(room, 2, &room))
            return no_memory(err, count, size);
    memcpy(&old, block, sizeof old);
    if (!rn_mul(room, size, &bytes) || !(new = realloc(old, bytes)))
        return no_memory(err, count, size);
    memcpy(block, &new, sizeof new);
    *capacity = room;
    return 0;
}

int rn_buffer_add(struct rn_buffer *buffer, const void *bytes, size_t length, struct rn_err *err)
{
    size_t total;
    if (__builtin_add_overflow(buffer->length, length, &total))
        return no_memory(err, length, 1);
    if (rn_grow(&buffer->data, &buffer->capacity, total, 1, err))
        return -1;
    if (length)
        memcpy(buffer->data + buffer->length, bytes, length);
    buffer->length = total;
    return 0;
}

void rn_buffer_free(struct rn_buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct rn_buffer){ 0 };
}

int rn_vformat(char **text, struct rn_err *err, const char *format, va_list args)
{
    int length = vasprintf(text, format, args);
    if (length >= 0)
        return length;
    *text = NULL;
    return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
}
