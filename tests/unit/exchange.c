/* exchange.c -- foreign files: every value of those that are right, and no way in for those that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange/private.h"

#define GOOD "tests/fixtures/import/good"
#define BESIDE "tests/fixtures/import/beside"
#define KINDS "tests/fixtures/import/kinds"
#define HOSTILE "tests/fixtures/import/hostile"
#define GOLDEN "../shared/golden/import"

static struct rn_err err;

static struct rn_buffer read_file(const char *folder, const char *name)
{
    char path[512];
    struct rn_buffer file = { 0 };
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (rn_file_read(&file, path, 1 << 24, &err))
        fail_msg("%s", err.text);
    return file;
}

/* Opens a copy of the bytes that ends where its block ends, so that a sanitizer sees every step beyond it; reads every
 * tensor of a file that is taken. The result of rn_foreign_open. */
static int probe(const char *bytes, size_t length)
{
    struct rn_foreign foreign;
    struct rn_buffer room = { 0 };
    char *copy = malloc(length ? length : 1);
    assert_non_null(copy);
    memcpy(copy, bytes, length);
    err = (struct rn_err){ 0 };
    int rc = rn_foreign_open(&foreign, (struct rn_text){ copy, length }, NULL, &err);
    assert_true(rc == 0 || (rc == -1 && (err.exit == RN_EXIT_DATA || err.exit == RN_EXIT_SYSTEM) && err.text[0]));
    for (size_t i = 0; rc == 0 && i < foreign.count; i++) {
        struct rn_tensor tensor;
        assert_int_equal(rn_foreign_read(&foreign, i, &tensor, &room, &err), 0);
    }
    rn_foreign_free(&foreign);
    rn_buffer_free(&room);
    free(copy);
    return rc;
}

/* ---- files that are right ---- */

static void check_value(const char *where, const struct rn_tensor *tensor, size_t i, const json_t *should)
{
    int64_t n;
    float f;
    if (tensor->type == RN_I64) {
        memcpy(&n, (const char *)tensor->data + i * sizeof n, sizeof n);
        int64_t whole = json_is_integer(should) ? json_integer_value(should) : (int64_t)json_number_value(should);
        if (n != whole)
            fail_msg("%s[%zu] is %lld, not %lld", where, i, (long long)n, (long long)whole);
        return;
    }
    double is = rn_tensor_get(tensor, i);
    f = json_is_null(should) ? INFINITY : json_is_boolean(should) ? (float)json_is_true(should) : (float)json_number_value(should);
    if (!(is == (double)f && !signbit(is) == !signbit(f)))
        fail_msg("%s[%zu] is %.9g, not %.9g", where, i, is, (double)f);
}

static void check_tensor(const char *file, const struct rn_foreign *foreign, const char *name, json_t *should)
{
    char where[512];
    json_t *shape = json_object_get(should, "shape"), *values = json_object_get(should, "values");
    const char *dtype = json_string_value(json_object_get(should, "dtype"));
    struct rn_tensor tensor;
    struct rn_buffer room = { 0 };
    size_t count;
    snprintf(where, sizeof where, "%s: %s", file, name);
    long i = rn_foreign_find(foreign, name);
    if (i < 0)
        fail_msg("%s is missing", where);
    assert_int_equal(rn_foreign_read(foreign, (size_t)i, &tensor, &room, &err), 0);
    assert_int_equal(tensor.dims, json_array_size(shape));
    for (int k = 0; k < tensor.dims; k++)
        assert_int_equal(tensor.shape[k], json_integer_value(json_array_get(shape, (size_t)k)));
    assert_true(!dtype || (strcmp(dtype, "int64") == 0) == (tensor.type == RN_I64));
    assert_true(rn_tensor_count(&tensor, &count) && count == json_array_size(values));
    for (size_t k = 0; k < count; k++)
        check_value(where, &tensor, k, json_array_get(values, k));
    rn_buffer_free(&room);
}

