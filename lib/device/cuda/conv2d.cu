/* conv2d.cu -- y(n,k,p,q) = sum over c, r, s of x(n, first + c, p stride + r dilation - top, q stride + s dilation - left)
 * w(k,c,r,s), where first is that of k's group of channels.
 *
 * A 1x1 kernel with stride 1 is a product of matrices, for cuBLAS; a linear layer is one of these. The others are cuDNN's,
 * through its graph interface, which only this file knows. What is done to the output afterwards is ours.
 *
 * Where x is bfloat16, so are the operands of the product: the weights' bf16 copy (bf16.cu), and a map that is float32 (the
 * gradient of logits) narrowed in the workspace. cuDNN gives the weights' gradient as bfloat16 then, which is widened.
 *
 * In evaluation an image's output must not depend on the others, but the libraries choose by N too: there they always see
 * cuda->together images, of which the last may be nobody's: rn_device_class.share gave memory for them. So that a single one need
 * not wait for all that work, cuda->few images are done by themselves in layers where a trial has shown that they get the same
 * bits. */
#include "device/cuda/kernel.h"

struct epilogue {
    struct map y, residual; /* y is changed in place; residual and bias optional */
    const float *bias;
    int activation;
    unsigned lanes;
};

struct bias_backward {
    struct map dy;
    float *dbias, *sums; /* sums: (parts, K) */
    unsigned parts;
    int add;
};

#ifdef RN_KERNELS

template <class K> static __device__ inline void finish(const struct epilogue &v)
{
    struct place at = place_of<K>(v.lanes);
    float bias[K::WIDTH], y[K::WIDTH], residual[K::WIDTH];
    if (at.c >= v.y.c)
        return;
    for (int k = 0; k < K::WIDTH; k++)
        bias[k] = v.bias ? v.bias[at.c + k] : 0;
    for (rn_index r = at.row; r < rows_of(v.y); r += at.stride) {
        rn_index i = r * v.y.c + at.c;
        K::load(y, v.y, i);
        if (v.residual.at)
            K::load(residual, v.residual, i);
        for (int k = 0; k < K::WIDTH; k++)
            y[k] = activate(v.residual.at ? y[k] + bias[k] + residual[k] : y[k] + bias[k], v.activation);
        K::store(v.y, i, y);
    }
}

KERNEL(epilogue)(const struct epilogue v)
{
    finish<struct one>(v);
}

KERNEL(epilogue_wide)(const struct epilogue v)
{
    v.y.bf16 ? finish<struct four_bf16>(v) : finish<struct four_full>(v);
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

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cuda/cuda.h"

enum { ALIGNMENT = 16 };
enum pass { FORWARD, DX, DW };

/* A layer on a GPU, for so many images, and what is to be computed of it. */
struct shape {
    const struct rn_gpu *gpu;
    size_t n, c, h, w, k, p, q;
    struct rn_window window;
    size_t pass, bf16, add; /* add: to what the output holds */
    size_t skip; /* engines that would do, and are passed over */
};

/* How cuDNN does it. */
struct rn_cuda_plan {
    struct shape shape;
    cudnnBackendDescriptor_t x, w, y, conv, op, graph, config, plan; /* plan NULL: not possible in one go */
    size_t workspace;
    bool fallback;  /* it is of cuDNN's second list, which has those of the first again */
    size_t instead; /* skip of the one that is taken where memory is too short for this one's workspace; 0: this one */
};

/* A layer in evaluation. */
struct rn_cuda_layer {
    struct shape shape; /* of together images */
    bool y_bf16, few;   /* few: by themselves they get the same bits, */
    size_t skip;        /* ... with this engine */
};

/* The two inputs of a pass and its output, all of them the GPU's own. */
struct operands {
    struct map x, w, y;
};

static bool pointwise(const struct shape *v)
{
    const struct rn_window *w = &v->window;
    return w->r == 1 && w->s == 1 && w->stride == 1 && w->groups == 1 && !w->top && !w->left && !w->bottom && !w->right;
}

/* ---- errors ---- */

static const char *const passes[] = { "convolution, forward", "convolution, gradient of the input",
                                      "convolution, gradient of the weights" };

static int failed(const struct rn_cuda_part *p, const struct shape *v, const char *library, const char *text, struct rn_err *err)
{
    rn_cuda_failed(p->cuda);
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: %s: %s, of (%zu,%zu,%zu,%zu) by %zu kernels of %zux%zu, stride %zu: %s",
                   p->gpu->ordinal, library, passes[v->pass], v->n, v->c, v->h, v->w, v->k, v->window.r, v->window.s,
                   v->window.stride, text);
}

