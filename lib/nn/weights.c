/* weights.c -- tensors between streams and networks. */
#include "nn/weights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/mem.h"

int rn_model_head(struct rn_model *model, const char *path, struct rn_err *err)
{
    char *files[] = { (char *)path };
    *model = (struct rn_model){ 0 };
    if (rn_reader_open(&model->reader, files, 1, err))
        return -1;
    int rc = rn_reader_head(model->reader, RN_KIND_BIT(RN_WEIGHTS), &model->head, err);
    if (rc == 1)
        return 0;
    if (rc == 0)
        rn_fail(err, RN_EXIT_DATA, "%s: empty", path);
    rn_model_close(model);
    return -1;
}

void rn_model_close(struct rn_model *model)
{
    rn_net_close(model->net);
    rn_reader_close(model->reader);
    *model = (struct rn_model){ 0 };
}

static size_t count_of(const struct rn_param *p)
{
    return p->n * p->c * p->h * p->w;
}

/* The parameter's shape as PyTorch has it. */
static void shape_of(const struct rn_param *p, struct rn_tensor *tensor)
{
    const size_t vector[4] = { p->c }, full[4] = { p->n, p->c, p->h, p->w };
    tensor->dims = p->dims;
    memcpy(tensor->shape, p->dims == 1 ? vector : full, sizeof full);
}

static bool fits(const struct rn_param *p, const struct rn_tensor *tensor)
{
    struct rn_tensor own = { 0 };
    shape_of(p, &own);
    return own.dims == tensor->dims && !memcmp(own.shape, tensor->shape, (size_t)own.dims * sizeof *own.shape);
}

/* Index of the parameter, or RN_NONE. alias: "fc." and "final_fc." are the same. */
static int find(const struct rn_graph *g, struct rn_text name, bool alias)
{
    for (size_t i = 0; i < g->params; i++) {
        const char *own = g->param[i].name;
        bool last = alias && !strncmp(own, "final_fc.", 9);
        if (rn_text_is(name, own) || (last && rn_text_is(name, own + strlen("final_"))))
            return (int)i;
    }
    return RN_NONE;
}

/* PyTorch counts the batches that each norm has seen; imports keep the number, networks do not need it. */
static bool is_counter(struct rn_text name)
{
    static const char end[] = ".num_batches_tracked";
    size_t length = sizeof end - 1;
    return name.length > length && !memcmp(name.data + name.length - length, end, length);
}

/* floats: room for one tensor's numbers, which lie anywhere in the file. */
static int set(struct rn_net *net, int i, enum rn_role role, const struct rn_tensor *tensor, struct rn_floats *floats, struct rn_err *err)
{
    size_t count = count_of(&rn_net_graph(net)->param[i]);
    if (count > floats->capacity) {
        free(floats->data);
        floats->capacity = 0;
        if (!(floats->data = rn_alloc_aligned(count, sizeof *floats->data, err)))
            return -1;
        floats->capacity = count;
    }
    if (tensor->type == RN_F32)
        memcpy(floats->data, tensor->data, count * sizeof *floats->data);
    else
        for (size_t k = 0; k < count; k++)
            floats->data[k] = (float)rn_tensor_get(tensor, k);
    return rn_net_set(net, (size_t)i, role, floats->data, err);
}

/* One record of a model: every tensor must be the network's, once. */
static int load_record(struct rn_model *model, const struct rn_record *record, bool *seen, struct rn_floats *floats, struct rn_err *err)
{
    char where[512], name[256], shape[256];
    const struct rn_graph *g = rn_net_graph(model->net);
    int i = find(g, record->name, false);
    bool momentum = record->role == RN_MOMENTUM;
    if (i == RN_NONE || (!momentum && g->param[i].role != record->role) || (momentum && g->param[i].role != RN_PARAMETER))
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' is not a %s of this network", rn_reader_where(model->reader, where),
                       rn_text_show(record->name, name), rn_role_name(record->role));
    if (!fits(&g->param[i], &record->tensor))
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' has the wrong shape: %s", rn_reader_where(model->reader, where),
                       g->param[i].name, rn_tensor_describe(&record->tensor, shape));
    bool *mark = &seen[2 * i + momentum];
    if (*mark)
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' comes twice", rn_reader_where(model->reader, where), g->param[i].name);
    *mark = true;
    return set(model->net, i, record->role, &record->tensor, floats, err);
}

