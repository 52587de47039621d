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
    *v = (struct conv){ x->n, x->c, x->h, x->w, w->k, y->h, y->w, w->r, w->s,
                        conv->padding_h, conv->padding_w, conv->stride_h, conv->stride_w, .alpha = 1 };
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

/* ---- the three passes, as products of matrices whose rows are summed over ---- */

enum { TILE = 16, PIECE = 256, ROWS = 4, COLUMNS = 2, SIDE = 8 };
typedef float side __attribute__((vector_size(SIDE * sizeof(float)), aligned(sizeof(float))));

/* sum[i][j] += a row i times b row j, over at most PIECE numbers: side by side in float32, the total in float64. */
static void piece_of(double sum[ROWS][COLUMNS], const float *a[ROWS], const float *b[COLUMNS], size_t at, size_t count)
{
    side total[ROWS][COLUMNS] = { 0 };
    size_t l = at, end = at + count;
    for (; l + SIDE <= end; l += SIDE)
        for (int i = 0; i < ROWS; i++)
            for (int j = 0; j < COLUMNS; j++)
                total[i][j] += *(const side *)(a[i] + l) * *(const side *)(b[j] + l);
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < COLUMNS; j++) {
            for (int k = 0; k < SIDE; k++)
                sum[i][j] += (double)total[i][j][k];
            for (size_t k = l; k < end; k++)
                sum[i][j] += (double)a[i][k] * (double)b[j][k];
        }
}

static void store(const struct conv *v, float *to, double sum)
{
    *to = (float)(v->beta == 0 ? (double)v->alpha * sum : (double)v->alpha * sum + (double)v->beta * (double)*to);
}

/* out[i * down + j * right] = sum over l of a(m, l) b(n, l), stored as alpha and beta have it. */
static void product(const struct conv *v, const float *a, size_t m, const float *b, size_t n, size_t length, float *out, size_t down,
                    size_t right)
{
    for (size_t j = 0; j < n; j += COLUMNS)
        for (size_t i = 0; i < m; i += ROWS) {
            double sum[ROWS][COLUMNS] = { 0 };
            const float *rows[ROWS], *columns[COLUMNS];
            for (size_t k = 0; k < ROWS; k++) /* what is past the end is computed twice */
                rows[k] = a + (i + k < m ? i + k : m - 1) * length;
            for (size_t k = 0; k < COLUMNS; k++)
                columns[k] = b + (j + k < n ? j + k : n - 1) * length;
            for (size_t at = 0; at < length; at += PIECE)
                piece_of(sum, rows, columns, at, length - at < PIECE ? length - at : PIECE);
            for (size_t k = 0; k < ROWS && i + k < m; k++)
                for (size_t l = 0; l < COLUMNS && j + l < n; l++)
                    store(v, &out[(i + k) * down + (j + l) * right], sum[k][l]);
        }
}

static float *room(size_t count)
{
    float *memory = malloc((count + 1) * sizeof *memory);
    if (!memory)
        double_defect("a convolution: no memory");
    return memory;
}

/* Numbers `channels` of the map (n,h,w,channels) at pixel (h, w); zeros outside of it. */
static void pixel(float *to, const float *map, int n, int h, int w, int height, int width, size_t channels)
{
    if (h < 0 || w < 0 || h >= height || w >= width)
        memset(to, 0, channels * sizeof *to);
    else
        memcpy(to, map + (size_t)((n * height + h) * width + w) * channels, channels * sizeof *to);
}

/* TILE outputs' patches of x, (R,S,C) each, against the weights of each k. */
static void run_forward(void *args)
{
    const struct conv *v = args;
    size_t c = (size_t)v->c, area = (size_t)(v->r * v->s), outputs = (size_t)(v->n * v->p * v->q), k = (size_t)v->k;
    float *patch = room(TILE * area * c);
    memset(v->workspace, 0xff, WORKSPACE);
    for (size_t first = 0; first < outputs; first += TILE) {
        size_t count = outputs - first < TILE ? outputs - first : TILE;
        for (size_t i = 0; i < count; i++) {
            int at = (int)(first + i), n = at / (v->p * v->q), p = at / v->q % v->p, q = at % v->q;
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++)
                    pixel(patch + (i * area + (size_t)(r * v->s + s)) * c, v->x, n, p * v->stride_h - v->padding_h + r,
                          q * v->stride_w - v->padding_w + s, v->h, v->w, c);
        }
        product(v, patch, count, v->weights, k, area * c, v->out + first * k, k, 1);
    }
    free(patch);
}

/* TILE inputs' patches of dy, (R,S,K) each, against the weights as (C,R,S,K). */
static void run_backward_data(void *args)
{
    const struct conv *v = args;
    size_t c = (size_t)v->c, k = (size_t)v->k, area = (size_t)(v->r * v->s), inputs = (size_t)(v->n * v->h * v->w);
    float *turned = room(c * area * k), *patch = room(TILE * area * k);
    memset(v->workspace, 0xff, WORKSPACE);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < area; j++)
            for (size_t l = 0; l < c; l++)
                turned[(l * area + j) * k + i] = v->weights[(i * area + j) * c + l];
    for (size_t first = 0; first < inputs; first += TILE) {
        size_t count = inputs - first < TILE ? inputs - first : TILE;
        for (size_t i = 0; i < count; i++) {
            int at = (int)(first + i), n = at / (v->h * v->w), h = at / v->w % v->h + v->padding_h, w = at % v->w + v->padding_w;
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++) {
                    bool on = h >= r && w >= s && (h - r) % v->stride_h == 0 && (w - s) % v->stride_w == 0;
                    pixel(patch + (i * area + (size_t)(r * v->s + s)) * k, v->y, n, on ? (h - r) / v->stride_h : -1,
                          (w - s) / v->stride_w, v->p, v->q, k);
                }
        }
        product(v, patch, count, turned, c, area * k, v->out + first * c, c, 1);
    }
    free(turned);
    free(patch);
}

/* For each place (r, s) of the kernel, TILE channels of x at a time: a row of all outputs' x, against dy's row of each k. */
static void run_backward_filter(void *args)
{
    const struct conv *v = args;
    size_t outputs = (size_t)(v->n * v->p * v->q), k = (size_t)v->k, c = (size_t)v->c;
    float *dy = room(outputs * k), *x = room(outputs * TILE);
    memset(v->workspace, 0xff, WORKSPACE);
    for (size_t i = 0; i < outputs; i++)
        for (size_t j = 0; j < k; j++)
            dy[j * outputs + i] = v->y[i * k + j];
    for (size_t place = 0; place < (size_t)(v->r * v->s); place++)
        for (size_t first = 0; first < c; first += TILE) {
            size_t count = c - first < TILE ? c - first : TILE;
            for (size_t i = 0; i < outputs; i++) {
                int at = (int)i, n = at / (v->p * v->q), h = at / v->q % v->p * v->stride_h - v->padding_h + (int)place / v->s,
                    w = at % v->q * v->stride_w - v->padding_w + (int)place % v->s;
                bool inside = h >= 0 && h < v->h && w >= 0 && w < v->w;
                for (size_t j = 0; j < count; j++)
                    x[j * outputs + i] = inside ? v->x[(size_t)((n * v->h + h) * v->w + w) * c + first + j] : 0;
            }
            product(v, x, count, dy, k, outputs, v->out + place * c + first, 1, (size_t)(v->r * v->s) * c);
        }
    free(dy);
    free(x);
}

static void need_all(const struct conv *v, cudnnHandle_t handle, void *workspace, size_t bytes, const void *x, const void *y,
                     const void *w)
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
