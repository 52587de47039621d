/* report.c -- a score as text, JSON and TSV. */
#include "score/report.h"

#include <stdio.h>
#include <string.h>

enum { MATRIX_CLASSES = 30 };

struct metric {
    const char *name, *title;
    double value;
    bool percent;
};
enum { METRICS = 9 };

/* The single numbers, in the order of every report. */
static void list_metrics(struct metric metric[METRICS], const struct rn_score *score)
{
    const struct metric all[METRICS] = {
        { "acc1", "Acc@1", score->acc1, true },
        { "acc2", "Acc@2", score->acc2, true },
        { "balanced_accuracy", "balanced accuracy", score->balanced_accuracy, true },
        { "macro_f1", "macro F1", score->macro_f1, false },
        { "weighted_f1", "weighted F1", score->weighted_f1, false },
        { "cohen_kappa", "Cohen's kappa", score->cohen_kappa, false },
        { "mcc", "MCC", score->mcc, false },
        { "log_loss", "log loss", score->log_loss, false },
        { "ece15", "ECE, 15 bins", score->ece, false },
    };
    memcpy(metric, all, sizeof all);
}

/* ---- text ---- */

/* Characters, not bytes, so that columns of names line up. */
static size_t width_of(const struct rn_buffer *text)
{
    size_t n = 0;
    for (size_t i = 0; i < text->length; i++)
        n += (text->data[i] & 0xc0) != 0x80;
    return n;
}

/* The name in a field of `width` characters; to the left, or to the right of it. */
static int put_name(struct rn_out *out, struct rn_text name, size_t width, bool right, struct rn_err *err)
{
    struct rn_buffer shown = { 0 };
    if (rn_text_escape(&shown, name, RN_ESCAPE_MESSAGE, err))
        return -1;
    size_t used = width_of(&shown);
    int pad = used < width ? (int)(width - used) : 0;
    const char *text = shown.data ? shown.data : "";
    int rc = rn_out_printf(out, err, "%*s%.*s%*s", right ? pad : 0, "", (int)shown.length, text,
                           right ? 0 : pad, "");
    rn_buffer_free(&shown);
    return rc;
}

enum { COLUMN = 7 }; /* at least: "support" */

/* How wide a column is that the name heads. */
static int column_of(struct rn_text name, size_t *width, struct rn_err *err)
{
    struct rn_buffer shown = { 0 };
    int rc = rn_text_escape(&shown, name, RN_ESCAPE_MESSAGE, err);
    *width = width_of(&shown) > COLUMN ? width_of(&shown) : COLUMN;
    rn_buffer_free(&shown);
    return rc;
}

static int widest(const struct rn_report *report, size_t *width, struct rn_err *err)
{
    *width = COLUMN;
    for (size_t i = 0, one; i < report->score->classes; i++) {
        if (column_of(report->classes->item[i], &one, err))
            return -1;
        *width = one > *width ? one : *width;
    }
    return 0;
}

static int text_classes(struct rn_out *out, const struct rn_report *report, size_t width, struct rn_err *err)
{
    const struct rn_score *score = report->score;
    if (rn_out_printf(out, err, "\n%-*s  precision  recall      F1  support\n", (int)width, "class"))
        return -1;
    for (size_t i = 0; i < score->classes; i++)
        if (put_name(out, report->classes->item[i], width, false, err) ||
            rn_out_printf(out, err, "  %9.4f  %6.4f  %6.4f  %7llu\n", score->precision[i], score->recall[i],
                          score->f1[i], (unsigned long long)score->support[i]))
            return -1;
    return 0;
}

static int text_confusion(struct rn_out *out, const struct rn_report *report, size_t width, struct rn_err *err)
{
    const struct rn_tally *tally = report->tally;
    if (tally->classes > MATRIX_CLASSES)
        return rn_out_printf(out, err, "\nThe confusion matrix of %zu classes is in --json and --tsv.\n",
                             tally->classes);
    if (rn_out_printf(out, err, "\nconfusion: rows are true, columns predicted\n%*s", (int)width, ""))
        return -1;
    for (size_t k = 0; k < tally->classes; k++)
        if (rn_out_printf(out, err, "  ") || put_name(out, report->classes->item[k], COLUMN, true, err))
            return -1;
    for (size_t i = 0; i < tally->classes; i++) {
        if (rn_out_printf(out, err, "\n") || put_name(out, report->classes->item[i], width, false, err))
            return -1;
        for (size_t k = 0, column; k < tally->classes; k++)
            if (column_of(report->classes->item[k], &column, err) ||
                rn_out_printf(out, err, "  %*llu", (int)column,
                              (unsigned long long)tally->confusion[i * tally->capacity + k]))
                return -1;
    }
    return rn_out_printf(out, err, "\n");
}

