/* opt.c -- one table: options read, set, and listed for the history. */
#include "core/private.h"

#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAN = 256, COMPLETION };

const struct rn_opt rn_opt_common[] = {
    { 'o', "output", RN_OPT_TEXT, RN_AT(rn_args, output), 0, 0, "write there, not to standard output", "FILE", RN_OPT_HOW },
    { 'q', "quiet", RN_OPT_FLAG, RN_AT(rn_args, quiet), 0, 0, "say nothing but errors", NULL, RN_OPT_HOW },
    { 0, "progress", RN_OPT_CHOICE, RN_AT(rn_args, progress), 0, 0, "show a progress line on standard error",
      "auto|always|never", RN_OPT_HOW },
    { 'h', "help", RN_OPT_FLAG, 0, 0, 0, "show this help", NULL, RN_OPT_HOW },
    { 'V', "version", RN_OPT_FLAG, 0, 0, 0, "show the version; with --verbose, also those of the libraries", NULL, RN_OPT_HOW },
    RN_OPT_LAST,
};

size_t rn_opt_count(const struct rn_opt *options)
{
    size_t n = 0;
    while (options && options[n].kind != RN_OPT_END)
        n++;
    return n;
}

static int unit_of(char letter)
{
    const char *units = "KMG", *at = letter ? strchr(units, letter) : NULL;
    return at ? (int)(at - units) + 1 : 0;
}

const char *rn_opt_names(const struct rn_opt *opt, char *room, size_t size)
{
    size_t length = 0;
    room[0] = '\0';
    for (size_t i = 0; opt->choice(i) && length < size; i++)
        length += (size_t)snprintf(room + length, size - length, "%s%s", i ? "|" : "", opt->choice(i));
    return room;
}

static int check_name(const struct rn_opt *opt, const char *value, struct rn_err *err)
{
    char room[512];
    for (size_t i = 0; opt->choice(i); i++)
        if (!strcmp(opt->choice(i), value))
            return 0;
    return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not one of %s", opt->name, value, rn_opt_names(opt, room, sizeof room));
}

static int set_choice(const struct rn_opt *opt, int *field, const char *value, struct rn_err *err)
{
    int index = 0;
    for (const char *word = opt->argument; word; index++) {
        size_t length = strcspn(word, "|");
        if (strlen(value) == length && !memcmp(word, value, length)) {
            *field = index;
            return 0;
        }
        word = word[length] ? word + length + 1 : NULL;
    }
    return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not one of %s", opt->name, value, opt->argument);
}

/* strtod and strtoll would skip white space. */
static bool starts_number(const char *value)
{
    return *value && !strchr(" \t\n\v\f\r", *value);
}

/* Digits only: strtoull would take a sign. */
static bool whole(const char *value, uint64_t *number, char **end)
{
    errno = 0;
    *number = strtoull(value, end, 10);
    return *value >= '0' && *value <= '9' && errno == 0;
}

static bool read_pair(double pair[2], const char *value)
{
    char *end;
    pair[1] = strtod(value, &end);
    pair[0] = -pair[1];
    if (!starts_number(value) || end == value)
        return false;
    if (*end == ',') {
        const char *second = end + 1;
        pair[0] = pair[1];
        pair[1] = strtod(second, &end);
        return starts_number(second) && end != second && !*end && isfinite(pair[0]) && isfinite(pair[1]);
    }
    return !*end && isfinite(pair[1]);
}

static bool read_reals(double *real, const struct rn_opt *opt, const char *value)
{
    for (size_t i = 0; i < opt->count; i++) {
        char *end;
        real[i] = strtod(value, &end);
        if (!starts_number(value) || end == value || !(real[i] >= opt->low && real[i] <= opt->high))
            return false;
        if (*end != (i + 1 < opt->count ? ',' : '\0'))
            return false;
        value = end + 1;
    }
    return true;
}

