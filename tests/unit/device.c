/* device.c -- every operator of every device: the CPU against the reference, the reference's gradients against finite
 * differences, and what device.h promises besides (threads, batches, what lies behind an output). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/rng.h"
#include "core/threads.h"
#include "device/cpu/conv.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct rn_err err;

/* Those that the tests of single operators go through; tests/cuda/operators.c has another list. */
static const char *devices[] = { "cpu", "reference" };

#define check(call) check_call((call), #call, __LINE__)
static void check_call(int rc, const char *what, int line)
{
    if (rc)
        fail_msg("line %d: %s: %s", line, what, err.text);
}

/* ---- an operator's case: its arrays, and one way to call it ---- */

enum { X, W, BIAS, RESIDUAL, Y, DY, DX, DW, DBIAS, DRESIDUAL, GAMMA, BETA, RUNNING_MEAN, RUNNING_VAR, MEAN, INV_STD, CHANNEL,
       SPATIAL, DCHANNEL, DSPATIAL, ARRAYS };

struct row {
    const char *name;
    int (*forward)(struct rn_device *dev, const struct row *row, struct rn_array *a);
    int (*backward)(struct rn_device *dev, const struct row *row, struct rn_array *a); /* NULL: there is none */
    size_t n, c, h, w, k;
    struct rn_window window;
    bool bias, residual, eval, few; /* few: many equal values */
    enum rn_activation activation;
    enum rn_combine combine;
    unsigned gates; /* 1 channel, 2 spatial */
    unsigned add;
    double smoothing;
    bool weights;
    bool targets, teacher; /* of the loss */
    bool fixed;            /* the norm */
    const struct update *update;
    bool no_dx, no_dw;
    double within; /* an absolute tolerance, besides the usual one */
    bool winograd; /* one that this way must take */
};

/* What moves a block of parameters, W, with Y and RUNNING_VAR its moments, X the gradient. */
struct update {
    enum { SGD, ADAMW, LERP, SQUARE_SUM } what;
    double lr, momentum, wd, scale, beta2, eps, share; /* momentum: AdamW's beta1 */
    bool nesterov;
    int64_t step;
};

static struct rn_norm norm_of(struct rn_array *a)
{
    return (struct rn_norm){ .gamma = a[GAMMA], .beta = a[BETA], .running_mean = a[RUNNING_MEAN], .running_var = a[RUNNING_VAR],
                             .mean = a[MEAN], .inv_std = a[INV_STD], .momentum = 0.1, .eps = 1e-5 };
}

static struct rn_array shape(size_t n, size_t c, size_t h, size_t w)
{
    return (struct rn_array){ NULL, n, c, h, w };
}

/* What the row's window makes of a map. */
static struct rn_array slid(const struct row *r, size_t c)
{
    struct rn_array y = shape(r->n, c, r->h, r->w);
    assert_true(rn_window_slide(r->window, &y.h, &y.w));
    return y;
}

/* Batch norm, ReLU and pooling: as one where the device has that, else one after the other. */
static void norm_pool_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[DX] = shape(r->n, r->c, r->h, r->w);
    a[Y] = a[DY] = slid(r, r->c);
    for (int i = GAMMA; i <= INV_STD; i++)
        a[i] = shape(1, r->c, 1, 1);
    a[DW] = a[DBIAS] = a[GAMMA];
}

static struct rn_array between(struct rn_device *dev, struct rn_array x)
{
    x.data = dev->class->alloc(dev, dev->class->bytes(x.n, x.c, x.h, x.w, RN_FULL), &err);
    assert_non_null(x.data);
    return x;
}

static int norm_pool(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    struct rn_norm n = norm_of(a);
    if (dev->class->norm_pool)
        return dev->class->norm_pool(dev, &(struct rn_norm_pool){ a[Y], a[X], n, r->window }, &err);
    struct rn_array map = between(dev, a[X]);
    int rc = dev->class->batch_norm(dev, &(struct rn_batch_norm){ map, a[X], { 0 }, n, RN_ACT_RELU }, &err) ||
             dev->class->max_pool(dev, &(struct rn_max_pool){ a[Y], map, r->window }, &err) ? -1 : 0;
    dev->class->free(dev, map.data);
    return rc;
}

static int norm_pool_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    struct rn_norm n = norm_of(a);
    const struct rn_norm_pool_backward op = { a[DX], a[DW], a[DBIAS], a[DY], a[X], a[Y], n, r->window, r->add };
    if (dev->class->norm_pool_backward)
        return dev->class->norm_pool_backward(dev, &op, &err);
    struct rn_array map = between(dev, a[X]), dmap = between(dev, a[X]), moved[2] = { a[RUNNING_MEAN], a[RUNNING_VAR] };
    struct rn_norm again = n; /* forward once more, for the map; its running statistics go elsewhere */
    again.running_mean = moved[0] = between(dev, moved[0]);
    again.running_var = moved[1] = between(dev, moved[1]);
    const struct rn_max_pool_backward pool = { dmap, a[DY], map, a[Y], r->window };
    const struct rn_batch_norm_backward b = { a[DX], { 0 }, a[DW], a[DBIAS], dmap, a[X], map, n, RN_ACT_RELU, r->add };
    int rc = dev->class->batch_norm(dev, &(struct rn_batch_norm){ map, a[X], { 0 }, again, RN_ACT_RELU }, &err) ||
             dev->class->max_pool_backward(dev, &pool, &err) || dev->class->batch_norm_backward(dev, &b, &err) ? -1 : 0;
    struct rn_array all[] = { map, dmap, moved[0], moved[1] };
    for (size_t i = 0; i < LENGTH(all); i++)
        dev->class->free(dev, all[i].data);
    return rc;
}

/* Which arrays an operator takes, by shape; n 0: not this one. */

static void conv_shapes(const struct row *r, struct rn_array *a)
{
    struct rn_array y = slid(r, r->k);
    a[X] = shape(r->n, r->c, r->h, r->w);
    a[W] = shape(r->k, r->c / r->window.groups, r->window.r, r->window.s);
    a[Y] = a[DY] = y;
    if (!r->no_dx)
        a[DX] = a[X];
    if (!r->no_dw)
        a[DW] = a[W];
    if (r->bias)
        a[BIAS] = a[DBIAS] = shape(1, r->k, 1, 1);
    if (r->residual)
        a[RESIDUAL] = y;
}

static void norm_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[Y] = a[DY] = a[DX] = shape(r->n, r->c, r->h, r->w);
    if (r->residual)
        a[RESIDUAL] = a[DRESIDUAL] = a[X];
    for (int i = GAMMA; i <= INV_STD; i++)
        a[i] = shape(1, r->c, 1, 1);
    a[DW] = a[DBIAS] = a[GAMMA];
}

static void fold_shapes(const struct row *r, struct rn_array *a)
{
    a[W] = a[Y] = shape(r->k, r->c, r->h, r->w);
    for (int i = GAMMA; i <= RUNNING_VAR; i++)
        a[i] = shape(1, r->k, 1, 1);
    a[DBIAS] = a[GAMMA]; /* bias2 */
}

static void pool_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[DX] = shape(r->n, r->c, r->h, r->w);
    a[Y] = a[DY] = r->window.r ? slid(r, r->c) : shape(r->n, r->c, 1, 1);
}

static void channel_pool_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[DX] = shape(r->n, r->c, r->h, r->w);
    a[Y] = a[DY] = shape(r->n, 2, r->h, r->w);
}

static void adding_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[DX] = a[Y] = a[DY] = shape(r->n, r->c, r->h, r->w);
    if (r->residual)
        a[RESIDUAL] = a[DRESIDUAL] = a[X];
}

static void gate_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[Y] = a[DY] = a[DX] = shape(r->n, r->c, r->h, r->w);
    if (r->gates & 1)
        a[CHANNEL] = a[DCHANNEL] = shape(r->n, r->c, 1, 1);
    if (r->gates & 2)
        a[SPATIAL] = a[DSPATIAL] = shape(r->n, 1, r->h, r->w);
}

static void loss_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[DX] = shape(r->n, r->c, 1, 1);
    a[Y] = shape(1, 2, 1, 1); /* loss and correct */
    a[DY] = shape(1, 2, 1, 1);
}

static void activation_shapes(const struct row *r, struct rn_array *a)
{
    a[Y] = a[DY] = a[DX] = shape(r->n, r->c, r->h, r->w);
}