int rn_model_load(struct rn_model *model, const char *path, struct rn_device *dev, bool train, struct rn_err *err)
{
    char shown[256];
    struct rn_record record;
    struct rn_floats floats = { 0 };
    const struct rn_head *head = model->head;
    if (!head->arch.data || !head->attention.data || !head->has_input || !head->classes.count)
        return rn_fail(err, RN_EXIT_DATA, "%s: not a whole model (no %s): it can serve --init only",
                       rn_text_show(rn_text(path), shown), !head->arch.data ? "arch" : !head->classes.count ? "class names" : "input");
    if (rn_net_open(&model->net, dev, head->arch, head->attention, head->classes.count, train, err)) {
        err->exit = err->exit == RN_EXIT_USAGE ? RN_EXIT_DATA : err->exit;
        return rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    }
    const struct rn_graph *g = rn_net_graph(model->net);
    bool *seen = rn_calloc(2 * g->params, sizeof *seen, err);
    int rc = seen ? 1 : -1;
    while (rc == 1 && (rc = rn_reader_record(model->reader, &record, err)) == 1)
        if ((record.role != RN_MOMENTUM || train) && !is_counter(record.name) && load_record(model, &record, seen, &floats, err))
            rc = -1;
    for (size_t i = 0; i < g->params && rc == 0; i++)
        if (!seen[2 * i] || (train && head->epoch != RN_NIL && g->param[i].role == RN_PARAMETER && !seen[2 * i + 1]))
            rc = rn_fail(err, RN_EXIT_DATA, "%s: %s '%s' is missing", rn_text_show(rn_text(path), shown),
                         seen[2 * i] ? "the momentum of" : "the tensor", g->param[i].name);
    rn_reader_shrink(model->reader);
    free(floats.data);
    free(seen);
    return rc;
}

static int load_again(struct rn_model *model, const char *path, struct rn_device *dev, struct rn_err *err)
{
    struct rn_model again;
    rn_net_close(model->net);
    model->net = NULL;
    if (rn_model_head(&again, path, err))
        return -1;
    int rc = rn_model_load(&again, path, dev, false, err);
    if (rc == 0 && (again.head->classes.count != model->head->classes.count || !rn_input_equal(&again.head->input, &model->head->input, true)))
        rc = rn_fail(err, RN_EXIT_DATA, "%s: has become another model", path);
    if (rc == 0) {
        model->net = again.net;
        again.net = NULL;
    }
    rn_model_close(&again);
    return rc;
}

int rn_model_eval(struct rn_model *model, const char *path, struct rn_device *dev, const struct rn_batch *batch, float *logits,
                  struct rn_err *err)
{
    struct stat status;
    if (!rn_net_fits(model->net, batch) && load_again(model, path, dev, err))
        return -1;
    model->varied = model->varied || (model->h && (model->h != batch->h || model->w != batch->w));
    model->h = batch->h;
    model->w = batch->w;
    if (model->varied) /* it would be loaded anew for each of them */
        return rn_net_eval(model->net, batch, logits, err);
    if (stat(path, &status) == 0 && S_ISREG(status.st_mode))
        rn_net_spare(model->net);
    return rn_net_eval(model->net, batch, logits, err);
}

static bool same_classes(const struct rn_texts *a, const struct rn_texts *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = rn_text_equal(a->item[i], b->item[i]);
    return same;
}

int rn_weights_take(struct rn_model *model, const char *path, struct rn_net *net, const struct rn_texts *classes,
                    struct rn_taken *taken, struct rn_err *err)
{
    char shown[256];
    struct rn_record record;
    const struct rn_graph *g = rn_net_graph(net);
    bool others = model->head->classes.count && !same_classes(&model->head->classes, classes);
    struct rn_floats floats = { 0 };
    bool *seen = rn_calloc(g->params, sizeof *seen, err);
    int rc = seen ? 1 : -1;
    *taken = (struct rn_taken){ 0 };
    while (rc == 1 && (rc = rn_reader_record(model->reader, &record, err)) == 1) {
        if (record.role == RN_MOMENTUM || is_counter(record.name))
            continue;
        int i = find(g, record.name, true);
        bool last = i != RN_NONE && !strncmp(g->param[i].name, "final_fc.", 9);
        if (i == RN_NONE || !fits(&g->param[i], &record.tensor) || (last && others)) {
            rc = rn_texts_add(&taken->skipped, record.name, err) ? -1 : 1;
        } else if (seen[i]) {
            rc = rn_fail(err, RN_EXIT_DATA, "%s: '%s' comes twice", rn_text_show(rn_text(path), shown), g->param[i].name);
        } else {
            seen[i] = true;
            taken->taken++;
            rc = set(net, i, g->param[i].role, &record.tensor, &floats, err) ? -1 : 1;
        }
    }
    for (size_t i = 0; i < g->params && rc == 0; i++)
        if (!seen[i])
            rc = rn_texts_add(&taken->fresh, rn_text(g->param[i].name), err);
    rn_reader_shrink(model->reader);
    free(floats.data);
    free(seen);
    return rc;
}

