/* viewer.c -- models that look. */
#include "nn/viewer.h"

#include <math.h>
#include <stdlib.h>

#include "core/mem.h"

int rn_viewer_open(struct rn_viewer *v, const char *path, struct rn_device *dev, enum rn_view_kind kind, const char *layer,
                   const char *class, struct rn_err *err)
{
    char shown[256];
    *v = (struct rn_viewer){ .class = -1 };
    if (rn_model_head(&v->model, path, err) || rn_model_load(&v->model, path, dev, false, err))
        return -1;
    if (class && (v->class = rn_texts_find(&v->model.head->classes, rn_text(class))) < 0)
        return rn_fail(err, RN_EXIT_USAGE, "%s: there is no class '%s'", path, rn_text_show(rn_text(class), shown));
    return rn_view_open(&v->view, v->model.net, kind, layer, err) ? rn_fail_at(err, "%s", path) : 0;
}

void rn_viewer_close(struct rn_viewer *v)
{
    rn_model_close(&v->model);
    free(v->map);
    *v = (struct rn_viewer){ 0 };
}

int rn_viewer_head(struct rn_viewer *v, const struct rn_head *stream, struct rn_err *err)
{
    free(v->map);
    v->map = NULL;
    if (rn_model_check_views(stream, err))
        return -1;
    return rn_labels_map(&v->model.head->classes, &stream->classes, &v->map, err);
}

void rn_viewed_free(struct rn_viewed *look)
{
    rn_maps_free(&look->maps);
    free(look->probs);
    free(look->labels);
    free(look->floats.data);
    free(look->pixels);
    *look = (struct rn_viewed){ 0 };
}

/* Whose Grad-CAM is wanted of each image, into room for their labels; NULL: the likeliest class's. */
static const int64_t *wanted(const struct rn_viewer *v, struct rn_viewed *look)
{
    for (size_t i = 0; i < look->batch.n; i++)
        look->labels[i] = v->class;
    return v->class < 0 ? NULL : look->labels;
}

int rn_viewer_look(struct rn_viewer *v, const struct rn_record *record, const struct rn_head *stream, struct rn_viewed *look,
                   struct rn_err *err)
{
    const struct rn_head *model = v->model.head;
    size_t count = look->classes = model->classes.count, n = record->count, logits;
    if (rn_net_batch_of(&look->batch, record, &model->input, stream, &look->floats, err))
        return -1;
    if (!rn_mul(2 * n, count, &logits))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    if (!(look->probs = rn_calloc(logits, sizeof *look->probs, err)) || !(look->labels = rn_calloc(n, sizeof *look->labels, err)) ||
        rn_view_maps(&v->view, v->model.net, &look->batch, wanted(v, look), look->probs + n * count, &look->maps, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        look->labels[i] = record->labels[i] == RN_NIL ? RN_NIL : v->map[record->labels[i]];
        rn_model_probs(&v->model, look->probs + i * count, look->probs + (n + i) * count);
        if (rn_probs_check(look->probs + i * count, count, record->ids[i], err))
            return -1;
    }
    return 0;
}

size_t rn_viewed_best(const struct rn_viewed *look, size_t i)
{
    size_t best = 0;
    const float *probs = look->probs + i * look->classes;
    for (size_t k = 1; k < look->classes; k++)
        best = probs[k] > probs[best] ? k : best;
    return best;
}

const uint8_t *rn_viewed_pixels(struct rn_viewed *look, size_t i, struct rn_err *err)
{
    const struct rn_batch *batch = &look->batch;
    size_t area = batch->h * batch->w;
    if (batch->pixels)
        return batch->pixels + i * area * 3;
    if (rn_grow(&look->pixels, &look->pixels_capacity, area * 3, 1, err))
        return NULL;
    for (size_t c = 0; c < 3; c++)
        for (size_t p = 0; p < area; p++) {
            double x = ((double)batch->values[(i * 3 + c) * area + p] * batch->std[c] + batch->mean[c]) * 255;
            look->pixels[p * 3 + c] = x > 0 ? (uint8_t)lrint(fmin(x, 255)) : 0;
        }
    return look->pixels;
}
