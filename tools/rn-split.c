/* rn-split -- which samples to train on, to validate on, to test on?
 * stdin: samples. stdout: the same samples, in the same order, each with its split. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stash.h"
#include "split/split.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts {
    const char *ratio;
    uint64_t seed;
    struct rn_texts list;
    int64_t folds;
};

static const struct rn_opt options[] = {
    { 'r', "ratio", RN_OPT_TEXT, RN_AT(opts, ratio), 0, 0, "percent for train, val and test", "A/B/C" },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "which samples go where" },
    { 0, "list", RN_OPT_LIST, RN_AT(opts, list), 0, 0, "a published list: lines of a file's name and a class's number", "SPLIT=FILE" },
    { 0, "folds", RN_OPT_INT, RN_AT(opts, folds), 2, 1000, "K equal splits instead, named fold0, fold1, ...", "K" },
    RN_OPT_LAST,
};
enum { RATIO, SEED, LIST, FOLDS }; /* their rows */
static const char *const names[] = { "train", "val", "test" };
enum { LARGEST = 1000 };           /* number of splits */

/* A record that was put aside; of error records nothing is split. */
struct kept {
    uint64_t offset;
    size_t length;
    bool is_error;
    struct rn_text part;
};

struct work {
    const struct opts *opts;
    struct rn_reader *reader;
    struct rn_writer *writer;
    struct rn_head head;
    struct rn_lists lists;
    struct rn_stash stash;
    struct kept *kept;
    struct rn_split_member *member; /* all but the error records; group: the label, or RN_NIL */
    struct rn_texts ids, parts;
    size_t kept_count, kept_room, members, member_room, nowhere;
    bool keeps;          /* what folders say is kept: nothing else was asked for */
    size_t from_folders; /* samples whose split is their folder's */
    size_t none;         /* samples that have none from there */
    size_t in[3];        /* of each split, from folders */
};

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    unsigned share[3];
    if (opts->folds > 0 && args->given & 1 << RATIO)
        return rn_fail(err, RN_EXIT_USAGE, "--folds or --ratio, not both");
    if (opts->list.count && args->given & (1 << RATIO | 1 << FOLDS | 1 << SEED))
        return rn_fail(err, RN_EXIT_USAGE, "--list leaves nothing to --ratio, --folds or --seed");
    for (size_t i = 0; i < opts->list.count; i++) {
        const char *text = opts->list.item[i].data, *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return rn_fail(err, RN_EXIT_USAGE, "--list: '%s' is not SPLIT=FILE", text);
    }
    return rn_split_parse_shares(share, opts->ratio, err);
}

static int read_lists(struct work *w, struct rn_err *err)
{
    for (size_t i = 0; i < w->opts->list.count; i++) {
        const char *text = w->opts->list.item[i].data, *equals = strchr(text, '=');
        if (rn_lists_read(&w->lists, (struct rn_text){ text, (size_t)(equals - text) }, equals + 1, err))
            return -1;
    }
    return rn_lists_ready(&w->lists, err);
}

/* Whether the splits of a segment are those of its folders, and not an earlier rn-split's: the history says it. */
static bool is_from_folders(const struct rn_head *head)
{
    bool from_folders = false;
    for (size_t i = 0; i < head->history.count; i++) {
        const struct rn_step *step = &head->history.step[i];
        if (rn_text_is(step->tool, "rn-list"))
            from_folders = rn_texts_find(&step->args, RN_TEXT("--layout=splits")) >= 0;
        else if (rn_text_is(step->tool, "rn-split"))
            from_folders = false;
    }
    return from_folders;
}