static void check_file(const char *folder, const char *name)
{
    char path[512];
    const char *tensor;
    json_t *should;
    struct rn_foreign foreign;
    struct rn_buffer file = read_file(folder, name);
    snprintf(path, sizeof path, "%s/expected.json", folder);
    json_t *expected = json_load_file(path, 0, NULL), *tensors = json_object_get(expected, "tensors");
    assert_true(json_object_size(tensors) >= 10);
    if (rn_foreign_open(&foreign, (struct rn_text){ file.data, file.length }, NULL, &err))
        fail_msg("%s: %s", name, err.text);
    assert_int_equal(foreign.count, json_object_size(tensors));
    assert_int_equal(foreign.left_out.count, 0);
    json_object_foreach(tensors, tensor, should)
        check_tensor(name, &foreign, tensor, should);
    json_decref(expected);
    rn_foreign_free(&foreign);
    rn_buffer_free(&file);
}

static const char *const good[] = { "zip.pth", "zip64.pth", "protocol5.pth", "checkpoint.pth.tar", "legacy.pth",
                                    "legacy-checkpoint.pth.tar", "python2.pth", "weights.safetensors" };
static const char *const golden[] = { "checkpoint-legacy.pth.tar", "checkpoint-zip.pth.tar", "statedict-legacy.pth",
                                      "statedict-zip.pth", "weights.safetensors" };
static const char *const golden_hostile[] = { "hostile-os-system-legacy.pth", "hostile-os-system-zip.pth" };
#define LENGTH(array) (sizeof(array) / sizeof *(array))

static void all_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(good); i++)
        check_file(GOOD, good[i]);
}

static void golden_files(void **state)
{
    (void)state;
    if (access(GOLDEN, R_OK))
        skip();
    for (size_t i = 0; i < LENGTH(golden); i++)
        check_file(GOLDEN, golden[i]);
    for (size_t i = 0; i < LENGTH(golden_hostile); i++) {
        struct rn_buffer file = read_file(GOLDEN, golden_hostile[i]);
        assert_int_equal(probe(file.data, file.length), -1);
        assert_non_null(strstr(err.text, "the global 'posix system' is not allowed"));
        rn_buffer_free(&file);
    }
}

/* Sets, bytes, objects, dates, losses beside the network; wrappers before its names. */
static void beside_the_network(void **state)
{
    (void)state;
    static const char *const files[] = { "beside.pth", "beside-protocol4.pth", "beside-protocol5.pth", "beside-legacy.pth",
                                         "prefix.pth" };
    for (size_t i = 0; i < LENGTH(files); i++)
        check_file(BESIDE, files[i]);
}

/* Newer types, in both formats, and all functions of PyTorch that make a tensor. */
static void all_kinds(void **state)
{
    (void)state;
    static const char *const name[] = { "uint16", "uint32", "uint64", "e4m3", "e5m2" };
    struct rn_foreign foreign;
    struct rn_buffer file = read_file(KINDS, "kinds.safetensors");
    json_t *expected = json_load_file(KINDS "/expected.json", 0, NULL), *tensors = json_object_get(expected, "tensors");
    check_file(KINDS, "kinds.pth");
    assert_int_equal(rn_foreign_open(&foreign, (struct rn_text){ file.data, file.length }, NULL, &err), 0);
    assert_int_equal(foreign.count, LENGTH(name));
    for (size_t i = 0; i < LENGTH(name); i++)
        check_tensor("kinds.safetensors", &foreign, name[i], json_object_get(tensors, name[i]));
    json_decref(expected);
    rn_foreign_free(&foreign);
    rn_buffer_free(&file);
}

