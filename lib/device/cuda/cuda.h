/* cuda.h -- private to the CUDA device: its state, and what the operators' host halves share.
 *
 * Numbers are float32, in maps bfloat16 where that was asked for. Maps lie as (N,H,W,C), weights as (K,R,S,C), as on the CPU
 * device.
 *
 * With several GPUs ("cuda:0,1") each has every block of memory, at its own address; a pointer of rn_array is the first
 * GPU's. Weights and vectors are the same on all; of a batch each GPU has its part, ceil(N / GPUs) images or what is left
 * (as torch.chunk), which may be none. An operator is a loop over the GPUs, which only starts work:
 *
 *     struct rn_cuda_part p = rn_cuda_parts(dev, y.n);
 *     while (rn_cuda_next(&p, err))
 *         p.rc = rn_cuda_launch(&p, RN_CUDA_add, grid, &args, y, err);
 *     return p.rc;
 *
 * The host half calls KERNEL(name) RN_CUDA_name. gen-table finds kernels and operators in the .cu files. */
#ifndef RN_DEVICE_CUDA_CUDA_H
#define RN_DEVICE_CUDA_CUDA_H

#include "cuda_table.h" /* made by gen-table */
#include "device/cuda/api.h"
#include "device/cuda/kernel.h"
#include "device/device.h"

_Static_assert((int)RELU == (int)RN_ACT_RELU && (int)SIGMOID == (int)RN_ACT_SIGMOID,
               "kernels have their own names for activations");

enum { RN_CUDA_GPUS = 16 }; /* at most */
/* bytes that a convolution may want: the same on every card, for the engine follows from it */
enum { RN_CUDA_WORKSPACE = 512 << 20 };

#define RN_CUDA_ENUM(file, name) RN_CUDA_##name,
enum rn_cuda_kernel { RN_CUDA_KERNELS(RN_CUDA_ENUM) RN_CUDA_KERNEL_COUNT };
#undef RN_CUDA_ENUM
#define RN_CUDA_ENUM(name) RN_CUDA_IMAGE_##name,
enum rn_cuda_image { RN_CUDA_IMAGES(RN_CUDA_ENUM) RN_CUDA_IMAGE_COUNT };
#undef RN_CUDA_ENUM

extern const unsigned char *const rn_cuda_images_table[RN_CUDA_IMAGE_COUNT]; /* fat binaries */

/* A block of memory on its way to or from the GPU: pinned here (near), where it does not lie in pinned memory already, and there
 * (far). */
struct rn_cuda_slot {
    char *near, *far;
    size_t near_bytes, bytes;
    cudaEvent_t arrived, free; /* the copy is there; what reads it is done */
};

/* What a loss needs besides the logits, and what comes of it, or the logits of evaluation (softmax_loss.cu): there is one on the
 * GPU, which captures point to, and pinned ones here for each step under way. */
struct rn_cuda_page {
    char *near[RN_STEPS_AHEAD], *far;
    size_t bytes;
    cudaEvent_t told[RN_STEPS_AHEAD]; /* the result is here */
};

struct rn_cuda_started {
    const char *what; /* NULL: nothing yet */
    struct rn_array shape;
};

struct rn_gpu {
    int ordinal;
    cudaStream_t stream, side, sums; /* side: batches on their way; sums: over GPUs */
    cudaEvent_t joined, summed;
    cublasHandle_t blas;
    cudnnHandle_t dnn;
    ncclComm_t comm; /* with several GPUs */
    void *blas_workspace;
    char *workspace; /* of one operator at a time; undefined contents */
    size_t workspace_bytes;
    struct rn_cuda_slot slot[2];
    unsigned turn; /* of the two slots */
    bool reading;  /* what was sent last may not have left the host's memory yet: */
    cudaEvent_t left; /* it has */
    char *trial; /* trial.cu's */
    size_t trial_bytes;
    float *value; /* of pixels (3,256), with these means and deviations */
    double value_mean[3], value_std[3];
    struct rn_cuda_page page;
    struct rn_cuda_started started[2]; /* what was started last, and before that: failures are seen later */
};

