/* copies.c -- which samples are augmented copies of which photo, by the names that rn-augment gives them. */
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "split/split.h"
#include "stream/stream.h"

/* What a file may be known by, the narrowest first. */
enum { WHOLE, BELOW_CLASS, LAST_PART, KNOWN };

static const char *const shipped[] = { "basic", "affine", "distort" };

/* A name of a sample, and what it is the name of. */
struct entry {
    struct rn_text name;
    int64_t label; /* LAST_PART: names are those of a class */
    size_t index;
};
struct names {
    struct entry *item;
    size_t count;
};

struct work {
    struct rn_sets *sets;
    const struct rn_text *id;
    const int64_t *label;
    const struct rn_texts *classes;
    bool *copy;
    size_t count;
    struct names known[KNOWN]; /* of the photos, sorted: ids without ending, and with it (x.png-recipe-1.jpg is of x.png) */
    struct names ids;          /* sorted: whole */
    struct names lost;         /* copies by the name of a photo that is not there */
};

static struct rn_text cut(struct rn_text text, size_t length)
{
    return (struct rn_text){ text.data, length };
}

/* Where the whole number at the end of the text begins, which has no zero in front; the text's length: there is none. */
static size_t number_at(struct rn_text text)
{
    size_t at = text.length;
    while (at && text.data[at - 1] >= '0' && text.data[at - 1] <= '9')
        at--;
    return at < text.length && text.data[at] != '0' ? at : text.length;
}

static size_t last_of(struct rn_text text, char c)
{
    size_t at = text.length;
    while (at && text.data[at - 1] != c)
        at--;
    return at ? at - 1 : text.length;
}

/* One "#recipe.copy" less, or the same. */
static struct rn_text without_mark(struct rn_text id)
{
    size_t number = number_at(id), hash = last_of(id, '#');
    if (number == id.length || !number || id.data[number - 1] != '.' || hash == id.length || !hash || hash + 2 >= number)
        return id;
    return memchr(id.data + hash, '/', id.length - hash) ? id : cut(id, hash);
}

struct rn_text rn_split_photo(struct rn_text id)
{
    for (;;) {
        struct rn_text shorter = without_mark(id);
        if (shorter.length == id.length)
            return id;
        id = shorter;
    }
}

static size_t last_part(struct rn_text path)
{
    size_t slash = last_of(path, '/');
    return slash == path.length ? 0 : slash + 1;
}

static struct rn_text without_ending(struct rn_text path)
{
    size_t dot = last_of(path, '.'), name = last_part(path);
    return dot != path.length && dot > name ? cut(path, dot) : path;
}

/* The path from the folder on that is called as the class; all of it where there is none. */
static struct rn_text below_class(struct rn_text path, struct rn_text class_name)
{
    struct rn_text rest = path;
    for (const char *slash; (slash = memchr(rest.data, '/', rest.length));) {
        if (rn_text_equal(cut(rest, (size_t)(slash - rest.data)), class_name))
            return rest;
        size_t skip = (size_t)(slash - rest.data) + 1;
        rest = (struct rn_text){ rest.data + skip, rest.length - skip };
    }
    return path;
}

static struct entry entry_of(const struct work *w, size_t i, struct rn_text name, int how)
{
    struct entry entry = { name, RN_NIL, i };
    if (how == BELOW_CLASS && w->label[i] != RN_NIL)
        entry.name = below_class(name, w->classes->item[w->label[i]]);
    if (how == LAST_PART) {
        size_t at = last_part(name);
        entry.name = (struct rn_text){ name.data + at, name.length - at };
        entry.label = w->label[i];
    }
    return entry;
}

static void know(struct work *w, size_t i)
{
    struct rn_text name = without_ending(w->id[i]);
    for (int how = WHOLE; how < KNOWN; how++) {
        w->known[how].item[w->known[how].count++] = entry_of(w, i, name, how);
        if (name.length < w->id[i].length)
            w->known[how].item[w->known[how].count++] = entry_of(w, i, w->id[i], how);
    }
}

static int by_name(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->label != y->label)
        return x->label < y->label ? -1 : 1;
    return rn_text_compare(x->name, y->name);
}

static void sort(struct names *names)
{
    if (names->count)
        qsort(names->item, names->count, sizeof *names->item, by_name);
}

