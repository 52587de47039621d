/* rn-predict -- which class is each photo?
 * stdin: batches (rn-batch without --train), or predictions to be shown. stdout: predictions; with --tsv, --csv or --json a line a
 * photo. exit: 1 when a line was an error record's. */
#include <stdlib.h>
#include <string.h>

#include "flow/flow.h"
#include "nn/inspect.h"
#include "nn/weights.h"
#include "score/means.h"
#include "show/show.h"
#include "tools/tool.h"

struct opts {
    const char *model, *device, *precision, *features;
    bool tsv, csv, json;
    double least;
    int64_t top, jobs;
};

static const struct rn_opt options[] = {
    { 'm', "model", RN_OPT_TEXT, RN_AT(opts, model), 0, 0, RN_MODEL_HELP, "MODEL" },
    { 0, "features", RN_OPT_TEXT, RN_AT(opts, features), 0, 0, "instead: batches of what this layer makes; head: the last one's input", "LAYER" },
    { 0, "tsv", RN_OPT_FLAG, RN_AT(opts, tsv), 0, 0, "write a table: id, label, prediction, confidence, each class", NULL, RN_OPT_HOW },
    { 0, "csv", RN_OPT_FLAG, RN_AT(opts, csv), 0, 0, "the same table, with commas (RFC 4180)", NULL, RN_OPT_HOW },
    { 0, "json", RN_OPT_FLAG, RN_AT(opts, json), 0, 0, "an object a line: id, label, prediction, confidence, probabilities", NULL, RN_OPT_HOW },
    { 0, "top", RN_OPT_INT, RN_AT(opts, top), 0, 65536, "with these: the K likeliest classes instead of all", "K", RN_OPT_HOW },
    { 0, "min-confidence", RN_OPT_REAL, RN_AT(opts, least), 0, 1, "with these: less likely than P is the prediction 'unsure'", "P", RN_OPT_HOW },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "cpu, cuda or cuda:0,1", "DEVICE", RN_OPT_HOW },
    { 0, "precision", RN_OPT_TEXT, RN_AT(opts, precision), 0, 0, "of products; tf32, bf16: GPUs", .choice = rn_precision_name },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 0, 1024, "threads; 0: one a core", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};

struct work {
    const struct opts *opts;
    struct rn_device *dev;
    struct rn_model model;
    struct rn_reader *reader;
    struct rn_flow *flow;
    struct rn_writer *writer; /* one of the two */
    struct rn_out *table;
    struct rn_verdicts verdicts;
    struct rn_floats floats; /* the computing thread's */
    float *numbers;          /* of a prediction that was made before */
    size_t capacity;
    bool errors;
    int layer;               /* --features: the value that is written, */
    const char *layer_name;  /* ... and what the stream calls it */
    uint64_t print;          /* ... and the network */
    struct rn_means views; /* of photos that not all have been seen of */
    size_t pending;        /* how many of these are not complete */
    double *view;          /* (classes): one of them; then as a mean in numbers */
    struct rn_progress progress;
    size_t seen;
};

static int emit(struct work *w, struct rn_record *record, const float *probs, struct rn_err *err)
{
    const struct rn_texts *classes = &w->model.head->classes;
    record->kind = RN_PREDICTIONS;
    w->seen++;
    if (!record->error.data)
        record->tensor = (struct rn_tensor){ RN_F32, 1, { classes->count }, probs };
    if (!w->table)
        return rn_writer_record(w->writer, record, err);
    w->errors = w->errors || record->error.data;
    return rn_verdicts_record(&w->verdicts, w->table, classes, record, err);
}

/* A prediction that was made before. */
static int pass(struct work *w, const struct rn_record *record, struct rn_err *err)
{
    struct rn_record out = *record;
    size_t classes = w->model.head->classes.count;
    if (rn_grow(&w->numbers, &w->capacity, classes, sizeof *w->numbers, err))
        return -1;
    memcpy(w->numbers, record->tensor.data, classes * sizeof *w->numbers);
    return emit(w, &out, w->numbers, err);
}

/* Their classes are the model's, in its order: whose numbers they are is known by that alone. */
static int check_predictions(const struct work *w, const struct rn_head *head, struct rn_err *err)
{
    const struct rn_texts *ours = &w->model.head->classes, *theirs = &head->classes;
    bool same = ours->count == theirs->count;
    for (size_t i = 0; i < ours->count && same; i++)
        same = rn_text_equal(ours->item[i], theirs->item[i]);
    return same ? 0 : rn_fail(err, RN_EXIT_DATA, "predictions of other classes than %s has", w->opts->model);
}