static int dnn(const struct rn_cuda_part *p, const struct shape *v, cudnnStatus_t status, struct rn_err *err)
{
    return status == CUDNN_STATUS_SUCCESS ? 0 : failed(p, v, "cuDNN", p->cuda->api.cudnnGetErrorString(status), err);
}

static int blas(const struct rn_cuda_part *p, const struct shape *v, cublasStatus_t status, struct rn_err *err)
{
    return status == CUBLAS_STATUS_SUCCESS ? 0 : failed(p, v, "cuBLAS", p->cuda->api.cublasGetStatusString(status), err);
}

/* ---- cuDNN's graphs: a convolution is one node between three tensors ---- */

struct attribute {
    cudnnBackendAttributeName_t name;
    cudnnBackendAttributeType_t type;
    int64_t count;
    const void *values;
};

/* A finished descriptor in *d, which the caller destroys also when this fails. */
static cudnnStatus_t make(const struct rn_cuda_api *api, cudnnBackendDescriptor_t *d, cudnnBackendDescriptorType_t kind,
                          const struct attribute *attributes, size_t count)
{
    cudnnStatus_t status = api->cudnnBackendCreateDescriptor(kind, d);
    for (size_t i = 0; i < count && status == CUDNN_STATUS_SUCCESS; i++)
        status = api->cudnnBackendSetAttribute(*d, attributes[i].name, attributes[i].type, attributes[i].count,
                                               attributes[i].values);
    return status == CUDNN_STATUS_SUCCESS ? api->cudnnBackendFinalize(*d) : status;
}
#define MAKE(api, d, kind, ...) \
    make(api, d, CUDNN_BACKEND_##kind##_DESCRIPTOR, (const struct attribute[]){ __VA_ARGS__ }, \
         sizeof((const struct attribute[]){ __VA_ARGS__ }) / sizeof(struct attribute))
#define ONE(name, type, value) { CUDNN_ATTR_##name, CUDNN_TYPE_##type, 1, value }
#define TWO(name, type, values) { CUDNN_ATTR_##name, CUDNN_TYPE_##type, 2, values }

/* (N,H,W,C), or weights as (K,R,S,C); cuDNN names dimensions in the order n, c, h, w all the same. */
static cudnnStatus_t tensor(const struct rn_cuda_api *api, cudnnBackendDescriptor_t *d, int64_t id, const struct shape *v, size_t n,
                            size_t c, size_t h, size_t w)
{
    const int64_t size[] = { (int64_t)n, (int64_t)c, (int64_t)h, (int64_t)w };
    const int64_t stride[] = { (int64_t)(h * w * c), 1, (int64_t)(w * c), (int64_t)c }, alignment = ALIGNMENT;
    const cudnnDataType_t type = v->bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    return MAKE(api, d, TENSOR, ONE(TENSOR_DATA_TYPE, DATA_TYPE, &type),
                { CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 4, size },
                { CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, stride }, ONE(TENSOR_UNIQUE_ID, INT64, &id),
                ONE(TENSOR_BYTE_ALIGNMENT, INT64, &alignment));
}

static cudnnStatus_t convolution(const struct rn_cuda_api *api, cudnnBackendDescriptor_t *d, const struct shape *v)
{
    const struct rn_window *w = &v->window;
    const int64_t two = 2, before[] = { (int64_t)w->top, (int64_t)w->left }, after[] = { (int64_t)w->bottom, (int64_t)w->right };
    const int64_t stride[] = { (int64_t)w->stride, (int64_t)w->stride },
                  dilation[] = { (int64_t)w->dilation, (int64_t)w->dilation };
    const cudnnDataType_t sums = CUDNN_DATA_FLOAT;
    const cudnnConvolutionMode_t mode = CUDNN_CROSS_CORRELATION;
    return MAKE(api, d, CONVOLUTION, ONE(CONVOLUTION_COMP_TYPE, DATA_TYPE, &sums),
                ONE(CONVOLUTION_CONV_MODE, CONVOLUTION_MODE, &mode),
                ONE(CONVOLUTION_SPATIAL_DIMS, INT64, &two), TWO(CONVOLUTION_PRE_PADDINGS, INT64, before),
                TWO(CONVOLUTION_POST_PADDINGS, INT64, after), TWO(CONVOLUTION_FILTER_STRIDES, INT64, stride),
                TWO(CONVOLUTION_DILATIONS, INT64, dilation));
}

