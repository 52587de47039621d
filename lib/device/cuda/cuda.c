/* cuda.c -- the CUDA device: opening, closing, and what the table of the class says. */
#include "device/cuda/several.h"
#include "device/cuda/step.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static void close_gpu(struct rn_cuda *cuda, struct rn_gpu *gpu)
{
    struct rn_cuda_api *api = &cuda->api;
    if (!gpu->stream) /* never begun */
        return;
    api->cudaSetDevice(gpu->ordinal);
    if (gpu->dnn)
        api->cudnnDestroy(gpu->dnn);
    if (gpu->blas)
        api->cublasDestroy_v2(gpu->blas);
    rn_cuda_slot_free(cuda, &gpu->slot[0]);
    rn_cuda_slot_free(cuda, &gpu->slot[1]);
    rn_cuda_page_free(cuda, &gpu->page);
    if (gpu->blas_workspace)
        api->cudaFree(gpu->blas_workspace);
    if (gpu->workspace)
        api->cudaFree(gpu->workspace);
    if (gpu->trial)
        api->cudaFree(gpu->trial);
    if (gpu->value)
        api->cudaFree(gpu->value);
    if (gpu->joined)
        api->cudaEventDestroy(gpu->joined);
    if (gpu->left)
        api->cudaEventDestroy(gpu->left);
    if (gpu->summed)
        api->cudaEventDestroy(gpu->summed);
    if (gpu->sums)
        api->cudaStreamDestroy(gpu->sums);
    if (gpu->side)
        api->cudaStreamDestroy(gpu->side);
    api->cudaStreamDestroy(gpu->stream);
}

static void close_device(struct rn_device *dev)
{
    struct rn_cuda *cuda = rn_cuda(dev);
    if (cuda->failed)
        return;
    rn_cuda_abandon(cuda);
    if (rn_cuda_settle(cuda))
        return;
    rn_cuda_records_free(cuda);
    rn_cuda_part_ways(cuda);
    rn_cuda_plans_free(cuda);
    for (int g = 0; g < cuda->gpus; g++)
        close_gpu(cuda, &cuda->gpu[g]);
    for (int i = 0; i < RN_CUDA_IMAGE_COUNT; i++)
        if (cuda->library[i])
            cuda->api.cudaLibraryUnload(cuda->library[i]);
    rn_cuda_engines_free(cuda);
    free(cuda->block);
    free(cuda->pinned);
    free(cuda);
}

/* ---- opening ---- */

enum { TOGETHER = 64, MOST_TOGETHER = 1024, EIGHT = 8 };

/* "0,1,3" into the list of GPUs; nothing: the first. */
static int choose(struct rn_cuda *cuda, const char *which, struct rn_err *err)
{
    const char *at = which ? which : "0";
    do {
        char *end;
        unsigned long number = *at >= '0' && *at <= '9' ? strtoul(at, &end, 10) : 1 << 20;
        bool bad = number > 9999 || (*end && *end != ',') || cuda->gpus == RN_CUDA_GPUS;
        for (int g = 0; g < cuda->gpus && !bad; g++)
            bad = cuda->gpu[g].ordinal == (int)number;
        if (bad)
            return rn_fail(err, RN_EXIT_USAGE, "device cuda:%s: must be numbers of GPUs, each once, at most %d: cuda:0,1", which,
                           RN_CUDA_GPUS);
        cuda->gpu[cuda->gpus++].ordinal = (int)number;
        at = *end ? end + 1 : NULL;
    } while (at);
    return 0;
}

/* How many images evaluation's convolutions do at a time: RN_CUDA_TOGETHER. */
static int count_together(struct rn_cuda *cuda, struct rn_err *err)
{
    const char *text = getenv("RN_CUDA_TOGETHER");
    char *end = NULL;
    unsigned long images = text && *text ? strtoul(text, &end, 10) : TOGETHER;
    if ((end && *end) || images < EIGHT || images > MOST_TOGETHER || images % EIGHT)
        return rn_fail(err, RN_EXIT_USAGE, "RN_CUDA_TOGETHER=%s: must be a multiple of %d up to %d", text, EIGHT, MOST_TOGETHER);
    cuda->together = images;
    cuda->few = images / EIGHT;
    return 0;
}

