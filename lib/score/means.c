/* means.c -- means of probabilities by id. */
#include "score/means.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/mem.h"

/* FNV-1a. */
static uint64_t hash_of(struct rn_text id)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < id.length; i++)
        hash = (hash ^ (unsigned char)id.data[i]) * 0x100000001b3u;
    return hash;
}

/* Where the id is, or a free place for it. */
static size_t *find(const struct rn_means *means, struct rn_text id)
{
    size_t at = (size_t)hash_of(id) & (means->places - 1);
    while (means->place[at] && !rn_text_equal(means->item[means->place[at] - 1].id, id))
        at = (at + 1) & (means->places - 1);
    return &means->place[at];
}

/* At most half of the places are taken. */
static int make_room(struct rn_means *means, struct rn_err *err)
{
    size_t places = means->places ? 2 * means->places : 64;
    if (2 * (means->count + 1) <= means->places)
        return 0;
    size_t *place = rn_calloc(places, sizeof *place, err);
    if (!place)
        return -1;
    free(means->place);
    means->place = place;
    means->places = places;
    for (size_t i = 0; i < means->count; i++)
        *find(means, means->item[i].id) = i + 1;
    return 0;
}

static struct rn_mean *mean_of(struct rn_means *means, struct rn_text id, int64_t label, struct rn_err *err)
{
    if (make_room(means, err))
        return NULL;
    size_t *place = find(means, id);
    if (*place)
        return &means->item[*place - 1];
    if (rn_grow(&means->item, &means->capacity, means->count + 1, sizeof *means->item, err))
        return NULL;
    char *copy = rn_calloc(id.length + 1, 1, err);
    if (!copy)
        return NULL;
    if (id.length)
        memcpy(copy, id.data, id.length);
    means->item[means->count] = (struct rn_mean){ .id = { copy, id.length }, .label = label };
    *place = ++means->count;
    return &means->item[means->count - 1];
}

int rn_means_add(struct rn_means *means, struct rn_text id, int64_t label, const double *probs, size_t classes,
                 struct rn_mean **result, struct rn_err *err)
{
    char room[256];
    struct rn_mean *mean = mean_of(means, id, label, err);
    *result = mean;
    if (!mean)
        return -1;
    if (!mean->sum)
        mean->label = label;
    if (probs && mean->label != label)
        return rn_fail(err, RN_EXIT_DATA, "'%s' has another label than before", rn_text_show(id, room));
    size_t before = mean->length;
    if (probs && rn_grow(&mean->sum, &mean->length, classes, sizeof *mean->sum, err))
        return -1;
    for (size_t k = before; k < mean->length; k++)
        mean->sum[k] = 0;
    for (size_t k = 0; probs && k < classes; k++) {
        if (!(probs[k] >= 0) || !isfinite(probs[k]))
            return rn_fail(err, RN_EXIT_DATA, "'%s': %g is not a probability", rn_text_show(id, room), probs[k]);
        mean->sum[k] += probs[k];
    }
    mean->count++;
    mean->failed = mean->failed || !probs;
    return 0;
}

const struct rn_mean *rn_means_find(const struct rn_means *means, struct rn_text id)
{
    size_t place = means->places ? *find(means, id) : 0;
    return place ? &means->item[place - 1] : NULL;
}

double rn_mean_probability(const struct rn_mean *mean, size_t k)
{
    return k < mean->length && mean->count ? mean->sum[k] / (double)mean->count : 0;
}

void rn_means_free(struct rn_means *means)
{
    for (size_t i = 0; i < means->count; i++) {
        free((char *)means->item[i].id.data);
        free(means->item[i].sum);
    }
    free(means->item);
    free(means->place);
    *means = (struct rn_means){ 0 };
}
