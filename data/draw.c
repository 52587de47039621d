/* draw -- pictures for the demo: six kinds of things, drawn, with the names of TrashNet's classes.
 * usage: draw DIR [PER_CLASS [SEED]]    writes DIR/glass/glass1.jpg .. DIR/trash/trashN.jpg
 *
 * A kind is a shape with a surface of its own (lines of writing, ribs, reflections ...); size, place, turn, colours, light,
 * background and noise are drawn by lot, so that no colour gives a kind away. A picture is a function of seed, kind and
 * number alone. exit: 2 wrong usage, 4 a file cannot be written. */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

#include "core/file.h"
#include "core/rng.h"

enum { SIDE_MIN = 72, SIDE_MAX = 104, SCRAPS = 14 };
static const double pi = 3.14159265358979323846;

struct colour {
    double r, g, b;
};

/* What was drawn by lot for one thing. Its own coordinates: u to the right and v down, about -1 .. 1. */
struct thing {
    struct colour main, other;
    double a[6]; /* shares, each in [0, 1): what they mean is the kind's business */
    struct scrap {
        struct colour colour;
        double u, v, radius, phase[2], crease;
    } scrap[SCRAPS];
};

static double uniform(struct rn_rng *rng, double low, double high)
{
    return rn_rng_uniform(rng, low, high);
}

static struct colour hsv(double hue, double saturation, double value)
{
    double channel[3];
    for (int i = 0; i < 3; i++) {
        double k = fmod(5 - 2 * i + hue * 6, 6), ramp = fmin(fmin(k, 4 - k), 1);
        channel[i] = value * (1 - saturation * fmax(ramp, 0));
    }
    return (struct colour){ channel[0], channel[1], channel[2] };
}

static struct colour any_colour(struct rn_rng *rng, double saturation_low, double saturation_high, double value_low)
{
    double hue = uniform(rng, 0, 1);
    double saturation = uniform(rng, saturation_low, saturation_high);
    return hsv(hue, saturation, uniform(rng, value_low, 1));
}

static struct colour scale(struct colour c, double by)
{
    return (struct colour){ c.r * by, c.g * by, c.b * by };
}

static struct colour mix(struct colour a, struct colour b, double share_of_b)
{
    double s = fmin(fmax(share_of_b, 0), 1);
    return (struct colour){ a.r + (b.r - a.r) * s, a.g + (b.g - a.g) * s, a.b + (b.b - a.b) * s };
}

static const struct colour white = { 1, 1, 1 }, black = { 0, 0, 0 };

static double smooth(double low, double high, double x)
{
    double t = fmin(fmax((x - low) / (high - low), 0), 1);
    return t * t * (3 - 2 * t);
}

/* A number in [0, 1) for a cell of a grid. */
static double cell(uint32_t salt, int x, int y)
{
    uint32_t out[4];
    rn_philox((uint32_t[]){ salt, 1 }, (uint32_t[]){ (uint32_t)x, (uint32_t)y, 0, 0 }, out);
    return out[0] / 4294967296.0;
}

/* ---- the six kinds: each puts its colour at (u, v) over what is there ---- */

/* A bottle that one can see through: dark rims, two reflections. */
static void glass(const struct thing *thing, double u, double v, struct colour *c)
{
    double neck = 0.16 + 0.08 * thing->a[0], body = 0.46 + 0.12 * thing->a[1], shoulder = -0.6 + 0.25 * thing->a[2];
    double half = neck + (body - neck) * smooth(shoulder, shoulder + 0.3, v) + (v < -0.9 ? 0.05 : 0);
    double across = u / half;
    if (fabs(v) > 1 || fabs(across) > 1)
        return;
    *c = mix(*c, thing->main, 0.35 + 0.2 * thing->a[3]);
    *c = scale(*c, 1 - 0.65 * pow(fabs(across), 6));
    *c = mix(*c, white, 0.75 * smooth(0.16, 0.08, fabs(across + 0.5)) + 0.4 * smooth(0.1, 0.04, fabs(across - 0.6)));
    if (v > 0.93)
        *c = scale(*c, 0.5);
}

/* A sheet with writing and a folded corner. */
static void paper(const struct thing *thing, double u, double v, struct colour *c)
{
    double half = 0.68 + 0.1 * thing->a[0], tall = 0.95, fold = 0.2 + 0.2 * thing->a[1];
    if (fabs(u) > half || fabs(v) > tall)
        return;
    double corner = (u - (half - fold)) - (v + tall);
    if (corner > 0)
        return;
    *c = thing->main;
    double pitch = 0.13 + 0.06 * thing->a[2];
    int line = (int)floor((v + tall) / pitch), word = (int)floor((u + half) / 0.09);
    double within = (v + tall) / pitch - line;
    uint32_t salt = (uint32_t)(thing->a[3] * 1e6);
    bool written = line > 0 && v < tall - pitch && fabs(u) < half - 0.1 && cell(salt, word, line) > 0.22;
    if (written && within > 0.35 && within < 0.7)
        *c = mix(*c, thing->other, 0.85);
    if (u > half - fold && v < -tall + fold)
        *c = scale(thing->main, 0.6);
}

