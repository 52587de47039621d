/* prepare.c -- torchvision's two preparations of a picture (torchvision.transforms), to the pixel. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "image/resample.h"

/* Python's round(): halves to even, the default rounding mode. */
static double round_even(double x)
{
    return nearbyint(x);
}

/* One side of CenterCrop: which part of a side of `length` is seen, and where it lies in the crop of `size`. */
static void centre(size_t length, size_t size, size_t *from, size_t *at, size_t *n)
{
    *from = length > size ? (size_t)round_even((double)(length - size) / 2) : 0;
    *at = length < size ? (size - length) / 2 : 0;
    *n = length < size ? length : size;
}

void rn_image_scaled(size_t *height, size_t *width, const struct rn_image *x, size_t resize)
{
    size_t shorter = x->width <= x->height ? x->width : x->height, longer = x->width <= x->height ? x->height : x->width;
    size_t scaled = (size_t)((double)resize * (double)longer / (double)shorter);
    *height = x->width <= x->height ? scaled : resize;
    *width = x->width <= x->height ? resize : scaled;
}

int rn_image_eval(uint8_t *y, const struct rn_image *x, size_t size, size_t resize, struct rn_err *err)
{
    size_t height, width, top, left;
    rn_image_scaled(&height, &width, x, resize);
    struct rn_box window, all = { 0, 0, x->height, x->width };
    centre(height, size, &window.top, &top, &window.height);
    centre(width, size, &window.left, &left, &window.width);
    if (window.height == size && window.width == size)
        return rn_image_resample(y, x, all, height, width, window, err);
    uint8_t *part = rn_alloc_aligned(window.height * window.width, 3, err);
    if (!part)
        return -1;
    int rc = rn_image_resample(part, x, all, height, width, window, err);
    memset(y, 0, size * size * 3);
    for (size_t r = 0; rc == 0 && r < window.height; r++)
        memcpy(y + ((top + r) * size + left) * 3, part + r * window.width * 3, window.width * 3);
    free(part);
    return rc;
}

const struct rn_training rn_training_default = { .scale = { 0.08, 1 }, .ratio = { 3. / 4, 4. / 3 }, .across = true };

static struct rn_box random_crop(size_t height, size_t width, const struct rn_training *how, struct rn_rng *rng)
{
    const double high = (double)height, wide = (double)width;
    for (int tries = 0; tries < 10; tries++) {
        double area = high * wide * rn_rng_uniform(rng, how->scale[0], how->scale[1]);
        double aspect = exp(rn_rng_uniform(rng, log(how->ratio[0]), log(how->ratio[1])));
        double w = round_even(sqrt(area * aspect)), h = round_even(sqrt(area / aspect));
        if (w < 1 || h < 1 || w > wide || h > high)
            continue;
        struct rn_box box = { .height = (size_t)h, .width = (size_t)w };
        box.top = rn_rng_below(rng, height - box.height + 1);
        box.left = rn_rng_below(rng, width - box.width + 1);
        return box;
    }
    struct rn_box box = { .height = height, .width = width };
    if (wide / high < how->ratio[0])
        box.height = (size_t)round_even(wide / how->ratio[0]);
    else if (wide / high > how->ratio[1])
        box.width = (size_t)round_even(high * how->ratio[1]);
    box.height = box.height ? box.height : 1;
    box.width = box.width ? box.width : 1;
    box.top = (height - box.height) / 2;
    box.left = (width - box.width) / 2;
    return box;
}

struct rn_box rn_image_random_crop(size_t height, size_t width, struct rn_rng *rng)
{
    return random_crop(height, width, &rn_training_default, rng);
}

static void swap_pixels(uint8_t *a, uint8_t *b)
{
    uint8_t keep[3];
    memcpy(keep, a, 3);
    memcpy(a, b, 3);
    memcpy(b, keep, 3);
}

static void flip_down(uint8_t *y, size_t size)
{
    for (size_t r = 0; r < size / 2; r++)
        for (size_t c = 0; c < size; c++)
            swap_pixels(y + (r * size + c) * 3, y + ((size - 1 - r) * size + c) * 3);
}

/* A quarter, clockwise: transposed, then flipped left to right. */
static void turn(uint8_t *y, size_t size)
{
    for (size_t r = 0; r < size; r++)
        for (size_t c = 0; c < r; c++)
            swap_pixels(y + (r * size + c) * 3, y + (c * size + r) * 3);
    for (size_t r = 0; r < size; r++)
        for (size_t c = 0; c < size / 2; c++)
            swap_pixels(y + (r * size + c) * 3, y + (r * size + size - 1 - c) * 3);
}

static void erase(uint8_t *y, size_t size, const uint8_t fill[3], struct rn_rng *rng)
{
    const double scale[2] = { 0.02, 0.33 }, ratio[2] = { 0.3, 3.3 }, side = (double)size;
    for (int tries = 0; tries < 10; tries++) {
        double area = side * side * rn_rng_uniform(rng, scale[0], scale[1]);
        double aspect = exp(rn_rng_uniform(rng, log(ratio[0]), log(ratio[1])));
        double h = round_even(sqrt(area * aspect)), w = round_even(sqrt(area / aspect));
        if (!(h < side && w < side))
            continue;
        size_t top = rn_rng_below(rng, size - (size_t)h + 1), left = rn_rng_below(rng, size - (size_t)w + 1);
        for (size_t r = top; r < top + (size_t)h; r++)
            for (size_t c = left; c < left + (size_t)w; c++)
                memcpy(y + (r * size + c) * 3, fill, 3);
        return;
    }
}

int rn_image_train_by(uint8_t *y, const struct rn_image *x, size_t size, const struct rn_training *how, struct rn_rng *rng,
                      struct rn_err *err)
{
    struct rn_box crop = random_crop(x->height, x->width, how, rng);
    bool across = how->across && rn_rng_unit(rng) < 0.5, down = how->down && rn_rng_unit(rng) < 0.5;
    uint64_t quarters = how->quarters ? rn_rng_below(rng, 4) : 0;
    if (rn_image_resample_by(NULL, y, x, crop, size, size, (struct rn_box){ 0, 0, size, size }, across, err))
        return -1;
    if (down)
        flip_down(y, size);
    for (; quarters; quarters--)
        turn(y, size);
    if (how->erase > 0 && rn_rng_unit(rng) < how->erase)
        erase(y, size, how->fill, rng);
    return 0;
}

int rn_image_train(uint8_t *y, const struct rn_image *x, size_t size, struct rn_rng *rng, struct rn_err *err)
{
    return rn_image_train_by(y, x, size, &rn_training_default, rng, err);
}
