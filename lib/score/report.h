/* report.h -- a score for people (text, pictures) and for scripts (JSON, TSV). */
#ifndef RN_SCORE_REPORT_H
#define RN_SCORE_REPORT_H

#include "core/file.h"
#include "core/text.h"
#include "score/compare.h"
#include "score/runs.h"
#include "score/score.h"
#include "score/temperature.h"

/* Everything is borrowed. `classes` names the tally's classes (more may follow); comparison NULL: none was
 * asked for. */
struct rn_report {
    const struct rn_score *score;
    const struct rn_tally *tally;
    const struct rn_texts *classes;
    uint64_t errors;
    const struct rn_comparison *comparison;
    const struct rn_published *published; /* likewise */
    const struct rn_calibrated *calibrated; /* likewise */
    const struct rn_runs *runs; /* likewise */
    const char *log; /* of looks, likewise; and how many it has of these photos */
    uint64_t looks;
};

/* Tables for the eye; the confusion matrix is left out when there are more than 30 classes. */
RN_MUST int rn_report_text(struct rn_out *out, const struct rn_report *report, struct rn_err *err);
/* One object on one line: n, errors, acc1, acc2, balanced_accuracy, macro_f1, weighted_f1, cohen_kappa, mcc,
 * log_loss, ece15, precision, recall, f1, support, confusion, acc1_interval; then, after a comparison, compare
 * {acc1, n, b, c, p}, and where they were asked for published {acc1, n, difference, p}, temperature {value, log_loss, ece15},
 * runs {acc1: [...], mean, deviation, interval} and looks. */
RN_MUST int rn_report_json(struct rn_out *out, const struct rn_report *report, struct rn_err *err);
/* A header line, then "metric value" rows with the same names: acc1_low and acc1_high for the interval,
 * precision/CLASS and so on, confusion/TRUE/PREDICTED, compare_acc1 and so on. */
RN_MUST int rn_report_tsv(struct rn_out *out, const struct rn_report *report, struct rn_err *err);
/* One SVG for the eye: confusion matrix, reliability diagram, precision and recall of each class. Light and dark, as the
 * viewer prefers. The numbers in the matrix are left out with more than 20 classes, matrix and bars with more than 200. */
RN_MUST int rn_report_plot(struct rn_out *out, const struct rn_report *report, struct rn_err *err);

#endif
