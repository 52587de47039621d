/* weights.c -- tensors between streams and networks. */
#include "nn/weights.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/mem.h"
#include "core/shipped.h"

int rn_model_head(struct rn_model *model, const char *path, struct rn_err *err)
{
    *model = (struct rn_model){ 0 };
    if (rn_shipped_model(&model->file, path, err) || rn_reader_open(&model->reader, &model->file.data, 1, err)) {
        rn_model_close(model);
        return -1;
    }
    int rc = rn_reader_head(model->reader, RN_KIND_BIT(RN_WEIGHTS), &model->head, err);
    if (rc == 1)
        return 0;
    if (rc == 0)
        rn_fail(err, RN_EXIT_DATA, "%s: an empty file: weights are needed", path);
    rn_model_close(model);
    return -1;
}

void rn_model_close(struct rn_model *model)
{
    rn_net_close(model->net);
    rn_reader_close(model->reader);
    rn_buffer_free(&model->file);
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

/* PyTorch counts the batches that each norm has seen; imports keep the number, networks do not need it. */
static bool is_counter(struct rn_text name)
{
    static const char end[] = ".num_batches_tracked";
    size_t length = sizeof end - 1;
    return name.length > length && !memcmp(name.data + name.length - length, end, length);
}

/* floats: room for one tensor's numbers, which lie anywhere in the file. */
static int set(struct rn_net *net, int i, enum rn_role role, const struct rn_tensor *tensor, struct rn_floats *floats,
               struct rn_err *err)
{
    size_t count = count_of(&rn_net_graph(net)->param[i]);
    if (count > floats->capacity) {
        free(floats->data);
        floats->capacity = 0;
        if (!(floats->data = rn_alloc_aligned(count, sizeof *floats->data, err)))
            return -1;
        floats->capacity = count;
    }
    rn_tensor_floats(tensor, floats->data, count);
    return rn_net_set(net, (size_t)i, role, floats->data, err);
}

/* Roles of checkpoints only. */
static bool is_state(enum rn_role role)
{
    return role == RN_MOMENTUM || role == RN_SECOND_MOMENT || role == RN_GRADIENT;
}

/* Where an average comes in, and there is nothing to go on with, it takes its parameter's or buffer's place. */
static enum rn_role role_in(const struct rn_graph *g, int i, enum rn_role role, bool train)
{
    return role == RN_EMA && !train ? g->param[i].role : role;
}

/* One record of a model: every tensor must be the network's, once; for evaluation its numbers finite.
 * seen: by parameter and role. */
static int load_record(struct rn_model *model, const struct rn_record *record, bool train, bool *seen, struct rn_floats *floats,
                       struct rn_err *err)
{
    char where[512], name[256], shape[256];
    const struct rn_graph *g = rn_net_graph(model->net);
    int i = rn_graph_find(g, record->name, false);
    enum rn_role role = record->role;
    bool own = i != RN_NONE && (role == RN_EMA || role == g->param[i].role || (is_state(role) && g->param[i].role == RN_PARAMETER));
    if (!own)
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' is not a %s of this network", rn_reader_where(model->reader, where),
                       rn_text_show(record->name, name), rn_role_name(role));
    if (!fits(&g->param[i], &record->tensor))
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' has the wrong shape: %s", rn_reader_where(model->reader, where),
                       g->param[i].name, rn_tensor_describe(&record->tensor, shape));
    bool *mark = &seen[(size_t)i * RN_ROLES + role];
    if (*mark)
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' comes twice", rn_reader_where(model->reader, where), g->param[i].name);
    if (role == RN_EMA && !seen[(size_t)i * RN_ROLES + g->param[i].role])
        return rn_fail(err, RN_EXIT_DATA, "%s: the average of '%s' comes before it", rn_reader_where(model->reader, where),
                       g->param[i].name);
    *mark = true;
    if (!train && !rn_tensor_finite(&record->tensor))
        return rn_fail(err, RN_EXIT_DATA, "%s: '%s' holds NaN or an infinity: the network says nothing",
                       rn_reader_where(model->reader, where), g->param[i].name);
    if (train && rn_net_room(model->net, role, err))
        return -1;
    return set(model->net, i, role_in(g, i, role, train), &record->tensor, floats, err);
}