#define NODE(name, kind, X, W, Y) \
    MAKE(api, d, OPERATION_CONVOLUTION_##name, ONE(OPERATION_CONVOLUTION_##kind##_ALPHA, FLOAT, &one), \
         ONE(OPERATION_CONVOLUTION_##kind##_BETA, FLOAT, &beta), ONE(OPERATION_CONVOLUTION_##kind##_CONV_DESC, BACKEND_DESCRIPTOR, &conv), \
         ONE(OPERATION_CONVOLUTION_##kind##_##X, BACKEND_DESCRIPTOR, &x), ONE(OPERATION_CONVOLUTION_##kind##_##W, BACKEND_DESCRIPTOR, &w), \
         ONE(OPERATION_CONVOLUTION_##kind##_##Y, BACKEND_DESCRIPTOR, &y))

static cudnnStatus_t node(const struct rn_cuda_api *api, cudnnBackendDescriptor_t *d, const struct shape *v,
                          cudnnBackendDescriptor_t conv,
                          cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y)
{
    const float one = 1, beta = v->add ? 1 : 0;
    if (v->pass == FORWARD)
        return NODE(FORWARD, FORWARD, X, W, Y);
    return v->pass == DX ? NODE(BACKWARD_DATA, BWD_DATA, DX, W, DY) : NODE(BACKWARD_FILTER, BWD_FILTER, X, DW, DY);
}

/* ---- plans ---- */

static void destroy(const struct rn_cuda_api *api, cudnnBackendDescriptor_t d)
{
    if (d)
        api->cudnnBackendDestroyDescriptor(d);
}

static void plan_free(const struct rn_cuda *cuda, struct rn_cuda_plan *plan)
{
    cudnnBackendDescriptor_t all[] = { plan->plan, plan->config, plan->graph, plan->op, plan->conv, plan->y, plan->w, plan->x };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        destroy(&cuda->api, all[i]);
}

void rn_cuda_plans_free(struct rn_cuda *cuda)
{
    for (size_t i = 0; i < cuda->plans; i++)
        plan_free(cuda, &cuda->plan[i]);
    free(cuda->plan);
    free(cuda->layer);
    cuda->plan = NULL;
    cuda->layer = NULL;
    cuda->plans = cuda->plan_capacity = cuda->layers = cuda->layer_capacity = 0;
}

/* *good: the engine's numbers are those that we promise: the same each time, and in float32 unless TF32 was asked for. */
static cudnnStatus_t suits(const struct rn_cuda *cuda, const struct shape *v, cudnnBackendDescriptor_t config, bool *good)
{
    const struct rn_cuda_api *api = &cuda->api;
    cudnnBackendNumericalNote_t notes[CUDNN_NUMERICAL_NOTE_TYPE_COUNT];
    cudnnBackendDescriptor_t engine = NULL;
    int64_t found = 0, count = 0;
    cudnnStatus_t status = api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINE_DESCRIPTOR, &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = api->cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &found,
                                               &engine);
    if (status == CUDNN_STATUS_SUCCESS)
        status = api->cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE,
                                               CUDNN_NUMERICAL_NOTE_TYPE_COUNT, &count, notes);
    *good = status == CUDNN_STATUS_SUCCESS;
    for (int64_t i = 0; i < count && i < CUDNN_NUMERICAL_NOTE_TYPE_COUNT && *good; i++) {
        switch (notes[i]) {
        case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        case CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS:
            *good = cuda->tf32 || v->bf16;
            break;
        case CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC:
        case CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION:
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_6x6: /* large tiles lose digits */
        case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_13x13:
            *good = false;
            break;
        default:
            break;
        }
    }
    destroy(api, engine);
    return status;
}

/* Trouble of this run, not an engine that cannot do it: with the next one the numbers would be others than at other times. */
static bool passing(cudnnStatus_t status)
{
    return status == CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED ||
           status == CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED || status >= CUDNN_STATUS_EXECUTION_FAILED;
}

enum { LISTED = 64 };

/* The first of cuDNN's list, which is by expected time and the same each time, that suits and is within the room for workspaces;
 * *skip of those are passed over. */
static int choose(const struct rn_cuda_part *p, struct rn_cuda_plan *plan, cudnnBackendHeurMode_t mode, size_t *skip,
                  struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const struct shape *v = &plan->shape;
    cudnnHandle_t handle = p->gpu->dnn;
    cudnnBackendDescriptor_t config[LISTED] = { NULL }, list = NULL;
    int64_t count = 0, found = 0, bytes;
    cudnnStatus_t status = MAKE(api, &list, ENGINEHEUR, ONE(ENGINEHEUR_OPERATION_GRAPH, BACKEND_DESCRIPTOR, &plan->graph),
                                ONE(ENGINEHEUR_MODE, HEUR_MODE, &mode));
    for (int i = 0; i < LISTED && status == CUDNN_STATUS_SUCCESS; i++)
        status = api->cudnnBackendCreateDescriptor(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, &config[i]);
    if (status == CUDNN_STATUS_SUCCESS)
        status = api->cudnnBackendGetAttribute(list, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, LISTED, &count,
                                               config);
    for (int64_t i = 0; i < count && i < LISTED && status == CUDNN_STATUS_SUCCESS && !plan->plan; i++) {
        cudnnBackendDescriptor_t made = NULL;
        bool good;
        cudnnStatus_t tried = suits(p->cuda, v, config[i], &good);
        if (good)
            tried = MAKE(api, &made, EXECUTION_PLAN, ONE(EXECUTION_PLAN_HANDLE, HANDLE, &handle),
                         ONE(EXECUTION_PLAN_ENGINE_CONFIG, BACKEND_DESCRIPTOR, &config[i]));
        if (good && tried == CUDNN_STATUS_SUCCESS)
            tried = api->cudnnBackendGetAttribute(made, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &found,
                                                  &bytes);
        if (passing(tried))
            status = tried;
        if (good && tried == CUDNN_STATUS_SUCCESS && bytes >= 0 && bytes <= RN_CUDA_WORKSPACE && (*skip)-- == 0) {
            *skip = 0;
            plan->plan = made;
            plan->workspace = (size_t)bytes;
            plan->config = config[i];
            config[i] = made = NULL;
        }
        destroy(api, made);
    }
    for (int i = 0; i < LISTED; i++)
        destroy(api, config[i]);
    destroy(api, list);
    /* no list at all is cuDNN's word for "not possible" as well */
    return status == CUDNN_STATUS_SUCCESS || status / 1000 == CUDNN_STATUS_NOT_SUPPORTED / 1000 ? 0 : dnn(p, v, status, err);
}

static int make_plan(const struct rn_cuda_part *p, struct rn_cuda_plan *plan, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const struct shape *v = &plan->shape;
    cudnnHandle_t handle = p->gpu->dnn;
    size_t skip = v->skip;
    if (dnn(p, v, tensor(api, &plan->x, 'x', v, v->n, v->c, v->h, v->w), err) ||
        dnn(p, v, tensor(api, &plan->w, 'w', v, v->k, v->c / v->window.groups, v->window.r, v->window.s), err) ||
        dnn(p, v, tensor(api, &plan->y, 'y', v, v->n, v->k, v->p, v->q), err) || dnn(p, v, convolution(api, &plan->conv, v), err) ||
        dnn(p, v, node(api, &plan->op, v, plan->conv, plan->x, plan->w, plan->y), err) ||
        dnn(p, v, MAKE(api, &plan->graph, OPERATIONGRAPH, ONE(OPERATIONGRAPH_OPS, BACKEND_DESCRIPTOR, &plan->op),
                       ONE(OPERATIONGRAPH_HANDLE, HANDLE, &handle)), err) ||
        choose(p, plan, CUDNN_HEUR_MODE_A, &skip, err))
        return -1;
    plan->fallback = !plan->plan;
    return plan->plan ? 0 : choose(p, plan, CUDNN_HEUR_MODE_FALLBACK, &skip, err);
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
    if (make_plan(p, &plan, err) || rn_grow(&cuda->plan, &cuda->plan_capacity, cuda->plans + 1, sizeof plan, err)) {
        plan_free(cuda, &plan);
        return -1;
    }
    cuda->plan_at = cuda->plans++;
    cuda->plan[cuda->plan_at] = plan;
    *result = &cuda->plan[cuda->plan_at];
    return 0;
}

static int execute(const struct rn_cuda_part *p, const struct rn_cuda_plan *plan, const struct operands *a, void *workspace,
                   struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const int64_t ids[] = { 'x', 'w', 'y' };
    void *const memory[] = { a->x.at, a->w.at, a->y.at };
    cudnnBackendDescriptor_t pack = NULL;
    cudnnStatus_t status = MAKE(api, &pack, VARIANT_PACK, { CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids },
                                { CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, memory },
                                ONE(VARIANT_PACK_WORKSPACE, VOID_PTR, &workspace));
    if (status == CUDNN_STATUS_SUCCESS)
        status = api->cudnnBackendExecute(p->gpu->dnn, plan->plan, pack);
    destroy(api, pack);
    return dnn(p, &plan->shape, status, err);
}

/* ---- products of matrices ---- */

/* c (columns of m) = op(a) op(b) + beta c, column-major as cuBLAS has it: our (rows, channels) are its (channels, rows). */
static int product(const struct rn_cuda_part *p, const struct shape *v, const struct operands *a, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    cublasHandle_t handle = p->gpu->blas;
    const float one = 1, beta = v->add ? 1 : 0;
    const cublasComputeType_t sums = p->cuda->tf32 && !v->bf16 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
    const cublasGemmAlgo_t algorithm = CUBLAS_GEMM_DEFAULT;
    if (v->n * v->h * v->w > INT32_MAX)
        return failed(p, v, "cuBLAS", "too many rows", err);
    int rows = (int)(v->n * v->h * v->w), c = (int)v->c, k = (int)v->k;
#define TYPE(m) ((m).bf16 ? CUDA_R_16BF : CUDA_R_32F)
    if (v->pass == FORWARD)
        return blas(p, v, api->cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, k, rows, c, &one, a->w.at, TYPE(a->w), c, a->x.at,
                                            TYPE(a->x), c, &beta, a->y.at, TYPE(a->y), k, sums, algorithm), err);
    if (v->pass == DX)
        return blas(p, v, api->cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, c, rows, k, &one, a->w.at, TYPE(a->w), c, a->y.at,
                                            TYPE(a->y), k, &beta, a->x.at, TYPE(a->x), c, sums, algorithm), err);
    return blas(p, v, api->cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_T, c, k, rows, &one, a->x.at, TYPE(a->x), c, a->y.at,
                                        TYPE(a->y), k, &beta, a->w.at, TYPE(a->w), c, sums, algorithm), err);
