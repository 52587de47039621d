/* optimise.c -- how weights move: against numbers that PyTorch made (tests/fixtures/train), and laws of networks whose layers
 * learn at rates of their own. */
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "nn/average.h"
#include "nn/rates.h"
#include "nn/schedule.h"
#include "nn/teacher.h"

static struct rn_err err;
static json_t *golden;
static char said_path[] = "/tmp/rn-said-XXXXXX"; /* a stream that a case reads */

/* Those that the tests go through, and where networks are; tests/cuda/optimise.c has others. */
static const char *devices[] = { "reference", "cpu" }, *lab_device = "cpu";
static double tolerance[] = { 1e-6, 2e-6 }; /* downloads are float32 */

static void ok(int rc)
{
    if (rc)
        fail_msg("%s", err.text);
}

/* NaN fails. */
static void near(double a, double b, double within, const char *what, size_t i)
{
    if (!(fabs(a - b) <= within))
        fail_msg("%s: number %zu is %.9g, not %.9g", what, i, a, b);
}

static double real(const json_t *list, size_t i)
{
    return json_number_value(json_array_get(list, i));
}

static int load(void **state)
{
    (void)state;
    json_error_t error;
    int fd = mkstemp(said_path);
    golden = fd < 0 || close(fd) ? NULL : json_load_file("tests/fixtures/train/golden.json", 0, &error);
    return golden ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return unlink(said_path);
}

/* What lies here is cut by images, where there are several GPUs. */
static void cut(struct rn_device *dev, void *memory)
{
    if (dev->class->cut)
        dev->class->cut(dev, memory);
}

/* The sum of the parts' gradients. */
static void reduce(struct rn_device *dev, struct rn_array gradient)
{
    if (dev->class->all_reduce)
        ok(dev->class->all_reduce(dev, gradient.data, dev->class->bytes(gradient.n, gradient.c, gradient.h, gradient.w, RN_FULL),
                                  &err));
}

static struct rn_train_options usual(void)
{
    return (struct rn_train_options){ .arch = "resnet20", .attention = "none", .lr = 0.1, .momentum = 0.9, .wd = 1e-4, .step = 40,
                                      .class_weights = "none", .seed = 1, .no_decay = "none",
                                      .lr_head = 1, .layer_decay = 1, .accumulate = 1 };
}

/* ---- the operators ---- */

enum { COUNT = 11, STEPS = 6 };

struct blocks {
    struct rn_device *dev;
    size_t bytes;
    struct rn_array w, m, v, g, average;
};

static struct rn_array block(struct blocks *b)
{
    struct rn_array a = { b->dev->class->alloc(b->dev, b->bytes, &err), 1, COUNT, 1, 1, RN_FULL };
    assert_non_null(a.data);
    return a;
}

/* By the rule of make.py; `sums` steps from t on together. */
static void by_rule(struct blocks *b, struct rn_array to, int t, int sums)
{
    float value[COUNT];
    for (int i = 0; i < COUNT; i++) {
        double sum = 0;
        for (int k = 0; k < sums; k++)
            sum += sin(1 + 0.7 * i + 1.3 * (t + k));
        value[i] = (float)sum;
    }
    ok(b->dev->class->upload(b->dev, to, value, &err));
}

struct way {
    const char *name;
    bool nesterov, adamw;
    double clip, ema;
    int sums;
};

static void update(struct blocks *b, const struct way *way, int step)
{
    const struct rn_device_class *on = b->dev->class;
    double sum, scale = 0;
    if (way->clip > 0) {
        ok(on->square_sum(b->dev, &(struct rn_square_sum){ &sum, b->g.data, b->bytes }, &err));
        scale = way->clip / (sqrt(sum) + 1e-6);
        scale = scale < 1 ? scale : 0;
    }
    if (way->adamw)
        ok(on->adamw(b->dev, &(struct rn_adamw){ b->w.data, b->m.data, b->v.data, b->g.data, b->bytes, 0.05, 0.9, 0.999, 1e-8, 0.01,
                                                 scale, step }, &err));
    else
        ok(on->sgd(b->dev, &(struct rn_sgd){ b->w.data, b->m.data, b->g.data, b->bytes, 0.05, 0.9, 0.01, way->nesterov, scale },
                   &err));
    if (way->ema > 0)
        ok(on->lerp(b->dev, &(struct rn_lerp){ b->average.data, b->w.data, b->bytes, step == 1 ? 1 : 1 - way->ema }, &err));
}

static void operators_are_pytorchs(void **state)
{
    (void)state;
    static const struct way ways[] = {
        { .name = "sgd", .sums = 1 },
        { .name = "nesterov", .nesterov = true, .sums = 1 },
        { .name = "clip 0.5", .clip = 0.5, .sums = 1 },
        { .name = "clip 0.5, nesterov", .nesterov = true, .clip = 0.5, .sums = 1 },
        { .name = "accumulate 2", .sums = 2 },
        { .name = "adamw", .adamw = true, .sums = 1 },
        { .name = "clip 0.5, adamw", .adamw = true, .clip = 0.5, .sums = 1 },
        { .name = "ema 0.9", .ema = 0.9, .sums = 1 },
    };
    for (size_t d = 0; d < 2; d++) {
        struct blocks b = { 0 };
        ok(rn_device_open(&b.dev, devices[d], 2, &err));
        const struct rn_device_class *on = b.dev->class;
        b.bytes = on->bytes(1, COUNT, 1, 1, RN_FULL);
        for (size_t k = 0; k < sizeof ways / sizeof *ways; k++) {
            const struct way *way = &ways[k];
            const json_t *want = json_object_get(golden, way->name);
            float got[COUNT];
            b.w = block(&b), b.m = block(&b), b.v = block(&b), b.g = block(&b), b.average = block(&b);
            by_rule(&b, b.w, 0, 1);
            for (int t = 0; t < STEPS; t++) {
                by_rule(&b, b.g, 1 + way->sums * t, way->sums);
                update(&b, way, t + 1);
            }
            ok(on->download(b.dev, got, way->ema > 0 ? b.average : b.w, &err));
            for (size_t i = 0; i < COUNT; i++)
                near((double)got[i], real(want, i), tolerance[d], way->name, i);
            struct rn_array all[] = { b.w, b.m, b.v, b.g, b.average };
            for (size_t i = 0; i < 5; i++)
                on->free(b.dev, all[i].data);
        }
        rn_device_close(b.dev);
    }
}

