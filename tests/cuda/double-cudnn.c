/* double-cudnn.c -- libcudnn.so.9's double, graph interface: convolutions in (N,H,W,C), float32 or bfloat16.
 *
 * A hybrid where the real library is at hand (RN_DOUBLE_CUDNN): tensors, convolutions, operations, graphs and variant packs are
 * made there as well, which needs no GPU, and its verdict comes first. Where it is more patient than an engine (numbers' types
 * that do not go together, a default for what was not said) we are not. What we do not compute is refused.
 *
 * The heuristics list, in this order: an engine that is not deterministic, which is a defect to execute; for float32 one that
 * uses TF32; one for which there is no plan; and, for bfloat16 or in float32, one that serves. Each plan wants a workspace,
 * of which the beginning is filled with NaN before use. The environment (double.h) adds one whose numbers are others, before that
 * which serves, and one that wants less workspace, behind it. */
#include <cudnn.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "double-number.h"
#include "double.h"

enum {
    TENSOR = CUDNN_BACKEND_TENSOR_DESCRIPTOR,
    CONVOLUTION = CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
    FORWARD = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
    DATA = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
    FILTER = CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
    GRAPH = CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR,
    HEURISTICS = CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR,
    CONFIG = CUDNN_BACKEND_ENGINECFG_DESCRIPTOR,
    ENGINE = CUDNN_BACKEND_ENGINE_DESCRIPTOR,
    PLAN = CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR,
    PACK = CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR,
};
enum { NONDETERMINISTIC, TENSOR_CORE, UNSUPPORTED, PLAIN, NUDGED, FRUGAL, ENGINES };
enum { N, C, H, W, DIMENSIONS }; /* of weights: K, C, R, S */
enum { WORKSPACE = 1 << 16, SPOILT = 1 << 20 };

struct cudnnContext {
    cudaStream_t stream;
};

struct tensor {
    cudnnDataType_t type;
    int64_t size[DIMENSIONS], stride[DIMENSIONS], id, alignment;
};

struct convolution {
    cudnnDataType_t compute;
    cudnnConvolutionMode_t mode;
    int64_t dimensions, before[2], after[2], stride[2], dilation[2];
};

struct operation {
    int kind;
    struct tensor x, w, y; /* the output among them */
    struct convolution conv;
    float alpha, beta;
};

struct choice {
    struct operation op;
    int engine;
};

/* Of any kind, which has but a few of these. Attributes that are descriptors are copied when they are set, as the real library
 * does. */
struct descriptor {
    struct descriptor *next; /* of those that exist */
    int kind;
    bool final;
    uint64_t set; /* the attributes, by their place in the table */
    cudnnBackendDescriptor_t real;
    struct tensor tensor;
    struct convolution conv;
    struct choice choice; /* a graph's has no engine yet */
    cudnnHandle_t handle;
    cudnnBackendHeurMode_t mode;
    void *data[3], *workspace;
    int64_t id[3];
};

#define MAY_FAIL(error) \
    do { \
        if (double_fails(__func__)) \
            return error; \
    } while (0)

/* ---- the real library ---- */

#define REAL(X) \
    X(cudnnBackendCreateDescriptor) X(cudnnBackendDestroyDescriptor) X(cudnnBackendSetAttribute) X(cudnnBackendFinalize)
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

/* ---- handles ---- */

const char *cudnnGetErrorString(cudnnStatus_t status)
{
#define STATUS(name) case name: return #name;
    switch (status) {
        STATUS(CUDNN_STATUS_SUCCESS)
        STATUS(CUDNN_STATUS_NOT_INITIALIZED)
        STATUS(CUDNN_STATUS_BAD_PARAM)
        STATUS(CUDNN_STATUS_BAD_PARAM_NULL_POINTER)
        STATUS(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED)
        STATUS(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH)
        STATUS(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES)
        STATUS(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE)
        STATUS(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE)
        STATUS(CUDNN_STATUS_NOT_SUPPORTED)
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_SHAPE)
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE)
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_LAYOUT)
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH)
        STATUS(CUDNN_STATUS_INTERNAL_ERROR)
        STATUS(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED)
        STATUS(CUDNN_STATUS_EXECUTION_FAILED)
    default: return "an error of the double";
    }
}

