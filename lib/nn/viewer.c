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
    rn_maps_free(&v->maps);
    free(v->map);
    free(v->probs);
    free(v->floats.data);
    free(v->classes);
    free(v->pixels);
    *v = (struct rn_viewer){ 0 };
}

int rn_viewer_head(struct rn_viewer *v, const struct rn_head *stream, struct rn_err *err)
{
    free(v->map);
    v->map = NULL;
    if (rn_views_check(stream, err))
        return -1;
    return rn_classes_map(&v->model.head->classes, &stream->classes, &v->map, err);
}

int rn_viewer_look(struct rn_viewer *v, const struct rn_record *record, const struct rn_head *stream, struct rn_err *err)
{
    const struct rn_head *model = v->model.head;
    size_t count = model->classes.count, n = record->count, logits;
    if (rn_batch_of(&v->batch, record, &model->input, stream, &v->floats, err))
        return -1;
    if (!rn_mul(2 * n, count, &logits))
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    if (rn_grow(&v->probs, &v->probs_room, logits, sizeof *v->probs, err) ||
        rn_grow(&v->classes, &v->classes_room, n, sizeof *v->classes, err))
        return -1;
    for (size_t i = 0; i < n; i++)
        v->classes[i] = v->class;
    if (rn_view_maps(&v->view, v->model.net, &v->batch, v->class < 0 ? NULL : v->classes, v->probs + n * count, &v->maps, err))
        return -1;
    for (size_t i = 0; i < n; i++) {
        rn_softmax(v->probs + i * count, v->probs + (n + i) * count, count);
        if (rn_probs_check(v->probs + i * count, count, record->ids[i], err))
            return -1;
    }
    return 0;
}

size_t rn_viewer_best(const struct rn_viewer *v, size_t i)
{
    size_t count = v->model.head->classes.count, best = 0;
    const float *probs = v->probs + i * count;
    for (size_t k = 1; k < count; k++)
        best = probs[k] > probs[best] ? k : best;
    return best;
}

const uint8_t *rn_viewer_pixels(struct rn_viewer *v, size_t i, struct rn_err *err)
{
    const struct rn_batch *batch = &v->batch;
    size_t area = batch->h * batch->w;
    if (batch->pixels)
        return batch->pixels + i * area * 3;
    if (rn_grow(&v->pixels, &v->pixels_room, area * 3, 1, err))
        return NULL;
    for (size_t c = 0; c < 3; c++)
        for (size_t p = 0; p < area; p++) {
            double x = ((double)batch->values[(i * 3 + c) * area + p] * batch->std[c] + batch->mean[c]) * 255;
            v->pixels[p * 3 + c] = x > 0 ? (uint8_t)lrint(fmin(x, 255)) : 0;
        }
    return v->pixels;
}
