/* memory.c -- memory, and the way between (N,C,H,W) outside and (N,H,W,C) here. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

size_t rn_cpu_bytes(size_t n, size_t c, size_t h, size_t w)
{
    size_t count;
    if (!rn_mul(n, c, &count) || !rn_mul(count, h, &count) || !rn_mul(count, w, &count) ||
        !rn_mul(count, sizeof(float), &count) || count > SIZE_MAX / 2)
        return 0;
    return count ? rn_cpu_blocks(count, 64) * 64 : 64;
}

void *rn_cpu_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    (void)dev;
    void *memory = rn_alloc_aligned(bytes, 1, err);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void rn_cpu_free(struct rn_device *dev, void *memory)
{
    (void)dev;
    free(memory);
}

struct transfer {
    struct rn_array array;
    const float *from;
    float *to;
};

static void upload_image(void *context, size_t i, int thread)
{
    (void)thread;
    const struct transfer *t = context;
    size_t c = t->array.c, map = t->array.h * t->array.w;
    const float *from = t->from + i * c * map;
    float *to = t->to + i * c * map;
    for (size_t channel = 0; channel < c; channel++)
        for (size_t pixel = 0; pixel < map; pixel++)
            to[pixel * c + channel] = from[channel * map + pixel];
}

static void download_image(void *context, size_t i, int thread)
{
    (void)thread;
    const struct transfer *t = context;
    size_t c = t->array.c, map = t->array.h * t->array.w;
    const float *from = t->from + i * c * map;
    float *to = t->to + i * c * map;
    for (size_t channel = 0; channel < c; channel++)
        for (size_t pixel = 0; pixel < map; pixel++)
            to[channel * map + pixel] = from[pixel * c + channel];
}

int rn_cpu_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err)
{
    (void)err;
    struct transfer transfer = { y, x, y.data };
    rn_pool_for(rn_cpu(dev)->pool, y.n, upload_image, &transfer);
    return 0;
}

int rn_cpu_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err)
{
    (void)err;
    struct transfer transfer = { x, x.data, y };
    rn_pool_for(rn_cpu(dev)->pool, x.n, download_image, &transfer);
    return 0;
}

struct images {
    const uint8_t *pixels;
    float *y;
    size_t map;
    float value[3][256];
};

static void upload_pixels(void *context, size_t i, int thread)
{
    (void)thread;
    const struct images *t = context;
    const uint8_t *from = t->pixels + i * t->map * 3;
    float *to = t->y + i * t->map * 3;
    for (size_t j = 0; j < t->map * 3; j += 3)
        for (size_t c = 0; c < 3; c++)
            to[j + c] = t->value[c][from[j + c]];
}

int rn_cpu_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels, const double mean[3],
                         const double std[3], struct rn_err *err)
{
    if (rn_check_images(y, err))
        return -1;
    struct images images = { .pixels = pixels, .y = y.data, .map = y.h * y.w };
    for (int c = 0; c < 3; c++)
        for (int value = 0; value < 256; value++)
            images.value[c][value] = (float)((value / 255.0 - mean[c]) / std[c]);
    rn_pool_for(rn_cpu(dev)->pool, y.n, upload_pixels, &images);
    return 0;
}

int rn_cpu_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err)
{
    (void)dev;
    (void)err;
    float *to = y.data;
    for (size_t i = 0; i < rn_cpu_count(y); i++)
        to[i] = (float)value;
    return 0;
}
