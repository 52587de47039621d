/* rn-show -- what is in this stream?
 * stdin: any stream. stdout: text, TSV, JSON, .npy or PNG. exit: 1 when it is not as --expect wants it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/shipped.h"
#include "device/device.h"
#include "graph/graph.h"
#include "nn/rates.h"
#include "show/show.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts {
    bool json, tsv, values, header, where, layers, labels, cpu;
    int64_t table, png, sheet, batch;
    const char *npy, *teacher, *expect;
    int optimizer;
    double ema;
};

static const struct rn_opt options[] = {
    { 't', "table", RN_OPT_INT, RN_AT(opts, table), 1, 1e6, "the first N records in columns", "N" },
    { 0, "json", RN_OPT_FLAG, RN_AT(opts, json), 0, 0, "head, records and tail as one JSON object a line" },
    { 0, "tsv", RN_OPT_FLAG, RN_AT(opts, tsv), 0, 0, "a table with a header line" },
    { 0, "values", RN_OPT_FLAG, RN_AT(opts, values), 0, 0, "with --json: all numbers of the tensors" },
    { 0, "header", RN_OPT_FLAG, RN_AT(opts, header), 0, 0, "only the heads" },
    { 0, "npy", RN_OPT_TEXT, RN_AT(opts, npy), 0, 0, "each record's tensor of this key: images, probs ..", "KEY" },
    { 0, "png", RN_OPT_INT, RN_AT(opts, png), 1, 1e15, "picture N as a PNG file, from 1, of images or batches", "N" },
    { 0, "sheet", RN_OPT_INT, RN_AT(opts, sheet), 1, 1e6, "all pictures as one PNG file, N in a row", "N" },
    { 0, "labels", RN_OPT_FLAG, RN_AT(opts, labels), 0, 0, "with --sheet: the ids below the pictures" },
    { 0, "expect", RN_OPT_TEXT, RN_AT(opts, expect), 0, 0, "are all parts of a set here, once? (of N records?)", "N",
      RN_OPT_OPTIONAL },
    { 0, "where", RN_OPT_FLAG, RN_AT(opts, where), 0, 0, "a checkpoint's EPOCH:INDEX: the batch to go on with" },
    { 'l', "layers", RN_OPT_FLAG, RN_AT(opts, layers), 0, 0, "a model's layers, parameters, operations and memory" },
    { 'b', "batch", RN_OPT_INT, RN_AT(opts, batch), 1, 1e6, "with -l: images a batch (the checkpoint's, or 16)", "N" },
    { 0, "optimizer", RN_OPT_CHOICE, RN_AT(opts, optimizer), 0, 0, "with -l: rn-train's, for its memory", RN_OPTIMIZER_WORDS },
    { 0, "ema", RN_OPT_REAL, RN_AT(opts, ema), 0, 0.9999999, "with -l: the same", "DECAY" },
    { 0, "teacher", RN_OPT_TEXT, RN_AT(opts, teacher), 0, 0, "with -l: the same", "FILE" },
    { 0, "cpu", RN_OPT_FLAG, RN_AT(opts, cpu), 0, 0, "nothing of a stream: which RN_CPU computes here" },
    RN_OPT_LAST,
};

enum { ALL = (1u << RN_KINDS) - 1 };

struct work {
    const struct opts *opts;
    struct rn_show_layers layers; /* -l */
    struct rn_reader *reader;
    struct rn_out *out;
    struct rn_table table;
    struct rn_columns columns;
    struct rn_parts parts; /* --expect */
    uint64_t records;
    struct rn_sheet sheet;
    int64_t pictures; /* --png: that came by */
    struct rn_buffer line; /* of JSON */
    size_t classes;        /* of the model's last layer, or of its head */
};

static bool is_given(const struct rn_args *args, const char *name)
{
    size_t i = 0;
    while (strcmp(options[i].name, name))
        i++;
    return args->given >> i & 1;
}

