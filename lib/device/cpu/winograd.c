/* winograd.c -- 3x3 convolutions of stride 1 by Winograd's minimal filtering F(4x4,3x3).
 *
 * A tile of 4x4 outputs comes from 6x6 inputs d and the 3x3 weights g as A^T [ (G g G^T) * (B^T d B) ] A, where * is the
 * product element by element, summed over channels: 36 multiplications where the definition has 144 (Winograd,
 * "Arithmetic Complexity of Computations", 1980; Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016,
 * section 4). It is Toom-Cook multiplication at six points: 0, infinity, and a, -a, b, -b. A row of B^T holds the
 * coefficients of the product of (x - q) over the other finite points q, or, for infinity, over all; a row of A^T the powers
 * of the points; a row of G the powers 0, 1, 2 of its point p, divided by the product of (p - q). The usual a = 1, b = 2
 * round twice as coarsely as a = sqrt(1/2), b = 1/a, whose entries are closer to 1 (found by a search; Alam et al.,
 * "Winograd convolution for deep neural networks: efficient point selection", 2022, is one of some). With ab = 1:
 *
 *         | 1  0 -5/2   0  1 0 |        |  1     0     0  |
 *         | 0 -b   -2   a  1 0 |        | -2/3 -b/3  -1/3 |          | 1   1    1  1   1 0 |
 *   B^T = | 0  b   -2  -a  1 0 |    G = | -2/3  b/3  -1/3 |    A^T = | 0   a   -a  b  -b 0 |
 *         | 0 -a -1/2   b  1 0 |        |  1/6  b/6   1/3 |          | 0 1/2  1/2  2   2 0 |
 *         | 0  a -1/2  -b  1 0 |        |  1/6 -b/6   1/3 |          | 0 a/2 -a/2 2b -2b 1 |
 *         | 0  1    0 -5/2 0 1 |        |  0     0     1  |
 *
 * For each of the 36 places the sum over channels is a matrix product, tiles by channels times channels by outputs.
 * The gradient of x is the same with the weights turned round and transposed. That of w is the adjoint of the formula:
 * G^T [ (A dy A^T) * (B^T d B) ] G, summed over tiles.
 *
 * Rounding is about twice that of a sum of products as it stands, some 1e-6 of the largest output. */
#include <string.h>

#include "core/mem.h"
#include "device/cpu/conv.h"

#define ROOT_TWO 1.41421356237309505f
#define ROOT_HALF 0.70710678118654752f

/* What is done to an output besides: y = relu(y or 0 + value + bias + residual). */
struct output {
    const float *bias;
    bool residual, add, relu;
};

struct transforms {
    void (*input_tile)(const float *const pixel[36], size_t c, float *to, size_t plane);
    void (*gradient_tile)(const float *const pixel[16], size_t c, float *to, size_t plane);
    void (*output_tile)(const struct output *output, float *const pixel[16], const float *const residual[16], size_t c,
                        const float *from, size_t plane);
    void (*weight_row)(const float *const g[9], size_t width, float *to, size_t plane);
    void (*dw_row)(const float *from, size_t plane, float *dw, size_t c, bool add);
};

enum { LINE = 16 }; /* floats of a line of the cache */

#define KERNELS "device/cpu/winograd.inc"
#include "device/cpu/variants.h"

static const struct transforms *const transforms[] = RN_CPU_VARIANT_TABLE(transforms);

/* BYTES: of transformed tiles that all threads work on at a time, and of transformed weights: they should stay in the cache
 * that the cores share. LOCAL: of tiles that one thread works on, in its core's own cache, where a layer's weights are FEW.
 * PAD: rows and planes are not a power of two apart, where they would meet in few sets of the cache. */
enum { BYTES = 8 << 20, LOCAL = 300 << 10, FEW = 128 * 128, FEW_DW = 64 * 64, LEAST_BLOCKS = 8, GROUPS = 8, SMALL = 100 };
enum { PAD = LINE, PLACES = 36, TILES = 8, GATHER = 16, SHARES = 4, DEPTH = 128 };

