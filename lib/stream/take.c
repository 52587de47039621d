/* take.c -- heads of packed values: a byte that says what, and a big-endian count or number behind it. */
#include "stream/take.h"

#include <stdint.h>
#include <string.h>

#include "stream/skim.h"

struct rn_text rn_take(struct rn_text *packed)
{
    struct rn_err unused;
    struct rn_skim skim = rn_skim_start(packed->length);
    struct rn_text object = *packed;
    object.length = rn_skim(&skim, packed->data, packed->length, &unused) == 1 ? skim.length : packed->length;
    packed->data += object.length;
    packed->length -= object.length;
    return object;
}

static unsigned first_of(struct rn_text packed)
{
    return packed.length ? (unsigned char)*packed.data : 0xc1; /* c1 is no value */
}

/* Of the `bytes` behind the first. */
static uint64_t number(struct rn_text packed, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 1; i <= bytes && i < packed.length; i++)
        v = v << 8 | (unsigned char)packed.data[i];
    return v;
}

/* few: the first of the 16 short forms; wide: the form with two bytes of count, and behind it that with four. */
static bool take_head(struct rn_text *packed, unsigned few, unsigned wide, size_t *count)
{
    unsigned first = first_of(*packed);
    size_t head = first >> 4 == few >> 4 ? 1 : first == wide ? 3 : first == wide + 1 ? 5 : 0;
    if (!head || head > packed->length)
        return false;
    *count = head == 1 ? first & 15 : (size_t)number(*packed, head - 1);
    packed->data += head;
    packed->length -= head;
    return true;
}

bool rn_take_array(struct rn_text *packed, size_t *count)
{
    return take_head(packed, 0x90, 0xdc, count);
}

bool rn_take_map(struct rn_text *packed, size_t *pairs)
{
    return take_head(packed, 0x80, 0xde, pairs);
}

bool rn_take_text(struct rn_text *packed, struct rn_text *text)
{
    unsigned first = first_of(*packed);
    size_t head = first >> 5 == 0xa0 >> 5              ? 1
                  : first == 0xd9 || first == 0xc4 ? 2
                  : first == 0xda || first == 0xc5 ? 3
                  : first == 0xdb || first == 0xc6 ? 5
                                                   : 0;
    if (!head || head > packed->length)
        return false;
    *text = rn_take(packed);
    text->data += head;
    text->length -= head;
    return true;
}

/* A double or a float of these bits. */
static double real_of(uint64_t bits, bool wide)
{
    double value;
    float narrow;
    uint32_t half = (uint32_t)bits;
    memcpy(&value, &bits, sizeof value);
    memcpy(&narrow, &half, sizeof narrow);
    return wide ? value : (double)narrow;
}

bool rn_take_real(struct rn_text *packed, double *value)
{
    unsigned first = first_of(*packed);
    bool is_real = first == 0xca || first == 0xcb, is_unsigned = first >= 0xcc && first <= 0xcf;
    bool is_signed = first >= 0xd0 && first <= 0xd3;
    if (first < 0x80 || first >= 0xe0) {
        *value = first < 0x80 ? (double)first : (double)first - 256;
    } else if (is_real || is_unsigned || is_signed) {
        size_t bytes = is_real ? (first == 0xca ? 4 : 8) : (size_t)1 << (first & 3);
        uint64_t bits = number(*packed, bytes);
        int shift = 64 - 8 * (int)bytes;
        *value = is_real ? real_of(bits, bytes == 8) : is_unsigned ? (double)bits : (double)((int64_t)(bits << shift) >> shift);
    } else {
        return false;
    }
    rn_take(packed);
    return true;
}

bool rn_take_key(struct rn_text map, const char *key, struct rn_text *value)
{
    size_t pairs;
    struct rn_text name;
    if (!rn_take_map(&map, &pairs))
        return false;
    for (size_t i = 0; i < pairs; i++) {
        bool found = rn_take_text(&map, &name) && rn_text_equal(name, rn_text(key));
        *value = rn_take(&map);
        if (found)
            return true;
    }
    return false;
}
