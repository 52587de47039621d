/* lab.c -- RGB and CIE L*a*b* in 8 bits (sRGB, D65): forward in OpenCV's integers, back by the definition. */
#include <math.h>

#include "augment/private.h"
#include "core/mem.h"

enum { LINEAR = 2040, ROOTS = 2200, GUESSES = 4096 };

struct rn_lab {
    int32_t linear[256];       /* 2040 times linear light */
    int32_t forward[9];        /* 4096 times rows of RGB to XYZ over white */
    int32_t root[ROOTS];       /* 32768 times f(i / 2040) */
    float back[9];             /* XYZ over white to linear RGB */
    float bound[257];          /* linear light at which level i begins */
    uint8_t guess[GUESSES + 1]; /* the level at i / 4096, or one less */
};

static const double to_xyz[9] = { .412453, .357580, .180423, .212671, .715160, .072169, .019334, .119193, .950227 };
static const double white[3] = { .950456, 1, 1.088754 };

static double decode(double v)
{
    return v <= 0.04045 ? v / 12.92 : pow((v + 0.055) / 1.055, 2.4);
}

static void invert(double inverse[9], const double m[9])
{
    double d = 0;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) {
            const double *a = m + (j + 1) % 3 * 3, *b = m + (j + 2) % 3 * 3;
            inverse[3 * i + j] = a[(i + 1) % 3] * b[(i + 2) % 3] - a[(i + 2) % 3] * b[(i + 1) % 3];
        }
    for (int j = 0; j < 3; j++)
        d += m[j] * inverse[3 * j];
    for (int i = 0; i < 9; i++)
        inverse[i] /= d;
}

struct rn_lab *rn_lab_new(struct rn_err *err)
{
    struct rn_lab *lab = rn_calloc(1, sizeof *lab, err);
    double scaled[9], back[9];
    if (!lab)
        return NULL;
    for (int i = 0; i < 9; i++) {
        scaled[i] = to_xyz[i] / white[i / 3];
        lab->forward[i] = (int32_t)lrint(4096 * scaled[i]);
    }
    invert(back, scaled);
    for (int i = 0; i < 9; i++)
        lab->back[i] = (float)back[i];
    for (int i = 0; i < 256; i++)
        lab->linear[i] = (int32_t)lrint(LINEAR * decode(i / 255.0));
    for (int i = 0; i < ROOTS; i++) {
        double t = (double)i / LINEAR;
        lab->root[i] = (int32_t)lrint(32768 * (t < 0.008856 ? 7.787 * t + 16.0 / 116 : cbrt(t)));
    }
    lab->bound[0] = -1;
    lab->bound[256] = 2;
    for (int i = 1; i < 256; i++)
        lab->bound[i] = (float)decode((i - 0.5) / 255);
    for (int i = 0, level = 0; i <= GUESSES; i++) {
        while ((float)i / GUESSES >= lab->bound[level + 1])
            level++;
        lab->guess[i] = (uint8_t)level;
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

enum { CHUNK = 64 };

static inline float cube(float t)
{
    return t > 0.20689655f ? t * t * t : (t - 16.0f / 116) * (1 / 7.787f);
}

/* Linear light 0 .. 1 of n pixels, in three planes. */
RN_PLAIN to_linear_plain(float *light, const uint8_t *x, size_t n, const float back[9])
{
    for (size_t i = 0; i < n; i++) {
        float l = (float)x[3 * i] * (100.0f / 255), fy = (l + 16) * (1.0f / 116);
        float fx = fy + ((float)x[3 * i + 1] - 128) * 0.002f, fz = fy - ((float)x[3 * i + 2] - 128) * 0.005f;
        float vx = cube(fx), vy = cube(fy), vz = cube(fz);
        for (int c = 0; c < 3; c++) {
            float v = back[3 * c] * vx + back[3 * c + 1] * vy + back[3 * c + 2] * vz;
            light[c * CHUNK + i] = v < 0 ? 0 : v > 1 ? 1 : v;
        }
    }
}
RN_WIDE(to_linear, (float *light, const uint8_t *x, size_t n, const float back[9]), (light, x, n, back))

void rn_lab_to_rgb(const struct rn_lab *lab, uint8_t *y, const uint8_t *x, size_t n)
{
    float light[3 * CHUNK];
    for (size_t first = 0; first < n; first += CHUNK) {
        size_t count = n - first < CHUNK ? n - first : CHUNK;
        to_linear(light, x + 3 * first, count, lab->back);
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < 3; c++) {
                float v = light[c * CHUNK + i];
                unsigned level = lab->guess[(unsigned)(v * GUESSES)];
                y[3 * (first + i) + c] = (uint8_t)(level + (v >= lab->bound[level + 1]));
            }
    }
}
