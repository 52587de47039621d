/* seen.c -- a hash table of hashes. */
#include "stream/seen.h"

#include <stdbool.h>
#include <stdlib.h>

#include "core/mem.h"

/* `places` is a power of two. */
static bool put(uint64_t *place, size_t places, uint64_t hash)
{
    size_t i = (size_t)hash & (places - 1);
    while (place[i] && place[i] != hash)
        i = (i + 1) & (places - 1);
    bool new = !place[i];
    place[i] = hash;
    return new;
}

static int grow(struct rn_seen *seen, struct rn_err *err)
{
    size_t places = seen->places ? 2 * seen->places : 1024;
    uint64_t *place = rn_calloc(places, sizeof *place, err);
    if (!place)
        return -1;
    for (size_t i = 0; i < seen->places; i++)
        if (seen->place[i])
            put(place, places, seen->place[i]);
    free(seen->place);
    seen->place = place;
    seen->places = places;
    return 0;
}

int rn_seen_add(struct rn_seen *seen, uint64_t hash, struct rn_err *err)
{
    hash = hash ? hash : 1;
    if (4 * (seen->count + 1) > 3 * seen->places && grow(seen, err))
        return -1;
    if (!put(seen->place, seen->places, hash))
        return 0;
    seen->count++;
    return 1;
}

void rn_seen_free(struct rn_seen *seen)
{
    free(seen->place);
    *seen = (struct rn_seen){ 0 };
}