/* What of rn-train's options is given stands for the checkpoint's own. */
static void plan_layers(struct work *w, const struct rn_args *args)
{
    static const char *const optimizer[] = { [RN_OPTIMIZER_SGD] = "sgd", [RN_OPTIMIZER_ADAMW] = "adamw" };
    const struct opts *opts = w->opts;
    w->layers.tsv = opts->tsv;
    w->layers.batch = (size_t)opts->batch;
    w->layers.optimizer = is_given(args, "optimizer") ? optimizer[opts->optimizer] : NULL;
    w->layers.ema = is_given(args, "ema") ? &opts->ema : NULL;
    w->layers.teacher = opts->teacher;
}

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    static const char *const train[] = { "optimizer", "ema", "teacher" };
    bool known = false;
    int forms = opts->json + (opts->tsv && !opts->layers) + opts->where + opts->layers + (opts->npy != NULL) + (opts->table > 0) +
                (opts->png > 0) + (opts->sheet > 0) + (opts->expect != NULL);
    if (opts->expect && (strspn(opts->expect, "0123456789") != strlen(opts->expect) || strlen(opts->expect) > 18))
        return rn_fail(err, RN_EXIT_USAGE, "--expect: '%s' is not a number of records", opts->expect);
    if (forms > 1 || (opts->header && forms && !opts->json))
        return rn_fail(err, RN_EXIT_USAGE, "one of --table, --json, --tsv, --npy, --png, --sheet, --expect, --where and -l; "
                                           "--header with --json, -l with --tsv");
    if (opts->batch && !opts->layers)
        return rn_fail(err, RN_EXIT_USAGE, "--batch goes with -l");
    for (size_t i = 0; i < sizeof train / sizeof *train; i++)
        if (is_given(args, train[i]) && (!opts->layers || opts->tsv))
            return rn_fail(err, RN_EXIT_USAGE, "--%s goes with -l, without --tsv", train[i]);
    if (opts->labels && !opts->sheet)
        return rn_fail(err, RN_EXIT_USAGE, "--labels goes with --sheet");
    if (opts->values && !opts->json)
        return rn_fail(err, RN_EXIT_USAGE, "--values goes with --json");
    for (int kind = 0; kind < RN_KINDS && opts->npy; kind++) {
        const char *key = rn_show_tensor_key((enum rn_kind)kind);
        known = known || (key && !strcmp(key, opts->npy)) || !strcmp(opts->npy, "features");
    }
    return known || !opts->npy ? 0 : rn_fail(err, RN_EXIT_USAGE, "--npy: no record has a tensor '%s'", opts->npy);
}

static int write_line(struct work *w, int rc, struct rn_err *err)
{
    if (rc || rn_buffer_add(&w->line, "\n", 1, err) || rn_out_write(w->out, w->line.data, w->line.length, err))
        return -1;
    w->line.length = 0;
    return 0;
}

static int show_head(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    const char *key = head->layer.data ? "features" : rn_show_tensor_key(head->kind);
    w->classes = head->classes.count;
    if (w->opts->json)
        return write_line(w, rn_head_json(head, &w->line, err), err);
    if (w->opts->expect)
        return rn_parts_add(&w->parts, &head->part_of, false, err);
    if (w->opts->layers || w->opts->png || w->opts->sheet)
        return 0;
    if (w->opts->table)
        return rn_columns_head(&w->columns, w->out, head, err);
    if (w->opts->tsv)
        return rn_table_head(&w->table, w->out, head, err);
    if (w->opts->npy)
        return key && !strcmp(key, w->opts->npy)
                   ? 0 : rn_fail(err, RN_EXIT_DATA, "%s have no tensor '%s'", rn_kind_name(head->kind), w->opts->npy);
    if (w->opts->where && head->epoch == RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "weights that are no checkpoint: there is no place to go on from");
    return w->opts->where ? 0 : rn_show_head(w->out, head, err);
}