/* Numbers of a golden list, as float32. */
static size_t floats(const json_t *list, float *value)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        value[i] = (float)real(list, i);
    return json_array_size(list);
}

struct lesson {
    struct rn_device *dev;
    struct rn_array x, dx;
};

static struct lesson open_lesson(const char *name)
{
    struct lesson l;
    float value[12];
    ok(rn_device_open(&l.dev, name, 2, &err));
    const struct rn_device_class *on = l.dev->class;
    l.x = l.dx = (struct rn_array){ NULL, 4, 3, 1, 1, RN_FULL };
    l.x.data = on->alloc(l.dev, on->bytes(4, 3, 1, 1, RN_FULL), &err);
    l.dx.data = on->alloc(l.dev, on->bytes(4, 3, 1, 1, RN_FULL), &err);
    cut(l.dev, l.x.data);
    cut(l.dev, l.dx.data);
    for (int i = 0; i < 12; i++)
        value[i] = (float)(3 * sin(1 + 0.7 * i));
    ok(on->upload(l.dev, l.x, value, &err));
    return l;
}

static void close_lesson(struct lesson *l)
{
    l->dev->class->free(l->dev, l->x.data);
    l->dev->class->free(l->dev, l->dx.data);
    rn_device_close(l->dev);
}

static double loss_of(struct lesson *l, const struct rn_loss_options *options, float gradient[static 12])
{
    static const int64_t labels[4] = { 0, 2, 1, 1 };
    struct rn_loss loss;
    ok(l->dev->class->softmax_loss(l->dev, &(struct rn_softmax_loss){ l->dx, l->x, &loss, labels, options }, &err));
    ok(l->dev->class->download(l->dev, gradient, l->dx, &err));
    return loss.loss;
}

static void distillation_is_pytorchs(void **state)
{
    (void)state;
    const json_t *rows = json_object_get(json_object_get(golden, "distillation"), "rows"), *row;
    size_t k;
    for (size_t d = 0; d < 2; d++) {
        struct lesson l = open_lesson(devices[d]);
        json_array_foreach (rows, k, row) {
            float taught[12], got[12];
            assert_int_equal(floats(json_object_get(row, "taught"), taught), 12);
            struct rn_loss_options options = { .smoothing = json_number_value(json_object_get(row, "smoothing")), .teacher = taught,
                                               .temperature = json_number_value(json_object_get(row, "temperature")),
                                               .alpha = json_number_value(json_object_get(row, "alpha")) };
            near(loss_of(&l, &options, got), json_number_value(json_object_get(row, "loss")), 2e-6, "loss", k);
            for (size_t i = 0; i < 12; i++)
                near((double)got[i], real(json_object_get(row, "gradient"), i), 2e-7, "gradient", i);
        }
        close_lesson(&l);
    }
}

/* Without a share the teacher changes no bit; who says what the teacher says has nothing to learn; a teacher that is sure of the
 * labels is the labels; and the gradient is that of the loss. */
static void laws_of_distillation(void **state)
{
    (void)state;
    for (size_t d = 0; d < 2; d++) {
        struct lesson l = open_lesson(devices[d]);
        float x[12], taught[12], plain[12], got[12];
        ok(l.dev->class->download(l.dev, x, l.x, &err));
        struct rn_loss_options none = { .smoothing = 0.1 }, options = { NULL, 0.1, NULL, taught, 3, 0 };
        for (int i = 0; i < 12; i++)
            taught[i] = 1 / 3.f;
        double loss = loss_of(&l, &none, plain);
        assert_true(loss_of(&l, &options, got) == loss);
        assert_memory_equal(got, plain, sizeof got);
        for (int i = 0; i < 12; i++) {
            double sum = 0;
            for (int k = i / 3 * 3; k < i / 3 * 3 + 3; k++)
                sum += exp((double)x[k] / 3);
            taught[i] = (float)(exp((double)x[i] / 3) / sum);
        }
        options.alpha = 1;
        near(loss_of(&l, &options, got), 0, 1e-6, "its own loss", 0);
        for (size_t i = 0; i < 12; i++)
            near((double)got[i], 0, 1e-7, "its own gradient", i);
        static const float labels[12] = { 1, 0, 0, 0, 0, 1, 0, 1, 0, 0, 1, 0 };
        options = (struct rn_loss_options){ .teacher = labels, .temperature = 1, .alpha = 1 };
        none.smoothing = 0;
        near(loss_of(&l, &options, got), loss_of(&l, &none, plain), 1e-6, "the labels' loss", 0);
        for (size_t i = 0; i < 12; i++)
            near((double)got[i], (double)plain[i], 1e-7, "the labels' gradient", i);
        options = (struct rn_loss_options){ NULL, 0.1, NULL, taught, 2, 0.7 };
        loss_of(&l, &options, plain);
        for (size_t i = 0; i < 12 && !strcmp(devices[d], "reference"); i++) {
            float moved[12], unused[12];
            double both[2];
            for (int side = 0; side < 2; side++) {
                memcpy(moved, x, sizeof x);
                moved[i] += side ? 0x1p-8f : -0x1p-8f;
                ok(l.dev->class->upload(l.dev, l.x, moved, &err));
                both[side] = loss_of(&l, &options, unused);
            }
            near((double)plain[i], (both[1] - both[0]) / 0x1p-7, 1e-5, "finite difference", i);
        }
        close_lesson(&l);
    }
}

/* ---- teachers ---- */

static const char *const classes_abc[] = { "a", "b", "c" };

/* "@3 7": of the train batches of epoch 3, by seed 7; other rows: of photos as they are. */
static void begin_said(struct rn_writer *writer, const char *order, const char *row)
{
    struct rn_head head;
    rn_head_init(&head, RN_PREDICTIONS);
    if (row && *row == '@') {
        char *seed;
        head.epoch = strtoll(row + 1, &seed, 10);
        head.has_seed = *seed;
        head.seed = strtoull(seed, NULL, 10);
    }
    for (size_t i = 0; order[i]; i++)
        ok(rn_texts_add(&head.classes, (struct rn_text){ order + i, 1 }, &err));
    ok(rn_writer_head(writer, &head, &err));
    rn_head_free(&head);
}

