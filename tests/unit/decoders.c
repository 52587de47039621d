/* decoders.c -- photos decoded by other processes are those that this one would make. Run in the repository's root. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/threads.h"
#include "image/image.h"

#define FIXTURES "tests/fixtures/images/"

/* GLib's threads are not built for the thread sanitizer, which takes what they share for races. */
static bool is_strange(const char *name)
{
#ifdef __SANITIZE_THREAD__
    static const char *const endings[] = { ".webp", ".tif", ".tiff", ".heic", ".avif", "an-avif.jpg" };
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t n = strlen(name), m = strlen(endings[i]);
        if (n >= m && !strcmp(name + n - m, endings[i]))
            return true;
    }
#endif
    (void)name;
    return false;
}

/* What a decoder of its own makes of every file, from several threads, is what this process makes of it, messages too. */
struct apart {
    struct rn_decode how;
    char (*path)[300];
    size_t n;
    atomic_size_t next, differ;
};

static void *decode_apart(void *context)
{
    struct apart *apart = context;
    for (size_t i; (i = atomic_fetch_add(&apart->next, 1)) < apart->n;) {
        const struct rn_decode here = { .max_pixels = apart->how.max_pixels, .exif = true };
        struct rn_image a, b;
        struct rn_err of_a = { 0 }, of_b = { 0 };
        int rc = rn_image_load(&a, apart->path[i], &here, &of_a);
        bool same = rn_image_load(&b, apart->path[i], &apart->how, &of_b) == rc && of_a.exit == of_b.exit &&
                    !strcmp(of_a.text, of_b.text);
        if (rc == 0)
            same = same && a.height == b.height && a.width == b.width && !memcmp(a.pixels, b.pixels, a.height * a.width * 3);
        if (!same)
            atomic_fetch_add(&apart->differ, 1);
        rn_image_free(&a);
        rn_image_free(&b);
        rn_image_thread_end();
    }
    return NULL;
}

static void other_processes_decode_as_this_one(void **state)
{
    (void)state;
    static char path[400][300];
    struct apart apart = { .how = { .max_pixels = 1000000, .exif = true }, .path = path };
    struct rn_err err;
    char why[128];
    pthread_t thread[3];
    DIR *folder = opendir(FIXTURES);
    for (struct dirent *entry; apart.n < 400 && (entry = readdir(folder));)
        if (*entry->d_name != '.' && !is_strange(entry->d_name))
            snprintf(path[apart.n++], sizeof *path, FIXTURES "%s", entry->d_name);
    closedir(folder);
    assert_true(apart.n > 50);
    assert_int_equal(rn_decoders_start(&apart.how.apart, 2, &apart.how, why, &err), 0);
    for (size_t i = 0; apart.how.apart && i < 3; i++) /* more than there are decoders */
        assert_int_equal(rn_thread_start(&thread[i], decode_apart, &apart, &err), 0);
    for (size_t i = 0; apart.how.apart && i < 3; i++)
        pthread_join(thread[i], NULL);
    rn_decoders_end(apart.how.apart);
    assert_int_equal(apart.differ, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(other_processes_decode_as_this_one) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
