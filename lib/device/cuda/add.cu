/* add.cu -- the sum of two maps, and an activation. */
#include "device/cuda/kernel.h"

struct add {
    unsigned long long count;
    float *y;
    const float *a, *b; /* b: optional */
    int activation;
};

struct add_backward {
    unsigned long long count;
    float *da, *db; /* db: optional */
    const float *dy, *y;
    int activation, add_da, add_db;
};

#ifdef RN_KERNELS

KERNEL(add)(const struct add v)
{
    for (each(i, v.count))
        v.y[i] = activate(v.b ? v.a[i] + v.b[i] : v.a[i], v.activation);
}

KERNEL(add_backward)(const struct add_backward v)
{
    for (each(i, v.count)) {
        float d = v.activation ? v.dy[i] * slope(v.y[i], v.activation) : v.dy[i];
        v.da[i] = v.add_da ? v.da[i] + d : d;
        if (v.db)
            v.db[i] = v.add_db ? v.db[i] + d : d;
    }
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_add(struct rn_device *dev, struct rn_array y, struct rn_array a, struct rn_array b, enum rn_activation activation,
                struct rn_err *err)
{
    if (rn_check_add(y, a, b, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, y.n);
    while (rn_cuda_next(&p, err)) {
        struct add args = { rn_cuda_count(&p, y), rn_cuda_at(&p, y), rn_cuda_at(&p, a), rn_cuda_at(&p, b), activation };
        p.rc = rn_cuda_launch(&p, RN_CUDA_add, rn_cuda_blocks(args.count), &args, y, err);
    }
    return p.rc;
}

int rn_cuda_add_backward(struct rn_device *dev, struct rn_array da, struct rn_array db, struct rn_array dy, struct rn_array y,
                         enum rn_activation activation, unsigned add, struct rn_err *err)
{
    if (rn_check_add_backward(da, db, dy, y, activation, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, dy.n);
    while (rn_cuda_next(&p, err)) {
        struct add_backward args = {
            rn_cuda_count(&p, dy), rn_cuda_at(&p, da), rn_cuda_at(&p, db), rn_cuda_at(&p, dy), rn_cuda_at(&p, y), activation,
            add & RN_ADD_DX, add & RN_ADD_RESIDUAL };
        p.rc = rn_cuda_launch(&p, RN_CUDA_add_backward, rn_cuda_blocks(args.count), &args, dy, err);
    }
    return p.rc;
}

#endif
