/* rn-train -- train a network from a stream of batches.
 * stdin: batches (rn-batch --train). stdout: a table, one row an epoch; DIR/last.rn, DIR/best.rn, DIR/log.tsv.
 * exit: 3 when the stream is not the one that goes on, 5 when training diverged (no checkpoint is touched). */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "flow/flow.h"
#include "nn/rates.h"
#include "nn/schedule.h"
#include "nn/train.h"
#include "tools/tool.h"

struct opts {
    struct rn_train_options train;
    const char *init, *resume, *val, *device, *precision;
    int64_t save_every, keep, jobs;
    int norms; /* enum rn_norms */
    bool overwrite;
};

static const struct rn_opt options[] = {
    { 'a', "arch", RN_OPT_TEXT, RN_AT(opts, train.arch), 0, 0, "the network", .choice = rn_arch_name },
    { 't', "attention", RN_OPT_TEXT, RN_AT(opts, train.attention), 0, 0, "its attention module", .choice = rn_attention_name },
    { 0, "init", RN_OPT_TEXT, RN_AT(opts, init), 0, 0, "start from what fits in this weights stream", "FILE" },
    { 0, "strict", RN_OPT_FLAG, RN_AT(opts, train.strict), 0, 0, "--init must hold every tensor, and no other" },
    { 0, "resume", RN_OPT_TEXT, RN_AT(opts, resume), 0, 0, "go on with this checkpoint (see rn-batch --resume)", "FILE", RN_OPT_HOW },
    { 0, "val", RN_OPT_TEXT, RN_AT(opts, val), 0, 0, "validate with these after each epoch (best.rn)", "FILE" },
    { 0, "lr", RN_OPT_REAL, RN_AT(opts, train.lr), 0, 1e6, "learning rate" },
    { 0, "momentum", RN_OPT_REAL, RN_AT(opts, train.momentum), 0, 1, "momentum" },
    { 0, "wd", RN_OPT_REAL, RN_AT(opts, train.wd), 0, 1e6, "weight decay" },
    { 0, "step", RN_OPT_INT, RN_AT(opts, train.step), 0, 1e9, "epochs until lr is divided by 10; 0: never" },
    { 0, "schedule", RN_OPT_CHOICE, RN_AT(opts, train.schedule), 0, 0, "how lr goes", RN_SCHEDULE_WORDS },
    { 0, "warmup", RN_OPT_REAL, RN_AT(opts, train.warmup), 0, 1e9, "epochs in which lr rises to its full value", "EPOCHS" },
    { 0, "optimizer", RN_OPT_CHOICE, RN_AT(opts, train.optimizer), 0, 0, "how weights move", RN_OPTIMIZER_WORDS },
    { 0, "nesterov", RN_OPT_FLAG, RN_AT(opts, train.nesterov), 0, 0, "Nesterov's momentum" },
    { 0, "no-decay", RN_OPT_TEXT, RN_AT(opts, train.no_decay), 0, 0, "what has no weight decay: none, bn, bias, bn,bias", "WHAT" },
    { 0, "lr-head", RN_OPT_REAL, RN_AT(opts, train.lr_head), 1e-9, 1e9, "the last layer's lr, times this" },
    { 0, "layer-decay", RN_OPT_REAL, RN_AT(opts, train.layer_decay), 1e-9, 1, "lr of each block, as a share of the next one's" },
    { 0, "freeze", RN_OPT_TEXT, RN_AT(opts, train.freeze), 0, 0, "layers that stay as they are: conv1,bn1,layer1,..", "PATTERN" },
    { 0, "freeze-norms", RN_OPT_FLAG, RN_AT(opts, train.fix_norms), 0, 0, "their batch norms as in evaluation" },
    { 0, "head", RN_OPT_FLAG, RN_AT(opts, train.head), 0, 0, "the last layer alone, on features of rn-predict" },
    { 0, "clip", RN_OPT_REAL, RN_AT(opts, train.clip), 0, 1e30, "largest norm of the gradients; 0: any", "NORM" },
    { 0, "accumulate", RN_OPT_INT, RN_AT(opts, train.accumulate), 1, 1e9, "batches an update: their gradients are summed" },
    { 0, "ema", RN_OPT_REAL, RN_AT(opts, train.ema), 0, 0.999999, "decay of a moving average of the weights; 0: none", "DECAY" },
    { 0, "class-weights", RN_OPT_TEXT, RN_AT(opts, train.class_weights), 0, 0,
      "none, inv, sqrt, or numbers w1,w2,..", "W" },
    { 0, "label-smoothing", RN_OPT_REAL, RN_AT(opts, train.smoothing), 0, 1, "share of the label that goes to all classes" },
    { 0, "teacher", RN_OPT_TEXT, RN_AT(opts, train.teacher), 0, 0, "learn from these, too: predictions of the photos", "FILE" },
    { 0, "temperature", RN_OPT_REAL, RN_AT(opts, train.temperature), 0.01, 1000, "at which the teacher is followed", "T" },
    { 0, "alpha", RN_OPT_REAL, RN_AT(opts, train.alpha), 0, 1, "the teacher's share of the loss", "A" },
    { 0, "bn", RN_OPT_CHOICE, RN_AT(opts, norms), 0, 0, "norms' statistics: the batch's, or each GPU's or leaf's", RN_NORMS_WORDS },
    { 's', "seed", RN_OPT_SEED, RN_AT(opts, train.seed), 0, 0, "seed of the initial weights" },
    { 0, "best", RN_OPT_CHOICE, RN_AT(opts, train.best), 0, 0, "what best.rn is the best of", RN_BEST_WORDS },
    { 0, "patience", RN_OPT_INT, RN_AT(opts, train.patience), 0, 1e9, "stop after N epochs without a better; 0: never" },
    { 0, "epochs-only-last", RN_OPT_FLAG, RN_AT(opts, train.only_last), 0, 0, "no best.rn: the last epoch counts" },
    { 0, "recall", RN_OPT_FLAG, RN_AT(opts, train.recall), 0, 0, "columns in the log: recall of each class" },
    { 0, "keep", RN_OPT_INT, RN_AT(opts, keep), 0, 1e9, "keep the last N epochs as epoch-0007.rn", "N", RN_OPT_HOW },
    { 0, "save-every", RN_OPT_INT, RN_AT(opts, save_every), 0, 1e12, "write last.rn every N batches, too", "N", RN_OPT_HOW },
    { 0, "overwrite", RN_OPT_FLAG, RN_AT(opts, overwrite), 0, 0, "begin anew in a DIR that holds last.rn", NULL, RN_OPT_HOW },
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "cpu, cuda, cuda:0,1 or ranks:cpu", "DEVICE", RN_OPT_HOW },
    { 0, "precision", RN_OPT_TEXT, RN_AT(opts, precision), 0, 0, "of products; tf32, bf16: GPUs", .choice = rn_precision_name },
    { 'j', "jobs", RN_OPT_INT, RN_AT(opts, jobs), 0, 1024, "threads; 0: one a core", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};

