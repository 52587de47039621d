/* resample.h -- the two passes of a resize, in two versions that agree to the last bit. Private to this room. */
#ifndef RN_IMAGE_RESAMPLE_H
#define RN_IMAGE_RESAMPLE_H

#include "image/image.h"

enum { RN_RESAMPLE_FRACTION = 22, RN_RESAMPLE_HALF = 1 << (RN_RESAMPLE_FRACTION - 1) };

/* For each result: the first source that counts, how many, and their weights. */
struct rn_weights {
    size_t results, most;  /* most: room for one result's weights */
    size_t start, length;  /* the sources that any of them needs */
    size_t *first, *count; /* first: from `start` on */
    int32_t *weight;       /* (results, most); none is negative */
};

/* Pixels of 3 bytes in rows of `stride` bytes. */
struct rn_region {
    const uint8_t *pixels;
    size_t stride, height, width;
};

struct rn_passes {
    /* y (x.height, w->results, 3) */
    RN_MUST int (*across)(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err);
    /* y (w->results, x.width, 3) */
    RN_MUST int (*down)(uint8_t *y, struct rn_region x, const struct rn_weights *w, struct rn_err *err);
};
extern const struct rn_passes rn_passes_plain;
#ifdef __x86_64__
extern const struct rn_passes rn_passes_avx2; /* views of 32 bytes or more in a row; where the processor can */
#endif

/* rn_image_resample, and turned left to right if `mirror`, by these passes; NULL: by those that suit. */
RN_MUST int rn_image_resample_by(const struct rn_passes *passes, uint8_t *y, const struct rn_image *x, struct rn_box crop,
                                 size_t height, size_t width, struct rn_box window, bool mirror, struct rn_err *err);

#endif