struct winograd {
    const struct rn_cpu_conv *conv;
    const struct transforms *on;
    const struct rn_cpu_panel *panel;
    bool backward;              /* the gradient of x: from dy to dx, weights turned round */
    bool alone;                 /* a block of tiles is one thread's work; otherwise all threads' */
    const float *from;          /* (N,H,W,C), as x, or dy */
    float *to;                  /* (N,H,W,K); NULL for the gradient of w */
    size_t c, k, h, w;          /* channels of `from` and `to`; both maps have one size */
    size_t down, across, tiles; /* tiles of an image, and in all */
    size_t block, blocks;       /* tiles at a time */
    size_t chunk;               /* channels of `to` at a time */
    size_t c_row, k_row;        /* floats of a tile's row of `input` and `product` */
    size_t input_plane, product_plane, weight_plane, sum_plane;
    const float *weight;        /* the panels from channel weight_k0 on */
    size_t weight_k0;
    float *weight_room, *sum, *zero;
    bool add;

    /* The block at work. */
    float *input, *product;
    const float **a;            /* the rows of plane 0 of `input`, and of `product` */
    float **y;
    size_t first, count;        /* its tiles */
    size_t k0, width;           /* the channels at work */
};

static size_t round_up(size_t n, size_t to)
{
    return rn_cpu_blocks(n, to) * to;
}

static struct winograd plan(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    bool dx = pass == RN_CPU_DX;
    struct winograd v = { .conv = conv, .on = transforms[conv->cpu->isa], .panel = rn_cpu_panel_of(conv), .backward = dx,
                          .from = dx ? conv->dy : conv->x, .to = dx ? conv->dx : conv->y, .c = dx ? conv->k : conv->c,
                          .k = dx ? conv->c : conv->k, .h = conv->h, .w = conv->w };
    size_t unit = v.panel->width;
    v.down = rn_cpu_blocks(v.h, 4);
    v.across = rn_cpu_blocks(v.w, 4);
    v.tiles = conv->n * v.down * v.across;
    v.chunk = rn_cpu_min(v.k, round_up(1 + BYTES / (PLACES * sizeof(float) * v.c), unit));
    if (v.c * v.k <= (pass == RN_CPU_DW ? FEW_DW : FEW)) {
        size_t chunk = pass == RN_CPU_DW ? v.k : rn_cpu_min(v.k, unit);
        v.blocks = rn_cpu_blocks(v.tiles, LOCAL / (PLACES * sizeof(float) * (v.c + chunk)));
        v.alone = v.blocks >= LEAST_BLOCKS;
        if (v.alone)
            v.chunk = chunk;
    }
    v.c_row = round_up(v.c, unit) + (v.alone ? 0 : PAD);
    v.k_row = round_up(pass == RN_CPU_DW ? v.k : v.chunk, unit) + (v.alone ? 0 : PAD);
    if (!v.alone)
        v.blocks = 1 + v.tiles * PLACES * sizeof(float) * (v.c_row + v.k_row) / (2 * BYTES);
    v.block = rn_cpu_blocks(v.tiles, v.blocks);
    v.blocks = rn_cpu_blocks(v.tiles, v.block);
    v.input_plane = v.block * v.c_row + PAD;
    v.product_plane = v.block * v.k_row + PAD;
    v.weight_plane = v.c * unit + PAD;
    return v;
}

/* Not where most of the tiles' outputs would lie outside the map. */
static bool takes(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass)
{
    (void)pass;
    const struct rn_window *w = &conv->window;
    size_t map = conv->h * conv->w, tiles = rn_cpu_blocks(conv->h, 4) * rn_cpu_blocks(conv->w, 4);
    if (conv->eval && map < SMALL && conv->c * conv->k > FEW) /* of one image, the weights are most of what is read */
        return false;
    return w->r == 3 && w->s == 3 && w->stride == 1 && w->top == 1 && w->left == 1 && w->bottom == 1 && w->right == 1 &&
           rn_cpu_dense(w) && conv->c >= 16 && conv->k >= 16 && 8 * tiles <= map;
}