static const char columns[] = "epoch\tlr\ttrain_loss\ttrain_acc1\tval_loss\tval_acc1\timages_per_s\tseconds";

struct work {
    struct opts opts;
    const struct rn_args *args;
    struct rn_device *dev;
    struct rn_trainer trainer;
    struct rn_reader *reader;
    struct rn_flow *flow;
    struct rn_out *table;
    char *last, *best, *log;
    int lock;              /* the folder, open; -1: not ours */
    bool saved;            /* last.rn is there, and this process wrote it */
    struct rn_buffer header, rows; /* of log.tsv */
    struct rn_progress progress;
    double begun;          /* the epoch, seconds */
    double validation;     /* seconds that the last one took; 0: none yet */
    int64_t images;        /* of this epoch, trained on by this process */
    double rate;           /* of them a second, without validation */
    char epoch[64];        /* "epoch 3 of 0-99", numbered as in log.tsv */
};

static atomic_int stop_signal, save_signal;

static void on_signal(int number)
{
    if (number == SIGUSR1)
        save_signal = 1;
    else
        stop_signal = number;
}

/* No SA_RESTART: a signal ends a wait for input. SA_RESETHAND: a second one kills at once. nohup stays in force. */
static void catch_signals(void)
{
    struct sigaction stop = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND }, save = { .sa_handler = on_signal }, old;
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    sigaction(SIGXCPU, &stop, NULL);
    if (sigaction(SIGHUP, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaction(SIGHUP, &stop, NULL);
    sigaction(SIGUSR1, &save, NULL);
}

static void die(int number)
{
    signal(number, SIG_DFL);
    raise(number);
}

/* ---- before the first batch ---- */

static char *path_in(const char *folder, const char *name, struct rn_err *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", folder, name) < 0) {
        rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
        return NULL;
    }
    return path;
}

/* One training in a folder: until this process ends. A file system that has no locks is passed over. */
static int lock_folder(struct work *w, struct rn_err *err)
{
    char shown[256];
    w->lock = open(w->args->output, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (w->lock >= 0 && flock(w->lock, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK)
        return rn_fail(err, RN_EXIT_SYSTEM, "%s: another rn-train is at work in this folder",
                       rn_text_show(rn_text(w->args->output), shown));
    return 0;
}

static int prepare_folder(struct work *w, struct rn_err *err)
{
    char shown[256];
    const char *folder = w->args->output;
    if (rn_file_mkdir(folder, err) || lock_folder(w, err) || !(w->last = path_in(folder, "last.rn", err)) ||
        !(w->best = path_in(folder, "best.rn", err)) || !(w->log = path_in(folder, "log.tsv", err)))
        return -1;
    if (!w->opts.resume && !w->opts.overwrite && access(w->last, F_OK) == 0)
        return rn_fail(err, RN_EXIT_USAGE, "%s is there: --resume goes on with it, --overwrite begins anew",
                       rn_text_show(rn_text(w->last), shown));
    return 0;
}

/* What --keep of the other run left. */
static int clear_epochs(const struct work *w, struct rn_err *err)
{
    DIR *folder = opendir(w->args->output);
    int rc = folder ? 0 : rn_fail_errno(err, "%s", w->args->output);
    for (struct dirent *entry; rc == 0 && (entry = readdir(folder));)
        if (!fnmatch("epoch-[0-9]*.rn", entry->d_name, 0) && unlinkat(dirfd(folder), entry->d_name, 0))
            rc = rn_fail_errno(err, "%s/%s", w->args->output, entry->d_name);
    if (folder)
        closedir(folder);
    return rc;
}

/* A fresh run in a folder that holds another: its files go, so that none of them passes for ours. */
static int clear_folder(const struct work *w, struct rn_err *err)
{
    char shown[256];
    const char *old[] = { w->last, w->best, w->log };
    for (size_t i = 0; i < 3; i++)
        if (unlink(old[i]) && access(old[i], F_OK) == 0)
            return rn_fail_errno(err, "%s", rn_text_show(rn_text(old[i]), shown));
    return clear_epochs(w, err);
}

/* Of how many parts a device of that variant is: "cuda-sm90-x2". */
static long parts_of(struct rn_text variant)
{
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)variant.length, variant.data);
    name[strcspn(name, ",")] = '\0';
    const char *x = strstr(name, "-x");
    return x ? strtol(x + 2, NULL, 10) : 1;
}

