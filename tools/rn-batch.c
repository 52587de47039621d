/* rn-batch -- photos into batches of pixels: for evaluation as they come, for training shuffled anew for each epoch.
 * stdin: samples, images. stdout: batches. exit: 1 when photos became error records (-k). */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch/batch.h"
#include "core/threads.h"
#include "tools/tool.h"

struct opts {
    bool train, keep_going, no_exif, whole;
    int views;
    int64_t batch, epochs, size, resize, jobs;
    const char *from, *resume, *model;
    uint64_t seed, max_pixels;
};

static const struct rn_opt options[] = {
    { 0, "train", RN_OPT_FLAG, RN_AT(opts, train), 0, 0, "random crops and flips in random order (else scaled, centred)", NULL, 0 },
    { 'b', "batch", RN_OPT_INT, RN_AT(opts, batch), 1, 65536, "photos in a batch", NULL, 0 },
    { 0, "epochs", RN_OPT_INT, RN_AT(opts, epochs), 1, 1e9, "with --train: how often the set is gone through", NULL, 0 },
    { 0, "from", RN_OPT_TEXT, RN_AT(opts, from), 0, 0, "with --train: begin at this place", "EPOCH:INDEX", RN_OPT_HOW },
    { 0, "resume", RN_OPT_TEXT, RN_AT(opts, resume), 0, 0, "with --train: seed, batch, epochs, size and place of this checkpoint", "FILE", RN_OPT_HOW },
    { 0, "for", RN_OPT_TEXT, RN_AT(opts, model), 0, 0, "size and normalisation that this model wants", "MODEL", RN_OPT_HOW },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, seed), 0, 0, "with --train: of order, crops and flips", NULL, 0 },
    { 0, "size", RN_OPT_INT, RN_AT(opts, size), 1, 16384, "height and width of the pictures", NULL, 0 },
    { 0, "resize", RN_OPT_INT, RN_AT(opts, resize), 1, 65536, "scale the shorter side to that before cropping [size * 256 / 224]", NULL, 0 },
    { 0, "whole", RN_OPT_FLAG, RN_AT(opts, whole), 0, 0, "without --train: the whole frame, scaled, of any height and width" },
    { 0, "views", RN_OPT_CHOICE, RN_AT(opts, views), 0, 0, "without --train: what is seen of a photo, for rn-predict to average",
      "one|flip|dihedral|five|scales" },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 1, 1024, "threads that decode [the cores]", NULL, RN_OPT_HOW },
    { 'k', "keep-going", RN_OPT_FLAG, RN_AT(opts, keep_going), 0, 0, "a photo that fails becomes an error record", NULL, 0 },
    { 0, "max-pixels", RN_OPT_COUNT, RN_AT(opts, max_pixels), 1, 1e12, "refuse larger photos, by their header", NULL, 0 },
    { 0, "no-exif", RN_OPT_FLAG, RN_AT(opts, no_exif), 0, 0, "do not turn photos as their EXIF orientation says", NULL, 0 },
    RN_OPT_LAST,
};
static const struct opts defaults = { .batch = 16, .epochs = 1, .size = 224, .resize = -1, .jobs = -1, .seed = 1234, .max_pixels = 100000000 };

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