/* Floats for the tiles of a block, and the tables of their rows. */
static size_t block_size(const struct winograd *v)
{
    return round_up(PLACES * (v->input_plane + v->product_plane) + 2 * v->block * sizeof(float *) / sizeof(float), 64);
}

static void place_block(struct winograd *v, float *at)
{
    v->input = at;
    v->product = v->input + PLACES * v->input_plane;
    v->a = (const float **)(void *)(v->product + PLACES * v->product_plane);
    v->y = (float **)(void *)(v->a + v->block);
    for (size_t t = 0; t < v->block; t++) {
        v->a[t] = v->input + t * v->c_row;
        v->y[t] = v->product + t * v->k_row;
    }
}

/* A thread's scratch is a row that nobody reads, for pixels outside the map, and its block, if that is its own. Shared are a
 * row of zeros, such pixels' values, transformed weights, sums, and the block, if that is everybody's. */
static size_t nowhere(const struct winograd *v)
{
    return round_up(v->k, 64);
}

static int reserve(struct winograd *v, size_t weight, size_t sum, struct rn_err *err)
{
    size_t zero = round_up(v->c > v->k ? v->c : v->k, 64), block = block_size(v);
    weight = round_up(weight, 16) + PAD;
    sum = round_up(sum, 16) + PAD;
    if (rn_cpu_scratch(v->conv->cpu, nowhere(v) + (v->alone ? block : 0), zero + weight + sum + (v->alone ? 0 : block), err))
        return -1;
    v->zero = v->conv->cpu->shared;
    v->weight = v->weight_room = v->zero + zero;
    v->sum = v->weight_room + weight;
    memset(v->zero, 0, zero * sizeof *v->zero);
    if (!v->alone)
        place_block(v, v->sum + sum);
    return 0;
}

/* Block number `block`, in the calling thread's own scratch. */
static struct winograd own_block(const struct winograd *v, size_t block, int thread)
{
    struct winograd own = *v;
    place_block(&own, v->conv->cpu->scratch[thread] + nowhere(v));
    own.first = block * v->block;
    own.count = rn_cpu_min(v->block, v->tiles - own.first);
    return own;
}

/* ---- weights ---- */

/* The weights under one panel and GATHER rows of it: for each tap and row `unit` neighbouring floats. */
static void gather(const struct winograd *v, float *to, size_t k0, size_t width, size_t c0, size_t rows)
{
    size_t unit = v->panel->width, plane = GATHER * unit;
    const float *w = v->conv->weight;
    if (width < unit)
        memset(to, 0, 9 * plane * sizeof *to);
    for (size_t tap = 0; tap < 9; tap++)
        if (v->backward) /* w(C of dy, R, S, K of dx) */
            for (size_t c = 0; c < rows; c++)
                memcpy(to + tap * plane + c * unit, w + ((c0 + c) * 9 + 8 - tap) * v->k + k0, width * sizeof *to);
        else
            rn_cpu_pack(to + tap * plane, w + (k0 * 9 + tap) * v->c + c0, 9 * v->c, rows, width, unit);
}

/* One panel, of all places: in `weight` panel after panel, in each place after place. */
static void weight_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    enum { WIDEST = 64 };
    float g[9 * GATHER * WIDEST];
    size_t unit = v->panel->width, k0 = v->weight_k0 + task * unit, width = rn_cpu_min(unit, v->k - k0);
    float *to = v->weight_room + task * PLACES * v->weight_plane;
    for (size_t c0 = 0; c0 < v->c; c0 += GATHER) {
        size_t rows = rn_cpu_min(GATHER, v->c - c0);
        gather(v, g, k0, width, c0, rows);
        for (size_t c = 0; c < rows; c++) {
            const float *tap[9];
            for (size_t i = 0; i < 9; i++)
                tap[i] = g + (i * GATHER + c) * unit;
            v->on->weight_row(tap, unit, to + (c0 + c) * unit, v->weight_plane);
        }
    }
}

