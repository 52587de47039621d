/* net.h -- a network on a device: parameters, memory, forward and backward over the graph's nodes.
 *
 * Parameters are one block on the device, momentum and gradients each another of the same layout, running statistics a
 * fourth. All else lives in one arena that is laid out anew when the size of the input or of the batch grows: activations and
 * gradients, or for evaluation activations and the weights as it wants them. */
#ifndef RN_NN_NET_H
#define RN_NN_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device/device.h"
#include "graph/graph.h"

struct rn_net;

/* dev is borrowed and must outlive the net. train: with room for gradients and momentum. All numbers start at 0. Without
 * `train` the first evaluation folds batch norms into the weights, in place: after that rn_net_get fails for those, and
 * rn_net_set for all. */
RN_MUST int rn_net_open(struct rn_net **net, struct rn_device *dev, struct rn_text arch, struct rn_text attention,
                        size_t classes, bool train, struct rn_err *err);
void rn_net_close(struct rn_net *net); /* NULL is allowed */
const struct rn_graph *rn_net_graph(const struct rn_net *net);

/* Room for what a role says of parameters (RN_SECOND_MOMENT, RN_EMA), zeroed; the others have it already. */
RN_MUST int rn_net_room(struct rn_net *net, enum rn_role role, struct rn_err *err);
bool rn_net_has(const struct rn_net *net, enum rn_role role);
/* Parameter i of the graph in host memory, float32 in PyTorch's order. role: its own, or one of those that a network that is
 * trained has besides, whose room is there (RN_EMA: of buffers too). */
RN_MUST int rn_net_get(struct rn_net *net, size_t i, enum rn_role role, float *value, struct rn_err *err);
RN_MUST int rn_net_set(struct rn_net *net, size_t i, enum rn_role role, const float *value, struct rn_err *err);
/* The gradient of parameter i that the last rn_net_train left. */
RN_MUST int rn_net_gradient(struct rn_net *net, size_t i, float *value, struct rn_err *err);

/* From scratch: parameter i as its rn_start says, a function of (seed, name) alone. */
RN_MUST int rn_net_start(struct rn_net *net, size_t i, uint64_t seed, struct rn_err *err);

/* A batch in host memory: pixels u8 (n,h,w,3) with mean and std, or values float32 (n,3,h,w), already normalised. */
struct rn_batch {
    size_t n, h, w;
    const uint8_t *pixels;
    const double *mean, *std;
    const float *values;
};

/* Evaluation mode: logits (n, classes) in host memory. Batch norms are folded into the convolutions (again after weights
 * changed). An image's logits do not depend on the rest of the batch. */
RN_MUST int rn_net_eval(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err);
/* The same in two halves, as rn_net_begin and rn_net_end: logits are there when end has come back for this batch, the oldest. Of a
 * training no step may be under way. */
RN_MUST int rn_net_eval_begin(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err);

/* From now on batches come in as this value of the graph, of which the rest is a function: rn_batch.values (n, its channels, h, w).
 * What leads to it is not computed: its parameters should have the rate 0. */
void rn_net_enter(struct rn_net *net, int value);
/* Which network this is, whatever its last layer: a hash h, 0 at first, which with each of the
 * other parameters and buffers in the order of the graph becomes the XXH3-64 (seed 0) of 16 bytes, little-endian: h, and the
 * XXH3-64 of the tensor as float32. Before norms are folded. */
RN_MUST int rn_net_print(struct rn_net *net, uint64_t *print, struct rn_err *err);

/* Saves memory, in a network that is not trained: weights are given up once evaluation has prepacked them. What follows the first
 * batch must then be of its size and not larger: rn_net_fits says whether it is. */
void rn_net_spare(struct rn_net *net);
bool rn_net_fits(const struct rn_net *net, const struct rn_batch *batch);

/* Train mode: forward, loss and backward; running statistics move, weights do not. The loss may be NaN: look before
 * rn_net_update. logits: NULL, or room for (n, classes). Errors: exit 3 where a batch norm would have one value a channel. */
RN_MUST int rn_net_train(struct rn_net *net, const struct rn_batch *batch, const int64_t *labels,
                         const struct rn_loss_options *options, struct rn_loss *loss, float *logits, struct rn_err *err);
/* The same in three parts, for devices that work while the caller goes on (rn_net_async; on the others begin does it all). load:
 * the batch goes to the device, and may while the steps before are computed there. begin: the step is started; labels and options
 * are not needed any more afterwards. end: waits for the oldest step that has begun, whose *loss is filled by then. rn_net_update
 * may come before it, then another load and begin: RN_STEPS_AHEAD may be under way. */
bool rn_net_async(const struct rn_net *net);
RN_MUST int rn_net_load(struct rn_net *net, const struct rn_batch *batch, struct rn_err *err);
/* Pixels in the device's own memory of the host (host_alloc) are still read after rn_net_load: until this comes back, or end. */
RN_MUST int rn_net_loaded(struct rn_net *net, struct rn_err *err);
RN_MUST int rn_net_begin(struct rn_net *net, const int64_t *labels, const struct rn_loss_options *options, struct rn_loss *loss,
                         struct rn_err *err);
RN_MUST int rn_net_end(struct rn_net *net, struct rn_err *err);
/* Of sgd and adamw the numbers: the blocks are the network's. */
RN_MUST int rn_net_update(struct rn_net *net, struct rn_sgd sgd, struct rn_err *err);
/* With RN_SECOND_MOMENT's room. */
RN_MUST int rn_net_update_adamw(struct rn_net *net, struct rn_adamw adamw, struct rn_err *err);

/* What parameter i has of the update's learning rate and weight decay. lr 0: it is frozen: neither its gradient nor what would lead
 * to it is computed. fixed: its norm (i is the norm's gamma) takes the running statistics for the batch's, and leaves them. */
struct rn_rate {
    double lr, wd;
    bool fixed;
};
/* One for each parameter of the graph (those of buffers are not looked at), from now on; without: all 1. */
RN_MUST int rn_net_rates(struct rn_net *net, const struct rn_rate *rate, struct rn_err *err);
/* Gradients of the steps that begin from now on are added to what is there. */
void rn_net_accumulate(struct rn_net *net, bool on);
/* The Euclidean norm of all gradients that are not frozen. */
RN_MUST int rn_net_gradient_norm(struct rn_net *net, double *norm, struct rn_err *err);

/* The averages of parameters and buffers (RN_EMA's room is there) move by `share` towards them; 1: they become their copies. */
RN_MUST int rn_net_average(struct rn_net *net, double share, struct rn_err *err);
/* Averages and what they are averages of change places. */
void rn_net_swap(struct rn_net *net);

/* Train mode, forward alone: running statistics move by `momentum` towards those of the batch, whatever the norms' own says. */
RN_MUST int rn_net_observe(struct rn_net *net, const struct rn_batch *batch, double momentum, struct rn_err *err);

/* Whether a batch of n images of h x w could be trained on: the errors of rn_net_train that follow from sizes. */
RN_MUST int rn_net_check(const struct rn_net *net, size_t n, size_t h, size_t w, struct rn_err *err);

/* Probabilities from logits, in double arithmetic. A logit that is NaN or infinite makes them NaN. */
void rn_softmax(float *probs, const float *logits, size_t classes);

#endif
