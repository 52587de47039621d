/* rn-list -- which pictures are there, and of which class?
 * operands: folders. stdout: samples.
 * exit: 3 for a picture outside any class folder, a folder that --classes does not have, a repeated id. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "list/list.h"
#include "stream/seen.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts {
    bool unlabeled, zero, embed;
    const char *classes, *files_from;
};

static const struct rn_opt options[] = {
    { 0, "unlabeled", RN_OPT_FLAG, RN_AT(opts, unlabeled), 0, 0, "without classes: pictures may lie anywhere" },
    { 0, "classes", RN_OPT_TEXT, RN_AT(opts, classes), 0, 0, "the classes in this order, not in byte order", "NAME,NAME,..." },
    { 0, "files-from", RN_OPT_TEXT, RN_AT(opts, files_from), 0, 0, "list these files, one a line (-: standard input)", "FILE", RN_OPT_HOW },
    { '0', "null", RN_OPT_FLAG, RN_AT(opts, zero), 0, 0, "with --files-from: names end with a NUL byte, not a line's end", NULL, RN_OPT_HOW },
    { 0, "embed", RN_OPT_FLAG, RN_AT(opts, embed), 0, 0, "put the files' bytes into the stream, not their paths" },
    RN_OPT_LAST,
};

enum { LARGEST = 1 << 30 }; /* bytes of a file to be embedded: no reader takes a larger record */

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    if (opts->files_from && args->operands)
        return rn_fail(err, RN_EXIT_USAGE, "folders or --files-from, not both");
    if (!opts->files_from && !args->operands)
        return rn_fail(err, RN_EXIT_USAGE, "which folder? (see rn-list --help)");
    if (opts->zero && !opts->files_from)
        return rn_fail(err, RN_EXIT_USAGE, "-0 goes with --files-from");
    if (opts->classes && opts->unlabeled)
        return rn_fail(err, RN_EXIT_USAGE, "--classes or --unlabeled, not both");
    return 0;
}

static int find(struct rn_pictures *pictures, const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    for (size_t i = 0; i < args->operands; i++)
        if (rn_list_folder(pictures, args->operand[i], args->operands > 1, err))
            return -1;
    if (!opts->files_from)
        return 0;
    char room[256];
    bool standard = !strcmp(opts->files_from, "-");
    const char *name = standard ? "standard input" : opts->files_from;
    FILE *list = standard ? stdin : fopen(opts->files_from, "re");
    if (!list)
        return rn_fail_errno(err, "%s", rn_text_show(rn_text(name), room));
    int rc = rn_list_named(pictures, list, opts->zero ? '\0' : '\n', name, err);
    if (!standard)
        fclose(list);
    return rc;
}

/* "a,b,c" into a list without empty or repeated names. */
static int split_names(struct rn_texts *classes, const char *names, struct rn_err *err)
{
    char room[256];
    for (const char *at = names;; at++) {
        struct rn_text name = { at, strcspn(at, ",") };
        if (!name.length)
            return rn_fail(err, RN_EXIT_USAGE, "--classes: an empty name");
        if (rn_texts_find(classes, name) >= 0)
            return rn_fail(err, RN_EXIT_USAGE, "--classes: '%s' is there twice", rn_text_show(name, room));
        if (rn_texts_add(classes, name, err))
            return -1;
        at += name.length;
        if (!*at)
            return 0;
    }
}

static int label_of(const struct rn_head *head, const struct rn_picture *picture, int64_t *label, struct rn_err *err)
{
    char room[256], path[256];
    struct rn_text name = rn_picture_class(picture);
    rn_text_show(rn_text(picture->path), path);
    if (!name.data)
        return rn_fail(err, RN_EXIT_DATA, "%s: a picture in no class's folder (--unlabeled lists pictures without classes)", path);
    *label = rn_texts_find(&head->classes, name);
    return *label >= 0 ? 0 : rn_fail(err, RN_EXIT_DATA, "%s: its folder '%s' is not among --classes", path, rn_text_show(name, room));
}