/* A role that some parameter has, all have. */
static int check_roles(const struct rn_model *model, const char *path, bool train, const bool *seen, struct rn_err *err)
{
    static const enum rn_role roles[] = { RN_MOMENTUM, RN_SECOND_MOMENT, RN_GRADIENT, RN_EMA };
    static const char *const names[] = { "the momentum of", "the second moment of", "the gradient of", "the average of" };
    char shown[256];
    const struct rn_graph *g = rn_net_graph(model->net);
    for (size_t i = 0; i < g->params; i++)
        if (!seen[i * RN_ROLES + g->param[i].role])
            return rn_fail(err, RN_EXIT_DATA, "%s: the tensor '%s' is missing", rn_text_show(rn_text(path), shown),
                           g->param[i].name);
    for (size_t r = 0; r < sizeof roles / sizeof *roles; r++) {
        bool needed = train && roles[r] == RN_MOMENTUM && model->head->epoch != RN_NIL;
        for (size_t i = 0; i < g->params; i++)
            needed = needed || seen[i * RN_ROLES + roles[r]];
        for (size_t i = 0; i < g->params; i++)
            if (needed && !seen[i * RN_ROLES + roles[r]] && (g->param[i].role == RN_PARAMETER || roles[r] == RN_EMA))
                return rn_fail(err, RN_EXIT_DATA, "%s: %s '%s' is missing", rn_text_show(rn_text(path), shown),
                               names[r], g->param[i].name);
    }
    return 0;
}

int rn_model_load(struct rn_model *model, const char *path, struct rn_device *dev, bool train, struct rn_err *err)
{
    char shown[256];
    struct rn_record record;
    struct rn_floats floats = { 0 };
    const struct rn_head *head = model->head;
    if (!head->arch.data || !head->attention.data || !head->has_input || !head->classes.count)
        return rn_fail(err, RN_EXIT_DATA, "%s: not a whole model (no %s): it can serve --init only",
                       rn_text_show(rn_text(path), shown),
                       !head->arch.data ? "arch" : !head->classes.count ? "class names" : "input");
    if (rn_net_open(&model->net, dev, head->arch, head->attention, head->classes.count, train, err)) {
        err->exit = err->exit == RN_EXIT_USAGE ? RN_EXIT_DATA : err->exit;
        return rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown));
    }
    bool *seen = rn_calloc(RN_ROLES * rn_net_graph(model->net)->params, sizeof *seen, err);
    int rc = seen ? 1 : -1;
    while (rc == 1 && (rc = rn_reader_record(model->reader, &record, err)) == 1)
        if ((!is_state(record.role) || train) && !is_counter(record.name) && load_record(model, &record, train, seen, &floats, err))
            rc = -1;
    if (rc == 0)
        rc = check_roles(model, path, train, seen, err);
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
    if (rc == 0 && (again.head->classes.count != model->head->classes.count ||
                    !rn_input_equal(&again.head->input, &model->head->input, true)))
        rc = rn_fail(err, RN_EXIT_DATA, "%s: it was replaced by another model while this one was in use: start again", path);
    if (rc == 0) {
        model->net = again.net;
        again.net = NULL;
    }
    rn_model_close(&again);
    return rc;
}

int rn_model_eval_begin(struct rn_model *model, const char *path, struct rn_device *dev, const struct rn_batch *batch,
                        float *logits, struct rn_err *err)
{
    struct stat status;
    if (!rn_net_fits(model->net, batch) && load_again(model, path, dev, err))
        return -1;
    model->varied = model->varied || (model->h && (model->h != batch->h || model->w != batch->w));
    model->h = batch->h;
    model->w = batch->w;
    if (model->varied) /* it would be loaded anew for each of them */
        return rn_net_eval_begin(model->net, batch, logits, err);
    if (stat(model->file.data, &status) == 0 && S_ISREG(status.st_mode))
        rn_net_spare(model->net);
    return rn_net_eval_begin(model->net, batch, logits, err);
}

void rn_model_probs(const struct rn_model *model, float *probs, const float *logits)
{
    size_t classes = model->head->classes.count;
    double temperature = model->head->temperature;
    if (temperature <= 0) {
        rn_softmax(probs, logits, classes);
        return;
    }
    for (size_t k = 0; k < classes; k++)
        probs[k] = (float)((double)logits[k] / temperature);
    rn_softmax(probs, probs, classes);
}

int rn_probs_check(const float *probs, size_t classes, struct rn_text id, struct rn_err *err)
{
    char shown[256];
    const struct rn_tensor tensor = { RN_F32, 1, { classes }, probs };
    return rn_tensor_finite(&tensor) ? 0
           : rn_fail(err, RN_EXIT_DATA, "'%s': the network gives no probabilities (NaN): its pixels or the weights are out of all "
                                        "bounds",
                     rn_text_show(id, shown));
}

