/* noise.c -- Gaussian noise on bytes.
 *
 * trunc(clip(v + n)) of a whole v is clip(v + floor(n)), and floor(n) takes few values: it is drawn from their distribution
 * by one look-up of a 16-bit number's upper 12 bits. The few cells in which two values meet (one in fifty at the most) are
 * decided by the other bits and 32 more, so that the distribution is exact to 2^-48. */
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#include "augment/private.h"

enum { LOWEST = -256, VALUES = 512, CELLS = 4096, BLOCKS = RN_NOISE_BLOCKS, SAMPLES = BLOCKS * 8, MIXED = INT16_MIN };

struct floors {
    uint64_t bound[VALUES + 1]; /* 2^48 times the chance of a value below LOWEST + i */
    int16_t cell[CELLS];        /* the value, or MIXED */
};

static void make_floors(struct floors *f, double mean, double sigma)
{
    const double all = 0x1p48;
    for (int i = 0; i <= VALUES; i++) {
        double z = (LOWEST + i - mean) / sigma, below = i == 0 ? 0 : i == VALUES ? 1 : 0.5 * erfc(-z * 0.70710678118654752);
        f->bound[i] = (uint64_t)(below * all);
    }
    for (int c = 0, i = 0; c < CELLS; c++) {
        uint64_t low = (uint64_t)c << 36, high = (uint64_t)(c + 1) << 36;
        while (f->bound[i + 1] <= low)
            i++;
        f->cell[c] = (int16_t)(f->bound[i + 1] >= high ? LOWEST + i : MIXED);
    }
}

static void philox_portable(uint32_t *word, const uint32_t key[2], uint32_t first)
{
    for (uint32_t i = 0; i < BLOCKS; i++) {
        uint32_t out[4], counter[4] = { first + i, 0, 0, 0 };
        rn_philox(key, counter, out);
        for (int w = 0; w < 4; w++)
            word[w * BLOCKS + i] = out[w];
    }
}

#if defined(__x86_64__)
/* Eight counters in 64-bit lanes of two registers, even and odd ones. What is above 32 bits counts for nothing. */
RN_AVX2 static void philox_eight(uint32_t *word, const uint32_t key[2], uint32_t first)
{
    const __m256i m0 = _mm256_set1_epi64x(0xD2511F53), m1 = _mm256_set1_epi64x(0xCD9E8D57);
    __m256i even = _mm256_add_epi64(_mm256_set1_epi64x(first), _mm256_setr_epi64x(0, 2, 4, 6)), zero = _mm256_setzero_si256();
    __m256i c[4][2] = { { even, _mm256_add_epi64(even, _mm256_set1_epi64x(1)) }, { zero, zero }, { zero, zero }, { zero, zero } };
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 2; i++) {
            __m256i p0 = _mm256_mul_epu32(c[0][i], m0), p1 = _mm256_mul_epu32(c[2][i], m1);
            c[0][i] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p1, 32), c[1][i]), _mm256_set1_epi64x(k0));
            c[2][i] = _mm256_xor_si256(_mm256_xor_si256(_mm256_srli_epi64(p0, 32), c[3][i]), _mm256_set1_epi64x(k1));
            c[1][i] = p1;
            c[3][i] = p0;
        }
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int w = 0; w < 4; w++) {
        __m256i both = _mm256_blend_epi32(c[w][0], _mm256_slli_epi64(c[w][1], 32), 0xAA);
        _mm256_storeu_si256((__m256i *)(word + w * BLOCKS), both);
    }
}
#endif

void rn_noise_words(uint32_t *word, const uint32_t key[2], uint32_t first)
{
#if defined(__x86_64__)
    if (rn_isa_chosen() != RN_ISA_PORTABLE) {
        for (uint32_t i = 0; i < BLOCKS; i += 8)
            philox_eight(word + i, key, first + i);
        return;
    }
#endif
    philox_portable(word, key, first);
}

