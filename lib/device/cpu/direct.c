/* direct.c -- convolutions by their definition, as matrix products whose left side is pixels where they lie.
 *
 * Channels are innermost, so what a row of the kernel covers is one run of S C neighbouring floats, and an output pixel is
 * a sum over R runs, each a row of the map below the last: no columns are made. Where the kernel reaches over the edge, runs
 * are shorter or fewer; pixels are sorted by that.
 *
 * The gradient of x is the same of dy, with the kernel turned round. Of stride s, s s pixels of x lie where one of dy does: each of
 * these phases meets every s-th row and column of the kernel, and is a convolution of stride 1 of its own. */
#include <string.h>

#include "core/mem.h"
#include "device/cpu/conv.h"

/* BLOCK: pixels that a task multiplies with each panel; ENOUGH tasks for many cores; NARROW: fewer outputs leave most of a
 * panel empty; FEW: fewer pixels are not worth the weights' packing. */
enum { BLOCK = 96, ENOUGH = 32, NARROW = 8, FEW = 4 };

struct direct {
    const struct rn_cpu_conv *conv;
    const struct rn_cpu_panel *panel;
    bool backward;                /* from dy to dx */
    const float *from, *bias, *residual;
    float *to;
    size_t h, w, c, p, q, k;      /* of `from` and `to`, of which p and q are a phase's */
    size_t stride;                /* of the convolution that leads from `from` to `to` */
    long pad_h, pad_w;
    /* steps of `to`, in pixels: from row to row, in a row, to the next image; where a phase begins */
    size_t row, pixel, map, begin;
    size_t r0, s0, taps_r, taps_s; /* a phase's part of the kernel: taps_r rows from r0 on, each stride-th */
    size_t run, taps;             /* floats under a row of it, and under all */
    size_t pixels, wide, blocks, shares; /* wide: panels; a task is a block of pixels and a share of the panels */
    const float *panels;
    bool add;
};

static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    if (pass == RN_CPU_DW || !rn_cpu_dense(&conv->window))
        return false;
    /* A gradient always: nothing else here gives an image the same bits alone and in a batch, as a heat map wants them. */
    return pass == RN_CPU_DX ? conv->c >= NARROW : conv->k >= NARROW && conv->p * conv->q >= FEW;
}

static void finish_plan(struct direct *v)
{
    v->panel = rn_cpu_panel_of(v->conv);
    v->run = v->taps_s * v->c;
    v->taps = v->taps_r * v->run;
    v->pixels = v->conv->n * v->p * v->q;
    v->wide = rn_cpu_blocks(v->k, v->panel->width);
    v->blocks = rn_cpu_blocks(v->pixels, BLOCK);
    v->shares = rn_cpu_min(v->wide, rn_cpu_blocks(ENOUGH, v->blocks));
}

static struct direct plan(const struct rn_cpu_conv *conv)
{
    const struct rn_window *win = &conv->window;
    struct direct v = {
        .conv = conv, .from = conv->x, .h = conv->h, .w = conv->w, .c = conv->c, .to = conv->y, .p = conv->p, .q = conv->q,
        .k = conv->k, .stride = win->stride, .pad_h = (long)win->top, .pad_w = (long)win->left, .bias = conv->bias,
        .residual = conv->residual, .row = conv->q, .pixel = 1, .map = conv->p * conv->q, .taps_r = win->r, .taps_s = win->s,
    };
    finish_plan(&v);
    return v;
}

/* Of `size` taps the `count` that pixels first, first + stride ... meet, from tap `from` on, and the padding that leaves. */
static long phase(size_t first, size_t stride, size_t before, size_t size, size_t *from, size_t *count)
{
    *from = (first + before) % stride;
    *count = *from < size ? rn_cpu_blocks(size - *from, stride) : 0;
    return (long)*count - 1 - (long)((first + before - *from) / stride);
}

