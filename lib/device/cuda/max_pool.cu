/* max_pool.cu -- the largest value under a window; its place gets the gradient, the first in row order where there are
 * several. Backward finds each output's tap once (_taps), and then each input looks at the windows that it lies in. A window
 * that is the whole map is a sum of its own kind, shared by a block's rows. */
#include "device/cuda/kernel.h"

struct max_pool {
    struct map y, x, dy, dx; /* dy, dx: backward */
    unsigned r, s, stride, top, left, lanes;
    void *taps; /* (N,P,Q,C): of each output, r * S + s; unsigned, or a byte where four channels are moved at once */
    int add;
};

#ifdef RN_KERNELS

static __device__ inline float larger(float best, float x)
{
    return x > best || x != x ? x : best;
}

/* A thread's first channel, and its pixels: blocks are channels in x, images in y, pixels in z. */
template <class K> static __device__ inline unsigned channel_of(const struct max_pool &v)
{
    return (blockIdx.x * v.lanes + threadIdx.x % v.lanes) * K::WIDTH;
}
#define each_pixel(i, count, lanes) \
    unsigned i = blockIdx.z * (RN_BLOCK / (lanes)) + threadIdx.x / (lanes); i < (count); i += gridDim.z * (RN_BLOCK / (lanes))

/* The largest under the window of output (p, q), and the first tap that has it. */
template <class K>
static __device__ inline void find(const struct max_pool &v, unsigned p, unsigned q, unsigned c, float *best, unsigned *which)
{
    for (int k = 0; k < K::WIDTH; k++) {
        best[k] = -INFINITY;
        which[k] = v.r * v.s;
    }
    for (unsigned r = 0; r < v.r; r++) {
        unsigned h = p * v.stride + r - v.top; /* wraps round below zero */
        if (h >= v.x.h)
            continue;
        for (unsigned s = 0; s < v.s; s++) {
            unsigned w = q * v.stride + s - v.left;
            if (w >= v.x.w)
                continue;
            float x[K::WIDTH];
            K::load(x, v.x, (((rn_index)blockIdx.y * v.x.h + h) * v.x.w + w) * v.x.c + c);
            for (int k = 0; k < K::WIDTH; k++) {
                bool first = which[k] == v.r * v.s || x[k] > best[k] || (x[k] != x[k] && best[k] == best[k]);
                which[k] = first ? r * v.s + s : which[k];
                best[k] = first ? x[k] : best[k];
            }
        }
    }
}

static __device__ inline void put_taps(void *taps, rn_index i, const unsigned (&which)[1])
{
    ((unsigned *)taps)[i] = which[0];
}

static __device__ inline void put_taps(void *taps, rn_index i, const unsigned (&which)[4])
{
    ((unsigned *)taps)[i / 4] = which[0] | which[1] << 8 | which[2] << 16 | which[3] << 24;
}

static __device__ inline void get_taps(unsigned (&which)[1], const void *taps, rn_index i)
{
    which[0] = ((const unsigned *)taps)[i];
}

static __device__ inline void get_taps(unsigned (&which)[4], const void *taps, rn_index i)
{
    unsigned four = ((const unsigned *)taps)[i / 4];
    for (int k = 0; k < 4; k++)
        which[k] = four >> 8 * k & 0xff;
}

/* Each output's value, or its tap. */
template <class K, bool TAPS> static __device__ inline void look(const struct max_pool &v)
{
    unsigned c = channel_of<K>(v), pixels = v.y.h * v.y.w;
    if (c >= v.x.c)
        return;
    for (each_pixel(i, pixels, v.lanes)) {
        float best[K::WIDTH];
        unsigned which[K::WIDTH];
        find<K>(v, i / v.y.w, i % v.y.w, c, best, which);
        rn_index at = ((rn_index)blockIdx.y * pixels + i) * v.y.c + c;
        if constexpr (TAPS) {
            for (int k = 0; k < K::WIDTH; k++)
                which[k] = best[k] == best[k] ? which[k] : v.r * v.s; /* NaN's gradient goes nowhere, as on the CPU device */
            put_taps(v.taps, at, which);
        } else {
            K::store(v.y, at, best);
        }
    }
}

