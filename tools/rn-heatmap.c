/* rn-heatmap -- where does the network look?
 * stdin: batches (rn-batch without --train). -o DIR: DIR/ID.png for each photo, and DIR/index.tsv.
 * exit: 1 when there were error records. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/threads.h"
#include "draw/panel.h"
#include "flow/flow.h"
#include "nn/viewer.h"
#include "stream/seen.h"
#include "tools/tool.h"

struct opts {
    const char *model[2], *layer, *class, *device;
    int kind; /* enum rn_view_kind */
    double alpha;
    int64_t jobs;
};

static const struct rn_opt options[] = {
    { 'm', "model", RN_OPT_TEXT, RN_AT(opts, model[0]), 0, 0, RN_MODEL_HELP, "MODEL" },
    { 0, "side-by-side", RN_OPT_TEXT, RN_AT(opts, model[1]), 0, 0, "a second network, drawn beside the first", "MODEL2" },
    { 0, "kind", RN_OPT_CHOICE, RN_AT(opts, kind), 0, 0, "what is drawn over the photo", "feature|attention|gradcam" },
    { 0, "layer", RN_OPT_TEXT, RN_AT(opts, layer), 0, 0, "feature, attention: of this layer or block, not of the last", "NAME" },
    { 0, "class", RN_OPT_TEXT, RN_AT(opts, class), 0, 0, "gradcam: for this class, not for the predicted one", "NAME" },
    { 0, "alpha", RN_OPT_REAL, RN_AT(opts, alpha), 0, 1, "share of the map's colours over the photo" },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "cpu, cuda or cuda:0,1", "DEVICE", RN_OPT_HOW },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 0, 1024, "threads; 0: one a core", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};

struct work {
    const struct opts *opts;
    const char *folder;
    struct rn_device *dev;
    struct rn_viewer viewer[2];
    size_t viewers, photos, errors;
    struct rn_reader *reader;
    struct rn_out *index;
    struct rn_seen seen; /* the pictures that were written */
    struct rn_buffer path;
    struct rn_progress progress;
};

/* A batch: looked at by one thread, drawn by others, written by the caller's. */
struct job {
    struct rn_viewed look[2];
    struct rn_buffer *png; /* (pngs) */
    size_t pngs;
};

static void clear_job(void *job_)
{
    struct job *job = job_;
    for (size_t i = 0; i < job->pngs; i++)
        rn_buffer_free(&job->png[i]);
    free(job->png);
    for (size_t k = 0; k < 2; k++)
        rn_viewed_free(&job->look[k]);
    *job = (struct job){ 0 };
}

/* Where a photo's picture goes; two photos with one picture are an error. */
static int place(struct work *w, struct rn_text id, struct rn_err *err)
{
    char room[256];
    if (rn_file_below(&w->path, w->folder, id, ".png", err))
        return -1;
    int fresh = rn_seen_add(&w->seen, rn_hash64(rn_text(w->path.data)), err);
    return fresh ? fresh < 0 ? -1 : 0 : rn_fail(err, RN_EXIT_DATA, "a second photo for %s",
                                                rn_text_show(rn_text(w->path.data), room));
}

struct words {
    char title[96], verdict[256], note[256];
};

/* What a network says of image i, beside its map. */
static void describe(const struct work *w, const struct rn_viewer *v, const struct rn_viewed *look, size_t i, struct words *words,
                     struct rn_draw_panel *panel)
{
    static const char *const kinds[] = { "feature", "attention", "Grad-CAM" };
    const struct rn_head *model = v->model.head;
    const struct rn_maps *maps = &look->maps;
    size_t best = rn_viewed_best(look, i);
    bool plain = rn_text_is(model->attention, "none"), gradcam = v->view.kind == RN_VIEW_GRADCAM;
    const char *of = !gradcam ? v->view.layer : w->opts->class ? w->opts->class : model->classes.item[best].data;
    snprintf(words->title, sizeof words->title, "%s%s%s", model->arch.data, plain ? "" : " ", plain ? "" : model->attention.data);
    snprintf(words->verdict, sizeof words->verdict, "%.200s %.1f%%", model->classes.item[best].data,
             100 * (double)look->probs[i * look->classes + best]);
    snprintf(words->note, sizeof words->note, "%s: %s", kinds[v->view.kind], of);
    panel->title = rn_text(words->title);
    panel->verdict = rn_text(words->verdict);
    panel->note = rn_text(words->note);
    panel->wrong = look->labels[i] != RN_NIL && look->labels[i] != (int64_t)best;
    panel->map = (struct rn_draw_map){ maps->value + i * maps->h * maps->w, maps->h, maps->w, maps->first, maps->pitch, 0, 0 };
    rn_draw_range(&panel->map);
    panel->map.low = gradcam ? 0 : panel->map.low;
}

static struct rn_text name_of(const struct rn_head *head, int64_t label)
{
    return label == RN_NIL ? (struct rn_text){ 0 } : head->classes.item[label];
}

