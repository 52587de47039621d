/* step.c -- how long is a step of training, and evaluation, of a whole network?
 * usage: step [ARCH [BATCH [THREADS [ATTENTION [DEVICE]]]]]. stdout: ms an image, best and median of five, wall and processor time. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/rng.h"
#include "nn/net.h"

enum { SIZE = 224, ROUNDS = 5 };

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void check(int rc, const struct rn_err *err)
{
    if (rc == 0)
        return;
    fprintf(stderr, "step: %s\n", err->text);
    exit(err->exit);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    struct rn_err err = { 0 };
    struct rn_device *dev;
    struct rn_net *net;
    const char *arch = argc > 1 ? argv[1] : "resnet18", *attention = argc > 4 ? argv[4] : "ours";
    size_t n = argc > 2 ? strtoul(argv[2], NULL, 10) : 16;
    check(rn_device_open(&dev, argc > 5 ? argv[5] : "cpu", argc > 3 ? atoi(argv[3]) : 0, &err), &err);
    check(rn_net_open(&net, dev, rn_text(arch), rn_text(attention), 6, true, &err), &err);
    for (size_t i = 0; i < rn_net_graph(net)->params; i++)
        check(rn_net_start(net, i, 1, &err), &err);
    uint8_t *pixels = malloc(n * SIZE * SIZE * 3);
    int64_t *labels = calloc(n, sizeof *labels);
    float *logits = calloc(n * 6, sizeof *logits);
    if (!pixels || !labels || !logits)
        return RN_EXIT_SYSTEM;
    struct rn_rng rng = rn_rng(1, RN_FOR_INIT, 1, 0);
    for (size_t i = 0; i < n * SIZE * SIZE * 3; i++)
        pixels[i] = (uint8_t)rn_rng_u32(&rng);
    static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };
    struct rn_batch batch = { .n = n, .h = SIZE, .w = SIZE, .pixels = pixels, .mean = mean, .std = std };
    struct rn_loss loss;
    double wall[2][ROUNDS], cpu[2][ROUNDS];
    for (int round = -1; round < ROUNDS; round++) /* the first is not counted: it allocates */
        for (int eval = 0; eval < 2; eval++) {
            double start = seconds(CLOCK_MONOTONIC), start_cpu = seconds(CLOCK_PROCESS_CPUTIME_ID);
            if (eval) {
                check(rn_net_eval(net, &batch, logits, &err), &err);
            } else {
                check(rn_net_train(net, &batch, labels, &(struct rn_loss_options){ 0 }, &loss, NULL, &err), &err);
                check(rn_net_update(net, (struct rn_sgd){ .lr = 1e-4, .momentum = 0.9, .wd = 1e-4 }, &err), &err);
            }
            if (round < 0)
                continue;
            wall[eval][round] = (seconds(CLOCK_MONOTONIC) - start) * 1e3 / (double)n;
            cpu[eval][round] = (seconds(CLOCK_PROCESS_CPUTIME_ID) - start_cpu) * 1e3 / (double)n;
        }
    printf("%s %s, batch %zu, %s %s: ms an image\n", arch, attention, n, dev->class->name,
           dev->class->variant(dev));
    for (int eval = 0; eval < 2; eval++) {
        qsort(wall[eval], ROUNDS, sizeof **wall, ascending);
        qsort(cpu[eval], ROUNDS, sizeof **cpu, ascending);
        printf("%-10s wall %7.1f %7.1f   processor %7.1f %7.1f\n", eval ? "evaluation" : "training", wall[eval][0],
               wall[eval][ROUNDS / 2], cpu[eval][0], cpu[eval][ROUNDS / 2]);
    }
    free(pixels);
    free(labels);
    free(logits);
    rn_net_close(net);
    rn_device_close(dev);
    return fflush(stdout) || ferror(stdout) ? RN_EXIT_SYSTEM : RN_EXIT_OK;
}
