/* recipe.c -- Albumentations' own serialisation (A.save) as a tree. Whatever is in the file is either understood or refused. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "augment/node.h"
#include "core/file.h"
#include "core/mem.h"
#include "stream/stream.h"

enum { DEEPEST = 32, FILE_MAX = 16 << 20 };

static const struct {
    const char *class_name;
    double p; /* where a file does not say */
    const char *keys;
    int until; /* as rn_augment's */
} combinators[] = {
    /* boxes, points and further targets are none of ours: the picture is the same with them */
    [RN_COMPOSE] = { "Compose", 1, "bbox_params=* keypoint_params=* additional_targets=* is_check_shapes=*" },
    [RN_ONE_OF] = { "OneOf", 0.5, "" },
    [RN_SEQUENTIAL] = { "Sequential", 0.5, "", 4 },
    [RN_SOME_OF] = { "SomeOf", 1, "" },
    [RN_ONE_OR_OTHER] = { "OneOrOther", 0.5, "" },
    [RN_REPLAY_COMPOSE] = { "ReplayCompose", 1,
                            "bbox_params=* keypoint_params=* additional_targets=* is_check_shapes=* save_key=*" },
};
enum { COMBINATORS = sizeof combinators / sizeof *combinators };

const struct rn_augment *rn_augment_find(const char *class_name)
{
    for (size_t i = 0; rn_augment_table[i]; i++)
        if (!strcmp(rn_augment_table[i]->class_name, class_name))
            return rn_augment_table[i];
    return NULL;
}

void rn_recipe_node_clear(struct rn_recipe_node *node)
{
    for (size_t i = 0; i < node->children; i++)
        rn_recipe_node_clear(&node->child[i]);
    free(node->child);
    free(node->options);
}

/* ---- values ---- */

/* Appends to a text that is cut where the room ends. */
__attribute__((format(printf, 3, 4))) static void append(char *room, size_t size, const char *format, ...)
{
    size_t used = strlen(room);
    va_list args;
    va_start(args, format);
    vsnprintf(room + used, size - used, format, args);
    va_end(args);
}

static bool is_whole(double v)
{
    return fabs(v) < 9e15 && v == floor(v);
}

static void append_number(char *room, size_t size, const json_t *value)
{
    char digits[32];
    double v = json_number_value(value);
    if (is_whole(v))
        append(room, size, "%.0f", v);
    else
        append(room, size, "%s", rn_text_number(v, digits));
}

/* Numbers of a list, and of lists in it, as "1,2,3". Whether there was nothing else. */
static bool append_numbers(char *room, size_t size, const json_t *value)
{
    if (json_is_number(value)) {
        append(room, size, "%s", room[0] ? "," : "");
        append_number(room, size, value);
        return true;
    }
    bool numbers = json_is_array(value) && json_array_size(value) > 0;
    for (size_t i = 0; numbers && i < json_array_size(value); i++)
        numbers = append_numbers(room, size, json_array_get(value, i));
    return numbers;
}

/* A value as options are written: "0.5", "-0.2,0.2"; anything else as JSON, which no option accepts. */
static void as_text(char *room, size_t size, const json_t *value)
{
    room[0] = '\0';
    if (append_numbers(room, size, value))
        return;
    room[0] = '\0';
    if (json_is_string(value)) {
        char shown[256];
        append(room, size, "%s", rn_text_show(rn_text(json_string_value(value)), shown));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        append(room, size, "%.100s", text ? text : "?");
        free(text);
    }
}

static void put_in_order(double pair[2])
{
    double low = fmin(pair[0], pair[1]);
    pair[1] = fmax(pair[0], pair[1]);
    pair[0] = low;
}

/* One number where there should be a pair. */
static void complete_pair(double pair[2], double x, unsigned flags)
{
    pair[0] = flags & RN_FROM_0 ? 0 : flags & RN_FROM_1 ? 1 : flags & RN_FROM_3 ? 3 : flags & RN_SAME ? x
            : flags & RN_ABOUT_1 ? fmax(1 - x, 0) : -x;
    pair[1] = flags & RN_ABOUT_1 ? 1 + x : x;
    put_in_order(pair);
}

