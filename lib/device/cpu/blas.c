/* blas.c -- OpenBLAS, loaded when the device is opened.
 *
 * It is not linked: it picks its kernels while it is loaded, and releases older than a processor take its slowest ones
 * for it (0.3.21 takes "Prescott", of SSE3, for Intel's Emerald Rapids). What it picks can be set only
 * before that, through OPENBLAS_CORETYPE. */
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "device/cpu/cpu.h"

static const struct variant {
    const char *name, *core;
} variants[] = { { "avx512", "SkylakeX" }, { "avx2", "Haswell" }, { "portable", "Prescott" } };
enum { VARIANTS = sizeof variants / sizeof *variants };

static bool runs(const struct variant *variant)
{
#if defined __x86_64__
    if (variant == &variants[0])
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
               __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
    if (variant == &variants[1])
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    return true;
#else
    return variant == &variants[VARIANTS - 1];
#endif
}

static int choose(const struct variant **result, struct rn_err *err)
{
    const char *wanted = getenv("RN_CPU");
    for (const struct variant *variant = variants; variant < variants + VARIANTS; variant++) {
        if (wanted && *wanted ? strcmp(wanted, variant->name) != 0 : !runs(variant))
            continue;
        if (!runs(variant))
            return rn_fail(err, RN_EXIT_SYSTEM, "RN_CPU=%s: this processor cannot run it", wanted);
        *result = variant;
        return 0;
    }
    return rn_fail(err, RN_EXIT_USAGE, "RN_CPU=%s: must be avx512, avx2 or portable", wanted);
}

/* Loaded once, for the whole process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const struct variant *loaded;
static __typeof__(&cblas_sgemm) sgemm;

static int load(const struct variant *variant, struct rn_err *err)
{
#if defined __x86_64__
    setenv("OPENBLAS_CORETYPE", variant->core, 0);
#endif
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* our own threads call it */
    setenv("OMP_NUM_THREADS", "1", 0);
    void *library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        library = dlopen("libopenblas.so", RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return rn_fail(err, RN_EXIT_SYSTEM, "device cpu: cannot load OpenBLAS: %s", dlerror());
    void *symbol = dlsym(library, "cblas_sgemm");
    if (!symbol) {
        rn_fail(err, RN_EXIT_SYSTEM, "device cpu: OpenBLAS: %s", dlerror());
        dlclose(library);
        return -1;
    }
    memcpy(&sgemm, &symbol, sizeof sgemm);
    loaded = variant;
    return 0;
}

int rn_cpu_blas_open(const char **name, int *isa, struct rn_err *err)
{
    const struct variant *variant = NULL;
    if (choose(&variant, err))
        return -1;
    pthread_mutex_lock(&lock);
    int rc = loaded ? 0 : load(variant, err);
    if (rc == 0 && loaded != variant)
        rc = rn_fail(err, RN_EXIT_SYSTEM, "RN_CPU=%s: this process runs on %s already", variant->name,
                     loaded->name);
    pthread_mutex_unlock(&lock);
    *name = variant->name;
    *isa = (int)(variant - variants);
    return rc;
}

void rn_cpu_gemm(const struct rn_cpu_gemm *g)
{
    sgemm(CblasRowMajor, g->a_transposed ? CblasTrans : CblasNoTrans, g->b_transposed ? CblasTrans : CblasNoTrans,
          (int)g->m, (int)g->n, (int)g->k, 1, g->a, (int)g->lda, g->b, (int)g->ldb, g->beta, g->c, (int)g->ldc);
}