#undef TYPE
}

/* ---- one pass ---- */

static size_t bytes_as_bf16(struct map a)
{
    return rn_cuda_bytes(a.n, a.c, a.h, a.w, RN_BF16);
}

/* How far behind the first image that with this number lies, in bytes. */
static size_t far(struct map a, size_t images)
{
    return images * a.h * a.w * a.c * (a.bf16 ? sizeof(uint16_t) : sizeof(float));
}

/* The map without its first images. */
static struct map behind(struct map a, size_t images, size_t n)
{
    a.at = a.at ? (char *)a.at + far(a, images) : NULL;
    a.n = rn_cuda_dim(n);
    return a;
}

static int compute(struct rn_cuda_part *p, const struct shape *v, struct operands a, struct rn_err *err);

enum { ALIGNED = 8 }; /* so many maps end where the next may begin */

/* For more images than cuDNN's workspace has room for. */
static int in_two(struct rn_cuda_part *p, const struct shape *v, struct operands a, struct rn_err *err)
{
    struct shape first = *v, second = *v;
    first.n = rn_cuda_ceil(v->n / 2, ALIGNED) * ALIGNED;
    if (first.n >= v->n)
        return failed(p, v, "cuDNN", "it has no deterministic way within the GPU's memory, and a workspace of 512 MiB", err);
    second.n = v->n - first.n;
    second.add = v->add || v->pass == DW;
    struct operands b = { behind(a.x, first.n, second.n), a.w, behind(a.y, first.n, second.n) };
    a.x.n = a.y.n = rn_cuda_dim(first.n);
    return compute(p, &first, a, err) || compute(p, &second, b, err) ? -1 : 0;
}

