/* private.h -- what the files of lib/exchange share. */
#ifndef RN_EXCHANGE_PRIVATE_H
#define RN_EXCHANGE_PRIVATE_H

#include <string.h>

#include "core/mem.h"
#include "exchange/exchange.h"

/* Little-endian numbers, not aligned. */
static inline uint16_t rn_le16(const char *at)
{
    const unsigned char *b = (const unsigned char *)at;
    return (uint16_t)(b[0] | b[1] << 8);
}
static inline uint32_t rn_le32(const char *at)
{
    return rn_le16(at) | (uint32_t)rn_le16(at + 2) << 16;
}
static inline uint64_t rn_le64(const char *at)
{
    return rn_le32(at) | (uint64_t)rn_le32(at + 4) << 32;
}
static inline void rn_put_le(char *at, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (char)(value >> 8 * i);
}

/* ---- views.c ---- */

size_t rn_element_size(enum rn_element element);
bool rn_element_known(enum rn_element element); /* whether it can be read */
/* Adds the tensor after checking that every element of the view lies in its storage. */
RN_MUST int rn_foreign_add(struct rn_foreign *foreign, struct rn_text name, const struct rn_strided *view, struct rn_err *err);

/* ---- the readers of the formats: bytes is the whole file ---- */

RN_MUST int rn_torch_zip_read(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err);
RN_MUST int rn_torch_legacy_read(struct rn_foreign *foreign, struct rn_text bytes, const char *key, struct rn_err *err);
RN_MUST int rn_safetensors_read(struct rn_foreign *foreign, struct rn_text bytes, struct rn_err *err);

/* ---- zip.c: archives of stored entries ---- */

struct rn_zip_entry {
    struct rn_text name;
    size_t start, data, size; /* where its local header and its bytes are, and how many bytes it has */
    uint32_t crc;
    bool compressed;
};
struct rn_zip {
    struct rn_text bytes;
    struct rn_zip_entry *entry; /* by name */
    size_t count;
};
/* Exit 3: damaged, encrypted, overlapping or repeated entries. */
RN_MUST int rn_zip_open(struct rn_zip *zip, struct rn_text bytes, struct rn_err *err);
/* NULL: none. */
const struct rn_zip_entry *rn_zip_find(const struct rn_zip *zip, struct rn_text name);
/* The entry's bytes, borrowed, after its checksum has been checked. Exit 3: compressed ones. */
RN_MUST int rn_zip_get(const struct rn_zip *zip, const struct rn_zip_entry *entry, struct rn_text *bytes, struct rn_err *err);
void rn_zip_free(struct rn_zip *zip);

/* ---- pickle.c: a machine that makes data of a pickle and nothing else ---- */

enum rn_pickle_kind {
    RN_P_NONE, RN_P_BOOL, RN_P_INT, RN_P_REAL, RN_P_TEXT,
    RN_P_LONG,       /* text: an integer of more than 64 bits, as its bytes */
    RN_P_TUPLE, RN_P_LIST,
    RN_P_DICT,       /* items: key, value, key, value ... in the order in which they were set */
    RN_P_GLOBAL,     /* name, and row of the table of allowed ones */
    RN_P_PERSISTENT, /* argument: what stands for an object outside the pickle */
    RN_P_CALL,       /* of callee, which makes a tensor, with argument; not done */
    RN_P_OPAQUE,     /* bytes, sets, objects of known classes: passed over */
};
struct rn_pickle_value {
    enum rn_pickle_kind kind;
    union {
        int64_t integer; /* BOOL too */
        double real;
        struct rn_text text; /* borrowed */
        struct { uint32_t first, last, count; } items; /* cells */
        struct { struct rn_text name; uint32_t row; };
        struct { uint32_t callee, argument; };         /* values */
    };
};
struct rn_pickle_cell {
    uint32_t value, next;
};
struct rn_pickle {
    struct rn_pickle_value *value;
    struct rn_pickle_cell *cell;
    size_t values, cells, value_capacity, cell_capacity;
    uint32_t root;
};

