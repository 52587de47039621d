/* choose.c -- which dictionary of a checkpoint holds the network.
 *
 * Every dictionary with tensors is a candidate, under the keys that lead to it ("model.state_dict"), but for those of optimisers.
 * Of several, those with more than single numbers are preferred; then those whose key says that it is a network; then those whose
 * names have dots, as a network's have. When that leaves several, the user chooses. */
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

enum { NESTED = 4, ITEMS = 64 }; /* how deep, and how far into lists, is looked */

struct candidate {
    const struct rn_pickle_value *dict;
    size_t tensors;
    bool real, dotted, known; /* tensors that are no single numbers; with dots in their names; under a network's key */
};

struct search {
    const struct rn_pickle *pickle;
    struct candidate *found;
    size_t count, capacity;
    struct rn_texts path;  /* one a candidate; "." is the whole */
    bool *seen;            /* of each value: cycles and repetitions are looked at once */
    bool numbers;          /* there was a dictionary of tensors with numbers for keys */
    struct rn_err *err;
};

/* ---- calls ---- */

bool rn_torch_call(const struct rn_pickle *p, const struct rn_pickle_value *value, struct rn_torch_call *call)
{
    if (value->kind != RN_P_CALL)
        return false;
    const struct rn_pickle_value *arguments = &p->value[value->argument];
    call->function = &p->value[value->callee];
    for (int depth = 0; depth < 8; depth++) {
        const struct rn_pickle_global *what = rn_pickle_global(call->function);
        call->count = rn_pickle_items(p, arguments, 8, call->argument);
        if (!what || call->count < 0)
            return false;
        if (what->what == RN_G_PARAMETER) {
            if (call->count < 3 || call->argument[0]->kind != RN_P_CALL || depth > 2)
                return false;
            call->function = &p->value[call->argument[0]->callee];
            if (rn_pickle_global(call->function)->what == RN_G_PARAMETER)
                return false;
            arguments = &p->value[call->argument[0]->argument];
        } else if (what->what == RN_G_FROM_TYPE) {
            if (call->count != 4)
                return false;
            call->function = call->argument[0];
            arguments = call->argument[2];
        } else {
            return what->what == RN_G_TENSOR || what->what == RN_G_TENSOR_V3 || what->what == RN_G_ODD_TENSOR;
        }
    }
    return false;
}

/* A tensor with dimensions: the single numbers of a checkpoint are losses and accuracies. */
static bool is_real(const struct rn_pickle *p, const struct rn_pickle_value *value)
{
    struct rn_torch_call call;
    if (!rn_torch_call(p, value, &call) || rn_pickle_global(call.function)->what == RN_G_ODD_TENSOR || call.count < 3)
        return true; /* what is wrong with it is said when it is read */
    return call.argument[2]->kind != RN_P_TUPLE || call.argument[2]->items.count;
}

/* ---- looking for candidates ---- */

static bool has_any(struct rn_text text, const char *const *part)
{
    for (; *part; part++)
        if (text.length && memmem(text.data, text.length, *part, strlen(*part)))
            return true;
    return false;
}

/* Whether the keys that lead to a dictionary say that it is a network. */
static bool is_known(struct rn_text path)
{
    static const char *const yes[] = { "state_dict", "model", "network", "weights", "module", NULL };
    static const char *const no[] = { "sched", "scaler", "loss", "criteri", "metric", "callback", NULL };
    static const char *const whole[] = { "net", "params", "ema", NULL };
    bool known = has_any(path, yes);
    for (size_t i = 0; whole[i] && !known; i++)
        known = rn_text_is(path, whole[i]);
    return known && !has_any(path, no);
}

static bool is_optimiser(const struct search *s, struct rn_text key, const struct rn_pickle_value *value)
{
    static const char *const name[] = { "optim", NULL };
    return has_any(key, name) || (value->kind == RN_P_DICT && rn_pickle_get(s->pickle, value, "param_groups"));
}

/* "PATH.KEY" in room. */
static int join(struct search *s, struct rn_buffer *room, struct rn_text path, struct rn_text key)
{
    room->length = 0;
    if (path.length && (rn_buffer_add(room, path.data, path.length, s->err) || rn_buffer_add(room, ".", 1, s->err)))
        return -1;
    return rn_buffer_add(room, key.data, key.length, s->err);
}