static void write_numbers(char *room, size_t size, const double *number, size_t n)
{
    char digits[32];
    room[0] = '\0';
    for (size_t i = 0; i < n; i++)
        if (is_whole(number[i]))
            append(room, size, "%s%.0f", i ? "," : "", number[i]);
        else
            append(room, size, "%s%s", i ? "," : "", rn_text_number(number[i], digits));
}

/* Numbers of "1,2,3"; 0 when it is something else. */
static size_t read_numbers(double *number, size_t most, const char *text)
{
    size_t n = 0;
    for (char *end; n < most; text = end + 1) {
        number[n++] = strtod(text, &end);
        if (end == text || (*end && *end != ','))
            return 0;
        if (!*end)
            return n;
    }
    return 0;
}

enum { NUMBERS = 32 };

/* {"x": 1, "y": [0, 2]}, [0, 2] or 1 as four numbers. */
static int both_ways(char *room, size_t size, const json_t *value, unsigned flags)
{
    double all[4], absent = flags & RN_FROM_0 ? 0 : 1;
    char part[256];
    for (int i = 0; i < 2; i++) {
        const json_t *one = json_is_object(value) ? json_object_get(value, i ? "y" : "x") : value;
        as_text(part, sizeof part, one);
        size_t n = one ? read_numbers(all + 2 * i, 2, part) : 0;
        if (one && n == 0)
            return -1;
        all[2 * i] = one ? all[2 * i] : absent;
        all[2 * i + 1] = n == 2 ? all[2 * i + 1] : all[2 * i];
    }
    if (json_is_object(value) &&
        json_object_size(value) != (size_t) !!json_object_get(value, "x") + (size_t) !!json_object_get(value, "y"))
        return -1;
    write_numbers(room, size, all, 4);
    return 0;
}

/* {"downscale": 0, "upscale": 1} as two numbers. */
static int down_and_up(char *room, size_t size, const json_t *value)
{
    static const char *const key[2] = { "downscale", "upscale" };
    double number[2];
    for (int i = 0; i < 2; i++) {
        const json_t *one = json_object_get(value, key[i]);
        if (!json_is_integer(one))
            return -1;
        number[i] = (double)json_integer_value(one);
    }
    write_numbers(room, size, number, 2);
    return json_object_size(value) == 2 ? 0 : -1;
}

/* The text of a value as the row's flags read it. */
static int complete(char *room, size_t size, const struct rn_opt *opt, const json_t *value, struct rn_err *err)
{
    double number[NUMBERS] = { 0 };
    size_t n = read_numbers(number, NUMBERS, room);
    if (opt->flags & RN_XY)
        return both_ways(room, size, value, opt->flags)
                   ? rn_fail(err, RN_EXIT_USAGE, "%s: %s is neither a number, nor a pair, nor x and y of these", opt->name, room)
                   : 0;
    if (opt->flags & RN_DOWN_UP && json_is_object(value))
        return down_and_up(room, size, value)
                   ? rn_fail(err, RN_EXIT_USAGE, "%s: %s is neither a number, nor downscale and upscale", opt->name, room)
                   : 0;
    for (size_t i = 0; i < n && opt->flags & RN_WHOLE; i++)
        if (!is_whole(number[i]))
            return rn_fail(err, RN_EXIT_USAGE, "%s: %s is not whole", opt->name, room);
    if (opt->kind == RN_OPT_PAIR && json_is_number(value)) {
        complete_pair(number, number[0], opt->flags);
        n = 2;
    } else if (opt->kind == RN_OPT_PAIR && n == 2 && !(opt->flags & RN_ORDERED)) {
        put_in_order(number);
    } else if (opt->kind == RN_OPT_REALS && n > 0 && n < opt->count && opt->flags & (RN_FIRST | RN_FEWER | RN_SAME)) {
        if (opt->flags & RN_SAME && n > 1)
            return 0;
        for (; n < opt->count; n++)
            number[n] = opt->flags & RN_SAME ? number[0] : opt->flags & RN_FIRST ? 0 : -1;
    } else {
        return 0;
    }
    write_numbers(room, size, number, n);
    return 0;
}

static int get_flag(bool *flag, const char *key, const json_t *value, struct rn_err *err)
{
    *flag = json_is_true(value);
    return json_is_boolean(value) ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s: neither true nor false", key);
}

