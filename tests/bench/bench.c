/* bench.c -- clocks, medians, the peak, rows. */
#include "tests/bench/bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "core/mem.h"
#include "core/rng.h"
#include "core/threads.h"
#include "nn/net.h"

double bench_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_times bench_of(double *seconds, size_t rounds)
{
    qsort(seconds, rounds, sizeof *seconds, ascending);
    return (struct bench_times){ (seconds[rounds / 2] + seconds[(rounds - 1) / 2]) / 2, seconds[0], seconds[rounds - 1] };
}

int bench_measure(struct bench_times *times, size_t rounds, int (*work)(void *context, struct rn_err *err), void *context,
                  struct rn_err *err)
{
    double took[BENCH_ROUNDS_MOST];
    size_t often = 1;
    for (size_t round = 0; round <= rounds; round++) {
        double begun = bench_now();
        for (size_t i = 0; i < often; i++)
            if (work(context, err))
                return -1;
        double each = (bench_now() - begun) / (double)often;
        if (round == 0 && each < 0.01) /* the first is not counted: it allocates */
            often = (size_t)(0.01 / (each > 1e-7 ? each : 1e-7)) + 1;
        if (round)
            took[round - 1] = each;
    }
    *times = bench_of(took, rounds);
    return 0;
}

#define KERNELS "tests/bench/peak.inc"
#include "device/cpu/variants.h"
static double (*const *const peaks[])(double) = RN_CPU_VARIANT_TABLE(peak);

struct peak {
    double (*spin)(double least);
    double *gflops;
};

static void spin(void *context, size_t i, int thread)
{
    (void)thread;
    const struct peak *peak = context;
    peak->gflops[i] = peak->spin(0.03);
}

static int runs(const char *variant)
{
#ifdef __x86_64__
    if (!strcmp(variant, "avx512"))
        return __builtin_cpu_supports("avx512f") ? 0 : -1;
    if (!strcmp(variant, "avx2"))
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? 1 : -1;
#endif
    return !strcmp(variant, "portable") ? 2 : -1;
}

double bench_peak(const char *variant, int threads)
{
    enum { THREADS = 256 };
    double gflops[THREADS] = { 0 }, sum = 0, best = 0;
    struct rn_pool *pool;
    struct rn_err err;
    int isa = runs(variant);
    threads = threads > THREADS ? THREADS : threads;
    if (isa < 0 || rn_pool_new(&pool, threads, &err))
        return 0;
    struct peak peak = { *peaks[isa], gflops };
    for (int round = 0; round < 2; round++, best = sum > best ? sum : best) {
        double begun = bench_now();
        rn_pool_for(pool, (size_t)threads, spin, &peak);
        double took = bench_now() - begun;
        sum = 0;
        for (int i = 0; i < threads; i++)
            sum += gflops[i];
        sum *= took < 0.045 ? 1 : 0.03 / took; /* a thread that did two shares: they did not run at once */
    }
    rn_pool_free(pool);
    return best;
}

void bench_row(const char *name, const char *unit, double value, double spread, double gflops, double peak)
{
    printf("%s\t%s\t%.6g\t", name, unit, value);
    if (gflops > 0)
        printf("%.4g", gflops);
    printf("\t");
    if (gflops > 0 && peak > 0)
        printf("%.3f", gflops / peak);
    if (spread > 0)
        printf("\t%.3f\n", spread);
    else
        printf("\t\n");
    fflush(stdout);
}

void bench_row_ms(const char *name, struct bench_times t, double flop, double peak)
{
    bench_row(name, "ms", t.median * 1e3, (t.most - t.least) / t.median, flop / t.median * 1e-9, peak);
}

double bench_memory(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? NAN : (double)usage.ru_maxrss / 1024;
}

int bench_difference(double *share, struct rn_device *on_a, struct rn_array a, struct rn_device *on_b, struct rn_array b,
                     struct rn_err *err)
{
    size_t count = a.n * a.c * a.h * a.w;
    float *x = rn_calloc(2 * count, sizeof *x, err), *y = x + count;
    if (!x)
        return -1;
    int rc = on_a->class->download(on_a, x, a, err) || on_b->class->download(on_b, y, b, err) ? -1 : 0;
    double worst = 0, largest = 0;
    for (size_t i = 0; i < count && rc == 0; i++) {
        double d = fabs((double)x[i] - (double)y[i]);
        worst = d <= worst ? worst : d; /* NaN stays, too */
        largest = fmax(largest, fabs((double)y[i]));
    }
    *share = worst / largest;
    free(x);
    return rc;
}

void bench_fill(float *x, size_t n, uint64_t who, double deviation, int half)
{
    struct rn_rng rng = rn_rng(1, RN_FOR_INIT, who, 0);
    for (size_t i = 0; i < n; i++) {
        double value = deviation * rn_rng_normal(&rng);
        x[i] = (float)(half && value < 0 ? 0 : value);
    }
}

int bench_open(struct rn_device **dev, struct rn_net **net, const struct bench_network *o, const char *device, bool train,
               struct rn_err *err)
{
    int rc = rn_device_open(dev, device, (int)o->threads, err) ||
             rn_net_open(net, *dev, rn_text(o->arch), rn_text(o->attention), BENCH_CLASSES, train, err) ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < rn_net_graph(*net)->params; i++)
        rc = rn_net_start(*net, i, 1, err);
    return rc;
}

int bench_photos(uint8_t **pixels, int64_t **labels, const struct bench_network *o, struct rn_err *err)
{
    size_t n = (size_t)o->batch, bytes = n * 3 * (size_t)(o->size * o->size);
    if (!(*pixels = rn_calloc(bytes, 1, err)) || !(*labels = rn_calloc(n, sizeof **labels, err)))
        return -1;
    struct rn_rng rng = rn_rng(1, RN_FOR_INIT, 1, 0);
    for (size_t i = 0; i < bytes; i++)
        (*pixels)[i] = (uint8_t)rn_rng_u32(&rng);
    for (size_t i = 0; i < n; i++)
        (*labels)[i] = (int64_t)(i % BENCH_CLASSES);
    return 0;
}
