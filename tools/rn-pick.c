/* rn-pick -- only these records.
 * stdin: any stream. stdout, or with --cut N files: the same kind, one segment for each; with --tar archives of samples' files.
 * exit: 1 when --embed or --tar could not read a file. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/file.h"
#include "core/mem.h"
#include "pick/pick.h"
#include "pick/shards.h"
#include "pick/slices.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts {
    const char *shard, *fail;
    int64_t cut, head, skip;
    uint64_t max_size;
    bool errors, embed, tar;
};

static const struct rn_opt options[] = {
    { 0, "shard", RN_OPT_TEXT, RN_AT(opts, shard), 0, 0, "the I-th of N equal slices of the input (needs files, not a pipe)", "I/N" },
    { 0, "cut", RN_OPT_INT, RN_AT(opts, cut), 1, 1e6, "all N slices, in N files: -o s.%d.rn", "N" },
    { 0, "head", RN_OPT_INT, RN_AT(opts, head), 0, 1e15, "at most N records" },
    { 0, "skip", RN_OPT_INT, RN_AT(opts, skip), 0, 1e15, "without the first N records" },
    { 0, "errors", RN_OPT_FLAG, RN_AT(opts, errors), 0, 0, "only error records" },
    { 0, "embed", RN_OPT_FLAG, RN_AT(opts, embed), 0, 0, "samples: put the files' bytes into the stream, not their paths" },
    { 0, "tar", RN_OPT_FLAG, RN_AT(opts, tar), 0, 0, "samples: a tar archive of their files, as WebDataset has it", NULL, RN_OPT_HOW },
    { 0, "max-size", RN_OPT_COUNT, RN_AT(opts, max_size), 1, 1e15, "with --tar: archives of at most so many bytes: -o s.%06d.tar", "BYTES", RN_OPT_HOW },
    { 0, "fail", RN_OPT_TEXT, RN_AT(opts, fail), 0, 0, "make error records of them, for this reason", "REASON" },
    RN_OPT_LAST,
};

enum { ALL = (1u << RN_KINDS) - 1 };
enum { LARGEST = 1 << 30 }; /* bytes of a file to be embedded: no reader takes a larger record */

struct work {
    const struct opts *opts;
    struct rn_conditions conditions;
    struct rn_texts picked;  /* the conditions as they were written */
    char **file;             /* the other operands */
    size_t files;
    bool live;               /* from a pipe: pass on at once */
    struct rn_slices slices; /* --shard, --cut */
    uint64_t part, of, at;   /* the slice that is written; records of the input so far */
    bool inside;             /* the reader is in a segment, whose head this is */
    const struct rn_head *in;
    int64_t held;            /* records so far for which the conditions hold */
    struct rn_reader *reader;
    struct rn_writer *writer;
    struct rn_shards shards; /* --tar */
    uint64_t left_out;       /* ... which has no place for error records */
    struct rn_buffer bytes;  /* of an embedded file */
    bool failed;             /* one could not be read */
};

static int parse_operands(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    w->conditions.errors = w->opts->errors;
    if (!(w->file = rn_calloc(args->operands, sizeof *w->file, err)))
        return -1;
    for (size_t i = 0; i < args->operands; i++) {
        int rc = rn_conditions_add(&w->conditions, args->operand[i], err);
        if (rc < 0 || (rc && rn_texts_add(&w->picked, rn_text(args->operand[i]), err)))
            return -1;
        if (!rc)
            w->file[w->files++] = args->operand[i];
    }
    return 0;
}

static bool is_regular(const char *path)
{
    struct stat status;
    int rc = !strcmp(path, "-") ? fstat(STDIN_FILENO, &status) : stat(path, &status);
    return rc || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode); /* whoever opens what is no file says so */
}

static int check_files(const struct work *w, struct rn_err *err)
{
    for (size_t k = 0; k < (w->files ? w->files : 1); k++) {
        const char *file = w->files ? w->file[k] : "-";
        if (!is_regular(file) && (w->opts->shard || strcmp(file, "-")))
            return rn_fail(err, RN_EXIT_USAGE, "--%s needs files, not a pipe: the records are counted first",
                           w->opts->shard ? "shard" : "cut");
    }
    return 0;
}

