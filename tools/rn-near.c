/* rn-near -- which photos are the same, or nearly so, and do their labels agree?
 * stdin: samples, images. stdout: a table of the photos that are near others.
 * exit: 1 when near photos have different labels or splits, or photos could not be read (-k). */
#include <stdlib.h>

#include "core/sets.h"
#include "core/threads.h"
#include "near/near.h"
#include "tools/decoders.h"

struct opts {
    int64_t distance, jobs;
    bool keep_going, no_exif, no_sandbox;
    uint64_t max_pixels;
};

static const struct rn_opt options[] = {
    { 0, "distance", RN_OPT_INT, RN_AT(opts, distance), 0, 16, "most bits of 63 in which hashes may differ" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 1024, "threads [the cores]", NULL, RN_OPT_HOW },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0, "photos that cannot be read are counted, and near no other" },
    { 0, "max-pixels", RN_OPT_COUNT, RN_AT(opts, max_pixels), 1, 1e12, "refuse larger photos, by their header" },
    { 0, "no-exif", RN_OPT_FLAG, RN_AT(opts, no_exif), 0, 0, "do not turn photos as their EXIF or XMP orientation says" },
    RN_OPT_NO_SANDBOX(no_sandbox),
    RN_OPT_LAST,
};

/* What the table says of a photo besides. */
struct photo {
    struct rn_text id;
    int64_t label;
    long split;                 /* index in work's, or -1 */
    const struct rn_pair *pair; /* the nearest */
};
enum { LABELS = 1, SPLITS = 2 }; /* differ in the set */

struct work {
    struct rn_prints prints;
    struct rn_pairs pairs;
    struct rn_sets sets;
    struct rn_texts classes, ids, splits;
    struct rn_texts missing; /* lines: parts of the set */
    int64_t *map;            /* of the segment that is read */
    struct photo *photo;
    size_t count, capacity;
    int *faults;    /* of a set, by its smallest index */
    bool faulty;
    struct rn_progress progress;
};

static int keep(struct work *w, const struct rn_record *record, struct rn_err *err)
{
    struct photo photo = { .label = record->label == RN_NIL ? RN_NIL : w->map[record->label], .split = -1 };
    if (record->split.data && (photo.split = rn_texts_find(&w->splits, record->split)) < 0) {
        photo.split = (long)w->splits.count;
        if (rn_texts_add(&w->splits, record->split, err))
            return -1;
    }
    if (rn_texts_add(&w->ids, record->id, err) || rn_grow(&w->photo, &w->capacity, w->count + 1, sizeof *w->photo, err))
        return -1;
    photo.id = w->ids.item[w->ids.count - 1];
    w->photo[w->count++] = photo;
    rn_progress_show(&w->progress, false, "%zu photos", w->count);
    return 0;
}

static int read_item(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    int rc = item->event == RN_FLOW_HEAD ? rn_classes_join(&w->classes, item->head, &w->map, err)
             : item->event == RN_FLOW_RECORD ? keep(w, &item->record, err) : 0;
    return rc ? -1 : RN_FLOW_TAKE;
}

static bool is_nearer(const struct rn_pair *a, const struct rn_pair *b)
{
    return !b || a->distance < b->distance || (a->distance == b->distance && a->alike > b->alike);
}

static int group(struct work *w, const struct opts *opts, int jobs, struct rn_err *err)
{
    if (rn_pairs_find(&w->pairs, &w->prints, (int)opts->distance, jobs, err) || rn_sets_init(&w->sets, w->count, err) ||
        !(w->faults = rn_calloc(w->count, sizeof *w->faults, err)))
        return -1;
    for (size_t k = 0; k < w->pairs.count; k++) {
        const struct rn_pair *pair = &w->pairs.item[k];
        rn_sets_join(&w->sets, pair->a, pair->b);
        for (int side = 0; side < 2; side++) {
            struct photo *photo = &w->photo[side ? pair->b : pair->a];
            photo->pair = is_nearer(pair, photo->pair) ? pair : photo->pair;
        }
    }
    for (size_t i = 0; i < w->count; i++) {
        size_t set = rn_sets_find(&w->sets, i);
        const struct photo *first = &w->photo[set], *photo = &w->photo[i];
        w->faults[set] |= (photo->label != first->label ? LABELS : 0) | (photo->split != first->split ? SPLITS : 0);
        w->faulty = w->faulty || w->faults[set];
    }
    return 0;
}