/* Before rn-train had --bn, each of several GPUs had its own statistics. */
static bool is_before_bn(const struct rn_head *head)
{
    return !rn_head_option(head, "--bn=") && head->cpu.data && parts_of(head->cpu) > 1;
}

/* A resumed run has the options of the first; one that is given again must be the same (but for the places of --val and
 * --teacher). */
static int take_options(struct work *w, struct rn_err *err)
{
    char shown[256];
    struct opts saved = w->opts, was = *(const struct opts *)rn_tool.defaults;
    struct rn_texts given = { 0 }, had = { 0 };
    const struct rn_texts *first = &w->trainer.from.head->options; /* without those that its rn-train did not have */
    const char *val = w->opts.val, *teacher = w->opts.train.teacher;
    int rc = rn_opt_apply(&rn_tool, &saved, first, err) || rn_opt_apply(&rn_tool, &was, first, err) ? -1 : 0;
    if (rc == 0 && is_before_bn(w->trainer.from.head))
        saved.norms = was.norms = RN_NORMS_PART;
    rc = rc || rn_opt_list(&rn_tool, &was, true, &had, err) || rn_opt_list(&rn_tool, &w->opts, true, &given, err) ? -1 : 0;
    for (size_t i = 0; options[i].kind != RN_OPT_END && rc == 0; i++) {
        size_t length = strlen(options[i].name);
        bool place = !strcmp(options[i].name, "val") || (was.train.teacher && !strcmp(options[i].name, "teacher"));
        if (!(w->args->given >> i & 1) || (options[i].flags & RN_OPT_HOW) || place)
            continue;
        for (size_t k = 0; k < given.count && rc == 0; k++) {
            const char *text = given.item[k].data;
            if (!strncmp(text + 2, options[i].name, length) && (text[length + 2] == '=' || !text[length + 2]) &&
                rn_texts_find(&had, given.item[k]) < 0)
                rc = rn_fail(err, RN_EXIT_USAGE, "%s is not what the run that is resumed has: leave the option out",
                             rn_text_show(given.item[k], shown));
        }
    }
    rn_texts_free(&given);
    rn_texts_free(&had);
    if (rc == 0)
        w->opts = saved;
    w->opts.val = val ? val : w->opts.val;
    w->opts.train.teacher = teacher ? teacher : w->opts.train.teacher;
    return rc;
}

/* log.tsv is cut back to the epochs that the checkpoint has. */
static int take_log(struct work *w, struct rn_err *err)
{
    struct rn_buffer old = { 0 };
    if (access(w->log, F_OK))
        return 0;
    int rc = rn_file_read(&old, w->log, (size_t)1 << 30, err);
    for (char *at = old.data, *end = at ? at + old.length : at; rc == 0 && at < end;) {
        char *line = memchr(at, '\n', (size_t)(end - at));
        size_t length = line ? (size_t)(line - at) + 1 : (size_t)(end - at);
        if (*at >= '0' && *at <= '9' && line && strtoll(at, NULL, 10) < w->trainer.head.epoch)
            rc = rn_buffer_add(&w->rows, at, length, err);
        at += length;
    }
    rn_buffer_free(&old);
    return rc;
}

/* What --init or --resume says comes first: the device's precision is one of the options. */
static int open_from(struct work *w, struct rn_err *err)
{
    const char *from = w->opts.resume ? w->opts.resume : w->opts.init;
    if (rn_trainer_open(&w->trainer, &w->opts.train, from, w->opts.resume != NULL, err))
        return -1;
    return w->opts.resume ? take_options(w, err) : 0;
}