static void check_choice(const char *key, const char *first, const char *message)
{
    struct rn_foreign foreign;
    struct rn_buffer file = read_file(BESIDE, "averaged.pth"), room = { 0 };
    struct rn_tensor tensor;
    int rc = rn_foreign_open(&foreign, (struct rn_text){ file.data, file.length }, key, &err);
    if (message) {
        assert_int_equal(rc, -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
        if (!strstr(err.text, message))
            fail_msg("'%s'", err.text);
    } else {
        assert_int_equal(rc, 0);
        assert_int_equal(foreign.count, 16);
        assert_int_equal(rn_foreign_read(&foreign, (size_t)rn_foreign_find(&foreign, "conv1.weight"), &tensor, &room, &err), 0);
        char shown[256];
        assert_string_equal(rn_tensor_describe(&tensor, shown), first);
    }
    rn_foreign_free(&foreign);
    rn_buffer_free(&file);
    rn_buffer_free(&room);
}

static void several_dictionaries(void **state)
{
    (void)state;
    check_choice(NULL, NULL, "'model' (16 tensors), 'model_ema' (16 tensors): --key NAME chooses one");
    check_choice("model", "<f4 [2,3,3,3]", NULL);
    check_choice("model_ema", "<f4 [1]", NULL);
    check_choice("model_", NULL, "'model_' is no dictionary of tensors; there are 'model'");
    check_choice("", NULL, "'' is no dictionary of tensors");
}

/* Names in a file, and as they are read; NULL ends them. */
static const struct { const char *in[4], *out[4]; } shortened[] = {
    { { "conv1.weight", "v" }, { "conv1.weight", "v" } },
    { { "module.conv1.weight", "module._orig_mod.v" }, { "conv1.weight", "v" } },
    { { "_orig_mod.module.model.backbone.conv1.weight", "model.fc.weight" }, { "conv1.weight", "fc.weight" } },
    { { "layer1._orig_mod.0.weight", "layer2._fsdp_wrapped_module.0.weight" }, { "layer1.0.weight", "layer2.0.weight" } },
    { { "model.conv1.weight", "criterion.weight" }, { "conv1.weight", "criterion.weight" } },
    { { "net.encoder.conv1.weight", "net.encoder.fc.bias" }, { "conv1.weight", "fc.bias" } },
    { { "net.encoder.conv1.weight", "net.head.fc.bias" }, { "net.encoder.conv1.weight", "net.head.fc.bias" } },
    { { "net.a.conv1.weight", "net.ab.fc.bias" }, { "net.a.conv1.weight", "net.ab.fc.bias" } },
    { { "fc.weight", "fc.bias" }, { "fc.weight", "fc.bias" } }, /* a part of ours is no prefix */
    { { "layer4.0.conv1.weight", "layer4.0.bn1.weight" }, { "layer4.0.conv1.weight", "layer4.0.bn1.weight" } },
    { { "features.0.weight", "features.1.weight" }, { "features.0.weight", "features.1.weight" } }, /* another network's names stay */
    { { "model.w", "w" }, { "model.w", "w" } }, /* they would be the same */
    { { "module.model.w", "module.w" }, { "model.w", "w" } },
    { { "module", "conv1" }, { "module", "conv1" } },
    { { "a.module.w", "a..w" }, { "a.module.w", "a..w" } },
};

static void names_without_wrappers(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(shortened); i++) {
        struct rn_foreign foreign = { 0 };
        for (size_t k = 0; shortened[i].in[k]; k++)
            assert_int_equal(rn_texts_add(&foreign.name, rn_text(shortened[i].in[k]), &err), 0);
        assert_int_equal(rn_foreign_shorten(&foreign, &err), 0);
        for (size_t k = 0; shortened[i].in[k]; k++)
            assert_string_equal(foreign.name.item[k].data, shortened[i].out[k]);
        rn_texts_free(&foreign.name);
    }
}

/* Every half there is, against the plain formula. */
static void halves(void **state)
{
    (void)state;
    static uint16_t bits[65536];
    struct rn_foreign foreign = { 0 };
    struct rn_strided view = { .element = RN_E_F16, .dims = 1, .shape = { 65536 }, .stride = { 1 },
                            .storage = (const char *)bits, .elements = 65536 };
    struct rn_buffer room = { 0 };
    struct rn_tensor tensor;
    for (size_t i = 0; i < 65536; i++)
        bits[i] = (uint16_t)i;
    assert_int_equal(rn_foreign_add(&foreign, RN_TEXT("half"), &view, &err), 0);
    assert_int_equal(rn_foreign_read(&foreign, 0, &tensor, &room, &err), 0);
    for (size_t i = 0; i < 65536; i++) {
        struct rn_tensor half = { RN_F16, 1, { 65536 }, bits };
        double is = rn_tensor_get(&tensor, i), should = rn_tensor_get(&half, i);
        assert_true(isnan(should) ? isnan(is) : is == should && !signbit(is) == !signbit(should));
    }
    rn_foreign_free(&foreign);
    rn_buffer_free(&room);
}