struct rn_cuda_block {
    char *at[RN_CUDA_GPUS];
    size_t bytes;
    bool cut; /* what lies here is cut by images */
    char *bf16_copy[RN_CUDA_GPUS]; /* the same numbers as bfloat16 (bf16.cu); NULL: not made yet */
    unsigned stale;           /* a bit for each GPU: its bf16 copy has not been told of a change */
};

/* Memory of rn_cuda_host_alloc. */
struct rn_cuda_pinned {
    char *at;
    size_t bytes;
};

struct rn_cuda_plan;  /* conv2d.cu */
struct rn_cuda_layer;

/* The engine of a convolution in training (engines.c): its number among those that suit, in the order of cuDNN's list. */
enum { RN_CUDA_KEY = 128 };
struct rn_cuda_choice {
    char key[RN_CUDA_KEY];
    size_t engine;
};

struct rn_cuda_segment; /* step.c */

/* A step that has been seen, and its segments once it was captured. */
struct rn_cuda_capture {
    uint64_t key[5]; /* of struct rn_device_step */
    struct rn_cuda_segment *segment;
    size_t segments, capacity;
    unsigned generation; /* of the memory that it uses; 0: not known yet */
};

/* Where we are in a step: outside (operators wait for their results), inside, or capturing. */
enum rn_cuda_stage { RN_CUDA_OUTSIDE, RN_CUDA_INSIDE, RN_CUDA_RECORDING };

struct rn_cuda {
    struct rn_device device; /* first: a struct rn_device * is one of these */
    struct rn_cuda_api api;
    cudaLibrary_t library[RN_CUDA_IMAGE_COUNT];
    cudaKernel_t kernel[RN_CUDA_KERNEL_COUNT];
    struct rn_gpu gpu[RN_CUDA_GPUS];
    int gpus;
    struct rn_cuda_block *block;
    size_t blocks, block_capacity;
    struct rn_cuda_pinned *pinned;
    size_t pinned_blocks, pinned_room;
    struct rn_cuda_plan *plan;
    size_t plans, plan_capacity, plan_at;
    struct rn_cuda_layer *layer;
    size_t layers, layer_capacity, layer_at;
    struct rn_cuda_choice *choice;
    size_t choices, choice_room;
    char *choices_text;
    bool engines_read, first_engines; /* the file was looked at; nothing is tried */
    size_t together, few; /* images that evaluation's convolutions do at a time: many, or few */
    struct rn_cuda_capture capture[8]; /* one a batch size */
    struct rn_cuda_capture *now; /* of the step that has begun */
    unsigned next_capture, generation;
    enum rn_cuda_stage stage;
    struct rn_cuda_begun {
        struct rn_loss *loss; /* the caller's; NULL: it has been told, */
        float *logits;        /* ... or these are wanted, of the output */
        struct rn_array output;
        size_t n;
    } begun[RN_STEPS_AHEAD];
    unsigned steps_begun, steps_ended;
    struct rn_array logits; /* their shape in the step that has begun last */
    bool tf32, bf16;
    enum rn_norms norms;
    bool summing; /* sums over GPUs are under way */
    bool failed;  /* something has; what is under way may never end, nor may what cleans up */
    int capability, weakest; /* the least of all GPUs: 90 is 9.0; which GPU has it */
    char versions[384]; /* of what the bits depend on besides: the GPU, the driver, the libraries, */
    char sums[32];      /* ... and NCCL */
    char variant[480];
};

/* api.c: loads the libraries. The runtime first, so that a machine without a GPU is told so. */
RN_MUST int rn_cuda_load_runtime(struct rn_cuda_api *api, struct rn_err *err);
RN_MUST int rn_cuda_load_libraries(struct rn_cuda_api *api, bool several, struct rn_err *err);

/* ---- one GPU's part of an operator ---- */

struct rn_cuda_part {
    struct rn_cuda *cuda;
    struct rn_gpu *gpu;
    int g;
    size_t images;   /* of the whole batch */
    size_t first, n; /* of them, this GPU's; n may be 0 */
    int rc;          /* not 0: the loop ends */
};

