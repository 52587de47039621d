/* line.c -- lines and polygons as OpenCV draws them: 8-connected, one pixel wide. */
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

void rn_line_draw(int x1, int y1, int x2, int y2, void (*set)(void *context, int x, int y), void *context)
{
    if (x2 < x1) { /* from left to right: which of two equal pixels is taken depends on it */
        int x = x1, y = y1;
        x1 = x2, y1 = y2, x2 = x, y2 = y;
    }
    int dx = x2 - x1, dy = abs(y2 - y1), down = y2 < y1 ? -1 : 1;
    bool steep = dy > dx;
    int along = steep ? dy : dx, aside = steep ? dx : dy, error = along - 2 * aside;
    for (int i = 0; i <= along; i++) {
        set(context, x1, y1);
        bool step = error < 0;
        error += (step ? 2 * along : 0) - 2 * aside;
        x1 += steep ? step : 1;
        y1 += steep ? down : step ? down : 0;
    }
}

/* ---- polygons ---- */

struct mask {
    uint8_t *pixel;
    size_t height, width;
};

static void set_mask(void *context, int x, int y)
{
    struct mask *m = context;
    m->pixel[(size_t)y * m->width + (size_t)x] = 1;
}

/* Which sides of 0 .. last lie between v and them: 1 and 2 for x, 4 and 8 for y. */
static int sides(int x, int y, int right, int bottom)
{
    return (x < 0) + (x > right) * 2 + (y < 0) * 4 + (y > bottom) * 8;
}

/* Moves the end (x1, y1) along the line to the side that it lies behind, towards zero as there. */
static void cut(int *x1, int *y1, int x2, int y2, int side, int last)
{
    int edge = side == 1 || side == 4 ? 0 : last;
    if (side < 4) {
        *y1 += (int)((double)(edge - *x1) * (y2 - *y1) / (x2 - *x1));
        *x1 = edge;
    } else {
        *x1 += (int)((double)(edge - *y1) * (x2 - *x1) / (y2 - *y1));
        *y1 = edge;
    }
}

/* The part of the line that lies in the mask. It is cut before it is drawn, which turns it a little: up and down first. */
static void draw_edge(struct mask *m, int x1, int y1, int x2, int y2)
{
    int right = (int)m->width - 1, bottom = (int)m->height - 1;
    for (int pass = 0; pass < 2; pass++) {
        int mask = pass ? 3 : 12, last = pass ? right : bottom, first = sides(x1, y1, right, bottom), second = sides(x2, y2, right, bottom);
        if (first & second)
            return;
        if (first & mask)
            cut(&x1, &y1, x2, y2, first & mask, last);
        second = sides(x2, y2, right, bottom);
        if (second & mask)
            cut(&x2, &y2, x1, y1, second & mask, last);
    }
    if (!sides(x1, y1, right, bottom) && !sides(x2, y2, right, bottom))
        rn_line_draw(x1, y1, x2, y2, set_mask, m);
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Where the edges cross row y in 1/65536 pixel, with OpenCV's rounding of slopes, sorted. */
static size_t crossings(int64_t *at, const int *vertex, size_t vertices, int y)
{
    size_t n = 0;
    for (size_t i = 0; i < vertices; i++) {
        const int *a = vertex + 2 * i, *b = vertex + 2 * ((i + 1) % vertices);
        const int *low = a[1] < b[1] ? a : b, *high = low == a ? b : a;
        if (low[1] <= y && y < high[1])
            at[n++] = (int64_t)low[0] * 65536 + (y - low[1]) * ((int64_t)(high[0] - low[0]) * 65536 / (high[1] - low[1]));
    }
    qsort(at, n, sizeof *at, by_value);
    return n;
}

static void fill_span(uint8_t *row, size_t width, int64_t from, int64_t to)
{
    int64_t first = (from + 65535) >> 16, last = to >> 16;
    first = first < 0 ? 0 : first;
    last = last < (int64_t)width ? last : (int64_t)width - 1;
    if (first <= last)
        memset(row + first, 1, (size_t)(last - first) + 1);
}

int rn_polygon_fill(uint8_t *mask, size_t height, size_t width, const int *vertex, size_t vertices, struct rn_err *err)
{
    struct mask m = { mask, height, width };
    int64_t *at = rn_calloc(vertices, sizeof *at, err);
    if (!at)
        return -1;
    for (size_t i = 0; i < vertices; i++) {
        const int *a = vertex + 2 * i, *b = vertex + 2 * ((i + 1) % vertices);
        draw_edge(&m, a[0], a[1], b[0], b[1]);
    }
    for (size_t y = 0; y < height; y++) {
        size_t n = crossings(at, vertex, vertices, (int)y);
        for (size_t k = 0; k + 1 < n; k += 2)
            fill_span(mask + y * width, width, at[k], at[k + 1]);
    }
    free(at);
    return 0;
}
