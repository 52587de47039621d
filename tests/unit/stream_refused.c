/* stream_refused.c -- heads, records and tails that must be refused, and why; and the unusual ones that must not.
 *
 * Streams are written here as text: {key: value} [..] 'str' b'bin' 12 0.5 nil true false, #c1 for bytes as they are, and
 * <|u1 2 4 3> for a tensor of zeros. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "stream/stream.h"

#define LENGTH(array) (sizeof(array) / sizeof *(array))

static struct rn_err err;

/* ---- text to msgpack ---- */

static void bytes(struct rn_buffer *out, const void *data, size_t length)
{
    assert_int_equal(rn_buffer_add(out, data, length, &err), 0);
}

/* A first byte and a big-endian number. */
static void lead(struct rn_buffer *out, int first, uint64_t number, int width)
{
    unsigned char room[9] = { (unsigned char)first };
    for (int i = 0; i < width; i++)
        room[1 + i] = (unsigned char)(number >> (8 * (width - 1 - i)));
    bytes(out, room, 1 + (size_t)width);
}

static const char *past(const char *s)
{
    return s + strspn(s, " ,:");
}

static const char *value(struct rn_buffer *out, const char *s);

static const char *container(struct rn_buffer *out, const char *s, char close, int first, size_t group)
{
    struct rn_buffer inner = { 0 };
    size_t count = 0;
    for (s = past(s + 1); *s != close; s = past(s), count++)
        s = value(&inner, s);
    lead(out, first, count / group, 2);
    bytes(out, inner.data, inner.length);
    rn_buffer_free(&inner);
    return s + 1;
}

static const char *quoted(struct rn_buffer *out, const char *s, int first)
{
    size_t length = strcspn(s + 1, "'");
    lead(out, first, length, 2);
    bytes(out, s + 1, length);
    return s + 1 + length + 1;
}

static const char *tensor(struct rn_buffer *out, const char *s)
{
    char type[4] = { s[1], s[2], s[3] }, text[200], shape[100];
    size_t length = strcspn(s, ">"), count = (size_t)(s[3] - '0');
    snprintf(shape, sizeof shape, "%.*s", (int)(length - 4), s + 4);
    for (char *at = shape, *end; *past(at); at = end)
        count *= strtoul(at, &end, 10);
    snprintf(text, sizeof text, "{b'nd': true, b'type': '%s', b'kind': b'', b'shape': [%s], b'data': ", type, shape);
    struct rn_buffer zeros = { calloc(count + 1, 1), count, count + 1 };
    struct rn_buffer map = { 0 };
    lead(&map, 0xc6, count, 4);
    bytes(&map, zeros.data, zeros.length);
    lead(out, 0xde, 5, 2);
    for (const char *at = past(text + 1); *at; at = past(at))
        at = value(out, at);
    bytes(out, map.data, map.length);
    rn_buffer_free(&zeros);
    rn_buffer_free(&map);
    return s + length + 1;
}

static const char *raw(struct rn_buffer *out, const char *s)
{
    unsigned byte;
    for (s++; strspn(s, "0123456789abcdef") >= 2; s += 2) {
        sscanf(s, "%2x", &byte);
        lead(out, (int)byte, 0, 0);
    }
    return s;
}

static const char *number(struct rn_buffer *out, const char *s)
{
    char *end;
    size_t length = strspn(s, "-0123456789.e");
    if (memchr(s, '.', length)) {
        double real = strtod(s, &end);
        uint64_t bits;
        memcpy(&bits, &real, sizeof bits);
        lead(out, 0xcb, bits, 8);
    } else if (*s == '-') {
        lead(out, 0xd3, (uint64_t)strtoll(s, &end, 10), 8);
    } else {
        lead(out, 0xcf, strtoull(s, &end, 10), 8);
    }
    return end;
}

static const char *value(struct rn_buffer *out, const char *s)
{
    static const struct { const char *word; int byte; } words[] = { { "nil", 0xc0 }, { "true", 0xc3 }, { "false", 0xc2 } };
    for (size_t i = 0; i < LENGTH(words); i++)
        if (!strncmp(s, words[i].word, strlen(words[i].word)))
            return lead(out, words[i].byte, 0, 0), s + strlen(words[i].word);
    if (*s == '{')
        return container(out, s, '}', 0xde, 2);
    if (*s == '[')
        return container(out, s, ']', 0xdc, 1);
    if (*s == '\'')
        return quoted(out, s, 0xda);
    if (*s == 'b')
        return quoted(out, s + 1, 0xc5);
    if (*s == '<')
        return tensor(out, s);
    if (*s == '#')
        return raw(out, s);
    assert_non_null(strchr("-0123456789", *s));
    return number(out, s);
}

