/* protobuf.c -- fields of protocol buffers (protobuf.dev, "Encoding"): a key, then a number or so many bytes. */
#include "exchange/private.h"

enum { VARINT = 0, BYTES = 2, FIXED32 = 5 };

static void raw(struct rn_proto *p, const void *bytes, size_t length)
{
    if (p->rc == 0)
        p->rc = rn_buffer_add(&p->buffer, bytes, length, p->err);
}

/* Seven bits a byte, the lowest first; the high bit says that more follow. */
static void varint(struct rn_proto *p, uint64_t value)
{
    unsigned char bytes[10];
    size_t n = 0;
    for (; value > 127; value >>= 7)
        bytes[n++] = (unsigned char)(value | 128);
    bytes[n++] = (unsigned char)value;
    raw(p, bytes, n);
}

void rn_proto_int(struct rn_proto *p, unsigned field, uint64_t value)
{
    varint(p, field << 3 | VARINT);
    varint(p, value);
}

void rn_proto_float(struct rn_proto *p, unsigned field, float value)
{
    uint32_t bits;
    char bytes[4];
    memcpy(&bits, &value, sizeof bits);
    rn_put_le(bytes, bits, sizeof bytes);
    varint(p, field << 3 | FIXED32);
    raw(p, bytes, sizeof bytes);
}

void rn_proto_header(struct rn_proto *p, unsigned field, size_t length)
{
    varint(p, field << 3 | BYTES);
    varint(p, length);
}

void rn_proto_bytes(struct rn_proto *p, unsigned field, const void *bytes, size_t length)
{
    rn_proto_header(p, field, length);
    raw(p, bytes, length);
}

void rn_proto_text(struct rn_proto *p, unsigned field, const char *text)
{
    rn_proto_bytes(p, field, text, strlen(text));
}

void rn_proto_message(struct rn_proto *p, unsigned field, struct rn_proto *message)
{
    if (message->rc)
        p->rc = -1;
    rn_proto_bytes(p, field, message->buffer.data, message->buffer.length);
    message->buffer.length = 0;
}

void rn_proto_free(struct rn_proto *p)
{
    rn_buffer_free(&p->buffer);
    *p = (struct rn_proto){ 0 };
}
