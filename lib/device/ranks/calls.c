/* calls.c -- operators, each on this rank's images. The names are device.h's. */
#include "device/ranks/calls.h"

#include <stdlib.h>
#include <string.h>

#include "device/check.h"
#include "device/cpu/cpu.h"
#include "device/ranks/blocks.h"
#include "device/ranks/tree.h"

/* ---- a rank's images, and a leaf's ---- */

struct piece {
    size_t next, leaf;  /* leaves of ours, from 0 */
    size_t first, n;    /* images: the first of them among ours, how many */
};

static size_t first_of(const struct rn_ranks *r, size_t rank, size_t n)
{
    return rn_ranks_first(n, rank * r->own, r->leaves);
}

size_t rn_ranks_images(const struct rn_ranks *r, size_t rank, size_t n)
{
    return first_of(r, rank + 1, n) - first_of(r, rank, n);
}

static bool next_leaf(const struct rn_ranks *r, size_t n, struct piece *p)
{
    while (p->next < r->own) {
        size_t leaf = r->rank * r->own + p->next, first = rn_ranks_first(n, leaf, r->leaves);
        p->leaf = p->next++;
        p->first = first - first_of(r, r->rank, n);
        p->n = rn_ranks_first(n, leaf + 1, r->leaves) - first;
        if (p->n)
            return true;
    }
    return false;
}

/* Leaves that have images. */
#define FOR_LEAVES(r, batch, p) for (struct piece p = { 0 }; next_leaf(r, batch, &p);)

static size_t image_floats(struct rn_array a)
{
    return a.c * a.h * a.w;
}

static struct rn_array leaf_of(struct rn_array a, const struct piece *p)
{
    if (a.data)
        a.data = (float *)a.data + p->first * image_floats(a);
    a.n = p->n;
    return a;
}

/* All of ours. */
static struct rn_array part(const struct rn_ranks *r, struct rn_array a)
{
    a.n = rn_ranks_images(r, r->rank, a.n);
    return a;
}

static bool is_cut(const struct rn_ranks *r, struct rn_array a)
{
    const struct rn_ranks_block *block = rn_ranks_block_of(r, a.data, false);
    return block && block->cut;
}

#define ON r->inner->class
#define DO(name) static int do_##name(struct rn_ranks *r, const struct rn_ranks_call *c, const void *body, struct rn_err *err)
#define UNUSED (void)body, (void)err

/* ---- memory ---- */

/* memory[0]: rank 0's block; there it is made already. */
DO(alloc)
{
    UNUSED;
    void *at = r->rank ? ON->alloc(r->inner, c->bytes, err) : c->memory[0];
    if (!at || rn_ranks_block_add(r, at, c->memory[0], c->bytes, err)) {
        ON->free(r->inner, at);
        return -1;
    }
    return 0;
}

DO(free)
{
    UNUSED;
    struct rn_ranks_block *block = rn_ranks_block_of(r, c->memory[0], false);
    if (block)
        rn_ranks_block_free(r, block);
    return 0;
}

DO(discard)
{
    UNUSED;
    ON->discard(r->inner, c->memory[0], c->bytes);
    return 0;
}

DO(cut)
{
    UNUSED;
    struct rn_ranks_block *block = rn_ranks_block_of(r, c->memory[0], false);
    if (block)
        block->cut = true;
    return 0;
}

/* body: our part alone. */
DO(upload)
{
    struct rn_array y = is_cut(r, c->y) ? part(r, c->y) : c->y;
    return y.n ? ON->upload(r->inner, y, body, err) : 0;
}

DO(upload_images)
{
    struct rn_array y = part(r, c->y);
    return y.n ? ON->upload_images(r->inner, y, body, c->shift, c->scale, err) : 0;
}

