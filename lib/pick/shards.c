/* shards.c -- archives, one after the other. */
#include "pick/shards.h"

#include <stdlib.h>

#include "pick/slices.h"

enum { END = 1024 }; /* bytes of an archive's end */

int rn_shards_open(struct rn_shards *shards, struct rn_err *err)
{
    struct rn_buffer name = { 0 };
    struct rn_out *out;
    int rc = shards->most ? rn_slices_name(&name, shards->path ? shards->path : "-", ++shards->number, err) : 0;
    rc = rc || rn_out_open(&out, shards->most ? name.data : shards->path, err) ? -1 : 0;
    rn_buffer_free(&name);
    if (rc)
        return -1;
    if (rn_out_binary(out, err)) {
        rn_out_discard(out);
        return -1;
    }
    shards->size = 0;
    return rn_tar_create(&shards->tar, out, err);
}

int rn_shards_head(struct rn_shards *shards, const struct rn_head *head, struct rn_err *err)
{
    return rn_classes_join(&shards->classes, head, &shards->map, err);
}

int rn_shards_add(struct rn_shards *shards, const struct rn_head *head, const struct rn_record *record, struct rn_err *err)
{
    bool labelled = record->label != RN_NIL;
    const struct rn_tar_sample sample = {
        .id = record->id, .split = record->split, .data = record->data, .label = labelled ? shards->map[record->label] : RN_NIL,
        .class_name = labelled ? head->classes.item[record->label] : (struct rn_text){ 0 },
    };
    if (rn_tar_pack(&shards->members, &sample, err))
        return -1;
    if (shards->most && shards->size && shards->size + shards->members.size + END > shards->most &&
        (rn_shards_close(shards, err) || rn_shards_open(shards, err)))
        return -1;
    shards->size += shards->members.size;
    return rn_tar_put(shards->tar, &shards->members, &sample, err);
}

int rn_shards_close(struct rn_shards *shards, struct rn_err *err)
{
    struct rn_tar_writer *tar = shards->tar;
    shards->tar = NULL;
    return rn_tar_finish(tar, err);
}

void rn_shards_free(struct rn_shards *shards)
{
    rn_tar_discard(shards->tar);
    rn_tar_members_free(&shards->members);
    rn_texts_free(&shards->classes);
    free(shards->map);
}
