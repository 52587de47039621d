/* batch.c -- records into batches: which photos, in which order, with which pixels and labels. Run in the repository's root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "batch/private.h"
#include "core/file.h"

#define FIXTURES "tests/fixtures/images/"

enum { SIZE = 24, RESIZE = 28 };

static char folder[] = "/tmp/rn-batch-test.XXXXXX";
static char input[64], output[64], other[64];
static const struct rn_tool tool = { .name = "rn-test", .options = (const struct rn_opt[]){ RN_OPT_LAST } };

/* The photos of the tests: every second one is read from its file, every second one embedded; the last two are pixels. */
static const char *const photos[] = { "rgb.jpg", "rgb.png", "grey.jpg", "palette.png", "lossy.webp", "rgb.tif",
                                      "exif6.jpg", "palette.gif", "cmyk.jpg", "rgba.png", "exif3.jpg" };
enum { PHOTOS = sizeof photos / sizeof *photos, PIXELS = 2 };

static void must(int rc, const struct rn_err *err)
{
    if (rc)
        fail_msg("%s", err->text);
}

static struct rn_image decoded(const char *name)
{
    const struct rn_decode how = { .max_pixels = 1000000, .exif = true };
    char path[200];
    struct rn_image image;
    struct rn_err err = { 0 };
    snprintf(path, sizeof path, FIXTURES "%s", name);
    must(rn_image_load(&image, path, &how, &err), &err);
    return image;
}

/* ---- input ---- */

static void begin(struct rn_writer *writer, enum rn_kind kind, const char *const *classes, size_t count, const char *step)
{
    struct rn_head head;
    struct rn_err err = { 0 };
    const struct rn_tool before = { .name = step, .options = (const struct rn_opt[]){ RN_OPT_LAST } };
    rn_head_init(&head, kind);
    for (size_t i = 0; i < count; i++)
        must(rn_texts_add(&head.classes, rn_text(classes[i]), &err), &err);
    must(rn_head_sign(&head, &before, NULL, NULL, &err), &err);
    must(rn_writer_head(writer, &head, &err), &err);
    rn_head_free(&head);
}

static void add_sample(struct rn_writer *writer, size_t i, int64_t label)
{
    struct rn_err err = { 0 };
    struct rn_buffer file = { 0 };
    char path[200];
    snprintf(path, sizeof path, FIXTURES "%s", photos[i]);
    struct rn_record record = { .kind = RN_SAMPLES, .id = rn_text(photos[i]), .label = label };
    if (i % 2) {
        must(rn_file_read(&file, path, 1 << 20, &err), &err);
        record.data = (struct rn_text){ file.data, file.length };
    } else {
        record.path = rn_text(path);
    }
    must(rn_writer_record(writer, &record, &err), &err);
    rn_buffer_free(&file);
}

static void add_pixels(struct rn_writer *writer, size_t i, int64_t label)
{
    struct rn_err err = { 0 };
    struct rn_image image = decoded(photos[i]);
    struct rn_record record = { .kind = RN_IMAGES, .id = rn_text(photos[i]), .label = label,
                                .tensor = { RN_U8, 3, { image.height, image.width, 3 }, image.pixels } };
    must(rn_writer_record(writer, &record, &err), &err);
    rn_image_free(&image);
}

static void add_error(struct rn_writer *writer, const char *id)
{
    struct rn_err err = { 0 };
    struct rn_record record = { .kind = RN_SAMPLES, .id = rn_text(id), .label = 1, .split = RN_TEXT("train"),
                                .error = RN_TEXT("lost") };
    must(rn_writer_record(writer, &record, &err), &err);
}

/* Class of photo i, by name: i % 3 of these. The segments have the classes in different orders. */
static const char *const classes[] = { "glass", "metal", "paper" }, *const turned[] = { "paper", "glass", "metal" };

