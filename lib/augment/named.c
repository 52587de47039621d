/* named.c -- recipes as command lines name them. */
#include <stdlib.h>
#include <string.h>

#include "augment/augment.h"
#include "core/mem.h"
#include "core/shipped.h"

/* low is what the shipped files say. */
static int parse_probability(double *p, const char *text, struct rn_err *err)
{
    static const struct { const char *word; double p; } words[] = { { "low", 0.1 }, { "mid", 0.3 }, { "high", 0.5 } };
    char *end;
    for (size_t i = 0; text && i < sizeof words / sizeof *words; i++)
        if (!strcmp(text, words[i].word))
            return *p = words[i].p, 0;
    *p = text ? strtod(text, &end) : -1;
    if (text && (end == text || *end || !(*p >= 0 && *p <= 1)))
        return rn_fail(err, RN_EXIT_USAGE, "--probability: '%s' is not low, mid, high or a number from 0 to 1", text);
    return 0;
}

int rn_recipe_find(struct rn_buffer *path, const char *name, struct rn_err *err)
{
    static const struct rn_shipped recipes = { "recipe", "recipes", ".json" };
    return rn_shipped_find(path, &recipes, name, err);
}

int rn_recipe_named(struct rn_recipe *recipe, const char *name, const char *probability, struct rn_err *err)
{
    struct rn_buffer path = { 0 };
    size_t length = strlen(name);
    bool is_file = strchr(name, '/') || (length > 5 && !strcmp(name + length - 5, ".json"));
    double p;
    if (parse_probability(&p, probability, err))
        return -1;
    if (is_file && probability)
        return rn_fail(err, RN_EXIT_USAGE, "%s says itself how probable its transforms are: --probability is for shipped recipes",
                       name);
    int rc = is_file ? rn_buffer_add(&path, name, length + 1, err) : rn_recipe_find(&path, name, err);
    if (rc == 0)
        rc = rn_recipe_load(recipe, path.data, p, err);
    rn_buffer_free(&path);
    return rc;
}
