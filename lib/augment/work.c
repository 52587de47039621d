/* work.c -- photos into pictures: the flow's threads decode, augment and write files, the caller's writes the stream. A job is a
 * photo and a few of its outputs, so that many copies need no more memory than few. */
#include "augment/work.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/file.h"
#include "core/mem.h"
#include "flow/flow.h"
#include "source/source.h"
#include "stream/pack.h"
#include "stream/seen.h"

enum { OUTPUTS = 12 };

struct output {
    struct rn_record record; /* borrows from the item's and from here */
    char *id, *path, *error; /* owned */
    void *pixels;            /* owned */
    struct rn_buffer extra;
    bool failed;             /* an error record that was made here */
    bool there, replaced;    /* the file was there already; one with other bytes was */
    bool nameless;           /* no file can have its name: an error record in any case */
};

struct job {
    struct rn_head *head;    /* no photo: a segment of the output begins; owned */
    struct rn_record record; /* the item's */
    struct rn_buffer stem;   /* with a folder: rn_augment_stem */
    bool first, last;        /* of the photo's jobs */
    bool checked;            /* the first of all photos that are augmented, where the plan wants that */
    size_t begin, end;       /* of all outputs of the photo */
    struct output output[OUTPUTS + 1];
    size_t outputs;
    struct rn_err err;       /* what is wrong with the photo, whatever is made of it */
};

/* A thread's memory, used again and again. */
struct easel {
    struct rn_canvas canvas;
    struct rn_trace trace;
    struct rn_buffer file, there; /* what is written, and what lies there */
};

struct work {
    const struct rn_augment_plan *plan;
    /* the reading thread's: */
    struct rn_seen stems; /* hashes of the files' stems */
    bool with_ending;     /* this photo's stem has its file's ending: another one's is the same without */
    bool begun;           /* there was a photo */
    size_t begin;         /* the photo's outputs from here on are the next job's */
    struct rn_err known;  /* of this photo's first job */
    uint64_t other_splits;
    /* the taker's: */
    struct rn_writer *writer;
    bool open;
    uint64_t photos, there, replaced;
    struct rn_failures failed;
};

static void clear_job(void *argument)
{
    struct job *job = argument;
    for (size_t i = 0; i < job->outputs; i++) {
        struct output *o = &job->output[i];
        free(o->id);
        free(o->path);
        free(o->error);
        free(o->pixels);
        rn_buffer_free(&o->extra);
    }
    if (job->head)
        rn_head_free(job->head);
    free(job->head);
    rn_buffer_free(&job->stem);
    *job = (struct job){ 0 };
}

static void leave(void *desk)
{
    struct easel *easel = desk;
    rn_canvas_free(&easel->canvas);
    rn_trace_free(&easel->trace);
    rn_buffer_free(&easel->file);
    rn_buffer_free(&easel->there);
    rn_image_thread_end();
}

/* ---- one output ---- */

static struct output *add_output(struct job *job, const struct rn_augment_plan *plan)
{
    struct output *o = &job->output[job->outputs++];
    o->record = (struct rn_record){ .kind = plan->folder ? RN_SAMPLES : RN_IMAGES,
                                    .id = job->record.id,
                                    .label = job->record.label,
                                    .split = job->record.split,
                                    .extra = job->record.extra,
                                    .extras = job->record.extras };
    return o;
}

static int out_of_memory(struct rn_err *err)
{
    return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
}

/* ID#recipe.copy */
static int set_id(struct output *o, struct rn_text id, struct rn_text recipe, uint64_t copy, struct rn_err *err)
{
    size_t room = id.length + recipe.length + 32;
    if (!(o->id = rn_calloc(room, 1, err)))
        return -1;
    memcpy(o->id, id.data, id.length);
    int n = snprintf(o->id + id.length, room - id.length, "#%s.%llu", recipe.data, (unsigned long long)copy);
    o->record.id = (struct rn_text){ o->id, id.length + (size_t)n };
    return 0;
}

static void pack_drawn(struct rn_pack *pack, const struct rn_traced *step, const double *value)
{
    size_t names = 0, left = step->count;
    for (const struct rn_drawn *d = step->transform->drawn; d && d->name; d++)
        names++;
    rn_pack_map(pack, names + 2);
    rn_pack_key(pack, "transform");
    rn_pack_key(pack, step->transform->class_name);
    rn_pack_key(pack, "at");
    rn_pack_uint(pack, step->at);
    for (const struct rn_drawn *d = step->transform->drawn; d && d->name; d++) {
        size_t n = d->count ? d->count : left;
        rn_pack_key(pack, d->name);
        if (d->count != 1)
            rn_pack_array(pack, n);
        for (size_t i = 0; i < n; i++)
            rn_pack_real(pack, *value++);
        left -= n;
    }
}

