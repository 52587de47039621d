/* pictures.c -- a list of pictures, and their classes. */
#include <stdlib.h>

#include "core/mem.h"
#include "list/list.h"

void rn_picture_free(struct rn_picture *picture)
{
    free(picture->path);
    free(picture->error);
    *picture = (struct rn_picture){ 0 };
}

void rn_pictures_free(struct rn_pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        rn_picture_free(&pictures->item[i]);
    free(pictures->item);
    rn_texts_free(&pictures->empty);
    *pictures = (struct rn_pictures){ 0 };
}

struct rn_text rn_picture_id(const struct rn_picture *picture)
{
    return rn_text(picture->path + picture->id);
}

struct rn_text rn_picture_class(const struct rn_picture *picture)
{
    if (!picture->class_length)
        return (struct rn_text){ 0 };
    return (struct rn_text){ picture->path + picture->class_start, picture->class_length };
}

static int by_name(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

/* Of each picture; nil: none. Freed with free(). */
static struct rn_text *class_names(const struct rn_pictures *pictures, bool of_unread, struct rn_err *err)
{
    struct rn_text *name = rn_calloc(pictures->count, sizeof *name, err);
    for (size_t i = 0; name && i < pictures->count; i++)
        if (of_unread || !pictures->item[i].unread)
            name[i] = rn_picture_class(&pictures->item[i]);
    return name;
}

int rn_list_classes(const struct rn_pictures *pictures, struct rn_texts *classes, struct rn_err *err)
{
    struct rn_text *name = class_names(pictures, false, err);
    int rc = name ? 0 : -1;
    if (rc == 0)
        qsort(name, pictures->count, sizeof *name, by_name);
    for (size_t i = 0; i < pictures->count && rc == 0; i++)
        if (name[i].data && (i == 0 || !rn_text_equal(name[i], name[i - 1])))
            rc = rn_texts_add(classes, name[i], err);
    free(name);
    return rc;
}

int rn_list_labels(const struct rn_pictures *pictures, const struct rn_texts *classes, int64_t *label, struct rn_err *err)
{
    struct rn_text *name = class_names(pictures, true, err);
    if (!name)
        return -1;
    int rc = rn_texts_index(classes, &(const struct rn_texts){ .item = name, .count = pictures->count }, label, err);
    free(name);
    return rc;
}
