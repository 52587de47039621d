/* rn-split -- which samples to train on, to validate on, to test on?
 * stdin: samples. stdout: the same samples, in the same order, each with its split. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/stash.h"
#include "core/threads.h"
#include "near/near.h"
#include "split/split.h"
#include "stream/stream.h"
#include "tools/decoders.h"

struct opts {
    const char *ratio;
    uint64_t seed;
    struct rn_texts list;
    int64_t folds, fold;
    const char *group;
    bool group_near, keep_going, no_sandbox;
    int64_t jobs;
};

static const struct rn_opt options[] = {
    { 'r', "ratio", RN_OPT_TEXT, RN_AT(opts, ratio), 0, 0, "percent for train, val and test", "A/B/C" },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "which samples go where" },
    { 0, "list", RN_OPT_LIST, RN_AT(opts, list), 0, 0, "a published list: lines of a file's name and a class's number", "SPLIT=FILE" },
    { 0, "folds", RN_OPT_INT, RN_AT(opts, folds), 2, 1000, "K equal splits instead, named fold0, fold1, ...", "K" },
    { 0, "fold", RN_OPT_INT, RN_AT(opts, fold), 0, 999, "of these, fold I as test, the next as val, the others as train", "I" },
    { 0, "group", RN_OPT_TEXT, RN_AT(opts, group), 0, 0,
      "samples with the same value of this key stay together; folder: those of one folder", "FIELD" },
    { 0, "group-near", RN_OPT_FLAG, RN_AT(opts, group_near), 0, 0,
      "photos that are the same, or nearly so, stay together (see rn-near)" },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0,
      "with --group-near: a photo that cannot be read is near no other", NULL, RN_OPT_HOW },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 1024, "with --group-near: threads [the cores]", NULL, RN_OPT_HOW },
    RN_OPT_NO_SANDBOX(no_sandbox),
    RN_OPT_LAST,
};
enum { RATIO, SEED, LIST, FOLDS, FOLD, GROUP, GROUP_NEAR, KEEP_GOING, JOBS }; /* their rows */
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
    struct rn_texts missing; /* lines: parts of the set */
    size_t kept_count, kept_capacity, members, member_capacity, nowhere;
    struct rn_texts fields;         /* --group: of each member; "": none */
    struct rn_sets sets;            /* of members that stay together */
    bool *copy;                     /* members that are augmented copies of others */
    struct rn_decode decode;        /* --group-near */
    struct rn_prints prints;        /* ... of the members */
    size_t looked_at;               /* ... of what was kept */
    struct rn_buffer room;          /* what is recalled borrows from these two */
    struct rn_arena *arena;
    bool keeps;          /* what folders say is kept: nothing else was asked for */
    size_t from_folders; /* samples whose split is their folder's */
    size_t none;         /* samples that have none from there */
    size_t in[3];        /* of each split, from folders */
};

static int check_fold(const struct opts *opts, struct rn_err *err)
{
    if (opts->fold < 0)
        return 0;
    if (opts->folds < 0)
        return rn_fail(err, RN_EXIT_USAGE, "--fold: it needs --folds, of which it is one");
    if (opts->fold >= opts->folds)
        return rn_fail(err, RN_EXIT_USAGE, "--fold: '%lld' is not one of 0 to %lld", (long long)opts->fold,
                       (long long)opts->folds - 1);
    return opts->folds > 2 ? 0 : rn_fail(err, RN_EXIT_USAGE, "--fold: of two folds none is left to train on: --folds 3 or more");
}

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    static const char *const useless[] = { "", "id", "label", "split", "path", "data" };
    unsigned share[3];
    if (opts->folds > 0 && args->given & 1 << RATIO)
        return rn_fail(err, RN_EXIT_USAGE, "--folds or --ratio, not both");
    if (opts->list.count && args->given & (1 << RATIO | 1 << FOLDS | 1 << SEED))
        return rn_fail(err, RN_EXIT_USAGE, "--list leaves nothing to --ratio, --folds or --seed");
    if (opts->list.count && (opts->group || opts->group_near))
        return rn_fail(err, RN_EXIT_USAGE, "--list leaves nothing to --group%s", opts->group ? "" : "-near");
    if (!opts->group_near && args->given & (1 << KEEP_GOING | 1 << JOBS))
        return rn_fail(err, RN_EXIT_USAGE, "--%s goes with --group-near", options[opts->keep_going ? KEEP_GOING : JOBS].name);
    for (size_t i = 0; opts->group && i < sizeof useless / sizeof *useless; i++)
        if (!strcmp(opts->group, useless[i]))
            return rn_fail(err, RN_EXIT_USAGE, "--group: '%s' says nothing of who belongs together: give another key, or folder",
                           useless[i]);
    for (size_t i = 0; i < opts->list.count; i++) {
        const char *text = opts->list.item[i].data, *equals = strchr(text, '=');
        if (!equals || equals == text || !equals[1])
            return rn_fail(err, RN_EXIT_USAGE, "--list: '%s' is not SPLIT=FILE", text);
    }
    return check_fold(opts, err) || rn_split_parse_shares(share, opts->ratio, err) ? -1 : 0;
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