/* samples in one segment, pixels in another; forwards or backwards */
static void write_input(const char *path, bool backwards)
{
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    must(rn_writer_open(&writer, path, &err), &err);
    begin(writer, RN_SAMPLES, classes, 3, "rn-one");
    for (size_t i = 0; i < PHOTOS - PIXELS; i++) {
        size_t k = backwards ? PHOTOS - PIXELS - 1 - i : i;
        add_sample(writer, k, (int64_t)k % 3);
    }
    must(rn_writer_tail(writer, &err), &err);
    begin(writer, RN_IMAGES, turned, 3, "rn-two");
    for (size_t i = 0; i < PIXELS; i++) {
        size_t k = backwards ? PHOTOS - 1 - i : PHOTOS - PIXELS + i;
        add_pixels(writer, k, (int64_t)(k + 1) % 3); /* the same names: turned */
    }
    must(rn_writer_tail(writer, &err), &err);
    must(rn_writer_close(writer, &err), &err);
}

/* ---- running ---- */

static const struct rn_batch_plan usual = {
    .input = { SIZE, RESIZE, { 0.5, 0.5, 0.5 }, { 0.5, 0.5, 0.5 } }, .batch = 4, .epochs = 3, .seed = 99, .jobs = 2,
    .decode = { .max_pixels = 1000000, .exif = true }, .tool = &tool,
};

static int run(const struct rn_batch_plan *plan, bool train, const char *from, const char *to, uint64_t *failed, struct rn_err *err)
{
    struct rn_reader *reader;
    struct rn_writer *writer;
    *err = (struct rn_err){ 0 };
    must(rn_reader_open(&reader, (char *const[]){ (char *)from }, 1, err), err);
    must(rn_writer_open(&writer, to, err), err);
    struct rn_failures failures = { 0 };
    int rc = train ? rn_batch_train(reader, writer, plan, &failures, err) : rn_batch_eval(reader, writer, plan, &failures, err);
    *failed = failures.count;
    assert_int_equal(!failures.count, !failures.first[0]);
    rn_reader_close(reader);
    if (rc)
        rn_writer_discard(writer);
    else
        must(rn_writer_close(writer, err), err);
    return rc;
}

static void run_well(const struct rn_batch_plan *plan, bool train, const char *from, const char *to)
{
    struct rn_err err;
    uint64_t failed;
    must(run(plan, train, from, to, &failed, &err), &err);
    assert_int_equal(failed, 0);
}

static void assert_same_files(const char *a, const char *b)
{
    struct rn_buffer x = { 0 }, y = { 0 };
    struct rn_err err = { 0 };
    must(rn_file_read(&x, a, 1 << 28, &err), &err);
    must(rn_file_read(&y, b, 1 << 28, &err), &err);
    assert_int_equal(x.length, y.length);
    assert_memory_equal(x.data, y.data, x.length);
    rn_buffer_free(&x);
    rn_buffer_free(&y);
}

/* ---- what must come out ---- */

static size_t photo_of(struct rn_text id)
{
    for (size_t i = 0; i < PHOTOS; i++)
        if (rn_text_is(id, photos[i]))
            return i;
    fail_msg("an id that nobody put in");
    return 0;
}

static void check_photo(const struct rn_record *batch, size_t at, const struct rn_head *head)
{
    uint8_t y[SIZE * SIZE * 3];
    struct rn_err err = { 0 };
    size_t i = photo_of(batch->ids[at]);
    assert_true(rn_text_is(head->classes.item[batch->labels[at]], classes[i % 3]));
    struct rn_image image = decoded(photos[i]);
    struct rn_rng rng = rn_rng(usual.seed, RN_FOR_CROP, rn_hash64(rn_text(photos[i])), (uint32_t)batch->epoch);
    if (head->mode == RN_TRAIN)
        must(rn_image_train(y, &image, SIZE, &rng, &err), &err);
    else
        must(rn_image_eval(y, &image, SIZE, RESIZE, &err), &err);
    assert_memory_equal((const uint8_t *)batch->tensor.data + at * sizeof y, y, sizeof y);
    rn_image_free(&image);
}