static int text_count(struct rn_out *out, const char *title, uint64_t n, struct rn_err *err)
{
    return rn_out_printf(out, err, "%-18s %8llu\n", title, (unsigned long long)n);
}

static int text_comparison(struct rn_out *out, const struct rn_comparison *comparison, struct rn_err *err)
{
    if (rn_out_printf(out, err, "\n%-18s %8.2f %%\n", "the other's Acc@1", comparison->acc1) ||
        text_count(out, "pairs", comparison->pairs, err) ||
        text_count(out, "right only here", comparison->b, err) ||
        text_count(out, "right only there", comparison->c, err))
        return -1;
    return rn_out_printf(out, err, "%-18s %8.4g\n", "McNemar's p", comparison->p);
}

static int text_published(struct rn_out *out, const struct rn_published *published, struct rn_err *err)
{
    return rn_out_printf(out, err, "\n%-18s %8.2f %%   (of %llu)\n%-18s %+8.2f\n%-18s %8.4g\n", "published Acc@1", published->acc1,
                         (unsigned long long)published->n, "difference", published->difference, "its p", published->p);
}

static int text_runs(struct rn_out *out, const struct rn_runs *runs, struct rn_err *err)
{
    return rn_out_printf(out, err, "\n%-18s %8zu\n%-18s %8.2f %%   (95 %% over runs and photos: %.2f to %.2f)\n%-18s %8.2f\n",
                         "runs",
                         runs->count, "their mean Acc@1", runs->mean, runs->interval[0], runs->interval[1], "their deviation",
                         runs->deviation);
}

/* What was asked for besides. */
static int text_more(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_calibrated *c = report->calibrated;
    char shown[256];
    if (c && rn_out_printf(out, err, "\n%-18s %8.4f\n%-18s %8.4f\n%-18s %8.4f\n", "temperature", c->temperature, "log loss with it",
                           c->log_loss, "ECE with it", c->ece))
        return -1;
    if (report->runs && text_runs(out, report->runs, err))
        return -1;
    return report->log ? rn_out_printf(out, err, "\n%-18s %8llu   (%s)\n", "looks so far", (unsigned long long)report->looks,
                                       rn_text_show(rn_text(report->log), shown)) : 0;
}

int rn_report_text(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_score *score = report->score;
    struct metric metric[METRICS];
    size_t width;
    list_metrics(metric, score);
    if (widest(report, &width, err) || text_count(out, "predictions", score->n, err) ||
        text_count(out, "errors", report->errors, err))
        return -1;
    for (size_t i = 0; i < METRICS; i++) {
        if (rn_out_printf(out, err, metric[i].percent ? "%-18s %8.2f %%" : "%-18s %8.4f", metric[i].title,
                          metric[i].value))
            return -1;
        if (i == 0 && rn_out_printf(out, err, "   (95 %%: %.2f to %.2f)", score->acc1_interval[0],
                                    score->acc1_interval[1]))
            return -1;
        if (rn_out_printf(out, err, "\n"))
            return -1;
    }
    if (text_classes(out, report, width, err) || text_confusion(out, report, width, err))
        return -1;
    if (report->comparison && text_comparison(out, report->comparison, err))
        return -1;
    if (report->published && text_published(out, report->published, err))
        return -1;
    return text_more(out, report, err);
}

/* ---- JSON ---- */

static int json_reals(struct rn_out *out, const char *name, const double *x, size_t n, struct rn_err *err)
{
    char room[32];
    if (rn_out_printf(out, err, ", \"%s\": [", name))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (rn_out_printf(out, err, "%s%s", i ? ", " : "", rn_text_number(x[i], room)))
            return -1;
    return rn_out_printf(out, err, "]");
}

static int json_counts(struct rn_out *out, const char *before, const uint64_t *x, size_t n, struct rn_err *err)
{
    if (rn_out_printf(out, err, "%s[", before))
        return -1;
    for (size_t i = 0; i < n; i++)
        if (rn_out_printf(out, err, "%s%llu", i ? ", " : "", (unsigned long long)x[i]))
            return -1;
    return rn_out_printf(out, err, "]");
}

