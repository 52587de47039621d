/* rn-batch -- photos into batches of pixels: for evaluation as they come, for training shuffled anew for each epoch.
 * stdin: samples, images. stdout: batches. exit: 1 when photos became error records (-k), or parts of the set are missing. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/batch.h"
#include "core/shipped.h"
#include "core/threads.h"
#include "tools/decoders.h"

struct opts {
    bool train, drop_last, keep_going, no_exif, whole, rot90, no_sandbox;
    int views, flip, balance, spool;
    int64_t batch, wait, epochs, resize, jobs;
    const char *from, *resume, *model, *size, *augment, *probability;
    double crop_scale[2], crop_ratio[2], erase, mixup, cutmix;
    uint64_t seed, max_pixels;
};

static const struct rn_opt options[] = {
    { 0, "train", RN_OPT_FLAG, RN_AT(opts, train), 0, 0, "random crops and flips in random order (else scaled, centred)", NULL, 0 },
    { 'b', "batch", RN_OPT_INT, RN_AT(opts, batch), 1, 65536, "photos in a batch", NULL, 0 },
    { 0, "wait", RN_OPT_INT, RN_AT(opts, wait), 0, 86400000, "write a batch after MS milliseconds, though it is not full", "MS", RN_OPT_HOW },
    { 0, "drop-last", RN_OPT_FLAG, RN_AT(opts, drop_last), 0, 0, "with --train: leave out a last batch that is not full", NULL, 0 },
    { 0, "epochs", RN_OPT_INT, RN_AT(opts, epochs), 1, 1e9, "with --train: how often the set is gone through", NULL, 0 },
    { 0, "from", RN_OPT_TEXT, RN_AT(opts, from), 0, 0, "with --train: begin at this place", "EPOCH:INDEX", RN_OPT_HOW },
    { 0, "resume", RN_OPT_TEXT, RN_AT(opts, resume), 0, 0, "with --train: seed, batch, epochs, size and place of this checkpoint", "FILE", RN_OPT_HOW },
    { 0, "for", RN_OPT_TEXT, RN_AT(opts, model), 0, 0, "size and normalisation that this model wants", "MODEL", RN_OPT_HOW },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "with --train: of order, crops and flips", NULL, 0 },
    { 0, "size", RN_OPT_TEXT, RN_AT(opts, size), 0, 0, "height and width of the pictures; with --train they may grow: 160:0,224:10",
      "N|N:EPOCH,.." },
    { 0, "resize", RN_OPT_INT, RN_AT(opts, resize), 1, 65536, "scale the shorter side to that before cropping [size * 256 / 224]", NULL, 0 },
    { 0, "augment", RN_OPT_TEXT, RN_AT(opts, augment), 0, 0,
      "with --train: this recipe of rn-augment on each photo, anew each epoch", "NAME|FILE.json" },
    { 'p', "probability", RN_OPT_TEXT, RN_AT(opts, probability), 0, 0,
      "with --augment: chance in shipped recipes, as rn-augment -p", "low|mid|high|X" },
    { 0, "crop-scale", RN_OPT_PAIR, RN_AT(opts, crop_scale), 1e-6, 1, "with --train: share of the photo's area in a crop" },
    { 0, "crop-ratio", RN_OPT_PAIR, RN_AT(opts, crop_ratio), 1e-3, 1e3, "with --train: width to height of a crop" },
    { 0, "flip", RN_OPT_CHOICE, RN_AT(opts, flip), 0, 0, "with --train: flip half of the crops left to right, top to bottom, both",
      "h|v|hv|none" },
    { 0, "rot90", RN_OPT_FLAG, RN_AT(opts, rot90), 0, 0, "with --train: turn crops by 0, 90, 180 or 270 degrees" },
    { 0, "erase", RN_OPT_REAL, RN_AT(opts, erase), 0, 1, "with --train: chance of a grey rectangle in a crop", "P" },
    { 0, "mixup", RN_OPT_REAL, RN_AT(opts, mixup), 0, 100, "with --train: blend photos of a batch; A of the Beta distribution", "A" },
    { 0, "cutmix", RN_OPT_REAL, RN_AT(opts, cutmix), 0, 100, "with --train: paste a part of one photo into another; A as there", "A" },
    { 0, "balance", RN_OPT_CHOICE, RN_AT(opts, balance), 0, 0,
      "with --train: how often classes are seen: as they are, alike, by their roots", "none|class|sqrt" },
    { 0, "spool", RN_OPT_CHOICE, RN_AT(opts, spool), 0, 0, "with --train: records' copy in $TMPDIR, or none",
      "copy|none", RN_OPT_HOW },
    { 0, "whole", RN_OPT_FLAG, RN_AT(opts, whole), 0, 0, "without --train: the whole frame, scaled, of any height and width" },
    { 0, "views", RN_OPT_CHOICE, RN_AT(opts, views), 0, 0, "without --train: what is seen of a photo, for rn-predict to average",
      "one|flip|dihedral|five|scales" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 1024, "threads that decode [the cores]", NULL, RN_OPT_HOW },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0, "a photo that fails becomes an error record", NULL, 0 },
    { 0, "max-pixels", RN_OPT_COUNT, RN_AT(opts, max_pixels), 1, 1e12, "refuse larger photos, by their header", NULL, 0 },
    { 0, "no-exif", RN_OPT_FLAG, RN_AT(opts, no_exif), 0, 0, "do not turn photos as their EXIF or XMP orientation says", NULL, 0 },
    RN_OPT_NO_SANDBOX(no_sandbox),
    RN_OPT_LAST,
};
enum { FLIP_H, FLIP_V, FLIP_HV, FLIP_NONE }; /* words of --flip */
static const struct opts defaults = { .batch = 16, .wait = -1, .epochs = 1, .size = "224", .resize = -1, .jobs = -1, .seed = 1234,
                                      .max_pixels = 178956970, .crop_scale = { 0.08, 1 }, .crop_ratio = { 3. / 4, 4. / 3 } };

