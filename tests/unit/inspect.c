/* inspect.c -- maps of networks: what they are made of, computed here once more in double arithmetic from the values that a
 * map of another kind shows; the CPU device against the reference; where a map's cells lie. */
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
#include "nn/inspect.h"
#include "nn/private.h"

enum { N = 2, H = 70, W = 96, CLASSES = 3 };

static void ok(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

struct subject {
    struct rn_device *dev;
    struct rn_net *net;
    float *input;
    struct rn_batch batch;
};

/* A network from scratch whose running statistics and linear layers are no longer those of the start. */
static struct subject open_subject(const char *device, const char *arch, const char *attention)
{
    struct subject s;
    struct rn_err err = { 0 };
    ok(rn_device_open(&s.dev, device, 1, &err), &err);
    ok(rn_net_open(&s.net, s.dev, rn_text(arch), rn_text(attention), CLASSES, false, &err), &err);
    for (size_t i = 0; i < rn_net_graph(s.net)->params; i++)
        ok(rn_net_start(s.net, i, 5, &err), &err);
    struct rn_rng rng = rn_rng(6, RN_FOR_DRAW, 0, 0);
    s.input = calloc((size_t)N * 3 * H * W, sizeof *s.input);
    for (size_t i = 0; i < (size_t)N * 3 * H * W; i++)
        s.input[i] = (float)rn_rng_normal(&rng);
    s.batch = (struct rn_batch){ .n = N, .h = H, .w = W, .values = s.input };
    return s;
}

static void close_subject(struct subject *s)
{
    rn_net_close(s->net);
    rn_device_close(s->dev);
    free(s->input);
}

static struct rn_maps look(struct subject *s, enum rn_view_kind kind, const char *layer, const int64_t *classes, float *logits)
{
    struct rn_view view;
    struct rn_maps maps = { 0 };
    struct rn_err err = { 0 };
    ok(rn_view_open(&view, s->net, kind, layer, &err), &err);
    ok(rn_view_maps(&view, s->net, &s->batch, classes, logits, &maps, &err), &err);
    return maps;
}

/* The whole value that a view reads, as evaluation left it. */
static float *value_of(struct subject *s, const struct rn_view *view, struct rn_array *shape)
{
    struct rn_walk w;
    struct rn_err err = { 0 };
    ok(rn_walk_eval(&w, s->net, &s->batch, &err), &err);
    *shape = value(&w, view->value);
    float *x = calloc(shape->n * shape->c * shape->h * shape->w, sizeof *x);
    ok(s->net->on->download(s->dev, x, *shape, &err), &err);
    return x;
}

static float *param(struct subject *s, const char *name)
{
    const struct rn_graph *g = rn_net_graph(s->net);
    struct rn_err err = { 0 };
    size_t i = 0;
    while (i < g->params && strcmp(g->param[i].name, name))
        i++;
    assert_true(i < g->params);
    float *x = calloc(g->param[i].n * g->param[i].c * g->param[i].h * g->param[i].w, sizeof *x);
    ok(rn_net_get(s->net, i, g->param[i].role, x, &err), &err);
    return x;
}

/* ---- `ours` after the last block, in double: the logit of a class, from the map a(c,h,w) ---- */

struct tail {
    size_t c, h, w;
    float *down, *down_bias, *up, *up_bias, *conv, *conv_bias, *fc, *fc_bias;
};

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double spatial_gate(const struct tail *t, const double *a, size_t y, size_t x)
{
    double sum = (double)t->conv_bias[0];
    for (size_t c = 0; c < t->c; c++)
        for (size_t r = 0; r < 7; r++)
            for (size_t s = 0; s < 7; s++)
                if (y + r >= 3 && y + r - 3 < t->h && x + s >= 3 && x + s - 3 < t->w)
                    sum += (double)t->conv[(c * 7 + r) * 7 + s] * a[(c * t->h + y + r - 3) * t->w + x + s - 3];
    return sigmoid(sum);
}

static double logit(const struct tail *t, const double *a, size_t class)
{
    size_t area = t->h * t->w, hidden = t->c / 16;
    double *mean = calloc(t->c, sizeof *mean), *inner = calloc(hidden, sizeof *inner), *gate = calloc(area, sizeof *gate);
    double result = (double)t->fc_bias[class];
    for (size_t c = 0; c < t->c; c++)
        for (size_t p = 0; p < area; p++)
            mean[c] += a[c * area + p] / (double)area;
    for (size_t k = 0; k < hidden; k++) {
        for (size_t c = 0; c < t->c; c++)
            inner[k] += (double)t->down[k * t->c + c] * mean[c];
        inner[k] = fmax(inner[k] + (double)t->down_bias[k], 0);
    }
    for (size_t p = 0; p < area; p++)
        gate[p] = spatial_gate(t, a, p / t->w, p % t->w);
    for (size_t c = 0; c < t->c; c++) {
        double channel = (double)t->up_bias[c], sum = 0;
        for (size_t k = 0; k < hidden; k++)
            channel += (double)t->up[c * hidden + k] * inner[k];
        channel = sigmoid(channel);
        for (size_t p = 0; p < area; p++)
            sum += a[c * area + p] * (channel + gate[p]);
        result += (double)t->fc[class * t->c + c] * sum / (double)area;
    }
    free(mean);
    free(inner);
    free(gate);
    return result;
}

static struct tail tail_of(struct subject *s, struct rn_array shape)
{
    return (struct tail){ shape.c, shape.h, shape.w,
        param(s, "att.ChannelGate.mlp.0.weight"), param(s, "att.ChannelGate.mlp.0.bias"), param(s, "att.ChannelGate.mlp.2.weight"),
        param(s, "att.ChannelGate.mlp.2.bias"), param(s, "att.SpatialGate.spatial.0.weight"),
        param(s, "att.SpatialGate.spatial.0.bias"), param(s, "final_fc.weight"), param(s, "final_fc.bias") };
}

static void free_tail(struct tail *t)
{
    float *all[] = { t->down, t->down_bias, t->up, t->up_bias, t->conv, t->conv_bias, t->fc, t->fc_bias };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

/* The mean gradient of a channel is the slope of the logit along "all of the channel's pixels by the same amount". */
static void gradcam_by_slopes(const struct tail *t, const float *a, size_t class, double *map)
{
    size_t area = t->h * t->w;
    double *x = calloc(t->c * area, sizeof *x);
    for (size_t i = 0; i < t->c * area; i++)
        x[i] = (double)a[i];
    memset(map, 0, area * sizeof *map);
    for (size_t c = 0; c < t->c; c++) {
        double side[2];
        for (int k = 0; k < 2; k++) {
            for (size_t p = 0; p < area; p++)
                x[c * area + p] = (double)a[c * area + p] + (k ? -1e-4 : 1e-4);
            side[k] = logit(t, x, class);
        }
        for (size_t p = 0; p < area; p++) {
            x[c * area + p] = (double)a[c * area + p];
            map[p] += (side[0] - side[1]) / 2e-4 / (double)area * x[c * area + p];
        }
    }
    for (size_t p = 0; p < area; p++)
        map[p] = fmax(map[p], 0);
    free(x);
}

static void near(const float *x, const double *expected, size_t count, double tolerance, const char *what)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)x[i] - expected[i]) <= tolerance * largest))
            fail_msg("%s, cell %zu: %.9g, not %.9g", what, i, (double)x[i], expected[i]);
}

