/* double-cudart.c -- libcudart.so.13's double: memory, streams, events, graphs, kernels. */
#include "double.h"

#include <dlfcn.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "regions.h"

enum { GPUS = 16 };

/* ---- settings, calls, report ---- */

static long setting(const char *name, long otherwise)
{
    const char *value = getenv(name);
    return value ? strtol(value, NULL, 0) : otherwise;
}

static int gpus(void)
{
    return (int)setting("RN_DOUBLE_GPUS", 1);
}

static int current;
static cudaError_t last;
static long calls, of_that_function, things[DOUBLE_THINGS];
static char failed_call[64];
static bool lost; /* all GPUs */
static int lost_gpu = -1;
static bool stuck; /* lost_gpu is: its calls do not fail */

void double_defect(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("doubles: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    va_end(args);
    abort();
}

static void log_call(const char *function)
{
    static FILE *file;
    const char *path = getenv("RN_DOUBLE_CALLS");
    if (path && !file)
        file = fopen(path, "w");
    if (file && fprintf(file, "%s\n", function) < 0)
        double_defect("RN_DOUBLE_CALLS: it cannot be written");
}

bool double_fails(const char *function)
{
    const char *wanted = getenv("RN_DOUBLE_FAIL"), *colon = wanted ? strchr(wanted, ':') : NULL;
    calls++;
    log_call(function);
    if (lost || (current == lost_gpu && !stuck))
        return true;
    if (!wanted)
        return false;
    bool loses = !strncmp(wanted, "lost", 4), sticks = !strncmp(wanted, "stuck", 5), counts = !colon || loses || sticks;
    if (!counts && !strncmp(wanted, function, (size_t)(colon - wanted)) && !function[colon - wanted])
        counts = true;
    of_that_function += counts;
    if (!counts || of_that_function != strtol(colon ? colon + 1 : wanted, NULL, 10))
        return false;
    if (loses && wanted[4] != ':') {
        lost_gpu = (int)strtol(wanted + 4, NULL, 10);
        return current == lost_gpu;
    }
    if (sticks) {
        stuck = true;
        lost_gpu = (int)strtol(wanted + 5, NULL, 10);
        return false;
    }
    lost = loses;
    snprintf(failed_call, sizeof failed_call, "%s", function);
    return true;
}

void double_count(enum double_thing thing, int change)
{
    things[thing] += change;
}

__attribute__((destructor)) static void report(void)
{
    static const char *const names[] = { "streams", "events", "graphs", "libraries", "pinned", "cublas", "cudnn", "descriptors",
                                         "communicators" };
    const char *path = getenv("RN_DOUBLE_REPORT");
    FILE *f = path ? fopen(path, "w") : NULL;
    if (!f)
        return;
    fprintf(f, "calls %ld\nfailed %s\nallocations %d\n", calls, failed_call[0] ? failed_call : "-", regions_count());
    for (int i = 0; i < DOUBLE_THINGS; i++)
        fprintf(f, "%s %ld\n", names[i], things[i]);
    fclose(f);
}

static cudaError_t result(cudaError_t error)
{
    if (error)
        last = error;
    return error;
}

#define MAY_FAIL(error) \
    do { \
        if (double_fails(__func__)) \
            return result(lost || current == lost_gpu ? cudaErrorDevicesUnavailable : (error)); \
    } while (0)

/* ---- queues ---- */

struct op {
    struct op *next;
    const char *what;
    void (*run)(void *args);
    void *args;
    cudaEvent_t event; /* of a record or a wait */
    long ticket;       /* which record of it */
    bool waits, done;  /* done: in this launch of a graph */
    cudaStream_t stream;
};

struct CUevent_st {
    long recorded, done; /* tickets */
    cudaStream_t stream; /* of the last record */
    long capture;        /* the number of the capture that it was recorded in; 0: none */
    bool blocks;         /* who waits for it sleeps */
    bool times;
    double at; /* when it was done last */
};

struct CUgraph_st {
    struct op *first, **last;
    cudaStream_t origin;
    long number;
    bool broken, moved;
};

struct CUgraphExec_st {
    struct CUgraph_st *graph;
    int launches; /* still to come */
    bool destroyed;
};

struct CUstream_st {
    int gpu;
    struct op *first, **last;
    cudaGraph_t capture; /* what is queued goes there */
    bool unjoined;       /* work of a capture that its origin does not wait for yet */
    bool running;
};

static cudaStream_t stream[64];
static int streams;
static uint64_t random_state;

static cudaStream_t check_stream(cudaStream_t s)
{
    for (int i = 0; i < streams; i++)
        if (stream[i] == s)
            return s;
    double_defect("a stream that does not exist (the default stream is not modelled)");
}

int double_gpu(cudaStream_t s)
{
    return check_stream(s)->gpu;
}

bool double_captured(cudaStream_t s)
{
    return check_stream(s)->capture;
}

int double_current_gpu(void)
{
    return current;
}

void double_need(cudaStream_t s, const void *memory, size_t bytes, const char *what)
{
    int gpu = region_gpu(memory);
    if (gpu != double_gpu(s))
        double_defect("%s: %p is %s, the stream is GPU %d's", what, memory, gpu < 0 ? "not device memory" : "another GPU's",
                      double_gpu(s));
    if (!region_holds(memory, bytes))
        double_defect("%s: %zu bytes at %p reach past the end of the allocation", what, bytes, memory);
}

static double spent; /* ms */

void double_spend(double ms)
{
    spent += ms;
}

static void run_op(struct op *op)
{
    if (op->run) {
        op->run(op->args);
    } else if (!op->waits && op->event->done < op->ticket) {
        op->event->done = op->ticket;
        op->event->at = spent;
    }
}

static bool blocked(const struct op *op)
{
    return op->waits && op->event->done < op->ticket;
}

/* Runs at most `most` operations, none behind a wait that is not fulfilled. */
static void progress(cudaStream_t s, int most)
{
    if (s->running || s->gpu == lost_gpu)
        return;
    s->running = true;
    regions_open();
    while (s->first && most-- > 0 && !blocked(s->first)) {
        struct op *op = s->first;
        run_op(op);
        if (!(s->first = op->next))
            s->last = &s->first;
        free(op->args);
        free(op);
    }
    regions_close();
    s->running = false;
}

static void wait_for(cudaEvent_t event, long ticket, int depth);

static void need_gpu(const struct CUstream_st *s)
{
    if (s->gpu == lost_gpu)
        double_defect("this waits for ever: for GPU %d, which is lost", lost_gpu);
}

static void drain(cudaStream_t s, int depth)
{
    if (depth > 64)
        double_defect("streams wait for each other in a circle");
    while (s->first && s->gpu != lost_gpu) {
        if (blocked(s->first))
            wait_for(s->first->event, s->first->ticket, depth + 1);
        progress(s, 1 << 30);
    }
}

/* Runs no more of the event's stream than must be. */
static void wait_for(cudaEvent_t event, long ticket, int depth)
{
    while (event->done < ticket) {
        cudaStream_t s = event->stream;
        need_gpu(s);
        if (!s->first)
            double_defect("an event that is waited for was never recorded");
        if (blocked(s->first)) {
            if (depth > 64)
                double_defect("streams wait for each other in a circle");
            wait_for(s->first->event, s->first->ticket, depth + 1);
        }
        progress(s, 1);
    }
}

/* Something of what the stream has to do, or of what it waits for. */
static void get_on(cudaStream_t s)
{
    for (int depth = 0; s->first && s->gpu != lost_gpu && blocked(s->first); depth++) {
        if (depth > 64)
            double_defect("streams wait for each other in a circle");
        s = s->first->event->stream;
    }
    progress(s, 64);
}

static uint32_t random_number(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

/* In a random order any stream may get on at any time. */
static void chance(void)
{
    const char *order = getenv("RN_DOUBLE_ORDER");
    if (!order || !strcmp(order, "late"))
        return;
    if (!random_state)
        random_state = strtoul(order, NULL, 10) * 2 + 1;
    if (streams && random_number() % 4 == 0)
        progress(stream[random_number() % (unsigned)streams], (int)(random_number() % 40));
}

static void queue(cudaStream_t s, struct op op, const void *args, size_t bytes)
{
    struct op *copy = malloc(sizeof *copy);
    struct op ***end = s->capture ? &s->capture->last : &s->last;
    *copy = op;
    copy->next = NULL;
    copy->stream = s;
    copy->args = malloc(bytes + 1);
    if (bytes)
        memcpy(copy->args, args, bytes);
    **end = copy;
    *end = &copy->next;
    s->unjoined = s->capture && s != s->capture->origin;
    chance();
}

void double_enqueue(cudaStream_t s, const char *what, void (*run)(void *), const void *args, size_t bytes)
{
    queue(check_stream(s), (struct op){ .what = what, .run = run }, args, bytes);
}

static void record(cudaEvent_t event, cudaStream_t s)
{
    event->capture = check_stream(s)->capture ? s->capture->number : 0;
    event->stream = s;
    queue(s, (struct op){ .what = "cudaEventRecord", .event = event, .ticket = ++event->recorded }, NULL, 0);
}

static cudaGraph_t capture_of(const struct CUevent_st *event)
{
    for (int i = 0; i < streams && event->capture; i++)
        if (stream[i]->capture && stream[i]->capture->number == event->capture)
            return stream[i]->capture;
    return NULL;
}

/* An event that was never recorded is nothing to wait for. A stream that waits for an event of a capture joins it. */
static cudaError_t wait(cudaStream_t s, cudaEvent_t event)
{
    cudaGraph_t capture = capture_of(event);
    check_stream(s);
    if (event->capture && !capture)
        double_defect("a stream waits for an event that was recorded in a capture which is over");
    if (capture && !s->capture)
        s->capture = capture;
    else if (s->capture != capture)
        return event->recorded ? cudaErrorStreamCaptureIsolation : cudaSuccess;
    if (capture && s == capture->origin)
        event->stream->unjoined = false;
    if (event->recorded)
        queue(s, (struct op){ .what = "cudaStreamWaitEvent", .event = event, .ticket = event->recorded, .waits = true }, NULL, 0);
    return cudaSuccess;
}

void double_enqueue_together(cudaStream_t *with, int count, const char *what, void (*run)(void *), const void *args, size_t bytes)
{
    static struct CUevent_st ready[GPUS], done;
    for (int i = 1; i < count; i++) {
        record(&ready[i], with[i]);
        if (wait(with[0], &ready[i]))
            double_defect("%s: its streams are in different captures", what);
    }
    double_enqueue(with[0], what, run, args, bytes);
    record(&done, with[0]);
    for (int i = 1; i < count; i++)
        if (wait(with[i], &done))
            double_defect("%s: its streams are in different captures", what);
}

/* Calls that may not be made while a graph is captured. */
static bool spoils_capture(void)
{
    bool spoilt = false;
    for (int i = 0; i < streams; i++)
        if (stream[i]->capture)
            spoilt = stream[i]->capture->broken = true;
    return spoilt;
}

#define NOT_IN_CAPTURE \
    do { \
        if (spoils_capture()) \
            return result(cudaErrorStreamCaptureUnsupported); \
    } while (0)

/* ---- devices ---- */

cudaError_t cudaRuntimeGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

cudaError_t cudaDriverGetVersion(int *version)
{
    *version = CUDART_VERSION;
    return cudaSuccess;
}

const char *cudaGetErrorString(cudaError_t error)
{
    switch (error) {
    case cudaSuccess: return "no error";
    case cudaErrorMemoryAllocation: return "out of memory";
    case cudaErrorNoDevice: return "no CUDA-capable device is detected";
    case cudaErrorInvalidDevice: return "invalid device ordinal";
    case cudaErrorInvalidValue: return "invalid argument";
    case cudaErrorInvalidConfiguration: return "invalid configuration argument";
    case cudaErrorDevicesUnavailable: return "CUDA-capable device(s) is/are busy or unavailable";
    case cudaErrorLaunchFailure: return "unspecified launch failure";
    default: return "an error of the double";
    }
}

cudaError_t cudaGetLastError(void)
{
    cudaError_t error = last;
    last = cudaSuccess;
    return error;
}

/* As the real one, it does not touch *count when it fails. */
cudaError_t cudaGetDeviceCount(int *count)
{
    MAY_FAIL(cudaErrorInitializationError);
    if (gpus() < 1)
        return result(cudaErrorNoDevice);
    *count = gpus();
    return cudaSuccess;
}

cudaError_t cudaSetDevice(int device)
{
    if (device < 0 || device >= gpus())
        return result(cudaErrorInvalidDevice);
    current = device;
    MAY_FAIL(cudaErrorDevicesUnavailable);
    return cudaSuccess;
}

cudaError_t cudaGetDeviceProperties(struct cudaDeviceProp *properties, int device)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (device < 0 || device >= gpus())
        return result(cudaErrorInvalidDevice);
    *properties = (struct cudaDeviceProp){ .name = "double", .multiProcessorCount = 4, .major = 9 };
    return cudaSuccess;
}

cudaError_t cudaDeviceGetAttribute(int *value, enum cudaDeviceAttr attribute, int device)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (device < 0 || device >= gpus())
        return result(cudaErrorInvalidDevice);
    if (attribute == cudaDevAttrComputeCapabilityMajor)
        *value = 9;
    else if (attribute == cudaDevAttrComputeCapabilityMinor)
        *value = 0;
    else if (attribute == cudaDevAttrMultiProcessorCount)
        *value = 4;
    else
        double_defect("cudaDeviceGetAttribute: attribute %d is not modelled", (int)attribute);
    return cudaSuccess;
}

