/* golden.c -- the golden networks of tests/unit/net.c on the CUDA device, whose libraries are the doubles: forward, gradients and
 * three steps of the original's numbers. One test a network. argv: some words; only networks with one of them in their name. */
int main_of_the_cpu(void);
#define main main_of_the_cpu
#include "../unit/net.c"
#undef main

static const char *const folder = "../shared/golden/nn";

static void network(void **state)
{
    struct rn_device *dev;
    struct rn_err err = { 0 };
    char path[512];
    snprintf(path, sizeof path, "%s/%s", folder, (const char *)*state);
    ok(rn_device_open(&dev, "cuda", 1, &err), &err);
    size_t failures = golden_case(dev, path);
    rn_device_close(dev);
    assert_int_equal(failures, 0);
}

static bool wanted(const char *name, int argc, char **argv)
{
    bool any = argc < 2;
    for (int i = 1; i < argc; i++)
        any = any || strstr(name, argv[i]);
    return any && ends(name, ".json");
}

int main(int argc, char **argv)
{
    struct CMUnitTest tests[64];
    struct dirent **names;
    size_t count = 0;
    int found = scandir(folder, &names, NULL, alphasort);
    if (found < 0) {
        printf("ok 1 - golden networks # SKIP %s is not here\n", folder);
        return 0;
    }
    for (int i = 0; i < found && count < 64; i++)
        if (wanted(names[i]->d_name, argc, argv))
            tests[count++] = (struct CMUnitTest){ names[i]->d_name, network, NULL, NULL, names[i]->d_name };
    return _cmocka_run_group_tests("cuda-golden", tests, count, NULL, NULL);
}
