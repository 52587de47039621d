/* decisions.h -- a training step with the float64 twin's decisions.
 *
 * Between linear pieces a network decides: on which side of 0 a ReLU's input lies, which pixel or channel is the largest. Where
 * two candidates lie closer together than float32 rounds, either is right, and a gradient follows the one that was taken: one
 * hidden unit of CBAM's smallest gate moves its weights' gradient by a percent. So that such a gradient can still be compared
 * closely, the reference device's forward pass is recorded, and another device's maps are moved, after each operator and by no
 * more than rounding, until they decide as it did. What moves further is a defect and is counted as one. */
#ifndef RN_TESTS_UNIT_DECISIONS_H
#define RN_TESTS_UNIT_DECISIONS_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "device/device.h"

/* The largest move, as a share of the map's largest number. Float32 maps of these networks are within 1e-5 of float64's. */
#define DECISION_MOVE 1e-4

enum { DECISION_MAPS = 512 };

static struct {
    struct rn_device_class class; /* of the device that is led, or of the twin: with the functions below in it */
    const struct rn_device_class *real;
    bool recording;
    /* of each deciding operator, in order: per element, 1 or 0 for ReLU; else the place of the largest */
    uint32_t *map[DECISION_MAPS];
    size_t count[DECISION_MAPS];
    size_t maps, next;
    size_t moved, taken; /* decisions that differed; all */
    double furthest;     /* move, as a share of its map's largest number */
} decisions;

static size_t decision_elements(struct rn_array a)
{
    return a.n * a.c * a.h * a.w;
}

/* The array's numbers, as doubles in (N,C,H,W) order; the caller frees. */
static double *decision_numbers(struct rn_device *dev, struct rn_array a, struct rn_err *err)
{
    size_t count = decision_elements(a);
    double *number = calloc(count, sizeof *number);
    if (decisions.recording) { /* the reference device's memory is that */
        memcpy(number, a.data, count * sizeof *number);
        return number;
    }
    float *single = calloc(count, sizeof *single);
    if (decisions.real->download(dev, single, a, err))
        abort();
    for (size_t i = 0; i < count; i++)
        number[i] = (double)single[i];
    free(single);
    return number;
}

static int decision_store(struct rn_device *dev, struct rn_array a, const double *number, struct rn_err *err)
{
    float *single = calloc(decision_elements(a), sizeof *single);
    for (size_t i = 0; i < decision_elements(a); i++)
        single[i] = (float)number[i];
    int rc = decisions.real->upload(dev, a, single, err);
    free(single);
    return rc;
}

static double decision_largest(const double *number, size_t count)
{
    double largest = DBL_MIN;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(number[i]));
    return largest;
}

/* The place for the next operator's decisions, `count` of them: to be filled when recording, else to be followed. */
static uint32_t *decision_map(size_t count)
{
    size_t i = decisions.next++;
    if (i >= DECISION_MAPS || (!decisions.recording && (i >= decisions.maps || decisions.count[i] != count)))
        abort(); /* the two networks are not the same list of operators */
    if (decisions.recording) {
        decisions.map[i] = calloc(count, sizeof *decisions.map[i]);
        decisions.count[i] = count;
        decisions.maps = decisions.next;
    }
    return decisions.map[i];
}

static void decision_moved(const char *what, size_t map, size_t at, struct rn_array a, double by, double largest)
{
    decisions.furthest = fmax(decisions.furthest, by / largest);
    if (decisions.moved++ < 3)
        printf("# %s, operator %zu of those that decide, image %zu, channel %zu, pixel %zu: %.2g where the largest is %.2g\n", what,
               map, at / (a.c * a.h * a.w), at / (a.h * a.w) % a.c, at % (a.h * a.w), by, largest);
}

