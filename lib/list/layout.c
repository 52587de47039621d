/* layout.c -- train/CLASS/x.jpg: folders that are a split. */
#include <string.h>
#include <strings.h>

#include "list/private.h"

const char *rn_list_split_of(struct rn_text folder)
{
    static const struct { const char *folder, *split; } names[] = {
        { "train", "train" }, { "training", "train" }, { "val", "val" }, { "valid", "val" },
        { "validation", "val" }, { "test", "test" }, { "testing", "test" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (folder.length == strlen(names[i].folder) && !strncasecmp(folder.data, names[i].folder, folder.length))
            return names[i].split;
    return NULL;
}

static bool looks_split(const struct rn_pictures *pictures, size_t first)
{
    bool deep = false;
    for (size_t i = first; i < pictures->count; i++) {
        const struct rn_picture *picture = &pictures->item[i];
        if (picture->unread)
            continue;
        if (!picture->class_length || !rn_list_split_of(rn_picture_class(picture)))
            return false;
        deep = deep || strchr(picture->path + picture->class_start + picture->class_length + 1, '/');
    }
    return deep;
}

int rn_list_split(struct rn_pictures *pictures, size_t first, enum rn_list_layout *layout, struct rn_err *err)
{
    char path[256], room[256];
    if (*layout == RN_LAYOUT_AUTO && !looks_split(pictures, first)) {
        *layout = RN_LAYOUT_FLAT;
        return 0;
    }
    *layout = RN_LAYOUT_SPLITS;
    for (size_t i = first; i < pictures->count; i++) {
        struct rn_picture *picture = &pictures->item[i];
        struct rn_text folder = rn_picture_class(picture);
        picture->split = folder.data ? rn_list_split_of(folder) : NULL;
        if (!picture->split && !picture->unread)
            return rn_fail(err, RN_EXIT_DATA, "%s: '%s' is no split's folder: train, val or test",
                           rn_text_show(rn_text(picture->path), path), folder.data ? rn_text_show(folder, room) : "");
        size_t start = picture->class_start + picture->class_length + (folder.data != NULL);
        const char *slash = folder.data ? strchr(picture->path + start, '/') : NULL;
        picture->class_start = start;
        picture->class_length = slash ? (size_t)(slash - picture->path) - start : 0;
    }
    return 0;
}