/* A box seen from a corner: three faces, corrugated, with tape. */
static void cardboard(const struct thing *thing, double u, double v, struct colour *c)
{
    double depth = 0.45 + 0.15 * thing->a[0], lift = 0.35 + 0.15 * thing->a[1];
    double left = -0.85, right = 0.85 - depth, top = -0.9 + lift, bottom = 0.9;
    double back = (top - v) / lift;                  /* on the lid: 0 at the front edge, 1 at the back edge */
    double lid_u = u - back * depth;
    double side = (u - right) / depth, side_v = v + side * lift; /* on the side: 0 at the front, 1 at the back */
    double tape = left + (right - left) * (0.4 + 0.2 * thing->a[2]), wave = 30 + 15 * thing->a[3];
    double light;
    if (u >= left && u <= right && v >= top && v <= bottom) {
        light = 0.85 + 0.07 * sin(wave * u);
        *c = fabs(u - tape) < 0.1 && v < top + 0.45 ? thing->other : thing->main;
    } else if (back >= 0 && back <= 1 && lid_u >= left && lid_u <= right) {
        light = 1.1;
        *c = fabs(lid_u - tape) < 0.1 ? thing->other : thing->main;
    } else if (side >= 0 && side <= 1 && side_v >= top && side_v <= bottom) {
        light = 0.5 + 0.05 * sin(wave * side);
        *c = thing->main;
    } else {
        return;
    }
    bool edge = (fabs(u - right) < 0.025 && v > top) || (fabs(v - top) < 0.025 && u < right);
    *c = scale(*c, edge ? 0.4 * light : light);
}

/* A ribbed tub with a lid and a knob, shining. */
static void plastic(const struct thing *thing, double u, double v, struct colour *c)
{
    double rim = -0.62, half = 0.78 - (0.12 + 0.12 * thing->a[0]) * (v - rim) / 1.57, ribs = 18 + 10 * thing->a[1];
    if (v >= rim && v <= 0.95 && fabs(u) <= half) {
        double rib = sin(ribs * v + 6 * thing->a[2]);
        *c = scale(thing->main, (0.85 + 0.3 * rib) * (1 - 0.35 * pow(fabs(u / half), 3)));
        *c = mix(*c, white, 0.6 * smooth(0.25, 0.1, hypot(u + 0.35, (v + 0.15) / 2.2)));
    } else if (v >= rim - 0.2 && v < rim && fabs(u) <= 0.88) {
        *c = scale(thing->other, v < rim - 0.14 ? 1.15 : 0.85);
    } else if (v >= rim - 0.36 && v < rim - 0.2 && fabs(u) <= 0.22 + 0.1 * thing->a[3]) {
        *c = scale(thing->other, 0.7);
    }
}

/* A can: a cylinder that reflects in upright bands, a lid with a ring and a tab, a printed band. */
static void metal(const struct thing *thing, double u, double v, struct colour *c)
{
    double half = 0.55 + 0.1 * thing->a[0], end = 0.76, flat = 0.17;
    double across = u / half;
    if (fabs(across) > 1)
        return;
    double arc = flat * sqrt(1 - across * across), lid = hypot(across, (v + end) / flat);
    if (lid <= 1) {
        double ring = fabs(lid - 0.8) < 0.08 ? 0.35 : fabs(lid - 0.95) < 0.06 ? 1.3 : 0.95;
        *c = scale(thing->main, hypot((u - 0.1) / 0.2, (v + end) / 0.06) < 1 ? 0.3 : ring);
    } else if (v >= -end && v <= end + arc) {
        double band = 0.3 + 0.8 * pow(fabs(sin(2.6 * across + 3 * thing->a[1])), 2.5);
        double height = v - arc, printed = 0.25 + 0.25 * thing->a[2];
        *c = scale(fabs(height) < printed ? thing->other : thing->main, band);
        if (fabs(fabs(height) - 0.62) < 0.03)
            *c = scale(*c, 0.5);
    }
}

