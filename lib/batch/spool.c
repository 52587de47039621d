/* spool.c -- the whole input in a temporary file, or where it lies: memory holds 48 bytes a record. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/private.h"
#include "core/file.h"

enum { WAITING = 1 << 20, SORTED_AT_ONCE = 4096 };

int rn_spool_open(struct rn_spool *spool, struct rn_err *err)
{
    *spool = (struct rn_spool){ .fd = rn_file_scratch(err) };
    return spool->fd < 0 ? -1 : 0;
}

static int open_file(struct rn_opened *file, const char *path, struct rn_err *err)
{
    char room[256];
    struct stat status;
    bool standard = !strcmp(path, "-");
    file->name = standard ? "standard input" : path;
    rn_text_show(rn_text(file->name), room);
    file->fd = standard ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    if (file->fd < 0 || fstat(file->fd, &status))
        return rn_fail_errno(err, "%s", room);
    off_t start = standard ? lseek(file->fd, 0, SEEK_CUR) : 0;
    if (!S_ISREG(status.st_mode) || start < 0)
        return rn_fail(err, RN_EXIT_USAGE, "--spool none needs files, not a pipe: %s", room);
    file->start = (uint64_t)start;
    return 0;
}

int rn_spool_in_place(struct rn_spool *spool, char *const *files, size_t count, struct rn_err *err)
{
    size_t all = count ? count : 1;
    *spool = (struct rn_spool){ .fd = -1 };
    if (!(spool->files = rn_calloc(all, sizeof *spool->files, err)))
        return -1;
    for (; spool->file_count < all; spool->file_count++)
        if (open_file(&spool->files[spool->file_count], count ? files[spool->file_count] : "-", err)) {
            spool->file_count += spool->files[spool->file_count].fd >= 0;
            return -1;
        }
    return 0;
}

void rn_spool_close(struct rn_spool *spool)
{
    if (spool->fd >= 0)
        close(spool->fd);
    for (size_t i = 0; i < spool->file_count; i++)
        close(spool->files[i].fd);
    for (size_t i = 0; i < spool->head_count; i++)
        free(spool->heads[i].map);
    for (size_t i = 0; i < spool->head_count; i++)
        rn_head_free(&spool->heads[i].head);
    rn_buffer_free(&spool->waiting);
    free(spool->entry);
    free(spool->files);
    free(spool->heads);
    free(spool->border);
}

static struct rn_spooled *add_head(struct rn_spool *spool, struct rn_err *err)
{
    if (rn_grow(&spool->heads, &spool->head_room, spool->head_count + 1, sizeof *spool->heads, err))
        return NULL;
    struct rn_spooled *added = &spool->heads[spool->head_count++];
    *added = (struct rn_spooled){ .fd = -1 };
    return added;
}

int rn_spool_segment(struct rn_spool *spool, const struct rn_head *head, const int64_t *map, size_t file, struct rn_err *err)
{
    struct rn_spooled *segment = add_head(spool, err);
    if (!segment)
        return -1;
    segment->fd = spool->files[file].fd;
    segment->start = spool->files[file].start;
    rn_head_init(&segment->head, head->kind);
    if (!(segment->map = rn_calloc(head->classes.count, sizeof *map, err)))
        return -1;
    for (size_t i = 0; i < head->classes.count; i++)
        segment->map[i] = map[i];
    return rn_texts_copy(&segment->head.classes, &head->classes, err);
}

int rn_spool_note(struct rn_spool *spool, const struct rn_record *record, int64_t label, uint64_t offset, uint64_t length,
                  struct rn_err *err)
{
    if (rn_grow(&spool->entry, &spool->capacity, spool->count + 1, sizeof *spool->entry, err))
        return -1;
    spool->entry[spool->count++] = (struct rn_batch_entry){
        .offset = offset, .length = length, .who = rn_hash64(record->id), .label = label, .head = (uint32_t)(spool->head_count - 1),
    };
    return 0;
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
        .who = rn_hash64(record->id), .head = record->kind == RN_IMAGES,
        .label = record->error.data ? RN_NIL : record->label,
    };
    return spool->waiting.length >= WAITING ? flush(spool, err) : 0;
}

int rn_spool_finish(struct rn_spool *spool, const struct rn_texts *classes, struct rn_err *err)
{
    static const enum rn_kind kinds[2] = { RN_SAMPLES, RN_IMAGES };
    for (int i = 0; i < 2 && spool->fd >= 0; i++) {
        struct rn_spooled *added = add_head(spool, err);
        if (!added)
            return -1;
        added->fd = spool->fd;
        rn_head_init(&added->head, kinds[i]);
        if (rn_texts_copy(&added->head.classes, classes, err))
            return -1;
    }
    int rc = spool->fd >= 0 ? flush(spool, err) : 0;
    rn_buffer_free(&spool->waiting);
    return rc;
}

/* In place others may write to the file meanwhile: it must be the record that was there. */
static int check_place(const struct rn_spool *spool, const struct rn_batch_entry *entry, int rc, struct rn_record *record,
                       struct rn_err *err)
{
    char room[256];
    const char *name = "";
    for (size_t i = 0; i < spool->file_count; i++)
        if (spool->files[i].fd == spool->heads[entry->head].fd)
            name = spool->files[i].name;
    rn_text_show(rn_text(name), room);
    if (rc == 0 && rn_hash64(record->id) == entry->who) {
        record->label = record->label == RN_NIL ? RN_NIL : spool->heads[entry->head].map[record->label];
        return 0;
    }
    return rc && err->exit == RN_EXIT_SYSTEM ? rn_fail_at(err, "%s", room)
                                             : rn_fail(err, RN_EXIT_DATA,
                                                       "%s: it has changed since it was read: --spool none needs files that stay "
                                                       "as they are", room);
}

