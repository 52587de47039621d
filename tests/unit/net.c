/* net.c -- networks: parameter counts, the memory plan, the CPU device against the reference, and (where ../shared is) the
 * numbers of the original network code in PyTorch, float64. */
#include <dirent.h>
#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/rng.h"
#include "nn/net.h"
#include "nn/plan.h"
#include "tests/unit/decisions.h"
#include "tests/unit/double.h"

/* NaN fails. */
#define assert_near(a, b, tolerance, ...) \
    do { \
        double a_ = (a), b_ = (b), t_ = (tolerance); \
        if (!(fabs(a_ - b_) <= t_)) { \
            print_error(__VA_ARGS__); \
            fail_msg(": %.9g is not %.9g (tolerance %.3g)", a_, b_, t_); \
        } \
    } while (0)

static void ok(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

/* ---- numbers by rule (golden/README.md) ---- */

static uint64_t hash_of(const char *name)
{
    uint64_t z = 0xcbf29ce484222325u;
    for (const char *c = name; *c; c++)
        z = (z ^ (unsigned char)*c) * 0x100000001b3u;
    return z;
}

static double unit(uint64_t hash, uint64_t i)
{
    uint64_t z = hash + (i + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    z ^= z >> 31;
    return (double)(z >> 40) / 16777216;
}

static bool ends(const char *name, const char *with)
{
    size_t n = strlen(name), m = strlen(with);
    return n >= m && !strcmp(name + n - m, with);
}

static size_t count_of(const struct rn_param *p)
{
    return p->n * p->c * p->h * p->w;
}

static void fill_by_rule(struct rn_net *net)
{
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_err err = { 0 };
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        bool norm_bias = ends(p->name, ".bias") && (strstr(p->name, "bn") || strstr(p->name, "downsample.1"));
        float *value = calloc(count_of(p), sizeof *value);
        uint64_t hash = hash_of(p->name);
        for (size_t k = 0; k < count_of(p); k++) {
            double u = 2 * unit(hash, k) - 1;
            value[k] = (float)(ends(p->name, "running_mean")  ? 0.1 * u
                               : ends(p->name, "running_var") ? 1 + 0.2 * u
                               : p->dims > 2                  ? u * sqrt(6.0 / (double)(p->c * p->h * p->w))
                               : p->dims == 2                 ? u * sqrt(3.0 / (double)p->c)
                               : ends(p->name, ".weight")     ? 0.7 + 0.2 * u
                               : norm_bias                    ? 0.1 * u
                                                              : 0.05 * u);
        }
        ok(rn_net_set(net, i, p->role, value, &err), &err);
        free(value);
    }
}

struct sample {
    size_t n, size;
    float *values;
    int64_t *labels;
};

static struct sample sample_by_rule(const char *name, size_t n, size_t size)
{
    char key[256];
    snprintf(key, sizeof key, "input/%s", name);
    struct sample s = { n, size, calloc(n * 3 * size * size, sizeof(float)), calloc(n, sizeof(int64_t)) };
    uint64_t hash = hash_of(key);
    for (size_t i = 0; i < n * 3 * size * size; i++)
        s.values[i] = (float)(4 * unit(hash, i) - 2);
    for (size_t i = 0; i < n; i++)
        s.labels[i] = (int64_t)((5 * i + 1) % 6);
    return s;
}

static struct rn_batch batch_of(const struct sample *s)
{
    return (struct rn_batch){ .n = s->n, .h = s->size, .w = s->size, .values = s->values };
}

static void free_sample(struct sample *s)
{
    free(s->values);
    free(s->labels);
}

static struct rn_net *open_net(struct rn_device *dev, const char *arch, const char *attention)
{
    struct rn_err err = { 0 };
    struct rn_net *net;
    ok(rn_net_open(&net, dev, rn_text(arch), rn_text(attention), 6, true, &err), &err);
    fill_by_rule(net);
    return net;
}

/* ---- counts and plan ---- */

static void published_counts(void **state)
{
    (void)state;
    static const struct { const char *arch, *attention; size_t count; } rows[] = {
        { "resnet18", "none", 11179590 },        { "resnet34", "none", 21287750 },         { "resnet50", "none", 23520326 },
        { "resnet18", "ours", 11237991 },        { "resnet34", "ours", 21346151 },         { "resnet50", "ours", 24147143 },
        { "resnet18", "ours-spatial", 11204679 }, { "resnet18", "ours-channel", 11212902 }, { "resnet18", "ours-mul", 11237991 },
        { "resnet18", "ours-max", 11237991 },
        { "resnet18", "se", 11268670 },          { "resnet34", "se", 21448946 },           { "resnet50", "se", 26051318 },
        { "resnet18", "cbam", 11269470 },        { "resnet34", "cbam", 21450546 },         { "resnet50", "cbam", 26052918 },
        /* torchvision's resnet101 and resnet152 (44,549,160 and 60,192,808) with 6 classes instead of 1000 */
        { "resnet101", "none", 44549160 - 994 * 2049 }, { "resnet152", "none", 60192808 - 994 * 2049 },
        /* with 10 classes 272,474 and 855,770, as others count them (option A's 269,722 and 853,018, and 2,752 of projections) */
        { "resnet20", "none", 272474 - 4 * 65 }, { "resnet56", "none", 855770 - 4 * 65 },
        { "resnext50_32x4d", "none", 25028904 - 994 * 2049 }, { "resnext101_32x8d", "none", 88791336 - 994 * 2049 },
        /* two blocks each with kernels of 3, 5, 5 and 5; ResNet-50's have 5, 5, 5 and 7 */
        { "resnet18", "eca", 11179590 + 2 * (3 + 5 + 5 + 5) }, { "resnet50", "eca", 23520326 + 3 * 5 + 4 * 5 + 6 * 5 + 3 * 7 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct rn_graph *g;
        struct rn_err err = { 0 };
        ok(rn_graph_new(&g, rn_text(rows[i].arch), rn_text(rows[i].attention), 6, &err), &err);
        assert_int_equal(rn_graph_count(g), rows[i].count);
        rn_graph_free(g);
    }
}

static void unknown_names(void **state)
{
    (void)state;
    struct rn_graph *g;
    struct rn_err err = { 0 };
    assert_int_equal(rn_graph_new(&g, rn_text("resnet52"), rn_text("none"), 6, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_USAGE);
    assert_non_null(strstr(err.text, "resnet52"));
    assert_int_equal(rn_graph_new(&g, rn_text("resnet18"), rn_text("theirs"), 6, &err), -1);
    assert_non_null(strstr(err.text, "theirs"));
}

static void plan_never_overlaps(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(7, RN_FOR_INIT, 0, 0);
    for (int round = 0; round < 200; round++) {
        struct rn_block blocks[40];
        struct rn_err err = { 0 };
        size_t total, count = 1 + rn_rng_below(&rng, 40);
        for (size_t i = 0; i < count; i++) {
            blocks[i].bytes = 64 * (1 + rn_rng_below(&rng, 100));
            blocks[i].first = (int)rn_rng_below(&rng, 50);
            blocks[i].last = blocks[i].first + (int)rn_rng_below(&rng, 10) - (rn_rng_below(&rng, 20) == 0 ? 60 : 0);
        }
        ok(rn_plan(blocks, count, &total, &err), &err);
        for (size_t i = 0; i < count; i++) {
            for (size_t k = 0; k < i; k++) {
                bool together = blocks[i].first <= blocks[k].last && blocks[k].first <= blocks[i].last &&
                                blocks[i].last >= blocks[i].first && blocks[k].last >= blocks[k].first;
                bool apart = blocks[i].offset + blocks[i].bytes <= blocks[k].offset ||
                             blocks[k].offset + blocks[k].bytes <= blocks[i].offset;
                assert_true(!together || apart);
            }
            assert_true(blocks[i].last < blocks[i].first || blocks[i].offset + blocks[i].bytes <= total);
        }
    }
}

/* A network that is not trained turns its weights into evaluation's, with the same result to the last
 * bit, on images of any size. */
static void weights_become_evaluations(void **state)
{
    (void)state;
    struct rn_err err = { 0 };
    struct rn_device *dev;
    struct rn_net *net[2];
    struct sample s[2] = { sample_by_rule("eval", 3, 64), sample_by_rule("eval", 2, 96) };
    float logits[2][3 * 6], value[64];
    ok(rn_device_open(&dev, "cpu", 2, &err), &err);
    for (int train = 0; train < 2; train++) {
        ok(rn_net_open(&net[train], dev, RN_TEXT("resnet18"), RN_TEXT("cbam"), 6, train, &err), &err);
        fill_by_rule(net[train]);
        ok(rn_net_get(net[train], 2, RN_PARAMETER, value, &err), &err);
    }
    for (int round = 0; round < 3; round++) {
        struct rn_batch batch = batch_of(&s[round % 2]);
        for (int train = 0; train < 2; train++)
            ok(rn_net_eval(net[train], &batch, logits[train], &err), &err);
        assert_memory_equal(logits[0], logits[1], s[round % 2].n * 6 * sizeof(float));
    }
    ok(rn_net_get(net[1], 2, RN_PARAMETER, value, &err), &err);
    assert_int_equal(rn_net_get(net[0], 2, RN_PARAMETER, value, &err), -1);
    assert_int_equal(rn_net_set(net[0], 1, RN_PARAMETER, value, &err), -1);
    for (int train = 0; train < 2; train++)
        rn_net_close(net[train]);
    rn_device_close(dev);
    free_sample(&s[0]);
    free_sample(&s[1]);
}

/* ---- the CPU device against the reference ---- */

/* Relative distance of two vectors. */
static double distance(const float *a, const float *b, size_t count)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        size += (double)b[i] * (double)b[i];
    }
    return size > 0 ? sqrt(difference / size) : difference;
}

static void compare_params(struct rn_net *a, struct rn_net *b, bool gradients, double tolerance)
{
    const struct rn_graph *g = rn_net_graph(a);
    struct rn_err err = { 0 };
    for (size_t i = 0; i < g->params; i++) {
        const struct rn_param *p = &g->param[i];
        float *x = calloc(count_of(p), sizeof *x), *y = calloc(count_of(p), sizeof *y);
        if (gradients && p->role == RN_BUFFER) {
            free(x);
            free(y);
            continue;
        }
        ok(gradients ? rn_net_gradient(a, i, x, &err) : rn_net_get(a, i, p->role, x, &err), &err);
        ok(gradients ? rn_net_gradient(b, i, y, &err) : rn_net_get(b, i, p->role, y, &err), &err);
        assert_near(distance(x, y, count_of(p)), 0, tolerance, "%s%s", p->name, gradients ? " gradient" : "");
        free(x);
        free(y);
    }
}

/* What stands in for the reference device's convolutions is as exact. */
static void double_agrees_with_reference(void **state)
{
    (void)state;
    struct rn_device *dev[2];
    struct rn_device_class class;
    struct rn_net *net[2];
    struct rn_err err = { 0 };
    struct sample s = sample_by_rule("double", 2, 33);
    struct rn_batch batch = batch_of(&s);
    for (int i = 0; i < 2; i++) {
        struct rn_loss loss;
        ok(rn_device_open(&dev[i], "reference", 0, &err), &err);
        if (i)
            double_convolutions(dev[i], &class);
        net[i] = open_net(dev[i], "resnet18", "ours");
        ok(rn_net_train(net[i], &batch, s.labels, &(struct rn_loss_options){ 0 }, &loss, NULL, &err), &err);
    }
    compare_params(net[0], net[1], true, 1e-6); /* read as float32 */
    for (int i = 0; i < 2; i++) {
        rn_net_close(net[i]);
        rn_device_close(dev[i]);
    }
    free_sample(&s);
}

static void cpu_agrees_with_reference(void **state)
{
    (void)state;
    static const struct { const char *arch, *attention; } rows[] = {
        { "resnet18", "none" }, { "resnet18", "ours" }, { "resnet18", "ours-spatial" }, { "resnet18", "ours-channel" },
        { "resnet18", "ours-mul" }, { "resnet18", "ours-max" }, { "resnet18", "se" }, { "resnet18", "cbam" }, { "resnet50", "ours" },
    };
    struct rn_device *cpu, *reference;
    struct rn_device_class class;
    struct rn_err err = { 0 };
    ok(rn_device_open(&cpu, "cpu", 0, &err), &err);
    ok(rn_device_open(&reference, "reference", 0, &err), &err);
    double_convolutions(reference, &class);
    bool few = getenv("RN_SANITIZED") != NULL; /* sanitizers are slow: only ours and ours-max */
    for (size_t i = few ? 1 : 0; i < sizeof rows / sizeof *rows; i += few ? 4 : 1) {
        struct rn_net *a = open_net(cpu, rows[i].arch, rows[i].attention),
                      *b = open_net(reference, rows[i].arch, rows[i].attention);
        struct sample s = sample_by_rule(rows[i].attention, 2, 33);
        struct rn_batch batch = batch_of(&s);
        float p[12], q[12];
        ok(rn_net_eval(a, &batch, p, &err), &err);
        ok(rn_net_eval(b, &batch, q, &err), &err);
        assert_near(distance(p, q, 12), 0, 1e-5, "%s %s: eval logits", rows[i].arch, rows[i].attention);
        struct rn_loss_options options = { 0 };
        struct rn_loss la, lb;
        ok(rn_net_train(a, &batch, s.labels, &options, &la, p, &err), &err);
        ok(rn_net_train(b, &batch, s.labels, &options, &lb, q, &err), &err);
        assert_near(distance(p, q, 12), 0, 1e-3, "%s %s: train logits", rows[i].arch, rows[i].attention);
        assert_near(la.loss, lb.loss, 1e-3, "%s %s: loss", rows[i].arch, rows[i].attention);
        compare_params(a, b, true, 0.05);
        struct rn_sgd sgd = { .lr = 0.001, .momentum = 0.9, .wd = 1e-4 };
        ok(rn_net_update(a, sgd, &err), &err);
        ok(rn_net_update(b, sgd, &err), &err);
        compare_params(a, b, false, 5e-3); /* what 5% of a gradient moves */
        free_sample(&s);
        rn_net_close(a);
        rn_net_close(b);
    }
    rn_device_close(cpu);
    rn_device_close(reference);
}

/* A batch of one goes through both modes; a 1x1 map of one image is refused in train mode, naming the layer. */
static void batch_of_one(void **state)
{
    (void)state;
    struct rn_device *cpu;
    struct rn_err err = { 0 };
    ok(rn_device_open(&cpu, "cpu", 1, &err), &err);
    struct rn_net *net = open_net(cpu, "resnet18", "ours");
    struct sample s = sample_by_rule("one", 1, 64);
    struct rn_batch batch = batch_of(&s);
    struct rn_loss_options options = { 0 };
    struct rn_loss loss;
    float logits[6];
    ok(rn_net_eval(net, &batch, logits, &err), &err);
    ok(rn_net_train(net, &batch, s.labels, &options, &loss, logits, &err), &err);
    assert_true(isfinite(loss.loss));
    batch.h = batch.w = 32;
    ok(rn_net_eval(net, &batch, logits, &err), &err);
    assert_int_equal(rn_net_train(net, &batch, s.labels, &options, &loss, logits, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_non_null(strstr(err.text, "layer4.0.bn1"));
    assert_non_null(strstr(err.text, "512"));
    free_sample(&s);
    rn_net_close(net);
    rn_device_close(cpu);
}

/* An image's logits are the same alone, in any batch and at any place in it. */
static void batch_does_not_matter(void **state)
{
    (void)state;
    struct rn_err err = { 0 };
    float alone[5][6], together[5][6];
    struct sample s = sample_by_rule("five", 5, 72);
    for (int threads = 1; threads <= 3; threads++) {
        struct rn_device *cpu;
        ok(rn_device_open(&cpu, "cpu", threads, &err), &err);
        struct rn_net *net = open_net(cpu, "resnet18", "ours");
        struct rn_batch batch = batch_of(&s);
        ok(rn_net_eval(net, &batch, together[0], &err), &err);
        for (size_t i = 0; i < 5; i++) {
            struct rn_batch one = { .n = 1, .h = 72, .w = 72, .values = s.values + i * 3 * 72 * 72 };
            if (threads == 1)
                ok(rn_net_eval(net, &one, alone[i], &err), &err);
        }
        assert_memory_equal(alone, together, sizeof alone);
        rn_net_close(net);
        rn_device_close(cpu);
    }
    free_sample(&s);
}

/* ---- the original's numbers ---- */

static double real(const json_t *object, const char *key)
{
    json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static double larger(double a, double b)
{
    return a > b ? a : b;
}

/* What a network's numbers are compared with, and how often they differed: the comparison goes on, and lists all. NaN fails. */
struct golden {
    const json_t *root;
    bool quiet;
    size_t failures;
};

static __attribute__((format(printf, 5, 6))) void near(struct golden *golden, double a, double b, double tolerance,
                                                       const char *format, ...)
{
    char what[256];
    va_list args;
    if (fabs(a - b) <= tolerance)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    golden->failures++;
    if (!golden->quiet)
        print_error("%s: %s: %.9g is not %.9g (tolerance %.3g)\n", json_string_value(json_object_get(golden->root, "name")), what,
                    a, b, tolerance);
}

static void compare_logits(struct golden *golden, const char *expected, const float *logits, const char *what)
{
    const json_t *row = json_object_get(golden->root, expected);
    double largest = 0;
    for (size_t i = 0; i < json_array_size(row); i++)
        largest = larger(largest, fabs(json_number_value(json_array_get(row, i))));
    for (size_t i = 0; i < json_array_size(row); i++)
        near(golden, (double)logits[i], json_number_value(json_array_get(row, i)), 1e-4 * largest, "%s %zu", what, i);
}

/* Sum, norm and first four elements of each tensor, relative to its norm: elements get three times the norm's room. */
static void compare_tensors(struct golden *golden, struct rn_net *net, const char *expected, bool gradients, double tolerance)
{
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_err err = { 0 };
    const char *name;
    json_t *row;
    size_t compared = 0;
    json_object_foreach(json_object_get(golden->root, expected), name, row)
    {
        size_t i = 0;
        while (i < g->params && strcmp(g->param[i].name, name))
            i++;
        if (i == g->params)
            fail_msg("the network has no tensor '%s'", name);
        size_t count = count_of(&g->param[i]);
        float *value = calloc(count, sizeof *value);
        ok(gradients ? rn_net_gradient(net, i, value, &err) : rn_net_get(net, i, g->param[i].role, value, &err), &err);
        double sum = 0, squares = 0, norm = real(row, "norm");
        for (size_t k = 0; k < count; k++) {
            sum += (double)value[k];
            squares += (double)value[k] * (double)value[k];
        }
        near(golden, sqrt(squares), norm, tolerance * norm, "%s: norm", name);
        near(golden, sum, real(row, "sum"), tolerance * norm * sqrt((double)count), "%s: sum", name);
        json_t *first = json_object_get(row, "first");
        for (size_t k = 0; k < json_array_size(first); k++)
            near(golden, (double)value[k], json_number_value(json_array_get(first, k)), 3 * tolerance * norm, "%s[%zu]", name, k);
        free(value);
        compared++;
    }
    size_t own = 0;
    for (size_t i = 0; i < g->params; i++)
        own += !gradients || g->param[i].role == RN_PARAMETER;
    if (!json_is_true(json_object_get(golden->root, "some")))
        assert_int_equal(compared, own);
}

/* Our name for its attention module; NULL: there is none. */
static const char *attention_of(const json_t *root)
{
    const char *att = json_string_value(json_object_get(root, "att")),
               *combine = json_string_value(json_object_get(root, "combine"));
    static char name[64];
    if (!strcmp(att, "ours"))
        snprintf(name, sizeof name, !strcmp(combine, "sum") ? "ours" : "ours-%s", combine);
    else
        snprintf(name, sizeof name, !strcmp(att, "spatial") || !strcmp(att, "channel") ? "ours-%s" : "%s", att);
    return rn_attention_find(rn_text(name)) ? name : NULL;
}

/* The first step's gradients, of a network opened here. */
static void golden_step(struct rn_device *dev, struct golden *golden, const struct sample *s, double tolerance)
{
    struct rn_err err = { 0 };
    struct rn_loss_options options = { 0 };
    struct rn_loss loss;
    struct rn_batch batch = batch_of(s);
    float *logits = calloc(s->n * 6, sizeof *logits);
    struct rn_net *net = open_net(dev, json_string_value(json_object_get(golden->root, "arch")), attention_of(golden->root));
    ok(rn_net_train(net, &batch, s->labels, &options, &loss, logits, &err), &err);
    if (tolerance > 0)
        compare_tensors(golden, net, "grads", true, tolerance);
    rn_net_close(net);
    free(logits);
}

/* Gradients differed: was it a decision that float32 may take either way? With the twin's decisions they have to agree. */
static void golden_decided(struct rn_device *dev, struct golden *golden, const struct sample *s, double tolerance)
{
    struct rn_device *twin;
    struct rn_device_class class;
    struct rn_err err = { 0 };
    ok(rn_device_open(&twin, "reference", 0, &err), &err);
    double_convolutions(twin, &class);
    decisions_begin(twin, true);
    golden_step(twin, golden, s, 0);
    decisions_end(twin);
    rn_device_close(twin);
    decisions_begin(dev, false);
    golden_step(dev, golden, s, tolerance);
    decisions_end(dev);
    print_message("  %zu of %zu decisions lie otherwise than in float64, the furthest by %.2g of its map's largest number\n",
                  decisions.moved, decisions.taken, decisions.furthest);
    near(golden, decisions.furthest, 0, DECISION_MOVE, "the furthest of the decisions that differ");
    decisions_free();
}

static size_t golden_case(struct rn_device *dev, const char *path)
{
    json_error_t where;
    struct rn_err err = { 0 };
    json_t *root = json_load_file(path, 0, &where);
    assert_non_null(root);
    struct golden golden = { root };
    const char *attention = attention_of(root), *name = json_string_value(json_object_get(root, "name"));
    if (!attention)
        fail_msg("%s: there is no such attention module", name);
    print_message("  %s\n", name);
    struct rn_net *net = open_net(dev, json_string_value(json_object_get(root, "arch")), attention);
    size_t n = (size_t)real(root, "batch");
    struct sample s = sample_by_rule(name, n, (size_t)real(root, "size"));
    struct rn_batch batch = batch_of(&s);
    float *logits = calloc(n * 6, sizeof *logits);
    json_t *errors = json_object_get(root, "reference_float32_error"), *rate = json_object_get(root, "lr");
    double lr = rate ? json_number_value(rate) : 0.001;
    double losses = larger(1e-3, 5 * real(errors, "losses_max_abs")), gradients = larger(3e-3, 5 * real(errors, "grads_worst_rel"));
    assert_int_equal(rn_graph_count(rn_net_graph(net)), (long long)real(root, "params"));

    ok(rn_net_eval(net, &batch, logits, &err), &err);
    compare_logits(&golden, "eval_logits", logits, "eval logit");
    double loss_sum = 0;
    for (size_t i = 0; i < n; i++) {
        float probs[6];
        rn_softmax(probs, logits + 6 * i, 6);
        loss_sum -= log((double)probs[s.labels[i]]);
        for (size_t k = 0; k < 6; k++)
            near(&golden, (double)probs[k], json_number_value(json_array_get(json_object_get(root, "eval_probs"), 6 * i + k)), 1e-4,
                 "prob");
    }
    near(&golden, loss_sum / (double)n, real(root, "eval_loss"), losses, "eval loss");

    struct golden first = { root, .quiet = true };
    for (size_t step = 0; step < 3; step++) {
        struct rn_loss_options options = { 0 };
        struct rn_loss loss;
        ok(rn_net_train(net, &batch, s.labels, &options, &loss, logits, &err), &err);
        if (step == 0) {
            compare_logits(&golden, "train_logits", logits, "train logit");
            compare_tensors(&first, net, "grads", true, gradients);
        }
        near(&golden, loss.loss, json_number_value(json_array_get(json_object_get(root, "losses"), step)), losses,
             "loss of step %zu", step);
        ok(rn_net_update(net, (struct rn_sgd){ .lr = lr, .momentum = 0.9, .wd = 1e-4 }, &err), &err);
    }
    compare_tensors(&golden, net, "after_steps", false, larger(1e-3, 5 * real(errors, "after_worst_rel")));
    free(logits);
    rn_net_close(net);
    if (first.failures)
        golden_decided(dev, &golden, &s, gradients);
    free_sample(&s);
    json_decref(root);
    return golden.failures;
}

/* Every network of a folder; false: there is no such folder. */
static bool golden_folder(const char *folder)
{
    struct dirent **names;
    struct rn_err err = { 0 };
    struct rn_device *dev;
    int count = scandir(folder, &names, NULL, alphasort);
    if (count < 0)
        return false;
    /* by hand: RN_TEST_DEVICE=reference RN_TEST_CASE=r18-mul build/tests/net */
    const char *which = getenv("RN_TEST_DEVICE"), *only = getenv("RN_TEST_CASE"), *which_case = only ? only : "";
    size_t failures = 0;
    ok(rn_device_open(&dev, which ? which : "cpu", 0, &err), &err);
    for (int i = 0; i < count; i++) {
        char path[512];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]->d_name);
        if (ends(path, ".json") && strstr(path, which_case))
            failures += golden_case(dev, path);
        free(names[i]);
    }
    free(names);
    rn_device_close(dev);
    assert_int_equal(failures, 0);
    return true;
}

static void golden_networks(void **state)
{
    (void)state;
    if (getenv("RN_SANITIZED") || !golden_folder("../shared/golden/nn")) {
        print_message("skip: ../shared/golden/nn is not here, or this is a sanitizer's run\n");
        skip();
    }
}

/* tests/fixtures/networks/make.py made the numbers. */
static void torchvision_agrees(void **state)
{
    (void)state;
    if (getenv("RN_SANITIZED"))
        skip();
    assert_true(golden_folder("tests/fixtures/networks"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_counts),          cmocka_unit_test(unknown_names),
        cmocka_unit_test(plan_never_overlaps),       cmocka_unit_test(weights_become_evaluations),
        cmocka_unit_test(double_agrees_with_reference), cmocka_unit_test(cpu_agrees_with_reference),
        cmocka_unit_test(batch_of_one),              cmocka_unit_test(batch_does_not_matter),
        cmocka_unit_test(golden_networks),           cmocka_unit_test(torchvision_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
