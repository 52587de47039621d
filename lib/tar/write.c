/* write.c -- members into an archive: GNU's dialect, which has names of any length and bytes; nobody's files of no time. */
#include <errno.h>
#include <stdlib.h>

#include <archive.h>
#include <archive_entry.h>

#include "tar/tar.h"

enum { BLOCK = 512 };

struct rn_tar_writer {
    struct archive *archive;
    struct archive_entry *entry;
    struct rn_out *out;
    struct rn_buffer name; /* NUL-terminated */
    struct rn_err err;     /* of the file */
};

static la_ssize_t emit(struct archive *archive, void *context, const void *bytes, size_t length)
{
    struct rn_tar_writer *writer = context;
    if (rn_out_write(writer->out, bytes, length, &writer->err) == 0)
        return (la_ssize_t)length;
    archive_set_error(archive, EIO, "cannot write");
    return -1;
}

static int fail(struct rn_tar_writer *writer, struct rn_err *err)
{
    if (writer->err.exit)
        return *err = writer->err, -1;
    const char *text = archive_error_string(writer->archive);
    return rn_fail(err, RN_EXIT_SYSTEM, "the archive: %s", text ? text : "out of memory");
}

int rn_tar_create(struct rn_tar_writer **result, struct rn_out *out, struct rn_err *err)
{
    struct rn_tar_writer *writer = rn_calloc(1, sizeof *writer, err);
    *result = NULL;
    if (!writer) {
        rn_out_discard(out);
        return -1;
    }
    writer->out = out;
    writer->archive = archive_write_new();
    writer->entry = archive_entry_new();
    if (!writer->archive || !writer->entry) {
        rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    } else if (archive_write_set_format_gnutar(writer->archive) || archive_write_set_bytes_per_block(writer->archive, 0) ||
               archive_write_open(writer->archive, writer, NULL, emit, NULL)) {
        fail(writer, err);
    } else {
        return *result = writer, 0;
    }
    rn_tar_discard(writer);
    return -1;
}

int rn_tar_add(struct rn_tar_writer *writer, struct rn_text name, struct rn_text bytes, struct rn_err *err)
{
    writer->name.length = 0;
    if (rn_buffer_add(&writer->name, name.data, name.length, err) || rn_buffer_add(&writer->name, "", 1, err))
        return -1;
    archive_entry_clear(writer->entry);
    archive_entry_set_pathname(writer->entry, writer->name.data);
    archive_entry_set_size(writer->entry, (la_int64_t)bytes.length);
    archive_entry_set_filetype(writer->entry, AE_IFREG);
    archive_entry_set_perm(writer->entry, 0644);
    archive_entry_set_mtime(writer->entry, 0, 0);
    if (archive_write_header(writer->archive, writer->entry) ||
        (bytes.length && archive_write_data(writer->archive, bytes.data, bytes.length) != (la_ssize_t)bytes.length))
        return fail(writer, err);
    return 0;
}

uint64_t rn_tar_size(size_t length)
{
    return BLOCK + ((uint64_t)length + BLOCK - 1) / BLOCK * BLOCK;
}

static void free_writer(struct rn_tar_writer *writer)
{
    archive_entry_free(writer->entry);
    archive_write_free(writer->archive);
    rn_buffer_free(&writer->name);
    free(writer);
}

int rn_tar_finish(struct rn_tar_writer *writer, struct rn_err *err)
{
    int rc = archive_write_close(writer->archive) ? fail(writer, err) : 0;
    if (rc == 0)
        rc = rn_out_commit(writer->out, err);
    else
        rn_out_discard(writer->out);
    writer->out = NULL;
    free_writer(writer);
    return rc;
}

void rn_tar_discard(struct rn_tar_writer *writer)
{
    if (!writer)
        return;
    if (writer->archive)
        archive_write_fail(writer->archive); /* or freeing it would end the archive */
    rn_out_discard(writer->out);
    free_writer(writer);
}
