/* head_pack.c -- a head as canonical bytes. */
#include "stream/codec.h"
#include "stream/pack.h"

static void pack_texts(struct rn_pack *pack, const struct rn_texts *texts)
{
    rn_pack_array(pack, texts->count);
    for (size_t i = 0; i < texts->count; i++)
        rn_pack_text(pack, texts->item[i]);
}

static void pack_history(struct rn_pack *pack, const struct rn_history *history)
{
    rn_pack_key(pack, "history");
    rn_pack_array(pack, history->count);
    for (size_t i = 0; i < history->count; i++) {
        rn_pack_map(pack, 3);
        rn_pack_key(pack, "tool");
        rn_pack_text(pack, history->step[i].tool);
        rn_pack_key(pack, "version");
        rn_pack_text(pack, history->step[i].version);
        rn_pack_key(pack, "args");
        pack_texts(pack, &history->step[i].args);
    }
}

static void pack_reals(struct rn_pack *pack, const char *key, const double value[3])
{
    rn_pack_key(pack, key);
    rn_pack_array(pack, 3);
    for (int c = 0; c < 3; c++)
        rn_pack_real(pack, value[c]);
}

static void pack_number(struct rn_pack *pack, const char *key, int64_t value)
{
    rn_pack_key(pack, key);
    rn_pack_int_or_nil(pack, value);
}

static void pack_input(struct rn_pack *pack, const struct rn_head *head)
{
    rn_pack_key(pack, "input");
    if (!head->has_input) {
        rn_pack_nil(pack);
        return;
    }
    rn_pack_map(pack, 4);
    pack_number(pack, "size", head->input.size);
    pack_number(pack, "resize", head->input.resize);
    pack_reals(pack, "mean", head->input.mean);
    pack_reals(pack, "std", head->input.std);
}

/* Only where it is known: a stream of a writer that has none keeps its bytes. */
static void pack_listing(struct rn_pack *pack, const struct rn_head *head)
{
    if (!head->has_listing)
        return;
    rn_pack_key(pack, "listing");
    rn_pack_uint(pack, head->listing);
}

static void pack_batches(struct rn_pack *pack, const struct rn_head *head)
{
    rn_pack_key(pack, "mode");
    rn_pack_key(pack, head->mode == RN_TRAIN ? "train" : "eval");
    pack_input(pack, head);
    pack_number(pack, "batch", head->batch);
    pack_number(pack, "epoch", head->epoch);
    rn_pack_key(pack, "seed");
    head->has_seed ? rn_pack_uint(pack, head->seed) : rn_pack_nil(pack);
    pack_number(pack, "epochs", head->epochs);
    pack_number(pack, "batches_per_epoch", head->batches_per_epoch);
    rn_pack_key(pack, "class_counts");
    if (head->class_counts) {
        rn_pack_array(pack, head->classes.count);
        for (size_t i = 0; i < head->classes.count; i++)
            rn_pack_int(pack, head->class_counts[i]);
    } else {
        rn_pack_nil(pack);
    }
    pack_listing(pack, head);
    if (head->views != RN_NIL)
        pack_number(pack, "views", head->views);
    if (head->any_size) {
        rn_pack_key(pack, "any_size");
        rn_pack_bool(pack, true);
    }
    if (head->layer.data) {
        rn_pack_key(pack, "features");
        rn_pack_map(pack, 2);
        rn_pack_key(pack, "layer");
        rn_pack_text(pack, head->layer);
        rn_pack_key(pack, "network");
        rn_pack_uint(pack, head->network);
    }
}

/* Only of pictures that were drawn for training. */
static void pack_predictions(struct rn_pack *pack, const struct rn_head *head)
{
    if (head->epoch != RN_NIL)
        pack_number(pack, "epoch", head->epoch);
    if (head->has_seed) {
        rn_pack_key(pack, "seed");
        rn_pack_uint(pack, head->seed);
    }
}

static void pack_part_of(struct rn_pack *pack, const struct rn_part_of *of)
{
    rn_pack_key(pack, "part_of");
    rn_pack_map(pack, 3);
    rn_pack_key(pack, "set");
    rn_pack_uint(pack, of->set);
    pack_number(pack, "records", of->records);
    rn_pack_key(pack, "parts");
    rn_pack_array(pack, of->parts);
    for (size_t i = 0; i < of->parts; i++) {
        const struct rn_part *part = &of->part[i];
        rn_pack_map(pack, part->of ? 4 : 2);
        if (part->of) {
            pack_number(pack, "part", part->number);
            pack_number(pack, "of", part->of);
        }
        pack_number(pack, "first", part->first);
        pack_number(pack, "count", part->count);
    }
}

