/* sheet.c -- many pictures as one. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "draw/draw.h"
#include "show/show.h"

static const struct rn_colour paper = { 255, 255, 255 }, ink = { 24, 24, 27 }, blank = { 232, 232, 236 };

enum { GAP = 3, WORDS = RN_DRAW_TEXT_HEIGHT + 2 * GAP }; /* the line of words below a cell */

static int own(struct rn_text *to, struct rn_text from, struct rn_err *err)
{
    char *copy = rn_calloc(from.length + 1, 1, err);
    if (!copy)
        return -1;
    if (from.length)
        memcpy(copy, from.data, from.length);
    *to = (struct rn_text){ copy, from.length };
    return 0;
}

static int add(struct rn_sheet *sheet, struct rn_text id, const struct rn_show_picture *picture, struct rn_err *err)
{
    if (rn_grow(&sheet->cell, &sheet->capacity, sheet->count + 1, sizeof *sheet->cell, err))
        return -1;
    struct rn_sheet_cell *cell = &sheet->cell[sheet->count];
    *cell = (struct rn_sheet_cell){ .offset = sheet->pixels.length, .h = picture->h, .w = picture->w };
    if (own(&cell->id, id, err))
        return -1;
    sheet->count++;
    return picture->h ? rn_buffer_add(&sheet->pixels, picture->pixels, picture->h * picture->w * 3, err) : 0;
}

int rn_sheet_record(struct rn_sheet *sheet, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    if (record->error.data)
        return add(sheet, record->id, &(const struct rn_show_picture){ 0 }, err);
    for (size_t i = 0; i < rn_show_pictures(record); i++) {
        struct rn_show_picture picture;
        if (rn_show_picture(&picture, head, record, i, err))
            return -1;
        int rc = add(sheet, record->kind == RN_BATCHES ? record->ids[i] : record->id, &picture, err);
        free(picture.own);
        if (rc)
            return -1;
    }
    return 0;
}

/* What is behind the last folder: there is room for little. */
static struct rn_text last_name(struct rn_text id)
{
    for (size_t i = id.length; i > 0; i--)
        if (id.data[i - 1] == '/')
            return (struct rn_text){ id.data + i, id.length - i };
    return id;
}

static void draw(const struct rn_sheet *sheet, struct rn_image *canvas, size_t h, size_t w)
{
    size_t step = h + (sheet->words ? WORDS : 0);
    for (size_t i = 0; i < sheet->count; i++) {
        const struct rn_sheet_cell *cell = &sheet->cell[i];
        size_t top = i / sheet->columns * step, left = i % sheet->columns * w;
        if (cell->h)
            rn_draw_photo(canvas, top + (h - cell->h) / 2, left + (w - cell->w) / 2,
                          (const uint8_t *)sheet->pixels.data + cell->offset, cell->h, cell->w, 1, false);
        else
            rn_draw_fill(canvas, (struct rn_box){ top, left, h, w }, blank);
        if (sheet->words && w > 2 * GAP)
            rn_draw_text(canvas, top + h + GAP, left + GAP, w - 2 * GAP, 1, ink, last_name(cell->id));
    }
}

int rn_sheet_write(const struct rn_sheet *sheet, struct rn_out *out, struct rn_err *err)
{
    size_t h = 0, w = 0, columns = sheet->count < sheet->columns ? sheet->count : sheet->columns, width, height;
    for (size_t i = 0; i < sheet->count; i++) {
        h = sheet->cell[i].h > h ? sheet->cell[i].h : h;
        w = sheet->cell[i].w > w ? sheet->cell[i].w : w;
    }
    if (!h)
        return rn_fail(err, RN_EXIT_DATA, "there is no picture for a sheet");
    size_t rows = (sheet->count + sheet->columns - 1) / sheet->columns;
    struct rn_image canvas;
    if (!rn_mul(w, columns, &width) || !rn_mul(h + (sheet->words ? WORDS : 0), rows, &height) || width > INT32_MAX / 3 ||
        height > INT32_MAX / (3 * width + 1))
        return rn_fail(err, RN_EXIT_DATA, "%zu pictures of %zux%zu are too many for one PNG file", sheet->count, h, w);
    if (rn_draw_canvas(&canvas, height, width, paper, err))
        return -1;
    draw(sheet, &canvas, h, w);
    int rc = rn_show_write_png(out, canvas.pixels, height, width, err);
    free(canvas.pixels);
    return rc;
}

void rn_sheet_free(struct rn_sheet *sheet)
{
    for (size_t i = 0; i < sheet->count; i++)
        free((char *)sheet->cell[i].id.data);
    free(sheet->cell);
    rn_buffer_free(&sheet->pixels);
    *sheet = (struct rn_sheet){ 0 };
}