int rn_opt_set(const struct rn_opt *opt, void *options, const char *value, struct rn_err *err)
{
    char *field = (char *)options + opt->offset, *end;
    uint64_t number;
    double real, *pair;
    switch (opt->kind) {
    case RN_OPT_FLAG:
        *(bool *)field = true;
        return 0;
    case RN_OPT_INT:
        errno = 0;
        long long integer = strtoll(value, &end, 10);
        if (!starts_number(value) || *end || errno || (double)integer < opt->low || (double)integer > opt->high)
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not a whole number from %.0f to %.0f", opt->name, value,
                           opt->low, opt->high);
        *(int64_t *)field = integer;
        return 0;
    case RN_OPT_REAL:
        real = strtod(value, &end);
        if (!starts_number(value) || *end || !isfinite(real) || !(real >= opt->low && real <= opt->high))
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not a number from %g to %g", opt->name, value, opt->low, opt->high);
        *(double *)field = real;
        return 0;
    case RN_OPT_SEED:
        if (!whole(value, &number, &end) || *end)
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not a whole number below 2^64", opt->name, value);
        *(uint64_t *)field = number;
        return 0;
    case RN_OPT_COUNT: {
        bool good = whole(value, &number, &end);
        for (int unit = good ? unit_of(*end) : 0; unit > 0; unit--)
            good = good && !__builtin_mul_overflow(number, (uint64_t)1000, &number);
        if (!good || (*end && (!unit_of(*end) || end[1])) || (double)number < opt->low || (double)number > opt->high)
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not a whole number from %.0f to %.0f (K, M, G may follow)",
                           opt->name, value, opt->low, opt->high);
        *(uint64_t *)field = number;
        return 0;
    }
    case RN_OPT_TEXT:
        *(const char **)field = value;
        return opt->choice ? check_name(opt, value, err) : 0;
    case RN_OPT_LIST:
        return rn_texts_add((struct rn_texts *)field, rn_text(value), err);
    case RN_OPT_CHOICE:
        return set_choice(opt, (int *)field, value, err);
    case RN_OPT_PAIR:
        pair = (double *)field;
        if (!read_pair(pair, value) || !(pair[0] >= opt->low && pair[1] <= opt->high && pair[0] <= pair[1]))
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not a pair LOW,HIGH within %g,%g", opt->name, value, opt->low,
                           opt->high);
        return 0;
    case RN_OPT_REALS:
        if (!read_reals((double *)field, opt, value))
            return rn_fail(err, RN_EXIT_USAGE, "--%s: '%s' is not %zu numbers from %g to %g", opt->name, value, opt->count,
                           opt->low, opt->high);
        return 0;
    case RN_OPT_END:
        break;
    }
    return rn_fail(err, RN_EXIT_USAGE, "--%s: a row of no kind", opt->name);
}

static int has_argument(const struct rn_opt *opt)
{
    return opt->kind == RN_OPT_FLAG ? no_argument : opt->flags & RN_OPT_OPTIONAL ? optional_argument : required_argument;
}

static bool swapped(const char *a, const char *b)
{
    size_t i = 0;
    while (a[i] && a[i] == b[i])
        i++;
    return a[i] && a[i + 1] && a[i] == b[i + 1] && a[i + 1] == b[i] && !strcmp(a + i + 2, b + i + 2);
}

size_t rn_opt_distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    size_t n = strlen(a), m = strlen(b), cost[MOST + 1], i, k;
    if (n > MOST || m > MOST)
        return n > m ? n : m;
    for (k = 0; k <= m; k++)
        cost[k] = k;
    for (i = 1; i <= n; i++) {
        size_t diagonal = cost[0];
        cost[0] = i;
        for (k = 1; k <= m; k++) {
            size_t least = diagonal + (a[i - 1] != b[k - 1]);
            diagonal = cost[k];
            least = least < diagonal + 1 ? least : diagonal + 1;
            cost[k] = least < cost[k - 1] + 1 ? least : cost[k - 1] + 1;
        }
    }
    return cost[m] == 2 && swapped(a, b) ? 1 : cost[m];
}

/* What is known of an option that is not in the table, "--name" or "--name=value". */
static int no_option(const struct option *longs, const char *text, const struct rn_tool *tool, struct rn_args *args,
                     struct rn_err *err)
{
    char name[64];
    const char *near = NULL;
    int length = (int)strcspn(text, "=");
    size_t best = length < 8 ? 2 : 3; /* of a short word two letters are too many */
    bool plain = length > 2 && length < (int)sizeof name && !strncmp(text, "--", 2);
    if (plain) {
        snprintf(name, sizeof name, "%.*s", length - 2, text + 2);
        for (; longs->name; longs++)
            if (rn_opt_distance(name, longs->name) < best) {
                near = longs->name;
                best = rn_opt_distance(name, near);
            }
    }
    args->unknown = plain ? text : NULL;
    if (near)
        return rn_fail(err, RN_EXIT_USAGE, "%s is not an option here: is --%s meant? (see %s --help)", text, near, tool->name);
    return rn_fail(err, RN_EXIT_USAGE, "%s is not an option here (see %s --help)", text, tool->name);
}