static void update_shapes(const struct row *r, struct rn_array *a)
{
    a[X] = a[Y] = a[W] = a[RUNNING_VAR] = shape(1, r->n, 1, 1);
    if (r->update->what == SQUARE_SUM)
        a[Y] = shape(1, 1, 1, 1);
}

/* The calls. */

static int conv(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->conv2d(dev, &(struct rn_conv2d){ a[Y], a[X], a[W], a[BIAS], a[RESIDUAL], r->window, r->activation,
                                                        .eval = r->eval }, &err);
}

static int conv_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->conv2d_backward(dev, &(struct rn_conv2d_backward){ a[DX], a[DW], a[DBIAS], a[DY], a[X], a[W], r->window,
                                                                          r->add }, &err);
}

static int norm(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    struct rn_norm n = norm_of(a);
    n.fixed = r->fixed;
    return dev->class->batch_norm(dev, &(struct rn_batch_norm){ a[Y], a[X], a[RESIDUAL], n, r->activation }, &err);
}

static int norm_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    struct rn_norm n = norm_of(a);
    n.fixed = r->fixed;
    const struct rn_batch_norm_backward b = { a[DX], a[DRESIDUAL], a[DW], a[DBIAS], a[DY], a[X], a[Y], n, r->activation, r->add };
    return dev->class->batch_norm_backward(dev, &b, &err);
}

static int fold(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    (void)r;
    return dev->class->fold(dev, &(struct rn_fold){ a[Y], a[DBIAS], a[W], norm_of(a) }, &err);
}

static int max_pool(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->max_pool(dev, &(struct rn_max_pool){ a[Y], a[X], r->window }, &err);
}

static int max_pool_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->max_pool_backward(dev, &(struct rn_max_pool_backward){ a[DX], a[DY], a[X], a[Y], r->window, r->add }, &err);
}

static int global_avg_pool(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    (void)r;
    return dev->class->global_avg_pool(dev, &(struct rn_global_avg_pool){ a[Y], a[X] }, &err);
}

static int global_avg_pool_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->global_avg_pool_backward(dev, &(struct rn_global_avg_pool_backward){ a[DX], a[DY], r->add }, &err);
}

static int gate(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->gate(dev, &(struct rn_gate){ a[Y], a[X], a[CHANNEL], a[SPATIAL], r->combine }, &err);
}

static int gate_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->gate_backward(dev, &(struct rn_gate_backward){ a[DX], a[DCHANNEL], a[DSPATIAL], a[DY], a[X], a[CHANNEL],
                                                                      a[SPATIAL], r->combine, r->add }, &err);
}

static int activation_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->activation_backward(dev, &(struct rn_activation_backward){ a[DX], a[DY], a[Y], r->activation }, &err);
}

static int adding(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->add(dev, &(struct rn_add){ a[Y], a[X], a[RESIDUAL], r->activation }, &err);
}

static int adding_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->add_backward(dev, &(struct rn_add_backward){ a[DX], a[DRESIDUAL], a[DY], a[Y], r->activation, r->add },
                                    &err);
}

static int channel_pool(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    (void)r;
    return dev->class->channel_pool(dev, &(struct rn_channel_pool){ a[Y], a[X] }, &err);
}

static int channel_pool_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return dev->class->channel_pool_backward(dev, &(struct rn_channel_pool_backward){ a[DX], a[DY], a[X], a[Y], r->add }, &err);
}

static double *doubles(struct rn_array a)
{
    return a.data; /* the reference's memory */
}

static size_t count(struct rn_array a)
{
    return a.n * a.c * a.h * a.w;
}

/* The loss as an array, so that it is compared as any other output. On the reference it keeps its double. */
static int loss_call(struct rn_device *dev, const struct row *r, struct rn_array *a, struct rn_array dlogits)
{
    static const float weights[] = { 0.5f, 2, 1.25f, 0.75f, 3, 1, 0.125f, 1.5f };
    int64_t labels[64];
    struct rn_loss loss;
    assert_true(r->n <= LENGTH(labels) && r->c <= LENGTH(weights));
    for (size_t i = 0; i < r->n; i++)
        labels[i] = (int64_t)(i * 5 % r->c);
    float shares[64 * 8], said[64 * 8]; /* rows of sum 1; the first class of a teacher's first row is impossible */
    for (size_t i = 0; i < r->n * r->c; i++) {
        size_t place = i % r->c;
        shares[i] = place == i / r->c % r->c ? 0.75f : place == (i / r->c + 1) % r->c ? 0.25f : 0;
        said[i] = i == 0 ? 0 : (float)(1 + place) / (float)(r->c * (r->c + 1) / 2 - (i < r->c));
    }
    struct rn_loss_options options = { r->weights ? weights : NULL, r->smoothing, r->targets ? shares : NULL,
                                       r->teacher ? said : NULL, 3, 0.75 };
    for (size_t i = 0; i < r->n && r->targets; i++)
        labels[i] = (int64_t)(i % r->c);
    if (dev->class->softmax_loss(dev, &(struct rn_softmax_loss){ dlogits, a[X], &loss, labels, &options }, &err))
        return -1;
    if (strcmp(dev->class->name, "reference") != 0)
        return dev->class->upload(dev, a[Y], (float[]){ (float)loss.loss, (float)loss.correct }, &err);
    doubles(a[Y])[0] = loss.loss;
    doubles(a[Y])[1] = (double)loss.correct;
    return 0;
}

static int loss(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return loss_call(dev, r, a, (struct rn_array){ 0 });
}

static int loss_backward(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    return loss_call(dev, r, a, a[DX]);
}

static int updating(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    const struct rn_device_class *on = dev->class;
    const struct update *u = r->update;
    size_t bytes = on->bytes(1, r->n, 1, 1, RN_FULL);
    double sum;
    if (u->what == SGD)
        return on->sgd(dev, &(struct rn_sgd){ a[W].data, a[Y].data, a[X].data, bytes, u->lr, u->momentum, u->wd, u->nesterov,
                                              u->scale }, &err);
    if (u->what == ADAMW)
        return on->adamw(dev, &(struct rn_adamw){ a[W].data, a[Y].data, a[RUNNING_VAR].data, a[X].data, bytes, u->lr, u->momentum,
                                                  u->beta2, u->eps, u->wd, u->scale, u->step }, &err);
    if (u->what == LERP)
        return on->lerp(dev, &(struct rn_lerp){ a[Y].data, a[X].data, bytes, u->share }, &err);
    if (on->square_sum(dev, &(struct rn_square_sum){ &sum, a[X].data, bytes }, &err))
        return -1;
    return on->upload(dev, a[Y], (float[]){ (float)sum }, &err);
}

#define CONV .forward = conv, .backward = conv_backward
#define NORM_POOL .forward = norm_pool, .backward = norm_pool_backward
#define NORM .forward = norm, .backward = norm_backward
#define MAX_POOL .forward = max_pool, .backward = max_pool_backward
#define GLOBAL_AVG_POOL .forward = global_avg_pool, .backward = global_avg_pool_backward
#define ADD .forward = adding, .backward = adding_backward
#define CHANNEL_POOL .forward = channel_pool, .backward = channel_pool_backward
#define GATE .forward = gate, .backward = gate_backward
#define LOSS .forward = loss, .backward = loss_backward
#define UPDATE(...) .forward = updating, .update = &(const struct update){ __VA_ARGS__ }
#define ADD_ALL (RN_ADD_DX | RN_ADD_DW | RN_ADD_RESIDUAL)
#define WINDOW(r_, s_, stride_, padding_) .window = RN_WINDOW(r_, s_, stride_, padding_)

