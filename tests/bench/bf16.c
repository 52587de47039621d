/* bf16 -- is bfloat16 faster than float32 on this processor? The register tile of a matrix product, 14 x 32, from the first cache,
 * in turns: by float32's multiply-add, and by AVX512_BF16's with float32 sums. Rows of bench.tsv: both, and the median of the
 * pairs' ratios; none where the processor has no AVX512_BF16. */
#include <stdint.h>
#include <stdio.h>

#include "tests/bench/bench.h"

struct opts {
    int64_t rounds;
};

static const struct rn_opt options[] = {
    { 'n', "rounds", RN_OPT_INT, RN_AT(opts, rounds), 1, BENCH_ROUNDS_MOST, "pairs" },
    RN_OPT_LAST,
};

#ifdef __x86_64__
#include <immintrin.h>

enum { ROWS = 14, COLUMNS = 32, K = 256, TURNS = 4000 };

/* y(ROWS,COLUMNS) of x(K,ROWS) and w(K,COLUMNS); of bfloat16 two neighbours in k lie side by side. */
struct tile {
    _Alignas(64) float x[K * ROWS], w[K * COLUMNS], y[ROWS * COLUMNS];
    _Alignas(64) uint32_t x16[K / 2 * ROWS], w16[K / 2 * COLUMNS];
};

#define FLOAT32 __attribute__((target("avx512f")))
#define BFLOAT16 __attribute__((target("avx512f,avx512bf16")))

FLOAT32 static inline void store(struct tile *t, __m512 sum[ROWS][2])
{
    for (int r = 0; r < ROWS; r++)
        for (int i = 0; i < 2; i++)
            _mm512_store_ps(t->y + r * COLUMNS + 16 * i, sum[r][i]);
}

FLOAT32 static void by_float32(struct tile *t)
{
    __m512 sum[ROWS][2] = { 0 };
    for (int k = 0; k < K; k++) {
        __m512 w0 = _mm512_load_ps(t->w + k * COLUMNS), w1 = _mm512_load_ps(t->w + k * COLUMNS + 16);
        _Pragma("GCC unroll 14")
        for (int r = 0; r < ROWS; r++) {
            __m512 x = _mm512_set1_ps(t->x[k * ROWS + r]);
            sum[r][0] = _mm512_fmadd_ps(x, w0, sum[r][0]);
            sum[r][1] = _mm512_fmadd_ps(x, w1, sum[r][1]);
        }
    }
    store(t, sum);
}

BFLOAT16 static void by_bfloat16(struct tile *t)
{
    __m512 sum[ROWS][2] = { 0 };
    for (int k = 0; k < K / 2; k++) {
        __m512bh w0 = (__m512bh)_mm512_load_si512(t->w16 + k * COLUMNS),
                 w1 = (__m512bh)_mm512_load_si512(t->w16 + k * COLUMNS + 16);
        _Pragma("GCC unroll 14")
        for (int r = 0; r < ROWS; r++) {
            __m512bh x = (__m512bh)_mm512_set1_epi32((int)t->x16[k * ROWS + r]);
            sum[r][0] = _mm512_dpbf16_ps(sum[r][0], x, w0);
            sum[r][1] = _mm512_dpbf16_ps(sum[r][1], x, w1);
        }
    }
    store(t, sum);
}

static double timed(struct tile *t, void (*work)(struct tile *))
{
    double begun = bench_now();
    for (int turn = 0; turn < TURNS; turn++)
        work(t);
    return bench_now() - begun;
}

/* Whole numbers, so that both are exact: 1 x 2, K times. */
static int check(const struct tile *t, const char *how, struct rn_err *err)
{
    for (int i = 0; i < ROWS * COLUMNS; i++)
        if (!(t->y[i] == 2 * K))
            return rn_fail(err, RN_EXIT_DATA, "%s: a sum is %g, not %d", how, (double)t->y[i], 2 * K);
    return 0;
}

static void row(const char *name, double *seconds, size_t rounds)
{
    struct bench_times times = bench_of(seconds, rounds);
    double flop = 2. * ROWS * COLUMNS * K * TURNS;
    bench_row(name, "GFLOP/s", flop / times.median * 1e-9, (times.most - times.least) / times.median, 0, 0);
}

static int measure(size_t rounds, struct rn_err *err)
{
    static struct tile t;
    double full[BENCH_ROUNDS_MOST], half[BENCH_ROUNDS_MOST], ratio[BENCH_ROUNDS_MOST];
    for (int i = 0; i < K * ROWS; i++)
        t.x[i] = 1, t.x16[i / 2] = 0x3f803f80;
    for (int i = 0; i < K * COLUMNS; i++)
        t.w[i] = 2, t.w16[i / 2] = 0x40004000;
    for (size_t i = 0; i < rounds; i++) {
        full[i] = timed(&t, by_float32);
        if (check(&t, "float32", err))
            return -1;
        half[i] = timed(&t, by_bfloat16);
        if (check(&t, "bfloat16", err))
            return -1;
        ratio[i] = full[i] / half[i];
    }
    row("bf16/tile/float32", full, rounds);
    row("bf16/tile/bfloat16", half, rounds);
    struct bench_times ratios = bench_of(ratio, rounds);
    bench_row("bf16/tile/ratio", "x", ratios.median, (ratios.most - ratios.least) / ratios.median, 0, 0);
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    (void)args;
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx512bf16"))
        return RN_EXIT_OK;
    return measure((size_t)opts->rounds, err) ? -1 : RN_EXIT_OK;
}
#else
static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    (void)options_, (void)args, (void)err;
    return RN_EXIT_OK;
}
#endif

const struct rn_tool rn_tool = {
    .name = "bf16", .operands = "", .summary = "is bfloat16 faster than float32 here?", .options = options,
    .size = sizeof(struct opts), .defaults = &(const struct opts){ .rounds = 15 }, .run = run,
};
