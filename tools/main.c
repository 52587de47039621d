/* main.c -- the main of every tool: arguments, work, one line about what went wrong, exit code.
 * Each tools/rn-X.c defines `rn_tool`; nothing else in the project prints to standard error or exits. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/isa.h"
#include "core/opt.h"
#include "core/shipped.h"
#include "tools/tool.h"

/* One line, whatever names and values are quoted in it. Where there is no memory to escape them, what would be has a ?. */
void rn_note(const char *format, ...)
{
    char text[8192];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (length < 0)
        return;
    struct rn_buffer escaped = { 0 };
    struct rn_err err;
    if (rn_text_escape(&escaped, rn_text(text), RN_ESCAPE_MESSAGE, &err) == 0 && escaped.data) {
        fprintf(stderr, "%s: %.*s\n", rn_tool.name, (int)escaped.length, escaped.data);
    } else {
        for (char *at = text; *at; at++)
            *at = *at >= ' ' && *at <= '~' ? *at : '?';
        fprintf(stderr, "%s: %s\n", rn_tool.name, text);
    }
    rn_buffer_free(&escaped);
}

void rn_note_failures(const struct rn_failures *failures)
{
    if (failures->count)
        rn_note("error records made: %llu (%s%s)", (unsigned long long)failures->count, failures->count > 1 ? "the first: " : "",
                failures->first);
}

int rn_model_default(const char **model, struct rn_buffer *room, const struct rn_args *args, struct rn_err *err)
{
    if (*model)
        return 0;
    if (rn_shipped_default(room, err))
        return -1;
    *model = room->data;
    if (!args->quiet)
        rn_note("the network is %s, which comes with the program (-m takes another)", *model);
    return 0;
}

/* An option that this tool does not have may be another's. */
static void say_whose(const struct rn_args *args, struct rn_err *err)
{
    size_t length = strcspn(args->unknown + 2, "=");
    char whose[128] = "";
    for (const struct rn_option_of *row = rn_options; row->name; row++) {
        size_t at = strlen(whose);
        if (strlen(row->name) == length && !strncmp(row->name, args->unknown + 2, length))
            snprintf(whose + at, sizeof whose - at, "%s%s's", at ? ", " : "", row->tool);
    }
    if (*whose)
        (void)rn_fail(err, RN_EXIT_USAGE, "%s is not an option here: --%.*s is %s (see %s --help)", args->unknown, (int)length,
                      args->unknown + 2, whose, rn_tool.name);
}

static int document(enum rn_opt_result what, struct rn_err *err)
{
    struct rn_buffer text = { 0 };
    struct rn_out *out = NULL;
    int rc = rn_opt_document(&rn_tool, what, &text, err) || (what == RN_OPT_VERSIONS && rn_versions(&text, err)) ? -1 : 0;
    if (rc == 0 && (rc = rn_out_open(&out, NULL, err)) == 0) {
        rc = rn_out_write(out, text.data, text.length, err);
        rc = rc ? (rn_out_discard(out), rc) : rn_out_commit(out, err);
    }
    rn_buffer_free(&text);
    return rc;
}

/* A descriptor that was closed for us would be the next file's, and messages would go into that file. It is opened the
 * wrong way round, so that using it is still an error. */
static void fill_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(RN_EXIT_SYSTEM);
}

/* Whatever the tool: a wrong RN_CPU is not passed over. */
static int run(const void *options, const struct rn_args *args, struct rn_err *err)
{
    enum rn_isa isa;
    return rn_isa_choose(&isa, err) ? -1 : rn_tool.run(options, args, err);
}

int main(int argc, char **argv)
{
    struct rn_err err = { 0 };
    struct rn_args args = { 0 };
    fill_descriptors();
    signal(SIGXFSZ, SIG_IGN); /* a file that may not grow further is an error like a full disk */
    signal(SIGPIPE, SIG_DFL); /* who started us may ignore it; a reader that is gone still ends us quietly */
    void *options = calloc(1, rn_tool.size + 1);
    int what = options ? rn_opt_parse(&rn_tool, options, &args, argc, argv, &err) : rn_fail(&err, RN_EXIT_SYSTEM, "out of memory");
    if (what < 0 && options && args.unknown)
        say_whose(&args, &err);
    int rc = what < 0 ? -1 : what == RN_OPT_RUN ? run(options, &args, &err) : document((enum rn_opt_result)what, &err);
    if (rc < 0 && !err.exit) /* whatever failed without a word, it is no success */
        rn_fail(&err, RN_EXIT_SYSTEM, "out of memory");
    if (rc < 0)
        rn_note("%s", err.text);
    if (options)
        rn_opt_free(&rn_tool, options);
    free(options);
    return rc < 0 ? err.exit : rc;
}
