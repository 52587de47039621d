/* device.h -- the seam between networks and the hardware that computes them.
 *
 * A device is one const struct of functions (struct rn_device_class), in one folder, whose name is the registration:
 * lib/device/cpu, or a plug-in, which a program loads when it is asked for. The CPU's slow twin, lib/device/reference,
 * computes the same operators in float64 with plain loops; it is what tests compare with (-d reference runs a whole
 * network on it).
 *
 * Letters: N images, C K channels in and out, H W input, P Q output, R S kernel; x y w values, dx dy dw their gradients.
 *
 * Arrays are four-dimensional (N,C,H,W), weights (K,C,R,S), vectors (1,C,1,1), and outputs of linear layers (N,C,1,1).
 * A linear layer is a convolution with a 1x1 kernel on a 1x1 map. How elements lie in memory is the device's own matter:
 * only upload and download see them from outside, as float32 in (N,C,H,W) order.
 *
 * Every operator overwrites its outputs; where `add` has the bit, it adds to them instead. Inputs and outputs do not
 * overlap unless a comment allows it. Results do not depend on the number of threads; in conv2d with eval set, an
 * image's output does not depend on the other images of the batch either. Errors are shapes that do not fit (a defect
 * of the caller), memory, or the device's own. An operator has one argument, a struct of its name; what is left out of it
 * is zero, and an array that is left out is not there:
 *
 *     dev->class->add(dev, &(struct rn_add){ .y = y, .a = a, .b = b, .activation = RN_ACT_RELU }, err)
 */
#ifndef RN_DEVICE_DEVICE_H
#define RN_DEVICE_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"

/* How a device keeps an array's numbers. Parameters, their gradients, statistics, vectors of batch norm and logits are RN_FULL;
 * the other maps and their gradients are kept as rn_device_class.maps says. */
enum rn_storage {
    RN_FULL, /* what the device computes in: float32 (the reference device: float64) */
    RN_BF16, /* bfloat16 */
};

/* data NULL: not there (where an operator says that an array is optional). */
struct rn_array {
    void *data; /* device memory, of rn_device_class.bytes(n, c, h, w, storage) bytes; the owner is whoever allocated it */
    size_t n, c, h, w;
    enum rn_storage storage;
};

/* A kernel that slides over a map, whose rows and columns are `dilation` pixels apart (1: neighbours), with zeros around the map:
 * P = (H + top + bottom - dilation (R - 1) - 1) / stride + 1. Convolutions: each of `groups` shares of the outputs sees a share of
 * the input's channels, in their order, and weights are (K,C/groups,R,S). Pools have no dilation, and one group. */
struct rn_window {
    size_t r, s, stride, top, left, bottom, right, dilation, groups;
};
/* With the same padding on each side, and nothing else. */
#define RN_WINDOW(r, s, stride, padding) { r, s, stride, padding, padding, padding, padding, 1, 1 }

/* A map's sides after the window; false: it is larger than the map. */
static inline bool rn_window_slide(struct rn_window window, size_t *h, size_t *w)
{
    size_t rows = *h + window.top + window.bottom, columns = *w + window.left + window.right;
    size_t r = window.dilation * (window.r - 1) + 1, s = window.dilation * (window.s - 1) + 1;
    if (rows < r || columns < s)
        return false;
    *h = (rows - r) / window.stride + 1;
    *w = (columns - s) / window.stride + 1;
    return true;
}

enum rn_activation { RN_ACT_NONE, RN_ACT_RELU, RN_ACT_SIGMOID };

/* Batch norm over N, H, W of each channel: all (1,C,1,1). */
struct rn_norm {
    struct rn_array gamma, beta, running_mean, running_var;
    struct rn_array mean, inv_std; /* of this batch: written forward, read backward */
    double momentum;               /* running = (1 - momentum) running + momentum batch; unbiased variance in running_var */
    double eps;
    bool fixed; /* evaluation's: the running statistics are those of this batch, and do not move */
};

/* How the two gated maps are combined: x times channel gate, x times spatial gate. One of the gates absent: the other
 * alone. MAX gives half of the gradient to each where the two are equal, as PyTorch's torch.max. */
enum rn_combine { RN_COMBINE_SUM, RN_COMBINE_MUL, RN_COMBINE_MAX };

/* Cross entropy as PyTorch's CrossEntropyLoss(weight, label_smoothing): mean of -log p(label), weighted by the label's class
 * and divided by the sum of those weights; with smoothing e: (1 - e) of that, and e / C of the sum over all classes. */
