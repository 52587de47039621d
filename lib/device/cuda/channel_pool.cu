/* channel_pool.cu -- the largest and the mean of the channels at each pixel: a warp for each pixel. */
#include "device/cuda/kernel.h"

struct channel_pool {
    struct map y, x;
};

struct channel_pool_backward {
    struct map dx, dy, x;
    int add;
};

#ifdef RN_KERNELS

/* Does (a, at i) come before (b, at j) as the largest? The first of equals does, and NaN is larger than any number. */
static __device__ inline bool before(float a, unsigned i, float b, unsigned j)
{
    bool nan_a = a != a, nan_b = b != b;
    if (nan_a || nan_b)
        return nan_a && (!nan_b || i < j);
    return a > b || (a == b && i < j);
}

/* The largest of a pixel's channels and its place, to every thread of the warp. */
static __device__ inline void largest(const struct map &x, rn_index pixel, float *value, unsigned *place)
{
    unsigned c = x.c;
    float best = -INFINITY;
    unsigned at = lane() < c ? lane() : c;
    for (unsigned i = lane(); i < c; i += RN_LANES) {
        float here = get(x, pixel * c + i);
        if (before(here, i, best, at)) {
            best = here;
            at = i;
        }
    }
    for (int step = RN_LANES / 2; step; step /= 2) {
        float other = __shfl_xor_sync(0xffffffffu, best, step);
        unsigned there = __shfl_xor_sync(0xffffffffu, at, step);
        if (before(other, there, best, at)) {
            best = other;
            at = there;
        }
    }
    *value = best;
    *place = at;
}

/* Warps go over pixels. */
#define each_pixel(i, count) \
    rn_index i = (rn_index)blockIdx.x * RN_ROWS + row(); i < (count); i += (rn_index)gridDim.x * RN_ROWS

KERNEL(channel_pool)(const struct channel_pool v)
{
    for (each_pixel(i, rows_of(v.x))) {
        float best, sum = 0;
        unsigned place;
        largest(v.x, i, &best, &place);
        for (unsigned c = lane(); c < v.x.c; c += RN_LANES)
            sum += get(v.x, i * v.x.c + c);
        sum = sum_lanes(sum);
        if (lane() == 0) {
            put(v.y, 2 * i, best);
            put(v.y, 2 * i + 1, sum / (float)v.x.c);
        }
    }
}

KERNEL(channel_pool_backward)(const struct channel_pool_backward v)
{
    for (each_pixel(i, rows_of(v.x))) {
        float best, to_all = get(v.dy, 2 * i + 1) / (float)v.x.c, to_one = get(v.dy, 2 * i);
        unsigned place;
        largest(v.x, i, &best, &place);
        for (unsigned c = lane(); c < v.x.c; c += RN_LANES)
            give(v.dx, i * v.x.c + c, c == place ? to_all + to_one : to_all, v.add);
    }
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    if (rn_check_channel_pool(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct channel_pool v = { rn_cuda_cut(&p, op->y), rn_cuda_cut(&p, op->x) };
        p.rc = rn_cuda_launch(&p, RN_CUDA_channel_pool, rn_cuda_pixels(v.x), &v, op->x, err);
    }
    return p.rc;
}

int rn_cuda_channel_pool_backward(struct rn_device *dev, const struct rn_channel_pool_backward *op, struct rn_err *err)
{
    if (rn_check_channel_pool_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct channel_pool_backward v = { rn_cuda_cut(&p, op->dx), rn_cuda_cut(&p, op->dy), rn_cuda_cut(&p, op->x),
                                           op->add & RN_ADD_DX };
        p.rc = rn_cuda_launch(&p, RN_CUDA_channel_pool_backward, rn_cuda_pixels(v.x), &v, op->x, err);
    }
    return p.rc;
}

#endif