static int set_option(void *options, const struct rn_opt *opt, const json_t *value, struct rn_err *err)
{
    char text[1024], shown[256];
    if (json_is_null(value) && opt->flags & RN_NULL)
        return 0;
    if (json_is_null(value) && opt->flags & RN_NULL_NUMBER)
        return *(int64_t *)((char *)options + opt->offset) = -1, 0;
    if (opt->kind == RN_OPT_FLAG)
        return get_flag((bool *)((char *)options + opt->offset), opt->name, value, err);
    if (json_is_string(value) && opt->kind != RN_OPT_CHOICE)
        return rn_fail(err, RN_EXIT_USAGE, "%s: \"%s\" is a text, not a number", opt->name,
                       rn_text_show(rn_text(json_string_value(value)), shown));
    as_text(text, sizeof text, value);
    if (complete(text, sizeof text, opt, value, err))
        return -1;
    if (rn_opt_set(opt, options, text, err) == 0)
        return 0;
    if (!strncmp(err->text, "--", 2)) /* here it is a key, not an option */
        memmove(err->text, err->text + 2, strlen(err->text) - 1);
    return -1;
}

/* Whether "key=value key=value" has this key, and this value. 1: both; 0: the key is unknown; -1: another value. */
static int check_neutral(const char *neutral, const char *key, const json_t *value, struct rn_err *err)
{
    char text[1024], only[64] = "";
    size_t length = strlen(key);
    as_text(text, sizeof text, value);
    for (const char *at = neutral; at && *at;) {
        size_t pair = strcspn(at, " ");
        if (!strncmp(at, key, length) && at[length] == '=') {
            if (at[length + 1] == '*' || (pair - length - 1 == strlen(text) && !memcmp(at + length + 1, text, strlen(text))))
                return 1;
            snprintf(only, sizeof only, "%.*s", (int)(pair - length - 1), at + length + 1);
        }
        at += pair + (at[pair] == ' ');
    }
    return only[0] ? rn_fail(err, RN_EXIT_USAGE, "%s: %s is not supported, only %s is", key, text, only) : 0;
}

static int get_chance(double *p, const char *key, const json_t *value, struct rn_err *err)
{
    *p = json_number_value(value);
    return json_is_number(value) && *p >= 0 && *p <= 1 ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s: not a number from 0 to 1", key);
}

/* ---- names ---- */

/* Letters to put in, take out, or exchange between two names, of which one may be in other case. */
static size_t distance(const char *a, const char *b)
{
    size_t row[64], n = strlen(b);
    if (n >= 64)
        return SIZE_MAX;
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1]; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t cost = corner + (tolower((unsigned char)a[i - 1]) != tolower((unsigned char)b[j - 1]));
            corner = row[j];
            row[j] = cost < row[j] + 1 ? cost : row[j] + 1;
            row[j] = row[j] < row[j - 1] + 1 ? row[j] : row[j - 1] + 1;
        }
    }
    return row[n];
}

/* Keeps the nearer of two candidates; names that differ in more than a third of their letters are none. */
static void consider(const char **near, const char *candidate, const char *name)
{
    size_t d = distance(name, candidate);
    if (d <= strlen(candidate) / 3 && (!*near || d < distance(name, *near)))
        *near = candidate;
}

/* "unknown X NAME; did you mean NEAR? There are NAMES" */
static int unknown(const char *what, const char *name, const char *near, const char *names, struct rn_err *err)
{
    char shown[256];
    rn_text_show(rn_text(name), shown);
    return near ? rn_fail(err, RN_EXIT_USAGE, "unknown %s %s; did you mean %s? There are %s", what, shown, near, names)
                : rn_fail(err, RN_EXIT_USAGE, "unknown %s %s; there are %s", what, shown, names);
}

/* ---- leaves ---- */