/* ---- memory ---- */

struct pinned {
    char *at;
    size_t bytes;
};

static struct pinned pinned[256];

static size_t memory_of_gpu(void)
{
    return (size_t)setting("RN_DOUBLE_MEMORY", 8L << 30);
}

cudaError_t cudaMemGetInfo(size_t *available, size_t *total)
{
    MAY_FAIL(cudaErrorInvalidValue);
    *total = memory_of_gpu();
    *available = *total - regions_bytes(current);
    return cudaSuccess;
}

cudaError_t cudaMalloc(void **memory, size_t bytes)
{
    MAY_FAIL(cudaErrorMemoryAllocation);
    NOT_IN_CAPTURE;
    if (regions_bytes(current) + bytes > memory_of_gpu() || !(*memory = region_alloc(current, bytes)))
        return result(cudaErrorMemoryAllocation);
    return cudaSuccess;
}

/* As the real one, it waits for the GPU first: for one that is lost perhaps for ever. */
cudaError_t cudaFree(void *memory)
{
    NOT_IN_CAPTURE;
    if (!memory)
        return cudaSuccess;
    if (lost || region_gpu(memory) == lost_gpu)
        double_defect("cudaFree: of a GPU that is lost: it waits for ever");
    for (int i = 0; i < streams; i++)
        if (stream[i]->gpu == region_gpu(memory))
            drain(stream[i], 0);
    int rc = region_free(memory);
    if (rc == -1)
        double_defect("cudaFree: %p is not the start of an allocation", memory);
    if (rc == -2)
        double_defect("cudaFree: something has written behind the allocation at %p", memory);
    return cudaSuccess;
}

