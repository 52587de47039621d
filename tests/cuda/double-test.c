/* double-test.c -- the doubles of cuDNN and cuBLAS themselves, without the device: the three passes of a convolution and products
 * of matrices against plain loops, in each type of numbers; and mistakes, which must be refused or be defects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <cublas_v2.h>
#include <cuda_runtime_api.h>
#include <cudnn.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { N = 2, C = 5, H = 7, W = 6, K = 3, R = 3, S = 3, STRIDE = 2, PADDING = 1, P = 4, Q = 3 };
enum { IN = N * H * W * C, WEIGHTS = K * R * S * C, OUT = N * P * Q * K };
enum { WORKSPACE = 1 << 16 };
typedef cudnnBackendDescriptor_t descriptor;

static cudaStream_t stream;
static cudnnHandle_t handle;

static int open_all(void **state)
{
    (void)state;
    return cudaSetDevice(0) || cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) || cudnnCreate(&handle) ||
           cudnnSetStream(handle, stream);
}

static int close_all(void **state)
{
    (void)state;
    return cudnnDestroy(handle) || cudaStreamDestroy(stream);
}

/* ---- numbers ---- */

static float number_at(const void *at, size_t i, bool bf16)
{
    if (!bf16)
        return ((const float *)at)[i];
    uint32_t bits = (uint32_t)((const uint16_t *)at)[i] << 16;
    float number;
    memcpy(&number, &bits, sizeof number);
    return number;
}

/* Multiples of 1/8, which bfloat16 has too; or with more digits than TF32 has. */
static void *numbers(int count, unsigned seed, bool bf16, bool fine)
{
    char *all = calloc((size_t)count, sizeof(float));
    for (int i = 0; i < count; i++) {
        seed = seed * 1664525 + 1013904223;
        float number = (float)(int)(seed >> 24) / 8 - 16 + (fine ? (float)(seed >> 8 & 0xffff) / (1 << 20) : 0);
        uint32_t bits;
        memcpy(&bits, &number, sizeof bits);
        uint16_t half = (uint16_t)(bits >> 16);
        memcpy(all + (size_t)i * (bf16 ? 2 : 4), bf16 ? (void *)&half : (void *)&number, bf16 ? 2 : 4);
    }
    return all;
}

/* Host memory that the copies may use. */
static void *pinned(size_t bytes)
{
    void *at;
    assert_int_equal(cudaMallocHost(&at, bytes), cudaSuccess);
    return at;
}

