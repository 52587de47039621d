/* panel.c -- the kernels of panel.inc for each vector length. */
#include "device/cpu/panel.h"

#include <string.h>

#define KERNELS "device/cpu/panel.inc"
#include "device/cpu/variants.h"

const struct rn_cpu_panel *const rn_cpu_panels[] = RN_CPU_VARIANT_TABLE(panel);

enum { SIDE = 4 };

void rn_cpu_pack(float *panel, const float *w, size_t ld, size_t rows, size_t width, size_t unit)
{
    size_t whole_rows = rows / SIDE * SIDE, whole = width / SIDE * SIDE;
    for (size_t i = 0; i < whole_rows; i += SIDE)
        for (size_t j = 0; j < whole; j += SIDE) {
            const float *from = w + j * ld + i;
            float *to = panel + i * unit + j;
            rn_vec4 a = *(const rn_vec4 *)from, b = *(const rn_vec4 *)(from + ld), c = *(const rn_vec4 *)(from + 2 * ld),
                    d = *(const rn_vec4 *)(from + 3 * ld);
            rn_vec4 ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
            rn_vec4 cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
            *(rn_vec4 *)to = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
            *(rn_vec4 *)(to + unit) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
            *(rn_vec4 *)(to + 2 * unit) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
            *(rn_vec4 *)(to + 3 * unit) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
        }
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = i < whole_rows ? whole : 0; j < width; j++)
            panel[i * unit + j] = w[j * ld + i];
        memset(panel + i * unit + width, 0, (unit - width) * sizeof *panel);
    }
}