cudaError_t cudaMallocHost(void **memory, size_t bytes)
{
    MAY_FAIL(cudaErrorMemoryAllocation);
    NOT_IN_CAPTURE;
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++)
        if (!pinned[i].at) {
            pinned[i] = (struct pinned){ malloc(bytes), bytes };
            memset(pinned[i].at, 0xff, bytes);
            *memory = pinned[i].at;
            double_count(DOUBLE_PINNED, 1);
            return cudaSuccess;
        }
    double_defect("cudaMallocHost: more than %zu blocks", sizeof pinned / sizeof *pinned);
}

cudaError_t cudaFreeHost(void *memory)
{
    for (int i = 0; i < streams; i++)
        drain(stream[i], 0);
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++)
        if (pinned[i].at == memory && memory) {
            free(memory);
            pinned[i].at = NULL;
            double_count(DOUBLE_PINNED, -1);
            return cudaSuccess;
        }
    double_defect("cudaFreeHost: %p is not the start of a pinned block", memory);
}

static void need_pinned(const void *memory, size_t bytes, const char *what)
{
    for (size_t i = 0; i < sizeof pinned / sizeof *pinned; i++) {
        const char *at = memory, *end = pinned[i].at + pinned[i].bytes;
        if (pinned[i].at && at >= pinned[i].at && at < end && bytes <= (size_t)(end - at))
            return;
    }
    double_defect("%s: %zu bytes at %p are not pinned host memory", what, bytes, memory);
}

