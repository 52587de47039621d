/* joined.c -- classes and history of several segments as one. */
#include "batch/private.h"

int rn_joined_add(struct rn_joined *joined, const struct rn_head *head, int64_t **map, struct rn_err *err)
{
    return rn_history_join(&joined->history, &head->history, err) || rn_classes_join(&joined->classes, head, map, err) ? -1 : 0;
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
