/* conv2d.cu -- y(n,k,p,q) = sum over c, r, s of x(n,c, p stride + r - padding, q stride + s - padding) w(k,c,r,s).
 *
 * A 1x1 kernel with stride 1 is a product of matrices, for cuBLAS; a linear layer is one of these. The others are cuDNN's,
 * through its legacy interface, which only this file knows. What is done to the output afterwards is ours.
 *
 * In evaluation an image's output must not depend on the others, but the libraries choose by N too: there they always see
 * EVAL_IMAGES images, the last of them made up of what the workspace holds. */
#include "device/cuda/kernel.h"

struct epilogue {
    struct map y, residual; /* y is changed in place; residual and bias optional */
    const float *bias;
    int activation;
};

struct bias_backward {
    struct map dy;
    float *dbias, *sums; /* sums: (parts, K) */
    unsigned parts;
    int add;
};

#ifdef RN_KERNELS

KERNEL(epilogue)(const struct epilogue v)
{
    unsigned c = channel();
    if (c >= v.y.c)
        return;
    float bias = v.bias ? v.bias[c] : 0;
    for (each_row(r, rows_of(v.y))) {
        rn_index i = r * v.y.c + c;
        float y = get(v.y, i) + bias;
        if (v.residual.at)
            y += get(v.residual, i);
        put(v.y, i, activate(y, v.activation));
    }
}

KERNEL(bias_backward_sums)(const struct bias_backward v)
{
    unsigned c = channel();
    float sum = 0;
    if (c < v.dy.c)
        for (each_row(r, rows_of(v.dy)))
            sum += get(v.dy, r * v.dy.c + c);
    sum = sum_rows(sum);
    if (row() == 0 && c < v.dy.c)
        v.sums[blockIdx.y * v.dy.c + c] = sum;
}

KERNEL(bias_backward)(const struct bias_backward v)
{
    unsigned c = channel();
    double sum = 0;
    if (c < v.dy.c)
        for (unsigned part = row(); part < v.parts; part += RN_ROWS)
            sum += v.sums[part * v.dy.c + c];
    sum = sum_rows_double(sum);
    if (row() == 0 && c < v.dy.c)
        v.dbias[c] = (float)(v.add ? v.dbias[c] + sum : sum);
}

#else

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cuda/cuda.h"

enum { EVAL_IMAGES = 8, WORKSPACE_MOST = 512 << 20 };
enum pass { FORWARD, DX, DW };

/* A layer on a GPU, for so many images. */
struct shape {
    const struct rn_gpu *gpu;
    size_t n, c, h, w, k, p, q, r, s, stride, padding;
    size_t pass;
};

/* What cuDNN has been told about it, and what it chose. */
struct rn_cuda_plan {
    struct shape shape;
    cudnnTensorDescriptor_t x, y;
    cudnnFilterDescriptor_t w;
    cudnnConvolutionDescriptor_t conv;
    int algorithm;
    size_t workspace;
};

static bool pointwise(const struct shape *v)
{
    return v->r == 1 && v->s == 1 && v->stride == 1 && v->padding == 0;
}

/* ---- errors ---- */

static const char *const pass_names[] = { "forward", "gradient of the input", "gradient of the weights" };

static int failed(const struct rn_cuda_part *p, const struct shape *v, const char *library, const char *text, struct rn_err *err)
{
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: %s: convolution (%s) of (%zu,%zu,%zu,%zu) by %zu kernels of %zux%zu, stride %zu: %s",
                   p->gpu->ordinal, library, pass_names[v->pass], v->n, v->c, v->h, v->w, v->k, v->r, v->s, v->stride, text);
}

static int dnn(const struct rn_cuda_part *p, const struct shape *v, cudnnStatus_t status, struct rn_err *err)
{
    return status == CUDNN_STATUS_SUCCESS ? 0 : failed(p, v, "cuDNN", p->cuda->api.cudnnGetErrorString(status), err);
}

static int blas(const struct rn_cuda_part *p, const struct shape *v, cublasStatus_t status, struct rn_err *err)
{
    return status == CUBLAS_STATUS_SUCCESS ? 0 : failed(p, v, "cuBLAS", p->cuda->api.cublasGetStatusString(status), err);
}

/* ---- plans ---- */

