/* node.h -- a recipe's tree. */
#ifndef RN_AUGMENT_NODE_H
#define RN_AUGMENT_NODE_H

#include "augment/augment.h"

enum rn_node_kind { RN_LEAF, RN_COMPOSE, RN_ONE_OF, RN_SEQUENTIAL, RN_SOME_OF, RN_ONE_OR_OTHER, RN_REPLAY_COMPOSE };

struct rn_node {
    enum rn_node_kind kind;
    double p;
    uint64_t who;                       /* hash of the class and its place: of the parent and the index there */
    const struct rn_augment *transform; /* leaf */
    void *options;                      /* leaf; owned */
    bool always;                        /* leaf: always_apply */
    struct rn_node *child;              /* the others; owned */
    size_t children;
    int64_t n;                          /* SomeOf */
    bool replace;
};
void rn_node_clear(struct rn_node *node);

#endif
