/* memory -- how much memory does rn-batch need for each record? Its peak for 1,000 and for 20,000 records of every kind that
 * it takes, and the growth in bytes a record; 200 is the limit. The tool is the one in $BUILD (build).
 * usage: memory [RECORDS]. With more records (200000) what every process needs hides less of the growth. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/file.h"
#include "stream/stream.h"

enum { FEW = 1000, SIDE = 12 };
static const char photo[] = "tests/fixtures/images/grey.jpg";
static const char *const inputs[] = { "paths", "--embed", "images" };

static int fill(struct rn_record *record, int input, struct rn_buffer *file, struct rn_err *err)
{
    static unsigned char pixels[SIDE * SIDE * 3];
    record->kind = input == 2 ? RN_IMAGES : RN_SAMPLES;
    if (input == 0)
        record->path = rn_text(photo);
    else if (input == 2)
        record->tensor = (struct rn_tensor){ RN_U8, 3, { SIDE, SIDE, 3 }, pixels };
    else if (rn_file_read(file, photo, 1 << 20, err))
        return -1;
    else
        record->data = (struct rn_text){ file->data, file->length };
    return 0;
}

/* One picture under many names, of the length that photos' names have. */
static int write_input(const char *path, int input, long records, struct rn_err *err)
{
    struct rn_writer *writer;
    struct rn_head head;
    struct rn_buffer file = { 0 };
    struct rn_record record = { .label = RN_NIL };
    if (rn_writer_open(&writer, path, err))
        return -1;
    int rc = fill(&record, input, &file, err);
    rn_head_init(&head, record.kind);
    rc = rc || rn_texts_add(&head.classes, RN_TEXT("cardboard"), err) || rn_writer_head(writer, &head, err) ? -1 : 0;
    for (long i = 0; i < records && rc == 0; i++) {
        char id[64];
        snprintf(id, sizeof id, "cardboard/cardboard%06ld.jpg", i);
        record.id = rn_text(id);
        record.label = 0;
        rc = rn_writer_record(writer, &record, err);
    }
    rn_head_free(&head);
    rn_buffer_free(&file);
    if (rc || rn_writer_tail(writer, err))
        return rn_writer_discard(writer), -1;
    return rn_writer_close(writer, err);
}

/* The peak of rn-batch's resident memory in bytes, or -1. */
static long peak(const char *path, bool train)
{
    const char *build = getenv("BUILD");
    char tool[4096];
    struct rusage usage;
    int status;
    snprintf(tool, sizeof tool, "%s/rn-batch", build ? build : "build");
    char *argv[] = { tool, (char *)path, "--size", "8", "--resize", "8", "-b", "64", "-j", "1", train ? "--train" : NULL, NULL };
    pid_t child = fork();
    if (child == 0) {
        int null = open("/dev/null", O_WRONLY);
        dup2(null, STDOUT_FILENO);
        execv(tool, argv);
        _exit(127);
    }
    if (child < 0 || wait4(child, &status, 0, &usage) < 0 || status)
        return -1;
    return usage.ru_maxrss * 1024;
}

int main(int argc, char **argv)
{
    long more = argc > 1 ? atol(argv[1]) : 20000;
    if (more <= FEW)
        return fprintf(stderr, "memory: RECORDS is a number above %d\n", FEW), RN_EXIT_USAGE;
    char path[] = "/tmp/rn-memory.XXXXXX";
    struct rn_err err = { 0 };
    int fd = mkstemp(path), rc = 0;
    if (fd < 0)
        return perror(path), RN_EXIT_SYSTEM;
    close(fd);
    printf("%-10s %-6s %12s %5d %12s %6ld %16s\n", "input", "mode", "MiB at", FEW, "MiB at", more, "bytes a record");
    for (int input = 0; input < 3 && rc == 0; input++)
        for (int train = 0; train < 2 && rc == 0; train++) {
            long few = write_input(path, input, FEW, &err) ? -1 : peak(path, train);
            long many = few < 0 || write_input(path, input, more, &err) ? -1 : peak(path, train);
            if (many < 0)
                rc = (fprintf(stderr, "memory: %s\n", err.exit ? err.text : "rn-batch failed"), RN_EXIT_SYSTEM);
            else
                printf("%-10s %-6s %18.1f %19.1f %16.1f\n", inputs[input], train ? "train" : "eval", (double)few / 1048576,
                       (double)many / 1048576, (double)(many - few) / (double)(more - FEW));
            fflush(stdout);
        }
    unlink(path);
    return rc;
}
