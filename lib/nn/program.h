/* program.h -- what a device is asked to compute of a graph, as a list of calls of its operators. Forward goes through it from
 * the first to the last, backward from the last to the first; memory, heatmaps and lists follow from it.
 *
 * Nodes that a device computes as one are one call: that is decided here, by a table of rules, and nowhere else. */
#ifndef RN_NN_PROGRAM_H
#define RN_NN_PROGRAM_H

#include "graph/graph.h"

struct rn_call {
    enum rn_op op;              /* that of `node` */
    const struct rn_node *node; /* the first, whose weights and window it has */
    const struct rn_node *with; /* what is computed with it, or NULL: of a CONV, the NORM (folded into the weights, in
                                 * evaluation); of a NORM, the MAX_POOL (in training) */
    int x, residual, channel, spatial, y; /* values: what it reads (RN_NONE: nothing), and the one that it makes */
    enum rn_activation activation;
};

struct rn_program {
    struct rn_call *call;
    size_t calls;
};

/* For a device of this class, for training or evaluation. The graph must outlive it. Errors: exit 2 where a norm would have to be
 * evaluated that no convolution can take in. */
RN_MUST int rn_program_make(struct rn_program *program, const struct rn_device_class *on, const struct rn_graph *graph, bool train,
                            struct rn_err *err);
void rn_program_free(struct rn_program *program); /* zeroed is allowed */
/* The call that computes the node, whatever else it does; NULL: none. */
const struct rn_call *rn_program_of(const struct rn_program *program, const struct rn_node *node);

/* What a call's backward reads of its values: RN_READS_... */
unsigned rn_call_reads(const struct rn_call *call);

#endif
