/* augment.c -- milliseconds a picture of each transform, of the three shipped recipes and of photo to files, in one thread, of processor time; beside
 * Albumentations' where `make bench-python` has made its environment. A picture of 512 x 384. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "augment/augment.h"
#include "augment/node.h"
#include "core/file.h"
#include "core/mem.h"
#include "image/image.h"

#define PHOTOS "../shared/trashnet/dataset-resized/"
enum { HEIGHT = 384, WIDTH = 512, ROWS = 96, FILES = 60 };

static struct row {
    char name[40];
    double ours, theirs; /* milliseconds; 0: not measured */
} rows[ROWS];
static size_t count;

static void must(int rc, const struct rn_err *err)
{
    if (rc) {
        fprintf(stderr, "%s\n", err->text);
        exit(err->exit);
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void measure(const char *name, const struct rn_recipe *recipe, const struct rn_image *image, size_t least)
{
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    size_t n = 0;
    double start = seconds(), spent = 0;
    for (; spent < 0.25 || n < least; n++) {
        rn_canvas_set(&x, RN_U8, image->pixels, image->height, image->width);
        must(rn_recipe_run(recipe, &x, 1, 0, n, 1, NULL, &err), &err);
        if (n == 0) /* the first one allocates */
            start = seconds();
        spent = seconds() - start;
    }
    struct row *row = &rows[count++];
    snprintf(row->name, sizeof row->name, "%s", name);
    row->ours = 1000 * spent / (double)(n - 1);
    rn_canvas_free(&x);
}

/* only: NULL, or the one. */
static void transforms(const struct rn_image *image, const char *only)
{
    static const char *const with[] = { "height", "\"height\": 224, \"width\": 224", "min_max_height", "\"min_max_height\": [256, 384], \"height\": 224, \"width\": 224",
                                        "blur_limit", "\"blur_limit\": [3, 3]" };
    for (size_t i = 0; rn_augment_table[i]; i++) {
        const struct rn_augment *t = rn_augment_table[i];
        struct rn_recipe recipe;
        struct rn_err err = { 0 };
        char text[512];
        const char *options = "\"always_apply\": true";
        if (only && strcmp(only, t->class_name))
            continue;
        for (size_t k = 0; t->options && k < 6; k += 2)
            if (!strcmp(with[k], t->options[0].name))
                options = with[k + 1];
        snprintf(text, sizeof text, "{\"transform\": {\"__class_fullname__\": \"%s\", \"p\": 1, %s}}", t->class_name, options);
        must(rn_recipe_parse(&recipe, rn_text(text), -1, &err), &err);
        measure(t->class_name, &recipe, image, 20);
        rn_recipe_free(&recipe);
    }
}

/* Filters of other sides than 3. */
static void filters(const struct rn_image *image)
{
    static const struct { const char *name; int side; } cases[] = { { "Blur", 7 }, { "Blur", 31 }, { "MedianBlur", 5 }, { "MedianBlur", 7 }, { "MedianBlur", 21 }, { "GaussianBlur", 7 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct rn_recipe recipe;
        struct rn_err err = { 0 };
        char text[256], name[40];
        snprintf(text, sizeof text, "{\"transform\": {\"__class_fullname__\": \"%s\", \"p\": 1, \"blur_limit\": [%d, %d]}}", cases[i].name, cases[i].side, cases[i].side);
        snprintf(name, sizeof name, "%s-%d", cases[i].name, cases[i].side);
        must(rn_recipe_parse(&recipe, rn_text(text), -1, &err), &err);
        measure(name, &recipe, image, 20);
        rn_recipe_free(&recipe);
    }
}

static const char *const shipped[3] = { "basic", "affine", "distort" };

static void load_shipped(struct rn_recipe recipe[3], struct rn_buffer *path)
{
    struct rn_err err = { 0 };
    for (int i = 0; i < 3; i++) {
        path->length = 0;
        must(rn_recipe_find(path, shipped[i], &err), &err);
        must(rn_recipe_load(&recipe[i], path->data, 0.1, &err), &err);
    }
}

/* As the original's program does: read, three pipelines, three files. */
static void files(const struct rn_recipe recipe[3], char **photo, size_t n)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    struct rn_canvas x = { 0 };
    struct rn_err err = { 0 };
    struct rn_buffer jpeg = { 0 };
    char folder[] = "/tmp/rn-bench.XXXXXX", path[64];
    double start = seconds();
    if (!n || !mkdtemp(folder))
        return;
    for (size_t i = 0; i < n; i++) {
        struct rn_image image;
        must(rn_image_load(&image, photo[i], &how, &err), &err);
        for (int r = 0; r < 3; r++) {
            rn_canvas_set(&x, RN_U8, image.pixels, image.height, image.width);
            must(rn_recipe_run(&recipe[r], &x, 1, 0, i, 1, NULL, &err), &err);
            const struct rn_image result = { (uint8_t *)x.pixels, x.height, x.width };
            jpeg.length = 0;
            must(rn_image_encode_jpeg(&jpeg, &result, 95, &err), &err);
            snprintf(path, sizeof path, "%d.jpg", r);
            must(rn_file_put(folder, path, jpeg.data, jpeg.length, false, &err), &err);
        }
        rn_image_free(&image);
    }
    rows[count++] = (struct row){ "files", 1000 * (seconds() - start) / (double)n, 0 };
    for (int r = 0; r < 3; r++) {
        snprintf(path, sizeof path, "%s/%d.jpg", folder, r);
        unlink(path);
    }
    rmdir(folder);
    rn_canvas_free(&x);
    rn_buffer_free(&jpeg);
}

/* A photo where there are any, else something drawn with as much detail. */
static void make_picture(struct rn_image *image, char **photo, size_t n)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    struct rn_err err = { 0 };
    if (n) {
        must(rn_image_load(image, photo[0], &how, &err), &err);
        return;
    }
    *image = (struct rn_image){ malloc(HEIGHT * WIDTH * 3), HEIGHT, WIDTH };
    if (!image->pixels)
        exit(4);
    for (size_t i = 0; i < HEIGHT * WIDTH * 3; i++)
        image->pixels[i] = (uint8_t)(i / 3 % WIDTH / 3 + i / 3 / WIDTH / 4 + i * 2654435761u % 64);
}

static size_t find_photos(char **photo)
{
    size_t n = 0;
    for (int i = 1; i < 600 && n < FILES; i++) {
        static const char *const kinds[] = { "glass", "paper", "metal" };
        const char *kind = kinds[i % 3];
        if (asprintf(&photo[n], PHOTOS "%s/%s%d.jpg", kind, kind, i) < 0)
            exit(4);
        if (access(photo[n], R_OK) == 0)
            n++;
        else
            free(photo[n]);
    }
    return n;
}

static void python(const struct rn_image *image, const char *recipes, char **photo, size_t n)
{
    const char *build = getenv("BUILD");
    char command[16384], line[256], name[64], raw[] = "/tmp/rn-bench.XXXXXX";
    double ms;
    snprintf(command, sizeof command, "%s/python/bin/python", build ? build : "build");
    int fd = access(command, X_OK) ? -1 : mkstemp(raw);
    struct rn_err err;
    if (fd < 0) {
        puts("(without Albumentations: `make bench-python` makes its environment)");
        return;
    }
    must(rn_file_write(fd, image->pixels, image->height * image->width * 3, &err), &err);
    close(fd);
    size_t used = strlen(command);
    used += (size_t)snprintf(command + used, sizeof command - used, " tests/bench/augment.py %s %zu %zu %s", raw, image->height, image->width, recipes);
    for (size_t i = 0; i < n; i++)
        used += (size_t)snprintf(command + used, sizeof command - used, " %s", photo[i]);
    FILE *pipe = popen(command, "r");
    while (pipe && fgets(line, sizeof line, pipe))
        for (size_t i = 0; sscanf(line, "%63s %lf", name, &ms) == 2 && i < count; i++)
            if (!strcmp(rows[i].name, name))
                rows[i].theirs = ms;
    if (pipe)
        pclose(pipe);
    unlink(raw);
}

int main(int argc, char **argv)
{
    struct rn_recipe recipe[3];
    struct rn_buffer path = { 0 };
    struct rn_image image;
    char *photo[FILES];
    size_t n = find_photos(photo);
    make_picture(&image, photo, n);
    load_shipped(recipe, &path);
    transforms(&image, argc > 1 ? argv[1] : NULL);
    if (argc > 1)
        return printf("%s %.3f ms\n", rows[0].name, rows[0].ours) < 0;
    filters(&image);
    for (int i = 0; i < 3; i++)
        measure(shipped[i], &recipe[i], &image, 3000);
    files(recipe, photo, n);
    *strrchr(path.data, '/') = '\0';
    python(&image, path.data, photo, n);
    double ours = 0, theirs = 0;
    printf("%-26s %10s %12s %14s %8s\n", "one thread", "ms", "images/s", "Albumentations", "times");
    for (size_t i = 0; i < count; i++) {
        const struct row *r = &rows[i];
        printf("%-26s %10.3f %12.1f %11.3f ms %8.1f\n", r->name, r->ours, 1000 / r->ours, r->theirs, r->theirs / r->ours);
        for (int k = 0; k < 3; k++)
            if (!strcmp(r->name, shipped[k])) {
                ours += r->ours;
                theirs += r->theirs;
            }
    }
    printf("%-26s %10.3f %12.1f %11.3f ms %8.1f\n", "the three recipes", ours, 1000 / ours, theirs, theirs / ours);
    for (size_t i = 0; i < n; i++)
        free(photo[i]);
    for (int i = 0; i < 3; i++)
        rn_recipe_free(&recipe[i]);
    rn_image_free(&image);
    rn_buffer_free(&path);
    return 0;
}