static inline struct rn_cuda *rn_cuda(struct rn_device *dev)
{
    return (struct rn_cuda *)dev;
}

/* images 0: work that all GPUs do alike. */
static inline struct rn_cuda_part rn_cuda_parts(struct rn_device *dev, size_t images)
{
    return (struct rn_cuda_part){ .cuda = rn_cuda(dev), .g = -1, .images = images };
}
bool rn_cuda_next(struct rn_cuda_part *p, struct rn_err *err);

/* The block that GPU g's address lies in, or NULL. */
struct rn_cuda_block *rn_cuda_block_of(const struct rn_cuda *cuda, int g, const void *pointer);
/* The GPU's own address of what is at `pointer` on the first; NULL stays NULL. */
void *rn_cuda_at(const struct rn_cuda_part *p, const void *pointer);

/* No dimension is larger than this can hold: rn_cuda_bytes refuses it. */
static inline unsigned rn_cuda_dim(size_t size)
{
    return (unsigned)size;
}

static inline struct map rn_cuda_whole(const struct rn_cuda_part *p, struct rn_array a)
{
    return (struct map){ rn_cuda_at(p, a.data), rn_cuda_dim(a.n), rn_cuda_dim(a.c), rn_cuda_dim(a.h), rn_cuda_dim(a.w),
                         a.storage == RN_BF16 };
}

/* Its part of the images. */
static inline struct map rn_cuda_cut(const struct rn_cuda_part *p, struct rn_array a)
{
    struct map map = rn_cuda_whole(p, a);
    map.n = rn_cuda_dim(p->n);
    return map;
}

/* Its part, or all of what all GPUs have alike. */
static inline struct map rn_cuda_map(const struct rn_cuda_part *p, struct rn_array a)
{
    return p->images ? rn_cuda_cut(p, a) : rn_cuda_whole(p, a);
}

static inline size_t rn_cuda_count(struct map a)
{
    return (size_t)a.n * a.h * a.w * a.c;
}

/* ---- grids: each follows from the shape alone ---- */

struct rn_cuda_grid {
    size_t x, y, z;
};