struct rn_loss_options {
    const float *class_weights; /* C of them in host memory; NULL: all 1 */
    double smoothing;
    /* (N,C) in host memory, each row of sum 1: shares of the classes in an image, as PyTorch's probabilities for targets: the sum
     * over classes of weight (smoothed) share -log p, its mean over images. NULL: all is the label's. With labels the heaviest of
     * each. */
    const float *targets;
    /* Distillation (Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015): with (N,C) in host memory,
     * each row a teacher's probabilities at this temperature T, of sum 1, the loss is (1 - alpha) of what the above says, and alpha
     * T^2 KL(teacher || softmax(logits / T)), the mean over images: PyTorch's KLDivLoss with reduction batchmean. NULL: none. */
    const float *teacher;
    double temperature, alpha; /* above 0; 0 to 1 */
};
struct rn_loss {
    double loss;     /* the mean; may be NaN or infinite: the caller looks */
    int64_t correct; /* images whose largest logit (the first of equals) is the label */
};

/* How products of matrices and convolutions compute: in float32; with inputs rounded to TF32 (10 bits of mantissa), sums in
 * float32, and all else as before; or mixed: inputs in bfloat16 (7 bits), as maps and their gradients are then stored, while
 * sums, statistics, parameters and their gradients stay float32. */
enum rn_precision { RN_PRECISION_FP32, RN_PRECISION_TF32, RN_PRECISION_BF16 };

/* Of what a batch norm takes its statistics in training, and its gradients' means: of the whole batch, or, on a device of several
 * parts, each part of its own images, or, on one that cuts batches into leaves, each leaf of its own; the running statistics are
 * then those of the first part, or leaf, that has images. */
enum rn_norms { RN_NORMS_WHOLE, RN_NORMS_PART, RN_NORMS_LEAF };
#define RN_NORMS_WORDS "whole|part|leaf"

/* One step of training, or a batch that is evaluated, as begin and end of a device see it. */
struct rn_device_step {
    uint64_t key[5]; /* steps with the same key do the same operators on the same arrays; other labels and class weights */
    struct rn_loss *loss;
    size_t n, c; /* of the logits */
    const int64_t *labels;
    const struct rn_loss_options *options;
    /* A batch that is evaluated, in the place of the three above and of the loss: logits (n, c) in host memory, which end fills
     * from what `output` holds then. */
    float *logits;
    struct rn_array output;
};

/* ---- operators: of each what it writes, what it reads, and its numbers ---- */

enum { RN_ADD_DX = 1, RN_ADD_DW = 2, RN_ADD_RESIDUAL = 4 }; /* bits of `add`: the outputs that are added to */

/* y(N,K,P,Q) = activation(x(N,C,H,W) * w(K,C/groups,R,S) + bias + residual). eval: the algorithm depends on the layer's shape
 * alone, not on N. */
struct rn_conv2d {
    struct rn_array y, x, w;
    struct rn_array bias;     /* (1,K,1,1); optional */
    struct rn_array residual; /* as y; optional */
    struct rn_window window;
    enum rn_activation activation;
    const void *prepacked; /* evaluation: what `prepack` made of w, whose numbers are then not read; or NULL */
    bool eval;
};
struct rn_conv2d_backward {
    struct rn_array dx, dw, dbias; /* each optional */
    struct rn_array dy, x, w;      /* dy: before the activation (see activation_backward) */
    struct rn_window window;
    unsigned add;
};

/* dx = dy times the activation's derivative, from its output y. dx may be dy. */
struct rn_activation_backward {
    struct rn_array dx, dy, y;
    enum rn_activation activation;
};

/* y = activation(a + b), all of one shape; b optional. y may be a. */
struct rn_add {
    struct rn_array y, a, b;
    enum rn_activation activation;
};
/* da = db = dy times the activation's derivative, from y. db: optional; its bit is RN_ADD_RESIDUAL. */
struct rn_add_backward {
    struct rn_array da, db, dy, y;
    enum rn_activation activation;
    unsigned add;
};

/* Train mode: y = gamma (x - mean) / sqrt(var + eps) + beta, then + residual (optional), then the activation: none or
 * ReLU. The caller has checked that N H W > 1. */
struct rn_batch_norm {
    struct rn_array y, x, residual;
    struct rn_norm norm;
    enum rn_activation activation;
};
struct rn_batch_norm_backward {
    struct rn_array dx, dresidual, dgamma, dbeta; /* dresidual: optional; dx may be dy */
    struct rn_array dy, x, y;                     /* y: what forward gave, for the activation's derivative */
    struct rn_norm norm;
    enum rn_activation activation;
    unsigned add;
};
/* Evaluation: w2(K,C,R,S) = w gamma / sqrt(running_var + eps), bias2(1,K,1,1) = beta - running_mean gamma / sqrt(...). w2
 * may be w, and bias2 beta; w2 may be kept as maps are. */
