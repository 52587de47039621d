/* temperature.h -- how sure may a network say that it is? Temperature scaling (Guo et al., "On Calibration of Modern Neural
 * Networks", ICML 2017): logits are divided by one number before they become probabilities. */
#ifndef RN_SCORE_TEMPERATURE_H
#define RN_SCORE_TEMPERATURE_H

#include <stddef.h>

#include "core/err.h"
#include "score/score.h"

/* Predictions and labels, kept. A logit is the logarithm of its probability here: what is added to all of a photo's changes
 * nothing. A probability of 0 counts as float32's smallest number. Zeroed: empty. */
struct rn_calibration {
    double *logit; /* of all photos, one after the other */
    struct { size_t first, classes, label; } *photo;
    size_t logits, logits_capacity, photos, photos_capacity;
};
/* One photo's probabilities (classes). */
RN_MUST int rn_calibration_add(struct rn_calibration *calibration, const double *probs, size_t classes, size_t label,
                               struct rn_err *err);
void rn_calibration_free(struct rn_calibration *calibration);

/* The mean of -ln p of the labels' classes at a temperature. */
double rn_calibration_loss(const struct rn_calibration *calibration, double temperature);

/* The temperature in low..high at which that is least: it is convex in 1/T. Exit 3 where there is none: the loss
 * falls towards an end (every photo is right, or the probabilities say nothing of the labels). */
RN_MUST int rn_calibration_fit(const struct rn_calibration *calibration, double low, double high, double *temperature,
                               struct rn_err *err);

struct rn_calibrated {
    double temperature;
    double log_loss, ece; /* of the same predictions with it, as rn_score has them */
};
/* Fit, and the score that the predictions would have. */
RN_MUST int rn_calibrate(struct rn_calibrated *calibrated, const struct rn_calibration *calibration, double low, double high,
                         struct rn_err *err);

#endif