/* The place of each photo in an epoch, by the rule itself. */
static void true_order(size_t order[PHOTOS], uint32_t epoch)
{
    uint64_t draw[PHOTOS];
    for (size_t i = 0; i < PHOTOS; i++) {
        struct rn_rng rng = rn_rng(usual.seed, RN_FOR_ORDER, rn_hash64(rn_text(photos[i])), epoch);
        draw[i] = rn_rng_u64(&rng);
        size_t k = i;
        for (; k > 0 && draw[order[k - 1]] > draw[i]; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

static void check_head(const struct rn_head *head, int64_t epoch)
{
    assert_int_equal(head->mode, RN_TRAIN);
    assert_int_equal(head->epoch, epoch);
    assert_int_equal(head->epochs, 3);
    assert_int_equal(head->batch, 4);
    assert_int_equal(head->batches_per_epoch, 3);
    assert_true(head->has_seed && head->seed == 99 && head->has_input && rn_input_equal(&head->input, &usual.input, true));
    assert_int_equal(head->classes.count, 3);
    for (int c = 0; c < 3; c++)
        assert_int_equal(head->class_counts[c], c < 2 ? 4 : 3);
    assert_int_equal(head->history.count, 3);
    assert_true(rn_text_is(head->history.step[0].tool, "rn-one"));
    assert_true(rn_text_is(head->history.step[1].tool, "rn-two"));
    assert_true(rn_text_is(head->history.step[2].tool, "rn-test"));
}

static void training_shuffles_the_whole_set(void **state)
{
    (void)state;
    struct rn_reader *reader;
    struct rn_err err = { 0 };
    const struct rn_head *head;
    struct rn_record record;
    size_t order[PHOTOS], last[PHOTOS] = { 0 };
    write_input(input, false);
    run_well(&usual, true, input, output);
    must(rn_reader_open(&reader, (char *const[]){ output }, 1, &err), &err);
    int64_t epoch = 0;
    for (; rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err) == 1; epoch++) {
        check_head(head, epoch);
        true_order(order, (uint32_t)epoch);
        assert_memory_not_equal(order, last, sizeof order);
        memcpy(last, order, sizeof order);
        size_t at = 0;
        while (rn_reader_record(reader, &record, &err) == 1) {
            assert_int_equal(record.epoch, epoch);
            assert_int_equal(record.index, at / 4);
            assert_int_equal(record.count, at + 4 <= PHOTOS ? 4 : PHOTOS - at);
            for (size_t k = 0; k < record.count; k++, at++) {
                assert_int_equal(photo_of(record.ids[k]), order[at]);
                check_photo(&record, k, head);
            }
        }
        assert_int_equal(at, PHOTOS);
    }
    assert_int_equal(epoch, 3);
    assert_string_equal(err.text, "");
    rn_reader_close(reader);
}

static void bytes_depend_on_neither_threads_nor_input_order(void **state)
{
    (void)state;
    write_input(input, false);
    for (int train = 0; train < 2; train++) {
        run_well(&usual, train, input, output);
        for (int jobs = 1; jobs < 9; jobs += 3) {
            struct rn_batch_plan plan = usual;
            plan.jobs = jobs;
            run_well(&plan, train, input, other);
            assert_same_files(output, other);
        }
    }
    run_well(&usual, true, input, output);
    write_input(input, true);
    run_well(&usual, true, input, other);
    assert_same_files(output, other);
}

/* The hash of each record's bytes, and of each head's, in order. */
static size_t fingerprints(const char *path, uint64_t hashes[], size_t room)
{
    struct rn_reader *reader;
    struct rn_err err = { 0 };
    const struct rn_head *head;
    struct rn_record record;
    struct rn_buffer bytes = { 0 };
    size_t n = 0;
    must(rn_reader_open(&reader, (char *const[]){ (char *)path }, 1, &err), &err);
    while (rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err) == 1) {
        check_head(head, head->epoch);
        while (rn_reader_record(reader, &record, &err) == 1) {
            bytes.length = 0;
            must(rn_record_pack(&record, &bytes, &err), &err);
            assert_true(n < room);
            hashes[n++] = rn_hash64((struct rn_text){ bytes.data, bytes.length });
        }
    }
    assert_string_equal(err.text, "");
    rn_buffer_free(&bytes);
    rn_reader_close(reader);
    return n;
}

static void training_begins_anywhere(void **state)
{
    (void)state;
    enum { BATCHES = 9 };
    uint64_t whole[BATCHES], rest[BATCHES], failed;
    struct rn_buffer all = { 0 }, tail = { 0 };
    struct rn_err err = { 0 };
    struct rn_batch_plan plan = usual;
    write_input(input, false);
    run_well(&usual, true, input, output);
    must(rn_file_read(&all, output, 1 << 28, &err), &err);
    assert_int_equal(fingerprints(output, whole, BATCHES), BATCHES);
    for (size_t place = 0; place < BATCHES; place++) {
        plan.epoch = (int64_t)place / 3;
        plan.index = (int64_t)place % 3;
        run_well(&plan, true, input, other);
        assert_int_equal(fingerprints(other, rest, BATCHES), BATCHES - place);
        assert_memory_equal(rest, whole + place, (BATCHES - place) * sizeof *rest);
        if (plan.index)
            continue;
        must(rn_file_read(&tail, other, 1 << 28, &err), &err); /* whole epochs: the very bytes */
        assert_true(tail.length <= all.length);
        assert_memory_equal(tail.data, all.data + all.length - tail.length, tail.length);
    }
    plan.index = 3; /* stopped between the last batch and the end of its epoch */
    run_well(&plan, true, input, other);
    assert_int_equal(fingerprints(other, rest, BATCHES), 0);
    plan.index = 4;
    assert_int_equal(run(&plan, true, input, other, &failed, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    rn_buffer_free(&all);
    rn_buffer_free(&tail);
}

static void behind_the_last_epoch_is_an_empty_segment(void **state)
{
    (void)state;
    struct rn_reader *reader;
    struct rn_err err = { 0 };
    const struct rn_head *head;
    struct rn_record record;
    struct rn_batch_plan plan = usual;
    plan.epoch = 3;
    write_input(input, false);
    run_well(&plan, true, input, output);
    must(rn_reader_open(&reader, (char *const[]){ output }, 1, &err), &err);
    assert_int_equal(rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err), 1);
    check_head(head, 3);
    assert_int_equal(rn_reader_record(reader, &record, &err), 0);
    assert_int_equal(rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err), 0);
    rn_reader_close(reader);
}

static void evaluation_keeps_the_order(void **state)
{
    (void)state;
    struct rn_reader *reader;
    struct rn_err err = { 0 };
    const struct rn_head *head;
    struct rn_record record;
    size_t at = 0;
    write_input(input, false);
    run_well(&usual, false, input, output);
    must(rn_reader_open(&reader, (char *const[]){ output }, 1, &err), &err);
    assert_int_equal(rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err), 1);
    assert_int_equal(head->mode, RN_EVAL);
    assert_true(!head->has_seed && head->epochs == RN_NIL && head->batches_per_epoch == RN_NIL && !head->class_counts);
    while (rn_reader_record(reader, &record, &err) == 1) {
        assert_int_equal(record.index, at / 4);
        for (size_t k = 0; k < record.count; k++, at++) {
            assert_int_equal(photo_of(record.ids[k]), at);
            check_photo(&record, k, head);
        }
    }
    assert_int_equal(at, PHOTOS);
    assert_int_equal(rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err), 0);
    rn_reader_close(reader);
}