static bool given(const struct rn_args *args, const char *name)
{
    size_t row = 0;
    while (strcmp(options[row].name, name))
        row++;
    return args->given >> row & 1;
}

static int64_t usual_resize(int64_t size)
{
    return llround((double)size * 256 / 224);
}

/* Before any is opened: who opens a pipe waits for its writer. What is not there is said by who opens it. */
static int check_files(const struct rn_args *args, struct rn_err *err)
{
    char room[256];
    struct stat status;
    for (size_t i = 0; i < (args->operands ? args->operands : 1); i++) {
        const char *path = args->operands ? args->operand[i] : "-";
        bool standard = !strcmp(path, "-");
        if ((standard ? fstat(STDIN_FILENO, &status) : stat(path, &status)) == 0 && !S_ISREG(status.st_mode) &&
            !S_ISDIR(status.st_mode))
            return rn_fail(err, RN_EXIT_USAGE, "--spool none needs files, not a pipe: %s",
                           rn_text_show(rn_text(standard ? "standard input" : path), room));
    }
    return 0;
}

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    static const char *const training[] = { "drop-last", "epochs", "from", "resume", "seed", "augment", "probability", "crop-scale",
                                            "crop-ratio", "flip", "rot90", "erase", "mixup", "cutmix", "balance", "spool" };
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        if (!opts->train && given(args, training[i]))
            return rn_fail(err, RN_EXIT_USAGE, "--%s needs --train", training[i]);
    if (opts->train && (opts->whole || opts->views))
        return rn_fail(err, RN_EXIT_USAGE, "--%s does not go with --train", opts->whole ? "whole" : "views");
    if (opts->whole && opts->views == RN_VIEWS_FIVE)
        return rn_fail(err, RN_EXIT_USAGE, "--views five are crops: --whole does not go with them");
    if (opts->probability && !opts->augment && !opts->resume)
        return rn_fail(err, RN_EXIT_USAGE, "--probability is of a recipe: it needs --augment");
    if (opts->train && opts->wait >= 0)
        return rn_fail(err, RN_EXIT_USAGE, "--wait does not go with --train");
    if (opts->resume && (opts->from || opts->model))
        return rn_fail(err, RN_EXIT_USAGE, "--resume and --%s exclude each other", opts->from ? "from" : "for");
    return opts->spool ? check_files(args, err) : 0;
}