/* What would change nothing; a run that is resumed may have it from before. */
static int check_useless(const struct work *w, struct rn_err *err)
{
    const struct rn_train_options *o = &w->opts.train, *defaults = &((const struct opts *)rn_tool.defaults)->train;
    if (o->step != defaults->step && (o->schedule == RN_SCHEDULE_COSINE || o->schedule == RN_SCHEDULE_CONSTANT))
        return rn_fail(err, RN_EXIT_USAGE, "--step: --schedule=%s has no steps: leave one of them out",
                       o->schedule == RN_SCHEDULE_COSINE ? "cosine" : "constant");
    if (o->strict && !w->opts.init)
        return rn_fail(err, RN_EXIT_USAGE, "--strict: it needs --init, whose tensors it is about");
    if (o->head && o->layer_decay != defaults->layer_decay)
        return rn_fail(err, RN_EXIT_USAGE, "--head: the last layer alone is trained: leave out --layer-decay");
    return 0;
}

static int check_options(const struct work *w, struct rn_err *err)
{
    const struct opts *defaults = rn_tool.defaults;
    if (w->opts.train.head && !w->opts.init && !w->opts.resume)
        return rn_fail(err, RN_EXIT_USAGE, "--head: it needs --init, the network whose features these are");
    if (!w->opts.resume && check_useless(w, err))
        return -1;
    return rn_train_check(&w->opts.train, w->opts.val, w->opts.train.best != defaults->train.best, err);
}

static int open_run(struct work *w, struct rn_err *err)
{
    struct rn_head *head = &w->trainer.head;
    const char *variant = w->dev->class->variant(w->dev);
    if (w->opts.resume && w->dev->class->choose && w->dev->class->choose(w->dev, w->trainer.from.head->choices.data, err))
        return -1;
    if (rn_trainer_load(&w->trainer, w->dev, err))
        return -1;
    if (w->opts.resume) {
        bool parts = w->opts.norms == RN_NORMS_PART && head->cpu.data && parts_of(head->cpu) != parts_of(rn_text(variant));
        if (head->cpu.data && !rn_text_is(head->cpu, variant))
            rn_note("%s: was trained on %.*s, goes on on %s: results will differ%s", w->opts.resume, (int)head->cpu.length,
                    head->cpu.data, variant, parts ? ": --bn=part, of other parts" : " in their last digits");
        return take_log(w, err);
    }
    return rn_trainer_describe(&w->trainer, variant, err) || rn_opt_list(&rn_tool, &w->opts, true, &head->options, err) ||
           rn_head_sign(head, &rn_tool, &w->opts, NULL, err) ? -1 : 0;
}

/* ---- an epoch ---- */

static int save_last(struct work *w, struct rn_err *err)
{
    if (rn_trainer_save(&w->trainer, w->last, err))
        return -1;
    w->saved = true;
    return 0;
}

/* " (conv1.weight, ...)" */
static const char *first_of(const struct rn_texts *names, char room[static 256])
{
    char shown[256];
    room[0] = '\0';
    if (names->count)
        snprintf(room, 256, " (%.200s%s)", rn_text_show(names->item[0], shown), names->count > 1 ? ", ..." : "");
    return room;
}

/* One line about classes that cannot be learnt, or cannot be told from others. */
static void say_classes(const struct work *w, const struct rn_head *segment)
{
    char shown[256];
    size_t empty = 0, first = 0, classes = segment->classes.count;
    for (size_t i = classes; segment->class_counts && i--;)
        if (!segment->class_counts[i]) {
            empty++;
            first = i;
        }
    if (w->args->quiet)
        return;
    if (classes == 1)
        rn_note("there is one class only, '%s': nothing to tell apart", rn_text_show(segment->classes.item[0], shown));
    else if (empty)
        rn_note("%zu of %zu classes have no photos to train on, the first is '%s'", empty, classes,
                rn_text_show(segment->classes.item[first], shown));
}

/* One line about an average that a short run does not move far: what its first update was still weighs in it in the end. */
static void say_average(const struct work *w, const struct rn_head *segment)
{
    const struct rn_train_options *o = &w->opts.train;
    if (!(o->ema > 0) || w->args->quiet || segment->batches_per_epoch == RN_NIL || segment->epochs == RN_NIL)
        return;
    double updates = (double)segment->epochs * ceil((double)segment->batches_per_epoch / (double)o->accumulate);
    double first = pow(o->ema, updates - 1);
    if (first > 0.1)
        rn_note("--ema=%g: after the %.0f updates of this run the first one will still be %.0f %% of the average: a smaller DECAY "
                "follows sooner", o->ema, updates, 100 * first);
}

/* The table's first line: at once, but with --recall when the classes are known. */
static int begin_table(struct work *w, struct rn_err *err)
{
    const struct rn_texts *classes = &w->trainer.head.classes;
    if (rn_buffer_add(&w->header, columns, strlen(columns), err))
        return -1;
    for (size_t i = 0; w->opts.train.recall && i < classes->count; i++)
        if (rn_buffer_add(&w->header, "\trecall_", 8, err) || rn_text_escape(&w->header, classes->item[i], RN_ESCAPE_TSV, err))
            return -1;
    return rn_buffer_add(&w->header, "\n", 1, err) || rn_out_write(w->table, w->header.data, w->header.length, err) ||
           rn_out_flush(w->table, err) ? -1 : 0;
}

