/* reference.c -- the slow twin: float64, plain loops. */
#include "device/reference/reference.h"

#include <stdlib.h>

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

#define ROW(operator) RN_OPERATOR_ROW(reference, operator)
const struct rn_device_class rn_device_reference = {
    .name = "reference",
    .summary = "the processor, float64, plain loops: slow, to compare with",
    .open = open_device,
    .close = close_device,
    .variant = variant_of,
    RN_OPERATORS(ROW)
};
