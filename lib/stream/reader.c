/* reader.c -- segments and records, checked. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "stream/codec.h"
#include "stream/object.h"
#include "stream/seen.h"
#include "stream/skim.h"
#include "stream/files.h"

enum place { AT_HEAD, AT_RECORD, AT_TAIL };

struct rn_reader {
    struct rn_files source;
    size_t limit;      /* of one record's bytes */
    size_t length;     /* of the object that was read last: it still lies at the start of the source */
    struct rn_head head;
    struct rn_arena arena;
    bool in_segment;
    uint64_t records;  /* of this segment, so far */
    XXH3_state_t *hash; /* of this segment, so far */
    uint64_t tail_hash;
    bool tail_hashed;
    bool unique, joined;
    struct rn_parts parts; /* of sets, so far */
    struct rn_seen seen;
    enum place place;  /* what was read last, and its place in the file */
    uint64_t offset;
    struct rn_err failed; /* damage stays: nothing that follows it can be trusted */
};

static int record_limit(size_t *limit, struct rn_err *err)
{
    static const struct rn_opt option = { .name = "RN_RECORD_MAX", .kind = RN_OPT_COUNT, .low = 1, .high = 1e15 };
    const char *text = getenv("RN_RECORD_MAX");
    uint64_t bytes = (uint64_t)1 << 30;
    struct rn_err ignored;
    if (text && *text && rn_opt_set(&option, &bytes, text, &ignored))
        return rn_fail(err, RN_EXIT_USAGE, "RN_RECORD_MAX is not a number of bytes (K, M, G may follow)");
    *limit = (size_t)bytes;
    return 0;
}

int rn_reader_open(struct rn_reader **result, char *const *files, size_t count, struct rn_err *err)
{
    struct rn_reader *reader = rn_calloc(1, sizeof *reader, err);
    *result = NULL;
    if (!reader)
        return -1;
    reader->source = (struct rn_files){ .files = files, .count = count, .fd = -1 };
    if (record_limit(&reader->limit, err) || rn_files_next(&reader->source, err) < 0)
        goto fail;
    if (!(reader->hash = XXH3_createState())) {
        rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
        goto fail;
    }
    *result = reader;
    return 0;
fail:
    rn_reader_close(reader);
    return -1;
}

void rn_reader_close(struct rn_reader *reader)
{
    if (!reader)
        return;
    rn_files_close(&reader->source);
    rn_head_free(&reader->head);
    rn_arena_clear(&reader->arena);
    rn_seen_free(&reader->seen);
    rn_parts_free(&reader->parts);
    XXH3_freeState(reader->hash);
    free(reader);
}

void rn_reader_shrink(struct rn_reader *reader)
{
    struct rn_files *source = &reader->source;
    rn_files_take(source, reader->length);
    reader->length = 0;
    rn_arena_clear(&reader->arena);
    if (source->start < source->end)
        return;
    free(source->data);
    source->data = NULL;
    source->capacity = source->start = source->end = 0;
}

enum { EXCHANGED = 64 << 10 }; /* a record of less is sooner copied */

/* What the two have of blocks. */
static void exchange(struct rn_files *source, struct rn_berth *bytes)
{
    const struct rn_berth ours = { source->data, source->capacity, source->lent };
    source->data = bytes->data;
    source->capacity = bytes->capacity;
    source->lent = bytes->lent;
    *bytes = ours;
}

int rn_reader_exchange(struct rn_reader *reader, struct rn_berth *bytes, struct rn_err *err)
{
    struct rn_files *source = &reader->source;
    size_t behind = source->start + reader->length, left = source->end - behind;
    if (reader->length < EXCHANGED || left > reader->length / 4)
        return 0;
    exchange(source, bytes);
    source->start = source->end = 0;
    if (rn_files_grow(source, left, err)) {
        exchange(source, bytes);
        source->start = behind - reader->length;
        source->end = behind + left;
        return -1;
    }
    if (left)
        memcpy(source->data, bytes->data + behind, left);
    source->end = left;
    source->offset += reader->length;
    reader->length = 0;
    return 1;
}

void rn_reader_leave(struct rn_reader *reader, struct rn_berth *bytes)
{
    *bytes = (struct rn_berth){ 0 };
    exchange(&reader->source, bytes);
    reader->source.start = reader->source.end = reader->length = 0;
}

void rn_reader_unique(struct rn_reader *reader)
{
    reader->unique = true;
}

void rn_reader_join(struct rn_reader *reader)
{
    reader->joined = true;
}

int rn_reader_missing(const struct rn_reader *reader, bool alone, struct rn_texts *lines, struct rn_part_of *of, struct rn_err *err)
{
    if (of && rn_parts_join(of, &reader->parts, err))
        return -1;
    return alone && rn_parts_alone(&reader->parts) ? 0 : rn_parts_tell(&reader->parts, lines, err);
}