/* ---- files that lie ---- */

static void hostile_files(void **state)
{
    (void)state;
    struct rn_buffer list = read_file(HOSTILE, "expected.txt");
    size_t count = 0;
    assert_int_equal(rn_buffer_add(&list, "", 1, &err), 0);
    for (char *rest = list.data, *line; (line = strtok_r(rest, "\n", &rest));) {
        char *message = strchr(line, '\t');
        assert_non_null(message);
        *message++ = '\0';
        struct rn_buffer file = read_file(HOSTILE, line);
        if (probe(file.data, file.length) == 0)
            fail_msg("%s was taken", line);
        if (!strstr(err.text, message) || err.exit != RN_EXIT_DATA)
            fail_msg("%s: '%s', not '%s'", line, err.text, message);
        rn_buffer_free(&file);
        count++;
    }
    assert_true(count > 150);
    rn_buffer_free(&list);
}

/* What is cut is refused, at every length. */
static void cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(good); i++) {
        struct rn_buffer file = read_file(GOOD, good[i]);
        for (size_t length = 0; length < file.length; length++)
            if (probe(file.data, length) == 0)
                fail_msg("%s cut to %zu of %zu bytes was taken", good[i], length, file.length);
        rn_buffer_free(&file);
    }
}

/* Any bit may be wrong: the file is refused, or taken as another one; nothing is read outside of it. In a zip file the
 * checksums see what is in the entries that are used. */
static void flip_any_bit(void **state)
{
    (void)state;
    unsigned step = getenv("RN_SANITIZED") ? 5 : 1;
    for (size_t i = 0; i < LENGTH(good); i++) {
        struct rn_buffer file = read_file(GOOD, good[i]);
        size_t taken = 0;
        for (size_t bit = i % step; bit < 8 * file.length; bit += step) {
            file.data[bit / 8] ^= (char)(1 << bit % 8);
            taken += probe(file.data, file.length) == 0;
            file.data[bit / 8] ^= (char)(1 << bit % 8);
        }
        assert_true(taken < 8 * file.length / step);
        assert_int_equal(probe(file.data, file.length), 0);
        rn_buffer_free(&file);
    }
}

/* A bit of a storage in a zip file. */
static void zip_data_is_checked(void **state)
{
    (void)state;
    struct rn_buffer file = read_file(GOOD, "zip.pth");
    struct rn_zip zip;
    assert_int_equal(rn_zip_open(&zip, (struct rn_text){ file.data, file.length }, &err), 0);
    const struct rn_zip_entry *entry = rn_zip_find(&zip, RN_TEXT("archive/data/0"));
    assert_non_null(entry);
    assert_int_equal(entry->size, 216);
    file.data[entry->data + 100] ^= 4;
    assert_int_equal(probe(file.data, file.length), -1);
    assert_string_equal(err.text, "archive/data/0: damaged (checksum)");
    assert_null(rn_zip_find(&zip, RN_TEXT("archive/data/00")));
    rn_zip_free(&zip);
    rn_buffer_free(&file);
}

/* ---- the wire format of protocol buffers, against the examples of its documentation ---- */

static void protobuf(void **state)
{
    (void)state;
    struct rn_proto p = { .err = &err }, inner = { .err = &err };
    rn_proto_int(&p, 1, 150);
    rn_proto_text(&p, 2, "testing");
    rn_proto_int(&inner, 1, 150);
    rn_proto_message(&p, 3, &inner);
    rn_proto_float(&p, 20, 1.0f);
    rn_proto_int(&p, 4, UINT64_MAX);
    static const char should[] = "\x08\x96\x01\x12\x07testing\x1a\x03\x08\x96\x01\xa5\x01\0\0\x80\x3f"
                                 "\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
    assert_int_equal(p.rc, 0);
    assert_int_equal(p.buffer.length, sizeof should - 1);
    assert_memory_equal(p.buffer.data, should, sizeof should - 1);
    assert_int_equal(inner.buffer.length, 0);
    rn_proto_free(&p);
    rn_proto_free(&inner);
}

/* ---- as a network ---- */

