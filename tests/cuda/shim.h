/* shim.h -- CUDA's words as plain C++, so that the kernels' own source can be compiled for the CPU, under sanitizers: a second
 * opinion beside the interpreter, and a fast one. Blocks run one after the other. The threads of a block run one after the
 * other too when the kernel never waits; else each has a stack of its own and hands over where it waits.
 *
 *     #include "shim.h"
 *     #include "device/cuda/add.cu"
 *     SHIM(rn_add)        defines shim_rn_add, which double-cudart.c calls */
#ifndef TESTS_CUDA_SHIM_H
#define TESTS_CUDA_SHIM_H

#include <cmath>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#ifndef __x86_64__
#include <ucontext.h>
#endif
#include <utility>

#define __CUDACC__ 1
#define __global__
#define __device__
#define __host__
#define __shared__ static
#define __launch_bounds__(...)

struct shim_index {
    unsigned x, y, z;
};
static shim_index threadIdx, blockIdx, blockDim, gridDim;

namespace shim {

enum { MOST = 1024, STACK = 64 << 10, WARP = 32 };
enum state { RUNS, AT_BARRIER, IN_WARP, DONE };

/* A thread's place in the program. swapcontext would ask the kernel for the signal mask each time, which takes most of the
 * time; where the processor is known the registers are changed here. */
#ifdef __x86_64__
struct place {
    void *stack;
};
extern "C" void shim_switch(place *from, const place *to) __asm__("shim_switch_here");
__asm__(".text\nshim_switch_here:\n"
        "pushq %rbp\npushq %rbx\npushq %r12\npushq %r13\npushq %r14\npushq %r15\n"
        "movq %rsp, (%rdi)\nmovq (%rsi), %rsp\n"
        "popq %r15\npopq %r14\npopq %r13\npopq %r12\npopq %rbx\npopq %rbp\nret\n");

static inline void prepare(place *p, char *stack, size_t bytes, void (*enter)())
{
    void **top = reinterpret_cast<void **>((reinterpret_cast<size_t>(stack) + bytes) & ~static_cast<size_t>(15));
    *--top = nullptr; /* enter never returns */
    *--top = reinterpret_cast<void *>(enter);
    for (int i = 0; i < 6; i++)
        *--top = nullptr;
    p->stack = top;
}
#else
struct place {
    ucontext_t context;
};
static inline void shim_switch(place *from, const place *to)
{
    swapcontext(&from->context, &to->context);
}

static inline void prepare(place *p, char *stack, size_t bytes, void (*enter)())
{
    getcontext(&p->context);
    p->context.uc_stack.ss_sp = stack;
    p->context.uc_stack.ss_size = bytes;
    p->context.uc_link = nullptr;
    makecontext(&p->context, enter, 0);
}
#endif

struct thread {
    place here;
    state now;
    unsigned named; /* lanes that it waits for */
    shim_index index;
    unsigned value; /* what it hands to its warp */
    char *stack;
};

static thread threads[MOST];
static place scheduler;
static int current;
static bool together;
static void (*body)(void *const *);
static void *const *arguments;

static inline void stop(const char *what)
{
    fprintf(stderr, "doubles: a kernel compiled for the CPU: %s\n", what);
    abort();
}

static inline void wait(state how, unsigned named)
{
    if (!together)
        stop("it waits, though its PTX does not");
    threads[current].now = how;
    threads[current].named = named;
    shim_switch(&threads[current].here, &scheduler);
    threadIdx = threads[current].index;
}

static void enter()
{
    body(arguments);
    threads[current].now = DONE;
    shim_switch(&threads[current].here, &scheduler);
}

static inline void start(thread &t)
{
    if (!t.stack)
        t.stack = static_cast<char *>(malloc(STACK));
    prepare(&t.here, t.stack, STACK, enter);
    t.now = RUNS;
}

/* Lanes go on when all that they name, and that are not gone, wait in the same way. */
static inline bool release_warp(int first, int count)
{
    unsigned here = 0, gone = 0;
    bool released = false;
    for (int l = 0; l < WARP; l++) {
        if (first + l >= count || threads[first + l].now == DONE)
            gone |= 1u << l;
        else if (threads[first + l].now == IN_WARP)
            here |= 1u << l;
    }
    for (int l = 0; l < WARP; l++)
        if (here >> l & 1 && !(threads[first + l].named & ~gone & ~here)) {
            threads[first + l].now = RUNS;
            released = true;
        }
    return released;
}

static inline bool release_block(int count)
{
    int waiting = 0, done = 0;
    for (int i = 0; i < count; i++) {
        waiting += threads[i].now == AT_BARRIER;
        done += threads[i].now == DONE;
    }
    if (done == count)
        return false;
    if (waiting != count)
        stop("barrier divergence");
    for (int i = 0; i < count; i++)
        threads[i].now = RUNS;
    return true;
}

static inline void run_together(int count)
{
    for (int i = 0; i < count; i++)
        start(threads[i]);
    do {
        for (bool ran = true; ran;) {
            ran = false;
            for (int i = 0; i < count; i++) {
                if (threads[i].now != RUNS)
                    continue;
                current = i;
                threadIdx = threads[i].index;
                shim_switch(&scheduler, &threads[i].here);
                ran = true;
            }
            for (int w = 0; w < count; w += WARP)
                ran = release_warp(w, count) || ran;
        }
    } while (release_block(count));
}

static inline void run_block(int count)
{
    for (int i = 0; i < count; i++) {
        unsigned n = static_cast<unsigned>(i);
        threads[i].index = { n % blockDim.x, n / blockDim.x % blockDim.y, n / blockDim.x / blockDim.y };
    }
    if (together) {
        run_together(count);
        return;
    }
    for (current = 0; current < count; current++) {
        threadIdx = threads[current].index;
        body(arguments);
    }
}

static inline void launch(void (*kernel)(void *const *), void *const *args, const unsigned *grid, const unsigned *block, bool waits)
{
    body = kernel;
    arguments = args;
    together = waits;
    gridDim = { grid[0], grid[1], grid[2] };
    blockDim = { block[0], block[1], block[2] };
    for (blockIdx.z = 0; blockIdx.z < grid[2]; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid[1]; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid[0]; blockIdx.x++)
                run_block(static_cast<int>(block[0] * block[1] * block[2]));
}

template <class T> static T exchange(unsigned named, T value, int from)
{
    static_assert(sizeof(T) == sizeof(unsigned), "shuffles are of 32 bits");
    int first = current / WARP * WARP;
    memcpy(&threads[current].value, &value, sizeof value);
    wait(IN_WARP, named);
    memcpy(&value, &threads[first + from % WARP].value, sizeof value);
    wait(IN_WARP, named); /* nobody hands over the next value before all have read this one */
    return value;
}

template <class... A, size_t... I> static void call(void (*kernel)(A...), void *const *args, std::index_sequence<I...>)
{
    kernel(*static_cast<std::remove_const_t<A> *>(args[I])...);
}

template <class... A> static void call(void (*kernel)(A...), void *const *args)
{
    call(kernel, args, std::index_sequence_for<A...>{});
}

}