/* Sample number `sample`, of which the first 16 bits are known. */
static int16_t decide(const struct floors *f, const uint32_t key[2], size_t sample, uint16_t bits)
{
    uint32_t more[4], counter[4] = { (uint32_t)sample, (uint32_t)((uint64_t)sample >> 32), 1, 0 };
    rn_philox(key, counter, more);
    uint64_t u = (uint64_t)bits << 32 | more[0];
    int low = 0, high = VALUES; /* bound[low] <= u < bound[high] */
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (f->bound[middle] <= u)
            low = middle;
        else
            high = middle;
    }
    return (int16_t)(LOWEST + low);
}

RN_PLAIN add_plain(uint8_t *restrict y, const uint8_t *restrict x, const int16_t *restrict value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        int16_t v = (int16_t)(x[i] + value[i]);
        v = v < 0 ? 0 : v;
        y[i] = (uint8_t)(v > 255 ? 255 : v);
    }
}
RN_WIDE(add, (uint8_t *restrict y, const uint8_t *restrict x, const int16_t *restrict value, size_t n), (y, x, value, n))

void rn_noise_add(uint8_t *y, const uint8_t *x, const int16_t *value, size_t n)
{
    add(y, x, value, n);
}

static void fill(uint8_t *y, const uint8_t *x, size_t n, const struct floors *f, const uint32_t key[2])
{
    uint32_t word[4 * BLOCKS];
    uint16_t bits[SAMPLES];
    int16_t value[SAMPLES];
    for (size_t first = 0; first < n; first += SAMPLES) {
        rn_noise_words(word, key, (uint32_t)(first / 8));
        memcpy(bits, word, sizeof word);
        for (size_t i = 0; i < SAMPLES; i++) {
            value[i] = f->cell[bits[i] >> 4];
            if (__builtin_expect(value[i] == MIXED, 0))
                value[i] = decide(f, key, first + i, bits[i]);
        }
        add(y + first, x + first, value, n - first < SAMPLES ? n - first : SAMPLES);
    }
}

/* One value for the three samples of a pixel. */
static void fill_pixels(uint8_t *y, const uint8_t *x, size_t pixels, const struct floors *f, const uint32_t key[2])
{
    uint32_t word[4 * BLOCKS];
    uint16_t bits[SAMPLES];
    int16_t value[3 * SAMPLES];
    for (size_t first = 0; first < pixels; first += SAMPLES) {
        size_t count = pixels - first < SAMPLES ? pixels - first : SAMPLES;
        rn_noise_words(word, key, (uint32_t)(first / 8));
        memcpy(bits, word, sizeof word);
        for (size_t i = 0; i < SAMPLES; i++) {
            int16_t v = f->cell[bits[i] >> 4];
            value[3 * i] = value[3 * i + 1] = value[3 * i + 2] = v == MIXED ? decide(f, key, first + i, bits[i]) : v;
        }
        add(y + 3 * first, x + 3 * first, value, 3 * count);
    }
}

static void fill_floats(float *y, const float *x, size_t n, uint64_t seed, double mean, double sigma, bool per_channel)
{
    double noise = 0;
    struct rn_rng rng = rn_rng(seed, RN_FOR_AUGMENT, 0, 0);
    for (size_t i = 0; i < n; i++) {
        if (per_channel || i % 3 == 0)
            noise = mean + sigma * rn_rng_normal(&rng);
        float v = x[i] + (float)noise;
        y[i] = v < 0 ? 0 : v > 1 ? 1 : v;
    }
}

int rn_noise(struct rn_canvas *x, uint64_t seed, double mean, double sigma, bool per_channel, struct rn_err *err)
{
    const uint32_t key[2] = { (uint32_t)seed, (uint32_t)(seed >> 32) };
    struct floors floors;
    size_t n = x->height * x->width * 3;
    void *y = rn_canvas_next(x, x->type, x->height, x->width, err);
    if (!y)
        return -1;
    if (x->type == RN_F32) {
        fill_floats(y, x->pixels, n, seed, mean, sigma, per_channel);
    } else {
        make_floors(&floors, mean, sigma > 1e-9 ? sigma : 1e-9);
        if (per_channel)
            fill(y, x->pixels, n, &floors, key);
        else
            fill_pixels(y, x->pixels, n / 3, &floors, key);
    }
    rn_canvas_turn(x, x->type, x->height, x->width);
    return 0;
}
