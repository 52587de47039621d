/* peak -- what this processor's cores multiply and add at most, for each variant of the CPU device. Rows of bench.tsv. */
#include <stdio.h>

#include "core/threads.h"
#include "tests/bench/bench.h"

static int run(const void *options, const struct rn_args *args, struct rn_err *err)
{
    static const char *const variants[] = { "avx512", "avx2", "portable" };
    (void)options;
    (void)args;
    (void)err;
    int cores = rn_threads_default();
    for (size_t i = 0; i < sizeof variants / sizeof *variants; i++)
        for (int threads = 1; threads <= cores && threads <= 2; threads++) {
            char name[64];
            double peak = bench_peak(variants[i], threads);
            snprintf(name, sizeof name, "peak/%s/%d", variants[i], threads);
            if (peak > 0)
                bench_row(name, "GFLOP/s", peak, 0, peak, peak);
        }
    return RN_EXIT_OK;
}

static const struct rn_opt options[] = { RN_OPT_LAST };
const struct rn_tool rn_tool = {
    .name = "peak", .operands = "", .summary = "what the cores can do at most", .options = options, .run = run,
};