static int keep(struct work *w, struct rn_record *record, const int64_t *map, struct rn_buffer *bytes, struct rn_err *err)
{
    struct kept kept = { .is_error = record->error.data != NULL };
    if (record->label != RN_NIL)
        record->label = map[record->label];
    bytes->length = 0;
    if (rn_record_pack(record, bytes, err) ||
        rn_stash_add(&w->stash, (struct rn_text){ bytes->data, bytes->length }, &kept.offset, err) ||
        rn_grow(&w->kept, &w->kept_room, w->kept_count + 1, sizeof *w->kept, err))
        return -1;
    kept.length = bytes->length;
    if (!kept.is_error && w->opts->list.count) {
        struct rn_text label = record->label == RN_NIL ? (struct rn_text){ 0 } : w->head.classes.item[record->label];
        if (rn_lists_find(&w->lists, record->id, label, &kept.part, err))
            return -1;
        w->nowhere += !kept.part.data;
    } else if (!kept.is_error) {
        if (rn_texts_add(&w->ids, record->id, err) ||
            rn_grow(&w->member, &w->member_room, w->members + 1, sizeof *w->member, err))
            return -1;
        w->member[w->members++] = (struct rn_split_member){ .id = w->ids.item[w->ids.count - 1], .group = (size_t)record->label };
    }
    w->kept[w->kept_count++] = kept;
    return 0;
}

static int read_all(struct work *w, struct rn_err *err)
{
    const struct rn_head *head;
    struct rn_record record;
    struct rn_buffer bytes = { 0 };
    int64_t *map = NULL;
    int rc;
    while ((rc = rn_reader_head(w->reader, RN_KIND_BIT(RN_SAMPLES), &head, err)) == 1) {
        bool from_folders = is_from_folders(head);
        if (rn_head_join(&w->head, head, &map, err))
            rc = -1;
        while (rc == 1 && (rc = rn_reader_record(w->reader, &record, err)) == 1) {
            bool has = from_folders && record.split.data;
            w->from_folders += has && !record.error.data;
            w->none += !has && !record.error.data;
            for (size_t i = 0; i < 3; i++)
                w->in[i] += has && !record.error.data && rn_text_is(record.split, names[i]);
            if (keep(w, &record, map, &bytes, err))
                rc = -1;
        }
        if (rc < 0)
            break;
    }
    rn_buffer_free(&bytes);
    free(map);
    return rc;
}

static int draw(struct work *w, struct rn_err *err)
{
    size_t total[LARGEST], parts = w->opts->folds > 0 ? (size_t)w->opts->folds : 3, at = 0;
    unsigned share[3];
    for (size_t j = 0; j < parts; j++) {
        char name[32];
        snprintf(name, sizeof name, "fold%zu", j);
        if (rn_texts_add(&w->parts, rn_text(w->opts->folds > 0 ? name : names[j]), err))
            return -1;
    }
    if (rn_split_parse_shares(share, w->opts->ratio, err))
        return -1;
    if (w->opts->folds > 0)
        rn_split_evenly(total, w->members, parts);
    else
        rn_split_by_shares(total, w->members, share, parts);
    if (rn_split_group(w->member, w->members, &w->head.classes, err) ||
        rn_split_draw(w->member, w->members, w->head.classes.count + 1, total, parts, w->opts->seed, err))
        return -1;
    for (size_t i = 0; i < w->kept_count; i++)
        if (!w->kept[i].is_error)
            w->kept[i].part = w->parts.item[w->member[at++].part];
    return 0;
}

static int write_all(struct work *w, struct rn_err *err)
{
    struct rn_arena *arena = NULL;
    struct rn_buffer room = { 0 };
    int rc = rn_head_sign(&w->head, &rn_tool, w->opts, NULL, err) || rn_writer_head(w->writer, &w->head, err) ? -1 : 0;
    for (size_t i = 0; i < w->kept_count && rc == 0; i++) {
        struct rn_text bytes;
        struct rn_record record;
        if (rn_stash_read(&w->stash, w->kept[i].offset, w->kept[i].length, &room, &bytes, err) ||
            rn_record_unpack(&record, bytes, &w->head, &arena, err)) {
            rc = -1;
            break;
        }
        if (!w->kept[i].is_error && !w->keeps)
            record.split = w->kept[i].part;
        rc = rn_writer_record(w->writer, &record, err);
    }
    rn_arena_free(arena);
    rn_buffer_free(&room);
    return rc ? -1 : rn_writer_tail(w->writer, err);
}

