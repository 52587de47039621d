/* together.c -- draws in which sets stay together. */
#include <stdlib.h>

#include "core/mem.h"
#include "core/rng.h"
#include "split/split.h"
#include "stream/stream.h"

/* One that counts, and its set. */
struct counted {
    struct rn_split_member *member;
    size_t set;    /* its smallest index */
    size_t weight; /* how many count in the set */
    struct rn_split_member *first; /* by draw and id, of the set */
};

struct drawing {
    size_t groups, parts;
    size_t *cells;  /* (groups, parts): as planned */
    int64_t *need;  /* the same, less what is there already */
    size_t *part_of; /* of a set, by its smallest index */
    struct counted *item;
    size_t count;
};

static int by_draw(const struct rn_split_member *x, const struct rn_split_member *y)
{
    if (x->draw != y->draw)
        return x->draw < y->draw ? -1 : 1;
    return rn_text_compare(x->id, y->id);
}

static int by_set(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    if (x->set != y->set)
        return x->set < y->set ? -1 : 1;
    return by_draw(x->member, y->member);
}

static int log2_of(size_t n)
{
    return 63 - __builtin_clzll(n);
}

/* Sets of several first, set by set, within it group by group; then the others as they will be dealt out. */
static int by_turn(const void *a, const void *b)
{
    const struct counted *x = a, *y = b;
    int xs = log2_of(x->weight), ys = log2_of(y->weight), order;
    if (xs != ys)
        return xs > ys ? -1 : 1;
    if (xs && (order = by_draw(x->first, y->first)))
        return order;
    if (x->member->group != y->member->group)
        return x->member->group < y->member->group ? -1 : 1;
    return by_draw(x->member, y->member);
}

/* How much worse the table gets, by chi square, when the set of n goes to the part. */
static double price(const struct drawing *d, const struct counted *set, size_t n, size_t part)
{
    double sum = 0;
    for (size_t i = 0, end; i < n; i = end) {
        size_t group = set[i].member->group, cell = group * d->parts + part;
        for (end = i; end < n && set[end].member->group == group; end++)
            ;
        double count = (double)(end - i), planned = d->cells[cell] ? (double)d->cells[cell] : 0.25;
        sum += (count * count - 2 * (double)d->need[cell] * count) / planned;
    }
    return sum;
}

static void place_set(struct drawing *d, const struct counted *set, size_t n)
{
    size_t best = 0;
    double least = price(d, set, n, 0);
    for (size_t j = 1; j < d->parts; j++) {
        double now = price(d, set, n, j);
        if (now < least) {
            least = now;
            best = j;
        }
    }
    d->part_of[set->set] = best;
    for (size_t i = 0; i < n; i++)
        d->need[set[i].member->group * d->parts + best]--;
}

/* Parts that are too full already leave less to the others: to the neediest. */
static void level(int64_t *need, size_t parts, size_t n)
{
    int64_t over = -(int64_t)n;
    for (size_t j = 0; j < parts; j++) {
        need[j] = need[j] > 0 ? need[j] : 0;
        over += need[j];
    }
    for (; over > 0; over--) {
        size_t most = 0;
        for (size_t j = 1; j < parts; j++)
            most = need[j] > need[most] ? j : most;
        need[most]--;
    }
}

/* n that stand alone, of one group. */
static void deal(struct drawing *d, const struct counted *one, size_t n)
{
    int64_t *need = d->need + one->member->group * d->parts;
    size_t at = 0;
    level(need, d->parts, n);
    for (size_t j = 0; j < d->parts; j++)
        for (; need[j] > 0; need[j]--)
            d->part_of[one[at++].set] = j;
}

static void deal_all(struct drawing *d)
{
    for (size_t i = 0, end; i < d->count; i = end) {
        bool alone = d->item[i].weight == 1;
        for (end = i + 1; end < d->count; end++)
            if (alone ? d->item[end].member->group != d->item[i].member->group : d->item[end].set != d->item[i].set)
                break;
        if (alone)
            deal(d, &d->item[i], end - i);
        else
            place_set(d, &d->item[i], end - i);
    }
}

static void weigh(struct drawing *d)
{
    qsort(d->item, d->count, sizeof *d->item, by_set);
    for (size_t i = 0, end; i < d->count; i = end) {
        for (end = i; end < d->count && d->item[end].set == d->item[i].set; end++)
            ;
        for (size_t k = i; k < end; k++) {
            d->item[k].weight = end - i;
            d->item[k].first = d->item[i].member;
        }
    }
    qsort(d->item, d->count, sizeof *d->item, by_turn);
}

static int plan(struct drawing *d, const size_t *total, struct rn_err *err)
{
    size_t area, *size = rn_calloc(d->groups, sizeof *size, err);
    if (!size)
        return -1;
    for (size_t i = 0; i < d->count; i++)
        size[d->item[i].member->group]++;
    int rc = rn_mul(d->groups, d->parts, &area) ? 0 : rn_fail(err, RN_EXIT_DATA, "too many classes to split");
    if (rc == 0 && (!(d->cells = rn_calloc(area, sizeof *d->cells, err)) || !(d->need = rn_calloc(area, sizeof *d->need, err)) ||
                    rn_split_table(d->cells, size, d->groups, total, d->parts, err)))
        rc = -1;
    for (size_t i = 0; rc == 0 && i < area; i++)
        d->need[i] = (int64_t)d->cells[i];
    free(size);
    return rc;
}

int rn_split_draw_sets(struct rn_split_member *member, size_t members, size_t groups, const size_t *total, size_t parts,
                       uint64_t seed, struct rn_sets *sets, const bool *copy, struct rn_err *err)
{
    struct drawing d = { .groups = groups, .parts = parts, .part_of = rn_calloc(members, sizeof *d.part_of, err),
                         .item = rn_calloc(members, sizeof *d.item, err) };
    int rc = -1;
    if (!d.part_of || !d.item)
        goto out;
    for (size_t i = 0; i < members; i++) {
        if (copy && copy[i])
            continue;
        struct rn_rng rng = rn_rng(seed, RN_FOR_SPLIT, rn_hash64(member[i].id), 0);
        member[i].draw = rn_rng_u64(&rng);
        d.item[d.count++] = (struct counted){ .member = &member[i], .set = rn_sets_find(sets, i) };
    }
    if (plan(&d, total, err))
        goto out;
    weigh(&d);
    deal_all(&d);
    for (size_t i = 0; i < members; i++)
        member[i].part = d.part_of[rn_sets_find(sets, i)];
    rc = 0;
out:
    free(d.part_of);
    free(d.item);
    free(d.cells);
    free(d.need);
    return rc;
}

int rn_split_draw(struct rn_split_member *member, size_t members, size_t groups, const size_t *total, size_t parts,
                  uint64_t seed, struct rn_err *err)
{
    struct rn_sets sets;
    if (rn_sets_init(&sets, members, err))
        return -1;
    int rc = rn_split_draw_sets(member, members, groups, total, parts, seed, &sets, NULL, err);
    rn_sets_free(&sets);
    return rc;
}
