/* score.c -- tallies and scores. */
#include "score/score.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "core/text.h"

static const double z95 = 1.959963984540054; /* the normal distribution's 97.5 % point */

int rn_tally_classes(struct rn_tally *tally, size_t classes, struct rn_err *err)
{
    if (classes > RN_SCORE_CLASSES)
        return rn_fail(err, RN_EXIT_DATA, "%zu classes: at most %d can be scored", classes, RN_SCORE_CLASSES);
    if (classes > tally->capacity) {
        size_t capacity = 2 * tally->capacity > classes ? 2 * tally->capacity : classes;
        uint64_t *confusion = rn_calloc(capacity * capacity, sizeof *confusion, err);
        if (!confusion)
            return -1;
        for (size_t i = 0; i < tally->classes; i++)
            memcpy(confusion + i * capacity, tally->confusion + i * tally->capacity,
                   tally->classes * sizeof *confusion);
        free(tally->confusion);
        tally->confusion = confusion;
        tally->capacity = capacity;
    }
    tally->classes = classes;
    return 0;
}

static double clip(double p)
{
    return p < DBL_EPSILON ? DBL_EPSILON : p > 1 - DBL_EPSILON ? 1 - DBL_EPSILON : p;
}

/* (lo, hi]; a probability that rounding has put above 1 belongs to the last. */
static size_t bin_of(double confidence)
{
    size_t k = 0;
    while (k + 1 < RN_SCORE_BINS && confidence > (double)(k + 1) / RN_SCORE_BINS)
        k++;
    return k;
}

int rn_tally_add(struct rn_tally *tally, const double *probs, size_t label, bool *right, struct rn_err *err)
{
    size_t best = 0, before = 0; /* before: how many classes are more likely than the label */
    double sum = 0;
    for (size_t i = 0; i < tally->classes; i++) {
        if (!(probs[i] >= 0) || !isfinite(probs[i]))
            return rn_fail(err, RN_EXIT_DATA, "%g is not a probability", rn_nan_unsigned(probs[i]));
        sum += probs[i];
        if (probs[i] > probs[best])
            best = i;
        if (probs[i] > probs[label] || (probs[i] == probs[label] && i < label))
            before++;
    }
    if (!(sum > 0))
        return rn_fail(err, RN_EXIT_DATA, "the probabilities are all zero");
    *right = best == label;
    tally->n++;
    tally->top2 += before < 2;
    tally->loss -= log(clip(probs[label] / sum));
    tally->confusion[label * tally->capacity + best]++;
    size_t k = bin_of(probs[best]);
    tally->bin[k].n++;
    tally->bin[k].right += *right;
    tally->bin[k].confidence += probs[best];
    return 0;
}

void rn_tally_free(struct rn_tally *tally)
{
    free(tally->confusion);
    *tally = (struct rn_tally){ 0 };
}

/* 0 where there is nothing to divide by. */
static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static void wilson(double interval[2], double right, double n)
{
    double p = share(right, n), scale = n > 0 ? 1 / (1 + z95 * z95 / n) : 0;
    double middle = n > 0 ? scale * (p + z95 * z95 / (2 * n)) : 0.5;
    double half = n > 0 ? scale * z95 * sqrt(p * (1 - p) / n + z95 * z95 / (4 * n * n)) : 0.5;
    interval[0] = right > 0 ? 100 * (middle - half) : 0;
    interval[1] = right < n ? 100 * (middle + half) : 100;
}

void rn_score_published(struct rn_published *published, const struct rn_score *score)
{
    double n = (double)score->n, m = (double)published->n, a = score->acc1 / 100, b = published->acc1 / 100;
    double both = (a * n + b * m) / (n + m), error = n > 0 ? sqrt(both * (1 - both) * (1 / n + 1 / m)) : 0;
    published->difference = score->acc1 - published->acc1;
    published->p = error > 0 ? erfc(fabs(a - b) / error / sqrt(2)) : 1;
}

static double calibration_error(const struct rn_tally *tally)
{
    double error = 0;
    for (size_t k = 0; k < RN_SCORE_BINS; k++)
        error += fabs((double)tally->bin[k].right - tally->bin[k].confidence);
    return share(error, (double)tally->n);
}

static int allocate(struct rn_score *score, size_t classes, struct rn_err *err)
{
    score->classes = classes;
    if ((score->precision = rn_calloc(classes, sizeof *score->precision, err)) &&
        (score->recall = rn_calloc(classes, sizeof *score->recall, err)) &&
        (score->f1 = rn_calloc(classes, sizeof *score->f1, err)) &&
        (score->support = rn_calloc(classes, sizeof *score->support, err)))
        return 0;
    rn_score_free(score);
    return -1;
}

int rn_score(struct rn_score *score, const struct rn_tally *tally, struct rn_err *err)
{
    const size_t C = tally->classes;
    const double n = (double)tally->n;
    double right = 0, chance = 0, true_squares = 0, predicted_squares = 0, recalls = 0, f1s = 0;
    size_t with_support = 0, met = 0;
    *score = (struct rn_score){ .n = tally->n };
    double *predicted = rn_calloc(C, sizeof *predicted, err);
    if (!predicted || allocate(score, C, err)) {
        free(predicted);
        return -1;
    }
    for (size_t i = 0; i < C; i++)
        for (size_t k = 0; k < C; k++) {
            score->support[i] += tally->confusion[i * tally->capacity + k];
            predicted[k] += (double)tally->confusion[i * tally->capacity + k];
        }
    for (size_t i = 0; i < C; i++) {
        double hits = (double)tally->confusion[i * tally->capacity + i], support = (double)score->support[i];
        score->precision[i] = share(hits, predicted[i]);
        score->recall[i] = share(hits, support);
        score->f1[i] = share(2 * hits, support + predicted[i]);
        right += hits;
        recalls += score->recall[i];
        f1s += score->f1[i];
        score->weighted_f1 += share(support, n) * score->f1[i];
        with_support += support > 0;
        met += support + predicted[i] > 0;
        chance += support * predicted[i];
        true_squares += support * support;
        predicted_squares += predicted[i] * predicted[i];
    }
    free(predicted);
    score->acc1 = 100 * share(right, n);
    score->acc2 = 100 * share((double)tally->top2, n);
    wilson(score->acc1_interval, right, n);
    score->balanced_accuracy = 100 * share(recalls, (double)with_support);
    score->macro_f1 = share(f1s, (double)met);
    score->cohen_kappa = share(n * right - chance, n * n - chance);
    score->mcc = share(n * right - chance, sqrt(n * n - true_squares) * sqrt(n * n - predicted_squares));
    score->log_loss = share(tally->loss, n);
    score->ece = calibration_error(tally);
    return 0;
}

void rn_score_free(struct rn_score *score)
{
    free(score->precision);
    free(score->recall);
    free(score->f1);
    free(score->support);
    *score = (struct rn_score){ 0 };
}
