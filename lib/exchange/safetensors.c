/* safetensors.c -- the format of Hugging Face: 8 bytes little-endian, the length of a JSON header; the header, name ->
 * {dtype, shape, data_offsets}, padded with spaces; the tensors' bytes, without gaps. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "exchange/private.h"

enum { HEADER_LIMIT = 100000000 }; /* the reference's */

static const struct { const char *name; enum rn_element element; } types[] = {
    { "F32", RN_E_F32 }, { "F16", RN_E_F16 }, { "BF16", RN_E_BF16 }, { "F64", RN_E_F64 }, { "I64", RN_E_I64 }, { "I32", RN_E_I32 },
    { "I16", RN_E_I16 }, { "I8", RN_E_I8 }, { "U8", RN_E_U8 }, { "BOOL", RN_E_BOOL }, { "U16", RN_E_U16 }, { "U32", RN_E_U32 },
    { "U64", RN_E_U64 }, { "F8_E4M3", RN_E_F8_E4M3 }, { "F8_E5M2", RN_E_F8_E5M2 },
};

/* ---- reading ---- */

struct span {
    size_t begin, end;
};

struct reading {
    struct rn_foreign *foreign;
    const char *data; /* after the header */
    size_t length;
    struct span *span; /* of each tensor, for the check that there are neither gaps nor overlaps */
    size_t spans;
    struct rn_err *err;
};

static int bad(struct reading *r, const char *name, const char *what)
{
    char shown[256];
    return rn_fail(r->err, RN_EXIT_DATA, "header: '%s': %s", rn_text_show(rn_text(name), shown), what);
}

static int parse_type(struct reading *r, const char *name, json_t *value, enum rn_element *element)
{
    const char *type = json_string_value(value);
    char text[128];
    for (size_t i = 0; type && i < sizeof types / sizeof *types; i++) {
        if (!strcmp(type, types[i].name)) {
            *element = types[i].element;
            return 0;
        }
    }
    snprintf(text, sizeof text, "a dtype that is not known: %.60s", type ? type : "(none)");
    return bad(r, name, text);
}

/* An array of whole numbers that are not negative: how many, or -1. */
static int parse_sizes(json_t *value, size_t *size, size_t most)
{
    size_t count = json_array_size(value);
    if (!json_is_array(value) || count > most)
        return -1;
    for (size_t i = 0; i < count; i++) {
        json_t *item = json_array_get(value, i);
        if (!json_is_integer(item) || json_integer_value(item) < 0)
            return -1;
        size[i] = (size_t)json_integer_value(item);
    }
    return (int)count;
}

static int parse_tensor(struct reading *r, const char *name, json_t *entry)
{
    struct rn_strided view = { 0 };
    size_t offset[2], bytes = 1;
    if (!json_is_object(entry) || json_object_size(entry) != 3)
        return bad(r, name, "not an object of dtype, shape and data_offsets");
    if (parse_type(r, name, json_object_get(entry, "dtype"), &view.element))
        return -1;
    view.dims = parse_sizes(json_object_get(entry, "shape"), view.shape, RN_DIMS);
    if (view.dims < 0)
        return bad(r, name, "a shape that is not one of at most 8 sizes");
    if (parse_sizes(json_object_get(entry, "data_offsets"), offset, 2) != 2 || offset[0] > offset[1] || offset[1] > r->length)
        return bad(r, name, "data_offsets that are not in the file");
    for (int i = view.dims - 1; i >= 0; i--) {
        view.stride[i] = bytes;
        if (!rn_mul(bytes, view.shape[i], &bytes))
            return bad(r, name, "a shape that overflows");
    }
    view.elements = bytes;
    if (!rn_mul(bytes, rn_element_size(view.element), &bytes) || bytes != offset[1] - offset[0])
        return bad(r, name, "data_offsets that do not match the shape");
    view.storage = r->data + offset[0];
    r->span[r->spans++] = (struct span){ offset[0], offset[1] };
    return rn_foreign_add(r->foreign, rn_text(name), &view, r->err);
}

static const char *get(void *metadata, const char *key)
{
    return json_string_value(json_object_get(metadata, key));
}

static int by_begin(const void *a, const void *b)
{
    const struct span *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return x->end < y->end ? -1 : x->end > y->end;
}

static int check_spans(struct reading *r)
{
    size_t at = 0;
    qsort(r->span, r->spans, sizeof *r->span, by_begin);
    for (size_t i = 0; i < r->spans; at = r->span[i++].end)
        if (r->span[i].begin != at)
            return rn_fail(r->err, RN_EXIT_DATA, "header: tensors that overlap or leave a gap at byte %zu of the data", at);
    if (at != r->length)
        return rn_fail(r->err, RN_EXIT_DATA, "header: %zu bytes of data, but the tensors have %zu", r->length, at);
    return 0;
}

static int parse_header(struct reading *r, json_t *root)
{
    const char *name;
    json_t *entry;
    if (!(r->span = rn_calloc(json_object_size(root), sizeof *r->span, r->err)))
        return -1;
    json_object_foreach(root, name, entry)
        if (strcmp(name, "__metadata__") && parse_tensor(r, name, entry))
            return -1;
    if (rn_about_read(&r->foreign->about, get, json_object_get(root, "__metadata__"), r->err))
        return -1;
    return check_spans(r);
}

