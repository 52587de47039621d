/* weights.h -- networks as weights streams: saved, loaded, and taken from in part. */
#ifndef RN_NN_WEIGHTS_H
#define RN_NN_WEIGHTS_H

#include <stdbool.h>

#include "nn/net.h"
#include "stream/stream.h"

/* A weights file as a network. Zeroed: none. */
struct rn_model {
    struct rn_reader *reader;
    const struct rn_head *head; /* classes, input, place: lives as long as the model */
    struct rn_net *net;
    struct rn_buffer file; /* what its name means: rn_shipped_model */
    size_t h, w; /* of the images that rn_model_eval_begin saw last; 0: none */
    bool varied; /* it saw images of several sizes */
};

/* Opens the file, or the network of that name that comes with the program, and reads its head; net stays NULL. */
RN_MUST int rn_model_head(struct rn_model *model, const char *path, struct rn_err *err);
/* After rn_model_head: opens the network on dev and loads every tensor (train: momentum and other roles too, where the file has
 * them; else of a file with averages, role RN_EMA, those). A tensor that is missing, of another shape or of no such network: exit 3
 * (an import's num_batches_tracked is passed over); for evaluation also one with NaN or an infinity. */
RN_MUST int rn_model_load(struct rn_model *model, const char *path, struct rn_device *dev, bool train, struct rn_err *err);
void rn_model_close(struct rn_model *model);
/* After rn_model_load for evaluation: rn_net_eval_begin (rn_net_end is the other half) in little memory. Where the file can be
 * read again, weights are given up (see rn_net_spare), and loaded anew for larger batches, or once when images of another size
 * come. */
RN_MUST int rn_model_eval_begin(struct rn_model *model, const char *path, struct rn_device *dev, const struct rn_batch *batch,
                                float *logits, struct rn_err *err);

/* The softmax of a photo's logits (classes), which are divided by the model's temperature where it has one. The two may be the
 * same block. */
void rn_model_probs(const struct rn_model *model, float *probs, const float *logits);
/* Exit 3, naming the photo, unless all its probabilities are finite. */
RN_MUST int rn_probs_check(const float *probs, size_t classes, struct rn_text id, struct rn_err *err);

/* What rn_weights_take did. */
struct rn_taken {
    size_t taken;
    struct rn_texts skipped; /* in the file, not in the network or of another shape */
    struct rn_texts fresh;   /* in the network, not in the file: left as they were */
};

/* After rn_model_head: into net goes (of averages and what they are of: the averages) whatever of the file fits
 * by name and shape (the last layer's also by its alias: "fc" is "final_fc").
 * classes: the network's; when the file has classes and they are others, or in another order, its last layer does not
 * fit. Exit 3: nothing fits, or what fits holds NaN or an infinity. */
RN_MUST int rn_weights_take(struct rn_model *model, const char *path, struct rn_net *net, const struct rn_texts *classes,
                            struct rn_taken *taken, struct rn_err *err);
void rn_taken_free(struct rn_taken *taken);

/* Writes one segment: head (kind RN_WEIGHTS), every tensor, and in a checkpoint all other roles that there are; path as in
 * rn_writer_open: the file appears whole or not at all. */
RN_MUST int rn_weights_save(struct rn_net *net, const struct rn_head *head, bool checkpoint, const char *path, struct rn_err *err);

/* map[i]: index in `to` of class i of `from`, by name. A name that `to` does not have: exit 3. */
RN_MUST int rn_labels_map(const struct rn_texts *to, const struct rn_texts *from, int64_t **map, struct rn_err *err);

/* The batch that a record holds, for a model that takes `input`. stream: the record's head. *room is an aligned copy of
 * float images, grown as needed. Errors: exit 3: another input than the model's, another size than the head says. */
struct rn_floats {
    float *data;
    size_t capacity;
};
RN_MUST int rn_net_batch_of(struct rn_batch *batch, const struct rn_record *record, const struct rn_input *input,
                            const struct rn_head *stream, struct rn_floats *room, struct rn_err *err);

/* The same of features, what the last layer of the graph reads. Exit 3: they are images, or of another number. */
RN_MUST int rn_net_batch_of_features(struct rn_batch *batch, const struct rn_record *record, const struct rn_graph *graph,
                                 struct rn_floats *room, struct rn_err *err);
/* Whether a stream has what the network's last layer reads; print: rn_net_print's. Exit 3. */
RN_MUST int rn_model_check_features(const struct rn_head *stream, uint64_t print, struct rn_err *err);

/* Throws where the stream has several views of a photo: exit 3. */
RN_MUST int rn_model_check_views(const struct rn_head *stream, struct rn_err *err);

/* Throws unless the stream's input is the model's: exit 3, naming both. with_resize: evaluation. */
RN_MUST int rn_model_check_input(const struct rn_input *model, const struct rn_head *stream, bool with_resize, struct rn_err *err);

#endif