/* A file of the graph's parameters, all of them views of one number; "fc" as torchvision calls it; less one, plus one. */
static void fill(struct rn_foreign *foreign, const struct rn_graph *graph, const char *without, const char *with)
{
    static const float one = 1;
    static const int64_t seven = 7;
    struct rn_strided view = { .element = RN_E_F32, .storage = (const char *)&one, .elements = 1 };
    for (size_t i = 0; i < graph->params; i++) {
        const struct rn_param *p = &graph->param[i];
        const size_t vector[4] = { p->c }, full[4] = { p->n, p->c, p->h, p->w };
        const char *name = strncmp(p->name, "final_", 6) ? p->name : p->name + 6;
        view.dims = p->dims;
        memcpy(view.shape, p->dims == 1 ? vector : full, sizeof full);
        if (!without || strcmp(p->name, without))
            assert_int_equal(rn_foreign_add(foreign, rn_text(name), &view, &err), 0);
    }
    view = (struct rn_strided){ .element = RN_E_I64, .storage = (const char *)&seven, .elements = 1 };
    assert_int_equal(rn_foreign_add(foreign, RN_TEXT("bn1.num_batches_tracked"), &view, &err), 0);
    static const char *const harmless[] = { "n_averaged", "criterion.weight", "layer1.0.conv1.total_ops", "loss_fn.pos_weight" };
    for (size_t i = 0; with && i < LENGTH(harmless); i++)
        assert_int_equal(rn_foreign_add(foreign, rn_text(harmless[i]), &view, &err), 0);
    if (with)
        assert_int_equal(rn_foreign_add(foreign, rn_text(with), &view, &err), 0);
}

static void as_network(void **state)
{
    (void)state;
    struct rn_graph *graph, *other;
    struct rn_foreign whole = { 0 }, part = { 0 };
    struct rn_fit fit;
    size_t classes;
    assert_int_equal(rn_graph_new(&graph, RN_TEXT("resnet18"), RN_TEXT("none"), 6, &err), 0);
    assert_int_equal(rn_graph_new(&other, RN_TEXT("resnet18"), RN_TEXT("none"), 7, &err), 0);
    fill(&whole, graph, NULL, "more");
    fill(&part, graph, "layer4.1.bn2.bias", NULL);
    assert_int_equal(rn_foreign_classes(&whole, rn_arch_find(RN_TEXT("resnet18")), &classes, &err), 0);
    assert_int_equal(classes, 6);
    assert_int_equal(rn_foreign_fit(&whole, graph, &fit, &err), 0);
    for (size_t i = 0; i < graph->params; i++) {
        assert_true(fit.param[i] == i); /* the order is the graph's */
        assert_int_equal(fit.counter[i], strcmp(graph->param[i].name, "bn1.running_var") ? -1 : (long)graph->params);
    }
    assert_int_equal(fit.left_out.count, 4); /* known to do nothing */
    assert_int_equal(fit.others.count, 1);
    assert_true(rn_text_is(fit.others.item[0], "more"));
    rn_fit_free(&fit);
    assert_int_equal(rn_foreign_fit(&part, graph, &fit, &err), -1);
    assert_non_null(strstr(err.text, "1 of the network's 102 tensors are missing, the first is 'layer4.1.bn2.bias'"));
    assert_int_equal(rn_foreign_fit(&whole, other, &fit, &err), -1);
    assert_string_equal(err.text, "'final_fc.weight' is [6,512], not [7,512] as this network has it");
    rn_foreign_free(&whole);
    rn_foreign_free(&part);
    rn_graph_free(graph);
    rn_graph_free(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_values), cmocka_unit_test(golden_files), cmocka_unit_test(beside_the_network),
        cmocka_unit_test(all_kinds), cmocka_unit_test(several_dictionaries), cmocka_unit_test(names_without_wrappers),
        cmocka_unit_test(halves), cmocka_unit_test(hostile_files),
        cmocka_unit_test(cut_anywhere), cmocka_unit_test(flip_any_bit), cmocka_unit_test(zip_data_is_checked),
        cmocka_unit_test(protobuf), cmocka_unit_test(as_network),
    };
    return cmocka_run_group_tests_name("exchange", tests, NULL, NULL);
}
