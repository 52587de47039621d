/* rn-list -- which pictures are there, of which class, of which split?
 * operands: folders and files, or tar archives. stdout: samples.
 * exit: 1 for a folder without pictures, and for error records; 3 for a picture outside any class folder, a folder that --classes
 * does not have, a repeated id. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/image.h"
#include "list/list.h"
#include "stream/seen.h"
#include "stream/stream.h"
#include "tar/tar.h"
#include "tools/tool.h"

struct opts {
    bool unlabeled, tar, zero, embed, live, by_ending, keep_going;
    const char *classes, *files_from;
    int layout; /* enum rn_list_layout */
};

static const struct rn_opt options[] = {
    { 0, "unlabeled", RN_OPT_FLAG, RN_AT(opts, unlabeled), 0, 0, "without classes: pictures may lie anywhere" },
    { 0, "classes", RN_OPT_TEXT, RN_AT(opts, classes), 0, 0, "the classes in this order, not in byte order", "NAME,NAME,..." },
    { 0, "layout", RN_OPT_CHOICE, RN_AT(opts, layout), 0, 0, "flat: the first folder is the class; splits: it is train, val or test", "auto|flat|splits" },
    { 0, "tar", RN_OPT_FLAG, RN_AT(opts, tar), 0, 0, "the operands are tar archives (-: standard input)", NULL, RN_OPT_HOW },
    { 0, "files-from", RN_OPT_TEXT, RN_AT(opts, files_from), 0, 0, "list these files, one a line (-: standard input)", "FILE", RN_OPT_HOW },
    { '0', "null", RN_OPT_FLAG, RN_AT(opts, zero), 0, 0, "with --files-from: names end with a NUL byte, not a line's end", NULL, RN_OPT_HOW },
    { 0, "by-ending", RN_OPT_FLAG, RN_AT(opts, by_ending), 0, 0, "with --files-from: pass over what is not named as a picture, as in folders" },
    { 0, "live", RN_OPT_FLAG, RN_AT(opts, live), 0, 0, "with --files-from: each name is a sample at once, as often as it comes" },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0, "what is not there becomes an error record" },
    { 0, "embed", RN_OPT_FLAG, RN_AT(opts, embed), 0, 0, "put the files' bytes into the stream, not their paths" },
    RN_OPT_LAST,
};

enum {
    LARGEST = 1 << 30, /* bytes of a file to be embedded: no reader takes a larger record */
    TOLD = 8,          /* unread folders and paths that are named on standard error */
};

struct work {
    struct opts opts; /* layout: what it turned out to be */
    const struct rn_args *args;
    struct rn_pictures pictures;
    struct rn_pictures others; /* --files-from: counts what is passed over */
    struct rn_head head;
    struct rn_writer *writer;
    struct rn_buffer bytes;
    struct rn_progress progress;
    int64_t *label;      /* of each picture; -1: none */
    size_t failed;       /* error records */
    size_t unread;       /* of them of folders and paths that could not be looked into */
    struct rn_seen seen; /* --live: the ids */
    bool bare;           /* a folder had no picture */
    int *archive;        /* descriptors of the operands, where these are archives */
    size_t archives, listed;
    const char *archive_name; /* of the one that is read */
    long last_label;     /* neighbours are often of one class */
};

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    if (opts->files_from && args->operands)
        return rn_fail(err, RN_EXIT_USAGE, "folders or --files-from, not both");
    if (!opts->files_from && !args->operands)
        return rn_fail(err, RN_EXIT_USAGE, "which folder? (see rn-list --help)");
    if (opts->tar && opts->files_from)
        return rn_fail(err, RN_EXIT_USAGE, "--tar or --files-from, not both");
    if (!opts->files_from && (opts->zero || opts->live || opts->by_ending))
        return rn_fail(err, RN_EXIT_USAGE, "%s goes with --files-from", opts->zero ? "-0" : opts->live ? "--live" : "--by-ending");
    if (opts->files_from && opts->layout)
        return rn_fail(err, RN_EXIT_USAGE, "--layout is of folders: it does not go with --files-from");
    if (opts->classes && opts->unlabeled)
        return rn_fail(err, RN_EXIT_USAGE, "--classes or --unlabeled, not both");
    return 0;
}

