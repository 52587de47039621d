/* softmax_loss.c -- cross entropy with class weights and label smoothing, as PyTorch's CrossEntropyLoss:
 *
 *     loss = ((1 - e) sum_n u[label_n] l(n, label_n) + e / C sum_n sum_i u[i] l(n, i)) / sum_n u[label_n]
 *
 * or, with shares t of the classes, sum_n sum_i u[i] ((1 - e) t[n, i] + e / C) l(n, i) / N,
 * where u are the class weights, and l(n, i) = -log softmax(x_n)[i] = log(sum_j exp(x_nj)) - x_ni. With a teacher's p at
 * temperature T that is 1 - a of the loss, and
 *
 *     a T^2 sum_n sum_i p[n, i] log(p[n, i] / q[n, i]) / N,   q_n = softmax(x_n / T)
 *
 * the rest. */
#include <math.h>

#include "device/check.h"
#include "device/reference/reference.h"

static double log_sum_exp(struct rn_array x, size_t n, size_t *largest)
{
    double sum = 0;
    *largest = 0;
    for (size_t i = 1; i < x.c; i++)
        if (*rn_reference_at(x, n, i, 0, 0) > *rn_reference_at(x, n, *largest, 0, 0))
            *largest = i;
    for (size_t i = 0; i < x.c; i++)
        sum += exp(*rn_reference_at(x, n, i, 0, 0) - *rn_reference_at(x, n, *largest, 0, 0));
    return log(sum) + *rn_reference_at(x, n, *largest, 0, 0);
}

static void distil(struct rn_loss *loss, struct rn_array dlogits, struct rn_array logits, const struct rn_loss_options *options)
{
    double t = options->temperature, a = options->alpha, images = (double)logits.n, kl = 0;
    for (size_t n = 0; n < logits.n; n++) {
        double sum = 0, most = -INFINITY;
        for (size_t i = 0; i < logits.c; i++)
            most = fmax(most, *rn_reference_at(logits, n, i, 0, 0) / t);
        for (size_t i = 0; i < logits.c; i++)
            sum += exp(*rn_reference_at(logits, n, i, 0, 0) / t - most);
        for (size_t i = 0; i < logits.c; i++) {
            double p = (double)options->teacher[n * logits.c + i],
                   log_q = *rn_reference_at(logits, n, i, 0, 0) / t - most - log(sum);
            kl += p > 0 ? p * (log(p) - log_q) : 0;
            if (dlogits.data) /* of log q_i by x_j: ((i == j) - q_j) / T */
                *rn_reference_at(dlogits, n, i, 0, 0) = (1 - a) * *rn_reference_at(dlogits, n, i, 0,
                                                                                   0) + a * t * (exp(log_q) - p) / images;
        }
    }
    loss->loss = (1 - a) * loss->loss + a * t * t * kl / images;
}

int rn_reference_softmax_loss(struct rn_device *dev, const struct rn_softmax_loss *op, struct rn_err *err)
{
    struct rn_array dlogits = op->dlogits, logits = op->logits;
    const struct rn_loss_options *options = op->options;
    const int64_t *labels = op->labels;
    (void)dev;
    if (rn_check_softmax_loss(op, err))
        return -1;
    const float *u = options->class_weights;
    double e = options->smoothing, classes = (double)logits.c, total = 0, sum = 0;
    int64_t correct = 0;
    for (size_t n = 0; n < logits.n; n++)
        total += u && !options->targets ? (double)u[labels[n]] : 1;
    rn_reference_begin(dlogits, 0);
    for (size_t n = 0; n < logits.n; n++) {
        size_t largest;
        double lse = log_sum_exp(logits, n, &largest);
        correct += largest == (size_t)labels[n];
        for (size_t i = 0; i < logits.c; i++) {
            /* The weight of l(n, i) in the loss; its derivative by x_nj is softmax_j - (i == j). */
            double share = options->targets ? (double)options->targets[n * logits.c + i] : i == (size_t)labels[n];
            double weight = ((1 - e) * share + e / classes) * (u ? (double)u[i] : 1) / total;
            sum += weight * (lse - *rn_reference_at(logits, n, i, 0, 0));
            for (size_t j = 0; j < logits.c && dlogits.data; j++)
                *rn_reference_at(dlogits, n, j, 0, 0) +=
                    weight * (exp(*rn_reference_at(logits, n, j, 0, 0) - lse) - (i == j));
        }
    }
    *op->loss = (struct rn_loss){ .loss = sum, .correct = correct };
    if (options->teacher)
        distil(op->loss, dlogits, logits, options);
    return 0;
}
