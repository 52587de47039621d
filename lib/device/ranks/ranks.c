/* ranks.c -- rank 0's side: what it is asked for, it has all ranks do. */
#include "device/ranks/ranks.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/threads.h"
#include "device/cpu/cpu.h"
#include "device/ranks/blocks.h"
#include "device/ranks/calls.h"
#include "device/ranks/tree.h"

enum { LEAVES = 8 };

/* ---- calls ---- */

/* To the others. What they do not get, because one of them is gone, is said by the next call that needs them. */
static int tell_all(struct rn_ranks *r, struct rn_ranks_call *call, const void *body, size_t bytes, struct rn_err *err)
{
    call->number = r->calls++;
    for (size_t k = 1; k < r->size; k++)
        if (rn_ranks_tell(r->comm, k, call, sizeof *call, body, bytes, err))
            return -1;
    return 0;
}

static int issue(struct rn_device *dev, struct rn_ranks_call call, const void *body, size_t bytes, struct rn_err *err)
{
    struct rn_ranks *r = rn_ranks(dev);
    int rc = tell_all(r, &call, body, bytes, err) || rn_ranks_do(r, &call, body, err) ? -1 : 0;
    r->failed = r->failed || rc;
    return rc;
}

#define ISSUE(name, ...) issue(dev, (struct rn_ranks_call){ .what = RN_RANKS_DO_##name, __VA_ARGS__ }, NULL, 0, err)

/* A call whose body is cut by images, of `bytes` each. */
static int scatter(struct rn_device *dev, struct rn_ranks_call call, const char *body, size_t bytes, struct rn_err *err)
{
    struct rn_ranks *r = rn_ranks(dev);
    const char *own = body;
    call.number = r->calls++;
    body += rn_ranks_images(r, 0, call.y.n) * bytes;
    for (size_t k = 1; k < r->size; k++) {
        size_t part = rn_ranks_images(r, k, call.y.n) * bytes;
        if (rn_ranks_tell(r->comm, k, &call, sizeof call, body, part, err)) {
            r->failed = true;
            return -1;
        }
        body += part;
    }
    int rc = rn_ranks_do(r, &call, own, err);
    r->failed = r->failed || rc;
    return rc;
}

/* ---- memory ---- */

size_t rn_ranks_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage)
{
    return rn_cpu_bytes(n, c, h, w, storage);
}

void *rn_ranks_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    void *at = rn_cpu_alloc(rn_ranks(dev)->inner, bytes, err);
    return at && ISSUE(alloc, .memory = { at }, .bytes = bytes) == 0 ? at : NULL;
}

void rn_ranks_free(struct rn_device *dev, void *memory)
{
    struct rn_err ignored, *err = &ignored;
    (void)!ISSUE(free, .memory = { memory });
}

void rn_ranks_discard(struct rn_device *dev, void *memory, size_t bytes)
{
    struct rn_err ignored, *err = &ignored;
    (void)!ISSUE(discard, .memory = { memory }, .bytes = bytes);
}

void rn_ranks_cut(struct rn_device *dev, void *memory)
{
    struct rn_err ignored, *err = &ignored;
    (void)!ISSUE(cut, .memory = { memory });
}

size_t rn_ranks_share(const struct rn_device *dev, size_t n, bool eval)
{
    (void)eval;
    size_t size = ((const struct rn_ranks *)dev)->size;
    return (n + size - 1) / size;
}

static bool is_cut(struct rn_device *dev, struct rn_array a)
{
    const struct rn_ranks_block *block = rn_ranks_block_of(rn_ranks(dev), a.data, true);
    return block && block->cut;
}

int rn_ranks_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err)
{
    struct rn_ranks_call call = { .what = RN_RANKS_DO_upload, .y = y };
    size_t image = y.c * y.h * y.w * sizeof *x;
    if (!is_cut(dev, y))
        return issue(dev, call, x, y.n * image, err);
    rn_ranks_forget_before(rn_ranks(dev));
    return scatter(dev, call, (const char *)x, image, err);
}

int rn_ranks_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                           const double std[3], struct rn_err *err)
{
    struct rn_ranks_call call = { .what = RN_RANKS_DO_upload_images, .y = y };
    memcpy(call.shift, mean, sizeof call.shift);
    memcpy(call.scale, std, sizeof call.scale);
    rn_ranks_forget_before(rn_ranks(dev));
    return scatter(dev, call, (const char *)pixels, y.h * y.w * 3, err);
}

int rn_ranks_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err)
{
    struct rn_ranks *r = rn_ranks(dev);
    if (!is_cut(dev, x))
        return rn_cpu_download(r->inner, y, x, err);
    struct rn_ranks_call call = { .what = RN_RANKS_DO_download, .x = x };
    int rc = tell_all(r, &call, NULL, 0, err) || rn_ranks_do(r, &call, y, err) ? -1 : 0;
    r->failed = r->failed || rc;
    return rc;
}

