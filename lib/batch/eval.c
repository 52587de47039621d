/* eval.c -- batches as photos arrive. One thread reads and fills the line of jobs; the caller's takes and writes, so that
 * a batch goes out while the next record is still to come. */
#include <stdlib.h>

#include "batch/private.h"

struct feed {
    struct rn_reader *reader;
    struct rn_line *line;
    struct rn_joined joined;
    atomic_int stop; /* the writer has failed: the reader must not wait for bytes */
    struct timespec begun; /* when the first photo of the batch came */
    struct rn_err err;
    int rc;
};

/* The line owns photo, or it is freed. */
static int submit(struct feed *feed, struct rn_photo *photo)
{
    if (photo && rn_line_submit(feed->line, photo) == 0)
        return 0;
    rn_photo_free(photo);
    return -1;
}

/* Says in order, between the photos, what the segments joined so far are. */
static int submit_news(struct feed *feed)
{
    struct rn_photo *photo = rn_photo_new(&feed->err);
    if (!photo)
        return -1;
    if (!(photo->news = rn_calloc(1, sizeof *photo->news, &feed->err)) || rn_joined_copy(photo->news, &feed->joined, &feed->err)) {
        rn_photo_free(photo);
        return -1;
    }
    return submit(feed, photo);
}

static int feed_segment(struct feed *feed, const struct rn_head *head)
{
    struct rn_record record;
    int64_t *map = NULL;
    int rc = rn_joined_add(&feed->joined, head, &map, &feed->err) || submit_news(feed) ? -1 : 0;
    while (rc == 0 && (rc = rn_reader_record(feed->reader, &record, &feed->err)) == 1)
        rc = submit(feed, rn_photo_copy(&record, map, &feed->err));
    free(map);
    return rc;
}

static void *feed_all(void *argument)
{
    struct feed *feed = argument;
    const struct rn_head *head;
    int rc;
    while ((rc = rn_reader_head(feed->reader, RN_KIND_BIT(RN_SAMPLES) | RN_KIND_BIT(RN_IMAGES), &head, &feed->err)) == 1)
        if ((rc = feed_segment(feed, head)))
            break;
    feed->rc = rc;
    rn_line_end(feed->line);
    return NULL;
}

/* Until a head is written the output's can still take in more classes; after that, new ones need a new segment. */
static int take_news(struct rn_assembly *assembly, const struct rn_joined *news, struct rn_err *err)
{
    if (assembly->open && news->classes.count == assembly->head.classes.count)
        return 0;
    if (assembly->open && rn_assembly_close(assembly, err))
        return -1;
    if (!assembly->members)
        assembly->index = 0;
    return rn_assembly_inherit(assembly, news, err);
}

static void stop(struct feed *feed)
{
    feed->stop = 1;
    rn_line_stop(feed->line);
}

static struct timespec after(struct timespec time, int64_t milliseconds)
{
    time.tv_sec += milliseconds / 1000;
    time.tv_nsec += milliseconds % 1000 * 1000000;
    if (time.tv_nsec >= 1000000000)
        return (struct timespec){ time.tv_sec + 1, time.tv_nsec - 1000000000 };
    return time;
}

/* The next photo, or NULL at the end. A batch that has begun is sent when its time is over. */
static struct rn_photo *next_photo(struct rn_assembly *assembly, struct feed *feed, int *rc, struct rn_err *err)
{
    struct timespec deadline = after(feed->begun, assembly->plan->wait);
    bool late = false;
    if (!assembly->plan->live || !assembly->members || *rc)
        return rn_line_next(feed->line);
    struct rn_photo *photo = rn_line_next_until(feed->line, &deadline, &late);
    if (!late)
        return photo;
    *rc = rn_assembly_send(assembly, err);
    if (*rc)
        stop(feed);
    return rn_line_next(feed->line);
}

static int take_all(struct rn_assembly *assembly, struct feed *feed, struct rn_err *err)
{
    struct rn_photo *photo;
    int rc = 0;
    while ((photo = next_photo(assembly, feed, &rc, err))) {
        if (!assembly->members)
            clock_gettime(CLOCK_MONOTONIC, &feed->begun);
        if (rc == 0 && (rc = photo->news ? take_news(assembly, photo->news, err) : rn_assembly_add(assembly, photo, err)))
            stop(feed);
        rn_photo_free(photo);
    }
    return rc;
}

static int run(struct feed *feed, struct rn_assembly *assembly, const struct rn_batch_plan *plan, struct rn_err *err)
{
    struct rn_photo_work work = { plan, RN_EVAL, NULL, NULL };
    pthread_t thread;
    if (rn_line_new(&feed->line, plan->jobs, (size_t)plan->jobs * 2 + 2, rn_photo_work, &work, err))
        return -1;
    int started = rn_thread_start(&thread, feed_all, feed, err);
    if (started)
        rn_line_end(feed->line);
    int rc = take_all(assembly, feed, err);
    if (started == 0)
        pthread_join(thread, NULL);
    rn_line_free(feed->line);
    if (started || rc)
        return -1;
    if (feed->rc)
        return *err = feed->err, -1;
    return rn_assembly_close(assembly, err);
}

int rn_batch_eval(struct rn_reader *reader, struct rn_writer *writer, const struct rn_batch_plan *plan, uint64_t *failed,
                  struct rn_err *err)
{
    struct feed feed = { .reader = reader };
    struct rn_assembly assembly;
    rn_reader_unique(reader);
    rn_reader_stop_on(reader, &feed.stop);
    int rc = rn_assembly_init(&assembly, writer, plan, RN_EVAL, err);
    if (rc == 0)
        rc = run(&feed, &assembly, plan, err);
    rn_reader_stop_on(reader, NULL);
    *failed = assembly.failed;
    rn_assembly_free(&assembly);
    rn_joined_free(&feed.joined);
    return rc;
}
