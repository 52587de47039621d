/* pick.h -- which records of a stream are wanted: conditions KEY=VALUE and KEY!=VALUE. */
#ifndef RN_PICK_PICK_H
#define RN_PICK_PICK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "stream/stream.h"

enum rn_pick_key { RN_PICK_LABEL, RN_PICK_SPLIT, RN_PICK_ID, RN_PICK_PATH, RN_PICK_ERROR, RN_PICK_NAME, RN_PICK_ROLE,
                   RN_PICK_EPOCH, RN_PICK_INDEX, RN_PICK_KEYS };

struct rn_condition {
    enum rn_pick_key key;
    bool negated;
    struct rn_text value; /* borrowed from the text that was parsed; "" means nil */
};
/* Zeroed: every record is wanted. */
struct rn_conditions {
    struct rn_condition *item;
    size_t count, capacity;
    bool errors; /* only error records are wanted */
};

/* Takes "KEY=VALUE" or "KEY!=VALUE": 1; 0 when the text is nothing of the kind (it begins with no word and "="); -1 (exit 2):
 * there is no such key, or the value can never be one of its. */
RN_MUST int rn_conditions_add(struct rn_conditions *conditions, const char *text, struct rn_err *err);
void rn_conditions_free(struct rn_conditions *conditions);

/* Before a segment's records. Errors (exit 3): its kind has no such key, or it has no class of that name. */
RN_MUST int rn_conditions_check(const struct rn_conditions *conditions, const struct rn_head *head, struct rn_err *err);

/* Of the values that a key shall have one is enough, those that it shall not have all count, and every key must agree. */
bool rn_conditions_hold(const struct rn_conditions *conditions, const struct rn_head *head, const struct rn_record *record);

#endif