static int explain(struct output *o, const struct rn_trace *trace, struct rn_err *err)
{
    static const char *const known[] = { "augment", NULL }; /* of an earlier run: replaced */
    struct rn_pack pack = { &o->extra, err, 0 };
    size_t kept = rn_pack_extra_count(o->record.extra, o->record.extras, known);
    rn_pack_extra(&pack, o->record.extra, o->record.extras, known);
    rn_pack_key(&pack, "augment");
    rn_pack_array(&pack, trace->steps);
    for (size_t i = 0; i < trace->steps; i++)
        pack_drawn(&pack, &trace->step[i], trace->value + trace->step[i].first);
    o->record.extra = (struct rn_text){ o->extra.data, o->extra.length };
    o->record.extras = kept + 1;
    return pack.rc;
}

static int set_pixels(struct output *o, const struct rn_canvas *x, struct rn_err *err)
{
    size_t size = x->height * x->width * 3 * rn_type_size(x->type);
    if (!(o->pixels = malloc(size)))
        return out_of_memory(err);
    memcpy(o->pixels, x->pixels, size);
    o->record.tensor = (struct rn_tensor){ .type = x->type, .dims = 3, .shape = { x->height, x->width, 3 }, .data = o->pixels };
    return 0;
}

/* A run that was killed goes on, and what depends on a file's time is not made again. *other: a file is there, with other bytes. */
static bool is_there(const char *path, struct easel *easel, bool *other)
{
    struct rn_err ignored;
    struct stat stat;
    easel->there.length = 0;
    *other = lstat(path, &stat) == 0 && S_ISREG(stat.st_mode);
    bool same = *other && (uint64_t)stat.st_size == easel->file.length &&
           rn_file_read(&easel->there, path, easel->file.length, &ignored) == 0 &&
           easel->there.length == easel->file.length && !memcmp(easel->there.data, easel->file.data, easel->file.length);
    *other = *other && !same;
    return same;
}

static int write_picture(struct output *o, const struct job *job, const struct rn_augment_plan *plan, struct rn_text recipe,
                         uint64_t copy, struct easel *easel, struct rn_err *err)
{
    const struct rn_canvas *x = &easel->canvas;
    const struct rn_image image = { (uint8_t *)x->pixels, x->height, x->width };
    if (x->type != RN_U8)
        return rn_fail(err, RN_EXIT_DATA, "a picture of floats, normalised already: files are written of 8-bit pixels");
    easel->file.length = 0;
    if (asprintf(&o->path, "%s/%.*s-%s-%llu.%s", plan->folder, (int)job->stem.length, job->stem.data, recipe.data,
                 (unsigned long long)copy, plan->quality ? "jpg" : "png") < 0) {
        o->path = NULL;
        return out_of_memory(err);
    }
    if (plan->quality ? rn_image_encode_jpeg(&easel->file, &image, plan->quality, err)
                      : rn_image_encode_png(&easel->file, &image, err))
        return -1;
    o->there = is_there(o->path, easel, &o->replaced);
    int rc = o->there ? 0 : rn_file_put(plan->folder, o->path + strlen(plan->folder) + 1, easel->file.data, easel->file.length,
                                        false, err);
    o->nameless = rc && err->exit == RN_EXIT_DATA;
    if (rc == 0)
        o->record.path = rn_text(o->path);
    return rc;
}

/* Into an error record when that is wanted and the fault is the photo's. */
static int failed(struct output *o, struct rn_err *err, const struct rn_augment_plan *plan)
{
    if (!(plan->keep_going || o->nameless) || (err->exit == RN_EXIT_SYSTEM && o->id))
        return -1; /* a full disk is no photo's fault; a photo that cannot be read is its own */
    if (!(o->error = strdup(err->text)))
        return out_of_memory(err);
    o->record.error = rn_text(o->error);
    o->failed = true;
    return 0;
}

static int make_output(struct job *job, size_t index, const struct rn_canvas *from, const struct rn_augment_plan *plan,
                       struct easel *easel, struct rn_err *err)
{
    const struct rn_recipe *recipe = &plan->recipe[index / (size_t)plan->copies];
    uint32_t copy = (uint32_t)(index % (size_t)plan->copies) + 1;
    struct output *o = add_output(job, plan);
    char room[256];
    rn_canvas_set(&easel->canvas, from->type, from->pixels, from->height, from->width);
    if (set_id(o, job->record.id, recipe->name, copy, err))
        return -1;
    struct rn_trace *trace = plan->explain ? &easel->trace : NULL;
    int rc = plan->replay ? rn_replay_run(plan->replay, recipe, &easel->canvas, o->record.id, trace, err)
                          : rn_recipe_run(recipe, &easel->canvas, plan->seed, 0, rn_hash64(job->record.id), copy, trace, err);
    if (rc == 0)
        rc = plan->folder ? write_picture(o, job, plan, recipe->name, copy, easel, err) : set_pixels(o, &easel->canvas, err);
    if (rc) {
        rn_fail_at(err, "%s", rn_text_show(o->record.id, room));
        return failed(o, err, plan);
    }
    return plan->explain ? explain(o, &easel->trace, err) : 0;
}