/* All images of an array that is cut; to NULL: they are not wanted here. */
static int gather(struct rn_ranks *r, float *to, struct rn_array array, struct rn_err *err)
{
    size_t floats = image_floats(array), most = (array.n + r->size - 1) / r->size, each;
    if (!rn_mul(most, floats * sizeof(float), &each))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu images", array.n);
    char *all = rn_calloc(r->size, each, err);
    struct rn_array x = part(r, array);
    int rc = !all || (x.n && ON->download(r->inner, (float *)(void *)(all + r->rank * each), x, err)) ||
             rn_ranks_share_bytes(r->comm, all, each, err);
    for (size_t k = 0; k < r->size && to && !rc; k++) {
        size_t count = rn_ranks_images(r, k, array.n) * floats;
        memcpy(to, all + k * each, count * sizeof *to);
        to += count;
    }
    free(all);
    return rc ? -1 : 0;
}

/* Of an array that is cut; body: in rank 0 where it goes to. */
DO(download)
{
    return gather(r, r->rank ? NULL : (float *)(uintptr_t)body, c->x, err);
}

DO(fill)
{
    UNUSED;
    return ON->fill(r->inner, is_cut(r, c->y) ? part(r, c->y) : c->y, c->value, err);
}

/* ---- convolutions ---- */

DO(conv2d)
{
    UNUSED;
    struct rn_conv2d op = { part(r, c->y), part(r, c->x), c->w, c->dbias, part(r, c->residual), c->window, c->activation,
                            c->memory[0], c->eval };
    if (c->eval) /* an image's output does not depend on the others */
        return op.x.n ? ON->conv2d(r->inner, &op, err) : 0;
    FOR_LEAVES(r, c->x.n, p) {
        op.y = leaf_of(c->y, &p);
        op.x = leaf_of(c->x, &p);
        op.residual = leaf_of(c->residual, &p);
        if (ON->conv2d(r->inner, &op, err))
            return -1;
    }
    return 0;
}

DO(prepack)
{
    UNUSED;
    return ON->prepack(r->inner, c->memory[0], &(struct rn_conv2d){ .y = c->y, .x = c->x, .w = c->w, .window = c->window,
                                                                    .activation = c->activation }, err);
}

/* The block of what each leaf has for itself: gradients, or statistics of norms. */
static int need_leaves(struct rn_ranks *r, struct rn_array of, struct rn_ranks_block **block, struct rn_err *err)
{
    *block = rn_ranks_block_of(r, of.data, false);
    if (!*block)
        return rn_fail(err, RN_EXIT_SYSTEM, "device ranks: an array of leaves that is in none of its blocks");
    return rn_ranks_block_leaves(r, *block, err);
}

/* The leaf's place for this array. */
static struct rn_array in_leaf(const struct rn_ranks_block *block, struct rn_array array, size_t leaf)
{
    if (array.data)
        array.data = (char *)block->leaf[leaf] + ((char *)array.data - block->at);
    return array;
}

static void clear(struct rn_array gradient)
{
    if (gradient.data)
        memset(gradient.data, 0, gradient.n * image_floats(gradient) * sizeof(float));
}

/* Leaves have nothing but this step's gradients, to which is added; all_reduce adds their sum to what is there. */
DO(conv2d_backward)
{
    UNUSED;
    struct rn_array of = c->dw.data ? c->dw : c->dbias;
    struct rn_ranks_block *block = NULL;
    if (of.data && need_leaves(r, of, &block, err))
        return -1;
    if (!(c->add & RN_ADD_DW)) {
        clear(c->dw);
        clear(c->dbias);
    }
    FOR_LEAVES(r, c->x.n, p) {
        const struct rn_conv2d_backward op = { leaf_of(c->dx, &p), in_leaf(block, c->dw, p.leaf), in_leaf(block, c->dbias, p.leaf),
                                               leaf_of(c->dy, &p), leaf_of(c->x, &p), c->w, c->window, c->add | RN_ADD_DW };
        if (ON->conv2d_backward(r->inner, &op, err))
            return -1;
    }
    return 0;
}

/* ---- what is done to each number, or each image, by itself ---- */