static void plan_free(const struct rn_cuda *cuda, struct rn_cuda_plan *plan)
{
    const struct rn_cuda_api *api = &cuda->api;
    if (plan->x)
        api->cudnnDestroyTensorDescriptor(plan->x);
    if (plan->y)
        api->cudnnDestroyTensorDescriptor(plan->y);
    if (plan->w)
        api->cudnnDestroyFilterDescriptor(plan->w);
    if (plan->conv)
        api->cudnnDestroyConvolutionDescriptor(plan->conv);
}

void rn_cuda_plans_free(struct rn_cuda *cuda)
{
    for (size_t i = 0; i < cuda->plans; i++)
        plan_free(cuda, &cuda->plan[i]);
    free(cuda->plan);
    cuda->plan = NULL;
    cuda->plans = cuda->plan_room = 0;
}

static int describe(const struct rn_cuda_part *p, struct rn_cuda_plan *plan, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const struct shape *v = &plan->shape;
    const cudnnTensorFormat_t layout = CUDNN_TENSOR_NHWC;
    const cudnnDataType_t type = CUDNN_DATA_FLOAT;
    cudnnMathType_t math = p->cuda->tf32 ? CUDNN_DEFAULT_MATH : CUDNN_FMA_MATH;
    return dnn(p, v, api->cudnnCreateTensorDescriptor(&plan->x), err) || dnn(p, v, api->cudnnCreateTensorDescriptor(&plan->y), err) ||
           dnn(p, v, api->cudnnCreateFilterDescriptor(&plan->w), err) ||
           dnn(p, v, api->cudnnCreateConvolutionDescriptor(&plan->conv), err) ||
           dnn(p, v, api->cudnnSetTensor4dDescriptor(plan->x, layout, type, (int)v->n, (int)v->c, (int)v->h, (int)v->w), err) ||
           dnn(p, v, api->cudnnSetTensor4dDescriptor(plan->y, layout, type, (int)v->n, (int)v->k, (int)v->p, (int)v->q), err) ||
           dnn(p, v, api->cudnnSetFilter4dDescriptor(plan->w, type, layout, (int)v->k, (int)v->c, (int)v->r, (int)v->s), err) ||
           dnn(p, v, api->cudnnSetConvolution2dDescriptor(plan->conv, (int)v->padding, (int)v->padding, (int)v->stride, (int)v->stride,
                                                          1, 1, CUDNN_CROSS_CORRELATION, type), err) ||
           dnn(p, v, api->cudnnSetConvolutionMathType(plan->conv, math), err);
}

/* The first of cuDNN's list, which is by expected time and the same each time, that is deterministic. */
#define CHOOSE(found, count)                                                                                        \
    for (int i = 0; i < (count); i++)                                                                               \
        if ((found)[i].status == CUDNN_STATUS_SUCCESS && (found)[i].determinism == CUDNN_DETERMINISTIC &&           \
            (found)[i].memory <= WORKSPACE_MOST) {                                                                  \
            plan->algorithm = (int)(found)[i].algo;                                                                 \
            plan->workspace = (found)[i].memory;                                                                    \
            return 0;                                                                                               \
        }

enum { LISTED = 10 };

static int choose(const struct rn_cuda_part *p, struct rn_cuda_plan *plan, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const struct shape *v = &plan->shape;
    cudnnHandle_t handle = p->gpu->dnn;
    int count = 0;
    if (v->pass == FORWARD) {
        cudnnConvolutionFwdAlgoPerf_t found[LISTED];
        if (dnn(p, v, api->cudnnGetConvolutionForwardAlgorithm_v7(handle, plan->x, plan->w, plan->conv, plan->y, LISTED, &count, found), err))
            return -1;
        CHOOSE(found, count)
    } else if (v->pass == DX) {
        cudnnConvolutionBwdDataAlgoPerf_t found[LISTED];
        if (dnn(p, v, api->cudnnGetConvolutionBackwardDataAlgorithm_v7(handle, plan->w, plan->y, plan->conv, plan->x, LISTED, &count, found), err))
            return -1;
        CHOOSE(found, count)
    } else {
        cudnnConvolutionBwdFilterAlgoPerf_t found[LISTED];
        if (dnn(p, v, api->cudnnGetConvolutionBackwardFilterAlgorithm_v7(handle, plan->x, plan->y, plan->conv, plan->w, LISTED, &count, found), err))
            return -1;
        CHOOSE(found, count)
    }
    return failed(p, v, "cuDNN", "it has no deterministic algorithm for this", err);
}

