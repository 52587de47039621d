/* rng.h -- randomness is a function, never a state: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011; test vectors of Random123). The same (seed, purpose, who, epoch, draw) gives the
 * same numbers on any thread, host and in any order. */
#ifndef RN_CORE_RNG_H
#define RN_CORE_RNG_H

#include <stdint.h>

/* What the numbers are for: a constant that is xor-ed into the seed, so that no two uses share numbers. */
enum rn_purpose {
    RN_FOR_SPLIT = 1,
    RN_FOR_ORDER,   /* the order of an epoch */
    RN_FOR_CROP,    /* rn-batch --train: crop and flip of one image */
    RN_FOR_INIT,    /* initial weights; who: hash of the parameter's name */
    RN_FOR_AUGMENT,
    RN_FOR_DRAW,    /* the pictures of the demo */
    RN_FOR_MIX,     /* rn-batch --mixup, --cutmix; who: the batch's index */
    RN_FOR_BOOTSTRAP, /* rn-score --pool; epoch: the draw */
};

struct rn_rng {
    uint32_t key[2];
    uint32_t counter[4]; /* who (low, high), epoch, draw */
    uint32_t block[4];   /* the numbers of the last draw */
    unsigned left;       /* how many of them are still unused */
};

/* counter in, four numbers out. */
void rn_philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

/* A generator at draw 0. `who` is rn_hash64 of an id (stream/stream.h). */
struct rn_rng rn_rng(uint64_t seed, enum rn_purpose purpose, uint64_t who, uint32_t epoch);

uint32_t rn_rng_u32(struct rn_rng *rng);
uint64_t rn_rng_u64(struct rn_rng *rng);
double rn_rng_unit(struct rn_rng *rng);                            /* [0, 1), 53 bits */
double rn_rng_uniform(struct rn_rng *rng, double low, double high); /* [low, high) */
uint64_t rn_rng_below(struct rn_rng *rng, uint64_t n);             /* 0 .. n-1, unbiased; n > 0 */
double rn_rng_normal(struct rn_rng *rng);                          /* mean 0, deviation 1 (Box-Muller) */
double rn_rng_beta(struct rn_rng *rng, double a);                  /* the Beta distribution of a and a; a > 0 */

#endif
