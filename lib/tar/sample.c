/* sample.c -- samples as members, and back. */
#include "tar/sample.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

static const char *ending_of(struct rn_text data)
{
    static const struct { size_t at; const char *bytes, *ending; } kinds[] = {
        { 0, "\xff\xd8\xff", "jpg" }, { 0, "\x89PNG", "png" }, { 0, "GIF8", "gif" }, { 8, "WEBP", "webp" }, { 0, "II*", "tif" },
        { 0, "II+", "tif" }, { 0, "MM", "tif" }, { 0, "BM", "bmp" }, { 4, "ftypavi", "avif" }, { 4, "ftyp", "heic" }, { 0, "P", "ppm" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t length = strlen(kinds[i].bytes);
        if (data.length >= kinds[i].at + length && !memcmp(data.data + kinds[i].at, kinds[i].bytes, length))
            return kinds[i].ending;
    }
    return "jpg";
}

/* ---- keys ---- */

/* Bytes that are not to be in a key's part of a path as they are: a key ends at the first point; points and
 * slashes lead elsewhere. */
static int encode(struct rn_buffer *out, struct rn_text text, bool all, struct rn_err *err)
{
    char code[4];
    for (size_t i = 0; i < text.length; i++) {
        unsigned char c = (unsigned char)text.data[i];
        bool edge = c == '/' && (i == 0 || i + 1 == text.length || text.data[i + 1] == '/');
        bool as_is = all ? isalnum(c) || strchr("-_", c) : c >= ' ' && c != 127 && c != '.' && c != '%' && !edge;
        snprintf(code, sizeof code, "%%%02X", c);
        if (rn_buffer_add(out, as_is && c ? text.data + i : code, as_is && c ? 1 : 3, err))
            return -1;
    }
    return 0;
}

/* The id without its ending; where the sample before has that key, with it. */
static int make_key(struct rn_tar_members *m, struct rn_text id, struct rn_err *err)
{
    struct rn_text stem = id;
    for (size_t n = 1; n <= 5 && n < id.length && stem.length == id.length && id.data[id.length - n] != '/'; n++)
        if (id.data[id.length - n] == '.' && id.data[id.length - n - 1] != '/')
            stem.length = id.length - n;
    struct rn_buffer before = m->last;
    m->last = m->key;
    m->key = before;
    m->key.length = 0;
    if (encode(&m->key, stem, false, err))
        return -1;
    bool same = m->key.length == m->last.length && m->key.length && !memcmp(m->key.data, m->last.data, m->key.length);
    if (m->key.length && !same)
        return 0;
    return encode(&m->key, (struct rn_text){ id.data + stem.length, id.length - stem.length }, false, err) ||
           (!m->key.length && rn_buffer_add(&m->key, "%", 1, err)) ? -1 : 0;
}

/* ---- what is known ---- */

/* ,"id":"text", or, where it is no UTF-8, ,"id%":"t%80xt" */
static int add_field(struct rn_buffer *json, const char *name, struct rn_text text, struct rn_err *err)
{
    char key[32];
    bool plain = !text.data || rn_text_is_utf8(text);
    int n = snprintf(key, sizeof key, ",\"%s%s\":%s", name, plain ? "" : "%", text.data ? plain ? "" : "\"" : "null");
    if (rn_buffer_add(json, key, (size_t)n, err))
        return -1;
    if (!text.data)
        return 0;
    if (plain)
        return rn_text_escape(json, text, RN_ESCAPE_JSON, err);
    return encode(json, text, true, err) || rn_buffer_add(json, "\"", 1, err) ? -1 : 0;
}

int rn_tar_pack(struct rn_tar_members *m, const struct rn_tar_sample *sample, struct rn_err *err)
{
    static const char begin[] = "{\"rn\":\"sample\"", end[] = "}\n";
    m->ending = ending_of(sample->data);
    m->json.length = 0;
    m->cls[0] = '\0';
    if (make_key(m, sample->id, err) || rn_buffer_add(&m->json, begin, strlen(begin), err) ||
        add_field(&m->json, "id", sample->id, err) || add_field(&m->json, "label", sample->class_name, err) ||
        add_field(&m->json, "split", sample->split, err) || rn_buffer_add(&m->json, end, strlen(end), err))
        return -1;
    if (sample->label >= 0)
        snprintf(m->cls, sizeof m->cls, "%lld", (long long)sample->label);
    m->size = rn_tar_size(sample->data.length) + rn_tar_size(m->json.length) + (*m->cls ? rn_tar_size(strlen(m->cls)) : 0);
    if (m->key.length > 90)
        m->size *= 2; /* long names are members, too */
    return 0;
}

static int put_one(struct rn_tar_writer *writer, struct rn_tar_members *m, const char *ending, struct rn_text bytes,
                   struct rn_err *err)
{
    size_t length = m->key.length;
    int rc = rn_buffer_add(&m->key, ".", 1, err) || rn_buffer_add(&m->key, ending, strlen(ending), err) ||
             rn_tar_add(writer, (struct rn_text){ m->key.data, m->key.length }, bytes, err) ? -1 : 0;
    m->key.length = length;
    return rc;
}

int rn_tar_put(struct rn_tar_writer *writer, struct rn_tar_members *m, const struct rn_tar_sample *sample, struct rn_err *err)
{
    return (*m->cls && put_one(writer, m, "cls", rn_text(m->cls), err)) || put_one(writer, m, m->ending, sample->data, err) ||
           put_one(writer, m, "json", (struct rn_text){ m->json.data, m->json.length }, err) ? -1 : 0;
}

void rn_tar_members_free(struct rn_tar_members *m)
{
    rn_buffer_free(&m->key);
    rn_buffer_free(&m->last);
    rn_buffer_free(&m->json);
}

/* ---- back ---- */

static int decode(struct rn_buffer *out, const char *text, struct rn_err *err)
{
    for (; *text; text++) {
        char hex[3] = { 0 };
        bool coded = *text == '%' && isxdigit((unsigned char)text[1]) && isxdigit((unsigned char)text[2]);
        if (coded)
            memcpy(hex, text + 1, 2);
        char c = coded ? (char)strtoul(hex, NULL, 16) : *text;
        text += coded ? 2 : 0;
        if (rn_buffer_add(out, &c, 1, err))
            return -1;
    }
    return 0;
}

static int take_field(struct rn_buffer *out, bool *has, const json_t *object, const char *name, struct rn_err *err)
{
    char coded[32];
    const json_t *value = json_object_get(object, name);
    snprintf(coded, sizeof coded, "%s%%", name);
    out->length = 0;
    *has = json_is_string(value) || json_is_string(json_object_get(object, coded));
    if (json_is_string(value))
        return rn_buffer_add(out, json_string_value(value), json_string_length(value), err);
    return *has ? decode(out, json_string_value(json_object_get(object, coded)), err) : 0;
}

int rn_tar_about(struct rn_tar_about *about, struct rn_text json, struct rn_err *err)
{
    json_t *object = json_loadb(json.data, json.length, JSON_ALLOW_NUL, NULL);
    const char *what = json_string_value(json_object_get(object, "rn"));
    about->ours = what && !strcmp(what, "sample");
    about->has_id = about->has_label = about->has_split = false;
    int rc = about->ours && (take_field(&about->id, &about->has_id, object, "id", err) ||
                             take_field(&about->label, &about->has_label, object, "label", err) ||
                             take_field(&about->split, &about->has_split, object, "split", err)) ? -1 : 0;
    json_decref(object);
    return rc;
}

void rn_tar_about_free(struct rn_tar_about *about)
{
    rn_buffer_free(&about->id);
    rn_buffer_free(&about->label);
    rn_buffer_free(&about->split);
}