/* Whether engines are tried: RN_CUDA_ENGINES. */
static int choose_trials(struct rn_cuda *cuda, struct rn_err *err)
{
    const char *text = getenv("RN_CUDA_ENGINES");
    cuda->first_engines = text && !strcmp(text, "first");
    if (text && *text && strcmp(text, "tried") != 0 && !cuda->first_engines)
        return rn_fail(err, RN_EXIT_USAGE, "RN_CUDA_ENGINES=%s: must be tried or first", text);
    return 0;
}

/* Are there such GPUs? */
static int find(struct rn_cuda *cuda, struct rn_err *err)
{
    struct rn_cuda_api *api = &cuda->api;
    int count = 0; /* left alone on errors */
    cudaError_t status = api->cudaGetDeviceCount(&count);
    api->cudaGetLastError(); /* it would be given to the next call otherwise */
    switch (status) {
    case cudaSuccess:
        break;
    case cudaErrorInsufficientDriver:
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: no usable GPU: NVIDIA's driver is not installed, or too old for CUDA 13 "
                                            "(580 or later is needed)");
    case cudaErrorStubLibrary:
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: no usable GPU: libcuda.so.1 is the toolkit's stub, not a driver's");
    case cudaErrorNoDevice:
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: no usable GPU: the driver finds none in this machine (or "
                                            "CUDA_VISIBLE_DEVICES hides it)");
    default:
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: no usable GPU: %s (%d)", api->cudaGetErrorString(status), (int)status);
    }
    if (count < 1)
        return rn_fail(err, RN_EXIT_SYSTEM, "device cuda: no usable GPU: the driver finds none in this machine");
    for (int g = 0; g < cuda->gpus; g++)
        if (cuda->gpu[g].ordinal >= count)
            return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: there is no such GPU; there are %d, from cuda:0",
                           cuda->gpu[g].ordinal, count);
    return 0;
}

static int blas_check(const struct rn_cuda_part *p, cublasStatus_t status, const char *what, struct rn_err *err)
{
    if (status == CUBLAS_STATUS_SUCCESS)
        return 0;
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: cuBLAS: %s: %s", p->gpu->ordinal, what,
                   p->cuda->api.cublasGetStatusString(status));
}

static int dnn_check(const struct rn_cuda_part *p, cudnnStatus_t status, const char *what, struct rn_err *err)
{
    if (status == CUDNN_STATUS_SUCCESS)
        return 0;
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: cuDNN: %s: %s", p->gpu->ordinal, what,
                   p->cuda->api.cudnnGetErrorString(status));
}

/* cuBLAS gets its workspace from us: with its own, the sum's order could depend on what else runs. Sums
 * of products stay float32. */
enum { BLAS_WORKSPACE = 32 << 20 };

