/* replay.c -- the numbers that were drawn come from a file: each is looked at before a transform sees it. */
#include "augment/replay.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "augment/node.h"
#include "core/mem.h"
#include "stream/stream.h"
#include "stream/take.h"

struct line {
    uint64_t id;          /* its hash */
    size_t first, length; /* of `bytes`: the packed key, or the error's text */
    bool failed;
};

struct rn_replay {
    const char *path; /* borrowed */
    struct line *line; /* by id */
    size_t lines, capacity;
    struct rn_buffer bytes;
};

/* ---- the file ---- */

static int add_line(struct rn_replay *replay, const struct rn_record *record, struct rn_err *err)
{
    bool failed = record->error.data != NULL;
    struct rn_text text = failed ? record->error : rn_record_field(record, "augment");
    if (!text.data)
        return 0;
    if (rn_grow(&replay->line, &replay->capacity, replay->lines + 1, sizeof *replay->line, err))
        return -1;
    replay->line[replay->lines++] = (struct line){ rn_hash64(record->id), replay->bytes.length, text.length, failed };
    return rn_buffer_add(&replay->bytes, text.data, text.length, err);
}

static int read_lines(struct rn_replay *replay, struct rn_reader *reader, struct rn_err *err)
{
    const struct rn_head *head;
    struct rn_record record;
    bool any = false;
    int rc;
    rn_reader_unique(reader);
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), &head, err)) == 1) {
        while ((rc = rn_reader_record(reader, &record, err)) == 1) {
            if (add_line(replay, &record, err))
                return -1;
            any = any || (replay->lines && !replay->line[replay->lines - 1].failed);
        }
        if (rc)
            return -1;
    }
    if (rc)
        return -1;
    return any ? 0 : rn_fail(err, RN_EXIT_DATA, "no record says what was done to it: rn-augment --explain writes such");
}

static int by_id(const void *a, const void *b)
{
    uint64_t x = ((const struct line *)a)->id, y = ((const struct line *)b)->id;
    return (x > y) - (x < y);
}

int rn_replay_open(struct rn_replay **replay, const char *path, struct rn_err *err)
{
    struct rn_reader *reader = NULL;
    char *files[1] = { (char *)path }, shown[256];
    *replay = NULL;
    if (rn_reader_open(&reader, files, 1, err))
        return -1;
    struct rn_replay *r = rn_calloc(1, sizeof *r, err);
    int rc = r ? read_lines(r, reader, err) : -1;
    rn_reader_close(reader);
    if (rc) {
        rn_replay_close(r);
        return strncmp(err->text, "no record says", 14) ? -1 : rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    }
    r->path = path;
    qsort(r->line, r->lines, sizeof *r->line, by_id);
    *replay = r;
    return 0;
}

void rn_replay_close(struct rn_replay *replay)
{
    if (!replay)
        return;
    free(replay->line);
    rn_buffer_free(&replay->bytes);
    free(replay);
}

/* ---- one step ---- */

/* Whether it could have been drawn; what is no number could not. */
static bool may_be(const struct rn_drawn *drawn, double v)
{
    double most = 0x1p53, low = drawn->low < drawn->high ? drawn->low : -most, high = drawn->low < drawn->high ? drawn->high : most;
    bool stepped = drawn->step == 0 || (v == floor(v) && (drawn->step == 1 || v == 0 || fmod(v, 2) != 0));
    return v >= low && v <= high && stepped;
}

/* Its numbers, appended to value[*count]; one is not in a list. */
static int take_numbers(double *value, size_t *count, const struct rn_drawn *drawn, struct rn_text packed, struct rn_err *err)
{
    size_t n = 1;
    if (drawn->count != 1 && !rn_take_array(&packed, &n))
        return rn_fail(err, RN_EXIT_DATA, "%s: not a list of numbers", drawn->name);
    if (n > RN_DRAWS - *count || (drawn->count && n != drawn->count))
        return rn_fail(err, RN_EXIT_DATA, "%s: %zu numbers, not %zu", drawn->name, n,
                       drawn->count ? drawn->count : RN_DRAWS - *count);
    for (size_t i = 0; i < n; i++) {
        double *v = &value[(*count)++];
        if (!rn_take_real(&packed, v))
            return rn_fail(err, RN_EXIT_DATA, "%s: not a number", drawn->name);
        if (!may_be(drawn, *v))
            return rn_fail(err, RN_EXIT_DATA, "%s: %g is never drawn", drawn->name, *v);
    }
    return 0;
}

