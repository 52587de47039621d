/* names.c -- the names that a network's tensors have in the network itself, without what programs have wrapped around it. */
#include "exchange/private.h"

/* Components that a wrapper adds, wherever the wrapped part is: torch.compile, FSDP, activation checkpointing. */
static const char *const wrappers[] = { "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", NULL };
/* Before all others: DataParallel's; and what programs call the network in a module of their own. */
static const char *const parallel[] = { "module", NULL }, *const holders[] = { "module", "model", "backbone", NULL };
/* The parts of our networks. */
static const char *const parts[] = { "conv1", "bn1", "layer1", "layer2", "layer3", "layer4", "fc", "final_fc", "att", NULL };

static bool is_one_of(struct rn_text text, const char *const *list)
{
    while (*list && !rn_text_is(text, *list))
        list++;
    return *list != NULL;
}

/* The component that begins at `at`, without the dot; *last: none follows. */
static struct rn_text component(struct rn_text name, size_t at, bool *last)
{
    const char *begin = name.data + at, *dot = memchr(begin, '.', name.length - at);
    *last = !dot;
    return (struct rn_text){ begin, dot ? (size_t)(dot - begin) : name.length - at };
}

static int shorten_one(struct rn_texts *to, struct rn_text name, const char *const *before, struct rn_buffer *room,
                       struct rn_err *err)
{
    bool last = false, leading = true;
    room->length = 0;
    for (size_t at = 0; !last;) {
        struct rn_text part = component(name, at, &last);
        at += part.length + 1;
        if (!last && (is_one_of(part, wrappers) || (leading && is_one_of(part, before))))
            continue;
        leading = false;
        if (rn_buffer_add(room, part.data, part.length, err) || (!last && rn_buffer_add(room, ".", 1, err)))
            return -1;
    }
    return rn_texts_add(to, (struct rn_text){ room->data, room->length }, err);
}

static int has_twins(const struct rn_texts *names, bool *twins, struct rn_err *err)
{
    struct rn_texts sorted = { 0 };
    int rc = rn_texts_copy(&sorted, names, err);
    *twins = false;
    if (rc == 0)
        rn_texts_sort(&sorted);
    for (size_t i = 1; i < sorted.count && rc == 0; i++)
        *twins |= rn_text_equal(sorted.item[i], sorted.item[i - 1]);
    rn_texts_free(&sorted);
    return rc;
}

static int shorten(const struct rn_texts *names, const char *const *before, struct rn_texts *to, struct rn_err *err)
{
    struct rn_buffer room = { 0 };
    int rc = 0;
    for (size_t i = 0; i < names->count && rc == 0; i++)
        rc = shorten_one(to, names->item[i], before, &room, err);
    rn_buffer_free(&room);
    return rc;
}

/* Whether a name goes on with one of our parts after so many bytes. */
static bool goes_on(const struct rn_texts *names, size_t prefix)
{
    bool last;
    for (size_t i = 0; i < names->count; i++)
        if (is_one_of(component(names->item[i], prefix, &last), parts) && !last)
            return true;
    return false;
}

/* Length of the shortest prefix of whole components that all names have and after which our networks' names begin; 0: none. */
static size_t common_prefix(const struct rn_texts *names)
{
    bool last;
    for (size_t at = 0; names->count && !goes_on(names, at);) {
        size_t next = at + component(names->item[0], at, &last).length + 1;
        if (last)
            return 0;
        for (size_t i = 1; i < names->count; i++)
            if (names->item[i].length <= next || memcmp(names->item[i].data + at, names->item[0].data + at, next - at))
                return 0;
        at = next;
        if (goes_on(names, at))
            return at;
    }
    return 0;
}

int rn_foreign_shorten(struct rn_foreign *f, struct rn_err *err)
{
    bool twins;
    struct rn_texts names = { 0 };
    if (shorten(&f->name, holders, &names, err) || has_twins(&names, &twins, err))
        goto fail;
    if (twins) { /* "model.w" beside "w": then the prefix tells them apart */
        rn_texts_free(&names);
        if (shorten(&f->name, parallel, &names, err))
            goto fail;
    }
    for (size_t i = 0, prefix = common_prefix(&names); prefix && i < names.count; i++) {
        struct rn_text *name = &names.item[i];
        memmove((char *)name->data, name->data + prefix, name->length - prefix + 1);
        name->length -= prefix;
    }
    rn_texts_free(&f->name);
    f->name = names;
    return 0;
fail:
    rn_texts_free(&names);
    return -1;
}
