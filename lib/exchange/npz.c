/* npz.c -- numpy's archive: a zip of stored .npy files, one a tensor, so that numpy.load gives them by name. */
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

#include "exchange/private.h"

enum { VERSION = 20, DATE = 1 << 5 | 1 }; /* 1 January 1980: the same tensors are the same bytes */

/* The .npy header (version 1.0): magic, length, a Python dictionary; padded to a multiple of 64. */
static int npy_header(struct rn_buffer *entry, const struct rn_tensor *tensor, struct rn_err *err)
{
    char text[512];
    int n = snprintf(text, sizeof text, "{'descr': '%s', 'fortran_order': False, 'shape': (", rn_type_name(tensor->type));
    for (int i = 0; i < tensor->dims; i++)
        n += snprintf(text + n, sizeof text - (size_t)n, i ? ", %zu" : "%zu", tensor->shape[i]);
    n += snprintf(text + n, sizeof text - (size_t)n, "%s), }", tensor->dims == 1 ? "," : "");
    size_t padded = (10 + (size_t)n + 1 + 63) / 64 * 64 - 10;
    char start[10] = { '\x93', 'N', 'U', 'M', 'P', 'Y', 1, 0 };
    rn_put_le(start + 8, padded, 2);
    memset(text + n, ' ', padded - (size_t)n);
    text[padded - 1] = '\n';
    return rn_buffer_add(entry, start, sizeof start, err) || rn_buffer_add(entry, text, padded, err) ? -1 : 0;
}

/* What local and central headers have in common, from the version needed to the length of the extra field. */
static void common(char at[26], uint32_t crc, size_t size, size_t name)
{
    memset(at, 0, 26);
    rn_put_le(at, VERSION, 2);
    rn_put_le(at + 8, DATE, 2);
    rn_put_le(at + 10, crc, 4);
    rn_put_le(at + 14, size, 4);
    rn_put_le(at + 18, size, 4);
    rn_put_le(at + 22, name, 2);
}

struct archive {
    struct rn_out *out;
    struct rn_buffer directory, entry;
    size_t at, count;
};

static int put(struct archive *a, const void *bytes, size_t length, struct rn_err *err)
{
    /* the format without its 64-bit extension */
    if (length >= UINT32_MAX - 65536 - a->at)
        return rn_fail(err, RN_EXIT_DATA, "an .npz of 4 GiB or more cannot be written; .safetensors can");
    a->at += length;
    return rn_out_write(a->out, bytes, length, err);
}

static int add(struct archive *a, const struct rn_named *item, struct rn_err *err)
{
    char name[1024], shown[256], local[30] = "PK\3\4", central[46] = "PK\1\2";
    size_t count, length = strlen(item->name) + 4, start = a->at;
    if (length >= sizeof name || item->name[0] == '/' || strstr(item->name, "..") || strchr(item->name, '\\'))
        return rn_fail(err, RN_EXIT_DATA, "'%s' cannot be a name in an archive", rn_text_show(rn_text(item->name), shown));
    snprintf(name, sizeof name, "%s.npy", item->name);
    a->entry.length = 0;
    if (!rn_tensor_count(&item->tensor, &count) || npy_header(&a->entry, &item->tensor, err) ||
        rn_buffer_add(&a->entry, item->tensor.data, count * rn_type_size(item->tensor.type), err))
        return -1;
    uint32_t crc = (uint32_t)crc32_z(0, (const unsigned char *)a->entry.data, a->entry.length);
    common(local + 4, crc, a->entry.length, length);
    rn_put_le(central + 4, VERSION, 2);
    common(central + 6, crc, a->entry.length, length);
    rn_put_le(central + 42, start, 4);
    a->count++;
    return put(a, local, sizeof local, err) || put(a, name, length, err) || put(a, a->entry.data, a->entry.length, err) ||
           rn_buffer_add(&a->directory, central, sizeof central, err) || rn_buffer_add(&a->directory, name, length, err) ? -1 : 0;
}

static int finish(struct archive *a, struct rn_err *err)
{
    char end[22] = "PK\5\6";
    if (a->count > 65534)
        return rn_fail(err, RN_EXIT_DATA, "too many tensors for an .npz");
    rn_put_le(end + 8, a->count, 2);
    rn_put_le(end + 10, a->count, 2);
    rn_put_le(end + 12, a->directory.length, 4);
    rn_put_le(end + 16, a->at, 4);
    return put(a, a->directory.data, a->directory.length, err) || put(a, end, sizeof end, err) ? -1 : 0;
}

int rn_npz_write(const struct rn_tensors *tensors, struct rn_out *out, struct rn_err *err)
{
    struct archive a = { .out = out };
    int rc = 0;
    for (size_t i = 0; i < tensors->count && rc == 0; i++)
        rc = add(&a, &tensors->item[i], err);
    if (rc == 0)
        rc = finish(&a, err);
    rn_buffer_free(&a.directory);
    rn_buffer_free(&a.entry);
    return rc;
}
