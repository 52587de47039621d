/* none.c -- the plain network. */
#include "graph/graph.h"

extern const struct rn_attention rn_attention_none;
const struct rn_attention rn_attention_none = { .name = "none", .summary = "no attention" };