struct copy {
    void *to;
    const void *from;
    size_t bytes;
    int value; /* of a memset */
};

static void run_copy(void *args)
{
    const struct copy *c = args;
    memmove(c->to, c->from, c->bytes);
}

static void run_set(void *args)
{
    const struct copy *c = args;
    memset(c->to, c->value, c->bytes);
}

cudaError_t cudaMemcpyAsync(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t s)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (kind == cudaMemcpyHostToDevice || kind == cudaMemcpyDeviceToDevice)
        double_need(s, to, bytes, "cudaMemcpyAsync to");
    if (kind == cudaMemcpyDeviceToHost || kind == cudaMemcpyDeviceToDevice)
        double_need(s, from, bytes, "cudaMemcpyAsync from");
    if (kind == cudaMemcpyHostToDevice)
        need_pinned(from, bytes, "cudaMemcpyAsync from");
    if (kind == cudaMemcpyDeviceToHost)
        need_pinned(to, bytes, "cudaMemcpyAsync to");
    if (kind != cudaMemcpyHostToDevice && kind != cudaMemcpyDeviceToHost && kind != cudaMemcpyDeviceToDevice)
        double_defect("cudaMemcpyAsync: kind %d is not modelled", (int)kind);
    double_enqueue(s, "cudaMemcpyAsync", run_copy, &(struct copy){ to, from, bytes, 0 }, sizeof(struct copy));
    return cudaSuccess;
}