static int row(struct work *w, struct rn_out *out, size_t i, size_t number, struct rn_err *err)
{
    static const char *const faults[] = { "", "label", "split", "label,split" };
    const struct photo *photo = &w->photo[i];
    const struct rn_pair *pair = photo->pair;
    struct rn_text label = photo->label == RN_NIL ? RN_TEXT("") : w->classes.item[photo->label];
    struct rn_text split = photo->split < 0 ? RN_TEXT("") : w->splits.item[photo->split];
    const struct rn_text cells[] = { photo->id, label, split, w->photo[pair->a == i ? pair->b : pair->a].id };
    if (rn_out_printf(out, err, "%zu", number))
        return -1;
    for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
        if (rn_out_write(out, "\t", 1, err) || rn_out_escaped(out, cells[k], RN_ESCAPE_TSV, err))
            return -1;
    return rn_out_printf(out, err, "\t%s\t%d\t%.4f\t%s\n", rn_near_turn(pair->turn), pair->distance, pair->alike,
                         faults[w->faults[rn_sets_find(&w->sets, i)]]);
}

/* Set by set in the order of their first photos. */
static int write_all(struct work *w, struct rn_out *out, struct rn_err *err)
{
    size_t sets = 0, *next = rn_calloc(2 * w->count, sizeof *next, err), *last = next + w->count; /* 1 more than the index */
    int rc = next ? rn_out_printf(out, err, "set\tid\tlabel\tsplit\tnear\tturn\tdistance\talike\tfault\n") : -1;
    for (size_t i = 0; rc == 0 && i < w->count; i++) {
        size_t set = rn_sets_find(&w->sets, i);
        if (set != i)
            next[last[set] - 1] = i + 1;
        last[set] = i + 1;
    }
    for (size_t i = 0; rc == 0 && i < w->count; i++) {
        if (!w->photo[i].pair || rn_sets_find(&w->sets, i) != i)
            continue;
        sets++;
        for (size_t k = i + 1; rc == 0 && k; k = next[k - 1])
            rc = row(w, out, k - 1, sets, err);
    }
    free(next);
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct work w = { .progress = rn_progress_begin(args) };
    struct rn_prints_plan plan = {
        .read = read_item, .context = &w, .jobs = opts->jobs > 0 ? (int)opts->jobs : rn_threads_default(),
        .decode = { .max_pixels = opts->max_pixels, .exif = !opts->no_exif }, .keep_going = opts->keep_going,
    };
    struct rn_out *out = NULL;
    int rc = rn_out_open(&out, args->output, err) ||
             (!opts->no_sandbox && rn_decode_apart(&plan.decode, plan.jobs, args->quiet, err)) ||
             rn_reader_open(&plan.reader, args->operand, args->operands, err) ? -1 : 0;
    if (rc == 0) {
        rn_reader_unique(plan.reader);
        rn_reader_join(plan.reader);
        rc = rn_prints_make(&w.prints, &plan, err) || rn_reader_missing(plan.reader, true, &w.missing, NULL, err) ||
             group(&w, opts, plan.jobs, err) || write_all(&w, out, err) ? -1 : 0;
    }
    rn_progress_end(&w.progress);
    if (rc == 0) {
        rc = rn_out_commit(out, err);
        out = NULL;
    }
    if (rc == 0 && w.prints.failed && !args->quiet)
        rn_note("photos that could not be read: %zu", w.prints.failed);
    for (size_t i = 0; rc == 0 && i < w.missing.count && !args->quiet; i++)
        rn_note("%s", w.missing.item[i].data);
    if (rc == 0 && (w.faulty || w.prints.failed || w.missing.count))
        rc = RN_EXIT_NO;
    rn_out_discard(out);
    rn_reader_close(plan.reader);
    rn_prints_free(&w.prints);
    rn_decoders_end(plan.decode.apart);
    rn_pairs_free(&w.pairs);
    rn_sets_free(&w.sets);
    rn_texts_free(&w.classes);
    rn_texts_free(&w.ids);
    rn_texts_free(&w.missing);
    rn_texts_free(&w.splits);
    free(w.map);
    free(w.photo);
    free(w.faults);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-near", .operands = "[FILE...]",
    .summary = "find photos that are nearly the same, and labels that contradict each other",
    .options = options, .size = sizeof(struct opts), .run = run, .environment = RN_ENV_RECORD_MAX,
    .defaults = &(const struct opts){ .distance = RN_NEAR_DISTANCE, .jobs = -1, .max_pixels = 178956970 },
    .about = "Reads samples and images and writes a table, a line for each photo that is near another: the number of its set, "
             "id, label and split; its nearest photo, how that one has to be turned, in how many bits of 63 their perceptual "
             "hashes differ and how well 16 x 16 pixels of theirs correlate (0.95 at the least); and what is wrong with the "
             "set: 'label' when its labels differ, 'split' when its photos are in different splits. Photos are compared in all "
             "eight turns and mirrorings, so copies that were scaled, saved anew, made brighter, turned or mirrored are found, "
             "and photos that were taken twice.\n\n"
             "The exit code is 1 when labels or splits differ, or photos could not be read. rn-split --group-near keeps near "
             "photos in one split.",
    .examples = "rn-list trashnet/ | rn-near\n"
                "rn-list trashnet/ | rn-split | rn-near | awk -F'\\t' '$9 ~ /label/'\n"
                "rn-list trashnet/ | rn-split --group-near > all.rn",
};
