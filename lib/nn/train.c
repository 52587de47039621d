/* train.c -- a training run, batch by batch. */
#include "nn/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/rates.h"
#include "nn/schedule.h"

int rn_trainer_open(struct rn_trainer *t, const struct rn_train_options *options, const char *path, bool resume, struct rn_err *err)
{
    char shown[256];
    rn_head_init(&t->head, RN_WEIGHTS);
    t->options = options;
    t->from_path = path;
    t->resumed = resume;
    if (!path)
        return 0;
    if (rn_model_head(&t->from, path, err))
        return -1;
    if (resume && t->from.head->epoch == RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "%s: not a checkpoint: weights alone are for --init", rn_text_show(rn_text(path), shown));
    return 0;
}

static bool counts(const struct rn_train_options *o)
{
    return o->optimizer == RN_OPTIMIZER_ADAMW || o->ema > 0 || o->accumulate > 1 || o->patience || o->best != RN_BEST_ACC1 ||
           o->schedule == RN_SCHEDULE_PLATEAU || o->teacher;
}

/* The role's room. A resumed run has it from its checkpoint, once there was an update. */
static int need(struct rn_trainer *t, enum rn_role role, struct rn_err *err)
{
    char shown[256];
    if (t->resumed && t->head.state.updates && !rn_net_has(t->net, role))
        return rn_fail(err, RN_EXIT_DATA, "%s: the role %s is missing", rn_text_show(rn_text(t->from_path), shown),
                       rn_role_name(role));
    return rn_net_room(t->net, role, err);
}

/* The network is there: what the options make of it. */
static int ready(struct rn_trainer *t, struct rn_err *err)
{
    const struct rn_train_options *o = t->options;
    struct rn_rate *rate;
    t->head.has_state = counts(o);
    if (rn_rates_make(&rate, rn_net_graph(t->net), o, err))
        return -1;
    int rc = rate ? rn_net_rates(t->net, rate, err) : 0;
    free(rate);
    rn_net_accumulate(t->net, t->head.state.accumulated > 0);
    if (o->head)
        rn_net_enter(t->net, rn_graph_features(rn_net_graph(t->net)));
    if (rc == 0 && o->optimizer == RN_OPTIMIZER_ADAMW)
        rc = need(t, RN_SECOND_MOMENT, err);
    return rc || (o->ema > 0 && need(t, RN_EMA, err)) ? -1 : 0;
}

int rn_trainer_load(struct rn_trainer *t, struct rn_device *dev, struct rn_err *err)
{
    t->dev = dev;
    if (!t->resumed)
        return 0;
    if (rn_model_load(&t->from, t->from_path, dev, true, err))
        return -1;
    t->net = t->from.net;
    t->from.net = NULL;
    if (rn_head_copy(&t->head, t->from.head, err))
        return -1;
    t->head.temperature = 0; /* it was of other weights */
    rn_part_free(&t->head.part_of);
    return ready(t, err);
}

void rn_trainer_free(struct rn_trainer *t)
{
    rn_model_close(&t->from);
    rn_net_close(t->net);
    rn_head_free(&t->head);
    rn_head_free(&t->segment);
    rn_taken_free(&t->taken);
    free(t->class_weights);
    free(t->map);
    free(t->labels);
    free(t->targets);
    rn_teacher_close(t->teacher);
    free(t->taught);
    free(t->floats.data);
    *t = (struct rn_trainer){ 0 };
}

int rn_trainer_describe(struct rn_trainer *t, const char *variant, struct rn_err *err)
{
    struct rn_head *head = &t->head;
    const char *from[] = { t->options->arch, t->options->attention, variant };
    struct rn_text *to[] = { &head->arch, &head->attention, &head->cpu };
    for (size_t i = 0; i < 3; i++) {
        char *copy = strdup(from[i]);
        if (!copy)
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
        *to[i] = rn_text(copy);
    }
    head->epoch = head->batch_index = 0;
    head->best_acc1 = -1;
    return 0;
}

