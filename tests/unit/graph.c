/* graph.c -- graphs and programs: what builders are told, which names a last layer has, what is computed as one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/mem.h"
#include "nn/program.h"

static struct rn_err err;

static struct rn_graph *graph_of(const char *arch, const char *attention)
{
    struct rn_graph *g;
    if (rn_graph_new(&g, rn_text(arch), rn_text(attention), 6, &err))
        fail_msg("%s", err.text);
    return g;
}

static size_t count(const struct rn_graph *g, enum rn_op op)
{
    size_t n = 0;
    for (size_t i = 0; i < g->nodes; i++)
        n += g->node[i].op == op;
    return n;
}

static void every_name_is_found_with_every_module(void **state)
{
    (void)state;
    for (size_t i = 0; rn_arch_name(i); i++)
        for (size_t k = 0; rn_attention_name(k); k++) {
            struct rn_graph *g = graph_of(rn_arch_name(i), rn_attention_name(k));
            assert_string_equal(rn_attention_find(rn_text(rn_attention_name(k)))->name, rn_attention_name(k));
            assert_ptr_equal(rn_arch_find(rn_text(rn_arch_name(i))), g->arch);
            assert_int_equal(g->value[g->output].c, 6);
            assert_false(g->value[g->last_block].pixel);
            rn_graph_free(g);
        }
    assert_null(rn_arch_find(RN_TEXT("resnet")));
}

static void the_last_layer_has_torchvisions_name_too(void **state)
{
    (void)state;
    char room[128];
    struct rn_graph *g = graph_of("resnet18", "ours");
    int own = rn_graph_find(g, RN_TEXT("final_fc.bias"), false);
    assert_true(own >= 0 && rn_graph_is_last(g, (size_t)own));
    assert_string_equal(rn_graph_alias(g, (size_t)own, room), "fc.bias");
    assert_int_equal(rn_graph_find(g, RN_TEXT("fc.bias"), true), own);
    assert_int_equal(rn_graph_find(g, RN_TEXT("fc.bias"), false), RN_NONE);
    assert_int_equal(rn_graph_find(g, RN_TEXT("final_fc"), true), RN_NONE);
    assert_null(rn_graph_alias(g, 0, room));
    assert_true(rn_arch_has_last(g->arch, RN_TEXT("final_fc.weight")));
    assert_false(rn_arch_has_last(g->arch, RN_TEXT("final_fc.bias")));
    rn_graph_free(g);
}

/* A graph by hand, with one value: an image. */
static struct rn_value input[16] = { { 3, false } };
static struct rn_graph by_hand(void)
{
    memset(input + 1, 0, sizeof input - sizeof *input);
    return (struct rn_graph){ .value = input, .values = 1, .value_capacity = 16 };
}

static void end_by_hand(struct rn_graph *g)
{
    struct rn_graph *copy = rn_calloc(1, sizeof *copy, &err);
    *copy = *g;
    copy->value = NULL;
    rn_graph_free(copy);
}

static void a_layer_that_does_not_fit_names_itself(void **state)
{
    (void)state;
    struct rn_window grouped = RN_WINDOW(3, 3, 1, 1);
    grouped.groups = 3;
    for (int what = 0; what < 3; what++) {
        struct rn_graph g = by_hand();
        struct rn_layer layer = what == 0   ? rn_layer_conv(&g, "stem", 4, 8, (struct rn_window)RN_WINDOW(3, 3, 1, 1), false)
                                : what == 1 ? rn_layer_conv(&g, "stem", 3, 8, grouped, false)
                                            : rn_layer_conv_along(&g, "stem", 3);
        assert_int_equal(rn_add_conv(&g, &layer, 0, RN_ACT_NONE), 0);
        assert_int_equal(g.err.exit, RN_EXIT_USAGE);
        assert_non_null(strstr(g.err.text, "layer stem: its input's 3 channels do not fit"));
        assert_int_equal(rn_add_global_avg_pool(&g, "after", 0), 0); /* later calls do nothing */
        assert_int_equal(g.nodes, 0);
        end_by_hand(&g);
    }
}

/* A device that can everything, and one that cannot pool a norm. */
static int none_of_these(struct rn_device *dev, const struct rn_norm_pool *op, struct rn_err *error)
{
    (void)dev, (void)op, (void)error;
    return -1;
}
static const struct rn_device_class fuses = { .norm_pool = none_of_these }, plain = { 0 };

