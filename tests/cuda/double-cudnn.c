/* double-cudnn.c -- libcudnn.so.9's double, legacy interface: float32 convolutions in (N,H,W,C).
 *
 * A hybrid where the real library is at hand (RN_DOUBLE_CUDNN): every descriptor is one of the real library's as well, which
 * needs no GPU for that, so that its own checks judge our values, and its own rule gives the output's shape. What is not
 * float32, (N,H,W,C) and two-dimensional is refused. Each algorithm wants a workspace, which is filled with NaN before use;
 * one that is not deterministic comes first in each list, and is a defect when it is used. */
#include <cudnn.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "double.h"

struct cudnnContext {
    cudaStream_t stream;
};
struct cudnnTensorStruct {
    cudnnTensorDescriptor_t real;
    bool set;
    int n, c, h, w;
};
struct cudnnFilterStruct {
    cudnnFilterDescriptor_t real;
    bool set;
    int k, c, r, s;
};
struct cudnnConvolutionStruct {
    cudnnConvolutionDescriptor_t real;
    bool set, math;
    int padding_h, padding_w, stride_h, stride_w;
};

enum { WORKSPACE = 1 << 16 };

#define MAY_FAIL(error) \
    do { \
        if (double_fails(__func__)) \
            return error; \
    } while (0)

/* ---- the real library ---- */

#define REAL(X) \
    X(cudnnCreateTensorDescriptor) X(cudnnSetTensor4dDescriptor) X(cudnnDestroyTensorDescriptor) X(cudnnCreateFilterDescriptor) \
    X(cudnnSetFilter4dDescriptor) X(cudnnDestroyFilterDescriptor) X(cudnnCreateConvolutionDescriptor) \
    X(cudnnSetConvolution2dDescriptor) X(cudnnSetConvolutionMathType) X(cudnnDestroyConvolutionDescriptor) \
    X(cudnnGetConvolution2dForwardOutputDim)
static struct {
    bool here, asked;
#define POINTER(name) __typeof__(&name) name;
    REAL(POINTER)
} real;