KERNEL(max_pool)(const struct max_pool v)
{
    look<struct one, false>(v);
}

KERNEL(max_pool_wide)(const struct max_pool v)
{
    v.x.bf16 ? look<struct four_bf16, false>(v) : look<struct four_full, false>(v);
}

KERNEL(max_pool_taps)(const struct max_pool v)
{
    look<struct one, true>(v);
}

KERNEL(max_pool_taps_wide)(const struct max_pool v)
{
    v.x.bf16 ? look<struct four_bf16, true>(v) : look<struct four_full, true>(v);
}

/* The first output whose window reaches place h. */
static __device__ inline unsigned first(unsigned h, unsigned padding, unsigned kernel, unsigned stride)
{
    return h + padding < kernel ? 0 : (h + padding - kernel) / stride + 1;
}

/* Each input gathers from the windows that it lies in, in their order. */
template <class K> static __device__ inline void backward(const struct max_pool &v)
{
    unsigned c = channel_of<K>(v), pixels = v.x.h * v.x.w;
    if (c >= v.x.c)
        return;
    for (each_pixel(i, pixels, v.lanes)) {
        unsigned h = i / v.x.w, w = i % v.x.w;
        rn_index at = ((rn_index)blockIdx.y * pixels + i) * v.x.c + c;
        float sum[K::WIDTH] = { 0 };
        if (v.add)
            K::load(sum, v.dx, at);
        for (unsigned p = first(h, v.top, v.r, v.stride); p < v.y.h && p * v.stride <= h + v.top; p++)
            for (unsigned q = first(w, v.left, v.s, v.stride); q < v.y.w && q * v.stride <= w + v.left; q++) {
                rn_index out = (((rn_index)blockIdx.y * v.y.h + p) * v.y.w + q) * v.y.c + c;
                unsigned which[K::WIDTH], own = (h + v.top - p * v.stride) * v.s + w + v.left - q * v.stride;
                float d[K::WIDTH];
                get_taps(which, v.taps, out);
                K::load(d, v.dy, out);
                for (int k = 0; k < K::WIDTH; k++)
                    sum[k] += which[k] == own ? d[k] : 0;
            }
        K::store(v.dx, at, sum);
    }
}

KERNEL(max_pool_backward)(const struct max_pool v)
{
    backward<struct one>(v);
}

KERNEL(max_pool_backward_wide)(const struct max_pool v)
{
    v.x.bf16 ? backward<struct four_bf16>(v) : backward<struct four_full>(v);
}

/* One block: some channels of one image. */
KERNEL(max_pool_map)(const struct max_pool v)
{
    __shared__ float part[RN_ROWS][RN_LANES];
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w;
    float best = -INFINITY;
    for (unsigned i = row(); c < v.x.c && i < pixels; i += RN_ROWS)
        best = larger(best, get(v.x, ((rn_index)n * pixels + i) * v.x.c + c));
    part[row()][lane()] = best;
    __syncthreads();
    if (row() || c >= v.x.c)
        return;
    for (int r = 1; r < RN_ROWS; r++)
        best = larger(best, part[r][lane()]);
    put(v.y, (rn_index)n * v.y.c + c, best);
}