int rn_ranks_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err)
{
    return ISSUE(fill, .y = y, .value = value);
}

bool rn_ranks_undo(struct rn_device *dev)
{
    rn_ranks_bring_back(rn_ranks(dev));
    return true;
}

/* ---- operators ---- */

int rn_ranks_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    return ISSUE(conv2d, .y = op->y, .x = op->x, .w = op->w, .dbias = op->bias, .residual = op->residual,
                 .activation = op->activation, .memory = { (void *)(uintptr_t)op->prepacked }, .window = op->window,
                 .eval = op->eval);
}

size_t rn_ranks_prepacked(struct rn_device *dev, const struct rn_conv2d *op)
{
    return rn_cpu_prepacked(rn_ranks(dev)->inner, op);
}

int rn_ranks_prepack(struct rn_device *dev, void *prepacked, const struct rn_conv2d *op, struct rn_err *err)
{
    return ISSUE(prepack, .memory = { prepacked }, .y = op->y, .x = op->x, .w = op->w, .window = op->window,
                 .activation = op->activation);
}

int rn_ranks_conv2d_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    return ISSUE(conv2d_backward, .dx = op->dx, .dw = op->dw, .dbias = op->dbias, .dy = op->dy, .x = op->x, .w = op->w,
                 .window = op->window, .add = op->add);
}

int rn_ranks_activation_backward(struct rn_device *dev, const struct rn_activation_backward *op, struct rn_err *err)
{
    return ISSUE(activation_backward, .dx = op->dx, .dy = op->dy, .y = op->y, .activation = op->activation);
}

int rn_ranks_add(struct rn_device *dev, const struct rn_add *op, struct rn_err *err)
{
    return ISSUE(add, .y = op->y, .x = op->a, .residual = op->b, .activation = op->activation);
}

int rn_ranks_add_backward(struct rn_device *dev, const struct rn_add_backward *op, struct rn_err *err)
{
    return ISSUE(add_backward, .dx = op->da, .dresidual = op->db, .dy = op->dy, .y = op->y, .activation = op->activation,
                 .add = op->add);
}

#define NORM(n) \
    .norm.of = { (n)->gamma, (n)->beta, (n)->running_mean, (n)->running_var, (n)->mean, (n)->inv_std }, .momentum = (n)->momentum, \
    .eps = (n)->eps, .fixed = (n)->fixed, .by_leaf = rn_ranks(dev)->norms == RN_NORMS_LEAF && !(n)->fixed

int rn_ranks_batch_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    return ISSUE(batch_norm, .y = op->y, .x = op->x, .residual = op->residual, NORM(&op->norm), .activation = op->activation);
}

int rn_ranks_batch_norm_backward(struct rn_device *dev, const struct rn_batch_norm_backward *op, struct rn_err *err)
{
    return ISSUE(batch_norm_backward, .dx = op->dx, .dresidual = op->dresidual, .dgamma = op->dgamma, .dbeta = op->dbeta,
                 .dy = op->dy, .x = op->x, .y = op->y, NORM(&op->norm), .activation = op->activation, .add = op->add);
}

int rn_ranks_fold(struct rn_device *dev, const struct rn_fold *op, struct rn_err *err)
{
    return ISSUE(fold, .y = op->w2, .dbias = op->bias2, .w = op->w, NORM(&op->norm));
}

int rn_ranks_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    return ISSUE(max_pool, .y = op->y, .x = op->x, .window = op->window);
}

int rn_ranks_max_pool_backward(struct rn_device *dev, const struct rn_max_pool_backward *op, struct rn_err *err)
{
    return ISSUE(max_pool_backward, .dx = op->dx, .dy = op->dy, .x = op->x, .y = op->y, .window = op->window, .add = op->add);
}

int rn_ranks_global_avg_pool(struct rn_device *dev, const struct rn_global_avg_pool *op, struct rn_err *err)
{
    return ISSUE(global_avg_pool, .y = op->y, .x = op->x);
}

int rn_ranks_global_avg_pool_backward(struct rn_device *dev, const struct rn_global_avg_pool_backward *op, struct rn_err *err)
{
    return ISSUE(global_avg_pool_backward, .dx = op->dx, .dy = op->dy, .add = op->add);
}

int rn_ranks_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    return ISSUE(channel_pool, .y = op->y, .x = op->x);
}