static bool have_real(void)
{
    const char *path = getenv("RN_DOUBLE_CUDNN");
    if (real.asked || !path || !*path)
        return real.here;
    real.asked = true;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        double_defect("RN_DOUBLE_CUDNN: %s", dlerror());
#define LOOK_UP(name) \
    if (!(*(void **)&real.name = dlsym(handle, #name))) \
        double_defect("RN_DOUBLE_CUDNN: no %s", #name);
    REAL(LOOK_UP)
    return real.here = true;
}

/* Leaves the function with the real library's verdict when that is not success. */
#define ASK_REAL(call) \
    do { \
        cudnnStatus_t verdict = have_real() ? real.call : CUDNN_STATUS_SUCCESS; \
        if (verdict) \
            return verdict; \
    } while (0)

/* ---- handles and descriptors ---- */

const char *cudnnGetErrorString(cudnnStatus_t status)
{
    switch (status) {
    case CUDNN_STATUS_SUCCESS: return "CUDNN_STATUS_SUCCESS";
    case CUDNN_STATUS_NOT_INITIALIZED: return "CUDNN_STATUS_NOT_INITIALIZED";
    case CUDNN_STATUS_BAD_PARAM: return "CUDNN_STATUS_BAD_PARAM";
    case CUDNN_STATUS_NOT_SUPPORTED: return "CUDNN_STATUS_NOT_SUPPORTED";
    case CUDNN_STATUS_EXECUTION_FAILED: return "CUDNN_STATUS_EXECUTION_FAILED";
    default: return "an error of the double";
    }
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    MAY_FAIL(CUDNN_STATUS_NOT_INITIALIZED);
    *handle = calloc(1, sizeof **handle);
    double_count(DOUBLE_DNN, 1);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    free(handle);
    double_count(DOUBLE_DNN, -1);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, cudaStream_t stream)
{
    MAY_FAIL(CUDNN_STATUS_BAD_PARAM);
    if (double_gpu(stream) != double_current_gpu())
        double_defect("cudnnSetStream: the stream is another GPU's than the current one");
    handle->stream = stream;
    return CUDNN_STATUS_SUCCESS;
}

#define DESCRIPTOR(kind) \
    cudnnStatus_t cudnnCreate##kind##Descriptor(cudnn##kind##Descriptor_t *d) \
    { \
        MAY_FAIL(CUDNN_STATUS_ALLOC_FAILED); \
        cudnn##kind##Descriptor_t made = calloc(1, sizeof *made); \
        if (have_real() && real.cudnnCreate##kind##Descriptor(&made->real)) \
            double_defect("the real cuDNN makes no descriptor"); \
        double_count(DOUBLE_DESCRIPTOR, 1); \
        *d = made; \
        return CUDNN_STATUS_SUCCESS; \
    } \
    cudnnStatus_t cudnnDestroy##kind##Descriptor(cudnn##kind##Descriptor_t d) \
    { \
        if (d->real && real.cudnnDestroy##kind##Descriptor(d->real)) \
            double_defect("the real cuDNN does not take its descriptor back"); \
        free(d); \
        double_count(DOUBLE_DESCRIPTOR, -1); \
        return CUDNN_STATUS_SUCCESS; \
    }
DESCRIPTOR(Tensor)
DESCRIPTOR(Filter)
DESCRIPTOR(Convolution)

cudnnStatus_t cudnnSetTensor4dDescriptor(cudnnTensorDescriptor_t d, cudnnTensorFormat_t format, cudnnDataType_t type, int n, int c, int h,
                                         int w)
{
    MAY_FAIL(CUDNN_STATUS_BAD_PARAM);
    ASK_REAL(cudnnSetTensor4dDescriptor(d->real, format, type, n, c, h, w));
    if (n < 1 || c < 1 || h < 1 || w < 1)
        return CUDNN_STATUS_BAD_PARAM;
    if (format != CUDNN_TENSOR_NHWC || type != CUDNN_DATA_FLOAT)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *d = (struct cudnnTensorStruct){ d->real, true, n, c, h, w };
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetFilter4dDescriptor(cudnnFilterDescriptor_t d, cudnnDataType_t type, cudnnTensorFormat_t format, int k, int c, int r,
                                         int s)
{
    MAY_FAIL(CUDNN_STATUS_BAD_PARAM);
    ASK_REAL(cudnnSetFilter4dDescriptor(d->real, type, format, k, c, r, s));
    if (k < 1 || c < 1 || r < 1 || s < 1)
        return CUDNN_STATUS_BAD_PARAM;
    if (format != CUDNN_TENSOR_NHWC || type != CUDNN_DATA_FLOAT)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *d = (struct cudnnFilterStruct){ d->real, true, k, c, r, s };
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t d, int padding_h, int padding_w, int stride_h, int stride_w,
                                              int dilation_h, int dilation_w, cudnnConvolutionMode_t mode, cudnnDataType_t type)
{
    MAY_FAIL(CUDNN_STATUS_BAD_PARAM);
    ASK_REAL(cudnnSetConvolution2dDescriptor(d->real, padding_h, padding_w, stride_h, stride_w, dilation_h, dilation_w, mode, type));
    if (padding_h < 0 || padding_w < 0 || stride_h < 1 || stride_w < 1)
        return CUDNN_STATUS_BAD_PARAM;
    if (mode != CUDNN_CROSS_CORRELATION || type != CUDNN_DATA_FLOAT || dilation_h != 1 || dilation_w != 1)
        return CUDNN_STATUS_NOT_SUPPORTED;
    *d = (struct cudnnConvolutionStruct){ d->real, true, false, padding_h, padding_w, stride_h, stride_w };
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t d, cudnnMathType_t type)
{
    MAY_FAIL(CUDNN_STATUS_BAD_PARAM);
    ASK_REAL(cudnnSetConvolutionMathType(d->real, type));
    d->math = true;
    return CUDNN_STATUS_SUCCESS;
}

/* ---- what a convolution is made of ---- */

struct conv {
    int n, c, h, w, k, p, q, r, s;
    int padding_h, padding_w, stride_h, stride_w;
    const float *x, *y, *weights; /* the two inputs of a pass */
    float *out, alpha, beta;
    char *workspace;
};

/* Whether the descriptors belong together, by the real library's rule where it is here. */
static cudnnStatus_t agree(struct conv *v, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t conv,
                           cudnnTensorDescriptor_t y)
{
    if (!x->set || !w->set || !conv->set || !y->set)
        return CUDNN_STATUS_BAD_PARAM;
    if (!conv->math)
        double_defect("a convolution whose math type was not chosen: cuDNN would be free to use TF32");
    *v = (struct conv){ x->n, x->c, x->h, x->w, w->k, y->h, y->w, w->r, w->s, conv->padding_h, conv->padding_w, conv->stride_h, conv->stride_w,
                        .alpha = 1 };
    int n = x->n, k = w->k, p = (x->h + 2 * conv->padding_h - w->r) / conv->stride_h + 1,
        q = (x->w + 2 * conv->padding_w - w->s) / conv->stride_w + 1;
    if (have_real()) {
        cudnnStatus_t verdict = real.cudnnGetConvolution2dForwardOutputDim(conv->real, x->real, w->real, &n, &k, &p, &q);
        if (verdict)
            return verdict;
    }
    return w->c == x->c && y->n == n && y->c == k && y->h == p && y->w == q ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM;
}

/* First one that is fast but not deterministic, then a deterministic one, then one that is not supported. */
#define LIST(type, first, second, third) \
    do { \
        struct conv v; \
        cudnnStatus_t verdict = agree(&v, x, w, conv, y); \
        if (verdict) \
            return verdict; \
        const type all[] = { \
            { .algo = first, .status = CUDNN_STATUS_SUCCESS, .time = -1, .memory = 0, .determinism = CUDNN_NON_DETERMINISTIC }, \
            { .algo = second, .status = CUDNN_STATUS_SUCCESS, .time = -1, .memory = WORKSPACE, .determinism = CUDNN_DETERMINISTIC }, \
            { .algo = third, .status = CUDNN_STATUS_NOT_SUPPORTED, .time = -1, .memory = 0, .determinism = CUDNN_DETERMINISTIC }, \
        }; \
        *count = wanted < 3 ? wanted : 3; \
        memcpy(list, all, (size_t)*count * sizeof *list); \
        return handle ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM; \
    } while (0)

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x, const cudnnFilterDescriptor_t w,
                                                     const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t y, const int wanted,
                                                     int *count, cudnnConvolutionFwdAlgoPerf_t *list)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR);
    LIST(cudnnConvolutionFwdAlgoPerf_t, CUDNN_CONVOLUTION_FWD_ALGO_WINOGRAD, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
         CUDNN_CONVOLUTION_FWD_ALGO_FFT);
}

cudnnStatus_t cudnnGetConvolutionBackwardDataAlgorithm_v7(cudnnHandle_t handle, const cudnnFilterDescriptor_t w, const cudnnTensorDescriptor_t y,
                                                          const cudnnConvolutionDescriptor_t conv, const cudnnTensorDescriptor_t x,
                                                          const int wanted, int *count, cudnnConvolutionBwdDataAlgoPerf_t *list)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR);
    LIST(cudnnConvolutionBwdDataAlgoPerf_t, CUDNN_CONVOLUTION_BWD_DATA_ALGO_0, CUDNN_CONVOLUTION_BWD_DATA_ALGO_1,
         CUDNN_CONVOLUTION_BWD_DATA_ALGO_FFT);
}

cudnnStatus_t cudnnGetConvolutionBackwardFilterAlgorithm_v7(cudnnHandle_t handle, const cudnnTensorDescriptor_t x,
                                                            const cudnnTensorDescriptor_t y, const cudnnConvolutionDescriptor_t conv,
                                                            const cudnnFilterDescriptor_t w, const int wanted, int *count,
                                                            cudnnConvolutionBwdFilterAlgoPerf_t *list)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR);
    LIST(cudnnConvolutionBwdFilterAlgoPerf_t, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_0, CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1,
         CUDNN_CONVOLUTION_BWD_FILTER_ALGO_FFT);
}