/* Of its key, packed; or its folder. */
static int keep_field(struct work *w, const struct rn_record *record, struct rn_err *err)
{
    struct rn_text field = rn_record_field(record, w->opts->group);
    if (!field.data && !strcmp(w->opts->group, "folder")) {
        const char *slash = memrchr(record->id.data, '/', record->id.length);
        field = (struct rn_text){ record->id.data, slash ? (size_t)(slash - record->id.data) + 1 : 0 };
    }
    return rn_texts_add(&w->fields, field.data ? field : RN_TEXT(""), err);
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
        rn_grow(&w->kept, &w->kept_capacity, w->kept_count + 1, sizeof *w->kept, err))
        return -1;
    kept.length = bytes->length;
    w->kept[w->kept_count++] = kept;
    if (kept.is_error)
        return 0;
    if (rn_texts_add(&w->ids, record->id, err) || (w->opts->group && keep_field(w, record, err)) ||
        rn_grow(&w->member, &w->member_capacity, w->members + 1, sizeof *w->member, err))
        return -1;
    w->member[w->members++] = (struct rn_split_member){ .id = w->ids.item[w->ids.count - 1], .group = (size_t)record->label };
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
    return rc || rn_reader_missing(w->reader, true, &w->missing, &w->head.part_of, err) ? -1 : 0;
}

/* What was kept of sample i of the input. */
static int recall(struct work *w, size_t i, struct rn_record *record, struct rn_err *err)
{
    struct rn_text bytes;
    return rn_stash_read(&w->stash, w->kept[i].offset, w->kept[i].length, &w->room, &bytes, err) ||
           rn_record_unpack(record, bytes, &w->head, &w->arena, err) ? -1 : 0;
}

static int by_text(const void *a, const void *b)
{
    const struct rn_text *x = *(const struct rn_text *const *)a, *y = *(const struct rn_text *const *)b;
    return rn_text_compare(*x, *y);
}

static int join_fields(struct work *w, struct rn_err *err)
{
    const struct rn_text **sorted = rn_calloc(w->members, sizeof *sorted, err);
    char room[256];
    size_t with = 0;
    if (!sorted)
        return -1;
    for (size_t i = 0; i < w->members; i++)
        if (w->fields.item[i].length)
            sorted[with++] = &w->fields.item[i];
    qsort(sorted, with, sizeof *sorted, by_text);
    for (size_t i = 1; i < with; i++)
        if (rn_text_equal(*sorted[i - 1], *sorted[i]))
            rn_sets_join(&w->sets, (size_t)(sorted[i - 1] - w->fields.item), (size_t)(sorted[i] - w->fields.item));
    free(sorted);
    if (w->members && !with)
        return rn_fail(err, RN_EXIT_DATA, "--group: no sample has a \"%s\"", rn_text_show(rn_text(w->opts->group), room));
    return 0;
}

static int jobs_of(const struct opts *opts)
{
    return opts->jobs > 0 ? (int)opts->jobs : rn_threads_default();
}

/* A flow's: the next member. */
static int next_member(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    struct rn_record record;
    while (w->looked_at < w->kept_count && w->kept[w->looked_at].is_error)
        w->looked_at++;
    if (w->looked_at == w->kept_count)
        return RN_FLOW_OMIT;
    if (recall(w, w->looked_at++, &record, err) || rn_record_copy(&item->record, &record, &item->bytes, err))
        return -1;
    return RN_FLOW_TAKE;
}

