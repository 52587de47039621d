/* ptx.h -- executes the PTX that nvcc wrote, unmodified, on the CPU: 32 lanes of a warp at a time, blocks one after the
 * other. It is strict where a GPU is not: an opcode, type or modifier that it does not know, an address outside of what was
 * allocated, a misaligned one, a data race, a barrier that some threads never reach are faults that name kernel, line,
 * instruction and threads. Nothing is skipped and nothing guessed.
 *
 * What it models: PTX 9.0 of sm_75 as nvcc 13 emits it: integer, float, logic, conversions (bf16 and f16 too), all memory
 * spaces, vectors, atomics, shuffles, votes, barriers, divergence (each lane has its own place in the program; lanes at the
 * same place run together, the lowest place first). Approximate operations (ex2, lg2, rcp, rsqrt, ...) are the C library's.
 * What it does not: functions and calls, textures, matrix instructions, asynchronous copies, clocks.
 *
 * Race detection: two threads of a block that touch the same byte without a barrier between them, or of two blocks in
 * one launch, one of them writing, not both by atomics. */
#ifndef TESTS_CUDA_PTX_H
#define TESTS_CUDA_PTX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ptx_module;
struct ptx_kernel;

struct ptx_fault {
    char text[512]; /* one line; empty: none */
};

/* A block of global memory. shadow: who touched which byte last; made by ptx_run when it looks for races, freed by
 * ptx_forget. The owner is the memory's. */
struct ptx_region {
    uintptr_t base;
    size_t bytes;
    struct ptx_mark *shadow;
};
void ptx_forget(struct ptx_region *region);

/* The global memory that a launch may touch. find: the last region that begins at or before this address, whether it reaches
 * so far or not, or NULL. The struct outlives what it describes (then with 0 bytes). */
struct ptx_memory {
    struct ptx_region *(*find)(void *of, uintptr_t address);
    void *of;
    bool races; /* look for them: several times slower, and 16 bytes for each byte that is touched */
};

struct ptx_launch {
    unsigned grid[3], block[3];
    size_t dynamic_shared;
    void *const *args; /* one pointer for each parameter, as cudaLaunchKernel's */
};

/* 0, or -1 and fault is filled. Module-level .global and .const variables live in the module. */
int ptx_load(struct ptx_module **module, const char *text, struct ptx_fault *fault);
void ptx_free(struct ptx_module *module);

const struct ptx_kernel *ptx_find(const struct ptx_module *module, const char *name); /* NULL: there is none */
const struct ptx_kernel *ptx_kernel_at(const struct ptx_module *module, size_t i);    /* NULL after the last */
const char *ptx_name(const struct ptx_kernel *kernel);
size_t ptx_params(const struct ptx_kernel *kernel);
size_t ptx_param_bytes(const struct ptx_kernel *kernel, size_t i);
size_t ptx_static_shared(const struct ptx_kernel *kernel);
bool ptx_waits(const struct ptx_kernel *kernel); /* its threads wait for each other somewhere */

int ptx_run(const struct ptx_kernel *kernel, const struct ptx_launch *launch, const struct ptx_memory *memory,
            struct ptx_fault *fault);

/* Coverage: each instruction of a kernel, and how often a warp executed it since the module was loaded. */
struct ptx_line {
    int line;           /* of the PTX text */
    int source;         /* of the .cu file, 0 when the PTX has no line numbers */
    const char *text;   /* as nvcc wrote it, without the semicolon */
    uint64_t executed;
    bool trap;          /* trap or brkpt: not meant to be executed */
};
size_t ptx_lines(const struct ptx_kernel *kernel);
struct ptx_line ptx_line(const struct ptx_kernel *kernel, size_t i);
uint64_t ptx_executed(void); /* warp instructions of this process */

#endif
