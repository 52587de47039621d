/* add.cu -- the sum of two maps, and an activation. */
#include "device/cuda/kernel.h"

struct add {
    struct map y, a, b; /* b: optional */
    int activation;
};

struct add_backward {
    struct map da, db, dy, y; /* db: optional; y: with an activation */
    int activation, add_da, add_db;
};

#ifdef RN_KERNELS

template <class K> static __device__ inline void sum(const struct add &v)
{
    float a[K::WIDTH], b[K::WIDTH];
    for (each(group, count_of(v.y) / K::WIDTH)) {
        rn_index i = group * K::WIDTH;
        K::load(a, v.a, i);
        if (v.b.at)
            K::load(b, v.b, i);
        for (int k = 0; k < K::WIDTH; k++)
            a[k] = activate(v.b.at ? a[k] + b[k] : a[k], v.activation);
        K::store(v.y, i, a);
    }
}

KERNEL(add)(const struct add v)
{
    sum<struct one>(v);
}

KERNEL(add_wide)(const struct add v)
{
    v.y.bf16 ? sum<struct four_bf16>(v) : sum<struct four_full>(v);
}

template <class K> static __device__ inline void give_all(const struct map &to, rn_index i, const float *d, int add)
{
    float x[K::WIDTH];
    if (add)
        K::load(x, to, i);
    for (int k = 0; k < K::WIDTH; k++)
        x[k] = add ? x[k] + d[k] : d[k];
    K::store(to, i, x);
}

template <class K> static __device__ inline void sum_backward(const struct add_backward &v)
{
    float d[K::WIDTH], y[K::WIDTH];
    for (each(group, count_of(v.dy) / K::WIDTH)) {
        rn_index i = group * K::WIDTH;
        K::load(d, v.dy, i);
        if (v.activation)
            K::load(y, v.y, i);
        for (int k = 0; k < K::WIDTH && v.activation; k++)
            d[k] *= slope(y[k], v.activation);
        give_all<K>(v.da, i, d, v.add_da);
        if (v.db.at)
            give_all<K>(v.db, i, d, v.add_db);
    }
}

KERNEL(add_backward)(const struct add_backward v)
{
    sum_backward<struct one>(v);
}

KERNEL(add_backward_wide)(const struct add_backward v)
{
    v.dy.bf16 ? sum_backward<struct four_bf16>(v) : sum_backward<struct four_full>(v);
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_add(struct rn_device *dev, const struct rn_add *op, struct rn_err *err)
{
    if (rn_check_add(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->y.n);
    while (rn_cuda_next(&p, err)) {
        struct add v = { rn_cuda_cut(&p, op->y), rn_cuda_cut(&p, op->a), rn_cuda_cut(&p, op->b), op->activation };
        bool wide = rn_cuda_wide(v.y, v.y) && rn_cuda_wide(v.y, v.a) && rn_cuda_wide(v.y, v.b);
        p.rc = rn_cuda_launch(&p, wide ? RN_CUDA_add_wide : RN_CUDA_add, rn_cuda_blocks(rn_cuda_count(v.y) / (wide ? 4 : 1)), &v,
                              op->y, err);
    }
    return p.rc;
}

int rn_cuda_add_backward(struct rn_device *dev, const struct rn_add_backward *op, struct rn_err *err)
{
    if (rn_check_add_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->dy.n);
    while (rn_cuda_next(&p, err)) {
        struct add_backward v = {
            rn_cuda_cut(&p, op->da), rn_cuda_cut(&p, op->db), rn_cuda_cut(&p, op->dy), rn_cuda_cut(&p, op->y), op->activation,
            op->add & RN_ADD_DX, op->add & RN_ADD_RESIDUAL };
        bool wide = rn_cuda_wide(v.dy, v.dy) && rn_cuda_wide(v.dy, v.da) && rn_cuda_wide(v.dy, v.db) && rn_cuda_wide(v.dy, v.y);
        p.rc = rn_cuda_launch(&p, wide ? RN_CUDA_add_backward_wide : RN_CUDA_add_backward,
                              rn_cuda_blocks(rn_cuda_count(v.dy) / (wide ? 4 : 1)), &v, op->dy, err);
    }
    return p.rc;
}

#endif
