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

struct point {
    int64_t x, y;
};

/* Which sides of 0 .. right and 0 .. bottom lie between p and them: 1 and 2 for x, 4 and 8 for y. */
static int sides(struct point p, int64_t right, int64_t bottom)
{
    return (p.x < 0) + (p.x > right) * 2 + (p.y < 0) * 4 + (p.y > bottom) * 8;
}

/* Moves p along the line through q to the row or column `edge`, towards zero as there. */
static void move_to_row(struct point *p, struct point q, int64_t edge)
{
    p->x += (int64_t)((double)(edge - p->y) * (double)(q.x - p->x) / (double)(q.y - p->y));
    p->y = edge;
}

static void move_to_column(struct point *p, struct point q, int64_t edge)
{
    p->y += (int64_t)((double)(edge - p->x) * (double)(q.y - p->y) / (double)(q.x - p->x));
    p->x = edge;
}

/* Cuts the line to the mask, up and down first, which turns it a little. Whether any of it lies there; the ends have moved, or not,
 * in any case as OpenCV's do. */
static bool cut(const struct mask *m, struct point *p, struct point *q)
{
    int64_t right = (int64_t)m->width - 1, bottom = (int64_t)m->height - 1;
    int a = sides(*p, right, bottom), b = sides(*q, right, bottom);
    if (a & b)
        return false;
    if (a & 12)
        move_to_row(p, *q, a & 8 ? bottom : 0);
    if (b & 12)
        move_to_row(q, *p, b & 8 ? bottom : 0);
    a = sides(*p, right, bottom) & 3;
    b = sides(*q, right, bottom) & 3;
    if (a & b)
        return false;
    if (a)
        move_to_column(p, *q, a == 1 ? 0 : right);
    if (b)
        move_to_column(q, *p, b == 1 ? 0 : right);
    return true;
}

/* ---- what lies inside ---- */

/* An edge crosses rows top .. bottom - 1, the first at x, in 1/65536 pixel, and each next one dx further. */
struct edge {
    int64_t top, bottom, x, dx;
};

/* Draws the edge's line. Crossings follow the line that was cut. */
static void make_edge(struct edge *edge, struct mask *m, struct point p, struct point q)
{
    struct point from = p, to = q, a = { p.x * 65536, p.y }, b = { q.x * 65536, q.y };
    int64_t right = (int64_t)m->width - 1, bottom = (int64_t)m->height - 1;
    bool whole = !sides(p, right, bottom) && !sides(q, right, bottom);
    if (cut(m, &from, &to))
        rn_line_draw((int)from.x, (int)from.y, (int)to.x, (int)to.y, set_mask, m);
    if (!whole) {
        a = (struct point){ from.x * 65536, from.y != to.y ? from.y : p.y };
        b = (struct point){ to.x * 65536, from.y != to.y ? to.y : q.y };
    }
    *edge = (struct edge){ p.y < q.y ? p.y : q.y, p.y < q.y ? q.y : p.y, 0, 0 };
    if (p.y == q.y)
        return;
    edge->dx = (b.x - a.x) / (b.y - a.y);
    struct point first = p.y < q.y ? a : b;
    edge->x = first.x + (edge->top - first.y) * edge->dx;
}

static int by_value(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Where the edges cross row y, sorted. */
static size_t crossings(int64_t *at, const struct edge *edge, size_t edges, int64_t y)
{
    size_t n = 0;
    for (size_t i = 0; i < edges; i++)
        if (edge[i].top <= y && y < edge[i].bottom)
            at[n++] = edge[i].x + (y - edge[i].top) * edge[i].dx;
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
    struct edge *edge = rn_calloc(vertices, sizeof *edge + sizeof(int64_t), err);
    if (!edge)
        return -1;
    int64_t *at = (int64_t *)(edge + vertices);
    for (size_t i = 0; i < vertices; i++) {
        const int *a = vertex + 2 * ((i + vertices - 1) % vertices), *b = vertex + 2 * i;
        make_edge(&edge[i], &m, (struct point){ a[0], a[1] }, (struct point){ b[0], b[1] });
    }
    for (size_t y = 0; y < height; y++) {
        size_t n = crossings(at, edge, vertices, (int64_t)y);
        for (size_t k = 0; k + 1 < n; k += 2)
            fill_span(mask + y * width, width, at[k], at[k + 1]);
    }
    free(edge);
    return 0;
}
