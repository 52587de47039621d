/* tool.h -- what a tool's file gives to tools/main.c and gets from it and from tools/progress.c. */
#ifndef RN_TOOLS_TOOL_H
#define RN_TOOLS_TOOL_H

#include <stdarg.h>

#include "core/file.h"
#include "core/mem.h"
#include "core/opt.h"

/* What -m takes. */
#define RN_MODEL_HELP "the network: a file (run/best.rn), or the name of one that comes with the program"

/* Of the manuals of tools with a device. */
#define RN_ABOUT_GPUS \
    "-d cuda:0,1 computes on these NVIDIA GPUs, each with its part of a batch (--jobs means nothing to them); exit 4 says what is " \
    "missing, which may be the build's plug-in, driver 580 or later, a library, or a GPU. "
#define RN_ABOUT_CPU_PRECISION \
    "The CPU refuses both: also where it multiplies bfloat16 (AVX512_BF16) that is half as fast as float32 (measured: doc/gpu.md)."

/* The options of all tools, by build/gen/options.c; the last has no name. */
struct rn_option_of {
    const char *name, *tool;
};
extern const struct rn_option_of rn_options[];

extern const struct rn_tool rn_tool; /* each tools/rn-X.c defines it */

/* "tool: text" and a newline on standard error: warnings and notes. Errors are returned instead. */
void rn_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* How many error records were made, and what of; nothing where there are none. */
void rn_note_failures(const struct rn_failures *failures);

/* A line on standard error that is written over and over: when that is a terminal, or as --progress says; -q: never. */
struct rn_progress {
    bool on;
    double begun, shown; /* seconds */
    size_t width;        /* of what stands there */
};
struct rn_progress rn_progress_begin(const struct rn_args *args);
/* At most ten times a second, unless `now`. */
void rn_progress_show(struct rn_progress *progress, bool now, const char *format, ...) __attribute__((format(printf, 3, 4)));
void rn_progress_end(struct rn_progress *progress); /* clears the line */
/* "1:02:03" or "2:03" in room, which it returns. */
const char *rn_progress_time(double seconds, char room[static 32]);

/* -m was not given: *model becomes the name of the network that comes with the program (in room), and a note says so (-q: none).
 * Exit 2: none came with it. */
RN_MUST int rn_model_default(const char **model, struct rn_buffer *room, const struct rn_args *args, struct rn_err *err);
/* A line for each library that the tool has on this machine, or would load: name, version, file. */
RN_MUST int rn_versions(struct rn_buffer *text, struct rn_err *err);

double rn_seconds(void); /* of a clock that only goes forward */

#endif
