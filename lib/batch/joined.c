/* joined.c -- classes and history of several segments as one. */
#include "batch/private.h"

int rn_joined_add(struct rn_joined *joined, const struct rn_head *head, int64_t **map, struct rn_err *err)
{
    rn_part_free(&joined->part_of);
    return rn_history_join(&joined->history, &head->history, err) || rn_classes_join(&joined->classes, head, map, err) ||
           rn_part_copy(&joined->part_of, &head->part_of, err) ? -1 : 0;
}

int rn_joined_copy(struct rn_joined *to, const struct rn_joined *from, struct rn_err *err)
{
    return rn_texts_copy(&to->classes, &from->classes, err) || rn_history_copy(&to->history, &from->history, err) ||
           rn_part_copy(&to->part_of, &from->part_of, err) ? -1 : 0;
}

void rn_joined_free(struct rn_joined *joined)
{
    rn_texts_free(&joined->classes);
    rn_history_free(&joined->history);
    rn_part_free(&joined->part_of);
}

int rn_joined_missing(const struct rn_reader *reader, const struct rn_batch_plan *plan, struct rn_err *err)
{
    struct rn_texts lines = { 0 };
    int rc = rn_reader_missing(reader, true, &lines, NULL, err);
    for (size_t i = 0; rc == 0 && i < lines.count && plan->missing; i++)
        plan->missing(plan->missing_context, lines.item[i].data);
    rn_texts_free(&lines);
    return rc;
}
