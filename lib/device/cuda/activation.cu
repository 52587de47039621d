/* activation.cu -- derivatives of ReLU and sigmoid, in terms of their outputs. */
#include "device/cuda/kernel.h"

struct activation_backward {
    struct map dx, dy, y; /* dx may be dy */
    int activation;
};

#ifdef RN_KERNELS

KERNEL(activation_backward)(const struct activation_backward v)
{
    for (each(i, count_of(v.dy)))
        put(v.dx, i, get(v.dy, i) * slope(get(v.y, i), v.activation));
}

#else

#include "device/check.h"
#include "device/cuda/cuda.h"

int rn_cuda_activation_backward(struct rn_device *dev, const struct rn_activation_backward *op, struct rn_err *err)
{
    if (rn_check_activation_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->dy.n);
    while (rn_cuda_next(&p, err)) {
        struct activation_backward v = { rn_cuda_cut(&p, op->dx), rn_cuda_cut(&p, op->dy), rn_cuda_cut(&p, op->y), op->activation };
        p.rc = rn_cuda_launch(&p, RN_CUDA_activation_backward, rn_cuda_each(v.dy), &v, op->dy, err);
    }
    return p.rc;
}

#endif