/* Abbreviations are taken, but for a flag's first words alone: --epochs is not --epochs-only-last, and may be another tool's. A
 * flag has no value, so that it is the argument itself. */
static bool cuts_a_word(const struct rn_opt *opt, const char *text)
{
    size_t length = strlen(text);
    return opt->kind == RN_OPT_FLAG && length > 2 && length - 2 < strlen(opt->name) && opt->name[length - 2] == '-';
}

/* --verbose goes with --version alone, and is no option of its own. */
static bool asks_for_more(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        if (!strcmp(argv[i], "--verbose"))
            return true;
    return false;
}

int rn_opt_parse(const struct rn_tool *tool, void *options, struct rn_args *args, int argc, char **argv, struct rn_err *err)
{
    struct option longs[96] = { { 0 } };
    char shorts[256] = ":"; /* getopt stays silent */
    size_t own = rn_opt_count(tool->options), all = own + rn_opt_count(rn_opt_common), length = 1;
    if (all + 3 > sizeof longs / sizeof *longs)
        return rn_fail(err, RN_EXIT_USAGE, "the option table is too long");
    for (size_t i = 0; i < all; i++) {
        const struct rn_opt *opt = i < own ? &tool->options[i] : &rn_opt_common[i - own];
        longs[i] = (struct option){ opt->name, has_argument(opt), NULL, 1000 + (int)i };
        if (opt->letter)
            length += (size_t)snprintf(shorts + length, sizeof shorts - length, "%c%s", opt->letter,
                                       has_argument(opt) == no_argument ? "" : ":");
    }
    longs[all] = (struct option){ "help-man", no_argument, NULL, MAN };
    longs[all + 1] = (struct option){ "help-completion", no_argument, NULL, COMPLETION };

    memset(options, 0, tool->size);
    if (tool->defaults)
        memcpy(options, tool->defaults, tool->size);
    *args = (struct rn_args){ 0 };
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        const struct rn_opt *opt = NULL;
        if (c == MAN || c == COMPLETION)
            return c == MAN ? RN_OPT_MAN : RN_OPT_COMPLETION;
        if (c == ':' || c == '?') {
            const char *what = c == ':' ? "needs a value" : optopt >= 1000 || optopt == MAN ? "takes no value"
                               : "is not an option here";
            char one[3] = { '-', (char)optopt, 0 };
            bool brief = optopt > 0 && optopt < 256;
            if (!brief && *what == 'i')
                return no_option(longs, argv[optind - 1], tool, args, err);
            return rn_fail(err, RN_EXIT_USAGE, "%s %s (see %s --help)", brief ? one : argv[optind - 1], what, tool->name);
        }
        for (size_t i = 0; i < all; i++) {
            const struct rn_opt *row = i < own ? &tool->options[i] : &rn_opt_common[i - own];
            if (c == 1000 + (int)i || (row->letter && c == row->letter)) {
                opt = row;
                if (i < own)
                    args->given |= (uint64_t)1 << i;
            }
        }
        if (opt && opt->letter == 'h' && !strcmp(opt->name, "help"))
            return RN_OPT_HELP;
        if (opt && opt->letter == 'V')
            return asks_for_more(argc, argv) ? RN_OPT_VERSIONS : RN_OPT_VERSION;
        if (opt && c >= 1000 && cuts_a_word(opt, argv[optind - 1]))
            return no_option(longs, argv[optind - 1], tool, args, err);
        bool shared = opt >= rn_opt_common && opt < rn_opt_common + rn_opt_count(rn_opt_common);
        if (!opt || rn_opt_set(opt, shared ? (void *)args : options, optarg ? optarg : "", err))
            return -1;
    }
    args->operand = argv + optind;
    args->operands = (size_t)(argc - optind);
    return RN_OPT_RUN;
}

void rn_opt_free(const struct rn_tool *tool, void *options)
{
    for (size_t i = 0; i < rn_opt_count(tool->options); i++)
        if (tool->options[i].kind == RN_OPT_LIST)
            rn_texts_free((struct rn_texts *)((char *)options + tool->options[i].offset));
}