/* The original, as it goes on. */
static int keep_original(struct job *job, const struct rn_canvas *from, const struct rn_augment_plan *plan, struct rn_err *err)
{
    struct output *o = add_output(job, plan);
    if (!plan->folder)
        return set_pixels(o, from, err);
    if (job->record.kind == RN_IMAGES) {
        char room[256];
        return rn_fail(err, RN_EXIT_USAGE, "%s: pixels that came without a file: --keep and --write do not go together here",
                       rn_text_show(job->record.id, room));
    }
    o->record.path = job->record.path;
    o->record.data = job->record.data;
    o->record.from_path = job->record.from_path;
    return 0;
}

/* ---- a job ---- */

static int make_outputs(struct job *job, const struct rn_canvas *from, const struct rn_augment_plan *plan, struct easel *easel,
                        struct rn_err *err)
{
    if (job->first && plan->keep && keep_original(job, from, plan, err))
        return -1;
    for (size_t i = job->begin; i < job->end; i++)
        if (make_output(job, i, from, plan, easel, err))
            return -1;
    return 0;
}

/* What a recipe may draw for this photo it will draw for another one of its size. */
static int check_size(const struct rn_canvas *x, struct rn_text id, const struct rn_augment_plan *plan, struct rn_err *err)
{
    char room[256];
    size_t least[2];
    for (size_t i = 0; i < plan->recipes; i++) {
        const struct rn_augment *t = rn_recipe_least(&plan->recipe[i], least);
        if (t && (x->height < least[0] || x->width < least[1]))
            return rn_fail(err, RN_EXIT_DATA,
                           "%s: a photo of %zu x %zu (width x height), and %s in the recipe %s takes %zu x %zu and more: say which "
                           "recipes (-r affine,distort), or -k",
                           rn_text_show(id, room), x->width, x->height, t->class_name, plan->recipe[i].name.data, least[1],
                           least[0]);
    }
    return 0;
}

static int run_job(struct job *job, const struct rn_augment_plan *plan, struct easel *easel, struct rn_err *err)
{
    const struct rn_record *record = &job->record;
    struct rn_image image = { 0 };
    struct rn_canvas from = { 0 };
    if (record->error.data) {
        add_output(job, plan)->record.error = record->error;
        return 0;
    }
    bool has_pixels = record->kind == RN_IMAGES;
    if (err->exit || (!has_pixels && rn_source_decode(&image, record, &plan->decode, err)))
        return job->first ? failed(add_output(job, plan), err, plan) : 0; /* said once */
    if (has_pixels)
        rn_canvas_set(&from, record->tensor.type, record->tensor.data, record->tensor.shape[0], record->tensor.shape[1]);
    else
        rn_canvas_set(&from, RN_U8, image.pixels, image.height, image.width);
    int rc = job->checked && check_size(&from, job->record.id, plan, err) ? -1 : make_outputs(job, &from, plan, easel, err);
    rn_image_free(&image);
    return rc;
}

static int work(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct work *w = context;
    struct job *job = item->job;
    if (item->event != RN_FLOW_RECORD || run_job(job, w->plan, item->desk, &job->err) == 0)
        return 0;
    return *err = job->err, -1;
}

/* ---- reading ---- */

static int make_head(const struct work *w, struct job *job, const struct rn_head *in, struct rn_err *err)
{
    if (!(job->head = rn_calloc(1, sizeof *job->head, err)))
        return -1;
    rn_head_init(job->head, w->plan->folder ? RN_SAMPLES : RN_IMAGES);
    return rn_head_inherit(job->head, in, err) || rn_head_sign(job->head, w->plan->tool, w->plan->options, NULL, err) ? -1 : 0;
}

/* ".png" of "a/b.png". */
static struct rn_text ending(struct rn_text id)
{
    for (size_t i = id.length; i > 1 && id.data[i - 1] != '/'; i--)
        if (id.data[i - 1] == '.' && id.data[i - 2] != '/')
            return (struct rn_text){ id.data + i - 1, id.length - i + 1 };
    return (struct rn_text){ "", 0 };
}

static int seen(struct work *w, const struct rn_buffer *stem, struct rn_err *err)
{
    return rn_seen_add(&w->stems, rn_hash64((struct rn_text){ stem->data, stem->length }), err);
}

/* Two photos must not be written to one file: x.png beside x.jpg keeps its ending in the name. What is wrong stays in the job's
 * err: it is this photo's. */
