/* planes.c -- pixels into three planes and back, and rows backwards: the byte shuffles that compilers do not find. */
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "augment/private.h"

static void split_plain(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        r[i] = x[3 * i];
        g[i] = x[3 * i + 1];
        b[i] = x[3 * i + 2];
    }
}

static void join_plain(uint8_t *y, const uint8_t *r, const uint8_t *g, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        y[3 * i] = r[i];
        y[3 * i + 1] = g[i];
        y[3 * i + 2] = b[i];
    }
}

static void mirror_plain(uint8_t *y, const uint8_t *x, size_t first, size_t n)
{
    for (size_t i = first; i < n; i++)
        memcpy(y + 3 * i, x + 3 * (n - 1 - i), 3);
}

#if defined(__x86_64__)
#define SSSE3 __attribute__((target("ssse3"))) /* every processor with AVX2 has it */

/* [plane][register]: of 16 pixels in three registers, which byte of each is byte i of the plane; -1: it is in another. */
static const int8_t gather[3][3][16] = {
    {
        { 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 1, 4, 7, 10, 13 },
    },
    {
        { 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 2, 5, 8, 11, 14 },
    },
    {
        { 2, 5, 8, 11, 14, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, 1, 4, 7, 10, 13, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 0, 3, 6, 9, 12, 15 },
    },
};
/* [register][plane]: which byte of the plane is byte i of that register of pixels. */
static const int8_t scatter[3][3][16] = {
    {
        { 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1, 5 },
        { -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1, -1 },
        { -1, -1, 0, -1, -1, 1, -1, -1, 2, -1, -1, 3, -1, -1, 4, -1 },
    },
    {
        { -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10, -1 },
        { 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1, 10 },
        { -1, 5, -1, -1, 6, -1, -1, 7, -1, -1, 8, -1, -1, 9, -1, -1 },
    },
    {
        { -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1, -1 },
        { -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15, -1 },
        { 10, -1, -1, 11, -1, -1, 12, -1, -1, 13, -1, -1, 14, -1, -1, 15 },
    },
};

/* [register][register]: of 16 pixels, which byte of the second is byte i of the first of those that are turned round. */
static const int8_t turned[3][3][16] = {
    {
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 14 },
        { 13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, -1 },
    },
    {
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 15, -1 },
        { 15, -1, 11, 12, 13, 8, 9, 10, 5, 6, 7, 2, 3, 4, -1, 0 },
        { -1, 0, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
    },
    {
        { -1, 12, 13, 14, 9, 10, 11, 6, 7, 8, 3, 4, 5, 0, 1, 2 },
        { 1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
        { -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1 },
    },
};

SSSE3 static inline __m128i pick(__m128i a, __m128i b, __m128i c, const int8_t mask[3][16])
{
    a = _mm_shuffle_epi8(a, _mm_loadu_si128((const __m128i *)mask[0]));
    b = _mm_shuffle_epi8(b, _mm_loadu_si128((const __m128i *)mask[1]));
    c = _mm_shuffle_epi8(c, _mm_loadu_si128((const __m128i *)mask[2]));
    return _mm_or_si128(_mm_or_si128(a, b), c);
}

/* n: a multiple of 16. */
SSSE3 static void split_wide(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *x, size_t n)
{
    uint8_t *plane[3] = { r, g, b };
    for (size_t i = 0; i < n; i += 16) {
        const __m128i *at = (const __m128i *)(x + 3 * i);
        __m128i u = _mm_loadu_si128(at), v = _mm_loadu_si128(at + 1), w = _mm_loadu_si128(at + 2);
        for (int c = 0; c < 3; c++)
            _mm_storeu_si128((__m128i *)(plane[c] + i), pick(u, v, w, gather[c]));
    }
}

SSSE3 static void join_wide(uint8_t *y, const uint8_t *r, const uint8_t *g, const uint8_t *b, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __m128i u = _mm_loadu_si128((const __m128i *)(r + i)), v = _mm_loadu_si128((const __m128i *)(g + i));
        __m128i w = _mm_loadu_si128((const __m128i *)(b + i));
        for (int part = 0; part < 3; part++)
            _mm_storeu_si128((__m128i *)(y + 3 * i) + part, pick(u, v, w, scatter[part]));
    }
}

RN_AVX2 static inline __m256i shuffle(__m256i v, const int8_t mask[16])
{
    return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)mask)));
}

/* Sixteen pixels in each half of a register, from the last of x. How many were done. */
RN_AVX2 static size_t mirror_halves(uint8_t *y, const uint8_t *x, size_t n)
{
    size_t i = 0;
    for (; i + 32 <= n; i += 32) {
        const __m256i *at = (const __m256i *)(x + 3 * (n - i - 32));
        __m256i *to = (__m256i *)(y + 3 * i);
        __m256i u = _mm256_loadu_si256(at), v = _mm256_loadu_si256(at + 1), w = _mm256_loadu_si256(at + 2);
        __m256i a = _mm256_permute2x128_si256(v, u, 0x21), b = _mm256_blend_epi32(w, u, 0xf0),
                c = _mm256_permute2x128_si256(w, v, 0x21);
        u = _mm256_or_si256(shuffle(c, turned[0][2]), shuffle(b, turned[0][1]));
        v = _mm256_or_si256(_mm256_or_si256(shuffle(a, turned[1][0]), shuffle(b, turned[1][1])), shuffle(c, turned[1][2]));
        w = _mm256_or_si256(shuffle(a, turned[2][0]), shuffle(b, turned[2][1]));
        _mm256_storeu_si256(to, _mm256_permute2x128_si256(u, v, 0x20));
        _mm256_storeu_si256(to + 1, _mm256_blend_epi32(w, u, 0xf0));
        _mm256_storeu_si256(to + 2, _mm256_permute2x128_si256(v, w, 0x31));
    }
    return i;
}

/* Five pixels at a time; the sixteenth byte is written over by the next. How many pixels were done. */
SSSE3 static size_t mirror_wide(uint8_t *y, const uint8_t *x, size_t n)
{
    const __m128i mask = _mm_setr_epi8(13, 14, 15, 10, 11, 12, 7, 8, 9, 4, 5, 6, 1, 2, 3, 0);
    size_t i = 0;
    for (; i + 6 <= n; i += 5)
        _mm_storeu_si128((__m128i *)(y + 3 * i), _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(x + 3 * (n - i - 5) - 1)),
                                                                  mask));
    return i;
}
#endif

void rn_planes_split(uint8_t *r, uint8_t *g, uint8_t *b, const uint8_t *x, size_t n)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE)
        split_wide(r, g, b, x, done = n / 16 * 16);
#endif
    split_plain(r + done, g + done, b + done, x + 3 * done, n - done);
}

void rn_planes_join(uint8_t *y, const uint8_t *r, const uint8_t *g, const uint8_t *b, size_t n)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE)
        join_wide(y, r, g, b, done = n / 16 * 16);
#endif
    join_plain(y + 3 * done, r + done, g + done, b + done, n - done);
}

void rn_mirror(uint8_t *y, const uint8_t *x, size_t n)
{
    size_t done = 0;
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE)
        done = mirror_halves(y, x, n), done += mirror_wide(y + 3 * done, x, n - done);
#endif
    mirror_plain(y, x, done, n);
}
