/* joined.c -- classes and history of several segments as one. */
#include "batch/private.h"

static bool equal_steps(const struct rn_step *a, const struct rn_step *b)
{
    if (!rn_text_equal(a->tool, b->tool) || !rn_text_equal(a->version, b->version) || a->args.count != b->args.count)
        return false;
    for (size_t i = 0; i < a->args.count; i++)
        if (!rn_text_equal(a->args.item[i], b->args.item[i]))
            return false;
    return true;
}

/* Of the `old` first steps only: a segment that has the same step twice keeps both. */
static bool has_step(const struct rn_history *history, size_t old, const struct rn_step *step)
{
    for (size_t i = 0; i < old; i++)
        if (equal_steps(&history->step[i], step))
            return true;
    return false;
}

int rn_joined_add(struct rn_joined *joined, const struct rn_head *head, int64_t **map, struct rn_err *err)
{
    size_t old = joined->history.count;
    for (size_t i = 0; i < head->history.count; i++) {
        const struct rn_history one = { .step = &head->history.step[i], .count = 1 };
        if (!has_step(&joined->history, old, one.step) && rn_history_copy(&joined->history, &one, err))
            return -1;
    }
    return rn_classes_join(&joined->classes, head, map, err);
}

int rn_joined_copy(struct rn_joined *to, const struct rn_joined *from, struct rn_err *err)
{
    return rn_texts_copy(&to->classes, &from->classes, err) || rn_history_copy(&to->history, &from->history, err) ? -1 : 0;
}

void rn_joined_free(struct rn_joined *joined)
{
    rn_texts_free(&joined->classes);
    rn_history_free(&joined->history);
}
