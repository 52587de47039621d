/* numpy.h -- arrays and scalars as Python's msgpack-numpy packs them: maps with bin keys (str keys are read too),
 *   array   nd true, type "<f4", kind "", shape [..], data bin      scalar   nd false, type "<f4", data bin */
#ifndef RN_STREAM_NUMPY_H
#define RN_STREAM_NUMPY_H

#include <msgpack.h>

#include "core/tensor.h"
#include "core/text.h"
#include "stream/pack.h"

struct rn_numpy {
    bool scalar;
    struct rn_text type; /* one that numpy knows, of `size` bytes */
    size_t size;
    int dims;
    size_t shape[RN_DIMS];
    size_t count; /* elements; data holds just these */
    struct rn_text data;
};

/* False when the map is no such array or scalar, or its data do not have the length that type and shape ask for. */
bool rn_numpy_parse(struct rn_numpy *numpy, const msgpack_object *object);
/* Element i as an integer; false when the type is none, or the value is beyond int64_t. */
bool rn_numpy_int(const struct rn_numpy *numpy, size_t i, int64_t *value);
/* A scalar of any type but complex; false else. */
bool rn_numpy_real(const struct rn_numpy *numpy, double *value);
/* False when the type is not one of enum rn_type. */
bool rn_numpy_tensor(const struct rn_numpy *numpy, struct rn_tensor *tensor);

/* The tensor's map but for its data, which `data` describes and which belongs at the end of what was packed. */
void rn_numpy_pack(struct rn_pack *pack, const struct rn_tensor *tensor, struct rn_text *data);

#endif
