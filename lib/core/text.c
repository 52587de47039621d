/* text.c -- runs of bytes. */
#include "core/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct rn_text rn_text(const char *string)
{
    return (struct rn_text){ string, string ? strlen(string) : 0 };
}

int rn_text_compare(struct rn_text a, struct rn_text b)
{
    if (!a.data || !b.data)
        return (a.data != NULL) - (b.data != NULL);
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = shorter ? memcmp(a.data, b.data, shorter) : 0;
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

bool rn_text_equal(struct rn_text a, struct rn_text b)
{
    return rn_text_compare(a, b) == 0;
}

bool rn_text_is(struct rn_text a, const char *string)
{
    return rn_text_equal(a, rn_text(string));
}

/* Length of the UTF-8 character at the start of s, 0 when there is none. */
static size_t utf8_length(const unsigned char *s, size_t left)
{
    static const struct { unsigned char first, last, low, high, length; } rows[] = {
        /* lead bytes, range of the second byte (The Unicode Standard, table 3-7) */
        { 0x00, 0x7f, 0, 0, 1 },          { 0xc2, 0xdf, 0x80, 0xbf, 2 },    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
        { 0xe1, 0xec, 0x80, 0xbf, 3 },    { 0xed, 0xed, 0x80, 0x9f, 3 },    { 0xee, 0xef, 0x80, 0xbf, 3 },
        { 0xf0, 0xf0, 0x90, 0xbf, 4 },    { 0xf1, 0xf3, 0x80, 0xbf, 4 },    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (s[0] < rows[i].first || s[0] > rows[i].last)
            continue;
        size_t length = rows[i].length;
        if (length > left || (length > 1 && (s[1] < rows[i].low || s[1] > rows[i].high)))
            return 0;
        for (size_t k = 2; k < length; k++)
            if (s[k] < 0x80 || s[k] > 0xbf)
                return 0;
        return length;
    }
    return 0;
}

bool rn_text_is_utf8(struct rn_text a)
{
    for (size_t i = 0, length; i < a.length; i += length)
        if (!(length = utf8_length((const unsigned char *)a.data + i, a.length - i)))
            return false;
    return true;
}

int rn_texts_add(struct rn_texts *list, struct rn_text text, struct rn_err *err)
{
    if (rn_grow(&list->item, &list->capacity, list->count + 1, sizeof *list->item, err))
        return -1;
    char *copy = rn_calloc(text.length + 1, 1, err);
    if (!copy)
        return -1;
    if (text.length)
        memcpy(copy, text.data, text.length);
    list->item[list->count++] = (struct rn_text){ copy, text.length };
    return 0;
}

int rn_texts_copy(struct rn_texts *to, const struct rn_texts *from, struct rn_err *err)
{
    for (size_t i = 0; i < from->count; i++)
        if (rn_texts_add(to, from->item[i], err))
            return -1;
    return 0;
}

long rn_texts_find(const struct rn_texts *list, struct rn_text text)
{
    for (size_t i = 0; i < list->count; i++)
        if (rn_text_equal(list->item[i], text))
            return (long)i;
    return -1;
}

struct place {
    struct rn_text text;
    int64_t index;
};

static int by_text(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    int order = rn_text_compare(x->text, y->text);
    return order ? order : (x->index > y->index) - (x->index < y->index);
}

/* The list's texts in byte order, each with its index; of equal ones the first comes first. Freed with free(). */
static struct place *sorted(const struct rn_texts *list, struct rn_err *err)
{
    struct place *place = rn_calloc(list->count, sizeof *place, err);
    for (size_t i = 0; place && i < list->count; i++)
        place[i] = (struct place){ list->item[i], (int64_t)i };
    if (place)
        qsort(place, list->count, sizeof *place, by_text);
    return place;
}

static int64_t search(const struct place *place, size_t count, struct rn_text text)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (rn_text_compare(place[middle].text, text) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && rn_text_equal(place[low].text, text) ? place[low].index : -1;
}

int rn_texts_index(const struct rn_texts *list, const struct rn_texts *wanted, int64_t *index, struct rn_err *err)
{
    struct place *place = NULL;
    for (size_t i = 0; i < wanted->count; i++) {
        /* mostly the two lists are the same */
        if (!place && i < list->count && rn_text_equal(list->item[i], wanted->item[i])) {
            index[i] = (int64_t)i;
            continue;
        }
        if (!place && !(place = sorted(list, err)))
            return -1;
        index[i] = search(place, list->count, wanted->item[i]);
    }
    free(place);
    return 0;
}

int rn_texts_split(struct rn_texts *list, const char *names, const char *option, struct rn_err *err)
{
    char room[256];
    for (const char *at = names;; at++) {
        struct rn_text name = { at, strcspn(at, ",") };
        if (!name.length)
            return rn_fail(err, RN_EXIT_USAGE, "%s: an empty name", option);
        if (rn_texts_add(list, name, err))
            return -1;
        at += name.length;
        if (!*at)
            break;
    }
    struct place *place = sorted(list, err);
    int rc = place ? 0 : -1;
    for (size_t i = 1; rc == 0 && i < list->count; i++)
        if (rn_text_equal(place[i - 1].text, place[i].text))
            rc = rn_fail(err, RN_EXIT_USAGE, "%s: '%s' is there twice", option, rn_text_show(place[i].text, room));
    free(place);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

void rn_texts_sort(struct rn_texts *list)
{
    if (list->count)
        qsort(list->item, list->count, sizeof *list->item, compare);
}

void rn_texts_free(struct rn_texts *list)
{
    for (size_t i = 0; i < list->count; i++)
        free((char *)list->item[i].data);
    free(list->item);
    *list = (struct rn_texts){ 0 };
}

/* XML's reference for one character; U+FFFE and U+FFFF are none of XML's. */
static int referred(char room[static 8], const unsigned char *s, size_t length)
{
    static const char *const names[] = { "&amp;", "<lt;", ">gt;", "\"quot;", "'#39;" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (*s == (unsigned char)names[i][0])
            return snprintf(room, 8, "&%s", names[i] + 1);
    return length == 3 && s[0] == 0xef && s[1] == 0xbf && s[2] >= 0xbe ? snprintf(room, 8, "\\xff%02x", s[2] + 0x40) : 0;
}

/* The number of a character that a display obeys instead of showing it: a C1 control, the end of a line or paragraph, a mark or
 * change of direction (Unicode Standard Annex 9); else 0. */
static unsigned obeyed(const unsigned char *s, size_t length)
{
    unsigned c = 0;
    if (length == 2)
        c = (s[0] & 0x1fu) << 6 | (s[1] & 0x3fu);
    else if (length == 3)
        c = (s[0] & 0x0fu) << 12 | (s[1] & 0x3fu) << 6 | (s[2] & 0x3fu);
    bool is = (c >= 0x80 && c < 0xa0) || c == 0x61c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
              (c >= 0x2066 && c <= 0x2069);
    return is ? c : 0;
}

static int json(char room[static 8], const unsigned char *s, size_t length, char letter)
{
    unsigned c = obeyed(s, length);
    if (letter || *s == '"')
        return snprintf(room, 8, "\\%c", letter ? letter : '"');
    if (!length || *s < 0x20 || *s == 0x7f)
        return snprintf(room, 8, "\\u%s%02x", length ? "00" : "dc", *s);
    return c ? snprintf(room, 8, "\\u%04x", c) : 0;
}

/* The escape of one byte or character of `length` bytes in `room`; its length there, 0: as it is. */
static int escaped(char room[static 8], const unsigned char *s, size_t length, enum rn_escape how)
{
    static const char letters[] = "\tt\nn\rr\\\\";
    enum rn_escape form = how & ~RN_ESCAPE_TERMINAL;
    const char *known = *s && length == 1 ? strchr(letters, *s) : NULL;
    char letter = known && (known - letters) % 2 == 0 ? known[1] : '\0';
    if (form == RN_ESCAPE_JSON)
        return json(room, s, length, letter);
    if (form == RN_ESCAPE_TSV && letter)
        return snprintf(room, 8, "\\%c", letter);
    if (form == RN_ESCAPE_CSV && *s == '"')
        return snprintf(room, 8, "\"\"");
    if (how == RN_ESCAPE_TSV || how == RN_ESCAPE_CSV)
        return 0;
    unsigned c = obeyed(s, length);
    if (!length || *s < 0x20 || *s == 0x7f || (c && c < 0xa0))
        return snprintf(room, 8, "\\x%02x", c ? c : *s);
    if (c)
        return snprintf(room, 8, "\\u%04x", c);
    return form == RN_ESCAPE_XML ? referred(room, s, length) : 0;
}

/* The next character of the text (not empty) as it is shown, at *shown (in room, or in the text itself), *n bytes of it;
 * returns how many bytes of the text that were. */
static size_t escape_next(struct rn_text text, enum rn_escape how, char room[static 8], const char **shown, size_t *n)
{
    const unsigned char *s = (const unsigned char *)text.data;
    size_t length = utf8_length(s, text.length), step = length ? length : 1;
    int changed = escaped(room, s, length, how);
    *shown = changed ? room : text.data;
    *n = changed ? (size_t)changed : step;
    return step;
}

static bool is_quoted(struct rn_text text, enum rn_escape how)
{
    bool quoted = how == RN_ESCAPE_JSON;
    for (size_t i = 0; (how & ~RN_ESCAPE_TERMINAL) == RN_ESCAPE_CSV && !quoted && i < text.length; i++)
        quoted = strchr(",\"\r\n", text.data[i]) && text.data[i];
    return quoted;
}

int rn_text_escape(struct rn_buffer *out, struct rn_text text, enum rn_escape how, struct rn_err *err)
{
    char room[8];
    const char *quote = is_quoted(text, how) ? "\"" : "", *shown;
    if (rn_buffer_add(out, quote, strlen(quote), err))
        return -1;
    for (size_t n, step; text.length; text.data += step, text.length -= step) {
        step = escape_next(text, how, room, &shown, &n);
        if (rn_buffer_add(out, shown, n, err))
            return -1;
    }
    return rn_buffer_add(out, quote, strlen(quote), err);
}

double rn_nan_unsigned(double value)
{
    return isnan(value) ? fabs(value) : value;
}

const char *rn_text_show(struct rn_text text, char room[static 256])
{
    char one[8];
    const char *shown;
    size_t used = 0;
    for (size_t n, step; text.length; text.data += step, text.length -= step) {
        step = escape_next(text, RN_ESCAPE_MESSAGE, one, &shown, &n);
        if (used + n > 200) {
            memcpy(room + used, "...", 3);
            used += 3;
            break;
        }
        memcpy(room + used, shown, n);
        used += n;
    }
    room[used] = '\0';
    return room;
}

const char *rn_text_number(double value, char room[static 32])
{
    if (fabs(value) < 1e15 && value == floor(value)) { /* 100, where the loop would find 1e+02 */
        snprintf(room, 32, "%.0f", value);
        return room;
    }
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(room, 32, "%.*g", digits, value);
        if (strtod(room, NULL) == value)
            break;
    }
    return room;
}

const char *rn_text_float(float value, char room[static 32])
{
    for (int digits = 6; digits <= 9; digits++) { /* %g drops zeros: six are what any float needs */
        snprintf(room, 32, "%.*g", digits, (double)value);
        if (strtof(room, NULL) == value)
            break;
    }
    return room;
}

bool rn_text_marked(const char *text, size_t length)
{
    return length >= 3 && !memcmp(text, "\xef\xbb\xbf", 3);
}