/* After the first segment's head: what --init gave, and a look at --val before an epoch is spent. */
static int first_segment(struct work *w, const struct rn_head *segment, struct rn_err *err)
{
    const struct rn_taken *taken = &w->trainer.taken;
    char skipped[256], fresh[256];
    if (w->opts.init && !w->opts.resume && !w->args->quiet)
        rn_note("%s: %zu tensors taken, %zu skipped%s, %zu new%s", w->opts.init, taken->taken, taken->skipped.count,
                first_of(&taken->skipped, skipped), taken->fresh.count, first_of(&taken->fresh, fresh));
    if (w->opts.val && rn_validation_check(&w->trainer, w->opts.val, err))
        return -1;
    if (!w->opts.resume) {
        say_classes(w, segment);
        say_average(w, segment);
    }
    if (w->opts.train.recall && begin_table(w, err))
        return -1;
    return w->opts.resume ? 0 : clear_folder(w, err);
}

static void show(struct work *w, const struct rn_head *segment)
{
    const struct rn_head *head = &w->trainer.head;
    char left[32] = "?", batches[32] = "?";
    double rate = (double)w->images / (rn_seconds() - w->begun);
    if (segment->batches_per_epoch != RN_NIL) {
        snprintf(batches, sizeof batches, "%lld", (long long)segment->batches_per_epoch);
        double photos = (double)(segment->batches_per_epoch - head->batch_index) * (double)segment->batch;
        double epochs = 1;
        if (segment->epochs != RN_NIL) {
            epochs = (double)(segment->epochs - head->epoch);
            photos += (epochs - 1) * (double)segment->batches_per_epoch * (double)segment->batch;
        }
        rn_progress_time(photos / rate + epochs * w->validation, left);
    }
    /* how long validation takes is known after the first */
    rn_progress_show(&w->progress, false, "%s batch %lld/%s loss %.4f Acc@1 %.2f %.1f images/s %s%s left", w->epoch,
                     (long long)head->batch_index, batches, head->loss_sum / (double)head->seen,
                     100 * (double)head->correct / (double)head->seen, rate, left, w->opts.val && w->validation <= 0 ? "+" : "");
}

static int write_log(struct work *w, struct rn_err *err)
{
    struct rn_out *out;
    if (rn_out_open(&out, w->log, err))
        return -1;
    if (rn_out_write(out, w->header.data, w->header.length, err) || rn_out_write(out, w->rows.data, w->rows.length, err)) {
        rn_out_discard(out);
        return -1;
    }
    return rn_out_commit(out, err);
}

/* Epoch e as a file of its own, and the one that is N older goes. */
static int keep_epoch(struct work *w, int64_t epoch, struct rn_err *err)
{
    char name[64];
    int rc = 0;
    for (int old = 0; old < 2 && w->opts.keep && rc == 0; old++) {
        int64_t which = old ? epoch - w->opts.keep : epoch;
        snprintf(name, sizeof name, "epoch-%04lld.rn", (long long)which);
        char *path = which >= 0 ? path_in(w->args->output, name, err) : NULL;
        if (which >= 0)
            rc = !path ? -1 : old ? (unlink(path), 0) : rn_trainer_save(&w->trainer, path, err);
        free(path);
    }
    return rc;
}

/* Recall in percent; nothing where there is no photo. */
static int add_recalls(struct work *w, struct rn_buffer *row, const struct rn_validation *validation, struct rn_err *err)
{
    char text[32];
    for (size_t i = 0; w->opts.train.recall && i < w->trainer.head.classes.count; i++) {
        double recall = validation->recall[i];
        int length = isnan(recall) ? snprintf(text, sizeof text, "\t") : snprintf(text, sizeof text, "\t%.4f", 100 * recall);
        if (rn_buffer_add(row, text, (size_t)length, err))
            return -1;
    }
    return rn_buffer_add(row, "\n", 1, err);
}

static int validate(struct work *w, struct rn_validation *validation, struct rn_err *err)
{
    double before = rn_seconds();
    rn_progress_show(&w->progress, true, "%s: validating", w->epoch);
    if (rn_validate(&w->trainer, w->opts.val, validation, err))
        return -1;
    w->validation = rn_seconds() - before;
    rn_progress_end(&w->progress);
    if (validation->errors && !w->args->quiet)
        rn_note("%s: %lld photos could not be read: the validation is without them", w->opts.val, (long long)validation->errors);
    for (size_t i = 0; i < validation->missing.count && w->trainer.head.epoch == 0 && !w->args->quiet; i++)
        rn_note("%s: %s", w->opts.val, validation->missing.item[i].data);
    return 0;
}

