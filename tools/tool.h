/* tool.h -- what a tool's file gives to tools/main.c and gets from it. */
#ifndef RN_TOOLS_TOOL_H
#define RN_TOOLS_TOOL_H

#include <stdarg.h>

#include "core/file.h"
#include "core/opt.h"

extern const struct rn_tool rn_tool; /* each tools/rn-X.c defines it */

/* "tool: text" and a newline on standard error: warnings and notes. Errors are returned instead. */
void rn_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
