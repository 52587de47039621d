/* private.h -- what the files of this room share. */
#ifndef RN_CORE_PRIVATE_H
#define RN_CORE_PRIVATE_H

#include "core/opt.h"

extern const struct rn_opt rn_opt_common[]; /* what every tool takes besides its table; of a struct rn_args */
size_t rn_opt_count(const struct rn_opt *options); /* NULL: 0 */
/* "a|b|c" of a row's choice, in room, which it returns. */
const char *rn_opt_names(const struct rn_opt *opt, char *room, size_t size);
/* The value as text that rn_opt_set reads back; false: nothing to say (a flag that is off, a text not given). */
bool rn_opt_value(const struct rn_opt *opt, const void *options, char room[static 64], const char **text);

#endif
