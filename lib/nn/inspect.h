/* inspect.h -- where a network looks: in evaluation mode, one number for each place of a map, for each image.
 *
 *   feature    mean over the channels of the layer's absolute activations
 *   attention  what an attention module's gate lets through, 0 to 1: a spatial gate's own value; where there is a gate for
 *              channels only, the share of the absolute activations that is left of them at that place
 *   gradcam    Grad-CAM (Selvaraju et al., "Grad-CAM", ICCV 2017): the positive part of the channels' sum, each weighted
 *              by the mean gradient of a class's logit with respect to it; of the map after the last block */
#ifndef RN_NN_INSPECT_H
#define RN_NN_INSPECT_H

#include "nn/net.h"

enum rn_view_kind { RN_VIEW_FEATURE, RN_VIEW_ATTENTION, RN_VIEW_GRADCAM };

struct rn_view {
    enum rn_view_kind kind;
    int value; /* which is read */
    int input; /* ATTENTION by channels alone: what `value` was before its gate; else RN_NONE */
    const char *layer; /* its name: the graph's, or the one that was asked for */
};

/* Prepares the net: from now on evaluation leaves in memory what the view needs. layer: a layer ("layer3.1.conv2"), or the
 * beginning of several layers' names ("layer4.1", "layer3"), which stands for the last of them; NULL: the last block, for
 * ATTENTION the last module. GRADCAM takes none. It is borrowed. Errors: exit 2: no such layer, one that has no map, a
 * network without attention there. */
RN_MUST int rn_view_open(struct rn_view *view, struct rn_net *net, enum rn_view_kind kind, const char *layer, struct rn_err *err);

/* The value that a layer makes, which evaluation leaves in memory from now on; *name: how the stream of it calls it. layer: as
 * above, or "head": what the last layer reads. Errors: exit 2, no such layer, or the last one. */
RN_MUST int rn_features_open(struct rn_net *net, const char *layer, int *value, const char **name, struct rn_err *err);
/* Evaluates, and takes that value of the batch: *features (n,c,h,w), in *shape; grown as needed. */
RN_MUST int rn_features_read(struct rn_net *net, const struct rn_batch *batch, int value, float **features, size_t *room,
                          struct rn_array *shape, struct rn_err *err);

/* Maps of a batch. Zeroed: none. Cell (i, k) of a map looks at the pixel in row first + i * pitch, column first + k * pitch
 * (0: the middle of the first pixel), and at what is around it. */
struct rn_maps {
    float *value; /* (n,h,w), owned */
    size_t n, h, w;
    double first, pitch;
    size_t capacity, scratch_capacity;
    float *scratch;
};
void rn_maps_free(struct rn_maps *maps);

/* rn_net_eval, and the maps of the batch. classes: GRADCAM's for each image, or NULL: the one with the largest logit (the
 * first of equals). An image's map does not depend on the rest of the batch. */
RN_MUST int rn_view_maps(const struct rn_view *view, struct rn_net *net, const struct rn_batch *batch, const int64_t *classes,
                         float *logits, struct rn_maps *maps, struct rn_err *err);

#endif
