/* pad_if_needed.c -- a picture that is too small gets a border. */
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

struct pad_if_needed {
    int64_t min_height, min_width, pad_height_divisor, pad_width_divisor, border_mode;
    double value[3];
    int position;
};

enum { CENTER, TOP_LEFT, TOP_RIGHT, BOTTOM_LEFT, BOTTOM_RIGHT, RANDOM };

static const struct rn_opt options[] = {
    { 0, "min_height", RN_OPT_INT, RN_AT(pad_if_needed, min_height), 1, 1 << 20, "fewest rows, null: see pad_height_divisor", NULL, RN_NULL_NUMBER },
    { 0, "min_width", RN_OPT_INT, RN_AT(pad_if_needed, min_width), 1, 1 << 20, "fewest columns, null: see pad_width_divisor", NULL, RN_NULL_NUMBER },
    { 0, "pad_height_divisor", RN_OPT_INT, RN_AT(pad_if_needed, pad_height_divisor), 1, 1 << 20, "rows are made a multiple of it", NULL, RN_NULL_NUMBER },
    { 0, "pad_width_divisor", RN_OPT_INT, RN_AT(pad_if_needed, pad_width_divisor), 1, 1 << 20, "columns are made a multiple of it", NULL, RN_NULL_NUMBER },
    { 0, "position", RN_OPT_CHOICE, RN_AT(pad_if_needed, position), 0, 0, "where the picture lies", "center|top_left|top_right|bottom_left|bottom_right|random" },
    { 0, "border_mode", RN_OPT_INT, RN_AT(pad_if_needed, border_mode), 0, 4, "0 constant, 1 replicate, 2 reflect, 3 wrap, 4 reflect without the edge", NULL },
    { 0, "value", RN_OPT_REALS, RN_AT(pad_if_needed, value), -1e9, 1e9, "of a constant border", NULL, RN_FIRST | RN_NULL, NULL, 3 },
    RN_OPT_LAST,
};
static const struct rn_drawn drawn[] = { 
    { "pad_top", 1, 0, 1 << 20, 1 }, { "pad_bottom", 1, 0, 1 << 20, 1 }, { "pad_left", 1, 0, 1 << 20, 1 },
    { "pad_right", 1, 0, 1 << 20, 1 }, { 0 } };

static int check(const void *opts, struct rn_err *err)
{
    const struct pad_if_needed *o = opts;
    bool rows = (o->min_height > 0) != (o->pad_height_divisor > 0), columns = (o->min_width > 0) != (o->pad_width_divisor > 0);
    return rows && columns ? 0 : rn_fail(err, RN_EXIT_USAGE, "one of min_%s and pad_%s_divisor, and the other null",
                                         rows ? "width" : "height", rows ? "width" : "height");
}

/* In front and behind, in the middle. */
static void pads(double pad[2], int64_t size, int64_t least, int64_t divisor)
{
    int64_t all = least > 0 ? (size < least ? least - size : 0) : (divisor - size % divisor) % divisor;
    pad[0] = (double)(all / 2);
    pad[1] = (double)(all - all / 2);
}

static void move(double pad[2], bool all_behind, bool all_in_front)
{
    double all = pad[0] + pad[1];
    if (all_behind || all_in_front) {
        pad[0] = all_in_front ? all : 0;
        pad[1] = all - pad[0];
    }
}

static size_t draw(double *value, const void *opts, const struct rn_canvas *x, struct rn_rng *rng)
{
    const struct pad_if_needed *o = opts;
    pads(value, (int64_t)x->height, o->min_height, o->pad_height_divisor);
    pads(value + 2, (int64_t)x->width, o->min_width, o->pad_width_divisor);
    move(value, o->position == TOP_LEFT || o->position == TOP_RIGHT, o->position == BOTTOM_LEFT || o->position == BOTTOM_RIGHT);
    move(value + 2, o->position == TOP_LEFT || o->position == BOTTOM_LEFT, o->position == TOP_RIGHT || o->position == BOTTOM_RIGHT);
    for (int i = 0; o->position == RANDOM && i < 4; i += 2) {
        double all = value[i] + value[i + 1];
        value[i] = rn_uniform_int(rng, 0, all);
        value[i + 1] = all - value[i];
    }
    return 4;
}