static int check(const struct rn_pictures *pictures, const struct rn_head *head, bool labelled, struct rn_err *err)
{
    char room[256];
    struct rn_seen seen = { 0 };
    int rc = 0;
    for (size_t i = 0; i < pictures->count && rc == 0; i++) {
        int64_t label;
        struct rn_text id = rn_picture_id(&pictures->item[i]);
        int fresh = rn_seen_add(&seen, rn_hash64(id), err);
        if (fresh < 0 || (labelled && label_of(head, &pictures->item[i], &label, err)))
            rc = -1;
        else if (!fresh)
            rc = rn_fail(err, RN_EXIT_DATA, "%s: it is listed twice", rn_text_show(id, room));
    }
    rn_seen_free(&seen);
    return rc;
}

static int emit(struct rn_writer *writer, const struct rn_head *head, const struct rn_picture *picture, const struct opts *opts,
                struct rn_buffer *bytes, struct rn_err *err)
{
    struct rn_record record = { .kind = RN_SAMPLES, .id = rn_picture_id(picture), .label = RN_NIL };
    if (!opts->unlabeled && label_of(head, picture, &record.label, err))
        return -1;
    if (opts->embed) {
        if (rn_file_read(bytes, picture->path, LARGEST, err))
            return -1;
        record.data = (struct rn_text){ bytes->data, bytes->length };
    } else {
        record.path = rn_text(picture->path);
    }
    return rn_writer_record(writer, &record, err);
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct rn_pictures pictures = { 0 };
    struct rn_head head;
    struct rn_writer *writer = NULL;
    struct rn_buffer bytes = { 0 };
    struct rn_progress progress = rn_progress_begin(args);
    rn_head_init(&head, RN_SAMPLES);
    int rc = -1;
    if (check_usage(opts, args, err) || (opts->classes && split_names(&head.classes, opts->classes, err)) ||
        rn_writer_open(&writer, args->output, err) || find(&pictures, opts, args, err))
        goto out;
    if (!opts->unlabeled && !opts->classes && rn_list_classes(&pictures, &head.classes, err))
        goto out;
    if (check(&pictures, &head, !opts->unlabeled, err) || rn_head_sign(&head, &rn_tool, opts, NULL, err) ||
        rn_writer_head(writer, &head, err))
        goto out;
    for (size_t i = 0; i < pictures.count; i++) {
        if (emit(writer, &head, &pictures.item[i], opts, &bytes, err))
            goto out;
        rn_progress_show(&progress, false, "%zu of %zu pictures", i + 1, pictures.count);
    }
    rn_progress_end(&progress);
    if ((rc = rn_writer_tail(writer, err)) == 0) {
        rc = rn_writer_close(writer, err);
        writer = NULL;
    }
out:
    rn_writer_discard(writer);
    rn_pictures_free(&pictures);
    rn_head_free(&head);
    rn_buffer_free(&bytes);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-list", .operands = "FOLDER...", .summary = "list the pictures below folders as samples",
    .options = options, .size = sizeof(struct opts), .run = run,
    .about = "Writes one sample for each picture below the folders, in byte order of the path below the folder: regular files, and "
             "links to such, named .jpg .jpeg .png .webp .tif .tiff or .gif in any case. Names that begin with a dot are passed "
             "over; links to folders are followed, but not in circles. A link that leads nowhere is listed, so that whoever opens "
             "it reports it. Without any picture the stream has no records; that is not an error.\n\n"
             "The class of a picture is the name of the first folder below the listed one, however deep the picture lies; the "
             "classes are those that have pictures, in byte order, or what --classes says. A picture that lies in no class's "
             "folder, or in one that --classes does not have, is an error (exit 3).\n\n"
             "The id is the path below the folder; with several folders, or --files-from, it is the path as given. A repeated id "
             "is an error (exit 3).\n\n"
             "--files-from takes the files in the list's order, whatever their names end in; the class is the name of the folder "
             "that the file lies in. A file that is not there is an error (exit 4); empty lines are passed over.",
    .examples = "rn-list trashnet/ | rn-split > all.rn\n"
                "rn-list --unlabeled photos/ | rn-batch --for run/best.rn -k | rn-predict -m run/best.rn --tsv\n"
                "find photos -newer last -name '*.jpg' -print0 | rn-list --unlabeled --files-from - -0 > new.rn",
};