static int json_comparison(struct rn_out *out, const struct rn_comparison *comparison, struct rn_err *err)
{
    char acc1[32], p[32];
    return rn_out_printf(
        out, err, ", \"compare\": {\"acc1\": %s, \"n\": %llu, \"b\": %llu, \"c\": %llu, \"p\": %s}",
        rn_text_number(comparison->acc1, acc1), (unsigned long long)comparison->pairs,
        (unsigned long long)comparison->b, (unsigned long long)comparison->c, rn_text_number(comparison->p, p));
}

static int json_published(struct rn_out *out, const struct rn_published *published, struct rn_err *err)
{
    char acc1[32], difference[32], p[32];
    return rn_out_printf(out, err, ", \"published\": {\"acc1\": %s, \"n\": %llu, \"difference\": %s, \"p\": %s}",
                         rn_text_number(published->acc1, acc1), (unsigned long long)published->n,
                         rn_text_number(published->difference, difference), rn_text_number(published->p, p));
}

static int json_more(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_calibrated *c = report->calibrated;
    const struct rn_runs *runs = report->runs;
    char a[32], b[32], room[32];
    if (c && rn_out_printf(out, err, ", \"temperature\": {\"value\": %s, \"log_loss\": %s, \"ece15\": %s}",
                           rn_text_number(c->temperature, a), rn_text_number(c->log_loss, b), rn_text_number(c->ece, room)))
        return -1;
    for (size_t i = 0; runs && i < runs->count; i++)
        if (rn_out_printf(out, err, "%s%s", i ? ", " : ", \"runs\": {\"acc1\": [", rn_text_number(runs->acc1[i], room)))
            return -1;
    if (runs && (rn_out_printf(out, err, "], \"mean\": %s, \"deviation\": %s", rn_text_number(runs->mean, a),
                               rn_text_number(runs->deviation, b)) ||
                 json_reals(out, "interval", runs->interval, 2, err) || rn_out_printf(out, err, "}")))
        return -1;
    return report->log ? rn_out_printf(out, err, ", \"looks\": %llu", (unsigned long long)report->looks) : 0;
}

int rn_report_json(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_score *score = report->score;
    const struct rn_tally *tally = report->tally;
    struct metric metric[METRICS];
    char room[32];
    list_metrics(metric, score);
    if (rn_out_printf(out, err, "{\"n\": %llu, \"errors\": %llu", (unsigned long long)score->n,
                      (unsigned long long)report->errors))
        return -1;
    for (size_t i = 0; i < METRICS; i++)
        if (rn_out_printf(out, err, ", \"%s\": %s", metric[i].name, rn_text_number(metric[i].value, room)))
            return -1;
    if (json_reals(out, "precision", score->precision, score->classes, err) ||
        json_reals(out, "recall", score->recall, score->classes, err) ||
        json_reals(out, "f1", score->f1, score->classes, err) ||
        json_counts(out, ", \"support\": ", score->support, score->classes, err) ||
        rn_out_printf(out, err, ", \"confusion\": ["))
        return -1;
    for (size_t i = 0; i < tally->classes; i++)
        if (json_counts(out, i ? ", " : "", tally->confusion + i * tally->capacity, tally->classes, err))
            return -1;
    if (rn_out_printf(out, err, "]") || json_reals(out, "acc1_interval", score->acc1_interval, 2, err))
        return -1;
    if ((report->comparison && json_comparison(out, report->comparison, err)) ||
        (report->published && json_published(out, report->published, err)) || json_more(out, report, err))
        return -1;
    return rn_out_printf(out, err, "}\n");
}

/* ---- TSV ---- */

/* "name/CLASS/CLASS<tab>value"; class NULL: none. */
static int tsv_row(struct rn_out *out, const char *name, const struct rn_text *one, const struct rn_text *two,
                   double value, struct rn_err *err)
{
    char room[32];
    if (rn_out_printf(out, err, "%s", name) ||
        (one && (rn_out_printf(out, err, "/") || rn_out_escaped(out, *one, RN_ESCAPE_TSV, err))) ||
        (two && (rn_out_printf(out, err, "/") || rn_out_escaped(out, *two, RN_ESCAPE_TSV, err))))
        return -1;
    return rn_out_printf(out, err, "\t%s\n", rn_text_number(value, room));
}

