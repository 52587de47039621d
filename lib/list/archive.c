/* archive.c -- pictures in tar archives. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "list/list.h"
#include "list/private.h"
#include "tar/sample.h"

enum { LARGEST = 1 << 30, LARGEST_WORDS = 1 << 20 }; /* bytes of a picture, and of what is said of one */

/* One archive being read. Of a key's members one picture is kept until the next one, or the next key: what is said of it may come
 * before or after it. */
struct walk {
    const struct rn_archive *archive;
    struct rn_tar *tar;
    bool scan;
    struct rn_buffer key;
    struct rn_buffer name, data; /* of the picture */
    bool held;
    struct rn_buffer words, cls;
    bool has_cls;
    struct rn_tar_about about;
    int (*each)(void *context, const struct rn_packed *picture, struct rn_err *err);
    void *context;
};

static struct rn_text text_of(const struct rn_buffer *buffer)
{
    return (struct rn_text){ buffer->data ? buffer->data : "", buffer->length };
}

static struct rn_text last_part(struct rn_text name)
{
    for (size_t i = name.length; i; i--)
        if (name.data[i - 1] == '/')
            return (struct rn_text){ name.data + i, name.length - i };
    return name;
}

static struct rn_text key_of(struct rn_text name)
{
    struct rn_text part = last_part(name);
    const char *point = memchr(part.data, '.', part.length);
    return (struct rn_text){ name.data, point ? (size_t)(point - name.data) : name.length };
}

static struct rn_text ending_of(struct rn_text name)
{
    struct rn_text key = key_of(name);
    return (struct rn_text){ name.data + key.length, name.length - key.length };
}

static int replace(struct rn_buffer *buffer, struct rn_text text, struct rn_err *err)
{
    buffer->length = 0;
    return rn_buffer_add(buffer, text.data, text.length, err);
}

/* Its first folder; *rest: what follows. Nil: it lies in none. */
static struct rn_text first_folder(struct rn_text name, struct rn_text *rest)
{
    const char *slash = memchr(name.data, '/', name.length);
    *rest = slash ? (struct rn_text){ slash + 1, name.length - (size_t)(slash + 1 - name.data) } : name;
    return slash ? (struct rn_text){ name.data, (size_t)(slash - name.data) } : (struct rn_text){ 0 };
}

/* "3" is the third of the classes; where these are not known, or in words, it is the class's name. */
static struct rn_text class_of_words(const struct walk *w)
{
    const struct rn_texts *classes = w->archive->classes;
    struct rn_text words = text_of(&w->cls);
    size_t index = 0;
    for (size_t i = 0; i < words.length && index < (size_t)1 << 32; i++)
        index = words.data[i] >= '0' && words.data[i] <= '9' ? index * 10 + (size_t)(words.data[i] - '0') : (size_t)1 << 33;
    return classes && index < classes->count ? classes->item[index] : words;
}

static int give(struct walk *w, struct rn_text name, struct rn_text data, struct rn_text error, struct rn_err *err)
{
    struct rn_text rest;
    struct rn_packed picture = { .name = name, .id = name, .data = data, .error = error, .class_name = first_folder(name, &rest) };
    if (w->archive->layout == RN_LAYOUT_SPLITS) {
        picture.split = picture.class_name.data ? rn_text(rn_list_split_of(picture.class_name)) : (struct rn_text){ 0 };
        picture.class_name = first_folder(rest, &rest);
    }
    if (w->about.ours) {
        picture.told = true;
        picture.id = w->about.has_id ? text_of(&w->about.id) : name;
        picture.class_name = w->about.has_label ? text_of(&w->about.label) : (struct rn_text){ 0 };
        picture.split = w->about.has_split ? text_of(&w->about.split) : (struct rn_text){ 0 };
    } else if (w->has_cls) {
        picture.told = true;
        picture.class_name = class_of_words(w);
    }
    return w->each(w->context, &picture, err);
}

static int give_held(struct walk *w, struct rn_err *err)
{
    bool held = w->held;
    w->held = false;
    return held ? give(w, text_of(&w->name), text_of(&w->data), (struct rn_text){ 0 }, err) : 0;
}

/* "ARCHIVE: MEMBER: why" in place of the picture. */
static int refuse(struct walk *w, struct rn_text name, const char *why, struct rn_err *err)
{
    char archive[256], member[256], *text = NULL;
    if (asprintf(&text, "%s: %s: %s", rn_text_show(rn_text(w->archive->name), archive), rn_text_show(name, member), why) < 0)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    int rc = give(w, name, (struct rn_text){ 0 }, rn_text(text), err);
    free(text);
    return rc;
}

static bool is_hidden(struct rn_text name)
{
    for (size_t i = 0; i < name.length; i++)
        if (name.data[i] == '.' && (i == 0 || name.data[i - 1] == '/'))
            return true;
    return false;
}

/* What is said of the pictures of its key; 1: it is nothing of the kind. */
static int take_words(struct walk *w, const struct rn_member *member, struct rn_err *err)
{
    struct rn_text ending = ending_of(member->name);
    bool cls = rn_text_is(ending, ".cls"), json = rn_text_is(ending, ".json");
    if ((!cls && !json) || member->why || member->size > LARGEST_WORDS)
        return 1;
    if (rn_tar_read(w->tar, &w->words, err))
        return -1;
    if (json)
        return rn_tar_about(&w->about, text_of(&w->words), err);
    while (w->words.length && strchr(" \t\r\n", w->words.data[w->words.length - 1]))
        w->words.length--;
    w->has_cls = w->words.length > 0;
    return replace(&w->cls, text_of(&w->words), err);
}