#define PART(array) part(r, c->array)
/* ...: the operator's fields. */
#define DO_PART(name, images, ...) \
    DO(name) \
    { \
        UNUSED; \
        const struct rn_##name op = { __VA_ARGS__ }; \
        return rn_ranks_images(r, r->rank, (images).n) ? ON->name(r->inner, &op, err) : 0; \
    }

DO_PART(activation_backward, c->y, PART(dx), PART(dy), PART(y), c->activation)
DO_PART(add, c->y, PART(y), PART(x), PART(residual), c->activation)
DO_PART(add_backward, c->y, PART(dx), PART(dresidual), PART(dy), PART(y), c->activation, c->add)
DO_PART(max_pool, c->y, PART(y), PART(x), c->window)
DO_PART(max_pool_backward, c->y, PART(dx), PART(dy), PART(x), PART(y), c->window, c->add)
DO_PART(global_avg_pool, c->y, PART(y), PART(x))
DO_PART(global_avg_pool_backward, c->dy, PART(dx), PART(dy), c->add)
DO_PART(channel_pool, c->y, PART(y), PART(x))
DO_PART(channel_pool_backward, c->y, PART(dx), PART(dy), PART(x), PART(y), c->add)
DO_PART(gate, c->y, PART(y), PART(x), PART(channel), PART(spatial), c->combine)

DO(gate_backward)
{
    UNUSED;
    FOR_LEAVES(r, c->x.n, p) {
        const struct rn_gate_backward op = { leaf_of(c->dx, &p), leaf_of(c->dchannel, &p), leaf_of(c->dspatial, &p),
                                             leaf_of(c->dy, &p), leaf_of(c->x, &p), leaf_of(c->channel, &p),
                                             leaf_of(c->spatial, &p), c->combine, c->add };
        if (ON->gate_backward(r->inner, &op, err))
            return -1;
    }
    return 0;
}

/* ---- batch norm ---- */

static struct rn_norm norm_of(const struct rn_ranks_call *c)
{
    return (struct rn_norm){ c->norm.of.gamma, c->norm.of.beta, c->norm.of.running_mean, c->norm.of.running_var, c->norm.of.mean,
                             c->norm.of.inv_std, c->momentum, c->eps, c->fixed };
}

/* Room for a row of numbers a leaf of ours, or a rank; zeroed. */
static double *rows(struct rn_ranks *r, size_t row, struct rn_err *err)
{
    size_t most = r->own > r->size ? r->own : r->size, all;
    if (!rn_mul(most, row, &all))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu channels", row), NULL;
    if (rn_grow(&r->sums, &r->sums_room, all, sizeof *r->sums, err))
        return NULL;
    memset(r->sums, 0, all * sizeof *r->sums);
    return r->sums;
}

/* Of our leaves' sum, in row 0, and the other ranks' the whole. */
static int whole(struct rn_ranks *r, size_t row, struct rn_err *err)
{
    if (r->rank)
        memcpy(r->sums + r->rank * row, r->sums, row * sizeof *r->sums);
    return rn_ranks_share_bytes(r->comm, r->sums, row * sizeof *r->sums, err);
}

/* Each channel's mean and variance over the whole batch: then the row is 1, mean, var. */
static int statistics(struct rn_ranks *r, struct rn_array x, struct rn_err *err)
{
    size_t channels = x.c, row = 1 + 2 * channels;
    double *sums = rows(r, row, err);
    if (!sums)
        return -1;
    FOR_LEAVES(r, x.n, p) {
        double *own = sums + p.leaf * row, *var = own + 1 + channels;
        own[0] = (double)(p.n * x.h * x.w);
        if (rn_cpu_norm_moments(rn_cpu(r->inner), leaf_of(x, &p), own + 1, var, err))
            return -1;
        for (size_t i = 0; i < channels; i++)
            var[i] *= own[0];
    }
    rn_ranks_add_moments(sums, r->own, channels);
    if (whole(r, row, err))
        return -1;
    rn_ranks_add_moments(sums, r->size, channels);
    for (size_t i = 0; i < channels; i++)
        sums[1 + channels + i] /= sums[0];
    return 0;
}

