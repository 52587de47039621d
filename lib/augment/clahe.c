/* clahe.c -- contrast limited adaptive histogram equalization of one plane, with OpenCV's rounding. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/private.h"
#include "core/mem.h"

struct grid {
    size_t across, down, tile_width, tile_height;
};

/* Index i of 0 .. n-1 continued by reflection. */
static size_t mirrored(size_t i, size_t n)
{
    if (n == 1)
        return 0;
    i %= 2 * (n - 1);
    return i < n ? i : 2 * (n - 1) - i;
}

static void count_tile(uint32_t histogram[256], const uint8_t *plane, size_t height, size_t width, size_t top, size_t left,
                       const struct grid *grid)
{
    memset(histogram, 0, 256 * sizeof *histogram);
    for (size_t i = top; i < top + grid->tile_height; i++) {
        const uint8_t *row = plane + mirrored(i, height) * width;
        if (left + grid->tile_width <= width)
            for (size_t j = left; j < left + grid->tile_width; j++)
                histogram[row[j]]++;
        else
            for (size_t j = left; j < left + grid->tile_width; j++)
                histogram[row[mirrored(j, width)]]++;
    }
}

/* What is above the limit is spread over all levels. */
static void limit_counts(uint32_t histogram[256], uint32_t limit)
{
    uint32_t excess = 0;
    for (int i = 0; i < 256; i++)
        if (histogram[i] > limit) {
            excess += histogram[i] - limit;
            histogram[i] = limit;
        }
    uint32_t each = excess / 256, rest = excess % 256, step = rest ? 256 / rest : 1;
    for (int i = 0; i < 256; i++)
        histogram[i] += each;
    for (uint32_t i = 0; rest > 0 && i < 256; i += step ? step : 1, rest--)
        histogram[i]++;
}

static void make_table(uint8_t table[256], const uint32_t histogram[256], size_t area)
{
    float scale = 255.0f / (float)area;
    uint32_t sum = 0;
    for (int i = 0; i < 256; i++) {
        sum += histogram[i];
        table[i] = (uint8_t)rn_clip255((int)lrintf((float)sum * scale));
    }
}

/* Between which tables pixel i lies, and how far from the first. */
struct between {
    size_t first, second; /* offsets of tables */
    float weight;         /* of the second */
};

static struct between between(size_t i, size_t tile, size_t tiles, size_t stride)
{
    float at = (float)i * (1.0f / (float)tile) - 0.5f, floor = floorf(at);
    long k = (long)floor, last = (long)tiles - 1;
    return (struct between){ (size_t)(k < 0 ? 0 : k > last ? last : k) * stride,
                             (size_t)(k + 1 > last ? last : k + 1 < 0 ? 0 : k + 1) * stride, at - floor };
}

static void map_row(uint8_t *row, size_t width, const uint8_t *tables, struct between down, const struct between *across)
{
    const uint8_t *upper = tables + down.first, *lower = tables + down.second;
    float w = down.weight;
    for (size_t j = 0; j < width; j++) {
        size_t a = across[j].first + row[j], b = across[j].second + row[j];
        float v = across[j].weight, u = 1 - v;
        float value = ((float)upper[a] * u + (float)upper[b] * v) * (1 - w) + ((float)lower[a] * u + (float)lower[b] * v) * w;
        row[j] = (uint8_t)(int32_t)(value + 12582912.0f - 12582912.0f); /* half to even */
    }
}

int rn_clahe(uint8_t *plane, size_t height, size_t width, double clip, size_t across, size_t down, struct rn_err *err)
{
    bool even = width % across == 0 && height % down == 0;
    struct grid grid = { across, down, (even ? width : width + across - width % across) / across,
                         (even ? height : height + down - height % down) / down };
    size_t area = grid.tile_width * grid.tile_height;
    double limit = floor(clip * (double)area / 256);
    uint32_t histogram[256], most = (uint32_t)(limit < 1 ? 1 : limit > 4e9 ? 4e9 : limit);
    bool limited = clip > 0;
    uint8_t *tables = rn_calloc(across * down, 256, err);
    struct between *columns = tables ? rn_calloc(width, sizeof *columns, err) : NULL;
    if (!columns) {
        free(tables);
        return -1;
    }
    for (size_t i = 0; i < down; i++)
        for (size_t j = 0; j < across; j++) {
            count_tile(histogram, plane, height, width, i * grid.tile_height, j * grid.tile_width, &grid);
            if (limited)
                limit_counts(histogram, most);
            make_table(tables + (i * across + j) * 256, histogram, area);
        }
    for (size_t j = 0; j < width; j++)
        columns[j] = between(j, grid.tile_width, across, 256);
    for (size_t i = 0; i < height; i++)
        map_row(plane + i * width, width, tables, between(i, grid.tile_height, down, across * 256), columns);
    free(columns);
    free(tables);
    return 0;
}
