/* npy.c -- tensors as numpy's own files. */
#include <stdio.h>
#include <string.h>

#include "show/show.h"

const char *rn_show_tensor_key(enum rn_kind kind)
{
    static const char *const keys[RN_KINDS] = { [RN_IMAGES] = "image", [RN_BATCHES] = "images", [RN_PREDICTIONS] = "probs",
                                                [RN_WEIGHTS] = "value" };
    return keys[kind];
}

int rn_show_npy(struct rn_out *out, const struct rn_tensor *tensor, struct rn_err *err)
{
    char shape[256], header[512];
    size_t count;
    if (!rn_tensor_count(tensor, &count))
        return rn_fail(err, RN_EXIT_DATA, "a tensor whose shape overflows");
    /* magic, version 1.0, length of what follows; that ends in a newline at a multiple of 64 */
    int n = snprintf(header, sizeof header, "{'descr': '%s', 'fortran_order': False, 'shape': (%s%s), }",
                     rn_type_name(tensor->type), rn_show_shape(tensor, shape), tensor->dims == 1 ? "," : "");
    size_t padded = (10 + (size_t)n + 1 + 63) / 64 * 64 - 10;
    unsigned char start[10] = { 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0, padded & 255, (unsigned char)(padded >> 8) };
    memset(header + n, ' ', padded - (size_t)n);
    header[padded - 1] = '\n';
    return rn_out_write(out, start, sizeof start, err) || rn_out_write(out, header, padded, err) ||
           rn_out_write(out, tensor->data, count * rn_type_size(tensor->type), err) ? -1 : 0;
}