static void all_values(struct rn_buffer *out, const char *s)
{
    for (s = past(s); *s; s = past(s))
        s = value(out, s);
}

/* ---- reading it ---- */

/* The number of records, or -1. */
static long read_bytes(const struct rn_buffer *stream, bool unique)
{
    char path[64], *paths[] = { path };
    struct rn_reader *reader;
    struct rn_record record;
    const struct rn_head *head;
    long records = 0;
    int rc, fd = memfd_create("stream", MFD_CLOEXEC);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    assert_int_equal(write(fd, stream->data, stream->length), stream->length);
    memset(&err, 0, sizeof err);
    assert_int_equal(rn_reader_open(&reader, paths, 1, &err), 0);
    if (unique)
        rn_reader_unique(reader);
    while ((rc = rn_reader_head(reader, (1 << RN_KINDS) - 1, &head, &err)) == 1)
        while ((rc = rn_reader_record(reader, &record, &err)) == 1)
            records++;
    if (rc < 0) { /* damage stays */
        struct rn_err first = err;
        assert_int_equal(rn_reader_head(reader, (1 << RN_KINDS) - 1, &head, &err), -1);
        assert_int_equal(rn_reader_record(reader, &record, &err), -1);
        assert_string_equal(err.text, first.text);
    }
    rn_reader_close(reader);
    close(fd);
    return rc < 0 ? -1 : records;
}

/* message NULL: the stream must be read; else it must be refused in these words. */
static void check(const char *text, const char *message, bool unique)
{
    struct rn_buffer stream = { 0 };
    all_values(&stream, text);
    long records = read_bytes(&stream, unique);
    if (!message && records < 0)
        fail_msg("%s\n refused: %s", text, err.text);
    if (message && records >= 0)
        fail_msg("%s\n accepted, not refused with: %s", text, message);
    if (message && (err.exit != RN_EXIT_DATA || !strstr(err.text, message)))
        fail_msg("%s\n exit %d: %s\n not: %s", text, err.exit, err.text, message);
    rn_buffer_free(&stream);
}

struct row { const char *text, *message; };