static int parse_shard(struct work *w, struct rn_err *err)
{
    unsigned long long part, parts;
    char more;
    const char *text = w->opts->shard;
    if (strspn(text, "0123456789/") != strlen(text) || strlen(text) > 20 ||
        sscanf(text, "%llu/%llu%c", &part, &parts, &more) != 2 || part < 1 || part > parts || parts > INT64_MAX)
        return rn_fail(err, RN_EXIT_USAGE, "--shard: '%s' is not I/N with I from 1 to N", text);
    w->part = part;
    w->of = parts;
    return 0;
}

static int check_usage(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    struct rn_buffer name = { 0 };
    const struct opts *opts = w->opts;
    int rc = 0;
    if (opts->cut && (opts->shard || opts->skip || opts->head >= 0))
        return rn_fail(err, RN_EXIT_USAGE, "--cut does not go with --shard, --skip and --head");
    if (opts->max_size && (!opts->tar || opts->cut))
        return rn_fail(err, RN_EXIT_USAGE, "--max-size goes with --tar, without --cut");
    if (opts->tar && (opts->fail || opts->errors))
        return rn_fail(err, RN_EXIT_USAGE, "--tar: an archive has no place for error records");
    if (opts->cut || opts->max_size)
        rc = rn_slices_name(&name, args->output ? args->output : "-", 1, err);
    rn_buffer_free(&name);
    if (rc || (opts->shard && parse_shard(w, err)))
        return -1;
    w->of = opts->cut ? (uint64_t)opts->cut : w->of;
    return w->of ? check_files(w, err) : 0;
}

/* Standard input becomes a file that can be read twice. */
static int keep_input(struct rn_err *err)
{
    int fd = rn_file_keep(STDIN_FILENO, err);
    if (fd < 0)
        return rn_fail_at(err, "standard input");
    int rc = dup2(fd, STDIN_FILENO) < 0 ? rn_fail_errno(err, "the temporary file") : 0;
    close(fd);
    return rc;
}

/* Reads everything once to count the records, and goes back to where standard input was. */
static int count_records(struct work *w, struct rn_err *err)
{
    if (w->opts->cut && !w->files && !is_regular("-") && keep_input(err))
        return -1;
    off_t start = lseek(STDIN_FILENO, 0, SEEK_CUR);
    if (rn_reader_open(&w->reader, w->file, w->files, err) || rn_slices_count(&w->slices, w->reader, err))
        return -1;
    rn_reader_close(w->reader);
    w->reader = NULL;
    if (start >= 0 && lseek(STDIN_FILENO, start, SEEK_SET) < 0)
        return rn_fail_errno(err, "standard input");
    return 0;
}

static bool wanted(struct work *w, const struct rn_head *head, const struct rn_record *record)
{
    if (!rn_conditions_hold(&w->conditions, head, record))
        return false;
    int64_t held = w->held++;
    return held >= w->opts->skip && (w->opts->head < 0 || held - w->opts->skip < w->opts->head);
}

/* What a live source has given is handed on before more is waited for. */
static int flush(struct work *w, struct rn_err *err)
{
    return w->live && w->writer ? rn_writer_flush(w->writer, err) : 0;
}

/* An error record in the place of this one. `reason` is borrowed. */
static void fail(struct rn_record *record, const char *reason)
{
    *record = (struct rn_record){ .kind = record->kind, .id = record->id, .label = record->label, .split = record->split,
                                  .error = rn_text(reason) };
}

static int embed(struct work *w, struct rn_record *record, struct rn_err *err)
{
    char *path = NULL;
    if (record->data.data || record->error.data)
        return 0;
    if (!(path = strndup(record->path.data, record->path.length)))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    int rc = rn_file_read(&w->bytes, path, LARGEST, err);
    free(path);
    if (rc)
        return -1;
    record->from_path = record->path;
    record->path = (struct rn_text){ 0 };
    record->data = (struct rn_text){ w->bytes.length ? w->bytes.data : "", w->bytes.length };
    return 0;
}

static int emit(struct work *w, const struct rn_head *head, struct rn_record *record, struct rn_err *err)
{
    struct rn_err reason; /* of this record alone: the others go on */
    if ((w->opts->embed || w->opts->tar) && embed(w, record, &reason)) {
        w->failed = true;
        if (w->opts->tar)
            rn_note("%s", reason.text);
        fail(record, reason.text);
    }
    if (w->opts->tar && record->error.data)
        return w->left_out++, 0;
    if (w->opts->tar)
        return rn_shards_add(&w->shards, head, record, err);
    if (w->opts->fail && !record->error.data)
        fail(record, w->opts->fail);
    return rn_writer_record(w->writer, record, err) || flush(w, err) ? -1 : 0;
}