static void transform_weights(struct winograd *v, size_t k0, size_t width)
{
    v->weight_k0 = k0;
    rn_pool_for(v->conv->cpu->pool, rn_cpu_blocks(width, v->panel->width), weight_task, v);
}

/* Floats for the transformed weights of so many channels. */
static size_t weight_size(const struct winograd *v, size_t channels)
{
    return rn_cpu_blocks(channels, v->panel->width) * PLACES * v->weight_plane;
}

static size_t prepacked(const struct rn_cpu_conv *conv)
{
    struct winograd v = plan(conv, RN_CPU_FORWARD);
    return weight_size(&v, v.k);
}

static int prepack(const struct rn_cpu_conv *conv, float *to, struct rn_err *err)
{
    (void)err;
    struct winograd v = plan(conv, RN_CPU_FORWARD);
    v.weight_room = to;
    transform_weights(&v, 0, v.k);
    return 0;
}

/* ---- tiles ---- */

/* Where the tile's pixels are, from (top, left) on; outside the map, `zero`. */
static void look(const struct winograd *v, const float **pixel, size_t side, const float *map, size_t c, long top, long left)
{
    for (long i = 0; i < (long)side; i++)
        for (long j = 0; j < (long)side; j++) {
            bool inside = top + i >= 0 && top + i < (long)v->h && left + j >= 0 && left + j < (long)v->w;
            *pixel++ = inside ? map + ((size_t)(top + i) * v->w + (size_t)(left + j)) * c : v->zero;
        }
}

struct tile {
    size_t image;
    long top, left; /* of its outputs */
};

static struct tile tile_of(const struct winograd *v, size_t tile)
{
    return (struct tile){ tile / v->across / v->down, (long)(tile / v->across % v->down * 4), (long)(tile % v->across * 4) };
}

static void inputs(const struct winograd *v, size_t low, size_t high)
{
    for (size_t t = low; t < high; t++) {
        struct tile tile = tile_of(v, v->first + t);
        const float *pixel[36];
        look(v, pixel, 6, v->from + tile.image * v->h * v->w * v->c, v->c, tile.top - 1, tile.left - 1);
        v->on->input_tile(pixel, v->c, v->input + t * v->c_row, v->input_plane);
    }
}

/* Where a tile's outputs go; outside the map, `zero`. Returns its image's map, from channel k0 on. */
static float *look_at_outputs(const struct winograd *v, const float *pixel[16], struct tile tile)
{
    float *map = v->to + tile.image * v->h * v->w * v->k + v->k0;
    look(v, pixel, 4, map, v->k, tile.top, tile.left);
    return map;
}

static void outputs(const struct winograd *v, size_t low, size_t high, int thread)
{
    const struct rn_cpu_conv *conv = v->conv;
    struct output output = { conv->bias ? conv->bias + v->k0 : NULL, conv->residual, v->add, conv->activation == RN_ACT_RELU };
    for (size_t t = low; t < high; t++) {
        struct tile tile = tile_of(v, v->first + t);
        const float *pixel[16], *residual[16];
        float *y[16], *map = look_at_outputs(v, pixel, tile);
        if (conv->residual)
            look(v, residual, 4, conv->residual + (map - v->to), v->k, tile.top, tile.left);
        for (size_t i = 0; i < 16; i++)
            y[i] = pixel[i] == v->zero ? conv->cpu->scratch[thread] : map + (pixel[i] - map);
        v->on->output_tile(&output, y, residual, v->width, v->product + t * v->k_row, v->product_plane);
    }
}

/* Fetches the memory of a tile's outputs, while something else is computed. */
static void fetch_outputs(const struct winograd *v, size_t t)
{
    const float *pixel[16];
    look_at_outputs(v, pixel, tile_of(v, v->first + t));
    for (size_t i = 0; i < 16; i++)
        for (size_t k = 0; k < v->width; k += LINE)
            __builtin_prefetch(pixel[i] + k, 1);
}

