/* temperature.c -- one number fitted by bisection. */
#include "score/temperature.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

static const double least = 0x1p-149; /* float32's smallest number above 0 */

int rn_calibration_add(struct rn_calibration *c, const double *probs, size_t classes, size_t label, struct rn_err *err)
{
    if (rn_grow(&c->logit, &c->logits_capacity, c->logits + classes, sizeof *c->logit, err) ||
        rn_grow(&c->photo, &c->photos_capacity, c->photos + 1, sizeof *c->photo, err))
        return -1;
    c->photo[c->photos].first = c->logits;
    c->photo[c->photos].classes = classes;
    c->photo[c->photos++].label = label;
    for (size_t k = 0; k < classes; k++)
        c->logit[c->logits++] = log(probs[k] > least ? probs[k] : least);
    return 0;
}

void rn_calibration_free(struct rn_calibration *c)
{
    free(c->logit);
    free(c->photo);
    *c = (struct rn_calibration){ 0 };
}

static double largest(const struct rn_calibration *c, size_t i)
{
    const double *z = c->logit + c->photo[i].first;
    double most = z[0];
    for (size_t k = 1; k < c->photo[i].classes; k++)
        most = z[k] > most ? z[k] : most;
    return most;
}

/* exp(z/T) of photo i, as shares of the largest, in share (classes; or NULL); their sum. */
static double shares(const struct rn_calibration *c, size_t i, double temperature, double *share)
{
    const double *z = c->logit + c->photo[i].first, most = largest(c, i);
    double sum = 0;
    for (size_t k = 0; k < c->photo[i].classes; k++) {
        double one = exp((z[k] - most) / temperature);
        sum += one;
        if (share)
            share[k] = one;
    }
    return sum;
}

double rn_calibration_loss(const struct rn_calibration *c, double temperature)
{
    double loss = 0;
    for (size_t i = 0; i < c->photos; i++) {
        const double *z = c->logit + c->photo[i].first;
        loss += log(shares(c, i, temperature, NULL)) - (z[c->photo[i].label] - largest(c, i)) / temperature;
    }
    return c->photos ? loss / (double)c->photos : 0;
}

/* The loss's derivative by 1/T: the logit that is expected less the label's, summed. It does not fall as 1/T grows. */
static double slope(const struct rn_calibration *c, double temperature, double *share)
{
    double slope = 0;
    for (size_t i = 0; i < c->photos; i++) {
        const double *z = c->logit + c->photo[i].first;
        double sum = shares(c, i, temperature, share), mean = 0;
        for (size_t k = 0; k < c->photo[i].classes; k++)
            mean += share[k] / sum * z[k];
        slope += mean - z[c->photo[i].label];
    }
    return slope;
}

static size_t most_classes(const struct rn_calibration *c)
{
    size_t most = 1;
    for (size_t i = 0; i < c->photos; i++)
        most = c->photo[i].classes > most ? c->photo[i].classes : most;
    return most;
}

int rn_calibration_fit(const struct rn_calibration *c, double low, double high, double *temperature, struct rn_err *err)
{
    double *share = rn_calloc(most_classes(c), sizeof *share, err);
    int rc = 0;
    if (!share)
        return -1;
    if (!(slope(c, low, share) > 0))
        rc = rn_fail(err, RN_EXIT_DATA, "no temperature fits best: the surer the better, as every photo is right; more photos are "
                                        "needed");
    else if (!(slope(c, high, share) < 0))
        rc = rn_fail(err, RN_EXIT_DATA, "no temperature fits best: the probabilities say nothing of the labels");
    for (int i = 0; i < 200 && rc == 0; i++) { /* until nothing lies between the two */
        double middle = sqrt(low * high);
        *(slope(c, middle, share) > 0 ? &low : &high) = middle;
    }
    *temperature = sqrt(low * high);
    free(share);
    return rc;
}

int rn_calibrate(struct rn_calibrated *calibrated, const struct rn_calibration *c, double low, double high, struct rn_err *err)
{
    size_t classes = most_classes(c);
    struct rn_tally tally = { 0 };
    struct rn_score score = { 0 };
    bool right;
    if (rn_calibration_fit(c, low, high, &calibrated->temperature, err))
        return -1;
    double *row = rn_calloc(classes, sizeof *row, err);
    int rc = row ? rn_tally_classes(&tally, classes, err) : -1;
    for (size_t i = 0; i < c->photos && rc == 0; i++) {
        double sum = shares(c, i, calibrated->temperature, row);
        for (size_t k = 0; k < classes; k++)
            row[k] = k < c->photo[i].classes ? row[k] / sum : 0;
        rc = rn_tally_add(&tally, row, c->photo[i].label, &right, err);
    }
    if (rc == 0 && (rc = rn_score(&score, &tally, err)) == 0) {
        calibrated->log_loss = score.log_loss;
        calibrated->ece = score.ece;
    }
    rn_score_free(&score);
    rn_tally_free(&tally);
    free(row);
    return rc;
}