static void *upload(const void *from, size_t bytes)
{
    void *at;
    assert_int_equal(cudaMalloc(&at, bytes), cudaSuccess);
    if (!from)
        return at;
    void *between = pinned(bytes);
    memcpy(between, from, bytes);
    assert_int_equal(cudaMemcpyAsync(at, between, bytes, cudaMemcpyHostToDevice, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    assert_int_equal(cudaFreeHost(between), cudaSuccess);
    return at;
}

static void download(void *to, void *at, size_t bytes)
{
    void *between = pinned(bytes);
    assert_int_equal(cudaMemcpyAsync(between, at, bytes, cudaMemcpyDeviceToHost, stream), cudaSuccess);
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    memcpy(to, between, bytes);
    assert_int_equal(cudaFreeHost(between), cudaSuccess);
    assert_int_equal(cudaFree(at), cudaSuccess);
}

/* ---- a convolution of cuDNN's, and what may be wrong with it ---- */

enum mistake {
    NONE, NO_TYPE, NO_ID, NO_PADDING, NO_ALPHA, WRONG_ATTRIBUTE, WRONG_COUNT, SET_AFTER, NOT_FINAL, NCHW, OVERLAP, WRONG_P, WRONG_K,
        WRONG_N,
    SAME_ID, TRUE_CONVOLUTION, BF16_SUMS, MIXED, HALF, /* refused */
    FIRST_ENGINE, SMALL_WORKSPACE, UNALIGNED, SHORT_X, HOST_MEMORY, MISSING_ID /* defects */
};

struct setup {
    int pass;
    bool bf16, tf32, fallback;
    enum mistake mistake;
    float alpha, beta;
    cudnnStatus_t status; /* the first that is not success */
    descriptor made[64];
    int count;
};

static void did(struct setup *s, cudnnStatus_t status)
{
    if (!s->status)
        s->status = status;
}

static descriptor make(struct setup *s, cudnnBackendDescriptorType_t kind)
{
    did(s, cudnnBackendCreateDescriptor(kind, &s->made[s->count]));
    return s->made[s->count++];
}

static void set(struct setup *s, descriptor d, int name, int type, int64_t count, const void *elements)
{
    did(s, cudnnBackendSetAttribute(d, (cudnnBackendAttributeName_t)name, (cudnnBackendAttributeType_t)type, count, elements));
}

static descriptor tensor(struct setup *s, int64_t id, int64_t n, int64_t c, int64_t h, int64_t w)
{
    descriptor d = make(s, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    cudnnDataType_t type = s->bf16 ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    bool x = id == 'x';
    if (id == 'w' && s->mistake == MIXED)
        type = s->bf16 ? CUDNN_DATA_FLOAT : CUDNN_DATA_BFLOAT16;
    if (x && s->mistake == HALF)
        type = CUDNN_DATA_HALF;
    if (s->mistake == SAME_ID)
        id = 'x';
    int64_t sizes[] = { n, c, h, w }, strides[] = { c * h * w, 1, w * c, c }, planes[] = { c * h * w, h * w, w, 1 }, alignment = 16;
    planes[0] -= x && s->mistake == OVERLAP ? 1 : 0;
    if (!x || s->mistake != NO_TYPE)
        set(s, d, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &type);
    set(s, d, CUDNN_ATTR_TENSOR_DIMENSIONS, x && s->mistake == WRONG_ATTRIBUTE ? CUDNN_TYPE_FLOAT : CUDNN_TYPE_INT64,
        x && s->mistake == WRONG_COUNT ? 3 : 4, sizes);
    set(s, d, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4,
        x && (s->mistake == NCHW || s->mistake == OVERLAP) ? planes : strides);
    if (!x || s->mistake != NO_ID)
        set(s, d, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &id);
    set(s, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    if (!x || s->mistake != NOT_FINAL)
        did(s, cudnnBackendFinalize(d));
    if (x && s->mistake == SET_AFTER)
        set(s, d, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, &alignment);
    return d;
}

static descriptor convolution(struct setup *s)
{
    descriptor d = make(s, CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    const int64_t dimensions = 2, padding[] = { PADDING, PADDING }, stride[] = { STRIDE, STRIDE }, dilation[] = { 1, 1 };
    cudnnDataType_t sums = s->mistake == BF16_SUMS ? CUDNN_DATA_BFLOAT16 : CUDNN_DATA_FLOAT;
    cudnnConvolutionMode_t mode = s->mistake == TRUE_CONVOLUTION ? CUDNN_CONVOLUTION : CUDNN_CROSS_CORRELATION;
    set(s, d, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, &sums);
    set(s, d, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, &mode);
    set(s, d, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, &dimensions);
    set(s, d, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
    if (s->mistake != NO_PADDING)
        set(s, d, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, padding);
    set(s, d, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, stride);
    set(s, d, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, dilation);
    did(s, cudnnBackendFinalize(d));
    return d;
}

#define NAMES(name, x, w, y) \
    { CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_CONV_DESC, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##x, \
      CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##w, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##y, \
      CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_ALPHA, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_BETA }
static const int names[3][6] = { NAMES(FORWARD, X, W, Y), NAMES(BWD_DATA, DX, W, DY), NAMES(BWD_FILTER, X, DW, DY) };

static descriptor graph(struct setup *s)
{
    static const cudnnBackendDescriptorType_t kinds[] = { CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
                                                          CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
                                                          CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR };
    const int *name = names[s->pass];
    descriptor parts[] = { convolution(s), tensor(s, 'x', N, C, H, W), tensor(s, 'w', K, C, R, S),
                           tensor(s, 'y', N + (s->mistake == WRONG_N), K + (s->mistake == WRONG_K), P + (s->mistake == WRONG_P),
                                  Q) };
    descriptor op = make(s, kinds[s->pass]), d = make(s, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    for (int i = 0; i < 4; i++)
        set(s, op, name[i], CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &parts[i]);
    if (s->mistake != NO_ALPHA)
        set(s, op, name[4], CUDNN_TYPE_FLOAT, 1, &s->alpha);
    set(s, op, name[5], CUDNN_TYPE_FLOAT, 1, &s->beta);
    did(s, cudnnBackendFinalize(op));
    set(s, d, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &op);
    set(s, d, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    did(s, cudnnBackendFinalize(d));
    return d;
}

/* Whether this engine is one to use. */
static bool serves(struct setup *s, descriptor config)
{
    descriptor engine = make(s, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    cudnnBackendNumericalNote_t notes[8];
    int64_t count = 0;
    did(s, cudnnBackendGetAttribute(config, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &engine));
    did(s, cudnnBackendGetAttribute(engine, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE, 8, &count, notes));
    bool deterministic = true, tensor_core = false;
    for (int64_t i = 0; i < count; i++) {
        deterministic = deterministic && notes[i] != CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
        tensor_core = tensor_core || notes[i] == CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    }
    return s->mistake == FIRST_ENGINE || (deterministic && (s->bf16 || s->tf32 || !tensor_core));
}

/* NULL: s->status says why. */
static descriptor plan(struct setup *s)
{
    descriptor g = graph(s), heuristics = make(s, CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR), configs[8];
    cudnnBackendHeurMode_t mode = s->fallback ? CUDNN_HEUR_MODE_FALLBACK : CUDNN_HEUR_MODE_A;
    int64_t count = 0;
    if (s->status)
        return NULL;
    set(s, heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &g);
    set(s, heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, &mode);
    did(s, cudnnBackendFinalize(heuristics));
    for (int i = 0; i < 8; i++)
        configs[i] = make(s, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    did(s, cudnnBackendGetAttribute(heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 8, &count, configs));
    cudnnStatus_t last = CUDNN_STATUS_NOT_SUPPORTED;
    for (int64_t i = 0; i < count && !s->status; i++) {
        if (!serves(s, configs[i]))
            continue;
        descriptor d = make(s, CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
        set(s, d, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
        set(s, d, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &configs[i]);
        if (!(last = cudnnBackendFinalize(d)))
            return d;
    }
    did(s, last);
    return NULL;
}

static void execute(struct setup *s, descriptor d, void *x, void *w, void *y)
{
    int64_t ids[] = { 'x', 'w', s->mistake == MISSING_ID ? 'z' : 'y' }, bytes = 0, count = 0;
    did(s, cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes));
    assert_true(bytes >= WORKSPACE);
    void *zeros = calloc(1, (size_t)bytes), *workspace = upload(zeros, (size_t)bytes - (s->mistake == SMALL_WORKSPACE)),
         *data[] = { s->mistake == HOST_MEMORY ? (void *)&ids : (char *)x + (s->mistake == UNALIGNED ? 4 : 0), w, y };
    free(zeros);
    descriptor pack = make(s, CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(s, pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, data);
    set(s, pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, ids);
    set(s, pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    did(s, cudnnBackendFinalize(pack));
    did(s, cudnnBackendExecute(handle, d, pack));
    assert_int_equal(cudaStreamSynchronize(stream), cudaSuccess);
    uint32_t *left = malloc((size_t)bytes);
    download(left, workspace, (size_t)bytes);
    for (int64_t i = 0; i < bytes / 4; i++)
        assert_int_equal(left[i], UINT32_MAX);
    free(left);
}

static void end(struct setup *s)
{
    while (s->count)
        if (s->made[--s->count])
            assert_int_equal(cudnnBackendDestroyDescriptor(s->made[s->count]), CUDNN_STATUS_SUCCESS);
}

/* ---- sound convolutions ---- */

/* The plain loop: adds to `sum`, of the output's size. */
static void expected(const struct setup *s, const float *x, const float *w, const float *y, double *sum)
{
    for (int at = 0; at < OUT * R * S * C; at++) {
        int c = at % C, t = at / C % S, r = at / C / S % R, k = at / C / S / R % K, q = at / C / S / R / K % Q,
            p = at / C / S / R / K / Q % P,
            n = at / C / S / R / K / Q / P, h = p * STRIDE - PADDING + r, v = q * STRIDE - PADDING + t;
        if (h < 0 || v < 0 || h >= H || v >= W)
            continue;
        int i = ((n * H + h) * W + v) * C + c, j = ((k * R + r) * S + t) * C + c, l = ((n * P + p) * Q + q) * K + k;
        if (s->pass == 0)
            sum[l] += (double)x[i] * (double)w[j];
        else if (s->pass == 1)
            sum[i] += (double)y[l] * (double)w[j];
        else
            sum[j] += (double)x[i] * (double)y[l];
    }
}

static void sound(struct setup s, bool fine)
{
    static const int counts[] = { IN, WEIGHTS, OUT }, outputs[] = { 2, 0, 1 };
    int to = outputs[s.pass];
    size_t bytes = s.bf16 ? 2 : 4;
    void *host[3], *at[3];
    float *plain[3];
    for (unsigned i = 0; i < 3; i++) {
        host[i] = numbers(counts[i], i + 1, s.bf16, fine);
        plain[i] = malloc((size_t)counts[i] * sizeof(float));
        for (int j = 0; j < counts[i]; j++)
            plain[i][j] = number_at(host[i], (size_t)j, s.bf16);
        /* what is overwritten is NaN before */
        at[i] = upload((int)i == to && s.beta == 0 ? NULL : host[i], (size_t)counts[i] * bytes);
    }
    double *sum = calloc(IN + WEIGHTS + OUT, sizeof *sum);
    expected(&s, plain[0], plain[1], plain[2], sum);
    descriptor d = plan(&s);
    assert_int_equal(s.status, CUDNN_STATUS_SUCCESS);
    execute(&s, d, at[0], at[1], at[2]);
    assert_int_equal(s.status, CUDNN_STATUS_SUCCESS);
    end(&s);
    double off = 0, largest = 0;
    for (int i = 0; i < 3; i++)
        download(host[i], at[i], (size_t)counts[i] * bytes);
    for (int i = 0; i < counts[to]; i++) {
        double want = (double)s.alpha * sum[i] + (s.beta == 0 ? 0 : (double)s.beta * (double)plain[to][i]);
        double got = (double)number_at(host[to], (size_t)i, s.bf16), difference = fabs(got - want);
        double most = s.bf16 ? fabs(want) / 256 : s.tf32 ? 4 : 1e-6 * fabs(want) + 1e-4;
        if (!(difference <= most))
            fail_msg("pass %d, %s, element %d: %.9g, not %.9g", s.pass, s.bf16 ? "bfloat16" : "float32", i, got, want);
        off = fmax(off, difference);
        largest = fmax(largest, fabs(want));
    }
    if (fine && s.tf32 && !(off > 1e-5 * largest))
        fail_msg("pass %d: TF32 is as exact as float32 (%g of %g)", s.pass, off, largest);
    for (int i = 0; i < 3; i++) {
        free(host[i]);
        free(plain[i]);
    }
    free(sum);
}

static void convolutions(void **state)
{
    (void)state;
    for (int pass = 0; pass < 3; pass++)
        for (int way = 0; way < 4; way++) {
            struct setup s = { .pass = pass, .bf16 = way & 1, .fallback = way & 2, .alpha = 1 }, add = s;
            sound(s, false);
            add.alpha = 0.5f;
            add.beta = 2;
            sound(add, false);
        }
}

static void tf32_is_coarse(void **state)
{
    (void)state;
    for (int pass = 0; pass < 3; pass++) {
        sound((struct setup){ .pass = pass, .tf32 = true, .alpha = 1 }, true);
        sound((struct setup){ .pass = pass, .alpha = 1 }, true);
    }
}

/* ---- mistakes ---- */

static void refused(void **state)
{
    (void)state;
    static const struct { enum mistake mistake; cudnnStatus_t least; const char *what; } cases[] = {
        { NO_TYPE, CUDNN_STATUS_BAD_PARAM, "a tensor without a type" },
        { NO_ID, CUDNN_STATUS_BAD_PARAM, "a tensor without an id" },
        { NO_PADDING, CUDNN_STATUS_BAD_PARAM, "a convolution without a padding" },
        { NO_ALPHA, CUDNN_STATUS_BAD_PARAM, "an operation without alpha" },
        { WRONG_ATTRIBUTE, CUDNN_STATUS_BAD_PARAM, "an attribute of another type" },
        { WRONG_COUNT, CUDNN_STATUS_BAD_PARAM, "three dimensions" },
        { SET_AFTER, CUDNN_STATUS_BAD_PARAM, "a change after the end" },
        { NOT_FINAL, CUDNN_STATUS_BAD_PARAM, "a part that is not final" },
        { NCHW, CUDNN_STATUS_NOT_SUPPORTED, "planes" },
        { OVERLAP, CUDNN_STATUS_NOT_SUPPORTED, "images that overlap" },
        { WRONG_P, CUDNN_STATUS_BAD_PARAM, "an output too high" },
        { WRONG_K, CUDNN_STATUS_BAD_PARAM, "another number of kernels" },
        { WRONG_N, CUDNN_STATUS_BAD_PARAM, "another number of images" },
        { SAME_ID, CUDNN_STATUS_BAD_PARAM, "one id for all" },
        { TRUE_CONVOLUTION, CUDNN_STATUS_NOT_SUPPORTED, "mirrored kernels" },
        { BF16_SUMS, CUDNN_STATUS_NOT_SUPPORTED, "sums in bfloat16" },
        { MIXED, CUDNN_STATUS_NOT_SUPPORTED, "weights of another type" },
        { HALF, CUDNN_STATUS_NOT_SUPPORTED, "float16" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int way = 0; way < 6; way++) {
            struct setup s = { .pass = way % 3, .bf16 = way / 3, .alpha = 1, .mistake = cases[i].mistake };
            descriptor d = plan(&s);
            if (d || s.status / 1000 != cases[i].least / 1000)
                fail_msg("%s, pass %d: status %d, not of %d", cases[i].what, s.pass, (int)s.status, (int)cases[i].least);
            end(&s);
        }
}

/* In a process of its own, which must be ended by a defect that says this. */
static void defect(enum mistake mistake, int pass, const char *says)
{
    int ends[2], status;
    char text[1024] = "";
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        dup2(ends[1], 2);
        signal(SIGABRT, SIG_DFL);
        struct setup s = { .pass = pass, .alpha = 1, .mistake = mistake };
        descriptor d = plan(&s);
        void *x = upload(NULL, (IN - (mistake == SHORT_X)) * sizeof(float)), *w = upload(NULL, WEIGHTS * sizeof(float)),
             *y = upload(NULL, OUT * sizeof(float));
        if (d)
            execute(&s, d, x, w, y);
        _exit(0);
    }
    close(ends[1]);
    for (size_t had = 0; had < sizeof text - 1;) {
        ssize_t got = read(ends[0], text + had, sizeof text - 1 - had);
        if (got <= 0)
            break;
        had += (size_t)got;
    }
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT || !strstr(text, says))
        fail_msg("status %d, it says \"%s\", not \"%s\"", status, text, says);
}

static void defects(void **state)
{
    (void)state;
    for (int pass = 0; pass < 3; pass++) {
        defect(FIRST_ENGINE, pass, "is not deterministic");
        defect(SMALL_WORKSPACE, pass, "workspace: 65536 bytes at");
        defect(UNALIGNED, pass, "which was said to be aligned to 16");
        defect(SHORT_X, pass, "a convolution's x: ");
        defect(HOST_MEMORY, pass, "is not device memory");
        defect(MISSING_ID, pass, "the variant pack has no a convolution's y");
    }
}

static void workspace_grows(void **state)
{
    (void)state;
    struct setup s = { .alpha = 1 };
    int64_t bytes = 0, count = 0;
    setenv("RN_DOUBLE_WORKSPACE", "1000", 1);
    descriptor d = plan(&s);
    did(&s, cudnnBackendGetAttribute(d, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes));
    unsetenv("RN_DOUBLE_WORKSPACE");
    assert_int_equal(s.status, CUDNN_STATUS_SUCCESS);
    assert_int_equal(bytes, WORKSPACE + 1000 * N);
    end(&s);
    struct setup none = { .alpha = 1 }, more = { .alpha = 1, .fallback = true };
    setenv("RN_DOUBLE_FALLBACK", "1", 1);
    assert_null(plan(&none));
    assert_int_equal(none.status / 1000, CUDNN_STATUS_NOT_SUPPORTED / 1000);
    assert_non_null(plan(&more));
    unsetenv("RN_DOUBLE_FALLBACK");
    end(&none);
    end(&more);
}

/* ---- products of matrices ---- */

struct kind {
    cudaDataType in, out;
    cublasComputeType_t compute;
    cublasStatus_t status;
};

/* c (M, COLUMNS) = op(a) op(b) / 2 + 2 c, column-major, rows apart by more than there are. */
static void product(cublasHandle_t blas, struct kind kind, bool ta, bool tb)
{
    enum { M = 7, COLUMNS = 5, INNER = 11, LEAD = 13 };
    const float half = 0.5f, two = 2;
    bool in = kind.in == CUDA_R_16BF, out = kind.out == CUDA_R_16BF, tf32 = kind.compute == CUBLAS_COMPUTE_32F_FAST_TF32;
    void *a = numbers(LEAD * INNER, 1, in, tf32), *b = numbers(LEAD * INNER, 2, in, tf32),
         *c = numbers(LEAD * COLUMNS, 3, out, false),
         *got = calloc(LEAD * COLUMNS, sizeof(float)),
         *at[] = { upload(a, LEAD * INNER * (in ? 2 : 4)), upload(b, LEAD * INNER * (in ? 2 : 4)),
                                                                upload(c, LEAD * COLUMNS * (out ? 2 : 4)) };
    cublasStatus_t status = cublasGemmEx(blas, ta ? CUBLAS_OP_T : CUBLAS_OP_N, tb ? CUBLAS_OP_T : CUBLAS_OP_N, M, COLUMNS, INNER,
                                         &half, at[0],
                                         kind.in, LEAD, at[1], kind.in, LEAD, &two, at[2], kind.out, LEAD, kind.compute,
                                         CUBLAS_GEMM_DEFAULT);
    assert_int_equal(status, kind.status);
    download(got, at[2], LEAD * COLUMNS * (out ? 2 : 4));
    double off = 0;
    for (size_t i = 0; i < M && !status; i++)
        for (size_t j = 0; j < COLUMNS; j++) {
            double want = 2 * (double)number_at(c, j * LEAD + i, out), is = (double)number_at(got, j * LEAD + i, out);
            for (size_t l = 0; l < INNER; l++)
                want += 0.5 * (double)number_at(a, ta ? i * LEAD + l : l * LEAD + i, in) *
                        (double)number_at(b, tb ? l * LEAD + j : j * LEAD + l, in);
            if (!(fabs(is - want) <= (out ? fabs(want) / 256 : tf32 ? 1 : 1e-6 * fabs(want) + 1e-4)))
                fail_msg("element %zu,%zu: %.9g, not %.9g", i, j, is, want);
            off = fmax(off, fabs(is - want));
        }
    if (tf32 && !status && !(off > 1e-3))
        fail_msg("TF32 is as exact as float32 (%g)", off);
    assert_int_equal(cudaFree(at[0]) || cudaFree(at[1]), 0);
    free(a);
    free(b);
    free(c);
    free(got);
}

static void products(void **state)
{
    (void)state;
    static const struct kind kinds[] = {
        { CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUBLAS_STATUS_SUCCESS },
        { CUDA_R_32F, CUDA_R_32F, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_STATUS_SUCCESS },
        { CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUBLAS_STATUS_SUCCESS },
        { CUDA_R_16BF, CUDA_R_32F, CUBLAS_COMPUTE_32F, CUBLAS_STATUS_SUCCESS },
        { CUDA_R_32F, CUDA_R_16BF, CUBLAS_COMPUTE_32F, CUBLAS_STATUS_NOT_SUPPORTED },
        { CUDA_R_16BF, CUDA_R_16BF, CUBLAS_COMPUTE_32F_FAST_TF32, CUBLAS_STATUS_NOT_SUPPORTED },
        { CUDA_R_16F, CUDA_R_16F, CUBLAS_COMPUTE_32F, CUBLAS_STATUS_NOT_SUPPORTED },
    };
    cublasHandle_t blas;
    void *workspace = upload(NULL, 4096);
    assert_int_equal(cublasCreate(&blas), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetStream(blas, stream), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetMathMode(blas, CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                     CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cublasSetWorkspace(blas, workspace, 4096), CUBLAS_STATUS_SUCCESS);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int way = 0; way < 4; way++)
            product(blas, kinds[i], way & 1, way & 2);
    assert_int_equal(cublasDestroy(blas), CUBLAS_STATUS_SUCCESS);
    assert_int_equal(cudaFree(workspace), cudaSuccess);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(convolutions),
        cmocka_unit_test(tf32_is_coarse),
        cmocka_unit_test(refused),
        cmocka_unit_test(defects),
        cmocka_unit_test(workspace_grows),
        cmocka_unit_test(products),
    };
    return cmocka_run_group_tests_name("cuda-doubles", tests, open_all, close_all);
}