void rn_reader_stop_on(struct rn_reader *reader, const atomic_int *stop)
{
    reader->source.stop = stop;
}

const char *rn_reader_where(const struct rn_reader *reader, char room[static 512])
{
    static const char *const names[] = { [AT_HEAD] = "head", [AT_TAIL] = "tail" };
    char name[256], what[64];
    rn_text_show(rn_text(reader->source.name), name);
    if (reader->place == AT_RECORD)
        snprintf(what, sizeof what, "record %llu", (unsigned long long)reader->records);
    else
        snprintf(what, sizeof what, "%s", names[reader->place]);
    snprintf(room, 512, "%s: %s (byte %llu)", name, what, (unsigned long long)reader->offset);
    return room;
}

void rn_reader_span(const struct rn_reader *reader, size_t *file, uint64_t *offset, uint64_t *length)
{
    *file = reader->source.next - 1;
    *offset = reader->offset;
    *length = reader->length;
}

void rn_reader_tail(const struct rn_reader *reader, uint64_t *records, uint64_t *xxh3, bool *hashed)
{
    *records = reader->records;
    *xxh3 = reader->tail_hash;
    *hashed = reader->tail_hashed;
}

/* Says where, and keeps the error. */
static int failed(struct rn_reader *reader, struct rn_err *err)
{
    char room[512];
    if (err->exit == RN_EXIT_DATA)
        rn_fail_at(err, "%s", rn_reader_where(reader, room));
    reader->failed = *err;
    return -1;
}

static bool is_map(char first)
{
    unsigned char byte = (unsigned char)first;
    return (byte & 0xf0) == 0x80 || byte == 0xde || byte == 0xdf;
}

/* The end of the file within a segment, or within an object. */
static int cut_short(const struct rn_reader *reader, struct rn_err *err)
{
    const struct rn_files *source = &reader->source;
    if (source->stop && *source->stop)
        return RN_STOPPED;
    if (source->end > source->start)
        return rn_fail(err, RN_EXIT_DATA, "the file ends within it, after %zu bytes of it", source->end - source->start);
    return rn_fail(err, RN_EXIT_DATA, "the file ends before the tail: it is cut short, or its writer failed");
}

/* The next object's bytes, from source.data + source.start on, reader->length of them. 1, 0 (the file ended before it), -1 or
 * RN_STOPPED. */
static int next_object(struct rn_reader *reader, struct rn_err *err)
{
    struct rn_files *source = &reader->source;
    rn_files_take(source, reader->length);
    reader->length = 0;
    reader->offset = source->offset;
    struct rn_skim skim = rn_skim_start(reader->limit);
    for (;;) {
        size_t here = source->end - source->start;
        if (here && !is_map(source->data[source->start]))
            return rn_fail(err, RN_EXIT_DATA, reader->place == AT_HEAD ? "not an rn stream: no map begins here"
                           : "no map begins here");
        int rc = rn_skim(&skim, here ? source->data + source->start : "", here, err);
        if (rc < 0)
            return -1;
        if (rc > 0)
            return reader->length = skim.length, 1;
        rc = rn_files_fill(source, skim.payload, err);
        if (rc < 0 || rc == RN_STOPPED)
            return rc;
        if (rc == 0)
            return source->end > source->start ? cut_short(reader, err) : 0;
    }
}

static void hash_object(struct rn_reader *reader)
{
    XXH3_64bits_update(reader->hash, reader->source.data + reader->source.start, reader->length);
}

static int unpack_object(struct rn_reader *reader, struct rn_err *err)
{
    return rn_arena_unpack(&reader->arena, reader->source.data + reader->source.start, reader->length, err);
}

static int check_kind(const struct rn_reader *reader, unsigned kinds, struct rn_err *err)
{
    char wanted[128] = "";
    if (kinds & RN_KIND_BIT(reader->head.kind))
        return 0;
    for (int k = 0; k < RN_KINDS; k++)
        if (kinds & RN_KIND_BIT(k)) {
            size_t length = strlen(wanted);
            snprintf(wanted + length, sizeof wanted - length, "%s%s", length ? " or " : "", rn_kind_name((enum rn_kind)k));
        }
    return rn_fail(err, RN_EXIT_DATA, "a stream of %s, not of %s", rn_kind_name(reader->head.kind), wanted);
}

/* Passes over what is left of the segment, checking it. 0, -1 or RN_STOPPED. */
static int finish_segment(struct rn_reader *reader, struct rn_err *err)
{
    struct rn_record record;
    int rc = 0;
    while (reader->in_segment && (rc = rn_reader_record(reader, &record, err)) == 1)
        ;
    return rc;
}

