/* operators.c -- every row of tests/unit/device.c on the CUDA device, whose libraries are the doubles: each operator against
 * the reference. The kernels are those of the plug-in. */
int main_of_the_cpu(int argc, char **argv);
#define main main_of_the_cpu
#include "../unit/device.c"
#undef main

static void cuda_agrees_with_reference(void **state)
{
    (void)state;
    struct rn_device *cuda = device("cuda", 1), *reference = device("reference", 2);
    const char *only = getenv("RN_TEST_CASE");
    for (const struct row *r = rows; r < rows + LENGTH(rows); r++) {
        struct rn_array a[ARRAYS], b[ARRAYS];
        if (only && !strstr(r->name, only))
            continue;
        run(reference, r, b);
        run(cuda, r, a);
        compare(r, cuda, a, reference, b);
        release(cuda, a, r->name);
        release(reference, b, r->name);
    }
    rn_device_close(cuda);
    rn_device_close(reference);
}

int main(void)
{
    devices[0] = "cuda";
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuda_agrees_with_reference),
        cmocka_unit_test(sgd_is_pytorchs),
        cmocka_unit_test(images_are_normalised),
        cmocka_unit_test(not_a_number_is_not_lost),
    };
    return cmocka_run_group_tests_name("cuda-operators", tests, NULL, NULL);
}
