/* optimise.c -- tests/unit/optimise.c on the CUDA device, whose libraries are the doubles: the updates, averages, norms and losses
 * that PyTorch made, and the laws of networks whose layers learn at rates of their own; on one GPU, and on two. */
int main_of_the_cpu(void);
#define main main_of_the_cpu
#include "../unit/optimise.c"
#undef main

static int begin(void **state)
{
    devices[0] = "cuda";
    devices[1] = "cuda:0,1";
    tolerance[0] = tolerance[1];
    return load(state);
}

static int of_one_gpu(void **state)
{
    (void)state;
    lab_device = "cuda";
    return 0;
}

static int of_two_gpus(void **state)
{
    (void)state;
    lab_device = "cuda:0,1";
    return 0;
}

#define ONE(test) { #test ", cuda", test, of_one_gpu, NULL, NULL }
#define TWO(test) { #test ", cuda:0,1", test, of_two_gpus, NULL, NULL }

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(operators_are_pytorchs),
        cmocka_unit_test(norms_that_are_fixed_are_evaluations),
        cmocka_unit_test(distillation_is_pytorchs),
        cmocka_unit_test(laws_of_distillation),
        ONE(each_layer_moves_at_its_rate),
        ONE(frozen_layers_stay),
        ONE(gradients_are_summed),
        TWO(gradients_are_summed),
        ONE(averages_change_places),
        TWO(averages_change_places),
        ONE(norms_measured_anew_are_pytorchs),
    };
    return cmocka_run_group_tests_name("cuda-optimise", tests, begin, unload);
}
