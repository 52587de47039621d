/* skim.c -- a state machine over the first bytes of msgpack objects. */
#include "stream/skim.h"

enum form { VALUE, BLOCK, ARRAY, MAP, REFUSED };

/* The bytes c0 to df: how many bytes follow the first, and what they mean. */
static const struct { unsigned char follow, form; } forms[32] = {
    { 0, VALUE }, { 0, REFUSED }, { 0, VALUE }, { 0, VALUE },     /* nil, c1, false, true */
    { 1, BLOCK }, { 2, BLOCK }, { 4, BLOCK },                     /* bin */
    { 0, REFUSED }, { 0, REFUSED }, { 0, REFUSED },               /* ext */
    { 4, VALUE }, { 8, VALUE },                                   /* float */
    { 1, VALUE }, { 2, VALUE }, { 4, VALUE }, { 8, VALUE },       /* uint */
    { 1, VALUE }, { 2, VALUE }, { 4, VALUE }, { 8, VALUE },       /* int */
    { 0, REFUSED }, { 0, REFUSED }, { 0, REFUSED }, { 0, REFUSED }, { 0, REFUSED }, /* fixext */
    { 1, BLOCK }, { 2, BLOCK }, { 4, BLOCK },                     /* str */
    { 2, ARRAY }, { 4, ARRAY }, { 2, MAP }, { 4, MAP },
};

struct rn_skim rn_skim_start(size_t limit)
{
    return (struct rn_skim){ .limit = limit < SIZE_MAX / 4 ? limit : SIZE_MAX / 4, .pending = 1 };
}

/* Every object that is still to come has one byte at least. */
static int check_claims(const struct rn_skim *skim, struct rn_err *err)
{
    if (skim->length + skim->payload + skim->pending > skim->limit)
        return rn_fail(err, RN_EXIT_DATA, "larger than the limit of %zu bytes (RN_RECORD_MAX)", skim->limit);
    if (skim->objects + skim->pending > RN_SKIM_OBJECTS)
        return rn_fail(err, RN_EXIT_DATA, "more than %d objects", RN_SKIM_OBJECTS);
    return 0;
}

static int open_container(struct rn_skim *skim, size_t count, struct rn_err *err)
{
    if (skim->depth == RN_SKIM_DEPTH)
        return rn_fail(err, RN_EXIT_DATA, "nested deeper than %d", RN_SKIM_DEPTH);
    skim->left[skim->depth++] = count;
    skim->pending += count;
    return 0;
}

/* One object's first bytes. 1, 0 (they are not all there yet) or -1. */
static int take_header(struct rn_skim *skim, const unsigned char *at, size_t here, struct rn_err *err)
{
    if (!here)
        return 0;
    unsigned char first = at[0];
    size_t follow = 0, count = first & 15;
    int form = first < 0x80 || first >= 0xe0 ? VALUE : first < 0x90 ? MAP : first < 0xa0 ? ARRAY : BLOCK;
    if (form == BLOCK)
        count = first & 31;
    if (first >= 0xc0 && first < 0xe0) {
        follow = forms[first - 0xc0].follow;
        form = forms[first - 0xc0].form;
        count = 0;
    }
    if (form == REFUSED)
        return rn_fail(err, RN_EXIT_DATA, "the byte %02x at offset %zu begins nothing that a stream may hold", first, skim->length);
    if (form != VALUE) {
        if (here < 1 + follow)
            return 0;
        for (size_t i = 1; i <= follow; i++)
            count = count << 8 | at[i];
    }
    while (skim->depth && !skim->left[skim->depth - 1])
        skim->depth--;
    if (skim->depth)
        skim->left[skim->depth - 1]--;
    skim->pending--;
    skim->objects++;
    skim->length += form == VALUE ? 1 : 1 + follow;
    skim->payload = form == VALUE ? follow : form == BLOCK ? count : 0;
    if ((form == ARRAY || form == MAP) && open_container(skim, form == MAP ? 2 * count : count, err))
        return -1;
    return check_claims(skim, err) ? -1 : 1;
}

int rn_skim(struct rn_skim *skim, const void *bytes, size_t have, struct rn_err *err)
{
    for (;;) {
        size_t here = have - skim->length;
        size_t step = skim->payload < here ? skim->payload : here;
        skim->length += step;
        skim->payload -= step;
        if (skim->payload)
            return 0;
        if (!skim->pending)
            return 1;
        int rc = take_header(skim, (const unsigned char *)bytes + skim->length, have - skim->length, err);
        if (rc <= 0)
            return rc;
    }
}