/* What a step that fails has to bring back. */
static int keep_before(struct rn_ranks *r, const struct rn_norm *norm, struct rn_err *err)
{
    size_t channels = norm->running_mean.c;
    if (rn_grow(&r->before, &r->before_room, r->befores + 1, sizeof *r->before, err))
        return -1;
    struct rn_ranks_before *before = &r->before[r->befores];
    *before = (struct rn_ranks_before){ norm->running_mean, norm->running_var, rn_calloc(2 * channels, sizeof(float), err) };
    if (!before->values)
        return -1;
    r->befores++;
    memcpy(before->values, before->mean.data, channels * sizeof(float));
    memcpy(before->values + channels, before->var.data, channels * sizeof(float));
    return 0;
}

void rn_ranks_forget_before(struct rn_ranks *r)
{
    while (r->befores)
        free(r->before[--r->befores].values);
}

void rn_ranks_bring_back(struct rn_ranks *r)
{
    for (size_t i = r->befores; i-- > 0;) {
        const struct rn_ranks_before *before = &r->before[i];
        memcpy(before->mean.data, before->values, before->mean.c * sizeof(float));
        memcpy(before->var.data, before->values + before->mean.c, before->mean.c * sizeof(float));
    }
    rn_ranks_forget_before(r);
}

/* The smallest leaf that has images has more than one value a channel. All ranks see the same. */
static int leaves_vary(const struct rn_ranks *r, struct rn_array x, struct rn_err *err)
{
    size_t least = x.n > r->leaves ? x.n / r->leaves : 1;
    if (least * x.h * x.w > 1)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "device ranks: --bn leaf: a norm has a 1x1 map and a leaf one image of the batch's %zu: it "
                                      "needs more than one value a channel; use larger batches or images, fewer leaves, or --bn whole",
                   x.n);
}

/* Each leaf by its own statistics. The running ones follow the first leaf that has images, whose row goes to all ranks: how many
 * values a channel, mean, variance. */
static int norm_leaves(struct rn_ranks *r, const struct rn_ranks_call *c, struct rn_err *err)
{
    struct rn_norm norm = norm_of(c), own = norm;
    struct rn_ranks_block *block;
    size_t channels = c->x.c, row = 1 + 2 * channels;
    double *first = leaves_vary(r, c->x, err) || need_leaves(r, norm.mean, &block, err) ? NULL : rows(r, row, err), *at;
    own.running_mean.data = own.running_var.data = NULL;
    if (!first)
        return -1;
    FOR_LEAVES(r, c->x.n, p) {
        struct rn_array x = leaf_of(c->x, &p);
        at = first + p.leaf * row;
        at[0] = (double)(x.n * x.h * x.w);
        own.mean = in_leaf(block, norm.mean, p.leaf);
        own.inv_std = in_leaf(block, norm.inv_std, p.leaf);
        if (rn_cpu_norm_moments(rn_cpu(r->inner), x, at + 1, at + 1 + channels, err))
            return -1;
        rn_cpu_norm_settle(&own, channels, x.n * x.h * x.w, at + 1, at + 1 + channels);
        const struct rn_batch_norm op = { leaf_of(c->y, &p), x, leaf_of(c->residual, &p), own, c->activation };
        if (rn_cpu_norm_apply(rn_cpu(r->inner), &op, err))
            return -1;
        if (!first[0])
            memcpy(first, at, row * sizeof *at);
    }
    if (whole(r, row, err))
        return -1;
    for (at = first; !at[0]; at += row)
        ;
    rn_cpu_norm_settle(&norm, channels, (size_t)at[0], at + 1, at + 1 + channels);
    return 0;
}