static int look(struct search *s, const struct rn_pickle_value *value, struct rn_text path, int depth);

/* What is under the key of a dictionary, or at the place of a list. */
static int look_below(struct search *s, const struct rn_pickle_value *value, struct rn_text path, struct rn_text key, int depth)
{
    struct rn_buffer room = { 0 };
    bool nested = value->kind == RN_P_DICT || value->kind == RN_P_LIST || value->kind == RN_P_TUPLE;
    if (!nested || depth >= NESTED || is_optimiser(s, key, value))
        return 0;
    int rc = join(s, &room, path, key) || look(s, value, (struct rn_text){ room.data, room.length }, depth + 1) ? -1 : 0;
    rn_buffer_free(&room);
    return rc;
}

static int add(struct search *s, struct candidate candidate, struct rn_text path)
{
    candidate.known = path.length ? is_known(path) : candidate.dotted;
    if (rn_grow(&s->found, &s->capacity, s->count + 1, sizeof *s->found, s->err) ||
        rn_texts_add(&s->path, path.length ? path : RN_TEXT("."), s->err))
        return -1;
    s->found[s->count++] = candidate;
    return 0;
}

static int look_in_dict(struct search *s, const struct rn_pickle_value *dict, struct rn_text path, int depth)
{
    const struct rn_pickle *p = s->pickle;
    struct candidate candidate = { .dict = dict };
    uint32_t cell = dict->items.first, left;
    for (left = dict->items.count; left; left -= 2, cell = p->cell[p->cell[cell].next].next) {
        const struct rn_pickle_value *key = &p->value[p->cell[cell].value], *value = &p->value[p->cell[p->cell[cell].next].value];
        bool tensor = value->kind == RN_P_CALL, named = key->kind == RN_P_TEXT, real = tensor && is_real(p, value);
        s->numbers |= tensor && !named;
        candidate.tensors += tensor && named;
        candidate.real |= real && named;
        candidate.dotted |= real && named && memchr(key->text.data, '.', key->text.length);
    }
    if (candidate.tensors && add(s, candidate, path))
        return -1;
    cell = dict->items.first;
    for (left = dict->items.count; left; left -= 2, cell = p->cell[p->cell[cell].next].next) {
        const struct rn_pickle_value *key = &p->value[p->cell[cell].value], *value = &p->value[p->cell[p->cell[cell].next].value];
        /* beside weights, what has a dot in its key is a part of the network's state that is no tensor */
        bool state = candidate.dotted && key->kind == RN_P_TEXT && memchr(key->text.data, '.', key->text.length);
        if (key->kind == RN_P_TEXT && !state && look_below(s, value, path, key->text, depth))
            return -1;
    }
    return 0;
}

static int look_in_list(struct search *s, const struct rn_pickle_value *list, struct rn_text path, int depth)
{
    const struct rn_pickle *p = s->pickle;
    char index[16];
    uint32_t cell = list->items.first;
    for (uint32_t i = 0; i < list->items.count && i < ITEMS; i++, cell = p->cell[cell].next) {
        snprintf(index, sizeof index, "%u", i);
        if (look_below(s, &p->value[p->cell[cell].value], path, rn_text(index), depth))
            return -1;
    }
    return 0;
}

static int look(struct search *s, const struct rn_pickle_value *value, struct rn_text path, int depth)
{
    bool *seen = &s->seen[value - s->pickle->value];
    if (*seen)
        return 0;
    *seen = true;
    if (value->kind == RN_P_DICT)
        return look_in_dict(s, value, path, depth);
    return value->kind == RN_P_LIST || value->kind == RN_P_TUPLE ? look_in_list(s, value, path, depth) : 0;
}

/* ---- choosing ---- */

