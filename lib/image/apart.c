/* apart.c -- work on bytes from outside, in a process that may do no more than a decoder: what it writes comes over a pipe. */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "image/private.h"

struct result {
    int rc, locked; /* locked: of rn_image_lock */
    struct rn_err err;
};

static _Noreturn void child(int output, int answer, int (*work)(void *context, struct rn_err *err), void *context)
{
    struct result result = { 0 };
    struct rn_err ignored;
    const struct rn_decode how = { .max_pixels = 1 << 27 };
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (dup2(output, STDOUT_FILENO) < 0)
        result.rc = rn_fail_errno(&result.err, "standard output");
    close(output);
    result.locked = rn_image_lock(&how);
    if (result.rc == 0)
        result.rc = work(context, &result.err);
    _exit(rn_file_write(answer, &result, sizeof result, &ignored) ? 1 : 0);
}

/* Until the work ends. */
static int copy(int from, struct rn_out *out, struct rn_err *err)
{
    char bytes[65536];
    ssize_t n;
    while ((n = read(from, bytes, sizeof bytes)) != 0) {
        if (n < 0 && errno != EINTR)
            return rn_fail_errno(err, "cannot read");
        if (n > 0 && (rn_out_write(out, bytes, (size_t)n, err) || rn_out_flush(out, err)))
            return -1;
    }
    return 0;
}

static int take_result(int answer, pid_t worker, int *locked, struct rn_err *err)
{
    struct result result;
    int status = 0;
    ssize_t n;
    while ((n = read(answer, &result, sizeof result)) < 0 && errno == EINTR) {
    }
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR) {
    }
    if (n != (ssize_t)sizeof result && WIFSIGNALED(status))
        return rn_fail(err, RN_EXIT_DATA, "what reads it was ended by signal %d", WTERMSIG(status));
    if (n != (ssize_t)sizeof result)
        return rn_fail(err, RN_EXIT_DATA, "what reads it ended");
    *locked = result.locked;
    if (result.rc < 0)
        *err = result.err;
    return result.rc;
}

int rn_image_apart(struct rn_out *out, int (*work)(void *context, struct rn_err *err), void *context, int *locked,
                   struct rn_err *err)
{
    int output[2], answer[2];
    if (pipe(output))
        return rn_fail_errno(err, "cannot make a pipe");
    if (pipe(answer)) {
        rn_fail_errno(err, "cannot make a pipe");
        close(output[0]);
        close(output[1]);
        return -1;
    }
    pid_t worker = fork();
    if (worker == 0) {
        close(output[0]);
        close(answer[0]);
        child(output[1], answer[1], work, context);
    }
    int rc = worker < 0 ? rn_fail_errno(err, "cannot start a process") : 0;
    close(output[1]);
    close(answer[1]);
    if (rc == 0)
        rc = copy(output[0], out, err);
    close(output[0]); /* where copying failed, the work ends when it writes next */
    if (worker > 0) {
        struct rn_err said = { 0 };
        int done = take_result(answer[0], worker, locked, rc ? &said : err);
        rc = rc ? rc : done;
    }
    close(answer[0]);
    return rc;
}
