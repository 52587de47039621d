/* isa.c -- RN_CPU, or what the processor has. */
#include "core/isa.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

const char *const rn_isa_names[RN_ISAS] = { "avx512", "avx2", "portable" };

static bool runs(enum rn_isa isa)
{
#if defined __x86_64__
    if (isa == RN_ISA_AVX512)
        return runs(RN_ISA_AVX2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (isa == RN_ISA_AVX2)
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
#endif
    return isa == RN_ISA_PORTABLE;
}

int rn_isa_choose(enum rn_isa *isa, struct rn_err *err)
{
    const char *wanted = getenv("RN_CPU");
    for (enum rn_isa i = 0; i < RN_ISAS; i++) {
        if (wanted && *wanted ? strcmp(wanted, rn_isa_names[i]) != 0 : !runs(i))
            continue;
        if (!runs(i))
            return rn_fail(err, RN_EXIT_SYSTEM, "RN_CPU=%s: this processor cannot run it", wanted);
        *isa = i;
        return 0;
    }
    return rn_fail(err, RN_EXIT_USAGE, "RN_CPU=%s: must be avx512, avx2 or portable", wanted);
}

enum rn_isa rn_isa_chosen(void)
{
    static atomic_int chosen = -1; /* whoever comes first finds the same */
    int known = atomic_load_explicit(&chosen, memory_order_relaxed);
    enum rn_isa isa = (enum rn_isa)known;
    struct rn_err err;
    if (known >= 0)
        return isa;
    if (rn_isa_choose(&isa, &err))
        isa = RN_ISA_PORTABLE;
    atomic_store_explicit(&chosen, (int)isa, memory_order_relaxed);
    return isa;
}
