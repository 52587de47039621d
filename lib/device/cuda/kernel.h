/* kernel.h -- what the two halves of an operator's file share.
 *
 * Each .cu file is compiled twice: by nvcc, which sees the kernels (RN_KERNELS is defined) and makes a fat binary of them,
 * and by the C compiler, which sees the host half. The structs of parameters stand before both, so that a kernel and its
 * launch cannot disagree.
 *
 * Every block has RN_BLOCK threads in x. Where a block works on a rectangle of rows (pixels) and channels, its threads are
 * RN_LANES neighbouring channels by RN_ROWS rows; or as many lanes as the channels need, each of one channel or four. Sums are
 * taken in an order that the shape alone decides, and there are no atomics: the same input gives the same bits. */
#ifndef RN_DEVICE_CUDA_KERNEL_H
#define RN_DEVICE_CUDA_KERNEL_H

enum { RN_BLOCK = 256, RN_LANES = 32, RN_ROWS = RN_BLOCK / RN_LANES };
enum { RELU = 1, SIGMOID = 2 }; /* enum rn_activation; the host half sees that they are the same */

/* An array as one GPU sees it: its part of the images, (N,H,W,C), weights (K,R,S,C). at NULL: not there. Kernels read and write
 * it with get and put: numbers are float32, or bfloat16 (the upper half of a float32). Parameters are float pointers. */
struct map {
    void *at;
    unsigned n, c, h, w;
    int bf16; /* bfloat16 */
};

typedef unsigned long long rn_index; /* of an element; counts of rows */

#ifdef __CUDACC__
#define RN_KERNELS
#define KERNEL(name) extern "C" __global__ void __launch_bounds__(RN_BLOCK) rn_##name
#endif

#ifdef RN_KERNELS

static __device__ inline unsigned lane(void) { return threadIdx.x % RN_LANES; }
static __device__ inline unsigned row(void) { return threadIdx.x / RN_LANES; }

static __device__ inline rn_index count_of(struct map a) { return (rn_index)a.n * a.h * a.w * a.c; }
static __device__ inline rn_index rows_of(struct map a) { return (rn_index)a.n * a.h * a.w; }