/* A file of predictions: classes by their letters, then rows "id p p p", "id !" of an error record, or as above, of a segment. */
static const char *said(const char *order, const char *const *row)
{
    struct rn_writer *writer;
    ok(rn_writer_open(&writer, said_path, &err));
    begin_said(writer, order, *row);
    for (bool first = true; *row; row++, first = false) {
        char id[16], *at;
        float p[3];
        int length;
        if (**row == '@') {
            if (!first)
                ok(rn_writer_tail(writer, &err));
            if (!first)
                begin_said(writer, order, *row);
            continue;
        }
        assert_int_equal(sscanf(*row, "%15s%n", id, &length), 1);
        struct rn_record record = { .kind = RN_PREDICTIONS, .id = rn_text(id), .label = RN_NIL };
        if (strchr(*row, '!'))
            record.error = RN_TEXT("broken");
        at = (char *)*row + length;
        for (size_t k = 0; k < strlen(order); k++)
            p[k] = strtof(at, &at);
        record.tensor = (struct rn_tensor){ RN_F32, 1, { strlen(order) }, p };
        ok(rn_writer_record(writer, &record, &err));
    }
    ok(rn_writer_tail(writer, &err));
    ok(rn_writer_close(writer, &err));
    return said_path;
}

static struct rn_texts abc(void)
{
    struct rn_texts classes = { 0 };
    for (size_t i = 0; i < 3; i++)
        ok(rn_texts_add(&classes, rn_text(classes_abc[i]), &err));
    return classes;
}

static void a_teacher_speaks_of_photos_by_name_and_class(void **state)
{
    (void)state;
    struct rn_texts classes = abc();
    struct rn_teacher *teacher, *same, *other;
    uint64_t print, same_print, other_print;
    float got[6];
    /* of y an ensemble's mean, .5 .25 .25, in other orders of classes, photos, and predictions */
    static const char *const rows[] = { "x 0 0.64 0.36", "y 0 0.5 0.5", "x 0 0.64 0.36", "y 0.5 0.5 0", NULL };
    static const char *const turned[] = { "y 0.5 0 0.5", "x 0.64 0.36 0", "y 0.5 0.5 0", "x 0.64 0.36 0", NULL };
    static const char *const others[] = { "y 0.5 0 0.5", "x 0.36 0.64 0", "y 0.5 0.5 0", "x 0.36 0.64 0", NULL };
    ok(rn_teacher_open(&teacher, said("cab", rows), &classes, &err));
    const struct rn_text ids[] = { RN_TEXT("y"), RN_TEXT("x") };
    ok(rn_teacher_say(teacher, 0, ids, 2, 1, got, &err));
    static const float want[6] = { 0.5f, 0.25f, 0.25f, 0.64f, 0.36f, 0 };
    for (size_t i = 0; i < 6; i++)
        near((double)got[i], (double)want[i], 1e-7, "temperature 1", i);
    ok(rn_teacher_say(teacher, 7, ids + 1, 1, 2, got, &err));
    static const float warm[3] = { 0.8f / 1.4f, 0.6f / 1.4f, 0 };
    for (size_t i = 0; i < 3; i++)
        near((double)got[i], (double)warm[i], 1e-7, "temperature 2", i);
    ok(rn_teacher_print(teacher, &print, &err));
    ok(rn_teacher_open(&same, said("abc", turned), &classes, &err));
    ok(rn_teacher_print(same, &same_print, &err));
    ok(rn_teacher_open(&other, said("abc", others), &classes, &err));
    ok(rn_teacher_print(other, &other_print, &err));
    assert_true(print == same_print && print != other_print);
    rn_teacher_close(teacher);
    rn_teacher_close(same);
    rn_teacher_close(other);
    rn_texts_free(&classes);
}

/* Of what was drawn for each epoch, an ensemble of two networks; the order of epochs does not matter. */
static void a_teacher_of_train_batches_speaks_of_each_epochs_draws(void **state)
{
    (void)state;
    struct rn_texts classes = abc();
    struct rn_teacher *teacher, *other, *plain;
    uint64_t print, other_print, seed;
    float got[3];
    static const char *const rows[] = { "@0 7", "x 1 0 0", "y 0 1 0", "@1 7", "y 0 0 1", "x 0 0 1", "@0 7", "x 0 0 1", "y 0 1 0",
                                        "@1 7", "y 0 0 1", "x 0 0 1", NULL };
    static const char *const turned[] = { "@1 7", "x 0 0 1", "y 0 0 1", "@1 7", "y 0 0 1", "x 0 0 1", "@0 7", "y 0 1 0", "x 1 0 0",
                                          "@0 7", "y 0 1 0", "x 0 0 1", NULL };
    static const struct { int64_t epoch; const char *id; float p[3]; } want[] = {
        { 0, "x", { 0.5f, 0, 0.5f } }, { 0, "y", { 0, 1, 0 } }, { 1, "x", { 0, 0, 1 } }, { 1, "y", { 0, 0, 1 } },
    };
    ok(rn_teacher_open(&teacher, said("abc", rows), &classes, &err));
    assert_true(rn_teacher_seed(teacher, &seed) && seed == 7 && rn_teacher_photos(teacher) == 4);
    for (size_t i = 0; i < 4; i++) {
        const struct rn_text id = rn_text(want[i].id);
        ok(rn_teacher_say(teacher, want[i].epoch, &id, 1, 1, got, &err));
        for (size_t k = 0; k < 3; k++)
            near((double)got[k], (double)want[i].p[k], 1e-7, want[i].id, k);
    }
    const struct rn_text x = RN_TEXT("x");
    assert_int_equal(rn_teacher_say(teacher, 2, &x, 1, 1, got, &err), -1);
    assert_true(err.exit == RN_EXIT_DATA && strstr(err.text, "it has no prediction of 'x' in epoch 2"));
    err = (struct rn_err){ 0 };
    ok(rn_teacher_print(teacher, &print, &err));
    ok(rn_teacher_open(&other, said("abc", turned), &classes, &err));
    ok(rn_teacher_print(other, &other_print, &err));
    assert_true(print == other_print);
    ok(rn_teacher_open(&plain, said("abc", (const char *const[]){ "x 0.5 0 0.5", NULL }), &classes, &err));
    assert_true(!rn_teacher_seed(plain, &seed));
    rn_teacher_close(teacher);
    rn_teacher_close(other);
    rn_teacher_close(plain);
    rn_texts_free(&classes);
}

