/* rn-frames -- a video as samples.
 * stdin: JPEGs one after the other (ffmpeg -f image2pipe, MJPEG). stdout: samples with embedded data, each as it arrives.
 * exit: 3 when something between or in them is no JPEG. */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "frames/frames.h"
#include "stream/stream.h"
#include "tools/tool.h"

struct opts { int64_t every; };

static const struct rn_opt options[] = {
    { 'n', "every", RN_OPT_INT, RN_AT(opts, every), 1, 1e9, "one frame in N: the first, then each Nth after it" },
    RN_OPT_LAST,
};

struct work {
    const struct opts *opts;
    struct rn_writer *writer;
    struct rn_progress progress;
    uint64_t number; /* frames read, of all files */
};

static int write_frames(struct work *w, struct rn_frames *frames, struct rn_err *err)
{
    struct rn_record record = { .kind = RN_SAMPLES, .label = RN_NIL };
    char id[32];
    int rc;
    while ((rc = rn_frames_next(frames, &record.data, err)) == 1) {
        if (w->number++ % (uint64_t)w->opts->every)
            continue;
        snprintf(id, sizeof id, "frame%06llu", (unsigned long long)w->number);
        record.id = rn_text(id);
        if (rn_writer_record(w->writer, &record, err) || rn_writer_flush(w->writer, err))
            return -1;
        rn_progress_show(&w->progress, false, "%llu frames", (unsigned long long)w->number);
    }
    return rc;
}

/* path NULL or "-": standard input */
static int read_file(struct work *w, const char *path, struct rn_err *err)
{
    char room[256];
    struct rn_frames *frames;
    bool standard = !path || rn_text_is(rn_text(path), "-");
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return rn_fail_errno(err, "%s", rn_text_show(rn_text(path), room));
    int rc = rn_frames_open(&frames, fd, standard ? "standard input" : path, err);
    if (rc == 0)
        rc = write_frames(w, frames, err);
    rn_frames_close(frames);
    if (!standard)
        close(fd);
    return rc;
}

static int run(const void *options_, const struct rn_args *args, struct rn_err *err)
{
    struct work w = { .opts = options_, .progress = rn_progress_begin(args) };
    struct rn_head head;
    rn_head_init(&head, RN_SAMPLES);
    int rc = -1;
    if (rn_writer_open(&w.writer, args->output, err) || rn_head_sign(&head, &rn_tool, w.opts, NULL, err) ||
        rn_writer_head(w.writer, &head, err) || rn_writer_flush(w.writer, err))
        goto out;
    for (size_t i = 0; i < args->operands || i == 0; i++)
        if (read_file(&w, args->operands ? args->operand[i] : NULL, err))
            goto out;
    rn_progress_end(&w.progress);
    if (w.number == 0) {
        rn_fail(err, RN_EXIT_DATA, "there is no frame: the input is empty");
        goto out;
    }
    if ((rc = rn_writer_tail(w.writer, err)) == 0) {
        rc = rn_writer_close(w.writer, err);
        w.writer = NULL;
    }
out:
    rn_writer_discard(w.writer);
    rn_head_free(&head);
    return rc;
}

const struct rn_tool rn_tool = {
    .name = "rn-frames", .operands = "[FILE...]", .summary = "turn a video's JPEG frames into samples",
    .options = options, .size = sizeof(struct opts), .defaults = &(const struct opts){ .every = 1 }, .run = run,
    .about = "Reads JPEG files that follow each other without anything between them, as ffmpeg's image2pipe writes them and "
             "MJPEG cameras send them, and writes each as a sample without a label, with the file's own bytes, as soon as its "
             "last byte has arrived. Ids are frame000001, frame000002 and so on, counted over all frames and all files, also "
             "those that --every leaves out.\n\n"
             "Where a frame ends is found by walking its markers. Anything else between the frames, a frame that is cut, one that "
             "is longer than 64 MiB, or no frame at all is damage (exit 3); the message names frame and byte, and what was whole "
             "has been written, but no tail. Frames are not decoded here: rn-batch does that, and refuses what has broken "
             "pixels.\n\n"
             "pipelines/webcam is a ready-made line for cameras, files and addresses.",
    .examples = "ffmpeg -i film.mp4 -f image2pipe -c:v mjpeg - | rn-frames | rn-batch --for run/best.rn -b 1 |\n"
                "    rn-predict -m run/best.rn --tsv\n"
                "cat *.jpg | rn-frames --every 10 -o some.rn",
};