static int tsv_reals(struct rn_out *out, const char *name, const double *x, const struct rn_report *report,
                     struct rn_err *err)
{
    for (size_t i = 0; i < report->score->classes; i++)
        if (tsv_row(out, name, &report->classes->item[i], NULL, x[i], err))
            return -1;
    return 0;
}

static int tsv_comparison(struct rn_out *out, const struct rn_comparison *comparison, struct rn_err *err)
{
    if (tsv_row(out, "compare_acc1", NULL, NULL, comparison->acc1, err) ||
        tsv_row(out, "compare_n", NULL, NULL, (double)comparison->pairs, err) ||
        tsv_row(out, "compare_b", NULL, NULL, (double)comparison->b, err) ||
        tsv_row(out, "compare_c", NULL, NULL, (double)comparison->c, err))
        return -1;
    return tsv_row(out, "compare_p", NULL, NULL, comparison->p, err);
}

static int tsv_published(struct rn_out *out, const struct rn_published *published, struct rn_err *err)
{
    if (tsv_row(out, "published_acc1", NULL, NULL, published->acc1, err) ||
        tsv_row(out, "published_n", NULL, NULL, (double)published->n, err) ||
        tsv_row(out, "published_difference", NULL, NULL, published->difference, err))
        return -1;
    return tsv_row(out, "published_p", NULL, NULL, published->p, err);
}

static int tsv_more(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_calibrated *c = report->calibrated;
    const struct rn_runs *runs = report->runs;
    if (c && (tsv_row(out, "temperature", NULL, NULL, c->temperature, err) ||
              tsv_row(out, "temperature_log_loss", NULL, NULL, c->log_loss, err) ||
              tsv_row(out, "temperature_ece15", NULL, NULL, c->ece, err)))
        return -1;
    for (size_t i = 0; runs && i < runs->count; i++)
        if (tsv_row(out, "runs_acc1", NULL, NULL, runs->acc1[i], err))
            return -1;
    if (runs && (tsv_row(out, "runs_mean", NULL, NULL, runs->mean, err) ||
                 tsv_row(out, "runs_deviation", NULL, NULL, runs->deviation, err) ||
                 tsv_row(out, "runs_low", NULL, NULL, runs->interval[0], err) ||
                 tsv_row(out, "runs_high", NULL, NULL, runs->interval[1], err)))
        return -1;
    return report->log ? tsv_row(out, "looks", NULL, NULL, (double)report->looks, err) : 0;
}

int rn_report_tsv(struct rn_out *out, const struct rn_report *report, struct rn_err *err)
{
    const struct rn_score *score = report->score;
    const struct rn_tally *tally = report->tally;
    const struct rn_comparison *comparison = report->comparison;
    const struct rn_text *names = report->classes->item;
    struct metric metric[METRICS];
    list_metrics(metric, score);
    if (rn_out_printf(out, err, "metric\tvalue\n") || tsv_row(out, "n", NULL, NULL, (double)score->n, err) ||
        tsv_row(out, "errors", NULL, NULL, (double)report->errors, err))
        return -1;
    for (size_t i = 0; i < METRICS; i++)
        if (tsv_row(out, metric[i].name, NULL, NULL, metric[i].value, err))
            return -1;
    if (tsv_reals(out, "precision", score->precision, report, err) ||
        tsv_reals(out, "recall", score->recall, report, err) || tsv_reals(out, "f1", score->f1, report, err))
        return -1;
    for (size_t i = 0; i < tally->classes; i++)
        if (tsv_row(out, "support", &names[i], NULL, (double)score->support[i], err))
            return -1;
    for (size_t i = 0; i < tally->classes; i++)
        for (size_t k = 0; k < tally->classes; k++)
            if (tsv_row(out, "confusion", &names[i], &names[k], (double)tally->confusion[i * tally->capacity + k],
                        err))
                return -1;
    if (tsv_row(out, "acc1_low", NULL, NULL, score->acc1_interval[0], err) ||
        tsv_row(out, "acc1_high", NULL, NULL, score->acc1_interval[1], err))
        return -1;
    if (comparison && tsv_comparison(out, comparison, err))
        return -1;
    if (report->published && tsv_published(out, report->published, err))
        return -1;
    return tsv_more(out, report, err);
}