static const struct row rows[] = {
    { "conv 1x1", CONV, 2, 5, 7, 6, 3, WINDOW(1, 1, 1, 0) },
    { "conv 1x1 bias residual relu", CONV, 3, 64, 9, 5, 17, WINDOW(1, 1, 1, 0), .bias = true, .residual = true, .activation = RN_ACT_RELU },
    { "conv 1x1 add", CONV, 2, 6, 4, 4, 9, WINDOW(1, 1, 1, 0), .bias = true, .add = ADD_ALL },
    { "conv 1x1 add, one image", CONV, 1, 6, 5, 4, 9, WINDOW(1, 1, 1, 0), .bias = true, .add = ADD_ALL },
    { "conv 3x3 add, one image", CONV, 1, 5, 17, 19, 6, WINDOW(3, 3, 1, 1), .add = ADD_ALL },
    { "conv 1x1 stride 2", CONV, 2, 17, 9, 8, 6, WINDOW(1, 1, 2, 0) },
    { "conv 1x1 stride 2 add", CONV, 2, 3, 8, 9, 64, WINDOW(1, 1, 2, 0), .add = ADD_ALL },
    { "conv 1x1 padding", CONV, 1, 3, 4, 5, 2, WINDOW(1, 1, 1, 1) },
    { "linear", CONV, 5, 64, 1, 1, 6, WINDOW(1, 1, 1, 0), .bias = true },
    { "linear relu, one image", CONV, 1, 32, 1, 1, 2, WINDOW(1, 1, 1, 0), .bias = true, .activation = RN_ACT_RELU },
    { "linear sigmoid", CONV, 4, 5, 1, 1, 17, WINDOW(1, 1, 1, 0), .bias = true, .activation = RN_ACT_SIGMOID },
    { "linear, eval", CONV, 5, 64, 1, 1, 6, WINDOW(1, 1, 1, 0), .bias = true, .eval = true },
    { "conv 1x1 padding, wide channels", CONV, 2, 64, 4, 5, 9, WINDOW(1, 1, 1, 1) },
    { "conv 3x3", CONV, 2, 3, 8, 11, 5, WINDOW(3, 3, 1, 1) },
    { "conv 3x3 residual relu", CONV, 3, 17, 7, 7, 6, WINDOW(3, 3, 1, 1), .residual = true, .activation = RN_ACT_RELU },
    { "conv 3x3 eval", CONV, 3, 17, 7, 7, 6, WINDOW(3, 3, 1, 1), .bias = true, .residual = true, .activation = RN_ACT_RELU, .eval = true },
    { "conv 3x3 add", CONV, 2, 5, 9, 4, 17, WINDOW(3, 3, 1, 1), .bias = true, .add = ADD_ALL },
    { "conv 3x3 stride 2", CONV, 5, 6, 9, 10, 64, WINDOW(3, 3, 2, 1), .bias = true, .activation = RN_ACT_SIGMOID },
    { "conv 3x3 stride 2 add dx only", CONV, 2, 64, 7, 5, 3, WINDOW(3, 3, 2, 1), .add = RN_ADD_DX },
    { "conv 3x3 without padding, add dw only", CONV, 2, 3, 6, 7, 5, WINDOW(3, 3, 1, 0), .bias = true, .add = RN_ADD_DW },
    { "conv 3x3 on one pixel", CONV, 2, 5, 1, 1, 3, WINDOW(3, 3, 1, 1) },
    { "conv 3x3 on a line, stride 2", CONV, 2, 5, 1, 9, 3, WINDOW(3, 3, 2, 1) },
    { "conv 3x3 many channels", CONV, 3, 130, 5, 6, 140, WINDOW(3, 3, 1, 1), .add = RN_ADD_DW },
    { "conv 3x3 many channels eval", CONV, 2, 70, 6, 5, 270, WINDOW(3, 3, 1, 1), .bias = true, .eval = true },
    { "conv 3x3 large map", CONV, 2, 6, 40, 38, 5, WINDOW(3, 3, 1, 1), .bias = true, .residual = true, .activation = RN_ACT_RELU },
    { "conv 3x3 large map eval", CONV, 2, 6, 40, 38, 5, WINDOW(3, 3, 1, 1), .bias = true, .eval = true },
    { "conv 3x3 wide map", CONV, 1, 3, 2, 301, 4, WINDOW(3, 3, 1, 1), .bias = true },
    { "conv 3x5, padding 3", CONV, 1, 5, 7, 6, 3, WINDOW(3, 5, 1, 3) },
    { "conv 3x3 stride 3", CONV, 2, 3, 11, 10, 4, WINDOW(3, 3, 3, 0), .add = RN_ADD_DX },
    { "conv 7x7 stride 2", CONV, 2, 3, 21, 18, 17, WINDOW(7, 7, 2, 3) },
    { "conv 7x7 to one channel", CONV, 3, 64, 7, 7, 1, WINDOW(7, 7, 1, 3), .bias = true, .activation = RN_ACT_SIGMOID },
    { "conv 7x7 to one channel add", CONV, 2, 17, 2, 3, 1, WINDOW(7, 7, 1, 3), .bias = true, .add = ADD_ALL },
    { "conv 3x3 to three channels, stride 2", CONV, 2, 35, 9, 8, 3, WINDOW(3, 3, 2, 1), .bias = true, .residual = true, .activation = RN_ACT_RELU },
    { "conv 3x3 to two channels, stride 3 add", CONV, 2, 70, 8, 11, 2, .window = { 3, 3, 3, 2, 0, 1, 1, 1, 1 }, .add = ADD_ALL },
    { "conv 5x4 stride 2, wide channels", CONV, 2, 19, 9, 12, 33, WINDOW(5, 4, 2, 2) },
    { "conv 3x3 stride 3, wide channels add", CONV, 2, 70, 11, 10, 17, .window = { 3, 3, 3, 1, 0, 2, 1, 1, 1 }, .add = ADD_ALL },
    { "conv 1x1 stride 3, wide channels add", CONV, 3, 20, 7, 8, 18, WINDOW(1, 1, 3, 0), .add = ADD_ALL },
    { "conv 3x3 stride 2, many pixels and channels", CONV, 3, 150, 17, 18, 140, WINDOW(3, 3, 2, 1), .add = RN_ADD_DW },
    { "conv 7x7 stride 2, dw only", CONV, 3, 3, 13, 15, 5, WINDOW(7, 7, 2, 3), .no_dx = true },
    { "conv 3x3 in groups", CONV, 2, 12, 8, 7, 8, .window = { 3, 3, 1, 1, 1, 1, 1, 1, 4 }, .bias = true, .residual = true, .activation = RN_ACT_RELU },
    { "conv 3x3 in groups add", CONV, 3, 24, 9, 6, 16, .window = { 3, 3, 2, 1, 1, 1, 1, 1, 8 }, .add = ADD_ALL },
    { "conv 3x3 in groups eval", CONV, 3, 64, 7, 7, 64, .window = { 3, 3, 1, 1, 1, 1, 1, 1, 32 }, .bias = true, .eval = true },
    { "conv 1x1 in groups", CONV, 2, 6, 5, 4, 9, .window = { 1, 1, 1, 0, 0, 0, 0, 1, 3 }, .add = ADD_ALL },
    { "conv 5x5, a channel alone", CONV, 2, 17, 9, 8, 17, .window = { 5, 5, 2, 2, 2, 2, 2, 1, 17 }, .bias = true },
    { "conv 3x3 dilated", CONV, 2, 20, 11, 9, 18, .window = { 3, 3, 1, 2, 2, 2, 2, 2, 1 }, .bias = true, .activation = RN_ACT_RELU },
    { "conv 3x3 dilated, in groups, stride 2", CONV, 2, 6, 13, 12, 10, .window = { 3, 3, 2, 3, 3, 3, 3, 3, 2 }, .add = ADD_ALL },
    { "conv 3x3, other padding on each side", CONV, 2, 17, 6, 9, 18, .window = { 3, 3, 1, 0, 1, 2, 3, 1, 1 }, .bias = true },
    { "conv 3x3, none above, stride 2", CONV, 2, 5, 8, 8, 9, .window = { 3, 3, 2, 0, 0, 1, 1, 1, 1 }, .add = ADD_ALL },
    { "conv 5x1 along one channel", CONV, 3, 1, 64, 1, 1, .window = { 5, 1, 1, 2, 0, 2, 0, 1, 1 }, .activation = RN_ACT_SIGMOID },
    { "conv 3x3, dx only", CONV, 2, 3, 5, 5, 5, WINDOW(3, 3, 1, 1), .no_dw = true },

    { "conv 3x3 wide channels", CONV, 2, 17, 8, 11, 33, WINDOW(3, 3, 1, 1), .bias = true, .winograd = true },
    { "conv 3x3 wide channels, one tile", CONV, 1, 16, 4, 3, 16, WINDOW(3, 3, 1, 1), .winograd = true },
    { "conv 3x3 wide channels sigmoid", CONV, 2, 19, 9, 8, 17, WINDOW(3, 3, 1, 1), .bias = true, .activation = RN_ACT_SIGMOID, .winograd = true },
    { "conv 3x3 wide channels residual relu", CONV, 3, 33, 13, 9, 17, WINDOW(3, 3, 1, 1), .bias = true, .residual = true,
      .activation = RN_ACT_RELU, .winograd = true },
    { "conv 3x3 wide channels add", CONV, 4, 20, 7, 7, 70, WINDOW(3, 3, 1, 1), .bias = true, .add = ADD_ALL, .winograd = true },
    { "conv 3x3 wide channels eval", CONV, 5, 65, 14, 15, 24, WINDOW(3, 3, 1, 1), .bias = true, .residual = true,
      .activation = RN_ACT_RELU, .eval = true, .winograd = true },
    { "conv 3x3 wide channels, one image add", CONV, 1, 50, 57, 30, 41, WINDOW(3, 3, 1, 1), .add = ADD_ALL, .winograd = true },
    { "conv 3x3 wide channels, several blocks", CONV, 2, 17, 125, 120, 16, WINDOW(3, 3, 1, 1), .winograd = true },
    { "conv 3x3 wide channels, several chunks", CONV, 1, 300, 8, 7, 290, WINDOW(3, 3, 1, 1), .add = RN_ADD_DW, .winograd = true },

    { "norm", NORM, 3, 5, 6, 7 },
    { "norm relu", NORM, 2, 17, 5, 5, .activation = RN_ACT_RELU },
    { "norm residual relu", NORM, 4, 64, 3, 5, .residual = true, .activation = RN_ACT_RELU },
    { "norm residual", NORM, 5, 3, 2, 1, .residual = true },
    { "norm add", NORM, 2, 6, 4, 3, .residual = true, .activation = RN_ACT_RELU, .add = ADD_ALL },
    { "norm add residual only", NORM, 2, 6, 4, 3, .residual = true, .add = RN_ADD_RESIDUAL },
    { "norm of two numbers", NORM, 2, 3, 1, 1, .activation = RN_ACT_RELU, .within = 1e-5 }, /* dx is a small difference of large numbers */
    { "norm and pool 3/2/1", NORM_POOL, 2, 16, 9, 12, WINDOW(3, 3, 2, 1) },
    { "norm and pool 3/2/1 add", NORM_POOL, 3, 64, 8, 7, WINDOW(3, 3, 2, 1), .add = RN_ADD_DW },
    { "norm and pool 2/2/0", NORM_POOL, 2, 48, 9, 5, WINDOW(2, 2, 2, 0) },
    { "norm and pool equal values", NORM_POOL, 5, 16, 7, 7, WINDOW(3, 3, 2, 1), .few = true },
    { "norm, several chunks", NORM, 3, 700, 8, 9, .residual = true, .activation = RN_ACT_RELU },

    { "fold", .forward = fold, .c = 5, .h = 3, .w = 3, .k = 17 },
    { "fold 1x1", .forward = fold, .c = 64, .h = 1, .w = 1, .k = 6 },

    { "max pool 3/2/1", MAX_POOL, 2, 17, 9, 11, WINDOW(3, 3, 2, 1) },
    { "max pool 3/2/1 even", MAX_POOL, 3, 64, 8, 6, WINDOW(3, 3, 2, 1), .add = RN_ADD_DX },
    { "max pool 3/2/1 equal values", MAX_POOL, 5, 6, 7, 7, WINDOW(3, 3, 2, 1), .few = true },
    { "max pool 2/2", MAX_POOL, 1, 3, 7, 6, WINDOW(2, 2, 2, 0) },
    { "max pool 3/1/1 equal values", MAX_POOL, 2, 5, 5, 4, WINDOW(3, 3, 1, 1), .few = true },
    { "max pool of one pixel", MAX_POOL, 1, 3, 1, 1, WINDOW(3, 3, 2, 1) },
    { "mean pool", GLOBAL_AVG_POOL, 3, 17, 7, 7 },
    { "mean pool add", GLOBAL_AVG_POOL, 2, 130, 5, 1, .add = RN_ADD_DX },
    { "mean pool of one pixel", GLOBAL_AVG_POOL, 1, 3, 1, 1 },

    { "channel pool", CHANNEL_POOL, 3, 17, 5, 4 },
    { "channel pool add", CHANNEL_POOL, 2, 64, 7, 7, .add = RN_ADD_DX },
    { "channel pool of one channel", CHANNEL_POOL, 2, 1, 3, 3 },
    { "channel pool equal values", CHANNEL_POOL, 2, 6, 4, 4, .few = true },
    { "max pool of the whole map", MAX_POOL, 2, 6, 7, 5, WINDOW(7, 5, 1, 0) },

    { "add", ADD, 3, 17, 5, 4, .residual = true },
    { "add relu", ADD, 2, 64, 7, 7, .residual = true, .activation = RN_ACT_RELU, .add = ADD_ALL },
    { "add sigmoid", ADD, 2, 6, 1, 1, .residual = true, .activation = RN_ACT_SIGMOID, .add = RN_ADD_DX },
    { "sigmoid of one map", ADD, 3, 1, 9, 7, .activation = RN_ACT_SIGMOID },
    { "relu of many", ADD, 2, 80, 17, 15, .activation = RN_ACT_RELU, .add = RN_ADD_DX },

    { "gate channel", GATE, 3, 17, 5, 4, .gates = 1 },
    { "gate spatial", GATE, 2, 6, 7, 7, .gates = 2, .add = RN_ADD_DX },
    { "gate channel, mul", GATE, 1, 5, 3, 3, .gates = 1, .combine = RN_COMBINE_MUL },
    { "gate spatial, max", GATE, 1, 5, 3, 3, .gates = 2, .combine = RN_COMBINE_MAX },
    { "gate sum", GATE, 3, 64, 3, 5, .gates = 3 },
    { "gate sum add", GATE, 2, 3, 1, 1, .gates = 3, .add = RN_ADD_DX },
    { "gate mul", GATE, 2, 17, 4, 3, .gates = 3, .combine = RN_COMBINE_MUL },
    { "gate max", GATE, 5, 6, 5, 3, .gates = 3, .combine = RN_COMBINE_MAX },
    { "gate max equal values", GATE, 2, 6, 4, 4, .gates = 3, .combine = RN_COMBINE_MAX, .few = true, .add = RN_ADD_DX },

    { "loss", LOSS, 5, 6 },
    { "loss of one image", LOSS, 1, 6 },
    { "loss weighted", LOSS, 7, 8, .weights = true },
    { "loss smoothed", LOSS, 4, 3, .smoothing = 0.125 },
    { "loss weighted and smoothed", LOSS, 9, 6, .weights = true, .smoothing = 0.25 },

    { "loss of shares", LOSS, 5, 6, .targets = true },
    { "loss of shares, weighted and smoothed", LOSS, 7, 4, .targets = true, .weights = true, .smoothing = 0.25 },
    { "loss of a teacher", LOSS, 5, 6, .teacher = true },
    { "loss of a teacher, weighted and smoothed", LOSS, 9, 4, .teacher = true, .weights = true, .smoothing = 0.25 },
    { "loss of a teacher and shares", LOSS, 4, 3, .teacher = true, .targets = true },

    { "norm fixed", NORM, 3, 5, 4, 3, .fixed = true },
    { "norm fixed, residual, relu, add", NORM, 2, 17, 3, 3, .fixed = true, .residual = true, .activation = RN_ACT_RELU, .add = RN_ADD_DW },

    /* whole blocks: multiples of 64 bytes */
    { "sgd", UPDATE(SGD, .lr = 0.125, .momentum = 0.875, .wd = 0.25), .n = 5008 },
    { "sgd nesterov, scaled", UPDATE(SGD, .lr = 0.125, .momentum = 0.875, .wd = 0.25, .nesterov = true, .scale = 0.375), .n = 5008 },
    { "adamw", UPDATE(ADAMW, .lr = 0.125, .momentum = 0.875, .beta2 = 0.96875, .eps = 1e-8, .wd = 0.25, .step = 3), .n = 5008 },
    { "adamw scaled, first", UPDATE(ADAMW, .lr = 0.125, .momentum = 0.875, .beta2 = 0.96875, .eps = 1e-8, .wd = 0.25, .scale = 0.375, .step = 1), .n = 16 },
    { "lerp", UPDATE(LERP, .share = 0.125), .n = 5008 },
    { "lerp all", UPDATE(LERP, .share = 1), .n = 16 },
    { "sum of squares", UPDATE(SQUARE_SUM), .n = 5008 },
    { "sum of few squares", UPDATE(SQUARE_SUM), .n = 16 },

    { "activation none", .backward = activation_backward, .n = 2, .c = 5, .h = 3, .w = 3 },
    { "activation relu", .backward = activation_backward, .n = 3, .c = 17, .h = 5, .w = 3, .activation = RN_ACT_RELU },
    { "activation sigmoid", .backward = activation_backward, .n = 2, .c = 64, .h = 3, .w = 1, .activation = RN_ACT_SIGMOID },
};