/* Room for the plan's workspace and so many bytes more. Where there is not so much memory, the next engine's plan is taken, from
 * now on: the numbers are others then, but the run goes on. */
static int find_room(struct rn_cuda_part *p, struct shape *wanted, size_t bytes, struct rn_cuda_plan **plan, char **room,
                     struct rn_err *err)
{
    for (;;) {
        if (plan && find(p, wanted, plan, err))
            return -1;
        if (plan && !(*plan)->plan)
            return 0;
        size_t all = bytes + (plan ? (*plan)->workspace : 0);
        if (!all || ((!plan || !(*plan)->instead) && (*room = rn_cuda_workspace(p, all, err))))
            return 0;
        if (!plan || !(*plan)->workspace || p->cuda->failed)
            return -1;
        (*plan)->instead = wanted->skip + 1;
        wanted->skip = (*plan)->instead;
        p->rc = 0;
    }
}

static int compute(struct rn_cuda_part *p, const struct shape *v, struct operands a, struct rn_err *err)
{
    struct map *const inputs[][2] = { [FORWARD] = { &a.x, &a.w }, [DX] = { &a.y, &a.w }, [DW] = { &a.x, &a.y } }, dw = a.w;
    bool widens = v->pass == DW && v->bf16 && !pointwise(v);
    struct rn_cuda_plan *plan = NULL;
    struct shape wanted = *v;
    char *room = NULL;
    if (v->bf16 && v->pass != DW && rn_cuda_bf16_copy(p, &a.w, err))
        return -1;
    size_t bytes = widens ? bytes_as_bf16(dw) : 0;
    for (int i = 0; i < 2; i++)
        bytes += v->bf16 && !inputs[v->pass][i]->bf16 ? bytes_as_bf16(*inputs[v->pass][i]) : 0;
    wanted.add = v->add && !widens;
    if (find_room(p, &wanted, bytes, pointwise(v) ? NULL : &plan, &room, err))
        return -1;
    if (plan && !plan->plan)
        return in_two(p, v, a, err);
    for (int i = 0; i < 2; i++) {
        struct map *from = inputs[v->pass][i], to = *from;
        if (!v->bf16 || from->bf16)
            continue;
        to.at = room;
        to.bf16 = 1;
        room += bytes_as_bf16(to);
        if (rn_cuda_narrow(p, to.at, from->at, rn_cuda_count(to), err))
            return -1;
        *from = to;
    }
    rn_cuda_starts(p, passes[v->pass], (struct rn_array){ NULL, v->n, v->c, v->h, v->w, RN_FULL });
    if (!plan)
        return product(p, v, &a, err);
    if (widens) {
        a.w.at = room;
        a.w.bf16 = 1;
        room += bytes_as_bf16(dw);
    }
    return execute(p, plan, &a, room, err) || (widens && rn_cuda_widen(p, dw.at, a.w.at, rn_cuda_count(dw), v->add, err)) ? -1 : 0;
}