/* Some of the maps are nothing but 0: what is there speaks against the class. Not all. */
static void gradcam_is_the_gradient(void **state)
{
    (void)state;
    struct subject s = open_subject("cpu", "resnet18", "ours");
    float logits[N * CLASSES];
    struct rn_maps first = look(&s, RN_VIEW_GRADCAM, NULL, NULL, logits);
    struct rn_view view = { .value = s.net->tail };
    struct rn_array shape;
    float *a = value_of(&s, &view, &shape);
    struct tail t = tail_of(&s, shape);
    double map[9], sum = 0;
    assert_true(shape.c == 512 && shape.h == 3 && shape.w == 3 && first.h == 3 && first.w == 3 && first.n == N);
    rn_maps_free(&first);
    for (int64_t class = 0; class < (getenv("RN_SANITIZED") ? 1 : 2); class++) {
        const int64_t classes[N] = { class, (class + 1) % CLASSES };
        struct rn_maps maps = look(&s, RN_VIEW_GRADCAM, NULL, classes, logits);
        for (size_t i = 0; i < N; i++) {
            double x[512 * 9], plain;
            for (size_t k = 0; k < 512 * 9; k++)
                x[k] = (double)a[i * 512 * 9 + k];
            plain = logit(&t, x, (size_t)classes[i]);
            near(&logits[i * CLASSES + (size_t)classes[i]], &plain, 1, 1e-4, "logit");
            gradcam_by_slopes(&t, a + i * 512 * 9, (size_t)classes[i], map);
            near(maps.value + i * 9, map, 9, 1e-3, "Grad-CAM");
            for (size_t p = 0; p < 9; p++)
                sum += map[p];
        }
        rn_maps_free(&maps);
    }
    assert_true(sum > 0);
    free_tail(&t);
    free(a);
    close_subject(&s);
}