/* ---- finding ---- */

/* What was passed over, and that nothing was found, in a line. */
static int tell(struct rn_pictures *pictures, const char *bare, struct rn_err *err)
{
    struct rn_buffer passed = { 0 };
    int rc = rn_list_passed(pictures, &passed, err) || rn_buffer_add(&passed, "", 1, err) ? -1 : 0;
    bool any = rc == 0 && passed.data[0];
    if (any && bare)
        rn_note("%s: no picture in it; passed over: %s", bare, passed.data);
    else if (rc == 0 && (any || bare))
        rn_note(bare ? "%s: no picture in it" : "passed over: %s", bare ? bare : passed.data);
    rn_buffer_free(&passed);
    return rc;
}

/* Class folders without pictures, in a line. */
static void tell_empty(const struct work *w)
{
    enum { NAMED = 8 };
    const struct rn_texts *empty = &w->pictures.empty;
    char names[NAMED * 260] = "", room[256];
    size_t at = 0;
    for (size_t i = 0; i < empty->count && i < NAMED; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s%s", i ? ", " : "", rn_text_show(empty->item[i], room));
    if (empty->count > NAMED)
        rn_note("no picture in %s and %zu more folders", names, empty->count - NAMED);
    else if (empty->count)
        rn_note("no picture in %s", names);
}

/* An operand: the pictures below a folder, or a file. */
static int find_one(struct work *w, const char *operand, struct rn_err *err)
{
    struct stat status;
    size_t before = w->pictures.count;
    enum rn_list_layout layout = w->opts.unlabeled && !w->opts.layout ? RN_LAYOUT_FLAT : (enum rn_list_layout)w->opts.layout;
    bool wanted = layout == RN_LAYOUT_SPLITS;
    if (stat(operand, &status) == 0 && !S_ISDIR(status.st_mode))
        return rn_list_file(&w->pictures, operand, false, err);
    if (w->opts.keep_going && access(operand, R_OK | X_OK))
        return rn_list_unread(&w->pictures, operand, err);
    if (rn_list_folder(&w->pictures, operand, w->args->operands > 1, &layout, err))
        return -1;
    if (layout == RN_LAYOUT_SPLITS && !wanted && !w->args->quiet)
        rn_note("%s: train, val and test are taken as the split, the folders in them as classes (--layout flat: not)", operand);
    return before < w->pictures.count ? layout : RN_LAYOUT_AUTO;
}

static int find(struct work *w, struct rn_err *err)
{
    const char *bare = NULL;
    size_t bares = 0;
    bool splits = false;
    for (size_t i = 0; i < w->args->operands; i++) {
        size_t before = w->pictures.count;
        int rc = find_one(w, w->args->operand[i], err);
        if (rc < 0)
            return -1;
        splits = splits || rc == RN_LAYOUT_SPLITS;
        if (w->pictures.count > before)
            continue;
        if (bares++ && !w->args->quiet)
            rn_note("%s: no picture in it", bare);
        bare = w->args->operand[i];
    }
    w->opts.layout = splits ? RN_LAYOUT_SPLITS : w->opts.layout;
    w->bare = bares > 0;
    if (w->args->quiet)
        return 0;
    if (!w->opts.unlabeled)
        tell_empty(w);
    return tell(&w->pictures, bare, err);
}

/* The list's names, to the end of it; live: each is written at once. */
static int read_list(struct work *w, int (*each)(struct work *w, const char *path, struct rn_err *err), struct rn_err *err)
{
    char room[256], *line = NULL;
    size_t capacity = 0;
    bool standard = !strcmp(w->opts.files_from, "-");
    const char *name = standard ? "standard input" : w->opts.files_from;
    FILE *list = standard ? stdin : fopen(w->opts.files_from, "re");
    rn_text_show(rn_text(name), room);
    if (!list)
        return rn_fail_errno(err, "%s", room);
    int rc;
    while ((rc = rn_list_next(list, w->opts.zero ? '\0' : '\n', &line, &capacity, err)) == 1)
        if ((!w->opts.by_ending || rn_list_is_picture(&w->others, line)) && (rc = each(w, line, err)))
            break;
    free(line);
    if (!standard)
        fclose(list);
    return rc ? rn_fail_at(err, "%s", room) : w->args->quiet ? 0 : tell(&w->others, NULL, err);
}

static int find_file(struct work *w, const char *path, struct rn_err *err)
{
    return rn_list_file(&w->pictures, path, w->opts.keep_going, err);
}

/* ---- writing ---- */

static int label_of(const struct work *w, size_t i, int64_t *label, struct rn_err *err)
{
    char room[256], path[256];
    const struct rn_picture *picture = &w->pictures.item[i];
    struct rn_text name = rn_picture_class(picture);
    *label = w->opts.unlabeled || w->label[i] < 0 ? RN_NIL : w->label[i];
    if (w->opts.unlabeled || w->label[i] >= 0 || picture->unread)
        return 0;
    rn_text_show(rn_text(picture->path), path);
    if (!name.data && picture->split)
        return rn_fail(err, RN_EXIT_DATA, "%s: a picture in a split's folder, but in no class's folder there (--unlabeled lists "
                                          "pictures without classes)", path);
    if (!name.data)
        return rn_fail(err, RN_EXIT_DATA, "%s: a picture in no class's folder (--unlabeled lists pictures without classes)", path);
    return rn_fail(err, RN_EXIT_DATA, "%s: its folder '%s' is not among --classes", path, rn_text_show(name, room));
}

/* Each id is there once. */
static int check(struct work *w, struct rn_err *err)
{
    char room[256], first[256] = "";
    struct rn_seen seen = { 0 };
    struct rn_pictures *pictures = &w->pictures;
    size_t kept = 0, count = pictures->count;
    int rc = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t label;
        struct rn_text id = rn_picture_id(&pictures->item[i]);
        int fresh = rc ? 1 : rn_seen_add(&seen, rn_hash64(id), err);
        if (fresh < 0 || (rc == 0 && label_of(w, i, &label, err))) {
            rc = -1;
        } else if (!fresh && !w->opts.keep_going) {
            rc = rn_fail(err, RN_EXIT_DATA, "%s: it is listed twice", rn_text_show(id, room));
        } else if (!fresh) {
            rn_text_show(id, first[0] ? room : first);
            rn_picture_free(&pictures->item[i]);
            continue;
        }
        w->label[kept] = w->label[i];
        pictures->item[kept++] = pictures->item[i];
    }
    pictures->count = kept;
    if (kept < count && !w->args->quiet)
        rn_note("listed once, though named more often: %zu (%s%s)", count - kept, first, count - kept > 1 ? " ..." : "");
    rn_seen_free(&seen);
    return rc;
}

