/* opt_text.c -- one table: --help, the man page, the completion. */
#include "core/private.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first common row, as it is said of a tool whose output is a folder. */
static const struct rn_opt folder_row[] = {
    { 'o', "output", RN_OPT_TEXT, RN_AT(rn_args, output), 0, 0, "the folder for what is made", "DIR", RN_OPT_HOW },
    RN_OPT_LAST,
};

__attribute__((format(printf, 3, 4))) static int add(struct rn_buffer *out, struct rn_err *err, const char *format, ...)
{
    va_list args;
    char *text;
    va_start(args, format);
    int length = rn_vformat(&text, err, format, args);
    va_end(args);
    int rc = length < 0 ? -1 : rn_buffer_add(out, text, (size_t)length, err);
    free(text);
    return rc;
}

/* Text for roff: backslashes and hyphens escaped, no line that starts with a control character. */
static int add_roff(struct rn_buffer *out, struct rn_err *err, const char *text)
{
    for (const char *s = text; *s; s++) {
        bool start = s == text || s[-1] == '\n';
        const char *guard = start && (*s == '.' || *s == '\'') ? "\\&" : "";
        /* names joined by '|' may be broken there */
        if (add(out, err, *s == '\\' ? "%s\\e" : *s == '-' ? "%s\\-" : *s == '|' ? "%s|\\:" : "%s%c", guard, *s))
            return -1;
    }
    return 0;
}

static const char *argument_of(const struct rn_opt *opt)
{
    static const char *const names[] = { [RN_OPT_INT] = "N", [RN_OPT_REAL] = "X", [RN_OPT_SEED] = "N", [RN_OPT_COUNT] = "N",
                                         [RN_OPT_TEXT] = "TEXT", [RN_OPT_LIST] = "TEXT", [RN_OPT_PAIR] = "LOW,HIGH",
                                         [RN_OPT_REALS] = "X,.." };
    return opt->argument ? opt->argument : names[opt->kind];
}

/* "-b, --batch=N" */
static void synopsis(const struct rn_opt *opt, char *room, size_t size)
{
    char letter[8] = "    ", words[512];
    if (opt->letter)
        snprintf(letter, sizeof letter, "-%c, ", opt->letter);
    bool optional = opt->flags & RN_OPT_OPTIONAL;
    if (opt->kind == RN_OPT_FLAG)
        snprintf(room, size, "%s--%s", letter, opt->name);
    else
        snprintf(room, size, "%s--%s%s%s%s", letter, opt->name, optional ? "[=" : "=",
                 opt->choice ? rn_opt_names(opt, words, sizeof words) : argument_of(opt), optional ? "]" : "");
}

/* " [16]", or nothing where there is no default worth a word */
static void default_note(const struct rn_opt *opt, const void *defaults, char *room, size_t size)
{
    char value[64];
    const char *text;
    room[0] = '\0';
    if (!defaults || opt->kind == RN_OPT_FLAG || !rn_opt_value(opt, defaults, value, &text))
        return;
    const void *at = (const char *)defaults + opt->offset;
    if (opt->kind == RN_OPT_INT && (*(const int64_t *)at < 0 || (double)*(const int64_t *)at < opt->low))
        return; /* nobody may say it: it means "it depends", or "not so", and the help text says on what */
    if (opt->kind == RN_OPT_REAL && *(const double *)at < opt->low)
        return;
    snprintf(room, size, " [%s]", text);
}

enum { WIDTH = 80, MARGIN = 27 }; /* of --help, and where its explanations begin */

/* Words of text and note from column `at` on; a line begins at the margin. */
static int wrap(struct rn_buffer *out, struct rn_err *err, size_t at, const char *text, const char *note)
{
    const char *parts[] = { text, note };
    bool first = true;
    for (size_t i = 0; i < 2; i++)
        for (const char *word = parts[i] + strspn(parts[i], " "); *word; first = false) {
            size_t length = strcspn(word, " ");
            bool fits = at + !first + length <= WIDTH;
            if (add(out, err, first ? "%s%*s%.*s" : fits ? " %s%*s%.*s" : "%s\n%*s%.*s", "", first || fits ? 0 : MARGIN, "",
                    (int)length, word))
                return -1;
            at = (fits ? at + !first : MARGIN) + length;
            word += length + strspn(word + length, " ");
        }
    return add(out, err, "\n");
}