cudaError_t cudaMemcpyPeerAsync(void *to, int to_gpu, const void *from, int from_gpu, size_t bytes, cudaStream_t s)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (region_gpu(to) != to_gpu || region_gpu(from) != from_gpu || !region_holds(to, bytes) || !region_holds(from, bytes))
        double_defect("cudaMemcpyPeerAsync: %zu bytes from %p of GPU %d to %p of GPU %d are not there", bytes, from, from_gpu, to,
                      to_gpu);
    double_enqueue(s, "cudaMemcpyPeerAsync", run_copy, &(struct copy){ to, from, bytes, 0 }, sizeof(struct copy));
    return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void *to, int value, size_t bytes, cudaStream_t s)
{
    MAY_FAIL(cudaErrorInvalidValue);
    double_need(s, to, bytes, "cudaMemsetAsync");
    double_enqueue(s, "cudaMemsetAsync", run_set, &(struct copy){ to, NULL, bytes, value }, sizeof(struct copy));
    return cudaSuccess;
}

/* ---- streams and events ---- */

cudaError_t cudaStreamCreateWithFlags(cudaStream_t *result_stream, unsigned flags)
{
    MAY_FAIL(cudaErrorMemoryAllocation);
    if (flags != cudaStreamNonBlocking)
        double_defect("cudaStreamCreateWithFlags: flags %u (the default stream is not modelled)", flags);
    if (streams == (int)(sizeof stream / sizeof *stream))
        double_defect("too many streams");
    cudaStream_t s = calloc(1, sizeof *s);
    s->gpu = current;
    s->last = &s->first;
    *result_stream = stream[streams++] = s;
    double_count(DOUBLE_STREAM, 1);
    return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t s)
{
    drain(check_stream(s), 0);
    for (int i = 0; i < streams; i++)
        if (stream[i] == s)
            stream[i] = stream[--streams];
    free(s);
    double_count(DOUBLE_STREAM, -1);
    return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t s)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_IN_CAPTURE;
    drain(check_stream(s), 0);
    return cudaSuccess;
}

/* The stream's GPU may be another than the current one. */
static cudaError_t query(cudaStream_t s, bool done)
{
    if (s->gpu == lost_gpu && !stuck)
        return result(cudaErrorDevicesUnavailable);
    return result(done ? cudaSuccess : cudaErrorNotReady);
}

cudaError_t cudaStreamQuery(cudaStream_t s)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_IN_CAPTURE;
    get_on(check_stream(s));
    return query(s, !s->first);
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t *event, unsigned flags)
{
    MAY_FAIL(cudaErrorMemoryAllocation);
    if (flags & ~(unsigned)(cudaEventDisableTiming | cudaEventBlockingSync))
        double_defect("cudaEventCreateWithFlags: flags %u are not modelled", flags);
    *event = calloc(1, sizeof **event);
    (*event)->blocks = flags & cudaEventBlockingSync;
    (*event)->times = !(flags & cudaEventDisableTiming);
    double_count(DOUBLE_EVENT, 1);
    return cudaSuccess;
}

/* What still waits for it is run first: the real one keeps what it needs. */
cudaError_t cudaEventDestroy(cudaEvent_t event)
{
    for (int i = 0; i < streams; i++)
        for (const struct op *op = stream[i]->first; op; op = op->next)
            if (op->event == event) {
                drain(stream[i], 0);
                break;
            }
    free(event);
    double_count(DOUBLE_EVENT, -1);
    return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t s)
{
    MAY_FAIL(cudaErrorInvalidValue);
    record(event, s);
    return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t s, cudaEvent_t event, unsigned flags)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (flags)
        double_defect("cudaStreamWaitEvent: flags %u are not modelled", flags);
    return result(wait(s, event));
}