/* One of the views of a photo, which is emitted when the last has come, as the mean of them. */
static int add_view(struct work *w, struct rn_record *out, float *probs, size_t views, struct rn_err *err)
{
    char room[256];
    size_t classes = w->model.head->classes.count;
    struct rn_mean *mean;
    if (!w->view && !(w->view = rn_calloc(classes, sizeof *w->view, err)))
        return -1;
    for (size_t k = 0; k < classes; k++)
        w->view[k] = (double)probs[k];
    if (rn_means_add(&w->views, out->id, out->label, w->view, classes, &mean, err))
        return -1;
    w->pending += mean->count == 1;
    if (mean->count > views)
        return rn_fail(err, RN_EXIT_DATA, "'%s' has more than the %zu views that the head says", rn_text_show(out->id, room),
                       views);
    if (mean->count < views)
        return 0;
    for (size_t k = 0; k < classes; k++)
        probs[k] = (float)rn_mean_probability(mean, k);
    if (emit(w, out, probs, err))
        return -1;
    if (--w->pending == 0)
        rn_means_free(&w->views);
    return 0;
}

static int all_views_came(const struct work *w, const struct rn_head *head, struct rn_err *err)
{
    char room[256];
    for (size_t i = 0; w->pending && i < w->views.count; i++)
        if (w->views.item[i].count < (size_t)head->views)
            return rn_fail(err, RN_EXIT_DATA, "'%s' has fewer than the %lld views that the head says",
                           rn_text_show(w->views.item[i].id, room), (long long)head->views);
    return 0;
}

/* What is computed of a batch, while others are read and written. */
struct job {
    float *numbers; /* logits, then room for probabilities; or features */
    struct rn_array shape; /* of features */
    bool begun;     /* the device computes the logits */
};

static void clear_job(void *job_)
{
    struct job *job = job_;
    free(job->numbers);
    job->numbers = NULL;
    job->begun = false;
}

static int compute(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    struct job *job = item->job;
    struct rn_batch batch;
    if (item->event != RN_FLOW_RECORD || item->record.error.data || item->head->kind != RN_BATCHES)
        return 0;
    if (rn_net_batch_of(&batch, &item->record, &w->model.head->input, item->head, &w->floats, err))
        return -1;
    if (w->opts->features)
        return rn_features_read(w->model.net, &batch, w->layer, &job->numbers, &(size_t){ 0 }, &job->shape, err);
    if (!(job->numbers = rn_calloc(2 * batch.n, w->model.head->classes.count * sizeof *job->numbers, err)))
        return -1;
    job->begun = true;
    return rn_model_eval_begin(&w->model, w->opts->model, w->dev, &batch, job->numbers, err);
}

static int end_compute(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    return ((const struct job *)item->job)->begun ? rn_net_end(w->model.net, err) : 0;
}

static int predict(struct work *w, const struct rn_item *item, const struct rn_head *head, const int64_t *map, struct rn_err *err)
{
    const struct rn_record *record = &item->record;
    const float *logits = ((const struct job *)item->job)->numbers;
    size_t classes = w->model.head->classes.count;
    if (record->error.data) {
        struct rn_record out = *record;
        out.label = record->label == RN_NIL ? RN_NIL : map[record->label];
        return emit(w, &out, NULL, err);
    }
    if (head->kind == RN_PREDICTIONS)
        return pass(w, record, err);
    for (size_t i = 0; i < record->count; i++) {
        float *probs = ((struct job *)item->job)->numbers + (record->count + i) * classes;
        struct rn_record out = { .id = record->ids[i], .label = record->labels[i] == RN_NIL ? RN_NIL : map[record->labels[i]] };
        rn_model_probs(&w->model, probs, logits + i * classes);
        if (rn_probs_check(probs, classes, record->ids[i], err) ||
            (head->views == RN_NIL ? emit(w, &out, probs, err) : add_view(w, &out, probs, (size_t)head->views, err)))
            return -1;
    }
    return 0;
}

static void show_progress(struct work *w)
{
    rn_progress_show(&w->progress, false, "%zu photos, %.1f/s", w->seen, (double)w->seen / (rn_seconds() - w->progress.begun));
}

/* The batch, with features in the place of its images. */
static int write_features(struct work *w, const struct rn_item *item, struct rn_err *err)
{
    const struct job *job = item->job;
    const struct rn_array *shape = &job->shape;
    struct rn_record out = item->record;
    if (!out.error.data) {
        out.features = true;
        out.tensor = (struct rn_tensor){ RN_F32, 4, { shape->n, shape->c, shape->h, shape->w }, job->numbers };
        if (!rn_tensor_finite(&out.tensor))
            return rn_fail(err, RN_EXIT_DATA, "batch %lld: the network gives features that are NaN or infinite",
                           (long long)out.index);
    }
    w->seen += out.error.data ? 1 : out.count;
    return rn_writer_record(w->writer, &out, err) || rn_writer_flush(w->writer, err) ? -1 : 0;
}