/* Whether b's classes, as many, are a's, in whatever order. */
static int same_classes(bool *same, const struct rn_texts *a, const struct rn_texts *b, struct rn_err *err)
{
    int64_t *index = rn_calloc(b->count, sizeof *index, err);
    if (!index || rn_texts_index(a, b, index, err)) {
        free(index);
        return -1;
    }
    for (size_t i = 0; i < b->count; i++)
        *same = *same && index[i] >= 0;
    free(index);
    return 0;
}

/* The first segment of a fresh run: its classes and input become the network's; the network starts from scratch, then takes
 * what --init has. Where --init's classes are the same but in another order, its order is kept. */
static int start(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    const struct rn_texts *classes = &head->classes;
    bool same = t->from.head && t->from.head->classes.count == head->classes.count;
    if (same && same_classes(&same, &t->from.head->classes, classes, err))
        return -1;
    classes = same ? &t->from.head->classes : classes;
    if (rn_texts_copy(&t->head.classes, classes, err) ||
        rn_net_open(&t->net, t->dev, t->head.arch, t->head.attention, classes->count, true, err))
        return -1;
    t->head.has_input = true;
    t->head.input = head->has_input ? head->input : rn_input_default;
    for (size_t i = 0; i < rn_net_graph(t->net)->params; i++)
        if (rn_net_start(t->net, i, t->options->seed, err))
            return -1;
    if (ready(t, err))
        return -1;
    if (!t->from_path)
        return 0;
    if (rn_weights_take(&t->from, t->from_path, t->net, &t->head.classes, &t->taken, err))
        return -1;
    if (t->options->strict && (t->taken.fresh.count || t->taken.skipped.count)) {
        char shown[256], which[256];
        bool fresh = t->taken.fresh.count;
        return rn_fail(err, RN_EXIT_DATA, "%s: --strict: '%s' %s", rn_text_show(rn_text(t->from_path), shown),
                       rn_text_show(fresh ? t->taken.fresh.item[0] : t->taken.skipped.item[0], which),
                       fresh ? "is not in it, or does not fit" : "is not in this network, or does not fit");
    }
    return 0;
}

/* Numbers with commas: how many; into weight as far as there is room. */
static int parse_weights(const char *text, float *weight, size_t room, size_t *count, struct rn_err *err)
{
    bool any = false;
    *count = 0;
    for (const char *at = text; *at;) {
        char *end;
        double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value >= 0 && value <= 1e6))
            return rn_fail(err, RN_EXIT_USAGE, "--class-weights: '%s' is not none, inv, sqrt or numbers from 0 to 1e6 with commas",
                           text);
        if (*count < room)
            weight[*count] = (float)value;
        any = any || value > 0;
        (*count)++;
        at = *end ? end + 1 : end;
    }
    return any ? 0 : rn_fail(err, RN_EXIT_USAGE, "--class-weights: '%s': a weight above 0 is needed", text);
}

static bool is_rule(const char *how)
{
    return !strcmp(how, "none") || !strcmp(how, "inv") || !strcmp(how, "sqrt");
}

int rn_class_weights_check(const char *class_weights, struct rn_err *err)
{
    size_t count;
    return is_rule(class_weights) ? 0 : parse_weights(class_weights, NULL, 0, &count, err);
}

/* class_counts are the stream's: mapped to our classes. */
static int weigh(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    const char *how = t->options->class_weights;
    size_t classes = t->head.classes.count;
    if (t->class_weights || !strcmp(how, "none"))
        return 0;
    if (!(t->class_weights = rn_calloc(classes, sizeof *t->class_weights, err)))
        return -1;
    bool inverse = !strcmp(how, "inv"), root = !strcmp(how, "sqrt");
    if (inverse || root) {
        double total = 0;
        if (!head->class_counts)
            return rn_fail(err, RN_EXIT_DATA, "--class-weights=%s: the stream does not say how many photos each class has", how);
        for (size_t i = 0; i < head->classes.count; i++)
            total += (double)head->class_counts[i];
        for (size_t i = 0; i < head->classes.count; i++) {
            double balanced = head->class_counts[i] ? total / ((double)classes * (double)head->class_counts[i]) : 0;
            t->class_weights[t->map[i]] = (float)(inverse ? balanced : sqrt(balanced));
        }
        return 0;
    }
    size_t count;
    if (parse_weights(how, t->class_weights, classes, &count, err))
        return -1;
    if (count != classes)
        return rn_fail(err, RN_EXIT_USAGE, "--class-weights: %zu numbers for %zu classes", count, classes);
    bool counts = !head->class_counts;
    for (size_t i = 0; i < head->classes.count && !counts; i++)
        counts = head->class_counts[i] && t->class_weights[t->map[i]] > 0;
    return counts ? 0 : rn_fail(err, RN_EXIT_USAGE, "--class-weights: '%s': every class that has photos has the weight 0", how);
}