/* raise: by how much each of y's numbers has to be raised for the twin's side, and eps of the largest beyond it. */
static void decide_sides(struct rn_device *dev, struct rn_array y, const uint32_t *side, double *raise, double eps, size_t *differ,
                         struct rn_err *err)
{
    double *number = decision_numbers(dev, y, err), largest = decision_largest(number, decision_elements(y));
    *differ = 0;
    for (size_t i = 0; i < decision_elements(y); i++) {
        if (side[i] == (number[i] > 0))
            continue;
        raise[i] = (side[i] ? 1 : -1) * (fabs(number[i]) + eps * largest);
        decision_moved("ReLU", decisions.next - 1, i, y, fabs(raise[i]), largest);
        ++*differ;
    }
    free(number);
}

static uint32_t *decision_sides(struct rn_device *dev, struct rn_array y, struct rn_err *err)
{
    size_t count = decision_elements(y);
    uint32_t *side = decision_map(count);
    decisions.taken += count;
    if (decisions.recording) {
        double *number = decision_numbers(dev, y, err);
        for (size_t i = 0; i < count; i++)
            side[i] = number[i] > 0;
        free(number);
    }
    return side;
}

/* A ReLU whose backward looks at y. */
static int decide_relu(struct rn_device *dev, struct rn_array y, struct rn_err *err)
{
    const uint32_t *side = decision_sides(dev, y, err);
    size_t count = decision_elements(y), differ = 0;
    double *raise = calloc(count, sizeof *raise), *number = decision_numbers(dev, y, err);
    if (!decisions.recording)
        decide_sides(dev, y, side, raise, 0, &differ, err);
    for (size_t i = 0; i < count; i++)
        number[i] = raise[i] > 0 ? FLT_MIN : raise[i] < 0 ? 0 : number[i];
    int rc = differ ? decision_store(dev, y, number, err) : 0;
    free(number);
    free(raise);
    return rc;
}

/* A ReLU behind a norm, whose backward may compute y's sign anew from x: x is moved, and the norm done again, until they agree. */
static int decide_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x;
    const uint32_t *side = decision_sides(dev, y, err);
    size_t count = decision_elements(y), map = x.h * x.w, differ = 0;
    double eps = 1e-7;
    for (int round = 0; round < 8 && !decisions.recording; round++, eps *= 2) {
        double *raise = calloc(count, sizeof *raise), *number = decision_numbers(dev, x, err);
        double *gamma = decision_numbers(dev, op->norm.gamma, err), *inv_std = decision_numbers(dev, op->norm.inv_std, err);
        decide_sides(dev, y, side, raise, eps, &differ, err);
        for (size_t i = 0; i < count; i++)
            number[i] += raise[i] / (gamma[i / map % x.c] * inv_std[i / map % x.c]);
        int rc = differ ? decision_store(dev, x, number, err) || decisions.real->batch_norm(dev, op, err) : 0;
        free(inv_std);
        free(gamma);
        free(number);
        free(raise);
        if (rc || !differ)
            return rc ? -1 : 0;
    }
    return 0;
}

/* Of the window at (p, q) of one map x(H,W): the first of its largest numbers. */
static uint32_t decision_first(const double *x, struct rn_array a, struct rn_window window, size_t p, size_t q)
{
    size_t best = SIZE_MAX;
    for (size_t r = 0; r < window.r; r++)
        for (size_t s = 0; s < window.s; s++) {
            size_t h = p * window.stride + r - window.top, w = q * window.stride + s - window.left;
            if (h < a.h && w < a.w && (best == SIZE_MAX || x[h * a.w + w] > x[best]))
                best = h * a.w + w;
        }
    return (uint32_t)best;
}

/* Makes x[twin] the largest of what x[own] was the largest of. */
static void decision_lift(const char *what, double *x, size_t twin, size_t own, size_t at, struct rn_array a, double largest)
{
    decision_moved(what, decisions.next - 1, at, a, x[own] - x[twin], largest);
    x[twin] = (double)nextafterf((float)x[own], INFINITY);
}

