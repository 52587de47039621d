/* softmax_loss.c -- a handful of logits an image: in double, one image after the other. */
#include <math.h>

#include "core/mem.h"
#include "device/check.h"
#include "device/cpu/cpu.h"

/* Shares of the classes instead of a label. */
static void soft_loss(struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits, const int64_t *labels,
                      const struct rn_loss_options *options)
{
    size_t c = logits.c;
    double e = options->smoothing, images = (double)logits.n;
    *loss = (struct rn_loss){ 0 };
    for (size_t n = 0; n < logits.n; n++) {
        const float *x = (const float *)logits.data + n * c, *target = options->targets + n * c;
        size_t best = 0;
        double sum = 0, all = 0;
        for (size_t i = 1; i < c; i++)
            best = x[i] > x[best] ? i : best;
        loss->correct += best == (size_t)labels[n];
        for (size_t i = 0; i < c; i++)
            sum += exp((double)x[i] - (double)x[best]);
        double log_sum = (double)x[best] + log(sum);
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < c; i++) {
                double weight = options->class_weights ? (double)options->class_weights[i] : 1;
                double share = weight * ((1 - e) * (double)target[i] + e / (double)c);
                if (pass == 0) {
                    all += share;
                    loss->loss += share * (log_sum - (double)x[i]) / images;
                } else if (dlogits.data) {
                    ((float *)dlogits.data)[n * c + i] = (float)((all * exp((double)x[i] - log_sum) - share) / images);
                }
            }
    }
}

static void hard_loss(struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits, const int64_t *labels,
                      const struct rn_loss_options *options)
{
    const float *weights = options->class_weights;
    size_t c = logits.c;
    double total = 0, all = 0, hard = 0, smooth = 0, e = options->smoothing;
    for (size_t n = 0; n < logits.n; n++)
        total += weights ? (double)weights[labels[n]] : 1;
    for (size_t i = 0; i < c; i++)
        all += weights ? (double)weights[i] : 1;
    *loss = (struct rn_loss){ 0 };
    for (size_t n = 0; n < logits.n; n++) {
        const float *x = (const float *)logits.data + n * c;
        size_t label = (size_t)labels[n], best = 0;
        double own = weights ? (double)weights[label] : 1, sum = 0;
        for (size_t i = 1; i < c; i++)
            best = x[i] > x[best] ? i : best;
        loss->correct += best == label;
        for (size_t i = 0; i < c; i++)
            sum += exp((double)x[i] - (double)x[best]);
        double log_sum = (double)x[best] + log(sum);
        hard += own * (log_sum - (double)x[label]);
        for (size_t i = 0; i < c; i++) {
            double weight = weights ? (double)weights[i] : 1, p = exp((double)x[i] - log_sum);
            smooth += weight * (log_sum - (double)x[i]);
            if (dlogits.data)
                ((float *)dlogits.data)[n * c + i] =
                    (float)(((1 - e) * own * (p - (i == label)) + e / (double)c * (all * p - weight)) / total);
        }
    }
    loss->loss = ((1 - e) * hard + e / (double)c * smooth) / total;
}

/* Of the loss that is there 1 - alpha stays, and the distance to the teacher comes. */
static void distil(struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits, const struct rn_loss_options *options)
{
    size_t c = logits.c;
    double t = options->temperature, a = options->alpha, images = (double)logits.n, kl = 0;
    for (size_t n = 0; n < logits.n; n++) {
        const float *x = (const float *)logits.data + n * c, *p = options->teacher + n * c;
        float *dx = dlogits.data ? (float *)dlogits.data + n * c : NULL;
        double sum = 0, most = (double)x[0];
        for (size_t i = 1; i < c; i++)
            most = (double)x[i] > most ? (double)x[i] : most;
        for (size_t i = 0; i < c; i++)
            sum += exp(((double)x[i] - most) / t);
        for (size_t i = 0; i < c; i++) {
            double log_q = ((double)x[i] - most) / t - log(sum);
            kl += p[i] > 0 ? (double)p[i] * (log((double)p[i]) - log_q) : 0;
            if (dx)
                dx[i] = (float)((1 - a) * (double)dx[i] + a * t * (exp(log_q) - (double)p[i]) / images);
        }
    }
    loss->loss = (1 - a) * loss->loss + a * t * t * kl / images;
}

int rn_cpu_softmax_loss(struct rn_device *dev, const struct rn_softmax_loss *op, struct rn_err *err)
{
    (void)dev;
    if (rn_check_softmax_loss(op, err))
        return -1;
    (op->options->targets ? soft_loss : hard_loss)(op->loss, op->dlogits, op->logits, op->labels, op->options);
    if (op->options->teacher)
        distil(op->loss, op->dlogits, op->logits, op->options);
    return 0;
}
