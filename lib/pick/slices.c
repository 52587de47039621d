/* slices.c -- which records of which segment a slice has. */
#include "pick/slices.h"

#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

/* Parts of parts are told in proportion, which needs as many places in the part as there are records. */
static bool can_refine(const struct rn_counted *segment)
{
    uint64_t places = 0;
    for (size_t i = 0; i < segment->head.part_of.parts; i++)
        places += (uint64_t)segment->head.part_of.part[i].count;
    return segment->head.part_of.parts && places >= segment->records;
}

static int count_segment(struct rn_slices *slices, struct rn_reader *reader, const struct rn_head *head, struct rn_err *err)
{
    struct rn_record record;
    if (rn_grow(&slices->segment, &slices->capacity, slices->segments + 1, sizeof *slices->segment, err))
        return -1;
    struct rn_counted *segment = &slices->segment[slices->segments];
    *segment = (struct rn_counted){ 0 };
    if (rn_head_copy(&segment->head, head, err))
        return -1;
    slices->segments++;
    int rc;
    while ((rc = rn_reader_record(reader, &record, err)) == 1) {
        segment->records++;
        if (rn_part_print(&slices->print, &record, &head->classes, err))
            return -1;
    }
    slices->records += segment->records;
    slices->refine = slices->refine && can_refine(segment);
    return rc;
}

int rn_slices_count(struct rn_slices *slices, struct rn_reader *reader, struct rn_err *err)
{
    const struct rn_head *head;
    int rc;
    slices->refine = true;
    while ((rc = rn_reader_head(reader, (1u << RN_KINDS) - 1, &head, err)) == 1)
        if (count_segment(slices, reader, head, err))
            return -1;
    return rc;
}

void rn_slices_free(struct rn_slices *slices)
{
    for (size_t i = 0; i < slices->segments; i++)
        rn_head_free(&slices->segment[i].head);
    free(slices->segment);
    *slices = (struct rn_slices){ 0 };
}

static uint64_t within(uint64_t value, uint64_t low, uint64_t high)
{
    return value < low ? low : value > high ? high : value;
}

int rn_slices_segment(const struct rn_slices *slices, size_t segment, uint64_t before, uint64_t i, uint64_t of, uint64_t *first,
                      uint64_t *end, struct rn_head *head, struct rn_err *err)
{
    const struct rn_counted *in = &slices->segment[segment];
    struct rn_part_of part_of = { .set = slices->print, .records = (int64_t)slices->records };
    rn_part_run(slices->records, i, of, first, end);
    *first = within(*first, before, before + in->records);
    *end = within(*end, before, before + in->records);
    const struct rn_part part = { (int64_t)i, (int64_t)of, (int64_t)*first, (int64_t)(*end - *first) };
    int rc = slices->refine ? rn_part_slice(&part_of, &in->head.part_of, in->records, *first - before, *end - before, i == of, err)
                            : rn_part_add(&part_of, part, err);
    if (rc || rn_head_copy(head, &in->head, err)) {
        rn_part_free(&part_of);
        return -1;
    }
    rn_part_free(&head->part_of);
    head->part_of = part_of;
    return 0;
}

int rn_slices_name(struct rn_buffer *path, const char *pattern, uint64_t number, struct rn_err *err)
{
    char digits[128], room[256];
    int numbers = 0, rc = 0, n;
    path->length = 0;
    for (const char *at = pattern; *at && rc == 0; at++) {
        unsigned width = 0;
        n = 0;
        if (*at != '%' || at[1] == '%') {
            rc = rn_buffer_add(path, at, 1, err);
            at += *at == '%';
        } else if (at[1] == 'd' || (sscanf(at, "%%%2u%n", &width, &n) == 1 && at[n] == 'd')) {
            bool zeros = at[1] == '0';
            at += n ? n : 1;
            n = snprintf(digits, sizeof digits, zeros ? "%0*llu" : "%*llu", (int)width, (unsigned long long)number);
            rc = rn_buffer_add(path, digits, (size_t)n, err);
            numbers++;
        } else {
            numbers = 2;
        }
    }
    if (rc)
        return -1;
    if (numbers != 1)
        return rn_fail(err, RN_EXIT_USAGE, "-o: '%s' has no one place for a number (%%d or %%06d)",
                       rn_text_show(rn_text(pattern), room));
    return rn_buffer_add(path, "", 1, err);
}