static void shapes_of(const struct row *r, struct rn_array *a)
{
    memset(a, 0, ARRAYS * sizeof *a);
    if (r->backward == conv_backward)
        conv_shapes(r, a);
    else if (r->backward == norm_pool_backward)
        norm_pool_shapes(r, a);
    else if (r->backward == norm_backward)
        norm_shapes(r, a);
    else if (r->forward == fold)
        fold_shapes(r, a);
    else if (r->forward == max_pool || r->forward == global_avg_pool)
        pool_shapes(r, a);
    else if (r->forward == channel_pool)
        channel_pool_shapes(r, a);
    else if (r->forward == adding)
        adding_shapes(r, a);
    else if (r->forward == gate)
        gate_shapes(r, a);
    else if (r->forward == loss)
        loss_shapes(r, a);
    else if (r->forward == updating)
        update_shapes(r, a);
    else
        activation_shapes(r, a);
}

/* ---- memory with sentinels behind it ---- */

enum { GUARD = 64 };
static const unsigned char pattern = 0xa5;

/* A GPU's memory cannot be touched from here; its tests have other means. */
static bool on_host(const struct rn_device *dev)
{
    return strcmp(dev->class->name, "cuda") != 0;
}

/* Memory for an array, and GUARD behind it. */
static size_t room_for(const struct rn_device *dev, struct rn_array a)
{
    size_t n = dev->class->share ? dev->class->share(dev, a.n, true) : a.n;
    return dev->class->bytes(n, a.c, a.h, a.w, a.storage) + GUARD;
}

