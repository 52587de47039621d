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

struct rn_box rn_image_random_crop(size_t height, size_t width, struct rn_rng *rng)
{
    const double ratio[2] = { 3. / 4, 4. / 3 }, scale[2] = { 0.08, 1 };
    const double high = (double)height, wide = (double)width;
    for (int tries = 0; tries < 10; tries++) {
        double area = high * wide * rn_rng_uniform(rng, scale[0], scale[1]);
        double aspect = exp(rn_rng_uniform(rng, log(ratio[0]), log(ratio[1])));
        double w = round_even(sqrt(area * aspect)), h = round_even(sqrt(area / aspect));
        if (w < 1 || h < 1 || w > wide || h > high)
            continue;
        struct rn_box box = { .height = (size_t)h, .width = (size_t)w };
        box.top = rn_rng_below(rng, height - box.height + 1);
        box.left = rn_rng_below(rng, width - box.width + 1);
        return box;
    }
    struct rn_box box = { .height = height, .width = width };
    if (wide / high < ratio[0])
        box.height = (size_t)round_even(wide / ratio[0]);
    else if (wide / high > ratio[1])
        box.width = (size_t)round_even(high * ratio[1]);
    box.top = (height - box.height) / 2;
    box.left = (width - box.width) / 2;
    return box;
}

int rn_image_train(uint8_t *y, const struct rn_image *x, size_t size, struct rn_rng *rng, struct rn_err *err)
{
    struct rn_box crop = rn_image_random_crop(x->height, x->width, rng);
    bool flip = rn_rng_unit(rng) < 0.5;
    return rn_image_resample_by(NULL, y, x, crop, size, size, (struct rn_box){ 0, 0, size, size }, flip, err);
}
