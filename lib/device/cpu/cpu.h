/* cpu.h -- private to the CPU device: its state, and what its files share.
 *
 * Numbers are float32. Maps lie as (N,H,W,C), weights as (K,R,S,C), channels innermost: a 1x1 convolution is a matrix
 * product as it stands, and every loop over channels is a loop over neighbours.
 *
 * How work is cut follows from shapes alone, and what is summed over pixels or images is summed in an order that follows
 * from the shape: results have the same bits for any number of threads. Loops are vectorised over channels only (or
 * over elements that do not meet), so that every vector length gives the same bits too. */
#ifndef RN_DEVICE_CPU_CPU_H
#define RN_DEVICE_CPU_CPU_H

#include "core/isa.h"
#include "core/threads.h"
#include "device/device.h"

/* Functions with hot loops are compiled for several vector lengths, and the loader picks. Not under a sanitizer, whose
 * run time is not there yet when the loader picks, nor by clang, whose pickers of static functions are global. */
#if defined __x86_64__ && !defined __clang__ && !defined __SANITIZE_ADDRESS__ && !defined __SANITIZE_THREAD__
#define RN_CPU_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define RN_CPU_CLONES
#endif

/* c(m,n) = a b + beta c, row-major, the leading dimensions ("ld") in floats; b transposed: (n,k). */
struct rn_cpu_gemm {
    size_t m, n, k;
    const float *a, *b;
    float *c;
    size_t lda, ldb, ldc;
    bool a_transposed, b_transposed;
    float beta;
};

struct rn_cpu_path; /* conv.h */

struct rn_cpu {
    struct rn_device device; /* first: a struct rn_device * is one of these */
    struct rn_pool *pool;
    enum rn_isa isa;                 /* the place in tables of kernels */
    const struct rn_cpu_path *path;  /* NULL; tests and measurements set it to have every convolution that it takes go one way */
    float **scratch;  /* one block for each thread */
    size_t *capacity; /* of each, in floats */
    float *shared;
    size_t shared_capacity;
};

/* blas.c, the only file that knows OpenBLAS. */
RN_MUST int rn_cpu_blas_open(enum rn_isa *isa, int threads, struct rn_err *err);
void rn_cpu_gemm(const struct rn_cpu_gemm *gemm); /* on the calling thread */

static inline struct rn_cpu *rn_cpu(struct rn_device *dev)
{
    return (struct rn_cpu *)dev;
}

static inline size_t rn_cpu_count(struct rn_array a)
{
    return a.n * a.c * a.h * a.w;
}

static inline size_t rn_cpu_blocks(size_t n, size_t block)
{
    return (n + block - 1) / block;
}

static inline size_t rn_cpu_min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Elementwise work on n floats is cut into this many; a fixed number, so that results are. */
enum { RN_CPU_CHUNK = 32768 };

/* Rows of c floats that make about one chunk. */
static inline size_t rn_cpu_chunk_rows(size_t c)
{
    return c < RN_CPU_CHUNK ? RN_CPU_CHUNK / c : 1;
}

/* activation.c: in place, for one task. */
void rn_cpu_sigmoid(float *y, size_t count);

/* batch_norm.c, for norm_pool.c too. Forward: mean, inv_std and the running statistics of norm. */
RN_MUST int rn_cpu_norm_statistics(struct rn_cpu *cpu, struct rn_array x, const struct rn_norm *norm, struct rn_err *err);
void rn_cpu_norm_take_running(const struct rn_norm *norm, size_t c); /* of a norm that is fixed */
/* In parts, for whoever has a batch in several pieces. Forward: each channel's mean and variance (biased) over x, C each; what they
 * are over all `rows` of the batch goes to the norm (its running statistics, too, where it has some), which then is applied to each
 * piece. */
RN_MUST int rn_cpu_norm_moments(struct rn_cpu *cpu, struct rn_array x, double *mean, double *var, struct rn_err *err);
void rn_cpu_norm_settle(const struct rn_norm *norm, size_t c, size_t rows, const double *mean, const double *var);
RN_MUST int rn_cpu_norm_apply(struct rn_cpu *cpu, const struct rn_batch_norm *op, struct rn_err *err);
/* Backward: the sums of d and of d (x - mean), 2 C, which lie in scratch memory until the next operator but spread; and from those
 * of the whole batch the gradients. */
RN_MUST int rn_cpu_norm_sums(struct rn_cpu *cpu, const struct rn_batch_norm_backward *op, double **sums, struct rn_err *err);
RN_MUST int rn_cpu_norm_spread(struct rn_cpu *cpu, const struct rn_batch_norm_backward *op, const double *sums, size_t rows,
                               struct rn_err *err);
/* gamma inv_std: forward and backward find the same numbers. */
void rn_cpu_norm_scale(const struct rn_norm *norm, float *scale, size_t c);
/* From each channel's sums of d and of d (x - mean), over `rows`: dgamma, dbeta, and dx = scale d - slope (x - mean) - offset. */
struct rn_cpu_slopes {
    const double *sum, *dot;
    size_t rows;
    const float *scale;
    float *slope, *offset, *dgamma, *dbeta;
};
void rn_cpu_norm_slopes(const struct rn_norm *norm, const struct rn_cpu_slopes *s, size_t c, bool add);

extern const struct rn_device_class rn_device_cpu;

/* memory.c: zeroed, aligned to 64. NULL is allowed to be freed. */
void *rn_cpu_block(size_t bytes, struct rn_err *err);
void rn_cpu_block_free(void *memory);
/* Grows each thread's scratch block, and the one that all share, to at least so many floats (undefined contents). */
RN_MUST int rn_cpu_scratch(struct rn_cpu *cpu, size_t each, size_t shared, struct rn_err *err);

/* The operators of struct rn_device_class, in the files that bear their names. */
#define RN_CPU_OPERATORS(X) RN_OPERATORS(X) RN_FUSED_OPERATORS(X) X(discard) X(dry) X(usage) X(prepacked) X(prepack)
#define RN_CPU_PROTOTYPE(name) RN_OPERATOR_PROTOTYPE(cpu, name)
RN_CPU_OPERATORS(RN_CPU_PROTOTYPE)
#undef RN_CPU_PROTOTYPE

#endif