/* An option and its argument, padded to `width`. Names that do not fit on a line go on in the next, behind the equals sign. */
static int help_option(struct rn_buffer *out, struct rn_err *err, const char *text, size_t width)
{
    size_t begin = 2, behind = begin + strcspn(text, "=") + 1;
    for (size_t cut; begin + strlen(text) > WIDTH; text += cut, begin = behind) {
        for (cut = WIDTH - begin; cut > 0 && text[cut - 1] != '|'; cut--)
            ;
        if (!cut)
            break;
        if (add(out, err, "%*s%.*s\n", (int)begin, "", (int)cut, text))
            return -1;
    }
    return add(out, err, "%*s%-*s", (int)begin, "", (int)width, text);
}

static int help_rows(const struct rn_opt *options, const void *defaults, struct rn_buffer *out, struct rn_err *err)
{
    for (size_t i = 0; i < rn_opt_count(options); i++) {
        char left[640], note[128];
        synopsis(&options[i], left, sizeof left);
        default_note(&options[i], defaults, note, sizeof note);
        /* beside its explanation, also where that begins later but needs no second line */
        size_t at = strlen(left) + 4 > MARGIN ? strlen(left) + 4 : MARGIN;
        bool beside = at == MARGIN || at + strlen(options[i].help) + strlen(note) <= WIDTH;
        if (help_option(out, err, left, beside ? at - 2 : 0) || (!beside && add(out, err, "\n%*s", MARGIN, "")) ||
            wrap(out, err, beside ? at : MARGIN, options[i].help, note))
            return -1;
    }
    return 0;
}

/* A command line; one that is too long goes on in the next, after a pipe where there is one. */
static int example(struct rn_buffer *out, struct rn_err *err, const char *line, size_t length)
{
    size_t indent = 2;
    for (size_t cut; length > WIDTH - indent; line += cut + 1, length -= cut + 1, indent = 6) {
        size_t space = 0, most = WIDTH - indent - 2;
        for (cut = 0; most > 0; most--)
            if (line[most] == ' ' && line[most - 1] == '|' && !cut)
                cut = most;
            else if (line[most] == ' ' && !space)
                space = most;
        bool pipe = cut > 0;
        cut = pipe ? cut : space;
        if (!cut)
            break;
        if (add(out, err, "%*s%.*s%s\n", (int)indent, "", (int)cut, line, pipe ? "" : " \\"))
            return -1;
    }
    return add(out, err, "%*s%.*s\n", (int)indent, "", (int)length, line);
}

static int document_help(const struct rn_tool *tool, struct rn_buffer *out, struct rn_err *err)
{
    if (add(out, err, "usage: %s [OPTION]... %s\n%s\n\n", tool->name, tool->operands, tool->summary) ||
        help_rows(tool->options, tool->defaults, out, err) ||
        add(out, err, "  %-*s%s\n", MARGIN - 2, tool->folder ? "-o, --output=DIR" : "-o, --output=FILE",
            tool->folder ? "the folder for what is made" : "write there, not to standard output") ||
        add(out, err, "  -q, --quiet  -h, --help  -V, --version  --progress=auto|always|never\n"))
        return -1;
    if (tool->examples && add(out, err, "\nexamples:\n"))
        return -1;
    for (const char *line = tool->examples; line && *line;) {
        size_t length = strcspn(line, "\n");
        if (example(out, err, line, length))
            return -1;
        line += length + (line[length] == '\n');
    }
    return 0;
}

