/* ranks.h -- private to the device whose parts are processes, the ranks of an MPI run, on one host or on several.
 *
 * Rank 0 is the program; the others, of the same program, follow it: they never come back from open. Each operator that rank 0 is
 * asked for is a call, which it sends to all and does itself as the others do, each on its images: the blocks of memory are the
 * same on all ranks, but that in a block which is cut each has only its own images, one behind the other.
 *
 * A batch is cut into a fixed number of leaves, a power of two, whose images follow from the batch's size alone; a rank has
 * neighbouring ones, as many as each other. What a leaf's images give (a convolution's gradients, a norm's sums) is computed for
 * each leaf by itself, and added over the leaves by one tree (tree.h). So results have the same bits for any number of ranks that
 * divides the leaves. On each rank computes the CPU device, whose files are in this plug-in once more. */
#ifndef RN_DEVICE_RANKS_RANKS_H
#define RN_DEVICE_RANKS_RANKS_H

#include "core/mem.h"
#include "device/device.h"
#include "device/ranks/comm.h"

struct rn_ranks_block {
    char *at;
    const char *origin; /* where rank 0 has it */
    size_t bytes;
    bool cut;
    float **leaf; /* gradients: a block as large for each leaf of ours, zero between steps; NULL: none yet */
};

/* The statistics of a norm before a step moved them. */
struct rn_ranks_before {
    struct rn_array mean, var;
    float *values; /* mean's, then var's */
};

struct rn_ranks {
    struct rn_device device; /* first: a struct rn_device * is one of these */
    struct rn_device *inner; /* the CPU device */
    struct rn_ranks_comm *comm;
    size_t rank, size, leaves, own; /* own: leaves of each rank */
    struct rn_ranks_block *block;
    size_t blocks, block_capacity;
    struct rn_ranks_before *before; /* rank 0's, of the step that is computed */
    size_t befores, before_room;
    double *sums; /* grown as needed */
    size_t sums_room;
    struct rn_loss loss; /* of the last softmax_loss */
    enum rn_norms norms; /* rank 0's */
    uint64_t calls;
    bool failed; /* a call of ours */
    char variant[64];
};

static inline struct rn_ranks *rn_ranks(struct rn_device *dev)
{
    return (struct rn_ranks *)dev;
}

/* Operators and what else all ranks do: a call is a line here, and do_NAME in calls.c. */
#define RN_RANKS_CALLS(X) \
    X(alloc) X(free) X(discard) X(cut) X(upload) X(upload_images) X(download) X(fill) X(conv2d) X(prepack) X(conv2d_backward) \
    X(activation_backward) X(add) X(add_backward) X(batch_norm) X(batch_norm_backward) X(fold) X(max_pool) X(max_pool_backward) \
    X(global_avg_pool) X(global_avg_pool_backward) X(channel_pool) X(channel_pool_backward) X(gate) X(gate_backward) \
    X(softmax_loss) X(all_reduce) X(sgd) X(adamw) X(lerp)
#define RN_RANKS_NUMBER(name) RN_RANKS_DO_##name,
enum rn_ranks_what { RN_RANKS_CALLS(RN_RANKS_NUMBER) RN_RANKS_COUNT };
#undef RN_RANKS_NUMBER

/* Arguments have the names of device.h; pointers are rank 0's until they are found here. */
struct rn_ranks_call {
    enum rn_ranks_what what;
    uint64_t number; /* of the run's calls, from 0 */
    union {
        struct {
            struct rn_array y, x, w, residual, channel, spatial, dx, dw, dbias, dy, dresidual, dgamma, dbeta, dchannel, dspatial;
        };
        struct rn_array array[15];
    };
    union {
        struct {
            struct rn_array gamma, beta, running_mean, running_var, mean, inv_std;
        } of;
        struct rn_array array[6];
    } norm;
    double momentum, eps;
    bool fixed, by_leaf, eval, weighs, targets, teaches;
    unsigned add;
    struct rn_window window;
    enum rn_activation activation;
    enum rn_combine combine;
    void *memory[4];
    size_t bytes;
    double value, scale[3], shift[3];
    struct rn_loss_options loss;
    struct rn_sgd sgd;
    struct rn_adamw adamw;
};

/* The operators of struct rn_device_class. */
#define RN_RANKS_OPERATORS(X) RN_OPERATORS(X) \
    X(discard) X(prepacked) X(prepack) X(share) X(cut) X(all_reduce) X(undo)
#define RN_RANKS_PROTOTYPE(name) RN_OPERATOR_PROTOTYPE(ranks, name)
RN_RANKS_OPERATORS(RN_RANKS_PROTOTYPE)
#undef RN_RANKS_PROTOTYPE

extern const struct rn_device_class rn_device_ranks;
extern const size_t rn_device_ranks_size;

#endif