static bool same_classes(const struct rn_texts *a, const struct rn_texts *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = rn_text_equal(a->item[i], b->item[i]);
    return same;
}

static int none_taken(const char *path, const struct rn_taken *taken, struct rn_err *err)
{
    char shown[2][256];
    rn_text_show(rn_text(path), shown[0]);
    if (!taken->skipped.count)
        return rn_fail(err, RN_EXIT_DATA, "%s: it has no tensors", shown[0]);
    return rn_fail(err, RN_EXIT_DATA, "%s: none of its %zu tensors fits the network, neither does '%s'", shown[0],
                   taken->skipped.count, rn_text_show(taken->skipped.item[0], shown[1]));
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
        if (is_state(record.role) || is_counter(record.name))
            continue;
        int i = rn_graph_find(g, record.name, true);
        if (record.role == RN_EMA) { /* comes after what it is the average of, and takes its place */
            if (!rn_tensor_finite(&record.tensor))
                rc = rn_fail(err, RN_EXIT_DATA, "%s: the average of '%s' holds NaN or an infinity",
                             rn_text_show(rn_text(path), shown), i == RN_NONE ? "a tensor" : g->param[i].name);
            else if (i != RN_NONE && seen[i] && fits(&g->param[i], &record.tensor))
                rc = set(net, i, g->param[i].role, &record.tensor, &floats, err) ? -1 : 1;
            continue;
        }
        bool last = i != RN_NONE && rn_graph_is_last(g, (size_t)i);
        if (i == RN_NONE || !fits(&g->param[i], &record.tensor) || (last && others)) {
            rc = rn_texts_add(&taken->skipped, record.name, err) ? -1 : 1;
        } else if (seen[i]) {
            rc = rn_fail(err, RN_EXIT_DATA, "%s: '%s' comes twice", rn_text_show(rn_text(path), shown), g->param[i].name);
        } else if (!rn_tensor_finite(&record.tensor)) {
            rc = rn_fail(err, RN_EXIT_DATA, "%s: '%s' holds NaN or an infinity", rn_text_show(rn_text(path), shown),
                         g->param[i].name);
        } else {
            seen[i] = true;
            taken->taken++;
            rc = set(net, i, g->param[i].role, &record.tensor, &floats, err) ? -1 : 1;
        }
    }
    if (rc == 0 && !taken->taken)
        rc = none_taken(path, taken, err);
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

static int save_role(struct rn_net *net, enum rn_role role, struct rn_writer *writer, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    for (size_t i = 0; i < g->params; i++)
        if ((g->param[i].role == RN_PARAMETER || role == RN_EMA) && save_one(net, i, role, writer, err))
            return -1;
    return 0;
}

/* What a checkpoint has besides. */
static int save_state(struct rn_net *net, const struct rn_head *head, struct rn_writer *writer, struct rn_err *err)
{
    const bool wanted[RN_ROLES] = { [RN_MOMENTUM] = true, [RN_SECOND_MOMENT] = rn_net_has(net, RN_SECOND_MOMENT),
                                    [RN_GRADIENT] = head->state.accumulated > 0, [RN_EMA] = rn_net_has(net, RN_EMA) };
    for (int role = 0; role < RN_ROLES; role++)
        if (wanted[role] && save_role(net, (enum rn_role)role, writer, err))
            return -1;
    return 0;
}

int rn_weights_save(struct rn_net *net, const struct rn_head *head, bool checkpoint, const char *path, struct rn_err *err)
{
    const struct rn_graph *g = rn_net_graph(net);
    struct rn_writer *writer;
    if (rn_writer_open(&writer, path, err))
        return -1;
    int rc = rn_writer_head(writer, head, err);
    for (size_t i = 0; i < g->params && rc == 0; i++)
        rc = save_one(net, i, g->param[i].role, writer, err);
    if (rc == 0 && checkpoint)
        rc = save_state(net, head, writer, err);
    if (rc == 0 && (rc = rn_writer_tail(writer, err)) == 0)
        return rn_writer_close(writer, err);
    rn_writer_discard(writer);
    return -1;
}

int rn_labels_map(const struct rn_texts *to, const struct rn_texts *from, int64_t **map, struct rn_err *err)
{
    char shown[256];
    if (!(*map = rn_calloc(from->count, sizeof **map, err)))
        return -1;
    int rc = rn_texts_index(to, from, *map, err);
    for (size_t i = 0; i < from->count && rc == 0; i++)
        if ((*map)[i] < 0)
            rc = rn_fail(err, RN_EXIT_DATA, "class '%s' of the stream is not one of the model's",
                         rn_text_show(from->item[i], shown));
    if (rc) {
        free(*map);
        *map = NULL;
    }
    return rc;
}