static int emit(struct work *w, const struct rn_picture *picture, struct rn_record *record, struct rn_err *err)
{
    record->kind = RN_SAMPLES;
    record->split = rn_text(picture->split);
    if (picture->error) {
        record->error = rn_text(picture->error);
        w->failed++;
        if (picture->unread && !w->args->quiet && w->unread++ < TOLD)
            rn_note("%s", picture->error);
    } else if (w->opts.embed) {
        if (rn_file_read(&w->bytes, picture->path, LARGEST, err))
            return -1;
        record->data = (struct rn_text){ w->bytes.data, w->bytes.length };
    } else {
        record->path = rn_text(picture->path);
    }
    return rn_writer_record(w->writer, record, err);
}

static int write_all(struct work *w, struct rn_err *err)
{
    if (rn_head_sign(&w->head, &rn_tool, &w->opts, NULL, err) || rn_writer_head(w->writer, &w->head, err))
        return -1;
    for (size_t i = 0; i < w->pictures.count; i++) {
        struct rn_record record = { .id = rn_picture_id(&w->pictures.item[i]) };
        if (label_of(w, i, &record.label, err) || emit(w, &w->pictures.item[i], &record, err))
            return -1;
        rn_progress_show(&w->progress, false, "%zu of %zu pictures", i + 1, w->pictures.count);
    }
    return 0;
}