static int begin(const struct rn_cuda_part *p, struct rn_err *err)
{
    struct rn_cuda_api *api = &p->cuda->api;
    struct rn_gpu *gpu = p->gpu;
    if (rn_cuda_check(p, api->cudaStreamCreateWithFlags(&gpu->stream, cudaStreamNonBlocking), "a stream", err) ||
        rn_cuda_check(p, api->cudaStreamCreateWithFlags(&gpu->side, cudaStreamNonBlocking), "a stream", err) ||
        rn_cuda_check(p, api->cudaStreamCreateWithFlags(&gpu->sums, cudaStreamNonBlocking), "a stream", err) ||
        rn_cuda_check(p, api->cudaEventCreateWithFlags(&gpu->joined, cudaEventDisableTiming), "an event", err) ||
        rn_cuda_check(p, api->cudaEventCreateWithFlags(&gpu->summed, cudaEventDisableTiming), "an event", err) ||
        rn_cuda_check(p, api->cudaEventCreateWithFlags(&gpu->left, cudaEventDisableTiming | cudaEventBlockingSync), "an event",
                      err) ||
        blas_check(p, api->cublasCreate_v2(&gpu->blas), "start", err) ||
        blas_check(p, api->cublasSetStream_v2(gpu->blas, gpu->stream), "stream", err) ||
        blas_check(p, api->cublasSetMathMode(gpu->blas, CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
                   "mode", err) ||
        !(gpu->blas_workspace = rn_cuda_take(p, BLAS_WORKSPACE, err)) ||
        blas_check(p, api->cublasSetWorkspace_v2(gpu->blas, gpu->blas_workspace, BLAS_WORKSPACE), "workspace", err) ||
        dnn_check(p, api->cudnnCreate(&gpu->dnn), "start", err))
        return -1;
    return dnn_check(p, api->cudnnSetStream(gpu->dnn, gpu->stream), "stream", err);
}

static int load_kernels(const struct rn_cuda_part *p, struct rn_err *err)
{
#define NAME(file, name) { RN_CUDA_IMAGE_##file, "rn_" #name },
    static const struct {
        enum rn_cuda_image image;
        const char *name;
    } kernels[] = { RN_CUDA_KERNELS(NAME) };
    struct rn_cuda *cuda = p->cuda;
    for (int i = 0; i < RN_CUDA_IMAGE_COUNT; i++)
        if (rn_cuda_check(p, cuda->api.cudaLibraryLoadData(&cuda->library[i], rn_cuda_images_table[i], NULL, NULL, 0, NULL, NULL,
                                                           0),
                          "loading our kernels", err))
            return -1;
    for (int i = 0; i < RN_CUDA_KERNEL_COUNT; i++)
        if (rn_cuda_check(p, cuda->api.cudaLibraryGetKernel(&cuda->kernel[i], cuda->library[kernels[i].image], kernels[i].name),
                          kernels[i].name, err))
            return -1;
    return 0;
}

/* What the bits depend on besides our own code; of the first GPU: the others are taken to be like it. */
static int describe_versions(const struct rn_cuda_part *p, struct rn_err *err)
{
    struct rn_cuda *cuda = p->cuda;
    const struct rn_cuda_api *api = &cuda->api;
    struct cudaDeviceProp gpu;
    int driver = 0, runtime = 0, blas = 0, nccl = 0, dnn = (int)api->cudnnGetVersion();
    if (rn_cuda_check(p, api->cudaGetDeviceProperties(&gpu, p->gpu->ordinal), "what it is", err) ||
        rn_cuda_check(p, api->cudaDriverGetVersion(&driver), "the driver's version", err) ||
        rn_cuda_check(p, api->cudaRuntimeGetVersion(&runtime), "the runtime's version", err) ||
        blas_check(p, api->cublasGetVersion_v2(p->gpu->blas, &blas), "version", err) ||
        (cuda->gpus > 1 && rn_cuda_check_nccl(cuda, api->ncclGetVersion(&nccl), "the version", err)))
        return -1;
    if (cuda->gpus > 1)
        snprintf(cuda->sums, sizeof cuda->sums, ", NCCL %d.%d.%d", nccl / 10000, nccl / 100 % 100, nccl % 100);
    snprintf(cuda->versions, sizeof cuda->versions,
             ", %.255s of %d SMs, driver %d.%d, runtime %d.%d, cuBLAS %d.%d.%d, cuDNN %d.%d.%d",
             gpu.name, gpu.multiProcessorCount, driver / 1000, driver % 1000 / 10, runtime / 1000, runtime % 1000 / 10,
             blas / 10000, blas / 100 % 100, blas % 100, dnn / 10000, dnn / 100 % 100, dnn % 100);
    return 0;
}

/* "cuda-sm90", with "-tf32" or "-bf16", and "-x2" or "-x2-whole", behind it; and what it runs on. */
static void describe_variant(struct rn_cuda *cuda)
{
    char several[32] = "";
    if (cuda->gpus > 1)
        snprintf(several, sizeof several, "-x%d%s", cuda->gpus, cuda->norms == RN_NORMS_WHOLE ? "-whole" : "");
    snprintf(cuda->variant, sizeof cuda->variant, "cuda-sm%d%s%s%s%s", cuda->capability,
             cuda->tf32 ? "-tf32" : cuda->bf16 ? "-bf16" : "", several, cuda->versions, cuda->sums);
}

/* Of several GPUs the least counts. */
static int describe(const struct rn_cuda_part *p, struct rn_err *err)
{
    struct rn_cuda *cuda = p->cuda;
    int major = 0, minor = 0;
    if (rn_cuda_check(p, cuda->api.cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, p->gpu->ordinal), "attribute",
                      err) ||
        rn_cuda_check(p, cuda->api.cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, p->gpu->ordinal), "attribute",
                      err))
        return -1;
    if (p->g == 0 || 10 * major + minor < cuda->capability) {
        cuda->capability = 10 * major + minor;
        cuda->weakest = p->gpu->ordinal;
    }
    return 0;
}

