/* panel.h -- matrix products whose right side lies in panels, for convolutions.
 *
 * A panel is `width` columns of the right side, one row of them after the other. An element of the result is one sum in
 * the order of the inner index, on one accumulator, whatever rows and columns are computed beside it: it has the same bits
 * alone and in any batch. */
#ifndef RN_DEVICE_CPU_PANEL_H
#define RN_DEVICE_CPU_PANEL_H

#include <stdbool.h>
#include <stddef.h>

/* y[i][0..columns) = sum over t < taps, j < run of a[i][t step + j] panel[t panel_step + j], for `count` rows. Rows are
 * wherever the pointers say; a_at and y_at (in floats) are added to each. panel_step counts the panel's rows. */
struct rn_cpu_rows {
    const float *const *a;
    float *const *y;
    size_t count, a_at, y_at, taps, step, panel_step, run, columns;
    const float *panel;
    const float *bias;            /* of these columns; NULL: none */
    const float *const *residual; /* rows, as y; NULL: none */
    bool add, relu;               /* add: to what is in y */
};

/* y(k,c) = sum over t of a(t,k) b(t,c), or adds to y; c a multiple of `outer_width`, ld in floats. */
struct rn_cpu_outer_product {
    const float *a, *b;
    float *y;
    size_t lda, ldb, ldy, k, c, t;
    bool add;
};

struct rn_cpu_panel {
    size_t width, outer_width;
    void (*rows)(const struct rn_cpu_rows *rows);
    void (*outer)(const struct rn_cpu_outer_product *outer);
};

/* panel[i unit + j] = w[j ld + i] for i < rows, j < width, and 0 for the other j < unit. */
void rn_cpu_pack(float *panel, const float *w, size_t ld, size_t rows, size_t width, size_t unit);

/* By rn_cpu.isa. */
extern const struct rn_cpu_panel *const rn_cpu_panels[];

#endif