static int list_all(struct work *w, struct rn_err *err)
{
    if (w->opts.files_from ? read_list(w, find_file, err) : find(w, err))
        return -1;
    if (!w->opts.unlabeled && !w->opts.classes && rn_list_classes(&w->pictures, &w->head.classes, err))
        return -1;
    if (!(w->label = rn_calloc(w->pictures.count, sizeof *w->label, err)) ||
        rn_list_labels(&w->pictures, &w->head.classes, w->label, err))
        return -1;
    return check(w, err) || write_all(w, err) ? -1 : 0;
}

/* ---- live ---- */

/* A name that has come before gets the number of its place among all names: "new.jpg#17". */
static int live_id(struct work *w, struct rn_buffer *id, const char *path, struct rn_err *err)
{
    char number[32] = "";
    for (size_t place = w->seen.count + 1;; place++) {
        id->length = 0;
        if (rn_buffer_add(id, path, strlen(path), err) || rn_buffer_add(id, number, strlen(number), err))
            return -1;
        int fresh = rn_seen_add(&w->seen, rn_hash64((struct rn_text){ id->data, id->length }), err);
        if (fresh)
            return fresh < 0 ? -1 : 0;
        snprintf(number, sizeof number, "#%zu", place);
    }
}

static int live_record(struct work *w, struct rn_buffer *id, struct rn_err *err)
{
    struct rn_err why;
    struct rn_picture *picture = &w->pictures.item[0];
    struct rn_record record = { .label = RN_NIL };
    if (live_id(w, id, picture->path, err))
        return -1;
    record.id = (struct rn_text){ id->data, id->length };
    if (rn_list_labels(&w->pictures, &w->head.classes, w->label, err))
        return -1;
    bool read = picture->error || !w->opts.embed || rn_file_read(&w->bytes, picture->path, LARGEST, &why) == 0;
    bool known = picture->error || !read || label_of(w, 0, &record.label, &why) == 0;
    if ((!read || !known) && !(picture->error = strdup(why.text)))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    return emit(w, picture, &record, err) || rn_writer_flush(w->writer, err) ? -1 : 0;
}

static int live_file(struct work *w, const char *path, struct rn_err *err)
{
    struct rn_buffer id = { 0 };
    int rc = rn_list_file(&w->pictures, path, true, err) || live_record(w, &id, err) ? -1 : 0;
    rn_buffer_free(&id);
    rn_pictures_free(&w->pictures);
    return rc;
}

static int list_live(struct work *w, struct rn_err *err)
{
    w->opts.unlabeled = !w->opts.classes;
    if (!(w->label = rn_calloc(1, sizeof *w->label, err)) || rn_head_sign(&w->head, &rn_tool, &w->opts, NULL, err) ||
        rn_writer_head(w->writer, &w->head, err) || rn_writer_flush(w->writer, err))
        return -1;
    return read_list(w, live_file, err);
}

/* ---- archives ---- */

static bool is_archive(const struct work *w, const char *operand)
{
    struct stat status;
    return w->opts.tar || (rn_tar_is_named(operand) && (stat(operand, &status) || !S_ISDIR(status.st_mode)));
}

/* Opens them; what can be read only once and is needed twice is put aside. */
static int open_archive(struct work *w, const char *operand, bool twice, struct rn_err *err)
{
    char room[256];
    struct stat status;
    bool standard = !strcmp(operand, "-");
    int fd = standard ? dup(STDIN_FILENO) : open(operand, O_RDONLY | O_CLOEXEC);
    rn_text_show(rn_text(standard ? "standard input" : operand), room);
    if (fd < 0)
        return rn_fail_errno(err, "%s", room);
    if (twice && fstat(fd, &status) == 0 && !S_ISREG(status.st_mode)) {
        int kept = rn_file_keep(fd, err);
        close(fd);
        if ((fd = kept) < 0)
            return rn_fail_at(err, "%s", room);
    }
    w->archive[w->archives++] = fd;
    return 0;
}