/* Heads, each with a tail. */
static void heads(void **state)
{
    (void)state;
#define PLAIN "'rn': 'samples', 'version': 1, 'classes': ['a', 'b']"
#define INPUT "'input': {'size': 32, 'resize': 40, 'mean': [0, 0.5, 0], 'std': [1, 1, 1]}"
#define BATCHES "'rn': 'batches', 'version': 1, 'classes': ['a', 'b']"
#define WEIGHTS "'rn': 'weights', 'version': 1, 'classes': ['a', 'b']"
    static const struct row rows[] = {
        { "{" PLAIN "}", NULL },
        { "{" PLAIN ", 'history': nil, 'mine': {'x': [1, {'y': -2}]}}", NULL },
        { "{'classes': [], 'version': 1, 'rn': b'samples'}", NULL },
        { "{'classes': [], 'version': {b'nd': false, b'type': '|u1', b'data': b'\x01'}, 'rn': 'samples'}", NULL },
        { "{'version': 1, 'classes': []}", "head (byte 0): not a head: the key \"rn\" is missing" },
        { "{'rn': 'samples', 'classes': []}", "the key \"version\" is missing" },
        { "{'rn': 'samples', 'version': 1}", "the key \"classes\" is missing" },
        { "{'rn': 'sample', 'version': 1, 'classes': []}", "an unknown kind: \"sample\"" },
        { "{'rn': 7, 'version': 1, 'classes': []}", "\"rn\" is not text" },
        { "{'rn': 'samples', 'version': 2, 'classes': []}", "version 2" },
        { "{'rn': 'samples', 'version': 1.0, 'classes': []}", "\"version\" is not a whole number" },
        { "{'rn': 'samples', 'version': 1, 'classes': 3}", "\"classes\" is not an array" },
        { "{'rn': 'samples', 'version': 1, 'classes': [3]}", "\"classes\" is not text" },
        { "{'rn': 'samples', 'version': 1, 'classes': ['a', 'b', b'a']}", "the class \"a\" is there twice" },
        { "{'rn': 'samples', 'version': 1, 'classes': ['a', '']}", "class 1 has an empty name" },
        { "{'rn': 'predictions', 'version': 1, 'classes': []}", "predictions without classes" },
        { "{" PLAIN ", b'history': []}", "the key \"history\" is bin" },
        { "{" PLAIN ", 7: []}", "a key that is not text" },
        { "{" PLAIN ", 'x': {7: 7}}", "a key that is not text" },
        { "{" PLAIN ", 'rn': 'samples'}", "the key \"rn\" is there twice" },
        { "{" PLAIN ", 'x': 1, 'x': 1}", "the key \"x\" is there twice" },
        { "{" PLAIN ", 'x': {'a': 1, 'b': 1, b'a': 2}}", "the key \"a\" is there twice" },
        { "{" PLAIN ", 'history': [{'tool': 't', 'version': '1'}]}", "history, step 0: the key \"args\" is missing" },
        { "{" PLAIN ", 'history': [{'tool': 't', 'version': '1', 'args': [1]}]}", "\"args\" is not text" },
        { "{" PLAIN ", 'history': [{'tool': 't', 'version': '1', 'args': [], 'at': 1}]}", "the key \"at\" does not belong here" },
        { "{" PLAIN ", 'history': {}}", "\"history\" is not an array" },
        { "{" PLAIN ", 'x': [[[[[[[]]]]]]]}", NULL },
        { "{" PLAIN ", 'x': [[[[[[[[]]]]]]]]}", "nested deeper than 8" },
        { "{" PLAIN ", 'x': #c1}", "the byte c1" },
        { "{" PLAIN ", 'x': #d40100}", "the byte d4" },
        { "{" PLAIN ", 'x': #c70100}", "the byte c7" },
        { "{" PLAIN ", 'x': #ddff000000}", "larger than the limit of 1073741824 bytes" },
        { "{" PLAIN ", 'x': #dfff000000}", "larger than the limit" },
        { "{" PLAIN ", 'x': #dd01000000}", "more than 16000000 objects" },
        { "{" PLAIN ", 'x': #c640000000}", "larger than the limit" },
        { "{" PLAIN ", 'x': #dbffffffff}", "larger than the limit" },
        { "{" BATCHES "}", NULL },
        { "{" BATCHES ", 'mode': 'train', " INPUT ", 'class_counts': [1, 2], 'seed': 18446744073709551615}", NULL },
        { "{" BATCHES ", 'mode': 'both'}", "\"mode\" is neither" },
        { "{" BATCHES ", 'views': 8, 'any_size': true}", NULL },
        { "{" BATCHES ", 'views': nil, 'any_size': nil}", NULL },
        { "{" BATCHES ", 'views': 1}", "\"views\" is not a whole number from 2" },
        { "{" BATCHES ", 'any_size': 1}", "\"any_size\" is neither true nor false" },
        { "{'rn': 'batches', 'version': 2, 'classes': ['a', 'b']}", NULL },
        { "{'rn': 'batches', 'version': 4, 'classes': ['a', 'b']}", "version 4 of the format is not known here" },
        { "{'rn': 'batches', 'version': 3, 'classes': ['a', 'b']}", "\"features\" is missing" },
        { "{'rn': 'batches', 'version': 3, 'classes': [], 'features': {'layer': 'head', 'network': 7}}", NULL },
        { "{'rn': 'batches', 'version': 3, 'classes': [], 'features': {'layer': 'head'}}", "features: the key \"network\" is missing" },
        { "{'rn': 'batches', 'version': 3, 'classes': [], 'features': {'layer': 1, 'network': 7}}", "features: \"layer\" is not text" },
        { "{'rn': 'batches', 'version': 3, 'classes': [], 'features': {'layer': 'head', 'network': -7}}", "features: \"network\" is not" },
        { "{" BATCHES ", 'features': {'layer': 'head', 'network': 7}}", "\"features\" in a stream of version 1" },
        { "{'rn': 'samples', 'version': 3, 'classes': []}", "version 3" },
        { "{'rn': 'samples', 'version': 2, 'classes': ['a', 'b']}", "version 2 of the format is not known here" },
        { "{'rn': 'predictions', 'version': 1, 'classes': ['a'], 'epoch': 3, 'seed': 18446744073709551615}", NULL },
        { "{'rn': 'predictions', 'version': 1, 'classes': ['a'], 'epoch': nil, 'seed': nil}", NULL },
        { "{'rn': 'predictions', 'version': 1, 'classes': ['a'], 'epoch': -1}", "\"epoch\" is not a whole number from 0" },
        { "{'rn': 'predictions', 'version': 1, 'classes': ['a'], 'seed': 'x'}", "\"seed\" is not a whole number" },
        { "{" BATCHES ", 'batch': 0}", "\"batch\" is not a whole number from 1" },
        { "{" BATCHES ", 'epoch': -1}", "\"epoch\" is not a whole number from 0" },
        { "{" BATCHES ", 'seed': -1}", "\"seed\" is not a whole number" },
        { "{" BATCHES ", 'seed': 0.5}", "\"seed\" is not a whole number" },
        { "{" BATCHES ", 'batches_per_epoch': 9223372036854775808}", "\"batches_per_epoch\" is not a whole number" },
        { "{" BATCHES ", 'class_counts': [1]}", "1 class_counts for 2 classes" },
        { "{" BATCHES ", 'class_counts': [1, nil]}", "\"class_counts\" is not a whole number" },
        { "{" BATCHES ", 'input': 1}", "input: not a map" },
        { "{" BATCHES ", 'input': {'size': 32, 'resize': 40, 'mean': [0, 0, 0]}}", "the key \"std\" is missing" },
        { "{" BATCHES ", 'input': {'size': 0, 'resize': 40, 'mean': [0, 0, 0], 'std': [1, 1, 1]}}", "input: \"size\"" },
        { "{" BATCHES ", 'input': {'size': 32, 'resize': 40, 'mean': [0, 0], 'std': [1, 1, 1]}}", "holds 2 numbers, not 3" },
        { "{" BATCHES ", 'input': {'size': 32, 'resize': 40, 'mean': [0, 0, #cb7ff8000000000000], 'std': [1, 1, 1]}}", "finite" },
        { "{" BATCHES ", 'input': {'size': 32, 'resize': 40, 'mean': [0, 0, 0], 'std': [1, 0, 1]}}", "\"std\" must be above 0" },
        { "{" WEIGHTS "}", "the key \"arch\" is missing" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil}", NULL },
        { "{" WEIGHTS ", 'arch': 'resnet18', 'attention': 'none', " INPUT ", 'epoch': 0}", NULL },
        { "{" WEIGHTS ", 'arch': 'resnet18', 'attention': nil, " INPUT "}", "together" },
        { "{" WEIGHTS ", 'arch': 'resnet18', 'attention': 'none', 'input': nil}", "together" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': nil}", NULL },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': 2}", NULL },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': 0}", "\"temperature\" is not a number from 0.01 to 100" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': -1}", "\"temperature\" is not a number from 0.01 to 100" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': #cb7ff8000000000000}", "finite" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'temperature': 'hot'}", "\"temperature\"" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'epoch': 1, 'best_acc1': 101}", "not a percentage" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'epoch': 1, 'partial': {'correct': 1}}", "partial: " },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'batches': {'seed': 1}}", "batches: " },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'epoch': 1, 'state': {'updates': 1}}", "state: " },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'epoch': 1, 'state': {'updates': -1, 'accumulated': 0, "
                      "'best': nil, "
              "'since_best': 0, 'plateau': 0, 'cuts': 0}}", "state: \"updates\"" },
        { "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil, 'epoch': 1, 'state': {'updates': 1, 'accumulated': 0, "
                      "'best': nil, "
              "'since_best': 0, 'plateau': 0, 'cuts': 0, 'teacher': -1}}", "state: \"teacher\"" },
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[1000];
        snprintf(text, sizeof text, "%s {'rn': 'end', 'records': 0}", rows[i].text);
        check(text, rows[i].message, false);
    }
}