/* The one that is asked for; what follows is read, and so checked. */
static int picture(struct work *w, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    int64_t before = w->pictures, wanted = w->opts->png;
    w->pictures += (int64_t)rn_show_pictures(record);
    return wanted > before && wanted <= w->pictures ? rn_show_png(w->out, head, record, (size_t)(wanted - before - 1), err) : 0;
}

static int show_record(struct work *w, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    const struct rn_arch *arch = w->opts->layers && head->arch.data ? rn_arch_find(head->arch) : NULL;
    if (arch && rn_arch_has_last(arch, record->name) && record->tensor.dims == 2)
        w->classes = record->tensor.shape[0];
    w->records++;
    if (w->opts->header || w->opts->where || w->opts->layers || w->opts->expect)
        return 0;
    if (w->opts->png)
        return picture(w, head, record, err);
    if (w->opts->sheet)
        return rn_sheet_record(&w->sheet, head, record, err);
    if (w->opts->table)
        return rn_columns_record(&w->columns, w->out, head, record, err);
    if (w->opts->json)
        return write_line(w, rn_record_json(record, &head->classes, w->opts->values, &w->line, err), err);
    if (w->opts->tsv)
        return rn_table_record(w->out, head, record, err);
    if (w->opts->npy)
        return record->error.data ? 0 : rn_show_npy(w->out, &record->tensor, err);
    return rn_show_record(w->out, head, record, err);
}

static int show_tail(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    uint64_t records, xxh3;
    bool hashed;
    rn_reader_tail(w->reader, &records, &xxh3, &hashed);
    if (w->opts->where)
        return rn_out_printf(w->out, err, "%lld:%lld\n", (long long)head->epoch, (long long)head->batch_index);
    if (w->opts->layers)
        return rn_show_layers(w->out, head, w->classes, &w->layers, err);
    if (w->opts->header || w->opts->tsv || w->opts->npy || w->opts->png || w->opts->sheet || w->opts->expect)
        return 0;
    if (w->opts->table)
        return rn_columns_tail(&w->columns, w->out, records, xxh3, hashed, err);
    if (!w->opts->json)
        return rn_show_tail(w->out, records, xxh3, hashed, err);
    if (rn_out_printf(w->out, err, "{\"rn\":\"end\",\"records\":%llu", (unsigned long long)records) ||
        (hashed && rn_out_printf(w->out, err, ",\"xxh3\":\"%016llx\"", (unsigned long long)xxh3)))
        return -1;
    return rn_out_write(w->out, "}\n", 2, err);
}

/* What comes through a pipe is shown as it comes. */
static bool is_live(const struct rn_args *args)
{
    struct stat status;
    return !args->operands && (fstat(STDIN_FILENO, &status) || !S_ISREG(status.st_mode));
}

static int show(struct work *w, bool live, struct rn_err *err)
{
    const struct rn_head *head;
    struct rn_record record;
    unsigned kinds = w->opts->where || w->opts->layers ? RN_KIND_BIT(RN_WEIGHTS) : ALL;
    int rc;
    while ((rc = rn_reader_head(w->reader, kinds, &head, err)) == 1) {
        rc = show_head(w, head, err) ? -1 : 1;
        while (rc == 1 && (!live || (rc = rn_out_flush(w->out, err) ? -1 : 1) == 1) &&
               (rc = rn_reader_record(w->reader, &record, err)) == 1)
            if (show_record(w, head, &record, err))
                rc = -1;
        if (rc || (rc = show_tail(w, head, err)))
            return rc;
    }
    return rc;
}

/* What this process has in memory while the CPU device is open; 0: this system does not say. */
static int weigh_program(size_t *bytes, struct rn_err *err)
{
    struct rn_device *dev;
    unsigned long pages = 0;
    if (rn_device_open_dry(&dev, "cpu", 0, err))
        return -1;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file && fscanf(file, "%*u %lu", &pages) != 1)
        pages = 0;
    if (file)
        fclose(file);
    rn_device_close(dev);
    *bytes = pages * (size_t)sysconf(_SC_PAGESIZE);
    return 0;
}

