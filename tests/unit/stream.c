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

/* Bytes of a tail without and with a hash, below 128 records. */
enum { THEIR_TAIL = 1 + 3 + 4 + 8 + 1, OUR_TAIL = THEIR_TAIL + 5 + 10 };

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
    const char *folder = access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm"; /* where fsync is cheap */
    snprintf(file.path, sizeof file.path, "%s/rn-test.XXXXXX", folder);
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
static const struct rn_tool tool = { .name = "rn-split", .operands = "", .summary = "", .options = options,
                                     .size = sizeof(uint64_t), .defaults = &(const uint64_t){ 1234 } };

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
        head.has_listing = true;
        head.listing = UINT64_MAX - 1;
    } else if (kind == RN_WEIGHTS) {
        head.arch = owned("resnet18");
        head.attention = owned("ours");
        head.has_input = true;
        head.input = rn_input_default;
        head.temperature = 1.25;
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
        head.batches_per_epoch = 111;
        head.has_listing = true;
        head.listing = 1;
        assert_int_equal(rn_history_copy(&head.batches_history, &head.history, &err), 0);
        add(&head.options, "--lr=0.0002");
        head.cpu = owned("avx2");
        head.choices = owned("of such a GPU\nforward\t1\n");
        head.has_state = true;
        head.state = (struct rn_training_state){ .updates = 1000, .accumulated = 3, .best = 0.5, .has_best = true,
                                                 .since_best = 2, .plateau = 1, .cuts = 4, .has_teacher = true,
                                                 .teacher = UINT64_MAX - 3 };
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
    struct rn_record r = { .kind = kind, .label = labels[i & 1], .id = ids[i & 1], .extra = RN_TEXT("\xa1x\x93\x01\xc0\x80"),
                           .extras = 1 };
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
    case RN_WEIGHTS:
        r = (struct rn_record){ .kind = kind, .label = RN_NIL, .name = rn_text("layer1.0.conv1.weight"), .role = (enum rn_role)i };
        r.tensor = (struct rn_tensor){ RN_F32, 2, { 2, 3 }, numbers };
        break;
    case RN_KINDS:
        break;
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

/* Larger streams, at random places: some have blocks of pixels or weights, some thousands of small records. */
static void damaged_at_random(void **state)
{
    (void)state;
    struct rn_rng rng = rn_rng(1, RN_FOR_ORDER, 0, 0);
    int rounds = getenv("RN_SANITIZED") ? 100 : 1000;
    for (int kind = 0; kind < RN_KINDS; kind++) {
        struct rn_buffer bytes = make_stream(RN_KIND_BIT(kind), 60);
        struct file file = new_file();
        put(&file, bytes.data, bytes.length);
        for (int i = 0; i < rounds; i++)
            flip(&file, &bytes, (size_t)rn_rng_below(&rng, 8 * bytes.length));
        assert_int_equal(read_file(&file), 180);
        for (int i = 0; i < rounds; i++) {
            size_t length = (size_t)rn_rng_below(&rng, bytes.length);
            put(&file, bytes.data, length);
            assert_refused(&file, "cut", length);
        }
        close(file.fd);
        rn_buffer_free(&bytes);
    }
}

/* ---- several segments, several files ---- */

static void concatenation(void **state)
{
    (void)state;
    struct rn_buffer one = make_stream(RN_KIND_BIT(RN_SAMPLES), 1), two = make_stream(RN_KIND_BIT(RN_IMAGES), 2);
    struct file a = new_file(), b = new_file(), both = new_file();
    char *files[] = { a.path, b.path, a.path }, *joined = both.path;
    put(&a, one.data, one.length);
    put(&b, two.data, two.length);
    assert_int_equal(read_all(files, 3, NULL), 12);
    assert_int_equal(rn_buffer_add(&one, two.data, two.length, &err), 0);
    put(&both, one.data, one.length);
    assert_int_equal(read_all(&joined, 1, NULL), 9);

    /* each file is whole, and the one that is not is named */
    put(&b, two.data, two.length - 1);
    assert_int_equal(read_all(files, 3, NULL), -1);
    assert_non_null(strstr(err.text, b.path));
    put(&b, "", 0);
    assert_int_equal(read_all(files, 3, NULL), -1);
    assert_non_null(strstr(err.text, b.path));
    assert_non_null(strstr(err.text, "no bytes"));
    char missing[] = "/nowhere/x.rn", folder[] = "/";
    files[1] = missing;
    assert_int_equal(read_all(files, 3, NULL), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_string_equal(err.text, "/nowhere/x.rn: No such file or directory");
    files[0] = folder;
    assert_int_equal(read_all(files, 1, NULL), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_string_equal(err.text, "/: Is a directory");
    rn_buffer_free(&one);
    rn_buffer_free(&two);
    close(a.fd);
    close(b.fd);
    close(both.fd);
}

static void other_kinds_are_named(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(RN_KIND_BIT(RN_WEIGHTS), 1);
    struct file file = new_file();
    struct rn_reader *reader;
    const struct rn_head *head;
    char *path = file.path;
    put(&file, bytes.data, bytes.length);
    assert_int_equal(rn_reader_open(&reader, &path, 1, &err), 0);
    assert_int_equal(rn_reader_head(reader, RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), &head, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_non_null(strstr(err.text, "head (byte 0): a stream of weights, not of samples or images"));
    rn_reader_close(reader);
    close(file.fd);
    rn_buffer_free(&bytes);
}

/* Records that are not asked for are checked before the next head. */
static void unread_records_are_checked(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_WEIGHTS), 1);
    struct file file = new_file();
    char *path = file.path;
    for (int damaged = 0; damaged < 2; damaged++) {
        struct rn_reader *reader;
        const struct rn_head *head;
        char *at = memmem(bytes.data, bytes.length, "broken", 6);
        assert_non_null(at);
        *at ^= (char)damaged;
        put(&file, bytes.data, bytes.length);
        assert_int_equal(rn_reader_open(&reader, &path, 1, &err), 0);
        assert_int_equal(rn_reader_head(reader, ALL_KINDS, &head, &err), 1);
        assert_int_equal(rn_reader_head(reader, ALL_KINDS, &head, &err), damaged ? -1 : 1);
        if (!damaged)
            assert_int_equal(head->kind, RN_WEIGHTS);
        rn_reader_close(reader);
    }
    close(file.fd);
    rn_buffer_free(&bytes);
}

static void tail_is_told(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(RN_KIND_BIT(RN_PREDICTIONS), 1);
    struct file file = new_file();
    struct rn_reader *reader;
    struct rn_record record;
    const struct rn_head *head;
    char *path = file.path, room[512];
    uint64_t records, xxh3;
    bool hashed;
    put(&file, bytes.data, bytes.length);
    assert_int_equal(rn_reader_open(&reader, &path, 1, &err), 0);
    assert_int_equal(rn_reader_head(reader, ALL_KINDS, &head, &err), 1);
    assert_int_equal(rn_reader_record(reader, &record, &err), 1);
    assert_non_null(strstr(rn_reader_where(reader, room), ": record 1 (byte "));
    while (rn_reader_record(reader, &record, &err) == 1)
        ;
    assert_int_equal(rn_reader_record(reader, &record, &err), 0);
    rn_reader_tail(reader, &records, &xxh3, &hashed);
    assert_int_equal(records, 3);
    assert_true(hashed);
    for (int i = 0; i < 8; i++)
        assert_int_equal((uint8_t)bytes.data[bytes.length - 8 + i], xxh3 >> (56 - 8 * i) & 255);
    assert_int_equal(xxh3, rn_hash64((struct rn_text){ bytes.data, bytes.length - OUR_TAIL }));
    rn_reader_close(reader);
    close(file.fd);
    rn_buffer_free(&bytes);
}

/* ---- pipes ---- */

struct pipe_reader {
    struct rn_reader *reader;
    int write_end;
    char path[64], *paths[1];
};

static void open_pipe(struct pipe_reader *p)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    snprintf(p->path, sizeof p->path, "/proc/self/fd/%d", ends[0]);
    p->paths[0] = p->path;
    p->write_end = ends[1];
    assert_int_equal(rn_reader_open(&p->reader, p->paths, 1, &err), 0);
    close(ends[0]);
}

/* A record is delivered when its last byte is there, while the pipe stays open and silent. */
static void live_pipe(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(RN_KIND_BIT(RN_IMAGES), 1);
    struct pipe_reader p;
    struct rn_record record;
    const struct rn_head *head;
    char *records[4], *at = bytes.data + 1;
    for (int i = 0; i < 3; i++) /* a record begins with a map and the key id */
        records[i] = at = (char *)memmem(at + 3, bytes.length, "\xa2id", 3) - 1;
    records[3] = bytes.data + bytes.length - OUR_TAIL;
    open_pipe(&p);
    alarm(60); /* a reader that waits for more would wait for ever */
    assert_int_equal(write(p.write_end, bytes.data, (size_t)(records[0] - bytes.data)), records[0] - bytes.data);
    assert_int_equal(rn_reader_head(p.reader, ALL_KINDS, &head, &err), 1);
    for (int i = 0; i < 3; i++) {
        ssize_t length = records[i + 1] - records[i];
        assert_int_equal(write(p.write_end, records[i], (size_t)length), length);
        assert_int_equal(rn_reader_record(p.reader, &record, &err), 1);
    }
    assert_int_equal(write(p.write_end, records[3], OUR_TAIL), OUR_TAIL);
    assert_int_equal(rn_reader_record(p.reader, &record, &err), 0);
    close(p.write_end);
    assert_int_equal(rn_reader_head(p.reader, ALL_KINDS, &head, &err), 0);
    alarm(0);
    rn_reader_close(p.reader);
    rn_buffer_free(&bytes);
}

struct feed {
    int fd;
    const struct rn_buffer *bytes;
};

static void *feed_bytes(void *context)
{
    const struct feed *feed = context;
    for (size_t i = 0; i < feed->bytes->length; i++)
        if (write(feed->fd, feed->bytes->data + i, 1) != 1)
            break;
    close(feed->fd);
    return NULL;
}

static void byte_by_byte(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(ALL_KINDS, 2);
    struct pipe_reader p;
    struct rn_record record;
    const struct rn_head *head;
    pthread_t thread;
    int records = 0;
    open_pipe(&p);
    struct feed feed = { p.write_end, &bytes };
    assert_int_equal(pthread_create(&thread, NULL, feed_bytes, &feed), 0);
    while (rn_reader_head(p.reader, ALL_KINDS, &head, &err) == 1)
        while (rn_reader_record(p.reader, &record, &err) == 1)
            records++;
    assert_int_equal(records, 6 * RN_KINDS);
    pthread_join(thread, NULL);
    rn_reader_close(p.reader);
    rn_buffer_free(&bytes);
}

static atomic_int stop;

static void *stop_soon(void *context)
{
    usleep(20000);
    stop = 1;
    return context;
}

static void stopping(void **state)
{
    (void)state;
    struct rn_buffer bytes = make_stream(RN_KIND_BIT(RN_SAMPLES), 1);
    struct pipe_reader p;
    struct rn_record record;
    const struct rn_head *head;
    pthread_t thread;
    open_pipe(&p);
    rn_reader_stop_on(p.reader, &stop);
    alarm(60);
    for (size_t part = 0; part < 2; part++) { /* nothing is there; half a head is there */
        stop = 0;
        assert_int_equal(pthread_create(&thread, NULL, stop_soon, NULL), 0);
        assert_int_equal(rn_reader_head(p.reader, ALL_KINDS, &head, &err), RN_STOPPED);
        pthread_join(thread, NULL);
        if (!part)
            assert_int_equal(write(p.write_end, bytes.data, 20), 20);
    }
    /* what is there is still read, and nothing was lost */
    assert_int_equal(write(p.write_end, bytes.data + 20, bytes.length - 60), bytes.length - 60);
    assert_int_equal(rn_reader_head(p.reader, ALL_KINDS, &head, &err), 1);
    for (int i = 0; i < 2; i++)
        assert_int_equal(rn_reader_record(p.reader, &record, &err), 1);
    assert_int_equal(rn_reader_record(p.reader, &record, &err), RN_STOPPED);
    close(p.write_end); /* the writer upstream was stopped by the same signal */
    assert_int_equal(rn_reader_record(p.reader, &record, &err), RN_STOPPED);
    stop = 0;
    assert_int_equal(rn_reader_record(p.reader, &record, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    alarm(0);
    rn_reader_close(p.reader);
    rn_buffer_free(&bytes);
}

static long peak_kib(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* Sizes that are only claimed cost nothing. */
static void claims_cost_no_memory(void **state)
{
    (void)state;
    static const struct { const char *bytes; size_t length; } claims[] = {
        { "\x81\xa2rn\xc6\x3f\xff\xff\x00", 9 },    /* a bin of nearly 1 GiB */
        { "\x81\xa2rn\xdd\x00\xf0\x00\x00", 9 },    /* an array of 15 million */
        { "\xdf\x00\x70\x00\x00\xa2rn", 8 },        /* a map of 7 million pairs */
        { "\xdd\xff\x00\x00\x00", 5 },
    };
    long before = peak_kib();
    for (size_t i = 0; i < LENGTH(claims); i++) {
        struct pipe_reader p;
        const struct rn_head *head;
        open_pipe(&p);
        assert_int_equal(write(p.write_end, claims[i].bytes, claims[i].length), claims[i].length);
        close(p.write_end);
        assert_int_equal(rn_reader_head(p.reader, ALL_KINDS, &head, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
        rn_reader_close(p.reader);
    }
    assert_in_range(peak_kib() - before, 0, 8192);
}

/* ---- large records ---- */

static void large_tensor(void **state)
{
    (void)state;
    struct file file = named_file();
    struct rn_writer *writer;
    struct rn_reader *reader;
    struct rn_record record = { .kind = RN_WEIGHTS, .name = rn_text("fc.weight"), .role = RN_PARAMETER };
    const struct rn_head *read;
    const size_t count = getenv("RN_SANITIZED") ? 1 << 20 : 8 << 20;
    float *values = malloc(count * sizeof *values);
    char *path = file.path;
    for (size_t i = 0; i < count; i++)
        values[i] = (float)i;
    record.tensor = (struct rn_tensor){ RN_F32, 1, { count }, values };
    struct rn_head head = make_head(RN_WEIGHTS);
    assert_int_equal(rn_writer_open(&writer, path, &err), 0);
    assert_int_equal(rn_writer_head(writer, &head, &err), 0);
    assert_int_equal(rn_writer_record(writer, &record, &err), 0);
    assert_int_equal(rn_writer_tail(writer, &err), 0);
    assert_int_equal(rn_writer_close(writer, &err), 0);
    assert_int_equal(rn_reader_open(&reader, &path, 1, &err), 0);
    assert_int_equal(rn_reader_head(reader, ALL_KINDS, &read, &err), 1);
    assert_int_equal(rn_reader_record(reader, &record, &err), 1);
    assert_int_equal(record.tensor.shape[0], count);
    assert_memory_equal(record.tensor.data, values, count * sizeof *values);
    assert_int_equal(rn_reader_record(reader, &record, &err), 0);
    rn_reader_close(reader);
    rn_head_free(&head);
    free(values);
    remove_file(&file);
}

/* msgpack's lengths end at 4 GiB; the data are not touched before that is seen. */
static void too_large_to_write(void **state)
{
    (void)state;
    struct rn_record record = { .kind = RN_WEIGHTS, .name = rn_text("w"), .tensor = { RN_F32, 1, { 1 << 30 }, numbers } };
    struct rn_buffer buffer = { 0 };
    assert_int_equal(rn_record_pack(&record, &buffer, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    assert_non_null(strstr(err.text, "4 GiB"));
    record.tensor = (struct rn_tensor){ RN_F32, 3, { SIZE_MAX, 2, 0 }, numbers };
    assert_int_equal(rn_record_pack(&record, &buffer, &err), -1);
    rn_buffer_free(&buffer);
}

static void full_disk(void **state)
{
    (void)state;
    struct rn_writer *writer;
    struct rn_head head = make_head(RN_SAMPLES);
    assert_int_equal(rn_writer_open(&writer, "/dev/full", &err), 0);
    assert_int_equal(rn_writer_head(writer, &head, &err), 0);
    assert_int_equal(rn_writer_tail(writer, &err), 0);
    assert_int_equal(rn_writer_close(writer, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_string_equal(err.text, "/dev/full: cannot write: No space left on device");
    rn_head_free(&head);
}

/* ---- records as bytes, heads as copies ---- */

static void spooled_records(void **state)
{
    (void)state;
    struct rn_arena *arena = NULL;
    for (int kind = 0; kind < RN_KINDS; kind++) {
        struct rn_head head = make_head((enum rn_kind)kind);
        for (int i = 0; i < 3; i++) {
            struct rn_buffer first = { 0 }, second = { 0 };
            struct rn_record record = make_record((enum rn_kind)kind, i), again;
            assert_int_equal(rn_record_pack(&record, &first, &err), 0);
            struct rn_text bytes = { first.data, first.length };
            assert_int_equal(rn_record_unpack(&again, bytes, &head, &arena, &err), 0);
            assert_int_equal(again.label, record.label);
            assert_true(rn_text_equal(again.id, record.id));
            assert_true(rn_text_equal(again.error, record.error));
            assert_int_equal(rn_record_pack(&again, &second, &err), 0);
            assert_int_equal(second.length, first.length);
            assert_memory_equal(second.data, first.data, first.length);
            bytes.length--;
            assert_int_equal(rn_record_unpack(&again, bytes, &head, &arena, &err), -1);
            rn_buffer_free(&first);
            rn_buffer_free(&second);
        }
        rn_head_free(&head);
    }
    rn_arena_free(arena);
    rn_arena_free(NULL);
}

static struct rn_buffer head_bytes(const struct rn_head *head)
{
    struct file file = named_file();
    struct rn_writer *writer;
    struct rn_buffer bytes = { 0 };
    assert_int_equal(rn_writer_open(&writer, file.path, &err), 0);
    assert_int_equal(rn_writer_head(writer, head, &err), 0);
    assert_int_equal(rn_writer_tail(writer, &err), 0);
    assert_int_equal(rn_writer_close(writer, &err), 0);
    assert_int_equal(rn_file_read(&bytes, file.path, SIZE_MAX / 2, &err), 0);
    remove_file(&file);
    return bytes;
}

static void copied_heads(void **state)
{
    (void)state;
    for (int kind = 0; kind < RN_KINDS; kind++) {
        struct rn_head head = make_head((enum rn_kind)kind), copy = { 0 };
        assert_int_equal(rn_buffer_add(&head.extra, "\xa1y\xc0", 3, &err), 0);
        head.extras = 1;
        assert_int_equal(rn_head_copy(&copy, &head, &err), 0);
        struct rn_buffer a = head_bytes(&head);
        rn_head_free(&head);
        struct rn_buffer b = head_bytes(&copy);
        assert_int_equal(a.length, b.length);
        assert_memory_equal(a.data, b.data, a.length);
        rn_head_free(&copy);
        rn_buffer_free(&a);
        rn_buffer_free(&b);
    }
}

/* A key that one kind does not know may be one of another's own: it must not come twice. */
static void inherited_keys(void **state)
{
    (void)state;
    static const char extra[] = "\xa4mode\xa3mad\xa1y\xc0";
    struct rn_head from = make_head(RN_SAMPLES), to;
    struct rn_buffer bytes;
    assert_int_equal(rn_buffer_add(&from.extra, extra, sizeof extra - 1, &err), 0);
    from.extras = 2;
    rn_head_init(&to, RN_BATCHES);
    assert_int_equal(rn_head_inherit(&to, &from, &err), 0);
    assert_int_equal(to.classes.count, 3);
    assert_int_equal(to.history.count, 2);
    bytes = head_bytes(&to);
    struct file file = new_file();
    put(&file, bytes.data, bytes.length);
    assert_int_equal(read_file(&file), 0);
    assert_null(memmem(bytes.data, bytes.length, "mad", 3));
    assert_non_null(memmem(bytes.data, bytes.length, "\xa1y\xc0", 3));
    close(file.fd);
    rn_buffer_free(&bytes);
    rn_head_free(&from);
    rn_head_free(&to);
}

static void signed_heads(void **state)
{
    (void)state;
    struct rn_head head = make_head(RN_SAMPLES);
    assert_int_equal(head.history.count, 2);
    assert_int_equal(head.history.step[0].args.count, 2); /* a default is no news */
    const struct rn_step *step = &head.history.step[1];
    assert_true(rn_text_is(step->tool, "rn-split"));
    assert_true(rn_text_is(step->version, RN_VERSION));
    assert_int_equal(step->args.count, 3);
    assert_string_equal(step->args.item[0].data, "--aaa");
    assert_string_equal(step->args.item[1].data, "--seed=7");
    assert_string_equal(step->args.item[2].data, "split=train");
    rn_head_free(&head);
}

static void joined_classes(void **state)
{
    (void)state;
    struct rn_texts classes = { 0 };
    struct rn_head a, b;
    int64_t *map = NULL;
    rn_head_init(&a, RN_SAMPLES);
    rn_head_init(&b, RN_SAMPLES);
    add(&a.classes, "x");
    add(&a.classes, "y");
    add(&b.classes, "z");
    add(&b.classes, "y");
    assert_int_equal(rn_classes_join(&classes, &a, &map, &err), 0);
    assert_int_equal(map[0], 0);
    assert_int_equal(map[1], 1);
    assert_int_equal(rn_classes_join(&classes, &b, &map, &err), 0);
    assert_int_equal(map[0], 2);
    assert_int_equal(map[1], 1);
    assert_int_equal(classes.count, 3);
    free(map);
    rn_texts_free(&classes);
    rn_head_free(&a);
    rn_head_free(&b);
}

/* ---- streams of other writers (tests/fixtures/foreign.py) ---- */

static struct rn_reader *open_fixture(const char *name, const struct rn_head **head)
{
    static char path[128], *paths[] = { path };
    struct rn_reader *reader;
    snprintf(path, sizeof path, "tests/fixtures/%s.rn", name);
    if (rn_reader_open(&reader, paths, 1, &err) || rn_reader_head(reader, ALL_KINDS, head, &err) != 1)
        fail_msg("%s", err.text);
    return reader;
}

static void next_record(struct rn_reader *reader, struct rn_record *record)
{
    if (rn_reader_record(reader, record, &err) != 1)
        fail_msg("%s", err.text);
}

static void end_fixture(struct rn_reader *reader)
{
    struct rn_record record;
    const struct rn_head *head;
    uint64_t records, xxh3;
    bool hashed;
    assert_int_equal(rn_reader_record(reader, &record, &err), 0);
    rn_reader_tail(reader, &records, &xxh3, &hashed);
    assert_false(hashed);
    assert_int_equal(rn_reader_head(reader, ALL_KINDS, &head, &err), 0);
    rn_reader_close(reader);
}

static void foreign_samples(void **state)
{
    (void)state;
    struct rn_record r;
    const struct rn_head *head;
    struct rn_reader *reader = open_fixture("foreign-samples", &head);
    assert_int_equal(head->kind, RN_SAMPLES);
    assert_int_equal(head->extras, 1);
    assert_string_equal(head->classes.item[1].data, "jar");
    next_record(reader, &r);
    assert_int_equal(r.label, 1);
    assert_null(r.split.data);
    assert_true(rn_text_is(r.path, "/a/1.jpg"));
    assert_int_equal(r.extras, 1);
    next_record(reader, &r);
    assert_int_equal(r.label, RN_NIL);
    assert_true(rn_text_is(r.id, "\xff.jpg"));
    assert_int_equal(r.data.length, 2);
    next_record(reader, &r);
    assert_true(rn_text_is(r.error, "no such file"));
    assert_int_equal(r.label, 0);
    end_fixture(reader);
}

static void foreign_pixels(void **state)
{
    (void)state;
    struct rn_record r;
    const struct rn_head *head;
    struct rn_reader *reader = open_fixture("foreign-images", &head);
    next_record(reader, &r);
    assert_int_equal(r.label, 1);
    assert_int_equal(r.tensor.shape[1], 4);
    assert_true(rn_tensor_get(&r.tensor, 23) == 23);
    end_fixture(reader);

    reader = open_fixture("foreign-batches", &head);
    assert_int_equal(head->mode, RN_EVAL);
    assert_int_equal(head->batch, RN_NIL);
    assert_false(head->has_seed);
    assert_true(head->has_input && rn_input_equal(&head->input, &rn_input_default, true));
    next_record(reader, &r);
    assert_int_equal(r.count, 3);
    assert_int_equal(r.labels[2], 1);
    assert_true(rn_text_is(r.ids[1], "b"));
    next_record(reader, &r);
    assert_int_equal(r.index, 1);
    assert_int_equal(r.labels[0], RN_NIL);
    assert_int_equal(r.tensor.type, RN_F32);
    assert_true(rn_tensor_get(&r.tensor, 23) == 1);
    end_fixture(reader);
}

static void foreign_predictions(void **state)
{
    (void)state;
    struct rn_record r;
    const struct rn_head *head;
    struct rn_reader *reader = open_fixture("foreign-predictions", &head);
    next_record(reader, &r);
    assert_int_equal(r.label, 1);
    assert_true(rn_tensor_get(&r.tensor, 1) == 0.75);
    end_fixture(reader);
}

/* What Python writes in the canonical order of keys comes out as the same bytes, but for the tail: ours has a hash. */
static void plain_fixtures(void **state)
{
    (void)state;
    static const char *const names[] = { "samples", "images", "batches", "predictions", "weights", "import" };
    for (size_t i = 0; i < LENGTH(names); i++) {
        char path[128], *paths[] = { path };
        struct file out = named_file();
        struct rn_buffer theirs = { 0 }, ours = { 0 };
        snprintf(path, sizeof path, "tests/fixtures/plain-%s.rn", names[i]);
        if (read_all(paths, 1, out.path) < 1)
            fail_msg("%s", err.text);
        assert_int_equal(rn_file_read(&theirs, path, SIZE_MAX / 2, &err), 0);
        assert_int_equal(rn_file_read(&ours, out.path, SIZE_MAX / 2, &err), 0);
        assert_int_equal(ours.length - OUR_TAIL, theirs.length - THEIR_TAIL);
        assert_memory_equal(ours.data, theirs.data, theirs.length - THEIR_TAIL);
        rn_buffer_free(&theirs);
        rn_buffer_free(&ours);
        remove_file(&out);
    }
}

/* Streams without a hash, a few bytes changed: what is still accepted is a stream, and can be written and read again. */
static void mangled_fixtures(void **state)
{
    (void)state;
    static const char *const names[] = { "foreign-samples", "foreign-images", "foreign-batches", "foreign-predictions",
                                         "plain-batches", "plain-weights", "plain-samples" };
    struct rn_rng rng = rn_rng(2, RN_FOR_ORDER, 0, 0);
    int rounds = getenv("RN_SANITIZED") ? 300 : 2000, accepted = 0;
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct rn_buffer bytes = { 0 };
        struct file file = new_file(), copy = named_file();
        char path[128], *in = file.path, *out = copy.path;
        snprintf(path, sizeof path, "tests/fixtures/%s.rn", names[i]);
        assert_int_equal(rn_file_read(&bytes, path, SIZE_MAX / 2, &err), 0);
        for (int round = 0; round < rounds; round++) {
            put(&file, bytes.data, bytes.length);
            for (uint64_t n = 1 + rn_rng_below(&rng, 3); n > 0; n--) {
                unsigned char byte = (unsigned char)rn_rng_u32(&rng);
                assert_int_equal(pwrite(file.fd, &byte, 1, (off_t)rn_rng_below(&rng, bytes.length)), 1);
            }
            long records = read_all(&in, 1, out);
            if (records < 0)
                continue;
            accepted++;
            assert_int_equal(read_all(&out, 1, NULL), records);
        }
        rn_buffer_free(&bytes);
        close(file.fd);
        remove_file(&copy);
    }
    assert_in_range(accepted, 10, rounds * (int)LENGTH(names) - 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(claims_cost_no_memory), /* first: it looks at the peak of the process */
        cmocka_unit_test(round_trips),
        cmocka_unit_test(cut_anywhere),
        cmocka_unit_test(flipped_anywhere),
        cmocka_unit_test(damaged_at_random),
        cmocka_unit_test(concatenation),
        cmocka_unit_test(other_kinds_are_named),
        cmocka_unit_test(unread_records_are_checked),
        cmocka_unit_test(tail_is_told),
        cmocka_unit_test(live_pipe),
        cmocka_unit_test(byte_by_byte),
        cmocka_unit_test(stopping),
        cmocka_unit_test(large_tensor),
        cmocka_unit_test(too_large_to_write),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(spooled_records),
        cmocka_unit_test(copied_heads),
        cmocka_unit_test(inherited_keys),
        cmocka_unit_test(signed_heads),
        cmocka_unit_test(joined_classes),
        cmocka_unit_test(foreign_samples),
        cmocka_unit_test(foreign_pixels),
        cmocka_unit_test(foreign_predictions),
        cmocka_unit_test(plain_fixtures),
        cmocka_unit_test(mangled_fixtures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
