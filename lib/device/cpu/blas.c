/* blas.c -- OpenBLAS, loaded when the device is opened.
 *
 * Each product that is under way has a buffer of 128 MiB of addresses, which OpenBLAS maps when it is first wanted and keeps; where
 * that fails it tries again for ever, and 0.3.29 does so while it is loaded. So there must be room before that; they are mapped
 * before anything else, and where there is not room for one a thread (a limit on the address space), threads wait for each other.
 *
 * It is not linked: it picks its kernels while it is loaded, and releases older than a processor take its slowest ones
 * for it (0.3.21 takes "Prescott", of SSE3, for Intel's Emerald Rapids). What it picks can be set only
 * before that, through OPENBLAS_CORETYPE. */
#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "device/cpu/cpu.h"

/* OpenBLAS's kernels, by enum rn_isa. */
static const char *const cores[RN_ISAS] = { "SkylakeX", "Haswell", "Prescott" };

/* Loaded once, for the whole process. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int loaded = -1; /* an enum rn_isa */
static __typeof__(&cblas_sgemm) sgemm;

/* The buffers that are mapped, and how many of them are lent to threads; `lock` guards them too. */
enum { BUFFER = (128 << 20) + (1 << 16), BUFFERS = 64 };
static pthread_cond_t returned = PTHREAD_COND_INITIALIZER;
static int buffers, lent, threads_most;
static void *(*map_buffer)(int);
static void (*give_buffer)(void *);

enum { LIBRARY = 64 << 20 }; /* more than OpenBLAS takes for itself */

static int no_room(struct rn_err *err)
{
    return rn_fail(err, RN_EXIT_SYSTEM, "device cpu: out of memory: OpenBLAS needs 128 MiB of addresses (ulimit -v is too low)");
}

/* Whether as many more bytes of addresses can be had. */
static bool room_for(size_t bytes)
{
    void *probe = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return probe != MAP_FAILED && munmap(probe, bytes) == 0;
}

/* Where addresses are limited, further buffers must leave three quarters of what there is to everybody else. */
static size_t wanted_room(int have)
{
    struct rlimit limit;
    bool limited = getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
    return limited && have ? 4 * (size_t)BUFFER : BUFFER;
}

/* Has OpenBLAS map a buffer for each of so many threads, or for fewer, but for one at least. */
static int map_buffers(int threads, struct rn_err *err)
{
    void *block[BUFFERS];
    int count = 0, most = threads < BUFFERS ? threads : BUFFERS;
    for (; count < most && map_buffer && room_for(wanted_room(count)); count++)
        block[count] = map_buffer(1);
    for (int i = 0; i < count; i++)
        give_buffer(block[i]);
    if (map_buffer && !count)
        return no_room(err);
    buffers = count > buffers ? count : buffers;
    threads_most = threads > threads_most ? threads : threads_most;
    return 0;
}

static int find_buffers(void *library)
{
    void *map = dlsym(library, "blas_memory_alloc"), *give = dlsym(library, "blas_memory_free");
    if (!map || !give)
        return -1;
    memcpy(&map_buffer, &map, sizeof map);
    memcpy(&give_buffer, &give, sizeof give);
    return 0;
}

static int load(enum rn_isa isa, struct rn_err *err)
{
#if defined __x86_64__
    setenv("OPENBLAS_CORETYPE", cores[isa], 0);
#endif
    setenv("OPENBLAS_NUM_THREADS", "1", 1); /* our own threads call it */
    setenv("OMP_NUM_THREADS", "1", 0);
    if (!room_for(LIBRARY + (size_t)BUFFER))
        return no_room(err);
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
    if (find_buffers(library))
        map_buffer = NULL; /* one of another make: it must help itself */
    loaded = (int)isa;
    return 0;
}

int rn_cpu_blas_open(enum rn_isa *isa, int threads, struct rn_err *err)
{
    if (rn_isa_choose(isa, err))
        return -1;
    pthread_mutex_lock(&lock);
    int rc = loaded >= 0 ? 0 : load(*isa, err);
    if (rc == 0 && loaded != (int)*isa)
        rc = rn_fail(err, RN_EXIT_SYSTEM, "RN_CPU=%s: this process runs on %s already", rn_isa_names[*isa], rn_isa_names[loaded]);
    if (rc == 0 && threads > threads_most)
        rc = map_buffers(threads, err);
    pthread_mutex_unlock(&lock);
    return rc;
}

/* Waits until a buffer is free; where each thread has one there is nothing to wait for. */
static bool borrow(void)
{
    if (!map_buffer || buffers >= threads_most)
        return false;
    pthread_mutex_lock(&lock);
    while (lent == buffers)
        pthread_cond_wait(&returned, &lock);
    lent++;
    pthread_mutex_unlock(&lock);
    return true;
}

static void give_back(void)
{
    pthread_mutex_lock(&lock);
    lent--;
    pthread_cond_signal(&returned);
    pthread_mutex_unlock(&lock);
}

void rn_cpu_gemm(const struct rn_cpu_gemm *g)
{
    bool borrowed = borrow();
    sgemm(CblasRowMajor, g->a_transposed ? CblasTrans : CblasNoTrans, g->b_transposed ? CblasTrans : CblasNoTrans,
          (int)g->m, (int)g->n, (int)g->k, 1, g->a, (int)g->lda, g->b, (int)g->ldb, g->beta, g->c, (int)g->ldc);
    if (borrowed)
        give_back();
}
