/* validate.c -- how good a network is on batches for evaluation. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"
#include "flow/flow.h"
#include "nn/train.h"

/* Photos of each class, by what they are, what they were taken for, and both at once. */
struct counts {
    size_t classes;
    int64_t *is, *said, *right;
};

/* What is computed of a batch, while the next ones are read. */
struct job {
    float *logits;
    bool begun; /* the device computes them */
};

static void clear_job(void *job_)
{
    struct job *job = job_;
    free(job->logits);
    *job = (struct job){ 0 };
}

/* Adds one batch to the sums in v. */
static int add_batch(const struct rn_record *record, const float *logits, const int64_t *map, struct counts *counts,
                     struct rn_validation *v, struct rn_err *err)
{
    char shown[256];
    size_t classes = counts->classes;
    for (size_t i = 0; i < record->count; i++) {
        const float *z = logits + i * classes;
        if (record->labels[i] == RN_NIL)
            return rn_fail(err, RN_EXIT_DATA, "'%s' has no label", rn_text_show(record->ids[i], shown));
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
    return 0;
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

struct validating {
    const struct rn_trainer *t;
    struct rn_floats floats; /* the computing thread's */
};

static int compute(void *context, struct rn_item *item, struct rn_err *err)
{
    struct validating *w = context;
    const struct rn_trainer *t = w->t;
    struct job *job = item->job;
    struct rn_batch batch;
    if (item->event != RN_FLOW_RECORD || item->record.error.data)
        return 0;
    if (t->options->head ? rn_net_batch_of_features(&batch, &item->record, rn_net_graph(t->net), &w->floats, err)
                         : rn_net_batch_of(&batch, &item->record, &t->head.input, item->head, &w->floats, err))
        return -1;
    if (!(job->logits = rn_calloc(batch.n, t->head.classes.count * sizeof *job->logits, err)))
        return -1;
    job->begun = true;
    return rn_net_eval_begin(t->net, &batch, job->logits, err);
}

static int end_compute(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct validating *w = context;
    return ((const struct job *)item->job)->begun ? rn_net_end(w->t->net, err) : 0;
}

static int validate_items(struct rn_trainer *t, struct rn_flow *flow, struct counts *counts, struct rn_validation *v,
                          struct rn_err *err)
{
    struct rn_item *item;
    int64_t *map = NULL;
    int rc;
    while ((rc = rn_flow_next(flow, &item, err)) == 1) {
        const struct job *job = item->job;
        if (item->event == RN_FLOW_HEAD) {
            free(map);
            map = NULL;
            rc = validation_head(t, item->head, &map, err);
        } else if (item->event == RN_FLOW_RECORD) {
            v->errors += item->record.error.data != NULL;
            rc = item->record.error.data ? 0 : add_batch(&item->record, job->logits, map, counts, v, err);
        } else {
            rc = 0;
        }
        if (rc)
            break;
    }
    free(map);
    return rc;
}

static int validate_stream(struct rn_trainer *t, struct rn_reader *reader, struct counts *counts, struct rn_validation *v,
                           struct rn_err *err)
{
    struct validating w = { .t = t };
    struct rn_flow_plan plan = {
        .reader = reader, .kinds = RN_KIND_BIT(RN_BATCHES), .ahead = t->dev->class->begin ? 4 : 2, .size = sizeof(struct job),
        .context = &w, .stage = { { 1, compute, end_compute } }, .clear = clear_job,
    };
    struct rn_flow *flow;
    rn_flow_lend(&plan, t->dev);
    if (rn_flow_open(&flow, &plan, err))
        return -1;
    int rc = validate_items(t, flow, counts, v, err);
    rn_flow_close(flow);
    free(w.floats.data);
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
    rn_reader_join(reader);
    counts.said = counts.is + counts.classes;
    counts.right = counts.said + counts.classes;
    if (average)
        rn_net_swap(t->net);
    int rc = validate_stream(t, reader, &counts, v, err) || rn_reader_missing(reader, false, &v->missing, NULL, err) ? -1 : 0;
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
    rn_texts_free(&v->missing);
    *v = (struct rn_validation){ 0 };
}