/* Keys that are written only where they say something. */
static size_t left_out(const struct rn_head *head)
{
    size_t part_of = !head->part_of.parts;
    if (head->kind == RN_BATCHES)
        return part_of + (size_t)(head->views == RN_NIL) + !head->any_size + !head->has_listing + !head->layer.data;
    if (head->kind == RN_PREDICTIONS)
        return part_of + (size_t)(head->epoch == RN_NIL) + !head->has_seed;
    if (head->kind != RN_WEIGHTS)
        return part_of;
    size_t of_checkpoints = (size_t)!head->has_state + !head->choices.data;
    return part_of + (size_t)(head->temperature <= 0) + (head->epoch != RN_NIL ? of_checkpoints : 0);
}

static void pack_checkpoint(struct rn_pack *pack, const struct rn_head *head)
{
    pack_number(pack, "epoch", head->epoch);
    pack_number(pack, "batch_index", head->batch_index);
    rn_pack_key(pack, "best_acc1");
    head->best_acc1 < 0 ? rn_pack_nil(pack) : rn_pack_real(pack, head->best_acc1);
    rn_pack_key(pack, "partial");
    rn_pack_map(pack, 3);
    rn_pack_key(pack, "loss_sum");
    rn_pack_real(pack, head->loss_sum);
    pack_number(pack, "correct", head->correct);
    pack_number(pack, "seen", head->seen);
    rn_pack_key(pack, "batches");
    if (head->has_batches) {
        bool counted = head->batches_per_epoch != RN_NIL;
        rn_pack_map(pack, (size_t)4 + counted + head->has_listing);
        rn_pack_key(pack, "seed");
        rn_pack_uint(pack, head->batches_seed);
        pack_number(pack, "batch", head->batches_batch);
        pack_number(pack, "epochs", head->batches_epochs);
        if (counted)
            pack_number(pack, "batches_per_epoch", head->batches_per_epoch);
        pack_listing(pack, head);
        pack_history(pack, &head->batches_history);
    } else {
        rn_pack_nil(pack);
    }
    rn_pack_key(pack, "options");
    pack_texts(pack, &head->options);
    rn_pack_key(pack, "RN_CPU");
    rn_pack_text(pack, head->cpu);
    if (head->choices.data) {
        rn_pack_key(pack, "choices");
        rn_pack_text(pack, head->choices);
    }
}

/* Only where an option needs it: other checkpoints keep their bytes. */
static void pack_state(struct rn_pack *pack, const struct rn_head *head)
{
    const struct rn_training_state *state = &head->state;
    if (!head->has_state)
        return;
    rn_pack_key(pack, "state");
    rn_pack_map(pack, state->has_teacher ? 7 : 6);
    pack_number(pack, "updates", state->updates);
    pack_number(pack, "accumulated", state->accumulated);
    rn_pack_key(pack, "best");
    state->has_best ? rn_pack_real(pack, state->best) : rn_pack_nil(pack);
    pack_number(pack, "since_best", state->since_best);
    pack_number(pack, "plateau", state->plateau);
    pack_number(pack, "cuts", state->cuts);
    if (state->has_teacher) {
        rn_pack_key(pack, "teacher");
        rn_pack_uint(pack, state->teacher);
    }
}

static void pack_weights(struct rn_pack *pack, const struct rn_head *head)
{
    rn_pack_key(pack, "arch");
    rn_pack_text(pack, head->arch);
    rn_pack_key(pack, "attention");
    rn_pack_text(pack, head->attention);
    pack_input(pack, head);
    if (head->temperature > 0) {
        rn_pack_key(pack, "temperature");
        rn_pack_real(pack, head->temperature);
    }
    if (head->epoch != RN_NIL)
        pack_checkpoint(pack, head);
    if (head->epoch != RN_NIL)
        pack_state(pack, head);
}

int rn_head_pack(const struct rn_head *head, struct rn_buffer *buffer, struct rn_err *err)
{
    struct rn_pack pack = { buffer, err, 0 };
    const char *const *known = rn_head_keys[head->kind];
    struct rn_text extra = { head->extra.data, head->extra.length };
    size_t pairs = rn_pack_extra_count(extra, head->extras, known);
    if (head->kind == RN_WEIGHTS && head->epoch == RN_NIL)
        pairs += 9;
    else
        for (const char *const *key = known; *key; key++)
            pairs++;
    pairs -= left_out(head);
    rn_pack_map(&pack, pairs);
    rn_pack_key(&pack, "rn");
    rn_pack_key(&pack, rn_kind_name(head->kind));
    rn_pack_key(&pack, "version");
    rn_pack_int(&pack, head->kind != RN_BATCHES ? 1 : head->layer.data ? 3 : head->soft ? 2 : 1);
    rn_pack_key(&pack, "classes");
    pack_texts(&pack, &head->classes);
    if (head->kind == RN_BATCHES)
        pack_batches(&pack, head);
    else if (head->kind == RN_PREDICTIONS)
        pack_predictions(&pack, head);
    else if (head->kind == RN_WEIGHTS)
        pack_weights(&pack, head);
    rn_pack_extra(&pack, extra, head->extras, known);
    if (head->part_of.parts)
        pack_part_of(&pack, &head->part_of);
    pack_history(&pack, &head->history);
    return pack.rc;
}
