/* draw.h -- pictures made by the program: colours, text, and maps over photos.
 *
 * A canvas is a struct rn_image. Places are in pixels from its upper left corner; what lies outside is not drawn. */
#ifndef RN_DRAW_DRAW_H
#define RN_DRAW_DRAW_H

#include "core/err.h"
#include "core/text.h"
#include "image/image.h"

struct rn_colour {
    uint8_t r, g, b;
};

/* A perceptually uniform colour map: lightness grows evenly with t from 0 to 1 (what lies outside, and NaN, counts as the
 * nearer end, NaN as 0). Inferno of matplotlib (S. van der Walt and N. Smith, 2015), by the polynomial of degree six that
 * M. Zucker fitted to it (https://www.shadertoy.com/view/WlfXRN, in the public domain). */
struct rn_colour rn_draw_heat(double t);
/* share of b, the rest of a; rounded to the nearest */
struct rn_colour rn_draw_blend(struct rn_colour a, struct rn_colour b, double share);

/* A canvas of one colour; freed with rn_image_free. */
RN_MUST int rn_draw_canvas(struct rn_image *canvas, size_t height, size_t width, struct rn_colour colour, struct rn_err *err);
void rn_draw_fill(struct rn_image *canvas, struct rn_box box, struct rn_colour colour);

/* pixels (h,w,3), each drawn zoom x zoom times; grey: its brightness only. */
void rn_draw_photo(struct rn_image *canvas, size_t top, size_t left, const uint8_t *pixels, size_t h, size_t w, size_t zoom,
                   bool grey);

/* value(h,w): cell (i, k) lies at row first + i * pitch and column first + k * pitch of the box, in its pixels. */
struct rn_draw_map {
    const float *value;
    size_t h, w;
    double first, pitch;
    double low, high; /* the values that get the map's first and last colour */
};
/* Blends the map over what is in the box: between cells bilinear, outside of them as the nearest. */
void rn_draw_map(struct rn_image *canvas, struct rn_box box, const struct rn_draw_map *map, double alpha);
/* All colours from left to right. */
void rn_draw_scale(struct rn_image *canvas, struct rn_box box);

/* One line of text, its capitals 7 * scale pixels high (9 with what hangs below), a character 6 * scale wide; what does
 * not fit into `width` ends in two dots. What is not printable ASCII is drawn as a question mark. */
enum { RN_DRAW_TEXT_HEIGHT = 9 };
size_t rn_draw_text_width(struct rn_text text, size_t scale);
void rn_draw_text(struct rn_image *canvas, size_t top, size_t left, size_t width, size_t scale, struct rn_colour colour,
                  struct rn_text text);

#endif
