/* tensor.h -- a block of numbers with a type and a shape, row-major, little-endian. */
#ifndef RN_CORE_TENSOR_H
#define RN_CORE_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

enum rn_type { RN_U8, RN_F16, RN_F32, RN_I64, RN_TYPES }; /* "|u1" "<f2" "<f4" "<i8", as numpy calls them */

enum { RN_DIMS = 8 }; /* most dimensions of a tensor */

/* `data` is borrowed; where it comes from a stream it is not aligned: read it with memcpy. */
struct rn_tensor {
    enum rn_type type;
    int dims;
    size_t shape[RN_DIMS];
    const void *data;
};

size_t rn_type_size(enum rn_type type);
const char *rn_type_name(enum rn_type type); /* numpy's: "<f4" */

/* Number of elements; false when it or the number of bytes overflows. */
bool rn_tensor_count(const struct rn_tensor *tensor, size_t *count);
/* Element i as a double (half precision is widened). */
double rn_tensor_get(const struct rn_tensor *tensor, size_t i);
/* The first `count` elements as floats: whole numbers to the nearest. */
void rn_tensor_floats(const struct rn_tensor *tensor, float *to, size_t count);
/* The nearest IEEE 754 binary16 (of two as near the even one), as its bits: an infinity from 65520 on. */
uint16_t rn_half(float value);
/* Whether every number is: neither NaN nor an infinity. */
bool rn_tensor_finite(const struct rn_tensor *tensor);
/* "<f4 [64,3,7,7]" in room, which it returns. */
const char *rn_tensor_describe(const struct rn_tensor *tensor, char room[static 256]);

#endif