static int check_kind(const struct opts *opts, enum rn_kind kind, struct rn_err *err)
{
    if (opts->tar && kind != RN_SAMPLES)
        return rn_fail(err, RN_EXIT_DATA, "--tar: samples have files, %s have not%s", rn_kind_name(kind),
                       kind == RN_IMAGES ? " (rn-augment --write makes some)" : "");
    if (opts->embed && kind != RN_SAMPLES)
        return rn_fail(err, RN_EXIT_DATA, "--embed: samples have files, %s have not", rn_kind_name(kind));
    if (opts->fail && (kind == RN_BATCHES || kind == RN_WEIGHTS))
        return rn_fail(err, RN_EXIT_DATA, "--fail: records of %s have no id to go by", rn_kind_name(kind));
    return 0;
}

/* The head of a segment to be written, signed; takes it. */
static int begin(struct work *w, struct rn_head *out, struct rn_err *err)
{
    int rc = check_kind(w->opts, out->kind, err) || rn_conditions_check(&w->conditions, out, err) ? -1 : 0;
    if (rc == 0 && w->opts->tar)
        rc = rn_shards_head(&w->shards, out, err);
    else if (rc == 0)
        rc = rn_head_sign(out, &rn_tool, w->opts, &w->picked, err) || rn_writer_head(w->writer, out, err) || flush(w, err) ? -1 : 0;
    rn_head_free(out);
    return rc;
}

static int end_segment(struct work *w, struct rn_err *err)
{
    return w->writer ? rn_writer_tail(w->writer, err) || flush(w, err) : 0;
}

static int open_output(struct work *w, const char *path, struct rn_err *err)
{
    w->shards.path = path;
    w->shards.most = w->opts->max_size;
    return w->opts->tar ? rn_shards_open(&w->shards, err) : rn_writer_open(&w->writer, path, err);
}

static int close_output(struct work *w, struct rn_err *err)
{
    struct rn_writer *writer = w->writer;
    w->writer = NULL;
    return w->opts->tar ? rn_shards_close(&w->shards, err) : rn_writer_close(writer, err);
}

static int segment(struct work *w, const struct rn_head *in, struct rn_err *err)
{
    struct rn_head out;
    struct rn_record record;
    if (rn_head_copy(&out, in, err) || begin(w, &out, err))
        return -1;
    int rc;
    while ((rc = rn_reader_record(w->reader, &record, err)) == 1)
        if (wanted(w, in, &record) && emit(w, in, &record, err))
            return -1;
    return rc || end_segment(w, err) ? -1 : 0;
}

static int all_segments(struct work *w, struct rn_err *err)
{
    const struct rn_head *head;
    int rc;
    while ((rc = rn_reader_head(w->reader, ALL, &head, err)) == 1)
        if (segment(w, head, err))
            return -1;
    return rc;
}

/* ---- slices ---- */

/* The next record of whatever segment. */
static int next_record(struct work *w, struct rn_record *record, struct rn_err *err)
{
    int rc = 0;
    while (rc == 0) {
        if (!w->inside && (rc = rn_reader_head(w->reader, ALL, &w->in, err)) != 1)
            return rc ? rc : rn_fail(err, RN_EXIT_DATA,
                                     "the input is shorter than when its records were counted: nobody may write to it meanwhile");
        rc = rn_reader_record(w->reader, record, err);
        w->inside = rc == 1;
    }
    w->at++;
    return rc;
}

static int slice_segment(struct work *w, size_t k, uint64_t before, struct rn_err *err)
{
    struct rn_head out;
    struct rn_record record;
    uint64_t first, end;
    if (rn_slices_segment(&w->slices, k, before, w->part, w->of, &first, &end, &out, err) || begin(w, &out, err))
        return -1;
    while (first < end && w->at < end)
        if (next_record(w, &record, err) < 0 || (w->at > first && wanted(w, w->in, &record) && emit(w, w->in, &record, err)))
            return -1;
    return end_segment(w, err);
}

static int slice(struct work *w, struct rn_err *err)
{
    uint64_t before = 0;
    for (size_t k = 0; k < w->slices.segments; before += w->slices.segment[k++].records)
        if (slice_segment(w, k, before, err))
            return -1;
    return 0;
}