/* The order is a promise: validate, best.rn, the log's row, last.rn; then standard output, whose reader may be gone. */
static int end_epoch(struct work *w, struct rn_err *err)
{
    struct rn_trainer *t = &w->trainer;
    struct rn_validation validation = { 0 };
    struct rn_buffer row = { 0 };
    char val[64] = "\t", text[256], shown[256];
    double lr = rn_trainer_lr(t), loss = t->head.loss_sum / (double)t->head.seen;
    double acc1 = 100 * (double)t->head.correct / (double)t->head.seen;
    int64_t epoch = t->head.epoch;
    int rc = w->opts.val ? validate(w, &validation, err) : 0;
    rn_progress_end(&w->progress);
    if (rc == 0 && w->opts.val)
        snprintf(val, sizeof val, "%.6f\t%.4f", validation.loss, validation.acc1);
    if (validation.empty && epoch == 0 && !w->args->quiet)
        rn_note("%s: %zu of %zu classes have no photos to validate on, the first is '%s'", w->opts.val, validation.empty,
                t->head.classes.count, rn_text_show(t->head.classes.item[validation.first_empty], shown));
    bool better = rc == 0 && w->opts.val && rn_schedule_judge(t->options, &t->head, &validation);
    rn_trainer_next_epoch(t);
    if (better && !w->opts.train.only_last)
        rc = rn_trainer_save_best(t, w->best, err);
    int length = snprintf(text, sizeof text, "%lld\t%.6g\t%.6f\t%.4f\t%s\t%.2f\t%.1f", (long long)epoch, lr, loss, acc1, val,
                          w->rate, rn_seconds() - w->begun);
    if (rc || rn_buffer_add(&row, text, (size_t)length, err) || add_recalls(w, &row, &validation, err) ||
        rn_buffer_add(&w->rows, row.data, row.length, err) || write_log(w, err) || keep_epoch(w, epoch, err) || save_last(w, err) ||
        rn_out_write(w->table, row.data, row.length, err) || rn_out_flush(w->table, err))
        rc = -1;
    rn_validation_free(&validation);
    rn_buffer_free(&row);
    return rc;
}

/* A step failed with its device. One that can undo it leaves the steps before, whole: they are saved, as at a signal. */
static int keep_whole(struct work *w, const struct rn_err *err)
{
    const struct rn_device_class *on = w->dev->class;
    struct rn_err other;
    if (err->exit == RN_EXIT_SYSTEM && on->undo && w->trainer.net && !w->trainer.head.state.accumulated && on->undo(w->dev))
        (void)!save_last(w, &other);
    return -1;
}

/* The records of a segment: 0 at its tail, 1 when a signal wants the run to stop, -1. */
static int train(struct work *w, const struct rn_head *segment, struct rn_err *err)
{
    struct rn_trainer *t = &w->trainer;
    struct rn_item *item;
    int rc;
    w->begun = rn_seconds();
    w->images = 0;
    while ((rc = rn_flow_next(w->flow, &item, err)) == 1 && item->event == RN_FLOW_RECORD) {
        int step = rn_trainer_step(t, &item->record, err);
        if (step < 0)
            return keep_whole(w, err);
        if (step) {
            w->images += (int64_t)item->record.count;
            if (t->head.seen)
                show(w, segment);
        }
        bool due = step && w->opts.save_every && t->head.batch_index % w->opts.save_every == 0;
        if (!stop_signal && (due || save_signal)) {
            save_signal = 0;
            if (save_last(w, err))
                return -1;
        }
        if (stop_signal)
            return 1;
    }
    if (rc == 1 && (rc = rn_trainer_finish(t, err)))
        return -1;
    w->rate = (double)w->images / fmax(rn_seconds() - w->begun, 1e-9);
    /* The same Ctrl-C may have ended the input early: that is a stop, no damage. */
    return stop_signal && rc ? 1 : rc;
}

/* What is to be said of a segment before its batches. */
static void announce(struct work *w, const struct rn_head *segment)
{
    long long epoch = w->trainer.head.epoch;
    int length = snprintf(w->epoch, sizeof w->epoch, "epoch %lld", epoch);
    if (segment->epochs != RN_NIL)
        snprintf(w->epoch + length, sizeof w->epoch - (size_t)length, " of 0-%lld", (long long)segment->epochs - 1);
    if (w->trainer.other_photos)
        rn_note("from epoch %lld on with other photos than before", epoch);
}

static int stopped(const struct work *w)
{
    const struct rn_head *head = &w->trainer.head;
    if (!w->args->quiet)
        rn_note("stopped before epoch %lld: %lld epochs without a better one", (long long)head->epoch,
                (long long)head->state.since_best);
    return 0;
}

static int segments(struct work *w, struct rn_err *err)
{
    struct rn_trainer *t = &w->trainer;
    struct rn_item *item;
    int64_t epochs = RN_NIL;
    int rc;
    for (bool first = true; (rc = rn_flow_next(w->flow, &item, err)) == 1; first = false) {
        const struct rn_head *segment = item->head;
        if (rn_trainer_segment(t, segment, err) || (first && first_segment(w, segment, err)))
            return -1;
        epochs = segment->epochs;
        if (rn_schedule_stops(t->options, &t->head))
            return stopped(w);
        announce(w, segment);
        if ((rc = train(w, segment, err)))
            return rc;
        if (rn_trainer_epoch_done(t)) {
            if (end_epoch(w, err))
                return -1;
        } else if (epochs == RN_NIL || t->head.epoch < epochs) {
            return rn_fail(err, RN_EXIT_DATA, "epoch %lld has no batches: the stream must have whole epochs, as rn-batch --train "
                                              "writes them", (long long)t->head.epoch);
        }
        if (stop_signal)
            return 1;
        if (rn_schedule_stops(t->options, &t->head))
            return stopped(w);
    }
    if (stop_signal)
        return 1;
    if (rc == 0 && epochs != RN_NIL && t->head.epoch < epochs)
        return rn_fail(err, RN_EXIT_DATA, "the stream ended after epoch %lld of %lld: --resume %s goes on",
                       (long long)t->head.epoch, (long long)epochs, w->last);
    return rc;
}

