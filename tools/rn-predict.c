/* rn-predict -- which class is each photo?
 * stdin: batches (rn-batch without --train). stdout: predictions, or with --tsv a table.
 * exit: 1 when --tsv met an error record. */
#include <stdlib.h>
#include <string.h>

#include "nn/weights.h"
#include "score/means.h"
#include "tools/tool.h"

struct opts {
    const char *model, *device, *precision;
    bool tsv;
    int64_t top, jobs;
};

static const struct rn_opt options[] = {
    { 'm', "model", RN_OPT_TEXT, RN_AT(opts, model), 0, 0, "weights of the network (run/best.rn)", "FILE" },
    { 0, "tsv", RN_OPT_FLAG, RN_AT(opts, tsv), 0, 0, "write a table: id, label, prediction, confidence, each class", NULL, RN_OPT_HOW },
    { 0, "top", RN_OPT_INT, RN_AT(opts, top), 0, 65536, "with --tsv: the K likeliest classes instead of all", "K", RN_OPT_HOW },
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
    struct rn_writer *writer; /* one of the two */
    struct rn_out *table;
    struct rn_floats floats;
    float *numbers; /* logits, then probabilities, of one batch */
    size_t room;
    bool errors;
    struct rn_means views; /* of photos that not all have been seen of */
    size_t pending;        /* how many of these are not complete */
    double *view;          /* (classes): one of them; then as a mean in numbers */
    struct rn_progress progress;
    size_t seen;
};

static int header(const struct work *w, struct rn_err *err)
{
    const struct rn_texts *classes = &w->model.head->classes;
    if (rn_out_printf(w->table, err, "id\tlabel\tprediction\tconfidence"))
        return -1;
    for (size_t k = 0; k < (size_t)w->opts->top; k++)
        if (rn_out_printf(w->table, err, "\ttop%zu\tprob%zu", k + 1, k + 1))
            return -1;
    for (size_t i = 0; i < classes->count && !w->opts->top; i++)
        if (rn_out_printf(w->table, err, "\t") || rn_out_escaped(w->table, classes->item[i], RN_ESCAPE_TSV, err))
            return -1;
    return rn_out_printf(w->table, err, "\n");
}

/* The class that is the k-th likeliest; of equals the first comes first. */
static size_t ranked(const float *probs, size_t classes, size_t k)
{
    for (size_t i = 0; i < classes; i++) {
        size_t before = 0;
        for (size_t j = 0; j < classes; j++)
            before += probs[j] > probs[i] || (probs[j] == probs[i] && j < i);
        if (before == k)
            return i;
    }
    return 0; /* NaN has no rank */
}

static int cell(const struct work *w, struct rn_text name, float value, struct rn_err *err)
{
    if (name.data && (rn_out_printf(w->table, err, "\t") || rn_out_escaped(w->table, name, RN_ESCAPE_TSV, err)))
        return -1;
    return rn_out_printf(w->table, err, "\t%.9g", (double)value);
}

static int row(const struct work *w, const struct rn_record *record, const float *probs, struct rn_err *err)
{
    const struct rn_texts *classes = &w->model.head->classes;
    size_t pairs = (size_t)w->opts->top, columns = pairs ? 2 * pairs : classes->count;
    struct rn_text label = record->label == RN_NIL ? RN_TEXT("") : classes->item[record->label];
    if (rn_out_escaped(w->table, record->id, RN_ESCAPE_TSV, err) || rn_out_printf(w->table, err, "\t") ||
        rn_out_escaped(w->table, label, RN_ESCAPE_TSV, err))
        return -1;
    if (record->error.data) {
        if (rn_out_printf(w->table, err, "\terror: ") || rn_out_escaped(w->table, record->error, RN_ESCAPE_TSV, err))
            return -1;
        for (size_t i = 0; i <= columns; i++)
            if (rn_out_write(w->table, "\t", 1, err))
                return -1;
        return rn_out_write(w->table, "\n", 1, err);
    }
    size_t best = ranked(probs, classes->count, 0);
    if (cell(w, classes->item[best], probs[best], err))
        return -1;
    for (size_t k = 0; k < pairs && k < classes->count; k++) {
        size_t i = ranked(probs, classes->count, k);
        if (cell(w, classes->item[i], probs[i], err))
            return -1;
    }
    for (size_t k = classes->count; k < pairs; k++)
        if (rn_out_printf(w->table, err, "\t\t"))
            return -1;
    for (size_t i = 0; i < classes->count && !pairs; i++)
        if (cell(w, (struct rn_text){ 0 }, probs[i], err))
            return -1;
    return rn_out_write(w->table, "\n", 1, err);
}