static int take_drawn(double *value, size_t *count, const struct rn_augment *t, struct rn_text step, struct rn_err *err)
{
    size_t names = 0, pairs;
    struct rn_text packed, map = step;
    for (const struct rn_drawn *d = t->drawn; d && d->name; d++, names++) {
        if (!rn_take_key(step, d->name, &packed))
            return rn_fail(err, RN_EXIT_DATA, "%s is missing", d->name);
        if (take_numbers(value, count, d, packed, err))
            return -1;
    }
    return rn_take_map(&map, &pairs) && pairs == names + 2 ? 0 : rn_fail(err, RN_EXIT_DATA, "more than it draws");
}

static const struct rn_recipe_node *find_leaf(const struct rn_recipe_node *node, double at)
{
    const struct rn_recipe_node *found = node->kind == RN_LEAF && (double)node->at == at ? node : NULL;
    for (size_t i = 0; i < node->children && !found; i++)
        found = find_leaf(&node->child[i], at);
    return found;
}

static int run_step(const struct rn_recipe *recipe, struct rn_canvas *canvas, struct rn_text step, struct rn_trace *trace,
                    struct rn_err *err)
{
    double value[RN_DRAWS], at;
    size_t count = 0;
    struct rn_text packed_name, packed_at, name;
    char shown[256];
    if (!rn_take_key(step, "transform", &packed_name) || !rn_take_text(&packed_name, &name) ||
        !rn_take_key(step, "at", &packed_at) || !rn_take_real(&packed_at, &at))
        return rn_fail(err, RN_EXIT_DATA, "no transform, or not at which place");
    const struct rn_recipe_node *node = find_leaf(recipe->root, at);
    if (!node || !rn_text_equal(name, rn_text(node->transform->class_name)))
        return rn_fail(err, RN_EXIT_DATA, "%s was transform %g, which is %s in the recipe %s: another recipe's",
                       rn_text_show(name, shown), at, node ? node->transform->class_name : "none", recipe->name.data);
    if (take_drawn(value, &count, node->transform, step, err))
        return rn_fail_at(err, "%s", node->transform->class_name);
    return rn_recipe_node_apply(node, canvas, value, count, trace, err);
}

/* ---- one record ---- */

static const struct line *find_line(const struct rn_replay *replay, struct rn_text id)
{
    const struct line key = { .id = rn_hash64(id) };
    return bsearch(&key, replay->line, replay->lines, sizeof key, by_id);
}

/* Without the id in front, which the caller will say. */
static int fail_again(struct rn_text text, struct rn_text id, struct rn_err *err)
{
    char room[256];
    size_t length = strlen(rn_text_show(id, room));
    if (text.length > length + 2 && !memcmp(text.data, room, length) && !memcmp(text.data + length, ": ", 2)) {
        text.data += length + 2;
        text.length -= length + 2;
    }
    return rn_fail(err, RN_EXIT_DATA, "%.*s", (int)text.length, text.data);
}

int rn_replay_run(const struct rn_replay *replay, const struct rn_recipe *recipe, struct rn_canvas *canvas, struct rn_text id,
                  struct rn_trace *trace, struct rn_err *err)
{
    const struct line *line = find_line(replay, id);
    char shown[256];
    size_t steps;
    rn_text_show(rn_text(replay->path), shown);
    if (!line)
        return rn_fail(err, RN_EXIT_DATA, "%s has no record of it: it was made of other photos, recipes (-r) or copies (-n)",
                       shown);
    struct rn_text packed = { replay->bytes.data + line->first, line->length };
    if (line->failed)
        return fail_again(packed, id, err);
    if (trace)
        trace->steps = trace->values = 0;
    if (!rn_take_array(&packed, &steps))
        return rn_fail(err, RN_EXIT_DATA, "%s: augment: not a list", shown);
    for (size_t i = 0; i < steps; i++)
        if (run_step(recipe, canvas, rn_take(&packed), trace, err))
            return rn_fail_at(err, "%s: augment[%zu]", shown, i);
    return 0;
}
