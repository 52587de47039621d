/* rng.c -- Philox4x32-10. */
#include "core/rng.h"

#include <math.h>
#include <stddef.h>

void rn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c0, p1 = (uint64_t)0xCD9E8D57u * c2;
        c0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0;
        c1 = (uint32_t)p1;
        c2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c3 = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

struct rn_rng rn_rng(uint64_t seed, enum rn_purpose purpose, uint64_t who, uint32_t epoch)
{
    uint64_t key = seed ^ ((uint64_t)purpose * 0x9E3779B97F4A7C15u);
    return (struct rn_rng){
        .key = { (uint32_t)key, (uint32_t)(key >> 32) },
        .counter = { (uint32_t)who, (uint32_t)(who >> 32), epoch, 0 },
    };
}

uint32_t rn_rng_u32(struct rn_rng *rng)
{
    if (!rng->left) {
        rn_philox(rng->key, rng->counter, rng->block);
        rng->counter[3]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

uint64_t rn_rng_u64(struct rn_rng *rng)
{
    uint64_t low = rn_rng_u32(rng);
    return low | (uint64_t)rn_rng_u32(rng) << 32;
}

double rn_rng_unit(struct rn_rng *rng)
{
    return (double)(rn_rng_u64(rng) >> 11) * 0x1p-53;
}

double rn_rng_uniform(struct rn_rng *rng, double low, double high)
{
    return low + (high - low) * rn_rng_unit(rng);
}

uint64_t rn_rng_below(struct rn_rng *rng, uint64_t n)
{
    uint64_t skip = -n % n; /* 2^64 mod n: numbers below it would make some results likelier */
    for (;;) {
        uint64_t x = rn_rng_u64(rng);
        if (x >= skip)
            return x % n;
    }
}

double rn_rng_normal(struct rn_rng *rng)
{
    double radius = sqrt(-2 * log(1 - rn_rng_unit(rng)));
    return radius * cos(2 * 3.14159265358979323846 * rn_rng_unit(rng));
}

/* The logarithm of a number of the Gamma distribution (Marsaglia and Tsang, "A simple method for generating gamma variables", ACM
 * TOMS 2000); for a < 1 from that of a + 1. As a logarithm it does not vanish for small a. */
static double log_gamma_of(struct rn_rng *rng, double a)
{
    double less = a < 1 ? log(1 - rn_rng_unit(rng)) / a : 0, d = (a < 1 ? a + 1 : a) - 1. / 3, c = 1 / sqrt(9 * d);
    for (;;) {
        double x = rn_rng_normal(rng), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - rn_rng_unit(rng)) < 0.5 * x * x + d - d * v + d * log(v))
            return log(d * v) + less;
    }
}

double rn_rng_beta(struct rn_rng *rng, double a)
{
    double x = log_gamma_of(rng, a), y = log_gamma_of(rng, a);
    return 1 / (1 + exp(y - x));
}
