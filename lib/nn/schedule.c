/* schedule.c -- how the learning rate goes, and when the run stops. */
#include "nn/schedule.h"

#include <math.h>

static int64_t warmup_batches(const struct rn_train_options *options, int64_t batches)
{
    if (!(options->warmup > 0))
        return 0;
    double count = round(options->warmup * (double)batches);
    return count < 1 ? 1 : count < 1e15 ? (int64_t)count : (int64_t)1e15;
}

double rn_schedule_lr(const struct rn_train_options *o, struct rn_place at)
{
    const double pi = 3.14159265358979323846;
    int64_t warm = warmup_batches(o, at.batches), done = at.batches == RN_NIL ? 0 : at.epoch * at.batches + at.index;
    double lr = o->lr;
    if (o->schedule == RN_SCHEDULE_STEP && o->step)
        lr = o->lr / pow(10, (double)(at.epoch / o->step));
    else if (o->schedule == RN_SCHEDULE_PLATEAU)
        lr = o->lr / pow(10, (double)at.cuts);
    else if (o->schedule == RN_SCHEDULE_COSINE && done > warm)
        lr = o->lr * (1 + cos(pi * (double)(done - warm) / (double)(at.epochs * at.batches - warm))) / 2;
    return done < warm ? lr * (double)(done + 1) / (double)warm : lr;
}

int rn_schedule_check(const struct rn_train_options *o, const struct rn_head *stream, struct rn_err *err)
{
    bool cosine = o->schedule == RN_SCHEDULE_COSINE, warm = o->warmup > 0;
    const char *option = cosine ? "--schedule=cosine" : "--warmup";
    if ((cosine || warm) && stream->batches_per_epoch == RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "%s: the stream does not say how many batches an epoch has (batches_per_epoch)", option);
    if (cosine && stream->epochs == RN_NIL)
        return rn_fail(err, RN_EXIT_DATA, "%s: the stream does not say how many epochs it has", option);
    if (cosine && warm && stream->epochs > 0 && o->warmup >= (double)stream->epochs)
        return rn_fail(err, RN_EXIT_USAGE, "--warmup: %g epochs of %lld leave none for the cosine", o->warmup,
                       (long long)stream->epochs);
    return 0;
}

static double value_of(const struct rn_train_options *o, const struct rn_validation *v)
{
    switch ((enum rn_best)o->best) {
    case RN_BEST_ACC1:
        break;
    case RN_BEST_LOSS:
        return v->loss;
    case RN_BEST_BALANCED:
        return v->balanced;
    case RN_BEST_MACRO_F1:
        return v->macro_f1;
    }
    return v->acc1;
}

bool rn_schedule_judge(const struct rn_train_options *o, struct rn_head *head, const struct rn_validation *v)
{
    struct rn_training_state *state = &head->state;
    double value = value_of(o, v);
    bool better = !head->has_state   ? v->acc1 > head->best_acc1
                  : !state->has_best ? true
                                     : o->best == RN_BEST_LOSS ? value < state->best : value > state->best;
    if (!o->only_last && v->acc1 > head->best_acc1)
        head->best_acc1 = v->acc1;
    if (!head->has_state)
        return better;
    if (better) {
        state->best = value;
        state->has_best = true;
        state->since_best = state->plateau = 0;
        return true;
    }
    state->since_best++;
    if (++state->plateau >= o->step && o->schedule == RN_SCHEDULE_PLATEAU) {
        state->cuts++;
        state->plateau = 0;
    }
    return false;
}

bool rn_schedule_stops(const struct rn_train_options *o, const struct rn_head *head)
{
    return o->patience && head->state.since_best >= o->patience;
}