static void what_a_teacher_cannot_say(void **state)
{
    (void)state;
    struct rn_texts classes = abc();
    struct rn_teacher *teacher;
    static const struct { const char *order, *row[6], *says; } rows[] = {
        { "abd", { "x 0 0 1" }, "class 'd' of the stream is not one" }, { "ab", { "x 0 1" }, "does not know the class 'c'" },
        { "abc", { NULL }, "no predictions to learn from" }, { "abc", { "x 0 0 1", "y 0 0 1", "x 0 0 1" }, "'x' has 2 predictions, 'y' 1" },
        { "abc", { "x 0 0 1", "y -1 0 1" }, "'y': -1 is not a probability" },
        { "abc", { "@0 7", "x 0 0 1", "@1 8", "x 0 0 1" }, "its predictions are of train batches of several seeds" },
        { "abc", { "@0", "x 0 0 1", "@1 0", "x 0 0 1" }, "its predictions are of train batches of several seeds" },
        { "abc", { "@0 7", "x 0 0 1", "y 0 0 1", "x 0 0 1" }, "an ensemble that is not whole: 'x' in epoch 0 has 2 predictions, 'y' in epoch 0 1" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        err = (struct rn_err){ 0 };
        assert_int_equal(rn_teacher_open(&teacher, said(rows[i].order, rows[i].row), &classes, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
        if (!strstr(err.text, rows[i].says) || !strstr(err.text, "--teacher /tmp/rn-said-"))
            fail_msg("%s", err.text);
    }
    static const char *const some[] = { "x 0 0 1", "y !", "z 0 0 0", NULL };
    static const struct { const char *id, *says; } gone[] = { { "w", "it has no prediction of 'w'" },
                                                              { "y", "an error record instead of 'y'" },
                                                              { "z", "it has no class of 'z'" } };
    float got[3];
    ok(rn_teacher_open(&teacher, said("abc", some), &classes, &err));
    for (size_t i = 0; i < 3; i++) {
        const struct rn_text id = rn_text(gone[i].id);
        err = (struct rn_err){ 0 };
        assert_int_equal(rn_teacher_say(teacher, 0, &id, 1, 2, got, &err), -1);
        assert_true(err.exit == RN_EXIT_DATA && strstr(err.text, gone[i].says));
    }
    err = (struct rn_err){ 0 };
    rn_teacher_close(teacher);
    rn_texts_free(&classes);
}

/* Large blocks: any number of threads, the same bits; and sums that the reference has too. */
static void threads_do_not_matter(void **state)
{
    (void)state;
    enum { N = 100003 };
    double sums[3];
    float *got[3], *value = malloc(N * sizeof *value);
    assert_non_null(value);
    for (int i = 0; i < N; i++)
        value[i] = (float)sin(1 + 0.7 * i);
    for (int threads = 1; threads <= 3; threads++) {
        struct rn_device *dev;
        ok(rn_device_open(&dev, "cpu", threads, &err));
        const struct rn_device_class *on = dev->class;
        size_t bytes = on->bytes(1, N, 1, 1, RN_FULL);
        struct rn_array a[4];
        for (int i = 0; i < 4; i++) {
            a[i] = (struct rn_array){ on->alloc(dev, bytes, &err), 1, N, 1, 1, RN_FULL };
            ok(on->upload(dev, a[i], value, &err));
        }
        ok(on->fill(dev, a[2], 0.5, &err));
        void *w = a[0].data, *m = a[1].data, *v = a[2].data, *g = a[3].data;
        ok(on->square_sum(dev, &(struct rn_square_sum){ &sums[threads - 1], w, bytes }, &err));
        ok(on->adamw(dev, &(struct rn_adamw){ w, m, v, g, bytes, 0.1, 0.9, 0.99, 1e-8, 0.1, 0.5, 3 }, &err));
        ok(on->sgd(dev, &(struct rn_sgd){ w, m, g, bytes, 0.1, 0.9, 0.1, true, 0.5 }, &err));
        ok(on->lerp(dev, &(struct rn_lerp){ v, w, bytes, 0.25 }, &err));
        got[threads - 1] = malloc(2 * N * sizeof(float));
        ok(on->download(dev, got[threads - 1], a[0], &err));
        ok(on->download(dev, got[threads - 1] + N, a[2], &err));
        for (int i = 0; i < 4; i++)
            on->free(dev, a[i].data);
        rn_device_close(dev);
    }
    double exact = 0;
    for (int i = 0; i < N; i++)
        exact += (double)value[i] * (double)value[i];
    near(sums[0], exact, 1e-9 * exact, "sum of squares", 0);
    for (int k = 1; k < 3; k++) {
        assert_true(sums[k] == sums[0]);
        assert_memory_equal(got[k], got[0], 2 * N * sizeof(float));
        free(got[k]);
    }
    free(got[0]);
    free(value);
}

static void norms_that_are_fixed_are_evaluations(void **state)
{
    (void)state;
    const json_t *want = json_object_get(golden, "fixed norm");
    static const char *const parts[] = { "y", "dx", "dgamma", "dbeta" };
    static const float vectors[4][3] = { { 0.5f, -1.5f, 2 }, { 0.25f, 0.5f, -0.125f },
                                         { 0.1f, -0.2f, 0.3f }, { 0.5f, 1.5f, 2.5f } };
    float x[24], dy[24], got[24];
    for (int i = 0; i < 24; i++) {
        x[i] = (float)sin(1 + 0.7 * i);
        dy[i] = (float)sin(1 + 0.7 * i + 1.3);
    }
    for (size_t d = 0; d < 2; d++) {
        struct rn_device *dev;
        ok(rn_device_open(&dev, devices[d], 2, &err));
        const struct rn_device_class *on = dev->class;
        struct rn_array map[4], vector[8]; /* x y dy dx; gamma beta mean var, of the batch, gradients */
        for (int i = 0; i < 4; i++) {
            map[i] = (struct rn_array){ on->alloc(dev, on->bytes(2, 3, 2, 2, RN_FULL), &err), 2, 3, 2, 2, RN_FULL };
            cut(dev, map[i].data);
        }
        for (int i = 0; i < 8; i++)
            vector[i] = (struct rn_array){ on->alloc(dev, on->bytes(1, 3, 1, 1, RN_FULL), &err), 1, 3, 1, 1, RN_FULL };
        for (int i = 0; i < 4; i++)
            ok(on->upload(dev, vector[i], vectors[i], &err));
        ok(on->upload(dev, map[0], x, &err));
        ok(on->upload(dev, map[2], dy, &err));
        struct rn_norm norm = { vector[0], vector[1], vector[2], vector[3], vector[4], vector[5], 0.1, 1e-5, true };
        const struct rn_array none = { 0 };
        ok(on->batch_norm(dev, &(struct rn_batch_norm){ map[1], map[0], none, norm, RN_ACT_RELU }, &err));
        const struct rn_batch_norm_backward back = { map[3], none, vector[6], vector[7], map[2], map[0], map[1], norm,
                                                     RN_ACT_RELU };
        ok(on->batch_norm_backward(dev, &back, &err));
        const struct rn_array made[] = { map[1], map[3], vector[6], vector[7] };
        reduce(dev, vector[6]);
        reduce(dev, vector[7]);
        for (size_t k = 0; k < 4; k++) {
            const json_t *list = json_object_get(want, parts[k]);
            ok(on->download(dev, got, made[k], &err));
            for (size_t i = 0; i < json_array_size(list); i++)
                near((double)got[i], real(list, i), 2e-6, parts[k], i);
        }
        for (int i = 2; i < 4; i++) {
            ok(on->download(dev, got, vector[i], &err));
            assert_memory_equal(got, vectors[i], sizeof vectors[i]);
        }
        for (int i = 0; i < 4; i++)
            on->free(dev, map[i].data);
        for (int i = 0; i < 8; i++)
            on->free(dev, vector[i].data);
        rn_device_close(dev);
    }
}

/* ---- schedules ---- */

static void schedules_are_pytorchs(void **state)
{
    (void)state;
    struct rn_train_options o[4] = { usual(), usual(), usual(), usual() };
    static const char *const names[] = { "step 2", "cosine", "cosine, warmup 2", "constant, warmup 1" };
    o[0].step = 2;
    o[1].schedule = o[2].schedule = RN_SCHEDULE_COSINE;
    o[2].warmup = 2;
    o[3].schedule = RN_SCHEDULE_CONSTANT;
    o[3].warmup = 1;
    for (size_t k = 0; k < 4; k++) {
        const json_t *want = json_object_get(json_object_get(golden, "schedules"), names[k]);
        assert_int_equal(json_array_size(want), 30);
        for (int i = 0; i < 30; i++)
            near(rn_schedule_lr(&o[k], (struct rn_place){ i / 5, i % 5, 5, 6, 0 }), real(want, (size_t)i), 1e-12, names[k],
                 (size_t)i);
    }
    /* half an epoch, and less than a batch */
    o[3].warmup = 0.5;
    near(rn_schedule_lr(&o[3], (struct rn_place){ 0, 0, 4, 6, 0 }), 0.05, 1e-15, "half an epoch", 0);
    near(rn_schedule_lr(&o[3], (struct rn_place){ 0, 1, 4, 6, 0 }), 0.1, 1e-15, "half an epoch", 1);
    o[3].warmup = 0.01;
    near(rn_schedule_lr(&o[3], (struct rn_place){ 0, 0, 4, 6, 0 }), 0.1, 1e-15, "less than a batch", 0);
    /* the published recipe needs nothing of the stream */
    assert_true(rn_schedule_lr(&o[0], (struct rn_place){ 3, 17, RN_NIL, RN_NIL, 0 }) == 0.1 / 10);
}

static void plateaus_are_pytorchs(void **state)
{
    (void)state;
    struct rn_train_options o = usual();
    struct rn_head head = { .has_state = true, .best_acc1 = -1 };
    const json_t *made = json_object_get(golden, "plateau");
    const json_t *losses = json_object_get(made, "losses"), *want = json_object_get(made, "lr");
    o.schedule = RN_SCHEDULE_PLATEAU;
    o.best = RN_BEST_LOSS;
    o.step = 2;
    o.patience = 4;
    for (size_t i = 0; i < json_array_size(losses); i++) {
        struct rn_validation v = { .loss = real(losses, i), .acc1 = 50 };
        bool better = rn_schedule_judge(&o, &head, &v);
        assert_int_equal(better, i == 0 || i == 1 || i == 4 || i == 9);
        assert_int_equal(rn_schedule_stops(&o, &head), i == 8);
        struct rn_place next = { (int64_t)i + 1, 0, RN_NIL, RN_NIL, head.state.cuts };
        near(rn_schedule_lr(&o, next), real(want, i), 1e-12, "plateau", i);
    }
}

static void the_best_is_what_was_asked_for(void **state)
{
    (void)state;
    static const struct rn_validation v[] = { { .loss = 3, .acc1 = 10, .balanced = 40, .macro_f1 = 0.2 },
                                              { .loss = 2, .acc1 = 30, .balanced = 20, .macro_f1 = 0.1 },
                                              { .loss = 2, .acc1 = 20, .balanced = 50, .macro_f1 = 0.3 } };
    static const bool want[][3] = { { true, true, false }, { true, true, false }, { true, false, true }, { true, false, true } };
    for (int best = 0; best < 4; best++) {
        struct rn_train_options o = usual();
        struct rn_head head = { .has_state = best != RN_BEST_ACC1, .best_acc1 = -1 };
        o.best = best;
        for (int i = 0; i < 3; i++)
            assert_int_equal(rn_schedule_judge(&o, &head, &v[i]), want[best][i]);
        assert_true(head.best_acc1 == 30);
    }
}

/* ---- rates ---- */

static struct rn_rate *rates_of(const struct rn_graph *g, const struct rn_train_options *o)
{
    struct rn_rate *rate;
    ok(rn_rates_make(&rate, g, o, &err));
    return rate;
}

static void rates_are_timms(void **state)
{
    (void)state;
    struct rn_graph *g;
    ok(rn_graph_new(&g, RN_TEXT("resnet18"), RN_TEXT("none"), 6, &err));
    struct rn_train_options o[4] = { usual(), usual(), usual(), usual() };
    o[0].layer_decay = 0.7;
    o[1].lr_head = 10;
    o[2].no_decay = "bn";
    o[3].no_decay = "bias";
    struct rn_rate *rate[4];
    for (int k = 0; k < 4; k++)
        rate[k] = rates_of(g, &o[k]);
    const json_t *rows = json_object_get(golden, "groups"), *row;
    size_t i, met = 0;
    json_array_foreach (rows, i, row)
        for (size_t p = 0; p < g->params; p++) {
            if (strcmp(g->param[p].name, json_string_value(json_object_get(row, "name"))) != 0)
                continue;
            met++;
            near(rate[0][p].lr, json_number_value(json_object_get(row, "decay 0.7")), 1e-12, g->param[p].name, p);
            near(rate[1][p].lr, json_number_value(json_object_get(row, "head 10")), 1e-12, g->param[p].name, p);
            near(rate[2][p].wd, json_number_value(json_object_get(row, "wd without bn")), 0, g->param[p].name, p);
            near(rate[3][p].wd, json_number_value(json_object_get(row, "wd without bias")), 0, g->param[p].name, p);
        }
    assert_int_equal(met, 62);
    for (int k = 0; k < 4; k++)
        free(rate[k]);
    struct rn_train_options plain = usual();
    assert_null(rates_of(g, &plain));
    rn_graph_free(g);
}

/* As many steps as the network has blocks, and one: whatever they are called. */
static void decay_goes_by_the_graphs_blocks(void **state)
{
    (void)state;
    static const struct { const char *arch, *attention; double blocks; } rows[] = {
        { "resnet18", "ours", 8 }, { "resnet50", "se", 16 }, { "resnext101_32x8d", "cbam", 33 },
    };
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct rn_graph *g;
        struct rn_train_options o = usual();
        ok(rn_graph_new(&g, rn_text(rows[k].arch), rn_text(rows[k].attention), 6, &err));
        o.layer_decay = 0.5;
        struct rn_rate *rate = rates_of(g, &o);
        for (size_t i = 0; i < g->params; i++) {
            const char *name = g->param[i].name;
            bool before = !strncmp(name, "conv1.", 6) || !strncmp(name, "bn1.", 4), inside = !strncmp(name, "layer", 5);
            double first = pow(0.5, rows[k].blocks);
            if (before)
                near(rate[i].lr, first / 2, 0, name, i);
            else if (!inside)
                near(rate[i].lr, 1, 0, name, i);
            else if (!strncmp(name, "layer1.0.", 9))
                near(rate[i].lr, first, 0, name, i);
            else
                assert_true(rate[i].lr > first && rate[i].lr <= 0.5);
        }
        free(rate);
        rn_graph_free(g);
    }
}

static void nonsense_is_named(void **state)
{
    (void)state;
    struct rn_graph *g;
    struct rn_rate *rate;
    static const struct { const char *freeze, *says; } rows[] = {
        { "layer9", "--freeze: 'layer9'" }, { "conv1,,bn1", "--freeze: ''" }, { "*", "nothing is left" }, { "layer1*,x*", "'x*'" },
    };
    ok(rn_graph_new(&g, RN_TEXT("resnet18"), RN_TEXT("ours"), 6, &err));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rn_train_options o = usual();
        o.freeze = rows[i].freeze;
        err = (struct rn_err){ 0 };
        assert_int_equal(rn_rates_make(&rate, g, &o, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_USAGE);
        if (!strstr(err.text, rows[i].says))
            fail_msg("%s", err.text);
    }
    err = (struct rn_err){ 0 };
    rn_graph_free(g);
}

/* ---- networks ---- */

enum { N = 4, SIZE = 32, CLASSES = 6 };

struct lab {
    struct rn_device *dev;
    struct rn_batch batch;
    float values[2 * N * 3 * SIZE * SIZE];
    int64_t labels[2 * N];
};

static struct rn_net *open_arch(struct lab *lab, const char *arch)
{
    struct rn_net *net;
    ok(rn_net_open(&net, lab->dev, rn_text(arch), RN_TEXT("cbam"), CLASSES, true, &err));
    for (size_t i = 0; i < rn_net_graph(net)->params; i++)
        ok(rn_net_start(net, i, 7, &err));
    return net;
}

static struct rn_net *open_net(struct lab *lab)
{
    return open_arch(lab, "resnet20");
}

static struct lab *open_lab(void)
{
    struct lab *lab = calloc(1, sizeof *lab);
    assert_non_null(lab);
    ok(rn_device_open(&lab->dev, lab_device, 2, &err));
    for (size_t i = 0; i < sizeof lab->values / sizeof *lab->values; i++)
        lab->values[i] = (float)(sin(0.37 * (double)i) + 0.5 * cos(0.011 * (double)i));
    for (int i = 0; i < 2 * N; i++)
        lab->labels[i] = (5 * i + 1) % CLASSES;
    lab->batch = (struct rn_batch){ .n = N, .h = SIZE, .w = SIZE, .values = lab->values };
    return lab;
}

static void close_lab(struct lab *lab)
{
    rn_device_close(lab->dev);
    free(lab);
}

static size_t count_of(const struct rn_param *p)
{
    return p->n * p->c * p->h * p->w;
}

static float *get(struct rn_net *net, size_t i, enum rn_role role)
{
    float *value = calloc(count_of(&rn_net_graph(net)->param[i]), sizeof *value);
    assert_non_null(value);
    ok(rn_net_get(net, i, role, value, &err));
    return value;
}

static void step(struct lab *lab, struct rn_net *net, int batch)
{
    struct rn_loss loss;
    lab->batch.values = lab->values + batch * N * 3 * SIZE * SIZE;
    ok(rn_net_train(net, &lab->batch, lab->labels + batch * N, &(struct rn_loss_options){ 0 }, &loss, NULL, &err));
}

static void each_layer_moves_at_its_rate(void **state)
{
    (void)state;
    struct lab *lab = open_lab();
    struct rn_net *net = open_net(lab), *plain = open_net(lab);
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_train_options o = usual();
    o.lr_head = 10;
    o.layer_decay = 0.8;
    o.no_decay = "bn,bias";
    struct rn_rate *rate = rates_of(g, &o);
    ok(rn_net_rates(net, rate, &err));
    step(lab, net, 0);
    step(lab, plain, 0);
    ok(rn_net_update(net, (struct rn_sgd){ .lr = 0.125, .momentum = 0.9, .wd = 0.25 }, &err));
    for (size_t i = 0; i < g->params; i++) {
        if (g->param[i].role != RN_PARAMETER)
            continue;
        float *was = get(plain, i, RN_PARAMETER), *gradient = get(plain, i, RN_GRADIENT), *now = get(net, i, RN_PARAMETER);
        float lr = (float)(0.125 * rate[i].lr), wd = (float)(0.25 * rate[i].wd);
        for (size_t k = 0; k < count_of(&g->param[i]); k++) {
            float want = was[k] - lr * (gradient[k] + wd * was[k]);
            /* products that are fused */
            double room = !strcmp(lab_device, "cpu") ? 0 : 1e-6 * (fabs((double)want) + fabs((double)(lr * gradient[k])));
            if (!(fabs((double)now[k] - (double)want) <= room))
                fail_msg("%s[%zu] is %.9g, not %.9g", g->param[i].name, k, (double)now[k], (double)want);
        }
        free(was), free(gradient), free(now);
    }
    free(rate);
    rn_net_close(net);
    rn_net_close(plain);
    close_lab(lab);
}

/* What is frozen does not move; the rest moves as if nothing were, to the last bit. Norms that are fixed leave their statistics,
 * too. */
static void frozen_layers_stay(void **state)
{
    (void)state;
    struct lab *lab = open_lab();
    static const char *const patterns[] = { "conv1,bn1,layer1,layer2.0", "layer3", "*bn*" };
    size_t some = getenv("RN_SANITIZED") || strcmp(lab_device, "cpu") != 0 ? 1 : 3; /* enough for what a sanitizer finds */
    for (size_t p = 0; p < some; p++)
        for (int fix = 0; fix < 2; fix++) {
            struct rn_net *net = open_net(lab), *plain = open_net(lab), *start = open_net(lab);
            const struct rn_graph *g = rn_net_graph(net);
            struct rn_train_options o = usual();
            o.freeze = patterns[p];
            o.fix_norms = fix;
            struct rn_rate *rate = rates_of(g, &o);
            ok(rn_net_rates(net, rate, &err));
            step(lab, net, 0);
            step(lab, plain, 0);
            ok(rn_net_update(net, (struct rn_sgd){ .lr = 0.125, .momentum = 0.9, .wd = 0.25 }, &err));
            ok(rn_net_update(plain, (struct rn_sgd){ .lr = 0.125, .momentum = 0.9, .wd = 0.25 }, &err));
            size_t frozen = 0, moved = 0, kept = 0;
            for (size_t i = 0; i < g->params; i++) {
                enum rn_role role = g->param[i].role;
                float *now = get(net, i, role), *was = get(start, i, role), *free_ = get(plain, i, role);
                size_t bytes = count_of(&g->param[i]) * sizeof *now;
                if (role == RN_PARAMETER && rate[i].lr == 0) {
                    frozen++;
                    assert_memory_equal(now, was, bytes);
                } else if (!fix) {
                    moved += memcmp(now, was, bytes) != 0;
                    assert_memory_equal(now, free_, bytes);
                } else if (role == RN_BUFFER) {
                    kept += memcmp(now, was, bytes) == 0;
                }
                free(now), free(was), free(free_);
            }
            assert_true(frozen > 0 && (fix || moved > 20));
            size_t fixed = 0;
            for (size_t i = 0; i < g->nodes; i++)
                fixed += g->node[i].op == RN_OP_NORM && rate[g->node[i].gamma].fixed;
            assert_int_equal(kept, 2 * fixed);
            free(rate);
            rn_net_close(net), rn_net_close(plain), rn_net_close(start);
        }
    close_lab(lab);
}

static size_t backwards, weight_gradients;
static const struct rn_device_class *computes;

static int counted(struct rn_device *dev, const struct rn_conv2d_backward *op, struct rn_err *error)
{
    backwards++;
    weight_gradients += op->dw.data != NULL;
    return computes->conv2d_backward(dev, op, error);
}

static void frozen_layers_are_not_computed_backward(void **state)
{
    (void)state;
    /* ResNet-20 with CBAM: 21 convolutions of its own, 9 gates of two layers that are used twice and one more, a linear layer */
    static const struct { const char *freeze; size_t convs, gradients; } rows[] = {
        { NULL, 21 + 9 * 5 + 1, 21 + 9 * 5 + 1 }, { "conv1,bn1,layer1,layer2", 7 + 3 * 5 + 1, 7 + 3 * 5 + 1 },
        { "conv1,bn1,layer*", 1, 1 }, { "layer3", 21 + 9 * 5 + 1, 14 + 6 * 5 + 1 },
    };
    struct lab *lab = open_lab();
    const struct rn_device_class *own = lab->dev->class;
    struct rn_device_class counting = *own;
    computes = own;
    counting.conv2d_backward = counted;
    for (size_t k = 0; k < sizeof rows / sizeof *rows; k++) {
        struct rn_train_options o = usual();
        o.freeze = rows[k].freeze;
        lab->dev->class = &counting;
        struct rn_net *net = open_net(lab);
        struct rn_rate *rate = rates_of(rn_net_graph(net), &o);
        if (rate)
            ok(rn_net_rates(net, rate, &err));
        backwards = weight_gradients = 0;
        step(lab, net, 0);
        assert_int_equal(backwards, rows[k].convs);
        assert_int_equal(weight_gradients, rows[k].gradients);
        free(rate);
        rn_net_close(net);
        lab->dev->class = own;
    }
    close_lab(lab);
}

/* Two batches of which each had its own gradient: accumulated, it is their sum. */
static void gradients_are_summed(void **state)
{
    (void)state;
    struct lab *lab = open_lab();
    struct rn_net *net = open_net(lab), *one[2] = { open_net(lab), open_net(lab) };
    const struct rn_graph *g = rn_net_graph(net);
    for (int k = 0; k < 2; k++) {
        rn_net_accumulate(net, k > 0);
        step(lab, net, k);
        step(lab, one[k], k);
    }
    for (size_t i = 0; i < g->params; i++) {
        if (g->param[i].role != RN_PARAMETER)
            continue;
        float *sum = get(net, i, RN_GRADIENT), *a = get(one[0], i, RN_GRADIENT), *b = get(one[1], i, RN_GRADIENT);
        double size = 0;
        for (size_t k = 0; k < count_of(&g->param[i]); k++)
            size = fmax(size, fmax(fabs((double)a[k]), fabs((double)b[k])));
        for (size_t k = 0; k < count_of(&g->param[i]); k++)
            near((double)sum[k], (double)a[k] + (double)b[k], 1e-5 * size, g->param[i].name, k);
        free(sum), free(a), free(b);
    }
    for (int k = 0; k < 2; k++)
        rn_net_close(one[k]);
    rn_net_close(net);
    close_lab(lab);
}

static void averages_change_places(void **state)
{
    (void)state;
    struct lab *lab = open_lab();
    struct rn_net *net = open_net(lab), *plain = open_net(lab);
    float logits[3][N * CLASSES];
    ok(rn_net_room(net, RN_EMA, &err));
    assert_true(rn_net_has(net, RN_EMA) && !rn_net_has(plain, RN_EMA));
    ok(rn_net_average(net, 1, &err));
    lab->batch.values = lab->values;
    ok(rn_net_eval(plain, &lab->batch, logits[0], &err));
    step(lab, net, 0);
    ok(rn_net_update(net, (struct rn_sgd){ .lr = 0.01 }, &err));
    rn_net_swap(net);
    ok(rn_net_eval(net, &lab->batch, logits[1], &err));
    rn_net_swap(net);
    ok(rn_net_eval(net, &lab->batch, logits[2], &err));
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    assert_true(memcmp(logits[0], logits[2], sizeof logits[0]) != 0);
    rn_net_close(net);
    rn_net_close(plain);
    close_lab(lab);
}

/* Batches of 4 and 2 of the lab's images. */
static void write_lab(const struct lab *lab, const char *path)
{
    struct rn_writer *writer;
    struct rn_head head;
    static const struct rn_text ids[] = { RN_TEXT("a"), RN_TEXT("b"), RN_TEXT("c"), RN_TEXT("d"), RN_TEXT("e"), RN_TEXT("f") };
    static const size_t from[] = { 0, 4, 6 };
    rn_head_init(&head, RN_BATCHES);
    ok(rn_texts_add(&head.classes, RN_TEXT("a"), &err));
    ok(rn_writer_open(&writer, path, &err));
    ok(rn_writer_head(writer, &head, &err));
    for (size_t k = 0; k < 2; k++) {
        size_t count = from[k + 1] - from[k];
        static const int64_t labels[4];
        struct rn_record record = { .kind = RN_BATCHES, .label = RN_NIL, .index = (int64_t)k, .count = count, .ids = ids + from[k],
                                    .labels = labels,
                                    .tensor = { RN_F32, 4, { count, 3, SIZE, SIZE }, lab->values + from[k] * 3 * SIZE * SIZE } };
        ok(rn_writer_record(writer, &record, &err));
    }
    ok(rn_writer_tail(writer, &err));
    ok(rn_writer_close(writer, &err));
    rn_head_free(&head);
}

static size_t param_called(const struct rn_graph *g, const char *name)
{
    for (size_t i = 0; i < g->params; i++)
        if (!strcmp(g->param[i].name, name))
            return i;
    fail_msg("%s", name);
    return 0;
}

static void norms_measured_anew_are_pytorchs(void **state)
{
    (void)state;
    static const char *const names[] = { "bn1.running_mean", "bn1.running_var" }, *const keys[] = { "mean", "var" };
    struct lab *lab = open_lab();
    struct rn_net *net = open_arch(lab, "resnet18"); /* whose first layer make.py has */
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_head head;
    float weight[64 * 3 * 49];
    int64_t photos, errors;
    rn_head_init(&head, RN_WEIGHTS);
    head.has_input = true;
    head.input = (struct rn_input){ SIZE, SIZE, { 0 }, { 1, 1, 1 } };
    for (size_t i = 0; i < sizeof weight / sizeof *weight; i++)
        weight[i] = (float)(0.05 * sin(1 + 0.7 * (double)i));
    ok(rn_net_set(net, param_called(g, "conv1.weight"), RN_PARAMETER, weight, &err));
    write_lab(lab, said_path);
    ok(rn_average_norms(net, &head, said_path, &photos, &errors, &err));
    assert_true(photos == 6 && errors == 0);
    for (size_t k = 0; k < 2; k++) {
        const json_t *want = json_object_get(json_object_get(golden, "update_bn"), keys[k]);
        float *got = get(net, param_called(g, names[k]), RN_BUFFER);
        assert_int_equal(json_array_size(want), 8);
        for (size_t i = 0; i < 8; i++)
            near((double)got[i], real(want, i), 1e-5 * fabs(real(want, i)) + 1e-7, names[k], i);
        free(got);
    }
    rn_head_free(&head);
    rn_net_close(net);
    close_lab(lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_are_pytorchs),    cmocka_unit_test(threads_do_not_matter),
        cmocka_unit_test(norms_that_are_fixed_are_evaluations),
        cmocka_unit_test(schedules_are_pytorchs),    cmocka_unit_test(plateaus_are_pytorchs),
        cmocka_unit_test(the_best_is_what_was_asked_for),
        cmocka_unit_test(rates_are_timms),           cmocka_unit_test(nonsense_is_named),
        cmocka_unit_test(decay_goes_by_the_graphs_blocks),
        cmocka_unit_test(each_layer_moves_at_its_rate),
        cmocka_unit_test(frozen_layers_are_not_computed_backward),
        cmocka_unit_test(frozen_layers_stay),        cmocka_unit_test(gradients_are_summed),
        cmocka_unit_test(averages_change_places),
        cmocka_unit_test(distillation_is_pytorchs),  cmocka_unit_test(laws_of_distillation),
        cmocka_unit_test(a_teacher_speaks_of_photos_by_name_and_class),
        cmocka_unit_test(a_teacher_of_train_batches_speaks_of_each_epochs_draws),
        cmocka_unit_test(what_a_teacher_cannot_say), cmocka_unit_test(norms_measured_anew_are_pytorchs),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