/* What arithmetic there is here: floats are the same between machines where this is. */
static int show_cpu(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    struct rn_device *dev;
    struct rn_out *out;
    if (args->operands || opts->json || opts->tsv || opts->values || opts->header || opts->where || opts->layers ||
        opts->table > 0 ||
        opts->png > 0 || opts->sheet || opts->labels || opts->batch || opts->npy || opts->expect || opts->optimizer ||
        opts->ema > 0 || opts->teacher)
        return rn_fail(err, RN_EXIT_USAGE, "--cpu stands alone: it looks at the processor, not at a stream");
    if (rn_device_open_dry(&dev, "cpu", 1, err))
        return -1;
    int rc = rn_out_open(&out, args->output, err);
    if (rc == 0) {
        rc = rn_out_printf(out, err, "%s\n", dev->class->variant(dev));
        rc = rc ? (rn_out_discard(out), rc) : rn_out_commit(out, err);
    }
    rn_device_close(dev);
    return rc;
}

/* 1: something is not as expected; 0 or -1. */
static int tell_expected(struct work *w, struct rn_err *err)
{
    struct rn_texts lines = { 0 };
    unsigned long long wanted = strtoull(w->opts->expect, NULL, 10);
    int rc = rn_parts_tell(&w->parts, &lines, err);
    bool other = *w->opts->expect && wanted != w->records, fails = lines.count || other;
    for (size_t i = 0; rc == 0 && i < lines.count; i++)
        rc = rn_out_printf(w->out, err, "%s\n", lines.item[i].data);
    if (rc == 0 && other)
        rc = rn_out_printf(w->out, err, "%llu records, not %llu\n", (unsigned long long)w->records, wanted);
    if (rc == 0 && !fails)
        rc = rn_out_printf(w->out, err, "whole: %llu record%s\n", (unsigned long long)w->records, w->records == 1 ? "" : "s");
    rn_texts_free(&lines);
    return rc ? -1 : fails;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = options_, .columns.limit = (size_t)((const struct opts *)options_)->table };
    w.sheet = (struct rn_sheet){ .columns = (size_t)w.opts->sheet, .words = w.opts->labels };
    struct rn_buffer file = { 0 }; /* the only operand may be a network's name */
    struct rn_err unused;
    int rc = -1, no = 0;
    bool one = args->operands == 1;
    plan_layers(&w, args);
    if (w.opts->cpu)
        return show_cpu(w.opts, args, err);
    if (check_usage(w.opts, args, err) || (w.opts->layers && weigh_program(&w.layers.program, err)) ||
        rn_out_open(&w.out, args->output, err) || ((w.opts->npy || w.opts->png || w.opts->sheet) && rn_out_binary(w.out, err)) ||
        (one && rn_shipped_model(&file, args->operand[0], err)) ||
        rn_reader_open(&w.reader, one ? &file.data : args->operand, args->operands, err))
        goto out;
    rc = show(&w, is_live(args), err);
    if (rc == 0 && w.pictures < w.opts->png)
        rc = rn_fail(err, RN_EXIT_DATA, "there is no picture %lld: the stream has %lld", (long long)w.opts->png,
                     (long long)w.pictures);
    if (rc == 0 && w.opts->sheet)
        rc = rn_sheet_write(&w.sheet, w.out, err);
    if (rc == 0 && w.opts->expect && (no = tell_expected(&w, err)) < 0)
        rc = -1;
    if (rc == 0) {
        rc = rn_out_commit(w.out, err) ? -1 : no;
        w.out = NULL;
    } else if (rn_out_flush(w.out, &unused)) { /* what was good before the damage is shown; *err says more */
        rc = -1;
    }
