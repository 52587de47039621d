/* selftest.cu -- kernels that the interpreter is tested with: each does one thing that a GPU does, some do it wrong. */
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#define KERNEL extern "C" __global__ void

KERNEL saxpy(float a, const float *x, float *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n)
        y[i] = a * x[i] + y[i];
}

/* out[block] = sum of the block's share. */
KERNEL reduce(const float *x, float *out, int n)
{
    __shared__ float s[256];
    float sum = 0;
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x)
        sum += x[i];
    s[threadIdx.x] = sum;
    __syncthreads();
    for (int k = blockDim.x / 2; k > 0; k /= 2) {
        if (threadIdx.x < k)
            s[threadIdx.x] += s[threadIdx.x + k];
#ifndef BUG_MISSING_BARRIER
        __syncthreads();
#endif
    }
    if (threadIdx.x == 0)
        out[blockIdx.x] = s[0];
}

/* A row of y a warp. */
KERNEL softmax(const float *x, float *y, int columns)
{
    const float *row = x + (size_t)blockIdx.x * columns;
    float largest = -INFINITY, sum = 0;
    for (int i = threadIdx.x; i < columns; i += 32)
        largest = fmaxf(largest, row[i]);
    for (int k = 16; k > 0; k /= 2)
        largest = fmaxf(largest, __shfl_xor_sync(0xffffffffu, largest, k));
    for (int i = threadIdx.x; i < columns; i += 32)
        sum += expf(row[i] - largest);
    for (int k = 16; k > 0; k /= 2)
        sum += __shfl_xor_sync(0xffffffffu, sum, k);
    for (int i = threadIdx.x; i < columns; i += 32)
        y[(size_t)blockIdx.x * columns + i] = expf(row[i] - largest) / sum;
}

/* c(m,n) = a(m,k) b(k,n), row-major. */
KERNEL product(const float *a, const float *b, float *c, int m, int n, int k)
{
    __shared__ float at[16][17], bt[16][17];
    int row = blockIdx.y * 16 + threadIdx.y, column = blockIdx.x * 16 + threadIdx.x;
    float sum = 0;
    for (int at0 = 0; at0 < k; at0 += 16) {
#ifdef BUG_OFF_BY_ONE
        at[threadIdx.y][threadIdx.x] = row < m && at0 + (int)threadIdx.x <= k ? a[(size_t)row * k + at0 + threadIdx.x] : 0;
#else
        at[threadIdx.y][threadIdx.x] = row < m && at0 + (int)threadIdx.x < k ? a[(size_t)row * k + at0 + threadIdx.x] : 0;
#endif
        bt[threadIdx.y][threadIdx.x] = column < n && at0 + (int)threadIdx.y < k ? b[(size_t)(at0 + threadIdx.y) * n + column] : 0;
        __syncthreads();
        for (int i = 0; i < 16; i++)
            sum += at[threadIdx.y][i] * bt[i][threadIdx.x];
        __syncthreads();
    }
    if (row < m && column < n)
        c[(size_t)row * n + column] = sum;
}

/* counts[16] by way of shared memory; *sum: of all x / 2; *largest. */
KERNEL histogram(const int *x, int *counts, float *sum, int *largest, int n)
{
    __shared__ int own[16];
    if (threadIdx.x < 16)
        own[threadIdx.x] = 0;
    __syncthreads();
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) {
        atomicAdd(&own[x[i] & 15], 1);
        atomicAdd(sum, 0.5f * x[i]);
        atomicMax(largest, x[i]);
    }
    __syncthreads();
    if (threadIdx.x < 16)
        atomicAdd(&counts[threadIdx.x], own[threadIdx.x]);
}

/* y[i] of 64-bit indices: quotient and remainder. */
KERNEL indices(long *quotient, long *remainder, long n, long by)
{
    long i = (long)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    long large = (i << 33) - 12345;
    quotient[i] = large / by;
    remainder[i] = large % by;
}

/* Each lane counts its own way: loops of different lengths, one inside the other. */
KERNEL collatz(const int *x, int *steps, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    long at = x[i];
    int count = 0;
    while (at != 1) {
        if (at % 2) {
            at = 3 * at + 1;
            for (int k = 0; k < (int)(at & 3); k++)
                count += 100;
        } else {
            at /= 2;
        }
        count++;
    }
    steps[i] = count;
}

struct choice {
    int add[4];
    double times;
};
__constant__ float table[4] = { 1, 10, 100, 1000 };
__device__ unsigned launches;

