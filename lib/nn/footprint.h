/* footprint.h -- what a network costs before it runs: the shapes of its values, its MACs (multiply-adds), and the memory that the
 * CPU device takes for it, found by walking it over a dry device, which computes nothing. */
#ifndef RN_NN_FOOTPRINT_H
#define RN_NN_FOOTPRINT_H

#include "nn/net.h"

struct rn_footprint {
    struct rn_array *value; /* shape of each of the graph's values, for one batch; data means nothing. Owned */
    /* bytes, at the most at one time: */
    size_t network;     /* weights and what goes with them, whatever the batch is */
    size_t activations; /* the values of one batch, and in training their gradients */
    size_t scratch;     /* of operators */
};

/* What is done with a batch: prediction; a step of training, and then validation on it; the same of features, by the last layer. */
enum rn_work { RN_WORK_PREDICT, RN_WORK_TRAIN, RN_WORK_HEAD };

/* Of batches of n images of h x w. roles: bits (1 << role) of
 * what training keeps besides (rn_net_room): RN_SECOND_MOMENT, RN_EMA. threads: as rn_device_open. Errors as of rn_net_open,
 * rn_net_train and rn_net_eval. */
RN_MUST int rn_footprint(struct rn_footprint *footprint, const struct rn_graph *graph, struct rn_text arch,
                         struct rn_text attention,
                         size_t classes, size_t n, size_t h, size_t w, enum rn_work work, unsigned roles, int threads,
                         struct rn_err *err);
void rn_footprint_free(struct rn_footprint *footprint);

/* Multiply-adds of a node for one image: of convolutions and linear layers; 0: of all others, which are few. */
uint64_t rn_footprint_macs(const struct rn_footprint *footprint, const struct rn_graph *graph, const struct rn_node *node);

#endif