static long setting(const char *name)
{
    const char *value = getenv(name);
    return value ? strtol(value, NULL, 10) : 0;
}

size_t cudnnGetVersion(void)
{
    long other = setting("RN_DOUBLE_CUDNN_VERSION");
    return other ? (size_t)other : CUDNN_VERSION;
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

/* ---- descriptors ---- */

static struct descriptor *existing;

static struct descriptor *check(cudnnBackendDescriptor_t descriptor, const char *function)
{
    for (struct descriptor *d = existing; d; d = d->next)
        if (d == descriptor)
            return d;
    double_defect("%s: %p is no descriptor, or no more", function, descriptor);
}

static bool is_operation(int kind)
{
    return kind == FORWARD || kind == DATA || kind == FILTER;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t kind, cudnnBackendDescriptor_t *descriptor)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED);
    int k = (int)kind;
    bool in_both = k == TENSOR || k == CONVOLUTION || is_operation(k) || k == GRAPH || k == PACK;
    if (!in_both && k != HEURISTICS && k != CONFIG && k != ENGINE && k != PLAN)
        return CUDNN_STATUS_NOT_SUPPORTED;
    struct descriptor *d = calloc(1, sizeof *d);
    d->kind = d->choice.op.kind = k;
    if (in_both && have_real() && real.cudnnBackendCreateDescriptor(kind, &d->real))
        double_defect("the real cuDNN makes no descriptor");
    d->next = existing;
    existing = d;
    double_count(DOUBLE_DESCRIPTOR, 1);
    *descriptor = d;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor)
{
    if (!descriptor)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    struct descriptor *d = check(descriptor, __func__), **at = &existing;
    while (*at != d)
        at = &(*at)->next;
    *at = d->next;
    if (d->real && real.cudnnBackendDestroyDescriptor(d->real))
        double_defect("the real cuDNN does not take its descriptor back");
    free(d);
    double_count(DOUBLE_DESCRIPTOR, -1);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- attributes ---- */

#define FIELD(field) offsetof(struct descriptor, field), sizeof ((struct descriptor *)NULL)->field
#define PART(field, kind, from) CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, FIELD(field), kind, offsetof(struct descriptor, from)
#define OPERATION(kind, name, x_name, w_name, y_name) \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_CONV_DESC, PART(choice.op.conv, CONVOLUTION, conv) }, \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##x_name, PART(choice.op.x, TENSOR, tensor) }, \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##w_name, PART(choice.op.w, TENSOR, tensor) }, \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_##y_name, PART(choice.op.y, TENSOR, tensor) }, \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_ALPHA, CUDNN_TYPE_FLOAT, 1, FIELD(choice.op.alpha) }, \
    { kind, CUDNN_ATTR_OPERATION_CONVOLUTION_##name##_BETA, CUDNN_TYPE_FLOAT, 1, FIELD(choice.op.beta) }

/* What may be set, and must be before the descriptor is made final. */
static const struct attribute {
    int kind, name, type;
    int64_t count;
    size_t at, size; /* in struct descriptor */
    int part;        /* for descriptors: of which kind, GRAPH's being any operation */
    size_t from;     /* and what is copied of them */
} attributes[] = {
    { TENSOR, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, 1, FIELD(tensor.type) },
    { TENSOR, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, DIMENSIONS, FIELD(tensor.size) },
    { TENSOR, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, DIMENSIONS, FIELD(tensor.stride) },
    { TENSOR, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, FIELD(tensor.id) },
    { TENSOR, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, CUDNN_TYPE_INT64, 1, FIELD(tensor.alignment) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, FIELD(conv.compute) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, 1, FIELD(conv.mode) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, CUDNN_TYPE_INT64, 1, FIELD(conv.dimensions) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, FIELD(conv.before) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, FIELD(conv.after) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, FIELD(conv.stride) },
    { CONVOLUTION, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, FIELD(conv.dilation) },
    OPERATION(FORWARD, FORWARD, X, W, Y),
    OPERATION(DATA, BWD_DATA, DX, W, DY),
    OPERATION(FILTER, BWD_FILTER, X, DW, DY),
    { GRAPH, CUDNN_ATTR_OPERATIONGRAPH_OPS, PART(choice.op, FORWARD, choice.op) },
    { GRAPH, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, FIELD(handle) },
    { HEURISTICS, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, PART(choice.op, GRAPH, choice.op) },
    { HEURISTICS, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, 1, FIELD(mode) },
    { PLAN, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, FIELD(handle) },
    { PLAN, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, PART(choice, CONFIG, choice) },
    { PACK, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, 3, FIELD(data) },
    { PACK, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, 3, FIELD(id) },
    { PACK, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, FIELD(workspace) },
};
enum { ATTRIBUTES = sizeof attributes / sizeof *attributes };
_Static_assert(ATTRIBUTES <= 64, "struct descriptor has a bit for each");

/* The copy's source in the descriptor that is this attribute. */
static cudnnStatus_t part_of(const struct attribute *a, const void *elements, const struct descriptor **part)
{
    cudnnBackendDescriptor_t given = *(const cudnnBackendDescriptor_t *)elements;
    if (!given)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *part = check(given, "cudnnBackendSetAttribute");
    if ((*part)->kind != a->part && !(a->part == FORWARD && is_operation((*part)->kind)))
        return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    return (*part)->final ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count, const void *elements)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED);
    if (!descriptor)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    struct descriptor *d = check(descriptor, __func__);
    const struct attribute *a = attributes;
    while (a < attributes + ATTRIBUTES && (a->kind != d->kind || a->name != (int)name))
        a++;
    if (a == attributes + ATTRIBUTES || d->final || !elements)
        return CUDNN_STATUS_BAD_PARAM;
    if (a->type != (int)type)
        return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    if (a->count != count)
        return CUDNN_STATUS_BAD_PARAM;
    const void *values = elements, *real_values = elements;
    if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
        const struct descriptor *part;
        cudnnStatus_t verdict = part_of(a, elements, &part);
        if (verdict)
            return verdict;
        values = (const char *)part + a->from;
        real_values = &part->real;
    }
    if (type == CUDNN_TYPE_HANDLE && !*(const cudnnHandle_t *)elements)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    /* the real one cannot stand numbers that are no type */
    if (type == CUDNN_TYPE_DATA_TYPE && *(const cudnnDataType_t *)elements != CUDNN_DATA_FLOAT &&
        *(const cudnnDataType_t *)elements != CUDNN_DATA_BFLOAT16)
        return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    if (d->real && type != CUDNN_TYPE_HANDLE) {
        cudnnStatus_t verdict = real.cudnnBackendSetAttribute(d->real, name, type, count, real_values);
        if (verdict)
            return verdict;
    }
    memcpy((char *)d + a->at, values, a->size);
    d->set |= UINT64_C(1) << (a - attributes);
    return CUDNN_STATUS_SUCCESS;
}