static void allocate(struct rn_device *dev, struct rn_array *a)
{
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].n)
            continue;
        size_t bytes = count(a[i]) * (dev->class->bytes(1, 1, 1, 64, RN_FULL) / 64);
        a[i].data = dev->class->alloc(dev, room_for(dev, a[i]), &err);
        assert_non_null(a[i].data);
        if (on_host(dev))
            memset((char *)a[i].data + bytes, pattern, room_for(dev, a[i]) - bytes);
    }
}

static void release(struct rn_device *dev, struct rn_array *a, const char *name)
{
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].data)
            continue;
        size_t bytes = count(a[i]) * (dev->class->bytes(1, 1, 1, 64, RN_FULL) / 64);
        size_t end = room_for(dev, a[i]);
        for (size_t at = bytes; at < end && on_host(dev); at++)
            if (((unsigned char *)a[i].data)[at] != pattern)
                fail_msg("%s on %s: byte %zu behind array %d was written to", name, dev->class->name, at - bytes, i);
        dev->class->free(dev, a[i].data);
    }
}

/* ---- numbers ---- */

/* Which arrays, a bit each, are bfloat16 where they are maps and the device has it; then values are such that it holds them
 * exactly. */
static unsigned half;

static bool is_map(const struct row *r, int array)
{
    static const bool maps[ARRAYS] = { [X] = true, [RESIDUAL] = true, [Y] = true, [DY] = true, [DX] = true, [DRESIDUAL] = true,
                                       [CHANNEL] = true, [SPATIAL] = true, [DCHANNEL] = true, [DSPATIAL] = true };
    return maps[array] && r->forward != loss && r->forward != fold && !r->update;
}

/* Random values of an array, the same for any device and thread count. Multiples of 2^-12 from about -3 to 3. */
static float *values(const struct row *r, int array, struct rn_array a)
{
    uint32_t name = 0;
    for (const char *c = r->name; *c; c++)
        name = name * 31 + (unsigned char)*c;
    struct rn_rng rng = rn_rng(1, RN_FOR_INIT, (uint64_t)array, name);
    float *x = malloc(count(a) * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count(a); i++) {
        double value = rn_rng_uniform(&rng, -3, 3);
        if (r->few && (array == X || array == CHANNEL || array == SPATIAL))
            value = rint(value);
        if (array == RUNNING_VAR || array == GAMMA)
            value = 0.25 + fabs(value);
        if (array == W)
            value /= 4;
        x[i] = (float)(half ? rint(value * 0x1p5) * 0x1p-5 : rint(value * 0x1p12) * 0x1p-12);
    }
    return x;
}

static void upload_all(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].n)
            continue;
        float *x = values(r, i, a[i]);
        if (r->activation == RN_ACT_SIGMOID && !r->forward && i == Y)
            for (size_t j = 0; j < count(a[i]); j++)
                x[j] = (float)(1 / (1 + exp(-(double)x[j])));
        check(dev->class->upload(dev, a[i], x, &err));
        free(x);
    }
}

static float *download(struct rn_device *dev, struct rn_array a)
{
    float *x = malloc(count(a) * sizeof *x);
    assert_non_null(x);
    check(dev->class->download(dev, x, a, &err));
    return x;
}

/* Forward and backward, from the same random numbers everywhere (outputs too: add finds them there). */
static void run(struct rn_device *dev, const struct row *r, struct rn_array *a)
{
    shapes_of(r, a);
    for (int i = 0; i < ARRAYS; i++)
        a[i].storage = half >> i & 1 && !on_host(dev) && is_map(r, i) ? RN_BF16 : RN_FULL;
    allocate(dev, a);
    upload_all(dev, r, a);
    if (r->forward)
        check(r->forward(dev, r, a));
    if (r->backward)
        check(r->backward(dev, r, a));
}

static struct rn_device *device(const char *name, int threads)
{
    struct rn_device *dev;
    check(rn_device_open(&dev, name, threads, &err));
    return dev;
}

/* ---- the tests ---- */

/* Winograd's sums are of terms larger than the result: three times the room. A GPU's library sums in an order of its own. */
static void compare(const struct row *r, struct rn_device *cpu, const struct rn_array *a, struct rn_device *reference,
                    const struct rn_array *b)
{
    double room = (r->winograd ? 3 : 1) * (on_host(cpu) ? 1 : 4);
    for (int i = 0; i < ARRAYS; i++) {
        if (!a[i].n)
            continue;
        float *x = download(cpu, a[i]), *y = download(reference, b[i]);
        float largest = 0;
        for (size_t j = 0; j < count(a[i]); j++)
            largest = fmaxf(largest, fabsf(y[j]));
        for (size_t j = 0; j < count(a[i]); j++)
            if (!(fabs((double)x[j] - (double)y[j]) <= r->within + (half ? 0x1p-7 * largest
                                                                    : 0) + room * (2e-6 * largest + 1e-5 * fabs((double)y[j]))))
                fail_msg("%s, %s: array %d, element %zu: %.9g, not %.9g (largest %g)", cpu->class->variant(cpu), r->name, i, j,
                         (double)x[j], (double)y[j], largest);
        free(x);
        free(y);
    }
}

static bool wide(const struct row *r)
{
    struct rn_cpu_conv conv = { .n = r->n, .c = r->c, .h = r->h, .w = r->w, .k = r->k, .p = slid(r, r->k).h, .q = slid(r, r->k).w,
                                .window = r->window, .activation = r->activation };
    return rn_cpu_winograd.takes(&conv, RN_CPU_FORWARD);
}

/* How the CPU device computes convolutions: as it does usually, and in every other way. */
static const struct rn_cpu_path *const paths[] = { NULL, &rn_cpu_direct, &rn_cpu_outer, &rn_cpu_columns };

static void agrees(struct rn_device *dev, struct rn_device *reference, const struct row *r, const struct rn_array *b)
{
    bool is_cpu = dev->class == &rn_device_cpu;
    struct rn_array a[ARRAYS];
    for (size_t i = 0; i < (is_cpu && r->forward == conv ? LENGTH(paths) : 1); i++) {
        if (is_cpu)
            ((struct rn_cpu *)dev)->path = paths[i];
        run(dev, r, a);
        compare(r, dev, a, reference, b);
        release(dev, a, r->name);
    }
}

static void built_in_devices_agree_with_reference(void **state)
{
    (void)state;
    struct rn_device *reference = device("reference", 2);
    for (const struct rn_device_class *const *class = rn_device_table; *class; class++) {
        if (*class == reference->class)
            continue;
        struct rn_device *dev = device((*class)->name, 2);
        for (const struct row *r = rows; r < rows + LENGTH(rows); r++) {
            struct rn_array b[ARRAYS];
            run(reference, r, b);
            if (r->forward == conv)
                assert_int_equal(wide(r), r->winograd);
            agrees(dev, reference, r, b);
            release(reference, b, r->name);
        }
        rn_device_close(dev);
    }
    rn_device_close(reference);
}

