/* part.c -- parts of a set, cut and joined. */
#include "stream/part.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

enum { NAMED = 8 }; /* parts or runs of records that a line names */

void rn_part_free(struct rn_part_of *of)
{
    free(of->part);
    *of = (struct rn_part_of){ 0 };
}

int rn_part_add(struct rn_part_of *of, struct rn_part part, struct rn_err *err)
{
    if (rn_grow(&of->part, &of->room, of->parts + 1, sizeof *of->part, err))
        return -1;
    of->part[of->parts++] = part;
    return 0;
}

int rn_part_copy(struct rn_part_of *to, const struct rn_part_of *from, struct rn_err *err)
{
    *to = (struct rn_part_of){ .set = from->set, .records = from->records };
    for (size_t i = 0; i < from->parts; i++)
        if (rn_part_add(to, from->part[i], err)) {
            rn_part_free(to);
            return -1;
        }
    return 0;
}

bool rn_part_equal(const struct rn_part_of *a, const struct rn_part_of *b)
{
    return a->parts == b->parts && a->set == b->set && a->records == b->records &&
           (!a->parts || !memcmp(a->part, b->part, a->parts * sizeof *a->part));
}

/* The hash so far, the id and the class, hashed: the order counts. */
static int print_one(uint64_t *print, struct rn_text id, int64_t label, const struct rn_texts *classes, struct rn_err *err)
{
    struct rn_text name = label == RN_NIL ? (struct rn_text){ 0 } : classes->item[label];
    struct rn_buffer bytes = { 0 };
    int rc = rn_buffer_add(&bytes, print, sizeof *print, err) || rn_buffer_add(&bytes, id.data, id.length, err) ||
             rn_buffer_add(&bytes, "", 1, err) || rn_buffer_add(&bytes, name.data, name.length, err) ? -1 : 0;
    if (rc == 0)
        *print = rn_hash64((struct rn_text){ bytes.data, bytes.length });
    rn_buffer_free(&bytes);
    return rc;
}

int rn_part_print(uint64_t *print, const struct rn_record *record, const struct rn_texts *classes, struct rn_err *err)
{
    if (record->kind == RN_WEIGHTS)
        return print_one(print, record->name, RN_NIL, classes, err);
    if (record->kind != RN_BATCHES || record->error.data)
        return print_one(print, record->id, record->label, classes, err);
    for (size_t i = 0; i < record->count; i++)
        if (print_one(print, record->ids[i], record->labels[i], classes, err))
            return -1;
    return 0;
}

static uint64_t share(uint64_t n, uint64_t i, uint64_t of)
{
    return (uint64_t)((unsigned __int128)n * i / of);
}

void rn_part_run(uint64_t n, uint64_t i, uint64_t of, uint64_t *first, uint64_t *end)
{
    *first = share(n, i - 1, of);
    *end = share(n, i, of);
}

int rn_part_slice(struct rn_part_of *to, const struct rn_part_of *from, uint64_t records, uint64_t first, uint64_t end, bool last,
                  struct rn_err *err)
{
    uint64_t all = 0, before = 0;
    for (size_t i = 0; i < from->parts; i++)
        all += (uint64_t)from->part[i].count;
    uint64_t low = records ? share(all, first, records) : last ? 0 : all, high = records ? share(all, end, records) : all;
    *to = (struct rn_part_of){ .set = from->set, .records = from->records };
    for (size_t i = 0; i < from->parts; i++) {
        struct rn_part part = from->part[i];
        uint64_t count = (uint64_t)part.count, a = low > before ? low - before : 0, b = high > before ? high - before : 0;
        before += count;
        a = a < count ? a : count;
        b = b < count ? b : count;
        if (a >= b && !(i + 1 == from->parts && !to->parts)) /* there is one at least */
            continue;
        if (a || b < count)
            part = (struct rn_part){ .first = part.first + (int64_t)a, .count = b > a ? (int64_t)(b - a) : 0 };
        if (rn_part_add(to, part, err)) {
            rn_part_free(to);
            return -1;
        }
    }
    return 0;
}

/* ---- joining ---- */

