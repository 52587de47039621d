/* stream.c -- streams: what is written comes back, what is damaged is refused, foreign writers are understood. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/file.h"
#include "core/rng.h"
#include "stream/stream.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

enum { ALL_KINDS = (1 << RN_KINDS) - 1 };

static struct rn_err err;
static const struct rn_head *const no_head = NULL;

/* ---- files in memory ---- */

/* A file without a name, reachable by a path. */
struct file {
    int fd;
    char path[64];
};

static struct file new_file(void)
{
    struct file file = { .fd = memfd_create("stream", MFD_CLOEXEC) };
    assert_true(file.fd >= 0);
    snprintf(file.path, sizeof file.path, "/proc/self/fd/%d", file.fd);
    return file;
}

/* A file with a name, for writers: they write beside it and rename. */
static struct file named_file(void)
{
    struct file file;
    snprintf(file.path, sizeof file.path, "/tmp/rn-test.XXXXXX");
    file.fd = mkstemp(file.path);
    assert_true(file.fd >= 0);
    return file;
}

static void remove_file(const struct file *file)
{
    close(file->fd);
    unlink(file->path);
}

static void put(const struct file *file, const void *bytes, size_t length)
{
    assert_int_equal(ftruncate(file->fd, 0), 0);
    assert_int_equal(pwrite(file->fd, bytes, length, 0), length);
}

/* ---- streams of every kind ---- */

static void add(struct rn_texts *list, const char *text)
{
    assert_int_equal(rn_texts_add(list, rn_text(text), &err), 0);
}

static const struct rn_opt options[] = {
    { 's', "seed", RN_OPT_SEED, 0, 0, 0, "seed", NULL, 0 },
    RN_OPT_LAST,
};
static const struct rn_tool tool = { .name = "rn-split", .operands = "", .summary = "", .options = options, .size = sizeof(uint64_t),
                                     .defaults = &(const uint64_t){ 1234 } };

static void sign(struct rn_head *head, uint64_t seed)
{
    struct rn_texts operands = { 0 };
    add(&operands, "split=train");
    add(&operands, "--aaa");
    assert_int_equal(rn_head_sign(head, &tool, &seed, &operands, &err), 0);
    rn_texts_free(&operands);
}

static struct rn_text owned(const char *text)
{
    return (struct rn_text){ strdup(text), strlen(text) };
}

static struct rn_head make_head(enum rn_kind kind)
{
    struct rn_head head;
    rn_head_init(&head, kind);
    add(&head.classes, "glass");
    add(&head.classes, "pap\xc3\xa9r");
    add(&head.classes, "not \xff text");
    sign(&head, 1234);
    sign(&head, 7);
    if (kind == RN_BATCHES) {
        head.mode = RN_TRAIN;
        head.has_input = head.has_seed = true;
        head.input = rn_input_default;
        head.batch = 2;
        head.epoch = 1;
        head.epochs = 300;
        head.batches_per_epoch = 2;
        head.seed = UINT64_MAX;
        head.class_counts = calloc(3, sizeof *head.class_counts);
        head.class_counts[1] = 70000;
    } else if (kind == RN_WEIGHTS) {
        head.arch = owned("resnet18");
        head.attention = owned("ours");
        head.has_input = true;
        head.input = rn_input_default;
        head.epoch = 4;
        head.batch_index = 17;
        head.best_acc1 = 75;
        head.loss_sum = 1.25;
        head.correct = 130;
        head.seen = 272;
        head.has_batches = true;
        head.batches_seed = 1234;
        head.batches_batch = 16;
        head.batches_epochs = 100;
        assert_int_equal(rn_history_copy(&head.batches_history, &head.history, &err), 0);
        add(&head.options, "--lr=0.0002");
        head.cpu = owned("avx2");
    }
    return head;
}