/* Torn scraps in a heap, each creased its own way. */
static void trash(const struct thing *thing, double u, double v, struct colour *c)
{
    for (int i = 0; i < SCRAPS; i++) {
        const struct scrap *scrap = &thing->scrap[i];
        double x = u - scrap->u, y = v - scrap->v, angle = atan2(y, x);
        double torn = 1 + 0.25 * sin(3 * angle + scrap->phase[0]) + 0.18 * sin(7 * angle + scrap->phase[1]) +
                      0.1 * sin(13 * angle + scrap->phase[0]);
        double reach = hypot(x, y) / (scrap->radius * torn);
        if (reach > 1)
            continue;
        double crease = sin(14 * (x * cos(scrap->crease) + y * sin(scrap->crease)) + 5 * sin(4 * x + scrap->phase[1]));
        *c = scale(scrap->colour, reach > 0.92 ? 0.4 : 0.75 + 0.3 * crease);
    }
}

static const struct kind {
    const char *name;
    void (*paint)(const struct thing *thing, double u, double v, struct colour *c);
    double saturation[2], value; /* of the main colour */
} kinds[] = {
    { "glass", glass, { 0.2, 0.9 }, 0.3 },      { "paper", paper, { 0.0, 0.3 }, 0.75 },
    { "cardboard", cardboard, { 0.1, 0.6 }, 0.5 }, { "plastic", plastic, { 0.2, 0.9 }, 0.5 },
    { "metal", metal, { 0.0, 0.35 }, 0.7 },     { "trash", trash, { 0, 0 }, 0 },
};

/* One lot a statement, here and in make_scene: C leaves the order within an expression open. */
static struct thing draw_lots(const struct kind *kind, struct rn_rng *rng)
{
    struct thing thing = { .main = any_colour(rng, kind->saturation[0], kind->saturation[1], kind->value) };
    thing.other = kind->paint == paper ? scale(any_colour(rng, 0.3, 1, 0.5), 0.4) : any_colour(rng, 0, 0.8, 0.5);
    for (int i = 0; i < 6; i++)
        thing.a[i] = uniform(rng, 0, 1);
    for (int i = 0; i < SCRAPS; i++) {
        struct scrap *scrap = &thing.scrap[i];
        double angle = uniform(rng, 0, 2 * pi);
        double away = i ? uniform(rng, 0.2, 0.8) : 0;
        scrap->u = away * cos(angle);
        scrap->v = away * sin(angle);
        scrap->colour = any_colour(rng, 0, 0.8, 0.3);
        scrap->radius = i ? uniform(rng, 0.16, 0.32) : 0.75;
        scrap->crease = uniform(rng, 0, pi);
        scrap->phase[0] = uniform(rng, 0, 2 * pi);
        scrap->phase[1] = uniform(rng, 0, 2 * pi);
    }
    return thing;
}

/* ---- a picture ---- */

struct scene {
    struct thing thing;
    struct colour ground[2], light;
    double tilt, board, patch; /* background: direction of its slope, pitch of its boards, strength of its patches */
    double size, turn, x, y;   /* of the thing, in pixels and radians */
    double grain;
    uint32_t salt;
};

static struct scene make_scene(const struct kind *kind, size_t height, size_t width, struct rn_rng *rng)
{
    double shorter = (double)(height < width ? height : width);
    struct scene scene = { .thing = draw_lots(kind, rng) };
    scene.ground[0] = any_colour(rng, 0, 0.7, 0.5);
    scene.ground[0] = scale(scene.ground[0], uniform(rng, 0.4, 1));
    scene.ground[1] = mix(scene.ground[0], any_colour(rng, 0, 0.6, 0.3), 0.4);
    scene.light.g = uniform(rng, 0.85, 1.15);
    scene.light.r = scene.light.g * uniform(rng, 0.9, 1.1);
    scene.light.b = scene.light.g * uniform(rng, 0.9, 1.1);
    scene.tilt = uniform(rng, 0, 2 * pi);
    bool boarded = uniform(rng, 0, 1) < 0.4;
    scene.board = boarded ? uniform(rng, 8, 20) : 0;
    scene.patch = uniform(rng, 0.05, 0.2);
    scene.size = shorter * uniform(rng, 0.44, 0.54);
    scene.turn = rn_rng_normal(rng) * 0.35;
    scene.x = (double)width / 2 + shorter * uniform(rng, -0.08, 0.08);
    scene.y = (double)height / 2 + shorter * uniform(rng, -0.08, 0.08);
    scene.grain = uniform(rng, 0.01, 0.035);
    scene.salt = rn_rng_u32(rng);
    return scene;
}

/* Smooth patches: a grid of random numbers, blended between its points. */
static double patches(uint32_t salt, double x, double y)
{
    int i = (int)floor(x), k = (int)floor(y);
    double s = smooth(0, 1, x - i), t = smooth(0, 1, y - k);
    double above = cell(salt, i, k) * (1 - s) + cell(salt, i + 1, k) * s;
    double below = cell(salt, i, k + 1) * (1 - s) + cell(salt, i + 1, k + 1) * s;
    return above * (1 - t) + below * t;
}