/* L = sum of y dy: a random linear functional of the output. The loss is one already. */
static double functional(struct rn_device *reference, const struct row *r, struct rn_array *a)
{
    double sum = 0;
    check(r->forward(reference, r, a));
    if (r->forward == loss)
        return doubles(a[Y])[0];
    for (size_t i = 0; i < count(a[Y]); i++)
        sum += doubles(a[Y])[i] * doubles(a[DY])[i];
    return sum;
}

/* dL by one number, from three steps: where L has a kink between them, no number is right, and that one is skipped. */
static bool slope(struct rn_device *reference, const struct row *r, struct rn_array *a, double *x, double *result)
{
    double at = *x, middle = functional(reference, r, a), step = 0x1p-16, up, down;
    *x = at + step;
    up = (functional(reference, r, a) - middle) / step;
    *x = at - step;
    down = (middle - functional(reference, r, a)) / step;
    *x = at;
    *result = (up + down) / 2;
    return fabs(up - down) <= 1e-3 * (1 + fabs(up));
}

static void gradients_are_slopes(void **state)
{
    (void)state;
    static const struct { int of, gradient; unsigned bit; } pairs[] = {
        { X, DX, RN_ADD_DX }, { W, DW, RN_ADD_DW }, { BIAS, DBIAS, RN_ADD_DW }, { GAMMA, DW, RN_ADD_DW }, { BETA, DBIAS, RN_ADD_DW },
        { RESIDUAL, DRESIDUAL, RN_ADD_RESIDUAL }, { CHANNEL, DCHANNEL, 0 }, { SPATIAL, DSPATIAL, 0 },
    };
    struct rn_device *reference = device("reference", 1);
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++) {
        if (!r->forward || !r->backward || r->few || r->winograd || r->c * r->k > 2000 || r->c > 200)
            continue;
        struct rn_array a[ARRAYS], b[ARRAYS];
        run(reference, r, a);
        shapes_of(r, b);
        allocate(reference, b);
        upload_all(reference, r, b); /* what the gradients were before */
        if (r->forward == conv) {
            /* conv2d_backward wants the gradient before the activation: the network's own order of calls. */
            check(conv(reference, r, a));
            struct rn_array before = a[DY];
            struct rn_array inside = a[DY];
            inside.data = reference->class->alloc(reference,
                                                  reference->class->bytes(inside.n, inside.c, inside.h, inside.w, RN_FULL), &err);
            assert_non_null(inside.data);
            const struct rn_activation_backward op = { inside, before, a[Y], r->activation };
            check(reference->class->activation_backward(reference, &op, &err));
            for (int i = DX; i <= DBIAS; i++)
                if (a[i].n)
                    memcpy(a[i].data, b[i].data, count(a[i]) * sizeof(double));
            a[DY] = inside;
            check(conv_backward(reference, r, a));
            a[DY] = before;
            reference->class->free(reference, inside.data);
        }
        size_t tried = 0, kinks = 0;
        for (size_t i = 0; i < LENGTH(pairs); i++) {
            struct rn_array of = a[pairs[i].of], gradient = a[pairs[i].gradient];
            if (!of.n || !gradient.n)
                continue;
            size_t stride = 1 + count(of) / (getenv("RN_SANITIZED") ? 3 : 24); /* not every number of a large array */
            for (size_t j = 0; j < count(of); j += stride) {
                double want, got = doubles(gradient)[j];
                if (r->add & pairs[i].bit)
                    got -= doubles(b[pairs[i].gradient])[j];
                tried++;
                if (!slope(reference, r, a, doubles(of) + j, &want))
                    kinks++;
                else if (!(fabs(got - want) <= 1e-5 + 1e-5 * fabs(want)))
                    fail_msg("%s: gradient %d, element %zu: %.9g, but the slope is %.9g", r->name, pairs[i].gradient, j, got, want);
            }
        }
        if (!tried || kinks * 5 > tried)
            fail_msg("%s: %zu slopes tried, %zu of them at a kink", r->name, tried, kinks);
        release(reference, a, r->name);
        release(reference, b, r->name);
    }
    rn_device_close(reference);
}

/* Each convolution also in every other way that takes it. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    static const int counts[] = { 1, 2, 5 };
    struct rn_device *dev[LENGTH(counts)];
    for (size_t i = 0; i < LENGTH(counts); i++)
        dev[i] = device("cpu", counts[i]);
    for (size_t n = 0; n < LENGTH(rows) * LENGTH(paths); n++) {
        const struct row *r = rows + n / LENGTH(paths);
        struct rn_array first[ARRAYS], other[ARRAYS];
        if (n % LENGTH(paths) && r->forward != conv)
            continue;
        for (size_t i = 0; i < LENGTH(counts); i++) {
            ((struct rn_cpu *)dev[i])->path = paths[n % LENGTH(paths)];
            run(dev[i], r, i ? other : first);
            for (int j = 0; i && j < ARRAYS; j++)
                if (first[j].n && memcmp(first[j].data, other[j].data, count(first[j]) * sizeof(float)) != 0)
                    fail_msg("%s: array %d differs with %d threads", r->name, j, counts[i]);
            if (i)
                release(dev[i], other, r->name);
        }
        release(dev[0], first, r->name);
    }
    for (size_t i = 0; i < LENGTH(counts); i++)
        rn_device_close(dev[i]);
}

/* In evaluation an image gives the same bits alone, in a batch and at any place of it. */
static void eval_does_not_see_the_batch(void **state)
{
    (void)state;
    static const struct row cases[] = {
        { "1x1", CONV, 3, 64, 14, 14, 96, WINDOW(1, 1, 1, 0), .eval = true },
        { "3x3", CONV, 3, 64, 28, 28, 32, WINDOW(3, 3, 1, 1), .eval = true },
        { "3x3 small", CONV, 3, 160, 7, 7, 300, WINDOW(3, 3, 1, 1), .eval = true },
        { "3x3 stride 2", CONV, 3, 17, 15, 13, 33, WINDOW(3, 3, 2, 1), .eval = true },
        { "7x7 stride 2", CONV, 3, 3, 61, 59, 64, WINDOW(7, 7, 2, 3), .eval = true },
        { "7x7 to one", CONV, 3, 64, 7, 7, 1, WINDOW(7, 7, 1, 3), .bias = true, .activation = RN_ACT_SIGMOID, .eval = true },
        { "linear", CONV, 3, 512, 1, 1, 6, WINDOW(1, 1, 1, 0), .bias = true, .eval = true },
    };
    struct rn_device *cpu = device("cpu", 2);
    for (const struct row *r = cases; r < cases + LENGTH(cases); r++) {
        struct rn_array a[ARRAYS];
        run(cpu, r, a);
        struct rn_array alone = a[X], out = a[Y];
        size_t in_size = count(a[X]) / 3, out_size = count(a[Y]) / 3;
        alone.n = out.n = 1;
        out.data = malloc(out_size * sizeof(float));
        float *moved = malloc(3 * in_size * sizeof *moved), *result = malloc(3 * out_size * sizeof *result), *x = a[X].data,
              *y = a[Y].data;
        assert_true(out.data && moved && result);
        for (size_t i = 0; i < 3; i++) {
            alone.data = x + i * in_size;
            check(conv(cpu, r, (struct rn_array[ARRAYS]){ [X] = alone, [W] = a[W], [BIAS] = a[BIAS], [Y] = out }));
            if (memcmp(out.data, y + i * out_size, out_size * sizeof(float)) != 0)
                fail_msg("%s: image %zu alone differs", r->name, i);
            memcpy(moved + (i + 1) % 3 * in_size, alone.data, in_size * sizeof *moved);
        }
        struct rn_array in = a[X], all = a[Y];
        in.data = moved;
        all.data = result;
        check(conv(cpu, r, (struct rn_array[ARRAYS]){ [X] = in, [W] = a[W], [BIAS] = a[BIAS], [Y] = all }));
        for (size_t i = 0; i < 3; i++)
            if (memcmp(result + (i + 1) % 3 * out_size, y + i * out_size, out_size * sizeof(float)) != 0)
                fail_msg("%s: image %zu differs at another place", r->name, i);
        free(out.data);
        free(moved);
        free(result);
        release(cpu, a, r->name);
    }
    rn_device_close(cpu);
}