cudaError_t cudaEventSynchronize(cudaEvent_t event)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_IN_CAPTURE;
    if (event->capture)
        return result(cudaErrorCapturedEvent);
    if (!event->blocks)
        double_defect("cudaEventSynchronize: without cudaEventBlockingSync it spins");
    wait_for(event, event->recorded, 0);
    return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    NOT_IN_CAPTURE;
    if (event->capture)
        return result(cudaErrorCapturedEvent);
    if (event->done == event->recorded)
        return cudaSuccess;
    get_on(event->stream);
    return query(event->stream, event->done == event->recorded);
}

cudaError_t cudaEventElapsedTime(float *ms, cudaEvent_t start, cudaEvent_t end)
{
    MAY_FAIL(cudaErrorInvalidValue);
    if (!start->times || !end->times)
        double_defect("cudaEventElapsedTime: of an event without timing");
    if (start->done < start->recorded || end->done < end->recorded)
        return result(cudaErrorNotReady);
    *ms = (float)(end->at - start->at);
    return cudaSuccess;
}

/* ---- graphs: what was captured, in the order in which it was queued ---- */

cudaError_t cudaStreamBeginCapture(cudaStream_t s, enum cudaStreamCaptureMode mode)
{
    MAY_FAIL(cudaErrorInvalidValue);
    (void)mode;
    if (check_stream(s)->capture)
        return result(cudaErrorIllegalState);
    static long captures;
    cudaGraph_t graph = calloc(1, sizeof *graph);
    graph->number = ++captures;
    graph->last = &graph->first;
    graph->origin = s;
    s->capture = graph;
    double_count(DOUBLE_GRAPH, 1);
    return cudaSuccess;
}

static void free_graph(cudaGraph_t graph)
{
    for (struct op *op = graph->first, *next; op; op = next) {
        next = op->next;
        free(op->args);
        free(op);
    }
    free(graph);
}

cudaError_t cudaStreamEndCapture(cudaStream_t s, cudaGraph_t *graph)
{
    bool fails = double_fails(__func__), unjoined = false;
    cudaGraph_t captured = check_stream(s)->capture;
    if (!captured || captured->origin != s)
        return result(cudaErrorIllegalState);
    for (int i = 0; i < streams; i++)
        if (stream[i]->capture == captured) {
            unjoined = unjoined || stream[i]->unjoined;
            stream[i]->unjoined = false;
            stream[i]->capture = NULL;
        }
    *graph = NULL;
    if (fails || captured->broken || unjoined) {
        bool broken = captured->broken;
        cudaGraphDestroy(captured);
        return result(fails ? cudaErrorUnknown : broken ? cudaErrorStreamCaptureInvalidated : cudaErrorStreamCaptureUnjoined);
    }
    *graph = captured;
    return cudaSuccess;
}

/* The work moves from the graph to what is launched. A graph without work is none the worse. */
cudaError_t cudaGraphInstantiate(cudaGraphExec_t *exec, cudaGraph_t graph, unsigned long long flags)
{
    MAY_FAIL(cudaErrorMemoryAllocation);
    NOT_IN_CAPTURE;
    if (flags || graph->moved)
        double_defect("cudaGraphInstantiate: flags %llu, or a graph that was instantiated before", flags);
    *exec = calloc(1, sizeof **exec);
    (*exec)->graph = calloc(1, sizeof *graph);
    *(*exec)->graph = *graph;
    graph->first = NULL;
    graph->moved = true;
    double_count(DOUBLE_GRAPH, 1);
    return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph)
{
    free_graph(graph);
    double_count(DOUBLE_GRAPH, -1);
    return cudaSuccess;
}

static void free_exec(cudaGraphExec_t exec)
{
    if (!exec->destroyed || exec->launches)
        return;
    free_graph(exec->graph);
    free(exec);
}

/* As the real one, it does not wait for launches: the last of them ends it. */
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t exec)
{
    exec->destroyed = true;
    double_count(DOUBLE_GRAPH, -1);
    free_exec(exec);
    return cudaSuccess;
}

