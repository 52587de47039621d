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
    const char *variant;
    int isa;                         /* the variant's place in tables of kernels: avx512, avx2, portable */
    const struct rn_cpu_path *path;  /* NULL; tests and measurements set it to have every convolution that it takes go one way */
    float **scratch;  /* one block for each thread */
    size_t *capacity; /* of each, in floats */
    float *shared;
    size_t shared_capacity;
};

/* blas.c, the only file that knows OpenBLAS. */
RN_MUST int rn_cpu_blas_open(const char **variant, int *isa, int threads, struct rn_err *err);
void rn_cpu_gemm(const struct rn_cpu_gemm *gemm); /* on the calling thread */

/* Grows each thread's scratch block, and the one that all share, to at least so many floats (undefined contents). */
RN_MUST int rn_cpu_scratch(struct rn_cpu *cpu, size_t each, size_t shared, struct rn_err *err);

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

/* The operators of struct rn_device_class, in the files that bear their names. */
size_t rn_cpu_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage);
void *rn_cpu_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err);
void rn_cpu_free(struct rn_device *dev, void *memory);
void rn_cpu_forget(struct rn_device *dev, void *memory, size_t bytes);
int rn_cpu_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err);
int rn_cpu_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err);
int rn_cpu_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                         const double std[3], struct rn_err *err);
int rn_cpu_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err);
size_t rn_cpu_prepared(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w,
                       struct rn_window window, enum rn_activation activation);
int rn_cpu_prepare(struct rn_device *dev, void *prepared, struct rn_array y, struct rn_array x, struct rn_array w,
                   struct rn_window window, enum rn_activation activation, struct rn_err *err);
int rn_cpu_conv2d(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w,
                  struct rn_window window, struct rn_epilogue epilogue, bool eval, struct rn_err *err);
int rn_cpu_conv2d_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dw, struct rn_array dbias,
                           struct rn_array dy, struct rn_array x, struct rn_array w, struct rn_window window,
                           unsigned add, struct rn_err *err);
int rn_cpu_activation_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array y,
                               enum rn_activation activation, struct rn_err *err);
int rn_cpu_add(struct rn_device *dev, struct rn_array y, struct rn_array a, struct rn_array b,
               enum rn_activation activation, struct rn_err *err);
int rn_cpu_add_backward(struct rn_device *dev, struct rn_array da, struct rn_array db, struct rn_array dy,
                        struct rn_array y, enum rn_activation activation, unsigned add, struct rn_err *err);
int rn_cpu_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                      const struct rn_norm *norm, bool relu, struct rn_err *err);
int rn_cpu_batch_norm_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dresidual,
                               struct rn_array dgamma, struct rn_array dbeta, struct rn_array dy, struct rn_array x,
                               struct rn_array y, const struct rn_norm *norm, bool relu, unsigned add,
                               struct rn_err *err);
int rn_cpu_fold(struct rn_device *dev, struct rn_array w2, struct rn_array bias2, struct rn_array w,
                const struct rn_norm *norm, struct rn_err *err);
int rn_cpu_max_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_window window,
                    struct rn_err *err);
int rn_cpu_max_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x,
                             struct rn_array y, struct rn_window window, unsigned add, struct rn_err *err);
int rn_cpu_norm_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, const struct rn_norm *norm,
                     struct rn_window window, struct rn_err *err);
int rn_cpu_norm_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dgamma, struct rn_array dbeta,
                              struct rn_array dy, struct rn_array x, struct rn_array y, const struct rn_norm *norm,
                              struct rn_window window, unsigned add, struct rn_err *err);
int rn_cpu_mean_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_err *err);
int rn_cpu_mean_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, unsigned add,
                              struct rn_err *err);
int rn_cpu_channel_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_err *err);
int rn_cpu_channel_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x,
                                 struct rn_array y, unsigned add, struct rn_err *err);
int rn_cpu_gate(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array channel,
                struct rn_array spatial, enum rn_combine combine, struct rn_err *err);
int rn_cpu_gate_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dchannel,
                         struct rn_array dspatial, struct rn_array dy, struct rn_array x, struct rn_array channel,
                         struct rn_array spatial, enum rn_combine combine, unsigned add, struct rn_err *err);
int rn_cpu_softmax_loss(struct rn_device *dev, struct rn_loss *loss, struct rn_array dlogits,
                        struct rn_array logits, const int64_t *labels, const struct rn_loss_options *options,
                        struct rn_err *err);
int rn_cpu_sgd(struct rn_device *dev, void *w, void *v, const void *g, size_t bytes, struct rn_sgd options,
               struct rn_err *err);
int rn_cpu_adamw(struct rn_device *dev, void *w, void *m, void *v, const void *g, size_t bytes, struct rn_adamw options,
                 struct rn_err *err);
int rn_cpu_lerp(struct rn_device *dev, void *y, const void *x, double share, size_t bytes, struct rn_err *err);
int rn_cpu_square_sum(struct rn_device *dev, double *sum, const void *x, size_t bytes, struct rn_err *err);

#endif
