/* mem.h -- memory whose size comes from outside: every product is checked before it is allocated. */
#ifndef RN_CORE_MEM_H
#define RN_CORE_MEM_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/err.h"

/* *product = a * b; false when that overflows. */
static inline bool rn_mul(size_t a, size_t b, size_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/* count * size bytes, zeroed; NULL and err (exit 4) when there is no memory or the product overflows.
 * Never NULL on success, count 0 included. Freed with free(). */
RN_MUST void *rn_calloc(size_t count, size_t size, struct rn_err *err);

/* The same, not zeroed, aligned for any vector (64 bytes). Freed with free(). */
RN_MUST void *rn_alloc_aligned(size_t count, size_t size, struct rn_err *err);

/* malloc for a library that takes one but does not say that there was no memory: rn_watched_check does, after the library's call
 * on the same thread: -1 and err, once. */
void *rn_watched_malloc(size_t size);
RN_MUST int rn_watched_check(struct rn_err *err);

/* Grows *block (room for *capacity elements of `size` bytes, NULL and 0 at first) to hold at least `count`,
 * by doubling. 0, or -1 with the old block intact. */
RN_MUST int rn_grow(void *block, size_t *capacity, size_t count, size_t size, struct rn_err *err);

/* A growing block of bytes. Zeroed: empty. */
struct rn_buffer {
    char *data;
    size_t length, capacity;
};
RN_MUST int rn_buffer_add(struct rn_buffer *buffer, const void *bytes, size_t length, struct rn_err *err);
void rn_buffer_free(struct rn_buffer *buffer);

/* vprintf into a text of its own, to be freed in any case: its length, or -1 and err. */
RN_MUST int rn_vformat(char **text, struct rn_err *err, const char *format, va_list args);

#endif
