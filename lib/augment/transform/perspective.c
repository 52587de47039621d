/* perspective.c -- four points near the corners become the corners. In float32 where numpy is, and equations are solved in OpenCV's
 * order. */
#include <math.h>
#include <string.h>

#include "augment/private.h"

struct perspective {
    double scale[2];
    bool keep_size, fit_output;
    struct rn_sampling sampling;
};

enum { MOST = 1 << 15, AREA = 1 << 27 }; /* of a result, of which fit_output may want any size */

static const struct rn_opt options[] = {
    { 0, "scale", RN_OPT_PAIR, RN_AT(perspective, scale), 0, 1e3, "range of the deviation of the points from the corners, as a share of the sides", NULL, RN_FROM_0 },
    { 0, "keep_size", RN_OPT_FLAG, RN_AT(perspective, keep_size), 0, 0, "the result is as large as the picture", NULL },
    { 0, "fit_output", RN_OPT_FLAG, RN_AT(perspective, fit_output), 0, 0, "the whole picture stays in sight", NULL },
    RN_SAMPLING(perspective, sampling, "pad_mode", "pad_val"),
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { { "points", 8, -1e6, 1e6 }, { 0 } };

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    (void)x;
    const struct perspective *o = opts;
    double scale = rn_rng_uniform(rng, o->scale[0], o->scale[1]);
    for (int i = 0; i < 8; i++)
        value[i] = scale * rn_rng_normal(rng);
    return 8;
}

struct point {
    float x, y;
};

/* ---- where the points lie ---- */

/* Top left, top right, bottom right, bottom left. */
static void put_in_order(struct point sorted[4], double at[4][2])
{
    int order[4] = { 0, 1, 2, 3 };
    for (int i = 1; i < 4; i++)
        for (int k = i; k > 0 && at[order[k]][0] < at[order[k - 1]][0]; k--) {
            int swap = order[k];
            order[k] = order[k - 1];
            order[k - 1] = swap;
        }
    for (int side = 0; side < 2; side++) {
        const double *a = at[order[2 * side]], *b = at[order[2 * side + 1]];
        const double *top = a[1] < b[1] ? a : b, *bottom = top == a ? b : a;
        sorted[side ? 1 : 0] = (struct point){ (float)top[0], (float)top[1] };
        sorted[side ? 2 : 3] = (struct point){ (float)bottom[0], (float)bottom[1] };
    }
}

static void make_points(struct point point[4], const double *value, double height, double width)
{
    double at[4][2];
    for (int i = 0; i < 4; i++) {
        double x = fmod(fabs(value[2 * i]), 1), y = fmod(fabs(value[2 * i + 1]), 1);
        at[i][0] = (i == 1 || i == 2 ? 1 - x : x) * width;
        at[i][1] = (i == 2 || i == 3 ? 1 - y : y) * height;
    }
    put_in_order(point, at);
}

static float apart(struct point a, struct point b)
{
    float dx = a.x - b.x, dy = a.y - b.y;
    return sqrtf(dx * dx + dy * dy);
}

/* The longer of both sides in whole pixels. While the shorter one has less than 2, points are pushed apart. */
static double wider(struct point p[4])
{
    for (;;) {
        double top = trunc((double)apart(p[1], p[0])), bottom = trunc((double)apart(p[2], p[3])), least = fmin(top, bottom);
        if (least >= 2)
            return fmax(top, bottom);
        float step = (float)((2 - least) / 2);
        p[0].x -= step;
        p[1].x += step;
        p[3].x -= step;
        p[2].x += step;
    }
}

static double higher(struct point p[4])
{
    for (;;) {
        double right = trunc((double)apart(p[1], p[2])), left = trunc((double)apart(p[0], p[3])), least = fmin(right, left);
        if (least >= 2)
            return fmax(right, left);
        float step = (float)((2 - least) / 2);
        p[0].y -= step;
        p[1].y -= step;
        p[3].y += step;
        p[2].y += step;
    }
}

/* ---- the map ---- */