void rn_taken_free(struct rn_taken *taken)
{
    rn_texts_free(&taken->skipped);
    rn_texts_free(&taken->fresh);
}

static int save_one(struct rn_net *net, size_t i, enum rn_role role, struct rn_writer *writer, struct rn_err *err)
{
    const struct rn_param *p = &rn_net_graph(net)->param[i];
    float *value = rn_calloc(count_of(p), sizeof *value, err);
    if (!value)
        return -1;
    struct rn_record record = { .kind = RN_WEIGHTS, .name = rn_text(p->name), .role = role };
    record.tensor = (struct rn_tensor){ .type = RN_F32, .data = value };
    shape_of(p, &record.tensor);
    int rc = rn_net_get(net, i, role, value, err) || rn_writer_record(writer, &record, err) ? -1 : 0;
    free(value);
    return rc;
}

int rn_weights_save(struct rn_net *net, const struct rn_head *head, bool momentum, const char *path, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_writer *writer;
    if (rn_writer_open(&writer, path, err))
        return -1;
    int rc = rn_writer_head(writer, head, err);
    for (size_t i = 0; i < g->params && rc == 0; i++)
        rc = save_one(net, i, g->param[i].role, writer, err);
    for (size_t i = 0; i < g->params && rc == 0 && momentum; i++)
        if (g->param[i].role == RN_PARAMETER)
            rc = save_one(net, i, RN_MOMENTUM, writer, err);
    if (rc == 0 && (rc = rn_writer_tail(writer, err)) == 0)
        return rn_writer_close(writer, err);
    rn_writer_discard(writer);
    return -1;
}

int rn_classes_map(const struct rn_texts *to, const struct rn_texts *from, int64_t **map, struct rn_err *err)
{
    char shown[256];
    if (!(*map = rn_calloc(from->count, sizeof **map, err)))
        return -1;
    int rc = rn_texts_index(to, from, *map, err);
    for (size_t i = 0; i < from->count && rc == 0; i++)
        if ((*map)[i] < 0)
            rc = rn_fail(err, RN_EXIT_DATA, "class '%s' of the stream is not one of the model's", rn_text_show(from->item[i], shown));
    if (rc) {
        free(*map);
        *map = NULL;
    }
    return rc;
}

int rn_input_check(const struct rn_input *model, const struct rn_head *stream, bool with_resize, struct rn_err *err)
{
    char ours[256], theirs[256];
    if (!stream->has_input || rn_input_equal(model, &stream->input, with_resize))
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "the model takes input of %s; the stream has %s (rn-batch --for MODEL makes it fit)",
                   rn_input_describe(model, ours), rn_input_describe(&stream->input, theirs));
}

int rn_views_check(const struct rn_head *stream, struct rn_err *err)
{
    if (stream->views == RN_NIL)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "the stream has %lld views of each photo: rn-predict alone takes their mean (rn-batch without --views)",
                   (long long)stream->views);
}

int rn_batch_of(struct rn_batch *batch, const struct rn_record *record, const struct rn_input *input,
                const struct rn_head *stream, struct rn_floats *room, struct rn_err *err)
{
    const struct rn_tensor *images = &record->tensor;
    bool u8 = images->type == RN_U8;
    if (!record->count)
        return rn_fail(err, RN_EXIT_DATA, "batch %lld has no images", (long long)record->index);
    *batch = (struct rn_batch){ .n = record->count, .h = images->shape[u8 ? 1 : 2], .w = images->shape[u8 ? 2 : 3],
                                .mean = input->mean, .std = input->std };
    if (u8) {
        if (rn_input_check(input, stream, stream->mode == RN_EVAL, err))
            return -1;
        if (stream->has_input && !stream->any_size && (batch->h != (size_t)stream->input.size || batch->w != batch->h))
            return rn_fail(err, RN_EXIT_DATA, "batch %lld has images of %zux%zu, not of the head's size %lld",
                           (long long)record->index, batch->h, batch->w, (long long)stream->input.size);
        batch->pixels = images->data;
        return 0;
    }
    size_t count;
    if (!rn_tensor_count(images, &count) || rn_grow(&room->data, &room->capacity, count ? count : 1, sizeof *room->data, err))
        return -1;
    memcpy(room->data, images->data, count * sizeof *room->data);
    batch->values = room->data;
    return 0;
}
