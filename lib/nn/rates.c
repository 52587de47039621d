/* rates.c -- which parameter learns how fast. */
#include "nn/rates.h"

#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/schedule.h"

/* ---- options that do not go together ---- */

static bool known_no_decay(const char *list)
{
    if (!strcmp(list, "none"))
        return true;
    for (const char *at = list;; at++) {
        size_t length = strcspn(at, ",");
        if (!(length == 2 && !memcmp(at, "bn", 2)) && !(length == 4 && !memcmp(at, "bias", 4)))
            return false;
        at += length;
        if (!*at)
            return true;
    }
}

static bool has_word(const char *list, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = list; at && *at; at += strcspn(at, ",") + (at[strcspn(at, ",")] == ','))
        if (strcspn(at, ",") == length && !memcmp(at, word, length))
            return true;
    return false;
}

int rn_train_check(const struct rn_train_options *o, bool val, bool given_best, struct rn_err *err)
{
    char shown[256];
    bool adamw = o->optimizer == RN_OPTIMIZER_ADAMW, plateau = o->schedule == RN_SCHEDULE_PLATEAU;
    if (!known_no_decay(o->no_decay))
        return rn_fail(err, RN_EXIT_USAGE, "--no-decay: '%s' is not none, bn, bias or bn,bias",
                       rn_text_show(rn_text(o->no_decay), shown));
    if (o->nesterov && (adamw || !(o->momentum > 0)))
        return rn_fail(err, RN_EXIT_USAGE, "--nesterov: %s",
                       adamw ? "--optimizer=adamw has no momentum of that kind" : "there is no --momentum");
    if (adamw && o->momentum >= 1)
        return rn_fail(err, RN_EXIT_USAGE, "--momentum: AdamW's first beta must be below 1");
    if (plateau && (!val || !o->step))
        return rn_fail(err, RN_EXIT_USAGE, "--schedule=plateau: it needs %s",
                       val ? "--step, the epochs without a better one" : "--val, what it looks at");
    if (o->patience && !val)
        return rn_fail(err, RN_EXIT_USAGE, "--patience: it needs --val, what it looks at");
    if (given_best && !val)
        return rn_fail(err, RN_EXIT_USAGE, "--best: it needs --val, what it is the best of");
    if (o->recall && !val)
        return rn_fail(err, RN_EXIT_USAGE, "--recall: it needs --val, whose classes it is of");
    if (o->only_last && (o->patience || given_best))
        return rn_fail(err, RN_EXIT_USAGE, "--epochs-only-last chooses no epoch: leave out %s",
                       o->patience ? "--patience" : "--best");
    if (o->head && o->freeze)
        return rn_fail(err, RN_EXIT_USAGE, "--head: all but the last layer is frozen: leave out --freeze");
    if (o->fix_norms && !o->freeze)
        return rn_fail(err, RN_EXIT_USAGE, "--freeze-norms: it needs --freeze, which says what is frozen");
    if (!o->teacher && (o->temperature != RN_TEMPERATURE || o->alpha != RN_ALPHA))
        return rn_fail(err, RN_EXIT_USAGE, "--%s: it needs --teacher, whose it is", o->alpha != RN_ALPHA ? "alpha" : "temperature");
    return 0;
}

/* ---- rates ---- */

static bool matches(const char *pattern, const char *name)
{
    char layer[512];
    int length = snprintf(layer, sizeof layer, "%s.*", pattern);
    return !fnmatch(pattern, name, 0) || (length < (int)sizeof layer && !fnmatch(layer, name, 0));
}

static int freeze_one(struct rn_rate *rate, const struct rn_graph *g, const char *pattern, bool fix, struct rn_err *err)
{
    char shown[256];
    bool found = false;
    for (size_t i = 0; i < g->params; i++)
        if (g->param[i].role == RN_PARAMETER && matches(pattern, g->param[i].name)) {
            rate[i] = (struct rn_rate){ .fixed = fix };
            found = true;
        }
    if (found)
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "--freeze: '%s' is no layer or parameter of this network (rn-show -l lists them)",
                   rn_text_show(rn_text(pattern), shown));
}

static int freeze(struct rn_rate *rate, const struct rn_graph *g, const struct rn_train_options *o, struct rn_err *err)
{
    char *list = strdup(o->freeze), *rest = list;
    int rc = list ? 0 : rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    for (char *pattern; rc == 0 && (pattern = strsep(&rest, ","));)
        rc = freeze_one(rate, g, pattern, o->fix_norms, err);
    free(list);
    for (size_t i = 0; i < g->params && rc == 0; i++)
        if (g->param[i].role == RN_PARAMETER && rate[i].lr > 0)
            return 0;
    return rc ? rc : rn_fail(err, RN_EXIT_USAGE, "--freeze: nothing is left to train");
}

/* Weight decay of norms and of biases. */
static void spare_decay(struct rn_rate *rate, const struct rn_graph *g, const char *list)
{
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        if (node->op == RN_OP_NORM && has_word(list, "bn"))
            rate[node->gamma].wd = rate[node->beta].wd = 0;
        if (node->op == RN_OP_NORM && has_word(list, "bias"))
            rate[node->beta].wd = 0;
        if (node->op == RN_OP_CONV && node->bias != RN_NONE && has_word(list, "bias"))
            rate[node->bias].wd = 0;
    }
}

int rn_rates_make(struct rn_rate **result, const struct rn_graph *g, const struct rn_train_options *o, struct rn_err *err)
{
    *result = NULL;
    if (o->lr_head == 1 && o->layer_decay == 1 && !strcmp(o->no_decay, "none") && !o->freeze && !o->head)
        return 0;
    struct rn_rate *rate = rn_calloc(g->params, sizeof *rate, err);
    if (!rate)
        return -1;
    for (size_t i = 0; i < g->params; i++) {
        bool head = rn_graph_is_last(g, i);
        rate[i] = (struct rn_rate){ pow(o->layer_decay, (double)(g->block - g->param[i].block)) * (head ? o->lr_head : 1), 1,
                                    false };
        if (o->head && !head)
            rate[i] = (struct rn_rate){ .fixed = true };
    }
    spare_decay(rate, g, o->no_decay);
    if (o->freeze && freeze(rate, g, o, err)) {
        free(rate);
        return -1;
    }
    *result = rate;
    return 0;
}
