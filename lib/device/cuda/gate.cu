/* gate.cu -- a = x times the channel's gate, b = x times the pixel's gate; y is a + b, a b, or the larger of the two. */
#include "device/cuda/kernel.h"

enum { SUM, PRODUCT, MAXIMUM }; /* enum rn_combine */

struct gate {
    struct map y, x, channel, spatial;
    int combine;
};

struct gate_backward {
    struct map dx, dchannel, dspatial, dy, x, channel, spatial;
    int combine, add;
};

#ifdef RN_KERNELS

static __device__ inline float combined(float a, float b, int combine)
{
    if (combine == SUM)
        return a + b;
    if (combine == PRODUCT)
        return a * b;
    return a > b || a != a ? a : b;
}

/* dy/da, the other's dy/db being share(b, a). */
static __device__ inline float share(float a, float b, int combine)
{
    if (combine == SUM)
        return 1;
    if (combine == PRODUCT)
        return b;
    return a == b ? 0.5f : (a > b ? 1.0f : 0.0f);
}

template <class K> static __device__ inline void gated(const struct gate &v)
{
    unsigned c = channel() * K::WIDTH, n = blockIdx.y, pixels = v.x.h * v.x.w;
    float of_channel[K::WIDTH] = { 0 }, x[K::WIDTH];
    if (c >= v.x.c)
        return;
    if (v.channel.at)
        K::load(of_channel, v.channel, (rn_index)n * v.x.c + c);
    for (unsigned i = blockIdx.z * RN_ROWS + row(); i < pixels; i += gridDim.z * RN_ROWS) {
        rn_index pixel = (rn_index)n * pixels + i;
        float of_pixel = v.spatial.at ? K::single(v.spatial, pixel) : 0;
        K::load(x, v.x, pixel * v.x.c + c);
        for (int k = 0; k < K::WIDTH; k++) {
            float a = x[k] * of_channel[k], b = x[k] * of_pixel;
            x[k] = !v.spatial.at ? a : !v.channel.at ? b : combined(a, b, v.combine);
        }
        K::store(v.y, pixel * v.x.c + c, x);
    }
}

KERNEL(gate)(const struct gate v)
{
    gated<struct one>(v);
}

KERNEL(gate_wide)(const struct gate v)
{
    v.x.bf16 ? gated<struct four_bf16>(v) : gated<struct four_full>(v);
}

/* The gradients of a and b at one element. */
static __device__ inline void split(const struct gate_backward *v, float x, float d, float of_channel, float of_pixel, float *da,
                                    float *db)
{
    bool both = v->channel.at && v->spatial.at;
    float a = x * of_channel, b = x * of_pixel;
    *da = both ? d * share(a, b, v->combine) : d;
    *db = both ? d * share(b, a, v->combine) : d;
}

/* dx and dspatial: a warp for each pixel. */
KERNEL(gate_backward)(const struct gate_backward v)
{
    unsigned n = blockIdx.y, pixels = v.x.h * v.x.w;
    for (unsigned i = blockIdx.z * RN_ROWS + row(); i < pixels; i += gridDim.z * RN_ROWS) {
        rn_index pixel = (rn_index)n * pixels + i;
        float of_pixel = v.spatial.at ? get(v.spatial, pixel) : 0, sum = 0;
        for (unsigned c = lane(); c < v.x.c; c += RN_LANES) {
            float of_channel = v.channel.at ? get(v.channel, (rn_index)n * v.x.c + c) : 0, da, db, x = get(v.x, pixel * v.x.c + c);
            split(&v, x, get(v.dy, pixel * v.x.c + c), of_channel, of_pixel, &da, &db);
            give(v.dx, pixel * v.x.c + c, da * of_channel + db * of_pixel, v.add);
            sum += db * x;
        }
        if (v.dspatial.at) {
            sum = sum_lanes(sum);
            if (lane() == 0)
                put(v.dspatial, pixel, sum);
        }
    }
}

/* dchannel: a block for some channels of one image. */
KERNEL(gate_backward_channel)(const struct gate_backward v)
{
    unsigned c = channel(), n = blockIdx.y, pixels = v.x.h * v.x.w;
    float of_channel = c < v.x.c ? get(v.channel, (rn_index)n * v.x.c + c) : 0, sum = 0;
    for (unsigned i = row(); c < v.x.c && i < pixels; i += RN_ROWS) {
        rn_index pixel = (rn_index)n * pixels + i;
        float x = get(v.x, pixel * v.x.c + c), da, db;
        split(&v, x, get(v.dy, pixel * v.x.c + c), of_channel, v.spatial.at ? get(v.spatial, pixel) : 0, &da, &db);
        sum += da * x;
    }
    sum = sum_rows(sum);
    if (row() == 0 && c < v.x.c)
        put(v.dchannel, (rn_index)n * v.x.c + c, sum);
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

_Static_assert((int)SUM == (int)RN_COMBINE_SUM && (int)PRODUCT == (int)RN_COMBINE_MUL && (int)MAXIMUM == (int)RN_COMBINE_MAX,
               "kernels have their own names for what gates combine to");

int rn_cuda_gate(struct rn_device *dev, const struct rn_gate *op, struct rn_err *err)
{
    if (rn_check_gate(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct gate v = { rn_cuda_cut(&p, op->y), rn_cuda_cut(&p, op->x), rn_cuda_cut(&p, op->channel),
                          rn_cuda_cut(&p, op->spatial), op->combine };
        bool wide = rn_cuda_wide(v.x, v.x) && rn_cuda_wide(v.x, v.y) && rn_cuda_wide(v.x, v.channel) &&
                    (!v.spatial.at || v.spatial.bf16 == v.x.bf16);
        struct rn_cuda_grid grid = rn_cuda_image_rows(v.x);
        grid.x = wide ? rn_cuda_ceil(op->x.c / 4, RN_LANES) : grid.x;
        p.rc = rn_cuda_launch(&p, wide ? RN_CUDA_gate_wide : RN_CUDA_gate, grid, &v, op->x, err);
    }
    return p.rc;
}

int rn_cuda_gate_backward(struct rn_device *dev, const struct rn_gate_backward *op, struct rn_err *err)
{
    if (rn_check_gate_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct gate_backward v = {
            rn_cuda_cut(&p, op->dx), rn_cuda_cut(&p, op->dchannel), rn_cuda_cut(&p, op->dspatial), rn_cuda_cut(&p, op->dy),
            rn_cuda_cut(&p, op->x), rn_cuda_cut(&p, op->channel), rn_cuda_cut(&p, op->spatial), op->combine, op->add & RN_ADD_DX };
        struct rn_cuda_grid pixels = rn_cuda_image_rows(v.x);
        pixels.x = 1;
        p.rc = rn_cuda_launch(&p, RN_CUDA_gate_backward, pixels, &v, op->x, err);
        if (p.rc == 0 && v.dchannel.at)
            p.rc = rn_cuda_launch(&p, RN_CUDA_gate_backward_channel, rn_cuda_images(v.x), &v, op->x, err);
    }
    return p.rc;
}

#endif
