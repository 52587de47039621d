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

KERNEL(add)(const struct add v)
{
    for (each(i, count_of(v.y)))
        put(v.y, i, activate(v.b.at ? get(v.a, i) + get(v.b, i) : get(v.a, i), v.activation));
}

KERNEL(add_backward)(const struct add_backward v)
{
    for (each(i, count_of(v.dy))) {
        float d = v.activation ? get(v.dy, i) * slope(get(v.y, i), v.activation) : get(v.dy, i);
        give(v.da, i, d, v.add_da);
        if (v.db.at)
            give(v.db, i, d, v.add_db);
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
        struct add v = { rn_cuda_cut(&p, y), rn_cuda_cut(&p, a), rn_cuda_cut(&p, b), activation };
        p.rc = rn_cuda_launch(&p, RN_CUDA_add, rn_cuda_each(v.y), &v, y, err);
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
        struct add_backward v = {
            rn_cuda_cut(&p, da), rn_cuda_cut(&p, db), rn_cuda_cut(&p, dy), rn_cuda_cut(&p, y), activation,
            add & RN_ADD_DX, add & RN_ADD_RESIDUAL };
        p.rc = rn_cuda_launch(&p, RN_CUDA_add_backward, rn_cuda_each(v.dy), &v, dy, err);
    }
    return p.rc;
}

#endif