int rn_spool_read(const struct rn_spool *spool, const struct rn_batch_entry *entry, struct rn_record *record,
                  struct rn_buffer *bytes, struct rn_arena **arena, struct rn_err *err)
{
    const struct rn_spooled *head = &spool->heads[entry->head];
    if (rn_grow(&bytes->data, &bytes->capacity, entry->length, 1, err))
        return -1;
    bytes->length = entry->length;
    int rc = rn_file_pread(head->fd, bytes->data, bytes->length, head->start + entry->offset, err) ||
             rn_record_unpack(record, (struct rn_text){ bytes->data, bytes->length }, &head->head, arena, err) ? -1 : 0;
    if (spool->fd < 0)
        return check_place(spool, entry, rc, record, err);
    return rc ? rn_fail_at(err, "the temporary file") : 0;
}

static int by_draw(const void *a, const void *b)
{
    const struct rn_batch_entry *x = a, *y = b;
    return x->draw < y->draw ? -1 : x->draw > y->draw;
}

/* Whether a's id comes after b's. 1, 0 or -1. */
static int is_after(const struct rn_spool *spool, const struct rn_batch_entry *a, const struct rn_batch_entry *b,
                    struct rn_err *err)
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

/* Entries of equal draw lie in one block: ids are in the file, so that only these look there, almost never. */
static int sort_block(struct rn_spool *spool, size_t first, size_t end, struct rn_err *err)
{
    struct rn_batch_entry *entry = spool->entry;
    qsort(entry + first, end - first, sizeof *entry, by_draw);
    for (size_t i = first + 1; i < end; i++)
        for (size_t j = i; j > first && entry[j].draw == entry[j - 1].draw; j--) {
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

/* Where those begin whose draw is the pivot's or above; the others are before. */
static size_t part(struct rn_batch_entry *entry, size_t first, size_t end, uint64_t pivot)
{
    size_t low = first, high = end;
    while (low < high) {
        if (entry[low].draw < pivot) {
            low++;
        } else {
            struct rn_batch_entry swap = entry[--high];
            entry[high] = entry[low];
            entry[low] = swap;
        }
    }
    return low;
}

int rn_spool_order(struct rn_spool *spool, uint64_t seed, uint32_t epoch, struct rn_err *err)
{
    for (size_t i = 0; i < spool->count; i++) {
        struct rn_rng rng = rn_rng(seed, RN_FOR_ORDER, spool->entry[i].who, epoch);
        spool->entry[i].draw = rn_rng_u64(&rng);
    }
    if (rn_grow(&spool->border, &spool->border_room, 1, sizeof *spool->border, err))
        return -1;
    spool->sorted = 0;
    spool->border[0] = spool->count;
    spool->borders = 1;
    return 0;
}

/* Quicksort that leaves the later half to later. Draws are random, so that any of them is a good pivot. */
int rn_spool_until(struct rn_spool *spool, size_t count, struct rn_err *err)
{
    while (spool->sorted < count && spool->sorted < spool->count) {
        size_t first = spool->sorted, end = spool->border[spool->borders - 1], middle = first;
        if (end - first > SORTED_AT_ONCE)
            middle = part(spool->entry, first, end, spool->entry[first + (end - first) / 2].draw);
        if (middle > first) {
            if (rn_grow(&spool->border, &spool->border_room, spool->borders + 1, sizeof *spool->border, err))
                return -1;
            spool->border[spool->borders++] = middle;
            continue;
        }
        if (sort_block(spool, first, end, err))
            return -1;
        spool->sorted = end;
        spool->borders--;
    }
    return 0;
}