static int draw(const struct work *w, const struct rn_item *item, size_t i, struct rn_err *err)
{
    struct job *job = item->job;
    struct rn_viewed *look = job->look;
    struct words words[2];
    struct rn_draw_panel panel[3] = { { .title = RN_TEXT("photo"), .verdict = name_of(item->head, item->record.labels[i]),
                                        .note = item->record.ids[i] } };
    struct rn_image canvas = { 0 };
    const uint8_t *pixels = rn_viewed_pixels(look, i, err);
    if (!pixels)
        return -1;
    for (size_t k = 0; k <= w->viewers; k++) {
        panel[k].pixels = pixels;
        panel[k].h = look->batch.h;
        panel[k].w = look->batch.w;
        panel[k].alpha = w->opts->alpha;
        if (k)
            describe(w, &w->viewer[k - 1], &look[k - 1], i, &words[k - 1], &panel[k]);
    }
    int rc = rn_draw_panels(&canvas, panel, w->viewers + 1, err) || rn_image_encode_png(&job->png[i], &canvas, err) ? -1 : 0;
    rn_image_free(&canvas);
    return rc;
}

static bool is_batch(const struct rn_item *item)
{
    return item->event == RN_FLOW_RECORD && !item->record.error.data;
}

/* One stage, in order: the device is one. */
static int look(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    struct job *job = item->job;
    for (size_t k = 0; k < w->viewers; k++)
        if ((item->event == RN_FLOW_HEAD && rn_viewer_head(&w->viewer[k], item->head, err)) ||
            (is_batch(item) && rn_viewer_look(&w->viewer[k], &item->record, item->head, &job->look[k], err)))
            return -1;
    return 0;
}

/* The other. */
static int draw_all(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct work *w = context;
    struct job *job = item->job;
    if (!is_batch(item))
        return 0;
    if (!(job->png = rn_calloc(item->record.count, sizeof *job->png, err)))
        return -1;
    job->pngs = item->record.count;
    for (size_t i = 0; i < job->pngs; i++)
        if (draw(w, item, i, err))
            return -1;
    return 0;
}

/* Into the file that `place` has found. 1, and *err says why: no file can have this name. */
static int put(const struct work *w, const struct rn_buffer *png, struct rn_err *err)
{
    int rc = rn_file_put(w->folder, w->path.data + strlen(w->folder) + 1, png->data, png->length, true, err);
    return rc && err->exit == RN_EXIT_DATA ? 1 : rc;
}

static int text(struct work *w, struct rn_text text, const char *after, struct rn_err *err)
{
    return (text.data && rn_out_escaped(w->index, text, RN_ESCAPE_TSV, err)) ||
           rn_out_write(w->index, after, strlen(after), err) ? -1 : 0;
}

/* The index's line; error: of a photo that there is no picture of, or nil. */
static int row(struct work *w, const struct rn_viewed *look, size_t i, struct rn_text id, struct rn_text label,
               struct rn_text error, struct rn_err *err)
{
    if (text(w, id, "\t", err) || text(w, label, "\t", err))
        return -1;
    if (error.data)
        return rn_out_printf(w->index, err, "error: ") || text(w, error, w->viewers > 1 ? "\t\t\t\t\n" : "\t\t\n", err) ? -1 : 0;
    for (size_t k = 0; k < w->viewers; k++) {
        const struct rn_texts *classes = &w->viewer[k].model.head->classes;
        size_t best = rn_viewed_best(&look[k], i);
        if (text(w, classes->item[best], "\t", err) ||
            rn_out_printf(w->index, err, "%.9g\t", (double)look[k].probs[i * classes->count + best]))
            return -1;
    }
    return text(w, rn_text(w->path.data + strlen(w->folder) + 1), "\n", err);
}

static int heat(struct work *w, const struct rn_item *item, struct rn_err *err)
{
    const struct rn_record *record = &item->record;
    const struct job *job = item->job;
    if (record->error.data) {
        w->errors++;
        return row(w, NULL, 0, record->id, name_of(item->head, record->label), record->error, err);
    }
    for (size_t i = 0; i < record->count; i++) {
        struct rn_text name = name_of(item->head, record->labels[i]);
        int rc = place(w, record->ids[i], err) ? -1 : put(w, &job->png[i], err);
        if (rc < 0 || row(w, job->look, i, record->ids[i], name, rc ? rn_text(err->text) : (struct rn_text){ 0 }, err))
            return -1;
        w->errors += rc > 0;
        w->photos++;
        rn_progress_show(&w->progress, false, "%zu photos, %.1f/s", w->photos,
                         (double)w->photos / (rn_seconds() - w->progress.begun));
    }
    return 0;
}

/* After the first head: what is refused before leaves nothing behind. */
static int begin_index(struct work *w, struct rn_err *err)
{
    struct stat status;
    if (rn_file_mkdir(w->folder, err) || rn_file_below(&w->path, w->folder, RN_TEXT("index"), ".tsv", err))
        return -1;
    if (lstat(w->path.data, &status) == 0 && S_ISLNK(status.st_mode))
        return rn_fail(err, RN_EXIT_DATA, "%s: a link: nothing is written through it", w->path.data);
    if (rn_out_open(&w->index, w->path.data, err))
        return -1;
    return rn_out_printf(w->index, err, "id\tlabel\tprediction\tconfidence\t%spicture\n",
                         w->viewers > 1 ? "prediction2\tconfidence2\t" : "");
}

