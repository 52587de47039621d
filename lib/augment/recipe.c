/* recipe.c -- Albumentations' own serialisation (A.save) as a tree. Whatever is in the file is either understood or refused. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
} combinators[] = {
    [RN_COMPOSE] = { "Compose", 1, "bbox_params=null keypoint_params=null additional_targets={} is_check_shapes=true is_check_shapes=false" },
    [RN_ONE_OF] = { "OneOf", 0.5, "" },
    [RN_SEQUENTIAL] = { "Sequential", 0.5, "" },
    [RN_SOME_OF] = { "SomeOf", 1, "" },
};
enum { COMBINATORS = sizeof combinators / sizeof *combinators };

const struct rn_augment *rn_augment_find(const char *class_name)
{
    for (size_t i = 0; rn_augment_table[i]; i++)
        if (!strcmp(rn_augment_table[i]->class_name, class_name))
            return rn_augment_table[i];
    return NULL;
}

void rn_node_clear(struct rn_node *node)
{
    for (size_t i = 0; i < node->children; i++)
        rn_node_clear(&node->child[i]);
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

/* A value as options are written: "0.5", "-0.2,0.2"; anything else as JSON, which no option accepts. */
static void as_text(char *room, size_t size, const json_t *value)
{
    size_t n = json_array_size(value);
    bool numbers = json_is_array(value) && n > 0;
    room[0] = '\0';
    for (size_t i = 0; i < n; i++)
        numbers = numbers && json_is_number(json_array_get(value, i));
    if (json_is_number(value)) {
        append_number(room, size, value);
    } else if (numbers) {
        for (size_t i = 0; i < n; i++) {
            append(room, size, "%s", i ? "," : "");
            append_number(room, size, json_array_get(value, i));
        }
    } else if (json_is_string(value)) {
        char shown[256];
        append(room, size, "%s", rn_text_show(rn_text(json_string_value(value)), shown));
    } else {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        append(room, size, "%.100s", text ? text : "?");
        free(text);
    }
}

/* A single number where there should be a pair. */
static void complete_pair(char *room, size_t size, const struct rn_opt *opt, const json_t *value)
{
    const char *low = opt->flags & RN_FROM_0 ? "0" : opt->flags & RN_FROM_1 ? "1" : opt->flags & RN_FROM_3 ? "3" : NULL;
    if (!json_is_number(value) || !low || opt->kind != RN_OPT_PAIR)
        return;
    char *x = strdup(room);
    if (x)
        snprintf(room, size, "%s,%s", low, x);
    free(x);
}

static int set_option(void *options, const struct rn_opt *opt, const json_t *value, struct rn_err *err)
{
    char text[1024];
    as_text(text, sizeof text, value);
    complete_pair(text, sizeof text, opt, value);
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
            if (pair - length - 1 == strlen(text) && !memcmp(at + length + 1, text, strlen(text)))
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

static int get_flag(bool *flag, const char *key, const json_t *value, struct rn_err *err)
{
    *flag = json_is_true(value);
    return json_is_boolean(value) ? 0 : rn_fail(err, RN_EXIT_USAGE, "%s: neither true nor false", key);
}

/* ---- leaves ---- */

static int unknown_key(const struct rn_augment *t, const char *key, struct rn_err *err)
{
    char names[512] = "p, always_apply", shown[256];
    for (const struct rn_opt *opt = t->options; opt && opt->kind != RN_OPT_END; opt++)
        append(names, sizeof names, ", %s", opt->name);
    for (const char *at = t->neutral; at && *at;) {
        size_t pair = strcspn(at, " ");
        append(names, sizeof names, ", %.*s", (int)strcspn(at, "="), at);
        at += pair + (at[pair] == ' ');
    }
    return rn_fail(err, RN_EXIT_USAGE, "unknown parameter %s; there are %s", rn_text_show(rn_text(key), shown), names);
}

static int set_key(struct rn_node *node, const char *key, const json_t *value, struct rn_err *err)
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

static int parse_leaf(struct rn_node *node, const struct rn_augment *t, const json_t *json, struct rn_err *err)
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

static int set_combinator_key(struct rn_node *node, const char *key, const json_t *value, struct rn_err *err)
{
    char shown[256];
    if (!strcmp(key, "__class_fullname__") || !strcmp(key, "transforms"))
        return 0;
    if (!strcmp(key, "p"))
        return get_chance(&node->p, key, value, err);
    if (node->kind == RN_SOME_OF && !strcmp(key, "n")) {
        node->n = json_integer_value(value);
        return json_is_integer(value) && node->n >= 1 && node->n <= 1000 ? 0 : rn_fail(err, RN_EXIT_USAGE, "n: not a whole number from 1 to 1000");
    }
    if (node->kind == RN_SOME_OF && !strcmp(key, "replace"))
        return get_flag(&node->replace, key, value, err);
    int rc = check_neutral(combinators[node->kind].keys, key, value, err);
    return rc ? (rc < 0 ? -1 : 0) : rn_fail(err, RN_EXIT_USAGE, "unknown parameter %s", rn_text_show(rn_text(key), shown));
}

/* Children of OneOf and SomeOf are chosen by weight. */
static int check_weights(const struct rn_node *node, struct rn_err *err)
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

static int parse_node(struct rn_node *node, const json_t *json, uint64_t parent, size_t index, int depth, struct rn_err *err);

static int parse_combinator(struct rn_node *node, const json_t *json, int depth, struct rn_err *err)
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
    char names[700] = "", shown[256];
    for (size_t i = 0; rn_augment_table[i]; i++)
        append(names, sizeof names, "%s%s", i ? ", " : "", rn_augment_table[i]->class_name);
    for (int i = RN_COMPOSE; i < COMBINATORS; i++)
        append(names, sizeof names, ", %s", combinators[i].class_name);
    return rn_fail(err, RN_EXIT_USAGE, "unknown transform %s; there are %s", rn_text_show(rn_text(name), shown), names);
}

