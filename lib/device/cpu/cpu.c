/* cpu.c -- the CPU device: float32 on all cores, matrix products by OpenBLAS. */
#include "device/cpu/cpu.h"

#include <stdlib.h>

#include "core/mem.h"

static void close_device(struct rn_device *dev)
{
    struct rn_cpu *cpu = rn_cpu(dev);
    for (int i = 0; cpu->scratch && i < rn_pool_threads(cpu->pool); i++)
        rn_cpu_block_free(cpu->scratch[i]);
    free(cpu->scratch);
    free(cpu->capacity);
    rn_cpu_block_free(cpu->shared);
    rn_pool_free(cpu->pool);
    free(cpu);
}

static int open_device(struct rn_device **dev, const char *which, int threads, struct rn_err *err)
{
    enum rn_isa isa;
    if (which)
        return rn_fail(err, RN_EXIT_USAGE, "device cpu:%s: there is nothing to choose from; say cpu", which);
    if (threads <= 0)
        threads = rn_threads_default();
    if (rn_cpu_blas_open(&isa, threads, err))
        return -1;
    struct rn_cpu *cpu = rn_calloc(1, sizeof *cpu, err);
    if (!cpu)
        return -1;
    cpu->device.class = &rn_device_cpu;
    cpu->isa = isa;
    if (rn_pool_new(&cpu->pool, threads, err) ||
        !(cpu->scratch = rn_calloc((size_t)threads, sizeof *cpu->scratch, err)) ||
        !(cpu->capacity = rn_calloc((size_t)threads, sizeof *cpu->capacity, err))) {
        close_device(&cpu->device);
        return -1;
    }
    *dev = &cpu->device;
    return 0;
}

static const char *variant_of(const struct rn_device *dev)
{
    return rn_isa_names[((const struct rn_cpu *)dev)->isa];
}

#define ROW(operator) RN_OPERATOR_ROW(cpu, operator)
const struct rn_device_class rn_device_cpu = {
    .name = "cpu",
    .summary = "the processor, float32, all cores",
    .open = open_device,
    .close = close_device,
    .variant = variant_of,
    RN_CPU_OPERATORS(ROW)
};
