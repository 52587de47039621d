/* resample_avx2.c -- the passes of resample.c with AVX2.
 *
 * A weight of 22 bits is h 4096 + l, so that a product of 16-bit numbers, of which one instruction adds two, makes each half of
 * a sum; the sums are of integers, and wrap round alike. */
#ifdef __x86_64__
#include <immintrin.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "image/resample.h"

#define AVX2 __attribute__((target("avx2")))

enum { LOW = 12, TAPS = 4, BLOCK = 32 };

/* Pairs of neighbouring weights, their high and low parts, four taps at a time; the places beyond a result's last are zero. */
struct pairs {
    size_t groups;    /* of the result that has most */
    int32_t *pair;    /* (results, groups, 4): high 0 1, high 2 3, low 0 1, low 2 3 */
};

static int pairs_make(struct pairs *p, const struct rn_weights *w, struct rn_err *err)
{
    size_t total;
    p->groups = (w->most + TAPS - 1) / TAPS;
    if (!rn_mul(w->results, p->groups * 4, &total) || !(p->pair = rn_calloc(total, sizeof *p->pair, err)))
        return -1;
    for (size_t i = 0; i < w->results; i++)
        for (size_t k = 0; k < w->count[i]; k++) {
            int32_t *pair = p->pair + (i * p->groups + k / TAPS) * 4 + k % TAPS / 2;
            int32_t weight = w->weight[i * w->most + k], shift = k % 2 ? 16 : 0;
            pair[0] |= (int32_t)((uint32_t)(weight >> LOW) << shift);
            pair[2] |= (int32_t)((uint32_t)(weight & ((1 << LOW) - 1)) << shift);
        }
    return 0;
}

/* Two rows. Of each, up to 16 bytes beyond the last pixel are read. */
AVX2 static void rows_across(uint8_t *y0, uint8_t *y1, const uint8_t *x0, const uint8_t *x1, const struct rn_weights *w,
                             const struct pairs *pairs)
{
    const __m256i first = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, -1, 3, -1, 1, -1, 4, -1, 2, -1, 5, -1, -1, -1, -1, -1));
    const __m256i second = _mm256_broadcastsi128_si256(_mm_setr_epi8(6, -1, 9, -1, 7, -1, 10, -1, 8, -1, 11, -1, -1, -1, -1, -1));
    for (size_t i = 0; i < w->results; i++) {
        const int32_t *pair = pairs->pair + i * pairs->groups * 4;
        size_t at = 3 * w->first[i], end = at + 3 * w->count[i];
        __m256i high = _mm256_setzero_si256(), low = _mm256_set1_epi32(RN_RESAMPLE_HALF);
        for (; at < end; at += 3 * TAPS, pair += 4) {
            __m256i x = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)(x0 + at))),
                                                _mm_loadu_si128((const __m128i *)(const void *)(x1 + at)), 1);
            __m256i a = _mm256_shuffle_epi8(x, first), b = _mm256_shuffle_epi8(x, second);
            high = _mm256_add_epi32(high, _mm256_add_epi32(_mm256_madd_epi16(a, _mm256_set1_epi32(pair[0])),
                                                           _mm256_madd_epi16(b, _mm256_set1_epi32(pair[1]))));
            low = _mm256_add_epi32(low, _mm256_add_epi32(_mm256_madd_epi16(a, _mm256_set1_epi32(pair[2])),
                                                         _mm256_madd_epi16(b, _mm256_set1_epi32(pair[3]))));
        }
        __m256i sum = _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(high, LOW), low), RN_RESAMPLE_FRACTION);
        sum = _mm256_packus_epi32(sum, sum);
        sum = _mm256_packus_epi16(sum, sum);
        int32_t top = _mm256_extract_epi32(sum, 0), bottom = _mm256_extract_epi32(sum, 4);
        size_t bytes = i + 1 < w->results ? 4 : 3; /* the fourth is the next pixel's */
        memcpy(y0 + 3 * i, &top, bytes);
        memcpy(y1 + 3 * i, &bottom, bytes);
    }
}

/* The last row is copied first: nothing may lie beyond it. */
AVX2 static int across(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err)
{
    size_t row = w->results * 3, last = x.height - 1, r = 0;
    struct pairs pairs = { 0 };
    uint8_t *copy = rn_calloc(x.width * 3 + 16, 1, err);
    if (!copy || pairs_make(&pairs, w, err)) {
        free(copy);
        return -1;
    }
    memcpy(copy, x.pixels + last * x.stride, x.width * 3);
    for (; r + 2 <= last; r += 2)
        rows_across(y + r * row, y + (r + 1) * row, x.pixels + r * x.stride, x.pixels + (r + 1) * x.stride, w, &pairs);
    for (; r <= last; r++) {
        const uint8_t *from = r == last ? copy : x.pixels + r * x.stride;
        rows_across(y + r * row, y + r * row, from, from, w, &pairs);
    }
    free(pairs.pair);
    free(copy);
    return 0;
}

/* 32 neighbouring bytes of a result. */
AVX2 static inline void block_down(uint8_t *y, const uint8_t *x, size_t stride, const int32_t *weight, size_t count)
{
    __m256i sum[4];
    for (int i = 0; i < 4; i++)
        sum[i] = _mm256_set1_epi32(RN_RESAMPLE_HALF);
    for (size_t k = 0; k < count; k++, x += stride) {
        __m256i w = _mm256_set1_epi32(weight[k]);
        for (int i = 0; i < 4; i++) {
            __m128i levels = _mm_loadl_epi64((const __m128i *)(const void *)(x + 8 * i));
            sum[i] = _mm256_add_epi32(sum[i], _mm256_mullo_epi32(w, _mm256_cvtepu8_epi32(levels)));
        }
    }
    for (int i = 0; i < 4; i++)
        sum[i] = _mm256_srai_epi32(sum[i], RN_RESAMPLE_FRACTION);
    __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(sum[0], sum[1]), _mm256_packus_epi32(sum[2], sum[3]));
    bytes = _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    _mm256_storeu_si256((__m256i *)(void *)y, bytes);
}

AVX2 static int down(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err)
{
    (void)err;
    size_t n = x.width * 3;
    for (size_t r = 0; r < w->results; r++, y += n) {
        const uint8_t *from = x.pixels + w->first[r] * x.stride;
        const int32_t *weight = w->weight + r * w->most;
        for (size_t i = 0; i + BLOCK <= n; i += BLOCK)
            block_down(y + i, from + i, x.stride, weight, w->count[r]);
        if (n % BLOCK) /* the last ones, some of them again */
            block_down(y + n - BLOCK, from + n - BLOCK, x.stride, weight, w->count[r]);
    }
    return 0;
}

const struct rn_passes rn_passes_avx2 = { across, down };
#endif
