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

int rn_record_copy(struct rn_record *to, const struct rn_record *from, struct rn_buffer *bytes, struct rn_err *err)
{
    *to = *from;
    struct rn_text numbers = { from->tensor.data, tensor_bytes(&from->tensor) };
    struct rn_text *texts[] = { &to->id, &to->split, &to->error, &to->path, &to->data, &to->from_path, &to->extra, &numbers };
    size_t length = 1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        length += texts[i]->length;
    if (rn_grow(&bytes->data, &bytes->capacity, length, 1, err))
        return -1;
    bytes->length = 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep(bytes, texts[i]);
    to->tensor.data = numbers.data;
    return 0;
}
