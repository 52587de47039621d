/* bench.h -- what the benchmarks share: clocks, rounds, medians, what this processor can do at most, and rows of one table.
 *
 * A program prints rows of bench.tsv, without a header line (tests/bench/run writes it):
 *     name  unit  value  gflops  share  spread
 * value: the median of the rounds; gflops: what was computed in that time, and share: of the peak measured just before, both
 * empty where it is not a matter of computing; spread: (largest - smallest) / median. A program's `main` is tools/main.c's. */
#ifndef RN_TESTS_BENCH_H
#define RN_TESTS_BENCH_H

#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "device/device.h"
#include "tools/tool.h"

enum { BENCH_ROUNDS_MOST = 1000 };

struct bench_times {
    double median, least, most; /* seconds a call */
};

double bench_now(void); /* seconds of a clock that only goes forward */
/* Sorts the values. */
struct bench_times bench_of(double *seconds, size_t rounds);

/* Calls work once, then `rounds` times (odd: the median is one of them), each time as often as takes 10 ms. */
RN_MUST int bench_measure(struct bench_times *times, size_t rounds, int (*work)(void *context, struct rn_err *err), void *context,
                          struct rn_err *err);

/* Multiplications and additions of float32 in a second, in thousand millions, in loops that touch no memory. Variants as in RN_CPU;
 * 0: this processor has no such variant. */
double bench_peak(const char *variant, int threads);

/* One row; flop: operations a call, 0 for none; peak: 0 for none. A name with spaces stays one column. */
void bench_row(const char *name, const char *unit, double value, double spread, double gflops, double peak);
/* The same from times, in milliseconds. */
void bench_row_ms(const char *name, struct bench_times times, double flop, double peak);

/* The most resident memory that this process ever had, in MiB. */
double bench_memory(void);

/* The largest difference of two arrays of one shape, as a share of the largest number in b. NaN: something is none. */
RN_MUST int bench_difference(double *share, struct rn_device *on_a, struct rn_array a, struct rn_device *on_b, struct rn_array b,
                             struct rn_err *err);

/* n numbers: from a normal distribution, cut at 0 when `half` (as behind a ReLU). */
void bench_fill(float *x, size_t n, uint64_t who, double deviation, int half);

/* What programs that measure a whole network ask for, by BENCH_NETWORK_OPTIONS: their struct opts begins with it. */
struct bench_network {
    const char *arch, *attention;
    int64_t batch, size, threads, rounds;
};
#define BENCH_NETWORK_OPTIONS(what) \
    { 'a', "arch", RN_OPT_TEXT, RN_AT(bench_network, arch), 0, 0, "as in rn-train", "NAME" }, \
    { 't', "attention", RN_OPT_TEXT, RN_AT(bench_network, attention), 0, 0, "as in rn-train", "NAME" }, \
    { 'b', "batch", RN_OPT_INT, RN_AT(bench_network, batch), 1, 4096, "images a step" }, \
    { 's', "size", RN_OPT_INT, RN_AT(bench_network, size), 32, 4096, "pixels" }, \
    { 'j', "jobs", RN_OPT_INT, RN_AT(bench_network, threads), 0, 1024, "threads; 0: one a core" }, \
    { 'n', "rounds", RN_OPT_INT, RN_AT(bench_network, rounds), 1, BENCH_ROUNDS_MOST, what }
enum { BENCH_CLASSES = 6 };
struct rn_net;
/* Of BENCH_CLASSES classes, with weights as training begins with them. Both to be closed, also behind an error. */
RN_MUST int bench_open(struct rn_device **dev, struct rn_net **net, const struct bench_network *o, const char *device, bool train,
                       struct rn_err *err);

/* n photos of random pixels, [n,size,size,3], and their labels, the classes in turn. Both to be freed, also behind an error. */
RN_MUST int bench_photos(uint8_t **pixels, int64_t **labels, const struct bench_network *o, struct rn_err *err);

#endif