static int emit(struct work *w, struct rn_record *record, const float *probs, struct rn_err *err)
{
    record->kind = RN_PREDICTIONS;
    w->seen++;
    if (w->table) {
        w->errors = w->errors || record->error.data;
        return row(w, record, probs, err);
    }
    if (!record->error.data)
        record->tensor = (struct rn_tensor){ RN_F32, 1, { w->model.head->classes.count }, probs };
    return rn_writer_record(w->writer, record, err);
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

static int predict(struct work *w, const struct rn_record *record, const struct rn_head *head, const int64_t *map, struct rn_err *err)
{
    const struct rn_head *model = w->model.head;
    size_t classes = model->classes.count;
    struct rn_batch batch;
    if (record->error.data) {
        struct rn_record out = *record;
        out.label = record->label == RN_NIL ? RN_NIL : map[record->label];
        return emit(w, &out, NULL, err);
    }
    if (rn_batch_of(&batch, record, &model->input, head, &w->floats, err) ||
        rn_grow(&w->numbers, &w->room, 2 * batch.n * classes, sizeof *w->numbers, err) ||
        rn_model_eval(&w->model, w->opts->model, w->dev, &batch, w->numbers, err))
        return -1;
    for (size_t i = 0; i < batch.n; i++) {
        float *probs = w->numbers + (batch.n + i) * classes;
        struct rn_record out = { .id = record->ids[i], .label = record->labels[i] == RN_NIL ? RN_NIL : map[record->labels[i]] };
        rn_softmax(probs, w->numbers + i * classes, classes);
        if (head->views == RN_NIL ? emit(w, &out, probs, err) : add_view(w, &out, probs, (size_t)head->views, err))
            return -1;
    }
    return 0;
}

static int segment(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    int64_t *map;
    struct rn_head out;
    struct rn_record record;
    if (rn_classes_map(&w->model.head->classes, &head->classes, &map, err))
        return -1;
    rn_head_init(&out, RN_PREDICTIONS);
    int rc = rn_texts_copy(&out.classes, &w->model.head->classes, err) || rn_history_copy(&out.history, &head->history, err) ||
             rn_head_sign(&out, &rn_tool, w->opts, NULL, err) || (w->writer && rn_writer_head(w->writer, &out, err)) ? -1 : 1;
    while (rc == 1 && (rc = rn_reader_record(w->reader, &record, err)) == 1) {
        /* what is done is handed on before the next batch is waited for: a live source sees it at once */
        if (predict(w, &record, head, map, err) || (w->table ? rn_out_flush(w->table, err) : rn_writer_flush(w->writer, err)))
            rc = -1;
        rn_progress_show(&w->progress, false, "%zu photos, %.1f/s", w->seen, (double)w->seen / (rn_seconds() - w->progress.begun));
    }
    if (rc == 0)
        rc = all_views_came(w, head, err);
    if (rc == 0 && w->writer)
        rc = rn_writer_tail(w->writer, err);
    rn_head_free(&out);
    free(map);
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = options_;
    struct work w = { .opts = opts, .progress = rn_progress_begin(args) };
    const struct rn_head *head;
    if (!opts->model)
        return rn_fail(err, RN_EXIT_USAGE, "-m MODEL is needed (see rn-predict --help)");
    if (opts->top && !opts->tsv)
        return rn_fail(err, RN_EXIT_USAGE, "--top goes with --tsv");
    int rc = -1;
    if (rn_device_open(&w.dev, opts->device, (int)opts->jobs, err) ||
        rn_device_precision(w.dev, opts->precision, err) || rn_model_head(&w.model, opts->model, err) ||
        rn_model_load(&w.model, opts->model, w.dev, false, err))
        goto out;
    if (opts->tsv ? rn_out_open(&w.table, args->output, err) || header(&w, err) : rn_writer_open(&w.writer, args->output, err))
        goto out;
    if (rn_reader_open(&w.reader, args->operand, args->operands, err))
        goto out;
    while ((rc = rn_reader_head(w.reader, RN_KIND_BIT(RN_BATCHES), &head, err)) == 1)
        if ((rc = segment(&w, head, err)))
            break;
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
    free(w.floats.data);
    free(w.numbers);
    free(w.view);
    rn_means_free(&w.views);
    return rc ? rc : w.errors ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-predict", .operands = "-m MODEL [FILE...]", .summary = "classify batches with a trained network",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .device = "cpu", .precision = "fp32" }, .run = run,
    .about = "Reads batches (rn-batch without --train), writes one prediction a photo: its probabilities, in the order of the "
             "model's classes; labels are mapped to them by name. Batch norms are folded into the convolutions. A photo's "
             "probabilities do not depend on its batch, its place in it or on --jobs.\n\n"
             "Of a photo of which the batches have several views (rn-batch --views) the mean of their probabilities is written, "
             "once.\n\n"
             RN_ABOUT_GPUS "--precision=bf16 keeps maps and takes products in bfloat16, tf32 takes products in TF32.\n\n"
             "Error records pass through; in a table they have 'error: ' and the reason as prediction, and the exit code is 1.",
    .examples = "rn-pick split=test < all.rn | rn-batch --for run/best.rn | rn-predict -m run/best.rn | rn-score\n"
                "rn-list --unlabeled photos/ | rn-batch --for run/best.rn -k | rn-predict -m run/best.rn --tsv",
};