/* The last batch of an epoch may be too small for batch norm: better said before the first one. */
static int check_last_batch(const struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    int64_t photos = 0;
    if (t->options->head || !head->has_input || !head->class_counts || head->batch == RN_NIL || head->batches_per_epoch == RN_NIL ||
        (head->epochs != RN_NIL && t->head.epoch >= head->epochs))
        return 0;
    for (size_t i = 0; i < head->classes.count; i++)
        photos += head->class_counts[i];
    int64_t last = photos - (head->batches_per_epoch - 1) * head->batch;
    size_t size = (size_t)head->input.size;
    if (last < 1 || last > head->batch || rn_net_check(t->net, (size_t)last, size, size, err) == 0)
        return 0;
    if (head->batch == last)
        return -1;
    return rn_fail_at(err, "the last batch of an epoch, of %lld in %lld batches of %lld (rn-batch --drop-last leaves it out)",
                      (long long)photos, (long long)head->batches_per_epoch, (long long)head->batch);
}

static int differs(struct rn_err *err, const char *what, long long ours, long long theirs)
{
    return rn_fail(err, RN_EXIT_DATA, "the stream's %s is %lld, this run's is %lld", what, theirs, ours);
}

static void take_photos(struct rn_trainer *t, const struct rn_head *head)
{
    t->head.batches_per_epoch = head->batches_per_epoch;
    t->head.has_listing = head->has_listing;
    t->head.listing = head->listing;
}

/* An epoch ends with the photos that it began with; from one to the next they may change. */
static int same_photos(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    const struct rn_head *run = &t->head;
    bool known = head->batches_per_epoch != RN_NIL && run->batches_per_epoch != RN_NIL;
    t->other_photos = (known && head->batches_per_epoch != run->batches_per_epoch) ||
                      (head->has_listing && run->has_listing && head->listing != run->listing);
    if (t->other_photos && (run->batch_index || run->seen))
        return rn_fail(err, RN_EXIT_DATA, "the photos are not those that epoch %lld was begun with (batches an epoch: %lld then, "
                       "%lld now): it cannot be ended with them", (long long)run->epoch, (long long)run->batches_per_epoch,
                       (long long)head->batches_per_epoch);
    if (known || head->has_listing)
        take_photos(t, head);
    return 0;
}

/* A stream goes on with the run that it began: same seed, same batches. What a foreign writer left out is not checked. */
static int same_stream(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    struct rn_head *run = &t->head;
    if (!run->has_batches) {
        run->has_batches = head->has_seed && head->batch != RN_NIL;
        run->batches_seed = head->seed;
        run->batches_batch = head->batch;
        run->batches_epochs = head->epochs;
        take_photos(t, head);
        return rn_history_copy(&run->batches_history, &head->history, err);
    }
    if (head->has_seed && head->seed != run->batches_seed)
        return differs(err, "seed", (long long)run->batches_seed, (long long)head->seed);
    if (head->batch != RN_NIL && head->batch != run->batches_batch)
        return differs(err, "batch size", run->batches_batch, head->batch);
    if (head->epochs != RN_NIL) /* a run may be made longer */
        run->batches_epochs = head->epochs;
    return same_photos(t, head, err);
}

