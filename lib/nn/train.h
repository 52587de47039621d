/* train.h -- training as a state that batches move on: everything that a checkpoint holds, and nothing else. */
#ifndef RN_NN_TRAIN_H
#define RN_NN_TRAIN_H

#include "nn/teacher.h"
#include "nn/weights.h"

#define RN_TEMPERATURE 4.0 /* of a teacher that nothing else is said of, */
#define RN_ALPHA 0.5       /* and its share */

struct rn_train_options {
    const char *arch, *attention;
    double lr, momentum, wd;
    int64_t step;              /* epochs between divisions of lr by 10; 0: constant */
    const char *class_weights; /* none, inv, sqrt, or numbers in the order of the classes */
    double smoothing;
    uint64_t seed;             /* of the initial weights */
    bool strict;               /* --init must give every tensor */
    /* What the published recipe does not have (schedule.h, rates.h): */
    int schedule;              /* enum rn_schedule; with PLATEAU `step` counts epochs without a better one */
    double warmup;             /* epochs */
    int optimizer;             /* enum rn_optimizer; ADAMW: betas momentum and 0.999, eps 1e-8 */
    bool nesterov;
    const char *no_decay;      /* "none", "bn", "bias", "bn,bias" */
    double lr_head, layer_decay; /* factors; 1 */
    const char *freeze;        /* patterns with commas between them; NULL: none */
    bool fix_norms;            /* of what is frozen */
    bool head;                 /* all but the last layer is frozen, and batches have what that reads (rn_head.layer) */
    double clip;               /* the largest norm of the gradients; 0: any */
    int64_t accumulate;        /* batches an update, whose gradients are summed; 1 */
    double ema;                /* decay of the moving average of the weights; 0: none */
    int64_t patience;          /* epochs without a better one, then the run stops; 0: never */
    int best;                  /* enum rn_best */
    bool only_last;            /* no best is kept */
    bool recall;               /* the log has each class's */
    const char *teacher;       /* predictions to learn from, too; NULL: none */
    double temperature, alpha; /* of that: device.h */
};

struct rn_trainer {
    struct rn_device *dev;               /* borrowed */
    const struct rn_train_options *options; /* borrowed */
    struct rn_model from;                /* what --init or --resume opened */
    const char *from_path;
    bool resumed;
    uint64_t print;                      /* with --head: rn_net_print */
    bool printed;
    struct rn_net *net;                  /* NULL until the first segment of a fresh run */
    struct rn_head head;                 /* of the next checkpoint: classes, input, place, best, running sums, options */
    struct rn_taken taken;               /* what --init gave; fresh run with --init, after the first segment */
    float *class_weights;                /* NULL: none */
    /* the segment that is being read */
    struct rn_head segment;              /* what the steps need of its head (mode, input, size) */
    int64_t *map;                        /* its labels to ours */
    int64_t errors;                      /* error records since the last batch */
    bool begun;                          /* a batch of it has come */
    bool other_photos;                   /* they are not those of the epoch before */
    int64_t *labels;                     /* of one batch; grown as needed */
    size_t label_capacity;
    float *targets;                      /* of one batch, where the segment is soft: (n, classes) */
    size_t target_capacity;
    struct rn_teacher *teacher;          /* NULL: none, or before the first segment */
    float *taught;                       /* of one batch, what it says: (n, classes) */
    size_t taught_capacity;
    struct rn_floats floats;
    /* the steps that a device is computing while the next batch is read, the i-th in [i % RN_STEPS_AHEAD] */
    struct rn_ahead {
        int64_t index, count; /* of the batch */
        struct rn_loss loss;
    } ahead[RN_STEPS_AHEAD];
    unsigned begun_steps, settled_steps;
};