/* ---- what makes them final ---- */

static int64_t bytes_of(cudnnDataType_t type)
{
    return type == CUDNN_DATA_BFLOAT16 ? 2 : 4;
}

static cudnnStatus_t finalize_tensor(const struct tensor *t)
{
    int64_t count = 1, most = INT32_MAX;
    for (int i = 0; i < DIMENSIONS; i++) {
        if (t->size[i] < 1)
            return CUDNN_STATUS_BAD_PARAM;
        if (t->size[i] > most / count)
            return CUDNN_STATUS_NOT_SUPPORTED_SHAPE;
        count *= t->size[i];
    }
    const int64_t c = t->size[C], w = t->size[W], stride[] = { count / t->size[N], 1, w * c, c };
    if (t->alignment < bytes_of(t->type) || t->alignment & (t->alignment - 1))
        return CUDNN_STATUS_BAD_PARAM;
    return memcmp(t->stride, stride, sizeof stride) == 0 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_NOT_SUPPORTED_LAYOUT;
}

static cudnnStatus_t finalize_convolution(const struct convolution *v)
{
    if (v->dimensions != 2 || v->compute != CUDNN_DATA_FLOAT || v->mode != CUDNN_CROSS_CORRELATION)
        return CUDNN_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < 2; i++) {
        if (v->before[i] < 0 || v->after[i] < 0 || v->stride[i] < 1 || v->dilation[i] < 1)
            return CUDNN_STATUS_BAD_PARAM;
        if (v->dilation[i] > INT16_MAX || v->before[i] > INT16_MAX || v->after[i] > INT16_MAX || v->stride[i] > INT16_MAX)
            return CUDNN_STATUS_NOT_SUPPORTED;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_operation(const struct operation *op)
{
    const struct convolution *v = &op->conv;
    if (op->x.id == op->w.id || op->x.id == op->y.id || op->w.id == op->y.id)
        return CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES;
    if (op->y.size[N] != op->x.size[N] || op->y.size[C] != op->w.size[N] || op->x.size[C] % op->w.size[C] ||
        op->w.size[N] % (op->x.size[C] / op->w.size[C]))
        return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    for (int i = 0; i < 2; i++) {
        int64_t room = op->x.size[H + i] + v->before[i] + v->after[i] - v->dilation[i] * (op->w.size[H + i] - 1) - 1;
        if (room < 0 || op->y.size[H + i] != room / v->stride[i] + 1)
            return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_pack(const struct descriptor *d)
{
    bool twice = d->id[0] == d->id[1] || d->id[0] == d->id[2] || d->id[1] == d->id[2];
    return twice ? CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES : CUDNN_STATUS_SUCCESS;
}

/* The real library says so here and no sooner, and of every engine. */
static cudnnStatus_t finalize_plan(const struct choice *v)
{
    if (v->op.x.type != v->op.w.type || v->op.x.type != v->op.y.type)
        return CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE;
    return v->engine == UNSUPPORTED ? CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH : CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize(const struct descriptor *d)
{
    switch (d->kind) {
    case TENSOR: return finalize_tensor(&d->tensor);
    case CONVOLUTION: return finalize_convolution(&d->conv);
    case FORWARD:
    case DATA:
    case FILTER: return finalize_operation(&d->choice.op);
    case GRAPH: return CUDNN_STATUS_SUCCESS;
    case HEURISTICS:
        return d->mode == CUDNN_HEUR_MODE_A || d->mode == CUDNN_HEUR_MODE_FALLBACK ? CUDNN_STATUS_SUCCESS
               : CUDNN_STATUS_NOT_SUPPORTED;
    case PLAN: return finalize_plan(&d->choice);
    case PACK: return finalize_pack(d);
    default: return CUDNN_STATUS_NOT_SUPPORTED; /* configurations and engines are those of the heuristics */
    }
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor)
{
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED);
    if (!descriptor)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    struct descriptor *d = check(descriptor, __func__);
    if (d->final)
        return CUDNN_STATUS_BAD_PARAM;
    for (size_t i = 0; i < ATTRIBUTES; i++)
        if (attributes[i].kind == d->kind && !(d->set >> i & 1))
            return CUDNN_STATUS_BAD_PARAM;
    cudnnStatus_t verdict = d->real ? real.cudnnBackendFinalize(d->real) : CUDNN_STATUS_SUCCESS;
    if (!verdict)
        verdict = finalize(d);
    d->final = !verdict;
    return verdict;
}

/* ---- what can be asked ---- */

static int64_t workspace_of(const struct choice *v)
{
    return WORKSPACE + (v->engine == FRUGAL ? 0 : setting("RN_DOUBLE_WORKSPACE") * v->op.x.size[N]);
}

/* The engines that the heuristics name, best first. */
static int64_t engines_of(const struct descriptor *d, int engines[ENGINES])
{
    const struct operation *op = &d->choice.op;
    bool bf16 = op->x.type == CUDNN_DATA_BFLOAT16;
    long single = op->kind == FORWARD && op->x.size[N] == 1 ? setting("RN_DOUBLE_SINGLE") : 0;
    int64_t count = 0;
    if (d->mode == CUDNN_HEUR_MODE_FALLBACK) {
        engines[count++] = single > 1 ? NUDGED : PLAIN;
        return count;
    }
    engines[count++] = NONDETERMINISTIC;
    if (setting("RN_DOUBLE_FALLBACK")) {
        engines[count++] = UNSUPPORTED;
        return count;
    }
    if (!bf16)
        engines[count++] = TENSOR_CORE;
    engines[count++] = UNSUPPORTED;
    if (single)
        engines[count++] = NUDGED;
    if (single < 2)
        engines[count++] = bf16 ? TENSOR_CORE : PLAIN;
    if (setting("RN_DOUBLE_FAST"))
        engines[count++] = NUDGED;
    if (setting("RN_DOUBLE_FRUGAL"))
        engines[count++] = FRUGAL;
    return count;
}

/* As many descriptors as there is room for become configurations. */
static cudnnStatus_t get_configs(const struct descriptor *d, int64_t room, int64_t *count, void *elements)
{
    int engines[ENGINES];
    *count = engines_of(d, engines);
    if (room && *count > room)
        *count = room;
    for (int64_t i = 0; i < *count && room; i++) {
        struct descriptor *to = check(((cudnnBackendDescriptor_t *)elements)[i], "cudnnBackendGetAttribute");
        if (to->kind != CONFIG || to->final)
            return CUDNN_STATUS_BAD_PARAM;
        to->choice = (struct choice){ d->choice.op, engines[i] };
        to->final = true;
    }
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t get_engine(const struct descriptor *d, int64_t room, int64_t *count, void *elements)
{
    *count = 1;
    if (!room)
        return CUDNN_STATUS_SUCCESS;
    struct descriptor *to = check(*(cudnnBackendDescriptor_t *)elements, "cudnnBackendGetAttribute");
    if (to->kind != ENGINE || to->final)
        return CUDNN_STATUS_BAD_PARAM;
    to->choice = d->choice;
    to->final = true;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t get_notes(const struct descriptor *d, int64_t room, int64_t *count, void *elements)
{
    const bool bf16 = d->choice.op.x.type == CUDNN_DATA_BFLOAT16;
    cudnnBackendNumericalNote_t *notes = elements, all[2];
    int64_t had = 0;
    if (d->choice.engine == TENSOR_CORE || bf16)
        all[had++] = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
    if (d->choice.engine == NONDETERMINISTIC)
        all[had++] = CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC;
    *count = room && had > room ? room : had;
    for (int64_t i = 0; i < *count && room; i++)
        notes[i] = all[i];
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t get_number(int64_t number, int64_t room, int64_t *count, void *elements)
{
    *count = 1;
    if (room)
        memcpy(elements, &number, sizeof number);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t const descriptor, cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t room, int64_t *count, void *elements)
{
    static const struct {
        int kind, name, type;
    } known[] = {
        { HEURISTICS, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR },
        { CONFIG, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_TYPE_BACKEND_DESCRIPTOR },
        { ENGINE, CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, CUDNN_TYPE_NUMERICAL_NOTE },
        { ENGINE, CUDNN_ATTR_ENGINE_GLOBAL_INDEX, CUDNN_TYPE_INT64 },
        { PLAN, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64 },
    };
    MAY_FAIL(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED);
    if (!descriptor || !count || (room && !elements))
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    const struct descriptor *d = check(descriptor, __func__);
    size_t i = 0, all = sizeof known / sizeof *known;
    while (i < all && (known[i].kind != d->kind || known[i].name != (int)name))
        i++;
    if (!d->final)
        return CUDNN_STATUS_NOT_INITIALIZED; /* as the real one */
    if (i == all)
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (known[i].type != (int)type)
        return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    switch (known[i].name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: return get_configs(d, room, count, elements);
    case CUDNN_ATTR_ENGINECFG_ENGINE: return get_engine(d, room, count, elements);
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: return get_notes(d, room, count, elements);
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX: return get_number(d->choice.engine, room, count, elements);
    default: return get_number(workspace_of(&d->choice), room, count, elements);
    }
}

/* ---- the three passes, as products of matrices whose rows are summed over ---- */

struct conv {
    int kind, n, c, h, w, k, p, q, r, s;
    int padding_h, padding_w, stride_h, stride_w, dilation_h, dilation_w, groups;
    bool bf16, tf32;
    const void *given_x, *given_w, *given_y; /* the two inputs of a pass */
    void *out;
    float alpha, beta;
    char *workspace;
    size_t workspace_bytes;
    const float *x, *weights, *y; /* the inputs in float32, while it runs */
    double ms;                    /* what it says that it takes */
};

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

static void store(const struct conv *v, size_t at, double sum)
{
    float *single = v->out;
    uint16_t *half = v->out;
    sum *= (double)v->alpha;
    if (v->beta != 0)
        sum += (double)v->beta * (double)(v->bf16 ? number_of_bf16(half[at]) : single[at]);
    if (v->bf16)
        half[at] = number_to_bf16((float)sum);
    else
        single[at] = (float)sum;
}

/* out[first + i * down + j * right] = sum over l of a(m, l) b(n, l), stored as alpha and beta have it. */
static void product(const struct conv *v, const float *a, size_t m, const float *b, size_t n, size_t length, size_t first,
                    size_t down, size_t right)
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
                    store(v, first + (i + k) * down + (j + l) * right, sum[k][l]);
        }
}

static float *room(size_t count)
{
    float *memory = malloc((count + 1) * sizeof *memory);
    if (!memory)
        double_defect("a convolution: no memory");
    return memory;
}

/* Numbers `count` of the map (n,h,w,channels) at pixel (h, w), from where map begins in its channels; zeros outside of it. */
static void pixel(float *to, const float *map, int n, int h, int w, int height, int width, size_t channels, size_t count)
{
    if (h < 0 || w < 0 || h >= height || w >= width)
        memset(to, 0, count * sizeof *to);
    else
        memcpy(to, map + (size_t)((n * height + h) * width + w) * channels, count * sizeof *to);
}

/* TILE outputs' patches of x, (R,S,C) each, against the weights of each k; of one group's channels and outputs. */
static void forward(const struct conv *v, size_t group)
{
    size_t c = (size_t)(v->c / v->groups), area = (size_t)(v->r * v->s), outputs = (size_t)(v->n * v->p * v->q),
           k = (size_t)(v->k / v->groups);
    float *patch = room(TILE * area * c);
    for (size_t first = 0; first < outputs; first += TILE) {
        size_t count = outputs - first < TILE ? outputs - first : TILE;
        for (size_t i = 0; i < count; i++) {
            int at = (int)(first + i), n = at / (v->p * v->q), p = at / v->q % v->p, q = at % v->q;
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++)
                    pixel(patch + (i * area + (size_t)(r * v->s + s)) * c, v->x + group * c, n,
                          p * v->stride_h - v->padding_h + r * v->dilation_h,
                          q * v->stride_w - v->padding_w + s * v->dilation_w, v->h, v->w, (size_t)v->c, c);
        }
        product(v, patch, count, v->weights + group * k * area * c, k, area * c, first * (size_t)v->k + group * k, (size_t)v->k, 1);
    }
    free(patch);
}

/* TILE inputs' patches of dy, (R,S,K) each, against the weights as (C,R,S,K). */
static void backward_data(const struct conv *v, size_t group)
{
    size_t c = (size_t)(v->c / v->groups), k = (size_t)(v->k / v->groups), area = (size_t)(v->r * v->s),
           inputs = (size_t)(v->n * v->h * v->w);
    float *turned = room(c * area * k), *patch = room(TILE * area * k);
    for (size_t i = 0; i < k; i++)
        for (size_t j = 0; j < area; j++)
            for (size_t l = 0; l < c; l++)
                turned[(l * area + j) * k + i] = v->weights[((group * k + i) * area + j) * c + l];
    for (size_t first = 0; first < inputs; first += TILE) {
        size_t count = inputs - first < TILE ? inputs - first : TILE;
        for (size_t i = 0; i < count; i++) {
            int at = (int)(first + i), n = at / (v->h * v->w), h = at / v->w % v->h + v->padding_h, w = at % v->w + v->padding_w;
            for (int r = 0; r < v->r; r++)
                for (int s = 0; s < v->s; s++) {
                    int down = h - r * v->dilation_h, across = w - s * v->dilation_w;
                    bool on = down >= 0 && across >= 0 && down % v->stride_h == 0 && across % v->stride_w == 0;
                    pixel(patch + (i * area + (size_t)(r * v->s + s)) * k, v->y + group * k, n, on ? down / v->stride_h : -1,
                          across / v->stride_w, v->p, v->q, (size_t)v->k, k);
                }
        }
        product(v, patch, count, turned, c, area * k, first * (size_t)v->c + group * c, (size_t)v->c, 1);
    }
    free(turned);
    free(patch);
}

/* For each place (r, s) of the kernel, TILE channels of x at a time: a row of all outputs' x, against dy's row of each k. */
static void backward_filter(const struct conv *v, size_t group)
{
    size_t outputs = (size_t)(v->n * v->p * v->q), k = (size_t)(v->k / v->groups), c = (size_t)(v->c / v->groups),
           area = (size_t)(v->r * v->s);
    float *dy = room(outputs * k), *x = room(outputs * TILE);
    for (size_t i = 0; i < outputs; i++)
        for (size_t j = 0; j < k; j++)
            dy[j * outputs + i] = v->y[i * (size_t)v->k + group * k + j];
    for (size_t place = 0; place < area; place++)
        for (size_t first = 0; first < c; first += TILE) {
            size_t count = c - first < TILE ? c - first : TILE;
            for (size_t i = 0; i < outputs; i++) {
                int at = (int)i, n = at / (v->p * v->q),
                    h = at / v->q % v->p * v->stride_h - v->padding_h + (int)place / v->s * v->dilation_h,
                    w = at % v->q * v->stride_w - v->padding_w + (int)place % v->s * v->dilation_w;
                bool inside = h >= 0 && h < v->h && w >= 0 && w < v->w;
                for (size_t j = 0; j < count; j++)
                    x[j * outputs + i] = inside ? v->x[(size_t)((n * v->h + h) * v->w + w) * (size_t)v->c + group * c + first + j]
                        : 0;
            }
            product(v, x, count, dy, k, outputs, (group * k * area + place) * c + first, 1, area * c);
        }
    free(dy);
    free(x);
}

/* The numbers in float32: where they lie, when they are that, or in `made`. */
static const float *operand(const struct conv *v, const void *given, int n, int pixels, int channels, float **made)
{
    const float *single = given;
    const uint16_t *half = given;
    size_t count = (size_t)n * (size_t)pixels * (size_t)channels;
    *made = NULL;
    if (!given || (!v->bf16 && !v->tf32))
        return given;
    *made = room(count);
    for (size_t i = 0; i < count; i++)
        (*made)[i] = v->bf16 ? number_of_bf16(half[i]) : number_to_tf32(single[i]);
    return *made;
}

static void run(void *args)
{
    struct conv v = *(const struct conv *)args;
    float *made[3];
    double_spend(v.ms);
    if (!double_computes())
        return;
    memset(v.workspace, 0xff, v.workspace_bytes < SPOILT ? v.workspace_bytes : SPOILT);
    v.x = operand(&v, v.given_x, v.n, v.h * v.w, v.c, &made[0]);
    v.weights = operand(&v, v.given_w, v.k, v.r * v.s, v.c / v.groups, &made[1]);
    v.y = operand(&v, v.given_y, v.n, v.p * v.q, v.k, &made[2]);
    for (size_t group = 0; group < (size_t)v.groups; group++)
        (v.kind == FORWARD ? forward : v.kind == DATA ? backward_data : backward_filter)(&v, group);
    for (int i = 0; i < 3; i++)
        free(made[i]);
}

/* ---- execution ---- */

/* Where a tensor lies, by the pack. */
static void *find(const struct descriptor *pack, const struct tensor *t, cudaStream_t stream, const char *what)
{
    for (int i = 0; i < 3; i++) {
        if (pack->id[i] != t->id)
            continue;
        if ((uintptr_t)pack->data[i] % (uintptr_t)t->alignment)
            double_defect("cudnnBackendExecute: %s at %p, which was said to be aligned to %d", what, pack->data[i],
                          (int)t->alignment);
        double_need(stream, pack->data[i], (size_t)(t->size[N] * t->stride[N] * bytes_of(t->type)), what);
        return pack->data[i];
    }
    double_defect("cudnnBackendExecute: the variant pack has no %s", what);
}

static void *find_workspace(const struct descriptor *pack, cudaStream_t stream, size_t bytes)
{
    if ((uintptr_t)pack->workspace % 16)
        double_defect("cudnnBackendExecute: a workspace at %p", pack->workspace);
    double_need(stream, pack->workspace, bytes, "a convolution's workspace");
    return pack->workspace;
}

static struct conv conv_of(const struct choice *choice)
{
    const struct operation *op = &choice->op;
    const struct convolution *v = &op->conv;
    return (struct conv){
        op->kind, (int)op->x.size[N], (int)op->x.size[C], (int)op->x.size[H], (int)op->x.size[W], (int)op->w.size[N],
        (int)op->y.size[H], (int)op->y.size[W], (int)op->w.size[H], (int)op->w.size[W],
        (int)v->before[0], (int)v->before[1], (int)v->stride[0], (int)v->stride[1], (int)v->dilation[0], (int)v->dilation[1],
        (int)(op->x.size[C] / op->w.size[C]),
        .bf16 = op->x.type == CUDNN_DATA_BFLOAT16, .tf32 = op->x.type == CUDNN_DATA_FLOAT && choice->engine == TENSOR_CORE,
        .alpha = op->alpha * (choice->engine == NUDGED ? 1.015625f : 1), .beta = op->beta,
        .workspace_bytes = (size_t)workspace_of(choice),
        .ms = choice->engine != NUDGED ? 2 : setting("RN_DOUBLE_FAST") == 1 ? 1 : 4,
    };
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack)
{
    MAY_FAIL(CUDNN_STATUS_EXECUTION_FAILED);
    if (!handle || !plan || !pack)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    const struct descriptor *p = check(plan, __func__), *with = check(pack, __func__);
    const struct operation *op = &p->choice.op;
    if (p->kind != PLAN || with->kind != PACK)
        return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    if (!p->final || !with->final)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    if (p->handle != handle)
        double_defect("cudnnBackendExecute: the plan was made with another handle");
    if (double_gpu(handle->stream) != double_current_gpu())
        double_defect("cudnnBackendExecute: the stream is another GPU's than the current one");
    if (p->choice.engine == NONDETERMINISTIC)
        double_defect("cudnnBackendExecute: engine %d is not deterministic", p->choice.engine);
    struct conv v = conv_of(&p->choice);
    void *x = find(with, &op->x, handle->stream, "a convolution's x"), *y = find(with, &op->y, handle->stream, "a convolution's y"),
         *w = find(with, &op->w, handle->stream, "a convolution's weights");
    v.workspace = find_workspace(with, handle->stream, v.workspace_bytes);
    v.out = op->kind == FORWARD ? y : op->kind == DATA ? x : w;
    v.given_x = op->kind == DATA ? NULL : x;
    v.given_w = op->kind == FILTER ? NULL : w;
    v.given_y = op->kind == FORWARD ? NULL : y;
    double_enqueue(handle->stream, "cudnnBackendExecute", run, &v, sizeof v);
    return CUDNN_STATUS_SUCCESS;
}
