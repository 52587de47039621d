/* source.c -- samples become pixels. */
#include "source/source.h"

#include <stdlib.h>
#include <string.h>

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

int rn_source_decode(struct rn_image *image, const struct rn_record *record, const struct rn_decode *how, struct rn_err *err)
{
    char room[256];
    if (record->path.data)
        return load_file(image, record->path, how, err);
    if (rn_image_decode(image, record->data, how, err))
        return rn_fail_at(err, "%s", rn_text_show(record->from_path.data ? record->from_path : record->id, room));
    return 0;
}
