/* max_pool.cu -- the largest value under a window; its place gets the gradient, the first in row order where there are
 * several. A window that is the whole map is a sum of its own kind, shared by a block's rows. */
#include "device/cuda/kernel.h"

struct max_pool {
    struct map y, x, dy, dx; /* dy, dx: backward */
    unsigned r, s, stride, padding;
    int add;
};

#ifdef RN_KERNELS

static __device__ inline float larger(float best, float x)
{
    return x > best || x != x ? x : best;
}

/* The element of x under tap (r, s) of output (p, q); false: padding. */
static __device__ inline bool tap(const struct max_pool *v, unsigned n, unsigned p, unsigned q, unsigned r, unsigned s, unsigned c,
                                  rn_index *at)
{
    unsigned h = p * v->stride + r - v->padding, w = q * v->stride + s - v->padding; /* wraps round below zero */
    *at = (((rn_index)n * v->x.h + h) * v->x.w + w) * v->x.c + c;
    return h < v->x.h && w < v->x.w;
}

KERNEL(max_pool)(const struct max_pool v)
{
    unsigned c = channel(), n = blockIdx.y, pixels = v.y.h * v.y.w;
    if (c >= v.x.c)
        return;
    for (unsigned i = blockIdx.z * RN_ROWS + row(); i < pixels; i += gridDim.z * RN_ROWS) {
        float best = -INFINITY;
        rn_index at;
        for (unsigned r = 0; r < v.r; r++)
            for (unsigned s = 0; s < v.s; s++)
                if (tap(&v, n, i / v.y.w, i % v.y.w, r, s, c, &at))
                    best = larger(best, get(v.x, at));
        put(v.y, ((rn_index)n * pixels + i) * v.y.c + c, best);
    }
}

/* Is the element at `at` the one that output (p, q) gives its gradient? */
static __device__ inline bool chosen(const struct max_pool *v, unsigned n, unsigned p, unsigned q, unsigned c, float y, rn_index at)
{
    rn_index other;
    for (unsigned r = 0; r < v->r; r++)
        for (unsigned s = 0; s < v->s; s++)
            if (tap(v, n, p, q, r, s, c, &other) && get(v->x, other) == y)
                return other == at;
    return false;
}

/* The first output whose window reaches place h. */
static __device__ inline unsigned first(unsigned h, unsigned padding, unsigned kernel, unsigned stride)
{
    return h + padding < kernel ? 0 : (h + padding - kernel) / stride + 1;
}

/* Each input gathers from the windows that it lies in, in their order. */
KERNEL(max_pool_backward)(const struct max_pool v)
{
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w;
    if (c >= v.x.c)
        return;
    for (unsigned i = blockIdx.z * RN_ROWS + row(); i < pixels; i += gridDim.z * RN_ROWS) {
        unsigned h = i / v.x.w, w = i % v.x.w;
        rn_index at = ((rn_index)n * pixels + i) * v.x.c + c;
        float x = get(v.x, at), sum = 0;
        for (unsigned p = first(h, v.padding, v.r, v.stride); p < v.y.h && p * v.stride <= h + v.padding; p++)
            for (unsigned q = first(w, v.padding, v.s, v.stride); q < v.y.w && q * v.stride <= w + v.padding; q++) {
                rn_index out = (((rn_index)n * v.y.h + p) * v.y.w + q) * v.y.c + c;
                if (get(v.y, out) == x && chosen(&v, n, p, q, c, x, at))
                    sum += get(v.dy, out);
            }
        give(v.dx, at, sum, v.add);
    }
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
    return window.r == x.h && window.s == x.w && window.padding == 0;
}

static int pool(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x, struct rn_array y,
                struct rn_window window, unsigned add, struct rn_err *err)
{
    bool map = whole(x, window);
    enum rn_cuda_kernel forward = map ? RN_CUDA_max_pool_map : RN_CUDA_max_pool;
    enum rn_cuda_kernel backward = map ? RN_CUDA_max_pool_map_backward : RN_CUDA_max_pool_backward;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct max_pool v = {
            rn_cuda_cut(&p, y), rn_cuda_cut(&p, x), rn_cuda_cut(&p, dy), rn_cuda_cut(&p, dx), rn_cuda_dim(window.r),
            rn_cuda_dim(window.s), rn_cuda_dim(window.stride), rn_cuda_dim(window.padding), add & RN_ADD_DX };
        struct rn_cuda_grid grid = map ? rn_cuda_images(v.x) : rn_cuda_image_rows(dx.data ? v.x : v.y);
        p.rc = rn_cuda_launch(&p, dx.data ? backward : forward, grid, &v, x, err);
    }
    return p.rc;
}

int rn_cuda_max_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_window window, struct rn_err *err)
{
    struct rn_array none = { 0 };
    return rn_check_max_pool(y, x, window, err) ? -1 : pool(dev, none, none, x, y, window, 0, err);
}

int rn_cuda_max_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x, struct rn_array y,
                              struct rn_window window, unsigned add, struct rn_err *err)
{
    if (rn_check_max_pool(y, x, window, err) || rn_check_max_pool(dy, dx, window, err))
        return -1;
    return pool(dev, dx, dy, x, y, window, add, err);
}

#endif