DO(batch_norm)
{
    UNUSED;
    struct rn_norm norm = norm_of(c);
    size_t channels = c->x.c;
    if (c->by_leaf)
        return (r->rank == 0 && keep_before(r, &norm, err)) || norm_leaves(r, c, err) ? -1 : 0;
    if (norm.fixed)
        rn_cpu_norm_take_running(&norm, channels);
    else if (statistics(r, c->x, err) || (r->rank == 0 && keep_before(r, &norm, err)))
        return -1;
    else
        rn_cpu_norm_settle(&norm, channels, c->x.n * c->x.h * c->x.w, r->sums + 1, r->sums + 1 + channels);
    const struct rn_batch_norm op = { part(r, c->y), part(r, c->x), part(r, c->residual), norm, c->activation };
    return rn_cpu_norm_apply(rn_cpu(r->inner), &op, err);
}

static int norm_leaves_backward(struct rn_ranks *r, const struct rn_ranks_call *c, struct rn_err *err)
{
    struct rn_norm norm = norm_of(c), own = norm;
    struct rn_ranks_block *block, *gradients;
    if (need_leaves(r, norm.mean, &block, err) || need_leaves(r, c->dgamma, &gradients, err))
        return -1;
    if (!(c->add & RN_ADD_DW)) {
        clear(c->dgamma);
        clear(c->dbeta);
    }
    FOR_LEAVES(r, c->x.n, p) {
        own.mean = in_leaf(block, norm.mean, p.leaf);
        own.inv_std = in_leaf(block, norm.inv_std, p.leaf);
        const struct rn_batch_norm_backward op = { leaf_of(c->dx, &p), leaf_of(c->dresidual, &p),
                                                   in_leaf(gradients, c->dgamma, p.leaf), in_leaf(gradients, c->dbeta, p.leaf),
                                                   leaf_of(c->dy, &p), leaf_of(c->x, &p), leaf_of(c->y, &p), own, c->activation,
                                                   c->add | RN_ADD_DW };
        if (ON->batch_norm_backward(r->inner, &op, err))
            return -1;
    }
    return 0;
}

DO(batch_norm_backward)
{
    UNUSED;
    if (c->by_leaf)
        return norm_leaves_backward(r, c, err);
    struct rn_norm norm = norm_of(c);
    size_t row = 2 * c->x.c;
    double *sums = rows(r, row, err), *own;
    if (!sums)
        return -1;
    FOR_LEAVES(r, c->x.n, p) {
        const struct rn_batch_norm_backward op = { leaf_of(c->dx, &p), leaf_of(c->dresidual, &p), c->dgamma, c->dbeta,
                                                   leaf_of(c->dy, &p), leaf_of(c->x, &p), leaf_of(c->y, &p), norm, c->activation,
                                                   c->add };
        if (rn_cpu_norm_sums(rn_cpu(r->inner), &op, &own, err))
            return -1;
        memcpy(sums + p.leaf * row, own, row * sizeof *sums);
    }
    rn_ranks_add_doubles(sums, r->own, row);
    if (whole(r, row, err))
        return -1;
    rn_ranks_add_doubles(sums, r->size, row);
    const struct rn_batch_norm_backward op = { PART(dx), PART(dresidual), c->dgamma, c->dbeta, PART(dy), PART(x), PART(y), norm,
                                               c->activation, c->add };
    return rn_cpu_norm_spread(rn_cpu(r->inner), &op, sums, c->x.n * c->x.h * c->x.w, err);
}

DO(fold)
{
    UNUSED;
    return ON->fold(r->inner, &(struct rn_fold){ c->y, c->dbias, c->w, norm_of(c) }, err);
}

/* ---- loss ---- */

/* body: labels, then what there is of class weights, targets and a teacher. All ranks compute the whole batch's loss, as the CPU
 * does. */