static int open_archives(struct work *w, struct rn_err *err)
{
    const struct rn_args *args = w->args;
    bool twice = !w->opts.unlabeled && !w->opts.classes;
    for (size_t i = 0; i < args->operands; i++)
        if (!is_archive(w, args->operand[i]))
            return rn_fail(err, RN_EXIT_USAGE, "archives and folders in one list: list them apart (or is %s an archive? --tar)",
                           args->operand[i]);
    if (!(w->archive = rn_calloc(args->operands, sizeof *w->archive, err)))
        return -1;
    for (size_t i = 0; i < args->operands; i++)
        if (open_archive(w, args->operand[i], twice, err))
            return -1;
    return 0;
}

static int find_classes(struct work *w, enum rn_list_layout *layout, struct rn_err *err)
{
    struct rn_archive_scan scan = { 0 };
    int rc = 0;
    for (size_t i = 0; i < w->archives && rc == 0; i++) {
        const struct rn_archive archive = { .fd = w->archive[i], .name = w->args->operand[i], .layout = RN_LAYOUT_FLAT };
        off_t start = lseek(archive.fd, 0, SEEK_CUR);
        rc = rn_archive_scan(&scan, &archive, err);
        if (rc == 0 && lseek(archive.fd, start, SEEK_SET) < 0)
            rc = rn_fail_errno(err, "%s", archive.name);
    }
    if (rc == 0)
        rc = rn_archive_classes(&scan, layout, &w->head.classes, err);
    rn_archive_scan_free(&scan);
    return rc;
}

static int packed_label(struct work *w, const struct rn_packed *picture, int64_t *label, struct rn_err *err)
{
    char room[256], name[256];
    const struct rn_texts *classes = &w->head.classes;
    struct rn_text class_name = picture->class_name;
    *label = RN_NIL;
    if (w->opts.unlabeled || (!class_name.data && (picture->told || picture->error.data)))
        return 0;
    rn_text_show(picture->name, name);
    if (!class_name.data)
        return rn_fail(err, RN_EXIT_DATA, "%s: %s: a picture in no class's folder (--unlabeled lists pictures without classes)",
                       w->archive_name, name);
    if (w->last_label >= (long)classes->count || !rn_text_equal(classes->item[w->last_label], class_name))
        w->last_label = rn_texts_find(classes, class_name);
    *label = w->last_label;
    if (*label >= 0)
        return 0;
    w->last_label = 0;
    return picture->error.data ? 0 : rn_fail(err, RN_EXIT_DATA, "%s: %s: its class '%s' is not among --classes", w->archive_name,
                                             name, rn_text_show(class_name, room));
}

static int write_packed(void *context, const struct rn_packed *picture, struct rn_err *err)
{
    struct work *w = context;
    char room[256];
    struct rn_record record = { .kind = RN_SAMPLES, .id = picture->id, .split = picture->split, .error = picture->error };
    int fresh = rn_seen_add(&w->seen, rn_hash64(picture->id), err);
    rn_text_show(picture->name, room);
    if (fresh < 0 || packed_label(w, picture, &record.label, err))
        return -1;
    if (!fresh)
        return rn_fail(err, RN_EXIT_DATA, "%s: %s: its id is listed twice", w->archive_name, room);
    if (w->opts.layout == RN_LAYOUT_SPLITS && !picture->told && !record.split.data && !record.error.data)
        return rn_fail(err, RN_EXIT_DATA, "%s: %s: it lies in no split's folder: train, val or test", w->archive_name, room);
    w->bytes.length = 0;
    if (rn_buffer_add(&w->bytes, w->archive_name, strlen(w->archive_name), err) || rn_buffer_add(&w->bytes, "/", 1, err) ||
        rn_buffer_add(&w->bytes, picture->name.data, picture->name.length, err))
        return -1;
    if (record.error.data) {
        w->failed++;
    } else {
        record.data = picture->data;
        record.from_path = (struct rn_text){ w->bytes.data, w->bytes.length };
    }
    w->listed++;
    rn_progress_show(&w->progress, false, "%zu pictures", w->listed);
    return rn_writer_record(w->writer, &record, err) || rn_writer_flush(w->writer, err) ? -1 : 0;
}

