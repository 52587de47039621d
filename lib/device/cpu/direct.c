/* direct.c -- convolutions by their definition, as matrix products whose left side is pixels where they lie.
 *
 * Channels are innermost, so what a row of the kernel covers is one run of S C neighbouring floats, and an output pixel is
 * a sum over R runs, each a row of the map below the last: no columns are made. Where the kernel reaches over the edge, runs
 * are shorter or fewer; pixels are sorted by that.
 *
 * The gradient of x, of a convolution of stride 1, is the same of dy, with the kernel turned round. */
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
    size_t h, w, c, p, q, k;      /* of `from` and `to` */
    size_t stride, pad_h, pad_w;  /* of the convolution that leads from `from` to `to` */
    size_t run, taps;             /* floats under a row of the kernel, and under all */
    size_t pixels, wide, blocks, shares; /* wide: panels; a task is a block of pixels and a share of the panels */
    const float *panels;
    bool add;
};

static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    const struct rn_window *win = &conv->window;
    if (!rn_cpu_dense(win) || (pass == RN_CPU_DX && (win->stride != 1 || win->top >= win->r || win->left >= win->s)))
        return false;
    return pass != RN_CPU_DW && conv->k >= NARROW && conv->p * conv->q >= FEW;
}

static struct direct plan(const struct rn_cpu_conv *conv, bool backward)
{
    const struct rn_window *win = &conv->window;
    struct direct v = { .conv = conv, .panel = rn_cpu_panel_of(conv), .backward = backward };
    if (backward) {
        v.from = conv->dy, v.h = conv->p, v.w = conv->q, v.c = conv->k;
        v.to = conv->dx, v.p = conv->h, v.q = conv->w, v.k = conv->c;
        v.stride = 1, v.pad_h = win->r - 1 - win->top, v.pad_w = win->s - 1 - win->left;
        v.add = conv->add;
    } else {
        v.from = conv->x, v.h = conv->h, v.w = conv->w, v.c = conv->c;
        v.to = conv->y, v.p = conv->p, v.q = conv->q, v.k = conv->k;
        v.stride = win->stride, v.pad_h = win->top, v.pad_w = win->left;
        v.bias = conv->bias, v.residual = conv->residual;
    }
    v.run = win->s * v.c;
    v.taps = win->r * v.run;
    v.pixels = conv->n * v.p * v.q;
    v.wide = rn_cpu_blocks(v.k, v.panel->width);
    v.blocks = rn_cpu_blocks(v.pixels, BLOCK);
    v.shares = rn_cpu_min(v.wide, rn_cpu_blocks(ENOUGH, v.blocks));
    return v;
}

/* ---- weights ---- */

/* One panel: for each tap and channel the weights of `width` outputs. */
static void pack_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct direct *v = context;
    size_t unit = v->panel->width, k0 = task * unit, width = rn_cpu_min(unit, v->k - k0), rs = v->taps / v->c;
    float *to = (float *)v->panels + task * v->taps * unit;
    if (!v->backward) {
        rn_cpu_pack(to, v->conv->weight + k0 * v->taps, v->taps, v->taps, width, unit);
        return;
    }
    for (size_t tap = rs; tap-- > 0;)
        for (size_t c = 0; c < v->c; c++, to += unit) {
            memcpy(to, v->conv->weight + (c * rs + tap) * v->k + k0, width * sizeof *to);
            memset(to + width, 0, (unit - width) * sizeof *to);
        }
}

static size_t prepared(const struct rn_cpu_conv *conv)
{
    struct direct v = plan(conv, false);
    return v.wide * v.taps * v.panel->width;
}

static int prepare(const struct rn_cpu_conv *conv, float *to, struct rn_err *err)
{
    (void)err;
    struct direct v = plan(conv, false);
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

static struct part part_of(const struct direct *v, size_t pixel, const float **a)
{
    long top = (long)(pixel / v->q % v->p * v->stride) - (long)v->pad_h, left = (long)(pixel % v->q * v->stride) - (long)v->pad_w;
    struct part part = { 0 };
    clip(top, v->taps / v->run, v->h, &part.r0, &part.r1);
    clip(left, v->run / v->c, v->w, &part.s0, &part.s1);
    size_t row = part.r1 ? (size_t)(top + (long)part.r0) : 0, column = part.s1 ? (size_t)(left + (long)part.s0) : 0;
    *a = v->from + ((pixel / (v->p * v->q) * v->h + row) * v->w + column) * v->c;
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
    bool taken[BLOCK] = { false };
    for (size_t i = 0; i < count; i++)
        part[i] = part_of(v, first + i, &a[i]);
    px->count = 0;
    for (size_t i = 0, at = 0; i < count; i++) {
        if (taken[i])
            continue;
        struct part *to = &px->parts[px->count++];
        *to = part[i];
        to->first = at;
        for (size_t j = i; j < count; j++) {
            if (taken[j] || !same(to, &part[j]))
                continue;
            taken[j] = true;
            px->a[at] = a[j];
            px->y[at] = v->to + (first + j) * v->k;
            px->residual[at++] = v->residual ? v->residual + (first + j) * v->k : NULL;
        }
        to->count = at - to->first;
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

static int convolve(const struct rn_cpu_conv *conv, bool backward, struct rn_err *err)
{
    struct direct v = plan(conv, backward);
    v.panels = backward ? NULL : conv->prepared;
    if (rn_cpu_scratch(conv->cpu, 0, v.panels ? 0 : v.wide * v.taps * v.panel->width, err))
        return -1;
    if (!v.panels) {
        v.panels = conv->cpu->shared;
        rn_pool_for(conv->cpu->pool, v.wide, pack_task, &v);
    }
    rn_pool_for(conv->cpu->pool, v.blocks * v.shares, block_task, &v);
    return 0;
}

static int forward(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    return convolve(conv, false, err);
}

static int dx(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    return convolve(conv, true, err);
}

const struct rn_cpu_path rn_cpu_direct = { "direct", takes, forward, dx, NULL, prepared, prepare };