/* A captured stream's work up to and with `end` (NULL: all), as late as its waits allow for the others'. */
static void run_captured(cudaGraph_t graph, cudaStream_t s, const struct op *end)
{
    for (struct op *op = graph->first; op; op = op->next) {
        if (op->stream == s && !op->done && op->waits) {
            const struct op *recorded = graph->first;
            while (recorded && (recorded->waits || recorded->event != op->event || recorded->ticket != op->ticket))
                recorded = recorded->next;
            if (!recorded)
                double_defect("a captured stream waits for an event that was recorded outside of the graph");
            run_captured(graph, recorded->stream, recorded);
        }
        if (op->stream == s && !op->done && op->run)
            op->run(op->args);
        op->done = op->done || op->stream == s;
        if (op == end)
            return;
    }
}

static void run_graph(void *args)
{
    cudaGraphExec_t exec = *(cudaGraphExec_t *)args;
    for (struct op *op = exec->graph->first; op; op = op->next)
        op->done = false;
    run_captured(exec->graph, exec->graph->origin, NULL);
    exec->launches--;
    free_exec(exec);
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t exec, cudaStream_t s)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    exec->launches++;
    double_enqueue(s, "cudaGraphLaunch", run_graph, &exec, sizeof exec);
    return cudaSuccess;
}

/* ---- kernels ---- */

struct CUlib_st {
    struct ptx_module *module;
    void *shim;
    struct CUkern_st *kernel;
};

typedef void shim_launch(void *const *args, const unsigned *grid, const unsigned *block, bool waits);

struct CUkern_st {
    struct CUkern_st *next;
    const struct ptx_kernel *code;
    shim_launch *shim;
};

/* The PTX in a fat binary: a head, then entries of which kind 1 is PTX. It must be uncompressed. NULL: there is none. */
static char *ptx_of(const void *image)
{
    struct { uint32_t magic; uint16_t version, head; uint64_t bytes; } fat;
    struct { uint16_t kind, version; uint32_t head; uint64_t bytes; } entry;
    memcpy(&fat, image, sizeof fat);
    if (fat.magic != 0xba55ed50u)
        return NULL;
    const char *at = (const char *)image + fat.head, *end = at + fat.bytes;
    for (; at < end; at += entry.head + entry.bytes) {
        memcpy(&entry, at, sizeof entry);
        const char *text = at + entry.head;
        if (entry.kind == 1 && memchr(text, '.', 256))
            return strndup(text, entry.bytes);
    }
    return NULL;
}

cudaError_t cudaLibraryLoadData(cudaLibrary_t *library, const void *code, enum cudaJitOption *jit, void **jit_values, unsigned jits,
                                enum cudaLibraryOption *options, void **values, unsigned count)
{
    struct ptx_fault fault = { "" };
    MAY_FAIL(cudaErrorNoKernelImageForDevice);
    (void)jit, (void)jit_values, (void)options, (void)values;
    if (jits || count)
        double_defect("cudaLibraryLoadData: options are not modelled");
    struct CUlib_st *l = calloc(1, sizeof *l);
    char *text = ptx_of(code);
    if (!text || ptx_load(&l->module, text, &fault))
        double_defect("cudaLibraryLoadData: %s", text ? fault.text : "the image holds no PTX text");
    free(text);
    const char *shim = getenv("RN_DOUBLE_KERNELS");
    if (shim && !(l->shim = dlopen(shim, RTLD_NOW | RTLD_LOCAL)))
        double_defect("RN_DOUBLE_KERNELS: %s", dlerror());
    *library = (cudaLibrary_t)l;
    double_count(DOUBLE_LIBRARY, 1);
    return cudaSuccess;
}