/* Of a long name, albumentations.augmentations.transforms.Blur, the last word counts. */
static const char *short_name(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && !strncmp(name, "albumentations.", 15) ? dot + 1 : name;
}

static int parse_node(struct rn_node *node, const json_t *json, uint64_t parent, size_t index, int depth, struct rn_err *err)
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
            node->kind = (enum rn_node_kind)i;
            return parse_combinator(node, json, depth, err) ? rn_fail_at(err, "%s", name) : 0;
        }
    return unknown_class(name, err);
}

/* ---- recipes ---- */

/* Weights are left alone. */
static void set_chances(struct rn_node *node, double p)
{
    for (size_t i = 0; i < node->children; i++) {
        if (node->child[i].kind != RN_LEAF)
            set_chances(&node->child[i], p);
        else if (node->kind != RN_ONE_OF && node->kind != RN_SOME_OF)
            node->child[i].p = p;
    }
}

static bool gives_floats(const struct rn_node *node)
{
    bool floats = node->transform && node->transform->to_floats;
    for (size_t i = 0; i < node->children; i++)
        floats = floats || gives_floats(&node->child[i]);
    return floats;
}

static int parse_document(struct rn_recipe *recipe, const json_t *document, double p, struct rn_err *err)
{
    const json_t *version = json_object_get(document, "__version__"), *transform = json_object_get(document, "transform");
    char shown[256];
    if (!json_is_object(transform))
        return rn_fail(err, RN_EXIT_USAGE, "not a pipeline that Albumentations saved: no \"transform\"");
    if (version && (!json_is_string(version) || strncmp(json_string_value(version), "1.", 2)))
        return rn_fail(err, RN_EXIT_USAGE, "written by Albumentations %s, whose transforms are others: only versions 1.x are read",
                       json_is_string(version) ? rn_text_show(rn_text(json_string_value(version)), shown) : "of no version");
    if (!(recipe->root = rn_calloc(1, sizeof *recipe->root, err)) || parse_node(recipe->root, transform, 0, 0, 0, err))
        return -1;
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
    json_set_alloc_funcs(rn_watched_malloc, free);
    json_t *document = json_loadb(json.data ? json.data : "", json.length, JSON_REJECT_DUPLICATES, &where);
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
        rn_node_clear(recipe->root);
    free(recipe->root);
    free((char *)recipe->name.data);
    *recipe = (struct rn_recipe){ 0 };
}

/* ---- shipped ones ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int no_such(const char *folder, const char *name, struct rn_err *err)
{
    char names[300] = "", shown[256];
    struct dirent **entry = NULL;
    int n = folder ? scandir(folder, &entry, NULL, by_name) : 0;
    for (int i = 0; i < n; i++) {
        size_t length = strlen(entry[i]->d_name);
        if (length > 5 && !strcmp(entry[i]->d_name + length - 5, ".json"))
            append(names, sizeof names, "%s%.*s", names[0] ? ", " : "", (int)length - 5, entry[i]->d_name);
        free(entry[i]);
    }
    free(entry);
    if (!names[0])
        return rn_fail(err, RN_EXIT_USAGE, "there is no recipe %s: the folder of recipes is not beside the program", rn_text_show(rn_text(name), shown));
    return rn_fail(err, RN_EXIT_USAGE, "there is no recipe %s; there are %s, and any FILE.json", rn_text_show(rn_text(name), shown), names);
}

int rn_recipe_find(struct rn_buffer *path, const char *name, struct rn_err *err)
{
    /* installed; in the build; in a build within the build; tests there */
    static const char *const places[] = { "../share/recyclenet/recipes", "../data/recipes", "../../data/recipes", "../../../data/recipes" };
    char self[4096], folder[sizeof self + 64], *found = NULL, *text;
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    if (strrchr(self, '/'))
        *strrchr(self, '/') = '\0';
    for (size_t i = 0; i < sizeof places / sizeof *places && !found; i++) {
        snprintf(folder, sizeof folder, "%s/%s", self, places[i]);
        if (access(folder, R_OK | X_OK) == 0)
            found = folder;
    }
    if (!found || strchr(name, '/') || asprintf(&text, "%s/%s.json", found, name) < 0)
        return no_such(found, name, err);
    int rc = access(text, F_OK) ? no_such(found, name, err) : rn_buffer_add(path, text, strlen(text) + 1, err);
    free(text);
    return rc;
}
