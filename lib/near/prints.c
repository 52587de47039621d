/* prints.c -- the prints of many photos: one thread adds and takes, the line's threads decode. */
#include <stdlib.h>

#include "core/threads.h"
#include "near/near.h"
#include "source/source.h"

struct job {
    struct rn_record record; /* borrows from bytes */
    struct rn_buffer bytes;
    struct rn_print print;
    struct rn_err err;
};

static void free_job(struct job *job)
{
    if (job)
        rn_buffer_free(&job->bytes);
    free(job);
}

static int look(struct job *job, const struct rn_decode *decode, struct rn_err *err)
{
    char room[256];
    struct rn_image image;
    const struct rn_tensor *t = &job->record.tensor;
    if (job->record.kind == RN_IMAGES) {
        if (t->type != RN_U8)
            return rn_fail(err, RN_EXIT_DATA, "%s: a picture of floats, normalised already", rn_text_show(job->record.id, room));
        image = (struct rn_image){ (uint8_t *)t->data, t->shape[0], t->shape[1] };
        return rn_print_make(&job->print, &image, err);
    }
    if (rn_source_decode(&image, &job->record, decode, err))
        return -1;
    int rc = rn_print_make(&job->print, &image, err);
    rn_image_free(&image);
    return rc;
}

static void work(void *context, void *argument)
{
    struct job *job = argument;
    job->print.valid = !job->record.error.data && look(job, context, &job->err) == 0;
    rn_image_thread_end(); /* a line's threads do not say when they end */
}

int rn_prints_begin(struct rn_prints *prints, int jobs, const struct rn_decode *decode, bool keep_going, struct rn_err *err)
{
    prints->decode = *decode;
    prints->keep_going = keep_going;
    prints->room = (size_t)jobs * 2 + 2;
    return rn_queue_new(&prints->line, jobs, prints->room, work, &prints->decode, err);
}

/* The oldest job. */
static int take(struct rn_prints *prints, struct rn_err *err)
{
    struct job *job = rn_queue_next(prints->line);
    bool failed = !job->print.valid && !job->record.error.data;
    int rc = 0;
    prints->inside--;
    if (failed && !prints->keep_going) {
        *err = job->err;
        rc = -1;
    }
    prints->failed += failed;
    if (rc == 0 && (rc = rn_grow(&prints->item, &prints->capacity, prints->count + 1, sizeof *prints->item, err)) == 0)
        prints->item[prints->count++] = job->print;
    free_job(job);
    return rc;
}

int rn_prints_add(struct rn_prints *prints, const struct rn_record *record, struct rn_err *err)
{
    if (prints->inside == prints->room && take(prints, err))
        return -1;
    struct job *job = rn_calloc(1, sizeof *job, err);
    if (!job)
        return -1;
    if (rn_record_copy(&job->record, record, &job->bytes, err) || rn_queue_submit(prints->line, job)) {
        free_job(job);
        return err->exit ? -1 : rn_fail(err, RN_EXIT_SYSTEM, "the line of jobs has stopped");
    }
    prints->inside++;
    return 0;
}

int rn_prints_end(struct rn_prints *prints, struct rn_err *err)
{
    while (prints->inside)
        if (take(prints, err))
            return -1;
    return 0;
}

void rn_prints_free(struct rn_prints *prints)
{
    struct job *left;
    if (prints->line) {
        rn_queue_end(prints->line);
        rn_queue_stop(prints->line);
        while ((left = rn_queue_next(prints->line)))
            free_job(left);
        rn_queue_free(prints->line);
    }
    free(prints->item);
    *prints = (struct rn_prints){ 0 };
}