/* ---- which engine, in training ---- */

enum { TRIED = 4, TIMES = 3 }; /* engines, and how often each is timed */

static void describe(char key[static RN_CUDA_KEY], const struct rn_cuda *cuda, const struct shape *v)
{
    static const char *const names[] = { [FORWARD] = "forward", [DX] = "dx", [DW] = "dw" };
    const struct rn_window *w = &v->window;
    const char *type = v->bf16 ? "bf16" : cuda->tf32 ? "tf32" : "fp32";
    snprintf(key, RN_CUDA_KEY, "%s%s %s n%zu c%zu,%zux%zu k%zu,%zux%zu r%zux%zu s%zu d%zu g%zu p%zu,%zu,%zu,%zu", names[v->pass],
             v->add ? "+" : "", type, v->n, v->c, v->h, v->w, v->k, v->p, v->q, w->r, w->s,
             w->stride, w->dilation, w->groups, w->top, w->left, w->bottom, w->right);
}

/* How many of the engines of cuDNN's first list there are for it, up to TRIED. */
static int count_engines(const struct rn_cuda_part *p, struct shape v, size_t *count, struct rn_err *err)
{
    struct rn_cuda_plan *plan;
    for (*count = v.skip = 0; v.skip < TRIED; v.skip = ++*count) {
        if (find(p, &v, &plan, err))
            return -1;
        if (!plan->plan || plan->fallback)
            break;
    }
    return 0;
}

/* *ms: what it takes on numbers that mean nothing; negative: there is no memory for it. */
static int time_engine(struct rn_cuda_part *p, const struct shape *v, struct operands a, cudaEvent_t events[2], float *ms,
                       struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    struct rn_cuda_plan *plan;
    *ms = -1;
    if (find(p, v, &plan, err))
        return -1;
    void *room = plan->workspace ? rn_cuda_workspace(p, plan->workspace, err) : NULL;
    if (plan->workspace && !room) {
        p->rc = 0;
        return p->cuda->failed ? -1 : 0;
    }
    for (int i = 0; i <= TIMES; i++) /* the first one may have to load code */
        if ((i == 1 && rn_cuda_check(p, api->cudaEventRecord(events[0], p->gpu->stream), "an event", err)) ||
            execute(p, plan, &a, room, err))
            return -1;
    return rn_cuda_check(p, api->cudaEventRecord(events[1], p->gpu->stream), "an event", err) || rn_cuda_wait(p, events[1], err) ||
                   rn_cuda_check(p, api->cudaEventElapsedTime(ms, events[0], events[1]), "a time", err) ? -1 : 0;
}

