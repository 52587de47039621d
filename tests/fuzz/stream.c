/* stream.c -- any bytes as an rn stream: every head and record of it, as JSON and packed again. */
#include <string.h>

#include "stream/files.h"
#include "stream/stream.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/mutate.h"

/* ---- what a stream is made of: each object of msgpack, however deep; and its tails, which are made right again ---- */

/* The bytes of the object at `at` before what it contains, and how many objects that is; false: none is there. */
static bool object_at(const uint8_t *bytes, size_t length, size_t at, size_t *head, size_t *payload, size_t *objects)
{
    static const uint8_t sizes[32] = { 1, 1, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, /* of c0 and the following */
                                       2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5 };
    uint8_t byte = at < length ? bytes[at] : 0xc1;
    uint64_t n = 0;
    *payload = *objects = 0;
    *head = byte < 0xc0 || byte >= 0xe0 ? 1 : sizes[byte - 0xc0];
    if (at >= length || *head > length - at)
        return false;
    if (byte >= 0x80 && byte < 0x90)
        *objects = (byte & 15) * 2;
    else if (byte >= 0x90 && byte < 0xa0)
        *objects = byte & 15;
    else if (byte >= 0xa0 && byte < 0xc0)
        *payload = byte & 31;
    for (size_t i = 1; i < *head && (byte >= 0xd9 || (byte >= 0xc4 && byte <= 0xc6)); i++)
        n = n << 8 | bytes[at + i];
    if ((byte >= 0xc4 && byte <= 0xc6) || (byte >= 0xd9 && byte <= 0xdb))
        *payload = n;
    else if (byte >= 0xdc && byte <= 0xdd)
        *objects = n;
    else if (byte >= 0xde && byte <= 0xdf)
        *objects = 2 * n;
    return *payload <= length - at - *head && *objects <= length;
}

/* The end of the object at `at`, whose pieces are added; 0: there is no whole one. */
static size_t walk(struct fuzz_piece *pieces, size_t *count, size_t most, const uint8_t *bytes, size_t length, size_t at, int depth)
{
    size_t head, payload, objects, end;
    if (depth > 9 || !object_at(bytes, length, at, &head, &payload, &objects))
        return 0;
    end = at + head + payload;
    bool added = pieces && *count < most;
    if (added)
        pieces[(*count)++] = (struct fuzz_piece){ at, head + payload, payload ? head : 0, 0 };
    size_t mine = *count - 1;
    for (; objects && end; objects--)
        end = walk(pieces, count, most, bytes, length, end, depth + 1);
    if (added && end)
        pieces[mine].length = end - at;
    return end;
}

static size_t fuzz_split(struct fuzz_piece *pieces, size_t most, const uint8_t *bytes, size_t length)
{
    size_t count = 0;
    for (size_t at = 0, end; at < length && (end = walk(pieces, &count, most, bytes, length, at, 0)); at = end) {
    }
    return count;
}

static size_t fuzz_wrap(uint8_t *to, const uint8_t *was, const struct fuzz_piece *piece, const uint8_t *inside, size_t n)
{
    bool text = (*was >= 0xa0 && *was < 0xc0) || (*was >= 0xd9 && *was <= 0xdb);
    size_t head = 0;
    if (piece->inside) { /* what the bytes are is kept, how many they are is said */
        to[head++] = text ? 0xda : 0xc5;
        to[head++] = (uint8_t)(n >> 8);
        to[head++] = (uint8_t)n;
        if (text && n < 32)
            to[0] = (uint8_t)(0xa0 | n), head = 1;
        else if (!text && n < 256)
            to[0] = 0xc4, to[1] = (uint8_t)n, head = 2;
    }
    memcpy(to + head, inside, n);
    return head + n;
}

static size_t fuzz_mend(uint8_t *bytes, size_t length, size_t most)
{
    size_t begin = 0, records = 0, count = 0;
    for (size_t at = 0, end; at < length && (end = walk(NULL, &count, 0, bytes, length, at, 0)); at = end) {
        uint8_t tail[34 + 1] = "\x83\xa2rn\xa3""end\xa7records\xcd??\xa4xxh3\xc4\x08";
        if (end - at < 8 || memcmp(bytes + at + 1, "\xa2rn\xa3""end", 7)) {
            records += at > begin;
            continue;
        }
        uint64_t hash = rn_hash64((struct rn_text){ (const char *)bytes + begin, at - begin });
        tail[17] = (uint8_t)(records >> 8);
        tail[18] = (uint8_t)records;
        for (int i = 0; i < 8; i++)
            tail[26 + i] = (uint8_t)(hash >> (56 - 8 * i));
        length = fuzz_put(bytes, length, most, at, end - at, tail, 34);
        begin = end = at + 34;
        records = 0;
    }
    return length;
}

static const char *fuzz_word(unsigned draw, size_t *length)
{
#define WORD(bytes) { bytes, sizeof bytes - 1 }
    static const struct {
        const char *bytes;
        size_t length;
    } words[] = {
        WORD("\xc0"), WORD("\xc3"), WORD("\0"), WORD("\x7f"), WORD("\xff"), WORD("\xcd\xff\xff"), WORD("\xce\xff\xff\xff\xff"),
        WORD("\xcf\xff\xff\xff\xff\xff\xff\xff\xff"), WORD("\xd3\x80\0\0\0\0\0\0\0"), WORD("\xcb\x7f\xf8\0\0\0\0\0\0"),
        WORD("\xcb\x7f\xf0\0\0\0\0\0\0"), WORD("\xa0"), WORD("\x80"), WORD("\x90"), WORD("\xc4\0"),
        WORD("\xdd\xff\xff\xff\xff"), WORD("\xdf\x7f\xff\xff\xff"), WORD("\xc6\xff\xff\xff\xff"),
        WORD("\x91\x91\x91\x91\x91\x91\x91\x91\x91\xc0"), WORD("\xa2id"), WORD("\xa5label"), WORD("\xa5split"),
        WORD("\xa5""error"), WORD("\xa4path"), WORD("\xa4""data"), WORD("\xa6labels"), WORD("\xa5probs"), WORD("\xa5""batch"),
        WORD("\xa5value"), WORD("\xa3|u1"), WORD("\xa3<f4"), WORD("\xa3<i8"), WORD("\xa6images"), WORD("\xa7samples"),
        WORD("\xa7weights"), WORD("\xab""predictions"), WORD("\xa7""batches"),
    };
    *length = words[draw % (sizeof words / sizeof *words)].length;
    return words[draw % (sizeof words / sizeof *words)].bytes;
}

/* ---- the fuzzer ---- */

/* In the place of lib/stream/source.c: files cost more than all the rest. The input comes in two pieces, in blocks that are not
 * longer than the bytes that are there, so that a read behind them is seen. */
static struct {
    const uint8_t *bytes;
    size_t length, given;
} input;

int rn_files_next(struct rn_files *source, struct rn_err *err)
{
    (void)err;
    source->name = "input";
    source->offset = 0;
    return source->next++ ? 0 : 1;
}

int rn_files_fill(struct rn_files *source, size_t missing, struct rn_err *err)
{
    size_t more = input.given || input.length < 2 ? input.length - input.given : input.length / 2;
    size_t here = source->end - source->start;
    (void)missing, (void)err;
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

int rn_files_grow(struct rn_files *source, size_t capacity, struct rn_err *err)
{
    return rn_grow(&source->data, &source->capacity, capacity, 1, err);
}

void rn_files_take(struct rn_files *source, size_t length)
{
    source->start += length;
    source->offset += length;
}

void rn_files_close(struct rn_files *source)
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