/* The gradient of the pixels of x from (top, left) on, each stride-th. */
static struct direct plan_dx(const struct rn_cpu_conv *conv, size_t top, size_t left)
{
    const struct rn_window *win = &conv->window;
    struct direct v = {
        .conv = conv, .backward = true, .from = conv->dy, .h = conv->p, .w = conv->q, .c = conv->k, .to = conv->dx,
        .p = rn_cpu_blocks(conv->h - top, win->stride), .q = rn_cpu_blocks(conv->w - left, win->stride), .k = conv->c, .stride = 1,
        .row = win->stride * conv->w, .pixel = win->stride, .map = conv->h * conv->w, .begin = top * conv->w + left,
        .add = conv->add,
    };
    v.pad_h = phase(top, win->stride, win->top, win->r, &v.r0, &v.taps_r);
    v.pad_w = phase(left, win->stride, win->left, win->s, &v.s0, &v.taps_s);
    finish_plan(&v);
    return v;
}

/* ---- weights ---- */

/* One panel: for each tap and channel the weights of `width` outputs. */
static void pack_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct direct *v = context;
    const struct rn_window *win = &v->conv->window;
    size_t unit = v->panel->width, k0 = task * unit, width = rn_cpu_min(unit, v->k - k0), rs = win->r * win->s;
    float *to = (float *)v->panels + task * v->taps * unit;
    if (!v->backward) {
        rn_cpu_pack(to, v->conv->weight + k0 * v->taps, v->taps, v->taps, width, unit);
        return;
    }
    for (size_t r = v->taps_r; r-- > 0;)
        for (size_t s = v->taps_s; s-- > 0;) {
            size_t tap = (v->r0 + r * win->stride) * win->s + v->s0 + s * win->stride;
            for (size_t c = 0; c < v->c; c++, to += unit) {
                memcpy(to, v->conv->weight + (c * rs + tap) * v->k + k0, width * sizeof *to);
                memset(to + width, 0, (unit - width) * sizeof *to);
            }
        }
}

static size_t prepacked(const struct rn_cpu_conv *conv)
{
    struct direct v = plan(conv);
    return v.wide * v.taps * v.panel->width;
}

static int prepack(const struct rn_cpu_conv *conv, float *to, struct rn_err *err)
{
    (void)err;
    struct direct v = plan(conv);
    v.panels = to;
    rn_pool_for(conv->cpu->pool, v.wide, pack_task, &v);
    return 0;
}

/* ---- y, and dx ---- */

/* Pixels that meet the same part of the kernel: rows r0 to r1, columns s0 to s1, those that lie on the map. */
struct part {
    size_t r0, r1, s0, s1, first, count;
};

struct pixels {
    const float *a[BLOCK], *residual[BLOCK];
    float *y[BLOCK];
    struct part parts[BLOCK];
    size_t count;
};

/* Of `size` taps from `at` on, which lie in 0..map-1? */
static void clip(long at, size_t size, size_t map, size_t *low, size_t *high)
{
    *low = at < 0 ? rn_cpu_min((size_t)-at, size) : 0;
    *high = at < (long)map ? rn_cpu_min(size, (size_t)((long)map - at)) : 0;
    if (*high <= *low)
        *low = *high = 0;
}

/* A pixel of `to`. */
struct spot {
    size_t image, row, column;
};

static struct spot spot_of(const struct direct *v, size_t pixel)
{
    return (struct spot){ pixel / (v->p * v->q), pixel / v->q % v->p, pixel % v->q };
}

static void next(const struct direct *v, struct spot *spot)
{
    if (++spot->column < v->q)
        return;
    spot->column = 0;
    if (++spot->row == v->p)
        spot->row = 0, spot->image++;
}

/* Where its channels begin. */
static size_t place(const struct direct *v, const struct spot *spot)
{
    return (v->begin + spot->image * v->map + spot->row * v->row + spot->column * v->pixel) * v->k;
}

static struct part part_of(const struct direct *v, const struct spot *spot, const float **a)
{
    long top = (long)(spot->row * v->stride) - v->pad_h, left = (long)(spot->column * v->stride) - v->pad_w;
    struct part part = { 0 };
    clip(top, v->taps_r, v->h, &part.r0, &part.r1);
    clip(left, v->taps_s, v->w, &part.s0, &part.s1);
    size_t row = part.r1 ? (size_t)(top + (long)part.r0) : 0, column = part.s1 ? (size_t)(left + (long)part.s0) : 0;
    *a = v->from + ((spot->image * v->h + row) * v->w + column) * v->c;
    return part;
}

