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
};

/* Opens the weights for a view (rn_view_open). class: its name, or NULL. Errors name the path; exit 2 for a class that the
 * model does not have. */
RN_MUST int rn_viewer_open(struct rn_viewer *viewer, const char *path, struct rn_device *dev, enum rn_view_kind kind,
                           const char *layer, const char *class, struct rn_err *err);
void rn_viewer_close(struct rn_viewer *viewer);

/* A segment's head: its classes must be the model's (exit 3). */
RN_MUST int rn_viewer_head(struct rn_viewer *viewer, const struct rn_head *stream, struct rn_err *err);

/* What a viewer saw of a batch. Zeroed: nothing. */
struct rn_viewed {
    struct rn_batch batch; /* borrows from the record and the model */
    struct rn_maps maps;
    size_t classes;        /* the model's */
    float *probs;          /* (n, classes), then logits */
    int64_t *labels;       /* (n): of the model's classes; RN_NIL */
    struct rn_floats floats;
    uint8_t *pixels;
    size_t pixels_capacity;
};
void rn_viewed_free(struct rn_viewed *look);
/* A batch of the segment, into a look that is zeroed or free. Record and viewer must outlive it, and may be used meanwhile. */
RN_MUST int rn_viewer_look(struct rn_viewer *viewer, const struct rn_record *record, const struct rn_head *stream,
                           struct rn_viewed *look, struct rn_err *err);

/* Image i of the batch: the likeliest class (the first of equals), and its (h,w,3) bytes, until the next call. From a batch
 * that came as normalised numbers they are got back with the model's mean and deviation. NULL: no memory. */
size_t rn_viewed_best(const struct rn_viewed *look, size_t i);
const uint8_t *rn_viewed_pixels(struct rn_viewed *look, size_t i, struct rn_err *err);

#endif