struct record_row { const char *head, *text, *message; };

static void records(void **state)
{
    (void)state;
    static const char samples[] = "{" PLAIN "}", images[] = "{'rn': 'images', 'version': 1, 'classes': ['a', 'b']}",
        predictions[] = "{'rn': 'predictions', 'version': 1, 'classes': ['a', 'b']}", batches[] = "{" BATCHES "}",
        soft[] = "{'rn': 'batches', 'version': 2, 'classes': ['a', 'b']}",
        features[] = "{'rn': 'batches', 'version': 3, 'classes': ['a', 'b'], 'features': {'layer': 'head', 'network': 7}}",
        weights[] = "{" WEIGHTS ", 'arch': nil, 'attention': nil, 'input': nil}",
        unlabeled[] = "{'rn': 'samples', 'version': 1, 'classes': []}",
        unlabeled_batches[] = "{'rn': 'batches', 'version': 1, 'classes': []}";
#define ID "'id': 'x', 'label': 1, 'split': nil"
#define BATCH "'epoch': 0, 'index': 0, 'ids': ['x', b'y']"
#define TENSOR "b'nd': true, b'type': '<f4', b'kind': b'', b'shape': "
    static const struct record_row rows[] = {
        { samples, "{" ID ", 'path': '/x', 'mine': [1]}", NULL },
        { samples, "{" ID ", 'data': b''}", NULL },
        { samples, "{'error': '', " ID "}", NULL },
        { samples, "{'id': b'\xff', 'label': nil, 'split': b'\xff', 'path': b'\xff'}", NULL },
        { samples, "{'id': '\xff', 'label': nil, 'split': nil, 'path': ''}", NULL },
        { samples, "{" ID "}", "record 1 (byte 58): a sample has \"path\" or \"data\"" },
        { samples, "{" ID ", 'path': '/x', 'data': b''}", "a sample has" },
        { samples, "{" ID ", 'data': b'x', 'from_path': '/x'}", NULL },
        { samples, "{" ID ", 'path': '/x', 'from_path': '/x'}", NULL },
        { samples, "{" ID ", 'data': b'x', 'from_path': 3}", "\"from_path\" is not text" },
        { samples, "{" ID ", 'data': ''}", "\"data\" is not bin" },
        { samples, "{" ID ", 'path': nil}", "\"path\" is not text" },
        { samples, "{'id': 'x', 'split': nil, 'path': '/x'}", "the key \"label\" is missing" },
        { samples, "{'id': 'x', 'label': nil, 'path': '/x'}", "the key \"split\" is missing" },
        { samples, "{'id': 3, 'label': nil, 'split': nil, 'path': '/x'}", "\"id\" is not text" },
        { samples, "{'id': 'x', 'label': 2, 'split': nil, 'path': '/x'}", "\"label\" is not a whole number from 0 to 1" },
        { samples, "{'id': 'x', 'label': -1, 'split': nil, 'path': '/x'}", "\"label\" is not" },
        { samples, "{'id': 'x', 'label': true, 'split': nil, 'path': '/x'}", "\"label\" is not" },
        { samples, "{'id': 'x', 'label': 'a', 'split': nil, 'path': '/x'}", "\"label\" is not" },
        { samples, "{'id': 'x', 'label': {b'nd': false, b'type': '<i2', b'data': b'\x01'}, 'split': nil, 'path': '/x'}", "\"label\"" },
        { samples, "{'id': 'x', 'label': nil, 'split': 4, 'path': '/x'}", "\"split\" is not text" },
        { samples, "{'id': 'x', 'error': 'e'}", "the key \"label\" is missing" },
        { samples, "{" ID ", 'error': nil}", "\"error\" is not text" },
        { unlabeled, "{'id': 'x', 'label': nil, 'split': nil, 'path': '/x'}", NULL },
        { unlabeled, "{'id': 'x', 'label': 0, 'split': nil, 'path': '/x'}", "\"label\" must be nil: there are no classes" },
        { images, "{" ID ", 'image': <|u1 2 4 3>}", NULL },
        { images, "{" ID ", 'image': {'nd': true, 'type': b'|u1', 'shape': [1, 1, 3], 'data': b'abc'}}", NULL },
        { images, "{" ID ", 'image': <|u1 2 4 4>}", "\"image\" is |u1 [2,4,4], not |u1 or <f4 [H,W,3]" },
        { images, "{" ID ", 'image': <|u1 0 4 3>}", "\"image\" is |u1 [0,4,3]" },
        { images, "{" ID ", 'image': <|u1 4 3>}", "not |u1 or <f4 [H,W,3]" },
        { images, "{" ID ", 'image': <<f4 2 4 3>}", NULL },
        { images, "{" ID ", 'image': <<f2 2 4 3>}", "not |u1 or <f4 [H,W,3]" },
        { images, "{" ID ", 'image': <|i1 2 4 3>}", "a type that streams do not hold: |i1" },
        { images, "{" ID ", 'image': b'abc'}", "\"image\" is not a tensor" },
        { images, "{" ID ", 'image': {'nd': true, 'type': '|u1', 'shape': [1, 1, 3], 'data': b'ab'}}", "not a tensor whose shape fits" },
        { images, "{" ID ", 'image': {'nd': true, 'type': '|u1', 'shape': [1, 1, 3], 'data': b'abcd'}}", "not a tensor whose shape fits" },
        { images, "{" ID ", 'image': {'nd': true, 'type': '|u1', 'shape': [1, 1, -3], 'data': b'abc'}}", "not a tensor" },
        { images, "{" ID ", 'image': {'nd': true, 'type': '|u1', 'shape': [1, 1, 3], 'data': b'abc', 'x': 1}}", "not a tensor" },
        { images, "{" ID ", 'image': {'nd': true, b'nd': true, 'type': '|u1', 'shape': [1, 1, 3], 'data': b'abc'}}", "twice" },
        { images, "{" ID ", 'image': {'nd': false, 'type': '|u1', 'data': b'a'}}", "not a tensor" },
        { images, "{" ID ", 'path': '/x'}", "the key \"image\" is missing" },
        { batches, "{" BATCH ", 'labels': [0, nil], 'images': <|u1 2 4 4 3>}", NULL },
        { batches, "{" BATCH ", 'labels': [0, 1], 'images': <<f4 2 3 8 9>}", NULL },
        { batches, "{" BATCH ", 'labels': [0, 1], 'targets': <<f4 2 2>, 'images': <|u1 2 4 4 3>}", "\"targets\" in a stream of version 1" },
        { batches, "{" BATCH ", 'labels': [0, 1], 'images': <|u1 2 4 4 3>, 'features': <<f4 2 5 1 1>}", "\"features\" in a stream of images" },
        { features, "{" BATCH ", 'labels': [0, nil], 'features': <<f4 2 5 1 1>}", NULL },
        { features, "{" BATCH ", 'labels': [0, 1], 'images': <|u1 2 4 4 3>}", "\"images\" in a stream of features" },
        { features, "{" BATCH ", 'labels': [0, 1]}", "\"features\" is missing" },
        { features, "{" BATCH ", 'labels': [0, 1], 'features': <<f4 2 5>}", "\"features\" is <f4 [2,5], not <f4 [N,C,H,W]" },
        { features, "{" BATCH ", 'labels': [0, 1], 'features': <<f4 2 0 1 1>}", "\"features\" is <f4 [2,0,1,1]" },
        { features, "{" BATCH ", 'labels': [0, 1], 'features': <<f4 3 5 1 1>}", "2 ids, 2 labels, 3 images" },
        { soft, "{" BATCH ", 'labels': [0, 1], 'images': <|u1 2 4 4 3>}", "\"targets\" is missing" },
        { soft, "{" BATCH ", 'labels': [0, 1], 'targets': <<f4 2 3>, 'images': <|u1 2 4 4 3>}", "\"targets\" is <f4 [2,3], not <f4 [N,C]" },
        { soft, "{" BATCH ", 'labels': [0, 1], 'targets': <<f4 2 2>, 'images': <|u1 2 4 4 3>}", "\"targets\" of image 0 are not shares" },
        { batches, "{" BATCH ", 'labels': {b'nd': true, b'type': '|u1', b'shape': [2], b'data': b'\x01\x01'}, 'images': <|u1 2 4 4 3>}", NULL },
        { batches, "{" BATCH ", 'labels': {b'nd': true, b'type': '|u1', b'shape': [2], b'data': b'\x01\x02'}, 'images': <|u1 2 4 4 3>}", "\"labels\" is not" },
        { batches, "{" BATCH ", 'labels': {b'nd': true, b'type': '|i1', b'shape': [2], b'data': b'\x01\xff'}, 'images': <|u1 2 4 4 3>}", "\"labels\" is not" },
        { batches, "{" BATCH ", 'labels': {b'nd': true, b'type': '|u1', b'shape': [2,1], b'data': b'\x01\x01'}, 'images': <|u1 2 4 4 3>}", "not an array" },
        { batches, "{" BATCH ", 'labels': <<f4 2>, 'images': <|u1 2 4 4 3>}", "\"labels\" is not" },
        { batches, "{" BATCH ", 'labels': [0, 2], 'images': <|u1 2 4 4 3>}", "\"labels\" is not" },
        { batches, "{" BATCH ", 'labels': [0], 'images': <|u1 2 4 4 3>}", "2 ids, 1 labels, 2 images" },
        { batches, "{" BATCH ", 'labels': [0, 1], 'images': <|u1 3 4 4 3>}", "2 ids, 2 labels, 3 images" },
        { batches, "{" BATCH ", 'labels': [0, 1], 'images': <|u1 2 3 4 4>}", "not |u1 [N,H,W,3] or <f4 [N,3,H,W]" },
        { batches, "{" BATCH ", 'labels': [0, 1], 'images': <<f4 2 4 4 3>}", "not |u1 [N,H,W,3]" },
        { batches, "{'epoch': 0, 'index': 0, 'ids': [], 'labels': [], 'images': <|u1 0 4 4 3>}", "not |u1 [N,H,W,3]" },
        { batches, "{'epoch': -1, 'index': 0, 'ids': ['x'], 'labels': [0], 'images': <|u1 1 4 4 3>}", "\"epoch\"" },
        { batches, "{'epoch': 0, 'index': 0, 'ids': [0], 'labels': [0], 'images': <|u1 1 4 4 3>}", "\"ids\" is not text" },
        { batches, "{" ID ", 'error': 'not a picture'}", NULL },
        { unlabeled_batches, "{" BATCH ", 'labels': [nil, nil], 'images': <|u1 2 4 4 3>}", NULL },
        { unlabeled_batches, "{" BATCH ", 'labels': [0, nil], 'images': <|u1 2 4 4 3>}", "\"labels\" must be nil: there are no classes" },
        { predictions, "{'id': 'x', 'label': nil, 'probs': <<f4 2>}", NULL },
        { predictions, "{'id': 'x', 'label': nil, 'probs': <<f4 3>}", "\"probs\" is <f4 [3], not <f4 [2], one a class" },
        { predictions, "{'id': 'x', 'label': nil, 'probs': <<f8 2>}", "a type that streams do not hold: <f8" },
        { predictions, "{'id': 'x', 'label': nil, 'probs': [0.5, 0.5]}", "\"probs\" is not a tensor" },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': <<i8 >}", NULL },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': <<f2 1 1 1 1 1 1 1 0>}", NULL },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': <<f2 1 1 1 1 1 1 1 1 1>}", "\"value\" is not a tensor" },
        { weights, "{'name': 'w', 'role': 'bias', 'value': <<f4 1>}", "an unknown role: \"bias\"" },
        { weights, "{'name': 1, 'role': 'buffer', 'value': <<f4 1>}", "\"name\" is not text" },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': {" TENSOR "[4294967296, 4294967296, 4], b'data': b''}}", "not a tensor" },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': {" TENSOR "[4611686018427387904, 4], b'data': b''}}", "not a tensor" },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': {" TENSOR "[0, 18446744073709551615, 8], b'data': b''}}", NULL },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': {b'nd': true, b'type': '<f4', b'kind': b'V', b'shape': [0], b'data': b''}}", "not a tensor" },
        { weights, "{'name': 'w', 'role': 'buffer', 'value': {b'nd': true, b'type': '>f4', b'kind': b'', b'shape': [0], b'data': b''}}", "not a tensor" },
        { samples, "[1]", "no map begins here" },
        { samples, "{'rn': 'samples', 'version': 1, 'classes': []}", "a head where a record or the tail must be" },
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[1000];
        snprintf(text, sizeof text, "%s %s {'rn': 'end', 'records': 1}", rows[i].head, rows[i].text);
        check(text, rows[i].message, false);
    }
}