static int parse_place(struct rn_batch_plan *plan, const char *text, struct rn_err *err)
{
    char *colon, *end = NULL;
    plan->epoch = strtoll(text, &colon, 10);
    if (*colon == ':')
        plan->index = strtoll(colon + 1, &end, 10);
    if (strspn(text, "0123456789:") != strlen(text) || colon == text || !end || end == colon + 1 || *end)
        return rn_fail(err, RN_EXIT_USAGE, "--from: '%s' is not EPOCH:INDEX", text);
    return 0;
}

/* What the command line says and a file decides must agree. */
static int agree(const struct rn_args *args, const char *file, const char *name, uint64_t wanted, uint64_t there,
                 struct rn_err *err)
{
    if (!given(args, name) || wanted == there)
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "--%s is %llu, but %s has %llu", name, (unsigned long long)wanted, file,
                   (unsigned long long)there);
}

/* What a plan borrows from. */
struct held {
    struct rn_growth *growth;
    char *size;              /* as the history says it */
    struct rn_recipe recipe;
    struct rn_texts recorded; /* options of the batches that a checkpoint was trained on */
};

static void let_go(struct held *held)
{
    free(held->growth);
    free(held->size);
    rn_recipe_free(&held->recipe);
    rn_texts_free(&held->recorded);
}

/* Reads --size; the plan's input has the last one. */
static int take_size(struct opts *opts, struct rn_batch_plan *plan, struct held *held, struct rn_err *err)
{
    struct rn_buffer text = { 0 };
    free(held->growth);
    if (rn_growth_parse(&held->growth, &plan->growths, opts->size, err))
        return -1;
    plan->growth = held->growth;
    plan->input.size = plan->growth[plan->growths - 1].size;
    for (size_t i = 0; i < plan->growths; i++) {
        char one[64];
        int n = snprintf(one, sizeof one, strchr(opts->size, ':') ? "%s%lld:%lld" : "%s%lld", i ? "," : "",
                         (long long)plan->growth[i].size, (long long)plan->growth[i].epoch);
        if (rn_buffer_add(&text, one, (size_t)n + 1, err)) {
            rn_buffer_free(&text);
            return -1;
        }
        text.length--;
    }
    free(held->size);
    opts->size = held->size = text.data;
    return 0;
}

static int take_input(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, const char *file,
                      const struct rn_head *head, struct held *held, struct rn_err *err)
{
    char size[32];
    if (!head->has_input)
        return rn_fail(err, RN_EXIT_DATA, "%s: the weights do not say what their input is", file);
    if (agree(args, file, "size", (uint64_t)plan->input.size, (uint64_t)head->input.size, err) ||
        agree(args, file, "resize", (uint64_t)opts->resize, (uint64_t)head->input.resize, err))
        return -1;
    snprintf(size, sizeof size, "%lld", (long long)head->input.size);
    if (plan->input.size != head->input.size) {
        opts->size = size;
        if (take_size(opts, plan, held, err))
            return -1;
    }
    plan->input = head->input;
    opts->resize = plan->input.resize;
    return 0;
}

/* The line of an option, "--name" or "--name=value"; nil: it is not there. */
static struct rn_text line_of(const struct rn_texts *list, const char *name)
{
    size_t length = strlen(name);
    for (size_t i = 0; i < list->count; i++) {
        struct rn_text line = list->item[i];
        if (line.length >= length + 2 && !memcmp(line.data + 2, name, length) && strchr("=", line.data[length + 2]))
            return line;
    }
    return (struct rn_text){ 0 };
}

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name))
        names++;
    return *names != NULL;
}

/* One option that the checkpoint's batches had or had not: taken, or compared with what the command line says. */
static int take_recorded(struct opts *opts, const struct rn_opt *row, const struct rn_args *args, const struct rn_texts *ours,
                         const struct rn_texts *theirs, struct rn_err *err)
{
    static const char *const free_to_change[] = { "keep-going", "max-pixels", NULL };
    char room[256];
    struct rn_text our = line_of(ours, row->name), their = line_of(theirs, row->name);
    struct rn_texts one = { &their, 1, 0 };
    if (!given(args, row->name))
        return their.data ? rn_opt_apply(&rn_tool, opts, &one, err) : 0;
    if (is_one_of(row->name, free_to_change) || rn_text_equal(our, their))
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "--%s is not what %s was trained with: %s", row->name, opts->resume,
                   their.data ? rn_text_show(their, room) : "its default");
}