int rn_ranks_channel_pool_backward(struct rn_device *dev, const struct rn_channel_pool_backward *op, struct rn_err *err)
{
    return ISSUE(channel_pool_backward, .dx = op->dx, .dy = op->dy, .x = op->x, .y = op->y, .add = op->add);
}

int rn_ranks_gate(struct rn_device *dev, const struct rn_gate *op, struct rn_err *err)
{
    return ISSUE(gate, .y = op->y, .x = op->x, .channel = op->channel, .spatial = op->spatial, .combine = op->combine);
}

int rn_ranks_gate_backward(struct rn_device *dev, const struct rn_gate_backward *op, struct rn_err *err)
{
    return ISSUE(gate_backward, .dx = op->dx, .dchannel = op->dchannel, .dspatial = op->dspatial, .dy = op->dy, .x = op->x,
                 .channel = op->channel, .spatial = op->spatial, .combine = op->combine, .add = op->add);
}

static int add_numbers(struct rn_buffer *body, const float *numbers, size_t count, struct rn_err *err)
{
    return numbers ? rn_buffer_add(body, numbers, count * sizeof *numbers, err) : 0;
}

int rn_ranks_softmax_loss(struct rn_device *dev, const struct rn_softmax_loss *op, struct rn_err *err)
{
    const struct rn_loss_options *options = op->options;
    struct rn_buffer body = { 0 };
    struct rn_ranks_call call = { .what = RN_RANKS_DO_softmax_loss, .x = op->logits, .dx = op->dlogits, .loss = *options,
                                  .weighs = options->class_weights, .targets = options->targets, .teaches = options->teacher };
    size_t n = op->logits.n, classes = op->logits.c;
    int rc = rn_buffer_add(&body, op->labels, n * sizeof *op->labels, err) ||
             add_numbers(&body, options->class_weights, classes, err) ||
             add_numbers(&body, options->targets, n * classes, err) || add_numbers(&body, options->teacher, n * classes, err) ||
             issue(dev, call, body.data, body.length, err) ? -1 : 0;
    rn_buffer_free(&body);
    *op->loss = rn_ranks(dev)->loss;
    return rc;
}

int rn_ranks_all_reduce(struct rn_device *dev, void *gradients, size_t bytes, struct rn_err *err)
{
    return ISSUE(all_reduce, .memory = { gradients }, .bytes = bytes);
}

int rn_ranks_sgd(struct rn_device *dev, const struct rn_sgd *op, struct rn_err *err)
{
    return ISSUE(sgd, .memory = { op->w, op->v, (void *)(uintptr_t)op->g }, .sgd = *op);
}

int rn_ranks_adamw(struct rn_device *dev, const struct rn_adamw *op, struct rn_err *err)
{
    return ISSUE(adamw, .memory = { op->w, op->m, op->v, (void *)(uintptr_t)op->g }, .adamw = *op);
}

int rn_ranks_lerp(struct rn_device *dev, const struct rn_lerp *op, struct rn_err *err)
{
    return ISSUE(lerp, .memory = { op->y, (void *)(uintptr_t)op->x }, .value = op->share, .bytes = op->bytes);
}

/* All ranks have the same block. */
int rn_ranks_square_sum(struct rn_device *dev, const struct rn_square_sum *op, struct rn_err *err)
{
    return rn_cpu_square_sum(rn_ranks(dev)->inner, op, err);
}

/* ---- opening ---- */

static void close_device(struct rn_device *dev)
{
    struct rn_ranks *r = rn_ranks(dev);
    rn_ranks_comm_close(r->comm, r->failed ? RN_EXIT_SYSTEM : 0);
    if (r->inner)
        rn_ranks_blocks_free(r);
    rn_ranks_forget_before(r);
    free(r->before);
    free(r->sums);
    if (r->inner)
        r->inner->class->close(r->inner);
    free(r);
}

/* "cpu", or "cpu,leaves=16". */
static int choose(struct rn_ranks *r, const char *which, struct rn_err *err)
{
    unsigned leaves = LEAVES;
    int end = 0;
    if (!which || strncmp(which, "cpu", 3) || (which[3] &&
                                               (sscanf(which + 3, ",leaves=%2u%n", &leaves, &end) != 1 || which[3 + end])) ||
        !rn_ranks_is_power(leaves) || leaves > RN_RANKS_MOST)
        return rn_fail(err, RN_EXIT_USAGE, "device ranks%s%s: must be ranks:cpu or ranks:cpu,leaves=N, N a power of two to %d",
                       which ? ":" : "", which ? which : "", RN_RANKS_MOST);
    r->leaves = leaves;
    return 0;
}

/* What a rank says of itself before anything is computed. */
struct face {
    char host[64], variant[32];
    cpu_set_t cores;
    size_t leaves, call;
};

