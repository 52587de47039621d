/* footprint.c -- what a network costs: multiply-adds as the papers have them, the planned memory against what a real walk takes,
 * and what rn-show -l says against the resident memory of rn-train and rn-predict. */
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "device/cpu/cpu.h"
#include "nn/footprint.h"
#include "nn/private.h"
#include "stream/stream.h"

enum { CLASSES = 6, THREADS = 2 };

static void ok(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

/* GFLOP of one image at 224, two for a multiply-add; trained numbers. With 1000 classes the papers' GFLOP are 3.6, 7.3, 8.2 (the
 * stride in the 3x3), 15.6 and 23.0. */
static void known_costs(void **state)
{
    (void)state;
    static const struct { const char *arch, *attention; double gflop; size_t parameters; } rows[] = {
        { "resnet18", "none", 3.63, 11179590 },  { "resnet34", "none", 7.33, 21287750 },  { "resnet50", "none", 8.17, 23520326 },
        { "resnet101", "none", 15.60, 42512454 }, { "resnet152", "none", 23.02, 58156102 }, { "resnet18", "ours", 3.63, 11237991 },
        { "resnet34", "ours", 7.33, 21346151 },  { "resnet50", "ours", 8.185, 24147143 },  { "resnet18", "se", 3.63, 11268670 },
        { "resnet34", "se", 7.33, 21448946 },    { "resnet50", "se", 8.18, 26051318 },    { "resnet18", "cbam", 3.63, 11269470 },
        { "resnet34", "cbam", 7.33, 21450546 },  { "resnet50", "cbam", 8.19, 26052918 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rn_err err = { 0 };
        struct rn_graph *g;
        struct rn_footprint f;
        struct rn_text arch = rn_text(rows[i].arch), attention = rn_text(rows[i].attention);
        uint64_t macs = 0;
        ok(rn_graph_new(&g, arch, attention, CLASSES, &err), &err);
        ok(rn_footprint(&f, g, arch, attention, CLASSES, 1, 224, 224, false, 0, 1, &err), &err);
        for (size_t k = 0; k < g->nodes; k++)
            macs += rn_footprint_macs(&f, g, &g->node[k]);
        if (!(fabs(2e-9 * (double)macs - rows[i].gflop) <= 0.0051))
            fail_msg("%s %s: %.4f GFLOP, not %.2f", rows[i].arch, rows[i].attention, 2e-9 * (double)macs, rows[i].gflop);
        assert_int_equal(rn_graph_count(g), rows[i].parameters);
        assert_true(f.value[g->output].c == CLASSES && f.value[g->output].h == 1);
        rn_footprint_free(&f);
        rn_graph_free(g);
    }
}

/* A real step and an evaluation, block for block. */
static void plan_is_what_happens(void **state)
{
    (void)state;
    static const struct { const char *arch, *attention; size_t n, side; bool train; } rows[] = {
        { "resnet18", "ours", 3, 64, true }, { "resnet18", "ours", 5, 96, false }, { "resnet50", "cbam", 2, 64, true },
        { "resnet34", "se", 2, 64, false },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rn_err err = { 0 };
        struct rn_device *dev;
        struct rn_net *net;
        struct rn_footprint f;
        struct rn_loss loss;
        struct rn_text arch = rn_text(rows[i].arch), attention = rn_text(rows[i].attention);
        size_t n = rows[i].n, side = rows[i].side, scratch;
        float logits[5 * CLASSES], *images = calloc(n * 3 * side * side, sizeof *images);
        int64_t labels[5] = { 0 };
        struct rn_batch batch = { .n = n, .h = side, .w = side, .values = images };
        ok(rn_device_open(&dev, "cpu", THREADS, &err), &err);
        ok(rn_net_open(&net, dev, arch, attention, CLASSES, rows[i].train, &err), &err);
        if (rows[i].train)
            ok(rn_net_train(net, &batch, labels, &(struct rn_loss_options){ 0 }, &loss, logits, &err), &err);
        ok(rn_net_eval(net, &batch, logits, &err), &err);
        const struct rn_cpu *cpu = rn_cpu(dev);
        scratch = cpu->shared_capacity;
        for (int k = 0; k < THREADS; k++)
            scratch += cpu->capacity[k];
        ok(rn_footprint(&f, rn_net_graph(net), arch, attention, CLASSES, n, side, side, rows[i].train, 0, THREADS, &err), &err);
        assert_int_equal(f.activations, net->arena_bytes);
        assert_int_equal(f.scratch, scratch * sizeof(float));
        assert_true(rows[i].train ? f.network > 3 * net->weight_bytes : f.network < net->weight_bytes); /* prepacked */
        rn_footprint_free(&f);
        rn_net_close(net);
        rn_device_close(dev);
        free(images);
    }
}

static void refusals(void **state)
{
    (void)state;
    struct rn_err err = { 0 };
    struct rn_graph *g;
    struct rn_footprint f;
    struct rn_text arch = RN_TEXT("resnet18"), attention = RN_TEXT("none");
    ok(rn_graph_new(&g, arch, attention, CLASSES, &err), &err);
    assert_int_equal(rn_footprint(&f, g, arch, attention, CLASSES, 1, 32, 32, true, 0, 1, &err), -1); /* one value a channel */
    assert_int_equal(err.exit, RN_EXIT_DATA);
    if (!getenv("RN_SANITIZED")) { /* whose allocator would end the program */
        assert_int_equal(rn_footprint(&f, g, arch, attention, CLASSES, (size_t)1 << 40, 224, 224, false, 0, 1, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    }
    rn_graph_free(g);
}

/* ---- the tools ---- */

enum { SIDE = 128, BATCH = 8 };

static void write_batches(const char *path, enum rn_mode mode)
{
    static uint8_t pixels[BATCH * SIDE * SIDE * 3];
    struct rn_text ids[BATCH];
    int64_t labels[BATCH] = { 0, 1 };
    char names[BATCH][8];
    struct rn_err err = { 0 };
    struct rn_writer *writer;
    struct rn_head head;
    ok(rn_writer_open(&writer, path, &err), &err);
    rn_head_init(&head, RN_BATCHES);
    ok(rn_texts_add(&head.classes, RN_TEXT("a"), &err) || rn_texts_add(&head.classes, RN_TEXT("b"), &err), &err);
    head.mode = mode;
    head.has_input = true;
    head.input = (struct rn_input){ .size = SIDE, .resize = SIDE, .mean = { .5, .5, .5 }, .std = { .25, .25, .25 } };
    head.batch = BATCH;
    head.epoch = 0;
    if (mode == RN_TRAIN) {
        head.epochs = 1;
        head.batches_per_epoch = 2;
        head.has_seed = true;
    }
    ok(rn_writer_head(writer, &head, &err), &err);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 2654435761u >> 13);
    for (int index = 0; index < 2; index++) {
        for (int i = 0; i < BATCH; i++) {
            snprintf(names[i], sizeof names[i], "%d", index * BATCH + i);
            ids[i] = rn_text(names[i]);
        }
        struct rn_record record = { .kind = RN_BATCHES, .label = RN_NIL, .index = index, .count = BATCH, .ids = ids,
                                    .labels = labels, .tensor = { RN_U8, 4, { BATCH, SIDE, SIDE, 3 }, pixels } };
        ok(rn_writer_record(writer, &record, &err), &err);
    }
    rn_head_free(&head);
    ok(rn_writer_tail(writer, &err) || rn_writer_close(writer, &err), &err);
}

/* Runs $BUILD/argv[0] with its output in `out`; its peak resident memory in MiB. */
static double peak(char **argv, const char *out)
{
    char tool[4096];
    struct rusage usage;
    int status = -1;
    snprintf(tool, sizeof tool, "%s/%s", getenv("BUILD"), argv[0]);
    pid_t child = fork();
    if (child == 0) {
        dup2(open(out, O_WRONLY | O_CREAT | O_TRUNC, 0600), STDOUT_FILENO);
        execv(tool, argv);
        _exit(127);
    }
    assert_true(child > 0 && wait4(child, &status, 0, &usage) == child);
    assert_int_equal(status, 0);
    return (double)usage.ru_maxrss / 1024;
}

/* The sum at the end of the tool's line. */
static double said(const char *text, const char *tool)
{
    const char *line = strstr(text, tool), *sum = line ? strstr(line, " = ") : NULL;
    assert_non_null(sum);
    return strtod(sum + 3, NULL);
}

static void near(double measured, double predicted, const char *tool)
{
    print_message("# %s: %.1f MiB predicted, %.1f measured\n", tool, predicted, measured);
    if (!(fabs(measured - predicted) <= 0.1 * measured))
        fail_msg("%s: %.1f MiB predicted, %.1f measured", tool, predicted, measured);
}

static void resident_memory(void **state)
{
    (void)state;
    if (getenv("RN_SANITIZED") || !getenv("BUILD"))
        skip();
    char folder[] = "/tmp/rn-footprint.XXXXXX", command[64];
    struct rn_err err = { 0 };
    struct rn_buffer text = { 0 };
    assert_non_null(mkdtemp(folder));
    int back = open(".", O_RDONLY | O_DIRECTORY);
    char build[4096];
    assert_non_null(realpath(getenv("BUILD"), build));
    setenv("BUILD", build, 1);
    assert_int_equal(chdir(folder), 0);
    write_batches("train.rn", RN_TRAIN);
    write_batches("eval.rn", RN_EVAL);
    char *train[] = { "rn-train", "-q", "-t", "ours", "-o", "run", "train.rn", "--val", "eval.rn", NULL };
    char *predict[] = { "rn-predict", "-q", "-m", "run/last.rn", "eval.rn", NULL };
    char *show[] = { "rn-show", "-l", "run/last.rn", NULL };
    double trained = peak(train, "log"), predicted = peak(predict, "predictions.rn");
    peak(show, "layers");
    ok(rn_file_read(&text, "layers", 1 << 20, &err) || rn_buffer_add(&text, "", 1, &err), &err);
    near(trained, said(text.data, "# rn-train "), "rn-train");
    near(predicted, said(text.data, "# rn-predict "), "rn-predict");
    text.length = 0;
    /* what options keep besides the weights, of a checkpoint that says so and of a network that does not */
    char *more[] = { "rn-train", "-q", "-t", "ours", "-o", "more", "train.rn", "--val", "eval.rn", "--optimizer", "adamw", "--ema",
                     "0.9", "--teacher", "predictions.rn", "--accumulate", "2", NULL };
    char *own[] = { "rn-show", "-l", "more/last.rn", NULL };
    char *given[] = { "rn-show", "-l", "run/last.rn", "--optimizer", "adamw", "--ema", "0.9", "--teacher", "predictions.rn", NULL };
    trained = peak(more, "log");
    peak(own, "layers");
    ok(rn_file_read(&text, "layers", 1 << 20, &err) || rn_buffer_add(&text, "", 1, &err), &err);
    near(trained, said(text.data, "# rn-train "), "rn-train --optimizer adamw --ema");
    text.length = 0;
    peak(given, "layers");
    ok(rn_file_read(&text, "layers", 1 << 20, &err) || rn_buffer_add(&text, "", 1, &err), &err);
    near(trained, said(text.data, "# rn-train "), "the same, of a network");
    rn_buffer_free(&text);
    assert_int_equal(fchdir(back), 0);
    close(back);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_costs), cmocka_unit_test(plan_is_what_happens), cmocka_unit_test(refusals),
            cmocka_unit_test(resident_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