/* Classes and all else stay the batches' own: they may be others than the model's. */
static int features_segment(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    struct rn_head out = { 0 };
    struct rn_item *item;
    if (head->kind != RN_BATCHES)
        return rn_fail(err, RN_EXIT_DATA, "--features: they are made of batches, not of %s", rn_kind_name(head->kind));
    if (head->soft || head->views != RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "--features: not of %s",
                       head->soft ? "mixed photos (rn-batch --mixup, --cutmix)" : "several views of each photo");
    int rc = rn_head_copy(&out, head, err);
    char *layer = rc ? NULL : strdup(w->layer_name);
    if (rc == 0 && !layer)
        rc = rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    if (rc == 0) {
        free((char *)out.layer.data);
        out.layer = rn_text(layer);
        out.network = w->print;
        rc = rn_head_sign(&out, &rn_tool, w->opts, NULL, err) || rn_writer_head(w->writer, &out, err) ? -1 : 1;
    }
    while (rc == 1 && (rc = rn_flow_next(w->flow, &item, err)) == 1 && item->event == RN_FLOW_RECORD) {
        rc = write_features(w, item, err) ? -1 : 1;
        show_progress(w);
    }
    rc = rc == 1 ? rn_writer_tail(w->writer, err) : rc;
    rn_head_free(&out);
    return rc;
}

static int segment(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    int64_t *map;
    struct rn_head out;
    struct rn_item *item;
    if (head->kind == RN_PREDICTIONS && check_predictions(w, head, err))
        return -1;
    if (rn_labels_map(&w->model.head->classes, &head->classes, &map, err))
        return -1;
    rn_head_init(&out, RN_PREDICTIONS);
    if (head->kind == RN_PREDICTIONS || head->mode == RN_TRAIN) { /* which draws of the photos these are */
        out.epoch = head->epoch;
        out.has_seed = head->has_seed;
        out.seed = head->seed;
    }
    int rc = rn_texts_copy(&out.classes, &w->model.head->classes, err) || rn_history_copy(&out.history, &head->history, err) ||
             rn_part_copy(&out.part_of, &head->part_of, err) || rn_head_sign(&out, &rn_tool, w->opts, NULL, err) ||
             (w->writer && rn_writer_head(w->writer, &out, err)) ? -1 : 1;
    while (rc == 1 && (rc = rn_flow_next(w->flow, &item, err)) == 1 && item->event == RN_FLOW_RECORD) {
        /* what is done is handed on before the next batch is waited for: a live source sees it at once */
        if (predict(w, item, head, map, err) || (w->table ? rn_out_flush(w->table, err) : rn_writer_flush(w->writer, err)))
            rc = -1;
        show_progress(w);
    }
    if (rc == 1)
        rc = all_views_came(w, head, err);
    if (rc == 0 && w->writer)
        rc = rn_writer_tail(w->writer, err);
    rn_head_free(&out);
    free(map);
    return rc;
}

static int check_usage(const struct opts *opts, struct rn_err *err)
{
    int forms = opts->tsv + opts->csv + opts->json;
    if (forms && opts->features)
        return rn_fail(err, RN_EXIT_USAGE, "--features writes batches, no table");
    if (forms > 1)
        return rn_fail(err, RN_EXIT_USAGE, "one of --tsv, --csv and --json");
    if (!forms && (opts->top || opts->least > 0))
        return rn_fail(err, RN_EXIT_USAGE, "--%s goes with --tsv, --csv or --json", opts->top ? "top" : "min-confidence");
    return 0;
}

/* The table or the stream. A table's first line is there before the first photo is. */
static int open_output(struct work *w, const char *path, struct rn_err *err)
{
    const struct opts *opts = w->opts;
    if (!opts->tsv && !opts->csv && !opts->json)
        return rn_writer_open(&w->writer, path, err);
    w->verdicts.form = opts->json ? RN_VERDICTS_JSON : opts->csv ? RN_VERDICTS_CSV : RN_VERDICTS_TSV;
    w->verdicts.top = (size_t)opts->top;
    w->verdicts.least = opts->least;
    return rn_out_open(&w->table, path, err) || rn_verdicts_head(&w->verdicts, w->table, &w->model.head->classes, err) ? -1 : 0;
}