/* Prepared weights, whose own numbers are then not looked at, give the same bits. */
static void prepared_weights_are_the_same(void **state)
{
    (void)state;
    static const struct row cases[] = {
        { "3x3", CONV, 2, 40, 20, 23, 70, WINDOW(3, 3, 1, 1), .bias = true, .activation = RN_ACT_RELU, .eval = true, .winograd = true },
        { "1x1", CONV, 2, 40, 20, 23, 70, WINDOW(1, 1, 1, 0), .eval = true },
        { "7x7 stride 2", CONV, 2, 3, 30, 31, 16, WINDOW(7, 7, 2, 3), .eval = true },
    };
    struct rn_device *cpu = device("cpu", 2);
    for (const struct row *r = cases; r < cases + LENGTH(cases); r++) {
        struct rn_array a[ARRAYS];
        run(cpu, r, a);
        struct rn_array y = a[Y];
        struct rn_conv2d op = { a[Y], a[X], a[W], .bias = a[BIAS], .window = r->window, .activation = r->activation, .eval = true };
        size_t bytes = cpu->class->prepacked(cpu, &op);
        assert_true(!r->winograd || bytes);
        y.data = cpu->class->alloc(cpu, cpu->class->bytes(y.n, y.c, y.h, y.w, RN_FULL), &err);
        char *prepacked = malloc(bytes + GUARD);
        assert_true(y.data && prepacked);
        memset(prepacked, pattern, bytes + GUARD);
        if (bytes) {
            check(cpu->class->prepack(cpu, prepacked, &op, &err));
            op.prepacked = op.w.data = prepacked;
        }
        op.y = y;
        check(cpu->class->conv2d(cpu, &op, &err));
        assert_memory_equal(y.data, a[Y].data, count(y) * sizeof(float));
        for (size_t i = 0; i < GUARD; i++)
            assert_int_equal((unsigned char)prepacked[bytes + i], pattern);
        free(prepacked);
        cpu->class->free(cpu, y.data);
        release(cpu, a, r->name);
    }
    rn_device_close(cpu);
}

/* Batch norm's dx may take the place of dy. */
static void norm_backward_in_place(void **state)
{
    (void)state;
    static const char *const names[] = { "cpu", "reference" };
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++)
        for (size_t i = 0; r->forward == norm && !r->add && i < LENGTH(names); i++) {
            struct rn_device *dev = device(names[i], 2);
            struct rn_array a[ARRAYS], b[ARRAYS];
            run(dev, r, a);
            memcpy(b, a, sizeof b);
            float *dx = download(dev, a[DX]), *dresidual = r->residual ? download(dev, a[DRESIDUAL]) : NULL;
            b[DX] = a[DY];
            check(norm_backward(dev, r, b));
            float *again = download(dev, a[DY]), *residual = r->residual ? download(dev, a[DRESIDUAL]) : NULL;
            assert_memory_equal(again, dx, count(a[DX]) * sizeof *dx);
            if (r->residual)
                assert_memory_equal(residual, dresidual, count(a[DX]) * sizeof *dx);
            free(dx);
            free(again);
            free(dresidual);
            free(residual);
            release(dev, a, r->name);
            rn_device_close(dev);
        }
}

static void sgd_is_pytorchs(void **state)
{
    (void)state;
    enum { N = 70001 };
    for (size_t i = 0; i < LENGTH(devices); i++) {
        struct rn_device *dev = device(devices[i], 2);
        const struct rn_device_class *on = dev->class;
        size_t bytes = on->bytes(1, N, 1, 1, RN_FULL);
        struct rn_array w = shape(1, N, 1, 1), v = w, g = w;
        w.data = on->alloc(dev, bytes, &err);
        v.data = on->alloc(dev, bytes, &err);
        g.data = on->alloc(dev, bytes, &err);
        assert_true(w.data && v.data && g.data);
        check(on->fill(dev, w, 2, &err));
        check(on->fill(dev, g, 0.5, &err));
        const struct rn_sgd op = { w.data, v.data, g.data, bytes, .lr = 0.25, .momentum = 0.5, .wd = 0.125 };
        check(on->sgd(dev, &op, &err));
        check(on->sgd(dev, &op, &err));
        float *x = download(dev, w);
        /* v = 0.5 + 0.25 = 0.75, w = 1.8125; v = 0.375 + 0.5 + 0.2265625 = 1.1015625, w = 1.537109375. */
        for (size_t j = 0; j < N; j++)
            if (x[j] != 1.537109375f)
                fail_msg("%s: element %zu is %.9g", devices[i], j, (double)x[j]);
        free(x);
        on->free(dev, w.data);
        on->free(dev, v.data);
        on->free(dev, g.data);
        rn_device_close(dev);
    }
}

/* Values by hand, so that the reference is not only compared with itself. */
static void known_values(void **state)
{
    (void)state;
    struct rn_device *dev = device("reference", 1);
    double x[4] = { 1, 2, 3, 4 }, w[4] = { 1, 10, 100, 1000 }, y[9], bias[1] = { 0.5 };
    const struct rn_conv2d op = { .y = { y, 1, 1, 3, 3 }, .x = { x, 1, 1, 2, 2 }, .w = { w, 1, 1, 2, 2 },
                                  .bias = { bias, 1, 1, 1, 1 }, .window = RN_WINDOW(2, 2, 1, 1) };
    check(dev->class->conv2d(dev, &op, &err));
    static const double want[9] = { 1000.5, 2100.5, 200.5, 3010.5, 4321.5, 402.5, 30.5, 43.5, 4.5 };
    for (int i = 0; i < 9; i++)
        assert_true(y[i] == want[i]);
    int64_t labels[2] = { 1, 0 }; /* softmax of (0, log 3) is (1/4, 3/4) */
    double logits[4] = { 0, log(3), 0, log(3) };
    struct rn_loss result;
    struct rn_softmax_loss softmax = { .logits = { logits, 2, 2, 1, 1 }, .loss = &result, .labels = labels,
                                       .options = &(struct rn_loss_options){ 0 } };
    check(dev->class->softmax_loss(dev, &softmax, &err));
    assert_int_equal(result.correct, 1);
    assert_true(fabs(result.loss - (log(4) - log(3) + log(4)) / 2) <= 1e-12);
    softmax.options = &(struct rn_loss_options){ (float[]){ 1, 3 }, 0.5 };
    check(dev->class->softmax_loss(dev, &softmax, &err));
    /* Own: (3 log 4/3 + log 4) / 4; over all classes, for each image: (log 4 + 3 log 4/3) / 4, times 2 images / 2 classes. */
    assert_true(fabs(result.loss - (log(4) + 3 * log(4. / 3)) / 4) <= 1e-12);
    rn_device_close(dev);
}

/* torch.nn.CrossEntropyLoss(weight, label_smoothing)(x, t) and its gradient, PyTorch 2.15, float64. */
static void soft_targets_are_pytorchs(void **state)
{
    (void)state;
    static const float x[6] = { 0.5f, -1, 2, 0, 1, -0.5f }, targets[6] = { 0.7f, 0.3f, 0, 0, 0.25f, 0.75f },
                       weights[3] = { 1, 3, 0.5f };
    static const int64_t labels[2] = { 0, 2 };
    static const struct { bool weights; double smoothing, loss, gradient[6]; } cases[2] = {
        { false, 0, 1.890340040382551,
          { -0.2623548039299816, -0.13044371336465627, 0.39279851729463794, 0.11561194881107452, 0.18926585960588121, -0.3048778084169558 } },
        { true, 0.1, 2.606548503271849,
          { -0.1923108049153375, -0.4239055042498035, 0.6162163091651409, 0.11773222382620747, -0.022165938208163125, -0.09556628561804441 } },
    };
    for (size_t i = 0; i < LENGTH(devices); i++) {
        struct rn_device *dev = device(devices[i], 2);
        struct rn_array logits = shape(2, 3, 1, 1), dlogits = logits;
        logits.data = dev->class->alloc(dev, dev->class->bytes(2, 3, 1, 1, RN_FULL), &err);
        dlogits.data = dev->class->alloc(dev, dev->class->bytes(2, 3, 1, 1, RN_FULL), &err);
        check(dev->class->upload(dev, logits, x, &err));
        for (size_t k = 0; k < LENGTH(cases); k++) {
            struct rn_loss result;
            const struct rn_loss_options options = { cases[k].weights ? weights : NULL, cases[k].smoothing, targets };
            check(dev->class->softmax_loss(dev, &(struct rn_softmax_loss){ dlogits, logits, &result, labels, &options }, &err));
            assert_true(fabs(result.loss - cases[k].loss) <= 1e-6);
            assert_int_equal(result.correct, 0);
            float *gradient = download(dev, dlogits);
            for (int j = 0; j < 6; j++)
                assert_true(fabs((double)gradient[j] - cases[k].gradient[j]) <= 1e-7);
            free(gradient);
        }
        dev->class->free(dev, logits.data);
        dev->class->free(dev, dlogits.data);
        rn_device_close(dev);
    }
}

