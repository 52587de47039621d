/* opt.h -- options come from one table: parsing, --help, the man page, the shell completion and the history in
 * stream heads are all made from it, so that none of them can drift. */
#ifndef RN_CORE_OPT_H
#define RN_CORE_OPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/err.h"
#include "core/text.h"

enum rn_opt_kind {
    RN_OPT_END = 0,
    RN_OPT_FLAG,   /* bool; takes no argument */
    RN_OPT_INT,    /* int64_t in low..high */
    RN_OPT_REAL,   /* double in low..high, finite */
    RN_OPT_SEED,   /* uint64_t */
    RN_OPT_COUNT,  /* uint64_t in low..high, may end in K, M or G (thousand, million, thousand million) */
    RN_OPT_TEXT,   /* const char *, NULL: not given */
    RN_OPT_LIST,   /* struct rn_texts, may be given again */
    RN_OPT_CHOICE, /* int, index into the words of `argument` ("eval|train") */
    RN_OPT_PAIR,   /* double[2], "low,high" or one number x for -x,x */
    RN_OPT_REALS,  /* double[count] in low..high: "x,y,..", just as many */
};

enum {
    RN_OPT_HOW = 1,      /* says how or where, not what: left out of the history (-j, -d, --resume ...) */
    RN_OPT_OPTIONAL = 2, /* TEXT whose argument may be left out (--x or --x=y): then "" */
};

struct rn_opt {
    int letter; /* 0: long form only */
    const char *name;
    enum rn_opt_kind kind;
    size_t offset; /* of the field: RN_AT(opts, field) */
    double low, high;
    const char *help;     /* a phrase, no full stop */
    const char *argument; /* what --help calls the value; for a CHOICE its words. NULL: by kind */
    unsigned flags;
    const char *(*choice)(size_t i); /* TEXT that must be one of a table's names: name i, NULL at the end */
    size_t count; /* REALS: how many */
};
#define RN_AT(type, field) offsetof(struct type, field)
#define RN_OPT_LAST { .kind = RN_OPT_END }

/* What every tool takes besides its table. */
struct rn_args {
    char **operand;      /* what is no option; borrowed from argv */
    size_t operands;
    const char *output;  /* -o; NULL: standard output */
    bool quiet;          /* -q */
    int progress;        /* --progress: 0 auto, 1 always, 2 never */
    uint64_t given;      /* bit i: row i of the table was on the command line */
    const char *unknown; /* after an error: an option, "--name" or "--name=value", that is not here; NULL: it was another error */
};

enum { RN_ENV_CPU = 1, RN_ENV_RECORD_MAX = 2, RN_ENV_TMPDIR = 4 };

struct rn_tool {
    const char *name;      /* "rn-score" */
    const char *operands;  /* "[FILE...]" */
    const char *summary;   /* a phrase */
    const struct rn_opt *options;
    size_t size;           /* of the struct of options */
    const void *defaults;  /* such a struct, or NULL: zeros */
    const char *about;     /* paragraphs for the man page, separated by empty lines */
    bool folder;           /* -o names a folder, not a file */
    const char *examples;  /* command lines, one a line, for --help and the man page */
    unsigned environment;  /* RN_ENV_...: what it heeds, for the man page */
    /* The exit code, or -1 with err filled. */
    int (*run)(const void *options, const struct rn_args *args, struct rn_err *err);
};

#define RN_VERSION "0.1.0"

enum rn_opt_result { RN_OPT_RUN = 0, RN_OPT_HELP = 1, RN_OPT_VERSION = 2, RN_OPT_MAN = 3, RN_OPT_COMPLETION = 4,
                     RN_OPT_VERSIONS = 5 };

/* Fills options (tool->size bytes) and args. An enum rn_opt_result, or -1 (exit 2). */
RN_MUST int rn_opt_parse(const struct rn_tool *tool, void *options, struct rn_args *args, int argc, char **argv,
                         struct rn_err *err);
void rn_opt_free(const struct rn_tool *tool, void *options);

/* The slips between two words: letters that are wrong, missing or too many; two that have changed places are one. */
size_t rn_opt_distance(const char *a, const char *b);

/* The text of --help, --help-man or --help-completion (bash), appended to out. */
RN_MUST int rn_opt_document(const struct rn_tool *tool, enum rn_opt_result what, struct rn_buffer *out, struct rn_err *err);

/* The options that say what (not RN_OPT_HOW) as "--name=value" ("--name" for a flag), appended in byte order;
 * those equal to their default only when `all`. */
RN_MUST int rn_opt_list(const struct rn_tool *tool, const void *options, bool all, struct rn_texts *list, struct rn_err *err);

/* Sets options from such a list; a LIST option is appended to, a TEXT borrows from `list`. -1 (exit 3): an option that there is
 * not, or a bad value. */
RN_MUST int rn_opt_apply(const struct rn_tool *tool, void *options, const struct rn_texts *list, struct rn_err *err);

/* One row of a table set from text: for those who read options from elsewhere (Albumentations' JSON). */
RN_MUST int rn_opt_set(const struct rn_opt *opt, void *options, const char *value, struct rn_err *err);

#endif