/* "0[rgb.jpg rgb.png] !lost | ..." : batches, error records and ends of segments, in one line */
static void outline(const char *path, char *text, size_t size)
{
    struct rn_reader *reader;
    struct rn_err err = { 0 };
    const struct rn_head *head;
    struct rn_record record;
    FILE *out = fmemopen(text, size, "w");
    must(rn_reader_open(&reader, (char *const[]){ (char *)path }, 1, &err), &err);
    while (rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, &err) == 1) {
        while (rn_reader_record(reader, &record, &err) == 1) {
            if (record.error.data)
                fprintf(out, "!%.*s ", (int)record.id.length, record.id.data);
            else
                fprintf(out, "%d[", (int)record.index);
            for (size_t k = 0; k < record.count; k++)
                fprintf(out, "%.*s%s", (int)record.ids[k].length, record.ids[k].data, k + 1 < record.count ? " " : "] ");
        }
        fprintf(out, "| ");
    }
    assert_string_equal(err.text, "");
    fclose(out);
    rn_reader_close(reader);
}

static void write_broken(void)
{
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    struct rn_record missing = { .kind = RN_SAMPLES, .id = RN_TEXT("missing"), .label = 0, .path = RN_TEXT("no/such/photo.jpg") };
    struct rn_record broken = { .kind = RN_SAMPLES, .id = RN_TEXT("broken"), .label = 2, .data = RN_TEXT("\xff\xd8\xff\xd9") };
    must(rn_writer_open(&writer, input, &err), &err);
    begin(writer, RN_SAMPLES, classes, 3, "rn-one");
    add_sample(writer, 0, 0);
    must(rn_writer_record(writer, &missing, &err), &err);
    add_error(writer, "lost");
    must(rn_writer_record(writer, &broken, &err), &err);
    add_sample(writer, 1, 1);
    must(rn_writer_tail(writer, &err), &err);
    must(rn_writer_close(writer, &err), &err);
}

