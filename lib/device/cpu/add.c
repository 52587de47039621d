/* add.c -- the sum of two maps, and an activation, in chunks. */
#include "device/check.h"
#include "device/cpu/cpu.h"

struct add {
    const float *a, *b, *dy, *y;
    float *to, *to_b; /* y; da and db */
    size_t count;
    enum rn_activation activation;
    unsigned add;
};

RN_CPU_CLONES static void forward(const struct add *v, size_t from, size_t to)
{
    const float *a = v->a, *b = v->b;
    float *y = v->to;
    if (b)
        for (size_t i = from; i < to; i++)
            y[i] = a[i] + b[i];
    else
        for (size_t i = from; i < to; i++)
            y[i] = a[i];
    if (v->activation == RN_ACT_RELU)
        for (size_t i = from; i < to; i++)
            y[i] = y[i] < 0 ? 0 : y[i]; /* NaN stays */
}

static void forward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct add *v = context;
    size_t from = task * RN_CPU_CHUNK, to = rn_cpu_min(from + RN_CPU_CHUNK, v->count);
    forward(v, from, to);
    if (v->activation == RN_ACT_SIGMOID)
        rn_cpu_sigmoid(v->to + from, to - from);
}

int rn_cpu_add(struct rn_device *dev, const struct rn_add *op, struct rn_err *err)
{
    if (rn_check_add(op, err))
        return -1;
    struct add v = { .a = op->a.data, .b = op->b.data, .to = op->y.data, .count = rn_cpu_count(op->a),
                     .activation = op->activation };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(v.count, RN_CPU_CHUNK), forward_task, &v);
    return 0;
}

/* One of the two gradients. */
RN_CPU_CLONES static void backward(const struct add *v, float *restrict d, bool add, size_t from, size_t to)
{
    const float *restrict dy = v->dy, *restrict y = v->y;
    for (size_t i = from; i < to; i++) {
        float slope = v->activation == RN_ACT_NONE ? 1 : v->activation == RN_ACT_RELU ? (y[i] > 0) : y[i] * (1 - y[i]);
        d[i] = add ? d[i] + dy[i] * slope : dy[i] * slope;
    }
}

static void backward_task(void *context, size_t task, int thread)
{
    (void)thread;
    const struct add *v = context;
    size_t from = task * RN_CPU_CHUNK, to = rn_cpu_min(from + RN_CPU_CHUNK, v->count);
    backward(v, v->to, v->add & RN_ADD_DX, from, to);
    if (v->to_b)
        backward(v, v->to_b, v->add & RN_ADD_RESIDUAL, from, to);
}

int rn_cpu_add_backward(struct rn_device *dev, const struct rn_add_backward *op, struct rn_err *err)
{
    if (rn_check_add_backward(op, err))
        return -1;
    struct add v = { .dy = op->dy.data, .y = op->y.data, .to = op->da.data, .to_b = op->db.data, .count = rn_cpu_count(op->dy),
                     .activation = op->activation, .add = op->add };
    rn_pool_for(rn_cpu(dev)->pool, rn_cpu_blocks(v.count, RN_CPU_CHUNK), backward_task, &v);
    return 0;
}
