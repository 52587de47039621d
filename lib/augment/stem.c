/* stem.c -- where an augmented photo is written: below its class, whatever its id says. */
#include <string.h>

#include "augment/work.h"

/* One part of a path that stays where it is, and is seen by rn-list. */
static bool is_plain(struct rn_text part)
{
    return part.length > 0 && part.length < 256 && part.data[0] != '.' && !memchr(part.data, '\0', part.length);
}

/* The rest of text behind its first `/`; data NULL: there is none. */
static struct rn_text first_part(struct rn_text *text)
{
    const char *slash = memchr(text->data, '/', text->length);
    struct rn_text part = { text->data, slash ? (size_t)(slash - text->data) : text->length };
    *text = slash ? (struct rn_text){ slash + 1, text->length - part.length - 1 } : (struct rn_text){ 0 };
    return part;
}

static bool all_plain(struct rn_text path)
{
    while (path.data)
        if (!is_plain(first_part(&path)))
            return false;
    return true;
}

static struct rn_text last_part(struct rn_text path)
{
    struct rn_text part = { 0 };
    while (path.data)
        part = first_part(&path);
    return part;
}

static struct rn_text without_ending(struct rn_text path)
{
    for (size_t i = path.length; i > 1 && path.data[i - 1] != '/'; i--)
        if (path.data[i - 1] == '.' && path.data[i - 2] != '/')
            return (struct rn_text){ path.data, i - 1 };
    return path;
}

int rn_augment_stem(struct rn_buffer *stem, struct rn_text id, struct rn_text class_name, struct rn_err *err)
{
    char room[256];
    struct rn_text rest = id;
    bool below = class_name.data && rn_text_equal(first_part(&rest), class_name) && rest.data && all_plain(rest);
    struct rn_text name = without_ending(below || (!class_name.data && all_plain(id)) ? (class_name.data ? rest : id) : last_part(id));
    if (class_name.data && (!is_plain(class_name) || memchr(class_name.data, '/', class_name.length)))
        return rn_fail(err, RN_EXIT_DATA, "the class '%s' cannot be a folder", rn_text_show(class_name, room));
    if (!all_plain(name))
        return rn_fail(err, RN_EXIT_DATA, "%s: cannot be the name of a file", rn_text_show(id, room));
    if (class_name.data && (rn_buffer_add(stem, class_name.data, class_name.length, err) || rn_buffer_add(stem, "/", 1, err)))
        return -1;
    return rn_buffer_add(stem, name.data, name.length, err);
}