static struct colour ground_at(const struct scene *scene, double x, double y)
{
    double along = x * cos(scene->tilt) + y * sin(scene->tilt);
    struct colour c = mix(scene->ground[0], scene->ground[1], 0.5 + along / SIDE_MAX);
    c = scale(c, 1 + scene->patch * (2 * patches(scene->salt, x / 9, y / 9) - 1));
    return scene->board > 0 && fmod(along + 1000, scene->board) < 1.2 ? mix(c, black, 0.5) : c;
}

static void thing_at(const struct scene *scene, const struct kind *kind, double x, double y, struct colour *c)
{
    double u = (x - scene->x) / scene->size, v = (y - scene->y) / scene->size;
    double cosine = cos(scene->turn), sine = sin(scene->turn);
    kind->paint(&scene->thing, u * cosine + v * sine, v * cosine - u * sine, c);
}

static uint8_t level(double value, double noise)
{
    return (uint8_t)lrint(255 * fmin(fmax(value + noise, 0), 1));
}

/* pixels (height, width, 3); the thing has four samples a pixel */
static void paint(uint8_t *pixels, size_t height, size_t width, const struct kind *kind, struct rn_rng *rng)
{
    struct scene scene = make_scene(kind, height, width, rng);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            struct colour sum = { 0, 0, 0 }, ground = ground_at(&scene, (double)x + 0.5, (double)y + 0.5);
            for (int i = 0; i < 4; i++) {
                struct colour c = ground;
                thing_at(&scene, kind, (double)x + (i % 2 ? 0.75 : 0.25), (double)y + (i / 2 ? 0.75 : 0.25), &c);
                sum = (struct colour){ sum.r + c.r / 4, sum.g + c.g / 4, sum.b + c.b / 4 };
            }
            uint8_t *pixel = pixels + (y * width + x) * 3;
            pixel[0] = level(sum.r * scene.light.r, scene.grain * rn_rng_normal(rng));
            pixel[1] = level(sum.g * scene.light.g, scene.grain * rn_rng_normal(rng));
            pixel[2] = level(sum.b * scene.light.b, scene.grain * rn_rng_normal(rng));
        }
}

/* libjpeg itself reports what goes wrong while it writes, and exits. */
static int write_jpeg(const char *path, uint8_t *pixels, size_t height, size_t width)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr errors;
    FILE *file = fopen(path, "wb");
    if (!file)
        return -1;
    jpeg.err = jpeg_std_error(&errors);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)width;
    jpeg.image_height = (JDIMENSION)height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 90, TRUE);
    jpeg_start_compress(&jpeg, TRUE);
    for (size_t y = 0; y < height; y++) {
        JSAMPROW row = pixels + y * width * 3;
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    return fclose(file);
}

static int draw_kind(const char *folder, size_t which, uint64_t count, uint64_t seed)
{
    static uint8_t pixels[SIDE_MAX * SIDE_MAX * 3];
    struct rn_err err;
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%s", folder, kinds[which].name) >= (int)sizeof path - 64) {
        fprintf(stderr, "draw: the folder's name is too long\n");
        return -1;
    }
    if (rn_file_mkdir(path, &err)) {
        fprintf(stderr, "draw: %s\n", err.text);
        return -1;
    }
    for (uint64_t i = 1; i <= count; i++) {
        struct rn_rng rng = rn_rng(seed, RN_FOR_DRAW, (uint64_t)which << 32 | i, 0);
        size_t height = SIDE_MIN + rn_rng_below(&rng, SIDE_MAX - SIDE_MIN + 1);
        size_t width = SIDE_MIN + rn_rng_below(&rng, SIDE_MAX - SIDE_MIN + 1);
        snprintf(path, sizeof path, "%s/%s/%s%llu.jpg", folder, kinds[which].name, kinds[which].name, (unsigned long long)i);
        paint(pixels, height, width, &kinds[which], &rng);
        if (write_jpeg(path, pixels, height, width)) {
            fprintf(stderr, "draw: %s: %s\n", path, strerror(errno));
            return -1;
        }
    }
    return 0;
}

static bool number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;
    errno = 0;
    *value = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && !*end && !errno && *value <= most;
}

int main(int argc, char **argv)
{
    uint64_t count = 100, seed = 1234;
    if (argc < 2 || argc > 4 || argv[1][0] == '-' || (argc > 2 && !number(argv[2], 100000, &count)) ||
        (argc > 3 && !number(argv[3], UINT64_MAX, &seed))) {
        fprintf(stderr, "draw: usage: draw DIR [PER_CLASS [SEED]]\n");
        return RN_EXIT_USAGE;
    }
    for (size_t which = 0; which < sizeof kinds / sizeof *kinds; which++)
        if (draw_kind(argv[1], which, count, seed))
            return RN_EXIT_SYSTEM;
    return RN_EXIT_OK;
}
