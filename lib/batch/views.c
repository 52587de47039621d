/* views.c -- what evaluation sees of a photo: one picture or several, whose predictions are averaged. */
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"

size_t rn_views_count(enum rn_views views)
{
    static const size_t count[] = { [RN_VIEWS_ONE] = 1, [RN_VIEWS_FLIP] = 2, [RN_VIEWS_DIHEDRAL] = 8, [RN_VIEWS_FIVE] = 5,
                                    [RN_VIEWS_SCALES] = 3 };
    return count[views];
}

/* View v of flip and dihedral: y is x (height, width, 3), turned v / 2 times by a quarter counter-clockwise, then for odd v
 * mirrored. */
static void turn(uint8_t *y, const uint8_t *x, size_t height, size_t width, size_t v)
{
    ptrdiff_t across = 3, down = (ptrdiff_t)width * 3;
    ptrdiff_t right = (ptrdiff_t)(width - 1) * across, bottom = (ptrdiff_t)(height - 1) * down;
    struct { ptrdiff_t start, column, row; } const way[4] = {
        { 0, across, down }, { right, down, -across }, { right + bottom, -across, -down }, { bottom, -down, across },
    };
    size_t rows = v / 2 % 2 ? width : height, columns = v / 2 % 2 ? height : width;
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < columns; c++, y += 3) {
            ptrdiff_t column = (ptrdiff_t)(v % 2 ? columns - 1 - c : c);
            memcpy(y, x + way[v / 2].start + column * way[v / 2].column + (ptrdiff_t)r * way[v / 2].row, 3);
        }
}

/* 6/7, 1 and 8/7 of a length; 192, 224 and 256 of 224. */
static size_t scaled(size_t length, size_t scale)
{
    size_t rounded = (2 * length * (6 + scale) + 7) / 14;
    return rounded ? rounded : 1;
}

/* The size of each view. */
static int measure(struct rn_photo *photo, const struct rn_image *x, const struct rn_batch_plan *plan, struct rn_err *err)
{
    size_t size = (size_t)plan->input.size, resize = (size_t)plan->input.resize;
    photo->views = rn_views_count(plan->views);
    for (size_t v = 0; v < photo->views; v++) {
        struct rn_seen_size view = { size, size };
        if (plan->views == RN_VIEWS_SCALES)
            view.height = view.width = scaled(size, v);
        if (plan->whole)
            rn_image_scaled(&view.height, &view.width, x, plan->views == RN_VIEWS_SCALES ? scaled(resize, v) : resize);
        size_t pixels;
        if (plan->whole && (!rn_mul(view.height, view.width, &pixels) || pixels > plan->decode.max_pixels))
            return rn_fail(err, RN_EXIT_DATA, "a whole frame of %zu x %zu pixels is more than the %llu pixels that are allowed",
                           view.width, view.height, (unsigned long long)plan->decode.max_pixels);
        bool on_side = plan->views == RN_VIEWS_DIHEDRAL && v / 2 % 2;
        photo->view[v] = on_side ? (struct rn_seen_size){ view.width, view.height } : view;
    }
    return 0;
}

/* The corners and the middle of the scaled photo; --resize is not below --size, so they lie in it. */
static int corner(uint8_t *y, const struct rn_image *x, size_t size, size_t resize, size_t v, struct rn_err *err)
{
    size_t height, width;
    if (v == 4)
        return rn_image_eval(y, x, size, resize, err);
    rn_image_scaled(&height, &width, x, resize);
    struct rn_box all = { 0, 0, x->height, x->width }, window = { v / 2 ? height - size : 0, v % 2 ? width - size : 0, size, size };
    return rn_image_resample(y, x, all, height, width, window, err);
}

static int one(uint8_t *y, const struct rn_photo *photo, size_t v, const struct rn_image *x, const struct rn_batch_plan *plan,
               struct rn_err *err)
{
    size_t height = photo->view[v].height, width = photo->view[v].width, resize = (size_t)plan->input.resize;
    if (v && (plan->views == RN_VIEWS_FLIP || plan->views == RN_VIEWS_DIHEDRAL))
        return turn(y, photo->pixels, photo->view[0].height, photo->view[0].width, v), 0;
    if (plan->whole)
        return rn_image_resample(y, x, (struct rn_box){ 0, 0, x->height, x->width }, height, width,
                                 (struct rn_box){ 0, 0, height, width }, err);
    if (plan->views == RN_VIEWS_FIVE)
        return corner(y, x, height, resize, v, err);
    return rn_image_eval(y, x, height, plan->views == RN_VIEWS_SCALES ? scaled(resize, v) : resize, err);
}

int rn_views_make(struct rn_photo *photo, const struct rn_image *x, const struct rn_batch_plan *plan, struct rn_err *err)
{
    char room[256];
    size_t all = 0;
    if (measure(photo, x, plan, err))
        return rn_fail_at(err, "%s", rn_text_show(photo->record.id, room));
    for (size_t v = 0; v < photo->views; v++)
        all += photo->view[v].height * photo->view[v].width;
    if (!(photo->pixels = rn_alloc_aligned(all, 3, err)))
        return -1;
    uint8_t *y = photo->pixels;
    for (size_t v = 0; v < photo->views; y += photo->view[v].height * photo->view[v].width * 3, v++)
        if (one(y, photo, v, x, plan, err))
            return -1;
    return 0;
}
