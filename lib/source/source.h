/* source.h -- where a record's pixels come from: this room joins stream and image for the tools that read photos. */
#ifndef RN_SOURCE_SOURCE_H
#define RN_SOURCE_SOURCE_H

#include "image/image.h"
#include "stream/stream.h"

/* Decodes the file, or the embedded bytes, of a record of samples. Errors: as rn_image_load, naming path, from_path or id. */
RN_MUST int rn_source_decode(struct rn_image *image, const struct rn_record *record, const struct rn_decode *how,
                             struct rn_err *err);

#endif