/* Looking does not change the logits; without a class it is the predicted one's map; alone an image has the same map. */
static void looking_changes_nothing(void **state)
{
    (void)state;
    struct subject s = open_subject("cpu", "resnet18", "ours");
    struct rn_err err = { 0 };
    float plain[N * CLASSES], seen[N * CLASSES];
    int64_t best[N];
    ok(rn_net_eval(s.net, &s.batch, plain, &err), &err);
    struct rn_maps free_choice = look(&s, RN_VIEW_GRADCAM, NULL, NULL, seen);
    assert_memory_equal(plain, seen, sizeof plain);
    for (size_t i = 0; i < N; i++) {
        best[i] = 0;
        for (int64_t k = 1; k < CLASSES; k++)
            best[i] = plain[i * CLASSES + (size_t)k] > plain[i * CLASSES + (size_t)best[i]] ? k : best[i];
    }
    struct rn_maps chosen = look(&s, RN_VIEW_GRADCAM, NULL, best, seen);
    assert_memory_equal(free_choice.value, chosen.value, sizeof(float) * N * 9);
    s.batch.n = 1;
    s.batch.values += 3 * H * W;
    struct rn_maps alone = look(&s, RN_VIEW_GRADCAM, NULL, NULL, seen);
    assert_memory_equal(alone.value, chosen.value + 9, sizeof(float) * 9);
    ok(rn_net_eval(s.net, &s.batch, seen, &err), &err);
    assert_memory_equal(plain + CLASSES, seen, sizeof(float) * CLASSES);
    rn_maps_free(&free_choice);
    rn_maps_free(&chosen);
    rn_maps_free(&alone);
    close_subject(&s);
}

/* Feature maps and gates, from the values themselves; cells: (first, pitch). */
static void features_and_gates(void **state)
{
    (void)state;
    static const struct { const char *attention, *layer; enum rn_view_kind kind; size_t c, h, w; double pitch; } rows[] = {
        { "none", NULL, RN_VIEW_FEATURE, 512, 3, 3, 32 },      { "none", "layer2", RN_VIEW_FEATURE, 128, 9, 12, 8 },
        { "none", "conv1", RN_VIEW_FEATURE, 64, 35, 48, 2 },   { "none", "layer3.0.conv1", RN_VIEW_FEATURE, 256, 5, 6, 16 },
        { "ours", "att", RN_VIEW_FEATURE, 512, 3, 3, 32 },     { "ours", NULL, RN_VIEW_ATTENTION, 1, 3, 3, 32 },
        { "cbam", NULL, RN_VIEW_ATTENTION, 1, 3, 3, 32 },      { "cbam", "layer1.0", RN_VIEW_ATTENTION, 1, 18, 24, 4 },
        { "cbam", "layer2.1", RN_VIEW_FEATURE, 128, 9, 12, 8 },
    };
    struct subject s;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (!i || strcmp(rows[i].attention, rows[i - 1].attention)) {
            if (i)
                close_subject(&s);
            s = open_subject("cpu", "resnet18", rows[i].attention);
        }
        struct rn_view view;
        struct rn_maps maps = { 0 };
        struct rn_array shape;
        struct rn_err err = { 0 };
        float logits[N * CLASSES];
        ok(rn_view_open(&view, s.net, rows[i].kind, rows[i].layer, &err), &err);
        ok(rn_view_maps(&view, s.net, &s.batch, NULL, logits, &maps, &err), &err);
        float *x = value_of(&s, &view, &shape);
        size_t area = shape.h * shape.w;
        assert_true(shape.c == rows[i].c && maps.h == rows[i].h && maps.w == rows[i].w && shape.h == maps.h && shape.w == maps.w);
        assert_true(fabs(maps.pitch - rows[i].pitch) <= 0 && fabs(maps.first) <= 0);
        double *expected = calloc(N * area, sizeof *expected);
        for (size_t k = 0; k < N * shape.c * area; k++)
            expected[k / (shape.c * area) * area + k % area] += fabs((double)x[k]) / (double)shape.c;
        near(maps.value, expected, N * area, 1e-6, rows[i].attention);
        for (size_t k = 0; k < N * area && rows[i].kind == RN_VIEW_ATTENTION; k++)
            assert_true(maps.value[k] >= 0 && maps.value[k] <= 1);
        free(expected);
        free(x);
        rn_maps_free(&maps);
    }
    close_subject(&s);
}

