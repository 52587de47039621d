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
size_t rn_reference_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage);
void *rn_reference_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err);
void rn_reference_free(struct rn_device *dev, void *memory);
int rn_reference_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err);
int rn_reference_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err);
int rn_reference_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels,
                               const double mean[3], const double std[3], struct rn_err *err);
int rn_reference_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err);
int rn_reference_conv2d(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array w,
                        struct rn_window window, struct rn_epilogue epilogue, bool eval, struct rn_err *err);
int rn_reference_conv2d_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dw,
                                 struct rn_array dbias, struct rn_array dy, struct rn_array x, struct rn_array w,
                                 struct rn_window window, unsigned add, struct rn_err *err);
int rn_reference_activation_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy,
                                     struct rn_array y, enum rn_activation activation, struct rn_err *err);
int rn_reference_add(struct rn_device *dev, struct rn_array y, struct rn_array a, struct rn_array b,
                     enum rn_activation activation, struct rn_err *err);
int rn_reference_add_backward(struct rn_device *dev, struct rn_array da, struct rn_array db, struct rn_array dy,
                              struct rn_array y, enum rn_activation activation, unsigned add, struct rn_err *err);
int rn_reference_batch_norm(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array residual,
                            const struct rn_norm *norm, bool relu, struct rn_err *err);
int rn_reference_batch_norm_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dresidual,
                                     struct rn_array dgamma, struct rn_array dbeta, struct rn_array dy,
                                     struct rn_array x, struct rn_array y, const struct rn_norm *norm, bool relu,
                                     unsigned add, struct rn_err *err);
int rn_reference_fold(struct rn_device *dev, struct rn_array w2, struct rn_array bias2, struct rn_array w,
                      const struct rn_norm *norm, struct rn_err *err);
int rn_reference_max_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_window window,
                          struct rn_err *err);
int rn_reference_max_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, struct rn_array x,
                                   struct rn_array y, struct rn_window window, unsigned add, struct rn_err *err);
int rn_reference_mean_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_err *err);
int rn_reference_mean_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy, unsigned add,
                                    struct rn_err *err);
int rn_reference_channel_pool(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_err *err);
int rn_reference_channel_pool_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dy,
                                       struct rn_array x, struct rn_array y, unsigned add, struct rn_err *err);
int rn_reference_gate(struct rn_device *dev, struct rn_array y, struct rn_array x, struct rn_array channel,
                      struct rn_array spatial, enum rn_combine combine, struct rn_err *err);
int rn_reference_gate_backward(struct rn_device *dev, struct rn_array dx, struct rn_array dchannel,
                               struct rn_array dspatial, struct rn_array dy, struct rn_array x,
                               struct rn_array channel, struct rn_array spatial, enum rn_combine combine,
                               unsigned add, struct rn_err *err);
int rn_reference_softmax_loss(struct rn_device *dev, struct rn_loss *loss, struct rn_array dlogits,
                              struct rn_array logits, const int64_t *labels, const struct rn_loss_options *options,
                              struct rn_err *err);
int rn_reference_sgd(struct rn_device *dev, void *w, void *v, const void *g, size_t bytes, struct rn_sgd options,
                     struct rn_err *err);
int rn_reference_adamw(struct rn_device *dev, void *w, void *m, void *v, const void *g, size_t bytes, struct rn_adamw options,
                       struct rn_err *err);
int rn_reference_lerp(struct rn_device *dev, void *y, const void *x, double share, size_t bytes, struct rn_err *err);
int rn_reference_square_sum(struct rn_device *dev, double *sum, const void *x, size_t bytes, struct rn_err *err);

#endif