/* Behind a lost GPU or a full disk: what the run has left. */
static void say_where(const struct work *w, struct rn_err *err)
{
    size_t length = strlen(err->text);
    if (w->saved && err->exit == RN_EXIT_SYSTEM)
        snprintf(err->text + length, sizeof err->text - length, ": --resume %s goes on", w->last);
}

/* --val is read after each epoch, from its beginning. */
static int check_val(const char *path, struct rn_err *err)
{
    char shown[256];
    struct stat status;
    if (!path || (strcmp(path, "-") && (stat(path, &status) || S_ISREG(status.st_mode) || S_ISDIR(status.st_mode))))
        return 0; /* one that is not there: said when it is opened */
    return rn_fail(err, RN_EXIT_USAGE, "--val %s: it is read after each epoch, so it must be a file, not a pipe",
                   rn_text_show(rn_text(path), shown));
}

/* The next batches are read while one is trained on, across epochs and files: one where that takes longer than reading, as on
 * the CPU. */
static int read_ahead(struct work *w, struct rn_err *err)
{
    struct rn_flow_plan plan = { .reader = w->reader, .kinds = RN_KIND_BIT(RN_BATCHES), 
                                 .ahead = w->dev->class->begin ? 3 : 1, .stop = &stop_signal };
    rn_flow_lend(&plan, w->dev);
    return rn_flow_open(&w->flow, &plan, err);
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = *(const struct opts *)options_, .args = args, .lock = -1, .progress = rn_progress_begin(args) };
    int rc = -1;
    if (!args->output)
        return rn_fail(err, RN_EXIT_USAGE, "-o DIR is needed: checkpoints and log.tsv go there (see rn-train --help)");
    if (w.opts.init && w.opts.resume)
        return rn_fail(err, RN_EXIT_USAGE, "--init and --resume exclude each other");
    if (check_val(w.opts.val, err) || rn_class_weights_check(w.opts.train.class_weights, err))
        return -1;
    catch_signals();
    if (open_from(&w, err) || check_options(&w, err) || rn_device_open(&w.dev, w.opts.device, (int)w.opts.jobs, err) ||
        rn_device_precision(w.dev, w.opts.precision, err) || rn_device_norms(w.dev, (enum rn_norms)w.opts.norms, err) ||
        prepare_folder(&w, err) || open_run(&w, err) ||
        rn_out_open(&w.table, NULL, err) || (!w.opts.train.recall && begin_table(&w, err)) ||
        rn_reader_open(&w.reader, args->operand, args->operands, err) || read_ahead(&w, err))
        goto out;
    rc = segments(&w, err);
    rn_progress_end(&w.progress);
    if (rc == 1 && w.trainer.net && save_last(&w, err))
        rc = -1;
    if (rc < 0)
        say_where(&w, err);
    if (rc == 0) {
        rc = rn_out_commit(w.table, err);
        w.table = NULL;
    }