static int read_archive(struct work *w, size_t i, struct rn_err *err)
{
    const char *name = w->args->operand[i];
    const struct rn_archive archive = {
        .fd = w->archive[i], .name = name, .layout = (enum rn_list_layout)w->opts.layout,
        .classes = &w->head.classes, .others = &w->others,
    };
    size_t before = w->listed;
    w->archive_name = name;
    if (rn_archive_read(&archive, write_packed, w, err))
        return -1;
    w->bare = w->bare || w->listed == before;
    if (w->listed == before && !w->args->quiet)
        rn_note("%s: no picture in it", name);
    return 0;
}

/* In a process of its own, to standard output. */
static int list_archives(void *context, struct rn_err *err)
{
    struct work *w = context;
    enum rn_list_layout layout = (enum rn_list_layout)w->opts.layout;
    bool wanted = layout == RN_LAYOUT_SPLITS;
    if (!w->opts.unlabeled && !w->opts.classes && find_classes(w, &layout, err))
        return -1;
    if (layout == RN_LAYOUT_SPLITS && !wanted && !w->args->quiet)
        rn_note("%s: train, val and test are taken as the split, the folders in them as classes (--layout flat: not)",
                w->args->operand[0]);
    w->opts.layout = layout == RN_LAYOUT_SPLITS ? RN_LAYOUT_SPLITS : w->opts.layout;
    if (rn_writer_open(&w->writer, NULL, err) || rn_head_sign(&w->head, &rn_tool, &w->opts, NULL, err) ||
        rn_writer_head(w->writer, &w->head, err))
        return -1;
    for (size_t i = 0; i < w->archives; i++)
        if (read_archive(w, i, err))
            return -1;
    rn_progress_end(&w->progress);
    if (rn_writer_tail(w->writer, err) || rn_writer_close(w->writer, err) || (!w->args->quiet && tell(&w->others, NULL, err)))
        return -1;
    if (w->failed && !w->args->quiet)
        rn_note("error records made: %zu", w->failed);
    return w->failed || w->bare ? RN_EXIT_NO : RN_EXIT_OK;
}