/* 1, 0 at the end of the last file, -1 or RN_STOPPED. */
static int first_object(struct rn_reader *reader, struct rn_err *err)
{
    for (;;) {
        int rc = next_object(reader, err);
        if (rc)
            return rc;
        if (!reader->source.offset)
            return reader->source.stop && *reader->source.stop ? RN_STOPPED
                   : rn_fail(err, RN_EXIT_DATA, "there are no bytes at all");
        if ((rc = rn_files_next(&reader->source, err)) <= 0)
            return rc;
    }
}

int rn_reader_head(struct rn_reader *reader, unsigned kinds, const struct rn_head **head, struct rn_err *err)
{
    if (reader->failed.exit)
        return *err = reader->failed, -1;
    int rc = finish_segment(reader, err);
    if (rc)
        return rc;
    rn_head_free(&reader->head);
    reader->place = AT_HEAD;
    reader->records = 0;
    if ((rc = first_object(reader, err)) != 1)
        return rc < 0 ? failed(reader, err) : rc;
    if (unpack_object(reader, err) || rn_head_unpack(&reader->head, &reader->arena.unpacked.data, err) ||
        check_kind(reader, kinds, err) || (reader->joined && rn_parts_add(&reader->parts, &reader->head.part_of, true, err)))
        return failed(reader, err);
    XXH3_64bits_reset(reader->hash);
    hash_object(reader);
    reader->in_segment = true;
    *head = &reader->head;
    return 1;
}

static int check_tail(struct rn_reader *reader, struct rn_err *err)
{
    struct rn_slot slots[] = { { .key = "rn" }, { .key = "records" }, { .key = "xxh3" } };
    struct rn_text text;
    uint64_t records, claimed = 0;
    if (rn_object_match(&reader->arena.unpacked.data, slots, 3, NULL, NULL, err) || rn_slots_there(slots, 2, err) ||
        rn_slot_u64(&slots[1], &records, err))
        return -1;
    if (records != reader->records)
        return rn_fail(err, RN_EXIT_DATA, "%llu records came, the tail says %llu", (unsigned long long)reader->records,
                       (unsigned long long)records);
    reader->tail_hash = XXH3_64bits_digest(reader->hash);
    reader->tail_hashed = slots[2].value != NULL;
    if (!reader->tail_hashed)
        return 0;
    if (slots[2].value->type != MSGPACK_OBJECT_BIN || rn_slot_text(&slots[2], &text, err) || text.length != 8)
        return rn_fail(err, RN_EXIT_DATA, "\"xxh3\" is not bin of 8 bytes");
    for (int i = 0; i < 8; i++)
        claimed = claimed << 8 | (unsigned char)text.data[i];
    return claimed == reader->tail_hash ? 0 : rn_fail(err, RN_EXIT_DATA, "the segment's hash is not the tail's: it was altered");
}

static int check_unique(struct rn_reader *reader, const struct rn_record *record, struct rn_err *err)
{
    char room[256];
    if (!reader->unique || record->kind == RN_BATCHES || record->kind == RN_WEIGHTS)
        return 0;
    int rc = rn_seen_add(&reader->seen, rn_hash64(record->id), err);
    return rc ? (rc < 0 ? -1 : 0) : rn_fail(err, RN_EXIT_DATA, "the id \"%s\" is there twice", rn_text_show(record->id, room));
}

/* Only tails and heads have the key "rn". 1, 0 or -1. */
static int is_tail(const struct rn_reader *reader, struct rn_err *err)
{
    struct rn_slot slot = { "rn", rn_object_find(&reader->arena.unpacked.data, "rn") };
    struct rn_text name;
    if (!slot.value)
        return 0;
    if (rn_slot_text(&slot, &name, err))
        return -1;
    if (rn_text_is(name, "end"))
        return 1;
    return rn_fail(err, RN_EXIT_DATA, "a head where a record or the tail must be: the segment before it has no tail");
}

static int record_or_tail(struct rn_reader *reader, struct rn_record *record, struct rn_err *err)
{
    int tail = unpack_object(reader, err) ? -1 : is_tail(reader, err);
    if (tail < 0)
        return -1;
    if (!tail) {
        hash_object(reader);
        return rn_record_decode(record, &reader->head, &reader->arena, err) || check_unique(reader, record, err) ? -1 : 1;
    }
    reader->place = AT_TAIL;
    reader->records--;
    reader->in_segment = false;
    return check_tail(reader, err);
}

int rn_reader_record(struct rn_reader *reader, struct rn_record *record, struct rn_err *err)
{
    if (reader->failed.exit)
        return *err = reader->failed, -1;
    if (!reader->in_segment)
        return 0;
    reader->place = AT_RECORD;
    reader->records++; /* from here on messages mean the record that is to come */
    int rc = next_object(reader, err);
    if (rc == 0)
        rc = cut_short(reader, err);
    if (rc == RN_STOPPED) {
        reader->records--;
        return rc;
    }
    rc = rc < 0 ? -1 : record_or_tail(reader, record, err);
    return rc < 0 ? failed(reader, err) : rc;
}