int rn_model_check_input(const struct rn_input *model, const struct rn_head *stream, bool with_resize, struct rn_err *err)
{
    char ours[256], theirs[256];
    if (!stream->has_input || rn_input_equal(model, &stream->input, with_resize))
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "the model takes input of %s; the stream has %s (rn-batch --for MODEL makes it fit)",
                   rn_input_describe(model, ours), rn_input_describe(&stream->input, theirs));
}

int rn_model_check_views(const struct rn_head *stream, struct rn_err *err)
{
    if (stream->views == RN_NIL)
        return 0;
    return rn_fail(err, RN_EXIT_DATA, "the stream has %lld views of each photo: rn-predict alone takes their mean (rn-batch "
                                      "without --views)",
                   (long long)stream->views);
}

static int take_floats(struct rn_batch *batch, const struct rn_tensor *tensor, struct rn_floats *room, struct rn_err *err)
{
    size_t count;
    if (!rn_tensor_count(tensor, &count) || rn_grow(&room->data, &room->capacity, count ? count : 1, sizeof *room->data, err))
        return -1;
    memcpy(room->data, tensor->data, count * sizeof *room->data);
    batch->values = room->data;
    return 0;
}

int rn_net_batch_of(struct rn_batch *batch, const struct rn_record *record, const struct rn_input *input,
                const struct rn_head *stream, struct rn_floats *room, struct rn_err *err)
{
    const struct rn_tensor *images = &record->tensor;
    bool u8 = images->type == RN_U8;
    if (!record->count)
        return rn_fail(err, RN_EXIT_DATA, "batch %lld has no images", (long long)record->index);
    if (record->features)
        return rn_fail(err, RN_EXIT_DATA, "batch %lld has features instead of images: rn-train --head takes them",
                       (long long)record->index);
    *batch = (struct rn_batch){ .n = record->count, .h = images->shape[u8 ? 1 : 2], .w = images->shape[u8 ? 2 : 3],
                                .mean = input->mean, .std = input->std };
    if (u8) {
        if (rn_model_check_input(input, stream, stream->mode == RN_EVAL, err))
            return -1;
        if (stream->has_input && !stream->any_size && (batch->h != (size_t)stream->input.size || batch->w != batch->h))
            return rn_fail(err, RN_EXIT_DATA, "batch %lld has images of %zux%zu, not of the head's size %lld",
                           (long long)record->index, batch->h, batch->w, (long long)stream->input.size);
        batch->pixels = images->data;
        return 0;
    }
    return take_floats(batch, images, room, err);
}

int rn_model_check_features(const struct rn_head *stream, uint64_t print, struct rn_err *err)
{
    char shown[256];
    if (!stream->layer.data)
        return rn_fail(err, RN_EXIT_DATA, "images, where --head takes features (rn-predict --features head makes them)");
    if (!rn_text_is(stream->layer, "head"))
        return rn_fail(err, RN_EXIT_DATA, "features of %s: the last layer reads others (rn-predict --features head)",
                       rn_text_show(stream->layer, shown));
    if (stream->network != print)
        return rn_fail(err, RN_EXIT_DATA, "features of another network than the one that is trained: rn-predict --features must "
                                          "use the network of --init");
    return 0;
}

int rn_net_batch_of_features(struct rn_batch *batch, const struct rn_record *record, const struct rn_graph *graph,
                             struct rn_floats *room,
                         struct rn_err *err)
{
    char shown[256];
    const struct rn_tensor *t = &record->tensor;
    size_t channels = graph->value[rn_graph_features(graph)].c;
    if (!record->count)
        return rn_fail(err, RN_EXIT_DATA, "batch %lld has no features", (long long)record->index);
    if (!record->features || t->shape[1] != channels || t->shape[2] != 1 || t->shape[3] != 1)
        return rn_fail(err, RN_EXIT_DATA, "batch %lld is %s, not the %zu numbers a photo that the last layer reads",
                       (long long)record->index, rn_tensor_describe(t, shown), channels);
    if (!rn_tensor_finite(t))
        return rn_fail(err, RN_EXIT_DATA, "batch %lld: the features hold NaN or an infinity", (long long)record->index);
    *batch = (struct rn_batch){ .n = record->count, .h = 1, .w = 1 };
    return take_floats(batch, t, room, err);
}
