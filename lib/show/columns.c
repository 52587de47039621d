/* columns.c -- for people, the first lines as a table. */
#include <stdio.h>
#include <string.h>

#include "show/show.h"

enum { WIDEST = 60, MOST = 8 };

static const char *const names[RN_KINDS] = {
    [RN_SAMPLES] = "id\tlabel\tsplit\tcontent",   [RN_IMAGES] = "id\tlabel\tsplit\timage",
                   [RN_BATCHES] = "epoch:index\timages\tids",
    [RN_PREDICTIONS] = "id\tlabel\tprediction\tconfidence", [RN_WEIGHTS] = "name\trole\tvalue",
};

/* The cell at `at`: its bytes, and in *width its characters (bytes that begin one, for these lines are UTF-8). */
static size_t cell(const char *at, const char *end, size_t *width)
{
    size_t length = 0;
    *width = 0;
    for (; at + length < end && at[length] != '\t' && at[length] != '\n'; length++)
        *width += ((unsigned char)at[length] & 0xc0) != 0x80;
    return length;
}

static void measure(const struct rn_buffer *lines, size_t widths[static MOST])
{
    const char *at = lines->data, *end = at + lines->length;
    for (size_t column = 0, width; at < end; column++) {
        at += cell(at, end, &width);
        if (*at == '\t' && column < MOST && width > widths[column])
            widths[column] = width < WIDEST ? width : WIDEST;
        if (*at++ == '\n')
            column = (size_t)-1;
    }
}

/* The first `width` characters' bytes. */
static size_t cut(const char *at, size_t length, size_t width)
{
    size_t i = 0, characters = 0;
    for (; i < length; i++)
        if (((unsigned char)at[i] & 0xc0) != 0x80 && characters++ == width)
            break;
    return i;
}

static int print(struct rn_columns *c, struct rn_out *out, struct rn_err *err)
{
    size_t widths[MOST] = { 0 };
    const char *at = c->lines.data, *end = at + c->lines.length;
    if (c->printed)
        return 0;
    c->printed = true;
    measure(&c->lines, widths);
    for (size_t column = 0, width; at < end; column++) {
        size_t length = cell(at, end, &width), room = column < MOST ? widths[column] : 0;
        bool last = at[length] == '\n', long_one = !last && width > room;
        size_t kept = long_one ? cut(at, length, room > 3 ? room - 3 : room) : length;
        if (rn_out_write(out, at, kept, err) || (long_one && room > 3 && rn_out_printf(out, err, "...")) ||
            rn_out_printf(out, err, "%*s", last ? 1 : (int)(long_one ? 2 : room - width + 2), last ? "\n" : ""))
            return -1;
        at += length + 1;
        if (last)
            column = (size_t)-1;
    }
    return rn_out_flush(out, err);
}

int rn_columns_head(struct rn_columns *c, struct rn_out *out, const struct rn_head *head, struct rn_err *err)
{
    c->lines.length = 0;
    c->shown = 0;
    c->printed = false;
    return rn_show_head(out, head, err) || rn_buffer_add(&c->lines, names[head->kind], strlen(names[head->kind]), err) ||
           rn_buffer_add(&c->lines, "\n", 1, err) ? -1 : 0;
}

int rn_columns_record(struct rn_columns *c, struct rn_out *out, const struct rn_head *head, const struct rn_record *record,
                      struct rn_err *err)
{
    struct rn_out *memory;
    if (c->shown == c->limit)
        return 0;
    if (rn_out_memory(&memory, &c->lines, err))
        return -1;
    int rc = rn_show_record(memory, head, record, err) || rn_out_flush(memory, err) ? -1 : 0;
    rn_out_discard(memory);
    return rc == 0 && ++c->shown == c->limit ? print(c, out, err) : rc;
}

int rn_columns_tail(struct rn_columns *c, struct rn_out *out, uint64_t records, uint64_t xxh3, bool hashed, struct rn_err *err)
{
    if (print(c, out, err))
        return -1;
    if (c->shown < records && rn_out_printf(out, err, "# %llu more\n", (unsigned long long)(records - c->shown)))
        return -1;
    return rn_show_tail(out, records, xxh3, hashed, err);
}

void rn_columns_free(struct rn_columns *c)
{
    rn_buffer_free(&c->lines);
}