/* ---- the three passes, as sums of products of rows that lie side by side ---- */

/* In float32, 8 sums side by side over pieces of 256; the pieces' in float64. */
static double dot(const float *a, const float *b, size_t count)
{
    double sum = 0;
    while (count) {
        size_t piece = count < 256 ? count : 256, i = 0;
        float lane[8] = { 0 };
        for (; i + 8 <= piece; i += 8)
            for (size_t l = 0; l < 8; l++)
                lane[l] += a[i + l] * b[i + l];
        for (; i < piece; i++)
            sum += (double)a[i] * (double)b[i];
        for (size_t l = 0; l < 8; l++)
            sum += (double)lane[l];
        a += piece;
        b += piece;
        count -= piece;
    }
    return sum;
}

static void store(const struct conv *v, float *to, double sum)
{
    *to = (float)(v->beta == 0 ? (double)v->alpha * sum : (double)v->alpha * sum + (double)v->beta * (double)*to);
}

static void spoil_workspace(const struct conv *v)
{
    memset(v->workspace, 0xff, WORKSPACE);
}

/* The kernel's columns that fall on the map: from..to. */
static void clip(int at, int size, int kernel, int *from, int *to)
{
    *from = at < 0 ? -at : 0;
    *to = at + kernel > size ? size - at : kernel;
}