static void constant_pixel(uint8_t pixel[12], enum rn_type type, const double value[3])
{
    float real[3] = { (float)value[0], (float)value[1], (float)value[2] };
    if (type == RN_U8)
        rn_constant(pixel, value);
    else
        memcpy(pixel, real, sizeof real);
}

/* A row of the result from one of the picture; at: byte offsets of columns, -1: constant. The picture's
 * own columns are one piece. */
static void put_row(char *y, const char *row, const ptrdiff_t *at, const uint8_t *constant, const struct rn_canvas *x, size_t left,
                    size_t width)
{
    size_t size = 3 * rn_type_size(x->type);
    for (size_t j = 0; j < width; j++) {
        if (j == left) {
            memcpy(y + j * size, row, x->width * size);
            j += x->width - 1;
            continue;
        }
        const void *pixel = at[j] < 0 ? (const void *)constant : row + at[j];
        if (size == 3)
            memcpy(y + j * 3, pixel, 3);
        else
            memcpy(y + j * size, pixel, size);
    }
}

static void put_constant(char *y, const uint8_t *constant, size_t size, size_t width)
{
    for (size_t j = 0; j < width; j++)
        memcpy(y + j * size, constant, size);
}

static int apply(struct rn_canvas *x, const void *opts, const double *value, size_t count, struct rn_err *err)
{
    const struct pad_if_needed *o = opts;
    (void)count;
    size_t size = 3 * rn_type_size(x->type), height = x->height + (size_t)(value[0] + value[1]),
           width = x->width + (size_t)(value[2] + value[3]);
    const char *from = x->pixels;
    uint8_t constant[12];
    if (height > 1 << 20 || width > 1 << 20)
        return rn_fail(err, RN_EXIT_DATA, "a picture of %zu x %zu (width x height) is too large", width, height);
    char *y = rn_canvas_next(x, x->type, height, width, err);
    ptrdiff_t *at = y ? rn_canvas_scratch(x, (width + x->height) * sizeof *at, err) : NULL;
    if (!at)
        return -1;
    ptrdiff_t *made = at + width; /* where a row of the picture lies already; -1: nowhere */
    constant_pixel(constant, x->type, o->value);
    for (size_t j = 0; j < width; j++) {
        long column = rn_border_at((long)j - (long)value[2], (long)x->width, (int)o->border_mode);
        at[j] = column < 0 ? -1 : column * (ptrdiff_t)size;
    }
    memset(made, 0xff, x->height * sizeof *made);
    for (size_t i = 0; i < height; i++) {
        long row = rn_border_at((long)i - (long)value[0], (long)x->height, (int)o->border_mode);
        char *to = y + i * width * size;
        if (row < 0) {
            put_constant(to, constant, size, width);
        } else if (made[row] >= 0) {
            memcpy(to, y + made[row], width * size);
        } else {
            put_row(to, from + (size_t)row * x->width * size, at, constant, x, (size_t)value[2], width);
            made[row] = to - y;
        }
    }
    rn_canvas_turn(x, x->type, height, width);
    return 0;
}

const struct rn_augment rn_augment_pad_if_needed = {
    .class_name = "PadIfNeeded", .until = 2, .p = 1, .options = options, .size = sizeof(struct pad_if_needed), .drawn = drawn,
    .defaults = &(const struct pad_if_needed){ 1024, 1024, -1, -1, RN_REFLECT_101, { 0 }, CENTER }, .neutral = "mask_value=*",
    .check = check, .draw = draw, .apply = apply,
};
