/* spool.c -- the whole input in a temporary file: memory holds 40 bytes a record. */
#include <stdlib.h>
#include <unistd.h>

#include "batch/private.h"
#include "core/file.h"

enum { WAITING = 1 << 20 };

int rn_spool_open(struct rn_spool *spool, struct rn_err *err)
{
    *spool = (struct rn_spool){ .fd = rn_file_scratch(err) };
    return spool->fd < 0 ? -1 : 0;
}

void rn_spool_close(struct rn_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    rn_buffer_free(&spool->waiting);
    free(spool->entry);
    for (int i = 0; i < 2; i++)
        rn_head_free(&spool->heads[i]);
}

static int flush(struct rn_spool *spool, struct rn_err *err)
{
    if (rn_file_write(spool->fd, spool->waiting.data, spool->waiting.length, err))
        return rn_fail_at(err, "the temporary file");
    spool->written += spool->waiting.length;
    spool->waiting.length = 0;
    return 0;
}

int rn_spool_add(struct rn_spool *spool, const struct rn_record *record, struct rn_err *err)
{
    size_t before = spool->waiting.length;
    if (rn_grow(&spool->entry, &spool->capacity, spool->count + 1, sizeof *spool->entry, err) ||
        rn_record_pack(record, &spool->waiting, err))
        return -1;
    spool->entry[spool->count++] = (struct rn_batch_entry){
        .offset = spool->written + before, .length = spool->waiting.length - before,
        .who = rn_hash64(record->id), .kind = record->kind,
        .label = record->error.data ? RN_NIL : record->label,
    };
    return spool->waiting.length >= WAITING ? flush(spool, err) : 0;
}

int rn_spool_finish(struct rn_spool *spool, const struct rn_texts *classes, struct rn_err *err)
{
    static const enum rn_kind kinds[2] = { RN_SAMPLES, RN_IMAGES };
    for (int i = 0; i < 2; i++) {
        rn_head_init(&spool->heads[i], kinds[i]);
        if (rn_texts_copy(&spool->heads[i].classes, classes, err))
            return -1;
    }
    int rc = flush(spool, err);
    rn_buffer_free(&spool->waiting);
    return rc;
}

int rn_spool_read(const struct rn_spool *spool, const struct rn_batch_entry *entry, struct rn_record *record, struct rn_buffer *bytes,
                  struct rn_arena **arena, struct rn_err *err)
{
    if (rn_grow(&bytes->data, &bytes->capacity, entry->length, 1, err))
        return -1;
    bytes->length = entry->length;
    if (rn_file_pread(spool->fd, bytes->data, bytes->length, entry->offset, err) ||
        rn_record_unpack(record, (struct rn_text){ bytes->data, bytes->length }, &spool->heads[entry->kind == RN_IMAGES], arena, err))
        return rn_fail_at(err, "the temporary file");
    return 0;
}

static int by_draw(const void *a, const void *b)
{
    const struct rn_batch_entry *x = a, *y = b;
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

/* Whether a's id comes after b's. 1, 0 or -1. */
static int is_after(const struct rn_spool *spool, const struct rn_batch_entry *a, const struct rn_batch_entry *b, struct rn_err *err)
{
    struct rn_buffer bytes[2] = { { 0 } };
    struct rn_arena *arena[2] = { NULL };
    struct rn_record record[2];
    int rc = rn_spool_read(spool, a, &record[0], &bytes[0], &arena[0], err) ||
             rn_spool_read(spool, b, &record[1], &bytes[1], &arena[1], err) ? -1 : 0;
    if (rc == 0)
        rc = rn_text_compare(record[0].id, record[1].id) > 0;
    for (int i = 0; i < 2; i++) {
        rn_buffer_free(&bytes[i]);
        rn_arena_free(arena[i]);
    }
    return rc;
}

/* Ids are in the file, so that only entries of equal draw look there: almost never. */
int rn_spool_order(struct rn_spool *spool, uint64_t seed, uint32_t epoch, struct rn_err *err)
{
    struct rn_batch_entry *entry = spool->entry;
    for (size_t i = 0; i < spool->count; i++) {
        struct rn_rng rng = rn_rng(seed, RN_FOR_ORDER, entry[i].who, epoch);
        entry[i].draw = rn_rng_u64(&rng);
    }
    if (spool->count)
        qsort(entry, spool->count, sizeof *entry, by_draw);
    for (size_t i = 1; i < spool->count; i++)
        for (size_t j = i; j > 0 && entry[j].draw == entry[j - 1].draw; j--) {
            int after = is_after(spool, &entry[j - 1], &entry[j], err);
            if (after <= 0) {
                if (after < 0)
                    return -1;
                break;
            }
            struct rn_batch_entry swap = entry[j];
            entry[j] = entry[j - 1];
            entry[j - 1] = swap;
        }
    return 0;
}