static void run_forward(void *args)
{
    const struct conv *v = args;
    size_t c = (size_t)v->c;
    spoil_workspace(v);
    for (int n = 0; n < v->n; n++)
        for (int p = 0; p < v->p; p++)
            for (int q = 0; q < v->q; q++) {
                int top = p * v->stride_h - v->padding_h, left = q * v->stride_w - v->padding_w, r0, r1, s0, s1;
                clip(top, v->h, v->r, &r0, &r1);
                clip(left, v->w, v->s, &s0, &s1);
                for (int k = 0; k < v->k; k++) {
                    double sum = 0;
                    for (int r = r0; r < r1 && s0 < s1; r++)
                        sum += dot(v->x + (size_t)((n * v->h + top + r) * v->w + left + s0) * c,
                                   v->weights + (size_t)((k * v->r + r) * v->s + s0) * c, (size_t)(s1 - s0) * c);
                    store(v, &v->out[(size_t)((n * v->p + p) * v->q + q) * (size_t)v->k + (size_t)k], sum);
                }
            }
}

/* Weights as (R,S,C,K): then sums over k are side by side. */
static void run_backward_data(void *args)
{
    const struct conv *v = args;
    size_t k = (size_t)v->k, area = (size_t)v->r * (size_t)v->s * (size_t)v->c;
    float *turned = malloc(area * k * sizeof *turned);
    spoil_workspace(v);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < area; j++)
            turned[j * k + i] = v->weights[i * area + j];
    for (int n = 0; n < v->n; n++)
        for (int h = 0; h < v->h; h++)
            for (int w = 0; w < v->w; w++)
                for (int c = 0; c < v->c; c++) {
                    double sum = 0;
                    for (int r = 0; r < v->r; r++)
                        for (int s = 0; s < v->s; s++) {
                            int down = h + v->padding_h - r, right = w + v->padding_w - s, p = down / v->stride_h, q = right / v->stride_w;
                            if (down < 0 || right < 0 || down % v->stride_h || right % v->stride_w || p >= v->p || q >= v->q)
                                continue;
                            sum += dot(v->y + (size_t)((n * v->p + p) * v->q + q) * k, turned + (size_t)((r * v->s + s) * v->c + c) * k, k);
                        }
                    store(v, &v->out[(size_t)((n * v->h + h) * v->w + w) * (size_t)v->c + (size_t)c], sum);
                }
    free(turned);
}

/* For each place of the kernel: x's row of all pixels, against dy's row of each k. */
static void run_backward_filter(void *args)
{
    const struct conv *v = args;
    size_t pixels = (size_t)v->n * (size_t)v->p * (size_t)v->q;
    float *dy = malloc(pixels * (size_t)v->k * sizeof *dy), *x = malloc(pixels * sizeof *x);
    spoil_workspace(v);
    for (size_t i = 0; i < pixels; i++)
        for (int k = 0; k < v->k; k++)
            dy[(size_t)k * pixels + i] = v->y[i * (size_t)v->k + (size_t)k];
    for (int r = 0; r < v->r; r++)
        for (int s = 0; s < v->s; s++)
            for (int c = 0; c < v->c; c++) {
                size_t i = 0;
                for (int n = 0; n < v->n; n++)
                    for (int p = 0; p < v->p; p++)
                        for (int q = 0; q < v->q; q++) {
                            int h = p * v->stride_h - v->padding_h + r, w = q * v->stride_w - v->padding_w + s;
                            bool inside = h >= 0 && h < v->h && w >= 0 && w < v->w;
                            x[i++] = inside ? v->x[(size_t)((n * v->h + h) * v->w + w) * (size_t)v->c + (size_t)c] : 0;
                        }
                for (int k = 0; k < v->k; k++)
                    store(v, &v->out[(size_t)((k * v->r + r) * v->s + s) * (size_t)v->c + (size_t)c],
                          dot(dy + (size_t)k * pixels, x, pixels));
            }
    free(dy);
    free(x);
}