/* The plan for this shape; they come in the same order each step, so the search begins behind the last. */
static int find(const struct rn_cuda_part *p, const struct shape *v, struct rn_cuda_plan **result, struct rn_err *err)
{
    struct rn_cuda *cuda = p->cuda;
    for (size_t i = 0; i < cuda->plans; i++) {
        size_t at = (cuda->plan_at + 1 + i) % cuda->plans;
        if (memcmp(&cuda->plan[at].shape, v, sizeof *v) == 0) {
            cuda->plan_at = at;
            *result = &cuda->plan[at];
            return 0;
        }
    }
    struct rn_cuda_plan plan = { .shape = *v };
    if (describe(p, &plan, err) || choose(p, &plan, err) ||
        rn_grow(&cuda->plan, &cuda->plan_room, cuda->plans + 1, sizeof plan, err)) {
        plan_free(cuda, &plan);
        return -1;
    }
    cuda->plan_at = cuda->plans++;
    cuda->plan[cuda->plan_at] = plan;
    *result = &cuda->plan[cuda->plan_at];
    return 0;
}

/* ---- one product or convolution; each of the three passes has two inputs and an output ---- */

/* c (columns of m) = op(a) op(b) + beta c, column-major as cuBLAS has it: our (rows, channels) are its (channels, rows). */
static int product(const struct rn_cuda_part *p, const struct shape *v, const float *x, const float *w, const float *y, float *out,
                   bool add, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    cublasHandle_t handle = p->gpu->blas;
    const float one = 1, beta = add ? 1 : 0;
    if (v->n * v->h * v->w > INT32_MAX)
        return failed(p, v, "cuBLAS", "too many rows", err);
    int rows = (int)(v->n * v->h * v->w), c = (int)v->c, k = (int)v->k;
    if (v->pass == FORWARD)
        return blas(p, v, api->cublasSgemm_v2(handle, CUBLAS_OP_T, CUBLAS_OP_N, k, rows, c, &one, w, c, x, c, &beta, out, k), err);
    if (v->pass == DX)
        return blas(p, v, api->cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, c, rows, k, &one, w, c, y, k, &beta, out, c), err);
    return blas(p, v, api->cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_T, c, k, rows, &one, x, c, y, k, &beta, out, c), err);
}

/* extra: bytes of the workspace that the caller has at its end. */
static int compute(struct rn_cuda_part *p, const struct shape *v, const float *x, const float *w, const float *y, float *out, bool add,
                   size_t extra, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    cudnnHandle_t handle = p->gpu->dnn;
    const float one = 1, beta = add ? 1 : 0;
    struct rn_cuda_plan *plan;
    if (pointwise(v))
        return product(p, v, x, w, y, out, add, err);
    if (find(p, v, &plan, err))
        return -1;
    char *workspace = rn_cuda_workspace(p, plan->workspace + extra, err);
    if (!workspace && plan->workspace + extra)
        return -1;
    workspace = workspace ? workspace + extra : NULL;
    if (v->pass == FORWARD)
        return dnn(p, v, api->cudnnConvolutionForward(handle, &one, plan->x, x, plan->w, w, plan->conv, (cudnnConvolutionFwdAlgo_t)plan->algorithm,
                                                      workspace, plan->workspace, &beta, plan->y, out), err);
    if (v->pass == DX)
        return dnn(p, v, api->cudnnConvolutionBackwardData(handle, &one, plan->w, w, plan->y, y, plan->conv,
                                                           (cudnnConvolutionBwdDataAlgo_t)plan->algorithm, workspace, plan->workspace,
                                                           &beta, plan->x, out), err);
    return dnn(p, v, api->cudnnConvolutionBackwardFilter(handle, &one, plan->x, x, plan->y, y, plan->conv,
                                                         (cudnnConvolutionBwdFilterAlgo_t)plan->algorithm, workspace, plan->workspace,
                                                         &beta, plan->w, out), err);
}

/* ---- the operator ---- */

static struct shape shape_of(const struct rn_cuda_part *p, struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window,
                             enum pass pass)
{
    (void)w;
    return (struct shape){ p->gpu, p->n, x.c, x.h, x.w, y.c, y.h, y.w, window.r, window.s, window.stride, window.padding, pass };
}