out:
    rn_out_discard(w.out);
    rn_reader_close(w.reader);
    rn_table_free(&w.table);
    rn_columns_free(&w.columns);
    rn_parts_free(&w.parts);
    rn_sheet_free(&w.sheet);
    rn_buffer_free(&w.line);
    rn_buffer_free(&file);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-show", .operands = "[FILE...]", .summary = "look at any stream: a line a record",
    .options = options, .size = sizeof(struct opts), .run = run, .environment = RN_ENV_CPU | RN_ENV_RECORD_MAX,
    .about = "Without options: for people. Lines that begin with '# ' say what head and tail say; the others are the records, "
             "their parts separated by tabs: id, label, split and content; a batch's EPOCH:INDEX, tensor and first ids; a "
             "prediction's id, label, likeliest class and its probability; a weight's name, role and tensor. '-' is what is not "
             "there.\n\n"
             "--json: the keys of the stream, unknown ones too; predictions have \"prediction\" and \"confidence\" besides. A "
             "tensor is {\"type\", \"shape\", \"min\", \"max\", \"mean\"}, with --values also \"values\", row by row in one list; "
             "other bytes, such as an embedded photo, are {\"bytes\": N}. A byte of an id or path that is not UTF-8 is \\udc80 to "
             "\\udcff, as Python's surrogateescape has it; controls and changes of direction are \\uXXXX, too. Numbers have as few "
             "digits as read back the same. JSON has no NaN and no infinity: they are null, and so are min, max and mean of a "
             "tensor with a NaN.\n\n"
             "--tsv: a header line, again where the columns change; tab, newline, carriage return and backslash are \\t \\n \\r "
             "\\\\; an empty cell is what is not there. Predictions look as from rn-predict --tsv. Ids and labels of a batch are "
             "joined by commas.\n\n"
             "--table N: the first N records in columns; what follows is read and counted. --png N: an image, or one of the "
             "pictures in batches, which are counted through; an error record counts as one. --sheet N: all of them, each in the "
             "middle of a cell as large as the largest needs; an error record is an empty cell.\n\n"
             "-l: of each layer what it does, the output and the weights as [channels,height,width] and the like, how many numbers "
             "are trained, millions of floating point operations (a multiply-add is two; what is not a convolution or linear layer "
             "counts nothing) and KiB of the output, for one image. Then the peak memory of rn-train (with --val) and rn-predict "
             "on the CPU, as a sum of its parts: the program; the network's weights, gradients and statistics; activations of a "
             "batch; the operators' scratch memory; what streams need, and a teacher's predictions. rn-train's is with the "
             "checkpoint's --optimizer, --ema and --teacher, or those that are given: averages and second moments are as large as "
             "the weights (--accumulate needs nothing: gradients are summed where they are). A run with --head is counted with "
             "batches of features. It is planned, by the code that would run, not measured. With --tsv: the layers alone, "
             "operations and bytes as whole numbers.\n\n"
             "--cpu prints avx512, avx2 or portable: the code that the processor of this machine runs, or RN_CPU names. Networks "
             "give the same digits on machines where it is the same.\n\n"
             "--npy writes one .npy file after the other: numpy.load on one open file reads them in turn. Error records have "
             "none.\n\n"
             "--expect reads everything and says in a line what is missing of the sets of which the segments are parts (rn-pick "
             "--shard, --cut), which parts are there twice, and which are of another set; --expect=N also whether there are N "
             "records. A stream that was never cut is whole. Exit 1 when something is not as expected.\n\n"
             "Damage ends the output after the last good record, with exit 3. --header, --where and -l read, and so check, the "
             "whole input too.",
    .examples = "rn-show -t 10 all.rn\n"
                "rn-show --expect part.*.rn\n"
                "rn-show --json all.rn | jq -r 'select(.split == \"test\") | .id'\n"
                "rn-show -l run/best.rn -b 64\n"
                "rn-show --where run/last.rn   # EPOCH:INDEX of the batch that it waits for",
};
