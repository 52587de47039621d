/* frames.c -- where JPEGs end: whole frames, cut ones, garbage; what looks like an end and is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/file.h"
#include "frames/frames.h"

#define LENGTH(a) (sizeof(a) / sizeof *(a))
#define SOI "\xff\xd8"
#define EOI "\xff\xd9"
#define SCAN "\xff\xda\x00\x04\x01\x02"

static struct rn_err err;

/* A file of these bytes, read from its start. */
static int file_of(const void *bytes, size_t length)
{
    int fd = rn_file_scratch(&err);
    assert_true(fd >= 0);
    assert_int_equal(rn_file_write(fd, bytes, length, &err), 0);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static const struct rn_text whole[] = {
    RN_TEXT(SOI EOI),
    RN_TEXT(SOI SCAN "data" EOI),
    RN_TEXT(SOI "\xff\xe1\x00\x06" SOI EOI SCAN "\x01\xff\x00\x02\xff\xd0\xff\xd7\x03" EOI), /* a thumbnail; stuffing; restarts */
    RN_TEXT(SOI "\xff\xff\xff\xe0\x00\x02" SCAN "x\xff\xff\xff" "\xd9"),                     /* fill bytes */
    RN_TEXT(SOI SCAN "one\xff\xc4\x00\x03z" SCAN "two" EOI),                              /* two scans, a table between them */
    RN_TEXT(SOI SCAN "\xff\x00\xff\x00" EOI),
    RN_TEXT(SOI "\xff\xfe\x00\x05\xff\xd9\xff" EOI),
};

static void frames_end_where_their_markers_say(void **state)
{
    (void)state;
    struct rn_buffer all = { 0 };
    for (size_t i = 0; i < 50 * LENGTH(whole); i++)
        assert_int_equal(rn_buffer_add(&all, whole[i % LENGTH(whole)].data, whole[i % LENGTH(whole)].length, &err), 0);
    int fd = file_of(all.data, all.length);
    struct rn_frames *frames;
    struct rn_text jpeg;
    assert_int_equal(rn_frames_open(&frames, fd, "x", &err), 0);
    for (size_t i = 0; i < 50 * LENGTH(whole); i++) {
        assert_int_equal(rn_frames_next(frames, &jpeg, &err), 1);
        assert_int_equal(jpeg.length, whole[i % LENGTH(whole)].length);
        assert_memory_equal(jpeg.data, whole[i % LENGTH(whole)].data, jpeg.length);
    }
    assert_int_equal(rn_frames_next(frames, &jpeg, &err), 0);
    rn_frames_close(frames);
    close(fd);
    rn_buffer_free(&all);
}

static void a_frame_is_there_with_its_last_byte(void **state)
{
    (void)state;
    int fd[2];
    struct rn_frames *frames;
    struct rn_text jpeg;
    assert_int_equal(pipe(fd), 0);
    assert_int_equal(rn_frames_open(&frames, fd[0], "pipe", &err), 0);
    alarm(20); /* a read that waits for more would wait for ever */
    for (size_t i = 0; i < LENGTH(whole); i++) {
        assert_int_equal(write(fd[1], whole[i].data, whole[i].length), whole[i].length);
        assert_int_equal(rn_frames_next(frames, &jpeg, &err), 1);
        assert_int_equal(jpeg.length, whole[i].length);
    }
    alarm(0);
    rn_frames_close(frames);
    close(fd[0]);
    close(fd[1]);
}

static void expect_damage(struct rn_text bytes, size_t good, const char *message)
{
    struct rn_frames *frames;
    struct rn_text jpeg;
    int fd = file_of(bytes.data, bytes.length);
    assert_int_equal(rn_frames_open(&frames, fd, "f.mjpeg", &err), 0);
    for (size_t i = 0; i < good; i++)
        assert_int_equal(rn_frames_next(frames, &jpeg, &err), 1);
    err = (struct rn_err){ 0 };
    assert_int_equal(rn_frames_next(frames, &jpeg, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_DATA);
    if (message)
        assert_string_equal(err.text, message);
    rn_frames_close(frames);
    close(fd);
}

static void a_cut_frame_is_damage(void **state)
{
    (void)state;
    for (size_t i = 0; i < LENGTH(whole); i++)
        for (size_t length = 1; length < whole[i].length; length++)
            expect_damage((struct rn_text){ whole[i].data, length }, 0, "f.mjpeg: frame 1 (byte 0): the input ends within it");
}

static void garbage_is_named_by_its_byte(void **state)
{
    (void)state;
    static const struct { struct rn_text bytes; size_t good; const char *message; } cases[] = {
        { RN_TEXT("GIF89a"), 0, "f.mjpeg: frame 1 (byte 0): no JPEG begins here" },
        { RN_TEXT("\xff\xd9"), 0, "f.mjpeg: frame 1 (byte 0): no JPEG begins here" },
        { RN_TEXT(SOI EOI "\n" SOI EOI), 1, "f.mjpeg: frame 2 (byte 4): no JPEG begins here" },
        { RN_TEXT(SOI "\x00\x00"), 0, "f.mjpeg: frame 1 (byte 2): there is no marker where one must be" },
        { RN_TEXT(SOI EOI SOI SOI EOI), 1, "f.mjpeg: frame 2 (byte 6): a marker that must not be here" },
        { RN_TEXT(SOI "\xff\xd3" EOI), 0, "f.mjpeg: frame 1 (byte 2): a marker that must not be here" },
        { RN_TEXT(SOI "\xff\xe0\x00\x01" EOI), 0, "f.mjpeg: frame 1 (byte 2): a segment that is shorter than its length" },
        { RN_TEXT(SOI "\xff\xe0\x00\x03" EOI EOI), 0, NULL },
        { RN_TEXT(SOI SCAN "x\xff\x01" EOI), 0, "f.mjpeg: frame 1 (byte 9): there is no marker where one must be" },
    };
    for (size_t i = 0; i < LENGTH(cases); i++)
        expect_damage(cases[i].bytes, cases[i].good, cases[i].message);
}

static void a_frame_without_end_is_refused(void **state)
{
    (void)state;
    const size_t length = (size_t)RN_FRAME_MAX + (1 << 20);
    char *bytes = calloc(length, 1);
    assert_non_null(bytes);
    memcpy(bytes, SOI SCAN, 8);
    expect_damage((struct rn_text){ bytes, length }, 0, "f.mjpeg: frame 1 (byte 0): it is longer than 64 MiB");
    memcpy(bytes + RN_FRAME_MAX - 2, EOI EOI, 4);
    expect_damage((struct rn_text){ bytes, length }, 1, NULL); /* just as long as allowed */
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_end_where_their_markers_say), cmocka_unit_test(a_frame_is_there_with_its_last_byte),
        cmocka_unit_test(a_cut_frame_is_damage), cmocka_unit_test(garbage_is_named_by_its_byte),
        cmocka_unit_test(a_frame_without_end_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
