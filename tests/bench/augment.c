/* augment.c [NAME...] -- milliseconds a picture of each transform, of the three shipped recipes and of photo to files, in one
 * thread; beside Albumentations' where `make bench-python` has made its environment. NAME: only rows whose names begin so.
 *
 * Other programs share the machine, so both take turns: a round is ours and theirs, one after the other, of processor time. A row
 * has the medians of its rounds, and the median of their ratios. A recipe's cost depends on what is drawn: there all rounds count
 * together. ROUNDS in the environment is how many (21). The picture has 512 x 384 pixels. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/wait.h>

#include "augment/augment.h"
#include "augment/node.h"
#include "core/file.h"
#include "core/mem.h"
#include "image/image.h"

#define PHOTOS "../shared/trashnet/dataset-resized/"
enum { HEIGHT = 384, WIDTH = 512, ROUNDS_MOST = 999, FILES = 60, RECIPE_OURS = 300, RECIPE_THEIRS = 60, RECIPE_ROUNDS = 25 };

static struct {
    FILE *ask, *answer; /* NULL: it is not there */
    pid_t pid;
} python;
static size_t rounds = 21;
static char **wanted; /* names, up to NULL; none: all */
static struct rn_image image;

struct row {
    const char *name;
    double ours[ROUNDS_MOST], theirs[ROUNDS_MOST]; /* milliseconds */
    size_t rounds;
};

static void must(int rc, const struct rn_err *err)
{
    if (rc) {
        fprintf(stderr, "%s\n", err->text);
        exit(err->exit);
    }
}

static double milliseconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return 1e3 * (double)t.tv_sec + 1e-6 * (double)t.tv_nsec;
}

/* ---- the other side ---- */

static void start_python(const char *recipes)
{
    static char raw[] = "/tmp/rn-bench.XXXXXX";
    const char *build = getenv("BUILD");
    char program[4096], height[32], width[32];
    int to[2], from[2], fd;
    struct rn_err err;
    snprintf(program, sizeof program, "%s/python/bin/python", build ? build : "build");
    snprintf(height, sizeof height, "%zu", image.height);
    snprintf(width, sizeof width, "%zu", image.width);
    if (access(program, X_OK) || (fd = mkstemp(raw)) < 0 || pipe(to) || pipe(from)) {
        puts("(without Albumentations: `make bench-python` makes its environment)");
        return;
    }
    must(rn_file_write(fd, image.pixels, image.height * image.width * 3, &err), &err);
    close(fd);
    python.pid = fork();
    if (python.pid == 0) {
        dup2(to[0], STDIN_FILENO);
        dup2(from[1], STDOUT_FILENO);
        close(to[0]), close(to[1]), close(from[0]), close(from[1]);
        execl(program, program, "tests/bench/augment.py", raw, height, width, recipes, (char *)NULL);
        _exit(127);
    }
    close(to[0]);
    close(from[1]);
    python.ask = fdopen(to[1], "w");
    python.answer = fdopen(from[0], "r");
    if (!fgets(program, sizeof program, python.answer)) {
        fputs("tests/bench/augment.py does not run\n", stderr);
        exit(4);
    }
    unlink(raw);
}

/* Milliseconds of `times` pictures; 0: they have no such row. */
static double ask_python(const char *name, size_t times)
{
    double ms = 0;
    if (!python.ask)
        return 0;
    fprintf(python.ask, "%s\t%zu\n", name, times);
    fflush(python.ask);
    if (fscanf(python.answer, "%lf", &ms) != 1) {
        fprintf(stderr, "tests/bench/augment.py ends at %s\n", name);
        exit(4);
    }
    return ms;
}

static void end_python(void)
{
    if (!python.ask)
        return;
    fclose(python.ask);
    fclose(python.answer);
    waitpid(python.pid, NULL, 0);
}

/* ---- rows ---- */