static inline unsigned __float_as_uint(float x)
{
    unsigned bits;
    std::memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float __uint_as_float(unsigned bits)
{
    float x;
    std::memcpy(&x, &bits, sizeof x);
    return x;
}

struct alignas(16) float4 {
    float x, y, z, w;
};
struct alignas(8) uint2 {
    unsigned x, y;
};
struct alignas(4) uchar4 {
    unsigned char x, y, z, w;
};

static inline float4 make_float4(float x, float y, float z, float w)
{
    return { x, y, z, w };
}

static inline uint2 make_uint2(unsigned x, unsigned y)
{
    return { x, y };
}

static inline uchar4 make_uchar4(unsigned char x, unsigned char y, unsigned char z, unsigned char w)
{
    return { x, y, z, w };
}

#define __syncthreads() shim::wait(shim::AT_BARRIER, 0)
#define __syncwarp() shim::wait(shim::IN_WARP, 0xffffffffu)
#define __shfl_xor_sync(named, value, by) shim::exchange(named, value, (shim::current % shim::WARP) ^ (by))

#define SHIM(kernel) \
    extern "C" void shim_##kernel(void *const *args, const unsigned *grid, const unsigned *block, bool waits) \
    { \
        shim::launch([](void *const *list) { shim::call(kernel, list); }, args, grid, block, waits); \
    }
#endif