/* Channel gates alone: what is left of the activations is between nothing and all, and not the same everywhere. */
static void channel_gates(void **state)
{
    (void)state;
    static const struct { const char *attention, *layer; } rows[] = {
        { "se", NULL }, { "se", "layer3.0" }, { "ours-channel", NULL }, { "cbam", "layer1.1.att.ChannelGate" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct subject s = open_subject("cpu", "resnet18", rows[i].attention);
        float logits[N * CLASSES];
        struct rn_maps maps = look(&s, RN_VIEW_ATTENTION, rows[i].layer, NULL, logits);
        bool differ = false;
        for (size_t k = 0; k < maps.n * maps.h * maps.w; k++) {
            assert_true(maps.value[k] > 0 && maps.value[k] < 1);
            differ = differ || maps.value[k] != maps.value[0];
        }
        assert_true(differ);
        rn_maps_free(&maps);
        close_subject(&s);
    }
}

static void cpu_agrees_with_reference(void **state)
{
    (void)state;
    static const char *const attention[] = { "ours", "cbam" };
    if (getenv("RN_SANITIZED"))
        skip();
    for (size_t i = 0; i < sizeof attention / sizeof *attention; i++) {
        struct subject a = open_subject("cpu", "resnet18", attention[i]), b = open_subject("reference", "resnet18", attention[i]);
        float logits[N * CLASSES];
        const int64_t classes[N] = { 1, 2 };
        a.batch.h = b.batch.h = a.batch.w = b.batch.w = 64;
        struct rn_maps x = look(&a, RN_VIEW_GRADCAM, NULL, classes, logits), y = look(&b, RN_VIEW_GRADCAM, NULL, classes, logits);
        double expected[N * 4], sum = 0;
        for (size_t k = 0; k < N * 4; k++)
            sum += expected[k] = (double)y.value[k];
        assert_true(sum > 0);
        near(x.value, expected, N * 4, 1e-3, attention[i]);
        rn_maps_free(&x);
        rn_maps_free(&y);
        close_subject(&a);
        close_subject(&b);
    }
}

static void refusals(void **state)
{
    (void)state;
    struct subject s = open_subject("cpu", "resnet18", "none"), cbam = open_subject("cpu", "resnet18", "cbam");
    struct rn_view view;
    struct rn_err err = { 0 };
    assert_int_equal(rn_view_open(&view, s.net, RN_VIEW_ATTENTION, NULL, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_USAGE);
    assert_int_equal(rn_view_open(&view, cbam.net, RN_VIEW_ATTENTION, "layer5", &err), -1);
    assert_non_null(strstr(err.text, "layer5"));
    assert_int_equal(rn_view_open(&view, s.net, RN_VIEW_FEATURE, "layer", &err), -1); /* no layer's name, nor its whole parts */
    assert_non_null(strstr(err.text, "'layer'"));
    assert_int_equal(rn_view_open(&view, s.net, RN_VIEW_FEATURE, "final_fc", &err), -1);
    assert_non_null(strstr(err.text, "not a map"));
    close_subject(&s);
    close_subject(&cbam);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradcam_is_the_gradient), cmocka_unit_test(looking_changes_nothing), cmocka_unit_test(features_and_gates),
        cmocka_unit_test(channel_gates),           cmocka_unit_test(cpu_agrees_with_reference), cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
