/* record_copy.c -- a record that outlives its reader's next one. */
#include <string.h>

#include "stream/stream.h"

/* Moves what text points to behind the bytes. There is room. */
static void keep(struct rn_buffer *bytes, struct rn_text *text)
{
    if (!text->data)
        return;
    char *at = bytes->data + bytes->length;
    if (text->length)
        memcpy(at, text->data, text->length);
    bytes->length += text->length;
    text->data = at;
}

static size_t tensor_bytes(const struct rn_tensor *tensor)
{
    size_t count;
    return tensor->data && rn_tensor_count(tensor, &count) ? count * rn_type_size(tensor->type) : 0;
}

/* Of batches: the ids' texts, and the arrays, which come first, for these must be aligned. */
static size_t keep_arrays(struct rn_record *to, const struct rn_record *from, char *at)
{
    size_t texts = from->count * sizeof *from->ids, labels = from->count * sizeof *from->labels;
    if (!from->count)
        return 0;
    if (at) {
        to->ids = memcpy(at, from->ids, texts);
        to->labels = memcpy(at + texts, from->labels, labels);
    }
    return texts + labels;
}

int rn_record_copy(struct rn_record *to, const struct rn_record *from, struct rn_buffer *bytes, struct rn_err *err)
{
    *to = *from;
    struct rn_text numbers = { from->tensor.data, tensor_bytes(&from->tensor) },
                   targets = { from->targets.data, tensor_bytes(&from->targets) };
    struct rn_text *texts[] = { &to->id, &to->split, &to->error, &to->path, &to->data, &to->from_path, &to->name, &to->extra,
                                &targets, &numbers };
    size_t length = 1 + keep_arrays(to, from, NULL);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        length += texts[i]->length;
    for (size_t i = 0; i < from->count; i++)
        length += from->ids[i].length;
    if (rn_grow(&bytes->data, &bytes->capacity, length, 1, err))
        return -1;
    bytes->length = keep_arrays(to, from, bytes->data);
    struct rn_text *ids = (struct rn_text *)(void *)bytes->data;
    for (size_t i = 0; i < from->count; i++)
        keep(bytes, &ids[i]);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep(bytes, texts[i]);
    to->tensor.data = numbers.data;
    to->targets.data = targets.data;
    return 0;
}