/* *best: the fastest; of equal ones the first. *tried: there was memory to try. */
static int time_engines(struct rn_cuda_part *p, struct shape v, size_t count, size_t *best, bool *tried, struct rn_err *err)
{
    const struct rn_cuda_api *api = &p->cuda->api;
    const enum rn_storage storage = v.bf16 ? RN_BF16 : RN_FULL;
    size_t x = rn_cuda_bytes(v.n, v.c, v.h, v.w, storage), y = rn_cuda_bytes(v.n, v.k, v.p, v.q, storage);
    size_t w = rn_cuda_bytes(v.k, v.c / v.window.groups, v.window.r, v.window.s, storage);
    cudaEvent_t events[2] = { NULL };
    float least = -1;
    char *memory = rn_cuda_trial(p, x + y + w, err);
    if (!memory)
        return p->cuda->failed ? -1 : 0;
    struct operands a = { { .at = memory }, { .at = memory + x + y }, { .at = memory + x } };
    int rc = rn_cuda_check(p, api->cudaMemsetAsync(memory, 0x3c, x + y + w, p->gpu->stream), "filling", err) ||
             rn_cuda_check(p, api->cudaEventCreateWithFlags(&events[0], cudaEventBlockingSync), "an event", err) ||
             rn_cuda_check(p, api->cudaEventCreateWithFlags(&events[1], cudaEventBlockingSync), "an event", err) ? -1 : 0;
    for (v.skip = 0; v.skip < count && rc == 0; v.skip++) {
        float ms;
        rc = time_engine(p, &v, a, events, &ms, err);
        if (rc || ms < 0 || (least >= 0 && ms >= least))
            continue;
        least = ms;
        *best = v.skip;
    }
    for (int i = 0; i < 2 && !p->cuda->failed; i++)
        if (events[i])
            api->cudaEventDestroy(events[i]);
    if (!p->cuda->failed)
        rn_cuda_trial_free(p);
    *tried = least >= 0;
    return rc;
}

/* v->skip, for training: what is known, or what is the fastest here and now. A product of matrices has no engines of cuDNN's. */
static int choose_engine(struct rn_cuda_part *p, struct shape *v, struct rn_err *err)
{
    char key[RN_CUDA_KEY];
    bool known, tried = false;
    size_t count = 0, best = 0;
    struct rn_cuda_plan *plan;
    struct shape of = *v;
    if (pointwise(v))
        return 0;
    of.add = v->add && !(v->pass == DW && v->bf16); /* as compute has it */
    describe(key, p->cuda, &of);
    if (rn_cuda_engine_known(p->cuda, key, &known, &v->skip, err))
        return -1;
    of.skip = v->skip;
    if (known && v->skip && find(p, &of, &plan, err))
        return -1;
    if (known && v->skip && !plan->plan) /* who wrote that? */
        v->skip = 0;
    if (known || p->cuda->first_engines)
        return 0;
    if (count_engines(p, of, &count, err) || (count > 1 && time_engines(p, of, count, &best, &tried, err)))
        return -1;
    v->skip = best;
    return rn_cuda_engine_keep(p->cuda, key, best, tried, err);
}

static int compute_in_training(struct rn_cuda_part *p, struct shape *v, struct operands a, struct rn_err *err)
{
    return choose_engine(p, v, err) || compute(p, v, a, err) ? -1 : 0;
}

/* ---- the operator ---- */

static struct shape shape_of(const struct rn_cuda_part *p, struct operands a, struct rn_window window, enum pass pass, bool add)
{
    return (struct shape){ p->gpu, p->n, a.x.c, a.x.h, a.x.w, a.y.c, a.y.h, a.y.w, window, pass, a.x.bf16, add, 0 };
}


static size_t bytes_of(struct map a, size_t n)
{
    return rn_cuda_bytes(n, a.c, a.h, a.w, a.bf16 ? RN_BF16 : RN_FULL);
}

/* layer->few, and with which engine, from the same images among many and by themselves. Where memory is short the answer is no. */
static int try_few(struct rn_cuda_part *p, struct rn_cuda_layer *layer, struct operands a, struct rn_err *err)
{
    struct shape many = layer->shape, few = many;
    struct operands b = a;
    few.n = p->cuda->few;
    if (far(a.x, few.n) % ALIGNMENT || far(a.y, few.n) % ALIGNMENT) /* an engine would not take the next ones */
        return 0;
    char *memory = rn_cuda_trial(p, bytes_of(a.x, many.n) + bytes_of(a.y, many.n) + bytes_of(a.y, few.n), err);
    if (!memory)
        return p->cuda->failed ? -1 : 0;
    a.x.n = a.y.n = rn_cuda_dim(many.n);
    b.x.n = b.y.n = rn_cuda_dim(few.n);
    a.x.at = b.x.at = memory;
    a.y.at = memory + bytes_of(a.x, many.n);
    b.y.at = (char *)a.y.at + bytes_of(a.y, many.n);
    if (rn_cuda_trial_fill(p, a.x, few.n, err) || compute(p, &many, a, err))
        return -1;
    for (; few.skip < (pointwise(&few) ? 1 : TRIED) && !layer->few; few.skip++) {
        struct rn_cuda_plan *plan = NULL;
        if (!pointwise(&few) && find(p, &few, &plan, err))
            return -1;
        if (plan && !plan->plan)
            return 0;
        if (compute(p, &few, b, err) || rn_cuda_trial_same(p, &layer->few, a.y, b.y, err))
            return -1;
        layer->skip = few.skip;
    }
    return 0;
}