struct rn_fold {
    struct rn_array w2, bias2, w;
    struct rn_norm norm;
};

/* Padding counts as minus infinity. Of equal values the first in row order gets the gradient. */
struct rn_max_pool {
    struct rn_array y, x;
    struct rn_window window;
};
struct rn_max_pool_backward {
    struct rn_array dx, dy, x, y;
    struct rn_window window;
    unsigned add;
};

/* Train mode, C a multiple of 16: batch norm, ReLU and max pooling as one, so that the map between is nowhere; y is the pooled
 * map. Backward adds to dgamma and dbeta alone. */
struct rn_norm_pool {
    struct rn_array y, x;
    struct rn_norm norm;
    struct rn_window window;
};
struct rn_norm_pool_backward {
    struct rn_array dx, dgamma, dbeta, dy, x, y;
    struct rn_norm norm;
    struct rn_window window;
    unsigned add;
};

/* y(N,C,1,1) = mean of x(N,C,H,W) over H and W. */
struct rn_global_avg_pool {
    struct rn_array y, x;
};
struct rn_global_avg_pool_backward {
    struct rn_array dx, dy;
    unsigned add;
};

/* y(N,2,H,W): the largest and the mean of x's channels at each pixel. Of equal channels the first gets the gradient. */
struct rn_channel_pool {
    struct rn_array y, x;
};
struct rn_channel_pool_backward {
    struct rn_array dx, dy, x, y;
    unsigned add;
};

/* y = combine(x channel(N,C,1,1), x spatial(N,1,H,W)); at least one of the gates is there. */
struct rn_gate {
    struct rn_array y, x, channel, spatial;
    enum rn_combine combine;
};
struct rn_gate_backward {
    struct rn_array dx, dchannel, dspatial; /* of each gate that is there */
    struct rn_array dy, x, channel, spatial;
    enum rn_combine combine;
    unsigned add; /* of dx alone */
};

/* logits (N,C,1,1), labels: N in host memory, each in 0..C-1. dlogits: optional. */
struct rn_softmax_loss {
    struct rn_array dlogits, logits;
    struct rn_loss *loss;
    const int64_t *labels;
    const struct rn_loss_options *options;
};

/* On whole blocks of parameters, momentum and gradients, `bytes` each. PyTorch's SGD: g += wd w; v = momentum v + g; w -= lr v
 * (nesterov: w -= lr (g + momentum v)). v starts at 0, so that the first v is g. */
struct rn_sgd {
    void *w, *v;
    const void *g;
    size_t bytes;
    double lr, momentum, wd;
    bool nesterov;
    double scale; /* of the gradients, before all else; 0: as they are */
};
/* The same blocks, m and v the moments. PyTorch's AdamW (Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR
 * 2019): w -= lr wd w; m += (1 - beta1) (g - m); v = beta2 v + (1 - beta2) g^2;
 * w -= lr m / (1 - beta1^step) / (sqrt(v / (1 - beta2^step)) + eps). */
struct rn_adamw {
    void *w, *m, *v;
    const void *g;
    size_t bytes;
    double lr, beta1, beta2, eps, wd;
    double scale; /* as in rn_sgd */
    int64_t step; /* this update's number, from 1 */
};
/* y += share (x - y), on whole blocks; share 1: y = x. */
struct rn_lerp {
    void *y;
    const void *x;
    size_t bytes;
    double share;
};
/* *sum: of the squares of a whole block's numbers, added in an order that follows from bytes. */
struct rn_square_sum {
    double *sum;
    const void *x;
    size_t bytes;
};

/* From these lists come the class, every device's prototypes and rows, and the checks: an operator is a line here, and
 * rn_DEVICE_NAME in each device. */
#define RN_MAP_OPERATORS(X) \
    X(conv2d) X(conv2d_backward) X(activation_backward) X(add) X(add_backward) X(batch_norm) X(batch_norm_backward) X(fold) \
    X(max_pool) X(max_pool_backward) X(global_avg_pool) X(global_avg_pool_backward) X(channel_pool) X(channel_pool_backward) \
    X(gate) X(gate_backward) X(softmax_loss)