static const uint8_t pixels[2 * 4 * 5 * 3] = { 1, 2, 3, 250, 251, 252 };
static const float numbers[6] = { 0.25f, 0.5f, 0.25f, -1, 1e-20f, 3 };
static const struct rn_text ids[2] = { { "a/b c.jpg", 9 }, { "bytes\xfe", 6 } };
static const int64_t labels[2] = { 2, RN_NIL };

/* Record i (0, 1 or 2, an error record where the kind has them) of each kind. */
static struct rn_record make_record(enum rn_kind kind, int i)
{
    struct rn_record r = { .kind = kind, .label = labels[i & 1], .id = ids[i & 1], .extra = RN_TEXT("\xa1x\x93\x01\xc0\x80"), .extras = 1 };
    r.split = i ? (struct rn_text){ 0 } : rn_text("train");
    if (i == 2 && kind != RN_WEIGHTS) {
        r.id = rn_text("broken.jpg");
        r.error = rn_text("broken.jpg: not a picture");
        return r;
    }
    switch (kind) {
    case RN_SAMPLES:
        r.path = i ? (struct rn_text){ 0 } : rn_text("/data/a/b c.jpg");
        r.data = i ? RN_TEXT("\xff\xd8\xff\xd9") : (struct rn_text){ 0 };
        break;
    case RN_IMAGES:
        r.tensor = (struct rn_tensor){ RN_U8, 3, { 4, 5, 3 }, pixels };
        break;
    case RN_BATCHES:
        r = (struct rn_record){ .kind = kind, .label = RN_NIL, .epoch = 1, .index = i, .count = 2, .ids = ids, .labels = labels };
        r.tensor = (struct rn_tensor){ RN_U8, 4, { 2, 4, 5, 3 }, pixels };
        break;
    case RN_PREDICTIONS:
        r.split = (struct rn_text){ 0 };
        r.tensor = (struct rn_tensor){ RN_F32, 1, { 3 }, numbers };
        break;
    default:
        r = (struct rn_record){ .kind = kind, .label = RN_NIL, .name = rn_text("layer1.0.conv1.weight"), .role = (enum rn_role)i };
        r.tensor = (struct rn_tensor){ RN_F32, 2, { 2, 3 }, numbers };
    }
    return r;
}

static void write_segment(struct rn_writer *writer, enum rn_kind kind, int repeats)
{
    struct rn_head head = make_head(kind);
    assert_int_equal(rn_writer_head(writer, &head, &err), 0);
    for (int i = 0; i < 3 * repeats; i++) {
        struct rn_record record = make_record(kind, i % 3);
        assert_int_equal(rn_writer_record(writer, &record, &err), 0);
    }
    assert_int_equal(rn_writer_tail(writer, &err), 0);
    rn_head_free(&head);
}

static struct rn_buffer make_stream(unsigned kinds, int repeats)
{
    struct file file = named_file();
    struct rn_writer *writer;
    struct rn_buffer bytes = { 0 };
    assert_int_equal(rn_writer_open(&writer, file.path, &err), 0);
    for (int kind = 0; kind < RN_KINDS; kind++)
        if (kinds & RN_KIND_BIT(kind))
            write_segment(writer, (enum rn_kind)kind, repeats);
    assert_int_equal(rn_writer_close(writer, &err), 0);
    assert_int_equal(rn_file_read(&bytes, file.path, SIZE_MAX / 2, &err), 0);
    remove_file(&file);
    return bytes;
}

