/* holes.c -- rectangles of one colour, and the grey picture: what several transforms share. */
#include <string.h>

#include "augment/private.h"

/* As numpy assigns a number to bytes: towards zero. */
static void make_pixel(uint8_t pixel[12], enum rn_type type, const double colour[3])
{
    for (int c = 0; c < 3; c++) {
        float real = (float)colour[c];
        if (type == RN_U8)
            pixel[c] = (uint8_t)colour[c];
        else
            memcpy(pixel + 4 * c, &real, sizeof real);
    }
}

int rn_holes_fill(struct rn_canvas *x, const double *hole, size_t holes, const double colour[3], struct rn_err *err)
{
    size_t size = 3 * rn_type_size(x->type), bytes = x->height * x->width * size;
    uint8_t pixel[12];
    for (size_t i = 0; i < holes; i++)
        if (!(hole[4 * i + 2] <= (double)x->width && hole[4 * i + 3] <= (double)x->height))
            return rn_fail(err, RN_EXIT_DATA, "a hole of %g x %g is larger than the picture of %zu x %zu (width x height)",
                           hole[4 * i + 2] - hole[4 * i], hole[4 * i + 3] - hole[4 * i + 1], x->width, x->height);
    uint8_t *y = rn_canvas_next(x, x->type, x->height, x->width, err);
    if (!y)
        return -1;
    memcpy(y, x->pixels, bytes);
    make_pixel(pixel, x->type, colour);
    for (size_t i = 0; i < holes; i++, hole += 4)
        for (size_t row = (size_t)hole[1]; row < (size_t)hole[3]; row++)
            for (size_t column = (size_t)hole[0]; column < (size_t)hole[2]; column++)
                memcpy(y + (row * x->width + column) * size, pixel, size);
    rn_canvas_turn(x, x->type, x->height, x->width);
    return 0;
}

RN_PLAIN grey_plain(uint8_t *restrict y, const uint8_t *restrict x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = (uint8_t)((x[3 * i] * 9798 + x[3 * i + 1] * 19235 + x[3 * i + 2] * 3735 + (1 << 14)) >> 15);
}
RN_WIDE(grey, (uint8_t *restrict y, const uint8_t *restrict x, size_t n), (y, x, n))

void rn_grey(uint8_t *y, const uint8_t *x, size_t n)
{
    grey(y, x, n);
}