static void failed_photos_leave_their_places(void **state)
{
    (void)state;
    struct rn_batch_plan plan = usual;
    struct rn_err err;
    uint64_t failed;
    char text[400];
    write_broken();
    plan.keep_going = true;
    plan.batch = 2;
    must(run(&plan, false, input, output, &failed, &err), &err);
    assert_int_equal(failed, 2);
    outline(output, text, sizeof text);
    assert_string_equal(text, "!missing 0[rgb.jpg] !lost !broken 2[rgb.png] | ");
    plan.epochs = 1;
    must(run(&plan, true, input, output, &failed, &err), &err);
    assert_int_equal(failed, 2);
    outline(output, text, sizeof text);
    for (const char *const *id = (const char *const[]){ "!missing ", "!lost ", "!broken ", "rgb.jpg", "rgb.png", 0 }; *id; id++)
        assert_non_null(strstr(text, *id));
    plan.keep_going = false;
    assert_int_equal(run(&plan, false, input, output, &failed, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_SYSTEM);
    assert_non_null(strstr(err.text, "no/such/photo.jpg: "));
}

static void new_classes_begin_a_segment(void **state)
{
    (void)state;
    static const char *const more[] = { "wood", "metal" };
    struct rn_batch_plan plan = usual;
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    char text[400];
    must(rn_writer_open(&writer, input, &err), &err);
    begin(writer, RN_SAMPLES, classes, 3, "rn-one");
    for (size_t i = 0; i < 3; i++)
        add_sample(writer, i, (int64_t)i);
    must(rn_writer_tail(writer, &err), &err);
    begin(writer, RN_SAMPLES, more, 2, "rn-one");
    for (size_t i = 3; i < 5; i++)
        add_sample(writer, i, (int64_t)i - 3);
    must(rn_writer_tail(writer, &err), &err);
    must(rn_writer_close(writer, &err), &err);
    plan.batch = 2;
    run_well(&plan, false, input, output);
    outline(output, text, sizeof text);
    assert_string_equal(text, "0[rgb.jpg rgb.png] 1[grey.jpg] | 0[palette.png lossy.webp] | ");
    plan.batch = 4; /* nothing is written yet when the second segment comes: all is one */
    run_well(&plan, false, input, output);
    outline(output, text, sizeof text);
    assert_string_equal(text, "0[rgb.jpg rgb.png grey.jpg palette.png] 1[lossy.webp] | ");
}

static void empty_input_is_an_empty_segment(void **state)
{
    (void)state;
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    char text[100];
    must(rn_writer_open(&writer, input, &err), &err);
    begin(writer, RN_SAMPLES, classes, 3, "rn-one");
    must(rn_writer_tail(writer, &err), &err);
    must(rn_writer_close(writer, &err), &err);
    run_well(&usual, false, input, output);
    outline(output, text, sizeof text);
    assert_string_equal(text, "| ");
    run_well(&usual, true, input, output);
    outline(output, text, sizeof text);
    assert_string_equal(text, "| | | ");
}

static void a_repeated_id_is_an_error(void **state)
{
    (void)state;
    struct rn_writer *writer;
    struct rn_err err = { 0 };
    uint64_t failed;
    must(rn_writer_open(&writer, input, &err), &err);
    for (int twice = 0; twice < 2; twice++) {
        begin(writer, RN_SAMPLES, classes, 3, "rn-one");
        add_sample(writer, 0, 0);
        must(rn_writer_tail(writer, &err), &err);
    }
    must(rn_writer_close(writer, &err), &err);
    for (int train = 0; train < 2; train++) {
        assert_int_equal(run(&usual, train, input, output, &failed, &err), -1);
        assert_int_equal(err.exit, RN_EXIT_DATA);
    }
}

static void equal_draws_are_ordered_by_id(void **state)
{
    (void)state;
    static const char *const ids[] = { "c", "a", "d", "b" };
    struct rn_spool spool;
    struct rn_err err = { 0 };
    struct rn_texts none = { 0 };
    struct rn_record record;
    struct rn_buffer bytes = { 0 };
    struct rn_arena *arena = NULL;
    must(rn_spool_open(&spool, &err), &err);
    for (int i = 0; i < 4; i++) {
        record = (struct rn_record){ .kind = RN_SAMPLES, .id = rn_text(ids[i]), .label = RN_NIL, .path = RN_TEXT("x") };
        must(rn_spool_add(&spool, &record, &err), &err);
        spool.entry[i].who = 5; /* as if their hashes met */
    }
    must(rn_spool_finish(&spool, &none, &err), &err);
    must(rn_spool_order(&spool, 1, 0, &err) || rn_spool_until(&spool, spool.count, &err), &err);
    for (int i = 0; i < 4; i++) {
        must(rn_spool_read(&spool, &spool.entry[i], &record, &bytes, &arena, &err), &err);
        assert_int_equal(record.id.length, 1);
        assert_int_equal(record.id.data[0], "abcd"[i]);
    }
    rn_buffer_free(&bytes);
    rn_arena_free(arena);
    rn_spool_close(&spool);
}

/* What is asked for first is in order first, and stays where it is; the whole is what a sort gives. */
static void order_comes_as_far_as_it_is_asked_for(void **state)
{
    (void)state;
    enum { MANY = 60000 };
    struct rn_spool spool;
    struct rn_err err = { 0 };
    struct rn_texts none = { 0 };
    char id[32];
    must(rn_spool_open(&spool, &err), &err);
    for (int i = 0; i < MANY; i++) {
        snprintf(id, sizeof id, "%d", i);
        const struct rn_record record = { .kind = RN_SAMPLES, .id = rn_text(id), .label = RN_NIL, .path = RN_TEXT("x") };
        must(rn_spool_add(&spool, &record, &err), &err);
    }
    must(rn_spool_finish(&spool, &none, &err), &err);
    for (uint32_t epoch = 0; epoch < 3; epoch++) {
        must(rn_spool_order(&spool, 7, epoch, &err), &err);
        must(rn_spool_until(&spool, 1, &err), &err);
        assert_true(spool.sorted >= 1 && spool.sorted < MANY / 4);
        for (size_t i = 1; i < spool.count; i++)
            assert_true(spool.entry[i].draw >= spool.entry[0].draw);
        uint64_t first = spool.entry[0].who, third = 0;
        for (size_t i = 0; i < spool.count; i += 777) {
            must(rn_spool_until(&spool, i + 1, &err), &err);
            assert_int_equal(spool.entry[0].who, first);
            third = third ? third : i >= 2 ? spool.entry[2].who : 0;
        }
        must(rn_spool_until(&spool, MANY, &err), &err);
        assert_int_equal(spool.sorted, MANY);
        assert_int_equal(spool.entry[2].who, third);
        for (size_t i = 1; i < spool.count; i++)
            assert_true(spool.entry[i].draw > spool.entry[i - 1].draw);
    }
    rn_spool_close(&spool);
}

static int start(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(input, sizeof input, "%s/input.rn", folder);
    snprintf(output, sizeof output, "%s/output.rn", folder);
    snprintf(other, sizeof other, "%s/other.rn", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(input);
    unlink(output);
    unlink(other);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_shuffles_the_whole_set),
        cmocka_unit_test(bytes_depend_on_neither_threads_nor_input_order),
        cmocka_unit_test(training_begins_anywhere),
        cmocka_unit_test(behind_the_last_epoch_is_an_empty_segment),
        cmocka_unit_test(evaluation_keeps_the_order),
        cmocka_unit_test(failed_photos_leave_their_places),
        cmocka_unit_test(new_classes_begin_a_segment),
        cmocka_unit_test(empty_input_is_an_empty_segment),
        cmocka_unit_test(a_repeated_id_is_an_error),
        cmocka_unit_test(equal_draws_are_ordered_by_id),
        cmocka_unit_test(order_comes_as_far_as_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, start, end);
}
