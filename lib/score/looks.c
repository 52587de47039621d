/* looks.c -- a table that only grows. */
#include "score/looks.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/file.h"
#include "core/mem.h"

static const char titles[] = "time\tphotos\tn\terrors\tacc1\tpredictions\tmade_by\n";

/* The lines of these photos; *known: one of them is of these predictions. */
static int count_lines(struct rn_text log, const struct rn_look *look, uint64_t *count, bool *known, struct rn_err *err)
{
    size_t head = strlen(titles);
    if (!log.length)
        return 0;
    if (log.length < head || memcmp(log.data, titles, head))
        return rn_fail(err, RN_EXIT_DATA, "not a log of looks (its first line is another)");
    if (log.data[log.length - 1] != '\n')
        return rn_fail(err, RN_EXIT_DATA, "its last line has no end");
    const char *end = log.data + log.length;
    for (const char *line = log.data + head; line < end; line = (char *)memchr(line, '\n', (size_t)(end - line)) + 1) {
        uint64_t photos, predictions;
        if (sscanf(line, "%*[^\t\n]\t%16" SCNx64 "\t%*[^\t\n]\t%*[^\t\n]\t%*[^\t\n]\t%16" SCNx64 "\t", &photos, &predictions) != 2)
            return rn_fail(err, RN_EXIT_DATA, "byte %zu: not a look's line", (size_t)(line - log.data));
        *count += photos == look->photos;
        *known = *known || (photos == look->photos && predictions == look->predictions);
    }
    return 0;
}

static int make_line(struct rn_buffer *line, const struct rn_look *look, int64_t seconds, struct rn_err *err)
{
    char text[256], when[64];
    struct tm tm;
    time_t t = (time_t)seconds;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    int n = snprintf(text, sizeof text, "%s\t%016" PRIx64 "\t%" PRIu64 "\t%" PRIu64 "\t%.2f\t%016" PRIx64 "\t", when, look->photos,
                     look->n, look->errors, look->n ? 100 * (double)look->right / (double)look->n : 0, look->predictions);
    return rn_buffer_add(line, text, (size_t)n, err) || rn_text_escape(line, look->made_by, RN_ESCAPE_TSV, err) ||
           rn_buffer_add(line, "\n", 1, err) ? -1 : 0;
}

/* The whole log, with a NUL behind it, for its owner to free. */
static char *read_log(int fd, size_t *length, struct rn_err *err)
{
    struct stat status;
    if (fstat(fd, &status)) {
        rn_fail_errno(err, "it cannot be read");
        return NULL;
    }
    *length = (size_t)status.st_size;
    char *log = rn_calloc(*length + 1, 1, err);
    if (log && rn_file_pread(fd, log, *length, 0, err)) {
        free(log);
        return NULL;
    }
    return log;
}

/* The log is locked. */
static int append(int fd, const struct rn_look *look, int64_t seconds, uint64_t *count, struct rn_err *err)
{
    struct rn_buffer more = { 0 };
    bool known = false;
    size_t length;
    char *log = read_log(fd, &length, err);
    int rc = log ? count_lines((struct rn_text){ log, length }, look, count, &known, err) : -1;
    if (rc == 0 && !known) {
        rc = (length == 0 && rn_buffer_add(&more, titles, strlen(titles), err)) || make_line(&more, look, seconds, err) ||
             rn_file_write(fd, more.data, more.length, err) ? -1 : 0;
        ++*count;
    }
    free(log);
    rn_buffer_free(&more);
    return rc;
}

int rn_look_log(const char *path, const struct rn_look *look, int64_t seconds, uint64_t *count, struct rn_err *err)
{
    char shown[256];
    struct stat status;
    int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    *count = 0;
    if (fd < 0)
        return rn_fail_errno(err, "%s", rn_text_show(rn_text(path), shown));
    int rc = fstat(fd, &status) || !S_ISREG(status.st_mode) ? rn_fail(err, RN_EXIT_SYSTEM, "not a regular file") : 0;
    if (rc == 0 && flock(fd, LOCK_EX))
        rc = rn_fail_errno(err, "it cannot be locked");
    if (rc == 0)
        rc = append(fd, look, seconds, count, err);
    if (close(fd) && rc == 0)
        rc = rn_fail_errno(err, "it cannot be written");
    return rc ? rn_fail_at(err, "%s", rn_text_show(rn_text(path), shown)) : 0;
}