/* Of the products at a place, the columns of some panels. */
static void products(const struct winograd *v, size_t place, size_t low, size_t high)
{
    size_t unit = v->panel->width;
    const float *weight = v->weight + (v->k0 - v->weight_k0) / unit * PLACES * v->weight_plane;
    for (size_t i = low; i < high; i++)
        v->panel->rows(&(struct rn_cpu_rows){
            .a = v->a, .y = v->y, .count = v->count, .a_at = place * v->input_plane, .y_at = place * v->product_plane + i * unit,
            .taps = 1, .run = v->c, .columns = unit, .panel = weight + (i * PLACES + place) * v->weight_plane });
}

static size_t panels(const struct winograd *v)
{
    return rn_cpu_blocks(v->width, v->panel->width);
}

/* ---- y, and dx ---- */

static void input_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    inputs(v, task * TILES, rn_cpu_min((task + 1) * TILES, v->count));
}

static void product_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    size_t share = task % SHARES;
    products(v, task / SHARES, panels(v) * share / SHARES, panels(v) * (share + 1) / SHARES);
}

static void output_task(void *context, size_t task, int thread)
{
    const struct winograd *v = context;
    outputs(v, task * TILES, rn_cpu_min((task + 1) * TILES, v->count), thread);
}

/* All threads at one block: transformed weights are read once. */
static void together(struct winograd *v)
{
    struct rn_pool *pool = v->conv->cpu->pool;
    for (v->k0 = 0; v->k0 < v->k; v->k0 += v->chunk) {
        v->width = rn_cpu_min(v->chunk, v->k - v->k0);
        if (v->weight == v->weight_room)
            transform_weights(v, v->k0, v->width);
        for (v->first = 0; v->first < v->tiles; v->first += v->block) {
            v->count = rn_cpu_min(v->block, v->tiles - v->first);
            if (!v->k0 || v->blocks > 1)
                rn_pool_for(pool, rn_cpu_blocks(v->count, TILES), input_task, v);
            rn_pool_for(pool, PLACES * SHARES, product_task, v);
            rn_pool_for(pool, rn_cpu_blocks(v->count, TILES), output_task, v);
        }
    }
}

/* Each thread at its own block: tiles never leave its core. */
static void block_task(void *context, size_t task, int thread)
{
    struct winograd v = own_block(context, task, thread);
    inputs(&v, 0, v.count);
    for (v.k0 = 0; v.k0 < v.k; v.k0 += v.chunk) {
        v.width = rn_cpu_min(v.chunk, v.k - v.k0);
        for (size_t place = 0; place < PLACES; place++) {
            for (size_t t = place; t < v.count; t += PLACES)
                fetch_outputs(&v, t);
            products(&v, place, 0, panels(&v));
        }
        outputs(&v, 0, v.count, thread);
    }
}

static int convolve(const struct rn_cpu_conv *conv, enum rn_cpu_pass pass, struct rn_err *err)
{
    struct winograd v = plan(conv, pass);
    const float *ready = pass == RN_CPU_FORWARD ? conv->prepacked : NULL;
    v.add = pass == RN_CPU_DX && conv->add;
    if (reserve(&v, ready ? 0 : weight_size(&v, v.alone ? v.k : v.chunk), 0, err))
        return -1;
    if (ready)
        v.weight = ready;
    else if (v.alone)
        transform_weights(&v, 0, v.k);
    if (v.alone)
        rn_pool_for(conv->cpu->pool, v.blocks, block_task, &v);
    else
        together(&v);
    return 0;
}

static int forward(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    return convolve(conv, RN_CPU_FORWARD, err);
}

static int dx(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    return convolve(conv, RN_CPU_DX, err);
}

/* ---- dw ---- */

static void gradients(const struct winograd *v, size_t low, size_t high)
{
    for (size_t t = low; t < high; t++) {
        struct tile tile = tile_of(v, v->first + t);
        const float *pixel[16];
        look(v, pixel, 4, v->conv->dy + tile.image * v->h * v->w * v->k, v->k, tile.top, tile.left);
        v->on->gradient_tile(pixel, v->k, v->product + t * v->k_row, v->product_plane);
    }
}

