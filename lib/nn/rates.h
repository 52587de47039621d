/* rates.h -- which parameter learns how fast, and which options of a training go together. */
#ifndef RN_NN_RATES_H
#define RN_NN_RATES_H

#include "nn/train.h"

enum rn_optimizer { RN_OPTIMIZER_SGD, RN_OPTIMIZER_ADAMW };
#define RN_OPTIMIZER_WORDS "sgd|adamw"

/* Nonsense, by name: exit 2. val: there is a file to validate with. given_best: --best was said. */
RN_MUST int rn_train_check(const struct rn_train_options *options, bool val, bool given_best, struct rn_err *err);

/* One for each parameter of the graph, from --lr-head (the last layer), --layer-decay (factor^d for the d-th from the end of: what
 * comes before the blocks, each block, what comes after them: as timm counts), --no-decay and --freeze (patterns of the shell
 * for parameters or whole layers: "layer1", "*.bn1.weight"). *rate is the caller's; NULL: all are 1. Errors: exit 2, a
 * pattern that nothing matches, or nothing is left to train. */
RN_MUST int rn_rates_make(struct rn_rate **rate, const struct rn_graph *graph, const struct rn_train_options *options,
                           struct rn_err *err);

#endif