/* Everything else that the history of the checkpoint's batches says. */
static int take_history(struct opts *opts, struct held *held, const struct rn_args *args, const struct rn_head *head,
                        struct rn_err *err)
{
    static const char *const elsewhere[] = { "train", "batch", "epochs", "seed", "resize", NULL };
    const struct rn_history *history = &head->batches_history;
    struct rn_texts ours = { 0 };
    size_t at = history->count;
    while (at && !rn_text_is(history->step[at - 1].tool, "rn-batch"))
        at--;
    if (!at)
        return 0;
    int rc = rn_texts_copy(&held->recorded, &history->step[at - 1].args, err);
    if (rc == 0)
        rc = rn_opt_list(&rn_tool, opts, false, &ours, err);
    struct rn_text size = line_of(&held->recorded, "size");
    bool grows = strchr(opts->size, ':') || (size.data && strchr(size.data, ':'));
    for (const struct rn_opt *row = options; rc == 0 && row->kind != RN_OPT_END; row++) {
        bool decided = strcmp(row->name, "size") == 0 && !grows; /* by the checkpoint's input */
        if (!(row->flags & RN_OPT_HOW) && !is_one_of(row->name, elsewhere) && !decided)
            rc = take_recorded(opts, row, args, &ours, &held->recorded, err);
    }
    rn_texts_free(&ours);
    return rc;
}

static int take_checkpoint(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, const struct rn_head *head,
                           struct held *held, struct rn_err *err)
{
    if (head->epoch == RN_NIL || !head->has_batches || head->batches_batch < 1)
        return rn_fail(err, RN_EXIT_DATA, "%s: weights, but not the checkpoint of a training", opts->resume);
    if (agree(args, opts->resume, "batch", (uint64_t)opts->batch, (uint64_t)head->batches_batch, err) ||
        agree(args, opts->resume, "seed", opts->seed, head->batches_seed, err) || take_history(opts, held, args, head, err) ||
        take_size(opts, plan, held, err))
        return -1;
    opts->batch = head->batches_batch;
    opts->seed = head->batches_seed;
    if (!given(args, "epochs") && head->batches_epochs != RN_NIL)
        opts->epochs = head->batches_epochs;
    plan->epoch = head->epoch;
    plan->index = head->batch_index;
    return 0;
}

/* Input, and with --resume the rest, from the head of a file of weights. */
static int take_from_weights(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, struct held *held,
                             struct rn_err *err)
{
    const char *file = opts->resume ? opts->resume : opts->model;
    const struct rn_head *head;
    struct rn_reader *reader;
    struct rn_buffer path = { 0 };
    if (rn_shipped_model(&path, file, err) || rn_reader_open(&reader, &path.data, 1, err)) {
        rn_buffer_free(&path);
        return -1;
    }
    int rc = rn_reader_head(reader, RN_KIND_BIT(RN_WEIGHTS), &head, err) == 1 ? 0 : -1;
    if (rc == 0 && opts->resume)
        rc = take_checkpoint(opts, plan, args, head, held, err);
    if (rc == 0)
        rc = take_input(opts, plan, args, file, head, held, err);
    rn_reader_close(reader);
    rn_buffer_free(&path);
    return rc;
}

/* What training does to a photo. */
static int plan_training(struct rn_batch_plan *plan, const struct opts *opts, struct held *held, struct rn_err *err)
{
    plan->training = (struct rn_training){
        .scale = { opts->crop_scale[0], opts->crop_scale[1] }, .ratio = { opts->crop_ratio[0], opts->crop_ratio[1] },
        .across = opts->flip == FLIP_H || opts->flip == FLIP_HV, .down = opts->flip == FLIP_V || opts->flip == FLIP_HV,
        .quarters = opts->rot90, .erase = opts->erase,
    };
    for (int c = 0; c < 3; c++)
        plan->training.fill[c] = (uint8_t)lround(fmin(fmax(plan->input.mean[c] * 255, 0), 255));
    plan->balance = (enum rn_balance)opts->balance;
    plan->mixup = opts->mixup;
    plan->cutmix = opts->cutmix;
    if (!opts->augment)
        return 0;
    if (rn_recipe_named(&held->recipe, opts->augment, opts->probability, err))
        return rn_fail_at(err, "--augment");
    if (held->recipe.floats)
        return rn_fail(err, RN_EXIT_USAGE, "--augment: %s gives floats (Normalize): batches are of 8-bit pixels", opts->augment);
    plan->augment = &held->recipe;
    return 0;
}