#define RN_FUSED_OPERATORS(X) X(norm_pool) X(norm_pool_backward)
#define RN_BLOCK_OPERATORS(X) X(sgd) X(adamw) X(lerp) X(square_sum)
#define RN_OPERATOR(name) RN_MUST int (*name)(struct rn_device *dev, const struct rn_##name *op, struct rn_err *err);

enum { RN_STEPS_AHEAD = 2 }; /* steps that may have begun and not ended */

struct rn_device;

/* Bytes: the most that blocks had at any time; how many of them were discarded; what operators have for their own work now. */
struct rn_device_usage {
    size_t blocks, discarded, scratch;
};

struct rn_device_class {
    const char *name;    /* the folder's */
    const char *summary; /* a phrase for lists */

    /* `which`: what follows the colon of "-d name:which", or NULL. threads: for devices that run on the host. */
    RN_MUST int (*open)(struct rn_device **dev, const char *which, int threads, struct rn_err *err);
    /* A device that has failed gives nothing back, here and in `free`, where it might wait for work that never ends: the process is
     * to say why, and to exit, which then ends it at once. */
    void (*close)(struct rn_device *dev);
    /* What results depend on, bit for bit, besides the input: "avx2", "avx512", "portable"; "float64". */
    const char *(*variant)(const struct rn_device *dev);
    /* Before anything is computed. NULL: float32 alone. */
    RN_MUST int (*precision)(struct rn_device *dev, enum rn_precision precision, struct rn_err *err);
    /* Before anything is computed. NULL: RN_NORMS_WHOLE alone. */
    RN_MUST int (*norms)(struct rn_device *dev, enum rn_norms norms, struct rn_err *err);
    /* What was chosen by trying, as text that lasts until the next call, for a run that is resumed; NULL: nothing. And: choose so
     * again, before anything is computed, as far as it was chosen on such hardware and libraries (NULL: try nothing, as was done
     * before there was a choice). Both NULL: nothing is ever tried. */
    const char *(*choices)(struct rn_device *dev);
    RN_MUST int (*choose)(struct rn_device *dev, const char *choices, struct rn_err *err);
    /* How maps are kept. NULL: RN_FULL. */
    enum rn_storage (*maps)(const struct rn_device *dev);

    /* ---- memory ---- */
    size_t (*bytes)(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage); /* a multiple of 64; 0: overflow */
    void *(*alloc)(struct rn_device *dev, size_t bytes, struct rn_err *err); /* zeroed, aligned to 64; NULL: err is filled */
    void (*free)(struct rn_device *dev, void *memory);
    /* The contents are not needed any more: the system may have the pages back. NULL: it cannot. */
    void (*discard)(struct rn_device *dev, void *memory, size_t bytes);
    /* Bytes that could still be had for arrays, of the part that has the least: what operators may want for their own work is
     * taken off. 0: nobody knows. NULL: never known. */
    size_t (*room)(const struct rn_device *dev);
    /* What memory would a network take? From now on, with a device that has no block yet, nothing is computed: blocks and scratch
     * memory are reserved as ever, by the same operators, whose loops are left out; pages that nobody touches cost nothing.
     * Values mean nothing, and a batch's pixels are not read. Both NULL: not on this device. */
    RN_MUST int (*dry)(struct rn_device *dev, struct rn_err *err);
    struct rn_device_usage (*usage)(struct rn_device *dev); /* of a dry one */
    RN_MUST int (*upload)(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err);
    RN_MUST int (*download)(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err);
    /* y(N,3,H,W) = (pixels(N,H,W,3) / 255 - mean) / std, for each of the three channels; pixels in host memory. */
    RN_MUST int (*upload_images)(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                                 const double std[3], struct rn_err *err);
    RN_MUST int (*fill)(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err);
    /* Memory of the host that the device reads by itself (pinned): pixels in it are not copied on their way, and upload_images
     * may come back before they are there; host_wait comes back when they are. Zeroed or not. All three NULL: there is no such
     * memory. */
    void *(*host_alloc)(struct rn_device *dev, size_t bytes, struct rn_err *err);
    void (*host_free)(struct rn_device *dev, void *memory);
    RN_MUST int (*host_wait)(struct rn_device *dev, struct rn_err *err);

    /* ---- operators ---- */