/* Reads all, and writes it again when `copy` is given. The number of records, or -1. */
static long read_all(char *const *paths, size_t count, const char *copy)
{
    struct rn_reader *reader;
    struct rn_writer *writer = NULL;
    struct rn_record record;
    const struct rn_head *head = no_head;
    long records = 0;
    int rc;
    if (rn_reader_open(&reader, paths, count, &err))
        return -1;
    if (copy)
        assert_int_equal(rn_writer_open(&writer, copy, &err), 0);
    while ((rc = rn_reader_head(reader, ALL_KINDS, &head, &err)) == 1) {
        assert_true(!writer || rn_writer_head(writer, head, &err) == 0);
        while ((rc = rn_reader_record(reader, &record, &err)) == 1) {
            records++;
            assert_true(!writer || rn_writer_record(writer, &record, &err) == 0);
        }
        if (rc < 0)
            break;
        assert_true(!writer || rn_writer_tail(writer, &err) == 0);
    }
    rn_reader_close(reader);
    if (rc == 0)
        assert_int_equal(rn_writer_close(writer, &err), 0);
    else
        rn_writer_discard(writer);
    return rc < 0 ? -1 : records;
}

static long read_file(const struct file *file)
{
    char *path = (char *)file->path;
    return read_all(&path, 1, NULL);
}

static void round_trips(void **state)
{
    (void)state;
    for (int kind = 0; kind <= RN_KINDS; kind++) {
        unsigned kinds = kind < RN_KINDS ? RN_KIND_BIT(kind) : ALL_KINDS;
        struct rn_buffer bytes = make_stream(kinds, 1), again = { 0 };
        struct file in = new_file(), out = named_file();
        char *path = in.path;
        put(&in, bytes.data, bytes.length);
        assert_int_equal(read_all(&path, 1, out.path), kind < RN_KINDS ? 3 : 3 * RN_KINDS);
        assert_int_equal(rn_file_read(&again, out.path, SIZE_MAX / 2, &err), 0);
        assert_int_equal(again.length, bytes.length);
        assert_memory_equal(again.data, bytes.data, bytes.length);
        rn_buffer_free(&bytes);
        rn_buffer_free(&again);
        close(in.fd);
        remove_file(&out);
    }
}

/* ---- damage ---- */

/* Refused, as bad data, with a message that names a place. */
static void assert_refused(const struct file *file, const char *what, size_t place)
{
    memset(&err, 0, sizeof err);
    if (read_file(file) != -1 || err.exit != RN_EXIT_DATA || !strstr(err.text, "(byte ") || !strstr(err.text, file->path))
        fail_msg("%s at %zu: exit %d, \"%s\"", what, place, err.exit, err.text);
}

static void cut_anywhere(void **state)
{
    (void)state;
    for (int kind = 0; kind < RN_KINDS; kind++) {
        struct rn_buffer bytes = make_stream(RN_KIND_BIT(kind), 1);
        struct file file = new_file();
        assert_in_range(bytes.length, 300, 2048);
        put(&file, bytes.data, bytes.length);
        assert_int_equal(read_file(&file), 3);
        for (size_t length = bytes.length; length-- > 0;) {
            assert_int_equal(ftruncate(file.fd, (off_t)length), 0);
            assert_refused(&file, "cut", length);
        }
        close(file.fd);
        rn_buffer_free(&bytes);
    }
}

static void flip(const struct file *file, const struct rn_buffer *bytes, size_t bit)
{
    char byte = (char)(bytes->data[bit / 8] ^ (1 << bit % 8));
    assert_int_equal(pwrite(file->fd, &byte, 1, (off_t)(bit / 8)), 1);
    assert_refused(file, "bit flipped", bit);
    assert_int_equal(pwrite(file->fd, &bytes->data[bit / 8], 1, (off_t)(bit / 8)), 1);
}

static void flipped_anywhere(void **state)
{
    (void)state;
    for (int kind = 0; kind < RN_KINDS; kind++) {
        struct rn_buffer bytes = make_stream(RN_KIND_BIT(kind), 1);
        struct file file = new_file();
        put(&file, bytes.data, bytes.length);
        for (size_t bit = 0; bit < 8 * bytes.length; bit++)
            flip(&file, &bytes, bit);
        assert_int_equal(read_file(&file), 3);
        close(file.fd);
        rn_buffer_free(&bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trips),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