/* Of the sums at a place, the rows of some output channels; `add`: to those of earlier blocks. A row's lanes beyond C are
 * sums of whatever lay in scratch; nobody reads them. */
static void sums(const struct winograd *v, float *sum, size_t place, size_t low, size_t high, bool add)
{
    for (size_t t = 0; t < v->count; t += DEPTH)
        v->panel->outer(&(struct rn_cpu_outer_product){
            .a = v->product + place * v->product_plane + t * v->k_row + v->k0 + low, .lda = v->k_row,
            .b = v->input + place * v->input_plane + t * v->c_row, .ldb = v->c_row,
            .y = sum + place * v->sum_plane + low * v->c_row, .ldy = v->c_row,
            .k = high - low, .c = round_up(v->c, v->panel->width), .t = rn_cpu_min(DEPTH, v->count - t), .add = add || t });
}

static void gradient_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    gradients(v, task * TILES, rn_cpu_min((task + 1) * TILES, v->count));
}

static void sum_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    size_t share = task % SHARES;
    sums(v, v->sum, task / SHARES, v->width * share / SHARES, v->width * (share + 1) / SHARES, v->first);
}

/* Some blocks, summed apart from the others'. */
static void group_task(void *context, size_t group, int thread)
{
    const struct winograd *all = context;
    for (size_t block = group; block < all->blocks; block += GROUPS) {
        struct winograd v = own_block(all, block, thread);
        inputs(&v, 0, v.count);
        gradients(&v, 0, v.count);
        for (size_t place = 0; place < PLACES; place++)
            sums(&v, v.sum + group * PLACES * v.sum_plane, place, 0, v.k, block >= GROUPS);
    }
}

static void dw_task(void *context, size_t k, int thread)
{
    (void)thread;
    const struct winograd *v = context;
    float *sum = v->sum + k * v->c_row;
    for (size_t group = 1; group < GROUPS && v->alone; group++)
        for (size_t place = 0; place < PLACES; place++) {
            float *to = sum + place * v->sum_plane, *from = to + group * PLACES * v->sum_plane;
            for (size_t c = 0; c < v->c; c++)
                to[c] += from[c];
        }
    v->on->dw_row(sum, v->sum_plane, v->conv->dw + (v->k0 + k) * 9 * v->c, v->c, v->conv->add);
}

static int dw(const struct rn_cpu_conv *conv, struct rn_err *err)
{
    struct winograd v = plan(conv, RN_CPU_DW);
    struct rn_pool *pool = conv->cpu->pool;
    size_t chunk = v.blocks > 1 ? v.k : v.chunk;
    v.sum_plane = chunk * v.c_row + PAD;
    if (reserve(&v, 0, (v.alone ? GROUPS : 1) * PLACES * v.sum_plane, err))
        return -1;
    if (v.alone) {
        v.width = v.k;
        rn_pool_for(pool, GROUPS, group_task, &v);
        rn_pool_for(pool, v.k, dw_task, &v);
        return 0;
    }
    for (v.k0 = 0; v.k0 < v.k; v.k0 += chunk) {
        v.width = rn_cpu_min(chunk, v.k - v.k0);
        for (v.first = 0; v.first < v.tiles; v.first += v.block) {
            v.count = rn_cpu_min(v.block, v.tiles - v.first);
            if (!v.k0 || v.blocks > 1) {
                rn_pool_for(pool, rn_cpu_blocks(v.count, TILES), input_task, &v);
                rn_pool_for(pool, rn_cpu_blocks(v.count, TILES), gradient_task, &v);
            }
            rn_pool_for(pool, PLACES * SHARES, sum_task, &v);
        }
        rn_pool_for(pool, v.width, dw_task, &v);
    }
    return 0;
}

const struct rn_cpu_path rn_cpu_winograd = { "winograd", takes, forward, dx, dw, prepacked, prepack };