void rn_parts_free(struct rn_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        rn_part_free(&parts->item[i]);
    free(parts->item);
    *parts = (struct rn_parts){ 0 };
}

/* "part 3 of 4", or "records 51 to 75 of 100" */
static const char *name_part(const struct rn_part_of *of, const struct rn_part *part, char room[static 128])
{
    if (part->of)
        snprintf(room, 128, "part %lld of %lld", (long long)part->number, (long long)part->of);
    else
        snprintf(room, 128, "records %lld to %lld of %lld", (long long)part->first + 1, (long long)(part->first + part->count),
                 (long long)of->records);
    return room;
}

static bool overlap(const struct rn_part *a, const struct rn_part *b)
{
    return a->count && b->count && a->first < b->first + b->count && b->first < a->first + a->count;
}

static struct rn_part_of *find_set(struct rn_parts *parts, const struct rn_part_of *of, struct rn_err *err)
{
    for (size_t i = 0; i < parts->count; i++)
        if (parts->item[i].set == of->set && parts->item[i].records == of->records)
            return &parts->item[i];
    if (rn_grow(&parts->item, &parts->capacity, parts->count + 1, sizeof *parts->item, err))
        return NULL;
    parts->item[parts->count] = (struct rn_part_of){ .set = of->set, .records = of->records };
    return &parts->item[parts->count++];
}

int rn_parts_add(struct rn_parts *parts, const struct rn_part_of *of, bool strict, struct rn_err *err)
{
    char room[128];
    parts->others = parts->others || !of->parts;
    if (!of->parts)
        return 0;
    struct rn_part_of *set = find_set(parts, of, err);
    if (!set)
        return -1;
    for (size_t i = 0; i < of->parts; i++) {
        for (size_t k = 0; strict && k < set->parts; k++)
            if (overlap(&set->part[k], &of->part[i]))
                return rn_fail(err, RN_EXIT_DATA, "%s is there twice", name_part(of, &of->part[i], room));
        if (rn_part_add(set, of->part[i], err))
            return -1;
    }
    return 0;
}

__attribute__((format(printf, 3, 4))) static int say(struct rn_texts *lines, struct rn_err *err, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = rn_vformat(&text, err, format, args);
    va_end(args);
    int rc = length < 0 ? -1 : rn_texts_add(lines, rn_text(text), err);
    free(text);
    return rc;
}

static int by_first(const void *a, const void *b)
{
    const struct rn_part *x = a, *y = b;
    if (x->first != y->first)
        return x->first < y->first ? -1 : 1;
    return (x->count > y->count) - (x->count < y->count);
}

/* Runs of numbers as "3, 5 to 8", at the end of a text of a line. */
struct runs {
    char text[512];
    size_t named, more;
};

static void name_run(struct runs *runs, int64_t low, int64_t high)
{
    size_t at = strlen(runs->text);
    if (runs->named == NAMED) {
        runs->more++;
        return;
    }
    at += (size_t)snprintf(runs->text + at, sizeof runs->text - at, "%s%lld", runs->named++ ? ", " : "", (long long)low);
    if (high > low)
        snprintf(runs->text + at, sizeof runs->text - at, " to %lld", (long long)high);
}

/* What is not there: runs of records, how many, and which of `of` numbered parts that is; exact: just these parts. */
struct gaps {
    struct runs records, numbers;
    int64_t count, of, parts;
    bool exact;
};

/* The number of the part that has the record. */
static uint64_t number_of(uint64_t record, uint64_t records, uint64_t of)
{
    return (uint64_t)(((unsigned __int128)(record + 1) * of + records - 1) / records);
}

/* Records first .. end are missing. */
static void add_gap(struct gaps *gaps, int64_t records, int64_t first, int64_t end)
{
    uint64_t a, b, unused, n = (uint64_t)records, of = (uint64_t)gaps->of;
    name_run(&gaps->records, first + 1, end);
    gaps->count += end - first;
    if (!of)
        return;
    uint64_t low = number_of((uint64_t)first, n, of), high = number_of((uint64_t)end - 1, n, of);
    rn_part_run(n, low, of, &a, &unused);
    rn_part_run(n, high, of, &unused, &b);
    gaps->exact = gaps->exact && a == (uint64_t)first && b == (uint64_t)end;
    gaps->parts += (int64_t)(high - low) + 1;
    name_run(&gaps->numbers, (int64_t)low, (int64_t)high);
}