static int unknown_key(const struct rn_augment *t, const char *key, struct rn_err *err)
{
    char names[512] = "p, always_apply", neutral[16][32];
    const char *near = NULL;
    size_t n = 0;
    for (const struct rn_opt *opt = t->options; opt && opt->kind != RN_OPT_END; opt++) {
        append(names, sizeof names, ", %s", opt->name);
        consider(&near, opt->name, key);
    }
    for (const char *at = t->neutral; at && *at && n < 16; n++) {
        size_t pair = strcspn(at, " ");
        snprintf(neutral[n], sizeof neutral[n], "%.*s", (int)strcspn(at, "="), at);
        append(names, sizeof names, ", %s", neutral[n]);
        consider(&near, neutral[n], key);
        at += pair + (at[pair] == ' ');
    }
    return unknown("parameter", key, near, names, err);
}

static int set_key(struct rn_recipe_node *node, const char *key, const json_t *value, struct rn_err *err)
{
    const struct rn_augment *t = node->transform;
    if (!strcmp(key, "__class_fullname__"))
        return 0;
    if (!strcmp(key, "p"))
        return get_chance(&node->p, key, value, err);
    if (!strcmp(key, "always_apply"))
        return get_flag(&node->always, key, value, err);
    for (const struct rn_opt *opt = t->options; opt && opt->kind != RN_OPT_END; opt++)
        if (!strcmp(opt->name, key))
            return set_option(node->options, opt, value, err);
    int rc = check_neutral(t->neutral, key, value, err);
    return rc ? (rc < 0 ? -1 : 0) : unknown_key(t, key, err);
}

static int parse_leaf(struct rn_recipe_node *node, const struct rn_augment *t, const json_t *json, struct rn_err *err)
{
    const char *key;
    json_t *value;
    node->kind = RN_LEAF;
    node->transform = t;
    node->p = t->p;
    if (!(node->options = rn_calloc(1, t->size, err)))
        return -1;
    if (t->size)
        memcpy(node->options, t->defaults, t->size);
    json_object_foreach((json_t *)json, key, value)
        if (set_key(node, key, value, err))
            return -1;
    return t->check ? t->check(node->options, err) : 0;
}

/* ---- combinators ---- */

static int set_combinator_key(struct rn_recipe_node *node, const char *key, const json_t *value, struct rn_err *err)
{
    char shown[256];
    if (!strcmp(key, "__class_fullname__") || !strcmp(key, "transforms"))
        return 0;
    if (!strcmp(key, "p"))
        return get_chance(&node->p, key, value, err);
    if (node->kind == RN_SOME_OF && !strcmp(key, "n")) {
        node->n = json_integer_value(value);
        return json_is_integer(value) && node->n >= 1 && node->n <= 1000
                   ? 0
                   : rn_fail(err, RN_EXIT_USAGE, "n: not a whole number from 1 to 1000");
    }
    if (node->kind == RN_SOME_OF && !strcmp(key, "replace"))
        return get_flag(&node->replace, key, value, err);
    int rc = check_neutral(combinators[node->kind].keys, key, value, err);
    return rc ? (rc < 0 ? -1 : 0) : rn_fail(err, RN_EXIT_USAGE, "unknown parameter %s", rn_text_show(rn_text(key), shown));
}

/* Children of OneOf and SomeOf are chosen by weight. */
static int check_weights(const struct rn_recipe_node *node, struct rn_err *err)
{
    size_t possible = 0;
    for (size_t i = 0; i < node->children; i++)
        possible += node->child[i].p > 0;
    if (node->children && !possible)
        return rn_fail(err, RN_EXIT_USAGE, "every p in it is 0");
    if (node->kind == RN_SOME_OF && !node->replace && node->children && (uint64_t)node->n > possible)
        return rn_fail(err, RN_EXIT_USAGE, "n is %lld, but only %zu transforms can be chosen", (long long)node->n, possible);
    return 0;
}

static int parse_node(struct rn_recipe_node *node, const json_t *json, uint64_t parent, size_t index, int depth,
                      struct rn_err *err);

