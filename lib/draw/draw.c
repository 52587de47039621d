/* draw.c -- areas, photos and maps on a canvas. */
#include "draw/draw.h"

#include <math.h>

#include "core/mem.h"

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The part of the box that is on the canvas. */
static struct rn_box clip(const struct rn_image *canvas, struct rn_box box)
{
    box.height = box.top < canvas->height ? smaller(box.height, canvas->height - box.top) : 0;
    box.width = box.left < canvas->width ? smaller(box.width, canvas->width - box.left) : 0;
    return box;
}

static uint8_t *pixel(const struct rn_image *canvas, size_t y, size_t x)
{
    return canvas->pixels + (y * canvas->width + x) * 3;
}

static void put(uint8_t *at, struct rn_colour c)
{
    at[0] = c.r;
    at[1] = c.g;
    at[2] = c.b;
}

int rn_draw_canvas(struct rn_image *canvas, size_t height, size_t width, struct rn_colour colour, struct rn_err *err)
{
    size_t row;
    if (!rn_mul(width, 3, &row))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory: a picture of %zux%zu", height, width);
    *canvas = (struct rn_image){ rn_calloc(height, row, err), height, width };
    if (!canvas->pixels)
        return -1;
    rn_draw_fill(canvas, (struct rn_box){ 0, 0, height, width }, colour);
    return 0;
}

void rn_draw_fill(struct rn_image *canvas, struct rn_box box, struct rn_colour colour)
{
    box = clip(canvas, box);
    for (size_t y = 0; y < box.height; y++)
        for (size_t x = 0; x < box.width; x++)
            put(pixel(canvas, box.top + y, box.left + x), colour);
}

/* Luma of ITU-R BT.601. */
static uint8_t brightness(const uint8_t *rgb)
{
    return (uint8_t)((299 * rgb[0] + 587 * rgb[1] + 114 * rgb[2] + 500) / 1000);
}

void rn_draw_photo(struct rn_image *canvas, size_t top, size_t left, const uint8_t *pixels, size_t h, size_t w, size_t zoom,
                   bool grey)
{
    struct rn_box box = clip(canvas, (struct rn_box){ top, left, h * zoom, w * zoom });
    for (size_t y = 0; y < box.height; y++)
        for (size_t x = 0; x < box.width; x++) {
            const uint8_t *rgb = pixels + (y / zoom * w + x / zoom) * 3;
            uint8_t g = brightness(rgb);
            put(pixel(canvas, top + y, left + x), grey ? (struct rn_colour){ g, g, g }
                : (struct rn_colour){ rgb[0], rgb[1], rgb[2] });
        }
}

/* Between which two of `count` cells a place lies, and how far towards the second. */
struct between {
    size_t a, b;
    double share;
};

static struct between between(double place, double first, double pitch, size_t count)
{
    double at = fmin(fmax((place - first) / pitch, 0), (double)(count - 1));
    size_t a = (size_t)at;
    return (struct between){ a, smaller(a + 1, count - 1), at - (double)a };
}

void rn_draw_map(struct rn_image *canvas, struct rn_box box, const struct rn_draw_map *map, double alpha)
{
    double range = map->high - map->low;
    box = clip(canvas, box);
    for (size_t y = 0; y < box.height; y++) {
        struct between row = between((double)y, map->first, map->pitch, map->h);
        for (size_t x = 0; x < box.width; x++) {
            struct between column = between((double)x, map->first, map->pitch, map->w);
            const float *upper = map->value + row.a * map->w, *lower = map->value + row.b * map->w;
            double above = (double)upper[column.a] * (1 - column.share) + (double)upper[column.b] * column.share;
            double below = (double)lower[column.a] * (1 - column.share) + (double)lower[column.b] * column.share;
            double value = above * (1 - row.share) + below * row.share;
            uint8_t *at = pixel(canvas, box.top + y, box.left + x);
            struct rn_colour heat = rn_draw_heat(range > 0 ? (value - map->low) / range : 0);
            put(at, rn_draw_blend((struct rn_colour){ at[0], at[1], at[2] }, heat, alpha));
        }
    }
}

void rn_draw_scale(struct rn_image *canvas, struct rn_box box)
{
    for (size_t x = 0; x < box.width; x++) {
        double t = box.width > 1 ? (double)x / (double)(box.width - 1) : 0;
        rn_draw_fill(canvas, (struct rn_box){ box.top, box.left + x, box.height, 1 }, rn_draw_heat(t));
    }
}