static int man_rows(const struct rn_opt *options, const void *defaults, struct rn_buffer *out, struct rn_err *err)
{
    for (size_t i = 0; i < rn_opt_count(options); i++) {
        char left[640], note[128];
        synopsis(&options[i], left, sizeof left);
        default_note(&options[i], defaults, note, sizeof note);
        if (add(out, err, ".TP\n.ad l\n.B ") || add_roff(out, err, left + strspn(left, " ")) || add(out, err, "\n") ||
            add_roff(out, err, options[i].help) || add_roff(out, err, note) || add(out, err, "\n"))
            return -1;
    }
    return 0;
}

static int man_environment(unsigned heeded, struct rn_buffer *out, struct rn_err *err)
{
    static const struct { unsigned bit; const char *name, *text; } rows[] = {
        { RN_ENV_CPU, "RN_CPU", "avx512, avx2 or portable: the arithmetic to use, not the best that the processor has" },
        { RN_ENV_RECORD_MAX, "RN_RECORD_MAX", "the largest record that is read, in bytes [1073741824]" },
        { RN_ENV_TMPDIR, "TMPDIR", "where what is read again is put aside [/tmp]" },
    };
    if (heeded && add(out, err, ".SH ENVIRONMENT\n"))
        return -1;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (heeded & rows[i].bit && add(out, err, ".TP\n.B %s\n%s\n", rows[i].name, rows[i].text))
            return -1;
    return 0;
}

/* In *next the first by the alphabet of the pages, rn-x, that are named and come after `last`. */
static void next_page(struct rn_text *next, struct rn_text last, const char *text)
{
    for (const char *at = text; at && (at = strstr(at, "rn-")); at += 3) {
        const struct rn_text name = { at, 3 + strspn(at + 3, "abcdefghijklmnopqrstuvwxyz") };
        if (rn_text_compare(name, last) > 0 && (!next->data || rn_text_compare(name, *next) < 0))
            *next = name;
    }
}

/* What the page names: "rn-list", "rn-recipes(7)". */
static int man_see_also(const struct rn_tool *tool, struct rn_buffer *out, struct rn_err *err)
{
    struct rn_text last = rn_text(""), next;
    if (add(out, err, ".SH SEE ALSO\n"))
        return -1;
    for (;; last = next) {
        next = (struct rn_text){ 0 };
        next_page(&next, last, tool->about);
        next_page(&next, last, tool->examples);
        for (size_t i = 0; i < rn_opt_count(tool->options); i++)
            next_page(&next, last, tool->options[i].help);
        if (!next.data)
            return add(out, err, ".BR rn (7),\n.BR rn\\-stream (5)\n");
        const char *behind = next.data + next.length;
        if (!rn_text_is(next, tool->name) &&
            add(out, err, ".BR rn\\-%.*s (%c),\n", (int)next.length - 3, next.data + 3, *behind == '(' ? behind[1] : '1'))
            return -1;
    }
}

static const char exit_codes[] =
    "0 done. 1 done, but the answer is no, or records failed. 2 wrong usage. 3 bad data. 4 the system or a device. "
    "5 training diverged.";