static int parse_combinator(struct rn_recipe_node *node, const json_t *json, int depth, struct rn_err *err)
{
    const char *key;
    json_t *value, *list = json_object_get(json, "transforms");
    size_t n = json_array_size(list);
    node->p = combinators[node->kind].p;
    node->replace = true;
    json_object_foreach((json_t *)json, key, value)
        if (set_combinator_key(node, key, value, err))
            return -1;
    if (!json_is_array(list))
        return rn_fail(err, RN_EXIT_USAGE, "transforms: not a list");
    if (node->kind == RN_SOME_OF && !node->n)
        return rn_fail(err, RN_EXIT_USAGE, "n is missing");
    if (!(node->child = rn_calloc(n, sizeof *node->child, err)))
        return -1;
    node->children = n;
    for (size_t i = 0; i < n; i++)
        if (parse_node(&node->child[i], json_array_get(list, i), node->who, i, depth + 1, err))
            return rn_fail_at(err, "%s[%zu]", combinators[node->kind].class_name, i);
    return node->kind == RN_ONE_OF || node->kind == RN_SOME_OF ? check_weights(node, err) : 0;
}

static int unknown_class(const char *name, struct rn_err *err)
{
    char names[1400] = "";
    const char *near = NULL;
    for (size_t i = 0; rn_augment_table[i]; i++) {
        append(names, sizeof names, "%s%s", i ? ", " : "", rn_augment_table[i]->class_name);
        consider(&near, rn_augment_table[i]->class_name, name);
    }
    for (int i = RN_COMPOSE; i < COMBINATORS; i++) {
        append(names, sizeof names, ", %s", combinators[i].class_name);
        consider(&near, combinators[i].class_name, name);
    }
    return unknown("transform", name, near, names, err);
}

/* Of a long name, albumentations.augmentations.transforms.Blur, the last word counts. */
static const char *short_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strncmp(name, "albumentations.", 15) ? dot + 1 : name;
}

static int parse_node(struct rn_recipe_node *node, const json_t *json, uint64_t parent, size_t index, int depth,
                      struct rn_err *err)
{
    const char *full = json_string_value(json_object_get(json, "__class_fullname__")), *name = full ? short_name(full) : NULL;
    struct { uint64_t parent, index, name; } place = { parent, index, 0 };
    if (!name)
        return rn_fail(err, RN_EXIT_USAGE, "not a transform: no __class_fullname__");
    if (depth > DEEPEST)
        return rn_fail(err, RN_EXIT_USAGE, "nested deeper than %d", DEEPEST);
    place.name = rn_hash64(rn_text(name));
    node->who = rn_hash64((struct rn_text){ (const char *)&place, sizeof place });
    const struct rn_augment *t = rn_augment_find(name);
    if (t)
        return parse_leaf(node, t, json, err) ? rn_fail_at(err, "%s", name) : 0;
    for (int i = RN_COMPOSE; i < COMBINATORS; i++)
        if (!strcmp(combinators[i].class_name, name)) {
            node->kind = (enum rn_recipe_kind)i;
            return parse_combinator(node, json, depth, err) ? rn_fail_at(err, "%s", name) : 0;
        }
    return unknown_class(name, err);
}

/* ---- recipes ---- */

static void number_leaves(struct rn_recipe_node *node, size_t *next)
{
    node->at = node->kind == RN_LEAF ? (*next)++ : 0;
    for (size_t i = 0; i < node->children; i++)
        number_leaves(&node->child[i], next);
}

/* Weights are left alone. */
static void set_chances(struct rn_recipe_node *node, double p)
{
    for (size_t i = 0; i < node->children; i++) {
        if (node->child[i].kind != RN_LEAF)
            set_chances(&node->child[i], p);
        else if (node->kind != RN_ONE_OF && node->kind != RN_SOME_OF)
            node->child[i].p = p;
    }
}

static bool gives_floats(const struct rn_recipe_node *node)
{
    bool floats = node->transform && node->transform->to_floats;
    for (size_t i = 0; i < node->children; i++)
        floats = floats || gives_floats(&node->child[i]);
    return floats;
}

/* What is behind the last of a chain of combinators that run all of their children. */
static struct rn_recipe_node *last_leaf(struct rn_recipe_node *node)
{
    while (node->kind == RN_COMPOSE || node->kind == RN_REPLAY_COMPOSE || node->kind == RN_SEQUENTIAL) {
        if (!node->children)
            return NULL;
        node = &node->child[node->children - 1];
    }
    return node->kind == RN_LEAF ? node : NULL;
}

