/* decoders.h -- where the tools that read photos decode them: in processes that may do nothing else. */
#ifndef RN_TOOLS_DECODERS_H
#define RN_TOOLS_DECODERS_H

#include "image/image.h"
#include "tools/tool.h"

/* The row of the table. */
#define RN_OPT_NO_SANDBOX(member) \
    { 0, "no-sandbox", RN_OPT_FLAG, RN_AT(opts, member), 0, 0, "decode in the tool's own process, with all that it may do", NULL, RN_OPT_HOW }

/* Before the first thread: from now on `decode` is done by others, jobs at once; ended with rn_decoders_end(decode->apart).
 * Where that is not to be had, work goes on without, and a line says so. */
static inline int rn_decode_apart(struct rn_decode *decode, int jobs, bool quiet, struct rn_err *err)
{
    char why[128];
    if (rn_decoders_start(&decode->apart, jobs, decode, why, err))
        return -1;
    if (*why && !quiet)
        rn_note("photos are decoded %s: %s", decode->apart ? "in other processes, but these are not locked in"
                : "without a sandbox", why);
    return 0;
}

#endif
