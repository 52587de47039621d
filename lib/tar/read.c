/* read.c -- an archive's members, one after the other. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <archive.h>
#include <archive_entry.h>

#include "tar/tar.h"

/* Text compresses to a tenth, photos not at all; a bomb is a thousand times and more. */
enum { BLOCK = 65536, GROWTH = 1000, GROWTH_FROM = 64 << 20 };

struct rn_tar {
    struct archive *archive;
    const char *name;       /* of the archive */
    struct rn_buffer member; /* its name */
    bool compressed;
    bool begun;             /* a member's bytes are still to come */
    bool any;
};

static int fail(struct rn_tar *tar, struct rn_err *err)
{
    char room[256], member[256], why[256];
    const char *text = archive_error_string(tar->archive);
    rn_text_show(rn_text(text ? text : "damaged"), why);
    rn_text_show((struct rn_text){ tar->member.data, tar->member.length }, member);
    rn_text_show(rn_text(tar->name), room);
    int code = archive_errno(tar->archive) == ENOMEM || archive_errno(tar->archive) == EIO ? RN_EXIT_SYSTEM : RN_EXIT_DATA;
    return tar->begun ? rn_fail(err, code, "%s: %s: %s", room, member, why) : rn_fail(err, code, "%s: %s", room, why);
}

bool rn_tar_is_named(const char *path)
{
    static const char *const endings[] = { ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst",
                                           ".tar.lz4" };
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (length > strlen(endings[i]) && !strcasecmp(path + length - strlen(endings[i]), endings[i]))
            return true;
    return false;
}

int rn_tar_open(struct rn_tar **result, int fd, const char *name, struct rn_err *err)
{
    struct rn_tar *tar = rn_calloc(1, sizeof *tar, err);
    *result = NULL;
    if (!tar)
        return -1;
    tar->name = name;
    if (!(tar->archive = archive_read_new())) {
        free(tar);
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    }
    struct archive *a = tar->archive;
    /* Of a filter that this libarchive lacks it says that it would start a program: such a one is not taken. */
    int (*const filters[])(struct archive *) = { archive_read_support_filter_gzip, archive_read_support_filter_bzip2,
                                                 archive_read_support_filter_xz, archive_read_support_filter_zstd,
                                                 archive_read_support_filter_lz4 };
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        if (filters[i](a) == ARCHIVE_FATAL)
            break;
    if (archive_read_support_format_tar(a) || archive_read_open_fd(a, fd, BLOCK)) {
        fail(tar, err);
        rn_tar_close(tar);
        return -1;
    }
    tar->compressed = archive_filter_count(a) > 1;
    *result = tar;
    return 0;
}

void rn_tar_close(struct rn_tar *tar)
{
    if (!tar)
        return;
    archive_read_free(tar->archive);
    rn_buffer_free(&tar->member);
    free(tar);
}

/* What an archive of a few bytes must not become. */
static int check_growth(struct rn_tar *tar, struct rn_err *err)
{
    char room[256];
    int64_t in = archive_filter_bytes(tar->archive, -1), out = archive_filter_bytes(tar->archive, 0);
    if (!tar->compressed || out < GROWTH_FROM || out / GROWTH < in)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "%s: %lld bytes have become %lld: a bomb", rn_text_show(rn_text(tar->name), room),
                   (long long)in, (long long)out);
}

/* Passes over what is left of a member: a compressed one has to be expanded for it. */
static int pass_over(struct rn_tar *tar, struct rn_err *err)
{
    const void *block;
    size_t length;
    la_int64_t offset;
    int rc = ARCHIVE_OK;
    if (!tar->begun)
        return 0;
    while (tar->compressed && rc == ARCHIVE_OK) {
        rc = archive_read_data_block(tar->archive, &block, &length, &offset);
        if (check_growth(tar, err))
            return -1;
    }
    if (!tar->compressed)
        rc = archive_read_data_skip(tar->archive);
    if (rc < ARCHIVE_WARN)
        return fail(tar, err);
    tar->begun = false;
    return 0;
}

/* Without "." and empty parts; why: it leads elsewhere. */
static int take_name(struct rn_tar *tar, const char *name, const char **why, struct rn_err *err)
{
    tar->member.length = 0;
    if (*name == '/')
        *why = "its name leads out of the archive";
    for (const char *part = name; *part;) {
        size_t length = strcspn(part, "/");
        bool none = !length || (length == 1 && *part == '.');
        if (length == 2 && !memcmp(part, "..", 2))
            *why = "its name leads out of the archive";
        if (!none && ((tar->member.length && rn_buffer_add(&tar->member, "/", 1, err)) ||
                      rn_buffer_add(&tar->member, part, length, err)))
            return -1;
        part += length + (part[length] == '/');
    }
    return 0;
}

static const char *what_else(struct archive_entry *entry)
{
    if (archive_entry_hardlink(entry) || archive_entry_filetype(entry) == AE_IFLNK)
        return "a link: those of an archive are not followed";
    if (archive_entry_filetype(entry) != AE_IFREG)
        return "a device or a pipe";
    return archive_entry_sparse_count(entry) > 0 ? "a sparse file" : NULL;
}

int rn_tar_next(struct rn_tar *tar, struct rn_member *member, struct rn_err *err)
{
    struct archive_entry *entry;
    char room[256];
    for (;;) {
        if (pass_over(tar, err) || check_growth(tar, err))
            return -1;
        int64_t before = archive_filter_bytes(tar->archive, 0);
        int rc = archive_read_next_header(tar->archive, &entry);
        if (rc == ARCHIVE_EOF && tar->any && archive_filter_bytes(tar->archive, 0) == before)
            return rn_fail(err, RN_EXIT_DATA, "%s: the archive ends without its end: it is cut short",
                           rn_text_show(rn_text(tar->name), room));
        if (rc == ARCHIVE_EOF)
            return 0;
        if (rc < ARCHIVE_WARN)
            return fail(tar, err);
        const char *name = archive_entry_pathname(entry);
        if (!name)
            return rn_fail(err, RN_EXIT_DATA, "%s: a member without a name", rn_text_show(rn_text(tar->name), room));
        tar->any = tar->begun = true;
        if (archive_entry_filetype(entry) == AE_IFDIR && !archive_entry_hardlink(entry))
            continue;
        *member = (struct rn_member){ .size = archive_entry_size(entry), .why = what_else(entry) };
        if (take_name(tar, name, &member->why, err))
            return -1;
        member->name = (struct rn_text){ tar->member.data ? tar->member.data : "", tar->member.length };
        return 1;
    }
}

int rn_tar_read(struct rn_tar *tar, struct rn_buffer *bytes, struct rn_err *err)
{
    const void *block;
    size_t length;
    la_int64_t offset;
    int rc;
    bytes->length = 0;
    while ((rc = archive_read_data_block(tar->archive, &block, &length, &offset)) == ARCHIVE_OK)
        if (check_growth(tar, err) || rn_buffer_add(bytes, block, length, err))
            return -1;
    return rc == ARCHIVE_EOF ? 0 : fail(tar, err);
}