static int run_archives(struct work *w, struct rn_err *err)
{
    struct rn_out *out = NULL;
    int locked = 0;
    int rc = rn_out_open(&out, w->args->output, err) || rn_out_binary(out, err) || open_archives(w, err)
                 ? -1 : rn_image_apart(out, list_archives, w, &locked, err);
    if (rc >= 0 && locked && !w->args->quiet)
        rn_note("archives are read without a sandbox: %s", strerror(locked));
    for (size_t i = 0; i < w->archives; i++)
        close(w->archive[i]);
    free(w->archive);
    if (rc < 0)
        return rn_out_discard(out), -1;
    return rn_out_commit(out, err) ? -1 : rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = *(const struct opts *)options_, .args = args, .progress = rn_progress_begin(args) };
    rn_head_init(&w.head, RN_SAMPLES);
    if (check_usage(&w.opts, args, err) || (w.opts.classes && rn_texts_split(&w.head.classes, w.opts.classes, "--classes", err)))
        return rn_head_free(&w.head), -1;
    for (size_t i = 0; i < args->operands; i++)
        if (is_archive(&w, args->operand[i])) {
            int done = run_archives(&w, err);
            rn_head_free(&w.head);
            return done;
        }
    int rc = rn_writer_open(&w.writer, args->output, err) || (w.opts.live ? list_live(&w, err) : list_all(&w, err)) ? -1 : 0;
    rn_progress_end(&w.progress);
    if (rc == 0 && (rc = rn_writer_tail(w.writer, err)) == 0) {
        rc = rn_writer_close(w.writer, err);
        w.writer = NULL;
    }
    if (rc == 0 && w.failed && !args->quiet)
        rn_note("error records made: %zu", w.failed);
    rn_writer_discard(w.writer);
    rn_pictures_free(&w.pictures);
    rn_pictures_free(&w.others);
    rn_head_free(&w.head);
    rn_buffer_free(&w.bytes);
    rn_seen_free(&w.seen);
    free(w.label);
    return rc ? -1 : w.failed || w.bare ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-list", .operands = "FOLDER|ARCHIVE|FILE...",
    .summary = "list pictures, in folders, archives or by name, as samples",
    .options = options, .size = sizeof(struct opts), .run = run, .environment = RN_ENV_TMPDIR,
    .about = "Writes one sample for each picture below the folders, in byte order of the path below the folder: regular files, and "
             "links to such, with the ending, in any case, of a JPEG (.jpg .jpeg .jpe .jfif .jif .mpo), PNG, WebP, TIFF (.tif "
             ".tiff), GIF, HEIF (.heic .heif .hif .avif), BMP or .ppm .pgm .pnm. Names that begin with a dot are passed over, and "
             "the folders @eaDir, #recycle, $RECYCLE.BIN, System Volume Information and their like; links to folders are "
             "followed, but not in circles. A link that leads nowhere is listed, so that whoever opens it reports it.\n\n"
             "A file that has the ending of a camera's raw format, or of another one that is not read here, becomes an error "
             "record that says what to do; a folder or path that cannot be looked into becomes one that says why, and the rest is "
             "listed: exit 1. What else is passed over is counted by its ending, in a line on standard error; a class folder in "
             "which nothing was found is named. A folder without any picture: exit 1.\n\n"
             "The class of a picture is the name of the first folder below the listed one, however deep the picture lies; the "
             "classes are those that have pictures, in byte order, or what --classes says. A picture that lies in no class's "
             "folder, or in one that --classes does not have, is an error (exit 3).\n\n"
             "Where all first folders are called train, training, val, valid, validation, test or testing, and have folders in "
             "them, the first folder is the sample's split (train, val or test) and the second its class; a line says so. "
             "--layout says which of the two it is. With --unlabeled, splits are taken only when --layout=splits asks for "
             "them.\n\n"
             "The id is the path below the folder; with several operands, of files, or with --files-from, it is the path as "
             "given. A repeated id is an error (exit 3); with -k it is listed once, and a line says so.\n\n"
             "A list may have line ends of \\r\\n and a byte order mark: names that begin or end so need -0.\n\n"
             "Files, as operands or with --files-from, are taken in the order given, whatever their names end in; the class is the "
             "name of the folder that the file lies in. A file that is not there is an error (exit 4), with -k an error record "
             "(exit 1), and so is a folder; empty lines are passed over. With --by-ending only names that would be listed in a "
             "folder are taken.\n\n"
             "Operands that are called .tar, .tgz, .tar.gz, .tar.xz, .tar.zst and so on, or whatever is given with --tar, are tar "
             "archives: their pictures are listed as if they lay in a folder, in the archive's order, with their bytes. Members "
             "beside a picture say more of it, as WebDataset has it: KEY.cls for KEY.jpg is the index of its class (by --classes; "
             "else the class's name is that number) or its name; KEY.json of rn-pick --tar is its id, label and split. An archive "
             "is read twice, to find its classes, unless --classes or --unlabeled is given: only then standard input is not put "
             "aside in $TMPDIR. Links, devices, sparse files, names that lead out of the archive (/, ..) and pictures above 1 GiB "
             "become error records; damage, an archive without its end, and one that becomes a thousand times its size are errors "
             "(exit 3). A process that may neither write files nor use the network does the reading.\n\n"
             "With --live each name's record is written before the next name is waited for. There are no labels, unless --classes "
             "says which. A file that is not there becomes an error record. A name may come again: its id is then the "
             "name, # and the number of its place among the names that have come.",
    .examples = "rn-list trashnet/ | rn-split > all.rn\n"
                "rn-list --unlabeled photos/ | rn-batch --for run/best.rn -k | rn-predict -m run/best.rn --tsv\n"
                "rclone cat remote:new.tar.zst | rn-list --tar --unlabeled - | rn-show\n"
                "find photos -newer last -name '*.jpg' -print0 | rn-list --unlabeled --files-from - -0 > new.rn\n"
                "inotifywait -qm -e close_write --format %w%f in/ | rn-list --files-from - --live |\n"
                "    rn-batch --for run/best.rn -k --wait 0 | rn-predict -m run/best.rn --tsv",
};