/* The teacher is read when the classes are known, once. */
static int meet_teacher(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    char shown[256];
    struct rn_training_state *state = &t->head.state;
    uint64_t print, seed;
    if (!t->options->teacher)
        return 0;
    if (head->soft)
        return rn_fail(err, RN_EXIT_DATA, "--teacher: it has not seen photos that are mixed (rn-batch --mixup, --cutmix)");
    if (t->teacher)
        return 0;
    if (rn_teacher_open(&t->teacher, t->options->teacher, &t->head.classes, err) || rn_teacher_print(t->teacher, &print, err))
        return -1;
    if (rn_teacher_seed(t->teacher, &seed) && head->has_seed && head->seed != seed)
        return rn_fail(err, RN_EXIT_DATA,
                       "--teacher %s: its predictions are of what rn-batch drew by seed %llu, these batches are of seed %llu",
                       rn_text_show(rn_text(t->options->teacher), shown), (unsigned long long)seed,
                       (unsigned long long)head->seed);
    if (state->has_teacher && state->teacher != print)
        return rn_fail(err, RN_EXIT_DATA, "--teacher %s: not the predictions that this run has learnt from",
                       rn_text_show(rn_text(t->options->teacher), shown));
    state->has_teacher = true;
    state->teacher = print;
    return 0;
}

/* What comes is what the network takes in: images, or with --head its own features. */
static int check_values(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    if (!t->options->head)
        return !head->layer.data ? 0 : rn_fail(err, RN_EXIT_DATA,
                                               "batches of features: rn-train --head trains the last layer on them");
    if (!t->printed && rn_net_print(t->net, &t->print, err))
        return -1;
    t->printed = true;
    return rn_model_check_features(head, t->print, err);
}

int rn_trainer_segment(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err)
{
    if (head->mode != RN_TRAIN)
        return rn_fail(err, RN_EXIT_DATA, "these are batches for evaluation: make them with rn-batch --train");
    if (!head->classes.count)
        return rn_fail(err, RN_EXIT_DATA, "the stream names no classes to train on");
    if (!t->net && (start(t, head, err) || (t->options->ema > 0 && rn_net_average(t->net, 1, err))))
        return -1;
    free(t->map);
    t->map = NULL;
    if (check_values(t, head, err) || rn_model_check_input(&t->head.input, head, false, err) || same_stream(t, head, err) ||
        meet_teacher(t, head, err) || rn_labels_map(&t->head.classes, &head->classes, &t->map, err) || weigh(t, head, err) ||
        rn_schedule_check(t->options, head, err) || check_last_batch(t, head, err))
        return -1;
    if (head->epoch != RN_NIL && head->epoch != t->head.epoch)
        return differs(err, "epoch", t->head.epoch, head->epoch);
    t->errors = 0;
    t->begun = false;
    rn_head_free(&t->segment);
    return rn_head_copy(&t->segment, head, err);
}

/* Labels of the record as ours. */
static int take_labels(struct rn_trainer *t, const struct rn_record *record, struct rn_err *err)
{
    char shown[256];
    if (rn_grow(&t->labels, &t->label_capacity, record->count, sizeof *t->labels, err))
        return -1;
    for (size_t i = 0; i < record->count; i++) {
        if (record->labels[i] == RN_NIL)
            return rn_fail(err, RN_EXIT_DATA, "'%s' has no label: it cannot be trained on", rn_text_show(record->ids[i], shown));
        t->labels[i] = t->map[record->labels[i]];
    }
    return 0;
}

/* The factor that makes the gradients' norm --clip, as PyTorch's clip_grad_norm_; 0: they are small enough. */
static int clip(struct rn_trainer *t, double *scale, struct rn_err *err)
{
    double norm;
    *scale = 0;
    if (!(t->options->clip > 0))
        return 0;
    if (rn_net_gradient_norm(t->net, &norm, err))
        return -1;
    if (!isfinite(norm))
        return rn_fail(err, RN_EXIT_DIVERGED,
                       "epoch %lld, batch %lld: the gradient's norm is %g: training diverged (a smaller --lr may help)",
                       (long long)t->head.epoch, (long long)t->head.batch_index - 1, norm);
    double factor = t->options->clip / (norm + 1e-6);
    *scale = factor < 1 ? factor : 0;
    return 0;
}

