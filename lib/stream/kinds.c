/* kinds.c -- names of kinds, roles and keys; the input of a network; the hash. */
#include <stdio.h>
#include <string.h>

#include <xxhash.h>

#include "stream/codec.h"

const char *const rn_head_keys[RN_KINDS][RN_HEAD_KEYS] = {
    [RN_SAMPLES] = { "rn", "version", "classes", "part_of", "history" },
    [RN_IMAGES] = { "rn", "version", "classes", "part_of", "history" },
    [RN_BATCHES] = { "rn", "version", "classes", "mode", "input", "batch", "epoch", "seed", "epochs", "batches_per_epoch",
                     "class_counts", "listing", "views", "any_size", "features", "part_of", "history" },
    [RN_PREDICTIONS] = { "rn", "version", "classes", "epoch", "seed", "part_of", "history" },
    [RN_WEIGHTS] = { "rn", "version", "classes", "arch", "attention", "input", "temperature", "epoch", "batch_index", "best_acc1",
                     "partial", "batches", "options", "RN_CPU", "choices", "state", "part_of", "history" },
};

const char *const rn_record_keys[RN_KINDS][RN_RECORD_KEYS] = {
    [RN_SAMPLES] = { "id", "label", "split", "path", "data", "from_path" },
    [RN_IMAGES] = { "id", "label", "split", "image" },
    [RN_BATCHES] = { "epoch", "index", "ids", "labels", "targets", "images", "features" },
    [RN_PREDICTIONS] = { "id", "label", "probs" },
    [RN_WEIGHTS] = { "name", "role", "value" },
};
const char *const rn_error_keys[] = { "id", "label", "split", "error", NULL };

const char *rn_kind_name(enum rn_kind kind)
{
    static const char *const names[RN_KINDS] = { [RN_SAMPLES] = "samples", [RN_IMAGES] = "images", [RN_BATCHES] = "batches",
                                                 [RN_PREDICTIONS] = "predictions", [RN_WEIGHTS] = "weights" };
    return names[kind];
}

const char *rn_role_name(enum rn_role role)
{
    static const char *const names[RN_ROLES] = { [RN_PARAMETER] = "parameter", [RN_BUFFER] = "buffer", [RN_MOMENTUM] = "momentum",
                                                 [RN_SECOND_MOMENT] = "second_moment",
                                                 [RN_GRADIENT] = "gradient", [RN_EMA] = "ema" };
    return names[role];
}

uint64_t rn_hash64(struct rn_text bytes)
{
    return XXH3_64bits(bytes.data, bytes.length);
}

const struct rn_input rn_input_default = { 224, 256, { 0.485, 0.456, 0.406 }, { 0.229, 0.224, 0.225 } };

bool rn_input_equal(const struct rn_input *a, const struct rn_input *b, bool with_resize)
{
    bool equal = a->size == b->size && (!with_resize || a->resize == b->resize);
    for (int c = 0; c < 3; c++)
        equal = equal && a->mean[c] == b->mean[c] && a->std[c] == b->std[c];
    return equal;
}

const char *rn_input_describe(const struct rn_input *input, char room[static 256])
{
    const double *m = input->mean, *s = input->std;
    snprintf(room, 256, "size %lld, resize %lld, mean %.9g %.9g %.9g, std %.9g %.9g %.9g", (long long)input->size,
             (long long)input->resize, m[0], m[1], m[2], s[0], s[1], s[2]);
    return room;
}
