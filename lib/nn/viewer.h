/* viewer.h -- a weights file as something that looks at batches: maps, and the probabilities that go with them. */
#ifndef RN_NN_VIEWER_H
#define RN_NN_VIEWER_H

#include "nn/inspect.h"
#include "nn/weights.h"

/* Zeroed: none. */
struct rn_viewer {
    struct rn_model model;
    struct rn_view view;
    long class; /* whose Grad-CAM is wanted; -1: the predicted one's */
    int64_t *map; /* the stream's classes to the model's */
    /* of the batch that was looked at last: */
    struct rn_batch batch;
    struct rn_maps maps;
    float *probs; /* (n, classes) */
    size_t probs_room, classes_room, pixels_room;
    struct rn_floats floats;
    int64_t *classes;
    uint8_t *pixels;
};

/* Opens the weights for a view (rn_view_open). class: its name, or NULL. Errors name the path; exit 2 for a class that the
 * model does not have. */
RN_MUST int rn_viewer_open(struct rn_viewer *viewer, const char *path, struct rn_device *dev, enum rn_view_kind kind,
                           const char *layer, const char *class, struct rn_err *err);
void rn_viewer_close(struct rn_viewer *viewer);

/* A segment's head: its classes must be the model's (exit 3). */
RN_MUST int rn_viewer_head(struct rn_viewer *viewer, const struct rn_head *stream, struct rn_err *err);
/* A batch of it. The record must outlive what is asked of the batch. */
RN_MUST int rn_viewer_look(struct rn_viewer *viewer, const struct rn_record *record, const struct rn_head *stream, struct rn_err *err);

/* Image i of the batch: the likeliest class (the first of equals), and its (h,w,3) bytes, until the next call. From a batch
 * that came as normalised numbers they are got back with the model's mean and deviation. NULL: no memory. */
size_t rn_viewer_best(const struct rn_viewer *viewer, size_t i);
const uint8_t *rn_viewer_pixels(struct rn_viewer *viewer, size_t i, struct rn_err *err);

#endif