static void need_all(const struct conv *v, cudnnHandle_t handle, void *workspace, size_t bytes, const void *x, const void *y, const void *w)
{
    size_t n = (size_t)v->n, c = (size_t)v->c, k = (size_t)v->k;
    if (bytes < WORKSPACE)
        double_defect("a convolution with a workspace of %zu bytes: it asked for %d", bytes, WORKSPACE);
    if (double_gpu(handle->stream) != double_current_gpu())
        double_defect("a convolution: the stream is another GPU's than the current one");
    if ((uintptr_t)workspace % 16)
        double_defect("a convolution with a workspace at %p", workspace);
    double_need(handle->stream, workspace, WORKSPACE, "a convolution's workspace");
    double_need(handle->stream, x, n * c * (size_t)v->h * (size_t)v->w * sizeof(float), "a convolution's x");
    double_need(handle->stream, y, n * k * (size_t)v->p * (size_t)v->q * sizeof(float), "a convolution's y");
    double_need(handle->stream, w, k * c * (size_t)v->r * (size_t)v->s * sizeof(float), "a convolution's weights");
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xd, const void *x,
                                      const cudnnFilterDescriptor_t wd, const void *w, const cudnnConvolutionDescriptor_t conv,
                                      cudnnConvolutionFwdAlgo_t algo, void *workspace, size_t bytes, const void *beta,
                                      const cudnnTensorDescriptor_t yd, void *y)
{
    struct conv v;
    MAY_FAIL(CUDNN_STATUS_EXECUTION_FAILED);
    cudnnStatus_t verdict = agree(&v, xd, wd, conv, yd);
    if (verdict)
        return verdict;
    if (algo != CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM)
        double_defect("cudnnConvolutionForward: algorithm %d is not the deterministic one", (int)algo);
    need_all(&v, handle, workspace, bytes, x, y, w);
    v.x = x, v.weights = w, v.out = y, v.workspace = workspace, v.alpha = *(const float *)alpha, v.beta = *(const float *)beta;
    double_enqueue(handle->stream, "cudnnConvolutionForward", run_forward, &v, sizeof v);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnConvolutionBackwardData(cudnnHandle_t handle, const void *alpha, const cudnnFilterDescriptor_t wd, const void *w,
                                           const cudnnTensorDescriptor_t dyd, const void *dy, const cudnnConvolutionDescriptor_t conv,
                                           cudnnConvolutionBwdDataAlgo_t algo, void *workspace, size_t bytes, const void *beta,
                                           const cudnnTensorDescriptor_t dxd, void *dx)
{
    struct conv v;
    MAY_FAIL(CUDNN_STATUS_EXECUTION_FAILED);
    cudnnStatus_t verdict = agree(&v, dxd, wd, conv, dyd);
    if (verdict)
        return verdict;
    if (algo != CUDNN_CONVOLUTION_BWD_DATA_ALGO_1)
        double_defect("cudnnConvolutionBackwardData: algorithm %d is not the deterministic one", (int)algo);
    need_all(&v, handle, workspace, bytes, dx, dy, w);
    v.y = dy, v.weights = w, v.out = dx, v.workspace = workspace, v.alpha = *(const float *)alpha, v.beta = *(const float *)beta;
    double_enqueue(handle->stream, "cudnnConvolutionBackwardData", run_backward_data, &v, sizeof v);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnConvolutionBackwardFilter(cudnnHandle_t handle, const void *alpha, const cudnnTensorDescriptor_t xd, const void *x,
                                             const cudnnTensorDescriptor_t dyd, const void *dy, const cudnnConvolutionDescriptor_t conv,
                                             cudnnConvolutionBwdFilterAlgo_t algo, void *workspace, size_t bytes, const void *beta,
                                             const cudnnFilterDescriptor_t dwd, void *dw)
{
    struct conv v;
    MAY_FAIL(CUDNN_STATUS_EXECUTION_FAILED);
    cudnnStatus_t verdict = agree(&v, xd, dwd, conv, dyd);
    if (verdict)
        return verdict;
    if (algo != CUDNN_CONVOLUTION_BWD_FILTER_ALGO_1)
        double_defect("cudnnConvolutionBackwardFilter: algorithm %d is not the deterministic one", (int)algo);
    need_all(&v, handle, workspace, bytes, x, dy, dw);
    v.x = x, v.y = dy, v.out = dw, v.workspace = workspace, v.alpha = *(const float *)alpha, v.beta = *(const float *)beta;
    double_enqueue(handle->stream, "cudnnConvolutionBackwardFilter", run_backward_filter, &v, sizeof v);
    return CUDNN_STATUS_SUCCESS;
}
