/* average.c -- sums over files, then one network. */
#include "nn/average.h"

#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* Sums of all tensors, one after the other. */
struct sums {
    double *sum;
    float *value; /* room for the largest tensor */
    size_t count;
};

static size_t count_of(const struct rn_param *p)
{
    return p->n * p->c * p->h * p->w;
}

static int make_room(struct sums *s, const struct rn_graph *g, struct rn_err *err)
{
    size_t largest = 0;
    for (size_t i = 0; i < g->params; i++) {
        s->count += count_of(&g->param[i]);
        largest = count_of(&g->param[i]) > largest ? count_of(&g->param[i]) : largest;
    }
    s->sum = rn_calloc(s->count, sizeof *s->sum, err);
    s->value = s->sum ? rn_calloc(largest, sizeof *s->value, err) : NULL;
    return s->value ? 0 : -1;
}

static int add_net(struct sums *s, struct rn_net *net, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    double *sum = s->sum;
    for (size_t i = 0; i < g->params; i++) {
        size_t count = count_of(&g->param[i]);
        if (rn_net_get(net, i, g->param[i].role, s->value, err))
            return -1;
        for (size_t k = 0; k < count; k++)
            sum[k] += (double)s->value[k];
        sum += count;
    }
    return 0;
}

static int set_net(struct sums *s, struct rn_net *net, size_t files, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    const double *sum = s->sum;
    for (size_t i = 0; i < g->params; i++) {
        size_t count = count_of(&g->param[i]);
        for (size_t k = 0; k < count; k++)
            s->value[k] = (float)(sum[k] / (double)files);
        if (rn_net_set(net, i, g->param[i].role, s->value, err))
            return -1;
        sum += count;
    }
    return 0;
}

static int take_head(struct rn_head *head, const struct rn_head *first, struct rn_err *err)
{
    const struct rn_text from[] = { first->arch, first->attention };
    struct rn_text *to[] = { &head->arch, &head->attention };
    for (size_t i = 0; i < 2; i++) {
        char *copy = from[i].data ? strdup(from[i].data) : NULL;
        if (from[i].data && !copy)
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
        *to[i] = copy ? rn_text(copy) : (struct rn_text){ 0 };
    }
    head->has_input = first->has_input;
    head->input = first->input;
    return rn_texts_copy(&head->classes, &first->classes, err);
}

static int same(const struct rn_head *first, const struct rn_head *head, const char *path, struct rn_err *err)
{
    char shown[256];
    bool classes = first->classes.count == head->classes.count;
    for (size_t i = 0; i < first->classes.count && classes; i++)
        classes = rn_text_equal(first->classes.item[i], head->classes.item[i]);
    const char *what = !rn_text_equal(first->arch, head->arch) || !rn_text_equal(first->attention, head->attention) ? "network"
                       : !classes                                                ? "list of classes"
                       : !rn_input_equal(&first->input, &head->input, true)      ? "input"
                                                                                 : NULL;
    return what ? rn_fail(err, RN_EXIT_DATA, "%s: its %s is not the first file's: only runs of one kind can be averaged",
                          rn_text_show(rn_text(path), shown), what) : 0;
}

/* One file; the first one decides. */
static int add_file(struct sums *s, struct rn_head *head, struct rn_device *dev, const char *path, struct rn_err *err)
{
    struct rn_model model;
    if (rn_model_head(&model, path, err))
        return -1;
    int rc = head->arch.data ? same(head, model.head, path, err) : 0;
    if (rc == 0)
        rc = rn_model_load(&model, path, dev, false, err);
    if (rc == 0 && !head->arch.data)
        rc = take_head(head, model.head, err) || make_room(s, rn_net_graph(model.net), err) ? -1 : 0;
    if (rc == 0)
        rc = rn_history_join(&head->history, &model.head->history, err) || add_net(s, model.net, err) ? -1 : 0;
    rn_model_close(&model);
    return rc;
}

int rn_average(struct rn_net **net, struct rn_head *head, struct rn_device *dev, char *const *files, size_t count,
               struct rn_err *err)
{
    struct sums s = { 0 };
    int rc = 0;
    *net = NULL;
    rn_head_init(head, RN_WEIGHTS);
    for (size_t i = 0; i < count && rc == 0; i++)
        rc = add_file(&s, head, dev, files[i], err);
    if (rc == 0)
        rc = rn_net_open(net, dev, head->arch, head->attention, head->classes.count, true, err);
    if (rc == 0)
        rc = set_net(&s, *net, count, err);
    free(s.sum);
    free(s.value);
    return rc;
}

static int observe(struct rn_net *net, const struct rn_head *model, struct rn_reader *reader, int64_t *photos, int64_t *errors,
                   struct rn_err *err)
{
    const struct rn_head *stream;
    struct rn_record record;
    struct rn_floats floats = { 0 };
    struct rn_batch batch;
    int64_t batches = 0;
    int rc;
    while ((rc = rn_reader_head(reader, RN_KIND_BIT(RN_BATCHES), &stream, err)) == 1) {
        while ((rc = rn_reader_record(reader, &record, err)) == 1) {
            if (record.error.data) {
                ++*errors;
                continue;
            }
            if (rn_net_batch_of(&batch, &record, &model->input, stream, &floats, err) ||
                rn_net_observe(net, &batch, 1 / (double)++batches, err)) {
                rc = -1;
                break;
            }
            *photos += (int64_t)batch.n;
        }
        if (rc)
            break;
    }
    free(floats.data);
    return rc;
}

int rn_average_norms(struct rn_net *net, const struct rn_head *head, const char *path, int64_t *photos, int64_t *errors,
                     struct rn_err *err)
{
    char *files[] = { (char *)path }, shown[256];
    struct rn_reader *reader;
    *photos = *errors = 0;
    if (rn_reader_open(&reader, files, 1, err))
        return -1;
    int rc = observe(net, head, reader, photos, errors, err);
    rn_reader_close(reader);
    if (rc == 0 && !*photos)
        rc = rn_fail(err, RN_EXIT_DATA, "no photos to take the norms' statistics of");
    if (rc && !strstr(err->text, path))
        rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    return rc;
}
