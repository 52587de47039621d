/* schedule.h -- the learning rate as a function of the place in the run, and what validation has to say: which epoch is the best,
 * when the learning rate is cut, when the run stops. */
#ifndef RN_NN_SCHEDULE_H
#define RN_NN_SCHEDULE_H

#include "nn/train.h"

enum rn_schedule { RN_SCHEDULE_STEP, RN_SCHEDULE_COSINE, RN_SCHEDULE_CONSTANT, RN_SCHEDULE_PLATEAU };
#define RN_SCHEDULE_WORDS "step|cosine|constant|plateau"
enum rn_best { RN_BEST_ACC1, RN_BEST_LOSS, RN_BEST_BALANCED, RN_BEST_MACRO_F1 };
#define RN_BEST_WORDS "acc1|loss|balanced|macro-f1"

/* A batch's place: the index-th (from 0) of `batches` in this epoch (from 0) of `epochs`. */
struct rn_place {
    int64_t epoch, index, batches, epochs; /* batches, epochs: RN_NIL where the stream does not say */
    int64_t cuts;                          /* plateau: so far */
};
/* Of the update after this batch. In the first `warmup` epochs (to whole batches, at least one) the rate rises by equal steps, the
 * last of which is all of it: PyTorch's LinearLR. Step: lr / 10^(epoch / step). Cosine: from lr after the warm-up to 0 after the
 * last batch (Loshchilov and Hutter, "SGDR", ICLR 2017, without restarts). Plateau: lr / 10^cuts. */
double rn_schedule_lr(const struct rn_train_options *options, struct rn_place place);
/* Whether the stream says what the schedule needs. Errors: exit 3 where it does not; exit 2 where the warm-up is as long as the
 * run. */
RN_MUST int rn_schedule_check(const struct rn_train_options *options, const struct rn_head *stream, struct rn_err *err);

/* An epoch was validated. true: it is the best so far, strictly, by what --best names. Counts in head->state for plateau and
 * patience: after `step` epochs that are not better than the best the rate is cut, and again after as many (PyTorch's
 * ReduceLROnPlateau with patience step - 1, threshold 0). */
bool rn_schedule_judge(const struct rn_train_options *options, struct rn_head *head, const struct rn_validation *validation);
bool rn_schedule_stops(const struct rn_train_options *options, const struct rn_head *head); /* patience is at its end */

#endif