DO(softmax_loss)
{
    size_t n = c->x.n, classes = c->x.c, count, bytes;
    if (!rn_mul(n, classes, &count) || !rn_mul(count, sizeof(float), &bytes))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: %zu images", n);
    struct rn_loss_options options = c->loss;
    const int64_t *labels = body;
    const float *at = (const float *)(labels + n);
    options.class_weights = c->weighs ? at : NULL;
    at += c->weighs ? classes : 0;
    options.targets = c->targets ? at : NULL;
    at += c->targets ? count : 0;
    options.teacher = c->teaches ? at : NULL;
    float *logits = rn_calloc(2, bytes, err), *dlogits = logits ? logits + count : NULL;
    struct rn_array x = { logits, n, classes, 1, 1, RN_FULL }, dx = { dlogits, n, classes, 1, 1, RN_FULL }, own = part(r, c->dx);
    int rc = !logits || gather(r, logits, c->x, err) ||
             ON->softmax_loss(r->inner, &(struct rn_softmax_loss){ c->dx.data ? dx : (struct rn_array){ 0 }, x, &r->loss, labels,
                                                                   &options }, err);
    if (!rc && own.data)
        memcpy(own.data, dlogits + first_of(r, r->rank, n) * classes, own.n * classes * sizeof *dlogits);
    free(logits);
    return rc ? -1 : 0;
}

/* ---- gradients and updates ---- */

struct leaves_sum {
    struct rn_ranks *r;
    float *total, *row[RN_RANKS_MOST];
    size_t count;
};

/* Of our leaves a chunk: the sum goes to leaf 0's place, or where there are no other ranks to the total. */
static void sum_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct leaves_sum *s = context;
    size_t from = task * RN_CPU_CHUNK, count = rn_cpu_min(RN_CPU_CHUNK, s->count - from);
    rn_ranks_add_floats(s->row, s->r->own, from, count);
    for (size_t i = 0; i < count && s->r->size == 1; i++)
        s->total[from + i] += s->row[0][from + i];
    for (size_t l = s->r->size > 1; l < s->r->own; l++)
        memset(s->row[l] + from, 0, count * sizeof(float));
}

DO(all_reduce)
{
    UNUSED;
    struct rn_ranks_block *block = rn_ranks_block_of(r, c->memory[0], false);
    struct leaves_sum s = { r, c->memory[0], { NULL }, c->bytes / sizeof(float) };
    bool last = block && c->memory[0] == block->at; /* pieces come from the block's end */
    if (block && block->leaf && s.count) {
        for (size_t l = 0; l < r->own; l++)
            s.row[l] = block->leaf[l] + (s.total - (float *)(void *)block->at);
        rn_pool_for(rn_cpu(r->inner)->pool, rn_cpu_blocks(s.count, RN_CPU_CHUNK), sum_task, &s);
        if (r->size > 1 && rn_ranks_sum(r->comm, s.total, s.row[0], s.count, err))
            return -1;
    }
    return last ? rn_ranks_settle(r->comm, err) : 0;
}

DO(sgd)
{
    UNUSED;
    rn_ranks_forget_before(r);
    struct rn_sgd op = c->sgd;
    op.w = c->memory[0];
    op.v = c->memory[1];
    op.g = c->memory[2];
    return ON->sgd(r->inner, &op, err);
}

DO(adamw)
{
    UNUSED;
    rn_ranks_forget_before(r);
    struct rn_adamw op = c->adamw;
    op.w = c->memory[0];
    op.m = c->memory[1];
    op.v = c->memory[2];
    op.g = c->memory[3];
    return ON->adamw(r->inner, &op, err);
}

DO(lerp)
{
    UNUSED;
    return ON->lerp(r->inner, &(struct rn_lerp){ c->memory[0], c->memory[1], c->bytes, c->value }, err);
}

/* ---- all of them ---- */

int rn_ranks_do(struct rn_ranks *r, const struct rn_ranks_call *call, const void *body, struct rn_err *err)
{
#define ROW(name) do_##name,
    static int (*const calls[])(struct rn_ranks *r, const struct rn_ranks_call *c, const void *body, struct rn_err *err) = {
        RN_RANKS_CALLS(ROW)
    };
    return calls[call->what](r, call, body, err);
}