/* What is wrong with --class-weights whatever the stream will be: exit 2. */
RN_MUST int rn_class_weights_check(const char *class_weights, struct rn_err *err);
/* Opens --init or --resume (path NULL: neither) and reads its head, t->from.head. The zeroed trainer may be freed at any time. */
RN_MUST int rn_trainer_open(struct rn_trainer *t, const struct rn_train_options *options, const char *path, bool resume,
                            struct rn_err *err);
/* Before anything else: the device, in the precision that it shall have. A resumed run loads its network. */
RN_MUST int rn_trainer_load(struct rn_trainer *t, struct rn_device *dev, struct rn_err *err);
void rn_trainer_free(struct rn_trainer *t);
/* Fills what a fresh run's head says of the network: arch, attention, place 0, and the device's variant. */
RN_MUST int rn_trainer_describe(struct rn_trainer *t, const char *variant, struct rn_err *err);

/* A segment's head. The first one of a fresh run decides classes and input and starts the network. Errors: exit 3: not a
 * train stream, not the epoch that is next, another seed, batch size, input, a class that is unknown, or an epoch whose last batch
 * is too small for these images; within an epoch: other photos; a teacher that is not the one of before, or does not fit. Where an
 * epoch begins with others, t->other_photos is set. */
RN_MUST int rn_trainer_segment(struct rn_trainer *t, const struct rn_head *head, struct rn_err *err);

/* One record, which is not needed any more afterwards: forward, backward, update. 1: it was a batch; 0: it was an error record.
 * A device that works ahead goes on with the batch: what comes of it is in the head's running sums RN_STEPS_AHEAD steps later,
 * or after settle or save. Errors: exit 3: not the next batch, a photo without a label, or of which the teacher says nothing;
 * exit 5: the loss is not finite (it may be an earlier step's: the network is of no use then, and save fails likewise before it
 * writes). */
RN_MUST int rn_trainer_step(struct rn_trainer *t, const struct rn_record *record, struct rn_err *err);
/* Waits for the batches that are being computed. Before anything but step and save looks at the state. */
RN_MUST int rn_trainer_settle(struct rn_trainer *t, struct rn_err *err);

/* At a segment's end, its tail checked, settled: false when there was nothing to train on, at the very end of the run; then the
 * state does not move. */
bool rn_trainer_epoch_done(const struct rn_trainer *t);
/* At a segment's end, before the epoch's: settles, and uses what waits for an update. */
RN_MUST int rn_trainer_finish(struct rn_trainer *t, struct rn_err *err);
/* Learning rate after the epoch's last batch so far. */
double rn_trainer_lr(const struct rn_trainer *t);
/* Moves the place to the next epoch's first batch and clears the running sums. */
void rn_trainer_next_epoch(struct rn_trainer *t);
RN_MUST int rn_trainer_save(struct rn_trainer *t, const char *path, struct rn_err *err);
/* The best: a checkpoint too, or with a moving average a network of that alone. */
RN_MUST int rn_trainer_save_best(struct rn_trainer *t, const char *path, struct rn_err *err);

/* Validation: plain cross entropy (no weights, no smoothing) and shares over a file of eval batches, as score/score.h has them. */
struct rn_validation {
    double loss, acc1, balanced; /* acc1, balanced accuracy: in percent */
    double macro_f1;
    double *recall;              /* one a class; NaN: it has no photos */
    int64_t seen, errors;
    size_t empty, first_empty; /* classes without photos, the index of the first */
    struct rn_texts missing;   /* parts of the set that the file does not have, a line each (rn_reader_missing) */
};
void rn_validation_free(struct rn_validation *validation);
/* Whether the file is one that rn_validate can take for this model, by its heads up to the first photo: before an epoch is spent,
 * after the first segment's head. */
RN_MUST int rn_validation_check(const struct rn_trainer *t, const char *path, struct rn_err *err);
/* Of the network that is trained, or of its moving average. Free the validation also after a failure. */
RN_MUST int rn_validate(struct rn_trainer *t, const char *path, struct rn_validation *validation, struct rn_err *err);

#endif