static int precision(struct rn_device *dev, enum rn_precision wanted, struct rn_err *err)
{
    static const char *const names[] = { [RN_PRECISION_TF32] = "TF32", [RN_PRECISION_BF16] = "bfloat16" };
    struct rn_cuda *cuda = rn_cuda(dev);
    cuda->tf32 = wanted == RN_PRECISION_TF32;
    cuda->bf16 = wanted == RN_PRECISION_BF16;
    describe_variant(cuda);
    if (wanted == RN_PRECISION_FP32 || cuda->capability >= 80)
        return 0;
    return rn_fail(err, RN_EXIT_SYSTEM, "device cuda:%d: it has no %s: that begins with compute capability 8.0, this is %d.%d",
                   cuda->weakest, names[wanted], cuda->capability / 10, cuda->capability % 10);
}

static int norms(struct rn_device *dev, enum rn_norms wanted, struct rn_err *err)
{
    if (wanted != RN_NORMS_WHOLE && wanted != RN_NORMS_PART)
        return rn_fail(err, RN_EXIT_USAGE, "device cuda: --bn: must be whole or part");
    rn_cuda(dev)->norms = wanted;
    describe_variant(rn_cuda(dev));
    return 0;
}

static enum rn_storage maps(const struct rn_device *dev)
{
    return ((const struct rn_cuda *)dev)->bf16 ? RN_BF16 : RN_FULL;
}

static int open_gpus(struct rn_cuda *cuda, const char *which, struct rn_err *err)
{
    if (choose(cuda, which, err) || count_together(cuda, err) || choose_trials(cuda, err) ||
        rn_cuda_load_runtime(&cuda->api, err) || find(cuda, err) || rn_cuda_load_libraries(&cuda->api, cuda->gpus > 1, err))
        return -1;
    struct rn_cuda_part p = rn_cuda_parts(&cuda->device, 0);
    while (rn_cuda_next(&p, err))
        p.rc = begin(&p, err) || describe(&p, err) || (p.g == 0 && (load_kernels(&p, err) || describe_versions(&p, err))) ? -1 : 0;
    describe_variant(cuda);
    return p.rc || rn_cuda_join(cuda, err) ? -1 : 0;
}

static int open_device(struct rn_device **dev, const char *which, int threads, struct rn_err *err)
{
    (void)threads;
    struct rn_cuda *cuda = rn_calloc(1, sizeof *cuda, err);
    if (!cuda)
        return -1;
    cuda->device.class = &rn_device_cuda;
    cuda->generation = 1;
    if (open_gpus(cuda, which, err)) {
        close_device(&cuda->device);
        return -1;
    }
    *dev = &cuda->device;
    return 0;
}

static const char *variant_of(const struct rn_device *dev)
{
    return ((const struct rn_cuda *)dev)->variant;
}

/* Seen by the program that loads the plug-in: one of another version would have another class. */
__attribute__((visibility("default"))) extern const struct rn_device_class rn_device_cuda;
__attribute__((visibility("default"))) extern const size_t rn_device_cuda_size;

const size_t rn_device_cuda_size = sizeof(struct rn_device_class);
#define ROW(operator) RN_OPERATOR_ROW(cuda, operator)
const struct rn_device_class rn_device_cuda = {
    .name = "cuda", .summary = "NVIDIA GPUs", .open = open_device, .close = close_device, .variant = variant_of,
    .precision = precision, .norms = norms, .maps = maps, .room = rn_cuda_room,
    .choices = rn_cuda_choices, .choose = rn_cuda_choose,
    .host_alloc = rn_cuda_host_alloc, .host_free = rn_cuda_host_free, .host_wait = rn_cuda_host_wait,
    .begin = rn_cuda_begin, .commit = rn_cuda_commit, .end = rn_cuda_end,
    .share = rn_cuda_share, .cut = rn_cuda_cut_block, .all_reduce = rn_cuda_all_reduce, .carry = rn_cuda_carry,
    RN_OPERATORS(ROW)
};