static int check_usage(const struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    static const char *const training[] = { "epochs", "from", "resume", "seed" };
    for (size_t i = 0; i < sizeof training / sizeof *training; i++)
        if (!opts->train && given(args, training[i]))
            return rn_fail(err, RN_EXIT_USAGE, "--%s needs --train", training[i]);
    if (opts->train && (opts->whole || opts->views))
        return rn_fail(err, RN_EXIT_USAGE, "--%s does not go with --train", opts->whole ? "whole" : "views");
    if (opts->whole && opts->views == RN_VIEWS_FIVE)
        return rn_fail(err, RN_EXIT_USAGE, "--views five are crops: --whole does not go with them");
    if (opts->resume && (opts->from || opts->model))
        return rn_fail(err, RN_EXIT_USAGE, "--resume and --%s exclude each other", opts->from ? "from" : "for");
    return 0;
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
static int agree(const struct rn_args *args, const char *file, const char *name, uint64_t wanted, uint64_t there, struct rn_err *err)
{
    if (!given(args, name) || wanted == there)
        return 0;
    return rn_fail(err, RN_EXIT_USAGE, "--%s is %llu, but %s has %llu", name, (unsigned long long)wanted, file, (unsigned long long)there);
}

static int take_input(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, const char *file,
                      const struct rn_head *head, struct rn_err *err)
{
    if (!head->has_input)
        return rn_fail(err, RN_EXIT_DATA, "%s: the weights do not say what their input is", file);
    plan->input = head->input;
    if (agree(args, file, "size", (uint64_t)opts->size, (uint64_t)plan->input.size, err) ||
        agree(args, file, "resize", (uint64_t)opts->resize, (uint64_t)plan->input.resize, err))
        return -1;
    opts->size = plan->input.size;
    opts->resize = plan->input.resize;
    return 0;
}

static int take_checkpoint(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, const struct rn_head *head,
                           struct rn_err *err)
{
    if (head->epoch == RN_NIL || !head->has_batches || head->batches_batch < 1)
        return rn_fail(err, RN_EXIT_DATA, "%s: weights, but not the checkpoint of a training", opts->resume);
    if (agree(args, opts->resume, "batch", (uint64_t)opts->batch, (uint64_t)head->batches_batch, err) ||
        agree(args, opts->resume, "seed", opts->seed, head->batches_seed, err))
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
static int take_from_weights(struct opts *opts, struct rn_batch_plan *plan, const struct rn_args *args, struct rn_err *err)
{
    const char *file = opts->resume ? opts->resume : opts->model;
    const struct rn_head *head;
    struct rn_reader *reader;
    if (rn_reader_open(&reader, (char *const[]){ (char *)file }, 1, err))
        return -1;
    int rc = rn_reader_head(reader, RN_KIND_BIT(RN_WEIGHTS), &head, err) == 1 ? take_input(opts, plan, args, file, head, err) : -1;
    if (rc == 0 && opts->resume)
        rc = take_checkpoint(opts, plan, args, head, err);
    rn_reader_close(reader);
    return rc;
}

/* opts becomes what the history says: the same for equal batches, however they were asked for. */
static int make_plan(struct rn_batch_plan *plan, struct opts *opts, const struct rn_args *args, struct rn_err *err)
{
    plan->input = rn_input_default;
    plan->input.size = opts->size;
    plan->input.resize = opts->resize > 0 ? opts->resize : usual_resize(opts->size);
    if (opts->from && parse_place(plan, opts->from, err))
        return -1;
    if ((opts->resume || opts->model) && take_from_weights(opts, plan, args, err))
        return -1;
    if (plan->epoch > opts->epochs || (plan->epoch == opts->epochs && plan->index))
        return rn_fail(err, RN_EXIT_USAGE, "the place %lld:%lld is behind the end: there are %lld epochs", (long long)plan->epoch,
                       (long long)plan->index, (long long)opts->epochs);
    opts->resize = plan->input.resize == usual_resize(plan->input.size) ? defaults.resize : plan->input.resize;
    plan->batch = opts->batch;
    plan->epochs = opts->epochs;
    plan->seed = opts->seed;
    plan->jobs = opts->jobs > 0 ? (int)opts->jobs : rn_threads_default();
    plan->keep_going = opts->keep_going;
    plan->whole = opts->whole;
    plan->views = (enum rn_views)opts->views;
    if (plan->views == RN_VIEWS_FIVE && plan->input.resize < plan->input.size)
        return rn_fail(err, RN_EXIT_USAGE, "--views five: crops of %lld do not lie in photos scaled to %lld", (long long)plan->input.size,
                       (long long)plan->input.resize);
    plan->decode = (struct rn_decode){ .max_pixels = opts->max_pixels, .exif = !opts->no_exif };
    return 0;
}

static void show(void *context, uint64_t done, uint64_t all)
{
    if (all)
        rn_progress_show(context, done == all, "%llu of %llu photos", (unsigned long long)done, (unsigned long long)all);
    else
        rn_progress_show(context, false, "%llu photos", (unsigned long long)done);
}

/* Before another tool of the line, that one's progress is the one to see. */
static struct rn_progress begin_progress(const struct rn_args *args)
{
    struct stat status;
    struct rn_args quiet = *args;
    quiet.quiet = args->quiet || (!args->progress && !args->output && fstat(STDOUT_FILENO, &status) == 0 && S_ISFIFO(status.st_mode));
    return rn_progress_begin(&quiet);
}

static int run(const void *given_options, const struct rn_args *args, struct rn_err *err)
{
    struct opts opts = *(const struct opts *)given_options;
    struct rn_progress progress = begin_progress(args);
    struct rn_batch_plan plan = { .tool = &rn_tool, .options = &opts, .progress = show, .progress_context = &progress };
    struct rn_writer *writer = NULL;
    struct rn_reader *reader = NULL;
    uint64_t failed = 0;
    int rc = check_usage(&opts, args, err) || rn_writer_open(&writer, args->output, err) || make_plan(&plan, &opts, args, err) ||
             rn_reader_open(&reader, args->operand, args->operands, err) ? -1 : 0;
    if (rc == 0)
        rc = opts.train ? rn_batch_train(reader, writer, &plan, &failed, err) : rn_batch_eval(reader, writer, &plan, &failed, err);
    rn_progress_end(&progress);
    rn_reader_close(reader);
    if (rc)
        return rn_writer_discard(writer), -1;
    if (rn_writer_close(writer, err))
        return -1;
    if (failed && !args->quiet)
        rn_note("error records made: %llu", (unsigned long long)failed);
    return failed ? RN_EXIT_NO : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "rn-batch", .operands = "[FILE...]", .summary = "photos into batches of pixels", .options = options,
    .size = sizeof(struct opts), .defaults = &defaults, .run = run,
    .about = "Reads samples and images, joins all segments into one set, and writes batches of 8-bit RGB pictures.\n\n"
             "Without --train: one pass, each photo scaled so that its shorter side is --resize and cropped to --size in the "
             "middle, each batch written as soon as its photos have arrived.\n\n"
             "--whole cuts nothing off: the shorter side becomes --resize, and a batch ends before a photo of another shape. "
             "--views makes several pictures of each photo, whose mean rn-predict takes: flip (as it is, and mirrored), "
             "dihedral (turned by quarters, each also mirrored: 8), five (the corners and the middle), scales (at 6/7, 1 and "
             "8/7 of --size and --resize). --batch still counts photos, and each view of them is a batch of its own.\n\n"
             "With --train: the whole input is read first (pixels and embedded files go to a temporary file in $TMPDIR); then an "
             "epoch after the other, each in its own random order, with random crops and flips. All of that follows from the seed, "
             "the ids and the epoch, never from -j or the order of the input.\n\n"
             "With --resume, options that the checkpoint decides may be left out; --epochs may be another than the checkpoint's.",
    .examples = "rn-pick split=val all.rn | rn-batch -o val.rn\n"
                "rn-pick split=train all.rn | rn-batch --train -b 16 --epochs 100 | rn-train -o run/\n"
                "rn-list --unlabeled photos/ | rn-batch --for run/best.rn -k | rn-predict -m run/best.rn --tsv",
};