static int join_near(struct work *w, struct rn_err *err)
{
    struct rn_pairs pairs = { 0 };
    int jobs = jobs_of(w->opts);
    const struct rn_prints_plan plan = { .read = next_member, .context = w, .jobs = jobs, .decode = w->decode,
                                         .keep_going = w->opts->keep_going };
    int rc = rn_prints_make(&w->prints, &plan, err) || rn_pairs_find(&pairs, &w->prints, RN_NEAR_DISTANCE, jobs, err) ? -1 : 0;
    for (size_t i = 0; rc == 0 && i < pairs.count; i++)
        rn_sets_join(&w->sets, pairs.item[i].a, pairs.item[i].b);
    rn_pairs_free(&pairs);
    return rc;
}

/* Who stays together: copies with their photo, always. */
static int join(struct work *w, struct rn_err *err)
{
    int64_t *label = rn_calloc(w->members, sizeof *label, err);
    w->copy = rn_calloc(w->members, sizeof *w->copy, err);
    int rc = label && w->copy ? rn_sets_init(&w->sets, w->members, err) : -1;
    for (size_t i = 0; rc == 0 && i < w->members; i++)
        label[i] = (int64_t)w->member[i].group;
    if (rc == 0)
        rc = rn_split_join_copies(&w->sets, w->copy, w->ids.item, label, w->members, &w->head.classes, err);
    free(label);
    if (rc || (w->opts->group && join_fields(w, err)))
        return -1;
    return w->opts->group_near ? join_near(w, err) : 0;
}

/* From the lists; copies go where their photo goes. */
static int look_up(struct work *w, struct rn_err *err)
{
    struct rn_text *part = rn_calloc(w->members, sizeof *part, err); /* of a set, by its smallest index */
    int rc = part ? 0 : -1;
    size_t at = 0;
    for (size_t i = 0; rc == 0 && i < w->members; i++) {
        struct rn_text label = { 0 }, found;
        if (w->copy[i])
            continue;
        if (w->member[i].group != (size_t)RN_NIL)
            label = w->head.classes.item[w->member[i].group];
        if ((rc = rn_lists_find(&w->lists, rn_split_photo(w->member[i].id), label, &found, err)) == 0 && found.data)
            part[rn_sets_find(&w->sets, i)] = found;
    }
    for (size_t i = 0; rc == 0 && i < w->kept_count; i++)
        if (!w->kept[i].is_error) {
            w->kept[i].part = part[rn_sets_find(&w->sets, at++)];
            w->nowhere += !w->kept[i].part.data;
        }
    free(part);
    return rc ? -1 : rn_lists_used_up(&w->lists, err);
}

/* What the j-th part is called. */
static const char *name_of(const struct opts *opts, size_t j, char room[static 32])
{
    if (opts->folds < 0)
        return names[j];
    if (opts->fold >= 0)
        return names[j == (size_t)opts->fold ? 2 : j == (size_t)((opts->fold + 1) % opts->folds)];
    snprintf(room, 32, "fold%zu", j);
    return room;
}

/* A fold without a photo would test nothing. */
static int check_folds(const struct work *w, size_t photos, struct rn_err *err)
{
    size_t in[LARGEST] = { 0 }, folds = (size_t)w->opts->folds;
    if (photos && photos < folds)
        return rn_fail(err, RN_EXIT_DATA, "--folds: %zu are more than the %zu photos", folds, photos);
    for (size_t i = 0; i < w->members; i++)
        in[w->member[i].part] += !w->copy[i];
    for (size_t j = 0; photos && j < folds; j++)
        if (!in[j])
            return rn_fail(err, RN_EXIT_DATA, "--folds: fold%zu of %zu has no photo: with what is to stay together, fewer folds "
                                              "are possible",
                           j, folds);
    return 0;
}

static int draw(struct work *w, struct rn_err *err)
{
    size_t total[LARGEST], parts = w->opts->folds > 0 ? (size_t)w->opts->folds : 3, at = 0, photos = 0;
    unsigned share[3];
    for (size_t i = 0; i < w->members; i++)
        photos += !w->copy[i];
    for (size_t j = 0; j < parts; j++) {
        char name[32];
        if (rn_texts_add(&w->parts, rn_text(name_of(w->opts, j, name)), err))
            return -1;
    }
    if (rn_split_parse_shares(share, w->opts->ratio, err))
        return -1;
    if (w->opts->folds > 0)
        rn_split_evenly(total, photos, parts);
    else
        rn_split_by_shares(total, photos, share, parts);
    if (rn_split_group(w->member, w->members, &w->head.classes, err) ||
        rn_split_draw_sets(w->member, w->members, w->head.classes.count + 1, total, parts, w->opts->seed, &w->sets, w->copy, err) ||
        (w->opts->folds > 0 && check_folds(w, photos, err)))
        return -1;
    for (size_t i = 0; i < w->kept_count; i++)
        if (!w->kept[i].is_error)
            w->kept[i].part = w->parts.item[w->member[at++].part];
    return 0;
}

