/* reference.c -- the slow twin: float64, plain loops. */
#include "device/reference/reference.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

static void close_device(struct rn_device *dev)
{
    rn_pool_free(rn_reference_pool(dev));
    free(dev);
}

static int open_device(struct rn_device **dev, const char *which, int threads, struct rn_err *err)
{
    if (which)
        return rn_fail(err, RN_EXIT_USAGE, "device reference:%s: there is nothing to choose from; say reference",
                       which);
    struct rn_reference *reference = rn_calloc(1, sizeof *reference, err);
    if (!reference)
        return -1;
    reference->device.class = &rn_device_reference;
    if (rn_pool_new(&reference->pool, threads > 0 ? threads : rn_threads_default(), err)) {
        free(reference);
        return -1;
    }
    *dev = &reference->device;
    return 0;
}

static const char *variant_of(const struct rn_device *dev)
{
    (void)dev;
    return "float64";
}

void rn_reference_begin(struct rn_array a, unsigned add)
{
    if (a.data && !add)
        memset(a.data, 0, rn_reference_count(a) * sizeof(double));
}

const struct rn_device_class rn_device_reference = {
    .name = "reference",
    .summary = "the processor, float64, plain loops: slow, to compare with",
    .open = open_device,
    .close = close_device,
    .variant = variant_of,
    .bytes = rn_reference_bytes,
    .alloc = rn_reference_alloc,
    .free = rn_reference_free,
    .upload = rn_reference_upload,
    .download = rn_reference_download,
    .upload_images = rn_reference_upload_images,
    .fill = rn_reference_fill,
    .conv2d = rn_reference_conv2d,
    .conv2d_backward = rn_reference_conv2d_backward,
    .activation_backward = rn_reference_activation_backward,
    .add = rn_reference_add,
    .add_backward = rn_reference_add_backward,
    .batch_norm = rn_reference_batch_norm,
    .batch_norm_backward = rn_reference_batch_norm_backward,
    .fold = rn_reference_fold,
    .max_pool = rn_reference_max_pool,
    .max_pool_backward = rn_reference_max_pool_backward,
    .mean_pool = rn_reference_mean_pool,
    .mean_pool_backward = rn_reference_mean_pool_backward,
    .channel_pool = rn_reference_channel_pool,
    .channel_pool_backward = rn_reference_channel_pool_backward,
    .gate = rn_reference_gate,
    .gate_backward = rn_reference_gate_backward,
    .softmax_loss = rn_reference_softmax_loss,
    .soft_targets = true,
    .distils = true,
    .sgd = rn_reference_sgd,
    .adamw = rn_reference_adamw,
    .lerp = rn_reference_lerp,
    .square_sum = rn_reference_square_sum,
    .fixed_norms = true,
    .more_sgd = true,
    .accumulates = true,
};
