/* direct.c -- convolutions by their definition, as matrix products whose left side is pixels where they lie.
 *
 * Channels are innermost, so what a row of the kernel covers is one run of S C neighbouring floats, and an output pixel is
 * a sum over R runs, each a row of the map below the last: no columns are made. A pixel whose kernel reaches over the edge
 * is copied, with zeros for what is outside, and is then as the others.
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
    if (pass == RN_CPU_DX && (win->stride != 1 || win->padding >= win->r || win->padding >= win->s))
        return false;
    return pass != RN_CPU_DW && conv->activation != RN_ACT_SIGMOID && conv->k >= NARROW && conv->p * conv->q >= FEW;
}

static struct direct plan(const struct rn_cpu_conv *conv, bool backward)
{
    const struct rn_window *win = &conv->window;
    struct direct v = { .conv = conv, .panel = rn_cpu_panel_of(conv), .backward = backward };
    if (backward) {
        v.from = conv->dy, v.h = conv->p, v.w = conv->q, v.c = conv->k;
        v.to = conv->dx, v.p = conv->h, v.q = conv->w, v.k = conv->c;
        v.stride = 1, v.pad_h = win->r - 1 - win->padding, v.pad_w = win->s - 1 - win->padding;
        v.add = conv->add;
    } else {
        v.from = conv->x, v.h = conv->h, v.w = conv->w, v.c = conv->c;
        v.to = conv->y, v.p = conv->p, v.q = conv->q, v.k = conv->k;
        v.stride = win->stride, v.pad_h = v.pad_w = win->padding;
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

/* Copies to `patch` what r x s taps from (top, left) on cover, zeros outside the map. */
static void copy_taps(float *patch, const float *map, size_t h, size_t w, size_t c, long top, long left, size_t r, size_t s)
{
    long low = left < 0 ? rn_cpu_min((size_t)-left, s) : 0, high = rn_cpu_min(s, (long)w > left ? (size_t)((long)w - left) : 0);
    for (size_t i = 0; i < r; i++, patch += s * c) {
        long row = top + (long)i;
        if (row < 0 || row >= (long)h || high <= low) {
            memset(patch, 0, s * c * sizeof *patch);
            continue;
        }
        memset(patch, 0, low * c * sizeof *patch);
        memcpy(patch + low * c, map + (row * (long)w + left + low) * (long)c, (high - low) * c * sizeof *patch);
        memset(patch + high * c, 0, (s - high) * c * sizeof *patch);
    }
}

/* Pixels whose taps lie in the map, from the front of the lists; the others, copied, from the back. */
struct lists {
    const float *a[BLOCK], *residual[BLOCK];
    float *y[BLOCK];
    size_t inside, outside;
};

static void collect(const struct direct *v, size_t first, size_t count, float *patches, struct lists *l)
{
    size_t r = v->taps / v->run, s = v->run / v->c;
    l->inside = l->outside = 0;
    for (size_t pixel = first; pixel < first + count; pixel++) {
        const float *map = v->from + pixel / (v->p * v->q) * v->h * v->w * v->c;
        long top = (long)(pixel / v->q % v->p * v->stride) - (long)v->pad_h, left = (long)(pixel % v->q * v->stride) - (long)v->pad_w;
        bool inside = top >= 0 && left >= 0 && top + (long)r <= (long)v->h && left + (long)s <= (long)v->w;
        size_t at = inside ? l->inside++ : BLOCK - ++l->outside;
        if (inside)
            l->a[at] = map + ((size_t)top * v->w + (size_t)left) * v->c;
        else {
            l->a[at] = patches;
            copy_taps(patches, map, v->h, v->w, v->c, top, left, r, s);
            patches += v->taps;
        }
        l->y[at] = v->to + pixel * v->k;
        l->residual[at] = v->residual ? v->residual + pixel * v->k : NULL;
    }
}

static void block_task(void *context, size_t task, int thread)
{
    const struct direct *v = context;
    size_t first = task / v->shares * BLOCK, share = task % v->shares, unit = v->panel->width;
    struct lists l;
    collect(v, first, rn_cpu_min(BLOCK, v->pixels - first), v->conv->cpu->scratch[thread], &l);
    for (size_t panel = v->wide * share / v->shares; panel < v->wide * (share + 1) / v->shares; panel++) {
        size_t k0 = panel * unit, back = BLOCK - l.outside;
        struct rn_cpu_rows rows = { .a = l.a, .y = l.y, .count = l.inside, .y_at = k0, .taps = v->taps / v->run, .step = v->w * v->c,
                                    .run = v->run, .columns = rn_cpu_min(unit, v->k - k0), .panel = v->panels + panel * v->taps * unit,
                                    .bias = v->bias ? v->bias + k0 : NULL, .residual = v->residual ? l.residual : NULL,
                                    .add = v->add, .relu = v->conv->activation == RN_ACT_RELU };
        v->panel->rows(&rows);
        rows.a += back, rows.y += back, rows.count = l.outside;
        rows.residual = v->residual ? l.residual + back : NULL;
        rows.taps = 1, rows.run = v->taps;
        v->panel->rows(&rows);
    }
}

static int convolve(const struct rn_cpu_conv *conv, bool backward, struct rn_err *err)
{
    struct direct v = plan(conv, backward);
    v.panels = backward ? NULL : conv->prepared;
    if (rn_cpu_scratch(conv->cpu, BLOCK * v.taps, v.panels ? 0 : v.wide * v.taps * v.panel->width, err))
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