static const struct rn_recipe_node *find_last(const struct rn_recipe_node *node)
{
    const struct rn_recipe_node *found = node->transform && node->transform->last ? node : NULL;
    for (size_t i = 0; i < node->children && !found; i++)
        found = find_last(&node->child[i]);
    return found;
}

static int check_last(struct rn_recipe *recipe, struct rn_err *err)
{
    const struct rn_recipe_node *last = find_last(recipe->root);
    recipe->tensors = last != NULL;
    if (last && last != last_leaf(recipe->root))
        return rn_fail(err, RN_EXIT_USAGE, "%s: it must be the last transform", last->transform->class_name);
    return 0;
}

/* The first transforms of a chain; all that may be chosen. */
static void find_least(const struct rn_recipe_node *node, size_t least[2], const struct rn_augment **who)
{
    bool chain = node->kind == RN_COMPOSE || node->kind == RN_REPLAY_COMPOSE || node->kind == RN_SEQUENTIAL;
    size_t size[2] = { 0, 0 };
    for (size_t i = 0; i < node->children && !(chain && *who); i++)
        find_least(&node->child[i], least, who);
    if (node->kind != RN_LEAF || !node->transform->least)
        return;
    node->transform->least(size, node->options);
    if (size[0] > least[0] || size[1] > least[1])
        *who = node->transform;
    least[0] = size[0] > least[0] ? size[0] : least[0];
    least[1] = size[1] > least[1] ? size[1] : least[1];
}

const struct rn_augment *rn_recipe_least(const struct rn_recipe *recipe, size_t least[2])
{
    const struct rn_augment *who = NULL;
    least[0] = least[1] = 0;
    find_least(recipe->root, least, &who);
    return who;
}

bool rn_recipe_until_normalize(struct rn_recipe *recipe)
{
    bool found = false;
    struct rn_recipe_node *node = recipe->root, *end;
    while (node->kind != RN_LEAF && node->children && node->child[node->children - 1].kind != RN_LEAF && last_leaf(node))
        node = &node->child[node->children - 1];
    if (node->kind != RN_COMPOSE && node->kind != RN_REPLAY_COMPOSE && node->kind != RN_SEQUENTIAL)
        return false;
    size_t keep = node->children;
    for (; keep > 0 && (end = &node->child[keep - 1])->kind == RN_LEAF && !found; keep--) {
        found = end->transform->to_floats;
        if (!found && !end->transform->last && strcmp(end->transform->class_name, "NoOp"))
            return false;
    }
    for (; found && node->children > keep; node->children--)
        rn_recipe_node_clear(&node->child[node->children - 1]);
    recipe->floats = gives_floats(recipe->root);
    recipe->tensors = recipe->tensors && !found;
    return found;
}

/* ---- versions ---- */

/* The n of 1.4.n; -1: 1.0 to 1.3, or none is said; RN_PROVED + 1: any other. */
static int version_of(const json_t *version)
{
    const char *text = json_string_value(version);
    if (!version || (text && !strncmp(text, "1.", 2) && text[2] >= '0' && text[2] <= '3' && (text[3] == '.' || !text[3])))
        return -1;
    bool known = text && !strncmp(text, "1.4.", 4) && text[4] >= '0' && text[4] <= '0' + RN_PROVED && !text[5];
    return known ? text[4] - '0' : RN_PROVED + 1;
}

static int until_of(const char *name)
{
    const struct rn_augment *t = rn_augment_find(name);
    for (int i = RN_COMPOSE; i < COMBINATORS && !t; i++)
        if (!strcmp(combinators[i].class_name, name))
            return combinators[i].until;
    return t ? t->until : 0;
}

/* Of everything in it. */
static int check_proved(const json_t *json, int version, struct rn_err *err)
{
    const char *full = json_string_value(json_object_get(json, "__class_fullname__")), *name = full ? short_name(full) : "";
    const json_t *list = json_object_get(json, "transforms");
    int until = until_of(name), first = until == RN_SINCE_1_4 ? 0 : until;
    if (until && version >= first)
        return rn_fail(err, RN_EXIT_USAGE,
                       "written by Albumentations 1.4.%d: since 1.4.%d its %s is another one than that of 1.3 (rn-recipes(7))",
                       version, first, name);
    for (size_t i = 0; i < json_array_size(list); i++)
        if (check_proved(json_array_get(list, i), version, err))
            return -1;
    return 0;
}