/* opts becomes what the history says: the same for equal batches, however they were asked for. */
static int make_plan(struct rn_batch_plan *plan, struct opts *opts, const struct rn_args *args, struct held *held,
                     struct rn_err *err)
{
    plan->input = rn_input_default;
    if (take_size(opts, plan, held, err))
        return -1;
    if (!opts->train && strchr(opts->size, ':'))
        return rn_fail(err, RN_EXIT_USAGE, "--size: pictures grow with --train only");
    plan->input.resize = opts->resize > 0 ? opts->resize : usual_resize(plan->input.size);
    if (opts->from && parse_place(plan, opts->from, err))
        return -1;
    if ((opts->resume || opts->model) && take_from_weights(opts, plan, args, held, err))
        return -1;
    if (plan->epoch > opts->epochs || (plan->epoch == opts->epochs && plan->index))
        return rn_fail(err, RN_EXIT_USAGE, "the place %lld:%lld is behind the end: there are %lld epochs", (long long)plan->epoch,
                       (long long)plan->index, (long long)opts->epochs);
    opts->resize = plan->input.resize == usual_resize(plan->input.size) ? defaults.resize : plan->input.resize;
    plan->batch = opts->batch;
    plan->live = opts->wait >= 0;
    plan->wait = opts->wait;
    plan->drop_last = opts->drop_last;
    plan->epochs = opts->epochs;
    plan->seed = opts->seed;
    plan->jobs = opts->jobs > 0 ? (int)opts->jobs : rn_threads_default();
    plan->keep_going = opts->keep_going;
    plan->whole = opts->whole;
    plan->views = (enum rn_views)opts->views;
    if (plan->views == RN_VIEWS_FIVE && plan->input.resize < plan->input.size)
        return rn_fail(err, RN_EXIT_USAGE, "--views five: crops of %lld do not lie in photos scaled to %lld",
                       (long long)plan->input.size, (long long)plan->input.resize);
    plan->decode = (struct rn_decode){ .max_pixels = opts->max_pixels, .exif = !opts->no_exif };
    return plan_training(plan, opts, held, err);
}

static void show(void *context, uint64_t done, uint64_t all)
{
    if (all)
        rn_progress_show(context, done == all, "%llu of %llu photos", (unsigned long long)done, (unsigned long long)all);
    else
        rn_progress_show(context, false, "%llu photos", (unsigned long long)done);
}

struct missing {
    bool any, quiet;
};

static void tell_missing(void *context, const char *line)
{
    struct missing *missing = context;
    missing->any = true;
    if (!missing->quiet)
        rn_note("%s", line);
}

/* Before another tool of the line, that one's progress is the one to see. */
static struct rn_progress begin_progress(const struct rn_args *args)
{
    struct stat status;
    struct rn_args quiet = *args;
    quiet.quiet = args->quiet || (!args->progress && !args->output && fstat(STDOUT_FILENO, &status) == 0 &&
                                  S_ISFIFO(status.st_mode));
    return rn_progress_begin(&quiet);
}