static void what_is_computed_as_one_is_one_call(void **state)
{
    (void)state;
    static const char *const attention[] = { "none", "ours", "se", "cbam", "eca" };
    for (size_t i = 0; i < sizeof attention / sizeof *attention; i++) {
        struct rn_graph *g = graph_of("resnet50", attention[i]);
        const struct rn_device_class *const on[] = { &plain, &fuses };
        for (int k = 0; k < 2; k++) {
            struct rn_program eval, train;
            assert_int_equal(rn_program_make(&eval, on[k], g, false, &err), 0);
            assert_int_equal(rn_program_make(&train, on[k], g, true, &err), 0);
            assert_int_equal(eval.calls, g->nodes - count(g, RN_OP_NORM));
            assert_int_equal(train.calls, g->nodes - (k ? 1 : 0)); /* the stem's norm */
            for (size_t n = 0; n < g->nodes; n++)
                assert_true(rn_program_of(&eval, &g->node[n]) && rn_program_of(&train, &g->node[n]));
            const struct rn_call *stem = &eval.call[0], *pooled = &train.call[1];
            assert_string_equal(stem->node->name, "conv1");
            assert_string_equal(stem->with->name, "bn1");
            assert_int_equal(stem->activation, RN_ACT_RELU);
            assert_int_equal(pooled->op, RN_OP_NORM);
            assert_int_equal(pooled->with != NULL, k);
            rn_program_free(&eval);
            rn_program_free(&train);
        }
        rn_graph_free(g);
    }
}

/* Each value is made before it is read, in the order of calls. */
static void calls_read_what_is_there(void **state)
{
    (void)state;
    for (size_t i = 0; rn_arch_name(i); i++)
        for (int train = 0; train < 2; train++) {
            struct rn_graph *g = graph_of(rn_arch_name(i), "cbam");
            struct rn_program program;
            bool *made = rn_calloc(g->values, sizeof *made, &err);
            made[0] = true;
            assert_int_equal(rn_program_make(&program, &fuses, g, train, &err), 0);
            for (const struct rn_call *call = program.call; call < program.call + program.calls; call++) {
                const int uses[] = { call->x, call->residual, call->channel, call->spatial };
                for (size_t k = 0; k < 4; k++)
                    assert_true(uses[k] == RN_NONE || made[uses[k]]);
                assert_false(made[call->y]);
                made[call->y] = true;
            }
            assert_true(made[g->output]);
            free(made);
            rn_program_free(&program);
            rn_graph_free(g);
        }
}

static void a_norm_without_a_convolution_cannot_be_evaluated(void **state)
{
    (void)state;
    struct rn_program program;
    struct rn_graph g = by_hand();
    struct rn_layer conv = rn_layer_conv(&g, "conv", 3, 8, (struct rn_window)RN_WINDOW(3, 3, 1, 1), false);
    struct rn_layer norm = rn_layer_norm(&g, "norm", 8, 0.1, 1e-3);
    int x = rn_add_conv(&g, &conv, 0, RN_ACT_NONE), y = rn_add_norm(&g, &norm, x, RN_NONE, RN_ACT_SIGMOID);
    assert_true(g.node[1].eps == 1e-3 && g.node[2].op == RN_OP_ADD); /* a sigmoid is an operator of its own behind a norm */
    assert_int_equal(rn_program_make(&program, &plain, &g, false, &err), 0);
    rn_program_free(&program);
    rn_add_sum(&g, "twice", y, x, RN_ACT_NONE);
    assert_int_equal(rn_program_make(&program, &plain, &g, false, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_USAGE);
    assert_non_null(strstr(err.text, "layer norm: a batch norm is folded into the convolution before it, which must have no bias"));
    assert_int_equal(rn_program_make(&program, &plain, &g, true, &err), 0);
    assert_int_equal(program.calls, 4);
    rn_program_free(&program);
    end_by_hand(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_name_is_found_with_every_module), cmocka_unit_test(the_last_layer_has_torchvisions_name_too),
        cmocka_unit_test(a_layer_that_does_not_fit_names_itself), cmocka_unit_test(what_is_computed_as_one_is_one_call),
        cmocka_unit_test(calls_read_what_is_there), cmocka_unit_test(a_norm_without_a_convolution_cannot_be_evaluated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
