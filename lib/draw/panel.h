/* panel.h -- photos and maps side by side, as one picture: above each a title, below it a verdict and a note; for a map also
 * the colours with the values at their ends. */
#ifndef RN_DRAW_PANEL_H
#define RN_DRAW_PANEL_H

#include "draw/draw.h"

struct rn_draw_panel {
    const uint8_t *pixels; /* (h,w,3) */
    size_t h, w;
    struct rn_draw_map map; /* in pixels of the photo; value NULL: the photo alone, in its colours, else in grey below the map */
    double alpha;           /* the map's share */
    struct rn_text title, verdict, note;
    bool wrong; /* the verdict is drawn in red */
};

/* low and high: the map's smallest and largest value. */
void rn_draw_range(struct rn_draw_map *map);

/* All panels have one size. Small photos are enlarged, each pixel to a square, so that the words have room. The canvas is
 * freed with rn_image_free. */
RN_MUST int rn_draw_panels(struct rn_image *canvas, const struct rn_draw_panel *panels, size_t count, struct rn_err *err);

#endif