/* A struct by value, constant memory, a switch, local memory with a variable index, double, dynamic shared memory. */
KERNEL choices(struct choice choice, const float *x, double *y, unsigned *count, int n)
{
    extern __shared__ float dynamic[];
    float local[8];
    int i = threadIdx.x;
    dynamic[i] = i < n ? x[i] : 0;
    for (int k = 0; k < 8; k++)
        local[(k + i) & 7] = k;
    __syncthreads();
    float v = dynamic[blockDim.x - 1 - i] * table[i & 3] + local[i * 5 & 7];
    switch (i % 7) {
    case 0: v += 1; break;
    case 1: v *= 3; break;
    case 2: v = sqrtf(fabsf(v)); break;
    case 3: v = -v; break;
    case 4: v = rintf(v); break;
    case 5: v = (float)(int)v; break;
    default: v = log1pf(fabsf(v)); break;
    }
    if (i < n)
        y[i] = v * choice.times + choice.add[i & 3];
    if (i == 0)
        count[blockIdx.x] = atomicAdd(&launches, 1);
}

/* Conversions there and back, bit tricks. */
KERNEL conversions(const float *x, float *bf16, float *f16, unsigned char *u8, unsigned *bits, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    bf16[i] = __bfloat162float(__float2bfloat16(x[i]));
    f16[i] = __half2float(__float2half(x[i]));
    u8[i] = (unsigned char)fminf(fmaxf(x[i] * 255, 0), 255);
    unsigned b = __float_as_uint(x[i]);
    bits[i] = __popc(b) + (__clz(b) << 8) + (__brev(b) & 0xff0000) + (__funnelshift_l(b, ~b, 5) & 0xff000000);
}

KERNEL vectors(const float4 *x, float4 *y, int n)
{
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n)
        return;
    float4 v = x[i];
    y[i] = make_float4(v.w, v.z + v.x, v.y, v.x);
}

/* Votes and shuffles of parts of a warp. */
KERNEL votes(const int *x, unsigned *ballot, int *down, int n)
{
    int i = threadIdx.x;
    unsigned who = __ballot_sync(0xffffffffu, x[i] > 0);
    ballot[i] = who;
    down[i] = __shfl_down_sync(0xffffffffu, x[i], 3, 16);
    if (x[i] > 0)
        down[i] += 1000 * __popc(__activemask()) + __shfl_sync(who, x[i], __ffs(who) - 1);
}

/* ---- wrong on purpose ---- */

KERNEL past_the_end(float *x, int n)
{
    int i = threadIdx.x;
    if (i <= n)
        x[i] = 1;
}

KERNEL past_shared(float *y)
{
    __shared__ float a[64];
    __shared__ float b[64];
    a[threadIdx.x + (blockDim.x == 64)] = 1;
    b[threadIdx.x] = 2;
    __syncthreads();
    y[threadIdx.x] = a[threadIdx.x] + b[63 - threadIdx.x];
}

KERNEL diverging(float *x, int n)
{
    if (threadIdx.x < n) {
        x[threadIdx.x] = 1;
        __syncthreads();
    } else {
        x[threadIdx.x] = 2;
        __syncthreads();
        x[threadIdx.x] += 1;
    }
}

KERNEL exit_early(float *x, int n)
{
    if (threadIdx.x >= n)
        return;
    x[threadIdx.x] = 1;
    __syncthreads();
    x[threadIdx.x] += x[n - 1 - threadIdx.x];
}

KERNEL blocks_collide(float *x)
{
    if (threadIdx.x == 0)
        x[0] = blockIdx.x;
}

/* Within a warp, without __syncwarp: in lockstep the number would be right. */
KERNEL warp_race(float *y)
{
    __shared__ float s[32];
    volatile float *v = s;
    v[threadIdx.x] = threadIdx.x;
#ifdef WITH_SYNC
    __syncwarp();
#endif
    y[threadIdx.x] = v[31 - threadIdx.x];
}

KERNEL misaligned(char *x)
{
    *(int *)(x + 1 + 4 * threadIdx.x) = 1;
}

KERNEL lost_shuffle(int *x)
{
    if (threadIdx.x < 16)
        x[threadIdx.x] = __shfl_xor_sync(0xffffffffu, x[threadIdx.x], 1);
    else
        __syncthreads();
}

KERNEL trapped(const int *x)
{
    if (x[threadIdx.x] == 3)
        __trap();
}