bool rn_opt_value(const struct rn_opt *opt, const void *options, char room[static 64], const char **text)
{
    const char *field = (const char *)options + opt->offset;
    *text = room;
    switch (opt->kind) {
    case RN_OPT_FLAG:
        *text = "";
        return *(const bool *)field;
    case RN_OPT_INT:
        snprintf(room, 64, "%lld", (long long)*(const int64_t *)field);
        return true;
    case RN_OPT_REAL:
        rn_text_number(*(const double *)field, room);
        return true;
    case RN_OPT_SEED:
    case RN_OPT_COUNT:
        snprintf(room, 64, "%llu", (unsigned long long)*(const uint64_t *)field);
        return true;
    case RN_OPT_TEXT:
        *text = *(const char *const *)field;
        return *text != NULL;
    case RN_OPT_CHOICE: {
        const char *word = opt->argument;
        for (int i = *(const int *)field; i > 0; i--)
            word += strcspn(word, "|") + 1;
        snprintf(room, 64, "%.*s", (int)strcspn(word, "|"), word);
        return true;
    }
    case RN_OPT_PAIR: {
        char low[32], high[32];
        snprintf(room, 64, "%s,%s", rn_text_number(((const double *)field)[0], low),
                 rn_text_number(((const double *)field)[1], high));
        return true;
    }
    case RN_OPT_REALS:
    case RN_OPT_LIST:
    case RN_OPT_END:
        break;
    }
    return false;
}

static int add_option(struct rn_texts *list, const struct rn_opt *opt, const char *value, struct rn_err *err)
{
    char *text = NULL;
    int n = opt->kind == RN_OPT_FLAG ? asprintf(&text, "--%s", opt->name) : asprintf(&text, "--%s=%s", opt->name, value);
    if (n < 0)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
    int rc = rn_texts_add(list, rn_text(text), err);
    free(text);
    return rc;
}

static int add_options(const struct rn_tool *tool, const void *options, const void *defaults, bool all, struct rn_texts *list,
                       struct rn_err *err)
{
    for (size_t i = 0; i < rn_opt_count(tool->options); i++) {
        const struct rn_opt *opt = &tool->options[i];
        char room[64], other[64];
        const char *text, *usual;
        if (opt->flags & RN_OPT_HOW)
            continue;
        if (opt->kind == RN_OPT_LIST) {
            const struct rn_texts *texts = (const struct rn_texts *)((const char *)options + opt->offset);
            for (size_t k = 0; k < texts->count; k++)
                if (add_option(list, opt, texts->item[k].data, err))
                    return -1;
            continue;
        }
        if (!rn_opt_value(opt, options, room, &text))
            continue;
        bool is_default = rn_opt_value(opt, defaults, other, &usual) && !strcmp(text, usual);
        if ((all || !is_default) && add_option(list, opt, text, err))
            return -1;
    }
    rn_texts_sort(list);
    return 0;
}

int rn_opt_list(const struct rn_tool *tool, const void *options, bool all, struct rn_texts *list, struct rn_err *err)
{
    void *zeros = tool->defaults ? NULL : rn_calloc(1, tool->size, err);
    if (!tool->defaults && !zeros)
        return -1;
    int rc = add_options(tool, options, zeros ? zeros : tool->defaults, all, list, err);
    free(zeros);
    return rc;
}

int rn_opt_apply(const struct rn_tool *tool, void *options, const struct rn_texts *list, struct rn_err *err)
{
    for (size_t k = 0; k < list->count; k++) {
        const char *text = list->item[k].data;
        size_t length = strcspn(text, "=");
        const struct rn_opt *opt = NULL;
        for (size_t i = 0; i < rn_opt_count(tool->options); i++)
            if (length > 2 && strlen(tool->options[i].name) == length - 2 && !memcmp(tool->options[i].name, text + 2, length - 2))
                opt = &tool->options[i];
        if (!opt || strncmp(text, "--", 2)) {
            char room[256];
            return rn_fail(err, RN_EXIT_DATA, "%s is not an option of %s", rn_text_show(list->item[k], room), tool->name);
        }
        bool valued = text[length], wanted = opt->kind != RN_OPT_FLAG;
        if (valued != wanted && !(wanted && opt->flags & RN_OPT_OPTIONAL))
            return rn_fail(err, RN_EXIT_DATA, "--%s %s", opt->name, wanted ? "needs a value" : "takes no value");
        if (rn_opt_set(opt, options, valued ? text + length + 1 : "", err)) {
            err->exit = RN_EXIT_DATA;
            return -1;
        }
    }
    return 0;
}