static int move(struct rn_trainer *t, struct rn_err *err)
{
    const struct rn_train_options *o = t->options;
    struct rn_training_state *state = &t->head.state;
    double lr = rn_trainer_lr(t), scale;
    if (clip(t, &scale, err))
        return -1;
    state->updates++;
    state->accumulated = 0;
    rn_net_accumulate(t->net, false);
    int rc = o->optimizer == RN_OPTIMIZER_ADAMW
        ? rn_net_update_adamw(t->net, (struct rn_adamw){ .lr = lr, .beta1 = o->momentum, .beta2 = 0.999, .eps = 1e-8, .wd = o->wd,
                                                         .scale = scale, .step = state->updates }, err)
        : rn_net_update(t->net, (struct rn_sgd){ .lr = lr, .momentum = o->momentum, .wd = o->wd, .nesterov = o->nesterov,
                                                 .scale = scale }, err);
    if (rc || !(o->ema > 0))
        return rc;
    return rn_net_average(t->net, state->updates == 1 ? 1 : 1 - o->ema, err);
}

/* Shares of the classes as ours. */
static int take_targets(struct rn_trainer *t, const struct rn_record *record, struct rn_err *err)
{
    size_t ours = t->head.classes.count, theirs = t->segment.classes.count, room;
    if (!t->segment.soft)
        return 0;
    if (!rn_mul(record->count, ours, &room) || rn_grow(&t->targets, &t->target_capacity, room, sizeof *t->targets, err))
        return -1;
    memset(t->targets, 0, room * sizeof *t->targets);
    for (size_t i = 0; i < record->count; i++)
        for (size_t k = 0; k < theirs; k++)
            t->targets[i * ours + (size_t)t->map[k]] = (float)rn_tensor_get(&record->targets, i * theirs + k);
    return 0;
}

static int take_taught(struct rn_trainer *t, const struct rn_record *record, struct rn_err *err)
{
    size_t room;
    if (!t->teacher)
        return 0;
    if (!rn_mul(record->count, t->head.classes.count, &room) ||
        rn_grow(&t->taught, &t->taught_capacity, room, sizeof *t->taught, err))
        return -1;
    return rn_teacher_say(t->teacher, record->epoch, record->ids, record->count, t->options->temperature, t->taught, err);
}

static int update(struct rn_trainer *t, struct rn_err *err)
{
    if (t->options->accumulate <= 1 || ++t->head.state.accumulated == t->options->accumulate)
        return move(t, err);
    rn_net_accumulate(t->net, true);
    return 0;
}

/* The oldest step under way. A device that works ahead has updated the weights already: what a loss that is not finite has made
 * of them is never saved. */
static int settle_one(struct rn_trainer *t, struct rn_err *err)
{
    struct rn_head *head = &t->head;
    const struct rn_ahead *step = &t->ahead[t->settled_steps % RN_STEPS_AHEAD];
    if (rn_net_end(t->net, err))
        return -1;
    if (!isfinite(step->loss.loss))
        return rn_fail(err, RN_EXIT_DIVERGED, "epoch %lld, batch %lld: the loss is %g: training diverged (a smaller --lr may help)",
                       (long long)head->epoch, (long long)step->index, rn_nan_unsigned(step->loss.loss));
    if (!rn_net_async(t->net) && update(t, err))
        return -1;
    t->settled_steps++;
    head->loss_sum += step->loss.loss * (double)step->count;
    head->correct += step->loss.correct;
    head->seen += step->count;
    return 0;
}

int rn_trainer_settle(struct rn_trainer *t, struct rn_err *err)
{
    while (t->settled_steps != t->begun_steps)
        if (settle_one(t, err))
            return -1;
    return 0;
}

int rn_trainer_finish(struct rn_trainer *t, struct rn_err *err)
{
    if (rn_trainer_settle(t, err))
        return -1;
    return t->head.state.accumulated ? move(t, err) : 0;
}