/* Threads: what was asked for, or this rank's share of the cores that it has together with others. */
static int threads_of(const struct rn_ranks *r, const struct face *faces, int threads)
{
    int together = 0;
    const struct face *own = &faces[r->rank];
    for (size_t k = 0; k < r->size; k++)
        together += !strcmp(faces[k].host, own->host) && CPU_EQUAL(&faces[k].cores, &own->cores);
    int share = rn_threads_default() / together;
    return threads > 0 ? threads : share > 0 ? share : 1;
}

static int compare(const struct rn_ranks *r, const struct face *faces, struct rn_err *err)
{
    for (size_t k = 1; k < r->size; k++) {
        const struct face *a = &faces[0], *b = &faces[k];
        if (strcmp(a->variant, b->variant) != 0)
            return rn_fail(err, RN_EXIT_SYSTEM,
                           "device ranks: rank 0 (%s) computes with RN_CPU=%s, rank %zu (%s) with %s: RN_CPU=avx2 or portable on all "
                           "makes them alike", a->host, a->variant, k, b->host, b->variant);
        if (a->leaves != b->leaves || a->call != b->call)
            return rn_fail(err, RN_EXIT_SYSTEM, "device ranks: rank %zu (%s) is of another version, or has %zu leaves, not %zu", k,
                           b->host, b->leaves, a->leaves);
    }
    return 0;
}

static int meet(struct rn_ranks *r, int threads, struct rn_err *err)
{
    if (!rn_ranks_is_power(r->size) || r->size > r->leaves)
        return rn_fail(err, RN_EXIT_USAGE, "device ranks: a batch of %zu leaves cannot be cut among %zu ranks: 1, 2, 4 .. %zu go",
                       r->leaves, r->size, r->leaves);
    struct face *faces = rn_calloc(r->size, sizeof *faces, err);
    if (!faces)
        return -1;
    struct face *own = &faces[r->rank];
    gethostname(own->host, sizeof own->host - 1);
    sched_getaffinity(0, sizeof own->cores, &own->cores);
    own->leaves = r->leaves;
    own->call = sizeof(struct rn_ranks_call);
    int rc = rn_ranks_share_bytes(r->comm, faces, sizeof *faces, err) ||
             rn_device_cpu.open(&r->inner, NULL, threads_of(r, faces, threads), err);
    if (!rc)
        snprintf(own->variant, sizeof own->variant, "%s", r->inner->class->variant(r->inner));
    rc = rc || rn_ranks_share_bytes(r->comm, faces, sizeof *faces, err) || compare(r, faces, err);
    free(faces);
    r->own = r->leaves / r->size;
    return rc ? -1 : 0;
}

static int open_device(struct rn_device **dev, const char *which, int threads, struct rn_err *err)
{
    struct rn_ranks *r = rn_calloc(1, sizeof *r, err);
    if (!r)
        return -1;
    r->device.class = &rn_device_ranks;
    int rc = rn_ranks_comm_open(&r->comm, err);
    if (!rc) {
        r->rank = rn_ranks_comm_rank(r->comm);
        r->size = rn_ranks_comm_size(r->comm);
        rc = choose(r, which, err) || meet(r, threads, err);
    }
    bool follows = !rc && r->rank;
    if (rc && r->rank) { /* rank 0 says why */
        rn_ranks_comm_close(r->comm, 0);
        _exit(err->exit);
    }
    if (rc || follows) {
        rc = follows ? rn_ranks_follow(r, err) : rc;
        r->failed = follows;
        close_device(&r->device);
        return -1;
    }
    snprintf(r->variant, sizeof r->variant, "%s-leaves%zu", r->inner->class->variant(r->inner), r->leaves);
    *dev = &r->device;
    return 0;
}

static int take_norms(struct rn_device *dev, enum rn_norms norms, struct rn_err *err)
{
    if (norms == RN_NORMS_PART)
        return rn_fail(err, RN_EXIT_USAGE, "device ranks: --bn: must be whole or leaf (part is for several GPUs)");
    rn_ranks(dev)->norms = norms;
    return 0;
}

static const char *variant_of(const struct rn_device *dev)
{
    return ((const struct rn_ranks *)dev)->variant;
}

#define ROW(operator) RN_OPERATOR_ROW(ranks, operator)
__attribute__((visibility("default"))) const struct rn_device_class rn_device_ranks = {
    .name = "ranks",
    .summary = "the processes of an MPI run, on one host or on several",
    .open = open_device,
    .close = close_device,
    .variant = variant_of,
    .norms = take_norms,
    RN_RANKS_OPERATORS(ROW)
};
/* Another version's is refused. */
__attribute__((visibility("default"))) const size_t rn_device_ranks_size = sizeof rn_device_ranks;
