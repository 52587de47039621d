/* plain.cu -- between (N,C,H,W) in float32, as maps are outside, and (N,H,W,C) here. */
#include "device/cuda/kernel.h"

struct transfer {
    struct map map;
    float *plain; /* (N,C,H,W) */
};

#ifdef RN_KERNELS

/* Where element i of (N,H,W,C) is in (N,C,H,W). */
static __device__ inline rn_index outside(struct map a, rn_index i)
{
    rn_index pixel = i / a.c, map = (rn_index)a.h * a.w;
    return (pixel / map * a.c + i % a.c) * map + pixel % map;
}

KERNEL(upload)(const struct transfer v)
{
    for (each(i, count_of(v.map)))
        put(v.map, i, v.plain[outside(v.map, i)]);
}

KERNEL(download)(const struct transfer v)
{
    for (each(i, count_of(v.map)))
        v.plain[outside(v.map, i)] = get(v.map, i);
}

#else

#include "device/cuda/cuda.h"

int rn_cuda_from_plain(const struct rn_cuda_part *p, struct rn_array y, float *from, struct rn_err *err)
{
    const struct transfer v = { rn_cuda_map(p, y), from };
    return rn_cuda_launch(p, RN_CUDA_upload, rn_cuda_each(v.map), &v, y, err);
}

int rn_cuda_to_plain(const struct rn_cuda_part *p, float *to, struct rn_array x, struct rn_err *err)
{
    const struct transfer v = { rn_cuda_map(p, x), to };
    return rn_cuda_launch(p, RN_CUDA_download, rn_cuda_each(v.map), &v, x, err);
}

#endif