static void tails(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "{'rn': 'end', 'records': 0}", NULL },
        { "{'records': 0, 'rn': b'end'}", NULL },
        { "{'rn': 'end', 'records': 1}", "tail (byte 58): 0 records came, the tail says 1" },
        { "{'rn': 'end', 'records': -1}", "\"records\" is not a whole number" },
        { "{'rn': 'end'}", "the key \"records\" is missing" },
        { "{'rn': 'end', 'records': 0, 'x': 0}", "the key \"x\" does not belong here" },
        { "{'rn': 'end', 'records': 0, 'xxh3': b'12345678'}", "the segment's hash is not the tail's" },
        { "{'rn': 'end', 'records': 0, 'xxh3': '12345678'}", "\"xxh3\" is not bin of 8 bytes" },
        { "{'rn': 'end', 'records': 0, 'xxh3': b'1234567'}", "\"xxh3\" is not bin of 8 bytes" },
        { "{'rn': 'end', 'records': 0, 'xxh3': nil}", "\"xxh3\" is not bin of 8 bytes" },
        { "", "record 1 (byte 58): the file ends before the tail" },
        { "{'rn': 'end', 'records': 0} {'rn': 'end', 'records': 0}", "a tail where a head must be" },
        { "{'rn': 'end', 'records': 0} 7", "head (byte 91): not an rn stream" },
        { "{'rn': 'end', 'records': 0} #84", "head (byte 91): the file ends within it, after 1 bytes" },
        { "#80", "the key \"id\" is missing" },
        { "{'rn': 'end', 'records': 0} #80", "not a head" },
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        char text[1000];
        snprintf(text, sizeof text, "{" PLAIN "} %s", rows[i].text);
        check(text, rows[i].message, false);
    }
    check("#ddff000000", "head (byte 0): not an rn stream", false);
    check("", "head (byte 0): there are no bytes at all", false);
}