int rn_safetensors_read(struct rn_foreign *foreign, struct rn_text bytes, struct rn_err *err)
{
    json_error_t error;
    uint64_t header = bytes.length >= 8 ? rn_le64(bytes.data) : 0;
    if (bytes.length < 8 || header > bytes.length - 8 || header > HEADER_LIMIT)
        return rn_fail(err, RN_EXIT_DATA, "a safetensors header that is longer than the file, or than %d bytes",
                       HEADER_LIMIT);
    json_set_alloc_funcs(rn_watched_malloc, free);
    json_t *root = json_loadb(bytes.data + 8, (size_t)header, JSON_REJECT_DUPLICATES, &error);
    if (!root)
        return rn_watched_check(err) ? -1 : rn_fail(err, RN_EXIT_DATA, "header: byte %d: %s", 8 + error.position, error.text);
    struct reading r = { .foreign = foreign, .data = bytes.data + 8 + header, .length = bytes.length - 8 - (size_t)header,
                         .err = err };
    int rc = json_is_object(root) ? parse_header(&r, root) : rn_fail(err, RN_EXIT_DATA, "header: not an object");
    json_decref(root);
    free(r.span);
    return rn_watched_check(err) ? -1 : rc;
}

/* ---- writing ---- */

static const char *type_name(enum rn_type type)
{
    static const char *const names[RN_TYPES] = { [RN_U8] = "U8", [RN_F16] = "F16", [RN_F32] = "F32", [RN_I64] = "I64" };
    return names[type];
}

static int describe(struct rn_buffer *header, const struct rn_named *item, size_t begin, size_t end, struct rn_err *err)
{
    char text[512];
    int n = snprintf(text, sizeof text, ":{\"dtype\":\"%s\",\"shape\":[", type_name(item->tensor.type));
    for (int i = 0; i < item->tensor.dims; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, "%s%zu", i ? "," : "", item->tensor.shape[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "],\"data_offsets\":[%zu,%zu]}", begin, end);
    return rn_buffer_add(header, ",", 1, err) || rn_text_escape(header, rn_text(item->name), RN_ESCAPE_JSON, err) ||
           rn_buffer_add(header, text, (size_t)n, err) ? -1 : 0;
}

static size_t bytes_of(const struct rn_tensor *tensor)
{
    size_t count = 0;
    return rn_tensor_count(tensor, &count) ? count * rn_type_size(tensor->type) : 0; /* checked when it was read */
}

/* Largest elements first, so that each tensor is aligned. */
static const enum rn_type order[] = { RN_I64, RN_F32, RN_F16, RN_U8 };
enum { ORDER = sizeof order / sizeof *order };

struct metadata {
    struct rn_buffer *header;
    struct rn_err *err;
};

static int put_metadata(void *context, const char *key, struct rn_text value)
{
    struct metadata *m = context;
    return rn_buffer_add(m->header, ",", 1, m->err) || rn_text_escape(m->header, rn_text(key), RN_ESCAPE_JSON, m->err) ||
           rn_buffer_add(m->header, ":", 1, m->err) || rn_text_escape(m->header, value, RN_ESCAPE_JSON, m->err) ? -1 : 0;
}

static int make_header(struct rn_buffer *header, const struct rn_head *head, const struct rn_tensors *tensors, struct rn_err *err)
{
    static const char begin[] = "{\"__metadata__\":{\"format\":\"pt\"";
    char shown[256];
    size_t at = 0;
    if (rn_buffer_add(header, begin, sizeof begin - 1, err) ||
        rn_about_write(head, put_metadata, &(struct metadata){ header, err }, err) || rn_buffer_add(header, "}", 1, err))
        return -1;
    for (size_t k = 0; k < ORDER; k++) {
        for (size_t i = 0; i < tensors->count; i++) {
            const struct rn_named *item = &tensors->item[i];
            if (item->tensor.type != order[k])
                continue;
            if (!rn_text_is_utf8(rn_text(item->name)) || !strcmp(item->name, "__metadata__"))
                return rn_fail(err, RN_EXIT_DATA, "'%s' cannot be a name in safetensors", rn_text_show(rn_text(item->name), shown));
            if (describe(header, item, at, at + bytes_of(&item->tensor), err))
                return -1;
            at += bytes_of(&item->tensor);
        }
    }
    if (rn_buffer_add(header, "}", 1, err))
        return -1;
    while (header->length % 8)
        if (rn_buffer_add(header, " ", 1, err))
            return -1;
    return 0;
}

int rn_safetensors_write(const struct rn_head *head, const struct rn_tensors *tensors, struct rn_out *out, struct rn_err *err)
{
    struct rn_buffer header = { 0 };
    char length[8];
    int rc = make_header(&header, head, tensors, err);
    rn_put_le(length, header.length, sizeof length);
    if (rc == 0)
        rc = rn_out_write(out, length, sizeof length, err) || rn_out_write(out, header.data, header.length, err) ? -1 : 0;
    for (size_t k = 0; k < ORDER && rc == 0; k++)
        for (size_t i = 0; i < tensors->count && rc == 0; i++)
            if (tensors->item[i].tensor.type == order[k])
                rc = rn_out_write(out, tensors->item[i].tensor.data, bytes_of(&tensors->item[i].tensor), err);
    rn_buffer_free(&header);
    return rc;
}