static void images_are_normalised(void **state)
{
    (void)state;
    static const double mean[3] = { 0.5, 0.25, 0.125 }, std[3] = { 0.5, 0.25, 2 };
    static const uint8_t pixels[2 * 2 * 3] = { 0, 255, 51, 102, 153, 204, 255, 0, 1, 2, 3, 4 };
    for (size_t i = 0; i < LENGTH(devices); i++) {
        struct rn_device *dev = device(devices[i], 2);
        for (int storage = RN_FULL; storage <= (on_host(dev) ? RN_FULL : RN_BF16); storage++) {
            struct rn_array y = shape(2, 3, 1, 2);
            y.storage = (enum rn_storage)storage;
            y.data = dev->class->alloc(dev, dev->class->bytes(2, 3, 1, 2, y.storage), &err);
            check(dev->class->upload_images(dev, y, pixels, mean, std, &err));
            float *x = download(dev, y);
            for (size_t n = 0; n < 2; n++)
                for (size_t c = 0; c < 3; c++)
                    for (size_t w = 0; w < 2; w++) {
                        double want = (pixels[(n * 2 + w) * 3 + c] / 255.0 - mean[c]) / std[c];
                        assert_true(fabs((double)x[(n * 3 + c) * 2 + w] - want) <= (storage == RN_BF16 ? 0x1p-8 * fabs(want)
                                                                                    : 1e-6));
                    }
            free(x);
            dev->class->free(dev, y.data);
        }
        rn_device_close(dev);
    }
}

static void not_a_number_is_not_lost(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(devices); i++)
        for (const struct row *r = rows; r < rows + LENGTH(rows); r++) {
            if (!r->forward || r->forward == fold)
                continue;
            struct rn_device *dev = device(devices[i], 1);
            struct rn_array a[ARRAYS];
            shapes_of(r, a);
            allocate(dev, a);
            upload_all(dev, r, a);
            check(dev->class->fill(dev, a[X], NAN, &err));
            check(r->forward(dev, r, a));
            float *y = download(dev, a[Y]);
            size_t middle = r->forward == loss ? 0 : (a[Y].h / 2) * a[Y].w + a[Y].w / 2; /* not one that sees padding only */
            if (!isnan(y[middle]))
                fail_msg("%s on %s: %g", r->name, devices[i], (double)y[middle]);
            free(y);
            release(dev, a, r->name);
            rn_device_close(dev);
        }
}

static void expect_error(const char *spec, int exit, const char *text)
{
    struct rn_device *dev = NULL;
    err = (struct rn_err){ 0 };
    assert_int_equal(rn_device_open(&dev, spec, 1, &err), -1);
    assert_int_equal(err.exit, exit);
    if (!strstr(err.text, text))
        fail_msg("%s: \"%s\" does not say \"%s\"", spec, err.text, text);
    assert_null(strchr(err.text, '\n'));
    assert_null(dev);
}

static void errors(void **state)
{
    (void)state;
    struct rn_device *dry = NULL;
    err = (struct rn_err){ 0 };
    assert_int_equal(rn_device_open_dry(&dry, "reference", 1, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_USAGE);
    assert_null(dry);
    for (const struct rn_device_class *const *class = rn_device_table; *class; class++)
        expect_error("tpu", RN_EXIT_USAGE, (*class)->name);
    expect_error("", RN_EXIT_USAGE, "cpu");
    expect_error("cpu:0", RN_EXIT_USAGE, "cpu:0");
    if (access("/dev/nvidiactl", F_OK)) { /* no GPU */
        expect_error("cuda", RN_EXIT_SYSTEM, "device cuda");
        expect_error("cuda:0,1", RN_EXIT_SYSTEM, "device cuda");
    }
    const char *given = getenv("RN_CPU");
    char *was = given ? strdup(given) : NULL;
    setenv("RN_CPU", "mmx", 1);
    expect_error("cpu", RN_EXIT_USAGE, "RN_CPU=mmx");
    was ? setenv("RN_CPU", was, 1) : unsetenv("RN_CPU");
    free(was);
    rn_device_close(NULL);

    for (size_t i = 0; i < LENGTH(devices); i++) {
        struct rn_device *dev = device(devices[i], 1);
        assert_string_equal(dev->class->name, devices[i]);
        assert_int_equal(dev->class->bytes(SIZE_MAX / 2, 3, 1, 1, RN_FULL), 0);
        assert_int_equal(dev->class->bytes(1, 1, SIZE_MAX / 4, 1, RN_FULL), 0);
        assert_int_equal(dev->class->bytes(1, 3, 1, 1, RN_FULL) % 64, 0);
        float memory[256] = { 0 };
        struct rn_array x = { memory, 1, 2, 3, 3 }, w = { memory, 2, 3, 1, 1 };
        assert_int_equal(dev->class->conv2d(dev, &(struct rn_conv2d){ x, x, w, .window = RN_WINDOW(1, 1, 1, 0) }, &err), -1);
        assert_int_equal(dev->class->max_pool(dev, &(struct rn_max_pool){ x, x, RN_WINDOW(4, 4, 1, 0) }, &err), -1);
        struct rn_loss result;
        const struct rn_softmax_loss op = { .logits = { memory, 1, 3, 1, 1 }, .loss = &result, .labels = (int64_t[]){ 3 },
                                            .options = &(struct rn_loss_options){ 0 } };
        assert_int_equal(dev->class->softmax_loss(dev, &op, &err), -1);
        rn_device_close(dev);
    }
}

/* The variants other than this process's, each in a process of its own. */
static void other_variants(void **state)
{
    (void)state;
    static const char *const names[] = { "avx512", "avx2", "portable" };
    struct rn_device *cpu = device("cpu", 1);
    const char *own = cpu->class->variant(cpu);
    bool ran = false;
    for (size_t i = 0; i < LENGTH(names) && !getenv("RN_SANITIZED"); i++) {
        if (!strcmp(names[i], own))
            continue;
        pid_t pid = fork();
        if (pid == 0) {
            setenv("RN_CPU", names[i], 1);
            unsetenv("OPENBLAS_CORETYPE"); /* set by this process */
            if (freopen("/dev/null", "w", stdout))
                execl("/proc/self/exe", "device", "--variant", (char *)NULL);
            _exit(127);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
            continue;
        if (status)
            fail_msg("RN_CPU=%s fails", names[i]);
        ran = true;
    }
    rn_device_close(cpu);
    if (!ran)
        skip();
}

/* --variant: of what RN_CPU names. exit: 77 when this processor cannot run it. */
int main(int argc, char **argv)
{
    const struct CMUnitTest variant[] = {
        cmocka_unit_test(built_in_devices_agree_with_reference),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(eval_does_not_see_the_batch),
        cmocka_unit_test(prepared_weights_are_the_same),
        cmocka_unit_test(norm_backward_in_place),
        cmocka_unit_test(not_a_number_is_not_lost),
    };
    /* what a sanitizer of threads is for: without the reference device, it would take minutes */
    const struct CMUnitTest threads[] = {
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(eval_does_not_see_the_batch),
        cmocka_unit_test(prepared_weights_are_the_same),
        cmocka_unit_test(norm_backward_in_place),
    };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors),
        cmocka_unit_test(known_values),
        cmocka_unit_test(soft_targets_are_pytorchs), cmocka_unit_test(images_are_normalised),
        cmocka_unit_test(sgd_is_pytorchs),
        cmocka_unit_test(gradients_are_slopes),
        cmocka_unit_test(built_in_devices_agree_with_reference),
        cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(eval_does_not_see_the_batch),
        cmocka_unit_test(prepared_weights_are_the_same),
        cmocka_unit_test(norm_backward_in_place),
        cmocka_unit_test(not_a_number_is_not_lost),
        cmocka_unit_test(other_variants),
    };
    const char *sanitized = getenv("RN_SANITIZED");
    if (sanitized && !strcmp(sanitized, "thread"))
        return cmocka_run_group_tests(threads, NULL, NULL);
    if (argc < 2 || strcmp(argv[1], "--variant") != 0)
        return cmocka_run_group_tests(tests, NULL, NULL);
    struct rn_device *cpu;
    if (rn_device_open(&cpu, "cpu", 1, &err))
        return 77;
    rn_device_close(cpu);
    return cmocka_run_group_tests(variant, NULL, NULL);
}
