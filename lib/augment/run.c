/* run.c -- a recipe runs: who is forced, who has luck, who is chosen, as Albumentations' composition does it. */
#include <stdlib.h>
#include <string.h>

#include "augment/node.h"
#include "core/mem.h"
#include "stream/stream.h"

struct run {
    struct rn_canvas *canvas;
    uint64_t seed;
    uint32_t epoch;
    struct { uint64_t id, copy, who, turn; } place; /* turn: which time it runs, in SomeOf */
    struct rn_trace *trace;
    struct rn_err *err;
};

/* Random numbers of this node for this photo and copy. */
static struct rn_rng rng_of(struct run *run, const struct rn_recipe_node *node)
{
    run->place.who = node->who;
    uint64_t who = rn_hash64((struct rn_text){ (const char *)&run->place, sizeof run->place });
    return rn_rng(run->seed, RN_FOR_AUGMENT, who, run->epoch);
}

void rn_trace_free(struct rn_trace *trace)
{
    free(trace->step);
    free(trace->value);
    *trace = (struct rn_trace){ 0 };
}

static int note(struct rn_trace *t, const struct rn_recipe_node *leaf, const double *value, size_t count, struct rn_err *err)
{
    if (rn_grow(&t->step, &t->steps_capacity, t->steps + 1, sizeof *t->step, err) ||
        rn_grow(&t->value, &t->values_capacity, t->values + count, sizeof *t->value, err))
        return -1;
    t->step[t->steps++] = (struct rn_traced){ leaf->transform, leaf->at, t->values, count };
    if (count)
        memcpy(t->value + t->values, value, count * sizeof *value);
    t->values += count;
    return 0;
}

int rn_recipe_node_apply(const struct rn_recipe_node *leaf, struct rn_canvas *canvas, const double *value, size_t count,
                         struct rn_trace *trace, struct rn_err *err)
{
    const struct rn_augment *t = leaf->transform;
    if (t->bytes_only && canvas->type != RN_U8)
        return rn_fail(err, RN_EXIT_DATA, "%s: takes 8-bit pixels, not floats (after Normalize)", t->class_name);
    if (t->apply(canvas, leaf->options, value, count, err))
        return rn_fail_at(err, "%s", t->class_name);
    return trace ? note(trace, leaf, value, count, err) : 0;
}

static int run_leaf(struct run *run, const struct rn_recipe_node *node, bool forced)
{
    const struct rn_augment *t = node->transform;
    double value[RN_DRAWS];
    struct rn_rng rng = rng_of(run, node);
    if (!(rn_rng_unit(&rng) < node->p) && !node->always && !forced)
        return 0;
    size_t count = t->draw ? t->draw(value, node->options, run->canvas, &rng) : 0;
    return rn_recipe_node_apply(node, run->canvas, value, count, run->trace, run->err);
}

static int run_node(struct run *run, const struct rn_recipe_node *node, bool forced);

/* A Compose that has no luck still runs what is always applied, at any depth. */
static int run_always(struct run *run, const struct rn_recipe_node *node)
{
    if (node->kind == RN_LEAF)
        return node->always ? run_leaf(run, node, false) : 0;
    for (size_t i = 0; i < node->children; i++)
        if (run_always(run, &node->child[i]))
            return -1;
    return 0;
}

/* One child by weight, but not one that is taken already. */
static size_t choose(const struct rn_recipe_node *node, const bool *taken, struct rn_rng *rng)
{
    double all = 0, sum = 0;
    size_t last = 0;
    for (size_t i = 0; i < node->children; i++)
        all += taken && taken[i] ? 0 : node->child[i].p;
    double u = rn_rng_unit(rng) * all;
    for (size_t i = 0; i < node->children; i++) {
        if ((taken && taken[i]) || node->child[i].p <= 0)
            continue;
        last = i;
        sum += node->child[i].p;
        if (u < sum)
            break;
    }
    return last;
}

static int run_some(struct run *run, const struct rn_recipe_node *node, struct rn_rng *rng)
{
    bool *taken = rn_calloc(node->children, sizeof *taken, run->err);
    uint64_t turn = run->place.turn;
    int rc = taken ? 0 : -1;
    for (int64_t k = 0; rc == 0 && k < node->n; k++) {
        size_t i = choose(node, node->replace ? NULL : taken, rng);
        taken[i] = true;
        run->place.turn = turn * 1024 + (uint64_t)k;
        rc = run_node(run, &node->child[i], true);
    }
    run->place.turn = turn;
    free(taken);
    return rc;
}

static int run_node(struct run *run, const struct rn_recipe_node *node, bool forced)
{
    if (node->kind == RN_LEAF)
        return run_leaf(run, node, forced);
    if (!node->children)
        return 0;
    if (node->kind == RN_SEQUENTIAL) {
        /* no luck of its own; and the library hands `forced` on to the first child only */
        for (size_t i = 0; i < node->children; i++)
            if (run_node(run, &node->child[i], forced && i == 0))
                return -1;
        return 0;
    }
    struct rn_rng rng = rng_of(run, node);
    bool lucky = rn_rng_unit(&rng) < node->p;
    if (node->kind == RN_ONE_OR_OTHER)
        return run_node(run, &node->child[lucky ? 0 : node->children - 1], true);
    if (!lucky && !forced)
        return node->kind == RN_COMPOSE || node->kind == RN_REPLAY_COMPOSE ? run_always(run, node) : 0;
    if (node->kind == RN_ONE_OF)
        return run_node(run, &node->child[choose(node, NULL, &rng)], true);
    if (node->kind == RN_SOME_OF)
        return run_some(run, node, &rng);
    for (size_t i = 0; i < node->children; i++)
        if (run_node(run, &node->child[i], false))
            return -1;
    return 0;
}

int rn_recipe_run(const struct rn_recipe *recipe, struct rn_canvas *canvas, uint64_t seed, uint32_t epoch, uint64_t id,
                  uint32_t copy, struct rn_trace *trace, struct rn_err *err)
{
    struct run run = { .canvas = canvas, .seed = seed, .epoch = epoch, .place = { id, copy, 0, 0 }, .trace = trace, .err = err };
    if (trace)
        trace->steps = trace->values = 0;
    return run_node(&run, recipe->root, false);
}
