/* step -- how long is a step of training, or a prediction, of a whole network? Rows of bench.tsv (tests/bench/bench.h).
 * With --serve: "ready", then for each number on stdin that many steps, answered by their seconds; for "memory", the most MiB
 * that were in use. So can two programs be measured in turns. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/bench.h"
#include "core/mem.h"
#include "core/threads.h"
#include "nn/net.h"

struct opts {
    struct bench_network network;
    const char *device;
    int mode;
    bool serve;
};
enum { TRAIN, PREDICT };

static const struct rn_opt options[] = {
    BENCH_NETWORK_OPTIONS("how often"),
    { 'd', "device", RN_OPT_TEXT, RN_AT(opts, device), 0, 0, "as in rn-train", "NAME" },
    { 'm', "mode", RN_OPT_CHOICE, RN_AT(opts, mode), 0, 0, "what is measured", "train|predict" },
    { 0, "serve", RN_OPT_FLAG, RN_AT(opts, serve), 0, 0, "take orders from stdin" },
    RN_OPT_LAST,
};

struct step {
    const struct opts *o;
    struct rn_device *dev;
    struct rn_net *net;
    struct rn_batch batch;
    uint8_t *pixels;
    int64_t *labels;
    float *logits;
};

static int run_step(void *context, struct rn_err *err)
{
    struct step *s = context;
    struct rn_loss loss;
    if (s->o->mode == PREDICT)
        return rn_net_eval(s->net, &s->batch, s->logits, err);
    if (rn_net_train(s->net, &s->batch, s->labels, &(struct rn_loss_options){ 0 }, &loss, NULL, err))
        return -1;
    return rn_net_update(s->net, (struct rn_sgd){ .lr = 1e-4, .momentum = 0.9, .wd = 1e-4 }, err);
}

static int prepare(struct step *s, struct rn_err *err)
{
    static const double mean[3] = { 0.485, 0.456, 0.406 }, std[3] = { 0.229, 0.224, 0.225 };
    const struct bench_network *o = &s->o->network;
    size_t n = (size_t)o->batch, size = (size_t)o->size;
    if (bench_open(&s->dev, &s->net, o, s->o->device, s->o->mode == TRAIN, err))
        return -1;
    if (bench_photos(&s->pixels, &s->labels, o, err) || !(s->logits = rn_calloc(n, BENCH_CLASSES * sizeof *s->logits, err)))
        return -1;
    s->batch = (struct rn_batch){ .n = n, .h = size, .w = size, .pixels = s->pixels, .mean = mean, .std = std };
    return run_step(s, err); /* it allocates */
}

/* Additions and multiplications of the convolutions for one image, forward. */
static double flop(const struct step *s)
{
    const struct rn_graph *g = rn_net_graph(s->net);
    double sum = 0;
    size_t *side = calloc(g->values, sizeof *side);
    if (!side)
        return 0;
    side[0] = (size_t)s->o->network.size;
    for (size_t i = 0; i < g->nodes; i++) {
        const struct rn_node *node = &g->node[i];
        const struct rn_window *w = &node->window;
        side[node->y] = side[node->x];
        if (!w->r && g->value[node->y].pixel)
            side[node->y] = 1;
        else if (w->r && !node->along)
            rn_window_slide(*w, &side[node->y], &(size_t){ side[node->x] });
        if (node->op == RN_OP_CONV) {
            const struct rn_param *p = &g->param[node->weight];
            sum += 2 * (double)(p->n * p->c * p->h * p->w * side[node->y] * side[node->y]);
        }
    }
    free(side);
    return sum;
}

static int serve(struct step *s, struct rn_err *err)
{
    char line[64];
    printf("ready\n");
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        if (!strcmp(line, "memory\n")) {
            printf("%.1f\n", bench_memory());
        } else {
            double begun = bench_now();
            for (long i = 0, n = atol(line); i < n; i++)
                if (run_step(s, err))
                    return -1;
            printf("%.9f\n", bench_now() - begun);
        }
        fflush(stdout);
    }
    return 0;
}

static int measure(struct step *s, struct rn_err *err)
{
    const struct bench_network *o = &s->o->network;
    bool train = s->o->mode == TRAIN;
    struct bench_times times;
    char name[160];
    int threads = o->threads ? (int)o->threads : rn_threads_default();
    double peak = bench_peak(s->dev->class->variant(s->dev), threads);
    if (bench_measure(&times, (size_t)o->rounds, run_step, s, err))
        return -1;
    snprintf(name, sizeof name, "%s/%s/%s/b%lld/%lld", train ? "train" : "predict", o->arch, o->attention,
             (long long)o->batch, (long long)o->size);
    double work = flop(s) * (double)o->batch * (train ? 3 : 1);
    bench_row_ms(name, times, work, peak);
    snprintf(name + strlen(name), sizeof name - strlen(name), "/memory");
    bench_row(name, "MiB", bench_memory(), 0, 0, 0);
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct step s = { .o = options_ };
    (void)args;
    int rc = prepare(&s, err) || (s.o->serve ? serve(&s, err) : measure(&s, err)) ? -1 : RN_EXIT_OK;
    free(s.pixels);
    free(s.labels);
    free(s.logits);
    rn_net_close(s.net);
    rn_device_close(s.dev);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "step", .operands = "", .summary = "time the steps of a network", .options = options, .size = sizeof(struct opts),
    .defaults = &(const struct opts){ { "resnet18", "ours", .batch = 16, .size = 224, .rounds = 5 }, .device = "cpu" },
    .run = run,
};