static int document_man(const struct rn_tool *tool, struct rn_buffer *out, struct rn_err *err)
{
    static const struct rn_args usual = { 0 };
    char upper[64] = "";
    for (size_t i = 0; tool->name[i] && i < sizeof upper - 1; i++)
        upper[i] = (char)(tool->name[i] >= 'a' && tool->name[i] <= 'z' ? tool->name[i] - 32 : tool->name[i]);
    if (add(out, err, ".TH ") || add_roff(out, err, upper) ||
        add(out, err, " 1 \"\" \"recyclenet %s\" \"RecycleNet\"\n.SH NAME\n", RN_VERSION) ||
        add_roff(out, err, tool->name) || add(out, err, " \\- ") || add_roff(out, err, tool->summary) ||
        add(out, err, "\n.SH SYNOPSIS\n.B ") || add_roff(out, err, tool->name) || add(out, err, "\n[OPTION]... ") ||
        add_roff(out, err, tool->operands) || add(out, err, "\n.SH DESCRIPTION\n"))
        return -1;
    for (const char *at = tool->about ? tool->about : tool->summary; *at;) {
        const char *end = strstr(at, "\n\n");
        size_t length = end ? (size_t)(end - at) : strlen(at);
        char *paragraph = strndup(at, length);
        if (!paragraph)
            return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
        int rc = add(out, err, ".PP\n") || add_roff(out, err, paragraph) || add(out, err, "\n");
        free(paragraph);
        if (rc)
            return -1;
        at += length + (end ? 2 : 0);
    }
    if (add(out, err, ".SH OPTIONS\n") || man_rows(tool->options, tool->defaults, out, err) ||
        (tool->folder && man_rows(folder_row, &usual, out, err)) || man_rows(rn_opt_common + tool->folder, &usual, out, err) ||
        add(out, err, ".SH EXIT STATUS\n%s\n", exit_codes) || man_environment(tool->environment, out, err))
        return -1;
    if (tool->examples &&
        (add(out, err, ".SH EXAMPLES\n.nf\n") || add_roff(out, err, tool->examples) || add(out, err, "\n.fi\n")))
        return -1;
    return man_see_also(tool, out, err);
}

static int document_completion(const struct rn_tool *tool, struct rn_buffer *out, struct rn_err *err)
{
    char function[64];
    snprintf(function, sizeof function, "_%s", tool->name);
    for (char *c = function; *c; c++)
        *c = *c == '-' ? '_' : *c;
    if (add(out, err, "# bash completion for %s\n%s()\n{\n    local cur=${COMP_WORDS[COMP_CWORD]} "
                      "prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                      "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi\n    "
                      "case $prev in\n",
            tool->name, function))
        return -1;
    size_t own = rn_opt_count(tool->options), all = own + rn_opt_count(rn_opt_common);
    struct rn_buffer words = { 0 };
    int rc = 0;
    for (size_t i = 0; i < all && !rc; i++) {
        const struct rn_opt *opt = i < own ? &tool->options[i] : &rn_opt_common[i - own];
        char letter[8] = "";
        if (opt->letter)
            snprintf(letter, sizeof letter, "-%c|", opt->letter);
        rc = add(&words, err, "--%s%s ", opt->name, opt->kind == RN_OPT_FLAG ? "" : "=");
        if ((opt->kind == RN_OPT_CHOICE || opt->choice) && !rc) {
            char choices[512];
            if (opt->choice)
                rn_opt_names(opt, choices, sizeof choices);
            else
                snprintf(choices, sizeof choices, "%s", opt->argument);
            for (char *c = choices; *c; c++)
                *c = *c == '|' ? ' ' : *c;
            rc = add(out, err, "    %s--%s) COMPREPLY=($(compgen -W '%s' -- \"$cur\")); return;;\n", letter, opt->name, choices);
        } else if (opt->kind == RN_OPT_TEXT && !rc) {
            rc = add(out, err, "    %s--%s) COMPREPLY=($(compgen -f -- \"$cur\")); return;;\n", letter, opt->name);
        }
    }
    rc = rc || add(out, err, "    esac\n    if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '%.*s' -- \"$cur\"))\n"
                             "    else COMPREPLY=($(compgen -f -- \"$cur\")); fi\n"
                             "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace\n}\ncomplete -o filenames -F %s %s\n",
                   (int)words.length, words.data ? words.data : "", function, tool->name);
    rn_buffer_free(&words);
    return rc ? -1 : 0;
}

int rn_opt_document(const struct rn_tool *tool, enum rn_opt_result what, struct rn_buffer *out, struct rn_err *err)
{
    switch (what) {
    case RN_OPT_HELP:
        return document_help(tool, out, err);
    case RN_OPT_VERSION:
    case RN_OPT_VERSIONS:
        return add(out, err, "%s (recyclenet) %s\n", tool->name, RN_VERSION);
    case RN_OPT_MAN:
        return document_man(tool, out, err);
    case RN_OPT_COMPLETION:
        return document_completion(tool, out, err);
    case RN_OPT_RUN:
        break;
    }
    return 0;
}
