/* photo.c -- a record becomes pixels. */
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"
#include "source/source.h"

void rn_photo_clear(void *job)
{
    struct rn_photo *photo = job;
    if (photo->news)
        rn_joined_free(photo->news);
    free(photo->news);
    rn_buffer_free(&photo->bytes);
    rn_arena_free(photo->arena);
    free(photo->pixels);
    *photo = (struct rn_photo){ 0 };
}

/* A photo's numbers are its own each time that an epoch takes it. */
static uint64_t who_of(const struct rn_photo *photo)
{
    return photo->entry.who + photo->again * 0x9E3779B97F4A7C15u;
}

static int crop(struct rn_photo *photo, const struct rn_image *image, const struct rn_batch_plan *plan, struct rn_err *err)
{
    struct rn_rng rng = rn_rng(plan->seed, RN_FOR_CROP, who_of(photo), photo->epoch);
    const struct rn_training *how = &plan->training;
    return rn_image_train_by(photo->pixels, image, photo->size, how->scale[1] > 0 ? how : &rn_training_default, &rng, err);
}

static int prepare(struct rn_photo *photo, const struct rn_image *image, const struct rn_photo_work *work, struct rn_canvas *canvas,
                   struct rn_err *err)
{
    char room[256];
    const struct rn_batch_plan *plan = work->plan;
    if (work->mode == RN_EVAL)
        return rn_views_make(photo, image, plan, err);
    if (!(photo->pixels = rn_alloc_aligned(photo->size * photo->size, 3, err)))
        return -1;
    photo->views = 1;
    photo->view[0] = (struct rn_seen_size){ photo->size, photo->size };
    if (!plan->augment)
        return crop(photo, image, plan, err);
    rn_canvas_set(canvas, RN_U8, image->pixels, image->height, image->width);
    int rc = rn_recipe_run(plan->augment, canvas, plan->seed, photo->epoch, photo->entry.who, photo->again + 1, NULL, err);
    const struct rn_image made = { (uint8_t *)canvas->pixels, canvas->height, canvas->width };
    if (rc || crop(photo, &made, plan, err))
        return rn_fail_at(err, "%s", rn_text_show(photo->record.id, room));
    return 0;
}

static int to_pixels(struct rn_photo *photo, const struct rn_photo_work *work, struct rn_canvas *canvas, struct rn_err *err)
{
    char room[256];
    const struct rn_record *record = &photo->record;
    if (record->kind == RN_IMAGES) {
        const size_t *shape = record->tensor.shape;
        if (!shape[0] || !shape[1])
            return rn_fail(err, RN_EXIT_DATA, "%s: a picture without pixels", rn_text_show(record->id, room));
        if (record->tensor.type != RN_U8)
            return rn_fail(err, RN_EXIT_DATA, "%s: a picture of floats, normalised already: batches are made of 8-bit pixels",
                           rn_text_show(record->id, room));
        const struct rn_image image = { (uint8_t *)record->tensor.data, shape[0], shape[1] };
        return prepare(photo, &image, work, canvas, err);
    }
    struct rn_image image;
    if (rn_source_decode(&image, record, &work->plan->decode, err))
        return -1;
    int rc = prepare(photo, &image, work, canvas, err);
    rn_image_free(&image);
    return rc;
}

/* What becomes of a photo's error is the assembly's to say. */
int rn_photo_work(void *context, struct rn_item *item, struct rn_err *err)
{
    const struct rn_photo_work *work = context;
    struct rn_photo *photo = item->job;
    (void)err;
    if (item->event != RN_FLOW_RECORD)
        return 0;
    if (work->spool && rn_spool_read(work->spool, &photo->entry, &photo->record, &photo->bytes, &photo->arena, &photo->err))
        photo->state = RN_PHOTO_FATAL;
    else if (!photo->record.error.data && to_pixels(photo, work, item->desk, &photo->err))
        photo->state = RN_PHOTO_FAILED;
    return 0;
}

void rn_photo_leave(void *canvas)
{
    rn_canvas_free(canvas);
    rn_image_thread_end();
}
