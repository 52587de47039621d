/* list.c -- pictures found and named. */
#include "list/list.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/mem.h"
#include "list/private.h"

/* The folders from the listed one down to the one being read, so that a link up is known for what it is. */
struct inside {
    const struct inside *outer;
    dev_t device;
    ino_t inode;
};

/* One listed folder. */
struct walk {
    struct rn_pictures *pictures;
    size_t below;           /* where in a path the part below the listed folder begins */
    struct rn_texts folder; /* paths of the first and second level, which may be classes */
};

static const char *shown(const char *path, char room[static 256])
{
    return rn_text_show(rn_text(path), room);
}

/* Takes path and error, even on failure. */
static int add(struct rn_pictures *pictures, struct rn_picture picture, struct rn_err *err)
{
    if (rn_grow(&pictures->item, &pictures->capacity, pictures->count + 1, sizeof *pictures->item, err)) {
        free(picture.path);
        free(picture.error);
        return -1;
    }
    pictures->item[pictures->count++] = picture;
    return 0;
}

static int out_of_memory(struct rn_err *err)
{
    return rn_fail(err, RN_EXIT_SYSTEM, "out of memory");
}

static char *join(const char *folder, const char *name, struct rn_err *err)
{
    size_t length = strlen(folder);
    char *path = NULL;
    const char *slash = length && folder[length - 1] == '/' ? "" : "/";
    if (asprintf(&path, "%s%s%s", folder, slash, name) < 0)
        return out_of_memory(err), NULL;
    return path;
}

/* ---- what lies in a folder ---- */

/* What could not be looked into, for the reason in errno; takes the path. Gone since its folder was read: nothing. No memory and no
 * descriptors left are no folder's fault. */
static int add_unread(struct walk *walk, char *path, struct rn_err *err)
{
    char room[256];
    int why = errno;
    rn_fail_errno(err, "%s", shown(path, room));
    if (why == ENOENT || why == EMFILE || why == ENFILE || why == ENOMEM) {
        free(path);
        return why == ENOENT ? 0 : -1;
    }
    const char *slash = strchr(path + walk->below, '/');
    struct rn_picture picture = { .path = path, .id = walk->below, .class_start = walk->below, .unread = true,
                                  .class_length = slash ? (size_t)(slash - path) - walk->below : 0, .error = strdup(err->text) };
    if (!picture.error) {
        free(path);
        return out_of_memory(err);
    }
    return add(walk->pictures, picture, err);
}

/* A file whose ending is a picture's; takes the path. */
static int add_picture(struct walk *walk, char *path, const struct rn_ending *ending, struct rn_err *err)
{
    const char *slash = strchr(path + walk->below, '/');
    struct rn_picture picture = { .path = path, .id = walk->below, .class_start = walk->below,
                                  .class_length = slash ? (size_t)(slash - path) - walk->below : 0 };
    if (ending->advice && !(picture.error = rn_ending_error(ending, path, err))) {
        free(path);
        return -1;
    }
    return add(walk->pictures, picture, err);
}

static int read_folder(struct walk *walk, char *path, int level, const struct inside *outer, struct rn_err *err);

/* A folder below the listed one; takes the path. */
static int visit_folder(struct walk *walk, char *path, const char *name, int level, const struct stat *status,
                        const struct inside *inside, struct rn_err *err)
{
    const struct inside *at = inside;
    while (at && (at->device != status->st_dev || at->inode != status->st_ino))
        at = at->outer;
    if (at || rn_list_is_junk(name)) {
        rn_list_pass_folder(walk->pictures, at ? NULL : name);
        free(path);
        return 0;
    }
    if (level < 2 && rn_texts_add(&walk->folder, rn_text(path), err)) {
        free(path);
        return -1;
    }
    return read_folder(walk, path, level + 1, inside, err);
}

/* One entry of a folder: takes the path. */
static int visit(struct walk *walk, char *path, const char *name, int level, const struct inside *inside, struct rn_err *err)
{
    struct stat status;
    const struct rn_ending *ending = rn_ending_of(name);
    bool there = stat(path, &status) == 0;
    if (!there && lstat(path, &status))
        return add_unread(walk, path, err);
    if (there && S_ISDIR(status.st_mode))
        return visit_folder(walk, path, name, level, &status, inside, err);
    if (ending && (!there || S_ISREG(status.st_mode)))
        return add_picture(walk, path, ending, err);
    rn_list_pass_file(walk->pictures, name, !there || S_ISREG(status.st_mode));
    free(path);
    return 0;
}

/* The names in a folder; it is closed before any of them is visited, so that a deep one takes no descriptors. -1 and errno: it
 * cannot be read. */
static int read_names(const char *path, struct inside *here, struct rn_texts *names, struct rn_pictures *pictures,
                      struct rn_err *err)
{
    struct stat status = { 0 };
    struct dirent *entry;
    DIR *folder = opendir(path);
    if (!folder)
        return -1;
    int rc = fstat(dirfd(folder), &status);
    here->device = status.st_dev;
    here->inode = status.st_ino;
    while (rc == 0 && (errno = 0, entry = readdir(folder))) {
        bool dots = !strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..");
        if (entry->d_name[0] != '.')
            rc = rn_texts_add(names, rn_text(entry->d_name), err) ? (errno = ENOMEM, -1) : 0;
        else if (!dots)
            rn_list_pass(pictures, "hidden");
    }
    int why = errno;
    closedir(folder);
    errno = why;
    return rc || why ? -1 : 0;
}

/* A folder that has an error is not named as an empty one, too. It is the last that was added. */
static void forget_folder(struct walk *walk, const char *path)
{
    size_t count = walk->folder.count;
    if (count && rn_text_is(walk->folder.item[count - 1], path))
        free((char *)walk->folder.item[--walk->folder.count].data);
}

