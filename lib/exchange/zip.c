/* zip.c -- archives as PyTorch writes them: stored entries, with or without zip64 (PKWARE's APPNOTE 6.3). Compressed ones may be
 * there, but cannot be read.
 *
 * The central directory and every local header must agree, entries must not overlap, and nothing may lie outside the
 * file: an archive that says two things is refused. */
#include <stdlib.h>
#include <zlib.h>

#include "exchange/private.h"

enum { LOCAL = 30, CENTRAL = 46, END = 22, END64 = 56, LOCATOR = 20, COMMENT_LIMIT = 65535 };
enum { NO16 = 0xffff, ENCRYPTED = 1, LATER = 8 }; /* LATER: the local header leaves sizes to what follows the data */
static const uint32_t no32 = 0xffffffff;

static int bad(struct rn_err *err, size_t at, const char *what)
{
    rn_fail(err, RN_EXIT_DATA, "zip: byte %zu: %s", at, what);
    return -1;
}

/* Whether `length` bytes at `at` lie before `end`. */
static bool within(uint64_t at, uint64_t length, uint64_t end)
{
    return at <= end && length <= end - at;
}

/* The place of the end record: the last one whose comment reaches just to the end of the file. */
static int find_end(struct rn_text bytes, size_t *end, struct rn_err *err)
{
    for (size_t back = END; back <= bytes.length && back <= END + COMMENT_LIMIT; back++) {
        const char *at = bytes.data + bytes.length - back;
        if (!memcmp(at, "PK\5\6", 4) && rn_le16(at + 20) == back - END) {
            *end = bytes.length - back;
            return 0;
        }
    }
    return bad(err, bytes.length, "no end of the directory: cut, or not an archive");
}

struct directory {
    uint64_t count, size, start;
    size_t end; /* where it must end: the first of the end records */
};

/* zip64: a locator just before the end record, and the record that it points to just before that. */
static int read_end64(struct rn_text bytes, size_t end, struct directory *d, struct rn_err *err)
{
    const char *locator = bytes.data + end - LOCATOR;
    uint64_t at = rn_le64(locator + 8);
    if (rn_le32(locator + 4) || rn_le32(locator + 16) > 1)
        return bad(err, end, "an archive of several parts");
    if (!within(at, END64, end - LOCATOR) || memcmp(bytes.data + at, "PK\6\6", 4))
        return bad(err, end - LOCATOR, "the zip64 end record is not where it is said to be");
    const char *record = bytes.data + at;
    if (rn_le64(record + 4) != end - LOCATOR - at - 12 || rn_le32(record + 16) || rn_le32(record + 20) ||
        rn_le64(record + 24) != rn_le64(record + 32))
        return bad(err, (size_t)at, "a damaged zip64 end record");
    *d = (struct directory){ rn_le64(record + 32), rn_le64(record + 40), rn_le64(record + 48), (size_t)at };
    return 0;
}

static int read_end(struct rn_text bytes, struct directory *d, struct rn_err *err)
{
    size_t end = 0;
    if (find_end(bytes, &end, err))
        return -1;
    const char *at = bytes.data + end;
    uint32_t count = rn_le16(at + 10), size = rn_le32(at + 12), start = rn_le32(at + 16);
    if (rn_le16(at + 4) || rn_le16(at + 6) || rn_le16(at + 8) != count)
        return bad(err, end, "an archive of several parts");
    *d = (struct directory){ count, size, start, end };
    if (end >= LOCATOR && !memcmp(bytes.data + end - LOCATOR, "PK\6\7", 4)) {
        if (read_end64(bytes, end, d, err))
            return -1;
        if ((count != NO16 && count != d->count) || (size != no32 && size != d->size) || (start != no32 && start != d->start))
            return bad(err, end, "two end records that differ");
    }
    if (d->start > d->end || d->size != d->end - d->start)
        return bad(err, end, "the directory is not where it is said to be");
    if (d->count > d->size / CENTRAL)
        return bad(err, end, "more entries than the directory has room for");
    return 0;
}

/* A field that is all ones stands in the zip64 extra field, in the order of the header. */
static int extra64(struct rn_text extra, uint64_t *const *field, size_t fields)
{
    size_t wanted = 0, at = 0;
    for (size_t i = 0; i < fields; i++)
        wanted += *field[i] == no32;
    while (wanted && at + 4 <= extra.length) {
        size_t id = rn_le16(extra.data + at), length = rn_le16(extra.data + at + 2);
        at += 4;
        if (length > extra.length - at)
            return -1;
        if (id == 1) {
            if (length < 8 * wanted)
                return -1;
            for (size_t i = 0; i < fields; i++) {
                if (*field[i] != no32)
                    continue;
                *field[i] = rn_le64(extra.data + at);
                at += 8;
            }
            return 0;
        }
        at += length;
    }
    return wanted ? -1 : 0;
}

