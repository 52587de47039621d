/* tree.c -- sums over leaves. */
#include "device/ranks/tree.h"

void rn_ranks_add_floats(float *const *row, size_t rows, size_t from, size_t count)
{
    for (size_t step = 1; step < rows; step *= 2)
        for (size_t r = 0; r + step < rows; r += 2 * step) {
            float *restrict a = row[r] + from;
            const float *restrict b = row[r + step] + from;
            for (size_t i = 0; i < count; i++)
                a[i] += b[i];
        }
}

void rn_ranks_add_doubles(double *row, size_t rows, size_t count)
{
    for (size_t step = 1; step < rows; step *= 2)
        for (size_t r = 0; r + step < rows; r += 2 * step) {
            double *restrict a = row + r * count;
            const double *restrict b = row + (r + step) * count;
            for (size_t i = 0; i < count; i++)
                a[i] += b[i];
        }
}

static void add_moments(double *restrict a, const double *restrict b, size_t c)
{
    double n = a[0], m = b[0], all = n + m, *mean = a + 1, *squares = mean + c;
    for (size_t i = 0; i < c && m > 0; i++) {
        double off = b[1 + i] - mean[i];
        mean[i] += off * (m / all);
        squares[i] += b[1 + c + i] + off * off * (n * (m / all));
    }
    a[0] = all;
}

void rn_ranks_add_moments(double *row, size_t rows, size_t c)
{
    for (size_t step = 1; step < rows; step *= 2)
        for (size_t r = 0; r + step < rows; r += 2 * step)
            add_moments(row + r * (1 + 2 * c), row + (r + step) * (1 + 2 * c), c);
}