/* A file for each slice; each appears when it is complete. */
static int cut(struct work *w, const char *pattern, struct rn_err *err)
{
    struct rn_buffer name = { 0 };
    int rc = 0;
    for (w->part = 1; rc == 0 && w->part <= w->of; w->part++) {
        rc = rn_slices_name(&name, pattern, w->part, err) || open_output(w, name.data, err) || slice(w, err) ||
             close_output(w, err) ? -1 : 0;
    }
    rn_buffer_free(&name);
    return rc;
}

static int pick(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    if (!w->opts->cut && open_output(w, args->output, err))
        return -1;
    if ((w->of && count_records(w, err)) || rn_reader_open(&w->reader, w->file, w->files, err))
        return -1;
    w->live = !w->files && !is_regular("-");
    if (w->opts->cut)
        return cut(w, args->output, err);
    return (w->of ? slice(w, err) : all_segments(w, err)) || close_output(w, err) ? -1 : 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = options_ };
    int rc = parse_operands(&w, args, err) || check_usage(&w, args, err) || pick(&w, args, err) ? -1 : w.failed || w.left_out;
    if (rc >= 0 && w.left_out && !args->quiet)
        rn_note("error records left out of the archive: %llu", (unsigned long long)w.left_out);
    rn_shards_free(&w.shards);
    rn_writer_discard(w.writer);
    rn_reader_close(w.reader);
    rn_slices_free(&w.slices);
    rn_conditions_free(&w.conditions);
    rn_texts_free(&w.picked);
    rn_buffer_free(&w.bytes);
    free(w.file);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-pick", .operands = "[KEY=VALUE...] [KEY!=VALUE...] [FILE...]", .summary = "filter and slice any stream",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .head = -1 }, .run = run,
    .environment = RN_ENV_RECORD_MAX | RN_ENV_TMPDIR,
    .about = "Passes on the records for which every condition holds, in one segment for each of the input, and nothing else of it "
             "is changed. An operand that begins with a word and '=' or '!=' is a condition; others are files (a file with such a "
             "name: ./NAME=...).\n\n"
             "Keys: label (a class's name), split, id, path and error of samples, images and predictions; epoch and index of "
             "batches; name and role of weights. Of several KEY=VALUE with the same key one must hold; every KEY!=VALUE must hold; "
             "different keys must all agree. An empty value means that there is none: 'label=' are the records without a label, "
             "'error=' those that did not fail. Error records are judged like others, by their id, label and split. A class that "
             "the stream does not have, or a key that its kind does not have, is an error (exit 3).\n\n"
             "--shard counts all records of the input, whatever the conditions; conditions come next, then --skip, then --head. "
             "Shards 1/N to N/N one after the other have the records of the whole, in order. --cut N writes all of them, to files "
             "named by -o with the slice's number for its %d or %03d: a file is read twice, standard input once (a pipe is kept in "
             "a temporary file in $TMPDIR meanwhile). The input is read to its end even when --head has had enough, so that damage "
             "is seen.\n\n"
             "Slices say in their heads which part they are of what was cut. rn-show --expect, rn-score, rn-batch, rn-split and "
             "rn-near tell which parts are missing, are there twice, or are of another set.\n\n"
             "--tar writes the files of samples to an archive that WebDataset's readers take: KEY.jpg (or what the file is), "
             "KEY.cls (the class's index) and KEY.json (id, label, split) for each; rn-list of it gives the same samples with "
             "their bytes. KEY is the id without its ending; points in it and what else would mean something in a key are %XX. "
             "With --max-size archives follow each other in one pass, none larger unless for one photo. An archive has no place "
             "for error records: they are counted, and make the exit code 1. Other keys of records are left behind.\n\n"
             "--embed makes a slice that can be worked on where its files are not: on another host. A file that cannot be read is "
             "an error record, and makes the exit code 1. --fail REASON is for a slice that nobody could do: every record is "
             "counted as failed by the tools that follow.",
    .examples = "rn-pick split=train < all.rn | rn-batch --train | rn-train -o run/\n"
                "rn-pick split=test label=glass label=metal all.rn | rn-show\n"
                "rn-pick 'role!=momentum' run/last.rn -o small.rn\n"
                "rn-list photos | rn-pick --cut 8 -o part.%d.rn\n"
                "rn-list photos | rn-pick --tar --max-size 100M -o photos-%06d.tar\n"
                "seq 8 | parallel -k 'rn-pick --shard {}/8 all.rn | rn-augment -p mid' > augmented.rn",
};
