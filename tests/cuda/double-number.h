/* double-number.h -- bfloat16 and TF32 for the doubles: rounding to nearest, ties to even; NaN and infinity stay what they are. */
#ifndef TESTS_CUDA_DOUBLE_NUMBER_H
#define TESTS_CUDA_DOUBLE_NUMBER_H

#include <math.h>
#include <stdint.h>
#include <string.h>

static inline float number_of_bits(uint32_t bits)
{
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* The number's bits, of which the last `few` are rounded away. */
static inline uint32_t number_rounded(float number, int few)
{
    uint32_t bits, half = 1u << (few - 1);
    memcpy(&bits, &number, sizeof bits);
    if (isfinite(number))
        bits += half - 1 + (bits >> few & 1);
    else if (isnan(number))
        bits |= 1u << 22;
    return bits & ~(2 * half - 1);
}

static inline float number_of_bf16(uint16_t bits)
{
    return number_of_bits((uint32_t)bits << 16);
}

static inline uint16_t number_to_bf16(float number)
{
    return (uint16_t)(number_rounded(number, 16) >> 16);
}

static inline float number_to_tf32(float number)
{
    return number_of_bits(number_rounded(number, 13));
}

#endif