/* Takes the path. What was read before an error is visited. */
static int read_folder(struct walk *walk, char *path, int level, const struct inside *outer, struct rn_err *err)
{
    char room[256];
    struct inside here = { .outer = outer };
    struct rn_texts names = { 0 };
    int rc = 0;
    if (read_names(path, &here, &names, walk->pictures, err)) {
        int why = errno;
        char *copy = level ? strdup(path) : NULL;
        forget_folder(walk, path);
        errno = why;
        rc = copy ? add_unread(walk, copy, err) : rn_fail_errno(err, "%s", shown(path, room));
    }
    for (size_t i = 0; i < names.count && rc == 0; i++) {
        char *name = join(path, names.item[i].data, err);
        rc = name ? visit(walk, name, names.item[i].data, level, &here, err) : -1;
    }
    rn_texts_free(&names);
    free(path);
    return rc;
}

static int compare(const void *a, const void *b)
{
    return strcmp(((const struct rn_picture *)a)->path, ((const struct rn_picture *)b)->path);
}

/* ---- classes, splits ---- */

/* Class folders in which there is no picture: those of the level that the layout has classes on. */
static int find_empty(struct walk *walk, size_t first, enum rn_list_layout layout, struct rn_err *err)
{
    struct rn_pictures *pictures = walk->pictures;
    rn_texts_sort(&walk->folder);
    for (size_t i = 0; i < walk->folder.count; i++) {
        struct rn_text folder = walk->folder.item[i];
        bool second = strchr(folder.data + walk->below, '/') != NULL;
        size_t low = first, high = pictures->count;
        if (second != (layout == RN_LAYOUT_SPLITS))
            continue;
        while (low < high) { /* the first picture that is not before "folder/" */
            size_t middle = low + (high - low) / 2;
            int order = strncmp(pictures->item[middle].path, folder.data, folder.length);
            if (order < 0 || (order == 0 && (unsigned char)pictures->item[middle].path[folder.length] < '/'))
                low = middle + 1;
            else
                high = middle;
        }
        const char *path = low < pictures->count ? pictures->item[low].path : "";
        bool found = !strncmp(path, folder.data, folder.length) && path[folder.length] == '/';
        if (!found && rn_texts_add(&pictures->empty, folder, err))
            return -1;
    }
    return 0;
}

int rn_list_folder(struct rn_pictures *pictures, const char *folder, bool whole_id, enum rn_list_layout *layout, struct rn_err *err)
{
    size_t first = pictures->count, length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/')
        length--;
    char *path = strndup(folder, length);
    if (!path)
        return rn_fail_errno(err, "out of memory");
    struct walk walk = { .pictures = pictures, .below = length + (path[length - !!length] != '/') };
    int rc = read_folder(&walk, path, 0, NULL, err);
    if (rc == 0 && pictures->count > first)
        qsort(pictures->item + first, pictures->count - first, sizeof *pictures->item, compare);
    if (rc == 0 && *layout != RN_LAYOUT_FLAT)
        rc = rn_list_split(pictures, first, layout, err);
    if (rc == 0 && pictures->count > first)
        rc = find_empty(&walk, first, *layout, err);
    for (size_t i = first; i < pictures->count && whole_id; i++)
        pictures->item[i].id = 0;
    rn_texts_free(&walk.folder);
    return rc;
}

/* ---- files that are named ---- */

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

int rn_list_file(struct rn_pictures *pictures, const char *path, bool forgive, struct rn_err *err)
{
    char room[256];
    struct stat status;
    const char *slash = strrchr(path, '/');
    const struct rn_ending *ending = rn_ending_of(slash ? slash + 1 : path);
    struct rn_picture picture = { .path = NULL };
    int rc = stat(path, &status);
    if (rc == 0 && S_ISDIR(status.st_mode))
        rc = -1, errno = EISDIR;
    if (rc && (rn_fail_errno(err, "%s", shown(path, room)), !forgive))
        return -1;
    if (!(picture.path = strdup(path)) || (rc && !(picture.error = strdup(err->text)))) {
        free(picture.path);
        return out_of_memory(err);
    }
    if (!rc && ending && ending->advice && !(picture.error = rn_ending_error(ending, path, err))) {
        free(picture.path);
        return -1;
    }
    find_parent(&picture);
    return add(pictures, picture, err);
}

int rn_list_unread(struct rn_pictures *pictures, const char *path, struct rn_err *err)
{
    char room[256];
    struct rn_picture picture = { .unread = true };
    rn_fail_errno(err, "%s", shown(path, room));
    if (!(picture.path = strdup(path)) || !(picture.error = strdup(err->text))) {
        free(picture.path);
        return out_of_memory(err);
    }
    return add(pictures, picture, err);
}

int rn_list_next(FILE *list, int separator, char **line, size_t *capacity, struct rn_err *err)
{
    for (ssize_t n; errno = 0, (n = getdelim(line, capacity, separator, list)) >= 0;) {
        size_t length = (size_t)n;
        if (length && (*line)[length - 1] == (char)separator)
            (*line)[--length] = '\0';
        if (length && memchr(*line, '\0', length))
            return rn_fail(err, RN_EXIT_DATA, "a NUL byte in a name: a list with NUL separators needs -0");
        if (separator == '\n') { /* as editors of other systems write it: a name that ends so needs -0 */
            if (length && (*line)[length - 1] == '\r')
                (*line)[--length] = '\0';
            if (rn_text_marked(*line, length))
                memmove(*line, *line + 3, (length -= 3) + 1);
        }
        if (length)
            return 1;
    }
    return errno ? rn_fail_errno(err, "cannot read") : 0;
}