/* The split of folders is kept unless another was asked for; --seed alone asks for none. */
static int decide(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    bool asked = args->given & (1 << RATIO | 1 << LIST | 1 << FOLDS);
    w->keeps = w->from_folders && !asked;
    if (w->keeps && w->none)
        return rn_fail(err, RN_EXIT_DATA, "%zu samples have the split of their folders (train, val, test) and %zu have none: split "
                                          "these alone, or draw all anew with --ratio", w->from_folders, w->none);
    for (size_t i = 0; i < 3 && w->keeps && !args->quiet; i++)
        if (!w->in[i])
            rn_note("no sample is in %s: there was no such folder (--ratio draws a split anew)", names[i]);
    if (w->from_folders && asked && !args->quiet)
        rn_note("the split of the folders (train, val, test) is given up for %s",
                args->given & 1 << LIST ? "the lists'" : "a drawn one");
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = options_ };
    rn_head_init(&w.head, RN_SAMPLES);
    int rc = -1;
    if (check_usage(w.opts, args, err) || rn_writer_open(&w.writer, args->output, err) || read_lists(&w, err) ||
        rn_reader_open(&w.reader, args->operand, args->operands, err))
        goto out;
    rn_reader_unique(w.reader);
    if (read_all(&w, err) || decide(&w, args, err))
        goto out;
    if ((w.opts->list.count ? rn_lists_used_up(&w.lists, err) : !w.keeps && draw(&w, err)) || write_all(&w, err))
        goto out;
    rc = rn_writer_close(w.writer, err);
    w.writer = NULL;
    if (rc == 0 && w.nowhere && !args->quiet)
        rn_note("%zu samples are in no list: they have no split", w.nowhere);
out:
    rn_writer_discard(w.writer);
    rn_reader_close(w.reader);
    rn_head_free(&w.head);
    rn_lists_free(&w.lists);
    rn_stash_free(&w.stash);
    rn_texts_free(&w.ids);
    rn_texts_free(&w.parts);
    free(w.kept);
    free(w.member);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-split", .operands = "[FILE...]", .summary = "give each sample a split",
    .options = options, .size = sizeof(struct opts), .run = run,
    .defaults = &(const struct opts){ .ratio = "70/13/17", .seed = 1234, .folds = -1 },
    .about = "Reads samples, all segments joined into one, and writes them in the same order with a split: train, val or test. The "
             "totals are floor(n*A/100), floor(n*B/100) and the rest; each class gets of them what its size asks for, rounded down "
             "or up. Samples without a label are a class of their own here. Which samples go where depends on the seed and on the "
             "ids alone, not on the order of the input. Samples that had a split get a new one; error records pass through.\n\n"
             "A split that rn-list took from folders (train/, val/, test/) is kept, unless --ratio, --folds or --list asks for "
             "another, which a line on standard error then says; where only some samples have one, that is an error (exit 3).\n\n"
             "With --list (given once a file, for any names of splits) the splits are read from published lists: lines such as "
             "'paper70.jpg 2', where classes are numbered from 1 in the order glass paper cardboard plastic metal trash. A sample "
             "is found by the last part of its id and by its class; one without a label by its name alone. A name that is listed "
             "twice, that no sample has, or that is a sample of another class is an error (exit 3); samples in no list keep no "
             "split, and a line on standard error says how many.\n\n"
             "With --folds the splits have sizes within one of each other, for cross-validation: rn-pick split=fold0 tests, "
             "rn-pick split!=fold0 trains.",
    .examples = "rn-list trashnet/ | rn-split --ratio 70/13/17 --seed 1234 > all.rn\n"
                "rn-list trashnet/ | rn-split --list train=train.txt --list val=val.txt --list test=test.txt > listed.rn",
};