static void repeated_ids(void **state)
{
    (void)state;
    static const char text[] = "{" PLAIN "} {'id': 'x', 'label': 1, 'split': nil, 'path': '/x'} {'rn': 'end', 'records': 1}"
                               "{" PLAIN "} {'id': 'y', 'label': 1, 'split': nil, 'path': '/x'}"
                               "{'id': 'x', 'label': 1, 'split': nil, 'error': 'e'} {'rn': 'end', 'records': 2}";
    check(text, NULL, false);
    check(text, "record 2", true);
    assert_non_null(strstr(err.text, "the id \"x\" is there twice"));
}

/* Maps of many keys are looked through in another way. */
static void many_keys(void **state)
{
    (void)state;
    static const char *const names[] = { "k0", "k1", "k70000" };
    for (size_t i = 0; i < LENGTH(names); i++) {
        struct rn_buffer stream = { 0 };
        all_values(&stream, "#df00011174 'rn' 'samples' 'version' 1 'classes' []");
        for (int k = 0; k < 70000; k++) {
            char pair[32];
            snprintf(pair, sizeof pair, "'k%d' 0", k);
            all_values(&stream, pair);
        }
        char last[64];
        snprintf(last, sizeof last, "'%s' 0 {'rn': 'end', 'records': 0}", names[i]);
        all_values(&stream, last);
        assert_int_equal(read_bytes(&stream, false), i < 2 ? -1 : 0);
        assert_true(i == 2 || strstr(err.text, "there twice"));
        rn_buffer_free(&stream);
    }
}

static void limit_from_outside(void **state)
{
    (void)state;
    static const char text[] = "{" PLAIN "} {'rn': 'end', 'records': 0}";
    struct rn_reader *reader;
    setenv("RN_RECORD_MAX", "58", 1);
    check(text, NULL, false);
    setenv("RN_RECORD_MAX", "57", 1);
    check(text, "larger than the limit of 57 bytes (RN_RECORD_MAX)", false);
    setenv("RN_RECORD_MAX", "much", 1);
    char path[] = "/dev/null", *paths[] = { path };
    assert_int_equal(rn_reader_open(&reader, paths, 1, &err), -1);
    assert_int_equal(err.exit, RN_EXIT_USAGE);
    setenv("RN_RECORD_MAX", "2G", 1);
    check("{" PLAIN ", 'x': #c640000000} {'rn': 'end', 'records': 0}", "the file ends within it", false);
    unsetenv("RN_RECORD_MAX");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(heads),
        cmocka_unit_test(records),
        cmocka_unit_test(tails),
        cmocka_unit_test(repeated_ids),
        cmocka_unit_test(many_keys),
        cmocka_unit_test(limit_from_outside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
