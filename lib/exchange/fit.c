/* fit.c -- which tensor of a foreign file is which parameter of a network. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

/* The tensor that serves as parameter p, or -1. */
static long find(const struct rn_foreign *foreign, const struct rn_graph *graph, size_t p)
{
    char room[128];
    long i = rn_foreign_find(foreign, graph->param[p].name);
    const char *alias = rn_graph_alias(graph, p, room);
    return i < 0 && alias ? rn_foreign_find(foreign, alias) : i;
}

int rn_foreign_classes(const struct rn_foreign *foreign, const struct rn_arch *arch, size_t *classes, struct rn_err *err)
{
    char own[128], alias[128];
    snprintf(own, sizeof own, "%s.weight", arch->last_layer);
    snprintf(alias, sizeof alias, "%s.weight", arch->last_layer_alias ? arch->last_layer_alias : arch->last_layer);
    long i = rn_foreign_find(foreign, own);
    if (i < 0)
        i = rn_foreign_find(foreign, alias);
    if (i < 0 || foreign->view[i].dims != 2)
        return rn_fail(err, RN_EXIT_DATA, "no last layer ('%s' or '%s', a matrix)", alias, own);
    *classes = foreign->view[i].shape[0];
    return 0;
}

static bool is_running_var(const char *name)
{
    size_t length = strlen(name);
    return length > 12 && !strcmp(name + length - 12, ".running_var");
}

static int check_shape(const struct rn_foreign *foreign, size_t i, const struct rn_param *p, struct rn_err *err)
{
    const struct rn_strided *view = &foreign->view[i];
    const size_t vector[4] = { p->c }, full[4] = { p->n, p->c, p->h, p->w };
    struct rn_tensor is = { .type = RN_F32, .dims = view->dims }, should = { .type = RN_F32, .dims = p->dims };
    char shown[2][256];
    memcpy(is.shape, view->shape, sizeof is.shape);
    memcpy(should.shape, p->dims == 1 ? vector : full, sizeof full);
    if (is.dims == should.dims && !memcmp(is.shape, should.shape, (size_t)is.dims * sizeof *is.shape))
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "'%s' is %s, not %s as this network has it", p->name, rn_tensor_describe(&is, shown[0]) + 4,
                   rn_tensor_describe(&should, shown[1]) + 4);
}

/* The num_batches_tracked beside a running variance, or -1: PyTorch has had it since 0.4.1. */
static long find_counter(const struct rn_foreign *foreign, const char *running_var)
{
    char name[160];
    snprintf(name, sizeof name, "%.*s.num_batches_tracked", (int)(strlen(running_var) - strlen(".running_var")), running_var);
    long i = rn_foreign_find(foreign, name);
    return i >= 0 && foreign->view[i].dims == 0 && foreign->view[i].element == RN_E_I64 ? i : -1;
}

/* What programs leave in a state dict that no layer computes with: counters of PyTorch and of profilers, weights of the loss. */
static bool is_harmless(struct rn_text name)
{
    static const char *const counters[] = { "num_batches_tracked", "n_averaged", "total_ops", "total_params" };
    static const char *const losses[] = { "criterion", "loss", "loss_fn", "loss_func", "loss_function" };
    const char *first = memchr(name.data, '.', name.length), *last = memrchr(name.data, '.', name.length);
    struct rn_text begin = { name.data, first ? (size_t)(first - name.data) : 0 };
    struct rn_text end = last ? (struct rn_text){ last + 1, name.length - (size_t)(last + 1 - name.data) } : name;
    for (size_t i = 0; i < sizeof counters / sizeof *counters; i++)
        if (rn_text_is(end, counters[i]))
            return true;
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++)
        if (rn_text_is(begin, losses[i]))
            return true;
    return false;
}

int rn_foreign_fit(const struct rn_foreign *foreign, const struct rn_graph *graph, struct rn_fit *fit, struct rn_err *err)
{
    size_t missing = 0;
    const char *first = NULL;
    bool *used = rn_calloc(foreign->count, sizeof *used, err);
    *fit = (struct rn_fit){ 0 };
    int rc = used && (fit->param = rn_calloc(graph->params, sizeof *fit->param, err)) &&
             (fit->counter = rn_calloc(graph->params, sizeof *fit->counter, err)) ? 0 : -1;
    for (size_t i = 0; i < graph->params && rc == 0; i++) {
        const char *name = graph->param[i].name;
        long tensor = find(foreign, graph, i), counter = is_running_var(name) ? find_counter(foreign, name) : -1;
        fit->counter[i] = counter;
        if (counter >= 0)
            used[counter] = true;
        if (tensor < 0) {
            first = missing++ ? first : name;
            continue;
        }
        fit->param[i] = (size_t)tensor;
        used[tensor] = true;
        rc = check_shape(foreign, (size_t)tensor, &graph->param[i], err);
    }
    if (rc == 0 && missing)
        rc = rn_fail(err, RN_EXIT_DATA, "%zu of the network's %zu tensors are missing, the first is '%s' (without --arch a part "
                                        "can serve --init)", missing, graph->params, first);
    for (size_t i = 0; i < foreign->count && rc == 0; i++)
        if (!used[i])
            rc = rn_texts_add(is_harmless(foreign->name.item[i]) ? &fit->left_out : &fit->others, foreign->name.item[i], err);
    free(used);
    if (rc)
        rn_fit_free(fit);
    return rc;
}

void rn_fit_free(struct rn_fit *fit)
{
    free(fit->param);
    free(fit->counter);
    rn_texts_free(&fit->left_out);
    rn_texts_free(&fit->others);
    *fit = (struct rn_fit){ 0 };
}
