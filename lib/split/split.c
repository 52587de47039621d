/* split.c -- tables with given margins, and draws. */
#include "split/split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "stream/stream.h"

int rn_split_parse_shares(unsigned share[3], const char *text, struct rn_err *err)
{
    char more;
    if (strspn(text, "0123456789/") != strlen(text) || strlen(text) > 11 ||
        sscanf(text, "%u/%u/%u%c", &share[0], &share[1], &share[2], &more) != 3 || share[0] + share[1] + share[2] != 100)
        return rn_fail(err, RN_EXIT_USAGE, "--ratio: '%s' is not three whole numbers A/B/C that sum to 100", text);
    return 0;
}

void rn_split_by_shares(size_t *totals, size_t n, const unsigned *share, size_t parts)
{
    size_t left = n;
    for (size_t j = 0; j + 1 < parts; j++) {
        totals[j] = n / 100 * share[j] + n % 100 * share[j] / 100; /* n * share could overflow */
        left -= totals[j];
    }
    totals[parts - 1] = left;
}

void rn_split_evenly(size_t *totals, size_t n, size_t parts)
{
    for (size_t j = 0; j < parts; j++)
        totals[j] = n / parts + (j < n % parts);
}

/* A cell that may be rounded up. */
struct chance {
    uint64_t remainder;
    size_t cell;
};

struct table {
    size_t groups, parts;
    size_t *cells;
    size_t *row, *column; /* how many of each are still to be rounded up */
    char *state;          /* a cell: FIXED, or DOWN or UP as it is rounded now */
    size_t *from;         /* while looking for a path: the column that led to a row (+1), the row that led to a column (+1) */
    size_t *queue;
};
enum { FIXED, DOWN, UP };

static int by_remainder(const void *a, const void *b)
{
    const struct chance *x = a, *y = b;
    if (x->remainder != y->remainder)
        return x->remainder < y->remainder ? 1 : -1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

/* Rows first, then columns. */
static void turn_around(struct table *t, size_t start, size_t column)
{
    for (;;) {
        size_t row = t->from[t->groups + column] - 1, cell = row * t->parts + column;
        t->state[cell] = UP;
        t->cells[cell]++;
        if (row == start)
            return;
        column = t->from[row] - 1;
        cell = row * t->parts + column;
        t->state[cell] = DOWN;
        t->cells[cell]--;
    }
}

/* Rounds up one more cell of the row: along a path of cells that change places with others, to a column that still wants
 * one. The fractional table shows that there is one. */
static void augment(struct table *t, size_t start)
{
    size_t head = 0, tail = 0;
    memset(t->from, 0, (t->groups + t->parts) * sizeof *t->from);
    t->queue[tail++] = start;
    while (head < tail) {
        size_t row = t->queue[head++];
        for (size_t j = 0; j < t->parts; j++) {
            if (t->state[row * t->parts + j] != DOWN || t->from[t->groups + j])
                continue;
            t->from[t->groups + j] = row + 1;
            if (t->column[j]) {
                t->column[j]--;
                t->row[start]--;
                turn_around(t, start, j);
                return;
            }
            for (size_t i = 0; i < t->groups; i++)
                if (i != start && t->state[i * t->parts + j] == UP && !t->from[i]) {
                    t->from[i] = j + 1;
                    t->queue[tail++] = i;
                }
        }
    }
    assert(false); /* margins of the same sum have such a path */
}

static void round_cells(struct table *t, struct chance *chance, size_t chances)
{
    qsort(chance, chances, sizeof *chance, by_remainder);
    for (size_t k = 0; k < chances; k++) {
        size_t cell = chance[k].cell, i = cell / t->parts, j = cell % t->parts;
        t->state[cell] = DOWN;
        if (t->row[i] && t->column[j]) {
            t->row[i]--;
            t->column[j]--;
            t->cells[cell]++;
            t->state[cell] = UP;
        }
    }
    for (size_t i = 0; i < t->groups; i++)
        while (t->row[i])
            augment(t, i);
}

int rn_split_table(size_t *cells, const size_t *size, size_t groups, const size_t *total, size_t parts, struct rn_err *err)
{
    size_t n = 0, all = 0, area, chances = 0, lines = groups + parts;
    for (size_t i = 0; i < groups; i++)
        n += size[i];
    for (size_t j = 0; j < parts; j++)
        all += total[j];
    if (n != all)
        return rn_fail(err, RN_EXIT_USAGE, "%zu samples cannot be split into %zu", n, all);
    if (n > UINT32_MAX || !rn_mul(groups, parts, &area))
        return rn_fail(err, RN_EXIT_DATA, "too many samples to split");
    struct table t = { groups, parts, cells, .row = rn_calloc(lines, sizeof *t.row, err), .state = rn_calloc(area, 1, err),
                       .from = rn_calloc(lines, sizeof *t.from, err), .queue = rn_calloc(groups, sizeof *t.queue, err) };
    struct chance *chance = rn_calloc(area, sizeof *chance, err);
    bool good = t.row && t.state && t.from && t.queue && chance;
    if (good) {
        t.column = t.row + groups;
        memcpy(t.row, size, groups * sizeof *size);
        memcpy(t.column, total, parts * sizeof *total);
        for (size_t i = 0; i < groups; i++)
            for (size_t j = 0; j < parts; j++) {
                size_t cell = i * parts + j;
                uint64_t product = (uint64_t)size[i] * total[j];
                cells[cell] = n ? product / n : 0;
                t.row[i] -= cells[cell];
                t.column[j] -= cells[cell];
                if (n && product % n)
                    chance[chances++] = (struct chance){ product % n, cell };
            }
        round_cells(&t, chance, chances);
    }
    free(t.row);
    free(t.state);
    free(t.from);
    free(t.queue);
    free(chance);
    return good ? 0 : -1;
}

static int by_name(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

int rn_split_group(struct rn_split_member *member, size_t members, const struct rn_texts *classes, struct rn_err *err)
{
    struct rn_texts sorted = { 0 };
    int rc = rn_texts_copy(&sorted, classes, err);
    rn_texts_sort(&sorted);
    for (size_t i = 0; i < members && rc == 0; i++) {
        size_t label = member[i].group;
        const struct rn_text *at = NULL;
        if (label != (size_t)RN_NIL)
            at = bsearch(&classes->item[label], sorted.item, sorted.count, sizeof *sorted.item, by_name);
        member[i].group = at ? (size_t)(at - sorted.item) : sorted.count;
    }
    rn_texts_free(&sorted);
    return rc;
}
