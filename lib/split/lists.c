/* lists.c -- published lists: who is in which split. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "split/split.h"

const char *const rn_split_published[] = { "glass", "paper", "cardboard", "plastic", "metal", "trash", NULL };
enum { PUBLISHED = sizeof rn_split_published / sizeof *rn_split_published - 1 };

static int compare(const void *a, const void *b)
{
    const struct rn_listed *x = a, *y = b;
    int order = rn_text_compare(x->name, y->name);
    return order ? order : (x->number > y->number) - (x->number < y->number);
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* "paper70.jpg 2": the number is what follows the last space, since names may have spaces. */
static int add_line(struct rn_lists *lists, struct rn_listed as, const char *line, size_t length, struct rn_err *err)
{
    char room[256];
    size_t number = 0, end = length, name;
    for (size_t ten = 1; end && line[end - 1] >= '0' && line[end - 1] <= '9'; end--, ten = ten > PUBLISHED ? ten : ten * 10)
        number += ten * (size_t)(line[end - 1] - '0');
    for (name = end; name && is_space(line[name - 1]); name--)
        ;
    struct rn_text all = { line, length };
    if (!name || name == end || end == length)
        return rn_fail(err, RN_EXIT_DATA, "'%s' is not a name and a number", rn_text_show(all, room));
    if (number < 1 || number > PUBLISHED)
        return rn_fail(err, RN_EXIT_DATA, "'%s': classes are numbered from 1 (%s) to %d (%s)", rn_text_show(all, room),
                       rn_split_published[0], PUBLISHED, rn_split_published[PUBLISHED - 1]);
    if (rn_grow(&lists->item, &lists->capacity, lists->count + 1, sizeof *lists->item, err) ||
        rn_texts_add(&lists->names, (struct rn_text){ line, name }, err))
        return -1;
    as.name = lists->names.item[lists->names.count - 1];
    as.number = number - 1;
    lists->item[lists->count++] = as;
    return 0;
}

int rn_lists_read(struct rn_lists *lists, struct rn_text part, const char *path, struct rn_err *err)
{
    char *line = NULL, room[256];
    size_t capacity = 0, number = 0;
    long index = rn_texts_find(&lists->parts, part);
    if ((index < 0 && rn_texts_add(&lists->parts, part, err)) || rn_texts_add(&lists->files, rn_text(path), err))
        return -1;
    index = index < 0 ? (long)lists->parts.count - 1 : index;
    rn_text_show(rn_text(path), room);
    FILE *file = fopen(path, "re");
    if (!file)
        return rn_fail_errno(err, "%s", room);
    int rc = 0;
    for (ssize_t n; rc == 0 && (errno = 0, n = getline(&line, &capacity, file)) >= 0;) {
        size_t length = (size_t)n, mark = !number++ && rn_text_marked(line, length) ? 3 : 0;
        const struct rn_listed as = { .part = (size_t)index, .file = lists->files.item[lists->files.count - 1],
                                        .line = number };
        while (length > mark && strchr("\r\n \t", line[length - 1]))
            length--;
        if (length > mark && (rc = add_line(lists, as, line + mark, length - mark, err)))
            rn_fail_at(err, "%s: line %zu", room, number);
    }
    if (rc == 0 && errno)
        rc = rn_fail_errno(err, "%s", room);
    free(line);
    fclose(file);
    return rc;
}

/* "LIST: line 3: NAME" before what is wrong with it. */
static int blame(const struct rn_listed *line, struct rn_err *err)
{
    char room[256], name[256];
    return rn_fail_at(err, "%s: line %zu: %s", rn_text_show(line->file, room), line->line, rn_text_show(line->name, name));
}

int rn_lists_ready(struct rn_lists *lists, struct rn_err *err)
{
    if (lists->count)
        qsort(lists->item, lists->count, sizeof *lists->item, compare);
    for (size_t i = 1; i < lists->count; i++)
        if (compare(&lists->item[i - 1], &lists->item[i]) == 0)
            return rn_fail(err, RN_EXIT_DATA, "it is listed twice"), blame(&lists->item[i], err);
    return 0;
}

/* The first of the lines with this name; the number of lines when there is none that is not before it. */
static size_t first_of(const struct rn_lists *lists, struct rn_text name)
{
    size_t low = 0, high = lists->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rn_text_compare(lists->item[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int rn_lists_find(struct rn_lists *lists, struct rn_text id, struct rn_text label, struct rn_text *part, struct rn_err *err)
{
    char room[256];
    const char *slash = id.length ? memrchr(id.data, '/', id.length) : NULL;
    struct rn_text name = id;
    if (slash)
        name = (struct rn_text){ slash + 1, id.length - (size_t)(slash + 1 - id.data) };
    *part = (struct rn_text){ 0 };
    for (size_t i = first_of(lists, name); i < lists->count && rn_text_equal(lists->item[i].name, name); i++) {
        struct rn_listed *line = &lists->item[i];
        if (label.data && !rn_text_is(label, rn_split_published[line->number])) {
            line->other = label;
            continue;
        }
        if (line->used)
            return rn_fail(err, RN_EXIT_DATA, "%s: a second sample for one listed name", rn_text_show(id, room));
        line->used = true;
        *part = lists->parts.item[line->part];
        return 0;
    }
    return 0;
}

int rn_lists_used_up(const struct rn_lists *lists, struct rn_err *err)
{
    char other[256];
    for (size_t i = 0; i < lists->count; i++) {
        const struct rn_listed *line = &lists->item[i];
        if (!line->used && line->other.data)
            return rn_fail(err, RN_EXIT_DATA, "it is listed as %s, its label is %s", rn_split_published[line->number],
                           rn_text_show(line->other, other)), blame(line, err);
        if (!line->used)
            return rn_fail(err, RN_EXIT_DATA, "it is listed, and no sample has this name"), blame(line, err);
    }
    return 0;
}

void rn_lists_free(struct rn_lists *lists)
{
    rn_texts_free(&lists->parts);
    rn_texts_free(&lists->names);
    rn_texts_free(&lists->files);
    free(lists->item);
    *lists = (struct rn_lists){ 0 };
}