/* a x = b by elimination, rows exchanged for the largest; b becomes x. Exit 3: there is no x. */
static int solve(double a[8][8], double b[8], struct rn_err *err)
{
    for (int i = 0; i < 8; i++) {
        int pivot = i;
        for (int j = i + 1; j < 8; j++)
            if (fabs(a[j][i]) > fabs(a[pivot][i]))
                pivot = j;
        if (fabs(a[pivot][i]) < 2.220446049250313e-14)
            return rn_fail(err, RN_EXIT_DATA, "the points lie on a line");
        for (int k = i; k < 8 && pivot != i; k++) {
            double swap = a[i][k];
            a[i][k] = a[pivot][k];
            a[pivot][k] = swap;
        }
        double swap = b[i], d = -1 / a[i][i];
        b[i] = b[pivot];
        b[pivot] = swap;
        for (int j = i + 1; j < 8; j++) {
            double alpha = a[j][i] * d;
            for (int k = i + 1; k < 8; k++)
                a[j][k] += alpha * a[i][k];
            b[j] += alpha * b[i];
        }
    }
    for (int i = 7; i >= 0; i--) {
        for (int k = i + 1; k < 8; k++)
            b[i] -= a[i][k] * b[k];
        b[i] /= a[i][i];
    }
    return 0;
}

static int make_map(double m[9], const struct point from[4], const struct point to[4], struct rn_err *err)
{
    double a[8][8] = { { 0 } }, b[8];
    for (int i = 0; i < 4; i++) {
        a[i][0] = a[i + 4][3] = (double)from[i].x;
        a[i][1] = a[i + 4][4] = (double)from[i].y;
        a[i][2] = a[i + 4][5] = 1;
        a[i][6] = (double)(-from[i].x * to[i].x);
        a[i][7] = (double)(-from[i].y * to[i].x);
        a[i + 4][6] = (double)(-from[i].x * to[i].y);
        a[i + 4][7] = (double)(-from[i].y * to[i].y);
        b[i] = (double)to[i].x;
        b[i + 4] = (double)to[i].y;
    }
    if (solve(a, b, err))
        return -1;
    memcpy(m, b, sizeof b);
    m[8] = 1;
    return 0;
}

/* The map that shows the whole picture, from its corner on, in whole pixels. */
static int expand(double m[9], struct point corner[4], struct rn_err *err)
{
    struct point to[4];
    float left = INFINITY, top = INFINITY;
    for (int i = 0; i < 4; i++) {
        double x = (double)corner[i].x, y = (double)corner[i].y, w = m[6] * x + m[7] * y + m[8];
        w = fabs(w) > 1.1920928955078125e-07 ? 1 / w : 0;
        to[i] = (struct point){ (float)((m[0] * x + m[1] * y + m[2]) * w), (float)((m[3] * x + m[4] * y + m[5]) * w) };
        left = fminf(left, to[i].x);
        top = fminf(top, to[i].y);
    }
    for (int i = 0; i < 4; i++)
        to[i] = (struct point){ rintf(to[i].x - left), rintf(to[i].y - top) };
    if (make_map(m, corner, to, err))
        return -1;
    memcpy(corner, to, sizeof to);
    return 0;
}

static int invert(double y[9], const double m[9], struct rn_err *err)
{
    double d = m[0] * (m[4] * m[8] - m[5] * m[7]) - m[1] * (m[3] * m[8] - m[5] * m[6]) + m[2] * (m[3] * m[7] - m[4] * m[6]);
    if (!(d != 0 && isfinite(1 / d)))
        return rn_fail(err, RN_EXIT_DATA, "the points lie on a line");
    d = 1 / d;
    y[0] = (m[4] * m[8] - m[5] * m[7]) * d;
    y[1] = (m[2] * m[7] - m[1] * m[8]) * d;
    y[2] = (m[1] * m[5] - m[2] * m[4]) * d;
    y[3] = (m[5] * m[6] - m[3] * m[8]) * d;
    y[4] = (m[0] * m[8] - m[2] * m[6]) * d;
    y[5] = (m[2] * m[3] - m[0] * m[5]) * d;
    y[6] = (m[3] * m[7] - m[4] * m[6]) * d;
    y[7] = (m[1] * m[6] - m[0] * m[7]) * d;
    y[8] = (m[0] * m[4] - m[1] * m[3]) * d;
    return 0;
}