static int take_picture(struct walk *w, const struct rn_member *member, const char *name, struct rn_err *err)
{
    char why[128];
    const struct rn_ending *ending = rn_ending_of(strrchr(name, '/') ? strrchr(name, '/') + 1 : name);
    if (give_held(w, err))
        return -1;
    if (member->why)
        return refuse(w, member->name, member->why, err);
    if (ending && ending->advice)
        return refuse(w, member->name, ending->advice, err);
    if (member->size > LARGEST) {
        snprintf(why, sizeof why, "%lld bytes: larger than a picture may be (%d)", (long long)member->size, LARGEST);
        return refuse(w, member->name, why, err);
    }
    w->held = true;
    w->data.length = 0;
    return replace(&w->name, member->name, err) || (!w->scan && rn_tar_read(w->tar, &w->data, err)) ? -1 : 0;
}

static int take_member(struct walk *w, const struct rn_member *member, struct rn_err *err)
{
    struct rn_text key = key_of(member->name);
    char *name;
    if (!rn_text_equal(key, text_of(&w->key))) {
        if (give_held(w, err) || replace(&w->key, key, err))
            return -1;
        w->has_cls = w->about.ours = false;
    }
    int rc = take_words(w, member, err);
    if (rc <= 0)
        return rc;
    if (!(name = strndup(member->name.data, member->name.length)))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    struct rn_pictures unused = { 0 }, *others = w->archive->others ? w->archive->others : &unused;
    rc = 0;
    if (is_hidden(member->name) && !member->why)
        rn_list_pass(others, "hidden");
    else if (rn_list_is_picture(others, name))
        rc = take_picture(w, member, name, err);
    free(name);
    rn_pictures_free(&unused);
    return rc;
}

static int walk(struct walk *w, struct rn_err *err)
{
    struct rn_member member;
    int rc;
    if (rn_tar_open(&w->tar, w->archive->fd, w->archive->name, err))
        return -1;
    while ((rc = rn_tar_next(w->tar, &member, err)) == 1)
        if ((rc = take_member(w, &member, err)))
            break;
    rc = rc || give_held(w, err) ? -1 : 0;
    rn_tar_close(w->tar);
    rn_tar_about_free(&w->about);
    rn_buffer_free(&w->key);
    rn_buffer_free(&w->name);
    rn_buffer_free(&w->data);
    rn_buffer_free(&w->words);
    rn_buffer_free(&w->cls);
    return rc;
}

int rn_archive_read(const struct rn_archive *archive,
                    int (*each)(void *context, const struct rn_packed *picture, struct rn_err *err),
                    void *context, struct rn_err *err)
{
    struct walk w = { .archive = archive, .each = each, .context = context };
    return walk(&w, err);
}

/* ---- a first reading ---- */

static int add_class(struct rn_texts *classes, struct rn_text name, struct rn_err *err)
{
    size_t last = classes->count; /* neighbours are often of one class */
    if (!name.data || (last && rn_text_equal(classes->item[last - 1], name)) || rn_texts_find(classes, name) >= 0)
        return 0;
    return rn_texts_add(classes, name, err);
}

static int scan_one(void *context, const struct rn_packed *picture, struct rn_err *err)
{
    struct rn_archive_scan *scan = context;
    struct rn_text rest, first = first_folder(picture->name, &rest), second = first_folder(rest, &rest);
    if (picture->error.data)
        return 0;
    if (picture->told)
        return add_class(&scan->flat, picture->class_name, err) || add_class(&scan->splits, picture->class_name, err) ? -1 : 0;
    scan->folders = (scan->folders || !scan->any) && first.data && rn_list_split_of(first);
    scan->any = true;
    scan->deep = scan->deep || second.data;
    return add_class(&scan->flat, first, err) || add_class(&scan->splits, second, err) ? -1 : 0;
}

int rn_archive_scan(struct rn_archive_scan *scan, const struct rn_archive *archive, struct rn_err *err)
{
    struct walk w = { .archive = archive, .each = scan_one, .context = scan, .scan = true };
    return walk(&w, err);
}

static int by_number(const void *a, const void *b)
{
    const struct rn_text *x = a, *y = b;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return rn_text_compare(*x, *y);
}

int rn_archive_classes(struct rn_archive_scan *scan, enum rn_list_layout *layout, struct rn_texts *classes, struct rn_err *err)
{
    if (*layout == RN_LAYOUT_AUTO)
        *layout = scan->any && scan->folders && scan->deep ? RN_LAYOUT_SPLITS : RN_LAYOUT_FLAT;
    struct rn_texts *found = *layout == RN_LAYOUT_SPLITS ? &scan->splits : &scan->flat;
    bool numbers = true;
    for (size_t i = 0; i < found->count; i++)
        numbers = numbers && strspn(found->item[i].data, "0123456789") == found->item[i].length;
    if (numbers && found->count)
        qsort(found->item, found->count, sizeof *found->item, by_number);
    else
        rn_texts_sort(found);
    return rn_texts_copy(classes, found, err);
}

void rn_archive_scan_free(struct rn_archive_scan *scan)
{
    rn_texts_free(&scan->flat);
    rn_texts_free(&scan->splits);
}
