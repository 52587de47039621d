/* tree.h -- a batch's leaves, and sums over them by one binary tree.
 *
 * With a power of two leaves, 0 and 1 are added, 2 and 3, ...; then these pairs, and so on. A rank that has neighbouring leaves, a
 * power of two of them, has a subtree whole: so the sum is made of the same additions, and has the same bits, wherever the leaves
 * lie. */
#ifndef RN_DEVICE_RANKS_TREE_H
#define RN_DEVICE_RANKS_TREE_H

#include <stdbool.h>
#include <stddef.h>

static inline bool rn_ranks_is_power(size_t n)
{
    return n && !(n & (n - 1));
}

/* The first image of leaf i of `leaves`, of a batch of n; that of leaf `leaves` is n. */
static inline size_t rn_ranks_first(size_t n, size_t i, size_t leaves)
{
    return n / leaves * i + n % leaves * i / leaves;
}

/* The sum of `rows`, of `count` numbers each, which are `from` of row[i] on; it is then row 0's, and the others are of no use. */
void rn_ranks_add_floats(float *const *row, size_t rows, size_t from, size_t count);
/* The same; the rows lie behind each other. */
void rn_ranks_add_doubles(double *row, size_t rows, size_t count);
/* The same of statistics: a row is how many values there are, then each channel's mean, then each one's sum of squares around that
 * (Chan, Golub and LeVeque, as in device/cpu/batch_norm.c). */
void rn_ranks_add_moments(double *row, size_t rows, size_t channels);

#endif