static inline size_t rn_cuda_ceil(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static inline size_t rn_cuda_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* For each(): elementwise. */
static inline struct rn_cuda_grid rn_cuda_blocks(size_t count)
{
    return (struct rn_cuda_grid){ rn_cuda_least(rn_cuda_ceil(count, RN_BLOCK), 1 << 16), 1, 1 };
}

static inline struct rn_cuda_grid rn_cuda_each(struct map a)
{
    return rn_cuda_blocks(rn_cuda_count(a));
}

/* For each_row(): channels and rows. */
static inline struct rn_cuda_grid rn_cuda_rows(struct map a)
{
    size_t rows = (size_t)a.n * a.h * a.w;
    return (struct rn_cuda_grid){ rn_cuda_ceil(a.c, RN_LANES), rn_cuda_least(rn_cuda_ceil(rows, 4 * RN_ROWS), 1 << 14), 1 };
}

/* Can four channels be moved at once, as numbers of x's storage? */
static inline bool rn_cuda_wide(struct map x, struct map a)
{
    return !a.at || (a.bf16 == x.bf16 && a.c % 4 == 0 && (uintptr_t)a.at % (x.bf16 ? 8 : 16) == 0);
}

/* Blocks of as many lanes as c things need, a power of two, and RN_BLOCK / lanes rows, of which a thread takes `each`, or more
 * where that would be more than `most` blocks. */
static inline unsigned rn_cuda_lanes(size_t c)
{
    unsigned lanes = 1;
    while (lanes < RN_LANES && lanes < c)
        lanes *= 2;
    return lanes;
}

static inline struct rn_cuda_grid rn_cuda_tiles(size_t c, size_t rows, size_t each, size_t most)
{
    size_t lanes = rn_cuda_lanes(c), x = rn_cuda_ceil(c, lanes);
    return (struct rn_cuda_grid){ x, rn_cuda_least(rn_cuda_ceil(rows, each * RN_BLOCK / lanes), rn_cuda_ceil(most, x)), 1 };
}

/* How many parts the rows are cut into for sums over them. */
static inline unsigned rn_cuda_row_parts(struct map a)
{
    return (unsigned)rn_cuda_least(rn_cuda_ceil((size_t)a.n * a.h * a.w, 32 * RN_ROWS), 512);
}

/* Channels and images; and with the pixels of each image in z. */
static inline struct rn_cuda_grid rn_cuda_images(struct map a)
{
    return (struct rn_cuda_grid){ rn_cuda_ceil(a.c, RN_LANES), a.n, 1 };
}

static inline struct rn_cuda_grid rn_cuda_image_rows(struct map a)
{
    return (struct rn_cuda_grid){ rn_cuda_ceil(a.c, RN_LANES), a.n,
                                  rn_cuda_least(rn_cuda_ceil((size_t)a.h * a.w, RN_ROWS), 1 << 10) };
}

/* A warp for each pixel. */
static inline struct rn_cuda_grid rn_cuda_pixels(struct map a)
{
    return (struct rn_cuda_grid){ rn_cuda_least(rn_cuda_ceil((size_t)a.n * a.h * a.w, RN_ROWS), 1 << 16), 1, 1 };
}

/* ---- work: all of it is started on the GPU's stream, and errors name the GPU ---- */

/* args: the kernel's struct. shape: for messages. A grid without blocks is no work, and no error. */
RN_MUST int rn_cuda_launch(const struct rn_cuda_part *p, enum rn_cuda_kernel kernel, struct rn_cuda_grid grid, const void *args,
                           struct rn_array shape, struct rn_err *err);
/* Notes that something will be started, for messages. */
void rn_cuda_starts(const struct rn_cuda_part *p, const char *what, struct rn_array shape);
RN_MUST int rn_cuda_copy(const struct rn_cuda_part *p, void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind,
                         struct rn_err *err);
/* For all work of the stream, or for the event (NULL: the stream). */
RN_MUST int rn_cuda_wait(const struct rn_cuda_part *p, cudaEvent_t event, struct rn_err *err);
/* float32 to bfloat16, and back (add: to what is there). */
RN_MUST int rn_cuda_narrow(const struct rn_cuda_part *p, void *to, const void *from, size_t count, struct rn_err *err);
RN_MUST int rn_cuda_widen(const struct rn_cuda_part *p, void *to, const void *from, size_t count, bool add, struct rn_err *err);
/* rn_cuda_map's numbers as (N,C,H,W) in float32, on the GPU. */
RN_MUST int rn_cuda_from_plain(const struct rn_cuda_part *p, struct rn_array y, float *from, struct rn_err *err);
RN_MUST int rn_cuda_to_plain(const struct rn_cuda_part *p, float *to, struct rn_array x, struct rn_err *err);
/* Weights as bfloat16: *w becomes the place in their block's bf16 copy; what lies in a block that is cut stays. */
RN_MUST int rn_cuda_bf16_copy(const struct rn_cuda_part *p, struct map *w, struct rn_err *err);
/* Where the bf16 copy of what is at w (the GPU's own) is; NULL: there is none. */
void *rn_cuda_bf16_copy_of(const struct rn_cuda_part *p, const void *w);
/* What is at w (the first GPU's) has been changed. */
void rn_cuda_stale(struct rn_cuda *cuda, const void *w);
/* All bf16 copies up to date. */
RN_MUST int rn_cuda_freshen(struct rn_cuda *cuda, struct rn_err *err);
/* For a parameter's gradient on a GPU without images: zeroed, unless it is added to. */
RN_MUST int rn_cuda_idle(const struct rn_cuda_part *p, struct rn_array gradient, unsigned add, struct rn_err *err);
/* Copies a vector of the first GPU to the others. */
RN_MUST int rn_cuda_spread(struct rn_device *dev, struct rn_array a, struct rn_err *err);

/* What comes later on the stream waits for the sums over GPUs. */
RN_MUST int rn_cuda_await_sums(const struct rn_cuda_part *p, struct rn_err *err);

/* Something has failed: from now on nothing is given back, and exit ends the process at once. ncclCommAbort, cudaFree and the
 * libraries' own ends of a process may wait for work that never ends. */
void rn_cuda_failed(struct rn_cuda *cuda);
/* 0, or -1 and "device cuda:0: WHAT: the library's text". */
RN_MUST int rn_cuda_check(const struct rn_cuda_part *p, cudaError_t status, const char *what, struct rn_err *err);
RN_MUST int rn_cuda_check_nccl(struct rn_cuda *cuda, ncclResult_t status, const char *what, struct rn_err *err);

/* Memory of the GPU, not zeroed; what cannot be had is reported with what is free. */
RN_MUST void *rn_cuda_take(const struct rn_cuda_part *p, size_t bytes, struct rn_err *err);
/* room of struct rn_device_class. */
size_t rn_cuda_room(const struct rn_device *dev);
/* At least so many bytes, aligned to 256, until the next call; NULL: p->rc is -1. It grows when a shape is met for the first
 * time only. */
RN_MUST void *rn_cuda_workspace(struct rn_cuda_part *p, size_t bytes, struct rn_err *err);
/* At least so many bytes for a trial, until the next call. */
RN_MUST void *rn_cuda_trial(const struct rn_cuda_part *p, size_t bytes, struct rn_err *err);
void rn_cuda_trial_free(const struct rn_cuda_part *p);
/* Fills x with numbers that are the same each time; after so many images they come again. */
RN_MUST int rn_cuda_trial_fill(const struct rn_cuda_part *p, struct map x, size_t images, struct rn_err *err);
/* Whether each image of many has the bits of the few's in its turn. It waits for the GPU. */
RN_MUST int rn_cuda_trial_same(const struct rn_cuda_part *p, bool *same, struct map many, struct map few, struct rn_err *err);
/* A slot of at least so many bytes that nothing is using; near: here, too. */
RN_MUST int rn_cuda_slot(const struct rn_cuda_part *p, struct rn_cuda_slot *slot, size_t bytes, bool near, struct rn_err *err);
/* host_alloc, host_free and host_wait of struct rn_device_class; do these bytes lie in such memory? */
void *rn_cuda_host_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err);
void rn_cuda_host_free(struct rn_device *dev, void *memory);
RN_MUST int rn_cuda_host_wait(struct rn_device *dev, struct rn_err *err);
bool rn_cuda_is_pinned(const struct rn_cuda *cuda, const void *from, size_t bytes);
void rn_cuda_slot_free(const struct rn_cuda *cuda, struct rn_cuda_slot *slot);
/* What softmax_loss gets from the host goes to the page; what comes of it, or of evaluation, comes back; is read, of the oldest
 * step under way. */
