/* networks.c -- whole networks on the CUDA device, whose libraries are the doubles: several GPUs, any order of the streams, calls
 * that fail, memory that runs out. Each case runs in a process of its own, since the doubles are set by the environment. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/rng.h"
#include "nn/net.h"

enum { IMAGES = 5, MANY = 160, SIZE = 36, SMALL = 33, CLASSES = 6, STEPS = 5, TAUGHT_STEPS = 8 };

#define ALL "0:5"

static char folder[] = "/tmp/rn-cuda-XXXXXX";

/* ---- a process that trains a little ---- */

/* How far it goes: all, with a look at gradients and parameters; less, for runs that fail; one step of training; all, with a
 * step of other images before the last; one step, and when it fails, again (err
 * tells of the first time); steps with all that options of training ask for; the same with each image there twice; batches that are
 * evaluated, two under way. */
enum course { WHOLE, LESS, STEP, MIXED, AGAIN, TAUGHT, TAUGHT_TWICE, PREDICT };

/* What it leaves in a file. */
struct result {
    struct rn_err err;
    double loss[TAUGHT_STEPS], norm[TAUGHT_STEPS];
    float eval[MANY * CLASSES], trained[MANY * CLASSES];
    float moved[MANY * CLASSES]; /* as trained, by the CPU device with the same tensors */
    double sums[512][2]; /* of each parameter and its gradient after the first step: weighted sums */
};

/* A small network, where its size does not matter: the doubles' time is a network's. */
static const char *arch(void)
{
    const char *asked = getenv("RN_TEST_ARCH");
    return asked ? asked : "resnet20";
}

/* Tests whose limits of memory, or counts of graphs, are those of a larger one. */
static int large(void **state)
{
    (void)state;
    return setenv("RN_TEST_ARCH", "resnet18", 1);
}

static int small_again(void **state)
{
    (void)state;
    return unsetenv("RN_TEST_ARCH");
}

static size_t size_of(enum course course)
{
    return course == WHOLE || course == MIXED || course >= TAUGHT ? SIZE : SMALL;
}

/* Other images, and other labels, in each step. */
static struct rn_batch batch_of(size_t from, size_t n, enum course course, int step, int64_t labels[MANY])
{
    static float values[MANY * 3 * SMALL * SMALL]; /* more than IMAGES of SIZE */
    struct rn_rng rng = rn_rng(5, RN_FOR_INIT, (uint64_t)step, 0);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        values[i] = (float)rn_rng_uniform(&rng, -2, 2);
    for (size_t i = 0; i < n; i++)
        labels[i] = (int64_t)(((from + i) * 5 + 3 + (size_t)step * 2) % CLASSES);
    size_t size = size_of(course);
    return (struct rn_batch){ .n = n, .h = size, .w = size, .values = values + from * 3 * size * size };
}

static double weighted_sum(const float *x, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)x[i] * (double)(i % 13 + 1);
    return sum;
}

static int start(struct rn_net *net, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    for (size_t i = 0; i < g->params; i++)
        if (rn_net_start(net, i, 7, err))
            return -1;
    return 0;
}

/* All tensors, or the gradients of those that have one. */
static int note(struct rn_net *net, struct result *r, bool gradients, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        size_t count = p->n * p->c * p->h * p->w;
        if (gradients && p->role != RN_PARAMETER)
            continue;
        float *x = malloc(count * sizeof *x);
        int rc = gradients ? rn_net_gradient(net, i, x, err) : rn_net_get(net, i, p->role, x, err);
        r->sums[i][gradients] = weighted_sum(x, count);
        free(x);
        if (rc)
            return -1;
    }
    return 0;
}

/* What the CPU device makes of the tensors. */
static int move(struct rn_net *net, const struct rn_batch *batch, float *logits, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_device *cpu;
    struct rn_net *host = NULL;
    if (rn_device_open(&cpu, "cpu", 1, err))
        return -1;
    int rc = rn_net_open(&host, cpu, rn_text(arch()), rn_text("ours"), CLASSES, false, err);
    for (size_t i = 0; i < g->params && rc == 0; i++) {
        const struct rn_param *p = &g->param[i];
        float *x = malloc(p->n * p->c * p->h * p->w * sizeof *x);
        rc = rn_net_get(net, i, p->role, x, err) || rn_net_set(host, i, p->role, x, err) ? -1 : 0;
        free(x);
    }
    rc = rc || rn_net_eval(host, batch, logits, err) ? -1 : 0;
    rn_net_close(host);
    rn_device_close(cpu);
    return rc;
}

/* n images, from that one on. */
static int train(struct rn_device *dev, size_t from, size_t n, enum course course, struct result *r)
{
    static const int steps[] = { [WHOLE] = STEPS, [LESS] = 3, [STEP] = 1, [MIXED] = STEPS, [AGAIN] = 1 };
    struct rn_net *net;
    int64_t labels[MANY];
    struct rn_batch batch = batch_of(from, n, course, 0, labels);
    struct rn_loss_options options = { 0 };
    if (rn_net_open(&net, dev, rn_text(arch()), rn_text("ours"), CLASSES, true, &r->err))
        return -1;
    int rc = (size_of(course) == SIZE && start(net, &r->err)) ||
             (steps[course] > 1 && rn_net_eval(net, &batch, r->eval, &r->err)) ? -1 : 0;
    for (int step = 0; step < steps[course] && rc == 0; step++) {
        struct rn_loss loss = { 0 };
        if (course == MIXED && step == STEPS - 1) {
            batch = batch_of(0, 16, LESS, step, labels);
            rc = rn_net_train(net, &batch, labels, &options, &loss, NULL, &r->err);
        }
        batch = batch_of(from, n, course, step, labels);
        rc = rc || (rn_net_train(net, &batch, labels, &options, &loss, NULL, &r->err) &&
                    (course != AGAIN || rn_net_train(net, &batch, labels, &options, &loss, NULL, &r->err))) ||
             (step == 0 && course == WHOLE && note(net, r, true, &r->err)) ||
             rn_net_update(net, (struct rn_sgd){ .lr = 0.001, .momentum = 0.9, .wd = 1e-4 }, &r->err) ? -1 : 0;
        r->loss[step] = loss.loss;
    }
    if (rc == 0 && steps[course] > 1)
        rc = rn_net_eval(net, &batch, r->trained, &r->err);
    if (rc == 0 && course == WHOLE)
        rc = note(net, r, false, &r->err) || move(net, &batch, r->moved, &r->err) ? -1 : 0;
    rn_net_close(net);
    return rc;
}

