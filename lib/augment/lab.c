/* lab.c -- RGB and CIE L*a*b* in 8 bits (sRGB, D65), in the integers of OpenCV. */
#include <math.h>

#include "augment/private.h"
#include "core/mem.h"

enum {
    LINEAR = 2040, ROOTS = 2200, LEVELS = 4096,
    ONE = 1 << 14,           /* f, X, Y, Z of 1 on the way back */
    LOWEST = -8145,          /* smallest f(X) or f(Z) */
    CUBES = ONE * 9 / 4,     /* how many there are */
};

struct rn_lab {
    int32_t linear[256];   /* 2040 times linear light */
    int32_t forward[9];    /* 4096 times rows of RGB to XYZ over white */
    int32_t root[ROOTS];   /* 32768 times f(i / 2040) */
    int32_t light[256][2]; /* Y and f(Y) of each L */
    int32_t cube[CUBES];   /* X, or Z, of f = LOWEST + i */
    int32_t back[9];       /* 4096 times XYZ over white to linear RGB */
    uint8_t level[LEVELS]; /* of linear light i / 4096 */
};

static const double to_xyz[9] = { .412453, .357580, .180423, .212671, .715160, .072169, .019334, .119193, .950227 };
static const double to_rgb[9] = { 3.240479, -1.53715, -.498535, -.969256, 1.875991, .041556, .055648, -.204043, 1.057311 };
static const double white[3] = { .950456, 1, 1.088754 };

static double decode(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

/* In float32, as there: two of the entries are ties, or not. */
static int32_t root(int i)
{
    double t = (double)i / LINEAR;
    return (int32_t)lrintf(32768 * ((float)(t < 216.0 / 24389 ? t * 841 / 108 + 16.0 / 116 : cbrt(t))));
}

static void make_light(int32_t light[2], int level)
{
    float f = level <= 20 ? (float)ONE * (16.0f / 116.0f + (float)(level * 5) / (float)(3 * 17 * 29))
                          : (float)(level * 100 * ONE) / (float)(255 * 116) + (float)(16 * ONE) / 116.0f;
    float y = level <= 20 ? (float)(level * ONE * 180) / (float)(17 * 29 * 29 * 29) : f * f * f / ((float)ONE * (float)ONE);
    light[0] = (int32_t)lrintf(y);
    light[1] = (int32_t)lrintf(f);
}

static int32_t cube(int64_t f)
{
    return (int32_t)(f <= 3390 ? f * 108 / 841 - ONE * 16 / 116 * 108 / 841 : f * f / ONE * f / ONE);
}

struct rn_lab *rn_lab_new(struct rn_err *err)
{
    struct rn_lab *lab = rn_calloc(1, sizeof *lab, err);
    if (!lab)
        return NULL;
    for (int i = 0; i < 9; i++) {
        lab->forward[i] = (int32_t)lrint(4096 * to_xyz[i] / white[i / 3]);
        lab->back[i] = (int32_t)lrint(4096 * to_rgb[i] * white[i % 3]);
    }
    for (int i = 0; i < 256; i++) {
        lab->linear[i] = (int32_t)lrint(LINEAR * decode(i / 255.0));
        make_light(lab->light[i], i);
    }
    for (int i = 0; i < ROOTS; i++)
        lab->root[i] = root(i);
    for (int i = 0; i < CUBES; i++)
        lab->cube[i] = cube(i + LOWEST);
    for (int level = 0, i = 0; level < 256; level++) {
        double end = level < 255 ? LEVELS * decode((level + 0.5) / 255) : LEVELS;
        for (; i < end; i++)
            lab->level[i] = (uint8_t)level;
    }
    return lab;
}

void rn_rgb_to_lab(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n)
{
    const int32_t *k = lab->forward;
    for (size_t i = 0; i < n; i++) {
        int32_t r = lab->linear[x[3 * i]], g = lab->linear[x[3 * i + 1]], b = lab->linear[x[3 * i + 2]];
        int32_t fx = lab->root[(k[0] * r + k[1] * g + k[2] * b + 2048) >> 12];
        int32_t fy = lab->root[(k[3] * r + k[4] * g + k[5] * b + 2048) >> 12];
        int32_t fz = lab->root[(k[6] * r + k[7] * g + k[8] * b + 2048) >> 12];
        y[3 * i] = (uint8_t)rn_clip255((296 * fy - 1336934 + 16384) >> 15);
        y[3 * i + 1] = (uint8_t)rn_clip255((500 * (fx - fy) + 128 * 32768 + 16384) >> 15);
        y[3 * i + 2] = (uint8_t)rn_clip255((200 * (fy - fz) + 128 * 32768 + 16384) >> 15);
    }
}

static inline int32_t clip_level(int32_t v)
{
    return v < 0 ? 0 : v > LEVELS - 1 ? LEVELS - 1 : v;
}

void rn_lab_to_rgb(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n)
{
    const int32_t *k = lab->back;
    for (size_t i = 0; i < n; i++) {
        int32_t vy = lab->light[x[3 * i]][0], f = lab->light[x[3 * i]][1];
        int32_t a = ((5 * x[3 * i + 1] * 53687 + (1 << 7)) >> 13) - 128 * ONE / 500;
        int32_t b = ((x[3 * i + 2] * 41943 + (1 << 4)) >> 9) - 128 * ONE / 200 + 1;
        int32_t vx = lab->cube[f + a - LOWEST], vz = lab->cube[f - b - LOWEST];
        for (int c = 0; c < 3; c++)
            y[3 * i + c] = lab->level[clip_level((k[3 * c] * vx + k[3 * c + 1] * vy + k[3 * c + 2] * vz + (1 << 13)) >> 14)];
    }
}
