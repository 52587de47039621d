/* stream.c -- any bytes as an rn stream: every head and record of it, as JSON and packed again. */
#include <string.h>

#include "stream/source.h"
#include "stream/stream.h"
#include "tests/fuzz/fuzz.h"

/* In the place of lib/stream/source.c: files cost more than all the rest. The input comes in two pieces, the second in a block that is
 * not longer than the bytes that are there, so that a read behind them is seen. */
static struct {
    const uint8_t *bytes;
    size_t length, given;
} input;

int rn_source_next(struct rn_source *source, struct rn_err *err)
{
    (void)err;
    source->name = "input";
    source->offset = 0;
    return source->next++ ? 0 : 1;
}

int rn_source_fill(struct rn_source *source, struct rn_err *err)
{
    size_t more = input.given || input.length < 2 ? input.length - input.given : input.length / 2, here = source->end - source->start;
    (void)err;
    if (!more)
        return 0;
    char *data = malloc(here + more);
    if (here)
        memcpy(data, source->data + source->start, here);
    memcpy(data + here, input.bytes + input.given, more);
    free(source->data);
    source->data = data;
    source->start = 0;
    source->end = source->capacity = here + more;
    input.given += more;
    return 1;
}

void rn_source_take(struct rn_source *source, size_t length)
{
    source->start += length;
    source->offset += length;
}

void rn_source_close(struct rn_source *source)
{
    free(source->data);
    source->data = NULL;
}

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
    char *const file[] = { "input" };
    struct rn_err err = { 0 };
    struct rn_reader *reader;
    input = (__typeof__(input)){ bytes, length, 0 };
    if (rn_reader_open(&reader, file, 1, &err))
        abort();
    read_all(reader);
    rn_reader_close(reader);
    return 0;
}