static int take(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    return (!w->index && begin_index(w, err)) || (item->event == RN_FLOW_RECORD && heat(w, item, err)) ? -1 : 0;
}

static int take_all(struct work *w, struct rn_err *err)
{
    int jobs = w->opts->jobs > 0 ? (int)w->opts->jobs : rn_threads_default();
    const struct rn_flow_plan plan = {
        .reader = w->reader, .kinds = RN_KIND_BIT(RN_BATCHES), .ahead = (size_t)jobs + 2, .size = sizeof(struct job), .context = w,
        .stage = { { 1, look }, { jobs, draw_all } }, .clear = clear_job,
    };
    return rn_flow_run(&plan, take, err);
}

static int work(struct work *w, const struct rn_args *args, struct rn_err *err)
{
    const struct opts *opts = w->opts;
    if (rn_device_open(&w->dev, opts->device, (int)opts->jobs, err))
        return -1;
    for (; w->viewers < 2 && opts->model[w->viewers]; w->viewers++)
        if (rn_viewer_open(&w->viewer[w->viewers], opts->model[w->viewers], w->dev, (enum rn_view_kind)opts->kind, opts->layer,
                           opts->class, err))
            return -1;
    if (rn_reader_open(&w->reader, args->operand, args->operands, err) || take_all(w, err))
        return -1;
    struct rn_out *index = w->index;
    w->index = NULL; /* commit frees it in any case */
    return rn_out_commit(index, err);
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct opts chosen = *(const struct opts *)options_;
    const struct opts *opts = &chosen;
    struct rn_buffer name = { 0 };
    struct work w = { .opts = opts, .folder = args->output, .progress = rn_progress_begin(args) };
    if (!w.folder || !*w.folder)
        return rn_fail(err, RN_EXIT_USAGE, "-o DIR is needed (see rn-heatmap --help)");
    if (opts->layer && opts->kind == RN_VIEW_GRADCAM)
        return rn_fail(err, RN_EXIT_USAGE, "--layer goes with --kind feature and attention: Grad-CAM is of the map after the last "
                                           "block");
    if (opts->class && opts->kind != RN_VIEW_GRADCAM)
        return rn_fail(err, RN_EXIT_USAGE, "--class goes with --kind gradcam");
    int rc = rn_model_default(&chosen.model[0], &name, args, err) || work(&w, args, err) ? -1 : 0;
    rn_progress_end(&w.progress);
    if (rc == 0 && w.errors && !args->quiet)
        rn_note(w.errors == 1 ? "%zu photo has no picture: an error record (see %s/index.tsv)"
                              : "%zu photos have no picture: error records (see %s/index.tsv)", w.errors, w.folder);
    rn_out_discard(w.index);
    rn_reader_close(w.reader);
    for (size_t k = 0; k < 2; k++)
        rn_viewer_close(&w.viewer[k]);
    rn_device_close(w.dev);
    rn_seen_free(&w.seen);
    rn_buffer_free(&w.path);
    rn_buffer_free(&name);
    return rc ? rc : w.errors ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-heatmap", .operands = "-o DIR [FILE...]", .summary = "draw over photos where a network looks",
    .options = options, .size = sizeof(struct opts), .run = run, .folder = true, .environment = RN_ENV_CPU | RN_ENV_RECORD_MAX,
    .defaults = &(const struct opts){ .device = "cpu", .kind = RN_VIEW_GRADCAM, .alpha = 0.6 },
    .about = "Reads batches (rn-batch without --train) and writes a picture for each photo, DIR/ID.png: the photo, and over it in "
             "grey a map of the network, with its verdict (in red where it is not the photo's label) and the values of the map's "
             "colours; then DIR/index.tsv: id, label, prediction, confidence (twice with --side-by-side), picture.\n\n"
             "Kinds: gradcam, what speaks for a class (Grad-CAM of the map after the last block); feature, the mean of a "
             "layer's absolute activations; attention, what an attention module lets through: its spatial gate, or where there is "
             "none the share of the activations that is left by its channel gate.\n\n"
             "--layer takes a layer's name (rn-show -l) or its beginning: layer3, layer4.1, att.\n\n"
             "An id that leads out of DIR is refused, and nothing is written through links in DIR. A photo whose picture's name "
             "is too long, or has a link or a file where its folder should be, has an error in the index. Error records are "
             "passed over; the exit code is then 1.",
    .examples = "rn-pick split=test < all.rn | rn-batch --for run/best.rn | rn-heatmap -m run/best.rn -o maps\n"
                "rn-batch --for ours.rn all.rn | rn-heatmap -m ours.rn --side-by-side plain.rn --kind feature -o maps",
};