static int decide_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    struct rn_array y = op->y, x = op->x;
    size_t before = decisions.moved, map = x.h * x.w, out = y.h * y.w;
    uint32_t *place = decision_map(decision_elements(y));
    double *number = decision_numbers(dev, x, err), largest = decision_largest(number, decision_elements(x));
    decisions.taken += decision_elements(y);
    for (size_t i = 0; i < decision_elements(y); i++) {
        double *from = number + i / out * map;
        uint32_t own = decision_first(from, x, op->window, i % out / y.w, i % y.w);
        if (decisions.recording)
            place[i] = own;
        else if (place[i] != own)
            decision_lift("maximum of a map", from, place[i], own, i / out * map + own, x, largest);
    }
    int rc = decisions.moved > before ? decision_store(dev, x, number, err) || decisions.real->max_pool(dev, op, err) : 0;
    free(number);
    return rc ? -1 : 0;
}

static int decide_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    struct rn_array x = op->x;
    size_t before = decisions.moved, map = x.h * x.w;
    uint32_t *channel = decision_map(x.n * map);
    double *number = decision_numbers(dev, x, err), largest = decision_largest(number, decision_elements(x));
    decisions.taken += x.n * map;
    for (size_t i = 0; i < x.n * map; i++) {
        double *from = number + i / map * x.c * map + i % map;
        uint32_t own = 0;
        for (uint32_t c = 1; c < x.c; c++)
            own = from[c * map] > from[own * map] ? c : own;
        if (decisions.recording)
            channel[i] = own;
        else if (channel[i] != own)
            decision_lift("maximum of channels", from, channel[i] * map, own * map, (size_t)(from - number) + own * map, x,
                          largest);
    }
    int rc = decisions.moved > before ? decision_store(dev, x, number, err) || decisions.real->channel_pool(dev, op, err) : 0;
    free(number);
    return rc ? -1 : 0;
}

static int decided_conv2d(struct rn_device *dev, const struct rn_conv2d *op, struct rn_err *err)
{
    int rc = decisions.real->conv2d(dev, op, err);
    return rc || op->activation != RN_ACT_RELU ? rc : decide_relu(dev, op->y, err);
}

static int decided_add(struct rn_device *dev, const struct rn_add *op, struct rn_err *err)
{
    int rc = decisions.real->add(dev, op, err);
    return rc || op->activation != RN_ACT_RELU ? rc : decide_relu(dev, op->y, err);
}

static int decided_batch_norm(struct rn_device *dev, const struct rn_batch_norm *op, struct rn_err *err)
{
    int rc = decisions.real->batch_norm(dev, op, err);
    if (rc || op->activation != RN_ACT_RELU)
        return rc;
    return op->residual.data ? decide_relu(dev, op->y, err) : decide_norm(dev, op, err);
}

static int decided_max_pool(struct rn_device *dev, const struct rn_max_pool *op, struct rn_err *err)
{
    int rc = decisions.real->max_pool(dev, op, err);
    return rc ? rc : decide_max_pool(dev, op, err);
}

static int decided_channel_pool(struct rn_device *dev, const struct rn_channel_pool *op, struct rn_err *err)
{
    int rc = decisions.real->channel_pool(dev, op, err);
    return rc ? rc : decide_channel_pool(dev, op, err);
}

static int no_backward(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *err)
{
    (void)dev, (void)op, (void)err;
    return 0;
}

/* From here to decisions_end what the device computes is recorded, or led by what was. Networks are opened in between. */
static void decisions_begin(struct rn_device *dev, bool recording)
{
    decisions.real = dev->class;
    decisions.class = *dev->class;
    decisions.class.conv2d = decided_conv2d;
    decisions.class.add = decided_add;
    decisions.class.batch_norm = decided_batch_norm;
    decisions.class.max_pool = decided_max_pool;
    decisions.class.channel_pool = decided_channel_pool;
    decisions.class.norm_pool = NULL; /* as two operators: the map between has decisions, too */
    decisions.class.norm_pool_backward = NULL;
    if (recording)
        decisions.class.conv2d_backward = no_backward; /* only what was decided is of interest, on the way forward */
    decisions.recording = recording;
    decisions.next = decisions.moved = decisions.taken = 0;
    decisions.furthest = 0;
    dev->class = &decisions.class;
}

static void decisions_end(struct rn_device *dev)
{
    dev->class = decisions.real;
}

static void decisions_free(void)
{
    for (size_t i = 0; i < decisions.maps; i++)
        free(decisions.map[i]);
    decisions.maps = 0;
}

#endif