/* To bfloat16, to the nearest, of equally near ones to the even. NaN stays NaN. */
static __device__ inline unsigned short narrow(float x)
{
    unsigned bits = __float_as_uint(x);
    if (x != x)
        return (unsigned short)(bits >> 16 | 0x40);
    return (unsigned short)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static __device__ inline float widen(unsigned short x)
{
    return __uint_as_float((unsigned)x << 16);
}

static __device__ inline float get(const struct map &a, rn_index i)
{
    return a.bf16 ? widen(((const unsigned short *)a.at)[i]) : ((const float *)a.at)[i];
}

static __device__ inline void put(const struct map &a, rn_index i, float x)
{
    if (a.bf16)
        ((unsigned short *)a.at)[i] = narrow(x);
    else
        ((float *)a.at)[i] = x;
}

/* add: to what is there. */
static __device__ inline void give(const struct map &a, rn_index i, float x, int add)
{
    put(a, i, add ? get(a, i) + x : x);
}

/* A thread's neighbouring channels: one, of any map; or four, moved at once, of maps that are float32 or bfloat16 (rn_cuda_wide
 * says when). Four of bfloat16 are 8 bytes only, but with several rows on their way that is as fast as 16, and any C that
 * float32 moves so, bfloat16 does too. */
struct one {
    enum { WIDTH = 1 };
    static __device__ inline void load(float *x, const struct map &a, rn_index i) { x[0] = get(a, i); }
    static __device__ inline void store(const struct map &a, rn_index i, const float *x) { put(a, i, x[0]); }
    static __device__ inline float single(const struct map &a, rn_index i) { return get(a, i); }
};

struct four_full {
    enum { WIDTH = 4 };
    static __device__ inline void load(float *x, const struct map &a, rn_index i)
    {
        float4 v = *(const float4 *)((const float *)a.at + i);
        x[0] = v.x, x[1] = v.y, x[2] = v.z, x[3] = v.w;
    }
    static __device__ inline void store(const struct map &a, rn_index i, const float *x)
    {
        *(float4 *)((float *)a.at + i) = make_float4(x[0], x[1], x[2], x[3]);
    }
    static __device__ inline float single(const struct map &a, rn_index i) { return ((const float *)a.at)[i]; }
};

struct four_bf16 {
    enum { WIDTH = 4 };
    static __device__ inline void load(float *x, const struct map &a, rn_index i)
    {
        uint2 v = *(const uint2 *)((const unsigned short *)a.at + i);
        x[0] = __uint_as_float(v.x << 16), x[1] = __uint_as_float(v.x & 0xffff0000);
        x[2] = __uint_as_float(v.y << 16), x[3] = __uint_as_float(v.y & 0xffff0000);
    }
    static __device__ inline void store(const struct map &a, rn_index i, const float *x)
    {
        *(uint2 *)((unsigned short *)a.at + i) =
            make_uint2(narrow(x[0]) | (unsigned)narrow(x[1]) << 16, narrow(x[2]) | (unsigned)narrow(x[3]) << 16);
    }
    static __device__ inline float single(const struct map &a, rn_index i) { return widen(((const unsigned short *)a.at)[i]); }
};

/* Where a block has as many lanes as the channels need. */
struct place { /* a thread's first channel, first row and the way to its next one */
    unsigned c;
    rn_index row, stride;
};

template <class K> static __device__ inline struct place place_of(unsigned lanes)
{
    unsigned rows = RN_BLOCK / lanes;
    struct place at = { (blockIdx.x * lanes + threadIdx.x % lanes) * K::WIDTH, (rn_index)blockIdx.y * rows + threadIdx.x / lanes,
                        (rn_index)gridDim.y * rows };
    return at;
}

/* Elementwise work: for (each(i, count)), over all blocks of the grid. */
#define each(i, count) \
    rn_index i = (rn_index)blockIdx.x * RN_BLOCK + threadIdx.x; i < (count); i += (rn_index)gridDim.x * RN_BLOCK

/* A thread's channel, and its rows: blocks are channels in x and rows in y. */
static __device__ inline unsigned channel(void) { return blockIdx.x * RN_LANES + lane(); }
#define each_row(r, count) \
    rn_index r = (rn_index)blockIdx.y * RN_ROWS + row(); r < (count); r += (rn_index)gridDim.y * RN_ROWS

/* The activation, and its derivative from its output. NaN stays NaN. */
static __device__ inline float activate(float x, int activation)
{
    if (activation == RELU)
        return x < 0 ? 0 : x;
    return activation == SIGMOID ? 1 / (1 + expf(-x)) : x;
}

static __device__ inline float slope(float y, int activation)
{
    if (activation == RELU)
        return y > 0 ? 1 : 0;
    return activation == SIGMOID ? y * (1 - y) : 1;
}

/* The sum over the block's rows, for each lane; every thread of the block calls it and gets the sum. */
static __device__ inline float sum_rows(float x)
{
    __shared__ float part[RN_ROWS][RN_LANES];
    part[row()][lane()] = x;
    __syncthreads();
    float sum = 0;
    for (int r = 0; r < RN_ROWS; r++)
        sum += part[r][lane()];
    __syncthreads();
    return sum;
}

static __device__ inline double sum_rows_double(double x)
{
    __shared__ double part[RN_ROWS][RN_LANES];
    part[row()][lane()] = x;
    __syncthreads();
    double sum = 0;
    for (int r = 0; r < RN_ROWS; r++)
        sum += part[r][lane()];
    __syncthreads();
    return sum;
}

/* Where a block has as many lanes as the channels need, a power of two: sums of N numbers over the threads of a lane, to its
 * first thread. Once a kernel, for each T. */
template <int N, class T> static __device__ inline void sum_lane(T *x, unsigned lanes)
{
    __shared__ T part[N][RN_BLOCK];
    for (int i = 0; i < N; i++)
        part[i][threadIdx.x] = x[i];
    for (unsigned half = RN_BLOCK / 2; half >= lanes; half /= 2) {
        __syncthreads();
        if (threadIdx.x < half)
            for (int i = 0; i < N; i++)
                part[i][threadIdx.x] += part[i][threadIdx.x + half];
    }
    for (int i = 0; i < N; i++)
        x[i] = part[i][threadIdx.x];
}

/* The sum over a warp, to each of its threads. */
static __device__ inline float sum_lanes(float x)
{
    for (int other = RN_LANES / 2; other; other /= 2)
        x += __shfl_xor_sync(0xffffffffu, x, other);
    return x;
}

#endif
#endif
