/* memory.c -- doubles in (N,C,H,W) order: transfers only widen and narrow. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/reference/reference.h"

size_t rn_reference_bytes(size_t n, size_t c, size_t h, size_t w, enum rn_storage storage)
{
    (void)storage; /* there is one */
    size_t count;
    if (!rn_mul(n, c, &count) || !rn_mul(count, h, &count) || !rn_mul(count, w, &count) ||
        !rn_mul(count, sizeof(double), &count) || count > SIZE_MAX / 2)
        return 0;
    return count ? (count + 63) / 64 * 64 : 64;
}

void *rn_reference_alloc(struct rn_device *dev, size_t bytes, struct rn_err *err)
{
    (void)dev;
    void *memory = rn_alloc_aligned(bytes, 1, err);
    if (memory)
        memset(memory, 0, bytes);
    return memory;
}

void rn_reference_free(struct rn_device *dev, void *memory)
{
    (void)dev;
    free(memory);
}

int rn_reference_upload(struct rn_device *dev, struct rn_array y, const float *x, struct rn_err *err)
{
    (void)dev;
    (void)err;
    for (size_t i = 0; i < rn_reference_count(y); i++)
        *rn_reference_of(y, i) = (double)x[i];
    return 0;
}

int rn_reference_download(struct rn_device *dev, float *y, struct rn_array x, struct rn_err *err)
{
    (void)dev;
    (void)err;
    for (size_t i = 0; i < rn_reference_count(x); i++)
        y[i] = (float)*rn_reference_of(x, i);
    return 0;
}

int rn_reference_upload_images(struct rn_device *dev, struct rn_array y, const uint8_t *pixels,
                               const double mean[3], const double std[3], struct rn_err *err)
{
    (void)dev;
    if (rn_check_images(y, err))
        return -1;
    for (size_t n = 0; n < y.n; n++)
        for (size_t h = 0; h < y.h; h++)
            for (size_t w = 0; w < y.w; w++)
                for (size_t c = 0; c < 3; c++)
                    *rn_reference_at(y, n, c, h, w) =
                        (pixels[((n * y.h + h) * y.w + w) * 3 + c] / 255.0 - mean[c]) / std[c];
    return 0;
}

int rn_reference_fill(struct rn_device *dev, struct rn_array y, double value, struct rn_err *err)
{
    (void)dev;
    (void)err;
    for (size_t i = 0; i < rn_reference_count(y); i++)
        *rn_reference_of(y, i) = value;
    return 0;
}

void rn_reference_begin(struct rn_array a, unsigned add)
{
    if (a.data && !add)
        memset(a.data, 0, rn_reference_count(a) * sizeof(double));
}
