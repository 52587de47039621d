/* tools -- the tools as their users run them: photos into batches, the first prediction of one photo, the way from a frame to its
 * verdict, the memory of each. Rows of bench.tsv; memory is the most that was resident. Works in a folder that tests/bench/run has
 * prepared: samples.rn, batches.rn (training, 16 a batch), single.rn (evaluation, 1 a batch), model.rn, one/ (a folder with a
 * photo). */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "core/mem.h"
#include "tests/bench/bench.h"

struct opts {
    int64_t rounds, photos;
};

static const struct rn_opt options[] = {
    { 'n', "rounds", RN_OPT_INT, RN_AT(opts, rounds), 1, BENCH_ROUNDS_MOST, "how often" },
    { 'p', "photos", RN_OPT_INT, RN_AT(opts, photos), 1, 1000000, "how many samples.rn names" },
    RN_OPT_LAST,
};

enum { COMMANDS = 4, WORDS = 16 };

/* Starts a command line (words parted by single spaces); closes in and out here. */
static pid_t start(const char *line, int in, int out)
{
    pid_t child = fork();
    if (child == 0) {
        char *word[WORDS + 1] = { NULL }, *rest = strdup(line);
        for (size_t i = 0; i < WORDS && (word[i] = strsep(&rest, " ")); i++)
            ;
        if (dup2(in, STDIN_FILENO) < 0 || dup2(out, STDOUT_FILENO) < 0)
            _exit(126);
        execvp(word[0], word);
        _exit(127);
    }
    close(in);
    close(out);
    return child;
}

/* Starts commands with a pipe from each to the next; closes in and out. */
static int start_all(pid_t *children, const char *const *commands, int in, int out, struct rn_err *err)
{
    for (size_t i = 0; commands[i]; i++) {
        int ends[2] = { -1, out };
        if (commands[i + 1] && pipe2(ends, O_CLOEXEC))
            return rn_fail(err, RN_EXIT_SYSTEM, "pipe: %m");
        if ((children[i] = start(commands[i], in, ends[1])) < 0)
            return rn_fail(err, RN_EXIT_SYSTEM, "fork: %m");
        in = ends[0];
    }
    return 0;
}

/* Waits for them; *memory: the sum of their peaks, in MiB. */
static int wait_all(const pid_t *children, const char *const *commands, double *memory, struct rn_err *err)
{
    int rc = 0;
    *memory = 0;
    for (size_t i = 0; commands[i]; i++) {
        struct rusage usage;
        int status;
        if (wait4(children[i], &status, 0, &usage) < 0 || status)
            rc = rn_fail(err, RN_EXIT_SYSTEM, "%s: failed", commands[i]);
        else
            *memory += (double)usage.ru_maxrss / 1024;
    }
    return rc;
}

/* Rows for a pipe of tools that reads nothing and whose output nobody reads: the time for each of `count` things, and memory. */
static int time_tools(const char *name, const char *unit, double count, int64_t rounds, const char *const *commands,
                      struct rn_err *err)
{
    double seconds[BENCH_ROUNDS_MOST], memory = 0, most = 0;
    char row[128];
    for (int64_t round = -1; round < rounds; round++) { /* the first fills the system's cache of files */
        pid_t children[COMMANDS];
        double begun = bench_now();
        if (start_all(children, commands, open("/dev/null", O_RDONLY | O_CLOEXEC), open("/dev/null", O_WRONLY | O_CLOEXEC), err) ||
            wait_all(children, commands, &memory, err))
            return -1;
        if (round >= 0)
            seconds[round] = (bench_now() - begun) / count;
        most = memory > most ? memory : most;
    }
    struct bench_times t = bench_of(seconds, (size_t)rounds);
    if (unit)
        bench_row(name, unit, t.median * 1e3, (t.most - t.least) / t.median, 0, 0);
    snprintf(row, sizeof row, "%s/memory", name);
    bench_row(row, "MiB", most, 0, 0, 0);
    return 0;
}

static int read_line(int fd, struct rn_err *err)
{
    char c = 0;
    while (c != '\n')
        if (read(fd, &c, 1) != 1)
            return rn_fail(err, RN_EXIT_SYSTEM, "a frame was not answered");
    return 0;
}

/* The next frame is given when the verdict on the one before is there, as a camera's newest would be. */
static int time_frames(int64_t frames, struct rn_err *err)
{
    static const char *const commands[] = { "rn-frames", "rn-batch --for model.rn -b 1", "rn-predict -m model.rn --tsv", NULL };
    pid_t children[COMMANDS];
    struct rn_buffer photo = { 0 };
    double seconds[BENCH_ROUNDS_MOST], memory;
    int in[2], out[2];
    if (rn_file_read(&photo, "one/photo.jpg", 1 << 24, err))
        return -1;
    if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
        return rn_fail(err, RN_EXIT_SYSTEM, "pipe: %m");
    int rc = start_all(children, commands, in[0], out[1], err);
    for (int64_t i = -3; i < frames && rc == 0; i++) { /* the first ones wait for the start */
        double begun = bench_now();
        rc = rn_file_write(in[1], photo.data, photo.length, err) || (i == -3 && read_line(out[0], err)) ||
             read_line(out[0], err) ? -1 : 0;
        if (i >= 0)
            seconds[i] = bench_now() - begun;
    }
    close(in[1]);
    close(out[0]);
    rn_buffer_free(&photo);
    if (wait_all(children, commands, &memory, err) || rc)
        return -1;
    struct bench_times t = bench_of(seconds, (size_t)frames);
    bench_row("frame to verdict", "ms", t.median * 1e3, (t.most - t.least) / t.median, 0, 0);
    bench_row("frame to verdict, 9 of 10 below", "ms", seconds[frames * 9 / 10] * 1e3, 0, 0, 0);
    bench_row("frame to verdict/memory", "MiB", memory, 0, 0, 0);
    return 0;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    static const struct {
        const char *name, *unit, *commands[COMMANDS];
        bool photos; /* time is for each of them */
    } rows[] = {
        { "rn-batch --train -j 1", "ms a photo", { "rn-batch --train -j 1 samples.rn" }, true },
        { "rn-batch --train -j 2", "ms a photo", { "rn-batch --train -j 2 samples.rn" }, true },
        { "rn-batch -j 1", "ms a photo", { "rn-batch -j 1 samples.rn" }, true },
        { "rn-batch -j 2", "ms a photo", { "rn-batch -j 2 samples.rn" }, true },
        { "rn-list, rn-batch, rn-predict of one photo", "ms", { "rn-list --unlabeled one", "rn-batch --for model.rn", "rn-predict -m model.rn --tsv" }, false },
        { "rn-predict, batch 1", NULL, { "rn-predict -m model.rn single.rn" }, false },
        { "rn-train, resnet18 with ours, batch 16", NULL, { "rn-train -q -t ours --overwrite -o run batches.rn" }, false },
    };
    const struct opts *o = options_;
    (void)args;
    signal(SIGPIPE, SIG_IGN);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (time_tools(rows[i].name, rows[i].unit, rows[i].photos ? (double)o->photos : 1, rows[i].unit ? o->rounds : 1,
                       rows[i].commands, err))
            return -1;
    return time_frames(10 * o->rounds, err) ? -1 : RN_EXIT_OK;
}

const struct rn_tool rn_tool = {
    .name = "tools", .operands = "", .summary = "time the tools as users run them", .options = options, .size = sizeof(struct opts),
    .defaults = &(const struct opts){ .rounds = 5, .photos = 1 }, .run = run,
};
