/* double-cublas.c -- libcublas.so.13's double. Matrices are column-major, with honest leading dimensions; beta 0 does not read
 * c. Sums are float64, rounded once. */
#include <cublas_v2.h>
#include <stdint.h>
#include <stdlib.h>

#include "double.h"

struct cublasContext {
    cudaStream_t stream;
    void *workspace;
    size_t workspace_bytes;
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
    (void)handle;
    (void)mode;
    return CUBLAS_STATUS_SUCCESS;
}

const char *cublasGetStatusString(cublasStatus_t status)
{
    return status == CUBLAS_STATUS_NOT_INITIALIZED ? "the library was not initialized" : status ? "an error of the double" : "success";
}

struct product {
    bool ta, tb;
    int m, n, k, lda, ldb, ldc;
    float alpha, beta;
    const float *a, *b;
    float *c;
};

/* A row of op(a), or a column of op(b), side by side in float64. */
static void gather(double *to, const float *from, int count, size_t stride)
{
    for (int l = 0; l < count; l++)
        to[l] = (double)from[(size_t)l * stride];
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

static void run_product(void *args)
{
    const struct product *p = args;
    double *rows = malloc(((size_t)p->m * (size_t)p->k + 1) * sizeof *rows), *column = malloc(((size_t)p->k + 1) * sizeof *column);
    for (int i = 0; i < p->m; i++)
        gather(rows + (size_t)i * (size_t)p->k, p->a + (size_t)i * (p->ta ? (size_t)p->lda : 1), p->k, p->ta ? 1 : (size_t)p->lda);
    for (int j = 0; j < p->n; j++) {
        gather(column, p->b + (p->tb ? (size_t)j : (size_t)j * (size_t)p->ldb), p->k, p->tb ? (size_t)p->ldb : 1);
        for (int i = 0; i < p->m; i++) {
            float *c = &p->c[(size_t)j * (size_t)p->ldc + (size_t)i];
            double sum = (double)p->alpha * dot(rows + (size_t)i * (size_t)p->k, column, p->k);
            *c = (float)(p->beta == 0 ? sum : sum + (double)p->beta * (double)*c);
        }
    }
    free(rows);
    free(column);
}

/* Bytes from the first to the last element of a matrix of these columns. */
static size_t span(int rows, int columns, int leading)
{
    return rows && columns ? ((size_t)(columns - 1) * (size_t)leading + (size_t)rows) * sizeof(float) : 0;
}

cublasStatus_t cublasSgemm_v2(cublasHandle_t handle, cublasOperation_t ta, cublasOperation_t tb, int m, int n, int k, const float *alpha,
                              const float *a, int lda, const float *b, int ldb, const float *beta, float *c, int ldc)
{
    MAY_FAIL(CUBLAS_STATUS_EXECUTION_FAILED);
    bool at = ta != CUBLAS_OP_N, bt = tb != CUBLAS_OP_N;
    if (!handle || !handle->stream)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    if (!handle->workspace)
        double_defect("cublasSgemm: without a workspace of ours its sums may depend on what else runs");
    if (double_gpu(handle->stream) != double_current_gpu())
        double_defect("cublasSgemm: the stream is another GPU's than the current one");
    if (m < 0 || n < 0 || k < 0 || lda < (at ? k : m) || ldb < (bt ? n : k) || ldc < m || lda < 1 || ldb < 1 || ldc < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    if (!m || !n)
        return CUBLAS_STATUS_SUCCESS;
    double_need(handle->stream, a, at ? span(k, m, lda) : span(m, k, lda), "cublasSgemm: a");
    double_need(handle->stream, b, bt ? span(n, k, ldb) : span(k, n, ldb), "cublasSgemm: b");
    double_need(handle->stream, c, span(m, n, ldc), "cublasSgemm: c");
    double_enqueue(handle->stream, "cublasSgemm", run_product,
                   &(struct product){ at, bt, m, n, k, lda, ldb, ldc, *alpha, *beta, a, b, c }, sizeof(struct product));
    return CUBLAS_STATUS_SUCCESS;
}