/* The local header must say what the directory said. */
static int check_local(struct rn_text bytes, struct rn_zip_entry *entry, uint64_t start, uint64_t size, size_t end,
                       struct rn_err *err)
{
    if (!within(start, LOCAL, end) || memcmp(bytes.data + start, "PK\3\4", 4))
        return bad(err, (size_t)start, "no entry where the directory says one");
    const char *at = bytes.data + start;
    size_t name = rn_le16(at + 26), extra = rn_le16(at + 28);
    uint64_t packed = rn_le32(at + 18), own = rn_le32(at + 22), *field[] = { &own, &packed };
    bool later = rn_le16(at + 6) & LATER;
    if (!within(start + LOCAL, name + extra, end))
        return bad(err, (size_t)start, "an entry beyond the end of the file");
    entry->start = (size_t)start;
    entry->data = (size_t)start + LOCAL + name + extra;
    if (!rn_text_equal(entry->name, (struct rn_text){ at + LOCAL, name }) || 
        (rn_le16(at + 8) != 0) != entry->compressed || rn_le16(at + 6) & ENCRYPTED ||
        extra64((struct rn_text){ at + LOCAL + name, extra }, field, 2) ||
        !(own == size || (later && own == 0) || entry->compressed) || !(packed == size || (later && packed == 0)) ||
        !(rn_le32(at + 14) == entry->crc || (later && rn_le32(at + 14) == 0)))
        return bad(err, (size_t)start, "an entry that is not what the directory says");
    if (!within(entry->data, size, end))
        return bad(err, (size_t)start, "an entry beyond the end of the file");
    entry->size = (size_t)size;
    return 0;
}

static int read_entry(struct rn_text bytes, size_t *at, const struct directory *d, struct rn_zip_entry *entry,
                      struct rn_err *err)
{
    const char *c = bytes.data + *at;
    if (!within(*at, CENTRAL, d->end) || memcmp(c, "PK\1\2", 4))
        return bad(err, *at, "a damaged directory");
    size_t name = rn_le16(c + 28), extra = rn_le16(c + 30), comment = rn_le16(c + 32);
    uint64_t packed = rn_le32(c + 20), size = rn_le32(c + 24), start = rn_le32(c + 42), *field[] = { &size, &packed, &start };
    if (!within(*at + CENTRAL, name + extra + comment, d->end))
        return bad(err, *at, "a damaged directory");
    if (rn_le16(c + 8) & ENCRYPTED)
        return bad(err, *at, "an encrypted entry");
    entry->name = (struct rn_text){ c + CENTRAL, name };
    entry->crc = rn_le32(c + 16);
    entry->compressed = rn_le16(c + 10) != 0;
    if (rn_le16(c + 34) || extra64((struct rn_text){ c + CENTRAL + name, extra }, field, 3) ||
        (packed != size && !entry->compressed))
        return bad(err, *at, "a damaged directory");
    *at += CENTRAL + name + extra + comment;
    return check_local(bytes, entry, start, packed, (size_t)d->start, err);
}

static int by_start(const void *a, const void *b)
{
    const struct rn_zip_entry *x = a, *y = b;
    return x->start < y->start ? -1 : x->start > y->start;
}

static int by_name(const void *a, const void *b)
{
    const struct rn_zip_entry *x = a, *y = b;
    return rn_text_compare(x->name, y->name);
}

static int check_together(struct rn_zip *zip, struct rn_err *err)
{
    char shown[256];
    qsort(zip->entry, zip->count, sizeof *zip->entry, by_start);
    for (size_t i = 1; i < zip->count; i++)
        if (zip->entry[i].start < zip->entry[i - 1].data + zip->entry[i - 1].size)
            return bad(err, zip->entry[i].start, "entries that overlap");
    qsort(zip->entry, zip->count, sizeof *zip->entry, by_name);
    for (size_t i = 1; i < zip->count; i++)
        if (rn_text_equal(zip->entry[i].name, zip->entry[i - 1].name))
            return rn_fail(err, RN_EXIT_DATA, "zip: two entries are called '%s'", rn_text_show(zip->entry[i].name, shown));
    return 0;
}

int rn_zip_open(struct rn_zip *zip, struct rn_text bytes, struct rn_err *err)
{
    struct directory d;
    *zip = (struct rn_zip){ .bytes = bytes };
    if (read_end(bytes, &d, err))
        return -1;
    if (!(zip->entry = rn_calloc((size_t)d.count, sizeof *zip->entry, err)))
        return -1;
    size_t at = (size_t)d.start;
    int rc = 0;
    for (; zip->count < d.count && rc == 0; zip->count++)
        rc = read_entry(bytes, &at, &d, &zip->entry[zip->count], err);
    if (rc == 0 && at != d.end)
        rc = bad(err, at, "a directory that is longer than its entries");
    if (rc == 0)
        rc = check_together(zip, err);
    if (rc)
        rn_zip_free(zip);
    return rc;
}

const struct rn_zip_entry *rn_zip_find(const struct rn_zip *zip, struct rn_text name)
{
    struct rn_zip_entry key = { .name = name };
    return bsearch(&key, zip->entry, zip->count, sizeof key, by_name);
}

int rn_zip_get(const struct rn_zip *zip, const struct rn_zip_entry *entry, struct rn_text *bytes, struct rn_err *err)
{
    char shown[256];
    *bytes = (struct rn_text){ zip->bytes.data + entry->data, entry->size };
    if (entry->compressed)
        return rn_fail(err, RN_EXIT_DATA, "%s: a compressed entry: PyTorch stores them as they are",
                       rn_text_show(entry->name, shown));
    if (crc32_z(0, (const unsigned char *)bytes->data, bytes->length) != entry->crc)
        return rn_fail(err, RN_EXIT_DATA, "%s: damaged (checksum)", rn_text_show(entry->name, shown));
    return 0;
}

void rn_zip_free(struct rn_zip *zip)
{
    free(zip->entry);
    *zip = (struct rn_zip){ 0 };
}