    RN_MAP_OPERATORS(RN_OPERATOR)
    RN_BLOCK_OPERATORS(RN_OPERATOR)
    RN_FUSED_OPERATORS(RN_OPERATOR) /* NULL: as several, one after the other */
    /* Evaluation, both NULL where weights are best used as they are: what conv2d makes of w, for inputs and outputs of such
     * shapes (data and n are not looked at) and this activation, once for all batches. Bytes of the block, 0: nothing; and how
     * it is filled, in device memory that the caller owns. */
    size_t (*prepacked)(struct rn_device *dev, const struct rn_conv2d *op);
    RN_MUST int (*prepack)(struct rn_device *dev, void *prepacked, const struct rn_conv2d *op, struct rn_err *err);

    /* ---- a step, for devices that work while the caller goes on: all three NULL on the others ---- */

    /* After the batch is there. *done: forward, softmax_loss and backward of this step (of evaluation: forward) have been
     * started, from a capture of an earlier one: leave them out. Otherwise do them, then say commit. end waits for the oldest
     * step that has begun, and fills its *loss, or logits. Before that it may be followed by sgd, by the next batch, and by the
     * next step: RN_STEPS_AHEAD may be under way. A step that fails before commit is no such step. */
    RN_MUST int (*begin)(struct rn_device *dev, const struct rn_device_step *step, bool *done, struct rn_err *err);
    RN_MUST int (*commit)(struct rn_device *dev, struct rn_err *err);
    RN_MUST int (*end)(struct rn_device *dev, struct rn_err *err);

    /* ---- devices of several parts, as GPUs, between which a batch is cut by images: all four NULL on the others ---- */

    /* For how many images arrays of a batch of n need memory: the most that one part gets, and those that are computed with them
     * in evaluation, whatever lies there. */
    size_t (*share)(const struct rn_device *dev, size_t n, bool eval);
    /* What upload, download and fill see in this block of alloc is cut by images; in other blocks each part has the same. */
    void (*cut)(struct rn_device *dev, void *memory);
    /* Sums a piece of the gradients over the parts, while other work goes on; what reads or writes gradients waits for it. */
    RN_MUST int (*all_reduce)(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err);
    /* Before a step that adds to gradients: the sum stays with the first part alone, so that the next all_reduce counts it once. */
    RN_MUST int (*carry)(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err);
    /* After a failure: what a step of training has changed so far is as it was before the step, gradients aside, and memory that is
     * not cut can still be downloaded. NULL, or false: it cannot. */
    bool (*undo)(struct rn_device *dev);
};

#undef RN_OPERATOR

/* What every device has. What only some have they add to the list. */
#define RN_OPERATORS(X) \
    X(bytes) X(alloc) X(free) X(upload) X(download) X(upload_images) X(fill) RN_MAP_OPERATORS(X) RN_BLOCK_OPERATORS(X)
/* RN_OPERATOR_PROTOTYPE(cpu, add): rn_cpu_add, as the class has it. */
#define RN_OPERATOR_PROTOTYPE(device, name) __typeof__(*((const struct rn_device_class *)0)->name) rn_##device##_##name;
#define RN_OPERATOR_ROW(device, name) .name = rn_##device##_##name,

/* What every device's own struct begins with. */
struct rn_device {
    const struct rn_device_class *class;
};

/* NULL-terminated; made by lib/gen-table. A folder with a plugin.mk is no part of the tools. */
extern const struct rn_device_class *const rn_device_table[];
extern const char *const rn_device_plugins[];

/* spec: "NAME" or "NAME:which". A name that is not in the table is a plug-in's: rn-NAME.so in the program's folder, the one
 * above it, or ../lib/recyclenet, which has rn_device_NAME and, as size_t, rn_device_NAME_size, the class's sizeof (another:
 * refused). Its name is of a-z, 0-9 and _, 32 at most. Errors: exit 2 for a name that no device has, exit 4 for one that
 * cannot be opened here, saying what is missing. */
RN_MUST int rn_device_open(struct rn_device **dev, const char *spec, int threads, struct rn_err *err);
/* The same, and dry. Exit 2: this device has no such thing. */
RN_MUST int rn_device_open_dry(struct rn_device **dev, const char *spec, int threads, struct rn_err *err);
void rn_device_close(struct rn_device *dev); /* NULL is allowed */
/* "fp32", "tf32", "bf16"; NULL behind the last: for a table of options. */
const char *rn_precision_name(size_t i);
/* On a device of one part both are the same. Errors: exit 2 for a device that cannot. */
RN_MUST int rn_device_norms(struct rn_device *dev, enum rn_norms norms, struct rn_err *err);
/* name: one of these. Errors: exit 2 for another, and where the device computes in fp32 only; exit 4 where this GPU does. */
RN_MUST int rn_device_precision(struct rn_device *dev, const char *name, struct rn_err *err);

#endif