static bool is_wanted(const char *name)
{
    for (char **w = wanted; *w; w++)
        if (!strncmp(name, *w, strlen(*w)))
            return true;
    return !*wanted;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(const double *value, size_t n)
{
    double sorted[ROUNDS_MOST];
    memcpy(sorted, value, n * sizeof *value);
    qsort(sorted, n, sizeof *sorted, by_size);
    return sorted[n / 2];
}

static void print(const char *name, double ours, double theirs, double times)
{
    printf("%-26s %10.3f %12.1f", name, ours, 1000 / ours);
    if (theirs > 0)
        printf(" %11.3f ms %8.2f", theirs, times);
    puts("");
    fflush(stdout);
}

static void print_medians(const struct row *r)
{
    double times[ROUNDS_MOST];
    for (size_t i = 0; i < r->rounds; i++)
        times[i] = r->theirs[i] / r->ours[i];
    print(r->name, median(r->ours, r->rounds), median(r->theirs, r->rounds), median(times, r->rounds));
}

static double sum_of(const double *value, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += value[i];
    return sum;
}

/* Milliseconds of n pictures; *seed: the first one's. */
static double run(const struct rn_recipe *recipe, struct rn_canvas *x, size_t n, uint64_t *seed)
{
    struct rn_err err = { 0 };
    double start = milliseconds();
    for (size_t i = 0; i < n; i++) {
        rn_canvas_set(x, RN_U8, image.pixels, image.height, image.width);
        must(rn_recipe_run(recipe, x, 1, 0, (*seed)++, 1, NULL, &err), &err);
    }
    return milliseconds() - start;
}

/* How many pictures take some milliseconds. */
static size_t enough(double (*spent)(const void *, size_t), const void *context)
{
    size_t n = 1;
    for (double ms; (ms = spent(context, n)) > 0 && ms < 5 && n < 100000;)
        n = ms < 0.5 ? n * 10 : (size_t)((double)n * 6 / ms) + 1;
    return n;
}

struct side {
    const char *name;
    const struct rn_recipe *recipe;
    struct rn_canvas *canvas;
    uint64_t *seed;
};

static double spend_ours(const void *context, size_t n)
{
    const struct side *s = context;
    return run(s->recipe, s->canvas, n, s->seed);
}

static double spend_theirs(const void *context, size_t n)
{
    return ask_python(((const struct side *)context)->name, n);
}

static void measure(struct row *row, const char *name, const struct rn_recipe *recipe, size_t ours, size_t theirs, size_t most)
{
    struct rn_canvas x = { 0 };
    uint64_t seed = 0;
    struct side side = { name, recipe, &x, &seed };
    *row = (struct row){ .name = name, .rounds = most };
    spend_ours(&side, 1); /* the first one allocates */
    spend_theirs(&side, 1);
    ours = ours ? ours : enough(spend_ours, &side);
    theirs = theirs ? theirs : enough(spend_theirs, &side);
    for (size_t i = 0; i < row->rounds; i++) {
        if (i % 2)
            row->theirs[i] = spend_theirs(&side, theirs) / (double)theirs;
        row->ours[i] = spend_ours(&side, ours) / (double)ours;
        if (i % 2 == 0)
            row->theirs[i] = spend_theirs(&side, theirs) / (double)theirs;
    }
    rn_canvas_free(&x);
}

static void measure_one(const char *name, const char *class_name, const char *options)
{
    struct rn_recipe recipe;
    struct rn_err err = { 0 };
    struct row row;
    char text[512];
    if (!is_wanted(name))
        return;
    snprintf(text, sizeof text, "{\"transform\": {\"__class_fullname__\": \"%s\", \"p\": 1, %s}}", class_name, options);
    must(rn_recipe_parse(&recipe, rn_text(text), -1, &err), &err);
    measure(&row, name, &recipe, 0, 0, rounds);
    print_medians(&row);
    rn_recipe_free(&recipe);
}

static void transforms(void)
{
    static const char *const with[] = { "height", "\"height\": 224, \"width\": 224", "min_max_height",
                                        "\"min_max_height\": [256, 384], \"height\": 224, \"width\": 224",
                                        "blur_limit", "\"blur_limit\": [3, 3]" };
    for (size_t i = 0; rn_augment_table[i]; i++) {
        const struct rn_augment *t = rn_augment_table[i];
        const char *options = "\"always_apply\": true";
        for (size_t k = 0; t->options && k < 6; k += 2)
            if (!strcmp(with[k], t->options[0].name))
                options = with[k + 1];
        if (strcmp(t->class_name, "NoOp") && strcmp(t->class_name, "ToTensorV2")) /* nothing is done */
            measure_one(t->class_name, t->class_name, options);
    }
}

/* Filters of other sides than 3; resizes by other ways than bilinear. */
static void variants(void)
{
    static const struct { const char *name; int side; } filters[] = { { "Blur", 7 }, { "Blur", 31 }, { "MedianBlur", 5 },
                                                                      { "MedianBlur", 7 }, { "MedianBlur", 21 },
                                                                      { "GaussianBlur", 7 } };
    static const char *const ways[] = { "nearest", "linear", "cubic", "area", "lanczos" };
    char options[256], name[40];
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        snprintf(options, sizeof options, "\"blur_limit\": [%d, %d]", filters[i].side, filters[i].side);
        snprintf(name, sizeof name, "%s-%d", filters[i].name, filters[i].side);
        measure_one(name, filters[i].name, options);
    }
    for (int i = 0; i < 5; i++) {
        snprintf(options, sizeof options, "\"height\": 224, \"width\": 224, \"interpolation\": %d", i);
        snprintf(name, sizeof name, "Resize-%s", ways[i]);
        if (i != 1)
            measure_one(name, "Resize", options);
    }
}