/* What a loss is told of n images: shares of the classes, until the last two steps; and what a teacher says. */
static struct rn_loss_options taught(size_t n, int step, float *shares, float *said)
{
    static const float weights[CLASSES] = { 1, 0.5f, 2, 1, 0.25f, 1 };
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < CLASSES; c++) {
            size_t off = (i + (size_t)step + c) % CLASSES;
            shares[i * CLASSES + c] = off == 0 ? 0.625f : off == 1 ? 0.375f : 0;
            said[i * CLASSES + c] = (float)(1 + (off + (size_t)step) % CLASSES) / (float)(CLASSES * (CLASSES + 1) / 2);
        }
    return (struct rn_loss_options){ weights, 0.125, step < TAUGHT_STEPS - 2 ? shares : NULL, said, 2, 0.25 };
}

/* Gradients of two batches an update, from the second on scaled to a norm of 1; the first two updates are AdamW's, the others
 * Nesterov's; an average. */
static int update_taught(struct rn_net *net, int step, struct result *r)
{
    rn_net_accumulate(net, step % 2 == 0);
    if (step % 2 == 0)
        return 0;
    if (step > 1 && rn_net_gradient_norm(net, &r->norm[step], &r->err))
        return -1;
    double scale = step > 1 ? 1 / r->norm[step] : 0;
    const struct rn_adamw adamw = { .lr = 1e-4, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .wd = 0.01, .scale = scale,
                                    .step = step / 2 + 1 };
    const struct rn_sgd sgd = { .lr = 1e-3, .momentum = 0.9, .wd = 1e-4, .nesterov = true, .scale = scale };
    int rc = step < 4 ? rn_net_update_adamw(net, adamw, &r->err) : rn_net_update(net, sgd, &r->err);
    return rc || rn_net_average(net, step == 1 ? 1 : 0.25, &r->err) ? -1 : 0;
}

static void twice(float *rows, size_t n, size_t length)
{
    memcpy(rows + n * length, rows, n * length * sizeof *rows);
}

/* The average is what is evaluated at the end, of the images once. */
static int teach(struct rn_device *dev, size_t n, bool doubled, struct result *r)
{
    static float values[2 * IMAGES * 3 * SIZE * SIZE];
    struct rn_net *net;
    int64_t labels[MANY];
    float shares[2 * IMAGES * CLASSES], said[2 * IMAGES * CLASSES];
    if (rn_net_open(&net, dev, rn_text(arch()), rn_text("ours"), CLASSES, true, &r->err))
        return -1;
    int rc = start(net, &r->err) || rn_net_room(net, RN_SECOND_MOMENT, &r->err) || rn_net_room(net, RN_EMA, &r->err) ? -1 : 0;
    for (int step = 0; step < TAUGHT_STEPS && rc == 0; step++) {
        struct rn_loss loss = { 0 };
        struct rn_batch batch = batch_of(0, n, TAUGHT, step, labels);
        struct rn_loss_options options = taught(n, step, shares, said);
        memcpy(values, batch.values, n * 3 * SIZE * SIZE * sizeof *values);
        memcpy(labels + n, labels, n * sizeof *labels);
        twice(values, n, (size_t)3 * SIZE * SIZE);
        twice(shares, n, CLASSES);
        twice(said, n, CLASSES);
        batch.values = values;
        batch.n = doubled ? 2 * n : n;
        rc = rn_net_train(net, &batch, labels, &options, &loss, NULL, &r->err) || update_taught(net, step, r) ? -1 : 0;
        r->loss[step] = loss.loss;
    }
    rn_net_swap(net);
    struct rn_batch last = { .n = n, .h = SIZE, .w = SIZE, .values = values };
    rc = rc || rn_net_eval(net, &last, r->trained, &r->err) ? -1 : 0;
    rn_net_swap(net);
    rc = rc || note(net, r, false, &r->err) ? -1 : 0;
    rn_net_close(net);
    return rc;
}

/* Batches of n, n, n, n - 1 and n images, each begun before the one before has ended; as the same one by one, bit for bit. */
enum { BATCHES = 5 };

static int predict(struct rn_device *dev, size_t n, struct result *r)
{
    static float values[BATCHES][IMAGES * 3 * SIZE * SIZE], together[BATCHES][IMAGES * CLASSES];
    struct rn_net *net;
    struct rn_batch batch[BATCHES];
    int64_t labels[MANY];
    if (rn_net_open(&net, dev, rn_text(arch()), rn_text("ours"), CLASSES, false, &r->err))
        return -1;
    int rc = start(net, &r->err);
    for (int b = 0; b < BATCHES; b++) {
        batch[b] = batch_of(0, b == 3 ? n - 1 : n, PREDICT, b, labels);
        memcpy(values[b], batch[b].values, n * 3 * SIZE * SIZE * sizeof **values);
        batch[b].values = values[b];
    }
    for (int b = 0; b <= BATCHES && rc == 0; b++)
        if ((b < BATCHES && rn_net_eval_begin(net, &batch[b], together[b], &r->err)) || (b && rn_net_end(net, &r->err)))
            rc = -1;
    for (int b = 0; b < BATCHES && rc == 0; b++) {
        rc = rn_net_eval(net, &batch[b], r->eval, &r->err);
        if (rc == 0 && memcmp(r->eval, together[b], batch[b].n * CLASSES * sizeof *r->eval) != 0)
            rc = rn_fail(&r->err, RN_EXIT_DATA, "batch %d: logits of two under way are not those of one by one", b);
    }
    rn_net_close(net);
    return rc;
}

/* --run DEVICE[/PRECISION][/part] FROM:N COURSE FILE: exit 0, or 4 when the device fails. part: as --bn part. */
static int run(char **argv)
{
    struct result r = { .loss = { 0 } };
    struct rn_device *dev;
    size_t from, n;
    enum course course = (enum course)atoi(argv[4]);
    if (sscanf(argv[3], "%zu:%zu", &from, &n) != 2 || from + n > (size_of(course) == SIZE ? IMAGES : MANY) || course > PREDICT)
        return 2;
    char *part = strstr(argv[2], "/part"), *precision = strchr(argv[2], '/');
    if (part)
        *part++ = '\0';
    if (precision)
        *precision++ = '\0';
    if (precision == part)
        precision = NULL;
    int rc = rn_device_open(&dev, argv[2], 1, &r.err);
    if (!rc) {
        rc = (precision && rn_device_precision(dev, precision, &r.err)) || (part && rn_device_norms(dev, RN_NORMS_PART, &r.err)) ||
                     (course == PREDICT ? predict(dev, n, &r) : course >= TAUGHT ? teach(dev, n, course == TAUGHT_TWICE, &r)
                                                                                 : train(dev, from, n, course, &r)) ? -1 : 0;
        rn_device_close(dev);
    }
    FILE *f = fopen(argv[5], "wb");
    if (!f || fwrite(&r, sizeof r, 1, f) != 1 || fclose(f))
        return 9;
    return rc ? r.err.exit : 0;
}