/* ---- the picture ---- */

struct view {
    double m[9];   /* from the result to the source */
    size_t block;  /* columns that OpenCV computes from one origin */
    double scale;  /* of coordinates */
};

/* Half to even; |v| below 2^31 after it is clipped. */
static inline int32_t fixed(double v)
{
    v = v >= INT32_MIN ? v < INT32_MAX ? v : INT32_MAX : INT32_MIN; /* also what is no number */
    return (int32_t)(v + 6755399441055744.0 - 6755399441055744.0);
}

/* n columns from dx behind an origin on. */
RN_PLAIN block_plain(int32_t *restrict sx, int32_t *restrict sy, size_t n, const double origin[3], const double *m, size_t dx,
                     double scale)
{
    int32_t start = (int32_t)dx;
    for (int32_t i = 0; i < (int32_t)n; i++) {
        double at = (double)(start + i), w = origin[2] + m[6] * at;
        w = w != 0 ? scale / w : 0;
        sx[i] = fixed((origin[0] + m[0] * at) * w);
        sy[i] = fixed((origin[1] + m[3] * at) * w);
    }
}
RN_WIDE(block, (int32_t *restrict sx, int32_t *restrict sy, size_t n, const double origin[3], const double *m, size_t dx,
                double scale),
        (sx, sy, n, origin, m, dx, scale))

static void row(const void *context, size_t y, size_t first, size_t n, int32_t *sx, int32_t *sy)
{
    const struct view *v = context;
    const double *m = v->m;
    for (size_t i = 0, count; i < n; i += count) {
        size_t dx = (first + i) % v->block, start = first + i - dx;
        const double origin[3] = { m[0] * (double)start + m[1] * (double)y + m[2], m[3] * (double)start + m[4] * (double)y + m[5],
                                   m[6] * (double)start + m[7] * (double)y + m[8] };
        count = n - i < v->block - dx ? n - i : v->block - dx;
        block(sx + i, sy + i, count, origin, m, dx, v->scale);
    }
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct perspective *o = opts;
    struct view view = { .scale = o->sampling.interpolation == RN_NEAREST ? 1 : 32 };
    struct point point[4];
    size_t height = x->height, width = x->width;
    double m[9];
    (void)count;
    make_points(point, value, (double)height, (double)width);
    float w = (float)wider(point), h = (float)higher(point);
    if (make_map(m, point, (const struct point[]){ { 0, 0 }, { w, 0 }, { w, h }, { 0, h } }, err))
        return -1;
    struct point corner[4] = { { 0, 0 }, { (float)width, 0 }, { (float)width, (float)height }, { 0, (float)height } };
    if (o->fit_output && expand(m, corner, err))
        return -1;
    for (int i = 0; o->fit_output && i < 4; i++) {
        w = i ? fmaxf(w, corner[i].x) : corner[i].x;
        h = i ? fmaxf(h, corner[i].y) : corner[i].y;
    }
    if (!(h >= 1 && w >= 1 && h < MOST && w < MOST && (double)h * (double)w < AREA))
        return rn_fail(err, RN_EXIT_DATA, "the whole picture would be seen in one of %g x %g, which is too large", (double)w,
                       (double)h);
    if (invert(view.m, m, err))
        return -1;
    size_t rows = h < 16 ? (size_t)h : 16;
    view.block = 1024 / rows < (size_t)w ? 1024 / rows : (size_t)w;
    if (rn_warp(x, &o->sampling, (size_t)h, (size_t)w, row, &view, err))
        return -1;
    return o->keep_size ? rn_rescale(x, (double)height, (double)width, o->sampling.interpolation, err) : 0;
}

const struct rn_augment rn_augment_perspective = {
    .class_name = "Perspective", .until = RN_SINCE_1_4, .p = 0.5, .options = options, .size = sizeof(struct perspective),
    .drawn = drawn, .defaults = &(const struct perspective){ { 0.05, 0.1 }, true, false, { RN_LINEAR, RN_CONSTANT, { 0 } } },
    .neutral = "mask_pad_val=*", .draw = draw, .apply = apply,
};