KERNEL(max_pool_map_backward)(const struct max_pool v)
{
    __shared__ unsigned part[RN_ROWS][RN_LANES];
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w, place = pixels;
    float y = c < v.x.c ? get(v.y, (rn_index)n * v.y.c + c) : 0;
    for (unsigned i = row(); c < v.x.c && i < pixels; i += RN_ROWS)
        if (get(v.x, ((rn_index)n * pixels + i) * v.x.c + c) == y) {
            place = i;
            break;
        }
    part[row()][lane()] = place;
    __syncthreads();
    if (c >= v.x.c)
        return;
    for (int r = 0; r < RN_ROWS; r++)
        place = part[r][lane()] < place ? part[r][lane()] : place;
    float d = get(v.dy, (rn_index)n * v.y.c + c);
    for (unsigned i = row(); i < pixels; i += RN_ROWS)
        give(v.dx, ((rn_index)n * pixels + i) * v.x.c + c, i == place ? d : 0, v.add);
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

static bool whole(struct rn_array x, struct rn_window window)
{
    return window.r == x.h && window.s == x.w && window.top == 0 && window.left == 0;
}

/* Pixels of y, or of dx: a thread has about four. */
static struct rn_cuda_grid tiles(struct map a, size_t c)
{
    struct rn_cuda_grid grid = rn_cuda_tiles(c, (size_t)a.h * a.w, 4, 1 << 12);
    return (struct rn_cuda_grid){ grid.x, a.n, grid.y };
}

static int pool_back(struct rn_cuda_part *p, struct max_pool *v, bool wide, struct rn_array x, struct rn_err *err)
{
    size_t c = wide ? v->x.c / 4 : v->x.c;
    if (!v->x.n)
        return 0;
    if (!(v->taps = rn_cuda_workspace(p, rn_cuda_count(v->y) * (wide ? 1 : sizeof(unsigned)), err)))
        return -1;
    return rn_cuda_launch(p, wide ? RN_CUDA_max_pool_taps_wide : RN_CUDA_max_pool_taps, tiles(v->y, c), v, x, err) ||
           rn_cuda_launch(p, wide ? RN_CUDA_max_pool_backward_wide : RN_CUDA_max_pool_backward, tiles(v->x, c), v, x, err) ? -1 : 0;
}

/* Forward has neither dx nor dy. */
static int pool(struct rn_device *dev, const struct rn_max_pool_backward *op, struct rn_err *err)
{
    struct rn_array x = op->x;
    struct rn_window window = op->window;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct max_pool v = {
            rn_cuda_cut(&p, op->y), rn_cuda_cut(&p, x), rn_cuda_cut(&p, op->dy), rn_cuda_cut(&p, op->dx), rn_cuda_dim(window.r),
            rn_cuda_dim(window.s), rn_cuda_dim(window.stride), rn_cuda_dim(window.top), rn_cuda_dim(window.left),
            .add = op->add & RN_ADD_DX };
        bool wide = rn_cuda_wide(v.x, v.x) && rn_cuda_wide(v.x, v.y) && rn_cuda_wide(v.x, v.dy) && rn_cuda_wide(v.x, v.dx) &&
                    window.r <= 15 && window.s <= 15; /* taps, and "none", are bytes */
        size_t c = wide ? x.c / 4 : x.c;
        v.lanes = rn_cuda_lanes(c);
        if (whole(x, window))
            p.rc = rn_cuda_launch(&p, op->dx.data ? RN_CUDA_max_pool_map_backward : RN_CUDA_max_pool_map, rn_cuda_images(v.x), &v,
                                  x, err);
        else if (op->dx.data)
            p.rc = pool_back(&p, &v, wide, x, err);
        else
            p.rc = rn_cuda_launch(&p, wide ? RN_CUDA_max_pool_wide : RN_CUDA_max_pool, tiles(v.y, c), &v, x, err);
    }
    return p.rc;
}

int rn_cuda_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    if (rn_check_max_pool(op, err))
        return -1;
    return pool(dev, &(struct rn_max_pool_backward){ .x = op->x, .y = op->y, .window = op->window }, err);
}

int rn_cuda_max_pool_backward(struct rn_device *dev, const struct rn_max_pool_backward *op, struct rn_err *err)
{
    return rn_check_max_pool_backward(op, err) ? -1 : pool(dev, op, err);
}

#endif