static int find_layer(struct rn_cuda_part *p, const struct shape *v, struct operands a, const struct rn_cuda_layer **result,
                      struct rn_err *err)
{
    struct rn_cuda *cuda = p->cuda;
    for (size_t i = 0; i < cuda->layers; i++) {
        size_t at = (cuda->layer_at + 1 + i) % cuda->layers;
        if (cuda->layer[at].y_bf16 == (bool)a.y.bf16 && memcmp(&cuda->layer[at].shape, v, sizeof *v) == 0) {
            cuda->layer_at = at;
            *result = &cuda->layer[at];
            return 0;
        }
    }
    struct rn_cuda_layer layer = { .shape = *v, .y_bf16 = a.y.bf16 };
    if (try_few(p, &layer, a, err) || rn_grow(&cuda->layer, &cuda->layer_capacity, cuda->layers + 1, sizeof layer, err))
        return -1;
    cuda->layer_at = cuda->layers++;
    cuda->layer[cuda->layer_at] = layer;
    *result = &cuda->layer[cuda->layer_at];
    return 0;
}

/* Images from the first on, `together` at a time; the last ones in fews, if there are not so many of them. */
static int evaluate(struct rn_cuda_part *p, struct shape v, struct operands a, struct rn_err *err)
{
    const struct rn_cuda_layer *layer;
    struct shape many = v;
    many.n = p->cuda->together;
    if (find_layer(p, &many, a, &layer, err))
        return -1;
    struct shape few = many;
    few.n = p->cuda->few;
    few.skip = layer->skip;
    bool by_few = layer->few;
    int rc = 0;
    for (size_t i = 0, n; i < p->n && rc == 0; i += n) {
        const struct shape *part = by_few && 2 * (p->n - i) <= many.n ? &few : &many;
        n = part->n;
        rc = compute(p, part, (struct operands){ behind(a.x, i, n), a.w, behind(a.y, i, n) }, err);
    }
    return rc;
}

static int start_epilogue(const struct rn_cuda_part *p, struct epilogue *v, struct rn_array y, struct rn_err *err)
{
    bool wide = rn_cuda_wide(v->y, v->y) && rn_cuda_wide(v->y, v->residual);
    size_t c = wide ? y.c / 4 : y.c;
    v->lanes = rn_cuda_lanes(c);
    struct rn_cuda_grid grid = rn_cuda_tiles(c, (size_t)v->y.n * y.h * y.w, 4, 1 << 14);
    return rn_cuda_launch(p, wide ? RN_CUDA_epilogue_wide : RN_CUDA_epilogue, grid, v, y, err);
}

int rn_cuda_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    if (rn_check_conv2d(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct operands a = { rn_cuda_cut(&p, op->x), rn_cuda_whole(&p, op->w), rn_cuda_cut(&p, op->y) };
        struct shape v = shape_of(&p, a, op->window, FORWARD, false);
        struct epilogue after = { a.y, rn_cuda_cut(&p, op->residual), rn_cuda_at(&p, op->bias.data), op->activation };
        if (!p.n)
            continue;
        p.rc = op->eval ? evaluate(&p, v, a, err) : compute_in_training(&p, &v, a, err);
        if (p.rc == 0 && (after.bias || after.residual.at || after.activation))
            p.rc = start_epilogue(&p, &after, op->y, err);
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

int rn_cuda_conv2d_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    unsigned add_dw = op->add & RN_ADD_DW;
    if (rn_check_conv2d_backward(op, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(dev, op->x.n);
    while (rn_cuda_next(&p, err)) {
        struct operands to_x = { rn_cuda_cut(&p, op->dx), rn_cuda_whole(&p, op->w), rn_cuda_cut(&p, op->dy) };
        struct operands to_w = { rn_cuda_cut(&p, op->x), rn_cuda_whole(&p, op->dw), to_x.y };
        struct shape of_w = shape_of(&p, to_w, op->window, DW, add_dw), of_x = of_w;
        of_x.pass = DX;
        of_x.add = op->add & RN_ADD_DX;
        if (!p.n) {
            p.rc = rn_cuda_idle(&p, op->dw, add_dw, err) || rn_cuda_idle(&p, op->dbias, add_dw, err) ? -1 : 0;
            continue;
        }
        if ((op->dx.data && compute_in_training(&p, &of_x, to_x, err)) ||
            (op->dw.data && compute_in_training(&p, &of_w, to_w, err)))
            p.rc = -1;
        else if (op->dbias.data)
            p.rc = bias_backward(&p, op->dbias, op->dy, op->add, err);
    }
    return p.rc;
}

#endif
