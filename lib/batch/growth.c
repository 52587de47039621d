/* growth.c -- pictures that grow with the epochs. */
#include <stdlib.h>
#include <string.h>

#include "batch/batch.h"

enum { LARGEST = 16384 };

/* A whole number at *text, which moves behind it; -1: there is none, or it is above `high`. */
static int64_t number(const char **text, int64_t high)
{
    int64_t value = 0;
    const char *begin = *text;
    for (; **text >= '0' && **text <= '9' && value <= high; ++*text)
        value = 10 * value + **text - '0';
    return *text > begin && value <= high ? value : -1;
}

int rn_growth_parse(struct rn_growth **growth, size_t *count, const char *text, struct rn_err *err)
{
    const char *at = text;
    size_t room = 0;
    bool single = !strchr(text, ':');
    *growth = NULL;
    *count = 0;
    for (;;) {
        struct rn_growth step = { number(&at, LARGEST), 0 };
        if (!single && *at == ':') {
            at++;
            step.epoch = number(&at, INT32_MAX);
        } else if (!single) {
            step.epoch = -1;
        }
        bool first = *count == 0, rises = first ? step.epoch == 0 : step.epoch > (*growth)[*count - 1].epoch;
        if (step.size < 1 || !rises || (*at && (single || *at != ',')))
            break;
        if (rn_grow(growth, &room, *count + 1, sizeof **growth, err))
            return -1;
        (*growth)[(*count)++] = step;
        if (!*at++)
            return 0;
    }
    return rn_fail(err, RN_EXIT_USAGE, "--size: '%s' is not a whole number from 1 to %d, or SIZE:EPOCH,.. with epochs that rise "
                                       "from 0",
                   text, LARGEST);
}
