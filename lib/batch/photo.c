/* photo.c -- a record becomes pixels. */
#include <stdlib.h>
#include <string.h>

#include "batch/private.h"

struct rn_photo *rn_photo_new(struct rn_err *err)
{
    return rn_calloc(1, sizeof(struct rn_photo), err);
}

void rn_photo_free(struct rn_photo *photo)
{
    if (!photo)
        return;
    if (photo->news)
        rn_joined_free(photo->news);
    free(photo->news);
    rn_buffer_free(&photo->bytes);
    rn_arena_free(photo->arena);
    free(photo->pixels);
    free(photo);
}

/* Moves what text points to behind the bytes. There is room. */
static void keep(struct rn_buffer *bytes, struct rn_text *text)
{
    if (!text->data)
        return;
    char *at = bytes->data + bytes->length;
    if (text->length)
        memcpy(at, text->data, text->length);
    bytes->length += text->length;
    text->data = at;
}

static size_t tensor_bytes(const struct rn_tensor *tensor)
{
    size_t count;
    return tensor->data && rn_tensor_count(tensor, &count) ? count * rn_type_size(tensor->type) : 0;
}

struct rn_photo *rn_photo_copy(const struct rn_record *record, const int64_t *map, struct rn_err *err)
{
    struct rn_photo *photo = rn_photo_new(err);
    if (!photo)
        return NULL;
    struct rn_record *copy = &photo->record;
    *copy = *record;
    copy->label = record->label == RN_NIL ? RN_NIL : map[record->label];
    struct rn_text pixels = { record->tensor.data, tensor_bytes(&record->tensor) };
    struct rn_text *texts[] = { &copy->id, &copy->split, &copy->error, &copy->path, &copy->data, &copy->extra, &pixels };
    size_t length = 1;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        length += texts[i]->length;
    if (rn_grow(&photo->bytes.data, &photo->bytes.capacity, length, 1, err)) {
        rn_photo_free(photo);
        return NULL;
    }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        keep(&photo->bytes, texts[i]);
    copy->tensor.data = pixels.data;
    return photo;
}

static int load_file(struct rn_image *image, struct rn_text path, const struct rn_decode *how, struct rn_err *err)
{
    char room[256];
    if (memchr(path.data, '\0', path.length))
        return rn_fail(err, RN_EXIT_DATA, "%s: a path with a NUL byte", rn_text_show(path, room));
    char *name = rn_calloc(path.length + 1, 1, err);
    if (!name)
        return -1;
    memcpy(name, path.data, path.length);
    int rc = rn_image_load(image, name, how, err);
    free(name);
    return rc;
}

static int decode(struct rn_image *image, const struct rn_record *record, const struct rn_decode *how, struct rn_err *err)
{
    char room[256];
    if (record->path.data)
        return load_file(image, record->path, how, err);
    if (rn_image_decode(image, record->data, how, err))
        return rn_fail_at(err, "%s", rn_text_show(record->id, room));
    return 0;
}

static int prepare(struct rn_photo *photo, const struct rn_image *image, const struct rn_photo_work *work, struct rn_err *err)
{
    size_t size = (size_t)work->plan->input.size;
    if (!(photo->pixels = rn_alloc_aligned(size * size, 3, err)))
        return -1;
    if (work->mode == RN_EVAL)
        return rn_image_eval(photo->pixels, image, size, (size_t)work->plan->input.resize, err);
    struct rn_rng rng = rn_rng(work->plan->seed, RN_FOR_CROP, photo->entry->who, photo->epoch);
    return rn_image_train(photo->pixels, image, size, &rng, err);
}

static int to_pixels(struct rn_photo *photo, const struct rn_photo_work *work, struct rn_err *err)
{
    char room[256];
    const struct rn_record *record = &photo->record;
    if (record->kind == RN_IMAGES) {
        const size_t *shape = record->tensor.shape;
        if (!shape[0] || !shape[1])
            return rn_fail(err, RN_EXIT_DATA, "%s: a picture without pixels", rn_text_show(record->id, room));
        const struct rn_image image = { (uint8_t *)record->tensor.data, shape[0], shape[1] };
        return prepare(photo, &image, work, err);
    }
    struct rn_image image;
    if (decode(&image, record, &work->plan->decode, err))
        return -1;
    int rc = prepare(photo, &image, work, err);
    rn_image_free(&image);
    return rc;
}

void rn_photo_work(void *context, void *job)
{
    const struct rn_photo_work *work = context;
    struct rn_photo *photo = job;
    if (photo->news)
        return;
    if (photo->entry && rn_spool_read(work->spool, photo->entry, &photo->record, &photo->bytes, &photo->arena, &photo->err)) {
        photo->state = RN_PHOTO_FATAL;
        return;
    }
    if (!photo->record.error.data && to_pixels(photo, work, &photo->err))
        photo->state = RN_PHOTO_FAILED;
    rn_image_thread_end(); /* a line's threads do not say when they end */
}
