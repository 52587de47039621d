/* exchange.h -- networks of other programs: read from PyTorch's files and safetensors, written as safetensors, npz and ONNX.
 *
 * What is read is data only: pickles are taken apart by a machine that knows a few opcodes and calls nothing, and no size,
 * offset or stride is used before it has been checked against the bytes that are there. Whatever is refused is exit 3. */
#ifndef RN_EXCHANGE_EXCHANGE_H
#define RN_EXCHANGE_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/file.h"
#include "core/tensor.h"
#include "core/text.h"
#include "graph/graph.h"
#include "stream/stream.h"

/* ---- reading ---- */

/* What an element is in a foreign file; little-endian. */
enum rn_element {
    RN_E_BOOL, RN_E_U8, RN_E_I8, RN_E_I16, RN_E_U16, RN_E_I32, RN_E_U32, RN_E_I64, RN_E_U64, RN_E_F16, RN_E_BF16, RN_E_F32,
        RN_E_F64,
    RN_E_F8_E4M3, RN_E_F8_E5M2,
    RN_E_OTHER1, RN_E_OTHER2, RN_E_OTHER4, RN_E_OTHER8, RN_E_OTHER16, /* of so many bytes, which are not looked into */
    RN_ELEMENTS
};

/* A view of a storage: element (i,j,...) is storage[offset + i stride[0] + j stride[1] + ...]. */
struct rn_strided {
    enum rn_element element;
    int dims;
    size_t shape[RN_DIMS], stride[RN_DIMS], offset; /* strides and offset in elements */
    bool negative;       /* each real number counts as its negative */
    const char *storage; /* borrowed from the file's bytes, not aligned */
    size_t elements;     /* how many the storage has */
};

/* The tensors of a file. Zeroed: none. */
struct rn_foreign {
    struct rn_texts name;     /* one a view, without what wrappers put before it ("module.", "_orig_mod.", "model." ...) */
    struct rn_strided *view;
    size_t count, capacity;
    size_t bytes;             /* of all tensors as they are read */
    struct rn_texts left_out; /* entries of the state dict that are not tensors */
    struct rn_texts others;   /* other dictionaries of tensors that the file has */
    struct rn_head about;     /* what the file says of the network: classes, arch, attention, input; each may be missing */
};

/* The bytes of a whole file, whose format is recognised by what is in it; they are borrowed and must outlive the result.
 * key: which dictionary of a checkpoint, "model_ema" or "teacher.model"; NULL: the only one that it can be.
 * Frees what it took when it fails. */
RN_MUST int rn_foreign_open(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err);
void rn_foreign_free(struct rn_foreign *foreign);
/* Index of the tensor of that name, or -1. */
long rn_foreign_find(const struct rn_foreign *foreign, const char *name);
/* Tensor i, row-major: real numbers as float32, integers as int64 (unsigned bytes and truth values as they are). It borrows
 * from room. Exit 3: a whole number above INT64_MAX. */
RN_MUST int rn_foreign_read(const struct rn_foreign *foreign, size_t i, struct rn_tensor *tensor, struct rn_buffer *room,
                            struct rn_err *err);

/* Which tensor is which parameter. Zeroed: freeable. */
struct rn_fit {
    size_t *param;            /* of each parameter of the graph: a tensor */
    long *counter;            /* of each parameter that is a running variance: its num_batches_tracked, or -1 */
    struct rn_texts left_out; /* tensors that are not the network's and are known to do nothing in it: counters, losses */
    struct rn_texts others;   /* other tensors that are not the network's: it is another network's file */
};
/* The number of classes that the architecture's last layer, or its alias, has. */
RN_MUST int rn_foreign_classes(const struct rn_foreign *foreign, const struct rn_arch *arch, size_t *classes, struct rn_err *err);
/* Exit 3 when a parameter is missing or has another shape. The last layer's alias serves as well. */
RN_MUST int rn_foreign_fit(const struct rn_foreign *foreign, const struct rn_graph *graph, struct rn_fit *fit, struct rn_err *err);
void rn_fit_free(struct rn_fit *fit);

/* ---- writing ---- */

/* Parameters and buffers of one weights segment in memory, in the order of the stream; momentum is left out. */
struct rn_named {
    char *name; /* name and values are owned */
    enum rn_role role; /* parameter or buffer */
    struct rn_tensor tensor;
};
struct rn_tensors {
    struct rn_named *item;
    size_t count, capacity;
};
/* The records of the segment whose head was read last. Exit 3 for a repeated name. */
RN_MUST int rn_tensors_load(struct rn_tensors *tensors, struct rn_reader *reader, struct rn_err *err);
/* Gives each batch norm the num_batches_tracked (0) that PyTorch's have, where it is not there. */
RN_MUST int rn_tensors_add_counters(struct rn_tensors *tensors, struct rn_err *err);
/* To half precision (RN_F16) or single (RN_F32) what is in the other. To half: parameters of two dimensions or more, which are all
 * but the last per mille of a network; what norms and biases have stays. Exit 3, with the name, for a number that half precision
 * has not. */
RN_MUST int rn_tensors_convert(struct rn_tensors *tensors, enum rn_type to, struct rn_err *err);
/* NULL: none. */
const struct rn_named *rn_tensors_find(const struct rn_tensors *tensors, const char *name);
void rn_tensors_free(struct rn_tensors *tensors);

/* Exit 3, with the first one's name, when a tensor holds NaN or an infinity: a network that nobody can use. */
RN_MUST int rn_tensors_finite(const struct rn_tensors *tensors, struct rn_err *err);

/* What the head says of the network is in the metadata. */
RN_MUST int rn_safetensors_write(const struct rn_head *head, const struct rn_tensors *tensors, struct rn_out *out,
                                 struct rn_err *err);
RN_MUST int rn_npz_write(const struct rn_tensors *tensors, struct rn_out *out, struct rn_err *err);
/* ONNX: images f32 (N,3,H,W), normalised as head's input says -> probabilities f32 (N,classes); N, H and W are free. Classes,
 * mean, std, size and resize are in the model's metadata. opset: 13 to 21. Exit 3 when the head names no network or a tensor is
 * missing, of another shape or not finite. */
RN_MUST int rn_onnx_write(const struct rn_head *head, const struct rn_tensors *tensors, int opset, struct rn_out *out,
                          struct rn_err *err);

#endif