/* One batch is read and one computed while a third is written; a device that works ahead has two under way. */
static int segments(struct work *w, struct rn_err *err)
{
    struct rn_flow_plan plan = {
        .reader = w->reader, .kinds = RN_KIND_BIT(RN_BATCHES) | RN_KIND_BIT(RN_PREDICTIONS), .ahead = w->dev->class->begin ? 5 : 2,
        .size = sizeof(struct job), .context = w, .stage = { { 1, compute, end_compute } }, .clear = clear_job,
    };
    struct rn_item *item;
    int rc;
    rn_flow_lend(&plan, w->dev);
    if (rn_flow_open(&w->flow, &plan, err))
        return -1;
    while ((rc = rn_flow_next(w->flow, &item, err)) == 1)
        if ((rc = (w->opts->features ? features_segment : segment)(w, item->head, err)))
            break;
    rn_flow_close(w->flow);
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct opts chosen = *(const struct opts *)options_;
    const struct opts *opts = &chosen;
    struct work w = { .opts = opts, .progress = rn_progress_begin(args) };
    struct rn_buffer name = { 0 };
    int rc = -1;
    if (check_usage(opts, err) || rn_model_default(&chosen.model, &name, args, err))
        goto out;
    if (rn_device_open(&w.dev, opts->device, (int)opts->jobs, err) ||
        rn_device_precision(w.dev, opts->precision, err) || rn_model_head(&w.model, opts->model, err) ||
        rn_model_load(&w.model, opts->model, w.dev, false, err))
        goto out;
    if (opts->features && (rn_net_print(w.model.net, &w.print, err) ||
                           rn_features_open(w.model.net, opts->features, &w.layer, &w.layer_name, err)))
        goto out;
    if (open_output(&w, args->output, err) || rn_reader_open(&w.reader, args->operand, args->operands, err))
        goto out;
    rc = segments(&w, err);
    rn_progress_end(&w.progress);
    if (rc == 0) {
        rc = w.table ? rn_out_commit(w.table, err) : rn_writer_close(w.writer, err);
        w.table = NULL;
        w.writer = NULL;
    }
out:
    rn_out_discard(w.table);
    rn_writer_discard(w.writer);
    rn_reader_close(w.reader);
    rn_model_close(&w.model);
    rn_device_close(w.dev);
    rn_verdicts_free(&w.verdicts);
    free(w.floats.data);
    free(w.numbers);
    free(w.view);
    rn_means_free(&w.views);
    rn_buffer_free(&name);
    return rc ? rc : w.errors ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-predict", .operands = "[FILE...]", .summary = "classify batches with a trained network",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .device = "cpu", .precision = "fp32" },
    .run = run, .environment = RN_ENV_CPU | RN_ENV_RECORD_MAX,
    .about = "Reads batches (rn-batch without --train), writes one prediction a photo: its probabilities, in the order of the "
             "model's classes; labels are mapped to them by name. Batch norms are folded into the convolutions. A photo's "
             "probabilities do not depend on its batch, its place in it or on --jobs.\n\n"
             "Of a photo of which the batches have several views (rn-batch --views) the mean of their probabilities is written, "
             "once. Of train batches the predictions are of what was drawn: a segment an epoch, which says epoch and seed, for "
             "rn-train --teacher.\n\n"
             "--features LAYER: batches go on as they are, with what the layer makes of the images (rn-show -l lists layers; "
             "float32, [N,C,H,W]) in the place of these: head, what the last layer reads, is what rn-train --head trains on.\n\n"
             "A network with a temperature (rn-export --temperature) is calibrated: its logits are divided by it first.\n\n"
             RN_ABOUT_GPUS "--precision=bf16 keeps maps and takes products in bfloat16, tf32 takes products in "
                           "TF32. " RN_ABOUT_CPU_PRECISION "\n\n"
             "Error records pass through; in a table they have 'error: ' and the reason as prediction, and the exit code is 1.\n\n"
             "--json: {\"id\", \"label\", \"prediction\", \"confidence\", \"probabilities\": {class: number, ...}}, where label "
             "is null without one; with --top the likeliest classes come first and the others are left out. Of an error record "
             "prediction and confidence are null, and \"error\" has the reason; the exit code is 1 then, too. --min-confidence "
             "leaves the numbers as they are.\n\n"
             "Each batch's lines are written before the next batch is waited for. Predictions that were made before, of the same "
             "classes, pass through as they are: so a table can be made of them.",
    .examples = "rn-pick split=test < all.rn | rn-batch --for run/best.rn | rn-predict -m run/best.rn | rn-score\n"
                "rn-list --unlabeled photos/ | rn-batch --for run/best.rn -k | rn-predict -m run/best.rn --tsv\n"
                "rn-list --unlabeled photos/ | rn-batch -k | rn-predict --tsv   # the network that comes with the program\n"
                "rn-list --unlabeled photos/*.jpg | rn-batch --for run/best.rn -k |\n"
                "    rn-predict -m run/best.rn --json --top 3 --min-confidence 0.6",
};