/* ---- recipes ---- */

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

static void measure_recipes(const struct rn_recipe recipe[3])
{
    double ours = 0, theirs = 0;
    struct row row;
    if (!is_wanted("recipes"))
        return;
    for (int i = 0; i < 3; i++) {
        measure(&row, shipped[i], &recipe[i], RECIPE_OURS, RECIPE_THEIRS, RECIPE_ROUNDS);
        double a = sum_of(row.ours, row.rounds) / RECIPE_ROUNDS, b = sum_of(row.theirs, row.rounds) / RECIPE_ROUNDS;
        print(shipped[i], a, b, b / a);
        ours += a;
        theirs += b;
    }
    print("the three recipes", ours, theirs, theirs / ours);
}

/* ---- photos to files ---- */

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

/* As the original's program does: read, three pipelines, three files. Milliseconds. */
static double make_files(const struct rn_recipe recipe[3], const char *folder, const char *photo, uint64_t id)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    static struct rn_canvas x;
    static struct rn_buffer jpeg;
    struct rn_err err = { 0 };
    struct rn_image read;
    char name[8];
    double start = milliseconds();
    must(rn_image_load(&read, photo, &how, &err), &err);
    for (int r = 0; r < 3; r++) {
        rn_canvas_set(&x, RN_U8, read.pixels, read.height, read.width);
        must(rn_recipe_run(&recipe[r], &x, 1, 0, id, 1, NULL, &err), &err);
        const struct rn_image result = { (uint8_t *)x.pixels, x.height, x.width };
        jpeg.length = 0;
        must(rn_image_encode_jpeg(&jpeg, &result, 95, &err), &err);
        snprintf(name, sizeof name, "%d.jpg", r);
        must(rn_file_put(folder, name, jpeg.data, jpeg.length, false, &err), &err);
    }
    rn_image_free(&read);
    return milliseconds() - start;
}

static void measure_files(const struct rn_recipe recipe[3], char **photo, size_t n)
{
    char folder[] = "/tmp/rn-bench.XXXXXX", text[4096];
    double ours = 0, theirs = 0;
    if (!n || !is_wanted("files") || !mkdtemp(folder))
        return;
    for (size_t i = 0; i < n; i++) {
        snprintf(text, sizeof text, "files:%s", photo[i]);
        ours += make_files(recipe, folder, photo[i], i) / (double)n;
        theirs += ask_python(text, 1) / (double)n;
    }
    print("files", ours, theirs, theirs / ours);
    for (int r = 0; r < 3; r++) {
        snprintf(text, sizeof text, "%s/%d.jpg", folder, r);
        unlink(text);
    }
    rmdir(folder);
}

/* A photo where there are any, else something drawn with as much detail. */
static void make_picture(char **photo, size_t n)
{
    const struct rn_decode how = { .max_pixels = 100000000 };
    struct rn_err err = { 0 };
    if (n) {
        must(rn_image_load(&image, photo[0], &how, &err), &err);
        return;
    }
    image = (struct rn_image){ malloc(HEIGHT * WIDTH * 3), HEIGHT, WIDTH };
    if (!image.pixels)
        exit(4);
    for (size_t i = 0; i < HEIGHT * WIDTH * 3; i++)
        image.pixels[i] = (uint8_t)(i / 3 % WIDTH / 3 + i / 3 / WIDTH / 4 + i * 2654435761u % 64);
}

int main(int argc, char **argv)
{
    struct rn_recipe recipe[3];
    struct rn_buffer path = { 0 };
    char *photo[FILES];
    size_t n = find_photos(photo);
    const char *given = getenv("ROUNDS");
    if (given && atoi(given) > 0 && atoi(given) <= ROUNDS_MOST)
        rounds = (size_t)atoi(given);
    wanted = argv + (argc > 0);
    make_picture(photo, n);
    load_shipped(recipe, &path);
    *strrchr(path.data, '/') = '\0';
    start_python(path.data);
    printf("%-26s %10s %12s %14s %8s\n", "one thread", "ms", "images/s", "Albumentations", "times");
    transforms();
    variants();
    measure_recipes(recipe);
    measure_files(recipe, photo, n);
    end_python();
    for (size_t i = 0; i < n; i++)
        free(photo[i]);
    for (int i = 0; i < 3; i++)
        rn_recipe_free(&recipe[i]);
    rn_image_free(&image);
    rn_buffer_free(&path);
    return 0;
}