/* Evaluation: EVAL_IMAGES at a time; the last few are copied to where there is room behind them. */
static int by_parts(struct rn_cuda_part *p, struct shape v, const float *x, const float *w, float *y, struct rn_err *err)
{
    size_t in = v.c * v.h * v.w, out = v.k * v.p * v.q, n = v.n, i = 0;
    v.n = EVAL_IMAGES;
    for (; i + EVAL_IMAGES <= n; i += EVAL_IMAGES)
        if (compute(p, &v, x + i * in, w, NULL, y + i * out, false, 0, err))
            return -1;
    if (i == n)
        return 0;
    size_t room = rn_cuda_bytes(EVAL_IMAGES, v.c, v.h, v.w, RN_FULL), extra = room + rn_cuda_bytes(EVAL_IMAGES, v.k, v.p, v.q, RN_FULL);
    struct rn_cuda_plan *plan = NULL;
    if (!pointwise(&v) && find(p, &v, &plan, err))
        return -1;
    char *pad = rn_cuda_workspace(p, extra + (plan ? plan->workspace : 0), err);
    if (!pad)
        return -1;
    float *near = (float *)(void *)pad, *far = (float *)(void *)(pad + room);
    return rn_cuda_copy(p, near, x + i * in, (n - i) * in * sizeof *x, cudaMemcpyDeviceToDevice, err) ||
                   compute(p, &v, near, w, NULL, far, false, extra, err) ||
                   rn_cuda_copy(p, y + i * out, far, (n - i) * out * sizeof *y, cudaMemcpyDeviceToDevice, err) ? -1 : 0;
}

int rn_cuda_conv2d(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w, struct rn_window window,
                   struct rn_epilogue epilogue, bool eval, struct rn_err *err)
{
    if (rn_check_conv2d(y, x, w, window, &epilogue, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct shape v = shape_of(&p, y, x, w, window, FORWARD);
        struct epilogue after = { rn_cuda_cut(&p, y), rn_cuda_cut(&p, epilogue.residual), rn_cuda_at(&p, epilogue.bias.data), epilogue.activation };
        const float *from = rn_cuda_at(&p, x.data), *weight = rn_cuda_at(&p, w.data);
        if (!p.n)
            continue;
        p.rc = eval ? by_parts(&p, v, from, weight, after.y.at, err) : compute(&p, &v, from, weight, NULL, after.y.at, false, 0, err);
        if (p.rc == 0 && (after.bias || after.residual.at || after.activation))
            p.rc = rn_cuda_launch(&p, RN_CUDA_epilogue, rn_cuda_rows(after.y), &after, y, err);
    }
    return p.rc;
}

static int bias_backward(struct rn_cuda_part *p, struct rn_array dbias, struct rn_array dy, unsigned add, struct rn_err *err)
{
    struct bias_backward v = { rn_cuda_cut(p, dy), rn_cuda_at(p, dbias.data), .add = add & RN_ADD_DW };
    struct rn_cuda_grid parts = rn_cuda_rows(v.dy), channels = { parts.x, 1, 1 };
    parts.y = v.parts = rn_cuda_row_parts(v.dy);
    if (!(v.sums = rn_cuda_workspace(p, sizeof(float) * v.parts * dy.c, err)))
        return -1;
    return rn_cuda_launch(p, RN_CUDA_bias_backward_sums, parts, &v, dy, err) ||
                   rn_cuda_launch(p, RN_CUDA_bias_backward, channels, &v, dy, err) ? -1 : 0;
}

int rn_cuda_conv2d_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dw, struct rn_array dbias, struct rn_array dy,
                            struct rn_array x, struct rn_array w, struct rn_window window, unsigned add, struct rn_err *err)
{
    if (rn_check_conv2d_backward(dx, dw, dbias, dy, x, w, window, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, x.n);
    while (rn_cuda_next(&p, err)) {
        struct shape to_x = shape_of(&p, dy, x, w, window, DX), to_w = shape_of(&p, dy, x, w, window, DW);
        const float *from_x = rn_cuda_at(&p, x.data), *from_w = rn_cuda_at(&p, w.data), *from_y = rn_cuda_at(&p, dy.data);
        if (!p.n) {
            p.rc = rn_cuda_idle(&p, dw, add & RN_ADD_DW, err) || rn_cuda_idle(&p, dbias, add & RN_ADD_DW, err) ? -1 : 0;
            continue;
        }
        if (dx.data && compute(&p, &to_x, NULL, from_w, from_y, rn_cuda_at(&p, dx.data), add & RN_ADD_DX, 0, err))
            p.rc = -1;
        else if (dw.data && compute(&p, &to_w, from_x, NULL, from_y, rn_cuda_at(&p, dw.data), add & RN_ADD_DW, 0, err))
            p.rc = -1;
        else if (dbias.data)
            p.rc = bias_backward(&p, dbias, dy, add, err);
    }
    return p.rc;
}

#endif
