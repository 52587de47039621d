/* augment_work.c -- records through many threads ("core/threads.h": so that the thread sanitizer runs this): the same bytes as
 * through one, in memory that does not grow with the stream. Run in the repository's root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "augment/work.h"
#include "core/file.h"
#include "core/mem.h"
#include "core/threads.h"

static char folder[] = "/tmp/rn-augment-test.XXXXXX";
static const struct rn_tool tool = { .name = "rn-test", .options = (const struct rn_opt[]){ RN_OPT_LAST } };
/* JPEG files only under a sanitizer: GLib, below libvips, is not built for the thread sanitizer. */
static const char *const photos[] = { "rgb.jpg", "grey.jpg", "exif6.jpg", "cmyk.jpg", "palette.png", "lossy.webp", "rgb.tif",
                                      "palette.gif" };
enum { PHOTOS = sizeof photos / sizeof *photos, JPEGS = 4, SIDE = 40 };

static void must(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static const char *path(const char *name)
{
    static char room[4][128];
    static int turn;
    char *p = room[turn++ % 4];
    snprintf(p, 128, "%s/%s", folder, name);
    return p;
}

/* n records: files, one that is not there, pixels. */
static void write_input(const char *name, enum rn_kind kind, size_t n)
{
    static uint8_t pixels[SIDE * SIDE * 3];
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    struct rn_head head;
    must(rn_writer_open(&writer, path(name), &err), &err);
    rn_head_init(&head, kind);
    must(rn_texts_add(&head.classes, rn_text("glass"), &err), &err);
    must(rn_writer_head(writer, &head, &err), &err);
    rn_head_free(&head);
    for (size_t i = 0; i < n; i++) {
        char id[64], file[128];
        snprintf(id, sizeof id, "glass/%zu.jpg", i);
        snprintf(file, sizeof file, "tests/fixtures/images/%s",
                 i % 11 == 10 ? "missing" : photos[i % (getenv("RN_SANITIZED") ? JPEGS : PHOTOS)]);
        memset(pixels, (int)i, sizeof pixels);
        struct rn_record record = { .kind = kind, .id = rn_text(id), .label = i % 3 ? 0 : RN_NIL };
        if (kind == RN_SAMPLES)
            record.path = rn_text(file);
        else
            record.tensor = (struct rn_tensor){ .type = RN_U8, .dims = 3, .shape = { SIDE, SIDE, 3 }, .data = pixels };
        must(rn_writer_record(writer, &record, &err), &err);
    }
    must(rn_writer_tail(writer, &err), &err);
    must(rn_writer_close(writer, &err), &err);
}

static int augment(const char *from, const char *to, struct rn_augment_plan plan, uint64_t *failed, struct rn_err *err)
{
    struct rn_reader *reader;
    struct rn_writer *writer;
    struct rn_recipe recipe[2] = { 0 };
    const char *const names[2] = { "affine", "distort" };
    for (int i = 0; i < 2; i++) {
        struct rn_buffer file = { 0 };
        must(rn_recipe_find(&file, names[i], err), err);
        must(rn_recipe_load(&recipe[i], file.data, 0.5, err), err);
        rn_buffer_free(&file);
    }
    plan.recipe = recipe;
    plan.recipes = 2;
    plan.tool = &tool;
    plan.seed = 7;
    plan.decode = (struct rn_decode){ .max_pixels = 1000000, .exif = true };
    must(rn_writer_open(&writer, path(to), err), err);
    must(rn_reader_open(&reader, (char *const[]){ (char *)path(from) }, 1, err), err);
    struct rn_augment_done done = { 0 };
    int rc = rn_augment_all(reader, writer, &plan, &done, err);
    *failed = done.failed.count;
    rn_reader_close(reader);
    if (rc)
        rn_writer_discard(writer);
    else
        must(rn_writer_close(writer, err), err);
    for (int i = 0; i < 2; i++)
        rn_recipe_free(&recipe[i]);
    return rc;
}

static void same_file(const char *a, const char *b)
{
    struct rn_buffer x = { 0 }, y = { 0 };
    struct rn_err err = { 0 };
    must(rn_file_read(&x, path(a), 1 << 30, &err), &err);
    must(rn_file_read(&y, path(b), 1 << 30, &err), &err);
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    rn_buffer_free(&x);
    rn_buffer_free(&y);
}

static void threads(void **state)
{
    struct rn_augment_plan plan = { .copies = 15, .quality = 95, .jobs = 1, .keep = true, .keep_going = true, .explain = true };
    struct rn_err err = { 0 };
    uint64_t failed;
    (void)state;
    write_input("in", RN_SAMPLES, 24);
    must(augment("in", "one", plan, &failed, &err), &err);
    assert_int_equal(failed, 2);
    for (plan.jobs = 2; plan.jobs <= 8; plan.jobs *= 2) {
        must(augment("in", "many", plan, &failed, &err), &err);
        same_file("one", "many");
    }
}

static void files(void **state)
{
    struct rn_augment_plan plan = { .copies = 2, .quality = 95, .jobs = 8, .keep_going = true, .folder = folder };
    struct rn_err err = { 0 };
    uint64_t failed;
    (void)state;
    write_input("in", RN_SAMPLES, 24);
    must(augment("in", "out", plan, &failed, &err), &err);
    assert_int_equal(failed, 2);
    assert_int_equal(access(path("glass/1-affine-2.jpg"), R_OK), 0);
    plan.keep_going = false;
    assert_int_equal(augment("in", "out", plan, &failed, &err), -1);
    assert_non_null(strstr(err.text, "missing"));
}

static long peak(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss; /* KiB */
}

/* Ten times the records, as pixels, with 60 outputs each: in no more than a little more memory. */
static void memory(void **state)
{
    struct rn_augment_plan plan = { .copies = 30, .quality = 95, .jobs = 2 };
    struct rn_err err = { 0 };
    uint64_t failed;
    (void)state;
    if (getenv("RN_SANITIZED"))
        skip();
    write_input("few", RN_IMAGES, 30);
    write_input("more", RN_IMAGES, 300);
    must(augment("few", "out", plan, &failed, &err), &err);
    long before = peak();
    must(augment("more", "out", plan, &failed, &err), &err);
    assert_true(peak() - before < 2048);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    char command[64];
    (void)state;
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(threads), cmocka_unit_test(files), cmocka_unit_test(memory) };
    return cmocka_run_group_tests(tests, begin, end);
}
