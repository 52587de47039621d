/* tensor.c -- types and shapes. */
#include "core/tensor.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"

static const struct { const char *name; size_t size; } types[RN_TYPES] = {
    [RN_U8] = { "|u1", 1 }, [RN_F16] = { "<f2", 2 }, [RN_F32] = { "<f4", 4 }, [RN_I64] = { "<i8", 8 },
};

size_t rn_type_size(enum rn_type type)
{
    return types[type].size;
}

const char *rn_type_name(enum rn_type type)
{
    return types[type].name;
}

bool rn_tensor_count(const struct rn_tensor *tensor, size_t *count)
{
    size_t bytes;
    *count = 1;
    for (int i = 0; i < tensor->dims; i++)
        if (!rn_mul(*count, tensor->shape[i], count))
            return false;
    return rn_mul(*count, rn_type_size(tensor->type), &bytes);
}

enum { HALF_EXPONENT = 0x7c00 }; /* all ones: no number */

/* IEEE 754 binary16: its exponent begins 112 below binary32's. No branches, so that compilers can do many at once. */
static float widen(uint16_t bits)
{
    uint32_t low = !(bits & HALF_EXPONENT), high = (bits & HALF_EXPONENT) == HALF_EXPONENT, sign = (uint32_t)(bits & 0x8000) << 16;
    uint32_t to = ((uint32_t)(bits & 0x7fff) << 13) + ((112 + low + 112 * high) << 23);
    float value;
    memcpy(&value, &to, sizeof value);
    value -= low ? 0x1p-14f : 0; /* of a subnormal number, the 1 before its fraction */
    memcpy(&to, &value, sizeof to);
    to |= sign;
    memcpy(&value, &to, sizeof value);
    return value;
}

uint16_t rn_half(float value)
{
    double size = fabs((double)value);
    uint16_t sign = signbit(value) ? 0x8000 : 0;
    int exponent;
    if (isnan(value))
        return 0x7e00;
    if (size >= 65520)
        return sign | 0x7c00;
    if (size < 0x1p-14) /* subnormal; what rounds up to the smallest normal number has its bits, too */
        return sign | (uint16_t)nearbyint(size * 0x1p24);
    frexp(size, &exponent); /* 2^(exponent-1) <= size; likewise, 2048 carries into the exponent */
    return sign | (uint16_t)(((exponent + 13) << 10) + (int)nearbyint(ldexp(size, 11 - exponent)));
}

double rn_tensor_get(const struct rn_tensor *tensor, size_t i)
{
    const char *at = (const char *)tensor->data + i * rn_type_size(tensor->type);
    uint16_t h;
    float f;
    int64_t n;
    switch (tensor->type) {
    case RN_U8:
        return *(const uint8_t *)at;
    case RN_F16:
        memcpy(&h, at, sizeof h);
        return (double)widen(h);
    case RN_F32:
        memcpy(&f, at, sizeof f);
        return (double)f;
    case RN_I64:
        memcpy(&n, at, sizeof n);
        return (double)n;
    case RN_TYPES:
        break;
    }
    return NAN;
}

void rn_tensor_floats(const struct rn_tensor *tensor, float *to, size_t count)
{
    const char *from = tensor->data;
    uint16_t bits;
    if (tensor->type == RN_F32)
        memcpy(to, from, count * sizeof *to);
    for (size_t i = 0; i < count && tensor->type == RN_F16; i++) {
        memcpy(&bits, from + 2 * i, sizeof bits);
        to[i] = widen(bits);
    }
    for (size_t i = 0; i < count && tensor->type != RN_F32 && tensor->type != RN_F16; i++)
        to[i] = (float)rn_tensor_get(tensor, i);
}

bool rn_tensor_finite(const struct rn_tensor *tensor)
{
    size_t count;
    uint32_t bits, worst = 0;
    uint16_t half;
    if (!rn_tensor_count(tensor, &count))
        return false;
    /* an exponent of ones, looked at in the bits: that is fast */
    for (size_t i = 0; i < count && tensor->type == RN_F32; i++) {
        memcpy(&bits, (const char *)tensor->data + 4 * i, sizeof bits);
        worst |= (bits & 0x7f800000) == 0x7f800000;
    }
    for (size_t i = 0; i < count && tensor->type == RN_F16; i++) {
        memcpy(&half, (const char *)tensor->data + 2 * i, sizeof half);
        worst |= (half & HALF_EXPONENT) == HALF_EXPONENT;
    }
    return !worst;
}

const char *rn_tensor_describe(const struct rn_tensor *tensor, char room[static 256])
{
    int n = snprintf(room, 256, "%s [", rn_type_name(tensor->type));
    for (int i = 0; i < tensor->dims; i++)
        n += snprintf(room + n, 256 - (size_t)n, i ? ",%zu" : "%zu", tensor->shape[i]);
    snprintf(room + n, 256 - (size_t)n, "]");
    return room;
}