static int set_stem(struct work *w, struct job *job, const struct rn_head *head, struct rn_err *err)
{
    const struct rn_record *record = &job->record;
    char room[256];
    struct rn_text class_name = record->label == RN_NIL ? (struct rn_text){ 0 } : head->classes.item[record->label];
    if (!w->plan->folder || record->error.data || rn_augment_stem(&job->stem, record->id, class_name, &job->err))
        return 0;
    int rc = job->first ? seen(w, &job->stem, err) : 1;
    if (job->first)
        w->with_ending = rc == 0;
    struct rn_text end = ending(record->id);
    if (rc < 0 || (w->with_ending && rn_buffer_add(&job->stem, end.data, end.length, err)))
        return -1;
    if (rc == 0 && (rc = seen(w, &job->stem, err)) == 0)
        rn_fail(&job->err, RN_EXIT_DATA, "%s: another photo is written to %.*s already", rn_text_show(record->id, room),
                (int)job->stem.length, job->stem.data);
    return rc < 0 ? -1 : 0;
}

/* A photo of another split: nothing is made of it. */
static bool is_other_split(const struct rn_augment_plan *plan, const struct rn_record *record)
{
    return plan->split && record->split.data && !record->error.data && rn_texts_find(plan->split, record->split) < 0;
}

/* The photo's next job. */
static int make_job(struct work *w, struct job *job, struct rn_item *item, bool other, struct rn_err *err)
{
    const struct rn_record *record = &item->record;
    size_t all = other ? 0 : w->plan->recipes * (size_t)w->plan->copies;
    job->record = *record;
    job->begin = w->begin;
    job->end = all - job->begin < OUTPUTS ? all : job->begin + OUTPUTS;
    job->first = job->begin == 0;
    job->last = job->end == all || record->error.data;
    job->checked = w->plan->check_first && !other && !w->begun && !record->error.data;
    w->begun = w->begun || (!other && !record->error.data);
    if (set_stem(w, job, item->head, err))
        return -1;
    if (job->first)
        w->known = job->err;
    else
        job->err = w->known;
    w->begin = job->last ? 0 : job->end;
    return job->last ? RN_FLOW_TAKE : RN_FLOW_AGAIN;
}

static int read_item(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    if (item->event == RN_FLOW_HEAD)
        return make_head(w, item->job, item->head, err) ? -1 : RN_FLOW_TAKE;
    if (item->event == RN_FLOW_TAIL)
        return RN_FLOW_TAKE;
    bool other = is_other_split(w->plan, &item->record);
    w->other_splits += other;
    return other && !w->plan->keep ? RN_FLOW_OMIT : make_job(w, item->job, item, other, err);
}

/* ---- writing ---- */

static int begin_segment(struct work *w, const struct rn_head *head, struct rn_err *err)
{
    if (w->open && rn_writer_tail(w->writer, err))
        return -1;
    w->open = true;
    return rn_writer_head(w->writer, head, err) || rn_writer_flush(w->writer, err) ? -1 : 0;
}

static int take(void *context, struct rn_item *item, struct rn_err *err)
{
    struct work *w = context;
    const struct job *job = item->job;
    if (item->event != RN_FLOW_RECORD)
        return item->event == RN_FLOW_HEAD ? begin_segment(w, job->head, err) : 0;
    for (size_t i = 0; i < job->outputs; i++) {
        if (job->output[i].failed)
            rn_failures_add(&w->failed, job->output[i].error);
        w->there += job->output[i].there;
        w->replaced += job->output[i].replaced && !job->output[i].failed;
        if (rn_writer_record(w->writer, &job->output[i].record, err))
            return -1;
    }
    w->photos += job->last;
    if (job->last && w->plan->progress)
        w->plan->progress(w->plan->progress_context, w->photos);
    return rn_writer_flush(w->writer, err);
}

static int run(struct work *w, struct rn_reader *reader, struct rn_err *err)
{
    int jobs = w->plan->jobs;
    const struct rn_flow_plan plan = {
        .reader = reader, .kinds = RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), .ahead = (size_t)jobs * 2 + 2,
        .size = sizeof(struct job), .context = w, .read = read_item, .stage = { { jobs, work } }, .clear = clear_job,
        .desk = sizeof(struct easel), .leave = leave,
    };
    return rn_flow_run(&plan, take, err) || (w->open && rn_writer_tail(w->writer, err)) ? -1 : 0;
}

int rn_augment_all(struct rn_reader *reader, struct rn_writer *writer, const struct rn_augment_plan *plan,
                   struct rn_augment_done *done, struct rn_err *err)
{
    struct work w = { .plan = plan, .writer = writer };
    rn_reader_unique(reader);
    int rc = run(&w, reader, err);
    *done = (struct rn_augment_done){ w.failed, w.other_splits, w.there, w.replaced };
    rn_seen_free(&w.stems);
    return rc;
}