static int tell_gaps(const struct gaps *gaps, const struct rn_part_of *set, struct rn_texts *lines, struct rn_err *err)
{
    char more[2][48] = { "", "" };
    if (gaps->numbers.more)
        snprintf(more[0], sizeof more[0], " and %zu more", gaps->numbers.more);
    if (gaps->records.more)
        snprintf(more[1], sizeof more[1], " and %zu more runs", gaps->records.more);
    if (gaps->of && gaps->exact)
        return say(lines, err, "part%s %s%s of %lld %s missing: record%s %s%s of %lld", gaps->parts > 1 ? "s" : "",
                   gaps->numbers.text,
                   more[0], (long long)gaps->of, gaps->parts > 1 ? "are" : "is", gaps->count > 1 ? "s" : "", gaps->records.text,
                   more[1], (long long)set->records);
    return say(lines, err, "record%s %s%s of %lld %s missing", gaps->count > 1 ? "s" : "", gaps->records.text, more[1],
               (long long)set->records, gaps->count > 1 ? "are" : "is");
}

/* Sorts the parts. Whether all of the set is there; lines NULL: nothing is told. 1, 0 or -1. */
static int is_whole(struct rn_part_of *set, struct rn_texts *lines, struct rn_err *err)
{
    char room[128];
    struct gaps gaps = { .exact = true };
    int64_t end = 0;
    qsort(set->part, set->parts, sizeof *set->part, by_first);
    for (size_t i = 0; i < set->parts; i++)
        gaps.of = gaps.of ? gaps.of : set->part[i].of;
    for (size_t i = 0; i < set->parts; i++) {
        const struct rn_part *part = &set->part[i];
        if (part->count && part->first > end)
            add_gap(&gaps, set->records, end, part->first);
        if (part->count && part->first < end && lines && say(lines, err, "%s is there twice", name_part(set, part, room)))
            return -1;
        end = part->count && part->first + part->count > end ? part->first + part->count : end;
    }
    if (end < set->records)
        add_gap(&gaps, set->records, end, set->records);
    if (gaps.count && lines && tell_gaps(&gaps, set, lines, err))
        return -1;
    return !gaps.count;
}

static int64_t records_there(const struct rn_part_of *set)
{
    int64_t sum = 0;
    for (size_t i = 0; i < set->parts; i++)
        sum += set->part[i].count;
    return sum;
}

int rn_parts_tell(const struct rn_parts *parts, struct rn_texts *lines, struct rn_err *err)
{
    char room[128];
    size_t main = 0; /* the set that most is there of */
    for (size_t i = 1; i < parts->count; i++)
        if (records_there(&parts->item[i]) > records_there(&parts->item[main]))
            main = i;
    for (size_t i = 0; i < parts->count; i++) {
        struct rn_part_of *set = &parts->item[i];
        int rc = is_whole(set, i == main ? lines : NULL, err);
        if (rc < 0)
            return -1;
        for (size_t k = 0; i != main && !rc && k < set->parts; k++)
            if (say(lines, err, "%s is of another set", name_part(set, &set->part[k], room)))
                return -1;
    }
    return 0;
}

bool rn_parts_alone(const struct rn_parts *parts)
{
    const struct rn_part_of *set = parts->item;
    if (parts->count != 1)
        return false;
    for (size_t i = 1; i < set->parts; i++)
        if (!set->part[0].of || set->part[i].number != set->part[0].number || set->part[i].of != set->part[0].of)
            return false;
    return true;
}

int rn_parts_join(struct rn_part_of *of, const struct rn_parts *parts, struct rn_err *err)
{
    *of = (struct rn_part_of){ 0 };
    if (parts->count != 1 || parts->others)
        return 0;
    int rc = is_whole(&parts->item[0], NULL, err);
    return rc ? (rc < 0 ? -1 : 0) : rn_part_copy(of, &parts->item[0], err);
}