static bool same(const struct part *a, const struct part *b)
{
    return a->r0 == b->r0 && a->r1 == b->r1 && a->s0 == b->s0 && a->s1 == b->s1;
}

static void collect(const struct direct *v, size_t first, size_t count, struct pixels *px)
{
    const float *a[BLOCK];
    struct part part[BLOCK];
    size_t to[BLOCK];
    bool taken[BLOCK] = { false };
    struct spot spot = spot_of(v, first);
    for (size_t i = 0; i < count; i++, next(v, &spot)) {
        part[i] = part_of(v, &spot, &a[i]);
        to[i] = place(v, &spot);
    }
    px->count = 0;
    for (size_t i = 0, at = 0; i < count; i++) {
        if (taken[i])
            continue;
        struct part *new = &px->parts[px->count++];
        *new = part[i];
        new->first = at;
        for (size_t j = i; j < count; j++) {
            if (taken[j] || !same(new, &part[j]))
                continue;
            taken[j] = true;
            px->a[at] = a[j];
            px->y[at] = v->to + to[j];
            px->residual[at++] = v->residual ? v->residual + to[j] : NULL;
        }
        new->count = at - new->first;
    }
}

static void block_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct direct *v = context;
    size_t first = task / v->shares * BLOCK, share = task % v->shares, unit = v->panel->width;
    struct pixels px;
    collect(v, first, rn_cpu_min(BLOCK, v->pixels - first), &px);
    for (size_t panel = v->wide * share / v->shares; panel < v->wide * (share + 1) / v->shares; panel++)
        for (const struct part *part = px.parts; part < px.parts + px.count; part++) {
            size_t k0 = panel * unit, row = panel * v->taps + part->r0 * v->run + part->s0 * v->c;
            v->panel->rows(&(struct rn_cpu_rows){
                .a = px.a + part->first, .y = px.y + part->first, .count = part->count, .y_at = k0, .taps = part->r1 - part->r0,
                .step = v->w * v->c, .run = (part->s1 - part->s0) * v->c, .columns = rn_cpu_min(unit, v->k - k0),
                .panel = v->panels + row * unit, .panel_step = v->run, .bias = v->bias ? v->bias + k0 : NULL,
                .residual = v->residual ? px.residual + part->first : NULL, .add = v->add,
                .relu = v->conv->activation == RN_ACT_RELU });
        }
}

/* Pixels that the kernel steps over. */
static void nothing_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct direct *v = context;
    struct spot spot = spot_of(v, task * BLOCK);
    for (size_t i = task * BLOCK; i < rn_cpu_min((task + 1) * BLOCK, v->pixels); i++, next(v, &spot))
        memset(v->to + place(v, &spot), 0, v->k * sizeof *v->to);
}

static int convolve(struct direct *v, const float *ready, struct rn_err *err)
{
    struct rn_cpu *cpu = v->conv->cpu;
    v->panels = ready;
    if (rn_cpu_scratch(cpu, 0, ready ? 0 : v->wide * v->taps * v->panel->width, err))
        return -1;
    if (!ready) {
        v->panels = cpu->shared;
        rn_pool_for(cpu->pool, v->wide, pack_task, v);
    }
    rn_pool_for(cpu->pool, v->blocks * v->shares, block_task, v);
    return 0;
}

static int forward(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct direct v = plan(conv);
    return convolve(&v, conv->prepacked, err);
}

static int dx(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    for (size_t top = 0; top < rn_cpu_min(conv->window.stride, conv->h); top++)
        for (size_t left = 0; left < rn_cpu_min(conv->window.stride, conv->w); left++) {
            struct direct v = plan_dx(conv, top, left);
            if (v.taps && convolve(&v, NULL, err))
                return -1;
            if (!v.taps && !v.add)
                rn_pool_for(conv->cpu->pool, v.blocks, nothing_task, &v);
        }
    return 0;
}

const struct rn_cpu_path rn_cpu_direct = { "direct", takes, forward, dx, NULL, prepacked, prepack };