int rn_trainer_step(struct rn_trainer *t, const struct rn_record *record, struct rn_err *err)
{
    struct rn_batch batch;
    struct rn_head *head = &t->head;
    if (record->error.data) {
        t->errors++;
        return 0;
    }
    /* A batch of which every photo failed is left out: then error records stand in its place. */
    bool skipped = record->index > head->batch_index && record->index - head->batch_index <= t->errors;
    if (record->epoch != head->epoch || (record->index != head->batch_index && !skipped))
        return rn_fail(err, RN_EXIT_DATA, "batch %lld of epoch %lld is not the next one, which is batch %lld of epoch %lld",
                       (long long)record->index, (long long)record->epoch, (long long)head->batch_index, (long long)head->epoch);
    if (take_labels(t, record, err) || take_targets(t, record, err) || take_taught(t, record, err) ||
        (t->options->head ? rn_net_batch_of_features(&batch, record, rn_net_graph(t->net), &t->floats, err)
                          : rn_net_batch_of(&batch, record, &head->input, &t->segment, &t->floats, err)))
        return -1;
    struct rn_loss_options options = { t->class_weights, t->options->smoothing, t->segment.soft ? t->targets : NULL,
                                       t->teacher ? t->taught : NULL, t->options->temperature, t->options->alpha };
    struct rn_ahead *step = &t->ahead[t->begun_steps % RN_STEPS_AHEAD];
    if (rn_net_load(t->net, &batch, err) || (t->begun_steps - t->settled_steps == RN_STEPS_AHEAD && settle_one(t, err)))
        return -1;
    *step = (struct rn_ahead){ record->index, (int64_t)record->count, { 0 } };
    if (rn_net_begin(t->net, t->labels, &options, &step->loss, err))
        return -1;
    t->begun_steps++;
    head->batch_index = record->index + 1;
    t->errors = 0;
    t->begun = true;
    return (rn_net_async(t->net) ? update : rn_trainer_settle)(t, err) || rn_net_loaded(t->net, err) ? -1 : 1;
}

bool rn_trainer_epoch_done(const struct rn_trainer *t)
{
    return t->head.seen > 0;
}

double rn_trainer_lr(const struct rn_trainer *t)
{
    const struct rn_head *head = &t->head;
    return rn_schedule_lr(t->options, (struct rn_place){ head->epoch, head->batch_index ? head->batch_index - 1 : 0,
                                                         t->segment.batches_per_epoch, t->segment.epochs, head->state.cuts });
}

void rn_trainer_next_epoch(struct rn_trainer *t)
{
    t->head.epoch++;
    t->head.batch_index = 0;
    t->head.loss_sum = 0;
    t->head.correct = t->head.seen = 0;
}

/* What the device has chosen so far. */
static int take_choices(struct rn_trainer *t, struct rn_err *err)
{
    const struct rn_device_class *on = t->dev->class;
    const char *choices = on->choices ? on->choices(t->dev) : NULL;
    if (!on->choices || rn_text_is(t->head.choices, choices ? choices : ""))
        return 0;
    char *copy = choices ? strdup(choices) : NULL;
    if (choices && !copy)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    free((char *)(uintptr_t)t->head.choices.data);
    t->head.choices = rn_text(copy);
    return 0;
}

int rn_trainer_save(struct rn_trainer *t, const char *path, struct rn_err *err)
{
    return rn_trainer_settle(t, err) || take_choices(t, err) ? -1 : rn_weights_save(t->net, &t->head, true, path, err);
}

int rn_trainer_save_best(struct rn_trainer *t, const char *path, struct rn_err *err)
{
    struct rn_head head = t->head; /* borrows */
    if (!(t->options->ema > 0))
        return rn_trainer_save(t, path, err);
    head.epoch = RN_NIL;
    if (rn_trainer_settle(t, err))
        return -1;
    rn_net_swap(t->net);
    int rc = rn_weights_save(t->net, &head, false, path, err);
    rn_net_swap(t->net);
    return rc;
}