/* Starts that, with these variables ("A=1", ..., NULL), and reads what it left. Its exit status, or -signal. */
static int result_of(struct result *r, const char *device, const char *images, enum course course, const char *const *variables)
{
    char file[64], number[2] = { (char)('0' + course) };
    int status;
    snprintf(file, sizeof file, "%s/result", folder);
    unlink(file);
    pid_t pid = fork();
    if (pid == 0) {
        for (; variables && *variables; variables++)
            putenv((char *)*variables);
        execl("/proc/self/exe", "networks", "--run", device, images, number, file, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    memset(r, 0, sizeof *r);
    FILE *f = fopen(file, "rb");
    if (f) {
        assert_int_equal(fread(r, sizeof *r, 1, f), 1);
        fclose(f);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

#define WITH(...) (const char *const[]){ __VA_ARGS__, NULL }

static void good(struct result *r, const char *device, const char *images, const char *const *variables)
{
    int status = result_of(r, device, images, WHOLE, variables);
    if (status)
        fail_msg("%s, images %s: exit %d: %s", device, images, status, r->err.text);
}

/* All images with nothing special, which several tests compare with: done once. */
static const struct result *plain(const char *device)
{
    static struct {
        const char *device;
        struct result result;
    } done[4];
    size_t i = 0;
    while (done[i].device && strcmp(done[i].device, device) != 0)
        i++;
    assert_true(i < 4);
    if (!done[i].device)
        good(&done[i].result, device, ALL, WITH("RN_DOUBLE_GPUS=2"));
    done[i].device = device;
    return &done[i].result;
}

static void same(const struct result *a, const struct result *b, const char *what)
{
    if (memcmp(a, b, sizeof *a) != 0)
        fail_msg("%s: the results differ (losses %.9g and %.9g)", what, a->loss[STEPS - 1], b->loss[STEPS - 1]);
}

static void near(double got, double want, double relative, const char *what, size_t i)
{
    if (!(fabs(got - want) <= relative * (1 + fabs(want))))
        fail_msg("%s %zu: %.9g, not %.9g", what, i, got, want);
}

/* ---- the tests ---- */

/* Five steps: the first is done as it comes, the second captured, the others are launched. */
static void agrees_with_the_cpu(void **state)
{
    (void)state;
    const struct result *cuda = plain("cuda");
    struct result cpu;
    good(&cpu, "cpu", ALL, NULL);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        near((double)cuda->eval[i], (double)cpu.eval[i], 1e-4, "eval logit", i);
    for (size_t i = 0; i < STEPS; i++)
        near(cuda->loss[i], cpu.loss[i], 1e-3, "loss of step", i);
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        near((double)cuda->trained[i], (double)cuda->moved[i], 1e-4, "logit after training", i);
}

/* A step wants more workspace than others did, not more memory for arrays: they are captured anew, with the same numbers. */
static void captures_outlive_no_memory(void **state)
{
    (void)state;
    struct result still, moved;
    if (result_of(&still, "cuda", ALL, MIXED, NULL) != 0)
        fail_msg("other images between steps: %s", still.err.text);
    if (result_of(&moved, "cuda", ALL, MIXED, WITH("RN_DOUBLE_WORKSPACE=3000000")) != 0)
        fail_msg("with more workspace: %s", moved.err.text);
    same(&still, &moved, "with more workspace");
}

/* Late, or as the dice fall: whatever the rules allow gives the same bits. */
static void any_order_gives_the_same(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda:0,1" };
    for (size_t i = 0; i < 2; i++) {
        const struct result *late = plain(devices[i]);
        struct result other;
        good(&other, devices[i], ALL, WITH("RN_DOUBLE_GPUS=2", "RN_DOUBLE_ORDER=1"));
        same(late, &other, devices[i]);
        if (!getenv("RN_FULL"))
            continue;
        good(&other, devices[i], ALL, WITH("RN_DOUBLE_GPUS=2", "RN_DOUBLE_ORDER=77"));
        same(late, &other, devices[i]);
    }
}

/* With statistics of parts, what the first GPU kept is what all evaluate with: the others' part of the images, too. */
static void running_statistics_are_the_first_gpus(void **state)
{
    (void)state;
    const struct result *two = plain("cuda:0,1/part");
    for (size_t i = 0; i < IMAGES * CLASSES; i++)
        near((double)two->trained[i], (double)two->moved[i], 1e-4, "logit after training", i);
}

/* Batch norms have the statistics of the whole batch, whatever share of it a GPU has: losses, gradients, parameters and running
 * statistics of several are those of one, but for rounding. Of three GPUs the last has one image, and where there is one image
 * alone two have none. */
static void gpus_are_as_one(void **state)
{
    (void)state;
    static const char *const several[] = { "cuda:0,1", "cuda:2,0,1" };
    const struct result *one = plain("cuda"), *parts = plain("cuda:0,1/part");
    struct result r, single;
    for (size_t i = 0; i < 2; i++) {
        good(&r, several[i], ALL, WITH("RN_DOUBLE_GPUS=3"));
        for (size_t k = 0; k < STEPS; k++)
            near(r.loss[k], one->loss[k], k ? 1e-4 : 1e-6, "loss of step", k);
        for (size_t k = 0; k < 512; k++) {
            near(r.sums[k][1], one->sums[k][1], 2e-4, "gradient", k);
            near(r.sums[k][0], one->sums[k][0], 1e-4, "parameter", k);
        }
        for (size_t k = 0; k < IMAGES * CLASSES; k++)
            near((double)r.trained[k], (double)r.moved[k], 1e-4, "logit after training", k);
        assert_memory_equal(one->eval, r.eval, sizeof one->eval);
    }
    assert_true(fabs(parts->loss[1] - one->loss[1]) > 1e-3); /* --bn part is another recipe */
    good(&single, "cuda", "0:1", NULL);
    good(&r, "cuda:0,1,2", "0:1", WITH("RN_DOUBLE_GPUS=3"));
    for (size_t k = 0; k < STEPS; k++)
        near(r.loss[k], single.loss[k], 1e-6, "loss of one image, step", k);
}

/* With --bn part, as PyTorch's DataParallel, each GPU normalises its own images; the gradient is the sum, each part by its share.
 * Two GPUs get 3 and 2 of 5 images: the first step's loss and gradient are 3/5 of the first three images' and 2/5 of the others'.
 */
static void gpus_add_up(void **state)
{
    (void)state;
    const struct result *one = plain("cuda"), *two = plain("cuda:0,1/part");
    struct result three, first, second;
    good(&three, "cuda:2,0,1/part", ALL, WITH("RN_DOUBLE_GPUS=3"));
    good(&first, "cuda", "0:3", NULL);
    good(&second, "cuda", "3:2", NULL);
    near(two->loss[0], 0.6 * first.loss[0] + 0.4 * second.loss[0], 1e-5, "loss", 0);
    for (size_t i = 0; i < 512; i++)
        near(two->sums[i][1], 0.6 * first.sums[i][1] + 0.4 * second.sums[i][1], 1e-3, "gradient", i);
    assert_memory_equal(one->eval, two->eval, sizeof one->eval); /* evaluation does not see the batch, nor the GPUs */
    assert_memory_equal(one->eval, three.eval, sizeof one->eval);
    assert_true(isfinite(two->loss[STEPS - 1]) && isfinite(three.loss[STEPS - 1]));
    assert_true(two->loss[0] != one->loss[0]); /* other statistics, other losses */

    /* A batch smaller than the GPUs leaves some without work: that of one image on three GPUs is that on one. */
    good(&first, "cuda", "0:1", WITH("RN_DOUBLE_GPUS=3"));
    good(&three, "cuda:0,1,2/part", "0:1", WITH("RN_DOUBLE_GPUS=3"));
    for (size_t i = 0; i < STEPS; i++)
        near(three.loss[i], first.loss[i], 1e-6, "loss of step", i);
    for (size_t i = 0; i < 512; i++) {
        near(three.sums[i][1], first.sums[i][1], 1e-5, "gradient", i);
        near(three.sums[i][0], first.sums[i][0], 1e-5, "parameter", i);
    }
}

static void near_taught(const struct result *got, const struct result *want, double within, const char *what)
{
    for (size_t i = 0; i < TAUGHT_STEPS; i++) {
        char says[64];
        snprintf(says, sizeof says, "%s: loss of step", what);
        near(got->loss[i], want->loss[i], within, says, i);
        snprintf(says, sizeof says, "%s: norm of step", what);
        near(got->norm[i], want->norm[i], 10 * within, says, i);
    }
    for (size_t i = 0; i < 2 * CLASSES; i++)
        near((double)got->trained[i], (double)want->trained[i], 30 * within, "logit of the average", i);
}

/* All that options of training ask of a device. Steps come as they are, are recorded, and are the record's: with gradients that
 * are added to and not, with shares and labels. */
static void options_agree_with_the_cpu(void **state)
{
    (void)state;
    struct result cpu, cuda;
    assert_int_equal(result_of(&cpu, "cpu", "0:4", TAUGHT, NULL), 0);
    if (result_of(&cuda, "cuda", "0:4", TAUGHT, NULL) != 0)
        fail_msg("%s", cuda.err.text);
    near_taught(&cuda, &cpu, 1e-3, "cuda");
}

/* Two GPUs that have the same images each say what one says that has them: whatever the update does with the sum. */
static void options_of_two_gpus(void **state)
{
    (void)state;
    static const char *const one[] = { "cuda", "cuda/bf16" }, *const both[] = { "cuda:0,1/part", "cuda:0,1/bf16/part" };
    for (size_t i = 0; i < (getenv("RN_FULL") ? 2 : 1); i++) {
        struct result once, late, other;
        if (result_of(&once, one[i], "0:2", TAUGHT, NULL) != 0)
            fail_msg("%s", once.err.text);
        if (result_of(&late, both[i], "0:2", TAUGHT_TWICE, WITH("RN_DOUBLE_GPUS=2")) != 0)
            fail_msg("%s", late.err.text);
        assert_int_equal(result_of(&other, both[i], "0:2", TAUGHT_TWICE, WITH("RN_DOUBLE_GPUS=2", "RN_DOUBLE_ORDER=3")), 0);
        near_taught(&late, &once, i ? 1e-2 : 1e-4, both[i]);
        same(&late, &other, both[i]);
    }
}

/* Numbers of two GPUs, each its own, in a block that is cut. */
enum { COUNT = 11 };

static struct rn_array own_numbers(struct rn_device *dev, const float *x, struct rn_err *err)
{
    const struct rn_device_class *on = dev->class;
    struct rn_array a = { on->alloc(dev, on->bytes(1, COUNT, 1, 1, RN_FULL), err), 2, COUNT, 1, 1, RN_FULL };
    assert_non_null(a.data);
    on->cut(dev, a.data);
    assert_int_equal(on->upload(dev, a, x, err), 0);
    return a;
}

static void expect(struct rn_device *dev, struct rn_array a, const float *want, const char *what)
{
    struct rn_err err;
    float got[2 * COUNT];
    assert_int_equal(dev->class->download(dev, got, a, &err), 0);
    for (size_t i = 0; i < 2 * COUNT; i++)
        near((double)got[i], (double)want[i], 1e-6, what, i);
}

/* Whatever reads gradients waits for their sum over the GPUs; what is carried over to the next sum counts once. */
static void sums_are_waited_for_and_count_once(void **state)
{
    (void)state;
    struct rn_device *dev;
    struct rn_err err = { 0 };
    float parts[2 * COUNT], sums[2 * COUNT], none[2 * COUNT] = { 0 }, moved[2 * COUNT];
    double squares = 0, got;
    for (size_t i = 0; i < COUNT; i++) {
        parts[i] = (float)i / 8 + 1;
        parts[COUNT + i] = (float)i / 4 - 1.75f;
        sums[i] = sums[COUNT + i] = parts[i] + parts[COUNT + i];
        squares += (double)(sums[i] * sums[i]);
        moved[i] = moved[COUNT + i] = sums[i] > 0 ? -0.5f : sums[i] < 0 ? 0.5f : 0; /* AdamW's first step */
    }
    setenv("RN_DOUBLE_GPUS", "2", 1);
    if (rn_device_open(&dev, "cuda:0,1", 1, &err))
        fail_msg("%s", err.text);
    const struct rn_device_class *on = dev->class;
    size_t bytes = on->bytes(1, COUNT, 1, 1, RN_FULL);
    struct rn_array g = own_numbers(dev, parts, &err), w = own_numbers(dev, none, &err), m = own_numbers(dev, none, &err),
                    v = own_numbers(dev, none, &err);
    const struct rn_square_sum sum = { &got, g.data, bytes };
    const struct rn_adamw adamw = { w.data, m.data, v.data, g.data, bytes, 0.5, 0.9, 0.99, 1e-12, 0, 0, 1 };
    assert_int_equal(on->all_reduce(dev, g.data, bytes, &err) || on->square_sum(dev, &sum, &err), 0);
    near(got, squares, 1e-6, "sum of squares", 0);
    assert_int_equal(on->carry(dev, g.data, bytes, &err) || on->all_reduce(dev, g.data, bytes, &err), 0);
    expect(dev, g, sums, "sum that was carried over");
    assert_int_equal(on->upload(dev, g, parts, &err) || on->all_reduce(dev, g.data, bytes, &err) ||
                         on->adamw(dev, &adamw, &err), 0);
    expect(dev, w, moved, "weight");
    struct rn_array all[] = { g, w, m, v };
    for (size_t i = 0; i < 4; i++)
        on->free(dev, all[i].data);
    rn_device_close(dev);
    unsetenv("RN_DOUBLE_GPUS");
}

/* What the doubles counted at the end: nothing may be left. */
static void nothing_left(const char *report, const char *what)
{
    char line[128], name[64];
    long count;
    FILE *f = fopen(report, "r");
    if (!f)
        fail_msg("%s: the process did not end as it should", what);
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %ld", name, &count) == 2 && strcmp(name, "calls") != 0 && count != 0)
            fail_msg("%s: %ld %s are not given back", what, count, name);
    fclose(f);
}

/* The run with this failure: exit 4, and one clear line; or, where a result is given, it does without, and that is its result.
 * Where memory is short nothing is left behind; where more is wrong nothing is cleaned up, which might wait for ever: the
 * doubles abort where it would. */
static void fails_well(const char *failure, const char *device, const char *says, const struct result *without)
{
    char fail[64], report[64], report_variable[96];
    struct result r;
    snprintf(fail, sizeof fail, "RN_DOUBLE_FAIL=%s", failure);
    snprintf(report, sizeof report, "%s/report", folder);
    snprintf(report_variable, sizeof report_variable, "RN_DOUBLE_REPORT=%s", report);
    unlink(report);
    int status = result_of(&r, device, "0:2", LESS, WITH("RN_DOUBLE_GPUS=2", fail, report_variable,
                                                                  without ? "RN_DOUBLE_COMPUTE=1" : "RN_DOUBLE_COMPUTE=0",
                                                                  !strncmp(failure, "stuck", 5) ? "RN_CUDA_PATIENCE=1"
                                                                  : "RN_CUDA_PATIENCE="));
    if (status == 0 && without) {
        assert_memory_equal(r.trained, without->trained, sizeof r.trained);
        nothing_left(report, failure);
        return;
    }
    if (status != RN_EXIT_SYSTEM)
        fail_msg("%s: exit %d: %s", failure, status, r.err.text);
    if (strncmp(r.err.text, "device cuda", 11) != 0 || strchr(r.err.text, '\n') || strlen(r.err.text) < 20)
        fail_msg("%s: it says \"%s\"", failure, r.err.text);
    if (!strstr(r.err.text, says))
        fail_msg("%s: it says \"%s\", without \"%s\"", failure, r.err.text, says);
    if (!strncmp(failure, "cudaMalloc", 10))
        nothing_left(report, failure);
}

static bool waits(const char *call)
{
    static const char *const calls[] = { "cudaStreamQuery", "cudaStreamSynchronize", "cudaEventQuery", "cudaEventSynchronize" };
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        if (!strcmp(call, calls[i]))
            return true;
    return false;
}

static char (*read_calls(size_t *count))[48]
{
    static char names[65536][48];
    char file[64], line[64];
    snprintf(file, sizeof file, "%s/calls", folder);
    FILE *f = fopen(file, "r");
    assert_non_null(f);
    for (*count = 0; *count < 65536 && fgets(line, sizeof line, f); ++*count)
        snprintf(names[*count], sizeof *names, "%.*s", (int)strcspn(line, "\n"), line);
    fclose(f);
    return names;
}

/* The functions that a good run calls, in order. The very last calls belong to closing, where a failure has nobody to be told to:
 * they are left out. */
static char (*calls_of(const char *device, size_t *count))[48]
{
    char variable[96];
    struct result r;
    snprintf(variable, sizeof variable, "RN_DOUBLE_CALLS=%s/calls", folder);
    assert_int_equal(result_of(&r, device, "0:2", LESS, WITH("RN_DOUBLE_GPUS=2", "RN_DOUBLE_COMPUTE=0", variable)), 0);
    char(*names)[48] = read_calls(count);
    while (*count && (waits(names[*count - 1]) || !strcmp(names[*count - 1], "cudaSetDevice")))
        --*count;
    return names;
}

/* Each function's first call; with RN_FULL its second, its last, and some between. */
static void failing_calls(const char *device, unsigned between)
{
    size_t count;
    char(*names)[48] = calls_of(device, &count);
    assert_true(count > 100);
    size_t tried = 0;
    for (size_t i = 0; i < count; i++) {
        size_t before = 0, after = 0;
        char failure[32];
        for (size_t k = 0; k < i; k++)
            before += !strcmp(names[k], names[i]);
        for (size_t k = i + 1; k < count; k++)
            after += !strcmp(names[k], names[i]);
        if (before > 0 && (!getenv("RN_FULL") || (before > 1 && after > 0 && i % between)))
            continue;
        snprintf(failure, sizeof failure, "%zu", i + 1);
        fails_well(failure, device, "", NULL);
        tried++;
    }
    print_message("# %s: %zu of %zu calls made to fail\n", device, tried, count);
    assert_true(tried >= 30);
}

static void each_call_may_fail(void **state)
{
    (void)state;
    failing_calls("cuda", 101);
}

static void each_call_of_two_gpus_may_fail(void **state)
{
    (void)state;
    failing_calls("cuda:0,1", 401);
}

static size_t count_of(char (*names)[48], size_t count, const char *function)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        found += !strcmp(names[i], function);
    return found;
}

/* Of three steps the first is done as it comes, the others are graphs: on each GPU one more than a step has sums. Of two batches
 * that are evaluated, too. */
static void steps_are_captured(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda:0,1" };
    for (size_t gpus = 1; gpus <= 2; gpus++) {
        size_t count;
        char(*names)[48] = calls_of(devices[gpus - 1], &count);
        size_t sums = count_of(names, count, "ncclGroupEnd"), graphs = count_of(names, count, "cudaGraphInstantiate");
        size_t launches = count_of(names, count, "cudaGraphLaunch");
        print_message("# %s: %zu sums, %zu graphs, %zu launches\n", devices[gpus - 1], sums, graphs, launches);
        assert_int_equal(graphs, gpus * (sums / 3 + 2));
        assert_int_equal(launches, gpus * (2 * (sums / 3 + 1) + 1));
        assert_true(gpus == 1 ? sums == 0 : sums >= 6 && sums % 3 == 0);
    }
}

/* Two batches may be evaluated at once; from the third of its size on a batch is one graph, on each GPU. */
static void batches_are_evaluated_ahead(void **state)
{
    (void)state;
    static const char *const devices[] = { "cpu", "cuda", "cuda:0,1" },
                                         *const orders[] = { "RN_DOUBLE_ORDER=late", "RN_DOUBLE_ORDER=11" };
    struct result first, r;
    for (size_t i = 0; i < 3; i++) {
        char variable[96];
        snprintf(variable, sizeof variable, "RN_DOUBLE_CALLS=%s/calls", folder);
        if (result_of(&r, devices[i], ALL, PREDICT, WITH("RN_DOUBLE_GPUS=2", variable, orders[i % 2])) != 0)
            fail_msg("%s: %s", devices[i], r.err.text);
        for (size_t k = 0; k < IMAGES * CLASSES; k++)
            near((double)r.eval[k], (double)(i ? first.eval : r.eval)[k], 1e-4, "logit", k);
        first = i ? first : r;
        if (i == 0)
            continue;
        size_t count;
        char(*names)[48] = read_calls(&count);
        assert_int_equal(count_of(names, count, "cudaGraphInstantiate"), 2 * i); /* the smaller batch's, too */
        assert_int_equal(count_of(names, count, "cudaGraphLaunch"), 8 * i); /* of ten each size's first is done as it comes */
    }
}

/* One image at a time where that gives the bits of eight: with the first engine, or another. Where none does, eight for one,
 * too. */
static void few_images_get_the_bits_of_many(void **state)
{
    (void)state;
    static const char *const engines[] = { "RN_DOUBLE_SINGLE=0", "RN_DOUBLE_SINGLE=1", "RN_DOUBLE_SINGLE=2" };
    size_t executed[3], count;
    struct result r, first;
    for (size_t i = 0; i < 3; i++) {
        char variable[96];
        snprintf(variable, sizeof variable, "RN_DOUBLE_CALLS=%s/calls", folder);
        if (result_of(&r, "cuda", "0:2", PREDICT, WITH(engines[i], variable)) != 0)
            fail_msg("%s: %s", engines[i], r.err.text);
        first = i ? first : r;
        if (memcmp(r.eval, first.eval, 2 * CLASSES * sizeof *r.eval) != 0)
            fail_msg("%s: engines for one image: the logits differ", engines[i]);
        char(*names)[48] = read_calls(&count);
        executed[i] = count_of(names, count, "cudnnBackendExecute");
    }
    print_message("# convolutions executed: %zu, %zu, %zu\n", executed[0], executed[1], executed[2]);
    assert_true(executed[0] > executed[2] && executed[1] > executed[0]); /* trials of a second engine */
    assert_int_equal(result_of(&r, "cuda", "0:2", PREDICT, WITH("RN_CUDA_TOGETHER=")), 0); /* 64, and eight */
    assert_memory_equal(r.eval, first.eval, 2 * CLASSES * sizeof *r.eval);
    static const char *const wrong[] = { "RN_CUDA_TOGETHER=12", "RN_CUDA_TOGETHER=0", "RN_CUDA_TOGETHER=8x",
                                         "RN_CUDA_TOGETHER=1032" };
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(result_of(&r, "cuda", "0:2", PREDICT, WITH(wrong[i])), RN_EXIT_USAGE);
        assert_non_null(strstr(r.err.text, "must be a multiple of 8 up to 1024"));
    }
}

/* How many rows the file of choices has. */
static size_t choices_kept(void)
{
    char command[96];
    int rows = 0;
    snprintf(command, sizeof command, "cat %s/recyclenet/engines-*-cuDNN-*.tsv 2>/dev/null | wc -l", folder);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%d", &rows), 1);
    pclose(f);
    return (size_t)rows;
}

static void forget_choices(void)
{
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s/recyclenet", folder);
    assert_int_equal(system(command), 0);
}

static void choose_what_is_not_there(void)
{
    char command[128];
    snprintf(command, sizeof command, "sed -i 's/\t0$/\t9/' %s/recyclenet/engines-*.tsv", folder);
    assert_int_equal(system(command), 0);
}

/* In training the fastest of cuDNN's engines is taken, and from then on, whatever is the fastest later: also by other runs. Here
 * they differ by what they say that they take, and in their numbers. */
static void engines_are_tried_once(void **state)
{
    (void)state;
    const struct result *first = plain("cuda");
    struct result fast, kept, slow;
    size_t count;
    char variable[96];
    snprintf(variable, sizeof variable, "RN_DOUBLE_CALLS=%s/calls", folder);
    forget_choices();
    good(&fast, "cuda", ALL, WITH("RN_DOUBLE_FAST=1", variable));
    size_t tried = choices_kept();
    char(*names)[48] = read_calls(&count);
    assert_true(tried > 15);
    assert_int_equal(count_of(names, count, "cudaEventElapsedTime"), 2 * tried);
    assert_true(fast.loss[0] != first->loss[0]);
    assert_memory_equal(fast.eval, first->eval, sizeof fast.eval); /* evaluation's engines are others' matter */
    good(&kept, "cuda", ALL, WITH("RN_DOUBLE_FAST=2", variable));
    same(&fast, &kept, "with the choices of before");
    names = read_calls(&count);
    assert_int_equal(count_of(names, count, "cudaEventElapsedTime"), 0);
    assert_int_equal(choices_kept(), tried);
    good(&kept, "cuda", ALL, WITH("RN_DOUBLE_FAST=1", "RN_CUDA_ENGINES=first"));
    same(first, &kept, "with the first engines");
    forget_choices();
    good(&slow, "cuda", ALL, WITH("RN_DOUBLE_FAST=2"));
    same(first, &slow, "where the first engine is the fastest");
    choose_what_is_not_there();
    good(&slow, "cuda", ALL, NULL);
    same(first, &slow, "where the file names engines that there are not");
    assert_int_equal(result_of(&slow, "cuda", ALL, WHOLE, WITH("RN_CUDA_ENGINES=fast")), RN_EXIT_USAGE);
    forget_choices();
}

/* The other GPU waits in a sum for one that is lost: the run must end all the same, whenever that happens. */
static void a_lost_gpu_ends_the_run(void **state)
{
    (void)state;
    size_t count;
    char(*names)[48] = calls_of("cuda:0,1", &count);
    for (size_t part = 1; part < 8; part++) {
        for (int gpu = 0; gpu < 2; gpu++) {
            char failure[48], says[32];
            snprintf(failure, sizeof failure, "lost%d:%zu", gpu, count * part / 8);
            snprintf(says, sizeof says, "device cuda:%d: ", gpu);
            fails_well(failure, "cuda:0,1", says, NULL);
        }
    }
    bool summing = false;
    size_t lost = 0;
    for (size_t i = 0; i < count; i++) { /* when the first GPU is waited for, which waits for the second's part of a sum */
        char failure[48];
        if (summing && waits(names[i])) {
            snprintf(failure, sizeof failure, "lost1:%zu", i + 1);
            fails_well(failure, "cuda:0,1", "device cuda:1: ", NULL);
            lost++;
        }
        summing = !strcmp(names[i], "ncclGroupEnd") || (summing && !waits(names[i]));
    }
    assert_true(lost >= 3);
}

/* No call fails, and the sum does not end: that is waited for as long as was said. */
static void a_gpu_that_is_stuck_ends_the_run(void **state)
{
    (void)state;
    size_t count;
    char failure[48];
    calls_of("cuda:0,1", &count);
    for (size_t part = 3; part < 8; part += 4) {
        snprintf(failure, sizeof failure, "stuck1:%zu", count * part / 8);
        fails_well(failure, "cuda:0,1", "has not ended in 1 s", NULL);
    }
}

static void memory_runs_out(void **state)
{
    (void)state;
    static const char *const functions[] = { "cudaMalloc", "cudaMallocHost" };
    size_t count;
    struct result good_one; /* trials need memory that a run can do without */
    assert_int_equal(result_of(&good_one, "cuda", "0:2", LESS, WITH("RN_DOUBLE_GPUS=2")), 0);
    char(*names)[48] = calls_of("cuda", &count);
    for (size_t f = 0; f < 2; f++) {
        size_t allocations = count_of(names, count, functions[f]);
        assert_true(allocations > 2);
        for (size_t k = 1; k <= allocations; k++) {
            char failure[64];
            snprintf(failure, sizeof failure, "%s:%zu", functions[f], k);
            fails_well(failure, "cuda", "memory", &good_one);
        }
    }
    struct result r; /* a GPU that is really too small */
    assert_int_equal(result_of(&r, "cuda", "0:2", LESS, WITH("RN_DOUBLE_MEMORY=100000000")), RN_EXIT_SYSTEM);
    if (!strstr(r.err.text, "out of memory") || !strstr(r.err.text, "free"))
        fail_msg("it says \"%s\"", r.err.text);
}

/* What was begun and not ended is forgotten: a step that had too little memory gives the same when it is done again. */
static void a_step_that_failed_may_be_done_again(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda:0,1" }, *const functions[] = { "cudaMalloc", "cudaMallocHost" };
    for (size_t i = 0; i < 4; i++) {
        const char *device = devices[i / 2];
        struct result once, r;
        size_t again = 0;
        bool failed = true;
        assert_int_equal(result_of(&once, device, "0:4", STEP, WITH("RN_DOUBLE_GPUS=2")), 0);
        for (size_t k = 1; failed; k++) {
            char failure[64];
            snprintf(failure, sizeof failure, "RN_DOUBLE_FAIL=%s:%zu", functions[i % 2], k);
            int status = result_of(&r, device, "0:4", AGAIN, WITH("RN_DOUBLE_GPUS=2", failure));
            failed = *r.err.text;
            if (status == RN_EXIT_SYSTEM) /* before the step */
                continue;
            if (status != 0 || r.loss[0] != once.loss[0])
                fail_msg("%s, %s: exit %d, loss %.9g, not %.9g: %s", device, failure, status, r.loss[0], once.loss[0], r.err.text);
            again += failed;
        }
        print_message("# %s, %s: %zu times again\n", device, functions[i % 2], again);
        assert_true(again >= 3);
    }
}

/* Coarser products: other numbers, but near, and the same each time. What is stored is not float32 where it is to be bfloat16:
 * the losses would be nearer. */
static void other_precisions(void **state)
{
    (void)state;
    static const struct {
        const char *device;
        double far, near;
    } cases[] = { { "cuda/tf32", 2e-2, 1e-6 }, { "cuda/bf16", 5e-2, 1e-4 }, { "cuda:0,1/bf16", 5e-2, 1e-4 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct result *exact = plain(i == 2 ? "cuda:0,1" : "cuda");
        struct result r, again;
        if (result_of(&r, cases[i].device, ALL, WHOLE, WITH("RN_DOUBLE_GPUS=2")) != 0)
            fail_msg("%s: %s", cases[i].device, r.err.text);
        if (i == 2 || getenv("RN_FULL")) {
            assert_int_equal(result_of(&again, cases[i].device, ALL, WHOLE, WITH("RN_DOUBLE_GPUS=2", "RN_DOUBLE_ORDER=5")), 0);
            assert_memory_equal(&r.sums, &again.sums, sizeof r.sums);
        }
        double first = fabs(r.loss[0] - exact->loss[0]), last = fabs(r.loss[1] - exact->loss[1]), eval = 0;
        for (size_t k = 0; k < IMAGES * CLASSES; k++)
            eval = fmax(eval, fabs((double)r.eval[k] - (double)exact->eval[k]));
        print_message("# %s: first loss %.6f (%+.2g), second %.6f (%+.2g), logits within %.2g\n", cases[i].device, r.loss[0],
                      r.loss[0] - exact->loss[0], r.loss[1], r.loss[1] - exact->loss[1], eval);
        if (!(first < cases[i].far && last < 4 * cases[i].far && eval < 4 * cases[i].far && eval > cases[i].near))
            fail_msg("%s: losses %g, %g and logits %g from float32's", cases[i].device, first, last, eval);
    }
}

/* cuDNN's workspace for all images would be more than it may be: they are done in parts. Where it may be, but memory is short,
 * an engine that wants less is taken, if there is one. */
static void large_workspaces(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda/bf16" };
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        struct result whole, parts;
        assert_int_equal(result_of(&whole, devices[i], "0:20", STEP, WITH("RN_DOUBLE_MEMORY=2000000000")), 0);
        if (result_of(&parts, devices[i], "0:20", STEP, WITH("RN_DOUBLE_MEMORY=2000000000", "RN_DOUBLE_WORKSPACE=30000000")) != 0)
            fail_msg("%s: %s", devices[i], parts.err.text);
        if (!(fabs(whole.loss[0] - parts.loss[0]) <= 1e-5 * whole.loss[0]))
            fail_msg("%s: the loss is %g, not %g", devices[i], parts.loss[0], whole.loss[0]);
        assert_int_equal(result_of(&parts, devices[i], "0:20", STEP,
                                   WITH("RN_DOUBLE_MEMORY=2000000000", "RN_DOUBLE_WORKSPACE=90000000")),
                         RN_EXIT_SYSTEM);
        assert_non_null(strstr(parts.err.text, "no deterministic way"));
    }
    struct result large, frugal;
    assert_int_equal(result_of(&large, "cuda", "0:4", STEP, WITH("RN_DOUBLE_MEMORY=300000000", "RN_DOUBLE_WORKSPACE=60000000")),
                     RN_EXIT_SYSTEM);
    assert_non_null(strstr(large.err.text, "memory"));
    assert_int_equal(result_of(&large, "cuda", "0:4", STEP, NULL), 0);
    if (result_of(&frugal, "cuda", "0:4", STEP, WITH("RN_DOUBLE_MEMORY=300000000", "RN_DOUBLE_WORKSPACE=60000000",
                                                     "RN_DOUBLE_FRUGAL=1")) != 0)
        fail_msg("the next engine: %s", frugal.err.text);
    assert_true(large.loss[0] == frugal.loss[0]);
}

/* The number of images that is named fits, also when convolutions want workspace. More might, with engines that want less. */
static void names_what_fits(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda:0,1" };
    static const char *const small[] = { "RN_DOUBLE_GPUS=2", "RN_DOUBLE_WORKSPACE=600000", "RN_DOUBLE_MEMORY=215000000",
                                         "RN_DOUBLE_COMPUTE=0", NULL };
    struct result r;
    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        size_t n = 0, again = 0, gpus = i + 1;
        char images[32];
        snprintf(images, sizeof images, "0:%d", MANY);
        assert_int_equal(result_of(&r, devices[i], images, STEP, small), RN_EXIT_SYSTEM);
        const char *named = strstr(r.err.text, " MiB free: batches of ");
        if (!named || sscanf(named, " MiB free: batches of %zu images (rn-batch -b %zu) would fit", &n, &again) != 2 ||
            n != again || n < 4 || n >= MANY || n % gpus)
            fail_msg("%s: it says \"%s\"", devices[i], r.err.text);
        print_message("# %s\n", r.err.text);
        snprintf(images, sizeof images, "0:%zu", n);
        if (result_of(&r, devices[i], images, STEP, small) != 0)
            fail_msg("%s: %zu images do not fit: %s", devices[i], n, r.err.text);
    }
    /* the weights fit, and no image */
    assert_int_equal(result_of(&r, "cuda", "0:2", STEP, WITH("RN_DOUBLE_MEMORY=169000000")), RN_EXIT_SYSTEM);
    if (!strstr(r.err.text, ": not even one image of 33x33 would fit"))
        fail_msg("it says \"%s\"", r.err.text);
}

static void no_gpu(void **state)
{
    (void)state;
    struct result r;
    assert_int_equal(result_of(&r, "cuda", "0:2", LESS, WITH("RN_DOUBLE_GPUS=0")), RN_EXIT_SYSTEM);
    assert_non_null(strstr(r.err.text, "no usable GPU"));
    assert_int_equal(result_of(&r, "cuda:1", "0:2", LESS, WITH("RN_DOUBLE_GPUS=1")), RN_EXIT_SYSTEM);
    assert_non_null(strstr(r.err.text, "cuda:1"));
}

static void a_good_run_leaves_nothing(void **state)
{
    (void)state;
    static const char *const devices[] = { "cuda", "cuda:1,0" };
    for (size_t i = 0; i < 2; i++) {
        char report[64], variable[96];
        struct result r;
        snprintf(report, sizeof report, "%s/report", folder);
        snprintf(variable, sizeof variable, "RN_DOUBLE_REPORT=%s", report);
        good(&r, devices[i], ALL, WITH("RN_DOUBLE_GPUS=2", variable));
        nothing_left(report, devices[i]);
    }
}

static int remove_folder(void **state)
{
    (void)state;
    static const char *const names[] = { "result", "report", "calls" };
    char path[64];
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    forget_choices();
    return rmdir(folder);
}

/* --real GPUS: on NVIDIA's own libraries, what so many GPUs can show without the doubles' settings. */
static int real(int gpus)
{
    static const struct {
        struct CMUnitTest test;
        int gpus;
    } all[] = {
        { cmocka_unit_test(agrees_with_the_cpu), 1 },
        { cmocka_unit_test(options_agree_with_the_cpu), 1 },
        { cmocka_unit_test(captures_outlive_no_memory), 1 },
        { cmocka_unit_test(running_statistics_are_the_first_gpus), 2 },
        { cmocka_unit_test(other_precisions), 2 },
        { cmocka_unit_test(options_of_two_gpus), 2 },
        { cmocka_unit_test(gpus_are_as_one), 3 },
        { cmocka_unit_test(gpus_add_up), 3 },
    };
    struct CMUnitTest tests[sizeof all / sizeof *all];
    size_t count = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (all[i].gpus <= gpus)
            tests[count++] = all[i].test;
    return _cmocka_run_group_tests("cuda-networks, real", tests, count, NULL, remove_folder);
}

int main(int argc, char **argv)
{
    if (argc == 6 && !strcmp(argv[1], "--run"))
        return run(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_cpu),
        cmocka_unit_test_setup_teardown(captures_outlive_no_memory, large, small_again),
        cmocka_unit_test(any_order_gives_the_same),
        cmocka_unit_test(running_statistics_are_the_first_gpus),
        cmocka_unit_test(gpus_are_as_one),
        cmocka_unit_test(gpus_add_up),
        cmocka_unit_test(sums_are_waited_for_and_count_once),
        cmocka_unit_test(options_agree_with_the_cpu),
        cmocka_unit_test(options_of_two_gpus),
        cmocka_unit_test(a_good_run_leaves_nothing),
        cmocka_unit_test(no_gpu),
        cmocka_unit_test(other_precisions),
        cmocka_unit_test_setup_teardown(large_workspaces, large, small_again),
        cmocka_unit_test_setup_teardown(memory_runs_out, large, small_again),
        cmocka_unit_test(a_step_that_failed_may_be_done_again),
        cmocka_unit_test_setup_teardown(names_what_fits, large, small_again),
        cmocka_unit_test_setup_teardown(steps_are_captured, large, small_again),
        cmocka_unit_test(batches_are_evaluated_ahead),
        cmocka_unit_test(few_images_get_the_bits_of_many),
        cmocka_unit_test(engines_are_tried_once),
        cmocka_unit_test(a_lost_gpu_ends_the_run),
        cmocka_unit_test(a_gpu_that_is_stuck_ends_the_run),
        cmocka_unit_test(each_call_may_fail),
        cmocka_unit_test(each_call_of_two_gpus_may_fail),
    };
    if (!mkdtemp(folder))
        return 2;
    setenv("XDG_CACHE_HOME", folder, 1);
    if (argc == 3 && !strcmp(argv[1], "--real"))
        return real(atoi(argv[2]));
    if (getenv("RN_TEST_CASE"))
        cmocka_set_test_filter(getenv("RN_TEST_CASE"));
    return cmocka_run_group_tests_name("cuda-networks", tests, NULL, remove_folder);
}