/* What a global is, or what a call of it makes. */
enum rn_pickle_what {
    RN_G_ORDERED_DICT,
    RN_G_DICT,       /* a dictionary with more to it: only the items matter */
    RN_G_TENSOR,     /* of (storage, offset, size, stride, ...) */
    RN_G_TENSOR_V3,  /* of (untyped storage, offset, size, stride, requires_grad, hooks, dtype[, metadata]) */
    RN_G_PARAMETER,  /* of (tensor, ...) */
    RN_G_FROM_TYPE,  /* of (one of these functions, type, its arguments, attributes) */
    RN_G_ODD_TENSOR, /* sparse, quantised, without data ...: nothing that a network of ours could take */
    RN_G_STORAGE, RN_G_DTYPE,
    RN_G_OPAQUE,
};
struct rn_pickle_global {
    const char *modules, *names; /* words: each name in each module */
    enum rn_pickle_what what;
    enum rn_element element; /* STORAGE, DTYPE */
};
extern const struct rn_pickle_global rn_pickle_globals[]; /* modules NULL at the end */
const struct rn_pickle_global *rn_pickle_global_find(struct rn_text module, struct rn_text name); /* NULL: not allowed */
/* Whether it is known to run programs or to read files: for the message. */
bool rn_pickle_global_runs(struct rn_text module, struct rn_text name);

/* The pickle that begins at bytes[*at]; *at becomes the end of it. Messages count bytes from bytes[0]. Zero the pickle
 * before; free it in any case. */
RN_MUST int rn_pickle_load(struct rn_pickle *pickle, struct rn_text bytes, size_t *at, struct rn_err *err);
void rn_pickle_free(struct rn_pickle *pickle);
const struct rn_pickle_value *rn_pickle_root(const struct rn_pickle *pickle);
/* The global that the value is, or NULL. */
const struct rn_pickle_global *rn_pickle_global(const struct rn_pickle_value *value);
/* The items of a tuple or list of at most `most`: how many, or -1. */
int rn_pickle_items(const struct rn_pickle *pickle, const struct rn_pickle_value *value, int most,
                    const struct rn_pickle_value **item);
/* What a dictionary has last set for the key, or NULL. */
const struct rn_pickle_value *rn_pickle_get(const struct rn_pickle *pickle, const struct rn_pickle_value *dict, const char *key);

/* ---- choose.c: which dictionary of a checkpoint holds the network ---- */

/* A call that makes a tensor, without what is around it: the function and its arguments. */
struct rn_torch_call {
    const struct rn_pickle_value *function; /* a global: TENSOR, TENSOR_V3 or ODD_TENSOR */
    const struct rn_pickle_value *argument[8];
    int count;
};
/* False: not a call, or one that is not as PyTorch's are. */
bool rn_torch_call(const struct rn_pickle *pickle, const struct rn_pickle_value *value, struct rn_torch_call *call);
/* The dictionary with the tensors: the one called key (NULL: that is plain). Names of other dictionaries that might have been meant
 * go into `others`. Exit 3: there is none, or there are several. */
RN_MUST int rn_choose_dict(const struct rn_pickle *pickle, const char *key, const struct rn_pickle_value **dict,
                           struct rn_texts *others, struct rn_err *err);

/* ---- about.c: what a model's file says of it beside the tensors ---- */

typedef int rn_about_put(void *context, const char *key, struct rn_text value); /* 0, or -1 to end it */
/* Nothing, when the head names no network. */
RN_MUST int rn_about_write(const struct rn_head *head, rn_about_put *put, void *context, struct rn_err *err);
/* Fills arch, attention, classes and input as far as `get` (NULL: no such key) has them in our form. */
RN_MUST int rn_about_read(struct rn_head *about, const char *(*get)(void *context, const char *key), void *context,
                          struct rn_err *err);

/* ---- names.c ---- */

/* Takes from the names what wrappers have put before them. */
RN_MUST int rn_foreign_shorten(struct rn_foreign *foreign, struct rn_err *err);

/* ---- protobuf.c: the wire format, as far as ONNX needs it; errors as in stream/pack.h: the first one stays ---- */

struct rn_proto {
    struct rn_buffer buffer;
    struct rn_err *err;
    int rc;
};
void rn_proto_int(struct rn_proto *proto, unsigned field, uint64_t value);
void rn_proto_float(struct rn_proto *proto, unsigned field, float value);
void rn_proto_bytes(struct rn_proto *proto, unsigned field, const void *bytes, size_t length);
/* What comes before so many bytes that the caller puts there. */
void rn_proto_header(struct rn_proto *proto, unsigned field, size_t length);
void rn_proto_text(struct rn_proto *proto, unsigned field, const char *text);
/* The message as a field; it is emptied and can be used again. */
void rn_proto_message(struct rn_proto *proto, unsigned field, struct rn_proto *message);
void rn_proto_free(struct rn_proto *proto);

#endif