RN_MUST int rn_cuda_loss_in(struct rn_cuda *cuda, const struct rn_device_step *step, struct rn_err *err);
RN_MUST int rn_cuda_loss_back(struct rn_cuda *cuda, struct rn_err *err);
RN_MUST int rn_cuda_loss_out(struct rn_cuda *cuda, struct rn_err *err);
void rn_cuda_page_free(struct rn_cuda *cuda, struct rn_cuda_page *page);
void rn_cuda_plans_free(struct rn_cuda *cuda);
/* The engine of a convolution that is trained, if it is known. */
RN_MUST int rn_cuda_engine_known(struct rn_cuda *cuda, const char *key, bool *known, size_t *engine, struct rn_err *err);
/* ... is this one, from now on; tried: for other runs, too. */
RN_MUST int rn_cuda_engine_keep(struct rn_cuda *cuda, const char *key, size_t engine, bool tried, struct rn_err *err);
void rn_cuda_engines_free(struct rn_cuda *cuda);
/* choices and choose of struct rn_device_class. */
const char *rn_cuda_choices(struct rn_device *dev);
RN_MUST int rn_cuda_choose(struct rn_device *dev, const char *text, struct rn_err *err);

extern const struct rn_device_class rn_device_cuda;

/* The operators of struct rn_device_class, in the .cu files. */
#define RN_CUDA_PROTOTYPE(name) RN_OPERATOR_PROTOTYPE(cuda, name)
RN_OPERATORS(RN_CUDA_PROTOTYPE)
#undef RN_CUDA_PROTOTYPE

#endif