/* "'model' (102 tensors), 'model_ema' (102 tensors)" of those that are kept. */
static int list(const struct search *s, const bool *kept, struct rn_buffer *out)
{
    char shown[256], text[320];
    for (size_t i = 0, listed = 0; i < s->count; i++) {
        if (!kept[i])
            continue;
        int n = snprintf(text, sizeof text, "%s'%s' (%zu %s)", listed ? ", " : "", rn_text_show(s->path.item[i], shown),
                         s->found[i].tensors, s->found[i].tensors == 1 ? "tensor" : "tensors");
        if (++listed > 8)
            return rn_buffer_add(out, ", ...", 6, s->err);
        if (rn_buffer_add(out, text, (size_t)n, s->err))
            return -1;
    }
    return rn_buffer_add(out, "", 1, s->err);
}

static int say(const struct search *s, const bool *kept, const char *before, const char *after)
{
    struct rn_buffer names = { 0 };
    if (list(s, kept, &names) == 0)
        rn_fail(s->err, RN_EXIT_DATA, "%s%s%s", before, names.data, after);
    rn_buffer_free(&names);
    return -1;
}

/* Keeps those that have the property, when any has: how many are kept. */
static size_t prefer(const struct search *s, bool *kept, size_t property)
{
    size_t with = 0, count = 0;
    for (size_t i = 0; i < s->count; i++)
        with += kept[i] && *(const bool *)((const char *)&s->found[i] + property);
    for (size_t i = 0; i < s->count; i++) {
        kept[i] = kept[i] && (!with || *(const bool *)((const char *)&s->found[i] + property));
        count += kept[i];
    }
    return count;
}

static int choose_plain(struct search *s, bool *kept, const struct rn_pickle_value **dict, struct rn_texts *others)
{
    if (!s->count)
        return rn_fail(s->err, RN_EXIT_DATA, s->numbers
                       ? "pickle: the keys of its tensors are numbers or bytes (0, 1, ...), not names: "
                                                          "torch.save(model.state_dict(), FILE) saves a dictionary with names"
                                                        : "pickle: no dictionary of tensors");
    prefer(s, kept, offsetof(struct candidate, real));
    bool *real = rn_calloc(s->count, sizeof *real, s->err);
    if (!real)
        return -1;
    memcpy(real, kept, s->count * sizeof *real);
    size_t left = prefer(s, kept, offsetof(struct candidate, known));
    if (left > 1)
        left = prefer(s, kept, offsetof(struct candidate, dotted));
    int rc = left > 1 ? say(s, kept, "pickle: several dictionaries of tensors: ", ": --key NAME chooses one") : 0;
    for (size_t i = 0; i < s->count && rc == 0; i++) {
        if (kept[i])
            *dict = s->found[i].dict;
        else if (real[i])
            rc = rn_texts_add(others, s->path.item[i], s->err);
    }
    free(real);
    return rc;
}

/* The candidate of that name, or the one that it leads to. */
static int choose_named(struct search *s, const char *key, const bool *all, const struct rn_pickle_value **dict)
{
    char shown[256], before[320];
    size_t length = strlen(key), below = 0;
    for (size_t i = 0; i < s->count; i++) {
        struct rn_text path = s->path.item[i];
        bool exact = rn_text_is(path, key);
        bool leads = path.length > length && !memcmp(path.data, key, length) && path.data[length] == '.';
        if (exact || (leads && !below))
            *dict = s->found[i].dict;
        if (exact)
            return 0;
        below += leads;
    }
    if (below == 1)
        return 0;
    snprintf(before, sizeof before, "--key: '%s' is no dictionary of tensors%s", rn_text_show(rn_text(key), shown),
             s->count ? "; there are " : "");
    return say(s, all, before, "");
}

int rn_choose_dict(const struct rn_pickle *p, const char *key, const struct rn_pickle_value **dict, struct rn_texts *others,
                   struct rn_err *err)
{
    struct search s = { .pickle = p, .err = err };
    bool *kept = NULL;
    int rc = -1;
    *dict = NULL;
    if (!(s.seen = rn_calloc(p->values, sizeof *s.seen, err)) || look(&s, rn_pickle_root(p), (struct rn_text){ 0 }, 0) ||
        !(kept = rn_calloc(s.count, sizeof *kept, err)))
        goto out;
    memset(kept, true, s.count * sizeof *kept);
    rc = key ? choose_named(&s, key, kept, dict) : choose_plain(&s, kept, dict, others);
out:
    free(kept);
    free(s.seen);
    free(s.found);
    rn_texts_free(&s.path);
    return rc;
}
