/* canvas.c -- two rooms that take turns. */
#include "augment/augment.h"

#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

void rn_canvas_set(struct rn_canvas *canvas, enum rn_type type, const void *pixels, size_t height, size_t width)
{
    canvas->type = type;
    canvas->pixels = pixels;
    canvas->height = height;
    canvas->width = width;
    if (pixels != canvas->room[!canvas->turn].block)
        canvas->turn = 0; /* both rooms are free: the warmer one */
}

static int reserve(struct rn_room *room, size_t size, struct rn_err *err)
{
    if (size <= room->size)
        return 0;
    void *block = rn_alloc_aligned(size, 1, err);
    if (!block)
        return -1;
    free(room->block);
    *room = (struct rn_room){ block, size };
    return 0;
}

void *rn_canvas_next(struct rn_canvas *canvas, enum rn_type type, size_t height, size_t width, struct rn_err *err)
{
    size_t size;
    /* no stream takes it */
    if (!rn_mul(height, width, &size) || !rn_mul(size, 3 * rn_type_size(type), &size) || size > UINT32_MAX) {
        rn_fail(err, RN_EXIT_DATA, "a picture of %zu x %zu is too large", height, width);
        return NULL;
    }
    return reserve(&canvas->room[canvas->turn], size + RN_SLACK, err) ? NULL : canvas->room[canvas->turn].block;
}

void rn_canvas_turn(struct rn_canvas *canvas, enum rn_type type, size_t height, size_t width)
{
    canvas->turn = !canvas->turn;
    rn_canvas_set(canvas, type, canvas->room[!canvas->turn].block, height, width);
}

void *rn_canvas_scratch(struct rn_canvas *canvas, size_t bytes, struct rn_err *err)
{
    return reserve(&canvas->scratch, bytes, err) ? NULL : canvas->scratch.block;
}

void rn_canvas_free(struct rn_canvas *canvas)
{
    free(canvas->room[0].block);
    free(canvas->room[1].block);
    free(canvas->scratch.block);
    *canvas = (struct rn_canvas){ 0 };
}
