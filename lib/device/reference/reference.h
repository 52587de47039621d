/* reference.h -- private to the reference device.
 *
 * Every operator as one reads it in a textbook: float64, loops over indices, nothing clever. It is what the other devices
 * are compared with, so it has to be right at sight. Numbers lie as doubles in (N,C,H,W) order in host memory; tests look
 * at them directly. Only the outermost loop over images or channels is spread over threads. */
#ifndef RN_DEVICE_REFERENCE_REFERENCE_H
#define RN_DEVICE_REFERENCE_REFERENCE_H

#include "core/threads.h"
#include "device/device.h"

struct rn_reference {
    struct rn_device device; /* first: a struct rn_device * is one of these */
    struct rn_pool *pool;
};

static inline double *rn_reference_at(struct rn_array a, size_t n, size_t c, size_t h, size_t w)
{
    return (double *)a.data + ((n * a.c + c) * a.h + h) * a.w + w;
}

/* Element i of a vector. */
static inline double *rn_reference_of(struct rn_array a, size_t i)
{
    return (double *)a.data + i;
}

static inline size_t rn_reference_count(struct rn_array a)
{
    return a.n * a.c * a.h * a.w;
}

/* Zeroes an output, unless it is not there or is to be added to. */
void rn_reference_begin(struct rn_array a, unsigned add);

/* The place on x that the kernel's (r, s) sees from output (p, q); false: padding. */
static inline bool rn_reference_tap(struct rn_array x, struct rn_window window, size_t p, size_t q, size_t r,
                                    size_t s, size_t *h, size_t *w)
{
    *h = p * window.stride + r * window.dilation - window.top; /* wraps round below zero */
    *w = q * window.stride + s * window.dilation - window.left;
    return *h < x.h && *w < x.w;
}

static inline struct rn_pool *rn_reference_pool(struct rn_device *dev)
{
    return ((struct rn_reference *)dev)->pool;
}

extern const struct rn_device_class rn_device_reference;

/* The operators of struct rn_device_class, in the files that bear their names. */
#define RN_REFERENCE_PROTOTYPE(name) RN_OPERATOR_PROTOTYPE(reference, name)
RN_OPERATORS(RN_REFERENCE_PROTOTYPE)
#undef RN_REFERENCE_PROTOTYPE

#endif
