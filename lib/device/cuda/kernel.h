/* kernel.h -- what the device halves of the operators' files begin with.
 *
 * Each .cu file is compiled twice: by nvcc, which sees the kernels (RN_KERNELS is defined) and makes a fat binary of them,
 * and by the C compiler, which sees the host half. The structs of parameters are between the two and seen by both.
 *
 * Every block has RN_BLOCK threads in x. Where a block works on a rectangle of rows and channels, its threads are RN_LANES
 * neighbouring channels by RN_ROWS rows. Sums are taken in an order that the shape alone decides; there are no atomics:
 * the same input gives the same bits. */
#ifndef RN_DEVICE_CUDA_KERNEL_H
#define RN_DEVICE_CUDA_KERNEL_H

enum { RN_BLOCK = 256, RN_LANES = 32, RN_ROWS = RN_BLOCK / RN_LANES };

#ifdef __CUDACC__
#define RN_KERNELS
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(RN_BLOCK) rn_##name
#endif

#ifdef RN_KERNELS

typedef unsigned long long rn_index; /* of an element */

static __device__ inline unsigned lane(void) { return threadIdx.x % RN_LANES; }
static __device__ inline unsigned row(void) { return threadIdx.x / RN_LANES; }

/* Elementwise work: for (each(i, count)), over all blocks of the grid. */
#define each(i, count)                                                                  \
    rn_index i = (rn_index)blockIdx.x * RN_BLOCK + threadIdx.x; i < (count); i += (rn_index)gridDim.x * RN_BLOCK

/* enum rn_activation, and its derivative from its output. NaN stays NaN. */
static __device__ inline float activate(float x, int activation)
{
    if (activation == 1)
        return x < 0 ? 0 : x;
    return activation == 2 ? 1 / (1 + expf(-x)) : x;
}

static __device__ inline float slope(float y, int activation)
{
    if (activation == 1)
        return y > 0 ? 1 : 0;
    return activation == 2 ? y * (1 - y) : 1;
}

#endif
#endif