static void write_coverage(const struct ptx_module *module)
{
    const char *path = getenv("RN_DOUBLE_COVERAGE");
    FILE *f = path ? fopen(path, "a") : NULL;
    const struct ptx_kernel *k;
    for (size_t i = 0; f && (k = ptx_kernel_at(module, i)); i++)
        for (size_t n = 0; n < ptx_lines(k); n++) {
            struct ptx_line line = ptx_line(k, n);
            fprintf(f, "%s\t%d\t%d\t%llu\t%s\n", ptx_name(k), line.line, line.trap, (unsigned long long)line.executed, line.text);
        }
    if (f)
        fclose(f);
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library)
{
    struct CUlib_st *l = (struct CUlib_st *)library;
    for (int i = 0; i < streams; i++)
        drain(stream[i], 0);
    write_coverage(l->module);
    for (struct CUkern_st *k = l->kernel, *next; k; k = next) {
        next = k->next;
        free(k);
    }
    ptx_free(l->module);
    free(l);
    double_count(DOUBLE_LIBRARY, -1);
    return cudaSuccess;
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t *kernel, cudaLibrary_t library, const char *name)
{
    struct CUlib_st *l = (struct CUlib_st *)library;
    MAY_FAIL(cudaErrorSymbolNotFound);
    const struct ptx_kernel *code = ptx_find(l->module, name);
    if (!code)
        return result(cudaErrorSymbolNotFound);
    struct CUkern_st *k = calloc(1, sizeof *k);
    char symbol[256];
    snprintf(symbol, sizeof symbol, "shim_%s", name);
    k->code = code;
    k->next = l->kernel;
    if (l->shim && !(*(void **)&k->shim = dlsym(l->shim, symbol)))
        double_defect("%s: the kernels compiled for the CPU have no %s", getenv("RN_DOUBLE_KERNELS"), symbol);
    l->kernel = k;
    *kernel = (cudaKernel_t)k;
    return cudaSuccess;
}

enum { PARAMETERS = 4096 }; /* at most, as on a GPU */

struct launch {
    const struct CUkern_st *kernel;
    int gpu;
    unsigned grid[3], block[3];
    size_t shared;
    char args[PARAMETERS];
};

bool double_computes(void)
{
    return setting("RN_DOUBLE_COMPUTE", 1);
}

static void run_kernel(void *args)
{
    struct launch *l = args;
    if (!double_computes())
        return;
    const struct ptx_kernel *code = l->kernel->code;
    void *list[64];
    size_t at = 0;
    for (size_t i = 0; i < ptx_params(code); i++) {
        list[i] = l->args + at;
        at += (ptx_param_bytes(code, i) + 15) / 16 * 16;
    }
    if (l->kernel->shim) {
        if (l->shared)
            double_defect("kernel %s: dynamic shared memory is not there for the CPU", ptx_name(code));
        l->kernel->shim(list, l->grid, l->block, ptx_waits(code));
        return;
    }
    struct ptx_fault fault = { "" };
    uint64_t threads = (uint64_t)l->grid[0] * l->grid[1] * l->grid[2] * l->block[0] * l->block[1] * l->block[2];
    struct ptx_memory memory = { region_find, &l->gpu, threads <= (uint64_t)setting("RN_DOUBLE_RACES", 131072) };
    struct ptx_launch launch = { { l->grid[0], l->grid[1], l->grid[2] }, { l->block[0], l->block[1], l->block[2] }, l->shared,
                                 list };
    if (ptx_run(code, &launch, &memory, &fault))
        double_defect("%s", fault.text);
}

/* The limits of every GPU from sm_75 on; those of larger launches would have to be asked for. */
static bool too_large(dim3 grid, dim3 block, size_t shared)
{
    return !grid.x || !grid.y || !grid.z || grid.x > INT32_MAX || grid.y > 65535 || grid.z > 65535 || !block.x || !block.y ||
           !block.z || (uint64_t)block.x * block.y * block.z > 1024 || block.z > 64 || shared > 48 << 10;
}

cudaError_t cudaLaunchKernel(const void *kernel, dim3 grid, dim3 block, void **args, size_t shared, cudaStream_t s)
{
    MAY_FAIL(cudaErrorLaunchFailure);
    const struct CUkern_st *k = kernel;
    if (too_large(grid, block, shared + ptx_static_shared(k->code)))
        return result(cudaErrorInvalidConfiguration);
    struct launch l = { .kernel = k, .gpu = double_gpu(s), .grid = { grid.x, grid.y, grid.z },
                        .block = { block.x, block.y, block.z }, .shared = shared };
    size_t at = 0;
    for (size_t i = 0; i < ptx_params(k->code); i++) {
        size_t bytes = ptx_param_bytes(k->code, i);
        if (at + bytes > sizeof l.args || i == 64)
            double_defect("kernel %s: too many parameters", ptx_name(k->code));
        memcpy(l.args + at, args[i], bytes);
        at += (bytes + 15) / 16 * 16;
    }
    if (current != l.gpu)
        double_defect("kernel %s is launched on GPU %d's stream while GPU %d is the current one", ptx_name(k->code), l.gpu,
                      current);
    double_enqueue(s, ptx_name(k->code), run_kernel, &l, sizeof l);
    return cudaSuccess;
}
