/* node.h -- a recipe's tree. */
#ifndef RN_AUGMENT_NODE_H
#define RN_AUGMENT_NODE_H

#include "augment/augment.h"

enum rn_recipe_kind { RN_LEAF, RN_COMPOSE, RN_ONE_OF, RN_SEQUENTIAL, RN_SOME_OF, RN_ONE_OR_OTHER, RN_REPLAY_COMPOSE };

struct rn_recipe_node {
    enum rn_recipe_kind kind;
    double p;
    uint64_t who;                       /* hash of the class and its place: of the parent and the index there */
    const struct rn_augment *transform; /* leaf */
    void *options;                      /* leaf; owned */
    bool always;                        /* leaf: always_apply */
    size_t at;                          /* leaf: its place among all of them, from 0 */
    struct rn_recipe_node *child;              /* the others; owned */
    size_t children;
    int64_t n;                          /* SomeOf */
    bool replace;
};
void rn_recipe_node_clear(struct rn_recipe_node *node);
/* Applies a leaf, and notes it (trace NULL: not). Errors are rn_recipe_run's. */
RN_MUST int rn_recipe_node_apply(const struct rn_recipe_node *leaf, struct rn_canvas *canvas, const double *value, size_t count,
                                 struct rn_trace *trace, struct rn_err *err);

#endif
