/* unused -- what do options cost that nobody uses? The same steps, in turns: by the network alone (forward, backward, SGD), and by
 * the trainer with every option at rn-train's default. Rows of bench.tsv: the two, and the median of the pairs' ratios. */
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"
#include "nn/train.h"
#include "tests/bench/bench.h"

static const struct rn_opt options[] = { BENCH_NETWORK_OPTIONS("pairs"), RN_OPT_LAST };

struct pair {
    const struct bench_network *o;
    struct rn_train_options train;
    struct rn_device *dev;
    struct rn_net *net; /* alone */
    struct rn_trainer trainer;
    struct rn_batch batch;
    struct rn_record record; /* the same */
    uint8_t *pixels;
    int64_t *labels;
    struct rn_text *ids;
    double loss; /* of the network alone, of all photos so far */
};

static int step_alone(struct pair *p, struct rn_err *err)
{
    struct rn_loss loss;
    if (rn_net_train(p->net, &p->batch, p->labels, &(struct rn_loss_options){ 0 }, &loss, NULL, err))
        return -1;
    p->loss += loss.loss * (double)p->batch.n;
    return rn_net_update(p->net, (struct rn_sgd){ .lr = p->train.lr, .momentum = p->train.momentum, .wd = p->train.wd }, err);
}

static int step_trained(struct pair *p, struct rn_err *err)
{
    p->record.index = p->trainer.head.batch_index;
    return rn_trainer_step(&p->trainer, &p->record, err) == 1 && rn_trainer_settle(&p->trainer, err) == 0 ? 0 : -1;
}

static int fill(struct pair *p, struct rn_err *err)
{
    size_t n = (size_t)p->o->batch, size = (size_t)p->o->size;
    if (bench_photos(&p->pixels, &p->labels, p->o, err) || !(p->ids = rn_calloc(n, sizeof *p->ids, err)))
        return -1;
    for (size_t i = 0; i < n; i++)
        p->ids[i] = RN_TEXT("photo");
    p->batch = (struct rn_batch){ .n = n, .h = size, .w = size, .pixels = p->pixels, .mean = rn_input_default.mean,
                                  .std = rn_input_default.std };
    p->record = (struct rn_record){ .kind = RN_BATCHES, .label = RN_NIL, .count = n, .ids = p->ids, .labels = p->labels,
                                    .tensor = { RN_U8, 4, { n, size, size, 3 }, p->pixels } };
    return 0;
}

/* As rn-batch --train writes it, of an epoch that does not end. */
static int begin_segment(struct pair *p, struct rn_err *err)
{
    static const char *const names[BENCH_CLASSES] = { "a", "b", "c", "d", "e", "f" };
    struct rn_head head;
    int rc = 0;
    rn_head_init(&head, RN_BATCHES);
    for (size_t i = 0; i < BENCH_CLASSES && rc == 0; i++)
        rc = rn_texts_add(&head.classes, rn_text(names[i]), err);
    head.mode = RN_TRAIN;
    head.has_input = head.has_seed = true;
    head.input = rn_input_default;
    head.input.size = p->o->size;
    head.batch = p->o->batch;
    head.epoch = 0;
    rc = rc || rn_trainer_segment(&p->trainer, &head, err) ? -1 : 0;
    rn_head_free(&head);
    return rc;
}

static int prepare(struct pair *p, struct rn_err *err)
{
    const struct bench_network *o = p->o;
    p->train = (struct rn_train_options){ .arch = o->arch, .attention = o->attention, .lr = 2e-4, .momentum = 0.9, .wd = 1e-4,
                                          .step = 40,
                                          .class_weights = "none", .seed = 1, .no_decay = "none", .lr_head = 1, .layer_decay = 1,
                                          .accumulate = 1, .temperature = RN_TEMPERATURE, .alpha = RN_ALPHA };
    if (fill(p, err) || bench_open(&p->dev, &p->net, o, "cpu", true, err) ||
        rn_trainer_open(&p->trainer, &p->train, NULL, false, err) || rn_trainer_load(&p->trainer, p->dev, err) ||
        rn_trainer_describe(&p->trainer, p->dev->class->variant(p->dev), err) || begin_segment(p, err))
        return -1;
    return step_alone(p, err) || step_trained(p, err) ? -1 : 0; /* they allocate */
}

static int timed(struct pair *p, int (*step)(struct pair *p, struct rn_err *err), double *seconds, struct rn_err *err)
{
    double begun = bench_now();
    int rc = step(p, err);
    *seconds = bench_now() - begun;
    return rc;
}

static int measure(struct pair *p, struct rn_err *err)
{
    double alone[BENCH_ROUNDS_MOST], trained[BENCH_ROUNDS_MOST], ratio[BENCH_ROUNDS_MOST];
    size_t rounds = (size_t)p->o->rounds;
    char name[128];
    for (size_t i = 0; i < rounds; i++) { /* who begins changes */
        if ((i % 2 && timed(p, step_trained, &trained[i], err)) || timed(p, step_alone, &alone[i], err) ||
            (i % 2 == 0 && timed(p, step_trained, &trained[i], err)))
            return -1;
        ratio[i] = trained[i] / alone[i];
    }
    if (!(p->loss == p->trainer.head.loss_sum))
        return rn_fail(err, RN_EXIT_DATA, "the losses sum to %.17g alone, to %.17g trained: not the same steps", p->loss,
                       p->trainer.head.loss_sum);
    int length = snprintf(name, sizeof name, "unused/%s/%s/b%lld/%lld", p->o->arch, p->o->attention, (long long)p->o->batch,
                          (long long)p->o->size);
    struct bench_times ratios = bench_of(ratio, rounds);
    snprintf(name + length, sizeof name - (size_t)length, "/bare");
    bench_row_ms(name, bench_of(alone, rounds), 0, 0);
    snprintf(name + length, sizeof name - (size_t)length, "/defaults");
    bench_row_ms(name, bench_of(trained, rounds), 0, 0);
    snprintf(name + length, sizeof name - (size_t)length, "/ratio");
    bench_row(name, "x", ratios.median, (ratios.most - ratios.least) / ratios.median, 0, 0);
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct pair p = { .o = options_ };
    (void)args;
    int rc = prepare(&p, err) || measure(&p, err) ? -1 : RN_EXIT_OK;
    rn_trainer_free(&p.trainer);
    rn_net_close(p.net);
    rn_device_close(p.dev);
    free(p.pixels);
    free(p.labels);
    free(p.ids);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "unused", .operands = "", .summary = "what options cost that nobody uses", .run = run,
    .options = options, .size = sizeof(struct bench_network),
    .defaults = &(const struct bench_network){ .arch = "resnet18", .attention = "none", .batch = 16, .size = 224, .rounds = 9 },
};