static int run(const void *given_options, const struct rn_args *args, struct rn_err *err)
{
    struct opts opts = *(const struct opts *)given_options;
    struct rn_progress progress = begin_progress(args);
    struct rn_batch_plan plan = { .tool = &rn_tool, .options = &opts, .progress = show, .progress_context = &progress };
    struct held held = { 0 };
    struct rn_writer *writer = NULL;
    struct rn_reader *reader = NULL;
    struct rn_failures failed = { 0 };
    struct missing missing = { .quiet = args->quiet };
    plan.in_place = opts.spool != 0;
    plan.files = args->operand;
    plan.file_count = args->operands;
    plan.missing = tell_missing;
    plan.missing_context = &missing;
    int rc = check_usage(&opts, args, err) || rn_writer_open(&writer, args->output, err) ||
             make_plan(&plan, &opts, args, &held, err) || rn_reader_open(&reader, args->operand, args->operands, err) ||
             (!opts.no_sandbox && rn_decode_apart(&plan.decode, plan.jobs, args->quiet, err)) ? -1 : 0;
    if (rc == 0)
        rc = opts.train ? rn_batch_train(reader, writer, &plan, &failed, err) : rn_batch_eval(reader, writer, &plan, &failed, err);
    rn_progress_end(&progress);
    rn_decoders_end(plan.decode.apart);
    rn_reader_close(reader);
    let_go(&held);
    if (rc)
        return rn_writer_discard(writer), -1;
    if (rn_writer_close(writer, err))
        return -1;
    if (!args->quiet)
        rn_note_failures(&failed);
    return failed.count || missing.any ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-batch", .operands = "[FILE...]", .summary = "photos into batches of pixels", .options = options,
    .environment = RN_ENV_RECORD_MAX | RN_ENV_TMPDIR,
    .size = sizeof(struct opts), .defaults = &defaults, .run = run,
    .about = "Reads samples and images, joins all segments into one set, and writes batches of 8-bit RGB pictures.\n\n"
             "Without --train: one pass, each photo scaled so that its shorter side is --resize and cropped to --size in the "
             "middle, each batch written as soon as its photos have arrived; with --wait also when its first photo has waited for "
             "so long, with the photos that there are (0: with those that are ready).\n\n"
             "--whole cuts nothing off: the shorter side becomes --resize, and a batch ends before a photo of another shape. "
             "--views makes several pictures of each photo, whose mean rn-predict takes: flip (as it is, and mirrored), "
             "dihedral (turned by quarters, each also mirrored: 8), five (the corners and the middle), scales (at 6/7, 1 and "
             "8/7 of --size and --resize). --batch still counts photos, and each view of them is a batch of its own.\n\n"
             "With --train: the whole input is read first (records, with pixels and embedded files, go to a temporary file in "
             "$TMPDIR; with --spool none they are read again where they lie, in files that must stay as they are); then an epoch "
             "after the other, each in its own random order, with random crops and flips. All of that follows from the seed, the "
             "ids and the epoch, never from -j or the order of the input. The last batch of an epoch may be smaller; with "
             "--drop-last it is left out then (other photos in each epoch). A last batch of one photo cannot be trained on at 32 "
             "pixels or less: batch norm would have one value a channel.\n\n"
             "--augment runs a recipe on each photo before it is cropped: in epoch E what rn-augment with this seed draws for "
             "copy 1, anew in each epoch, in the first one the same pixels. --size 160:0,224:10 makes pictures of 160 in epochs "
             "0 to 9, then of 224, which is the network's size. --balance class lets an epoch, which stays as long as it is, "
             "take all classes equally often, sqrt in proportion to the roots of their numbers: photos of small classes come "
             "again, each time with another crop, and of large ones others in each epoch. --erase puts a rectangle of the mean "
             "colour over 2 to 33 % of a crop, as torchvision's RandomErasing. "
             "--mixup and --cutmix mix each photo of a batch with the one before it, as torchvision does; with both, a batch is "
             "mixed by one of them. The stream then has the classes' shares in each picture, and version 2, so that programs "
             "that do not know of them refuse it.\n\n"
             "Of a stream of several parts of a set (rn-pick --shard, --cut) a line says what is missing, and the exit code is 1; "
             "a part that is there twice is an error. One part alone is what was asked for. Without --train each part's batches "
             "are that part's again, in a segment of its own.\n\n"
             "With --resume, options that the checkpoint decides may be left out: all that its batches were made with is taken "
             "from its history, and something else is an error; --epochs may be another than the checkpoint's.",
    .examples = "rn-pick split=val all.rn | rn-batch -o val.rn\n"
                "rn-pick split=train all.rn | rn-batch --train -b 16 --epochs 100 | rn-train -o run/\n"
                "rn-list --unlabeled photos/ | rn-batch -k | rn-predict --tsv",
};