/* Joins the sample with all of that name; whether there are any. */
static bool join_all(struct work *w, const struct names *names, struct entry wanted)
{
    size_t low = 0, high = names->count, first;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (by_name(&names->item[middle], &wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (first = low; low < names->count && by_name(&names->item[low], &wanted) == 0; low++)
        rn_sets_join(w->sets, wanted.index, names->item[low].index);
    return low > first;
}

static void lose(struct work *w, struct entry entry)
{
    w->copy[entry.index] = true;
    w->lost.item[w->lost.count++] = entry;
}

static bool is_shipped(struct rn_text recipe)
{
    for (size_t i = 0; i < sizeof shipped / sizeof *shipped; i++)
        if (rn_text_is(recipe, shipped[i]))
            return true;
    return false;
}

/* "-recipe-copy" off the end of a file's name, where the recipe is the k-th guess from the shortest on (it may have dashes). */
static bool without_suffix(struct rn_text name, size_t guess, struct rn_text *photo, struct rn_text *recipe)
{
    size_t number = number_at(name), from = last_part(name);
    if (number == name.length || number < from + 4 || name.data[number - 1] != '-')
        return false;
    for (size_t at = number - 2; at-- > from + 1;)
        if (name.data[at] == '-' && guess-- == 0) {
            *photo = cut(name, at);
            *recipe = (struct rn_text){ name.data + at + 1, number - 2 - at };
            return true;
        }
    return false;
}

/* A file that a photo of the stream was written to. */
static bool find_photo(struct work *w, size_t i, struct rn_text name)
{
    struct rn_text photo, recipe;
    for (int how = WHOLE; how < KNOWN; how++)
        for (size_t guess = 0; without_suffix(name, guess, &photo, &recipe); guess++)
            if (join_all(w, &w->known[how], entry_of(w, i, photo, how)))
                return true;
    return false;
}

/* Copies whose photo is not there meet by its name. */
static void find_by_recipe(struct work *w, size_t i, struct rn_text name)
{
    struct rn_text photo = name, next, recipe;
    while (without_suffix(photo, 0, &next, &recipe) && is_shipped(recipe)) {
        size_t hash = last_of(next, '#');
        photo = hash != next.length && hash > last_part(next) ? without_ending(cut(next, hash)) : next;
    }
    if (photo.length == name.length || join_all(w, &w->known[WHOLE], entry_of(w, i, photo, WHOLE)))
        w->copy[i] = photo.length != name.length;
    else
        lose(w, entry_of(w, i, photo, BELOW_CLASS));
}

/* PHOTO#recipe.copy: by the photo's whole id, or as its file would be found. */
static void find_by_id(struct work *w, size_t i, struct rn_text photo)
{
    struct rn_text name = without_ending(photo);
    w->copy[i] = true;
    if (join_all(w, &w->ids, (struct entry){ photo, RN_NIL, i }))
        return;
    for (int how = WHOLE; how < KNOWN; how++)
        if (join_all(w, &w->known[how], entry_of(w, i, name, how)))
            return;
    lose(w, entry_of(w, i, name, BELOW_CLASS));
}

static void find(struct work *w, size_t i)
{
    struct rn_text photo = rn_split_photo(w->id[i]), name = without_ending(w->id[i]);
    if (photo.length < w->id[i].length)
        find_by_id(w, i, photo);
    else if (find_photo(w, i, name))
        w->copy[i] = true;
    else
        find_by_recipe(w, i, name);
}

static void join_lost(struct work *w)
{
    sort(&w->lost);
    for (size_t k = 1; k < w->lost.count; k++)
        if (by_name(&w->lost.item[k - 1], &w->lost.item[k]) == 0)
            rn_sets_join(w->sets, w->lost.item[k - 1].index, w->lost.item[k].index);
}

/* Where a set has nothing but copies, its first id stands for the photo. */
static int stand_in(struct work *w, struct rn_err *err)
{
    size_t *first = rn_calloc(w->count, sizeof *first, err); /* by set: 1 more than the index of its first id; 0: none */
    bool *photo = rn_calloc(w->count, sizeof *photo, err);
    for (size_t i = 0; first && photo && i < w->count; i++) {
        size_t set = rn_sets_find(w->sets, i);
        photo[set] = photo[set] || !w->copy[i];
        if (!first[set] || rn_text_compare(w->id[i], w->id[first[set] - 1]) < 0)
            first[set] = i + 1;
    }
    for (size_t set = 0; first && photo && set < w->count; set++)
        if (first[set] && !photo[set])
            w->copy[first[set] - 1] = false;
    int rc = first && photo ? 0 : -1;
    free(first);
    free(photo);
    return rc;
}

int rn_split_join_copies(struct rn_sets *sets, bool *copy, const struct rn_text *id, const int64_t *label, size_t count,
                         const struct rn_texts *classes, struct rn_err *err)
{
    struct work w = { .sets = sets, .id = id, .label = label, .classes = classes, .copy = copy, .count = count };
    struct names *const all[] = { &w.known[WHOLE], &w.known[BELOW_CLASS], &w.known[LAST_PART], &w.ids, &w.lost };
    int rc = 0;
    for (size_t k = 0; k < sizeof all / sizeof *all && rc == 0; k++)
        rc = (all[k]->item = rn_calloc(count, 2 * sizeof *all[k]->item, err)) ? 0 : -1;
    for (size_t i = 0; i < count && rc == 0; i++) {
        copy[i] = false;
        w.ids.item[w.ids.count++] = (struct entry){ id[i], RN_NIL, i };
        know(&w, i);
    }
    if (rc == 0) {
        for (int how = WHOLE; how < KNOWN; how++)
            sort(&w.known[how]);
        sort(&w.ids);
        for (size_t i = 0; i < count; i++)
            find(&w, i);
        join_lost(&w);
        rc = stand_in(&w, err);
    }
    for (size_t k = 0; k < sizeof all / sizeof *all; k++)
        free(all[k]->item);
    return rc;
}
