/* stream.c -- any bytes as an rn stream: every head and record of it, as JSON and packed again. */
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/stream.h"
#include "tests/fuzz/fuzz.h"

static void record(const struct rn_record *record, const struct rn_texts *classes, struct rn_buffer *room)
{
    struct rn_err err = { 0 };
    size_t count;
    room->length = 0;
    if (rn_record_json(record, classes, rn_tensor_count(&record->tensor, &count) && count < 1000, room, &err) ||
        rn_record_pack(record, room, &err))
        abort();
}

static void read_all(struct rn_reader *reader)
{
    const struct rn_head *head;
    struct rn_record one;
    struct rn_err err = { 0 };
    struct rn_buffer room = { 0 };
    int rc = 1;
    rn_reader_unique(reader);
    while (rc == 1 && (rc = rn_reader_head(reader, (1u << RN_KINDS) - 1, &head, &err)) == 1) {
        room.length = 0;
        if (rn_head_json(head, &room, &err))
            abort();
        while ((rc = rn_reader_record(reader, &one, &err)) == 1)
            record(&one, &head->classes, &room);
        rc = rc == 0 ? 1 : rc;
    }
    if (rc < 0 && (!err.exit || !err.text[0]))
        abort(); /* refused without a word */
    rn_buffer_free(&room);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length)
{
    char path[64], *file[] = { path };
    struct rn_err err = { 0 };
    struct rn_reader *reader;
    int fd = memfd_create("stream", 0);
    if (fd < 0 || rn_file_write(fd, bytes, length, &err))
        abort();
    snprintf(path, sizeof path, "/dev/fd/%d", fd);
    if (rn_reader_open(&reader, file, 1, &err))
        abort();
    read_all(reader);
    rn_reader_close(reader);
    close(fd);
    return 0;
}