static int check_version(const json_t *document, struct rn_err *err)
{
    char shown[256];
    const json_t *said = json_object_get(document, "__version__");
    int version = version_of(said);
    if (version < 0)
        return 0;
    if (version <= RN_PROVED)
        return check_proved(json_object_get(document, "transform"), version, err);
    return rn_fail(err, RN_EXIT_USAGE,
                   "written by Albumentations %s, whose transforms are others: versions 1.0 to 1.3 are read, and what is the same "
                   "in 1.4.0 to 1.4.%d; save it with 1.3.1 (rn-recipes(7): what became of names)",
                   json_string_value(said) ? rn_text_show(rn_text(json_string_value(said)), shown) : "of no version", RN_PROVED);
}

static int parse_document(struct rn_recipe *recipe, const json_t *document, double p, struct rn_err *err)
{
    const json_t *transform = json_object_get(document, "transform");
    const char *key;
    json_t *value;
    if (!json_is_object(transform))
        return rn_fail(err, RN_EXIT_USAGE, "not a pipeline that Albumentations saved: no \"transform\"");
    if (check_version(document, err))
        return -1;
    json_object_foreach((json_t *)document, key, value)
        if (strcmp(key, "__version__") && strcmp(key, "transform"))
            return unknown("key", key, NULL, "__version__, transform", err);
    if (!(recipe->root = rn_calloc(1, sizeof *recipe->root, err)) || parse_node(recipe->root, transform, 0, 0, 0, err) ||
        check_last(recipe, err))
        return -1;
    size_t leaves = 0;
    number_leaves(recipe->root, &leaves);
    if (p >= 0)
        set_chances(recipe->root, p);
    recipe->floats = gives_floats(recipe->root);
    return 0;
}

int rn_recipe_parse(struct rn_recipe *recipe, struct rn_text json, double p, struct rn_err *err)
{
    json_error_t where;
    char shown[256];
    *recipe = (struct rn_recipe){ 0 };
    size_t mark = json.length >= 3 && !memcmp(json.data, "\xef\xbb\xbf", 3) ? 3 : 0; /* a byte order mark */
    json_set_alloc_funcs(rn_watched_malloc, free);
    json_t *document = json_loadb(json.data ? json.data + mark : "", json.length - mark, JSON_REJECT_DUPLICATES, &where);
    if (rn_watched_check(err))
        return json_decref(document), -1;
    if (!document)
        return rn_fail(err, RN_EXIT_USAGE, "line %d: not JSON: %s", where.line, rn_text_show(rn_text(where.text), shown));
    int rc = parse_document(recipe, document, p, err);
    json_decref(document);
    rc = rn_watched_check(err) ? -1 : rc;
    if (rc)
        rn_recipe_free(recipe);
    return rc;
}

static int set_name(struct rn_recipe *recipe, const char *path, struct rn_err *err)
{
    const char *slash = strrchr(path, '/'), *base = slash ? slash + 1 : path;
    size_t length = strlen(base);
    if (length > 5 && !strcmp(base + length - 5, ".json"))
        length -= 5;
    char *name = rn_calloc(length + 1, 1, err);
    if (!name)
        return -1;
    memcpy(name, base, length);
    recipe->name = (struct rn_text){ name, length };
    return 0;
}

int rn_recipe_load(struct rn_recipe *recipe, const char *path, double p, struct rn_err *err)
{
    struct rn_buffer file = { 0 };
    char shown[256];
    *recipe = (struct rn_recipe){ 0 };
    int rc = rn_file_read(&file, path, FILE_MAX, err);
    if (rc == 0 && rn_recipe_parse(recipe, (struct rn_text){ file.data, file.length }, p, err))
        rc = rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    rn_buffer_free(&file);
    if (rc == 0 && (rc = set_name(recipe, path, err)))
        rn_recipe_free(recipe);
    return rc;
}

void rn_recipe_free(struct rn_recipe *recipe)
{
    if (recipe->root)
        rn_recipe_node_clear(recipe->root);
    free(recipe->root);
    free((char *)recipe->name.data);
    *recipe = (struct rn_recipe){ 0 };
}
