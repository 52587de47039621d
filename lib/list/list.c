/* list.c -- pictures found and named. */
#include "list/list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "core/mem.h"

/* The folders from the listed one down to the one being read, so that a link up is known for what it is. */
struct inside {
    const struct inside *outer;
    dev_t device;
    ino_t inode;
};

static const char *shown(const char *path, char room[static 256])
{
    return rn_text_show(rn_text(path), room);
}

void rn_pictures_free(struct rn_pictures *pictures)
{
    for (size_t i = 0; i < pictures->count; i++)
        free(pictures->item[i].path);
    free(pictures->item);
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

/* Takes the path, even on failure. */
static int add(struct rn_pictures *pictures, struct rn_picture picture, struct rn_err *err)
{
    if (rn_grow(&pictures->item, &pictures->capacity, pictures->count + 1, sizeof *pictures->item, err)) {
        free(picture.path);
        return -1;
    }
    pictures->item[pictures->count++] = picture;
    return 0;
}

static bool is_picture_name(const char *name)
{
    static const char *const endings[] = { ".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof endings / sizeof *endings; i++)
        if (!strcasecmp(dot, endings[i]))
            return true;
    return false;
}

static char *join(const char *folder, const char *name, struct rn_err *err)
{
    size_t length = strlen(folder);
    char *path = NULL;
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    if (asprintf(&path, "%s%s%s", folder, slash, name) < 0)
        return rn_fail(err, RN_EXIT_SYSTEM, "out of memory"), NULL;
    return path;
}

static int read_folder(struct rn_pictures *pictures, const char *path, size_t below, const struct inside *outer,
                       struct rn_err *err);

/* One entry of a folder: takes the path. */
static int visit(struct rn_pictures *pictures, char *path, const char *name, size_t below, const struct inside *inside,
                 struct rn_err *err)
{
    struct stat status;
    bool there = stat(path, &status) == 0;
    if (!there && lstat(path, &status)) {
        char room[256];
        int rc = errno == ENOENT ? 0 : rn_fail_errno(err, "%s", shown(path, room)); /* gone since the folder was read */
        free(path);
        return rc;
    }
    int rc = 0;
    if (there && S_ISDIR(status.st_mode)) {
        const struct inside *at = inside;
        while (at && (at->device != status.st_dev || at->inode != status.st_ino))
            at = at->outer;
        rc = at ? 0 : read_folder(pictures, path, below, inside, err);
    } else if (is_picture_name(name) && (!there || S_ISREG(status.st_mode))) {
        const char *slash = strchr(path + below, '/');
        return add(pictures, (struct rn_picture){ path, below, below, slash ? (size_t)(slash - path) - below : 0 }, err);
    }
    free(path);
    return rc;
}

static int read_folder(struct rn_pictures *pictures, const char *path, size_t below, const struct inside *outer,
                       struct rn_err *err)
{
    char room[256];
    struct stat status;
    struct dirent *entry;
    int rc = 0;
    DIR *folder = opendir(path);
    if (!folder || fstat(dirfd(folder), &status)) {
        rc = rn_fail_errno(err, "%s", shown(path, room));
        goto out;
    }
    struct inside here = { outer, status.st_dev, status.st_ino };
    while (rc == 0 && (errno = 0, entry = readdir(folder))) {
        if (entry->d_name[0] == '.')
            continue;
        char *name = join(path, entry->d_name, err);
        rc = name ? visit(pictures, name, entry->d_name, below, &here, err) : -1;
    }
    if (rc == 0 && errno)
        rc = rn_fail_errno(err, "%s", shown(path, room));
out:
    if (folder)
        closedir(folder);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct rn_picture *)a)->path, ((const struct rn_picture *)b)->path);
}

int rn_list_folder(struct rn_pictures *pictures, const char *folder, bool whole_id, struct rn_err *err)
{
    size_t first = pictures->count, length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    char *path = strndup(folder, length);
    if (!path)
        return rn_fail_errno(err, "out of memory");
    int rc = read_folder(pictures, path, length + (path[length - !!length] != '/'), NULL, err);
    free(path);
    if (rc)
        return -1;
    if (pictures->count > first)
        qsort(pictures->item + first, pictures->count - first, sizeof *pictures->item, compare);
    for (size_t i = first; i < pictures->count && whole_id; i++)
        pictures->item[i].id = 0;
    return 0;
}

/* The parent folder's name: "." and repeated slashes name nothing; ".." could be any folder. */
static void find_parent(struct rn_picture *picture)
{
    const char *path = picture->path, *slash = strrchr(path, '/');
    size_t end = slash ? (size_t)(slash - path) : 0, start = end;
    while (end) {
        for (start = end; start && path[start - 1] != '/'; start--)
            ;
        if (start != end && !(end - start == 1 && path[start] == '.'))
            break;
        end = start ? start - 1 : 0;
    }
    bool named = end && !(end - start == 2 && !memcmp(path + start, "..", 2));
    picture->class_start = start;
    picture->class_length = named ? end - start : 0;
}

static int name_one(struct rn_pictures *pictures, const char *path, size_t length, struct rn_err *err)
{
    char room[256];
    struct stat status;
    struct rn_picture picture = { .path = NULL };
    if (memchr(path, '\0', length))
        return rn_fail(err, RN_EXIT_DATA, "a NUL byte in a name: a list with NUL separators needs -0");
    if (stat(path, &status))
        return rn_fail_errno(err, "%s", shown(path, room));
    if (S_ISDIR(status.st_mode))
        return errno = EISDIR, rn_fail_errno(err, "%s", shown(path, room));
    if (!(picture.path = strdup(path)))
        return rn_fail_errno(err, "out of memory");
    find_parent(&picture);
    return add(pictures, picture, err);
}

int rn_list_named(struct rn_pictures *pictures, FILE *list, int separator, const char *name, struct rn_err *err)
{
    char *line = NULL, room[256];
    size_t capacity = 0;
    int rc = 0;
    for (ssize_t n; rc == 0 && (errno = 0, n = getdelim(&line, &capacity, separator, list)) >= 0;) {
        size_t length = (size_t)n;
        if (length && line[length - 1] == (char)separator)
            line[--length] = '\0';
        rc = length ? name_one(pictures, line, length, err) : 0;
    }
    if (rc == 0 && errno)
        rc = rn_fail_errno(err, "cannot read");
    free(line);
    return rc ? rn_fail_at(err, "%s", shown(name, room)) : 0;
}

static int by_name(const void *a, const void *b)
{
    return rn_text_compare(*(const struct rn_text *)a, *(const struct rn_text *)b);
}

int rn_list_classes(const struct rn_pictures *pictures, struct rn_texts *classes, struct rn_err *err)
{
    struct rn_text *name = rn_calloc(pictures->count, sizeof *name, err);
    int rc = name ? 0 : -1;
    for (size_t i = 0; i < pictures->count && rc == 0; i++)
        name[i] = rn_picture_class(&pictures->item[i]);
    if (rc == 0)
        qsort(name, pictures->count, sizeof *name, by_name);
    for (size_t i = 0; i < pictures->count && rc == 0; i++)
        if (name[i].data && (i == 0 || !rn_text_equal(name[i], name[i - 1])))
            rc = rn_texts_add(classes, name[i], err);
    free(name);
    return rc;
}
