/* panel.c -- photos and maps side by side, each with its words. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/mem.h"
#include "draw/panel.h"

enum {
    MARGIN = 10,
    LINE = 2 * RN_DRAW_TEXT_HEIGHT, /* of large text */
    SMALL = RN_DRAW_TEXT_HEIGHT,
    GAP = 6,
    BAR = 8,
    LEAST = 224, /* smaller photos are enlarged to at least this */
    WORDS = LINE + GAP + BAR + GAP + SMALL, /* below the picture */
};

static const struct rn_colour paper = { 255, 255, 255 }, ink = { 24, 24, 27 }, faint = { 90, 90, 98 }, red = { 190, 18, 30 };

/* Large where that fits, else small. */
static void line(struct rn_image *canvas, size_t top, size_t left, size_t width, struct rn_colour colour, struct rn_text text)
{
    size_t scale = rn_draw_text_width(text, 2) <= width ? 2 : 1;
    rn_draw_text(canvas, top + (scale == 1 ? (LINE - SMALL) / 2 : 0), left, width, scale, colour, text);
}

static void legend(struct rn_image *canvas, size_t top, size_t left, size_t width, const struct rn_draw_panel *panel)
{
    char low[32], high[32];
    snprintf(low, sizeof low, "%.3g", panel->map.low);
    snprintf(high, sizeof high, "%.3g", panel->map.high);
    size_t from = rn_draw_text_width(rn_text(low), 1) + GAP, to = rn_draw_text_width(rn_text(high), 1) + GAP;
    size_t middle = rn_draw_text_width(panel->note, 1), room = width - (from > to ? from : to) * 2;
    rn_draw_text(canvas, top, left, width, 1, ink, rn_text(low));
    rn_draw_text(canvas, top, left + width + GAP - to, to, 1, ink, rn_text(high));
    middle = middle > room ? room : middle;
    rn_draw_text(canvas, top, left + (width - middle) / 2, middle, 1, faint, panel->note);
}

static void draw(struct rn_image *canvas, size_t left, size_t zoom, const struct rn_draw_panel *panel)
{
    size_t height = panel->h * zoom, width = panel->w * zoom, top = MARGIN + LINE + GAP;
    line(canvas, MARGIN, left, width, ink, panel->title);
    rn_draw_photo(canvas, top, left, panel->pixels, panel->h, panel->w, zoom, panel->map.value != NULL);
    line(canvas, top + height + GAP, left, width, panel->wrong ? red : ink, panel->verdict);
    size_t bar = top + height + GAP + LINE + GAP;
    if (!panel->map.value) {
        rn_draw_text(canvas, bar + BAR + GAP, left, width, 1, faint, panel->note);
        return;
    }
    struct rn_draw_map map = panel->map;
    map.first = map.first * (double)zoom + ((double)zoom - 1) / 2; /* the middle of an enlarged pixel */
    map.pitch *= (double)zoom;
    rn_draw_map(canvas, (struct rn_box){ top, left, height, width }, &map, panel->alpha);
    rn_draw_scale(canvas, (struct rn_box){ bar, left, BAR, width });
    legend(canvas, bar + BAR + GAP, left, width, panel);
}

int rn_draw_panels(struct rn_image *canvas, const struct rn_draw_panel *panels, size_t count, struct rn_err *err)
{
    size_t h = panels->h, w = panels->w, shorter = h < w ? h : w, zoom = shorter < LEAST ? (LEAST + shorter - 1) / shorter : 1;
    size_t width, height;
    if (!rn_mul(w, zoom, &width) || __builtin_add_overflow(width, MARGIN, &width) || !rn_mul(width, count, &width) ||
        __builtin_add_overflow(width, MARGIN, &width) || !rn_mul(h, zoom, &height) ||
        __builtin_add_overflow(height, 2 * MARGIN + LINE + 2 * GAP + WORDS, &height))
        return rn_fail(err, RN_EXIT_DATA, "photos of %zux%zu are too large to be drawn", h, w);
    if (rn_draw_canvas(canvas, height, width, paper, err))
        return -1;
    for (size_t i = 0; i < count; i++)
        draw(canvas, MARGIN + i * (w * zoom + MARGIN), zoom, &panels[i]);
    return 0;
}

void rn_draw_range(struct rn_draw_map *map)
{
    size_t count = map->h * map->w;
    float low = map->value[0], high = map->value[0];
    for (size_t i = 1; i < count; i++) {
        low = fminf(low, map->value[i]);
        high = fmaxf(high, map->value[i]);
    }
    map->low = (double)low;
    map->high = (double)high;
}
