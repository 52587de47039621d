/* pick.c -- conditions. */
#include "pick/pick.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

enum {
    S = RN_KIND_BIT(RN_SAMPLES), I = RN_KIND_BIT(RN_IMAGES), B = RN_KIND_BIT(RN_BATCHES), P = RN_KIND_BIT(RN_PREDICTIONS),
    W = RN_KIND_BIT(RN_WEIGHTS),
};

/* Every key, the kinds whose records have it, and those whose error records have it. */
static const struct { const char *name; unsigned kinds, errors; } keys[RN_PICK_KEYS] = {
    [RN_PICK_LABEL] = { "label", S | I | P, B },
    [RN_PICK_SPLIT] = { "split", S | I, B | P },
    [RN_PICK_ID] = { "id", S | I | P, B },
    [RN_PICK_PATH] = { "path", S, 0 },
    [RN_PICK_ERROR] = { "error", S | I | B | P, 0 },
    [RN_PICK_NAME] = { "name", W, 0 },
    [RN_PICK_ROLE] = { "role", W, 0 },
    [RN_PICK_EPOCH] = { "epoch", B, 0 },
    [RN_PICK_INDEX] = { "index", B, 0 },
};

static int check_value(enum rn_pick_key key, const char *value, struct rn_err *err)
{
    bool number = key == RN_PICK_EPOCH || key == RN_PICK_INDEX;
    if (number && (strspn(value, "0123456789") != strlen(value) || (value[0] == '0' && value[1])))
        return rn_fail(err, RN_EXIT_USAGE, "%s: '%s' is not a whole number", keys[key].name, value);
    if (key != RN_PICK_ROLE || !*value)
        return 0;
    for (int role = 0; role < RN_ROLES; role++)
        if (!strcmp(value, rn_role_name((enum rn_role)role)))
            return 0;
    return rn_fail(err, RN_EXIT_USAGE, "role: '%s' is not parameter, buffer or momentum", value);
}

int rn_conditions_add(struct rn_conditions *conditions, const char *text, struct rn_err *err)
{
    size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_");
    bool negated = text[length] == '!';
    if (!length || text[length + negated] != '=')
        return 0;
    const char *value = text + length + negated + 1;
    int key = 0;
    while (key < RN_PICK_KEYS && (strlen(keys[key].name) != length || memcmp(keys[key].name, text, length)))
        key++;
    if (key == RN_PICK_KEYS)
        return rn_fail(err, RN_EXIT_USAGE, "'%.*s' is no key of a record (is it a file? then ./%s)", (int)length, text, text);
    if (check_value((enum rn_pick_key)key, value, err) ||
        rn_grow(&conditions->item, &conditions->capacity, conditions->count + 1, sizeof *conditions->item, err))
        return -1;
    conditions->item[conditions->count++] = (struct rn_condition){ (enum rn_pick_key)key, negated, rn_text(value) };
    return 1;
}

void rn_conditions_free(struct rn_conditions *conditions)
{
    free(conditions->item);
    *conditions = (struct rn_conditions){ 0 };
}

int rn_conditions_check(const struct rn_conditions *conditions, const struct rn_head *head, struct rn_err *err)
{
    char room[256];
    for (size_t k = 0; k < conditions->count; k++) {
        const struct rn_condition *c = &conditions->item[k];
        unsigned kinds = keys[c->key].kinds | (conditions->errors ? keys[c->key].errors : 0);
        if (!(kinds & RN_KIND_BIT(head->kind)))
            return rn_fail(err, RN_EXIT_DATA, "%s have no \"%s\"", rn_kind_name(head->kind), keys[c->key].name);
        if (c->key == RN_PICK_LABEL && c->value.length && rn_texts_find(&head->classes, c->value) < 0)
            return rn_fail(err, RN_EXIT_DATA, "label: there is no class '%s' in this stream", rn_text_show(c->value, room));
    }
    return 0;
}

/* The value of the key as text; numbers are printed into room. */
static struct rn_text value_of(enum rn_pick_key key, const struct rn_head *head, const struct rn_record *record,
                               char room[static 32])
{
    bool failed = record->error.data != NULL;
    switch (key) {
    case RN_PICK_LABEL:
        return record->label == RN_NIL ? (struct rn_text){ 0 } : head->classes.item[record->label];
    case RN_PICK_SPLIT:
        return record->split;
    case RN_PICK_ID:
        return record->id;
    case RN_PICK_PATH:
        return record->path;
    case RN_PICK_ERROR:
        return record->error;
    case RN_PICK_NAME:
        return record->name;
    case RN_PICK_ROLE:
        return rn_text(rn_role_name(record->role));
    case RN_PICK_EPOCH:
    case RN_PICK_INDEX:
        if (failed)
            break;
        snprintf(room, 32, "%lld", (long long)(key == RN_PICK_EPOCH ? record->epoch : record->index));
        return rn_text(room);
    case RN_PICK_KEYS:
        break;
    }
    return (struct rn_text){ 0 };
}

bool rn_conditions_hold(const struct rn_conditions *conditions, const struct rn_head *head, const struct rn_record *record)
{
    bool wanted[RN_PICK_KEYS] = { false }, met[RN_PICK_KEYS] = { false };
    char room[32];
    if (conditions->errors && !record->error.data)
        return false;
    for (size_t k = 0; k < conditions->count; k++) {
        const struct rn_condition *c = &conditions->item[k];
        struct rn_text value = value_of(c->key, head, record, room);
        bool equal = c->value.length ? rn_text_equal(value, c->value) : !value.length;
        if (c->negated && equal)
            return false;
        if (!c->negated) {
            wanted[c->key] = true;
            met[c->key] = met[c->key] || equal;
        }
    }
    return memcmp(wanted, met, sizeof wanted) == 0;
}
