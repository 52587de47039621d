/* double-cublas.c -- libcublas.so.13's double. Matrices are column-major, with honest leading dimensions; beta 0 does not read
 * c. float32 (as it is, or rounded to TF32) or bfloat16; sums are float64, rounded to float32 and then to what c is. */
#include <cublas_v2.h>
#include <stdint.h>
#include <stdlib.h>

#include "double-number.h"
#include "double.h"

struct cublasContext {
    cudaStream_t stream;
    void *workspace;
    size_t workspace_bytes;
    bool tf32, float_sums; /* as the math mode says: TF32; no reductions in the narrower type of the inputs */
};

#define MAY_FAIL(error) \
    do { \
        if (double_fails(__func__)) \
            return error; \
    } while (0)

cublasStatus_t cublasCreate_v2(cublasHandle_t *handle)
{
    MAY_FAIL(CUBLAS_STATUS_NOT_INITIALIZED);
    *handle = calloc(1, sizeof **handle);
    double_count(DOUBLE_BLAS, 1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasDestroy_v2(cublasHandle_t handle)
{
    free(handle);
    double_count(DOUBLE_BLAS, -1);
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream)
{
    MAY_FAIL(CUBLAS_STATUS_NOT_INITIALIZED);
    if (double_gpu(stream) != double_current_gpu())
        double_defect("cublasSetStream: the stream is another GPU's than the current one");
    handle->stream = stream;
    handle->workspace = NULL; /* as the real one: back to its own */
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetWorkspace_v2(cublasHandle_t handle, void *workspace, size_t bytes)
{
    MAY_FAIL(CUBLAS_STATUS_INVALID_VALUE);
    double_need(handle->stream, workspace, bytes, "cublasSetWorkspace");
    if ((uintptr_t)workspace % 256)
        return CUBLAS_STATUS_INVALID_VALUE;
    handle->workspace = workspace;
    handle->workspace_bytes = bytes;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasSetMathMode(cublasHandle_t handle, cublasMath_t mode)
{
    MAY_FAIL(CUBLAS_STATUS_INVALID_VALUE);
    handle->float_sums = mode & CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION;
    handle->tf32 = (mode & 15) == CUBLAS_TF32_TENSOR_OP_MATH;
    return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasGetVersion_v2(cublasHandle_t handle, int *version)
{
    MAY_FAIL(CUBLAS_STATUS_NOT_INITIALIZED);
    (void)handle;
    *version = CUBLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_INITIALIZED ? "the library was not initialized"
           : status == CUBLAS_STATUS_NOT_SUPPORTED ? "the functionality is not supported"
           : status                                ? "an error of the double"
                                                   : "success";
}

enum number { FLOAT32, TF32, BFLOAT16 };

struct product {
    bool ta, tb;
    int m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const void *a, *b;
    void *c;
    enum number in, out;
};

static size_t bytes_of(enum number type)
{
    return type == BFLOAT16 ? sizeof(uint16_t) : sizeof(float);
}

static float load(const void *from, size_t at, enum number type)
{
    if (type == BFLOAT16)
        return number_of_bf16(((const uint16_t *)from)[at]);
    float number = ((const float *)from)[at];
    return type == TF32 ? number_to_tf32(number) : number;
}

/* A row of op(a), or a column of op(b), side by side in float64. */
static void gather(double *to, const void *from, size_t first, int count, size_t stride, enum number type)
{
    for (int l = 0; l < count; l++)
        to[l] = (double)load(from, first + (size_t)l * stride, type);
}

static double dot(const double *a, const double *b, int count)
{
    double lane[8] = { 0 }, sum = 0;
    int l = 0;
    for (; l + 8 <= count; l += 8)
        for (int i = 0; i < 8; i++)
            lane[i] += a[l + i] * b[l + i];
    for (; l < count; l++)
        sum += a[l] * b[l];
    for (int i = 0; i < 8; i++)
        sum += lane[i];
    return sum;
}

static void store(const struct product *p, size_t at, double sum)
{
    sum *= (double)p->alpha;
    if (p->beta != 0)
        sum += (double)p->beta * (double)load(p->c, at, p->out);
    if (p->out == BFLOAT16)
        ((uint16_t *)p->c)[at] = number_to_bf16((float)sum);
    else
        ((float *)p->c)[at] = (float)sum;
}

static void run_product(void *args)
{
    const struct product *p = args;
    if (!double_computes())
        return;
    double *rows = malloc(((size_t)p->m * (size_t)p->k + 1) * sizeof *rows), *column = malloc(((size_t)p->k + 1) * sizeof *column);
    if (!rows || !column)
        double_defect("a product of matrices: no memory");
    for (int i = 0; i < p->m; i++)
        gather(rows + (size_t)i * (size_t)p->k, p->a, (size_t)i * (p->ta ? (size_t)p->lda : 1), p->k, p->ta ? 1 : (size_t)p->lda,
               p->in);
    for (int j = 0; j < p->n; j++) {
        gather(column, p->b, (size_t)j * (p->tb ? 1 : (size_t)p->ldb), p->k, p->tb ? (size_t)p->ldb : 1, p->in);
        for (int i = 0; i < p->m; i++)
            store(p, (size_t)j * (size_t)p->ldc + (size_t)i, dot(rows + (size_t)i * (size_t)p->k, column, p->k));
    }
    free(rows);
    free(column);
}

/* Which numbers these are; false: the combination is none of ours. */
static bool numbers_of(struct product *p, cudaDataType a, cudaDataType b, cudaDataType c, cublasComputeType_t compute, bool tf32)
{
    bool fast = compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    if (a != b || (compute != CUBLAS_COMPUTE_32F && !fast))
        return false;
    p->in = a == CUDA_R_16BF ? BFLOAT16 : fast || tf32 ? TF32 : FLOAT32;
    p->out = c == CUDA_R_16BF ? BFLOAT16 : FLOAT32;
    return a == CUDA_R_16BF ? !fast && (c == CUDA_R_16BF || c == CUDA_R_32F) : a == CUDA_R_32F && c == CUDA_R_32F;
}

/* That a matrix of these columns lies there, from its first to its last element. */
static void need(cudaStream_t stream, const void *memory, int rows, int columns, int leading, enum number type, const char *what)
{
    size_t bytes = bytes_of(type), count = rows && columns ? (size_t)(columns - 1) * (size_t)leading + (size_t)rows : 0;
    if ((uintptr_t)memory % bytes)
        double_defect("%s: %p, where its numbers have %zu bytes", what, memory, bytes);
    double_need(stream, memory, count * bytes, what);
}

cublasStatus_t cublasGemmEx(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k,
                            const void *alpha,
                            const void *a, cudaDataType a_type, int lda, const void *b, cudaDataType b_type, int ldb,
                            const void *beta,
                            void *c, cudaDataType c_type, int ldc, cublasComputeType_t compute, cublasGemmAlgo_t algo)
{
    MAY_FAIL(CUBLAS_STATUS_EXECUTION_FAILED);
    bool at = ta != CUBLAS_OP_N, bt = tb != CUBLAS_OP_N;
    if (!handle || !handle->stream)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!handle->workspace)
        double_defect("cublasGemmEx: without a workspace of ours its sums may depend on what else runs");
    if (a_type == CUDA_R_16BF && !handle->float_sums)
        double_defect("cublasGemmEx: its math mode allows sums of reduced precision");
    if (double_gpu(handle->stream) != double_current_gpu())
        double_defect("cublasGemmEx: the stream is another GPU's than the current one");
    struct product p = { at, bt, m, n, k, lda, ldb, ldc, *(const float *)alpha, *(const float *)beta, a, b, c, FLOAT32, FLOAT32 };
    if (!numbers_of(&p, a_type, b_type, c_type, compute, handle->tf32) || algo != CUBLAS_GEMM_DEFAULT)
        return CUBLAS_STATUS_NOT_SUPPORTED;
    if (m < 0 || n < 0 || k < 0 || lda < (at ? k : m) || ldb < (bt ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!m || !n)
        return CUBLAS_STATUS_SUCCESS;
    need(handle->stream, a, at ? k : m, at ? m : k, lda, p.in, "cublasGemmEx: a");
    need(handle->stream, b, bt ? n : k, bt ? k : n, ldb, p.in, "cublasGemmEx: b");
    need(handle->stream, c, m, n, ldc, p.out, "cublasGemmEx: c");
    double_enqueue(handle->stream, "cublasGemmEx", run_product, &p, sizeof p);
    return CUBLAS_STATUS_SUCCESS;
}