out:
    /* at once: who reads ahead may be waiting for a file to be opened; but other processes of the device get to know */
    if (rc == 1) {
        if (w.dev->class->undo)
            rn_device_close(w.dev);
        die(stop_signal);
    }
    rn_out_discard(w.table);
    rn_flow_close(w.flow);
    rn_reader_close(w.reader);
    rn_trainer_free(&w.trainer);
    rn_device_close(w.dev);
    rn_buffer_free(&w.header);
    rn_buffer_free(&w.rows);
    if (w.lock >= 0)
        close(w.lock);
    free(w.last);
    free(w.best);
    free(w.log);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-train", .operands = "-o DIR [FILE...]", .summary = "train a network from a stream of batches",
    .options = options, .size = sizeof(struct opts), .environment = RN_ENV_CPU | RN_ENV_RECORD_MAX,
    .defaults = &(const struct opts){
        .train = { .arch = "resnet18", .attention = "none", .lr = 2e-4, .momentum = 0.9, .wd = 1e-4, .step = 40,
                   .class_weights = "none", .seed = 1234, .no_decay = "none", .lr_head = 1, .layer_decay = 1, .accumulate = 1,
                   .temperature = RN_TEMPERATURE, .alpha = RN_ALPHA },
        .device = "cpu", .precision = "fp32",
    },
    .run = run, .folder = true,
    .about = "Reads train batches (rn-batch --train), one segment an epoch, and trains with stochastic gradient descent as "
             "PyTorch's: cross entropy, momentum, weight decay on every parameter.\n\n"
             "What follows is for other recipes than the published one. --schedule: step; cosine, from lr to 0 after the last "
             "batch; constant; plateau, which divides lr by 10 after --step epochs without a better one by --best. --warmup goes "
             "with each of them: in its epochs the rate of each batch is a step higher, and the cosine begins after it. "
             "--optimizer=adamw: as PyTorch's, --momentum is its first beta, 0.999 the second. --lr-head: of the last layer "
             "(final_fc), which is new where --init had other classes. --layer-decay=X: what comes after the blocks has lr, the "
             "last block X of it, the one before X of that, and what comes before the blocks the least. --freeze: names of layers "
             "or parameters with commas between them (rn-show -l lists them), * for any letters; they stay as they are, and "
             "backward goes no further down than it must. --clip: where the gradients' Euclidean norm is larger, they are scaled "
             "to it. --accumulate=N: the gradients of N batches are summed for one update (divide lr by N for their mean); an "
             "epoch's end is an update too. --ema: after each update a moving average of parameters and running statistics takes 1 "
             "- DECAY of the new ones (the first update's as they are); validation, best.rn and whoever reads last.rn but --resume "
             "see the average. best.rn is then no checkpoint. DECAY 0.999 looks back on about 1000 updates: a run needs several "
             "times as many, or a smaller DECAY.\n\n"
             "--head: of --init all but the last layer is frozen, and what that reads comes as batches of features, which "
             "rn-predict --features head makes of train batches once (--val: of eval batches): an epoch then takes a moment. Each "
             "epoch of the stream has its own draws. The run is, but for the rounding of float32, the one with --freeze of all "
             "other layers and --freeze-norms on the same batches, and last.rn and best.rn are whole networks. Features of another "
             "network or layer are refused.\n\n"
             "--teacher: what another network, larger or trained longer, says of the same photos (rn-predict), matched by id and "
             "class, is followed besides the labels (Hinton et al., 2015): the loss is 1 - A of the one without, and A T^2 "
             "KL(teacher || network), both at temperature T, the teacher's from its probabilities. Of an ensemble, whose "
             "predictions 'cat' joins, it is the mean, as rn-score --mean has it. Each photo to train on has to be there; what was "
             "drawn of a photo anew (crops, flips) goes by the same. But predictions of the train batches themselves, which say "
             "epoch and seed, are of these draws: they teach in their epoch only. Photos that are mixed are refused. --resume "
             "takes the file from where it was, or from --teacher; its numbers must be those of before.\n\n"
             "--best: what --val says of an epoch to be better: Acc@1, loss, balanced accuracy or macro F1. --patience ends "
             "the run, exit 0, and with it whoever writes the batches. --epochs-only-last: no epoch is chosen, so that no "
             "choice flatters: last.rn is what counts. --recall: the log has a column for each class, in percent. --keep=N: "
             "each epoch is DIR/epoch-0007.rn, too, until N more have come (rn-average makes one network of them).\n\n"
             "--class-weights: inv gives class c the weight n / (classes n_c), where n_c of the n photos are its own; sqrt the "
             "root of that.\n\n"
             "After each epoch: validation on --val (plain cross entropy, whatever --class-weights and --label-smoothing say), "
             "DIR/best.rn when the validation Acc@1 (or what --best says) is strictly better than ever before, a row in "
             "DIR/log.tsv, DIR/last.rn, the row on standard output. Each file is replaced as a whole. SIGINT, SIGTERM, SIGHUP and "
             "SIGXCPU finish the step, write last.rn and end the program (a second one ends it at once); SIGUSR1 writes last.rn "
             "and goes on. A folder has one rn-train at a time: a second one ends with exit 4.\n\n"
             RN_ABOUT_GPUS "Batch norms have the whole batch's statistics there, too, so that two GPUs train as one does, "
             "but for rounding; --bn=part: those of each GPU's part (no waiting for each other at each norm; another recipe, since "
             "a part is smaller), and running statistics are the first GPU's. -d ranks:cpu has --bn=leaf for that: each of its leaves, "
             "into which every batch is cut, has its own, whatever the number of ranks. --precision=bf16 keeps maps and takes "
             "products in bfloat16; sums, statistics, parameters and checkpoints stay float32. tf32: only products "
             "are coarser. " RN_ABOUT_CPU_PRECISION "\n\n"
             "--resume goes on, bit for bit, from the stream that 'rn-batch --train --resume FILE' makes; options are those of the "
             "first run and need not be given again. A batch that is not the next one is refused, and so are "
             "other photos in the middle of an epoch; where an epoch begins with others, a line says so.",
    .examples = "rn-pick split=train all.rn | rn-batch --train --epochs 100 | rn-train -t ours --val val.rn -o run\n"
                "rn-pick split=train all.rn | rn-batch --train --resume run/last.rn |\n"
                "    rn-train --resume run/last.rn -o run\n"
                "rn-pick split=train all.rn | rn-batch --for large/best.rn | rn-predict -m large/best.rn -o said.rn\n"
                "rn-pick split=train all.rn | rn-batch --train --epochs 100 |\n"
                "    rn-train --teacher said.rn --val val.rn -o small\n"
                "rn-batch --train --for large.rn --epochs 20 train.rn | rn-predict -m large.rn --features head |\n"
                "    rn-train -a resnet50 --init large.rn --head --lr 0.01 -o head",
};
