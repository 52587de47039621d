/* text.h -- runs of bytes that are mostly text: ids, paths, class names. They may hold anything, NUL and
 * newlines included, and are shown escaped. */
#ifndef RN_CORE_TEXT_H
#define RN_CORE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/mem.h"

/* Borrowed bytes, not terminated. data NULL: there is none (nil). */
struct rn_text {
    const char *data;
    size_t length;
};

#define RN_TEXT(literal) ((struct rn_text){ "" literal, sizeof(literal) - 1 })
struct rn_text rn_text(const char *string); /* NULL gives nil */

/* <0, 0, >0 in byte order; nil is before everything. */
int rn_text_compare(struct rn_text a, struct rn_text b);
bool rn_text_equal(struct rn_text a, struct rn_text b);
bool rn_text_is(struct rn_text a, const char *string);
bool rn_text_is_utf8(struct rn_text a); /* no surrogates, no overlong forms, at most U+10FFFF */

/* A list of texts that owns its bytes (each also NUL-terminated). Zeroed: empty. */
struct rn_texts {
    struct rn_text *item;
    size_t count, capacity;
};
RN_MUST int rn_texts_add(struct rn_texts *list, struct rn_text text, struct rn_err *err);
RN_MUST int rn_texts_copy(struct rn_texts *to, const struct rn_texts *from, struct rn_err *err); /* appends */
/* Index of text, or -1. */
long rn_texts_find(const struct rn_texts *list, struct rn_text text);
/* The same for each text of `wanted`, by sorting: index (wanted->count); the list has no text twice. */
RN_MUST int rn_texts_index(const struct rn_texts *list, const struct rn_texts *wanted, int64_t *index, struct rn_err *err);
/* Appends the parts of "a,b,c"; exit 2, beginning with `option`, for an empty one or one that the list has twice. */
RN_MUST int rn_texts_split(struct rn_texts *list, const char *names, const char *option, struct rn_err *err);
void rn_texts_sort(struct rn_texts *list); /* byte order */
void rn_texts_free(struct rn_texts *list);

/* How a text is shown. TSV: tab, newline, carriage return and backslash as \t \n \r \\, other bytes as they are.
 * CSV: in quotes, with each quote doubled, where it has a comma, a quote or a line's end (RFC 4180).
 * JSON: a quoted string, a byte that is not UTF-8 as \udc80 .. \udcff (as Python's surrogateescape), and what a display would
 * obey as \u00HH or \u20HH: controls, C1 too, ends of lines, changes of direction.
 * MESSAGE: for one line on a terminal: control characters and bytes that are not UTF-8 as \xHH, changes of direction as \u20HH.
 * XML: as MESSAGE, and & < > " ' as references: for text and attributes, of HTML too.
 * TERMINAL, with TSV or CSV: what these leave of it is escaped as in MESSAGE. */
enum rn_escape { RN_ESCAPE_TSV, RN_ESCAPE_CSV, RN_ESCAPE_JSON, RN_ESCAPE_MESSAGE, RN_ESCAPE_XML, RN_ESCAPE_TERMINAL = 16 };
RN_MUST int rn_text_escape(struct rn_buffer *out, struct rn_text text, enum rn_escape how, struct rn_err *err);

/* A finite number with as few digits as read back as the same double: also JSON's, in room, which it returns. */
const char *rn_text_number(double value, char room[static 32]);
/* The same of a float that reads back as this float. */
const char *rn_text_float(float value, char room[static 32]);

/* The value; a NaN without its sign, which printf would show. */
double rn_nan_unsigned(double value);

/* For messages: the text escaped and cut to 200 bytes ("..." follows), in `room`, which it returns. */
const char *rn_text_show(struct rn_text text, char room[static 256]);

/* Whether it begins with a byte order mark of UTF-8, 3 bytes that some editors put before a text. */
bool rn_text_marked(const char *text, size_t length);

#endif
