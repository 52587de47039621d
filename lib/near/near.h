/* near.h -- photos that are the same, or nearly so: re-encoded, scaled, brighter, turned by quarters, mirrored, taken twice.
 *
 * A photo's print is made of two small pictures of it. The hash is the perceptual one of pHash (Zauner, "Implementation and
 * benchmarking of perceptual image hash functions", 2010): which of the 63 lowest cosine waves of 32 x 32 grey pixels are stronger
 * than their median; a turned or mirrored photo's follows from the same waves. Hashes alone take two lamps on a table for each
 * other, so two photos are near when their hashes differ in few bits *and* 16 x 16 pixels of theirs correlate. */
#ifndef RN_NEAR_NEAR_H
#define RN_NEAR_NEAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "flow/flow.h"
#include "image/image.h"

enum { RN_NEAR_SIDE = 16, RN_NEAR_TURNS = 8, RN_NEAR_DISTANCE = 6 };
#define RN_NEAR_ALIKE 0.95 /* the least correlation */

/* One photo's; it owns nothing. */
struct rn_print {
    uint64_t hash[RN_NEAR_TURNS];                    /* as it is, mirrored, and so turned by 90, 180, 270 degrees */
    uint8_t pixels[RN_NEAR_SIDE * RN_NEAR_SIDE * 3]; /* RGB */
    bool valid;                                      /* false: the photo could not be read */
};
const char *rn_near_turn(int turn); /* "same", "mirrored", "turned 90", "turned 90, mirrored" ... */
RN_MUST int rn_print_make(struct rn_print *print, const struct rn_image *x, struct rn_err *err);
/* 0 .. 63 bits, in the turn of b that is nearest to a. */
int rn_print_distance(const struct rn_print *a, const struct rn_print *b, int *turn);
/* -1 .. 1 of a with b so turned; two pictures of one colour: 1 when it is the same, else 0. */
double rn_print_alike(const struct rn_print *a, const struct rn_print *b, int turn);

struct rn_prints {
    struct rn_print *item;
    size_t count, capacity, failed;
};
struct rn_prints_plan {
    struct rn_reader *reader; /* these two are a flow's: of samples and images */
    int (*read)(void *context, struct rn_item *item, struct rn_err *err);
    void *context;
    int jobs;
    struct rn_decode decode;
    bool keep_going; /* a photo that cannot be read gets a print that is not valid; otherwise it is the error */
};
/* The prints of all records, in their order; prints: zeroed. */
RN_MUST int rn_prints_make(struct rn_prints *prints, const struct rn_prints_plan *plan, struct rn_err *err);
void rn_prints_free(struct rn_prints *prints); /* at any time; zeroed is allowed */

struct rn_pair {
    size_t a, b; /* a < b */
    int distance, turn;
    double alike;
};
struct rn_pairs {
    struct rn_pair *item; /* by a, then b */
    size_t count, capacity;
};
/* All pairs within the distance that correlate. */
RN_MUST int rn_pairs_find(struct rn_pairs *pairs, const struct rn_prints *prints, int distance, int jobs, struct rn_err *err);
void rn_pairs_free(struct rn_pairs *pairs);

#endif
