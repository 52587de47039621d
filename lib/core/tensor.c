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

/* IEEE 754 binary16. */
static double half(uint16_t bits)
{
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 31 ? (fraction ? NAN : INFINITY)
                   : exponent    ? ldexp(1024 + fraction, exponent - 25)
                                 : ldexp(fraction, -24);
    return bits & 0x8000 ? -value : value;
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
        return half(h);
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

bool rn_tensor_finite(const struct rn_tensor *tensor)
{
    size_t count;
    uint32_t bits, worst = 0;
    if (!rn_tensor_count(tensor, &count))
        return false;
    if (tensor->type == RN_F32) { /* an exponent of ones, looked at in the bits: that is fast */
        for (size_t i = 0; i < count; i++) {
            memcpy(&bits, (const char *)tensor->data + 4 * i, sizeof bits);
            worst |= (bits & 0x7f800000) == 0x7f800000;
        }
        return !worst;
    }
    for (size_t i = 0; i < count && tensor->type == RN_F16; i++)
        if (!isfinite(rn_tensor_get(tensor, i)))
            return false;
    return true;
}

const char *rn_tensor_describe(const struct rn_tensor *tensor, char room[static 256])
{
    int n = snprintf(room, 256, "%s [", rn_type_name(tensor->type));
    for (int i = 0; i < tensor->dims; i++)
        n += snprintf(room + n, 256 - (size_t)n, i ? ",%zu" : "%zu", tensor->shape[i]);
    snprintf(room + n, 256 - (size_t)n, "]");
    return room;
}