static int write_all(struct work *w, struct rn_err *err)
{
    int rc = rn_head_sign(&w->head, &rn_tool, w->opts, NULL, err) || rn_writer_head(w->writer, &w->head, err) ? -1 : 0;
    for (size_t i = 0; i < w->kept_count && rc == 0; i++) {
        struct rn_record record;
        if (recall(w, i, &record, err))
            return -1;
        if (!w->kept[i].is_error && !w->keeps)
            record.split = w->kept[i].part;
        rc = rn_writer_record(w->writer, &record, err);
    }
    return rc ? -1 : rn_writer_tail(w->writer, err);
}

/* The split of folders is kept unless another was asked for; --seed alone asks for none. */
static int decide(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    bool asked = args->given & (1 << RATIO | 1 << LIST | 1 << FOLDS | 1 << GROUP | 1 << GROUP_NEAR);
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
    struct work w = { .opts = options_, .decode = { .max_pixels = 178956970, .exif = true } };
    rn_head_init(&w.head, RN_SAMPLES);
    int rc = -1;
    if (check_usage(w.opts, args, err) || rn_writer_open(&w.writer, args->output, err) || read_lists(&w, err) ||
        rn_reader_open(&w.reader, args->operand, args->operands, err))
        goto out;
    rn_reader_unique(w.reader);
    rn_reader_join(w.reader);
    if (w.opts->group_near && !w.opts->no_sandbox && rn_decode_apart(&w.decode, jobs_of(w.opts), args->quiet, err))
        goto out;
    if (read_all(&w, err) || decide(&w, args, err) || (!w.keeps && join(&w, err)))
        goto out;
    if ((w.opts->list.count ? look_up(&w, err) : !w.keeps && draw(&w, err)) || write_all(&w, err))
        goto out;
    rc = rn_writer_close(w.writer, err);
    w.writer = NULL;
    for (size_t i = 0; rc == 0 && i < w.missing.count && !args->quiet; i++)
        rn_note("%s", w.missing.item[i].data);
    if (rc == 0 && w.nowhere && !args->quiet)
        rn_note("%zu samples are in no list: they have no split", w.nowhere);
    if (rc == 0 && w.prints.failed && !args->quiet)
        rn_note("photos that could not be read: %zu", w.prints.failed);
out:
    rn_writer_discard(w.writer);
    rn_reader_close(w.reader);
    rn_head_free(&w.head);
    rn_lists_free(&w.lists);
    rn_stash_free(&w.stash);
    if (rc == 0 && w.missing.count)
        rc = RN_EXIT_NO;
    rn_texts_free(&w.missing);
    rn_texts_free(&w.ids);
    rn_texts_free(&w.parts);
    rn_texts_free(&w.fields);
    rn_sets_free(&w.sets);
    rn_prints_free(&w.prints);
    rn_decoders_end(w.decode.apart);
    rn_buffer_free(&w.room);
    rn_arena_free(w.arena);
    free(w.copy);
    free(w.kept);
    free(w.member);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-split", .operands = "[FILE...]", .summary = "give each sample a split",
    .options = options, .size = sizeof(struct opts), .run = run, .environment = RN_ENV_RECORD_MAX | RN_ENV_TMPDIR,
    .defaults = &(const struct opts){ .ratio = "70/13/17", .seed = 1234, .folds = -1, .fold = -1, .jobs = -1 },
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
             "rn-pick split!=fold0 trains. With --fold=I too it is said in the other words: fold I is test, the one after it (fold "
             "0 after the last) val, and the others train. A fold that no photo is left for is an error (exit 3).\n\n"
             "Augmented copies (PHOTO#recipe.copy, or the files NAME-recipe-copy.jpg that rn-augment --write makes) go where "
             "their photo goes, with --list too, and count nothing: the photos' splits are what they would be without them. "
             "--group and --group-near keep others together besides: a set that counts for several goes where it disturbs the "
             "totals of its classes least, so that these may be off by a few.",
    .examples = "rn-list trashnet/ | rn-split --ratio 70/13/17 --seed 1234 > all.rn\n"
                "rn-list trashnet/ | rn-split --list train=train.txt --list val=val.txt --list test=test.txt > listed.rn\n"
                "rn-list trashnet/ | rn-split --folds 5 --group-near > folds.rn",
};
