/* validate.c -- how good a network is on batches for evaluation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "nn/train.h"

/* Photos of each class, by what they are, what they were taken for, and both at once. */
struct counts {
    size_t classes;
    int64_t *is, *said, *right;
};

/* Adds one batch to the sums in v. */
static int validate_batch(struct rn_net *net, const struct rn_batch *batch, const struct rn_record *record, const int64_t *map,
                          struct counts *counts, struct rn_validation *v, struct rn_err *err)
{
    char shown[256];
    size_t classes = counts->classes;
    float *logits = rn_calloc(batch->n * classes, sizeof *logits, err);
    int rc = logits ? rn_net_eval(net, batch, logits, err) : -1;
    for (size_t i = 0; i < record->count && rc == 0; i++) {
        const float *z = logits + i * classes;
        if (record->labels[i] == RN_NIL) {
            rc = rn_fail(err, RN_EXIT_DATA, "'%s' has no label", rn_text_show(record->ids[i], shown));
            break;
        }
        size_t label = (size_t)map[record->labels[i]], best = 0;
        double sum = 0;
        for (size_t k = 0; k < classes; k++)
            best = z[k] > z[best] ? k : best;
        for (size_t k = 0; k < classes; k++)
            sum += exp((double)z[k] - (double)z[best]);
        v->loss += log(sum) - ((double)z[label] - (double)z[best]);
        v->acc1 += best == label;
        v->seen++;
        counts->is[label]++;
        counts->said[best]++;
        counts->right[label] += best == label;
    }
    free(logits);
    return rc;
}

/* Fails unless the segment can be validated on; the labels' map is the caller's. */
static int validation_head(const struct rn_trainer *t, const struct rn_head *head, int64_t **map, struct rn_err *err)
{
    if (head->mode != RN_EVAL)
        return rn_fail(err, RN_EXIT_DATA, "train batches: validation takes those of rn-batch without --train");
    if (rn_model_check_views(head, err) || (t->options->head && rn_model_check_features(head, t->print, err)))
        return -1;
    return rn_labels_map(&t->head.classes, &head->classes, map, err);
}

int rn_validation_check(const struct rn_trainer *t, const char *path, struct rn_err *err)
{
    char *files[] = { (char *)path }, shown[256];
    struct rn_reader *reader;
    const struct rn_head *head;
    int64_t *map = NULL;
    if (rn_reader_open(&reader, files, 1, err))
        return -1;
    struct rn_record record;
    int rc;
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, err)) == 1) {
        free(map);
        map = NULL;
        if (validation_head(t, head, &map, err) || rn_model_check_input(&t->head.input, head, true, err)) {
            rc = rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
            break;
        }
        while ((rc = rn_reader_record(reader, &record, err)) == 1 && record.error.data)
            ;
        if (rc)
            break;
    }
    if (rc == 0)
        rc = rn_fail(err, RN_EXIT_DATA, "%s: no photos to validate on", rn_text_show(rn_text(path), shown));
    free(map);
    rn_reader_close(reader);
    return rc < 0 ? -1 : 0;
}

static int validate_stream(struct rn_trainer *t, struct rn_reader *reader, struct counts *counts, struct rn_validation *v,
                           struct rn_err *err)
{
    const struct rn_head *head;
    struct rn_record record;
    struct rn_floats floats = { 0 };
    int64_t *map = NULL;
    int rc;
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &head, err)) == 1) {
        free(map);
        map = NULL;
        if ((rc = validation_head(t, head, &map, err)))
            break;
        while ((rc = rn_reader_record(reader, &record, err)) == 1) {
            struct rn_batch batch;
            v->errors += record.error.data != NULL;
            if (!record.error.data && ((t->options->head ? rn_net_batch_of_features(&batch, &record, rn_net_graph(t->net), &floats, err)
                                                         : rn_net_batch_of(&batch, &record, &t->head.input, head, &floats, err)) ||
                                       validate_batch(t->net, &batch, &record, map, counts, v, err))) {
                rc = -1;
                break;
            }
        }
        if (rc)
            break;
    }
    free(map);
    free(floats.data);
    return rc;
}

static int conclude(const struct counts *counts, struct rn_validation *v, struct rn_err *err)
{
    double recalls = 0, f1s = 0;
    int64_t supported = 0, met = 0;
    if (!v->seen)
        return rn_fail(err, RN_EXIT_DATA, "no photos to validate on");
    v->loss /= (double)v->seen;
    v->acc1 *= 100 / (double)v->seen;
    if (!isfinite(v->loss))
        return rn_fail(err, RN_EXIT_DIVERGED, "the validation loss is %g: training diverged (a smaller --lr may help)",
                       rn_nan_unsigned(v->loss));
    for (size_t i = 0; i < counts->classes; i++) {
        int64_t is = counts->is[i], said = counts->said[i];
        v->recall[i] = is ? (double)counts->right[i] / (double)is : NAN;
        recalls += is ? v->recall[i] : 0;
        supported += is > 0;
        f1s += is + said ? 2 * (double)counts->right[i] / (double)(is + said) : 0;
        met += is + said > 0;
        v->first_empty = is || v->empty ? v->first_empty : i;
        v->empty += !is;
    }
    v->balanced = 100 * recalls / (double)supported;
    v->macro_f1 = f1s / (double)met;
    return 0;
}

int rn_validate(struct rn_trainer *t, const char *path, struct rn_validation *v, struct rn_err *err)
{
    char *files[] = { (char *)path }, shown[256];
    struct rn_reader *reader;
    struct counts counts = { .classes = t->head.classes.count };
    bool average = t->options->ema > 0;
    *v = (struct rn_validation){ 0 };
    counts.is = rn_calloc(3 * counts.classes, sizeof *counts.is, err);
    v->recall = counts.is ? rn_calloc(counts.classes, sizeof *v->recall, err) : NULL;
    if (!v->recall || rn_reader_open(&reader, files, 1, err)) {
        free(counts.is);
        return -1;
    }
    counts.said = counts.is + counts.classes;
    counts.right = counts.said + counts.classes;
    if (average)
        rn_net_swap(t->net);
    int rc = validate_stream(t, reader, &counts, v, err);
    if (average)
        rn_net_swap(t->net);
    if (rc == 0)
        rc = conclude(&counts, v, err);
    free(counts.is);
    rn_reader_close(reader);
    if (rc && !strstr(err->text, path))
        rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    return rc;
}

void rn_validation_free(struct rn_validation *v)
{
    free(v->recall);
    *v = (struct rn_validation){ 0 };
}
